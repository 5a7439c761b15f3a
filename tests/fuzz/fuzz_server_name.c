/* The server_name extension of a ClientHello: a name within it, or none; and any name leads to a door or to none. */
#include <stdint.h>
#include <stdlib.h>

#include "tls/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct mu_tls_names *make_names(int *doors)
{
    static const char *const all[] = {"a.example", "*.example", "localhost"};
    struct mu_error err = MU_ERROR_INIT;
    struct mu_tls_names *names = NULL;
    if (mu_tls_names_new(&names, &err) != 0)
        abort();
    for (size_t i = 0; i < MU_COUNT(all); i++) {
        const struct mu_tls_named named = {.context = (struct mu_tls_context *)(void *)doors,
                                           .door = &doors[i]};
        if (mu_tls_names_add(names, all[i], &named, &err) != 0)
            abort();
    }
    return names;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int doors[3];
    static struct mu_tls_names *names;
    const char *name = NULL;
    size_t len = 0;
    if (names == NULL)
        names = make_names(doors);
    if (mu_tls_server_name(data, size, &name, &len) &&
        (len == 0 || name < (const char *)data || name + len > (const char *)data + size))
        abort();
    (void)mu_tls_names_find(names, name, len);
    (void)mu_tls_names_find(names, (const char *)data, size);
    return 0;
}
