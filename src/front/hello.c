#include "front/site.h"

void mu_hello_respond(const struct mu_request *request, struct mu_response *ret)
{
    const char *path = mu_target_origin(request->target);
    if (path[0] != '/' || (path[1] != '\0' && path[1] != '?')) {
        mu_response_sentence(ret, 404, "there is nothing here but /");
        return;
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
