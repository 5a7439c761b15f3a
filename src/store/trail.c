/* The audit trail as it is kept; what makes it a chain is the authority's (audit.c there). */

#include "base/str.h"
#include "store/engine.h"

int mu_store_trail_add(struct mu_store *store, const struct mu_trail_entry *entry,
                       struct mu_error *err)
{
    static const char sql[] =
        "INSERT INTO trail (seq, at, who, host, action, serial, sha256, detail, hash) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    return MU_RUN(store, sql, NULL, NULL, err, mu_number(entry->seq), mu_number(entry->at),
                  mu_text(entry->who), mu_text(entry->host), mu_text(entry->action),
                  mu_text(entry->serial), mu_text(entry->sha256), mu_text(entry->detail),
                  mu_text(entry->hash));
}

struct tip {
    int64_t *seq;
    char *hash;
};

static bool copy_tip(void *arg, const struct mu_value *row)
{
    struct tip *tip = arg;
    *tip->seq = row[0].number;
    mu_str_copy(tip->hash, MU_HASH_LEN + 1, row[1].data);
    return false;
}

int mu_store_trail_tip(struct mu_store *store, int64_t *ret_seq, char ret_hash[MU_HASH_LEN + 1],
                       struct mu_error *err)
{
    struct tip tip = {.seq = ret_seq, .hash = ret_hash};
    *ret_seq = 0;
    ret_hash[0] = '\0';
    return mu_store_run(store, "SELECT seq, hash FROM trail ORDER BY seq DESC LIMIT 1", NULL, 0,
                        copy_tip, &tip, err);
}

struct entries {
    mu_trail_fn *each;
    void *arg;
};

static bool hand_over_entry(void *arg, const struct mu_value *row)
{
    struct entries *entries = arg;
    struct mu_trail_entry entry = {
        .seq = row[0].number,
        .at = (time_t)row[1].number,
        .who = row[2].data,
        .host = row[3].data,
        .action = row[4].data,
        .serial = row[5].data,
        .sha256 = row[6].data,
        .detail = row[7].data,
        .hash = row[8].data,
    };
    return entries->each(entries->arg, &entry);
}

#define ENTRIES "SELECT seq, at, who, host, action, serial, sha256, detail, hash FROM trail "

int mu_store_trail_each(struct mu_store *store, int64_t from, mu_trail_fn *each, void *arg,
                        struct mu_error *err)
{
    struct entries entries = {.each = each, .arg = arg};
    return MU_RUN(store, ENTRIES "WHERE seq >= $1 ORDER BY seq", hand_over_entry, &entries, err,
                  mu_number(from));
}

int mu_store_trail_about(struct mu_store *store, const char *serial, mu_trail_fn *each, void *arg,
                         struct mu_error *err)
{
    struct entries entries = {.each = each, .arg = arg};
    return MU_RUN(store, ENTRIES "WHERE serial = $1 AND serial <> '' ORDER BY seq", hand_over_entry,
                  &entries, err, mu_text(serial));
}

/* --- Signed heads --- */

int mu_store_head_add(struct mu_store *store, const struct mu_trail_head *head, struct mu_error *err)
{
    return MU_RUN(store,
                  "INSERT INTO trail_head (seq, at, hash, signer, signature) "
                  "VALUES ($1, $2, $3, $4, $5)",
                  NULL, NULL, err, mu_number(head->seq), mu_number(head->at), mu_text(head->hash),
                  mu_text(head->signer), mu_bytes(head->signature, head->signature_len));
}

struct last_head {
    time_t *at;
    int64_t *seq;
};

static bool copy_last_head(void *arg, const struct mu_value *row)
{
    struct last_head *last = arg;
    *last->at = (time_t)row[0].number;
    *last->seq = row[1].number;
    return false;
}

int mu_store_head_last(struct mu_store *store, time_t *ret_at, int64_t *ret_seq,
                       struct mu_error *err)
{
    struct last_head last = {.at = ret_at, .seq = ret_seq};
    *ret_at = 0;
    *ret_seq = 0;
    return mu_store_run(store, "SELECT at, seq FROM trail_head ORDER BY seq DESC LIMIT 1", NULL, 0,
                        copy_last_head, &last, err);
}

struct heads {
    mu_trail_head_fn *each;
    void *arg;
};

static bool hand_over_head(void *arg, const struct mu_value *row)
{
    struct heads *heads = arg;
    struct mu_trail_head head = {
        .seq = row[0].number,
        .at = (time_t)row[1].number,
        .hash = row[2].data,
        .signer = row[3].data,
        .signature = row[4].data,
        .signature_len = row[4].len,
    };
    return heads->each(heads->arg, &head);
}

int mu_store_head_each(struct mu_store *store, mu_trail_head_fn *each, void *arg,
                       struct mu_error *err)
{
    struct heads heads = {.each = each, .arg = arg};
    return mu_store_run(store,
                        "SELECT seq, at, hash, signer, signature FROM trail_head ORDER BY seq",
                        NULL, 0, hand_over_head, &heads, err);
}

/* --- Do the records say the same? --- */

struct comparison {
    mu_difference_fn *each;
    void *arg;
    const char *kind, *what;
    bool enough;
};

static bool hand_over_difference(void *arg, const struct mu_value *row)
{
    struct comparison *comparison = arg;
    comparison->enough =
        !comparison->each(comparison->arg, comparison->kind, row[0].data, comparison->what);
    return !comparison->enough;
}

