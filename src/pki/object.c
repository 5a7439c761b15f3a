#include "pki/object.h"

#include <ctype.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "pki/foreign.h"
#include "pki/ossl.h"
#include "pki/pem.h"
#include "pki/pkcs11_uri.h"

MU_AUTO_DEFINE(PKCS7, PKCS7_free)
MU_AUTO_DEFINE(X509_SIG, X509_SIG_free)

static void object_clear(struct mu_object *object)
{
    mu_cert_free(object->cert);
    mu_csr_free(object->csr);
    mu_key_free(object->key);
    mu_crl_free(object->crl);
    mu_ocsp_request_free(object->ocsp_request);
    mu_ocsp_response_free(object->ocsp_response);
    if (object->raw != NULL)
        explicit_bzero(object->raw, object->raw_len);
    free(object->raw);
}

void mu_objects_clear(struct mu_objects *objects)
{
    for (size_t i = 0; i < objects->count; i++)
        object_clear(&objects->at[i]);
    free(objects->at);
    *objects = (struct mu_objects){0};
}

const char *mu_object_kind_name(enum mu_object_kind kind)
{
    static const char *const names[] = {
        [MU_OBJECT_CERT] = "a certificate",
        [MU_OBJECT_CSR] = "a certificate request",
        [MU_OBJECT_KEY] = "a private key",
        [MU_OBJECT_ENCRYPTED_KEY] = "an encrypted private key",
        [MU_OBJECT_TOKEN_KEY] = "a private key in a token",
        [MU_OBJECT_PUBLIC_KEY] = "a public key",
        [MU_OBJECT_CRL] = "a certificate revocation list",
        [MU_OBJECT_OCSP_REQUEST] = "an OCSP request",
        [MU_OBJECT_OCSP_RESPONSE] = "an OCSP answer",
        [MU_OBJECT_PKCS12] = "a PKCS#12 container",
        [MU_OBJECT_OTHER] = "something else",
    };
    return names[kind];
}

int mu_objects_fail_without(const char *name, const struct mu_objects *objects, const char *wanted,
                            struct mu_error *err)
{
    const struct mu_object *first = &objects->at[0];
    return mu_fail(err, MU_E_WRONG_KIND, "%s holds %s%s%s", name, mu_object_kind_name(first->kind),
                   first->opened ? " without a " : ", not a ", wanted);
}

/* "-" is how a person names standard input, not what it is called. */
static const char *shown(const char *name)
{
    return mu_str_equal(name, "-") ? "standard input" : name;
}

int mu_objects_add(struct mu_objects *list, const struct mu_object *object, struct mu_error *err)
{
    if ((list->count & (list->count - 1)) == 0) { /* full: the room is a power of two */
        size_t room = list->count == 0 ? 1 : list->count * 2;
        struct mu_object *at = realloc(list->at, room * sizeof *at);
        if (at == NULL) {
            struct mu_object lost = *object;
            object_clear(&lost);
            return mu_fail_nomem(err);
        }
        list->at = at;
    }
    list->at[list->count++] = *object;
    return 0;
}

/*
 * One decoder for each kind of structure. They take the DER at *p, add what it is to `list` with the place
 * noted in `like`, and step *p over it. Return 1; 0 when it is no such structure; -1 without memory.
 */
typedef int decode_fn(struct mu_objects *list, const struct mu_object *like,
                      const unsigned char **p, long len, struct mu_error *err);

/* Each takes what was decoded, which may be NULL: the bytes were nothing of the kind. */
static int add_cert(struct mu_objects *list, const struct mu_object *like, X509 *x,
                    struct mu_error *err)
{
    struct mu_object object = *like;
    object.kind = MU_OBJECT_CERT;
    if (x == NULL)
        return 0;
    if (mu_cert_wrap(x, &object.cert, err) != 0 || mu_objects_add(list, &object, err) != 0)
        return -1;
    return 1;
}

