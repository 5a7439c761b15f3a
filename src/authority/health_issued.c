#include "authority/health_visit.h"

#include "base/buf.h"
#include "base/str.h"
#include "base/time.h"
#include "pki/info.h"

enum {
    CERT_SOON_DAYS = 14,
    EXPIRED_DAYS = 30,         /* what ended before that is history */
    SERVER_LONGEST_DAYS = 825, /* Apple refuses TLS server certificates that are valid for longer */
    NAMED_MAX = 5,             /* in a sentence */
};

/* A few names, and how many there are. */
struct tally {
    size_t count;
    struct mu_buf names;
};

static void tally_clear(struct tally *tally)
{
    mu_buf_clear(&tally->names);
}

static void tally_add(struct tally *tally, const char *name)
{
    if (tally->count < NAMED_MAX)
        mu_buf_addf(&tally->names, "%s%.80s", tally->count > 0 ? ", " : "", name);
    else if (tally->count == NAMED_MAX)
        mu_buf_adds(&tally->names, ", ...");
    tally->count++;
}

static void find_tally(struct mu_visit *v, enum mu_symptom_code code, const struct tally *tally,
                       const char *one, const char *many)
{
    if (tally->count > 0)
        mu_visit_find(v, code, "%zu %s: %s", tally->count, tally->count == 1 ? one : many,
                      mu_buf_str(&tally->names));
}

struct certificates {
    struct mu_visit *visit;
    size_t valid;
    struct tally expiring, expired, weak, overlong;
};

struct succession {
    const struct mu_record *record;
    bool found;
};

static bool is_successor(void *arg, const struct mu_record *other)
{
    struct succession *s = arg;
    s->found =
        mu_str_equal(other->profile, s->record->profile) && other->not_after > s->record->not_after;
    return !s->found;
}

/* Has somebody renewed it already? */
static bool has_successor(struct mu_visit *v, const struct mu_record *record)
{
    struct mu_error ignored = MU_ERROR_INIT;
    struct succession s = {.record = record};
    struct mu_store_filter filter = {.now = v->how->now,
                                     .name = record->name,
                                     .state = MU_STATE_VALID};
    return mu_store_each(v->store, &filter, is_successor, &s, &ignored) == 0 && s.found;
}

/* One that ends soon, or has ended not long ago. */
static bool look_at_end(void *arg, const struct mu_record *record)
{
    struct certificates *c = arg;
    time_t now = c->visit->how->now;
    int64_t left_s = (int64_t)record->not_after - now;
    int64_t whole_s = (int64_t)record->not_after - record->not_before;
    if (left_s >= whole_s / MU_SOON_PART || has_successor(c->visit, record))
        return true;
    tally_add(left_s < 0 ? &c->expired : &c->expiring, record->name);
    return true;
}

static bool is_weakness(const char *id)
{
    static const char *const ids[] = {"key_too_small", "signature_too_weak", "unsupported_key_type",
                                      "certificate_malformed", "cert_is_v1"};
    for (size_t i = 0; i < MU_COUNT(ids); i++)
        if (mu_str_equal(ids[i], id))
            return true;
    return false;
}

static bool is_weak(const struct mu_record *record, time_t now)
{
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    if (mu_cert_parse("the CA's records", record->der, record->der_len, &cert, &ignored) != 0 ||
        mu_cert_info_read(cert, now, &info, &ignored) != 0)
        return true;
    for (size_t i = 0; i < info.problem_ids.count; i++)
        if (is_weakness(info.problem_ids.at[i]))
            return true;
    return false;
}

static bool look_at_form(void *arg, const struct mu_record *record)
{
    struct certificates *c = arg;
    int64_t whole_s = (int64_t)record->not_after - record->not_before;
    c->valid++;
    if (whole_s > SERVER_LONGEST_DAYS * MU_DAY_S && !mu_str_equal(record->profile, "ca"))
        tally_add(&c->overlong, record->name);
    if (is_weak(record, c->visit->how->now))
        tally_add(&c->weak, record->name);
    return true;
}

void mu_look_at_certificates(struct mu_visit *v)
{
    struct mu_error err = MU_ERROR_INIT;
    time_t now = v->how->now;
    if (v->store == NULL)
        return;
    struct certificates c = {.visit = v};
    struct mu_store_filter ends = {.now = now - EXPIRED_DAYS * MU_DAY_S,
                                   .expiring_before = now + CERT_SOON_DAYS * MU_DAY_S};
    struct mu_store_filter valid = {.now = now, .state = MU_STATE_VALID, .with_certificates = true};
    if (mu_store_each(v->store, &ends, look_at_end, &c, &err) != 0 ||
        (!v->how->quick && mu_store_each(v->store, &valid, look_at_form, &c, &err) != 0))
        mu_visit_find_error(v, MU_F_RECORDS_DAMAGED, &err);
    find_tally(v, MU_F_CERTS_EXPIRE, &c.expiring, "certificate ends soon and has no successor",
               "certificates end soon and have no successor");
    find_tally(v, MU_F_CERTS_EXPIRED, &c.expired, "certificate has expired and has no successor",
               "certificates have expired and have no successor");
    find_tally(v, MU_F_CERTS_WEAK, &c.weak, "certificate is too weak or malformed",
               "certificates are too weak or malformed");
    find_tally(v, MU_F_CERTS_OVERLONG, &c.overlong, "certificate is valid for more than 825 days",
               "certificates are valid for more than 825 days");
    if (c.expiring.count + c.expired.count + c.weak.count + c.overlong.count == 0) {
        if (v->how->quick)
            mu_visit_find(v, MU_F_CERTS_GOOD, "no certificate ends soon without a successor");
        else
            mu_visit_find(v, MU_F_CERTS_GOOD,
                          "%zu valid certificate%s, none of which ends soon or is weak", c.valid,
                          c.valid == 1 ? "" : "s");
    }
    tally_clear(&c.expiring);
    tally_clear(&c.expired);
    tally_clear(&c.weak);
    tally_clear(&c.overlong);
}
