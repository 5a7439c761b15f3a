#include "pki/seal.h"

#include <errno.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <string.h>

#include "pki/ossl.h"

MU_AUTO_DEFINE(CMS_ContentInfo, CMS_ContentInfo_free)

/* What a guess at the passphrase costs: HMAC-SHA-1 is what CMS_add0_recipient_password() takes. */
enum { ITERATIONS = 600000 };

/* A SEQUENCE of indefinite length, and id-ct-authEnvelopedData. */
static const unsigned char head[MU_SEAL_HEAD_LEN] = {0x30, 0x80, 0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86,
                                                     0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x17};

bool mu_seal_is(const void *data, size_t len)
{
    return len >= sizeof head && memcmp(data, head, sizeof head) == 0;
}

/* libcrypto streams on whether or not a read or a write has failed, and calls it done. `errno` is kept; 0: none has. */
static long note_failure(BIO *bio, int call, const char *data, size_t len, int argi, long argl,
                         int result, size_t *processed)
{
    (void)data, (void)len, (void)argi, (void)argl, (void)processed;
    int *failure = (int *)BIO_get_callback_arg(bio);
    if ((call == (BIO_CB_READ | BIO_CB_RETURN) || call == (BIO_CB_WRITE | BIO_CB_RETURN)) &&
        result < 0 && *failure == 0)
        *failure = errno;
    return result;
}

static void watch(BIO *bio, int *failure)
{
    BIO_set_callback_ex(bio, note_failure);
    BIO_set_callback_arg(bio, (char *)failure);
}

int mu_seal(int from, int to, const struct mu_secret *passphrase, struct mu_error *err)
{
    const unsigned flags = CMS_BINARY | CMS_STREAM | CMS_PARTIAL;
    int failure = 0;
    MU_AUTO(BIO) in = BIO_new_fd(from, BIO_NOCLOSE);
    MU_AUTO(BIO) out = BIO_new_fd(to, BIO_NOCLOSE);
    MU_AUTO(CMS_ContentInfo) cms = CMS_encrypt(NULL, NULL, EVP_aes_256_gcm(), flags);
    if (in == NULL || out == NULL || cms == NULL)
        return mu_fail_openssl(err, MU_E_CRYPTO, "nothing can be put under a passphrase");
    watch(in, &failure);
    watch(out, &failure);
    /* The copy is the recipient's, who may have taken it even where this fails. */
    unsigned char *copy = OPENSSL_memdup(passphrase->data, passphrase->len);
    if (copy == NULL ||
        CMS_add0_recipient_password(cms, ITERATIONS, NID_id_alg_PWRI_KEK, NID_id_pbkdf2, copy,
                                    (ossl_ssize_t)passphrase->len, EVP_aes_256_cbc()) == NULL)
        return mu_fail_openssl(err, MU_E_CRYPTO, "the passphrase cannot be used");
    bool done = i2d_CMS_bio_stream(out, cms, in, (int)flags) == 1 && BIO_flush(out) == 1;
    if (done && failure == 0)
        return 0;
    if (failure == 0)
        return mu_fail_openssl(err, MU_E_IO, "what is under the passphrase could not be written");
    ERR_clear_error();
    errno = failure;
    return mu_fail_errno(err, MU_E_IO, "what is under the passphrase could not be written");
}

static int fail_damaged(const char *name, struct mu_error *err)
{
    mu_fail_openssl(err, MU_E_DAMAGED, "%s is damaged: it was cut off or altered", name);
    return mu_hint(err, "use another copy of it");
}

int mu_unseal(const char *name, int from, int to, const struct mu_passphrase_source *source,
              struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_secret) passphrase = MU_SECRET_INIT;
    MU_AUTO(BIO) in = BIO_new_fd(from, BIO_NOCLOSE);
    MU_AUTO(BIO) out = BIO_new_fd(to, BIO_NOCLOSE);
    if (in == NULL || out == NULL)
        return mu_fail_nomem(err);
    ERR_clear_error();
    MU_AUTO(CMS_ContentInfo) cms = d2i_CMS_bio(in, NULL);
    if (cms == NULL || OBJ_obj2nid(CMS_get0_type(cms)) != NID_id_smime_ct_authEnvelopedData)
        return fail_damaged(name, err);
    if (source->ask(source->arg, name, &passphrase, err) != 0)
        return -1;
    if (CMS_decrypt_set1_password(cms, (unsigned char *)passphrase.data,
                                  (ossl_ssize_t)passphrase.len) != 1)
        return mu_fail_openssl(err, MU_E_PASSPHRASE_WRONG, "the passphrase does not open %s", name);
    if (CMS_decrypt(cms, NULL, NULL, NULL, out, CMS_BINARY) != 1)
        return fail_damaged(name, err);
    return BIO_flush(out) == 1 ? 0 : mu_fail_openssl(err, MU_E_IO, "%s cannot be unpacked", name);
}
