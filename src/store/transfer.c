/* All records of one store into another, whatever database each is kept in. */

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "store/engine.h"

/* What every engine's schema has, those first to whom others refer. The version of a schema is an engine's own, and so
 * are the numbers of rows, which are given anew in the same order. */
static const struct table {
    const char *name, *columns, *order;
    int width;
} tables[] = {
    {"trail", "seq, at, who, host, action, serial, sha256, detail, hash", "seq", 9},
    {"trail_head", "seq, at, hash, signer, signature", "seq", 5},
    {"ca", "sha256, key, since, der", "since", 4},
    {"certificate",
     "serial, name, profile, subject, san, issuer, not_before, not_after, issued_at, sha256, "
     "part, revoked_at, reason, invalid_since, changed_seq, der",
     "id", 16},
    {"crl", "issuer, part, number, base, seq, this_update, next_update, sha256", "id", 8},
    {"setting WHERE name <> 'schema'", "name, value", "name", 2},
};

struct transfer {
    struct mu_store *from, *to;
    const struct table *table;
    char insert[512];
    int result;
    struct mu_error *err;
};

static void make_insert(struct transfer *t)
{
    int name_len = (int)strcspn(t->table->name, " ");
    int len = snprintf(t->insert, sizeof t->insert, "INSERT INTO %.*s (%s) VALUES (", name_len,
                       t->table->name, t->table->columns);
    for (int i = 1; i <= t->table->width; i++)
        len += snprintf(t->insert + len, sizeof t->insert - (size_t)len, "$%d%s", i,
                        i < t->table->width ? ", " : ")");
}

static bool take_row(void *arg, const struct mu_value *row)
{
    struct transfer *t = arg;
    t->result = mu_store_run(t->to, t->insert, row, (size_t)t->table->width, NULL, NULL, t->err);
    return t->result == 0;
}

static int take_table(struct transfer *t, const struct table *table)
{
    char select[512];
    t->table = table;
    make_insert(t);
    snprintf(select, sizeof select, "SELECT %s FROM %s ORDER BY %s", table->columns, table->name,
             table->order);
    if (mu_store_run(t->from, select, NULL, 0, take_row, t, t->err) != 0)
        return -1;
    return t->result;
}

/* Whoever is handed a row may ask again, and is answered as of the moment of the first question: so everything is
 * asked while one row is being walked through. */
static bool take_all(void *arg, const struct mu_value *row)
{
    struct transfer *t = arg;
    (void)row;
    for (size_t i = 0; t->result == 0 && i < MU_COUNT(tables); i++)
        t->result = take_table(t, &tables[i]);
    return false;
}

static int transfer(struct mu_store *to, void *arg, struct mu_error *err)
{
    struct transfer t = {.from = arg, .to = to, .err = err};
    struct mu_error asked = MU_ERROR_INIT;
    int result = mu_store_run(t.from, "SELECT 1", NULL, 0, take_all, &t, &asked);
    if (t.result != 0)
        return -1;
    if (result != 0)
        *err = asked;
    return result;
}

int mu_store_transfer(struct mu_store *from, struct mu_store *to, struct mu_error *err)
{
    return mu_store_change(to, transfer, from, err);
}
