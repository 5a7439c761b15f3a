#include "pki/csr.h"

#include <openssl/pem.h>

#include "pki/key_public.h"
#include "pki/object.h"
#include "pki/ossl.h"

/* An X509_REQ by another name: see cert.c. */
X509_REQ *mu_csr_x509(const struct mu_csr *csr)
{
    return (X509_REQ *)csr;
}

int mu_csr_wrap(X509_REQ *req, struct mu_csr **ret, struct mu_error *err)
{
    if (req == NULL)
        return mu_fail_nomem(err);
    *ret = (struct mu_csr *)req;
    return 0;
}

void mu_csr_free(struct mu_csr *csr)
{
    X509_REQ_free(mu_csr_x509(csr));
}

/* --- Reading --- */

/* With decoders OpenSSL would look at once for one that reads the key, which takes twenty times as long as all the
 * rest; mu_csr_key() is quicker, and has to find it anyhow. */
X509_REQ *mu_csr_decode(const unsigned char **p, long len)
{
    return (X509_REQ *)ASN1_item_d2i_ex(NULL, p, len, ASN1_ITEM_rptr(X509_REQ),
                                        mu_ossl_without_decoders(), NULL);
}

/* --- Making --- */

/* NULL stands for what is not asked for. */
static int add_extensions(X509_REQ *req, const GENERAL_NAMES *san, const BASIC_CONSTRAINTS *basic)
{
    STACK_OF(X509_EXTENSION) *extensions = NULL;
    if (san == NULL && basic == NULL)
        return 1;
    int ok = (san == NULL || X509V3_add1_i2d(&extensions, NID_subject_alt_name, (void *)san, 0,
                                             X509V3_ADD_DEFAULT) == 1) &&
             (basic == NULL || X509V3_add1_i2d(&extensions, NID_basic_constraints, (void *)basic, 1,
                                               X509V3_ADD_DEFAULT) == 1) &&
             X509_REQ_add_extensions(req, extensions) == 1;
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return ok;
}

static int make(const struct mu_key *key, const X509_NAME *subject, const GENERAL_NAMES *san,
                bool is_ca, struct mu_csr **ret, struct mu_error *err)
{
    const BASIC_CONSTRAINTS basic = {.ca = 0xff}; /* DER's TRUE */
    MU_AUTO(X509_REQ) req = X509_REQ_new();
    if (req == NULL || X509_REQ_set_version(req, X509_REQ_VERSION_1) != 1 ||
        X509_REQ_set_subject_name(req, subject) != 1 ||
        !add_extensions(req, san, is_ca ? &basic : NULL) ||
        X509_REQ_set_pubkey(req, mu_key_evp(key)) != 1 ||
        X509_REQ_sign(req, mu_key_evp(key), mu_digest_for(key)) == 0)
        return mu_fail_openssl(err, MU_E_CRYPTO, "the request could not be made");
    return mu_csr_wrap(mu_take(&req), ret, err);
}

int mu_csr_make(const struct mu_key *key, const struct mu_names *names, struct mu_csr **ret,
                struct mu_error *err)
{
    MU_AUTO(X509_NAME) subject = NULL;
    MU_AUTO(GENERAL_NAMES) san = NULL;
    return mu_names_to_x509(names, &subject, &san, err) != 0
               ? -1
               : make(key, subject, san, false, ret, err);
}

int mu_csr_make_ca(const struct mu_key *key, const char *name, struct mu_csr **ret,
                   struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_names) names = {0};
    MU_AUTO(X509_NAME) subject = NULL;
    MU_AUTO(GENERAL_NAMES) no_san = NULL;
    return mu_names_set_cn(&names, name, err) != 0 ||
                   mu_names_to_x509(&names, &subject, &no_san, err) != 0
               ? -1
               : make(key, subject, NULL, true, ret, err);
}

int mu_csr_make_like(const struct mu_key *key, const struct mu_cert *cert, struct mu_csr **ret,
                     struct mu_error *err)
{
    return make(key, X509_get_subject_name(mu_cert_x509(cert)), NULL, true, ret, err);
}

