#include "pki/issue.h"

#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/time.h"
#include "pki/info.h"
#include "pki/key_public.h"
#include "pki/ossl.h"
#include "pki/pointer.h"

enum { RSA_BITS_MIN = 2048, SECURITY_BITS_MIN = 112 };

int mu_serial_make(unsigned char ret[MU_SERIAL_LEN], struct mu_error *err)
{
    if (RAND_bytes(ret, MU_SERIAL_LEN) != 1)
        return mu_fail_openssl(err, MU_E_CRYPTO, "there are no random numbers");
    ret[0] &= 0x7f; /* a set top bit would make it negative, or a DER octet longer */
    if (ret[0] == 0)
        ret[0] = 0x01;
    return 0;
}

/* --- The parts of a certificate --- */

static int set_serial(X509 *x, const unsigned char *serial)
{
    MU_AUTO(BIGNUM) number = BN_bin2bn(serial, MU_SERIAL_LEN, NULL);
    return number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x)) != NULL;
}

/* ASN1_TIME_set writes UTCTime up to 2049 and GeneralizedTime from 2050 on. [RFC 5280 4.1.2.5] */
static int set_dates(X509 *x, time_t not_before, time_t not_after)
{
    return ASN1_TIME_set(X509_getm_notBefore(x), not_before) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(x), not_after) != NULL;
}

static int add_basic_constraints(X509 *x, bool is_ca, int path_length)
{
    BASIC_CONSTRAINTS *constraints = BASIC_CONSTRAINTS_new();
    int ok = constraints != NULL;
    if (ok && is_ca) {
        constraints->ca = 0xff;
        constraints->pathlen = ASN1_INTEGER_new();
        ok = constraints->pathlen != NULL &&
             ASN1_INTEGER_set(constraints->pathlen, path_length) == 1;
    }
    ok = ok && X509_add1_ext_i2d(x, NID_basic_constraints, constraints, 1, X509V3_ADD_DEFAULT) == 1;
    BASIC_CONSTRAINTS_free(constraints);
    return ok;
}

static int add_key_usage(X509 *x, const int *bits, size_t count)
{
    ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new();
    int ok = usage != NULL;
    for (size_t i = 0; ok && i < count; i++)
        ok = ASN1_BIT_STRING_set_bit(usage, bits[i], 1);
    ok = ok && X509_add1_ext_i2d(x, NID_key_usage, usage, 1, X509V3_ADD_DEFAULT) == 1;
    ASN1_BIT_STRING_free(usage);
    return ok;
}

static int add_purposes(X509 *x, const struct mu_profile_rules *rules)
{
    MU_AUTO(EXTENDED_KEY_USAGE) purposes = sk_ASN1_OBJECT_new_null();
    return purposes != NULL &&
           (!rules->ocsp_signing || sk_ASN1_OBJECT_push(purposes, OBJ_nid2obj(NID_OCSP_sign)) > 0) &&
           (!rules->server_auth ||
            sk_ASN1_OBJECT_push(purposes, OBJ_nid2obj(NID_server_auth)) > 0) &&
           (!rules->client_auth ||
            sk_ASN1_OBJECT_push(purposes, OBJ_nid2obj(NID_client_auth)) > 0) &&
           X509_add1_ext_i2d(x, NID_ext_key_usage, purposes, 0, X509V3_ADD_DEFAULT) == 1;
}

/* Nobody asks whether a responder's certificate is revoked: it lives too short. [RFC 6960 4.2.2.2.1] */
static int add_no_check(X509 *x)
{
    MU_AUTO(ASN1_NULL) nothing = ASN1_NULL_new();
    return nothing != NULL &&
           X509_add1_ext_i2d(x, NID_id_pkix_OCSP_noCheck, nothing, 0, X509V3_ADD_DEFAULT) == 1;
}

