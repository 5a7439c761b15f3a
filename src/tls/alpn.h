#ifndef MU_TLS_ALPN_H
#define MU_TLS_ALPN_H

/* Lists of application protocols, as they are said in TLS: each behind its length in one octet. [RFC 7301 3.1] */

#include <stdbool.h>

/* With a NUL at the end, which is in no protocol that can be named here. */
enum { MU_TLS_ALPN_LEN = 256 };

/* Add one to a list, which is "" before the first. False, and nothing has changed: it is empty, or there is no room. */
bool mu_tls_alpn_add(char list[MU_TLS_ALPN_LEN], const char *protocol);

#endif
