#include "pki/constraint.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "pki/cidr.h"
#include "pki/info.h"
#include "pki/ossl.h"

MU_AUTO_DEFINE(NAME_CONSTRAINTS, NAME_CONSTRAINTS_free)

struct mu_constraint {
    bool excluded;
    enum mu_san_kind kind;
    char *value;         /* as people write it */
    struct mu_cidr cidr; /* of an IP */
};

void mu_constraints_clear(struct mu_constraints *constraints)
{
    for (size_t i = 0; i < constraints->count; i++)
        free(constraints->at[i].value);
    free(constraints->at);
    *constraints = (struct mu_constraints){0};
}

/* --- From text --- */

static bool take_kind(const char **text, enum mu_san_kind *ret)
{
    for (int kind = MU_SAN_DNS; kind <= MU_SAN_EMAIL; kind++) {
        const char *name = mu_san_kind_name((enum mu_san_kind)kind);
        size_t len = strlen(name);
        if (strncasecmp(*text, name, len) == 0 && (*text)[len] == ':') {
            *text += len + 1;
            *ret = (enum mu_san_kind)kind;
            return true;
        }
    }
    return false;
}

/* "fd00::/8" begins with no kind, and its colons are its own. */
static enum mu_san_kind guess(const char **text)
{
    enum mu_san_kind kind;
    struct mu_cidr cidr;
    struct mu_error ignored = MU_ERROR_INIT;
    if (take_kind(text, &kind))
        return kind;
    if (strchr(*text, '/') != NULL || mu_cidr_parse(*text, &cidr, &ignored) == 0)
        return MU_SAN_IP;
    return strchr(*text, '@') != NULL ? MU_SAN_EMAIL : MU_SAN_DNS;
}

static int fail_constraint(struct mu_error *err, const char *text, const char *why,
                           const char *instead)
{
    char shown[256];
    mu_str_printable(text, strlen(text), shown, sizeof shown);
    mu_fail(err, MU_E_NAME, "\"%s\" cannot be used as a name constraint: %s", shown, why);
    return mu_hint(err, "%s", instead);
}

/* Hosts and mailboxes are judged as names are: by the room's one judge of them. */
static int normalise(enum mu_san_kind kind, const char *text, char **ret, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) name = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_names) names = {0};
    bool mailbox = kind == MU_SAN_EMAIL && strchr(text, '@') != NULL;
    bool below = kind != MU_SAN_DNS && !mailbox && *text == '.';
    if (kind == MU_SAN_DNS && *text == '.')
        return fail_constraint(err, text,
                               "a DNS name covers what is below it without a dot in front",
                               "leave out the dot: DNS:example.com");
    if (strchr(text, '*') != NULL)
        return fail_constraint(err, text, "there are no wildcards in it",
                               "a DNS name covers what is below it: DNS:example.com");
    mu_buf_addf(&name, "%s:%s", mailbox ? "email" : "DNS", text + below);
    if (mu_buf_failed(&name))
        return mu_fail_nomem(err);
    if (mu_names_add(&names, mu_buf_str(&name), err) != 0)
        return mu_hint(err,
                       "write DNS:example.com, IP:10.0.0.0/8, email:example.com or URI:.example.com");
    *ret = NULL;
    if (asprintf(ret, "%s%s", below ? "." : "", names.san[0].value) < 0)
        return mu_fail_nomem(err);
    return 0;
}

static int parse(const char *text, struct mu_constraint *ret, struct mu_error *err)
{
    ret->kind = guess(&text);
    if (ret->kind != MU_SAN_IP)
        return normalise(ret->kind, text, &ret->value, err);
    if (mu_cidr_parse(text, &ret->cidr, err) != 0)
        return -1;
    ret->value = strdup(text);
    return ret->value == NULL ? mu_fail_nomem(err) : 0;
}

static bool is_same(const struct mu_constraint *a, const struct mu_constraint *b)
{
    return a->excluded == b->excluded && a->kind == b->kind && mu_str_equal(a->value, b->value);
}

