#include "front/rate.h"

#include <pthread.h>
#include <stdlib.h>

enum { SETS_LOG2 = 10, WAYS = 8 };

/*
 * Instead of tokens, the time at which the bucket will be full (the generic cell rate algorithm): it moves on by what one
 * token takes to come back, and must not be further away than a whole bucket takes.
 */
struct bucket {
    uint64_t key; /* 0: nobody's */
    int64_t full_us;
};

struct mu_rates {
    int64_t token_us, bucket_us;
    pthread_mutex_t lock;
    struct bucket sets[1 << SETS_LOG2][WAYS];
};

int mu_rates_new(const struct mu_rate *rate, struct mu_rates **ret, struct mu_error *err)
{
    struct mu_rates *rates = calloc(1, sizeof *rates);
    if (rates == NULL)
        return mu_fail_nomem(err);
    rates->bucket_us = (int64_t)rate->per_s * 1000000;
    rates->token_us = rates->bucket_us / rate->count;
    pthread_mutex_init(&rates->lock, NULL);
    *ret = rates;
    return 0;
}

void mu_rates_free(struct mu_rates *rates)
{
    if (rates == NULL)
        return;
    pthread_mutex_destroy(&rates->lock);
    free(rates);
}

static struct bucket *find(struct mu_rates *rates, uint64_t key)
{
    struct bucket *set = rates->sets[(key * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - SETS_LOG2)];
    struct bucket *fullest = set;
    for (int i = 0; i < WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (set[i].full_us < fullest->full_us)
            fullest = &set[i];
    }
    *fullest = (struct bucket){.key = key};
    return fullest;
}

bool mu_rates_take(struct mu_rates *rates, uint64_t key, int64_t now_ms, unsigned *ret_wait_s)
{
    const int64_t now_us = now_ms * 1000;
    pthread_mutex_lock(&rates->lock);
    struct bucket *bucket = find(rates, key);
    const int64_t from_us = bucket->full_us > now_us ? bucket->full_us : now_us;
    const int64_t wait_us = from_us + rates->token_us - now_us - rates->bucket_us;
    if (wait_us <= 0)
        bucket->full_us = from_us + rates->token_us;
    pthread_mutex_unlock(&rates->lock);
    *ret_wait_s = wait_us <= 0 ? 0 : (unsigned)((wait_us + 999999) / 1000000);
    return wait_us <= 0;
}
