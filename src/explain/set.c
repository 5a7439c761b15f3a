#include "explain/set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "explain/clock.h"
#include "explain/file.h"
#include "explain/hygiene.h"
#include "explain/judge.h"
#include "explain/lists.h"
#include "explain/serials.h"

enum { WHAT_LEN = 1024 };

struct set {
    struct mu_file *files;
    size_t count;
    struct mu_certs known, roots;
    time_t at;
    struct mu_report *report;
};

static void set_clear(struct set *set)
{
    for (size_t i = 0; i < set->count; i++)
        mu_file_clear(&set->files[i]);
    free(set->files);
    mu_certs_clear(&set->known);
    mu_certs_clear(&set->roots);
}
MU_AUTO_DEFINE_CLEAR(set, set_clear)

/* --- Each by itself --- */

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* "client.crt" and "client.key" of one directory are a pair. */
static bool are_pair(const char *a, const char *b)
{
    const char *dot_a = strrchr(base_of(a), '.'), *dot_b = strrchr(base_of(b), '.');
    size_t len_a = dot_a == NULL ? strlen(a) : (size_t)(dot_a - a);
    size_t len_b = dot_b == NULL ? strlen(b) : (size_t)(dot_b - b);
    return len_a == len_b && strncmp(a, b, len_a) == 0;
}

/* "server-cert.pem" and "server-key.pem" are likely one. */
static bool sound_like_pair(const char *a, const char *b)
{
    size_t len_a = strcspn(base_of(a), ".-_"), len_b = strcspn(base_of(b), ".-_");
    return len_a == len_b && len_a > 0 && strncasecmp(base_of(a), base_of(b), len_a) == 0;
}

static bool has_private_key(const struct mu_file *file)
{
    return file->key != NULL || file->locked;
}

static const struct mu_file *beside(const struct set *set, const struct mu_file *file)
{
    for (size_t i = 0; i < set->count; i++)
        if (&set->files[i] != file && sound_like_pair(set->files[i].name, file->name) &&
            (set->files[i].role == MU_ROLE_KEY) != (file->role == MU_ROLE_KEY))
            return &set->files[i];
    return NULL;
}

static bool beside_key(const struct set *set, const struct mu_file *file)
{
    for (size_t i = 0; i < set->count; i++)
        if (&set->files[i] != file && set->files[i].key != NULL &&
            are_pair(set->files[i].name, file->name))
            return true;
    return false;
}

/* What a name promises, and nobody has said otherwise. */
static int judge_name(const struct set *set, struct mu_file *file, struct mu_error *err)
{
    file->role = mu_role_of_name(file->name);
    /* "client.pem" beside "client.key" is to be its certificate, though it is a request. */
    if (file->role == MU_ROLE_ANY && file->has_request && beside_key(set, file))
        file->role = MU_ROLE_CERT;
    if (file->role == MU_ROLE_REQUEST || file->role == MU_ROLE_CONTAINER)
        file->role = MU_ROLE_ANY;
    if ((file->role == MU_ROLE_CERT || file->role == MU_ROLE_CAS) && file->objects.count > 0 &&
        file->certs.count == 0) {
        struct mu_crl *crl;
        if (mu_file_crls(file, &crl, 1) > 0 || file->is_container)
            return 0;
    }
    return mu_file_judge_role(file, beside(set, file), set->report, err);
}

static int read_all(struct set *set, const char *const *paths, size_t count,
                    const struct mu_passphrase_source *source, struct mu_error *err)
{
    set->files = calloc(count, sizeof *set->files);
    if (set->files == NULL)
        return mu_fail_nomem(err);
    for (size_t i = 0; i < count; i++) {
        struct mu_reading how = {.role = MU_ROLE_ANY, .by_name = true, .source = source};
        struct mu_file *file = &set->files[i];
        set->count = i + 1;
        if (mu_file_read_as(paths[i], &how, file, set->report, err) != 0)
            return -1;
        for (size_t k = 0; k < file->certs.count; k++) {
            struct mu_cert *cert = file->certs.at[k];
            bool root = mu_cert_is_ca(cert) && mu_cert_is_signed_by(cert, cert);
            if ((!mu_certs_hold(&set->known, cert) &&
                 mu_certs_add(&set->known, mu_cert_ref(cert), err) != 0) ||
                (root && !mu_certs_hold(&set->roots, cert) &&
                 mu_certs_add(&set->roots, mu_cert_ref(cert), err) != 0))
                return -1;
        }
    }
    return 0;
}

