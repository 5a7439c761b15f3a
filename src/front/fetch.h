#ifndef MU_FRONT_FETCH_H
#define MU_FRONT_FETCH_H

/*
 * One request for what a certificate points to, by plain HTTP, and its answer as a whole. Nobody waits for it: it lives on a
 * worker's loop. What it is asked for is foreign, so it goes nowhere but where it is allowed to: no redirects, no other scheme, no
 * address of a private network unless its host has been named. [RFC 5280 4.2.1.13, RFC 6960 A]
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "net/address.h"
#include "net/worker.h"

enum { MU_FETCH_URL_MAX = 1024 };

struct mu_fetch_url {
    char host[256]; /* without brackets */
    char port[6];
    char authority[272]; /* as Host has it */
    char target[MU_FETCH_URL_MAX];
};
/* http://HOST[:PORT][/...], in the characters of RFC 3986, and nothing before the host. False: it is none of these. */
bool mu_fetch_url_parse(const char *text, struct mu_fetch_url *ret);

/* HOST, HOST:PORT or "all", as somebody lists where may be fetched from. False: it is none of these. */
bool mu_fetch_host_is_good(const char *text);

enum mu_fetch_right {
    MU_FETCH_NEVER,
    MU_FETCH_PUBLIC, /* unless it turns out to be in a private network ("all") */
    MU_FETCH_NAMED,  /* wherever it is: somebody has named this host */
};
/* A HOST without a port is one at port 80. */
enum mu_fetch_right mu_fetch_right(const struct mu_strs *hosts, const struct mu_fetch_url *url);
/* The same; never, where the text is no such URL. */
enum mu_fetch_right mu_fetch_right_to(const struct mu_strs *hosts, const char *url);

/* Is it somewhere on the internet, for all that its number says? */
bool mu_fetch_is_public(const struct mu_address *address);

/* A reason why there is no answer is a short piece of text, "connection refused". */
enum { MU_FETCH_WHY_LEN = 160 };

struct mu_fetch_order {
    const char *url; /* copied; has to be one */
    enum mu_fetch_right right;
    const void *body; /* NULL: GET; else POST, of this type. Copied */
    size_t body_len;
    const char *type, *accept; /* static */
    size_t limit;              /* of the answer, in bytes */
    unsigned limit_s;          /* of all of it */
};

struct mu_fetch;

/*
 * `done` is called once, on the worker's thread, and has to free the fetch: `answer`, borrowed, is the body of a 200, or NULL, and then
 * `why` says why not. NULL without memory.
 */
struct mu_fetch *mu_fetch_begin(struct mu_worker *worker, const struct mu_fetch_order *order,
                                void (*done)(void *arg, const struct mu_buf *answer,
                                             const char *why),
                                void *arg);
/* Before its answer: nobody is called. */
void mu_fetch_free(struct mu_fetch *fetch);

#endif
