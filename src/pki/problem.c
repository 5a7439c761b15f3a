/* What is wrong with a certificate by itself, whoever verifies it: for people, before it fails somewhere. */

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "pki/info.h"
#include "pki/ossl.h"

/* What TLS peers refuse nowadays: fewer bits than these. [NIST SP 800-57, OpenSSL security level 2] */
enum { STRENGTH_BITS = 112 };

/* Apple refuses TLS server certificates that are valid for longer. [support.apple.com 103769] */
enum { LONGEST_DAYS = 825 };

/* Time to act is short when this little is left, if it is also little of the whole. */
enum { SOON_DAYS = 14, SOON_PART = 3 };

struct subject {
    const struct mu_cert_info *info;
    X509 *x;
    time_t now;
};

struct problem {
    const char *id;
    char sentence[512];
};

/* Fill in a problem; returns true, so that finding one is a single statement. */
static bool found(struct problem *ret, const char *id, const char *format, ...) MU_PRINTF(3, 4);

static bool found(struct problem *ret, const char *id, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    ret->id = id;
    vsnprintf(ret->sentence, sizeof ret->sentence, format, args);
    va_end(args);
    return true;
}

static bool is_client_only(const struct mu_cert_info *info)
{
    return info->client_auth && !info->server_auth && !info->any_purpose;
}

static bool is_server(const struct mu_cert_info *info)
{
    bool for_all = !info->has_eku || info->any_purpose;
    return !info->is_ca && (info->server_auth || for_all);
}

/* The id for a CA, a client or a server. */
static const char *by_role(const struct mu_cert_info *info, const char *ca, const char *client,
                           const char *server)
{
    return info->is_ca ? ca : is_client_only(info) ? client : server;
}

static bool has_key_usage(const struct mu_cert_info *info, const char *name)
{
    for (size_t i = 0; i < info->key_usage.count; i++)
        if (mu_str_equal(info->key_usage.at[i], name))
            return true;
    return false;
}

/* --- Time --- */

static bool expired(const struct subject *s, struct problem *ret)
{
    char date[MU_DATE_LEN], ago[MU_SPAN_LEN];
    const char *id =
        by_role(s->info, s->info->self_issued ? "ca_cert_expired" : "intermediate_expired",
                "client_cert_expired", "server_cert_expired");
    return s->now > s->info->not_after &&
           found(ret, id, "it expired on %s, %s", mu_date(s->info->not_after, date),
                 mu_relative(s->info->not_after, s->now, ago));
}

static bool not_yet_valid(const struct subject *s, struct problem *ret)
{
    char date[MU_DATE_LEN], in[MU_SPAN_LEN];
    const char *id = by_role(s->info, "ca_cert_not_yet_valid", "client_cert_not_yet_valid",
                             "server_cert_not_yet_valid");
    return s->now < s->info->not_before &&
           found(ret, id, "it is valid only from %s, %s, by this machine's clock",
                 mu_date(s->info->not_before, date), mu_relative(s->info->not_before, s->now, in));
}

static bool expires_soon(const struct subject *s, struct problem *ret)
{
    char span[MU_SPAN_LEN];
    int64_t left_s = (int64_t)s->info->not_after - s->now;
    int64_t whole_s = (int64_t)s->info->not_after - s->info->not_before;
    return left_s >= 0 && left_s < SOON_DAYS * MU_DAY_S && left_s < whole_s / SOON_PART &&
           found(ret, "expires_soon", "it expires in %s", mu_span(left_s, span));
}

static bool too_long(const struct subject *s, struct problem *ret)
{
    int64_t whole_s = (int64_t)s->info->not_after - s->info->not_before;
    char span[MU_SPAN_LEN];
    return is_server(s->info) && whole_s > LONGEST_DAYS * MU_DAY_S &&
           found(ret, "validity_too_long",
                 "it is valid for %s; Apple's systems refuse server certificates of more than %d days",
                 mu_span(whole_s, span), LONGEST_DAYS);
}