static int note_file(struct set *set, const struct mu_file *file, struct mu_error *err)
{
    enum mu_mark mark = MU_MARK_GOOD;
    if (file->is_keystore && !mu_report_has(set->report, MU_CAUSE_jks_keystore))
        return 0; /* a line of its own says so */
    for (size_t i = 0; i < set->report->count; i++) {
        const struct mu_finding *finding = &set->report->findings[i];
        if (!mu_str_equal(finding->file, file->name))
            continue;
        if (finding->gravity == MU_GRAVITY_FAULT)
            mark = MU_MARK_BAD;
        else if (mark == MU_MARK_GOOD)
            mark = MU_MARK_ODD;
    }
    return mu_report_check(set->report, mark, err, "%s: %s", file->name,
                           *file->what != '\0' ? file->what : "nothing that can be used");
}

/* --- Keys and certificates --- */

static bool key_fits(const struct mu_cert *cert, const struct mu_key *key)
{
    struct mu_error ignored = MU_ERROR_INIT;
    return mu_cert_match_key(cert, key, "", "", &ignored) == 0;
}

static bool fits_any(const struct set *set, const struct mu_key *key)
{
    for (size_t i = 0; i < set->known.count; i++)
        if (key_fits(set->known.at[i], key))
            return true;
    return false;
}

static size_t count_keys(const struct set *set)
{
    size_t count = 0;
    for (size_t i = 0; i < set->count; i++)
        count += has_private_key(&set->files[i]);
    return count;
}

static size_t count_leaf_files(const struct set *set)
{
    size_t count = 0;
    for (size_t i = 0; i < set->count; i++)
        for (size_t k = 0; k < set->files[i].certs.count; k++)
            if (!mu_cert_is_ca(set->files[i].certs.at[k])) {
                count++;
                break;
            }
    return count;
}

static const struct mu_file *find_certs(const struct set *set, const struct mu_file *keys,
                                        bool (*is_meant)(const char *, const char *))
{
    for (size_t i = 0; i < set->count; i++)
        if (set->files[i].certs.count > 0 && is_meant(set->files[i].name, keys->name))
            return &set->files[i];
    return NULL;
}

/* The only file with a leaf in it, or with anything. */
static const struct mu_file *only_certs(const struct set *set)
{
    for (size_t i = 0; i < set->count; i++)
        for (size_t k = 0; k < set->files[i].certs.count; k++)
            if (!mu_cert_is_ca(set->files[i].certs.at[k]) || set->known.count == 1)
                return &set->files[i];
    return NULL;
}

static bool has_request(const struct set *set)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->files[i].has_request)
            return true;
    return false;
}

/* The certificate file that a key's file is meant for. Where no name says so for sure, a key that fits anything is well. */
static const struct mu_file *partner(const struct set *set, const struct mu_file *keys)
{
    const struct mu_file *pair = keys->certs.count > 0 ? keys : find_certs(set, keys, are_pair);
    if (pair != NULL || fits_any(set, keys->key))
        return pair;
    pair = find_certs(set, keys, sound_like_pair);
    bool only = count_keys(set) == 1 && !has_request(set) &&
                (count_leaf_files(set) == 1 || set->known.count == 1);
    return pair == NULL && only ? only_certs(set) : pair;
}

/* A finding about a pair or a container: a client's, a server's or a CA's, as far as the certificate tells. */
static struct mu_finding about_own(const struct set *set, enum mu_cause_id cause,
                                   enum mu_gravity gravity, const struct mu_file *file,
                                   const struct mu_cert *cert)
{
    char label[MU_CERT_LABEL_LEN];
    struct mu_finding finding =
        mu_finding_of(cause, gravity, MU_PHASE_FILE, file->name, mu_cert_label(cert, label), NULL);
    mu_finding_hold(&finding, mu_cert_is_ca(cert) ? MU_HOLDER_ROOT
                              : mu_file_side(file, cert, set->at) == MU_PURPOSE_CLIENT
                                  ? MU_HOLDER_CLIENT
                                  : MU_HOLDER_SERVER);
    return finding;
}

static int tell_mismatch(struct set *set, const struct mu_file *keys, const struct mu_file *certs,
                         struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    const struct mu_cert *first = certs->certs.at[0];
    bool ca = mu_cert_is_ca(first) && certs->certs.count == 1;
    struct mu_finding finding =
        about_own(set, ca ? MU_CAUSE_ca_key_mismatch : MU_CAUSE_key_mismatch, MU_GRAVITY_FAULT,
                  certs, first);
    mu_str_copy(finding.key, sizeof finding.key, keys->name);
    return mu_report_add(set->report, &finding, err,
                         "the private key in %s does not belong to the certificate \"%.200s\" in %s",
                         keys->name, mu_cert_label(first, label), certs->name);
}

