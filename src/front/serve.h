#ifndef MU_FRONT_SERVE_H
#define MU_FRONT_SERVE_H

/* The mutual-TLS server: HTTP, or a way to a backend, for clients whose certificate has been verified, and nothing for
 * anyone else. */

#include <time.h>

#include "base/error.h"
#include "front/door.h"
#include "front/events.h"
#include "front/kick.h"
#include "front/seen.h"
#include "front/who.h"
#include "net/server.h"

struct mu_front;

/* What has become of a change of the files, or of a request to reload. */
struct mu_reload_event {
    /* "reloaded"; "reload-failed": the doors before stay in force; "reload-waiting": so they do, until the other half of a
     * pair has come; "reload-warning". */
    const char *id;
    const char *sentence, *hint, *cause; /* "" where there is none */
    const struct mu_error *err;          /* that the first two are about, or NULL */
};

struct mu_front_config {
    /* What the doors are; asked at the start, and whenever it may be something else. */
    int (*configure)(void *arg, struct mu_config **ret, struct mu_error *err);
    void *configure_arg;
    struct mu_door_loader loader;
    void (*warned)(void *arg, const char *sentence); /* at the start; see mu_door_warn() */
    const char *version;                             /* the program's, for metrics */
    /* All that a person wants to know, as JSON; called from the thread that runs the server. */
    void (*describe)(const struct mu_front *front, const struct mu_survey *survey,
                     struct mu_buf *ret);
    /* Likewise of those who have come in lately; and how long before its end a certificate is spoken of. */
    void (*describe_seen)(const struct mu_front *front, const struct mu_survey *survey,
                          struct mu_buf *ret);
    int64_t expiry_warning_s;
    uint64_t alive_ms; /* see struct mu_server_config */
    struct mu_server_events server_events;
    struct mu_front_events events; /* all that there are; of which each door's log wants some */
    unsigned log; /* enum mu_log_class, together: of doors that do not say themselves */
    /* In the thread that runs the server; its argument is that of `events`. NULL: nobody asks. */
    void (*reloaded)(void *arg, const struct mu_reload_event *event);
};

/*
 * Describe the doors, load them and put them in force; and again on SIGHUP, and when a file of theirs changes. `config` is
 * copied, what it points to borrowed for the front's life. Fails as `configure`, mu_doors_load() and mu_server_new() do.
 */
MU_CHECK int mu_front_new(const struct mu_front_config *config, struct mu_front **ret,
                          struct mu_error *err);
void mu_front_free(struct mu_front *front);
MU_AUTO_DEFINE_STRUCT(mu_front, mu_front_free)

/* How often doors have replaced others since the start, and how often they could not. For any thread. */
struct mu_reloads {
    unsigned long done, failed;
};
struct mu_reloads mu_front_reloads(const struct mu_front *front);

/* Would these doors do, as far as that shows before anybody listens? Fails with MU_E_TLS. */
MU_CHECK int mu_front_check(struct mu_doors *doors, struct mu_error *err);

/* The doors in force. Borrowed. */
const struct mu_doors *mu_front_doors(const struct mu_front *front);

/* Where metrics and health are told, with the port that the kernel chose; NULL: nowhere. Borrowed. */
const struct mu_address *mu_front_status_address(const struct mu_front *front);
/* Where the control socket is; NULL: there is none, and `ret_missing` is why (errno; 0: none was asked for). Borrowed. */
const char *mu_front_control(const struct mu_front *front, int *ret_missing);
/* Who has come in lately. Borrowed. */
struct mu_seen *mu_front_seen(const struct mu_front *front);
/* Who has been kicked out. Borrowed. */
struct mu_kicks *mu_front_kicks(const struct mu_front *front);
time_t mu_front_started(const struct mu_front *front);

/* The server within, for its addresses and for mu_server_run(). Borrowed. */
struct mu_server *mu_front_server(const struct mu_front *front);

#endif
