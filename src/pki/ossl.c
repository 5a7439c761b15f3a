#include "pki/ossl.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/provider.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

int mu_fail_openssl(struct mu_error *err, enum mu_code code, const char *format, ...)
{
    char what[MU_ERROR_WHAT_LEN];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    mu_fail(err, code, "%s", what);

    const char *data = NULL;
    int flags = 0;
    unsigned long e = ERR_get_error_all(NULL, NULL, NULL, &data, &flags);
    const char *reason = e == 0 ? NULL : ERR_reason_error_string(e);
    if (reason != NULL && data != NULL && *data != '\0' && (flags & ERR_TXT_STRING) != 0)
        mu_cause(err, "%s (%s)", reason, data);
    else if (reason != NULL)
        mu_cause(err, "%s", reason);
    ERR_clear_error();
    return -1;
}

/* ML-DSA came with OpenSSL 3.5; its identifiers are older than many a library that is in use. [RFC 9881] */
static const struct newer {
    const char *oid, *name;
} newer[] = {
    {"2.16.840.1.101.3.4.3.17", "ML-DSA-44"},
    {"2.16.840.1.101.3.4.3.18", "ML-DSA-65"},
    {"2.16.840.1.101.3.4.3.19", "ML-DSA-87"},
};

void mu_oid_text(const ASN1_OBJECT *object, char *ret, size_t cap)
{
    char text[128] = "";
    OBJ_obj2txt(text, sizeof text, object, 0);
    for (size_t i = 0; i < MU_COUNT(newer); i++)
        if (mu_str_equal(newer[i].oid, text))
            snprintf(text, sizeof text, "%s", newer[i].name);
    mu_str_printable(text, strlen(text), ret, cap);
}

bool mu_oid_is_known(const ASN1_OBJECT *object)
{
    return OBJ_obj2nid(object) != NID_undef;
}

int mu_fail_key_kind(struct mu_error *err, const char *what, const ASN1_OBJECT *algorithm)
{
    char kind[64];
    mu_oid_text(algorithm, kind, sizeof kind);
    ERR_clear_error();
    mu_fail(err, MU_E_UNSUPPORTED, "%s is of a kind, %s, that the OpenSSL here, %s, does not know",
            what, kind, OpenSSL_version(OPENSSL_VERSION_STRING));
    return mu_str_starts_with(kind, "ML-DSA-") ? mu_hint_newer_openssl(err) : -1;
}

int mu_hint_newer_openssl(struct mu_error *err)
{
    return mu_hint(
        err,
        "ML-DSA needs OpenSSL 3.5 or later, which Debian 13 has; else use a key of another kind");
}

time_t mu_time_from_asn1(const ASN1_TIME *t)
{
    struct tm tm;
    return t != NULL && ASN1_TIME_to_tm(t, &tm) == 1 ? timegm(&tm) : 0;
}

static OSSL_LIB_CTX *without_decoders;

static void make_without_decoders(void)
{
    without_decoders = OSSL_LIB_CTX_new();
    if (without_decoders != NULL && OSSL_PROVIDER_load(without_decoders, "null") == NULL) {
        OSSL_LIB_CTX_free(without_decoders);
        without_decoders = NULL;
    }
}

OSSL_LIB_CTX *mu_ossl_without_decoders(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_without_decoders);
    return without_decoders;
}
