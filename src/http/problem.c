#include "http/problem.h"

#include <jansson.h>
#include <stdlib.h>

#include "http/message.h"

const char mu_problem_type[] = "application/problem+json";

void mu_problem_write(const struct mu_problem *problem, struct mu_buf *ret)
{
    json_t *object =
        json_pack("{s:s, s:i, s:s, s:s, s:s*, s:s*}", "title", mu_http_reason(problem->status),
                  "status", problem->status, "detail", problem->detail, "id", problem->id, "rule",
                  problem->rule, "client", problem->client);
    if (object == NULL)
        object = json_pack("{s:i, s:s}", "status", problem->status, "id", problem->id);
    char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
    mu_buf_addf(ret, "%s\n", text == NULL ? "{}" : text);
    free(text);
    json_decref(object);
}
