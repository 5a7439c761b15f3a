#include "tls/alpn.h"

#include <string.h>

bool mu_tls_alpn_add(char list[MU_TLS_ALPN_LEN], const char *protocol)
{
    const size_t len = strlen(protocol), before = strlen(list);
    if (len == 0 || before + 1 + len >= MU_TLS_ALPN_LEN)
        return false;
    list[before] = (char)len;
    memcpy(list + before + 1, protocol, len + 1);
    return true;
}
