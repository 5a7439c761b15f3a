/*
 * A hostile chain: the first certificate is judged, the others came along with it, the last is trusted (by
 * somebody careless). Whatever the verdict, it has words; and nobody is good without a chain to an anchor.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pki/object.h"
#include "pki/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void gather(const struct mu_objects *objects, struct mu_certs *ret)
{
    struct mu_error err = MU_ERROR_INIT;
    for (size_t i = 0; i < objects->count; i++)
        if (objects->at[i].cert != NULL)
            (void)!mu_certs_add(ret, mu_cert_ref(objects->at[i].cert), &err);
}

static void judge(const struct mu_certs *certs, const struct mu_certs *anchors, struct mu_crl *crl,
                  enum mu_purpose purpose, const char *host)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_verdict verdict;
    MU_AUTO_CLEAR(mu_certs) chain = {0};
    struct mu_verify how = {
        .anchors = anchors,
        .untrusted = certs,
        .crls = &crl,
        .crl_count = crl != NULL,
        .purpose = purpose,
        .host = host,
        .at = 1780272000, /* 2026-06-01 */
    };
    if (mu_verify(certs->at[0], &how, &verdict, &chain, &err) != 0)
        return;
    if (verdict.sentence[0] == '\0' || strchr(verdict.sentence, '\n') != NULL ||
        strchr(verdict.sentence, '\x1b') != NULL)
        abort();
    if (verdict.fault == MU_FAULT_NONE && (chain.count == 0 || anchors->count == 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    MU_AUTO_CLEAR(mu_certs) certs = {0};
    MU_AUTO_CLEAR(mu_certs) anchors = {0};
    struct mu_crl *crl = NULL;
    (void)!mu_objects_parse("x", data, size, &objects, &err);
    gather(&objects, &certs);
    for (size_t i = 0; i < objects.count; i++)
        if (objects.at[i].crl != NULL)
            crl = objects.at[i].crl;
    if (certs.count == 0)
        return 0;
    judge(&certs, &anchors, crl, MU_PURPOSE_ANY, NULL);
    if (mu_certs_add(&anchors, mu_cert_ref(certs.at[certs.count - 1]), &err) != 0)
        return 0;
    judge(&certs, &anchors, NULL, MU_PURPOSE_CLIENT, NULL);
    judge(&certs, &anchors, crl, MU_PURPOSE_SERVER, "localhost");
    judge(&certs, &anchors, NULL, MU_PURPOSE_SERVER, "192.0.2.7");
    return 0;
}
