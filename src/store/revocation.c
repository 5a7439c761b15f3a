/* What is revoked, and the lists that say so. */

#include "base/str.h"
#include "store/engine.h"

static bool note_row(void *arg, const struct mu_value *row)
{
    (void)row;
    *(bool *)arg = true;
    return true;
}

int mu_store_revoke(struct mu_store *store, const char *serial,
                    const struct mu_revocation *revocation, int64_t seq, struct mu_error *err)
{
    static const char sql[] =
        "UPDATE certificate SET revoked_at = $1, reason = $2, invalid_since = $3, changed_seq = $4 "
        "WHERE serial = $5 RETURNING serial";
    bool is = revocation->at != 0, found = false;
    struct mu_value none = {.kind = MU_VALUE_NULL};
    if (MU_RUN(store, sql, note_row, &found, err, mu_number_or_null(revocation->at),
               is ? mu_number(revocation->reason) : none,
               mu_number_or_null(is ? revocation->invalid_since : 0), mu_number(seq),
               mu_text(serial)) != 0)
        return -1;
    return found ? 0
                 : mu_fail(err, MU_E_NOT_FOUND,
                           "no certificate with the serial number %s has been issued here", serial);
}

struct walk {
    mu_revoked_fn *each;
    void *arg;
};

static bool hand_over(void *arg, const struct mu_value *row)
{
    struct walk *walk = arg;
    struct mu_revoked revoked = {
        .serial = row[0].data,
        .revocation = {.at = (time_t)row[1].number,
                       .reason = (enum mu_reason)row[2].number,
                       .invalid_since = (time_t)row[3].number},
    };
    return walk->each(walk->arg, &revoked);
}

/* Each is answered from the index certificate_changed alone, without a look at the certificates. */
#define CHANGED                                                                                    \
    "SELECT serial, revoked_at, reason, invalid_since FROM certificate "                           \
    "WHERE issuer IN ($1, '') AND changed_seq IS NOT NULL AND not_after >= $2 "
#define AND_REVOKED "AND revoked_at IS NOT NULL AND changed_seq > $3 "
#define AND_CHANGED "AND changed_seq > $3 "
#define OF_PARTITION "AND part = $4"

int mu_store_each_revoked(struct mu_store *store, const struct mu_crl_scope *scope,
                          time_t not_ended_at, int64_t changed_after, mu_revoked_fn *each,
                          void *arg, struct mu_error *err)
{
    static const char *const sql[2][2] = {
        {CHANGED AND_REVOKED, CHANGED AND_REVOKED OF_PARTITION},
        {CHANGED AND_CHANGED, CHANGED AND_CHANGED OF_PARTITION},
    };
    struct walk walk = {.each = each, .arg = arg};
    const struct mu_value values[] = {mu_text(scope->issuer), mu_number(not_ended_at),
                                      mu_number(changed_after), mu_number(scope->partition)};
    bool sliced = scope->partition != 0;
    return mu_store_run(store, sql[changed_after != MU_CHANGED_EVER][sliced], values,
                        sliced ? 4 : 3, hand_over, &walk, err);
}

int mu_store_add_crl(struct mu_store *store, const struct mu_crl_scope *scope,
                     const struct mu_crl_record *crl, struct mu_error *err)
{
    static const char sql[] =
        "INSERT INTO crl (issuer, part, number, base, seq, this_update, next_update, sha256) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    return MU_RUN(store, sql, NULL, NULL, err, mu_text(scope->issuer), mu_number(scope->partition),
                  mu_number(crl->number), mu_number_or_null(crl->base), mu_number(crl->seq),
                  mu_number(crl->this_update), mu_number(crl->next_update), mu_text(crl->sha256));
}

static bool copy_crl(void *arg, const struct mu_value *row)
{
    struct mu_crl_record *ret = arg;
    *ret = (struct mu_crl_record){
        .number = row[0].number,
        .base = row[1].number,
        .seq = row[2].number,
        .this_update = (time_t)row[3].number,
        .next_update = (time_t)row[4].number,
    };
    mu_str_copy(ret->sha256, sizeof ret->sha256, row[5].data);
    return false;
}

#define CRLS_OF                                                                                    \
    "SELECT number, base, seq, this_update, next_update, sha256 FROM crl "                         \
    "WHERE issuer = $1 AND part = $2 "
#define BY_NUMBER "ORDER BY number DESC LIMIT 1"

int mu_store_last_crl(struct mu_store *store, const struct mu_crl_scope *scope, bool complete,
                      struct mu_crl_record *ret, struct mu_error *err)
{
    *ret = (struct mu_crl_record){.number = 0};
    return MU_RUN(store, complete ? CRLS_OF "AND base IS NULL " BY_NUMBER : CRLS_OF BY_NUMBER,
                  copy_crl, ret, err, mu_text(scope->issuer), mu_number(scope->partition));
}

static bool copy_partition(void *arg, const struct mu_value *row)
{
    *(int *)arg = (int)row[0].number;
    return false;
}

int mu_store_last_partition(struct mu_store *store, const char *issuer, int *ret,
                            struct mu_error *err)
{
    *ret = 0;
    return MU_RUN(store, "SELECT part FROM crl WHERE issuer = $1 ORDER BY part DESC LIMIT 1",
                  copy_partition, ret, err, mu_text(issuer));
}

int mu_store_base_crl(struct mu_store *store, const struct mu_crl_scope *scope, time_t now,
                      struct mu_crl_record *ret, struct mu_error *err)
{
    *ret = (struct mu_crl_record){.number = 0};
    return MU_RUN(store, CRLS_OF "AND base IS NULL AND next_update >= $3 ORDER BY number LIMIT 1",
                  copy_crl, ret, err, mu_text(scope->issuer), mu_number(scope->partition),
                  mu_number(now));
}
