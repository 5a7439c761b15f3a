#include "authority/ocsp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "authority/internal.h"
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

/* Who signs for what one key has issued: the present CA's responder, or that of a former one. [RFC 6960 4.2.2.2] */
struct signer {
    struct mu_cert *ca;
    char key_sha256[MU_SHA256_LEN];
    bool former;
    char cert_path[MU_PATH_LEN], key_path[MU_PATH_LEN]; /* where the pair lies */
    struct pair pair;
    time_t looked_at;        /* when the pair was last found fit */
    time_t retry_at;         /* no renewal is tried before */
    struct mu_error trouble; /* why the last one failed */
};

struct signers {
    struct signer *at; /* the present one first */
    size_t count;
};

struct mu_responder {
    struct mu_home home;
    struct mu_passphrase_source source;
    int64_t valid_s;

    struct stat ca_file;    /* ca.crt as it was when what follows was read */
    struct mu_store *store; /* only read from */
    struct issuers issuers;
    struct signers signers;
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

static void signers_clear(struct signers *signers)
{
    for (size_t i = 0; i < signers->count; i++) {
        mu_cert_free(signers->at[i].ca);
        pair_clear(&signers->at[i].pair);
    }
    free(signers->at);
    *signers = (struct signers){0};
}

static void forget(struct mu_responder *r)
{
    mu_store_close(mu_take(&r->store));
    issuers_clear(&r->issuers);
    signers_clear(&r->signers);
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
    if (add_issuer(&r->issuers, r->signers.at[0].ca, err) != 0 ||
        mu_store_ca_each(r->store, NULL, gather, &g, err) != 0)
        return -1;
    return g.result;
}

static int add_signer(struct mu_responder *r, const struct mu_cert *ca, bool former,
                      struct mu_error *err)
{
    char name[MU_KEY_PART + 16] = "ocsp.crt";
    struct signer *at = realloc(r->signers.at, (r->signers.count + 1) * sizeof *at);
    if (at == NULL)
        return mu_fail_nomem(err);
    r->signers.at = at;
    struct signer *signer = &at[r->signers.count];
    *signer = (struct signer){.former = former, .trouble = MU_ERROR_INIT};
    mu_cert_key_sha256(ca, signer->key_sha256);
    if (former)
        snprintf(name, sizeof name, "ocsp-%.*s.crt", MU_KEY_PART, signer->key_sha256);
    if (mu_path_join(r->home.dir, name, signer->cert_path, err) != 0)
        return -1;
    size_t len = strlen(signer->cert_path) - strlen("crt");
    snprintf(signer->key_path, sizeof signer->key_path, "%.*skey", (int)len, signer->cert_path);
    signer->ca = mu_cert_ref((struct mu_cert *)ca);
    r->signers.count++;
    return 0;
}

/* Former CAs are looked at when ca.crt changes, which is when one is added; one that expires meanwhile does no harm. */
static int gather_signers(struct mu_responder *r, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_certs) formers = {0};
    MU_AUTO_STRUCT(mu_cert) ca = NULL;
    if (mu_cert_load(r->home.cert, &ca, err) != 0 || add_signer(r, ca, false, err) != 0 ||
        mu_former_certs(&r->home, 0, &formers, err) != 0)
        return -1;
    for (size_t i = 0; i < formers.count; i++)
        if (add_signer(r, formers.at[i], true, err) != 0)
            return -1;
    return 0;
}

