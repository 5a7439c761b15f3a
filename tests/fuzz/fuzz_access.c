/*
 * Terms of rules, one a line; a line that begins with "-" is denied. Who is let in by some terms is let in by more of them, and
 * by all; who is kept out by some is kept out by more.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "front/access.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *dns[] = {(char *)"web.example.com", (char *)"*.example.com"}, *cn[] = {(char *)"web"},
            *uri[] = {(char *)"spiffe://example.org/web"}, *email[] = {(char *)"me@example.com"},
            *ip[] = {(char *)"10.1.2.3"};
static const struct mu_identity who = {
    .subject = (char *)"CN=web",
    .issuer = (char *)"CN=Home CA",
    .issuer_cn = (char *)"Home CA",
    .cn = {cn, 1},
    .dns = {dns, 2},
    .uri = {uri, 1},
    .email = {email, 1},
    .ip = {ip, 1},
    .serial = "1A2B",
};

static void add(struct mu_access *access, const char *line)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_access_list *list = *line == '-' ? &access->deny : &access->allow;
    if (mu_access_list_add(list, line + (*line == '-'), &err) != 0 &&
        (err.what[0] == '\0' || err.hint[0] == '\0'))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mu_access access = {.id = "door"};
    struct mu_access_verdict before, after;
    struct mu_refusal refusal;
    char id[MU_ACCESS_ID_LEN];
    char *text = calloc(1, size + 1), *rest = NULL;
    if (text == NULL)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        const size_t allows = access.allow.count;
        const bool was = mu_access_judge(&access, &who, &before);
        add(&access, line);
        const bool is = mu_access_judge(&access, &who, &after);
        if (*line == '-' ? !was && is : allows > 0 && was && !is)
            abort();
        if (!is)
            mu_access_refusal(&after, &who, &refusal);
        mu_access_rule_id(&after, id);
        if (mu_access_judge(&access, NULL, &after) &&
            !mu_access_list_has(&access.allow, MU_ACCESS_ANONYMOUS))
            abort();
    }
    mu_access_list_clear(&access.allow);
    mu_access_list_clear(&access.deny);
    free(text);
    return 0;
}
