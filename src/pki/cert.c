#include "pki/cert.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "pki/info.h"
#include "pki/object.h"
#include "pki/ossl.h"
#include "pki/pointer.h"

/*
 * X509 counts its own references and is immutable once parsed, so a struct mu_cert is an X509 under a name
 * that the rooms above may know: the pointer is converted, never followed. Keys, requests and CRLs do the
 * same with EVP_PKEY, X509_REQ and X509_CRL.
 */
X509 *mu_cert_x509(const struct mu_cert *cert)
{
    return (X509 *)cert;
}

int mu_cert_wrap(X509 *x, struct mu_cert **ret, struct mu_error *err)
{
    if (x == NULL)
        return mu_fail_nomem(err);
    *ret = (struct mu_cert *)x;
    return 0;
}

struct mu_cert *mu_cert_ref(struct mu_cert *cert)
{
    X509_up_ref(mu_cert_x509(cert));
    return cert;
}

void mu_cert_free(struct mu_cert *cert)
{
    X509_free(mu_cert_x509(cert));
}

int mu_certs_add(struct mu_certs *list, struct mu_cert *cert, struct mu_error *err)
{
    struct mu_cert **at = realloc(list->at, (list->count + 1) * sizeof(*at));
    if (at == NULL) {
        mu_cert_free(cert);
        return mu_fail_nomem(err);
    }
    list->at = at;
    list->at[list->count++] = cert;
    return 0;
}

int mu_certs_add_new(struct mu_certs *list, const struct mu_certs *more, struct mu_error *err)
{
    for (size_t i = 0; more != NULL && i < more->count; i++)
        if (!mu_certs_hold(list, more->at[i]) &&
            mu_certs_add(list, mu_cert_ref(more->at[i]), err) != 0)
            return -1;
    return 0;
}

void mu_certs_clear(struct mu_certs *list)
{
    for (size_t i = 0; i < list->count; i++)
        mu_cert_free(list->at[i]);
    free(list->at);
    *list = (struct mu_certs){0};
}

bool mu_certs_hold(const struct mu_certs *list, const struct mu_cert *cert)
{
    for (size_t i = 0; i < list->count; i++)
        if (X509_cmp(mu_cert_x509(list->at[i]), mu_cert_x509(cert)) == 0)
            return true;
    return false;
}

int mu_certs_pick(const char *name, struct mu_objects *objects,
                  const struct mu_passphrase_source *source, struct mu_certs *ret,
                  struct mu_error *err)
{
    for (size_t i = 0; i < objects->count; i++)
        if (objects->at[i].kind == MU_OBJECT_PKCS12 &&
            mu_object_decrypt(name, objects, i, source, err) != 0)
            return -1;

    size_t before = ret->count;
    for (size_t i = 0; i < objects->count; i++)
        if (objects->at[i].cert != NULL &&
            mu_certs_add(ret, mu_cert_ref(objects->at[i].cert), err) != 0)
            return -1;
    if (ret->count == before)
        return mu_objects_fail_without(name, objects, "certificate", err);
    return 0;
}

int mu_certs_load(const char *path, const struct mu_passphrase_source *source, struct mu_certs *ret,
                  struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    if (mu_objects_load(path, &objects, err) != 0)
        return -1;
    return mu_certs_pick(path, &objects, source, ret, err);
}

/* A leaf in the place of a CA is the commonest mistake, and TLS would only say that nobody is trusted. */
int mu_cas_load(const char *path, const struct mu_passphrase_source *source, struct mu_certs *ret,
                struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    size_t first = ret->count;
    if (mu_certs_load(path, source, ret, err) != 0)
        return -1;
    for (size_t i = first; i < ret->count; i++)
        if (mu_cert_is_ca(ret->at[i]))
            return 0;
    mu_fail(err, MU_E_CA_UNFIT, "%s holds the certificate of \"%s\", which is not a CA", path,
            mu_cert_label(ret->at[first], label));
    return mu_hint(err, "give the certificate of the CA that issued it, not the issued one");
}

static bool is_issued_by(const struct mu_cert *cert, const struct mu_cert *issuer)
{
    X509 *x = mu_cert_x509(cert), *by = mu_cert_x509(issuer);
    EVP_PKEY *key = X509_get0_pubkey(by);
    bool issued = key != NULL && X509_check_issued(by, x) == X509_V_OK && X509_verify(x, key) == 1;
    ERR_clear_error();
    return issued;
}

int mu_certs_add_chain(struct mu_cert *leaf, const struct mu_certs *pool, bool with_root,
                       struct mu_certs *ret, struct mu_error *err)
{
    struct mu_cert *last = leaf;
    if (mu_certs_add(ret, mu_cert_ref(leaf), err) != 0)
        return -1;
    for (size_t i = 0; i < pool->count && X509_self_signed(mu_cert_x509(last), 1) != 1; i++) {
        struct mu_cert *next = pool->at[i];
        if (mu_certs_hold(ret, next) || !is_issued_by(last, next) ||
            (!with_root && X509_self_signed(mu_cert_x509(next), 1) == 1))
            continue;
        if (mu_certs_add(ret, mu_cert_ref(next), err) != 0)
            return -1;
        last = next;
        i = (size_t)-1; /* the next issuer may stand anywhere: from the beginning */
    }
    return 0;
}