static int add_usages(X509 *x, enum mu_profile profile, bool rsa)
{
    enum { DIGITAL_SIGNATURE = 0, KEY_ENCIPHERMENT = 2, KEY_CERT_SIGN = 5, CRL_SIGN = 6 };
    static const int of_ca[] = {KEY_CERT_SIGN, CRL_SIGN};
    static const int of_leaf[] = {DIGITAL_SIGNATURE, KEY_ENCIPHERMENT};
    const struct mu_profile_rules *rules = mu_profile_rules(profile);
    if (profile == MU_PROFILE_CA)
        return add_key_usage(x, of_ca, MU_COUNT(of_ca));
    /* A client's key enciphers nothing, whatever its type, and must not say so. [RFC 5280 4.2.1.12] */
    return add_key_usage(x, of_leaf, rsa && rules->server_auth ? 2 : 1) && add_purposes(x, rules) &&
           (!rules->ocsp_signing || add_no_check(x));
}

/* SHA-1 of the key's bits: an identifier, and no matter of security. [RFC 5280 4.2.1.2 (1)] */
static int add_subject_key_id(X509 *x)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    MU_AUTO(ASN1_OCTET_STRING) id = ASN1_OCTET_STRING_new();
    return id != NULL && X509_pubkey_digest(x, EVP_sha1(), digest, &len) == 1 &&
           ASN1_OCTET_STRING_set(id, digest, (int)len) == 1 &&
           X509_add1_ext_i2d(x, NID_subject_key_identifier, id, 0, X509V3_ADD_DEFAULT) == 1;
}

static int add_issuer_key_id(X509 *x, X509 *issuer)
{
    AUTHORITY_KEYID *id = mu_issuer_key_id(issuer);
    int ok = id != NULL &&
             X509_add1_ext_i2d(x, NID_authority_key_identifier, id, 0, X509V3_ADD_DEFAULT) == 1;
    AUTHORITY_KEYID_free(id);
    return ok;
}

static int add_extensions(X509 *x, X509 *issuer, enum mu_profile profile, int path_length,
                          const struct mu_key *key, const GENERAL_NAMES *san)
{
    bool rsa = EVP_PKEY_is_a(mu_key_evp(key), "RSA") == 1;
    bool subject_is_empty = X509_NAME_entry_count(X509_get_subject_name(x)) == 0;
    return add_basic_constraints(x, profile == MU_PROFILE_CA, path_length) &&
           add_usages(x, profile, rsa) &&
           (san == NULL || X509_add1_ext_i2d(x, NID_subject_alt_name, (void *)san, subject_is_empty,
                                             X509V3_ADD_DEFAULT) == 1) &&
           add_subject_key_id(x) && add_issuer_key_id(x, issuer);
}

static int add_more(X509 *x, const struct mu_issue *issue)
{
    for (size_t i = 0; i < issue->extension_count; i++)
        if (X509_add_ext(x, mu_extension_x509(issue->extensions[i]), -1) != 1)
            return 0;
    return 1;
}

/* --- Rules that hold before anything is made --- */

/* The kinds of keys that TLS 1.3 signs with [RFC 8446 4.2.3], and those to come where OpenSSL has them. */
static bool is_tls_key(const EVP_PKEY *evp)
{
    static const char *const types[] = {"RSA",       "RSA-PSS",   "ED25519",  "ED448",
                                        "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"};
    static const char *const curves[] = {SN_X9_62_prime256v1, SN_secp384r1, SN_secp521r1};
    char group[32] = "";
    for (size_t i = 0; i < MU_COUNT(types); i++)
        if (EVP_PKEY_is_a(evp, types[i]))
            return true;
    if (!EVP_PKEY_is_a(evp, "EC") || EVP_PKEY_get_group_name(evp, group, sizeof group, NULL) != 1)
        return false;
    for (size_t i = 0; i < MU_COUNT(curves); i++)
        if (strcmp(group, curves[i]) == 0)
            return true;
    return false;
}

static bool is_strong_key(const EVP_PKEY *evp)
{
    bool rsa = EVP_PKEY_is_a(evp, "RSA") || EVP_PKEY_is_a(evp, "RSA-PSS");
    return EVP_PKEY_get_security_bits(evp) >= SECURITY_BITS_MIN &&
           (!rsa || EVP_PKEY_get_bits(evp) >= RSA_BITS_MIN);
}