/* --- Algorithms --- */

static bool weak_key(const struct subject *s, struct problem *ret)
{
    EVP_PKEY *key = X509_get0_pubkey(s->x);
    return key != NULL && EVP_PKEY_get_security_bits(key) < STRENGTH_BITS &&
           found(ret, "key_too_small",
                 "its key, %s, is too weak: current TLS programs refuse less than RSA 2048 or P-256",
                 s->info->key);
}

static bool is_usual_curve(EVP_PKEY *key)
{
    static const char *const usual[] = {"prime256v1", "P-256",     "secp384r1",
                                        "P-384",      "secp521r1", "P-521"};
    char curve[64] = "";
    if (EVP_PKEY_get_group_name(key, curve, sizeof curve, NULL) != 1)
        return false;
    for (size_t i = 0; i < MU_COUNT(usual); i++)
        if (mu_str_equal(curve, usual[i]))
            return true;
    return false;
}

static bool unusual_key(const struct subject *s, struct problem *ret)
{
    EVP_PKEY *key = X509_get0_pubkey(s->x);
    if (key == NULL)
        return found(ret, "unsupported_key_type", "its public key (%s) cannot be read",
                     s->info->key);
    bool refused = EVP_PKEY_is_a(key, "DSA") || EVP_PKEY_is_a(key, "DH") ||
                   (EVP_PKEY_is_a(key, "EC") && !is_usual_curve(key));
    return refused &&
           found(ret, "unsupported_key_type",
                 "its key, %s, is of a kind that TLS programs do not offer", s->info->key);
}

/* Nobody checks the signature of a root on itself, so it may be of any age. */
static bool weak_signature(const struct subject *s, struct problem *ret)
{
    int bits = 0;
    bool known = X509_get_signature_info(s->x, NULL, NULL, &bits, NULL) == 1;
    return known && bits < STRENGTH_BITS && !s->info->self_signed &&
           found(ret, "signature_too_weak",
                 "its signature, %s, is too weak: current TLS programs refuse it",
                 s->info->signature);
}

/* --- Form --- */

static bool damaged_extension(const struct subject *s, struct problem *ret)
{
    return (X509_get_extension_flags(s->x) & EXFLAG_INVALID) != 0 &&
           found(ret, "certificate_malformed",
                 "an extension in it cannot be decoded, or breaks the rules of X.509");
}

static bool unknown_critical(const struct subject *s, struct problem *ret)
{
    return (X509_get_extension_flags(s->x) & EXFLAG_CRITICAL) != 0 &&
           found(ret, "unknown_critical_extension",
                 "it has a critical extension that OpenSSL does not know: whoever does not know it has to refuse it");
}

static bool version_1(const struct subject *s, struct problem *ret)
{
    if (s->info->version >= 3)
        return false;
    return s->info->is_ca
               ? found(ret, "issuer_is_v1",
                       "it is an X.509 v%d certificate and does not say that it is a CA: only some programs take it for one",
                       s->info->version)
               : found(ret, "cert_is_v1",
                       "it is an X.509 v%d certificate, without names, purposes or limits: Go, browsers and rustls refuse it",
                       s->info->version);
}

static bool has_server_name(const struct mu_cert_info *info)
{
    for (size_t i = 0; i < info->san.count; i++)
        if (mu_str_starts_with(info->san.at[i], "DNS:") ||
            mu_str_starts_with(info->san.at[i], "IP:"))
            return true;
    return false;
}

static bool no_san(const struct subject *s, struct problem *ret)
{
    if (!is_server(s->info) || has_server_name(s->info))
        return false;
    return *s->info->cn != '\0'
               ? found(ret, "server_no_san",
                       "as a server's it has a name in CN (\"%s\") but no %ssubjectAltName: Go, browsers, rustls and Python's urllib3 look only there",
                       s->info->cn, s->info->san.count > 0 ? "host's name in " : "")
               : found(ret, "server_no_san", "as a server's it has no DNS name or IP address");
}

