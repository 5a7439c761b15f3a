#include "tls/vetted.h"

#include <stdlib.h>

#include "tls/internal.h"

struct mu_vetted *mu_vetted_new(const struct mu_presented *presented, X509 *leaf)
{
    struct mu_vetted *vetted = calloc(1, sizeof *vetted);
    if (vetted == NULL || X509_up_ref(leaf) != 1) {
        free(vetted);
        return NULL;
    }
    vetted->users = 1;
    vetted->presented = *presented;
    vetted->leaf = leaf;
    mu_cert_sha256((const struct mu_cert *)leaf, vetted->sha256);
    return vetted;
}

struct mu_vetted *mu_vetted_copy(const struct mu_vetted *vetted)
{
    struct mu_vetted *copy = vetted == NULL ? NULL : malloc(sizeof *copy);
    if (copy == NULL || X509_up_ref(vetted->leaf) != 1) {
        free(copy);
        return NULL;
    }
    *copy = *vetted;
    copy->users = 1;
    copy->sent = X509_chain_up_ref(vetted->sent);
    copy->chain = X509_chain_up_ref(vetted->chain);
    if (copy->sent != NULL && copy->chain != NULL)
        return copy;
    mu_vetted_unref(copy);
    return NULL;
}

struct mu_vetted *mu_vetted_ref(struct mu_vetted *vetted)
{
    if (vetted != NULL)
        vetted->users++;
    return vetted;
}

void mu_vetted_unref(struct mu_vetted *vetted)
{
    if (vetted == NULL || --vetted->users > 0)
        return;
    X509_free(vetted->leaf);
    sk_X509_pop_free(vetted->sent, X509_free);
    sk_X509_pop_free(vetted->chain, X509_free);
    free(vetted);
}

const struct mu_cert *mu_vetted_cert(const struct mu_vetted *vetted)
{
    return (const struct mu_cert *)vetted->leaf;
}

const unsigned char *mu_vetted_sha256(const struct mu_vetted *vetted)
{
    return vetted->sha256;
}

time_t mu_vetted_until(const struct mu_vetted *vetted)
{
    return vetted->until;
}

const struct mu_cert *mu_vetted_issuer(const struct mu_vetted *vetted)
{
    return (const struct mu_cert *)sk_X509_value(vetted->chain, 1);
}

const unsigned char *mu_vetted_presented(const struct mu_vetted *vetted)
{
    return vetted->presented.sha256;
}

bool mu_vetted_chain(const struct mu_vetted *vetted, struct mu_certs *ret)
{
    struct mu_error ignored = MU_ERROR_INIT;
    bool ok = true;
    for (int i = 0; ok && i < sk_X509_num(vetted->chain); i++) {
        struct mu_cert *cert = (struct mu_cert *)sk_X509_value(vetted->chain, i);
        ok = mu_certs_add(ret, mu_cert_ref(cert), &ignored) == 0;
    }
    return ok;
}

void mu_vetted_sent(const struct mu_vetted *vetted, struct mu_buf *ret)
{
    for (int i = 0; i < sk_X509_num(vetted->sent); i++)
        mu_cert_to_pem((const struct mu_cert *)sk_X509_value(vetted->sent, i), ret);
}
