/*
 * HTTP/1.1 requests. The first byte says how finely the rest is cut into pieces; whatever the cut, the
 * machine must give the same answers, or somebody could smuggle a request through a packet boundary.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "front/site.h"
#include "http/h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct heard {
    unsigned long hash; /* of every target, in order */
    int answers;
};

static time_t fixed_now(void *arg)
{
    (void)arg;
    return 0;
}

static void respond(void *arg, const struct mu_request *request, struct mu_response *ret)
{
    struct heard *heard = arg;
    for (const char *p = request->target; *p != '\0'; p++)
        heard->hash = heard->hash * 31 + (unsigned char)*p;
    mu_hello_respond(request, ret);
}

static void responded(void *arg, const struct mu_request *request, int status)
{
    struct heard *heard = arg;
    (void)request;
    heard->answers++;
    heard->hash = heard->hash * 31 + (unsigned)status;
}

static struct heard feed(const uint8_t *data, size_t size, size_t piece)
{
    static const struct mu_h1_handler handler = {fixed_now, respond, responded};
    static const struct mu_h1_limits limits = {.target = 256, .head = 2048, .body = 512};
    struct heard heard = {0};
    struct mu_h1 *h1 = mu_h1_new(&handler, &heard, &limits);
    for (size_t i = 0; h1 != NULL && i < size && mu_h1_phase(h1) != MU_H1_DONE; i += piece) {
        size_t len = size - i < piece ? size - i : piece;
        const char *out;
        if (!mu_h1_input(h1, data + i, len))
            abort();
        for (size_t out_len; (out_len = mu_h1_output(h1, &out)) > 0;)
            mu_h1_taken(h1, out_len);
    }
    mu_h1_free(h1);
    return heard;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct heard whole = feed(data + 1, size - 1, size);
    struct heard cut = feed(data + 1, size - 1, 1 + data[0] % 16);
    /* Which error a broken method gets may depend on how much of it is there; what was heard may not. */
    if (whole.answers != cut.answers)
        abort();
    return 0;
}
