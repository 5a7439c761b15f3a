/* The certificates that were issued. */

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "store/engine.h"

#define COLUMNS                                                                                    \
    "serial, name, profile, subject, san, issuer, not_before, not_after, issued_at, sha256, "      \
    "part, revoked_at, reason, invalid_since"
enum { COLUMN_COUNT = 14 };

int mu_store_add(struct mu_store *store, const struct mu_record *record, struct mu_error *err)
{
    static const char sql[] =
        "INSERT INTO certificate (serial, name, profile, subject, san, issuer, not_before, "
        "not_after, issued_at, sha256, part, der) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    if (MU_RUN(store, sql, NULL, NULL, err, mu_text(record->serial), mu_text(record->name),
               mu_text(record->profile), mu_text(record->subject), mu_text(record->san),
               mu_text(record->issuer), mu_number(record->not_before), mu_number(record->not_after),
               mu_number(record->issued_at), mu_text(record->sha256), mu_number(record->partition),
               mu_bytes(record->der, record->der_len)) == 0)
        return 0;
    return err->code == MU_E_EXISTS
               ? mu_fail(err, MU_E_EXISTS, "the serial number %s is taken", record->serial)
               : -1;
}

static struct mu_record record_of(const struct mu_value *row)
{
    return (struct mu_record){
        .serial = row[0].data,
        .name = row[1].data,
        .profile = row[2].data,
        .subject = row[3].data,
        .san = row[4].data,
        .issuer = row[5].data,
        .not_before = (time_t)row[6].number,
        .not_after = (time_t)row[7].number,
        .issued_at = (time_t)row[8].number,
        .sha256 = row[9].data,
        .partition = (int)row[10].number,
        .revocation = {.at = (time_t)row[11].number,
                       .reason = (enum mu_reason)row[12].number,
                       .invalid_since = (time_t)row[13].number},
    };
}

/* --- One --- */

struct search {
    mu_record_fn *each;
    void *arg;
    bool found;
};

static bool hand_over(void *arg, const struct mu_value *row)
{
    struct search *search = arg;
    struct mu_record record = record_of(row);
    record.der = row[COLUMN_COUNT].data;
    record.der_len = row[COLUMN_COUNT].len;
    search->found = true;
    search->each(search->arg, &record);
    return false;
}

static int fail_not_found(const char *serial, struct mu_error *err)
{
    mu_fail(err, MU_E_NOT_FOUND, "no certificate with the serial number %s has been issued here",
            serial);
    return mu_hint(err, "see what has been issued with: mutual list");
}

int mu_store_find(struct mu_store *store, const char *serial, mu_record_fn *each, void *arg,
                  struct mu_error *err)
{
    struct search search = {.each = each, .arg = arg};
    if (MU_RUN(store, "SELECT " COLUMNS ", der FROM certificate WHERE serial = $1", hand_over,
               &search, err, mu_text(serial)) != 0)
        return -1;
    return search.found ? 0 : fail_not_found(serial, err);
}

/* --- Many --- */

enum mu_state mu_record_state(const struct mu_record *record, time_t now)
{
    if (record->revocation.at != 0)
        return record->revocation.reason == MU_REASON_HOLD ? MU_STATE_HELD : MU_STATE_REVOKED;
    return now > record->not_after ? MU_STATE_EXPIRED : MU_STATE_VALID;
}

const char *mu_state_name(enum mu_state state)
{
    static const char *const names[] = {[MU_STATE_ANY] = "any",
                                        [MU_STATE_VALID] = "valid",
                                        [MU_STATE_EXPIRED] = "expired",
                                        [MU_STATE_REVOKED] = "revoked",
                                        [MU_STATE_HELD] = "held"};
    return names[state];
}

/* A SELECT that grows condition by condition. */
struct query {
    struct mu_buf sql;
    struct mu_value values[16]; /* as many as there are conditions */
    size_t count;
};

static void where(struct query *query, const char *condition, struct mu_value value)
{
    query->values[query->count++] = value;
    mu_buf_addf(&query->sql, " AND %s $%zu", condition, query->count);
}

/* What stands before the first wildcard is looked up in the index; the rest of a pattern is C's to judge, because
 * no two databases know the same patterns. */
static void where_name_begins(struct query *query, const char *glob, struct mu_buf *low,
                              struct mu_buf *high)
{
    size_t len = strcspn(glob, "*?[");
    if (len == 0)
        return;
    mu_buf_add(low, glob, len);
    mu_buf_add(high, glob, len);
    mu_buf_adds(high, "\xf4\x8f\xbf\xbf"); /* the last character that there is */
    where(query, "name >=", mu_text(mu_buf_str(low)));
    where(query, "name <=", mu_text(mu_buf_str(high)));
}

/* Upper-case hexadecimal: what begins so ends before the same with a letter behind it that is no digit. */
static void where_digits(struct query *query, const char *column, const char *digits,
                         bool is_beginning, struct mu_buf *end)
{
    char condition[32];
    if (digits == NULL)
        return;
    snprintf(condition, sizeof condition, "%s %s", column, is_beginning ? ">=" : "=");
    where(query, condition, mu_text(digits));
    if (!is_beginning)
        return;
    mu_buf_addf(end, "%sG", digits);
    snprintf(condition, sizeof condition, "%s <", column);
    where(query, condition, mu_text(mu_buf_str(end)));
}