static int check_subject_key(const struct mu_key *key, struct mu_error *err)
{
    char kind[MU_KEY_DESCRIPTION_LEN];
    const char *why = !is_strong_key(mu_key_evp(key))     ? "is too weak to be certified"
                      : !is_tls_key(mu_key_evp(key))      ? "is of a kind that TLS 1.3 does not use"
                      : !mu_key_is_sound(mu_key_evp(key)) ? "is not a sound one"
                                                          : NULL;
    if (why == NULL)
        return 0;
    mu_fail_openssl(err, MU_E_PROFILE, "the key (%s) %s", mu_key_describe(key, kind), why);
    return mu_hint(err, "make one of: %s", mu_key_types);
}

static int check_ca_dates(const struct mu_cert *ca, const char *label, time_t now,
                          struct mu_error *err)
{
    char date[MU_DATE_LEN];
    if (now > mu_cert_not_after(ca))
        return mu_fail(err, MU_E_CA_EXPIRED, "the CA \"%s\" expired on %s", label,
                       mu_date(mu_cert_not_after(ca), date));
    if (now < mu_cert_not_before(ca))
        return mu_fail(err, MU_E_CLOCK,
                       "the CA \"%s\" is valid from %s only, which is in the future", label,
                       mu_date(mu_cert_not_before(ca), date));
    return 0;
}

/* An extKeyUsage in a CA's certificate bounds what its leaves may be for, for most verifiers. */
static bool may_issue_for(X509 *ca, enum mu_profile profile)
{
    uint32_t allowed = X509_get_extended_key_usage(ca); /* all bits without the extension */
    uint32_t wanted = mu_profile_purposes(profile);
    return (allowed & XKU_ANYEKU) != 0 || (allowed & wanted) == wanted;
}

static int check_ca(const struct mu_cert *ca, const struct mu_key *ca_key,
                    const struct mu_issue *issue, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    const struct mu_profile_rules *rules = mu_profile_rules(issue->profile);
    X509 *x = mu_cert_x509(ca);
    mu_cert_label(ca, label);
    if (!mu_cert_is_ca(ca))
        return mu_fail(err, MU_E_CA_UNFIT,
                       "\"%s\" is not a CA: its certificate does not say CA:TRUE", label);
    if ((X509_get_key_usage(x) & KU_KEY_CERT_SIGN) == 0) /* all bits without the extension */
        return mu_fail(err, MU_E_CA_UNFIT,
                       "the CA \"%s\" may not sign certificates: its keyUsage lacks keyCertSign",
                       label);
    if (!may_issue_for(x, issue->profile)) {
        mu_fail(err, MU_E_CA_UNFIT,
                "the CA \"%s\" may not issue %s certificates: its extKeyUsage leaves them out",
                label, rules->name);
        return mu_hint(err, "issue it from a CA without this limit: mutual init makes one");
    }
    if (check_ca_dates(ca, label, issue->now, err) != 0 ||
        mu_cert_match_key(ca, ca_key, "the CA's file", "the CA's key file", err) != 0)
        return -1;
    if (is_strong_key(mu_key_evp(ca_key)))
        return 0;
    mu_fail(err, MU_E_CA_UNFIT,
            "the key of the CA \"%s\" is too weak: no verifier of today takes it", label);
    return mu_hint(err, "make a new CA with: mutual init");
}

static int check_names(const struct mu_issue *issue, struct mu_error *err)
{
    const struct mu_profile_rules *rules = mu_profile_rules(issue->profile);
    if (issue->profile == MU_PROFILE_CA && issue->names->count > 0)
        return mu_fail(err, MU_E_PROFILE, "a CA is no host, and has no alternative names");
    if (issue->names->count > 0 || (rules->free_text_name && issue->names->cn != NULL))
        return 0;
    mu_fail(err, MU_E_PROFILE, "a %s certificate needs at least one DNS name or IP address",
            rules->name);
    return mu_hint(err, "add one with --san NAME");
}