static int add_crl(struct mu_objects *list, const struct mu_object *like, X509_CRL *x,
                   struct mu_error *err)
{
    struct mu_object object = *like;
    object.kind = MU_OBJECT_CRL;
    if (x == NULL)
        return 0;
    if (mu_crl_wrap(x, &object.crl, err) != 0 || mu_objects_add(list, &object, err) != 0)
        return -1;
    return 1;
}

static int add_key(struct mu_objects *list, const struct mu_object *like, enum mu_object_kind kind,
                   EVP_PKEY *evp, struct mu_error *err)
{
    struct mu_object object = *like;
    object.kind = kind;
    if (evp == NULL)
        return 0;
    if (mu_key_wrap(evp, &object.key, err) != 0 || mu_objects_add(list, &object, err) != 0)
        return -1;
    return 1;
}

/* What mu_object_decrypt() will open: a copy of its bytes is kept. */
static int add_locked(struct mu_objects *list, const struct mu_object *like,
                      enum mu_object_kind kind, const void *raw, size_t len, struct mu_error *err)
{
    struct mu_object object = *like;
    object.kind = kind;
    object.raw = malloc(len);
    object.raw_len = len;
    if (object.raw == NULL)
        return mu_fail_nomem(err);
    memcpy(object.raw, raw, len);
    return mu_objects_add(list, &object, err) != 0 ? -1 : 1;
}

static int decode_cert(struct mu_objects *list, const struct mu_object *like,
                       const unsigned char **p, long len, struct mu_error *err)
{
    return add_cert(list, like, d2i_X509(NULL, p, len), err);
}

/* A certificate followed by what OpenSSL's user trusts it for; the latter is not ours to honour. */
static int decode_trusted(struct mu_objects *list, const struct mu_object *like,
                          const unsigned char **p, long len, struct mu_error *err)
{
    MU_AUTO(X509) with_trust = d2i_X509_AUX(NULL, p, len);
    unsigned char *der = NULL;
    int der_len = with_trust == NULL ? 0 : i2d_X509(with_trust, &der);
    if (der_len <= 0)
        return with_trust == NULL ? 0 : mu_fail_nomem(err);
    const unsigned char *plain = der;
    int result = add_cert(list, like, d2i_X509(NULL, &plain, der_len), err);
    OPENSSL_free(der);
    return result;
}

static int decode_csr(struct mu_objects *list, const struct mu_object *like,
                      const unsigned char **p, long len, struct mu_error *err)
{
    struct mu_object object = *like;
    object.kind = MU_OBJECT_CSR;
    X509_REQ *req = mu_csr_decode(p, len);
    if (req == NULL)
        return 0;
    if (mu_csr_wrap(req, &object.csr, err) != 0 || mu_objects_add(list, &object, err) != 0)
        return -1;
    return 1;
}

static int decode_crl(struct mu_objects *list, const struct mu_object *like,
                      const unsigned char **p, long len, struct mu_error *err)
{
    return add_crl(list, like, d2i_X509_CRL(NULL, p, len), err);
}

static int decode_ocsp_request(struct mu_objects *list, const struct mu_object *like,
                               const unsigned char **p, long len, struct mu_error *err)
{
    struct mu_object object = *like;
    object.kind = MU_OBJECT_OCSP_REQUEST;
    OCSP_REQUEST *request = d2i_OCSP_REQUEST(NULL, p, len);
    if (request == NULL)
        return 0;
    if (mu_ocsp_request_wrap(request, &object.ocsp_request, err) != 0 ||
        mu_objects_add(list, &object, err) != 0)
        return -1;
    return 1;
}

static int decode_ocsp_response(struct mu_objects *list, const struct mu_object *like,
                                const unsigned char **p, long len, struct mu_error *err)
{
    struct mu_object object = *like;
    object.kind = MU_OBJECT_OCSP_RESPONSE;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, p, len);
    if (response == NULL)
        return 0;
    if (mu_ocsp_response_wrap(response, &object.ocsp_response, err) != 0 ||
        mu_objects_add(list, &object, err) != 0)
        return -1;
    return 1;
}

