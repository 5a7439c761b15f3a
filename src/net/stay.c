/*
 * Would the client of a connection be let in today? Asked when it comes, since a handshake may have begun before the doors became
 * others, and of those who are in when that which decides it has changed (review.c).
 */

#include <string.h>

#include "net/internal.h"

static bool is_barred(const struct mu_conn *c, struct mu_refusal *ret)
{
    const struct mu_server_events *events = &c->worker->config->events;
    const struct mu_vetted *vetted = mu_tls_vetted(c->channel.tls);
    return events->barred != NULL && vetted != NULL &&
           events->barred(events->reload_arg, mu_vetted_cert(vetted), ret);
}

static void note_untracked(struct mu_conn *c, bool untracked)
{
    if (untracked != c->untracked)
        mu_count(&c->worker->counters.untracked, untracked ? 1 : UINT64_MAX);
    c->untracked = untracked;
}

/* By rules that took the place of those by which it came in. */
static bool is_admitted(const struct mu_conn *c, const struct mu_server_door *now,
                        struct mu_refusal *ret)
{
    const struct mu_vetted *vetted = mu_tls_vetted(c->channel.tls);
    return now == c->door || now->admits == NULL || c->door->admits == NULL ||
           now->admits(now->rules, c->door->rules, vetted == NULL ? NULL : mu_vetted_cert(vetted),
                       ret);
}

/* To which it would come; NULL: it has gone. */
static const struct mu_worker_door *door_now(const struct mu_conn *c)
{
    const struct mu_tls *tls = c->channel.tls;
    const struct mu_hall *hall = c->worker->hall;
    const char *asked = mu_tls_asked(tls);
    const struct mu_worker_door *door =
        c->hall == hall ? mu_tls_door(tls) : mu_hall_door(hall, c->gate, asked, strlen(asked));
    return door == NULL || door->tls == NULL ? NULL : door;
}

/* Two names of one door may be those of two by now, with other rules for the second. */
bool mu_conn_still_leads_to(const struct mu_conn *c, const char *name, size_t len)
{
    const struct mu_hall *hall = c->worker->hall;
    const char *asked = mu_tls_asked(c->channel.tls);
    return c->hall == hall || mu_hall_door(hall, c->gate, name, len) ==
                                  mu_hall_door(hall, c->gate, asked, strlen(asked));
}

/* What a CA has taken back, it has taken back at all doors. */
static bool is_revoked_anywhere(const struct mu_conn *c, struct mu_refusal *ret)
{
    const struct mu_vetted *vetted = mu_tls_vetted(c->channel.tls);
    const struct mu_hall *hall = c->worker->hall;
    for (size_t i = 0; vetted != NULL && i < hall->door_count; i++)
        if (hall->doors[i].tls != NULL && mu_vetted_is_revoked(vetted, hall->doors[i].tls, ret))
            return true;
    return false;
}

/* Where its door has gone, nobody else's rules are for it: it is judged by that door's, as they were. */
bool mu_conn_may_stay(struct mu_conn *c, struct mu_refusal *ret)
{
    struct mu_tls *tls = c->channel.tls;
    const struct mu_worker_door *door = door_now(c);
    note_untracked(c, door == NULL);
    if (c->untracked)
        door = mu_tls_door(tls);
    if (is_barred(c, ret) || (c->untracked && is_revoked_anywhere(c, ret)))
        return false;
    mu_refusal_set(ret, MU_REFUSAL_CERT_MISSING);
    const bool is_good = mu_tls_vetted(tls) == NULL
                             ? door->door->tls.clients_optional
                             : mu_vetted_judge(mu_tls_vetted(tls), door->tls, ret);
    struct mu_refusal by_rules;
    if (!is_good && !ret->only_lacks_list)
        return false;
    if (is_admitted(c, door->door, &by_rules))
        return is_good;
    *ret = by_rules;
    return false;
}

void mu_conn_ask_about(struct mu_conn *c)
{
    const struct mu_vetted *vetted = mu_tls_vetted(c->channel.tls);
    const struct mu_worker_door *door = door_now(c);
    const struct mu_voucher *voucher = door == NULL ? NULL : door->door->voucher;
    void *asked = voucher == NULL || vetted == NULL ? NULL : voucher->join(voucher->arg, vetted);
    if (asked == NULL)
        return;
    if (c->asked != NULL)
        c->leave_asked(c->asked);
    c->asked = asked;
    c->leave_asked = voucher->leave;
}

bool mu_conn_is_welcome(struct mu_conn *c, struct mu_refusal *ret)
{
    return c->hall == c->worker->hall ? !is_barred(c, ret) : mu_conn_may_stay(c, ret);
}

void mu_conn_leave_track(struct mu_conn *c)
{
    note_untracked(c, false);
}
