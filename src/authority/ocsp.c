#include "authority/ocsp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "authority/authority.h"
#include "base/file.h"
#include "base/str.h"
#include "pki/info.h"
#include "pki/object.h"

/* The responder's certificate is renewed when a third of its life is left; and if that fails, while it is still good
 * not more often than once a minute. */
enum { RENEW_PART = 3, RETRY_S = 60 };

static const char responder_name[] = "OCSP responder";

/* A CA certificate that the authority signs by, or has signed by. */
struct issuer {
    struct mu_cert *cert;
    struct mu_ocsp_issuer *ids;
    char key_sha256[MU_SHA256_LEN]; /* the issuer in the records */
};

struct issuers {
    struct issuer *at;
    size_t count;
};

/* What signs the answers. */
struct pair {
    struct mu_cert *cert;
    struct mu_key *key;
};

struct mu_responder {
    struct mu_home home;
    struct mu_passphrase_source source;
    int64_t valid_s;

    struct stat ca_file; /* ca.crt as it was when what follows was read */
    struct mu_cert *ca;
    struct mu_store *store; /* only read from */
    struct issuers issuers;

    struct pair pair;
    time_t looked_at;        /* when the pair was last found fit */
    time_t retry_at;         /* no renewal is tried before */
    struct mu_error trouble; /* why the last one failed */
};

/* --- The authority, as it is now --- */

static void issuers_clear(struct issuers *issuers)
{
    for (size_t i = 0; i < issuers->count; i++) {
        mu_cert_free(issuers->at[i].cert);
        mu_ocsp_issuer_free(issuers->at[i].ids);
    }
    free(issuers->at);
    *issuers = (struct issuers){0};
}

static void pair_clear(struct pair *pair)
{
    mu_cert_free(pair->cert);
    mu_key_free(pair->key);
    *pair = (struct pair){0};
}
MU_AUTO_DEFINE_CLEAR(pair, pair_clear)

static void forget(struct mu_responder *r)
{
    mu_store_close(mu_take(&r->store));
    mu_cert_free(mu_take(&r->ca));
    issuers_clear(&r->issuers);
    pair_clear(&r->pair);
    r->looked_at = 0;
    r->retry_at = 0;
    r->trouble = (struct mu_error)MU_ERROR_INIT;
}

void mu_responder_free(struct mu_responder *responder)
{
    if (responder == NULL)
        return;
    forget(responder);
    free(responder);
}

static int add_issuer(struct issuers *issuers, const struct mu_cert *cert, struct mu_error *err)
{
    struct issuer *at = realloc(issuers->at, (issuers->count + 1) * sizeof *at);
    if (at == NULL)
        return mu_fail_nomem(err);
    issuers->at = at;
    at = &issuers->at[issuers->count];
    if (mu_ocsp_issuer_new(cert, &at->ids, err) != 0)
        return -1;
    at->cert = mu_cert_ref((struct mu_cert *)cert);
    mu_cert_key_sha256(cert, at->key_sha256);
    issuers->count++;
    return 0;
}

struct gathering {
    struct issuers *issuers;
    int result;
    struct mu_error *err;
};

static bool gather(void *arg, const struct mu_ca_record *ca)
{
    struct gathering *g = arg;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    g->result = mu_objects_parse("the records", ca->der, ca->der_len, &objects, g->err);
    if (g->result == 0 && objects.count == 1 && objects.at[0].cert != NULL)
        g->result = add_issuer(g->issuers, objects.at[0].cert, g->err);
    return g->result == 0;
}

/* The present CA certificate, which is not in the records before the first change under it, and those before it: what
 * they signed is still out there. */
static int gather_issuers(struct mu_responder *r, struct mu_error *err)
{
    struct gathering g = {.issuers = &r->issuers, .err = err};
    if (add_issuer(&r->issuers, r->ca, err) != 0 ||
        mu_store_ca_each(r->store, NULL, gather, &g, err) != 0)
        return -1;
    return g.result;
}

