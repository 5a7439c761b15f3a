#include "tls/sessions.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tls/internal.h"

/* Its id, which is random, names the few places that a session may have. */
enum { WAYS = 4 };

struct kept {
    SSL_SESSION *session;     /* NULL: there is nothing here */
    struct mu_vetted *vetted; /* NULL: the client had no certificate */
    time_t proven;            /* when it showed that it has the key, or came without one */
    unsigned long number;
};

struct mu_tls_sessions {
    size_t sets;
    unsigned long number; /* of the last that was added */
    struct kept at[];
};

struct mu_tls_sessions *mu_tls_sessions_new(size_t limit)
{
    const size_t sets = (limit + WAYS - 1) / WAYS;
    struct mu_tls_sessions *sessions =
        calloc(1, sizeof *sessions + sets * WAYS * sizeof sessions->at[0]);
    if (sessions != NULL)
        sessions->sets = sets;
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
    for (size_t i = 0; sessions != NULL && i < sessions->sets * WAYS; i++)
        drop(&sessions->at[i]);
    free(sessions);
}

static struct kept *set_of(struct mu_tls_sessions *sessions, const unsigned char *id, size_t len)
{
    size_t number = 0;
    memcpy(&number, id, len < sizeof number ? len : sizeof number);
    return &sessions->at[number % sessions->sets * WAYS];
}

static struct kept *find(struct mu_tls_sessions *sessions, const unsigned char *id, size_t len)
{
    struct kept *set = set_of(sessions, id, len);
    for (size_t i = 0; i < WAYS; i++) {
        unsigned known_len = 0;
        const unsigned char *known =
            set[i].session == NULL ? NULL : SSL_SESSION_get_id(set[i].session, &known_len);
        if (known != NULL && known_len == len && memcmp(known, id, len) == 0)
            return &set[i];
    }
    return NULL;
}

static struct kept *oldest_of(struct kept *set)
{
    struct kept *oldest = set;
    for (size_t i = 1; i < WAYS; i++)
        if (set[i].number < oldest->number)
            oldest = &set[i];
    return oldest;
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
    *ret_copy = 0; /* the reference is added here */
    struct kept *kept =
        tls->sessions == NULL || len <= 0 ? NULL : find(tls->sessions, id, (size_t)len);
    if (kept == NULL || !is_welcome(ssl, kept, time(NULL)) || SSL_SESSION_up_ref(kept->session) != 1)
        return NULL;
    mu_vetted_unref(tls->of_session);
    tls->of_session = mu_vetted_ref(kept->vetted);
    tls->proven = kept->proven;
    return kept->session;
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
    struct kept *kept = oldest_of(set_of(tls->sessions, id, len));
    drop(kept);
    *kept = (struct kept){.session = session,
                          .vetted = mu_vetted_ref(again ? tls->of_session : tls->vetted),
                          .proven = again ? tls->proven : time(NULL),
                          .number = ++tls->sessions->number};
    return 1; /* the reference is kept */
}