static void where_state(struct query *query, const struct mu_store_filter *filter)
{
    switch (filter->state) {
    case MU_STATE_ANY: break;
    case MU_STATE_VALID:
        mu_buf_adds(&query->sql, " AND revoked_at IS NULL");
        where(query, "not_after >=", mu_number(filter->now));
        break;
    case MU_STATE_EXPIRED:
        mu_buf_adds(&query->sql, " AND revoked_at IS NULL");
        where(query, "not_after <", mu_number(filter->now));
        break;
    case MU_STATE_REVOKED: mu_buf_adds(&query->sql, " AND revoked_at IS NOT NULL"); break;
    case MU_STATE_HELD: where(query, "reason =", mu_number(MU_REASON_HOLD)); break;
    }
}

struct listing {
    const struct mu_store_filter *filter;
    mu_record_fn *each;
    void *arg;
    size_t count;
};

/* Does one name of a comma-separated list fit, as it stands there or without its "DNS:"? */
static bool san_fits(const char *san, const char *glob)
{
    char name[2048];
    for (const char *at = san; *at != '\0';) {
        size_t len = strcspn(at, ",");
        if (len < sizeof name) {
            memcpy(name, at, len);
            name[len] = '\0';
            const char *bare = strchr(name, ':');
            if (fnmatch(glob, name, FNM_NOESCAPE) == 0 ||
                (bare != NULL && fnmatch(glob, bare + 1, FNM_NOESCAPE) == 0))
                return true;
        }
        at += len + strspn(at + len, ", ");
    }
    return false;
}

static bool list_one(void *arg, const struct mu_value *row)
{
    struct listing *listing = arg;
    const struct mu_store_filter *filter = listing->filter;
    struct mu_record record = record_of(row);
    record.der = filter->with_certificates ? row[COLUMN_COUNT].data : NULL;
    record.der_len = filter->with_certificates ? row[COLUMN_COUNT].len : 0;
    if ((filter->name_glob != NULL && fnmatch(filter->name_glob, record.name, FNM_NOESCAPE) != 0) ||
        (filter->san_glob != NULL && !san_fits(record.san, filter->san_glob)))
        return true;
    listing->count++;
    return listing->each(listing->arg, &record) &&
           (filter->limit == 0 || listing->count < filter->limit);
}

static bool note_position(void *arg, const struct mu_value *row)
{
    struct mu_value *ret = arg;
    ret[0] = row[0];
    ret[1] = row[1];
    return false;
}

int mu_store_each(struct mu_store *store, const struct mu_store_filter *filter, mu_record_fn *each,
                  void *arg, struct mu_error *err)
{
    bool by_end = filter->expiring_before != 0;
    MU_AUTO_CLEAR(mu_buf) low = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_buf) high = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_buf) serials_end = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_buf) sha256s_end = MU_BUF_INIT;
    struct query query = {.sql = MU_BUF_INIT};
    struct listing listing = {.filter = filter, .each = each, .arg = arg};
    struct mu_value behind[2] = {{.kind = MU_VALUE_NULL}}; /* id, not_after */

    if (filter->after != NULL) {
        if (MU_RUN(store, "SELECT id, not_after FROM certificate WHERE serial = $1", note_position,
                   behind, err, mu_text(filter->after)) != 0)
            return -1;
        if (behind[0].kind == MU_VALUE_NULL)
            return fail_not_found(filter->after, err);
    }

    mu_buf_addf(&query.sql, "SELECT " COLUMNS "%s FROM certificate WHERE 1 = 1",
                filter->with_certificates ? ", der" : "");
    if (filter->name != NULL)
        where(&query, "name =", mu_text(filter->name));
    if (filter->name_glob != NULL)
        where_name_begins(&query, filter->name_glob, &low, &high);
    where_digits(&query, "serial", filter->serial, filter->serial_is_beginning, &serials_end);
    where_digits(&query, "sha256", filter->sha256, filter->sha256_is_beginning, &sha256s_end);
    if (filter->issuer != NULL)
        where(&query, "issuer =", mu_text(filter->issuer));
    where_state(&query, filter);
    if (by_end) {
        where(&query, "revoked_at IS NULL AND not_after >=", mu_number(filter->now));
        where(&query, "not_after <", mu_number(filter->expiring_before));
    }
    if (filter->after != NULL && by_end) {
        query.values[query.count++] = behind[1];
        query.values[query.count++] = behind[0];
        mu_buf_addf(&query.sql, " AND (not_after, id) > ($%zu, $%zu)", query.count - 1, query.count);
    } else if (filter->after != NULL)
        where(&query, "id >", behind[0]);
    mu_buf_adds(&query.sql, by_end ? " ORDER BY not_after, id" : " ORDER BY id");

    int result = mu_buf_failed(&query.sql) || mu_buf_failed(&low) || mu_buf_failed(&high) ||
                         mu_buf_failed(&serials_end) || mu_buf_failed(&sha256s_end)
                     ? mu_fail_nomem(err)
                     : mu_store_run(store, mu_buf_str(&query.sql), query.values, query.count,
                                    list_one, &listing, err);
    mu_buf_clear(&query.sql);
    return result;
}
