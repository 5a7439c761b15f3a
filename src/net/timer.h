#ifndef MU_NET_TIMER_H
#define MU_NET_TIMER_H

/* Something that is due on a worker's thread, again and again. */

struct mu_timer;
struct mu_worker;

/* `due` is called at once, when the loop turns, and then every so many milliseconds. NULL without memory. */
struct mu_timer *mu_timer_start(struct mu_worker *worker, unsigned every_ms, void (*due)(void *arg),
                                void *arg);
void mu_timer_free(struct mu_timer *timer);

#endif
