/*
 * An OCSP request from anybody on the network, and an answer from a responder that may be anybody. What is taken for
 * a request gets an answer that says what was to be said of each certificate in it, with its nonce; and whatever is
 * shown of either is text that no terminal obeys.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pki/issue.h"
#include "pki/object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const time_t now = 1780272000; /* 2026-06-01 */

struct authority {
    struct mu_key *key;
    struct mu_cert *ca, *signer;
    struct mu_ocsp_issuer *issuer;
};

static const struct authority *authority(void)
{
    static struct authority made;
    struct mu_error err = MU_ERROR_INIT;
    struct mu_names names = {0};
    unsigned char serial[MU_SERIAL_LEN] = {1};
    if (made.signer != NULL)
        return &made;
    struct mu_issue issue = {.profile = MU_PROFILE_OCSP,
                             .names = &names,
                             .serial = {2},
                             .now = now,
                             .lifetime_s = 86400};
    if (mu_key_generate("p256", &made.key, &err) != 0 ||
        mu_issue_root(made.key, "CA", serial, now, 86400, 0, NULL, &made.ca, &err) != 0 ||
        mu_names_set_cn(&names, "responder", &err) != 0)
        abort();
    issue.key = made.key;
    if (mu_issue_leaf(made.ca, made.key, &issue, &made.signer, &err) != 0 ||
        mu_ocsp_issuer_new(made.ca, &made.issuer, &err) != 0)
        abort();
    mu_names_clear(&names);
    return &made;
}

static void check(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            abort();
}

static void check_id(const struct mu_ocsp_id *id)
{
    check(id->serial);
    check(id->hash);
    check(id->issuer_name);
    check(id->issuer_key);
}

/* The answer, read again as a client would. */
static void reread(const struct mu_buf *der, const struct mu_ocsp_request *request)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_ocsp_response_info info;
    char nonce[MU_OCSP_NONCE_TEXT_LEN];
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    if (mu_objects_parse("answer", der->data, der->len, &objects, &err) != 0 ||
        objects.at[0].ocsp_response == NULL)
        abort();
    mu_ocsp_response_info(objects.at[0].ocsp_response, &info);
    if (info.count != mu_ocsp_request_count(request) ||
        strcmp(info.nonce, mu_ocsp_request_nonce(request, nonce)) != 0)
        abort();
    for (size_t i = 0; i < info.count; i++) {
        struct mu_ocsp_told told;
        struct mu_ocsp_id id;
        mu_ocsp_response_told(objects.at[0].ocsp_response, i, &told);
        mu_ocsp_request_id(request, i, &id);
        if (strcmp(told.id.serial, id.serial) != 0 || told.single.state != (i % 3))
            abort();
    }
}

static void answer(const struct mu_ocsp_request *request)
{
    const struct authority *by = authority();
    struct mu_error err = MU_ERROR_INIT;
    struct mu_ocsp_single singles[MU_OCSP_CERTS_MAX];
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    for (size_t i = 0; i < mu_ocsp_request_count(request); i++) {
        struct mu_ocsp_id id;
        singles[i] = (struct mu_ocsp_single){.state = (enum mu_ocsp_state)(i % 3),
                                             .revoked_at = now,
                                             .invalid_since = now - 1};
        mu_ocsp_request_id(request, i, &id);
        check_id(&id);
        (void)mu_ocsp_request_is_for(request, i, by->issuer);
    }
    struct mu_ocsp_answer made = {.request = request,
                                  .singles = singles,
                                  .now = now,
                                  .next_update = now + 3600,
                                  .signer = by->signer,
                                  .key = by->key};
    if (mu_ocsp_answer_make(&made, &der, &err) != 0)
        abort();
    reread(&der, request);
}

static void read_response(const struct mu_ocsp_response *response)
{
    const struct authority *by = authority();
    struct mu_error err = MU_ERROR_INIT;
    struct mu_ocsp_response_info info;
    struct mu_cert *anchor = by->ca;
    const struct mu_certs anchors = {.at = &anchor, .count = 1};
    mu_ocsp_response_info(response, &info);
    check(info.responder);
    check(info.signer);
    check(info.nonce);
    check(info.signature);
    for (size_t i = 0; i < info.count; i++) {
        struct mu_ocsp_told told;
        mu_ocsp_response_told(response, i, &told);
        check_id(&told.id);
        check(mu_reason_name(told.single.reason));
        (void)!mu_ocsp_told_check(&told, now, &err);
    }
    if (mu_ocsp_response_verify(response, &anchors, NULL, NULL, now, &err) == 0)
        abort(); /* nobody has the key of a CA that was made a moment ago */
    check(err.what);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_ocsp_request) request = NULL;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    if (mu_ocsp_request_parse(data, size, &request, &err) == 0)
        answer(request);
    else
        check(err.what);
    if ((request == NULL) != (err.code != MU_OK))
        abort();
    (void)!mu_objects_parse("x", data, size, &objects, &err);
    for (size_t i = 0; i < objects.count; i++)
        if (objects.at[i].ocsp_response != NULL)
            read_response(objects.at[i].ocsp_response);
    return 0;
}
