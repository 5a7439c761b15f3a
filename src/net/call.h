#ifndef MU_NET_CALL_H
#define MU_NET_CALL_H

/* A word to the thread that runs the server, from any other. */

struct mu_call;
struct mu_server;

/* `made` is called in that thread, once or more often, some time after each mu_call_make(). NULL without memory. */
struct mu_call *mu_call_new(struct mu_server *server, void (*made)(void *arg), void *arg);
/* From any thread, while the server is there. */
void mu_call_make(struct mu_call *call);
/* After the server is gone, whose loop has its handle. */
void mu_call_free(struct mu_call *call);

#endif