static int load(struct mu_responder *r, struct mu_error *err)
{
    return mu_cert_load(r->home.cert, &r->ca, err) != 0 ||
                   mu_store_open(r->home.db, MU_STORE_READ, &r->store, err) != 0 ||
                   gather_issuers(r, err) != 0
               ? -1
               : 0;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* A CA that has been renewed, rolled over or made anew meanwhile is followed without a restart. */
static int follow_ca(struct mu_responder *r, struct mu_error *err)
{
    struct stat now;
    if (stat(r->home.cert, &now) != 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? mu_fail(err, MU_E_NO_CA, "there is no CA in %s", r->home.dir)
                   : mu_fail_errno(err, MU_E_IO, "cannot read %s", r->home.cert);
    if (r->store != NULL && is_same_file(&now, &r->ca_file))
        return 0;
    forget(r);
    r->ca_file = now;
    if (load(r, err) == 0)
        return 0;
    forget(r);
    return -1;
}

int mu_responder_open(const char *home, const struct mu_passphrase_source *source, int64_t valid_s,
                      struct mu_responder **ret, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_responder) r = calloc(1, sizeof *r);
    if (r == NULL)
        return mu_fail_nomem(err);
    r->valid_s = valid_s;
    if (source != NULL)
        r->source = *source;
    if (mu_home_paths(home, &r->home, err) != 0 || follow_ca(r, err) != 0)
        return -1;
    *ret = mu_take(&r);
    return 0;
}

/* mu_store_find(), with no record being an answer, too. */
static int find(struct mu_responder *r, const char *serial, mu_record_fn *each, void *arg,
                struct mu_error *err)
{
    struct mu_error why = MU_ERROR_INIT;
    if (mu_store_find(r->store, serial, each, arg, &why) == 0 || why.code == MU_E_NOT_FOUND)
        return 0;
    *err = why;
    return -1;
}

/* --- What signs --- */

static bool note_valid(void *arg, const struct mu_record *record)
{
    *(bool *)arg = record->revocation.at == 0;
    return false;
}

/* Is it on record, and has nobody taken it back? Whoever has a backup put in place has the files and not the record. */
static int is_on_record(struct mu_responder *r, const struct mu_cert *cert, bool *ret,
                        struct mu_error *err)
{
    char serial[MU_SERIAL_TEXT_LEN];
    mu_cert_serial(cert, serial);
    *ret = false;
    return find(r, serial, note_valid, ret, err);
}

/* May this pair sign at `now`? Whatever lies in the files is looked at as if a stranger had put it there. In its last
 * second a certificate counts as expired for openssl. */
static bool is_fit(const struct mu_responder *r, const struct pair *pair, time_t now)
{
    struct mu_error ignored = MU_ERROR_INIT;
    return pair->cert != NULL && now >= mu_cert_not_before(pair->cert) &&
           now < mu_cert_not_after(pair->cert) &&
           mu_cert_match_key(pair->cert, pair->key, "", "", &ignored) == 0 &&
           mu_profile_check(MU_PROFILE_OCSP, pair->cert, r->ca, &ignored) == 0;
}

/* Is it time for a new one, and would that one last longer? */
static bool is_due(const struct mu_responder *r, time_t now)
{
    time_t end = mu_cert_not_after(r->pair.cert);
    int64_t whole_s = (int64_t)end - mu_cert_not_before(r->pair.cert);
    return (int64_t)end - now < whole_s / RENEW_PART && end < mu_cert_not_after(r->ca);
}

static void take_pair(struct mu_responder *r, struct pair *pair)
{
    pair_clear(&r->pair);
    r->pair = *pair;
    *pair = (struct pair){0};
}

/* Take what lies in the home, if it may sign; else what was there before stays. */
static int load_pair(struct mu_responder *r, time_t now, struct mu_error *err)
{
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_CLEAR(pair) pair = {0};
    bool on_record = false;
    if (mu_cert_load(r->home.ocsp_cert, &pair.cert, &ignored) != 0 ||
        mu_key_load(r->home.ocsp_key, NULL, &pair.key, &ignored) != 0 || !is_fit(r, &pair, now))
        return 0;
    if (is_on_record(r, pair.cert, &on_record, err) != 0)
        return -1;
    if (on_record)
        take_pair(r, &pair);
    return 0;
}

static int save_pair(const struct mu_home *home, const struct pair *pair, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_stage) stage = {.replace = true};
    MU_AUTO_CLEAR(mu_buf) key_pem = MU_BUF_INIT_SECRET;
    MU_AUTO_CLEAR(mu_buf) cert_pem = MU_BUF_INIT;
    mu_cert_to_pem(pair->cert, &cert_pem);
    if (mu_buf_failed(&cert_pem))
        return mu_fail_nomem(err);
    if (mu_key_to_pem(pair->key, NULL, &key_pem, err) != 0 ||
        mu_stage_add(&stage, home->ocsp_key, key_pem.data, key_pem.len, 0600, err) != 0 ||
        mu_stage_add(&stage, home->ocsp_cert, cert_pem.data, cert_pem.len, 0644, err) != 0)
        return -1;
    return mu_stage_commit(&stage, err);
}

