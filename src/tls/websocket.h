#ifndef MU_TLS_WEBSOCKET_H
#define MU_TLS_WEBSOCKET_H

/* How a WebSocket's two ends see that the other one means it: a nonce, and what is made of it. [RFC 6455 4.1, 4.2.2] */

#include <stdbool.h>

#include "base/macros.h"

enum { MU_WEBSOCKET_KEY_LEN = 25, MU_WEBSOCKET_ACCEPT_LEN = 29 }; /* with the NUL */

/* A fresh Sec-WebSocket-Key. False: there is nothing random to be had. */
MU_CHECK bool mu_websocket_key(char ret[MU_WEBSOCKET_KEY_LEN]);

/* The Sec-WebSocket-Accept that answers it. False without memory, or where SHA-1 may not be used even for this. */
MU_CHECK bool mu_websocket_accept(const char *key, char ret[MU_WEBSOCKET_ACCEPT_LEN]);

#endif
