#include "front/seen.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"

enum { SETS = 4096, WAYS = 4, CHAIN_MAX = 16 * 1024 };

/* One piece of memory: the texts and the chain stand behind it. */
struct entry {
    unsigned char presented[32];
    struct mu_seen_client client;
};

struct mu_seen {
    pthread_mutex_t lock;
    struct entry *at[SETS][WAYS];
};

struct mu_seen *mu_seen_new(void)
{
    struct mu_seen *seen = calloc(1, sizeof *seen);
    if (seen != NULL)
        pthread_mutex_init(&seen->lock, NULL);
    return seen;
}

void mu_seen_free(struct mu_seen *seen)
{
    if (seen == NULL)
        return;
    for (size_t i = 0; i < SETS; i++)
        for (size_t j = 0; j < WAYS; j++)
            free(seen->at[i][j]);
    pthread_mutex_destroy(&seen->lock);
    free(seen);
}

static bool is(const struct entry *entry, const unsigned char sha256[32], const char *listen,
               const char *asked)
{
    return entry != NULL &&
           memcmp(entry->client.sha256, sha256, sizeof entry->client.sha256) == 0 &&
           mu_str_equal(entry->client.listen, listen) && mu_str_equal(entry->client.asked, asked);
}

static struct entry *make(const struct mu_vetted *vetted, const char *listen, const char *asked,
                          time_t now)
{
    const struct mu_cert *cert = mu_vetted_cert(vetted);
    const size_t listen_len = strlen(listen) + 1, asked_len = strlen(asked) + 1;
    MU_AUTO_CLEAR(mu_buf) chain = MU_BUF_INIT;
    mu_vetted_sent(vetted, &chain);
    /* Who sends more than that fills a memory that is for all. */
    struct entry *entry = mu_buf_failed(&chain) || chain.len > CHAIN_MAX
                              ? NULL
                              : malloc(sizeof *entry + listen_len + asked_len + chain.len + 1);
    if (entry == NULL)
        return NULL;
    char *texts = (char *)(entry + 1);
    memcpy(texts, listen, listen_len);
    memcpy(texts + listen_len, asked, asked_len);
    memcpy(texts + listen_len + asked_len, mu_buf_str(&chain), chain.len + 1);
    memcpy(entry->presented, mu_vetted_presented(vetted), sizeof entry->presented);
    entry->client = (struct mu_seen_client){
        .listen = texts,
        .asked = texts + listen_len,
        .last = now,
        .from = mu_cert_not_before(cert),
        .until = mu_cert_not_after(cert),
        .chain = texts + listen_len + asked_len,
    };
    memcpy(entry->client.sha256, mu_vetted_sha256(vetted), sizeof entry->client.sha256);
    return entry;
}

/* Those of one certificate have the same few places, so that nobody fills more of them by what else it presents. */
static struct entry **set_of(struct mu_seen *seen, const unsigned char sha256[32])
{
    return seen->at[(sha256[0] << 8 | sha256[1]) % SETS];
}

/* Its own, a free one, or that of whoever was seen longest ago. */
static struct entry **place_for(struct entry *set[WAYS], const unsigned char sha256[32],
                                const char *listen, const char *asked)
{
    struct entry **place = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (is(set[i], sha256, listen, asked))
            return &set[i];
        if (*place != NULL && (set[i] == NULL || set[i]->client.last < (*place)->client.last))
            place = &set[i];
    }
    return place;
}

/* With the same chain as last time there is nothing to write down but when it was. */
static bool note_again(struct mu_seen *seen, const struct mu_vetted *vetted, const char *listen,
                       const char *asked, time_t now)
{
    const unsigned char *sha256 = mu_vetted_sha256(vetted);
    pthread_mutex_lock(&seen->lock);
    struct entry *entry = *place_for(set_of(seen, sha256), sha256, listen, asked);
    const bool known =
        is(entry, sha256, listen, asked) &&
        memcmp(entry->presented, mu_vetted_presented(vetted), sizeof entry->presented) == 0;
    if (known)
        entry->client.last = now;
    pthread_mutex_unlock(&seen->lock);
    return known;
}

void mu_seen_note(struct mu_seen *seen, const struct mu_vetted *vetted, const char *listen,
                  const char *asked, time_t now)
{
    const unsigned char *sha256 = mu_vetted_sha256(vetted);
    if (note_again(seen, vetted, listen, asked, now))
        return;
    struct entry *entry = make(vetted, listen, asked, now); /* while others go on */
    if (entry == NULL)
        return;
    pthread_mutex_lock(&seen->lock);
    struct entry **place = place_for(set_of(seen, sha256), sha256, listen, asked), *before = *place;
    *place = entry;
    pthread_mutex_unlock(&seen->lock);
    free(before);
}

static bool is_since(const struct entry *entry, time_t since)
{
    return entry != NULL && entry->client.last >= since;
}

static void tell_set(struct entry *set[WAYS], time_t since,
                     void (*tell)(void *arg, const struct mu_seen_client *client), void *arg)
{
    for (size_t i = 0; i < WAYS; i++) {
        if (!is_since(set[i], since))
            continue;
        struct mu_seen_client client = set[i]->client;
        for (size_t j = 0; j < i; j++)
            if (is_since(set[j], since) &&
                memcmp(set[j]->client.sha256, client.sha256, sizeof client.sha256) == 0)
                client.again = true;
        tell(arg, &client);
    }
}

void mu_seen_each(struct mu_seen *seen, time_t since,
                  void (*tell)(void *arg, const struct mu_seen_client *client), void *arg)
{
    for (size_t i = 0; i < SETS; i++) { /* in between, those who come in get their turn */
        pthread_mutex_lock(&seen->lock);
        tell_set(seen->at[i], since, tell, arg);
        pthread_mutex_unlock(&seen->lock);
    }
}

bool mu_seen_ends_soon(const struct mu_seen_client *client, time_t now, int64_t within_s)
{
    const int64_t left_s = (int64_t)client->until - now, whole_s = client->until - client->from;
    return left_s < within_s && left_s < whole_s / 4;
}
