#ifndef TEST_PKI_ODD_H
#define TEST_PKI_ODD_H

/*
 * Certificates and lists that no honest CA would make, by the chain: each test says what is odd about its own, and the
 * rest is as it should be. (make.h puts single ones together from nothing.)
 */

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "data.h"
#include "pki/crl.h"

#define DAY 86400
#define CA_EXTENSIONS                                                                              \
    "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"                   \
    "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always"
#define LEAF_WITHOUT_NAMES                                                                         \
    "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"                            \
    "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always"
#define LEAF_EXTENSIONS LEAF_WITHOUT_NAMES "\nsubjectAltName=DNS:www.example.org"

/* What is not said is as it should be: see make(). */
struct spec {
    const char *cn;         /* NULL: by role; "": an empty name */
    const char *extensions; /* "name=value", one a line, as in openssl's configuration */
    const char *more;       /* lines behind these */
    const char *serial;     /* hexadecimal, perhaps with "-" */
    time_t from, to;        /* 0: around NOW */
    EVP_PKEY *key;          /* borrowed; NULL: a new one of `key_type` */
    const char *key_type;   /* "P-256"; or "RSA-1024", "P-192" */
    const EVP_MD *digest;   /* NULL: SHA-256 */
    int version;            /* 0: 3 */
    const char *from_text;  /* notBefore as GeneralizedTime, whatever it is */
    bool explicit_curve;    /* the key has its curve's numbers instead of its name */
    bool damaged;           /* a bit of the signature is wrong */
    bool unreadable; /* some versions of OpenSSL may not even read it: then there is no `x` */
    bool no_ca;      /* a leaf's defaults */
};

struct made {
    X509 *x;
    EVP_PKEY *key;
};

static inline void made_clear(struct made *made)
{
    X509_free(made->x);
    EVP_PKEY_free(made->key);
}

static inline EVP_PKEY *new_key(const char *type)
{
    if (strncmp(type, "RSA-", 4) == 0)
        return EVP_RSA_gen((unsigned)atoi(type + 4));
    return EVP_EC_gen(type);
}

static inline X509_EXTENSION *new_extension(X509V3_CTX *ctx, const char *line)
{
    char name[64];
    size_t len = strcspn(line, "=");
    assert_true(len < sizeof name && line[len] == '=');
    memcpy(name, line, len);
    name[len] = '\0';
    X509_EXTENSION *extension = X509V3_EXT_nconf(NULL, ctx, name, line + len + 1);
    if (extension == NULL)
        fail_msg("the extension %s cannot be made", line);
    return extension;
}

static inline void add_line(X509 *x, X509_CRL *crl, X509V3_CTX *ctx, const char *line)
{
    X509_EXTENSION *extension = new_extension(ctx, line);
    assert_int_equal(x != NULL ? X509_add_ext(x, extension, -1)
                               : X509_CRL_add_ext(crl, extension, -1),
                     1);
    X509_EXTENSION_free(extension);
}

static inline void add_lines(X509 *x, X509_CRL *crl, X509V3_CTX *ctx, const char *lines)
{
    char copy[2048], *rest = copy, *line;
    assert_true(strlen(lines) < sizeof copy);
    strcpy(copy, lines);
    while ((line = strsep(&rest, "\n")) != NULL)
        if (*line != '\0')
            add_line(x, crl, ctx, line);
}

static inline void set_number(ASN1_INTEGER *ret, const char *hex)
{
    BIGNUM *number = NULL;
    assert_true(BN_hex2bn(&number, hex) > 0);
    assert_non_null(BN_to_ASN1_INTEGER(number, ret));
    BN_free(number);
}

static inline void set_name(X509_NAME *name, const char *cn)
{
    if (*cn != '\0')
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0);
}