int mu_constraints_add(struct mu_constraints *constraints, bool excluded, const char *text,
                       struct mu_error *err)
{
    struct mu_constraint made = {.excluded = excluded};
    if (parse(text, &made, err) != 0)
        return -1;
    bool known = false;
    for (size_t i = 0; i < constraints->count; i++)
        known = known || is_same(&constraints->at[i], &made);
    struct mu_constraint *at =
        known ? NULL : realloc(constraints->at, (constraints->count + 1) * sizeof *at);
    if (at == NULL) {
        free(made.value);
        return known ? 0 : mu_fail_nomem(err);
    }
    constraints->at = at;
    at[constraints->count++] = made;
    return 0;
}

const char *mu_constraints_example(const struct mu_constraints *constraints)
{
    for (size_t i = 0; i < constraints->count; i++)
        if (!constraints->at[i].excluded && constraints->at[i].kind == MU_SAN_DNS)
            return constraints->at[i].value;
    return NULL;
}

bool mu_constraints_concern(const struct mu_constraints *constraints, enum mu_san_kind kind)
{
    for (size_t i = 0; i < constraints->count; i++)
        if (constraints->at[i].kind == kind)
            return true;
    return false;
}

/* --- To X.509 --- */

static GENERAL_NAME *ip_name(const struct mu_cidr *cidr)
{
    unsigned char octets[32];
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    mu_cidr_to_octets(cidr, octets);
    if (name == NULL || value == NULL ||
        ASN1_OCTET_STRING_set(value, octets, 2 * (int)cidr->len) != 1) {
        ASN1_OCTET_STRING_free(value);
        GENERAL_NAME_free(name);
        return NULL;
    }
    GENERAL_NAME_set0_value(name, GEN_IPADD, value);
    return name;
}

static GENERAL_NAME *to_general_name(const struct mu_constraint *constraint)
{
    static const int types[] =
        {[MU_SAN_DNS] = GEN_DNS, [MU_SAN_URI] = GEN_URI, [MU_SAN_EMAIL] = GEN_EMAIL};
    if (constraint->kind == MU_SAN_IP)
        return ip_name(&constraint->cidr);
    return a2i_GENERAL_NAME(NULL, NULL, NULL, types[constraint->kind], constraint->value, 1);
}

/* Takes `base`, even on failure. */
static int push(STACK_OF(GENERAL_SUBTREE) * *list, GENERAL_NAME *base)
{
    GENERAL_SUBTREE *tree = base == NULL ? NULL : GENERAL_SUBTREE_new();
    if (*list == NULL)
        *list = sk_GENERAL_SUBTREE_new_null();
    if (tree != NULL) {
        GENERAL_NAME_free(tree->base);
        tree->base = base;
    } else {
        GENERAL_NAME_free(base);
    }
    if (tree == NULL || *list == NULL || sk_GENERAL_SUBTREE_push(*list, tree) == 0) {
        GENERAL_SUBTREE_free(tree);
        return 0;
    }
    return 1;
}

int mu_constraints_to_x509(const struct mu_constraints *constraints, X509 *x, struct mu_error *err)
{
    MU_AUTO(NAME_CONSTRAINTS) made = NAME_CONSTRAINTS_new();
    int ok = made != NULL;
    for (size_t i = 0; ok && i < constraints->count; i++)
        ok = push(constraints->at[i].excluded ? &made->excludedSubtrees : &made->permittedSubtrees,
                  to_general_name(&constraints->at[i]));
    if (ok && X509_add1_ext_i2d(x, NID_name_constraints, made, 1, X509V3_ADD_DEFAULT) == 1)
        return 0;
    return mu_fail_openssl(err, MU_E_CRYPTO, "the name constraints cannot be written");
}

/* --- Judging --- */