int mu_issue_check_ca(const struct mu_cert *ca, const struct mu_key *ca_key, time_t now,
                      struct mu_error *err)
{
    const struct mu_issue any = {.profile = MU_PROFILE_CA, .now = now};
    return check_ca(ca, ca_key, &any, err);
}

/* Path lengths count the CAs below. A CA that gives none has no limit. */
static int check_path_length(const struct mu_cert *ca, const struct mu_issue *issue,
                             struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    long room = X509_get_pathlen(mu_cert_x509(ca));
    if (issue->profile != MU_PROFILE_CA || room < 0 || issue->below->path_length < room)
        return 0;
    mu_cert_label(ca, label);
    if (room == 0) {
        mu_fail(err, MU_E_CA_UNFIT,
                "the CA \"%s\" issues to servers and clients only: its path length is 0, so that no "
                "CA may stand below it",
                label);
        return mu_hint(err, "sign it by a CA that was made with: mutual init --path-length 1");
    }
    mu_fail(err, MU_E_CA_UNFIT,
            "the path length of the CA \"%s\" is %ld, so that one of a CA below it is at most %ld",
            label, room, room - 1);
    return mu_hint(err, "ask for less with --path-length");
}

/* Verifiers take a certificate whose issuer has its own name for a self-signed one. */
static int check_subject(const X509_NAME *subject, X509 *issuer, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    if (X509_NAME_cmp(subject, X509_get_subject_name(issuer)) != 0)
        return 0;
    mu_fail(err, MU_E_PROFILE,
            "\"%s\" is the name of the CA itself: a certificate of that name looks self-signed",
            mu_name_label(subject, label));
    return mu_hint(err,
                   "give another name first, and this one with --san; the CA's own request for a new "
                   "certificate is signed with --profile ca");
}

/* A host that is known by its address has it for a common name. */
static bool is_address(const struct mu_names *names)
{
    for (size_t i = 0; names->cn != NULL && i < names->count; i++)
        if (names->san[i].kind == MU_SAN_IP && strcmp(names->san[i].value, names->cn) == 0)
            return true;
    return false;
}

static bool is_constrained(const struct mu_cert *ca, const struct mu_certs *above)
{
    bool found = X509_get_ext_by_NID(mu_cert_x509(ca), NID_name_constraints, -1) >= 0;
    for (size_t i = 0; above != NULL && i < above->count; i++)
        found =
            found || X509_get_ext_by_NID(mu_cert_x509(above->at[i]), NID_name_constraints, -1) >= 0;
    return found;
}

/*
 * A certificate for names that are outside an issuer's name constraints is refused by every verifier. Many of them
 * take a common name for a DNS name where there is no other, even if it is an address (OpenSSL does for IPv4, GnuTLS
 * for all): `subject` is emptied then, for the address stands among the alternative names.
 */
static int check_constraints(const struct mu_cert *ca, const struct mu_issue *issue,
                             X509_NAME *subject, const GENERAL_NAMES *san, struct mu_error *err)
{
    if (issue->profile == MU_PROFILE_CA) /* which has names for people alone */
        return 0;
    if (is_address(issue->names) && is_constrained(ca, issue->above))
        X509_NAME_ENTRY_free(X509_NAME_delete_entry(subject, 0));
    return mu_constraints_check(ca, issue->above, subject, san, err);
}

/* --- What was made --- */

void mu_issued_clear(struct mu_issued *issued)
{
    mu_buf_clear(&issued->der);
    mu_buf_clear(&issued->san);
}

int mu_issued_cert(const struct mu_issued *issued, struct mu_cert **ret, struct mu_error *err)
{
    return mu_cert_parse("the certificate that was made", issued->der.data, issued->der.len, ret,
                         err);
}

