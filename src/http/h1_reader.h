#ifndef MU_HTTP_H1_READER_H
#define MU_HTTP_H1_READER_H

/*
 * HTTP/1.1 messages out of bytes, requests or responses, each in steps: its head, pieces of its body, its end. Everything
 * by which two readers could place the end of a message differently is refused here and nowhere else. [RFC 9112]
 */

#include <stdbool.h>
#include <stddef.h>

#include "http/message.h"

struct mu_h1_reader;

struct mu_h1_limits {
    size_t target; /* longest request target: 414 beyond it */
    size_t head;   /* target or reason, headers and trailers, all in all, below 48 KiB: 431 */
    size_t body;   /* 413; 0: none */
};

enum mu_read {
    MU_READ_MORE,   /* all bytes are taken, and more are needed */
    MU_READ_HEAD,   /* mu_h1_reader_head() */
    MU_READ_BODY,   /* a piece: `ret_data` */
    MU_READ_END,    /* of the message: mu_h1_reader_trailers() */
    MU_READ_BROKEN, /* mu_h1_reader_fault(): where the next message would begin is anybody's guess */
};

/* `limits` is borrowed for the reader's life. NULL without memory. */
struct mu_h1_reader *mu_h1_request_reader(const struct mu_h1_limits *limits);
struct mu_h1_reader *mu_h1_response_reader(const struct mu_h1_limits *limits);
void mu_h1_reader_free(struct mu_h1_reader *reader);

/* The next response answers HEAD, so it has no body whatever it says. To be told before each. */
void mu_h1_reader_expect(struct mu_h1_reader *reader, bool head_request);

/*
 * Read up to the next step; call again with what was not taken, also if that is nothing, until it is MU_READ_MORE.
 * `ret_data` and `ret_len`: of MU_READ_BODY, borrowed from `data`.
 */
enum mu_read mu_h1_read(struct mu_h1_reader *reader, const char *data, size_t len,
                        size_t *ret_taken, const char **ret_data, size_t *ret_len);

/* There will be no more bytes. MU_READ_END: that was the end of a body until close. MU_READ_MORE: there was nothing under
 * way. MU_READ_BROKEN: the message is not whole. */
enum mu_read mu_h1_read_eof(struct mu_h1_reader *reader);

/* A message has begun, and its head is not whole. */
bool mu_h1_reader_in_head(const struct mu_h1_reader *reader);
/* How many messages have begun. */
unsigned long mu_h1_reader_count(const struct mu_h1_reader *reader);

/* The head of the message under way: borrowed, as its text is, until a reader of this thread is asked anything else. False: it is
 * not whole. */
bool mu_h1_reader_head(const struct mu_h1_reader *reader, struct mu_head *ret);
/* The trailers, likewise. Returns how many. */
size_t mu_h1_reader_trailers(const struct mu_h1_reader *reader, const struct mu_header **ret);

/* The message under way, which has ended, allows another one to follow. */
bool mu_h1_reader_keeps_alive(const struct mu_h1_reader *reader);

/* Why it is MU_READ_BROKEN: a sentence, and the status that a server answers. */
int mu_h1_reader_fault(const struct mu_h1_reader *reader, const char **ret_why);

/* Hold no memory for a message that is over. */
void mu_h1_reader_rest(struct mu_h1_reader *reader);

#endif