/* A certificate with these names and nothing else, which is what OpenSSL can judge; never signed. */
static X509 *make_probe(const X509_NAME *subject, const GENERAL_NAMES *san)
{
    MU_AUTO(X509) probe = X509_new();
    if (probe == NULL || (subject != NULL && X509_set_subject_name(probe, subject) != 1) ||
        (san != NULL &&
         X509_add1_ext_i2d(probe, NID_subject_alt_name, (void *)san, 0, X509V3_ADD_DEFAULT) != 1))
        return NULL;
    /* The names are read from what OpenSSL remembers of the extensions: have them remembered. */
    ERR_set_mark();
    uint32_t flags = X509_get_extension_flags(probe);
    ERR_pop_to_mark();
    return (flags & EXFLAG_SET) != 0 ? mu_take(&probe) : NULL;
}

static bool has_dns_name(const GENERAL_NAMES *san)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(san); i++)
        if (sk_GENERAL_NAME_value(san, i)->type == GEN_DNS)
            return true;
    return false;
}

/* An X509_V_ code. */
static int judge(const X509_NAME *subject, const GENERAL_NAMES *san, NAME_CONSTRAINTS *constraints)
{
    MU_AUTO(X509) probe = make_probe(subject, san);
    if (probe == NULL)
        return X509_V_ERR_OUT_OF_MEM;
    int result = NAME_CONSTRAINTS_check(probe, constraints);
    return result != X509_V_OK || has_dns_name(san) ? result
                                                    : NAME_CONSTRAINTS_check_CN(probe, constraints);
}

static int judge_one(const GENERAL_NAME *name, NAME_CONSTRAINTS *constraints)
{
    GENERAL_NAMES *alone = sk_GENERAL_NAME_new_null();
    int result = X509_V_ERR_OUT_OF_MEM;
    if (alone != NULL && sk_GENERAL_NAME_push(alone, (GENERAL_NAME *)name) > 0)
        result = judge(NULL, alone, constraints);
    sk_GENERAL_NAME_free(alone); /* the name in it is borrowed */
    return result;
}

/* The first of the names that is at fault, by itself; NULL: it is the subject. */
static const GENERAL_NAME *find_culprit(const GENERAL_NAMES *san, NAME_CONSTRAINTS *constraints,
                                        int *result)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(san); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(san, i);
        int alone = judge_one(name, constraints);
        if (alone != X509_V_OK) {
            *result = alone;
            return name;
        }
    }
    return NULL;
}

static void add_tree(struct mu_buf *ret, const GENERAL_SUBTREE *tree)
{
    char text[256];
    mu_general_name_text(tree->base, text, sizeof text);
    mu_buf_addf(ret, "%s%s", ret->len > 0 ? ", " : "", text);
}

/* Those of the permitted that are of the kind of the name at fault. */
static void add_permitted(const NAME_CONSTRAINTS *constraints, int type, struct mu_buf *ret)
{
    enum { SHOWN = 6 };
    int count = 0;
    for (int i = 0; i < sk_GENERAL_SUBTREE_num(constraints->permittedSubtrees); i++) {
        const GENERAL_SUBTREE *tree = sk_GENERAL_SUBTREE_value(constraints->permittedSubtrees, i);
        if (tree->base->type == type && ++count <= SHOWN)
            add_tree(ret, tree);
    }
    if (count > SHOWN)
        mu_buf_addf(ret, " and %d more", count - SHOWN);
}

/* The one of the excluded that covers the name at fault: judged as if it were alone. */
static void add_excluded(NAME_CONSTRAINTS *constraints, const GENERAL_NAME *name,
                         const X509_NAME *subject, struct mu_buf *ret)
{
    for (int i = 0; i < sk_GENERAL_SUBTREE_num(constraints->excludedSubtrees); i++) {
        GENERAL_SUBTREE *tree = sk_GENERAL_SUBTREE_value(constraints->excludedSubtrees, i);
        NAME_CONSTRAINTS one = {.excludedSubtrees = sk_GENERAL_SUBTREE_new_null()};
        if (one.excludedSubtrees != NULL &&
            sk_GENERAL_SUBTREE_push(one.excludedSubtrees, tree) > 0 &&
            (name != NULL ? judge_one(name, &one) : judge(subject, NULL, &one)) != X509_V_OK)
            add_tree(ret, tree);
        sk_GENERAL_SUBTREE_free(one.excludedSubtrees);
        if (ret->len > 0)
            return;
    }
}

