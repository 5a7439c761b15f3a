/*
 * What comes from a responder, by plain HTTP and so from anybody: bytes, or a good answer with some octets changed. Whatever is taken
 * says what the responder has signed.
 */
#include <stdint.h>
#include <stdlib.h>

#include "front/ocsp_answer.h"
#include "pki/issue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const time_t now = 1780272000; /* 2026-06-01 */

static struct {
    struct mu_key *key;
    struct mu_cert *ca, *client;
    struct mu_buf answer; /* of that CA: it is revoked */
} made;

static void make_answer(void)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_ocsp_request *request = NULL;
    const struct mu_certs certs = {.at = &made.client, .count = 1};
    const struct mu_ocsp_single single = {.state = MU_OCSP_REVOKED, .revoked_at = now - 60};
    if (mu_ocsp_request_make(&certs, made.ca, "sha1", false, &request, &err) != 0)
        abort();
    const struct mu_ocsp_answer answer = {.request = request,
                                          .singles = &single,
                                          .now = now,
                                          .next_update = now + 3600,
                                          .signer = made.ca,
                                          .key = made.key};
    if (mu_ocsp_answer_make(&answer, &made.answer, &err) != 0)
        abort();
    mu_ocsp_request_free(request);
}

static void make(void)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_names names = {0};
    unsigned char serial[MU_SERIAL_LEN] = {1};
    struct mu_issue issue = {.profile = MU_PROFILE_CLIENT,
                             .names = &names,
                             .serial = {2},
                             .now = now,
                             .lifetime_s = 86400};
    if (mu_key_generate("p256", &made.key, &err) != 0 ||
        mu_issue_root(made.key, "CA", serial, now, 86400, 0, NULL, &made.ca, &err) != 0 ||
        mu_names_set_cn(&names, "client", &err) != 0)
        abort();
    issue.key = made.key;
    if (mu_issue_leaf(made.ca, made.key, &issue, &made.client, &err) != 0)
        abort();
    mu_names_clear(&names);
    make_answer();
}

static bool is_taken(const struct mu_buf *bytes)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_ocsp_told told;
    if (mu_ocsp_answer_read(bytes, made.client, made.ca, now, &told, &err) != 0)
        return false;
    if (told.single.state != MU_OCSP_REVOKED || told.next_update != now + 3600)
        abort();
    return true;
}

/* Each three octets: a place, and what to change there. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    MU_AUTO_CLEAR(mu_buf) bytes = MU_BUF_INIT;
    if (made.ca == NULL)
        make();
    if (size == 0)
        return 0;
    if (data[0] % 2 == 0) {
        mu_buf_add(&bytes, data + 1, size - 1);
        if (is_taken(&bytes))
            abort(); /* nobody has the key of a CA that was made a moment ago */
        return 0;
    }
    mu_buf_add(&bytes, made.answer.data, made.answer.len);
    for (size_t i = 1; i + 2 < size; i += 3)
        bytes.data[(data[i] * 256u + data[i + 1]) % bytes.len] ^= (char)data[i + 2];
    if (!is_taken(&bytes) && size < 4)
        abort(); /* as it was */
    return 0;
}
