#ifndef MU_NET_WORKER_H
#define MU_NET_WORKER_H

/* A thread that serves, as protocols and those who ask for them see it. */

struct mu_worker;

/* A place for what protocols have in common on this worker; NULL at first. What is there must be gone when the last of its streams
 * has been dropped. */
void **mu_worker_common(struct mu_worker *worker);

/* Tell mu_server_events.trouble; from the worker's thread. */
void mu_worker_tell(struct mu_worker *worker, const char *id, const char *sentence,
                    const char *hint);

#endif
