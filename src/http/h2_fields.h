#ifndef MU_HTTP_H2_FIELDS_H
#define MU_HTTP_H2_FIELDS_H

/*
 * What a stream's header blocks say, as nghttp2 hands it over field by field, and the head that they make. What HTTP/1.1
 * could be made to read differently is refused here and nowhere else. [RFC 9113 8, 10.3]
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "http/message.h"

struct mu_h2_fields {
    struct mu_buf text; /* name and value of each, each ended by NUL */
    struct {
        uint16_t name, value;
    } spans[MU_HEADERS_MAX];
    size_t count, header_count; /* those behind header_count are trailers */
    size_t size;                /* as SETTINGS_MAX_HEADER_LIST_SIZE counts it [RFC 9113 6.5.2] */
    size_t size_max, target_max;
    bool too_large; /* what came after it was too much is not here */
    uint16_t method, target, scheme, authority, status,
        protocol; /* in `text`; 0: it was not said */
};

/* In octets, of a head and its trailers together. */
enum { MU_H2_FIELDS_MAX = 32 * 1024 };

/* A field of the block under way, as nghttp2 has let it through. */
void mu_h2_fields_add(struct mu_h2_fields *fields, const char *name, size_t name_len,
                      const char *value, size_t value_len);

/*
 * The block under way is a request's head, and is whole; `ended`: there is no body. The head is borrowed, and its headers until a
 * function of this file is asked anything else in this thread. Returns 0, or the status to answer, and *ret_why says why; of
 * `ret`, method and target may be told even then.
 */
int mu_h2_fields_request(struct mu_h2_fields *fields, bool ended, struct mu_head *ret,
                         const char **ret_why);

/* It is a response's, to HEAD if `head_request`. False: it is none to go on with. */
bool mu_h2_fields_response(struct mu_h2_fields *fields, bool ended, bool head_request,
                           struct mu_head *ret);

/* The head again, once it has been told. False: it has not. */
bool mu_h2_fields_head(const struct mu_h2_fields *fields, struct mu_head *ret);

/* What has come behind the head. Returns how many. */
size_t mu_h2_fields_trailers(const struct mu_h2_fields *fields, const struct mu_header **ret);

/* Forget all of it: an interim response's, before the next. */
void mu_h2_fields_clear(struct mu_h2_fields *fields);

#endif
