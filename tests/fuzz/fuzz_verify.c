/*
 * A hostile chain: the first certificate is judged, the others came along with it, the last is trusted (by
 * somebody careless). Whatever the verdict, strict or not, it has words; nobody is good without a chain to an anchor; and
 * the search for a chain keeps its bounds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pki/object.h"
#include "pki/path.h"
#include "pki/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void gather(const struct mu_objects *objects, struct mu_certs *ret)
{
    struct mu_error err = MU_ERROR_INIT;
    for (size_t i = 0; i < objects->count; i++)
        if (objects->at[i].cert != NULL)
            (void)!mu_certs_add(ret, mu_cert_ref(objects->at[i].cert), &err);
}

static void check_words(const struct mu_verdict *verdict)
{
    if (verdict->sentence[0] == '\0' || strchr(verdict->sentence, '\n') != NULL ||
        strchr(verdict->sentence, '\x1b') != NULL || strchr(verdict->hint, '\n') != NULL)
        abort();
}

static void judge_once(const struct mu_certs *certs, struct mu_verify how)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_verdict verdict;
    struct mu_verify_trace trace = {0};
    MU_AUTO_CLEAR(mu_certs) chain = {0};
    how.trace = &trace;
    if (mu_verify(certs->at[0], &how, &verdict, &chain, &err) == 0) {
        check_words(&verdict);
        for (size_t i = 0; i < trace.strict_count; i++)
            check_words(&trace.strict[i]);
        if (verdict.fault == MU_FAULT_NONE && (chain.count == 0 || how.anchors->count == 0))
            abort();
        if (verdict.fault == MU_FAULT_NONE && how.strict &&
            (trace.strict_count > 0 || !mu_certs_hold(how.anchors, chain.at[chain.count - 1])))
            abort();
    }
    if (trace.signatures > MU_PATH_SIGNATURES_MAX || trace.ways > MU_PATH_WAYS_MAX)
        abort();
    mu_verify_trace_clear(&trace);
}

static void judge(const struct mu_certs *certs, const struct mu_certs *anchors, struct mu_crl *crl,
                  enum mu_purpose purpose, const char *host)
{
    static const char *const email = "alice@example.com";
    struct mu_verify how = {
        .anchors = anchors,
        .untrusted = certs,
        .crls = &crl,
        .crl_count = crl != NULL,
        .purpose = purpose,
        .host = host,
        .emails = &email,
        .email_count = host == NULL && purpose == MU_PURPOSE_CLIENT,
        .at = 1780272000, /* 2026-06-01 */
    };
    judge_once(certs, how);
    how.strict = true;
    judge_once(certs, how);
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