/* That a serial is not "" lets the index answer. */
#define ABOUT "FROM trail t WHERE t.serial = c.serial AND t.serial <> '' "
#define BEGINNING "c.profile || ' \"' || substr(c.name, 1, 200)"
#define NO_ENTRY                                                                                   \
    "SELECT serial FROM certificate c WHERE issued_at >= $1 AND NOT EXISTS "                       \
    "(SELECT 1 " ABOUT "AND t.sha256 = c.sha256 AND substr(t.detail, 1, length(" BEGINNING         \
    ")) = " BEGINNING ") ORDER BY id"
#define NO_RECORD                                                                                  \
    "SELECT serial FROM trail t WHERE at >= $1 AND action IN ('issue', 'renew') AND NOT EXISTS "   \
    "(SELECT 1 FROM certificate c WHERE c.serial = t.serial AND c.sha256 = t.sha256) ORDER BY seq"
/* Each record names the entry that tells last of its revocation, and is as that one says. */
#define OTHER_ENTRY                                                                                \
    "SELECT serial FROM certificate c WHERE "                                                      \
    "(COALESCE(changed_seq, 0) <> COALESCE((SELECT MAX(t.seq) " ABOUT                              \
    "AND t.action IN ('revoke', 'hold', 'release')), 0) "                                          \
    "OR (changed_seq IS NULL AND revoked_at IS NOT NULL)) ORDER BY id"
#define OTHER_STATE                                                                                \
    "SELECT c.serial FROM certificate c, trail t WHERE t.seq = c.changed_seq AND "                 \
    "CASE WHEN revoked_at IS NULL THEN 'release' WHEN reason = 6 THEN 'hold' ELSE 'revoke' END "   \
    "<> t.action ORDER BY c.id"
#define OTHER_CA                                                                                   \
    "SELECT sha256 FROM ca c WHERE NOT EXISTS (SELECT 1 FROM trail t "                             \
    "WHERE t.action = 'ca' AND t.sha256 = c.sha256 AND t.at = c.since) ORDER BY since"
#define OTHER_LIST                                                                                 \
    "SELECT CAST(number AS TEXT) FROM crl c WHERE NOT EXISTS (SELECT 1 FROM trail t "              \
    "WHERE t.seq = c.seq AND t.action = 'crl' AND t.sha256 = c.sha256 AND t.at = c.this_update "   \
    "AND t.detail LIKE '% list ' || CAST(c.number AS TEXT) || '%') ORDER BY id"
#define NO_LIST                                                                                    \
    "SELECT CAST(seq AS TEXT) FROM trail t WHERE action = 'crl' "                                  \
    "AND seq NOT IN (SELECT seq FROM crl) ORDER BY seq"

int mu_store_trail_compare(struct mu_store *store, time_t trail_begins, mu_difference_fn *each,
                           void *arg, struct mu_error *err)
{
    static const char certificate[] = "certificate";
    static const char other_state[] =
        "is revoked in one of the trail and the records, and not in the other";
    static const char untold[] = "is in the records as the trail does not tell it";
    static const struct {
        const char *sql, *kind, *what;
        size_t values;
    } questions[] = {
        {NO_ENTRY, certificate,
         "is in the records, but the trail has no entry that it was issued so", 1},
        {NO_RECORD, certificate, "was issued as the trail tells it, but is not in the records", 1},
        {OTHER_STATE, certificate, other_state, 0},
        {OTHER_ENTRY, certificate, other_state, 0},
        {OTHER_CA, "CA certificate", untold, 0},
        {OTHER_LIST, "revocation list", untold, 0},
        {NO_LIST, "revocation list of entry", "is not in the records", 0},
    };
    const struct mu_value begins = mu_number(trail_begins);
    struct comparison comparison = {.each = each, .arg = arg};
    for (size_t i = 0; i < MU_COUNT(questions) && !comparison.enough; i++) {
        comparison.kind = questions[i].kind;
        comparison.what = questions[i].what;
        if (mu_store_run(store, questions[i].sql, &begins, questions[i].values,
                         hand_over_difference, &comparison, err) != 0)
            return -1;
    }
    return 0;
}

struct changes {
    mu_revocation_told_fn *each;
    void *arg;
};

static bool hand_over_change(void *arg, const struct mu_value *row)
{
    struct changes *changes = arg;
    const struct mu_revocation revocation = {
        .at = (time_t)row[2].number,
        .reason = (enum mu_reason)row[3].number,
        .invalid_since = (time_t)row[4].number,
    };
    return changes->each(changes->arg, row[0].data, row[1].data, &revocation, row[5].data,
                         row[6].number != 0);
}

int mu_store_trail_each_revocation(struct mu_store *store, mu_revocation_told_fn *each, void *arg,
                                   struct mu_error *err)
{
    struct changes changes = {.each = each, .arg = arg};
    return mu_store_run(store,
                        "SELECT c.serial, c.name, c.revoked_at, c.reason, c.invalid_since, t.detail, "
                        "(SELECT COUNT(*) FROM trail u WHERE u.serial = c.serial AND u.serial <> '' "
                        "AND u.action IN ('revoke', 'hold') AND u.at = c.revoked_at) "
                        "FROM certificate c, trail t WHERE t.seq = c.changed_seq ORDER BY c.id",
                        NULL, 0, hand_over_change, &changes, err);
}
