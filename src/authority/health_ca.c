#include "authority/health_visit.h"

#include <errno.h>
#include <unistd.h>

#include "authority/former.h"
#include "authority/hierarchy.h"
#include "authority/rollover.h"
#include "base/str.h"
#include "base/time.h"
#include "pki/info.h"
#include "pki/object.h"
#include "pki/token.h"
#include "pki/verify.h"

enum {
    CA_SOON_DAYS = 180, /* a CA's successor has to reach everybody before it is needed */
};

/* --- The CA's certificate and key --- */

static void judge_ca_dates(struct mu_visit *v, const char *label)
{
    char date[MU_DATE_LEN], when[MU_SPAN_LEN];
    time_t now = v->how->now, from = mu_cert_not_before(v->cert), to = mu_cert_not_after(v->cert);
    int64_t left_s = (int64_t)to - now, whole_s = (int64_t)to - from;
    mu_date(to, date);
    mu_relative(to, now, when);
    if (now > to)
        mu_visit_find(v, MU_F_CA_EXPIRED, "the CA \"%s\" expired on %s, %s", label, date, when);
    else if (now < from)
        mu_visit_find(v, MU_F_CA_NOT_YET_VALID, "the CA \"%s\" is valid only from %s, %s", label,
                      mu_date(from, date), mu_relative(from, now, when));
    else if (left_s < CA_SOON_DAYS * MU_DAY_S && left_s < whole_s / MU_SOON_PART)
        mu_visit_find(v, MU_F_CA_EXPIRES, "the CA \"%s\" expires %s, on %s", label, when, date);
    else
        mu_visit_find(v, MU_F_CA_GOOD, "the CA \"%s\" expires %s, on %s", label, when, date);
}

static bool is_about_dates(const char *id)
{
    return mu_str_ends_with(id, "_expired") || mu_str_ends_with(id, "_not_yet_valid") ||
           mu_str_equal(id, "expires_soon");
}

void mu_look_at_ca(struct mu_visit *v)
{
    char label[MU_CERT_LABEL_LEN];
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    if (mu_cert_load(v->home.cert, &v->cert, &err) != 0) {
        mu_visit_find_error(v, MU_F_CA_UNREADABLE, &err);
        return;
    }
    mu_cert_label(v->cert, label);
    judge_ca_dates(v, label);
    if (mu_cert_info_read(v->cert, v->how->now, &info, &err) != 0)
        return;
    for (size_t i = 0; i < info.problems.count; i++)
        if (!is_about_dates(info.problem_ids.at[i]))
            mu_visit_find(v, MU_F_CA_WEAK, "the CA \"%s\": %s", label, info.problems.at[i]);
}

void mu_look_at_key(struct mu_visit *v)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_key) key = NULL;
    if (access(v->home.key, R_OK) != 0) {
        if (errno == ENOENT)
            mu_visit_find(v, MU_F_KEY_MISSING, "the CA's key %s is not there", v->home.key);
        else
            mu_visit_find(v, MU_F_KEY_UNSEEN, "the CA's key %s cannot be read by this user",
                          v->home.key);
    } else if (mu_key_load(v->home.key, NULL, &key, &err) != 0) {
        if (err.code == MU_E_PASSPHRASE_NEEDED)
            mu_visit_find(
                v, MU_F_KEY_GOOD, "the CA's key is %s",
                mu_token_key_is_named(v->home.key)
                    ? "in a token that is there; without the PIN, nothing more can be said of it"
                    : "protected by a passphrase");
        else
            mu_visit_find_error(v, MU_F_KEY_UNREADABLE, &err);
    } else if (v->cert != NULL &&
               mu_cert_match_key(v->cert, key, v->home.cert, v->home.key, &err) != 0) {
        mu_visit_find_error(v, MU_F_KEY_MISMATCH, &err);
    } else {
        mu_visit_find(v, MU_F_KEY_GOOD, "the CA's key is %s",
                      mu_key_is_in_token(key) ? "in a token, and there"
                                              : "there, without a passphrase");
    }
}

/* --- The CAs around it --- */

static void judge_root(struct mu_visit *v, const struct mu_cert *root)
{
    char label[MU_CERT_LABEL_LEN], date[MU_DATE_LEN], when[MU_SPAN_LEN];
    time_t now = v->how->now, to = mu_cert_not_after(root);
    int64_t left_s = (int64_t)to - now, whole_s = (int64_t)to - mu_cert_not_before(root);
    mu_cert_label(root, label);
    mu_date(to, date);
    mu_relative(to, now, when);
    if (now > to)
        mu_visit_find(v, MU_F_ROOT_EXPIRED, "the root \"%s\" expired on %s, %s", label, date, when);
    else if (left_s < CA_SOON_DAYS * MU_DAY_S && left_s < whole_s / MU_SOON_PART)
        mu_visit_find(v, MU_F_ROOT_EXPIRES, "the root \"%s\" expires %s, on %s", label, when, date);
    else
        mu_visit_find(v, MU_F_ROOT_GOOD, "the root \"%s\" expires %s, on %s; its key is %s", label,
                      when, date,
                      access(v->home.root_key, F_OK) == 0 ? "in the home" : "kept elsewhere");
}

static bool is_end(enum mu_fault fault)
{
    return fault == MU_FAULT_EXPIRED || fault == MU_FAULT_CA_EXPIRED ||
           fault == MU_FAULT_INTERMEDIATE_EXPIRED;
}