void mu_issued_to_pem(const struct mu_issued *issued, struct mu_buf *ret)
{
    MU_AUTO(BIO) bio = BIO_new(BIO_s_mem());
    char *pem = NULL;
    if (bio == NULL ||
        PEM_write_bio(bio, PEM_STRING_X509, "", (const unsigned char *)issued->der.data,
                      (long)issued->der.len) <= 0) {
        ret->failed = true;
        return;
    }
    long len = BIO_get_mem_data(bio, &pem);
    mu_buf_add(ret, pem, (size_t)len);
}

/* Its bytes, and what they say, in the words of mu_cert_info_read(). */
static int tell(X509 *x, const GENERAL_NAMES *san, struct mu_issued *ret, struct mu_error *err)
{
    char name[1024];
    mu_cert_to_der((const struct mu_cert *)x, &ret->der);
    for (int i = 0; i < sk_GENERAL_NAME_num(san); i++) {
        mu_general_name_text(sk_GENERAL_NAME_value(san, i), name, sizeof name);
        mu_buf_addf(&ret->san, "%s%s", i > 0 ? ", " : "", name);
    }
    if (mu_buf_failed(&ret->der) || mu_buf_failed(&ret->san))
        return mu_fail_nomem(err);
    mu_name_text(X509_get_subject_name(x), ret->subject, sizeof ret->subject);
    mu_integer_text(X509_get0_serialNumber(x), ret->serial, sizeof ret->serial);
    ret->not_before = mu_time_from_asn1(X509_get0_notBefore(x));
    ret->not_after = mu_time_from_asn1(X509_get0_notAfter(x));
    mu_sha256(ret->der.data, ret->der.len, ret->sha256);
    return 0;
}

int mu_issued_read(const struct mu_cert *cert, struct mu_issued *ret, struct mu_error *err)
{
    X509 *x = mu_cert_x509(cert);
    MU_AUTO(GENERAL_NAMES) san = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    return tell(x, san, ret, err);
}

/* What was built is judged as it was encoded: extensions are kept so, and its signature is over all of it. */
static int check_made(X509 *x, const struct mu_issue *issue, const struct mu_cert *issuer,
                      struct mu_error *err)
{
    const struct mu_cert *made = (const struct mu_cert *)x;
    return issue->draft || issue->proven ? mu_profile_check_draft(issue->profile, made, issuer, err)
                                         : mu_profile_check(issue->profile, made, issuer, err);
}

/* --- Issuing --- */

static time_t earlier(time_t a, time_t b)
{
    return a < b ? a : b;
}

static time_t later(time_t a, time_t b)
{
    return a > b ? a : b;
}

/* A draft's signature is by a key of the same kind, which ends here. */
static int sign(X509 *x, const struct mu_key *key, bool draft)
{
    EVP_PKEY *evp = mu_key_evp(key);
    EVP_PKEY *thrown_away = NULL;
    if (draft) {
        MU_AUTO(EVP_PKEY_CTX) ctx = EVP_PKEY_CTX_new_from_pkey(NULL, evp, NULL);
        if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1 ||
            EVP_PKEY_generate(ctx, &thrown_away) != 1)
            return 0;
    }
    int len = X509_sign(x, draft ? thrown_away : evp, mu_digest_for(key));
    EVP_PKEY_free(thrown_away);
    return len > 0;
}

static int make_names(const struct mu_issue *issue, X509_NAME **ret_subject,
                      GENERAL_NAMES **ret_san, struct mu_error *err)
{
    if (issue->profile != MU_PROFILE_CA || issue->below->request == NULL)
        return mu_names_to_x509(issue->names, ret_subject, ret_san, err);
    *ret_subject = X509_NAME_dup(X509_REQ_get_subject_name(mu_csr_x509(issue->below->request)));
    return *ret_subject == NULL ? mu_fail_nomem(err) : 0;
}