static int fail_for(const struct mu_cert *ca, NAME_CONSTRAINTS *constraints,
                    const X509_NAME *subject, const GENERAL_NAMES *san, int result,
                    struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN], name[MU_CERT_LABEL_LEN + 16];
    MU_AUTO_CLEAR(mu_buf) which = MU_BUF_INIT;
    const GENERAL_NAME *culprit = find_culprit(san, constraints, &result);
    mu_cert_label(ca, label);
    if (culprit != NULL) {
        mu_general_name_text(culprit, name, sizeof name);
    } else {
        char cn[MU_CERT_LABEL_LEN];
        snprintf(name, sizeof name, "the common name \"%s\"", mu_name_label(subject, cn));
    }
    if (result == X509_V_ERR_PERMITTED_VIOLATION)
        add_permitted(constraints, culprit != NULL ? culprit->type : GEN_DNS, &which);
    else if (result == X509_V_ERR_EXCLUDED_VIOLATION)
        add_excluded(constraints, culprit, subject, &which);
    if (which.len == 0) {
        mu_fail(err, MU_E_CONSTRAINT,
                "the CA \"%s\" may not issue for %s: its name constraints cannot be applied to it",
                label, name);
        return mu_cause(err, "%s", X509_verify_cert_error_string(result));
    }
    return mu_fail(err, MU_E_CONSTRAINT,
                   "the CA \"%s\" may not issue for %s: its name constraints %s %s", label, name,
                   result == X509_V_ERR_EXCLUDED_VIOLATION ? "exclude" : "permit only",
                   mu_buf_str(&which));
}

/* Does the wildcard, "*.example.com", stand for this very name, "vip.example.com"? */
static bool stands_for(const ASN1_IA5STRING *wildcard, const ASN1_IA5STRING *name)
{
    const unsigned char *w = ASN1_STRING_get0_data(wildcard), *n = ASN1_STRING_get0_data(name);
    size_t w_len = (size_t)ASN1_STRING_length(wildcard), n_len = (size_t)ASN1_STRING_length(name);
    const unsigned char *dot = n_len == 0 ? NULL : memchr(n, '.', n_len);
    if (w_len < 2 || w[0] != '*' || dot == NULL || dot == n)
        return false;
    size_t rest = n_len - (size_t)(dot - n);
    return rest == w_len - 1 && strncasecmp((const char *)w + 1, (const char *)dot, rest) == 0;
}

/* OpenSSL takes the star for a label like another; but what is excluded must not come in by a wildcard. */
static int check_wildcards(const struct mu_cert *ca, const NAME_CONSTRAINTS *constraints,
                           const GENERAL_NAMES *san, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN], wildcard[300], excluded[300];
    for (int i = 0; i < sk_GENERAL_NAME_num(san); i++)
        for (int j = 0; j < sk_GENERAL_SUBTREE_num(constraints->excludedSubtrees); j++) {
            const GENERAL_NAME *name = sk_GENERAL_NAME_value(san, i);
            const GENERAL_NAME *base =
                sk_GENERAL_SUBTREE_value(constraints->excludedSubtrees, j)->base;
            if (name->type != GEN_DNS || base->type != GEN_DNS ||
                !stands_for(name->d.dNSName, base->d.dNSName))
                continue;
            mu_general_name_text(name, wildcard, sizeof wildcard);
            mu_general_name_text(base, excluded, sizeof excluded);
            return mu_fail(err, MU_E_CONSTRAINT,
                           "the CA \"%s\" may not issue for %s: it stands for %s, too, which its "
                           "name constraints exclude",
                           mu_cert_label(ca, label), wildcard, excluded);
        }
    return 0;
}