static int load(struct mu_responder *r, struct mu_error *err)
{
    return gather_signers(r, err) != 0 ||
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
static bool is_fit(const struct signer *signer, const struct pair *pair, time_t now)
{
    struct mu_error ignored = MU_ERROR_INIT;
    return pair->cert != NULL && now >= mu_cert_not_before(pair->cert) &&
           now < mu_cert_not_after(pair->cert) &&
           mu_cert_match_key(pair->cert, pair->key, "", "", &ignored) == 0 &&
           mu_profile_check(MU_PROFILE_OCSP, pair->cert, signer->ca, &ignored) == 0;
}

/* Is it time for a new one, and would that one last longer? */
static bool is_due(const struct signer *signer, time_t now)
{
    time_t end = mu_cert_not_after(signer->pair.cert);
    int64_t whole_s = (int64_t)end - mu_cert_not_before(signer->pair.cert);
    return (int64_t)end - now < whole_s / RENEW_PART && end < mu_cert_not_after(signer->ca);
}

static void take_pair(struct signer *signer, struct pair *pair)
{
    pair_clear(&signer->pair);
    signer->pair = *pair;
    *pair = (struct pair){0};
}

/* Take what lies in the home, if it may sign; else what was there before stays. */
static int load_pair(struct mu_responder *r, struct signer *signer, time_t now, struct mu_error *err)
{
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_CLEAR(pair) pair = {0};
    bool on_record = false;
    if (mu_cert_load(signer->cert_path, &pair.cert, &ignored) != 0 ||
        mu_key_load(signer->key_path, NULL, &pair.key, &ignored) != 0 || !is_fit(signer, &pair, now))
        return 0;
    if (is_on_record(r, pair.cert, &on_record, err) != 0)
        return -1;
    if (on_record)
        take_pair(signer, &pair);
    return 0;
}

static int save_pair(const struct signer *signer, const struct pair *pair, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_stage) stage = {.replace = true};
    MU_AUTO_CLEAR(mu_buf) key_pem = MU_BUF_INIT_SECRET;
    MU_AUTO_CLEAR(mu_buf) cert_pem = MU_BUF_INIT;
    mu_cert_to_pem(pair->cert, &cert_pem);
    if (mu_buf_failed(&cert_pem))
        return mu_fail_nomem(err);
    if (mu_key_to_pem(pair->key, NULL, &key_pem, err) != 0 ||
        mu_stage_add(&stage, signer->key_path, key_pem.data, key_pem.len, 0600, err) != 0 ||
        mu_stage_add(&stage, signer->cert_path, cert_pem.data, cert_pem.len, 0644, err) != 0)
        return -1;
    return mu_stage_commit(&stage, err);
}

/* `by` is the former CA that is to issue, or empty for the present one. */
static int make_pair(struct mu_authority *authority, const struct mu_formers *by,
                     struct signer *signer, time_t now, struct mu_error *err)
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
    int result = by->count > 0 ? mu_issue_as(authority, &by->at[0].ca, &order, &pair.cert, err)
                               : mu_authority_issue(authority, &order, &pair.cert, err);
    if (result != 0 || save_pair(signer, &pair, err) != 0)
        return -1;
    take_pair(signer, &pair);
    return 0;
}

/* One process renews, the others wait for it and take what it made. */
static int renew(struct mu_responder *r, struct signer *signer, time_t now, struct mu_error *err)
{
    const struct mu_passphrase_source *source = r->source.ask == NULL ? NULL : &r->source;
    MU_AUTO_STRUCT(mu_authority) authority = NULL;
    MU_AUTO_CLEAR(mu_formers) by = {0};
    /* Before the lock: it may ask for a passphrase, and nobody should wait for the answer. */
    if (mu_authority_open(r->home.dir, source, &authority, err) != 0 ||
        (signer->former &&
         mu_formers_load(&r->home, signer->key_sha256, &r->source, now, &by, err) != 0))
        return -1;
    if (signer->former && by.count == 0)
        return mu_fail(err, MU_E_CA_EXPIRED, "the former CA has expired, and answers no more");
    int lock;
    if (mu_home_lock_files(&r->home, &lock, err) != 0)
        return -1;
    int result = load_pair(r, signer, now, err);
    if (result == 0 && (signer->pair.cert == NULL || is_due(signer, now)))
        result = make_pair(authority, &by, signer, now, err);
    mu_home_unlock(lock);
    return result;
}