int mu_issue_make(const struct mu_cert *ca, const struct mu_key *ca_key,
                  const struct mu_issue *issue, struct mu_issued *ret, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    X509 *issuer = mu_cert_x509(ca);
    bool is_ca = issue->profile == MU_PROFILE_CA;
    const struct mu_constraints *bounds = is_ca ? issue->below->constraints : NULL;
    MU_AUTO(X509_NAME) subject = NULL;
    MU_AUTO(GENERAL_NAMES) san = NULL;
    if (check_ca(ca, ca_key, issue, err) != 0 || check_path_length(ca, issue, err) != 0 ||
        check_subject_key(issue->key, err) != 0 || check_names(issue, err) != 0 ||
        make_names(issue, &subject, &san, err) != 0 || check_subject(subject, issuer, err) != 0 ||
        check_constraints(ca, issue, subject, san, err) != 0)
        return -1;

    time_t not_before = later(issue->now - MU_BACKDATE_S, mu_cert_not_before(ca));
    time_t not_after = earlier(issue->now + issue->lifetime_s, mu_cert_not_after(ca));
    MU_AUTO(X509) x = X509_new();
    if (x == NULL || X509_set_version(x, X509_VERSION_3) != 1 || !set_serial(x, issue->serial) ||
        X509_set_subject_name(x, subject) != 1 ||
        X509_set_issuer_name(x, X509_get_subject_name(issuer)) != 1 ||
        !set_dates(x, not_before, not_after) || !mu_key_to_x509(issue->key, x) ||
        !add_extensions(x, issuer, issue->profile, is_ca ? issue->below->path_length : 0,
                        issue->key, san) ||
        !mu_pointers_add(x, &issue->pointers) || !add_more(x, issue))
        return mu_fail_openssl(err, MU_E_CRYPTO, "the CA \"%s\" could not issue",
                               mu_cert_label(ca, label));
    if (bounds != NULL && bounds->count > 0 && mu_constraints_to_x509(bounds, x, err) != 0)
        return -1;
    if (!sign(x, ca_key, issue->draft))
        return mu_fail_openssl(err, MU_E_CRYPTO, "the CA \"%s\" could not sign",
                               mu_cert_label(ca, label));
    return check_made(x, issue, ca, err) != 0 ? -1 : tell(x, san, ret, err);
}

int mu_issue_leaf(const struct mu_cert *ca, const struct mu_key *ca_key,
                  const struct mu_issue *issue, struct mu_cert **ret, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_issued) issued = MU_ISSUED_INIT;
    return mu_issue_make(ca, ca_key, issue, &issued, err) != 0 ? -1
                                                               : mu_issued_cert(&issued, ret, err);
}

int mu_issue_root(const struct mu_key *key, const char *name, const unsigned char *serial,
                  time_t now, int64_t lifetime_s, int path_length,
                  const struct mu_constraints *constraints, struct mu_cert **ret,
                  struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_names) names = {0};
    MU_AUTO(X509_NAME) subject = NULL;
    MU_AUTO(GENERAL_NAMES) no_san = NULL;
    /* A CA's name is free text in its CN; it is no one's host, and so has no SAN. */
    if (mu_names_set_cn(&names, name, err) != 0 ||
        mu_names_to_x509(&names, &subject, &no_san, err) != 0 || check_subject_key(key, err) != 0)
        return -1;

    MU_AUTO(X509) x = X509_new();
    if (x == NULL || X509_set_version(x, X509_VERSION_3) != 1 || !set_serial(x, serial) ||
        X509_set_subject_name(x, subject) != 1 || X509_set_issuer_name(x, subject) != 1 ||
        !set_dates(x, now - MU_BACKDATE_S, now + lifetime_s) || !mu_key_to_x509(key, x) ||
        !add_extensions(x, x, MU_PROFILE_CA, path_length, key, NULL))
        return mu_fail_openssl(err, MU_E_CRYPTO, "the CA \"%s\" could not be made", name);
    if (constraints != NULL && constraints->count > 0 &&
        mu_constraints_to_x509(constraints, x, err) != 0)
        return -1;
    if (X509_sign(x, mu_key_evp(key), mu_digest_for(key)) == 0)
        return mu_fail_openssl(err, MU_E_CRYPTO, "the CA \"%s\" could not sign itself", name);
    MU_AUTO_CLEAR(mu_issued) issued = MU_ISSUED_INIT;
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    if (tell(x, NULL, &issued, err) != 0 || mu_issued_cert(&issued, &cert, err) != 0 ||
        mu_profile_check(MU_PROFILE_CA, cert, cert, err) != 0)
        return -1;
    *ret = mu_take(&cert);
    return 0;
}