static int tell_order(struct set *set, const struct mu_file *file, const struct mu_file *keys,
                      struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    struct mu_finding finding = about_own(set, MU_CAUSE_bundle_wrong_order, MU_GRAVITY_FAULT, file,
                                          file->certs.at[file->certs.count - 1]);
    mu_str_copy(finding.key, sizeof finding.key, keys == NULL ? "" : keys->name);
    return mu_report_add(
        set->report, &finding, err,
        "in %s the certificate \"%.200s\"%s stands before the leaf: programs take the first one for "
        "their own, and say that the key does not match",
        file->name, mu_cert_label(file->certs.at[0], label),
        mu_cert_is_ca(file->certs.at[0]) ? " of a CA" : "");
}

static int check_key(struct set *set, const struct mu_file *keys, struct mu_error *err)
{
    const struct mu_file *certs = keys->key == NULL ? NULL : partner(set, keys);
    const bool stray = certs == NULL && keys->key != NULL && set->known.count > 0 &&
                       !has_request(set) && !fits_any(set, keys->key);
    if (stray) /* it may be meant for others: no fault, but not what somebody expects who gives all of them */
        return mu_report_check(set->report, MU_MARK_ODD, err,
                               "%s: its private key belongs to none of these certificates",
                               keys->name);
    if (certs == NULL || key_fits(certs->certs.at[0], keys->key))
        return 0;
    for (size_t i = 1; i < certs->certs.count; i++)
        if (key_fits(certs->certs.at[i], keys->key))
            return tell_order(set, certs, keys, err);
    return tell_mismatch(set, keys, certs, err);
}

/* --- Chains --- */

static const struct mu_file *file_of(const struct set *set, const struct mu_cert *cert)
{
    for (size_t i = 0; i < set->count; i++)
        if (mu_certs_hold(&set->files[i].certs, cert))
            return &set->files[i];
    return NULL;
}

static int judge_leaf(struct set *set, const struct mu_file *file, size_t k, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_certs) presented = {0};
    struct mu_cert *leaf = file->certs.at[k];
    if (mu_certs_add(&presented, mu_cert_ref(leaf), err) != 0)
        return -1;
    for (size_t i = 0; i < file->certs.count; i++)
        if (i != k && mu_certs_add(&presented, mu_cert_ref(file->certs.at[i]), err) != 0)
            return -1;
    const struct mu_cert *issuer = set->roots.count > 0 ? set->roots.at[0] : NULL;
    const struct mu_file *trust = issuer == NULL ? NULL : file_of(set, issuer);
    const struct mu_judging how = {
        .side = mu_file_side(file, leaf, set->at),
        .presented = &presented,
        .trusted = &set->roots,
        .known = &set->known,
        .own_trust = &set->known, /* what is at hand can be put together */
        .at = set->at,
        .file = file->name,
        .trust_file = trust == NULL ? NULL : trust->name,
    };
    return mu_judge(&how, set->report, err);
}

/* A self-signed certificate that is no CA's is trusted by whoever has got it; a lone one may be meant so. */
static int check_leaf(struct set *set, const struct mu_file *file, size_t k, struct mu_error *err)
{
    const struct mu_cert *leaf = file->certs.at[k];
    const struct mu_certs alone = {.at = file->certs.at + k, .count = 1};
    const struct mu_hygiene what = {.chain = &alone,
                                    .side = mu_file_side(file, leaf, set->at),
                                    .at = set->at,
                                    .file = file->name};
    char label[MU_CERT_LABEL_LEN];
    if (!mu_cert_is_signed_by(leaf, leaf))
        return judge_leaf(set, file, k, err);
    struct mu_finding finding =
        mu_finding_of(what.side == MU_PURPOSE_CLIENT ? MU_CAUSE_client_self_signed
                                                     : MU_CAUSE_server_self_signed,
                      MU_GRAVITY_SUSPICIOUS, MU_PHASE_SERVER, file->name,
                      mu_cert_label(leaf, label), NULL);
    mu_str_copy(finding.subject, sizeof finding.subject, label);
    if (mu_report_add(
            set->report, &finding, err,
            "%s: \"%.200s\" is signed by itself, not by a CA: only who has been given this very certificate "
            "trusts it",
            file->name, label) != 0)
        return -1;
    return mu_hygiene_check(&what, set->report, err);
}

