#ifndef MU_NET_WATCH_H
#define MU_NET_WATCH_H

/*
 * Files, and whether they are still what they were: replaced by a rename, written in place, or behind a symbolic link that
 * leads elsewhere now. What tells is a look at each, every two seconds; the kernel's notes about the directories
 * only bring the next look forward, so that a filesystem without them is slower, and no less sure.
 */

#include "base/error.h"
#include "base/str.h"
#include "net/server.h"

struct mu_watch;

/* `changed` is called in the thread that runs the server, when some files are no longer what they were at the last look.
 * That is mu_watch_look(), which it should call before it reads any: a change while it reads is then told by another call. */
MU_CHECK int mu_watch_new(void (*changed)(void *arg), void *arg, struct mu_watch **ret,
                          struct mu_error *err);
/* From now on, while this server runs; before that nobody is called. */
void mu_watch_start(struct mu_watch *watch, struct mu_server *server);
/* After the server is gone, whose loop has its handles. */
void mu_watch_free(struct mu_watch *watch);

/* These files from now on. Those that were watched before are compared with what was seen then. Fails with MU_E_NOMEM. */
MU_CHECK int mu_watch_set(struct mu_watch *watch, const struct mu_strs *paths, struct mu_error *err);

/* Look at every file now, without calling anybody, and add those that have changed since the last look. Whoever wanted to be called
 * again does not any more. */
void mu_watch_look(struct mu_watch *watch, struct mu_strs *ret_changed);

/* Call `changed` after so many milliseconds, or soon after that, whether anything has or not. Of several, the first one counts. */
void mu_watch_again(struct mu_watch *watch, unsigned after_ms);
enum { MU_WATCH_SOON_MS = 100 };

#endif
