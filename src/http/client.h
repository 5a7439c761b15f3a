#ifndef MU_HTTP_CLIENT_H
#define MU_HTTP_CLIENT_H

/* One HTTP request, over libcurl: HTTP/1.1 and HTTP/2, TLS 1.3 and 1.2. */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/str.h"
#include "tls/client.h"

struct mu_http_call {
    const char *url;               /* https:// or http:// */
    const char *unix_socket;       /* connect there instead; NULL: to the URL's host */
    const char *method;            /* NULL: GET, or POST with a body */
    const struct mu_strs *headers; /* "Name: value" lines */
    const void *body;              /* NULL: none */
    size_t body_len;
    long timeout_s;            /* for the whole of it; 0: none */
    struct mu_tls_client *tls; /* for https */
    void *arg;
    /* Each header line with its CRLF, and each piece of the body. False ends the transfer. */
    bool (*on_header)(void *arg, const char *line, size_t len);
    bool (*on_body)(void *arg, const void *data, size_t len);
};

/*
 * Fails with MU_E_USAGE (a URL that is none, or of another scheme), MU_E_CONNECT, MU_E_TIMEOUT,
 * MU_E_SERVER_CERT (we refused the server: call->tls->verdict), MU_E_REFUSED (the server refused us, in the
 * handshake or, as TLS 1.3 has it, just after it), MU_E_TLS, MU_E_HTTP, MU_E_IO (a callback said stop).
 */
MU_CHECK int mu_http_call(const struct mu_http_call *call, long *ret_status, struct mu_error *err);

/* Is it written as DNS and certificates have it, in ASCII? Browsers translate what is not. Fails with MU_E_USAGE. [RFC 5890 2.3] */
MU_CHECK int mu_host_check(const char *host, struct mu_error *err);

/* The host of an https:// or http:// URL, without brackets. Fails with MU_E_USAGE. */
MU_CHECK int mu_url_host(const char *url, char *ret, size_t cap, struct mu_error *err);

/* The parts of one by which a server is found and asked. */
struct mu_url {
    char host[256]; /* without brackets */
    unsigned port;
    char path[1024]; /* with the query, as it goes into a request */
};
/* Fails as above, and when it is longer than that. */
MU_CHECK int mu_url_read(const char *url, struct mu_url *ret, struct mu_error *err);

/* A URL as it may be shown and logged: the name and the password of a user that it may have are left out. */
enum { MU_URL_SHOWN_LEN = 256 };
char *mu_url_shown(const char *url, char ret[MU_URL_SHOWN_LEN]);

/* The chain that the server at this https:// URL presents, leaf first, trusted or not: nothing is sent to
 * it beyond the handshake. Fails with MU_E_USAGE, MU_E_CONNECT, MU_E_TIMEOUT, MU_E_TLS. */
MU_CHECK int mu_fetch_chain(const char *url, struct mu_certs *ret, struct mu_error *err);

#endif
