/*
 * The life of a configuration, from the outside in: renew() describes the doors, loads them and puts them in force, at the start and
 * whenever they may have become others. What fails on the way changes nothing: the doors before stay in force.
 */

#include <stdio.h>
#include <stdlib.h>

#include "front/internal.h"

/* What is kept of lists outlives all doors, where the first ones say. */
static int settle_points(struct mu_front *front, const struct mu_config *config,
                         struct mu_error *err)
{
    if (front->points != NULL)
        return 0;
    if (mu_points_new(config->crl_cache, &front->points, err) != 0)
        return -1;
    if (mu_ocsp_new(&front->ocsp, err) != 0)
        return -1;
    front->config.loader.points = front->points;
    front->config.loader.ocsp = front->ocsp;
    return 0;
}

/* The files are looked at before they are read, so that a change meanwhile is seen as one, and not taken for what was read. */
static int renew(struct mu_front *front, struct mu_error *err)
{
    const struct mu_front_config *how = &front->config;
    struct mu_config *config = NULL;
    struct mu_doors *doors = NULL;
    MU_AUTO_CLEAR(mu_strs) paths = {0};
    mu_watch_look(front->watch, &front->changed);
    if (how->configure(how->configure_arg, &config, err) != 0)
        return -1;
    if (settle_points(front, config, err) != 0 || mu_config_paths(config, &paths, err) != 0 ||
        mu_watch_set(front->watch, &paths, err) != 0) {
        mu_config_free(config);
        return -1;
    }
    if (mu_doors_load(config, &how->loader, &doors, err) != 0)
        return -1;
    if (mu_doors_check_lists(doors, front->doors, err) != 0) {
        mu_doors_free(doors);
        return -1;
    }
    mu_doors_follow(doors, front->doors);
    return mu_front_put_in_force(front, doors, err);
}

/* --- What is said of it --- */

/* Then it is for a few more seconds, and only for those who are in; another process may say the same of itself. */
static bool is_stopping(const struct mu_front *front)
{
    return front->server != NULL && mu_server_is_stopping(front->server);
}

static void tell(struct mu_front *front, const char *id, const char *sentence, const char *hint,
                 const struct mu_error *err)
{
    const struct mu_reload_event event = {id, sentence, hint, err == NULL ? "" : err->cause, err};
    if (front->config.reloaded != NULL && !is_stopping(front))
        front->config.reloaded(front->config.events.arg, &event);
}

static void tell_warning(void *arg, const char *sentence)
{
    tell(arg, "reload-warning", sentence, "", NULL);
}

/* A file may change more than once before all is well. */
static bool stood_before(const struct mu_strs *list, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (mu_str_equal(list->at[j], list->at[i]))
            return true;
    return false;
}

/* Hundreds of lists may have come at once, and a line of the log has an end. */
static void add_changed(struct mu_buf *text, const struct mu_strs *changed)
{
    enum { NAMED_MAX = 10 };
    size_t named = 0, more = 0;
    for (size_t i = 0; i < changed->count; i++)
        if (stood_before(changed, i))
            continue;
        else if (named < NAMED_MAX)
            mu_buf_addf(text, "%s%s", named++ == 0 ? "; changed: " : ", ", changed->at[i]);
        else
            more++;
    if (more > 0)
        mu_buf_addf(text, ", and %zu more", more);
}

static void tell_done(struct mu_front *front)
{
    const struct mu_config *config = front->doors->config;
    const struct mu_server_config *server = &front->server_config;
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    mu_buf_addf(&text, "%zu door%s in force anew", front->doors->count,
                front->doors->count == 1 ? " is" : "s are");
    add_changed(&text, &front->changed);
    tell(front, "reloaded", mu_buf_str(&text), "", NULL);
    for (size_t i = 0; i < front->doors->count; i++)
        mu_door_warn(&front->doors->at[i], tell_warning, front);
    if (config->workers != server->workers || config->max_connections != server->max_connections ||
        config->max_from_address != server->max_from_address ||
        config->max_handshakes != server->max_handshakes || config->stop_ms != server->stop_ms)
        tell_warning(front,
                     "workers, the bounds on connections and stop_timeout stay as they are until the "
                     "next start");
}

/* One file of a pair comes before the other, so that for a while they are none. */
static void tell_failure(struct mu_front *front, const struct mu_error *err)
{
    tell(front, err->code == MU_E_KEY_MISMATCH ? "reload-waiting" : "reload-failed", err->what,
         front->lists_wait
             ? "the doors before stay in force, without the revocation lists that have come; it is "
               "tried again by and by, and when a file changes, or on SIGHUP"
             : "the doors before stay in force; it is tried again when a file changes, or on SIGHUP",
         err);
}

/* --- When --- */

/* What a list brings must not get lost because a name could not be looked up at that moment: it is fetched once. */
static void try_later(struct mu_front *front)
{
    enum { FIRST_MS = 1000, DOUBLINGS_MAX = 6 };
    mu_watch_again(front->watch, FIRST_MS << front->retries);
    if (front->retries < DOUBLINGS_MAX)
        front->retries++;
}