static bool issues_any(const struct set *set, const struct mu_cert *ca)
{
    for (size_t i = 0; i < set->known.count; i++)
        if (set->known.at[i] != ca && !mu_cert_is_ca(set->known.at[i]) &&
            mu_cert_names_issuer(set->known.at[i], ca))
            return true;
    return false;
}

static bool issues_known(const struct set *set, const struct mu_cert *ca)
{
    for (size_t i = 0; i < set->known.count; i++)
        if (set->known.at[i] != ca && mu_cert_is_signed_by(set->known.at[i], ca))
            return true;
    return false;
}

/* A file that is called ca.crt is given out as what is to be trusted: are there CAs in it, and with them a root? */
static int check_trust(struct set *set, const struct mu_file *file, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    const struct mu_cert *issuing = NULL;
    if (file->role != MU_ROLE_CAS || file->certs.count == 0 || has_private_key(file))
        return 0;
    bool any_ca = false;
    for (size_t k = 0; k < file->certs.count; k++) {
        const struct mu_cert *cert = file->certs.at[k];
        any_ca = any_ca || mu_cert_is_ca(cert) || mu_cert_is_signed_by(cert, cert) ||
                 issues_known(set, cert);
        issuing = issuing == NULL && issues_known(set, cert) ? cert : issuing;
    }
    struct mu_finding finding = mu_finding_of(MU_CAUSE_trust_file_not_a_ca, MU_GRAVITY_FAULT,
                                              MU_PHASE_FILE, file->name, NULL, NULL);
    if (!any_ca)
        return mu_report_add(
            set->report, &finding, err,
            "%s, by its name a file of trusted CAs, holds \"%.200s\", which is no CA: programs with "
            "OpenSSL want the certificate of the CA there",
            file->name, mu_cert_label(file->certs.at[0], label));
    if (issuing == NULL || set->roots.count > 0)
        return 0;
    finding = mu_finding_of(MU_CAUSE_trust_file_intermediate_only, MU_GRAVITY_SUSPICIOUS,
                            MU_PHASE_FILE, file->name, NULL, NULL);
    return mu_report_add(
        set->report, &finding, err,
        "%s, by its name a file of trusted CAs, holds the intermediate CA \"%.200s\" and not the root "
        "above it: programs with OpenSSL build a chain to a root only",
        file->name, mu_cert_label(issuing, label));
}

/* A CA with nothing below it here: is it fit to be one? In a bundle of several an old one may stay on for a while. */
static int check_ca(struct set *set, const struct mu_file *file, size_t k, struct mu_error *err)
{
    const struct mu_certs alone = {.at = file->certs.at + k, .count = 1};
    const struct mu_hygiene what = {.chain = &alone,
                                    .side = MU_PURPOSE_ANY,
                                    .at = set->at,
                                    .file = file->name,
                                    .trust_file = file->name};
    if (file->certs.count > 1 || issues_any(set, file->certs.at[k]))
        return 0;
    return mu_hygiene_check(&what, set->report, err);
}

/* Beside fullchain.pem lies cert.pem, with the leaf alone. */
static bool is_whole_elsewhere(const struct set *set, const struct mu_file *file)
{
    for (size_t i = 0; file->certs.count == 1 && i < set->count; i++)
        if (set->files[i].certs.count > 1 && mu_certs_hold(&set->files[i].certs, file->certs.at[0]))
            return true;
    return false;
}

/* The file with the key of one of its certificates; NULL: none. */
static const struct mu_file *keys_of(const struct set *set, const struct mu_file *file)
{
    for (size_t i = 0; i < set->count; i++)
        for (size_t k = 0; set->files[i].key != NULL && k < file->certs.count; k++)
            if (key_fits(file->certs.at[k], set->files[i].key))
                return &set->files[i];
    return NULL;
}

static int check_certs(struct set *set, const struct mu_file *file, struct mu_error *err)
{
    for (size_t k = 0; k < file->certs.count && !is_whole_elsewhere(set, file); k++) {
        bool ca = mu_cert_is_ca(file->certs.at[k]);
        if ((ca ? check_ca(set, file, k, err) : check_leaf(set, file, k, err)) != 0)
            return -1;
    }
    if (!mu_certs_misordered(&file->certs) || file->key != NULL)
        return 0;
    return tell_order(set, file, keys_of(set, file), err);
}

