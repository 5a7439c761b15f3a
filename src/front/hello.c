#include "front/site.h"

#include <string.h>

void mu_hello_respond(const struct mu_request *request, struct mu_response *ret)
{
    char path[16];
    if (strlen(request->target) >= sizeof path || !mu_target_path(request->target, path) ||
        path[0] != '\0') {
        /* A query does no harm, and is longer than the path above may be. */
        if (strncmp(request->target, "/?", 2) != 0) {
            mu_response_sentence(ret, 404, "there is nothing here but /");
            return;
        }
    }
    if (!mu_request_is(request, "GET") && !mu_request_is(request, "HEAD")) {
        mu_response_sentence(ret, 405, "only GET and HEAD are answered here");
        mu_buf_adds(&ret->headers, "Allow: GET, HEAD\r\n");
        return;
    }
    ret->status = 200;
    ret->content_type = "text/plain";
    ret->body = "Hello World";
}