static int make_pair(struct mu_authority *authority, struct mu_responder *r, time_t now,
                     struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_names) names = {0};
    MU_AUTO_CLEAR(pair) pair = {0};
    if (mu_names_set_cn(&names, responder_name, err) != 0 ||
        mu_key_generate("p256", &pair.key, err) != 0)
        return -1;
    struct mu_order order = {
        .profile = MU_PROFILE_OCSP,
        .key = pair.key,
        .names = &names,
        .now = now,
    };
    if (mu_authority_issue(authority, &order, &pair.cert, err) != 0 ||
        save_pair(&r->home, &pair, err) != 0)
        return -1;
    take_pair(r, &pair);
    return 0;
}

/* One process renews, the others wait for it and take what it made. */
static int renew(struct mu_responder *r, time_t now, struct mu_error *err)
{
    const struct mu_passphrase_source *source = r->source.ask == NULL ? NULL : &r->source;
    MU_AUTO_STRUCT(mu_authority) authority = NULL;
    /* Before the lock: it may ask for a passphrase, and nobody should wait for the answer. */
    if (mu_authority_open(r->home.dir, source, &authority, err) != 0)
        return -1;
    int lock;
    if (mu_home_lock_files(&r->home, &lock, err) != 0)
        return -1;
    int result = load_pair(r, now, err);
    if (result == 0 && (r->pair.cert == NULL || is_due(r, now)))
        result = make_pair(authority, r, now, err);
    mu_home_unlock(lock);
    return result;
}

/* What signs is there afterwards. Whoever cannot renew goes on with what is still good, and says so. */
static int prepare(struct mu_responder *r, time_t now, struct mu_error *err)
{
    if (r->pair.cert == NULL || r->looked_at != now) {
        bool fit = is_fit(r, &r->pair, now);
        if (fit && is_on_record(r, r->pair.cert, &fit, err) != 0)
            return -1;
        if (!fit)
            pair_clear(&r->pair);
        if ((!fit || is_due(r, now)) && load_pair(r, now, err) != 0)
            return -1;
    }
    r->looked_at = now;
    if (r->pair.cert != NULL && (!is_due(r, now) || now < r->retry_at))
        return 0;
    struct mu_error why = MU_ERROR_INIT;
    if (renew(r, now, &why) != 0 && r->pair.cert == NULL) {
        *err = why;
        return -1;
    }
    r->trouble = why;
    r->retry_at = why.code == MU_OK ? 0 : now + RETRY_S;
    return 0;
}

/* --- What is known --- */

static const struct issuer *issuer_of(const struct mu_responder *r,
                                      const struct mu_ocsp_request *request, size_t i)
{
    for (size_t k = 0; k < r->issuers.count; k++)
        if (mu_ocsp_request_is_for(request, i, r->issuers.at[k].ids))
            return &r->issuers.at[k];
    return NULL;
}

struct lookup {
    const struct issuer *issuer;
    struct mu_ocsp_single *ret;
};

/* The records of the time before issuers were kept hold the certificate, which tells. */
static bool is_signed_by(const struct mu_record *record, const struct mu_cert *issuer)
{
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    return mu_objects_parse("the records", record->der, record->der_len, &objects, &ignored) == 0 &&
           objects.at[0].cert != NULL && mu_cert_is_signed_by(objects.at[0].cert, issuer);
}

static bool read_state(void *arg, const struct mu_record *record)
{
    const struct lookup *lookup = arg;
    const struct mu_revocation *revocation = &record->revocation;
    bool ours = *record->issuer == '\0' ? is_signed_by(record, lookup->issuer->cert)
                                        : mu_str_equal(record->issuer, lookup->issuer->key_sha256);
    if (ours)
        *lookup->ret = (struct mu_ocsp_single){
            .state = revocation->at == 0 ? MU_OCSP_GOOD : MU_OCSP_REVOKED,
            .revoked_at = revocation->at,
            .reason = revocation->reason,
            .invalid_since = revocation->invalid_since,
        };
    return false;
}

