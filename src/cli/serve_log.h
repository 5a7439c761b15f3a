#ifndef MU_CLI_SERVE_LOG_H
#define MU_CLI_SERVE_LOG_H

/*
 * What `mutual serve` tells while it runs: one line an event, on standard error, whole even when several
 * workers speak at once; text for people, or an object a line. Nobody waits for it to be written (log_sink.h).
 */

#include <stdbool.h>

#include "base/error.h"
#include "front/serve.h"

struct mu_serve_log;

MU_CHECK int mu_serve_log_new(bool json, struct mu_serve_log **ret, struct mu_error *err);
void mu_serve_log_free(struct mu_serve_log *log);
MU_AUTO_DEFINE_STRUCT(mu_serve_log, mu_serve_log_free)

/* Hang the log into a server without a front, and into what carries its connections, for these classes. */
void mu_serve_log_attach_server(struct mu_serve_log *log, unsigned classes,
                                struct mu_server_events *events);
void mu_serve_log_attach_tunnel(struct mu_serve_log *log, unsigned classes,
                                struct mu_forward *forward);

/* What has become of a request to read the files anew. */
void mu_serve_log_reload(struct mu_serve_log *log, const struct mu_reload_event *event);

/* How many lines have been lost so far; the argument is the log. */
uint64_t mu_serve_log_lines_lost(void *log);

/* Another process serves from now on. */
void mu_serve_log_succeeded(struct mu_serve_log *log, pid_t successor);

/* Hang the log into a front's configuration, for these classes of enum mu_log_class. */
void mu_serve_log_attach(struct mu_serve_log *log, unsigned classes, struct mu_front_config *config);

/* How long before its end a client's certificate is spoken of, when its client comes in. */
void mu_serve_log_warn_before(struct mu_serve_log *log, int64_t warning_s);

#endif
