/*
 * Patterns of names, blocks of addresses and name constraints. The first line of the input is the pattern, the rest a
 * name. What is admitted is admitted by a wider pattern, too.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pki/pattern.h"
#include "pki/constraint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const all[] = {
    [MU_SAN_DNS] = "DNS:**",     [MU_SAN_IP] = "IP:0.0.0.0/0", [MU_SAN_URI] = "URI:**",
    [MU_SAN_EMAIL] = "email:**", [MU_PATTERN_CN] = "CN:**",
};

static bool admits(const char *text, int kind, const char *name, bool *ret_parsed)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_pattern) pattern = {0};
    *ret_parsed = mu_pattern_parse(text, &pattern, &err) == 0;
    if (!*ret_parsed && (err.what[0] == '\0' || err.hint[0] == '\0'))
        abort();
    return *ret_parsed && mu_pattern_admits(&pattern, kind, name);
}

static void check_constraint(const char *text)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_constraints) constraints = {0};
    X509 *x = X509_new();
    if (mu_constraints_add(&constraints, false, text, &err) == 0 &&
        mu_constraints_to_x509(&constraints, x, &err) != 0)
        abort();
    X509_free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool parsed;
    char *text = calloc(1, size + 1);
    if (text == NULL)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    char *end = strchr(text, '\n');
    const char *name = end == NULL ? "" : end + 1;
    if (end != NULL)
        *end = '\0';
    for (int kind = 0; kind <= MU_PATTERN_CN; kind++)
        if (admits(text, kind, name, &parsed) && !admits(all[kind], kind, name, &parsed) &&
            (kind != MU_SAN_IP || !admits("IP:::/0", kind, name, &parsed)))
            abort();
    check_constraint(text);
    free(text);
    return 0;
}