/* What signs is there afterwards. Whoever cannot renew goes on with what is still good, and says so. */
static int prepare(struct mu_responder *r, struct signer *signer, time_t now, struct mu_error *err)
{
    /* Whoever asks can go on asking: a former CA's key that cannot be had is not looked for each time. */
    if (signer->former && signer->pair.cert == NULL && now < signer->retry_at) {
        *err = signer->trouble;
        return -1;
    }
    if (signer->pair.cert == NULL || signer->looked_at != now) {
        bool fit = is_fit(signer, &signer->pair, now);
        if (fit && is_on_record(r, signer->pair.cert, &fit, err) != 0)
            return -1;
        if (!fit)
            pair_clear(&signer->pair);
        if ((!fit || is_due(signer, now)) && load_pair(r, signer, now, err) != 0)
            return -1;
    }
    signer->looked_at = now;
    if (signer->pair.cert != NULL && (!is_due(signer, now) || now < signer->retry_at))
        return 0;
    struct mu_error why = MU_ERROR_INIT;
    int result = renew(r, signer, now, &why) != 0 && signer->pair.cert == NULL ? -1 : 0;
    signer->trouble = why;
    signer->retry_at = why.code == MU_OK ? 0 : now + RETRY_S;
    if (result != 0)
        *err = why;
    return result;
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

/* The responder of whoever has issued the certificates; where several CAs have, or it cannot be had, the present one's,
 * which some askers will not accept. */
static int choose_signer(struct mu_responder *r, const struct mu_ocsp_request *request, time_t now,
                         struct signer **ret, struct mu_error *ret_trouble, struct mu_error *err)
{
    const char *key = NULL;
    bool several = false;
    *ret = &r->signers.at[0];
    for (size_t i = 0; i < mu_ocsp_request_count(request); i++) {
        const struct issuer *issuer = issuer_of(r, request, i);
        several =
            several || (issuer != NULL && key != NULL && !mu_str_equal(key, issuer->key_sha256));
        key = issuer == NULL ? key : issuer->key_sha256;
    }
    for (size_t i = 1; i < r->signers.count && !several; i++)
        if (mu_str_equal(r->signers.at[i].key_sha256, key) &&
            prepare(r, &r->signers.at[i], now, ret_trouble) == 0) {
            *ret = &r->signers.at[i];
            *ret_trouble = (*ret)->trouble;
            return 0;
        }
    if (prepare(r, *ret, now, err) != 0)
        return -1;
    if (ret_trouble->code == MU_OK)
        *ret_trouble = (*ret)->trouble;
    return 0;
}

static int answer(struct mu_responder *r, const struct mu_ocsp_request *request, time_t now,
                  struct mu_buf *ret, struct mu_ocsp_reply *reply, struct mu_error *err)
{
    struct mu_ocsp_single singles[MU_OCSP_CERTS_MAX];
    size_t *const counts[] = {[MU_OCSP_GOOD] = &reply->good,
                              [MU_OCSP_REVOKED] = &reply->revoked,
                              [MU_OCSP_UNKNOWN] = &reply->unknown};
    struct signer *signer;
    struct mu_error trouble = MU_ERROR_INIT;
    if (choose_signer(r, request, now, &signer, &trouble, err) != 0)
        return -1;
    for (size_t i = 0; i < mu_ocsp_request_count(request); i++) {
        if (look_up(r, request, i, &singles[i], err) != 0)
            return -1;
        ++*counts[singles[i].state];
    }
    char nonce[MU_OCSP_NONCE_TEXT_LEN];
    time_t end = mu_cert_not_after(signer->pair.cert);
    reply->this_update = now;
    reply->next_update = r->valid_s < (int64_t)end - now ? now + r->valid_s : end;
    reply->nonce = *mu_ocsp_request_nonce(request, nonce) != '\0';
    reply->trouble = trouble;
    struct mu_ocsp_answer made = {
        .request = request,
        .singles = singles,
        .now = now,
        .next_update = reply->next_update,
        .signer = signer->pair.cert,
        .key = signer->pair.key,
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
