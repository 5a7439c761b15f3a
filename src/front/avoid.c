#include "front/avoid.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_ours(int why)
{
    return why == EMFILE || why == ENFILE || why == ENOMEM || why == ENOBUFS ||
           why == EADDRNOTAVAIL;
}

/* Whoever has no name is nobody's backend: a list is fetched there. */
static void tell(const struct mu_backend *backend, struct mu_worker *worker, const char *how)
{
    char sentence[MU_ERROR_WHAT_LEN];
    if (backend->name[0] == '\0')
        return;
    snprintf(sentence, sizeof sentence, "the backend %s %s: it is left alone for %d seconds",
             backend->name, how, MU_BACKEND_AVOIDED_MS / 1000);
    mu_worker_tell(worker, "backend-avoided", sentence,
                   "look what is wrong there; where there is no other, it is tried all the same");
}

void mu_avoid_unreachable(struct mu_backend *backend, struct mu_worker *worker, int why)
{
    char how[128];
    if (is_ours(why) || !mu_backend_avoid(backend, mu_backend_now_ms()))
        return;
    snprintf(how, sizeof how, "cannot be reached%s%s%s", why == 0 ? "" : " (",
             why == 0 ? "" : strerror(why), why == 0 ? "" : ")");
    tell(backend, worker, how);
}

void mu_avoid_failed(struct mu_backend *backend, struct mu_worker *worker)
{
    if (mu_backend_failed(backend, mu_backend_now_ms()))
        tell(backend, worker, "has not answered several requests in a row");
}

void mu_avoid_over(struct mu_backend *backend, struct mu_worker *worker)
{
    char sentence[MU_ADDRESS_LEN + 64];
    if (!mu_backend_answered(backend) || backend->name[0] == '\0')
        return;
    snprintf(sentence, sizeof sentence, "the backend %s answers again", backend->name);
    mu_worker_tell(worker, "backend-back", sentence, "nothing needs to be done");
}
