#include "tls/sessions.h"

#include <openssl/err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tls/internal.h"

/* Its id, which is random, names the few places that a session may have, and a lock that is these places' among others'. */
enum { WAYS = 4, LOCKS = 64 };

struct kept {
    SSL_SESSION *session; /* NULL: there is nothing here */
    struct mu_vetted *
        vetted; /* a copy, since that of a connection is its thread's; NULL: the client had no certificate */
    time_t proven; /* when it showed that it has the key, or came without one */
    unsigned long number;
};

struct mu_tls_sessions {
    pthread_mutex_t locks[LOCKS];
    size_t sets;
    _Atomic unsigned long number; /* of the last that was added */
    struct kept at[];
};

/* The few places of one id, which nobody else touches meanwhile. */
struct set {
    struct kept *at;
    pthread_mutex_t *lock;
};

struct mu_tls_sessions *mu_tls_sessions_new(size_t limit)
{
    const size_t sets = (limit + WAYS - 1) / WAYS;
    struct mu_tls_sessions *sessions =
        calloc(1, sizeof *sessions + sets * WAYS * sizeof sessions->at[0]);
    if (sessions == NULL)
        return NULL;
    sessions->sets = sets;
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_init(&sessions->locks[i], NULL);
    return sessions;
}

static void drop(struct kept *kept)
{
    SSL_SESSION_free(kept->session);
    mu_vetted_unref(kept->vetted);
    *kept = (struct kept){.session = NULL};
}

void mu_tls_sessions_free(struct mu_tls_sessions *sessions)
{
    if (sessions == NULL)
        return;
    for (size_t i = 0; i < sessions->sets * WAYS; i++)
        drop(&sessions->at[i]);
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&sessions->locks[i]);
    free(sessions);
}

static struct set set_of(struct mu_tls_sessions *sessions, const unsigned char *id, size_t len)
{
    size_t number = 0;
    memcpy(&number, id, len < sizeof number ? len : sizeof number);
    number %= sessions->sets;
    return (struct set){&sessions->at[number * WAYS], &sessions->locks[number % LOCKS]};
}

static const struct kept *find(const struct set *set, const unsigned char *id, size_t len)
{
    for (size_t i = 0; i < WAYS; i++) {
        unsigned known_len = 0;
        const unsigned char *known =
            set->at[i].session == NULL ? NULL : SSL_SESSION_get_id(set->at[i].session, &known_len);
        if (known != NULL && known_len == len && memcmp(known, id, len) == 0)
            return &set->at[i];
    }
    return NULL;
}

static struct kept *oldest_of(const struct set *set)
{
    struct kept *oldest = set->at;
    for (size_t i = 1; i < WAYS; i++)
        if (set->at[i].number < oldest->number)
            oldest = &set->at[i];
    return oldest;
}

/* False: there is none by this id, or no memory. What is found is the caller's. */
static bool take_copy(struct mu_tls_sessions *sessions, const unsigned char *id, size_t len,
                      struct kept *ret)
{
    const struct set set = set_of(sessions, id, len);
    *ret = (struct kept){.session = NULL};
    pthread_mutex_lock(set.lock);
    const struct kept *kept = find(&set, id, len);
    if (kept != NULL && SSL_SESSION_up_ref(kept->session) == 1)
        *ret = (struct kept){.session = kept->session,
                             .vetted = mu_vetted_copy(kept->vetted),
                             .proven = kept->proven};
    const bool good = ret->session != NULL && (ret->vetted != NULL) == (kept->vetted != NULL);
    pthread_mutex_unlock(set.lock);
    if (!good)
        drop(ret);
    return good;
}

/* Is the client of this session welcome at the door to which it has come now, without a full handshake? */
static bool is_welcome(SSL *ssl, const struct kept *kept, time_t now)
{
    SSL_CTX *ctx = SSL_get_SSL_CTX(ssl);
    struct mu_refusal nobody_hears;
    if (!SSL_SESSION_is_resumable(kept->session) || now < kept->proven ||
        now - kept->proven >= mu_tls_session_age(ctx))
        return false;
    if (kept->vetted == NULL)
        return !mu_tls_requires_clients(ctx);
    return mu_vetted_judge(kept->vetted, (struct mu_tls_context *)ctx, &nobody_hears);
}

SSL_SESSION *mu_tls_on_session_wanted(SSL *ssl, const unsigned char *id, int len, int *ret_copy)
{
    struct mu_tls *tls = SSL_get_app_data(ssl);
    struct kept kept;
    *ret_copy = 0; /* the reference is added here */
    if (tls->sessions == NULL || len <= 0 || !take_copy(tls->sessions, id, (size_t)len, &kept))
        return NULL;
    if (!is_welcome(ssl, &kept, time(NULL))) {
        drop(&kept);
        return NULL;
    }
    mu_vetted_unref(tls->of_session);
    tls->of_session = kept.vetted;
    tls->proven = kept.proven;
    return kept.session;
}

int mu_tls_on_session_made(SSL *ssl, SSL_SESSION *session)
{
    struct mu_tls *tls = SSL_get_app_data(ssl);
    unsigned len = 0;
    const unsigned char *id = SSL_SESSION_get_id(session, &len);
    if (tls->sessions == NULL || len == 0 || mu_tls_session_age(SSL_get_SSL_CTX(ssl)) == 0)
        return 0;
    const bool again = SSL_session_reused(ssl) == 1;
    if (!again && tls->vetted == NULL && mu_tls_explains(SSL_get_SSL_CTX(ssl)))
        return 0; /* it is here to be told why it may not come in */
    const struct mu_vetted *vetted = again ? tls->of_session : tls->vetted;
    struct kept kept = {.session = session,
                        .vetted = mu_vetted_copy(vetted),
                        .proven = again ? tls->proven : time(NULL),
                        .number = atomic_fetch_add(&tls->sessions->number, 1) + 1};
    if (vetted != NULL && kept.vetted == NULL)
        return 0;
    const struct set set = set_of(tls->sessions, id, len);
    pthread_mutex_lock(set.lock);
    struct kept *place = oldest_of(&set), before = *place;
    *place = kept;
    pthread_mutex_unlock(set.lock);
    drop(&before);
    return 1; /* the reference is kept */
}