/* Two roots of one name with two keys: is it a rollover, or did somebody run the script again? */
static int check_namesakes(struct set *set, struct mu_error *err)
{
    for (size_t i = 0; i < set->roots.count; i++)
        for (size_t k = 0; k < i; k++) {
            const struct mu_cert *a = set->roots.at[k], *b = set->roots.at[i];
            const struct mu_file *of_a = file_of(set, a), *of_b = file_of(set, b);
            if (!mu_cert_same_subject(a, b) || mu_cert_same_key(a, b) || of_a == of_b)
                continue;
            char label[MU_CERT_LABEL_LEN];
            struct mu_finding finding =
                mu_finding_of(MU_CAUSE_ca_rekeyed_same_name, MU_GRAVITY_SUSPICIOUS, MU_PHASE_SERVER,
                              of_b->name, NULL, NULL);
            mu_str_copy(finding.subject, sizeof finding.subject, mu_cert_label(b, label));
            if (mu_report_add(
                    set->report, &finding, err,
                    "%s and %s are two CAs of one name, \"%.200s\", with two keys: what one has signed, the other "
                    "does not verify",
                    of_a->name, of_b->name, label) != 0)
                return -1;
        }
    return 0;
}

static int check_crls(struct set *set, struct mu_error *err)
{
    const struct mu_lists lists = {.files = set->files,
                                   .count = set->count,
                                   .known = &set->known,
                                   .at = set->at};
    return mu_check_lists(&lists, set->report, err);
}

/* A container of CAs is what a trust store is; one with a leaf was meant to have the key, too. */
static int check_container(struct set *set, const struct mu_file *file, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    if (!file->is_container || has_private_key(file) || file->certs.count == 0 ||
        mu_cert_is_ca(file->certs.at[0]))
        return 0;
    struct mu_finding finding =
        about_own(set, MU_CAUSE_pkcs12_no_key, MU_GRAVITY_SUSPICIOUS, file, file->certs.at[0]);
    return mu_report_add(
        set->report, &finding, err,
        "the container %s holds the certificate \"%.200s\" and no private key: it is of no use to who is "
        "to present that",
        file->name, mu_cert_label(file->certs.at[0], label));
}

/* Beside a pair that other programs read a keystore is Java's own copy of it. */
static int check_keystore(struct set *set, const struct mu_file *file, struct mu_error *err)
{
    struct mu_finding finding = mu_finding_of(MU_CAUSE_jks_keystore, MU_GRAVITY_SOME_PEERS,
                                              MU_PHASE_FILE, file->name, NULL, NULL);
    if (!file->is_keystore)
        return 0;
    if (count_keys(set) > 0 && count_leaf_files(set) > 0)
        return mu_report_check(set->report, MU_MARK_UNKNOWN, err,
                               "%s: a Java keystore, into which only Java looks", file->name);
    return mu_report_add(set->report, &finding, err,
                         "%s is a Java keystore (JKS), which only Java reads", file->name);
}

static int check_all(struct set *set, struct mu_error *err)
{
    for (size_t i = 0; i < set->count; i++) {
        struct mu_file *file = &set->files[i];
        if (judge_name(set, file, err) != 0 || check_key(set, file, err) != 0 ||
            check_container(set, file, err) != 0 || check_keystore(set, file, err) != 0 ||
            check_trust(set, file, err) != 0 || check_certs(set, file, err) != 0)
            return -1;
    }
    if (check_crls(set, err) != 0)
        return -1;
    return check_namesakes(set, err) != 0 ? -1 : mu_check_serials(&set->known, set->report, err);
}

int mu_explain_files(const char *const *paths, size_t count, time_t at,
                     const struct mu_passphrase_source *source, struct mu_report *report,
                     struct mu_error *err)
{
    MU_AUTO_CLEAR(set) set = {.at = at, .report = report};
    report->view = MU_VIEW_FILES;
    if (read_all(&set, paths, count, source, err) != 0 ||
        mu_check_clock(&set.known, at, report, &set.at, err) != 0 || check_all(&set, err) != 0)
        return -1;
    for (size_t i = 0; i < set.count; i++)
        if (note_file(&set, &set.files[i], err) != 0)
            return -1;
    snprintf(report->good, sizeof report->good, "nothing is wrong with %s",
             count == 1 ? set.files[0].name : "these files");
    mu_report_finish(report);
    return 0;
}