/* --- Anew --- */

static void drop_extension(X509 *x, int nid)
{
    for (int at; (at = X509_get_ext_by_NID(x, nid, -1)) >= 0;)
        X509_EXTENSION_free(X509_delete_ext(x, at));
}

/* What depends on the two keys, and what a CA of the time before X.509 v3 lacks. */
static int renew_extensions(X509 *x, X509 *issuer, const EVP_PKEY *new_key)
{
    static const int of_the_old_issuer[] = {NID_authority_key_identifier,
                                            NID_crl_distribution_points, NID_freshest_crl,
                                            NID_info_access};
    for (size_t i = 0; i < MU_COUNT(of_the_old_issuer); i++)
        drop_extension(x, of_the_old_issuer[i]);
    if (new_key != NULL)
        drop_extension(x, NID_subject_key_identifier);
    return (X509_get_ext_by_NID(x, NID_basic_constraints, -1) >= 0 ||
            add_basic_constraints(x, true, 0)) &&
           (X509_get_ext_by_NID(x, NID_key_usage, -1) >= 0 || add_usages(x, MU_PROFILE_CA, false)) &&
           (X509_get_ext_by_NID(x, NID_subject_key_identifier, -1) >= 0 || add_subject_key_id(x)) &&
           add_issuer_key_id(x, issuer);
}

/* The bytes that leave, and whether the issuer's key verifies them. */
static int finish_again(X509 *built, const struct mu_cert *issuer, struct mu_cert **ret,
                        struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    mu_cert_to_der((struct mu_cert *)built, &der);
    if (mu_buf_failed(&der))
        return mu_fail_nomem(err);
    if (mu_cert_parse("the certificate that was made", der.data, der.len, &cert, err) != 0)
        return -1;
    if (!mu_cert_is_signed_by(cert, issuer == NULL ? cert : issuer) || !mu_cert_is_ca(cert))
        return mu_fail(err, MU_E_CRYPTO, "the certificate that was made is not what it should be");
    *ret = mu_take(&cert);
    return 0;
}

int mu_issue_again(const struct mu_reissue *how, struct mu_cert **ret, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    unsigned char serial[MU_SERIAL_LEN];
    time_t not_before = how->now - MU_BACKDATE_S, not_after = how->not_after;
    const struct mu_key *signer = how->issuer == NULL ? how->key : how->issuer_key;
    EVP_PKEY *new_key = how->key == NULL ? NULL : mu_key_evp(how->key);
    MU_AUTO(X509) x = X509_dup(mu_cert_x509(how->like));
    X509 *issuer = how->issuer == NULL ? x : mu_cert_x509(how->issuer);
    if (x == NULL)
        return mu_fail_nomem(err);
    if (mu_serial_make(serial, err) != 0 ||
        (how->issuer != NULL && mu_cert_match_key(how->issuer, signer, "the issuer's file",
                                                  "the issuer's key file", err) != 0))
        return -1;
    if (how->issuer != NULL) {
        not_before = later(not_before, mu_cert_not_before(how->issuer));
        not_after = earlier(not_after, mu_cert_not_after(how->issuer));
    }
    if (X509_set_version(x, X509_VERSION_3) != 1 || !set_serial(x, serial) ||
        X509_set_issuer_name(x, X509_get_subject_name(issuer)) != 1 ||
        !set_dates(x, not_before, not_after) ||
        (new_key != NULL && X509_set_pubkey(x, new_key) != 1) ||
        !renew_extensions(x, issuer, new_key) ||
        X509_sign(x, mu_key_evp(signer), mu_digest_for(signer)) == 0)
        return mu_fail_openssl(err, MU_E_CRYPTO, "the CA \"%s\" could not be certified again",
                               mu_cert_label(how->like, label));
    return finish_again(x, how->issuer, ret, err);
}
