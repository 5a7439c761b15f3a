#ifndef MU_EXPLAIN_PROBE_PLAIN_H
#define MU_EXPLAIN_PROBE_PLAIN_H

/* What a server speaks that does not speak TLS, or not at once, by its first bytes. Pure. */

#include <stdbool.h>
#include <stddef.h>

enum mu_spoken {
    MU_SPOKEN_NOTHING, /* not a byte */
    MU_SPOKEN_TLS,
    MU_SPOKEN_HTTP,
    MU_SPOKEN_SSH,
    MU_SPOKEN_STARTTLS, /* a protocol that changes to TLS when asked: `starttls` */
    MU_SPOKEN_OTHER,    /* a protocol that has a name, and no TLS on this port */
    MU_SPOKEN_UNKNOWN,
};

struct mu_plain {
    enum mu_spoken spoken;
    const char *name;     /* "SMTP"; "" where there is none */
    const char *starttls; /* as openssl s_client -starttls calls it; NULL: not that kind */
    bool proxy;           /* of HTTP: it is a proxy that says no */
    char line[160];       /* its first line, printable */
};

/* What a server said first, unasked or in answer to a ClientHello. `port` decides where two begin alike; 0: not known. */
void mu_plain_recognise(const void *data, size_t len, unsigned port, struct mu_plain *ret);

/* Questions for a server that says nothing to a ClientHello, the likeliest for this port first. NULL past the end. */
struct mu_plain_question {
    const char *name, *starttls;
    const void *bytes;
    size_t len;
};
const struct mu_plain_question *mu_plain_question_at(unsigned port, size_t i);

/* Is this the answer that such a server gives? False: recognise it as above. */
bool mu_plain_answers(const struct mu_plain_question *question, const void *data, size_t len,
                      struct mu_plain *ret);

#endif
