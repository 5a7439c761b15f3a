/*
 * What comes from a distribution point, by plain HTTP and so from anybody: the answer as bytes of HTTP, and what is in it as a
 * revocation list, which may be one of the CA's with some octets changed. Whatever is taken is signed by the CA; and a URL that is
 * taken leads to a host, and says nothing else.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "front/fetch.h"
#include "front/points_judge.h"
#include "http/h1_reader.h"
#include "pki/issue.h"
#include "pki/pointer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    struct mu_key *key;
    struct mu_cert *ca;
    struct mu_buf list; /* of that CA */
} made;

static void make(void)
{
    struct mu_error err = MU_ERROR_INIT;
    const unsigned char serial[MU_SERIAL_LEN] = {1};
    const struct mu_crl_plan plan = {.this_update = 1780272000,
                                     .next_update = 1780272000 + 86400,
                                     .number = 1,
                                     .only_for_url = "http://crl.example/1.crl",
                                     .delta_url = "http://crl.example/delta.crl"};
    struct mu_crl_plan of_ca = plan;
    struct mu_crl_draft *draft = NULL;
    if (mu_key_generate("p256", &made.key, &err) != 0 ||
        mu_issue_root(made.key, "CA", serial, plan.this_update, 86400, 0, NULL, &made.ca, &err) != 0)
        abort();
    of_ca.ca = made.ca;
    if (mu_crl_begin(&of_ca, &draft, &err) != 0 ||
        mu_crl_finish(draft, made.key, &made.list, &err) != 0)
        abort();
}

static void take_url(const char *text)
{
    struct mu_fetch_url url;
    if (!mu_fetch_url_parse(text, &url))
        return;
    if (url.host[0] == '\0' || url.target[0] != '/' || strpbrk(url.authority, "@/?#\r\n ") != NULL ||
        strpbrk(url.target, "\r\n ") != NULL || atoi(url.port) <= 0)
        abort();
}

static void take_list(const struct mu_buf *body)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_crl_info info;
    MU_AUTO_STRUCT(mu_crl) crl = NULL;
    MU_AUTO_CLEAR(mu_strs) urls = {0};
    const struct mu_points_asked asked = {.url = "http://crl.example/", .issuer = made.ca};
    if (mu_points_judge(&asked, body, &crl, &info, &err) != 0)
        return;
    if (!mu_crl_is_signed_by(crl, made.ca) || mu_pointers_to_changes(crl, &urls) != 0)
        abort();
    for (size_t i = 0; i < urls.count; i++)
        take_url(urls.at[i]);
}

static void take_answer(const char *data, size_t size)
{
    static const struct mu_h1_limits limits = {.target = 1024, .head = 40 * 1024};
    struct mu_h1_reader *reader = mu_h1_response_reader(&limits);
    MU_AUTO_CLEAR(mu_buf) body = MU_BUF_INIT;
    for (enum mu_read step = MU_READ_HEAD; step != MU_READ_MORE && step != MU_READ_BROKEN;) {
        const char *piece;
        size_t taken, len;
        step = mu_h1_read(reader, data, size, &taken, &piece, &len);
        if (step == MU_READ_BODY)
            mu_buf_add(&body, piece, len);
        if (step == MU_READ_END)
            break;
        data += taken;
        size -= taken;
    }
    take_list(&body);
    mu_h1_reader_free(reader);
}

/* Each three octets: a place, and what to change there. */
static void take_changed(const char *changes, size_t size)
{
    MU_AUTO_CLEAR(mu_buf) list = MU_BUF_INIT;
    mu_buf_add(&list, made.list.data, made.list.len);
    for (size_t i = 0; i + 2 < size; i += 3)
        list.data[((unsigned char)changes[i] * 256u + (unsigned char)changes[i + 1]) % list.len] ^=
            changes[i + 2];
    take_list(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (made.ca == NULL)
        make();
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    if (size == 0)
        return 0;
    mu_buf_add(&text, data + 1, size - 1);
    switch (data[0] % 4) {
    case 0: take_url(mu_buf_str(&text)); break;
    case 1: take_list(&text); break;
    case 2: take_changed(mu_buf_str(&text), text.len); break;
    default: take_answer(mu_buf_str(&text), text.len); break;
    }
    return 0;
}