/* Do the files fit together? That something has ended is told of where it is looked at by itself. */
static void judge_chain(struct mu_visit *v, const struct mu_hierarchy *ranks)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_verdict verdict;
    MU_AUTO_STRUCT(mu_cert) root = NULL;
    const struct mu_cert *cert = ranks->own.at[0];
    const struct mu_certs anchor = {.at = ranks->trust.at, .count = 1};
    const struct mu_verify how = {.anchors = &anchor,
                                  .untrusted = &ranks->behind,
                                  .at = v->how->now};
    if (mu_cert_load(v->home.root_cert, &root, &err) != 0)
        mu_visit_find_error(v,
                            err.code == MU_E_NOT_FOUND ? MU_F_ROOT_UNKNOWN : MU_F_CHAIN_UNREADABLE,
                            &err);
    else if (!mu_certs_hold(&anchor, root))
        mu_visit_find(v, MU_F_CHAIN_BROKEN, "the first root in %s is not the one in %s",
                      v->home.trust, v->home.root_cert);
    else if (!mu_certs_hold(&ranks->behind, cert))
        mu_visit_find(v, MU_F_CHAIN_BROKEN, "the CA's own certificate is not in %s", v->home.chain);
    else if (mu_verify(cert, &how, &verdict, NULL, &err) == 0 && verdict.fault != MU_FAULT_NONE &&
             !is_end(verdict.fault))
        mu_visit_find(v, MU_F_CHAIN_BROKEN, "the CA's chain does not hold: %s", verdict.sentence);
}

static void judge_root_list(struct mu_visit *v, const struct mu_cert *root)
{
    struct mu_error ignored = MU_ERROR_INIT;
    struct mu_crl_info info;
    char date[MU_DATE_LEN];
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    if (mu_objects_load(v->home.root_crl, &objects, &ignored) != 0)
        return;
    for (size_t i = 0; i < objects.count; i++) {
        if (objects.at[i].crl == NULL || !mu_crl_is_signed_by(objects.at[i].crl, root))
            continue;
        mu_crl_info(objects.at[i].crl, &info);
        if (info.next_update != 0 && v->how->now > info.next_update)
            mu_visit_find(
                v, MU_F_ROOT_LIST_EXPIRED,
                "the root's revocation list is out of date since %s: whoever checks whole chains "
                "refuses everybody",
                mu_date(info.next_update, date));
    }
}

static void judge_rollover(struct mu_visit *v, const struct mu_hierarchy *ranks)
{
    struct mu_error err = MU_ERROR_INIT;
    char label[MU_CERT_LABEL_LEN], date[MU_DATE_LEN];
    MU_AUTO_CLEAR(mu_rollover_state) state = {0};
    for (size_t i = 1; i < ranks->trust.count; i++)
        if (v->how->now > mu_cert_not_after(ranks->trust.at[i]))
            mu_visit_find(v, MU_F_OLD_ROOT_EXPIRED, "the old root \"%s\" in trust.crt expired on %s",
                          mu_cert_label(ranks->trust.at[i], label),
                          mu_date(mu_cert_not_after(ranks->trust.at[i]), date));
    if (ranks->trust.count < 2 || v->how->quick || v->store == NULL)
        return;
    if (mu_rollover_look(v->how->home, v->how->now, &state, &err) != 0)
        mu_visit_find_error(v, MU_F_RECORDS_DAMAGED, &err);
    else
        mu_visit_find(
            v, MU_F_ROLLOVER,
            "a rollover is under way: %zu certificate%s in use still chain%s to the old root alone",
            state.in_use, state.in_use == 1 ? "" : "s", state.in_use == 1 ? "s" : "");
}

static void look_at_former_keys(struct mu_visit *v)
{
    struct mu_error err = MU_ERROR_INIT;
    const struct mu_passphrase_source none = {.ask = NULL};
    MU_AUTO_CLEAR(mu_certs) certs = {0};
    if (mu_former_certs(&v->home, v->how->now, &certs, &err) != 0)
        mu_visit_find_error(v, MU_F_FORMER_KEY, &err);
    for (size_t i = 0; i < certs.count; i++) {
        char key_sha256[MU_SHA256_LEN];
        MU_AUTO_CLEAR(mu_formers) former = {0};
        mu_cert_key_sha256(certs.at[i], key_sha256);
        err = (struct mu_error)MU_ERROR_INIT;
        if (mu_formers_load(&v->home, key_sha256, &none, v->how->now, &former, &err) != 0 &&
            err.code != MU_E_PASSPHRASE_NEEDED)
            mu_visit_find_error(v, MU_F_FORMER_KEY, &err);
    }
}

void mu_look_at_hierarchy(struct mu_visit *v)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_hierarchy) ranks = {0};
    if (v->cert == NULL)
        return;
    look_at_former_keys(v);
    if (mu_hierarchy_load(&v->home, &ranks, &err) != 0) {
        mu_visit_find_error(v, MU_F_CHAIN_UNREADABLE, &err);
        return;
    }
    if (ranks.trust.count == 0) {
        mu_visit_find(v, MU_F_ROOT_UNKNOWN, "the root above the CA is not known here");
        return;
    }
    judge_rollover(v, &ranks);
    if (mu_is_root(v->cert))
        return; /* it was looked at as the CA */
    judge_root(v, ranks.trust.at[0]);
    judge_chain(v, &ranks);
    judge_root_list(v, ranks.trust.at[0]);
}