/* Issued by `by`, or by itself. */
static inline struct made make(const struct made *by, struct spec spec)
{
    static unsigned count;
    char cn[64], serial[16];
    X509V3_CTX ctx;
    struct made made = {.x = X509_new(), .key = spec.key};
    snprintf(cn, sizeof cn, "%s %u", by == NULL ? "root" : spec.no_ca ? "leaf" : "CA", ++count);
    snprintf(serial, sizeof serial, "%X", 0x1000 + count);
    if (made.key == NULL)
        made.key = new_key(spec.key_type == NULL ? "P-256" : spec.key_type);
    else
        EVP_PKEY_up_ref(made.key);
    assert_non_null(made.key);

    X509_set_version(made.x, spec.version == 0 ? X509_VERSION_3 : spec.version - 1);
    set_number(X509_get_serialNumber(made.x), spec.serial == NULL ? serial : spec.serial);
    set_name(X509_get_subject_name(made.x), spec.cn == NULL ? cn : spec.cn);
    X509_set_issuer_name(made.x, X509_get_subject_name(by == NULL ? made.x : by->x));
    ASN1_TIME_set(X509_getm_notBefore(made.x), spec.from == 0 ? NOW - DAY : spec.from);
    ASN1_TIME_set(X509_getm_notAfter(made.x), spec.to == 0 ? NOW + DAY : spec.to);
    if (spec.from_text != NULL) {
        ASN1_TIME *from = X509_getm_notBefore(made.x);
        ASN1_GENERALIZEDTIME_set_string((ASN1_GENERALIZEDTIME *)from, "20260101000000Z");
        ASN1_STRING_set(from, spec.from_text, -1);
    }
    if (spec.explicit_curve)
        EVP_PKEY_set_utf8_string_param(made.key, OSSL_PKEY_PARAM_EC_ENCODING,
                                       OSSL_PKEY_EC_ENCODING_EXPLICIT);
    X509_set_pubkey(made.x, made.key);
    X509V3_set_ctx(&ctx, by == NULL ? made.x : by->x, made.x, NULL, NULL, 0);
    add_lines(made.x, NULL, &ctx,
              spec.extensions != NULL ? spec.extensions
              : spec.no_ca            ? LEAF_EXTENSIONS
                                      : CA_EXTENSIONS);
    if (spec.more != NULL)
        add_lines(made.x, NULL, &ctx, spec.more);
    assert_true(X509_sign(made.x, by == NULL ? made.key : by->key,
                          spec.digest == NULL ? EVP_sha256() : spec.digest) > 0);

    /* As it would come from a file: what was read, not what was built. */
    unsigned char *der = NULL;
    int len = i2d_X509(made.x, &der);
    const unsigned char *p = der;
    if (spec.damaged)
        der[len - 1] ^= 1;
    X509_free(made.x);
    made.x = d2i_X509(NULL, &p, len);
    if (made.x == NULL && !spec.unreadable)
        fail_msg("OpenSSL does not read what it has made");
    OPENSSL_free(der);
    return made;
}

struct list_spec {
    const char *extensions; /* NULL: a number */
    int version;            /* 0: 2 */
    time_t from, to;        /* 0: around NOW; -1 for `to`: none */
    X509 *revoked[2];
    const char *entry; /* an extension of each entry, as in struct spec */
    EVP_PKEY *key;     /* NULL: the CA's own */
};

static inline X509_CRL *make_list(const struct made *by, struct list_spec spec)
{
    X509V3_CTX ctx;
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *from = ASN1_TIME_set(NULL, spec.from == 0 ? NOW - DAY : spec.from);
    ASN1_TIME *to = ASN1_TIME_set(NULL, spec.to == 0 ? NOW + DAY : spec.to);
    X509_CRL_set_version(crl, spec.version == 0 ? X509_CRL_VERSION_2 : spec.version - 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(by->x));
    X509_CRL_set1_lastUpdate(crl, from);
    if (spec.to != -1)
        X509_CRL_set1_nextUpdate(crl, to);
    for (int i = 0; i < 2 && spec.revoked[i] != NULL; i++) {
        X509_REVOKED *entry = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(spec.revoked[i]));
        X509_REVOKED_set_revocationDate(entry, from);
        if (spec.entry != NULL) {
            X509_EXTENSION *extension = new_extension(NULL, spec.entry);
            assert_int_equal(X509_REVOKED_add_ext(entry, extension, -1), 1);
            X509_EXTENSION_free(extension);
        }
        X509_CRL_add0_revoked(crl, entry);
    }
    X509V3_set_ctx(&ctx, by->x, NULL, NULL, crl, 0);
    add_lines(NULL, crl, &ctx,
              spec.extensions != NULL ? spec.extensions
                                      : "crlNumber=DER:020107\nauthorityKeyIdentifier=keyid:always");
    assert_true(X509_CRL_sign(crl, spec.key == NULL ? by->key : spec.key, EVP_sha256()) > 0);
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);

    unsigned char *der = NULL;
    int len = i2d_X509_CRL(crl, &der);
    const unsigned char *p = der;
    X509_CRL_free(crl);
    crl = d2i_X509_CRL(NULL, &p, len);
    assert_non_null(crl);
    OPENSSL_free(der);
    return crl;
}

#endif