/* --- Looking into it --- */

int mu_csr_load(const char *path, struct mu_csr **ret, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    if (mu_objects_load(path, &objects, err) != 0)
        return -1;
    for (size_t i = 0; i < objects.count; i++)
        if (objects.at[i].csr != NULL) {
            *ret = objects.at[i].csr;
            objects.at[i].csr = NULL;
            return 0;
        }
    mu_fail(err, MU_E_WRONG_KIND, "%s holds %s, not a certificate request", path,
            mu_object_kind_name(objects.at[0].kind));
    return mu_hint(err, "make a request with: mutual request NAME");
}

/* Its key is of a kind that came after this libcrypto. 0: no, or -1 with the failure. */
static int check_key_kind(const struct mu_csr *csr, struct mu_error *err)
{
    ASN1_OBJECT *algorithm = NULL;
    X509_PUBKEY *key = X509_REQ_get_X509_PUBKEY(mu_csr_x509(csr));
    if (X509_PUBKEY_get0_param(&algorithm, NULL, NULL, NULL, key) != 1 || mu_oid_is_known(algorithm))
        return 0;
    return mu_fail_key_kind(err, "the request's key", algorithm);
}

int mu_csr_verified_key(const struct mu_csr *csr, struct mu_key **ret, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_key) key = NULL;
    if (mu_csr_key(csr, &key, err) != 0)
        return -1;
    if (X509_REQ_verify_ex(mu_csr_x509(csr), mu_key_evp(key), NULL, NULL) != 1)
        return mu_fail_openssl(err, MU_E_CSR_SIGNATURE,
                               "the request is not signed by the key that it carries");
    *ret = mu_take(&key);
    return 0;
}

int mu_csr_verify(const struct mu_csr *csr, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_key) key = NULL;
    return mu_csr_verified_key(csr, &key, err);
}

bool mu_csr_asks_for_ca(const struct mu_csr *csr)
{
    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(mu_csr_x509(csr));
    BASIC_CONSTRAINTS *basic = X509V3_get_d2i(extensions, NID_basic_constraints, NULL, NULL);
    bool asks = basic != NULL && basic->ca != 0;
    BASIC_CONSTRAINTS_free(basic);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return asks;
}

int mu_csr_names(const struct mu_csr *csr, struct mu_names *ret, struct mu_error *err)
{
    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(mu_csr_x509(csr));
    MU_AUTO(GENERAL_NAMES) san = X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return mu_names_from_x509(X509_REQ_get_subject_name(mu_csr_x509(csr)), san, ret, err);
}

char *mu_csr_label(const struct mu_csr *csr, char ret[MU_CERT_LABEL_LEN])
{
    const X509_NAME *subject = X509_REQ_get_subject_name(mu_csr_x509(csr));
    ret[0] = '\0';
    return X509_NAME_entry_count(subject) == 0 ? ret : mu_name_label(subject, ret);
}

int mu_csr_key(const struct mu_csr *csr, struct mu_key **ret, struct mu_error *err)
{
    EVP_PKEY *key = mu_key_decode(X509_REQ_get_X509_PUBKEY(mu_csr_x509(csr)));
    if (key == NULL && check_key_kind(csr, err) != 0)
        return -1;
    if (key == NULL)
        return mu_fail_openssl(err, MU_E_DAMAGED, "the request's public key cannot be read");
    return mu_key_wrap(key, ret, err);
}

void mu_csr_to_pem(const struct mu_csr *csr, struct mu_buf *ret)
{
    MU_AUTO(BIO) bio = BIO_new(BIO_s_mem());
    char *pem = NULL;
    if (bio == NULL || PEM_write_bio_X509_REQ(bio, mu_csr_x509(csr)) == 0) {
        ret->failed = true;
        return;
    }
    long len = BIO_get_mem_data(bio, &pem);
    mu_buf_add(ret, pem, (size_t)len);
}