static int look_up(struct mu_responder *r, const struct mu_ocsp_request *request, size_t i,
                   struct mu_ocsp_single *ret, struct mu_error *err)
{
    struct lookup lookup = {.issuer = issuer_of(r, request, i), .ret = ret};
    struct mu_ocsp_id id;
    *ret = (struct mu_ocsp_single){.state = MU_OCSP_UNKNOWN};
    if (lookup.issuer == NULL)
        return 0;
    mu_ocsp_request_id(request, i, &id);
    return find(r, id.serial, read_state, &lookup, err);
}

static bool is_for_us(const struct mu_responder *r, const struct mu_ocsp_request *request)
{
    for (size_t i = 0; i < mu_ocsp_request_count(request); i++)
        if (issuer_of(r, request, i) != NULL)
            return true;
    return false;
}

/* --- Answering --- */

static int answer(struct mu_responder *r, const struct mu_ocsp_request *request, time_t now,
                  struct mu_buf *ret, struct mu_ocsp_reply *reply, struct mu_error *err)
{
    struct mu_ocsp_single singles[MU_OCSP_CERTS_MAX];
    size_t *const counts[] = {[MU_OCSP_GOOD] = &reply->good,
                              [MU_OCSP_REVOKED] = &reply->revoked,
                              [MU_OCSP_UNKNOWN] = &reply->unknown};
    if (prepare(r, now, err) != 0)
        return -1;
    for (size_t i = 0; i < mu_ocsp_request_count(request); i++) {
        if (look_up(r, request, i, &singles[i], err) != 0)
            return -1;
        ++*counts[singles[i].state];
    }
    char nonce[MU_OCSP_NONCE_TEXT_LEN];
    time_t end = mu_cert_not_after(r->pair.cert);
    reply->this_update = now;
    reply->next_update = r->valid_s < (int64_t)end - now ? now + r->valid_s : end;
    reply->nonce = *mu_ocsp_request_nonce(request, nonce) != '\0';
    reply->trouble = r->trouble;
    struct mu_ocsp_answer made = {
        .request = request,
        .singles = singles,
        .now = now,
        .next_update = reply->next_update,
        .signer = r->pair.cert,
        .key = r->pair.key,
    };
    return mu_ocsp_answer_make(&made, ret, err);
}

static int refuse(enum mu_ocsp_status status, const char *why, struct mu_buf *ret,
                  struct mu_ocsp_reply *reply, struct mu_error *err)
{
    *reply = (struct mu_ocsp_reply){.status = status};
    mu_str_copy(reply->why, sizeof reply->why, why);
    mu_ocsp_refusal_make(status, ret);
    return mu_buf_failed(ret) ? mu_fail_nomem(err) : 0;
}

static int refuse_internal(struct mu_buf *ret, struct mu_ocsp_reply *reply, struct mu_error *err)
{
    struct mu_error ignored = MU_ERROR_INIT;
    (void)!refuse(MU_OCSP_INTERNAL_ERROR, err->what, ret, reply, &ignored);
    return -1;
}

int mu_responder_answer(struct mu_responder *responder, const void *request, size_t len, time_t now,
                        struct mu_buf *ret, struct mu_ocsp_reply *ret_reply, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_ocsp_request) parsed = NULL;
    struct mu_error why = MU_ERROR_INIT;
    *ret_reply = (struct mu_ocsp_reply){.status = MU_OCSP_SUCCESSFUL};
    if (mu_ocsp_request_parse(request, len, &parsed, &why) != 0 && why.code == MU_E_DAMAGED)
        return refuse(MU_OCSP_MALFORMED, why.what, ret, ret_reply, err);
    if (parsed == NULL) {
        *err = why;
        return refuse_internal(ret, ret_reply, err);
    }
    if (follow_ca(responder, err) != 0)
        return refuse_internal(ret, ret_reply, err);
    if (!is_for_us(responder, parsed))
        return refuse(MU_OCSP_UNAUTHORIZED, "the OCSP request is for no certificate of this CA",
                      ret, ret_reply, err);
    if (answer(responder, parsed, now, ret, ret_reply, err) == 0)
        return 0;
    if (err->code == MU_E_STORE)
        forget(responder); /* a database that was away may be back when the next one asks */
    return refuse_internal(ret, ret_reply, err);
}
