#include "net/crowd.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 4096 };

struct group {
    uint64_t key;
    unsigned count;
    struct group *next;
};

struct mu_crowd {
    unsigned limit;
    pthread_mutex_t lock;
    struct group *slots[SLOTS];
};

int mu_crowd_new(unsigned limit, struct mu_crowd **ret, struct mu_error *err)
{
    struct mu_crowd *crowd = calloc(1, sizeof *crowd);
    if (crowd == NULL)
        return mu_fail_nomem(err);
    crowd->limit = limit;
    pthread_mutex_init(&crowd->lock, NULL);
    *ret = crowd;
    return 0;
}

void mu_crowd_free(struct mu_crowd *crowd)
{
    if (crowd == NULL)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        for (struct group *group = crowd->slots[i], *next; group != NULL; group = next) {
            next = group->next;
            free(group);
        }
    pthread_mutex_destroy(&crowd->lock);
    free(crowd);
}

/* An IPv4 address is put where no IPv6 address is: 64:ff9b::/96 is for translation, and nobody's. */
static uint64_t key_of_ipv4(const void *address)
{
    uint32_t number;
    memcpy(&number, address, sizeof number);
    return UINT64_C(0x0064ff9b00000000) | ntohl(number);
}

uint64_t mu_crowd_key(const struct mu_address *address)
{
    uint64_t key = 0;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address->sa;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->sa;
    if (address->sa.ss_family == AF_INET)
        return key_of_ipv4(&v4->sin_addr);
    if (address->sa.ss_family != AF_INET6)
        return 0;
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        return key_of_ipv4(v6->sin6_addr.s6_addr + 12);
    for (size_t i = 0; i < sizeof key; i++)
        key = key << 8 | v6->sin6_addr.s6_addr[i];
    return key == 0 ? 1 : key; /* ::1 and its like are somebody */
}

/* Multiplication spreads neighbours; the upper bits have seen all of the lower ones. */
static struct group **find(struct mu_crowd *crowd, uint64_t key)
{
    struct group **at = &crowd->slots[(key * UINT64_C(0x9e3779b97f4a7c15)) >> 52];
    while (*at != NULL && (*at)->key != key)
        at = &(*at)->next;
    return at;
}

static bool add_one(struct mu_crowd *crowd, uint64_t key)
{
    struct group **at = find(crowd, key);
    if (*at == NULL && (*at = calloc(1, sizeof **at)) != NULL)
        (*at)->key = key;
    if (*at == NULL || (*at)->count >= crowd->limit)
        return false;
    (*at)->count++;
    return true;
}

bool mu_crowd_enter(struct mu_crowd *crowd, uint64_t key)
{
    if (key == 0)
        return true;
    pthread_mutex_lock(&crowd->lock);
    bool added = add_one(crowd, key);
    pthread_mutex_unlock(&crowd->lock);
    return added;
}

void mu_crowd_leave(struct mu_crowd *crowd, uint64_t key)
{
    if (key == 0)
        return;
    pthread_mutex_lock(&crowd->lock);
    struct group **at = find(crowd, key), *group = *at;
    if (group != NULL && --group->count == 0) {
        *at = group->next;
        free(group);
    }
    pthread_mutex_unlock(&crowd->lock);
}