/* PKCS#8, PKCS#1 or SEC1: OpenSSL tells them apart. */
static int decode_key(struct mu_objects *list, const struct mu_object *like,
                      const unsigned char **p, long len, struct mu_error *err)
{
    return add_key(list, like, MU_OBJECT_KEY, d2i_AutoPrivateKey(NULL, p, len), err);
}

static int decode_public_key(struct mu_objects *list, const struct mu_object *like,
                             const unsigned char **p, long len, struct mu_error *err)
{
    return add_key(list, like, MU_OBJECT_PUBLIC_KEY, d2i_PUBKEY(NULL, p, len), err);
}

static int decode_rsa_public_key(struct mu_objects *list, const struct mu_object *like,
                                 const unsigned char **p, long len, struct mu_error *err)
{
    return add_key(list, like, MU_OBJECT_PUBLIC_KEY, d2i_PublicKey(EVP_PKEY_RSA, NULL, p, len), err);
}

static int decode_encrypted_key(struct mu_objects *list, const struct mu_object *like,
                                const unsigned char **p, long len, struct mu_error *err)
{
    const unsigned char *start = *p;
    MU_AUTO(X509_SIG) sig = d2i_X509_SIG(NULL, p, len);
    if (sig == NULL)
        return 0;
    return add_locked(list, like, MU_OBJECT_ENCRYPTED_KEY, start, (size_t)(*p - start), err);
}

static int decode_pkcs12(struct mu_objects *list, const struct mu_object *like,
                         const unsigned char **p, long len, struct mu_error *err)
{
    const unsigned char *start = *p;
    MU_AUTO(PKCS12) p12 = d2i_PKCS12(NULL, p, len);
    if (p12 == NULL)
        return 0;
    return add_locked(list, like, MU_OBJECT_PKCS12, start, (size_t)(*p - start), err);
}

/* A "degenerate" signed message: nothing but certificates and CRLs, as Windows exports chains (.p7b). */
static int decode_pkcs7(struct mu_objects *list, const struct mu_object *like,
                        const unsigned char **p, long len, struct mu_error *err)
{
    MU_AUTO(PKCS7) p7 = d2i_PKCS7(NULL, p, len);
    if (p7 == NULL)
        return 0;
    const PKCS7_SIGNED *bundle = PKCS7_type_is_signed(p7) ? p7->d.sign : NULL;
    for (int i = 0; bundle != NULL && i < sk_X509_num(bundle->cert); i++) {
        X509 *x = sk_X509_value(bundle->cert, i);
        X509_up_ref(x);
        if (add_cert(list, like, x, err) < 0)
            return -1;
    }
    for (int i = 0; bundle != NULL && i < sk_X509_CRL_num(bundle->crl); i++) {
        X509_CRL *x = sk_X509_CRL_value(bundle->crl, i);
        X509_CRL_up_ref(x);
        if (add_crl(list, like, x, err) < 0)
            return -1;
    }
    return 1;
}

/* The labels of RFC 7468 and of the programs before it. */
static const struct label {
    const char *label;
    const char *what; /* for errors */
    decode_fn *decode;
} labels[] = {
    {"CERTIFICATE", "certificate", decode_cert},
    {"X509 CERTIFICATE", "certificate", decode_cert},
    {"TRUSTED CERTIFICATE", "certificate", decode_trusted},
    {"CERTIFICATE REQUEST", "certificate request", decode_csr},
    {"NEW CERTIFICATE REQUEST", "certificate request", decode_csr},
    {"PRIVATE KEY", "private key", decode_key},
    {"RSA PRIVATE KEY", "private key", decode_key},
    {"EC PRIVATE KEY", "private key", decode_key},
    {"DSA PRIVATE KEY", "private key", decode_key},
    {"ENCRYPTED PRIVATE KEY", "private key", decode_encrypted_key},
    {"PUBLIC KEY", "public key", decode_public_key},
    {"RSA PUBLIC KEY", "public key", decode_rsa_public_key},
    {"X509 CRL", "CRL", decode_crl},
    {"OCSP REQUEST", "OCSP request", decode_ocsp_request},
    {"OCSP RESPONSE", "OCSP answer", decode_ocsp_response},
    {"PKCS7", "PKCS#7 bundle", decode_pkcs7},
    {"PKCS #7 SIGNED DATA", "PKCS#7 bundle", decode_pkcs7},
    {"CMS", "CMS message", decode_pkcs7},
    {"PKCS12", "PKCS#12 container", decode_pkcs12},
};

