#ifndef MU_CLI_SEEN_H
#define MU_CLI_SEEN_H

/* Whom a running `mutual serve` has let in lately, asked on its control socket. */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/error.h"
#include "base/file.h"
#include "pki/cert.h"

struct mu_seen_chain {
    const char *listen, *name; /* borrowed from `answer` */
    time_t last_seen;
    bool connected; /* now */
    bool again; /* the certificate of the one before, which has come by another door or name, too */
    struct mu_certs chain;
};

struct mu_seen_answer {
    json_t *answer;
    int64_t age_s;         /* of the process: it knows of nobody who came before */
    struct mu_certs trust; /* the anchors of all doors */
    struct mu_seen_chain
        *at; /* of one certificate together, and first of them who is connected or came last */
    size_t count;
};
void mu_seen_answer_clear(struct mu_seen_answer *seen);
MU_AUTO_DEFINE_CLEAR(mu_seen_answer, mu_seen_answer_clear)

/* Who is connected, or has come in since then. `socket` as in struct mu_control_call. Fails as mu_control_ask() does. */
MU_CHECK int mu_seen_ask(const char *socket, time_t since, struct mu_seen_answer *ret,
                         struct mu_error *err);

/* An address of a door as text: a Unix socket's with its whole path, wherever it was named from. Returns `ret`. */
const char *mu_listen_whole(const char *listen, char ret[MU_PATH_LEN]);

#endif