static void reload(struct mu_front *front, bool asked)
{
    struct mu_error err = MU_ERROR_INIT;
    if (renew(front, &err) == 0) {
        front->last_failure[0] = '\0';
        front->replacing = true;
        front->lists_wait = false;
        front->retries = 0;
    } else if (err.code == MU_E_BUSY) {
        mu_watch_again(front->watch, MU_WATCH_SOON_MS);
    } else {
        if (err.code != MU_E_KEY_MISMATCH)
            atomic_fetch_add(&front->failed, 1);
        if (asked || !mu_str_equal(front->last_failure, err.what))
            tell_failure(front, &err);
        mu_str_copy(front->last_failure, sizeof front->last_failure, err.what);
        if (front->lists_wait)
            try_later(front);
    }
}

static void tell_of_list(void *arg, bool taken, const struct mu_error *err)
{
    if (taken)
        tell(arg, "crl-not-kept", err->what,
             "it counts until the server ends; let the user that it runs as write to that directory",
             err);
    else
        tell(arg, "crl-refused", err->what, "the list before stays in force, if there is one", err);
}

/* What comes while others are being put in force is put in force behind them, all at once. */
static void on_arrival(void *arg)
{
    struct mu_front *front = arg;
    front->arrival_waits = front->replacing;
    if (front->arrival_waits)
        return;
    if (!mu_points_take(front->points, &front->changed, tell_of_list, front))
        return;
    front->lists_wait = true;
    reload(front, false);
}

static bool add_all(struct mu_strs *to, const struct mu_strs *from)
{
    bool ok = true;
    for (size_t i = 0; ok && i < from->count; i++)
        ok = mu_strs_add(to, from->at[i]) == 0;
    return ok;
}

static void replace(struct mu_strs *before, struct mu_strs *now)
{
    mu_strs_clear(before);
    *before = *now;
    *now = (struct mu_strs){0};
}

/* What is known goes on being asked for; where no door may ask any more, nobody does. Without memory that is anywhere, until
 * the next client comes. Most changes are of other things, and what is known may be much. */
static void forbid_other_hosts(struct mu_front *front)
{
    MU_AUTO_CLEAR(mu_strs) lists = {0};
    MU_AUTO_CLEAR(mu_strs) responders = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < front->doors->count; i++) {
        const struct mu_door_config *door = front->doors->at[i].config;
        ok = add_all(&lists, &door->fetch_crl) && add_all(&responders, &door->fetch_ocsp);
    }
    if (!ok || !mu_strs_same(&lists, &front->list_hosts))
        mu_points_forbid_others(front->points, &lists);
    if (!ok || !mu_strs_same(&responders, &front->responder_hosts))
        mu_ocsp_forbid_others(front->ocsp, &responders);
    replace(&front->list_hosts, &lists);
    replace(&front->responder_hosts, &responders);
}

void mu_front_on_moved(void *arg)
{
    struct mu_front *front = arg;
    mu_front_let_go(&front->former_lists);
    if (!front->replacing)
        return;
    front->replacing = false;
    forbid_other_hosts(front);
    atomic_fetch_add(&front->done, 1);
    tell_done(front);
    mu_strs_clear(&front->changed);
    if (front->arrival_waits)
        on_arrival(front);
}

void mu_front_on_hangup(void *front)
{
    reload(front, true);
}

static void on_change(void *front)
{
    reload(front, false);
}

static void on_revoked(void *arg)
{
    const struct mu_front *front = arg;
    mu_server_review(front->server);
}

struct mu_reloads mu_front_reloads(const struct mu_front *front)
{
    return (struct mu_reloads){atomic_load(&front->done), atomic_load(&front->failed)};
}

/* --- The first time, and the last --- */

int mu_front_new(const struct mu_front_config *config, struct mu_front **ret, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_front) front = calloc(1, sizeof *front);
    if (front == NULL)
        return mu_fail_nomem(err);
    front->config = *config;
    front->kicks = mu_kicks_new();
    front->seen = mu_seen_new();
    if (front->kicks == NULL || front->seen == NULL)
        return mu_fail_nomem(err);
    if (mu_watch_new(on_change, front, &front->watch, err) != 0 || renew(front, err) != 0)
        return -1;
    for (size_t i = 0; i < front->doors->count; i++)
        mu_door_warn(&front->doors->at[i], config->warned, NULL);
    front->arrived = mu_call_new(front->server, on_arrival, front);
    front->revoked = mu_call_new(front->server, on_revoked, front);
    if (front->arrived == NULL || front->revoked == NULL)
        return mu_fail_nomem(err);
    mu_ocsp_on_revoked(front->ocsp, front->revoked);
    mu_points_on_arrival(front->points, front->arrived);
    mu_watch_start(front->watch, front->server);
    *ret = mu_take(&front);
    return 0;
}

void mu_front_free(struct mu_front *front)
{
    if (front == NULL)
        return;
    mu_server_free(front->server);
    mu_watch_free(front->watch);
    mu_kicks_free(front->kicks);
    mu_seen_free(front->seen);
    mu_front_let_go(&front->lists);
    mu_front_let_go(&front->former_lists);
    mu_call_free(front->arrived);
    mu_points_free(front->points);
    mu_call_free(front->revoked);
    mu_ocsp_free(front->ocsp);
    mu_strs_clear(&front->changed);
    mu_strs_clear(&front->list_hosts);
    mu_strs_clear(&front->responder_hosts);
    free(front);
}