static const struct label *find_label(const char *name)
{
    for (size_t i = 0; i < MU_COUNT(labels); i++)
        if (mu_str_equal(labels[i].label, name))
            return &labels[i];
    return NULL;
}

/* A block's base64 decoded by OpenSSL, and its RFC 1421 headers. Wiped when it goes: it may be a key. */
struct content {
    unsigned char *der;
    long len;
    char *label, *header;
};

static void content_clear(struct content *content)
{
    OPENSSL_secure_clear_free(content->der, (size_t)content->len);
    OPENSSL_secure_free(content->label);
    OPENSSL_secure_free(content->header);
}
MU_AUTO_DEFINE_CLEAR(content, content_clear)

static bool read_content(const void *pem, size_t len, struct content *ret)
{
    MU_AUTO(BIO) bio = BIO_new_mem_buf(pem, (int)len);
    return bio != NULL && PEM_read_bio_ex(bio, &ret->label, &ret->header, &ret->der, &ret->len,
                                          PEM_FLAG_SECURE | PEM_FLAG_EAY_COMPATIBLE) == 1;
}

static int fail_base64(const char *name, const struct mu_pem *block, const struct label *label,
                       struct mu_error *err)
{
    int strange = mu_pem_strange_line(block);
    if (ERR_peek_error() == 0) /* OpenSSL says no to a block without content, but not why */
        return mu_fail(err, MU_E_DAMAGED, "%s: the %s in line %d is empty", name, label->what,
                       block->line);
    if (strange != 0) {
        ERR_clear_error();
        return mu_fail(
            err, MU_E_DAMAGED,
            "%s: line %d, in the %s that begins in line %d, holds a character that is not base64",
            name, strange, label->what, block->line);
    }
    return mu_fail_openssl(err, MU_E_DAMAGED, "%s: the base64 of the %s in line %d is damaged",
                           name, label->what, block->line);
}

/* PKCS#8 around a kind of key that came after this libcrypto is not damaged. 0: it is nothing of the sort. */
static int check_key_kind(const char *what, const unsigned char *der, long len, struct mu_error *err)
{
    const ASN1_OBJECT *algorithm = NULL;
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &der, len);
    int result = 0;
    if (info != NULL && PKCS8_pkey_get0(&algorithm, NULL, NULL, NULL, info) == 1 &&
        !mu_oid_is_known(algorithm))
        result = mu_fail_key_kind(err, what, algorithm);
    PKCS8_PRIV_KEY_INFO_free(info);
    return result;
}

static int add_block(const char *name, const struct mu_pem *block, struct mu_objects *list,
                     struct mu_error *err)
{
    struct mu_object like = {.kind = MU_OBJECT_OTHER, .pem = true, .line = block->line};
    mu_str_copy(like.label, sizeof like.label, block->label);
    const struct label *label = find_label(block->label);
    if (mu_str_equal(block->label, "EC PARAMETERS"))
        return 0; /* `openssl ecparam -genkey` puts the curve's name before each key */
    if (label == NULL)
        return mu_objects_add(list, &like, err);

