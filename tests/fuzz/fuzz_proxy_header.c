/*
 * PROXY protocol headers. However the bytes come, the answer is the same: until the header is whole more is asked for, and
 * what follows it changes nothing. What is refused says why.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(int true_for_all)
{
    if (!true_for_all)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mu_proxied whole, part;
    size_t len = 0, part_len = 0;
    const char *why = "", *ignored;
    char text[MU_ADDRESS_LEN];
    enum mu_proxy_header result = mu_proxy_header_read(data, size, &whole, &len, &why);
    if (result == MU_PROXY_HEADER_BAD)
        demand(why != NULL && *why != '\0');
    if (result != MU_PROXY_HEADER_DONE)
        return 0;
    demand(len >= 15 && len <= size && len <= MU_PROXY_HEADER_MAX);
    for (size_t i = 0; i < len; i += 1 + i / 64)
        demand(mu_proxy_header_read(data, i, &part, &part_len, &ignored) == MU_PROXY_HEADER_MORE);
    demand(mu_proxy_header_read(data, len, &part, &part_len, &ignored) == MU_PROXY_HEADER_DONE);
    demand(part_len == len && part.known == whole.known);
    if (whole.known)
        demand(memcmp(&part.source, &whole.source, sizeof part.source) == 0 &&
               whole.source.sa.ss_family == whole.destination.sa.ss_family &&
               *mu_address_text(&whole.source, text) != '\0');
    return 0;
}
