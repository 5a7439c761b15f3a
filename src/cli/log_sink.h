#ifndef MU_CLI_LOG_SINK_H
#define MU_CLI_LOG_SINK_H

/*
 * Where the lines of a running server go: standard error, by a thread of its own, so that neither a full disk nor a pipe
 * that nobody empties makes those wait who have something to say. What does not fit into its buffer is lost, and
 * counted; the next line that gets through says how many they were.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct mu_log_sink;

/* `lost` writes the line that tells of lost ones: it is called from the sink's own thread, which begins with the first line. Fails with MU_E_NOMEM. */
MU_CHECK int mu_log_sink_new(size_t (*lost)(void *arg, uint64_t count, char *ret, size_t cap),
                             void *arg, struct mu_log_sink **ret, struct mu_error *err);

/* Waits for what is buffered to be written, but not for ever. */
void mu_log_sink_free(struct mu_log_sink *sink);

/* One whole line, with its end. From any thread; never waits for the file. */
void mu_log_sink_put(struct mu_log_sink *sink, const char *line, size_t len);

/* How many lines have been lost so far. From any thread. */
uint64_t mu_log_sink_lost(struct mu_log_sink *sink);

#endif