    MU_AUTO_CLEAR(content) content = {0};
    if (!read_content(block->at, block->len, &content))
        return fail_base64(name, block, label, err);
    /* RFC 1421 encryption, from before PKCS#8: the cipher stands in the header. */
    bool locked = label->decode == decode_key && strstr(content.header, "ENCRYPTED") != NULL;
    if (locked && add_locked(list, &like, MU_OBJECT_ENCRYPTED_KEY, block->at, block->len, err) < 0)
        return -1;
    if (locked)
        return 0;

    const unsigned char *p = content.der;
    int found = label->decode(list, &like, &p, content.len, err);
    if (found == 0 && label->decode == decode_key) {
        char what[MU_PATH_LEN + 64];
        snprintf(what, sizeof what, "%s: the private key in line %d", name, block->line);
        ERR_set_mark();
        if (check_key_kind(what, content.der, content.len, err) != 0)
            return -1;
        ERR_pop_to_mark();
    }
    if (found == 0)
        return mu_fail_openssl(err, MU_E_DAMAGED, "%s: the %s in line %d cannot be decoded", name,
                               label->what, block->line);
    if (found > 0 && p != content.der + content.len)
        return mu_fail(err, MU_E_DAMAGED,
                       "%s: the %s in line %d does not end where its block ends (bytes left: %ld)",
                       name, label->what, block->line, (long)(content.der + content.len - p));
    return found < 0 ? -1 : 0;
}

static int parse_pem(const char *name, const char *text, size_t len, struct mu_objects *list,
                     struct mu_error *err)
{
    struct mu_pem_reader reader = {.name = name, .at = text, .end = text + len, .line = 1};
    struct mu_pem block;
    char last_label[MU_PEM_LABEL_LEN] = "";
    bool known = false;
    int found;
    for (size_t before = list->count; (found = mu_pem_next(&reader, &block, err)) == 1;) {
        if (add_block(name, &block, list, err) != 0)
            return -1;
        mu_str_copy(last_label, sizeof last_label, block.label);
        for (; before < list->count; before++)
            known = known || list->at[before].kind != MU_OBJECT_OTHER;
    }
    if (found < 0 || known)
        return found;
    return *last_label == '\0' ? mu_foreign_fail(name, text, len, err)
                               : mu_foreign_fail_label(name, last_label, err);
}

/* A file that ends before its outermost length says. */
static bool is_cut_off(const unsigned char *der, size_t len)
{
    long inner;
    int tag, class;
    const unsigned char *p = der;
    int result = ASN1_get_object(&p, &inner, &tag, &class, (long)len);
    bool too_long = (result & 0x80) != 0 && ERR_GET_REASON(ERR_peek_error()) == ASN1_R_TOO_LONG;
    ERR_clear_error();
    return too_long && tag == V_ASN1_SEQUENCE;
}

static int parse_der(const char *name, const unsigned char *der, size_t len,
                     struct mu_objects *list, struct mu_error *err)
{
    /* Encrypted keys before plain ones, which would be tried at the price of a decryption. */
    static decode_fn *const decoders[] = {decode_cert,          decode_csr,
                                          decode_crl,           decode_pkcs12,
                                          decode_encrypted_key, decode_public_key,
                                          decode_key,           decode_pkcs7,
                                          decode_ocsp_request,  decode_ocsp_response};
    const struct mu_object like = {.kind = MU_OBJECT_OTHER};
    for (size_t i = 0; i < MU_COUNT(decoders); i++) {
        const unsigned char *p = der;
        size_t before = list->count;
        int found = decoders[i](list, &like, &p, (long)len, err);
        ERR_clear_error();
        if (found < 0)
            return -1;
        if (found == 0)
            continue;
        const char *what = list->count > before ? mu_object_kind_name(list->at[before].kind)
                                                : "a PKCS#7 message without certificates";
        if (p != der + len)
            return mu_fail(err, MU_E_DAMAGED,
                           "%s holds %s in DER, but does not end with it (bytes left: %zu)", name,
                           what, (size_t)(der + len - p));
        return list->count > before ? 0 : mu_fail(err, MU_E_WRONG_KIND, "%s holds %s", name, what);
    }
    if (check_key_kind(name, der, (long)len, err) != 0)
        return -1;
    ERR_clear_error();
    if (is_cut_off(der, len))
        return mu_fail(err, MU_E_DAMAGED,
                       "%s is cut off: it is DER, and shorter than it says itself", name);
    return mu_fail(err, MU_E_WRONG_KIND,
                   "%s is DER (ASN.1), but no certificate, key, request or CRL, or it is damaged",
                   name);
}

