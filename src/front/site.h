#ifndef MU_FRONT_SITE_H
#define MU_FRONT_SITE_H

/* What is served: a greeting, or the files of a directory. */

#include "base/error.h"
#include "http/message.h"

/* `/` is "Hello World"; there is nothing else. */
void mu_hello_respond(const struct mu_request *request, struct mu_response *ret);

struct mu_files;

/*
 * Serve the regular files below `dir`, index.html for a directory. Nothing outside `dir` is ever opened,
 * by "..", by an absolute name or by a symbolic link: the kernel resolves names beneath it
 * (openat2, RESOLVE_BENEATH). Fails with MU_E_NOT_FOUND, MU_E_WRONG_KIND, MU_E_SYSTEM (Linux before 5.6).
 */
MU_CHECK int mu_files_open(const char *dir, struct mu_files **ret, struct mu_error *err);
void mu_files_free(struct mu_files *files);
MU_AUTO_DEFINE_STRUCT(mu_files, mu_files_free)

/* Safe to call from several threads. Types, ranges and conditions as in RFC 9110 13 and 14. */
void mu_files_respond(const struct mu_files *files, const struct mu_request *request,
                      struct mu_response *ret);

/* The origin-form of a target ("/path?query"): without the scheme and authority of the absolute-form. A target
 * of another form is returned as it is. [RFC 9112 3.2.2] */
const char *mu_target_origin(const char *target);

/*
 * The path of a request target, decoded, without the query: what mu_files_respond() looks up, relative to
 * the directory ("" for the directory itself). `ret` has room for strlen(target) + 1 bytes. False: it is no
 * path (bad escapes, a NUL, ".." as a segment, not origin-form or absolute-form). [RFC 9112 3.2]
 */
bool mu_target_path(const char *target, char *ret);

#endif