static bool ip_as_dns(const struct subject *s, struct problem *ret)
{
    unsigned char address[16];
    for (size_t i = 0; i < s->info->san.count; i++) {
        const char *name = s->info->san.at[i];
        if (!mu_str_starts_with(name, "DNS:"))
            continue;
        name += strlen("DNS:");
        if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
            return found(
                ret, "server_ip_written_as_dns",
                "the address %s is written as a DNS name, where it never matches: it has to be IP:%s",
                name, name);
    }
    return false;
}

static bool self_signed_leaf(const struct subject *s, struct problem *ret)
{
    return s->info->self_signed && !s->info->is_ca &&
           found(ret, is_client_only(s->info) ? "client_self_signed" : "server_self_signed",
                 "it is signed by itself, not by a CA: nobody trusts it who has not been given this very certificate");
}

static bool same_name_as_issuer(const struct subject *s, struct problem *ret)
{
    bool can_tell = X509_get0_pubkey(s->x) != NULL;
    return can_tell && s->info->self_issued && !s->info->self_signed &&
           found(ret, "subject_equals_issuer",
                 "it has the same name as the CA that issued it: programs may take it for self-signed");
}

/* --- Purpose --- */

static bool no_purpose(const struct subject *s, struct problem *ret)
{
    return !s->info->is_ca && s->info->version >= 3 && !s->info->has_eku &&
           found(ret, "no_purpose",
                 "it names no purpose (extKeyUsage), so it passes for a server's and for a client's alike");
}

static bool no_signature_usage(const struct subject *s, struct problem *ret)
{
    bool limited = s->info->key_usage.count > 0;
    return limited && !s->info->is_ca && !has_key_usage(s->info, "digital signature") &&
           found(ret, is_client_only(s->info) ? "client_ku_no_signature" : "server_ku_no_signature",
                 "its key usage lacks digital signature, without which TLS 1.3 cannot use it");
}

static bool ca_cannot_sign(const struct subject *s, struct problem *ret)
{
    bool limited = s->info->key_usage.count > 0;
    return limited && s->info->is_ca && !has_key_usage(s->info, "certificate signing") &&
           found(ret, "ca_no_keycertsign",
                 "it is a CA, but its key usage lacks certificate signing: what it issues is refused");
}

/* RFC 5280 4.2.1.1-3 and 4.2.1.9 ask for these of a CA; Python since 3.13 and other strict verifiers insist. */
static bool lax_ca(const struct subject *s, struct problem *ret)
{
    if (!s->info->is_ca || s->info->version < 3)
        return false;
    const char *lacks = s->info->key_usage.count == 0          ? "keyUsage"
                        : *s->info->subject_key_id == '\0'     ? "a subject key identifier"
                        : !s->info->basic_constraints_critical ? "critical basicConstraints"
                                                               : NULL;
    return lacks != NULL &&
           found(ret, "ca_not_strict_profile",
                 "as a CA it lacks %s: Python since 3.13 and other strict verifiers refuse it",
                 lacks);
}

int mu_cert_find_problems(const struct mu_cert *cert, time_t now, struct mu_cert_info *info)
{
    /* Worst first: what fails everywhere, then what fails with many, then what fails with some. */
    static bool (*const checks[])(const struct subject *, struct problem *) = {
        expired,     not_yet_valid,  damaged_extension, unknown_critical,    weak_key,
        unusual_key, weak_signature, ca_cannot_sign,    same_name_as_issuer, self_signed_leaf,
        version_1,   no_san,         ip_as_dns,         no_signature_usage,  lax_ca,
        no_purpose,  expires_soon,   too_long,
    };
    const struct subject subject = {.info = info, .x = mu_cert_x509(cert), .now = now};
    struct problem problem;
    for (size_t i = 0; i < MU_COUNT(checks); i++)
        if (checks[i](&subject, &problem) && (mu_strs_add(&info->problems, problem.sentence) != 0 ||
                                              mu_strs_add(&info->problem_ids, problem.id) != 0))
            return -1;
    return 0;
}