/* DER starts with a SEQUENCE, 0x30, which is also the digit 0: text has no control characters behind it. */
static bool looks_like_der(const unsigned char *data, size_t len)
{
    if (data[0] != 0x30)
        return false;
    for (size_t i = 1; i < len && i < 64; i++)
        if (iscntrl(data[i]) && !isspace(data[i]))
            return true;
    return len > 1 && data[1] >= 0x80;
}

static bool is_blank(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!isspace((unsigned char)text[i]))
            return false;
    return true;
}

/* The text may end anywhere, and need not end with a NUL. */
static bool begins_as_uri(const char *text, size_t len)
{
    char start[8];
    snprintf(start, sizeof start, "%.*s", (int)(len < sizeof start ? len : sizeof start), text);
    return mu_pkcs11_uri_is(start);
}

/* A file that says where the key is has nothing else in it. Nothing is opened, nor does a text from elsewhere decide
 * what is loaded into this process: that is for who wants the key. */
static int parse_token_key(const char *name, const char *text, size_t len, struct mu_objects *list,
                           struct mu_error *err)
{
    const struct mu_object like = {.kind = MU_OBJECT_TOKEN_KEY};
    char what[MU_ERROR_WHAT_LEN];
    MU_AUTO_CLEAR(mu_pkcs11_uri) uri = {0};
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        len--;
    if (mu_pkcs11_uri_parse(text, len, &uri, err) == 0)
        return add_locked(list, &like, MU_OBJECT_TOKEN_KEY, text, len, err) < 0 ? -1 : 0;
    if (err->code != MU_E_PKCS11_URI || mu_pkcs11_uri_is(name))
        return -1;
    mu_str_copy(what, sizeof what, err->what);
    char hint[MU_ERROR_HINT_LEN];
    mu_str_copy(hint, sizeof hint, err->hint);
    mu_fail(err, MU_E_DAMAGED, "%.300s: %.400s", name, what);
    return mu_hint(err, "%s", hint);
}

int mu_objects_parse(const char *name, const void *data, size_t len, struct mu_objects *ret,
                     struct mu_error *err)
{
    const char *text = data;
    name = shown(name);
    ERR_clear_error(); /* what is found there afterwards is about these bytes */
    if (len > INT_MAX)
        return mu_fail(err, MU_E_TOO_LARGE, "%s is larger than any certificate file", name);
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* the byte order mark of UTF-8 */
        text += 3;
        len -= 3;
    }
    if (is_blank(text, len))
        return mu_fail(err, MU_E_EMPTY, len == 0 ? "%s is empty" : "%s holds nothing but blanks",
                       name);
    if (looks_like_der((const unsigned char *)text, len))
        return parse_der(name, (const unsigned char *)text, len, ret, err);
    if (begins_as_uri(text, len))
        return parse_token_key(name, text, len, ret, err);
    return mu_foreign_check_utf16(name, text, len, err) != 0 ? -1
                                                             : parse_pem(name, text, len, ret, err);
}

int mu_objects_load(const char *path, struct mu_objects *ret, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) data = MU_BUF_INIT_SECRET;
    if (mu_pkcs11_uri_is(path))
        return mu_objects_parse(path, path, strlen(path), ret, err);
    if (mu_file_read(path, MU_FILE_LIMIT, &data, err) != 0)
        return -1;
    return mu_objects_parse(path, mu_buf_str(&data), data.len, ret, err);
}
