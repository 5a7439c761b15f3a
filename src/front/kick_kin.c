/*
 * Whoever is kicked out is kept out by every process that there is of this server: by the one that has made way for it and still has
 * clients, and by the one for which it makes way.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "front/internal.h"

static const char kick_word[] = "kick ", undo_word[] = "undo ";

static void say_kick(const struct mu_front *front, const char *who, time_t until)
{
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    mu_buf_addf(&text, "%s%" PRId64 " %s", kick_word, (int64_t)until, who);
    if (!mu_buf_failed(&text))
        mu_server_pass_on(front->server, mu_buf_str(&text));
}

int mu_front_kick(const struct mu_front *front, const char *who, time_t until, struct mu_error *err)
{
    if (mu_kicks_add(front->kicks, who, until, err) != 0)
        return -1;
    say_kick(front, who, until);
    mu_server_review(front->server);
    return 0;
}

bool mu_front_undo_kick(const struct mu_front *front, const char *who)
{
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    mu_buf_addf(&text, "%s%s", undo_word, who);
    if (!mu_buf_failed(&text))
        mu_server_pass_on(front->server, mu_buf_str(&text));
    return mu_kicks_undo(front->kicks, who);
}

static void say_one(void *front, const char *who, time_t until)
{
    say_kick(front, who, until);
}

void mu_front_introduce(void *arg)
{
    const struct mu_front *front = arg;
    mu_kicks_each(front->kicks, time(NULL), say_one, arg);
}

/* The other process may be of another version, and say what this one does not know. */
void mu_front_told(void *arg, const char *text)
{
    const struct mu_front *front = arg;
    struct mu_error ignored = MU_ERROR_INIT;
    char *who;
    if (mu_str_starts_with(text, undo_word)) {
        (void)mu_kicks_undo(front->kicks, text + strlen(undo_word));
        return;
    }
    if (!mu_str_starts_with(text, kick_word))
        return;
    const time_t until = (time_t)strtoll(text + strlen(kick_word), &who, 10);
    if (*who == ' ' && mu_kicks_add(front->kicks, who + 1, until, &ignored) == 0)
        mu_server_review(front->server);
}