static bool are_on_uris(const STACK_OF(GENERAL_SUBTREE) * trees)
{
    for (int i = 0; i < sk_GENERAL_SUBTREE_num(trees); i++)
        if (sk_GENERAL_SUBTREE_value(trees, i)->base->type == GEN_URI)
            return true;
    return false;
}

bool mu_constraints_fit_uri(const NAME_CONSTRAINTS *constraints, const ASN1_IA5STRING *uri)
{
    char text[2048];
    const int len = ASN1_STRING_length(uri);
    if (!are_on_uris(constraints->permittedSubtrees) && !are_on_uris(constraints->excludedSubtrees))
        return true;
    snprintf(text, sizeof text, "%.*s", len, (const char *)ASN1_STRING_get0_data(uri));
    return strlen(text) == (size_t)len && mu_name_is_uri_of_host(text);
}

static int check_uris(const struct mu_cert *ca, const NAME_CONSTRAINTS *constraints,
                      const GENERAL_NAMES *san, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN], uri[300];
    for (int i = 0; i < sk_GENERAL_NAME_num(san); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(san, i);
        if (name->type != GEN_URI ||
            mu_constraints_fit_uri(constraints, name->d.uniformResourceIdentifier))
            continue;
        mu_general_name_text(name, uri, sizeof uri);
        mu_fail(err, MU_E_CONSTRAINT,
                "the CA \"%s\" may not issue for %s: its name constraints cannot be applied to it",
                mu_cert_label(ca, label), uri);
        return mu_cause(err, "they are about hosts, and this is not scheme://HOST/...");
    }
    return 0;
}

static int check_by(const struct mu_cert *ca, const X509_NAME *subject, const GENERAL_NAMES *san,
                    struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    int critical = -1; /* stays so when the extension is not there */
    MU_AUTO(NAME_CONSTRAINTS) constraints =
        X509_get_ext_d2i(mu_cert_x509(ca), NID_name_constraints, &critical, NULL);
    if (constraints == NULL && critical == -1)
        return 0;
    if (constraints == NULL)
        return mu_fail_openssl(err, MU_E_CA_UNFIT,
                               "the name constraints of the CA \"%s\" cannot be read",
                               mu_cert_label(ca, label));
    int result = judge(subject, san, constraints);
    if (result != X509_V_OK)
        return fail_for(ca, constraints, subject, san, result, err);
    return check_wildcards(ca, constraints, san, err) != 0 ? -1
                                                           : check_uris(ca, constraints, san, err);
}

/* Up from `ca`, whichever way there is: a certificate is taken as above when one that is counts as issued by it. */
static int check_above(const struct mu_cert *ca, const struct mu_certs *above, bool *seen,
                       const X509_NAME *subject, const GENERAL_NAMES *san, struct mu_error *err)
{
    for (size_t i = 0; i < above->count; i++) {
        if (seen[i] || X509_check_issued(mu_cert_x509(above->at[i]), mu_cert_x509(ca)) != X509_V_OK)
            continue;
        seen[i] = true;
        if (check_by(above->at[i], subject, san, err) != 0 ||
            check_above(above->at[i], above, seen, subject, san, err) != 0)
            return -1;
    }
    return 0;
}

int mu_constraints_check(const struct mu_cert *ca, const struct mu_certs *above,
                         const X509_NAME *subject, const GENERAL_NAMES *san, struct mu_error *err)
{
    if (check_by(ca, subject, san, err) != 0)
        return -1;
    if (above == NULL || above->count == 0)
        return 0;
    bool *seen = calloc(above->count, sizeof *seen);
    int result =
        seen == NULL ? mu_fail_nomem(err) : check_above(ca, above, seen, subject, san, err);
    free(seen);
    return result;
}