bool mu_certs_misordered(const struct mu_certs *list)
{
    if (list->count == 0 || !mu_cert_is_ca(list->at[0]))
        return false;
    for (size_t i = 1; i < list->count; i++)
        if (!mu_cert_is_ca(list->at[i]))
            return true;
    return false;
}

int mu_cert_load(const char *path, struct mu_cert **ret, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_certs) certs = {0};
    if (mu_certs_load(path, NULL, &certs, err) != 0)
        return -1;
    *ret = mu_cert_ref(certs.at[0]);
    return 0;
}

int mu_cert_parse(const char *name, const void *data, size_t len, struct mu_cert **ret,
                  struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    if (mu_objects_parse(name, data, len, &objects, err) != 0)
        return -1;
    if (objects.count != 1 || objects.at[0].kind != MU_OBJECT_CERT)
        return mu_fail(err, MU_E_WRONG_KIND, "%s: this is not one certificate", name);
    *ret = mu_cert_ref(objects.at[0].cert);
    return 0;
}

int mu_cert_decode(const void *data, size_t len, struct mu_cert **ret, struct mu_error *err)
{
    const unsigned char *p = data;
    MU_AUTO(X509) x = (X509 *)ASN1_item_d2i_ex(NULL, &p, (long)len, ASN1_ITEM_rptr(X509),
                                               mu_ossl_without_decoders(), NULL);
    if (x == NULL || p != (const unsigned char *)data + len)
        return mu_fail_openssl(err, MU_E_DAMAGED, "this is no certificate");
    *ret = (struct mu_cert *)mu_take(&x);
    return 0;
}

void mu_cert_to_der(const struct mu_cert *cert, struct mu_buf *ret)
{
    unsigned char *der = NULL;
    int len = i2d_X509(mu_cert_x509(cert), &der);
    if (len > 0)
        mu_buf_add(ret, der, (size_t)len);
    else
        ret->failed = true;
    OPENSSL_free(der);
}

void mu_cert_to_pem(const struct mu_cert *cert, struct mu_buf *ret)
{
    MU_AUTO(BIO) bio = BIO_new(BIO_s_mem());
    char *pem = NULL;
    if (bio == NULL || PEM_write_bio_X509(bio, mu_cert_x509(cert)) == 0) {
        ret->failed = true;
        return;
    }
    long len = BIO_get_mem_data(bio, &pem);
    mu_buf_add(ret, pem, (size_t)len);
}

void mu_certs_to_pem(const struct mu_certs *list, struct mu_buf *ret)
{
    for (size_t i = 0; i < list->count; i++)
        mu_cert_to_pem(list->at[i], ret);
}

time_t mu_cert_not_before(const struct mu_cert *cert)
{
    return mu_time_from_asn1(X509_get0_notBefore(mu_cert_x509(cert)));
}

time_t mu_cert_not_after(const struct mu_cert *cert)
{
    return mu_time_from_asn1(X509_get0_notAfter(mu_cert_x509(cert)));
}

bool mu_cert_is_signed_by(const struct mu_cert *cert, const struct mu_cert *issuer)
{
    X509 *x = mu_cert_x509(cert), *by = mu_cert_x509(issuer);
    EVP_PKEY *key = X509_get0_pubkey(by);
    bool is = X509_NAME_cmp(X509_get_issuer_name(x), X509_get_subject_name(by)) == 0 &&
              key != NULL && X509_verify(x, key) == 1;
    ERR_clear_error();
    return is;
}

bool mu_cert_names_issuer(const struct mu_cert *cert, const struct mu_cert *issuer)
{
    return X509_NAME_cmp(X509_get_issuer_name(mu_cert_x509(cert)),
                         X509_get_subject_name(mu_cert_x509(issuer))) == 0;
}

bool mu_cert_names_issuer_key(const struct mu_cert *cert, const struct mu_cert *issuer)
{
    AUTHORITY_KEYID *named =
        X509_get_ext_d2i(mu_cert_x509(cert), NID_authority_key_identifier, NULL, NULL);
    AUTHORITY_KEYID *is = mu_issuer_key_id(mu_cert_x509(issuer));
    const bool names = mu_cert_names_issuer(cert, issuer) && is != NULL &&
                       (named == NULL || named->keyid == NULL ||
                        ASN1_OCTET_STRING_cmp(named->keyid, is->keyid) == 0);
    AUTHORITY_KEYID_free(named);
    AUTHORITY_KEYID_free(is);
    return names;
}

bool mu_cert_same_subject(const struct mu_cert *a, const struct mu_cert *b)
{
    return X509_NAME_cmp(X509_get_subject_name(mu_cert_x509(a)),
                         X509_get_subject_name(mu_cert_x509(b))) == 0;
}

bool mu_cert_same_issuer(const struct mu_cert *a, const struct mu_cert *b)
{
    return X509_NAME_cmp(X509_get_issuer_name(mu_cert_x509(a)),
                         X509_get_issuer_name(mu_cert_x509(b))) == 0;
}

bool mu_cert_same_key(const struct mu_cert *a, const struct mu_cert *b)
{
    EVP_PKEY *key = X509_get0_pubkey(mu_cert_x509(a)), *other = X509_get0_pubkey(mu_cert_x509(b));
    return key != NULL && other != NULL && EVP_PKEY_eq(key, other) == 1;
}

bool mu_cert_is_ca(const struct mu_cert *cert)
{
    /* Of X509_check_ca()'s answers, 3 is a self-signed v1 certificate, which OpenSSL takes for a root. Its 1
     * is not asked for, as it wants keyUsage too; the others are guesses from Netscape's extensions. */
    X509 *x = mu_cert_x509(cert);
    return (X509_get_extension_flags(x) & EXFLAG_CA) != 0 || X509_check_ca(x) == 3;
}

void mu_cert_sha256(const struct mu_cert *cert, unsigned char ret[32])
{
    if (X509_digest(mu_cert_x509(cert), EVP_sha256(), ret, NULL) == 0)
        memset(ret, 0, 32);
}

char *mu_cert_fingerprint(const struct mu_cert *cert, char ret[MU_SHA256_LEN])
{
    unsigned char *der = NULL;
    int len = i2d_X509(mu_cert_x509(cert), &der);
    mu_sha256(der, len > 0 ? (size_t)len : 0, ret);
    OPENSSL_free(der);
    return ret;
}

char *mu_cert_key_sha256(const struct mu_cert *cert, char ret[MU_SHA256_LEN])
{
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(mu_cert_x509(cert)), &der);
    mu_sha256(der, len > 0 ? (size_t)len : 0, ret);
    OPENSSL_free(der);
    return ret;
}

/* The last CN: the most specific one. */
bool mu_name_cn(const X509_NAME *name, char ret[MU_CERT_LABEL_LEN])
{
    int i = -1;
    for (int next; (next = X509_NAME_get_index_by_NID(name, NID_commonName, i)) >= 0;)
        i = next;
    if (i < 0)
        return false;
    unsigned char *text = NULL;
    int len = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i)));
    if (len > 0)
        mu_str_printable(text, (size_t)len, ret, MU_CERT_LABEL_LEN);
    OPENSSL_free(text);
    return len > 0;
}

static void label_from_whole(const X509_NAME *name, char *ret)
{
    char line[MU_CERT_LABEL_LEN] = "";
    X509_NAME_oneline(name, line, sizeof line);
    mu_str_printable(line, strlen(line), ret, MU_CERT_LABEL_LEN);
    if (*ret == '\0')
        mu_str_copy(ret, MU_CERT_LABEL_LEN, "(no name)");
}

char *mu_name_label(const X509_NAME *name, char ret[MU_CERT_LABEL_LEN])
{
    if (!mu_name_cn(name, ret))
        label_from_whole(name, ret);
    return ret;
}

static bool label_from_san(X509 *x, char *ret)
{
    MU_AUTO(GENERAL_NAMES) names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        char text[MU_CERT_LABEL_LEN + 8]; /* "URI:..." */
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS && name->type != GEN_URI && name->type != GEN_EMAIL &&
            name->type != GEN_IPADD)
            continue;
        mu_general_name_text(name, text, sizeof text);
        mu_str_copy(ret, MU_CERT_LABEL_LEN, strchr(text, ':') + 1);
        return true;
    }
    return false;
}

char *mu_cert_label(const struct mu_cert *cert, char ret[MU_CERT_LABEL_LEN])
{
    X509 *x = mu_cert_x509(cert);
    const X509_NAME *subject = X509_get_subject_name(x);
    if (!mu_name_cn(subject, ret) && !label_from_san(x, ret))
        label_from_whole(subject, ret);
    return ret;
}

int mu_cert_key(const struct mu_cert *cert, struct mu_key **ret, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    EVP_PKEY *key = X509_get_pubkey(mu_cert_x509(cert));
    if (key == NULL)
        return mu_fail_openssl(err, MU_E_DAMAGED, "the public key of \"%s\" cannot be read",
                               mu_cert_label(cert, label));
    return mu_key_wrap(key, ret, err);
}

int mu_cert_match_key(const struct mu_cert *cert, const struct mu_key *key, const char *cert_path,
                      const char *key_path, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN], kind[MU_KEY_DESCRIPTION_LEN];
    EVP_PKEY *public = X509_get0_pubkey(mu_cert_x509(cert));
    if (public != NULL && EVP_PKEY_eq(public, mu_key_evp(key)) == 1)
        return 0;
    return mu_fail(err, MU_E_KEY_MISMATCH,
                   "the key in %s (%s) does not belong to the certificate in %s (\"%s\")", key_path,
                   mu_key_describe(key, kind), cert_path, mu_cert_label(cert, label));
}
