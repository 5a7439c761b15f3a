#include "net/resolver.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/str.h"

enum { REMEMBERED_MAX = 64 };

struct mu_asked_name {
    struct mu_asked_name *next;
    struct mu_resolver *resolver;
    char host[256];
    enum { WAITS, UNDER_WAY, FAILED } state;
    struct mu_inquiry *inquiries;
    const char *why;   /* it has failed, */
    int64_t forget_ms; /* and this is forgotten then */
};

/* --- The system --- */

static void ask_system(const char *host, struct mu_resolved *ret)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    const int status = getaddrinfo(host, NULL, &hints, &list);
    ret->count = 0;
    ret->why = status != 0 ? gai_strerror(status) : "it has no address";
    if (status != 0)
        return;
    for (const struct addrinfo *at = list; at != NULL && ret->count < MU_RESOLVER_ADDRESSES;
         at = at->ai_next) {
        struct mu_address *address = &ret->at[ret->count++];
        *address = (struct mu_address){.len = at->ai_addrlen};
        memcpy(&address->sa, at->ai_addr, at->ai_addrlen);
    }
    freeaddrinfo(list);
}

static int64_t system_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct mu_resolver *mu_resolver_system(void)
{
    static struct mu_resolver resolver = MU_RESOLVER_INIT(ask_system, system_now_ms);
    return &resolver;
}

/* --- Names; the caller has the lock --- */

static void drop(struct mu_resolver *r, struct mu_asked_name *name)
{
    struct mu_asked_name **at = &r->names;
    while (*at != name)
        at = &(*at)->next;
    *at = name->next;
    if (name->state == FAILED)
        r->remembered--;
    free(name);
}

static void forget(struct mu_resolver *r)
{
    const int64_t now_ms = r->now_ms();
    for (struct mu_asked_name *name = r->names, *next; name != NULL; name = next) {
        next = name->next;
        if (name->state == FAILED && name->forget_ms <= now_ms)
            drop(r, name);
    }
}

/* The one of this host, made if there is none. */
static struct mu_asked_name *name_of(struct mu_resolver *r, const char *host)
{
    struct mu_asked_name **at = &r->names;
    for (; *at != NULL; at = &(*at)->next)
        if (strcasecmp((*at)->host, host) == 0)
            return *at;
    struct mu_asked_name *name = calloc(1, sizeof *name);
    if (name == NULL || !mu_str_copy(name->host, sizeof name->host, host)) {
        free(name);
        return NULL;
    }
    name->resolver = r;
    return *at = name;
}

const char *mu_zone_of(const char *host)
{
    size_t dots = 0;
    const char *at = host + strlen(host);
    while (at > host && at[-1] >= '0' && at[-1] <= '9')
        at--;
    if (*at != '\0' && (at == host || at[-1] == '.'))
        return host;
    for (at = host + strlen(host); at > host && (at[-1] != '.' || ++dots < 2);)
        at--;
    return at;
}

bool mu_zone_same(const char *a, const char *b)
{
    return strcasecmp(mu_zone_of(a), mu_zone_of(b)) == 0;
}

/* A few zones that are dead cannot have all places, then. There may be many, but each of them has one. */
bool mu_zone_has_turn(unsigned of_zone, unsigned under_way)
{
    return of_zone == 0 ||
           (of_zone < MU_RESOLVER_OF_ZONE && under_way < MU_RESOLVER_AT_ONCE - MU_RESOLVER_SHARED);
}

static bool has_turn(const struct mu_resolver *r, const struct mu_asked_name *name)
{
    unsigned of_zone = 0;
    if (name->state != WAITS)
        return false;
    for (const struct mu_asked_name *other = r->names; other != NULL; other = other->next)
        of_zone += other->state == UNDER_WAY && mu_zone_same(other->host, name->host);
    return mu_zone_has_turn(of_zone, r->under_way);
}

static struct mu_asked_name *next_in_turn(const struct mu_resolver *r)
{
    struct mu_asked_name *name = r->names;
    while (name != NULL && !has_turn(r, name))
        name = name->next;
    return name;
}

static void answer(struct mu_inquiry *inquiry, const struct mu_resolved *result)
{
    inquiry->result = *result;
    inquiry->name = NULL;
    inquiry->answered(inquiry->arg);
}

static void settle(struct mu_resolver *r, struct mu_asked_name *name,
                   const struct mu_resolved *result)
{
    for (struct mu_inquiry *inquiry; (inquiry = name->inquiries) != NULL;) {
        name->inquiries = inquiry->next;
        answer(inquiry, result);
    }
    if (result->count > 0 || r->remembered == REMEMBERED_MAX) {
        drop(r, name);
        return;
    }
    name->state = FAILED;
    name->why = result->why;
    name->forget_ms = r->now_ms() + MU_RESOLVER_FAILED_MS;
    r->remembered++;
}

/* --- Threads --- */

static void begin(struct mu_resolver *r, struct mu_asked_name *name);

/* Whose turn it is now that one has come to an end: the first goes on in its thread. NULL: nobody's. */
static struct mu_asked_name *go_on(struct mu_resolver *r)
{
    struct mu_asked_name *more, *name = next_in_turn(r);
    if (name == NULL)
        return NULL;
    name->state = UNDER_WAY;
    r->under_way++;
    while (r->under_way < MU_RESOLVER_AT_ONCE && (more = next_in_turn(r)) != NULL)
        begin(r, more);
    return name;
}

static void *ask_in_turn(void *arg)
{
    struct mu_asked_name *name = arg;
    struct mu_resolver *r = name->resolver;
    while (name != NULL) {
        struct mu_resolved result = {.count = 0};
        r->ask(name->host, &result);
        pthread_mutex_lock(&r->lock);
        settle(r, name, &result);
        r->under_way--;
        name = go_on(r);
        pthread_mutex_unlock(&r->lock);
    }
    return NULL;
}

static void begin(struct mu_resolver *r, struct mu_asked_name *name)
{
    static const struct mu_resolved no_thread = {.why = "there is no thread to look it up"};
    pthread_t thread;
    name->state = UNDER_WAY;
    r->under_way++;
    if (pthread_create(&thread, NULL, ask_in_turn, name) == 0) {
        pthread_detach(thread);
        return;
    }
    r->under_way--;
    settle(r, name, &no_thread);
}

bool mu_resolver_ask(struct mu_resolver *resolver, const char *host, struct mu_inquiry *inquiry)
{
    pthread_mutex_lock(&resolver->lock);
    forget(resolver);
    struct mu_asked_name *name = name_of(resolver, host);
    const bool good = name != NULL;
    if (good && name->state == FAILED) {
        answer(inquiry, &(struct mu_resolved){.why = name->why});
    } else if (good) {
        inquiry->name = name;
        inquiry->next = name->inquiries;
        name->inquiries = inquiry;
        if (resolver->under_way < MU_RESOLVER_AT_ONCE && has_turn(resolver, name))
            begin(resolver, name);
    }
    pthread_mutex_unlock(&resolver->lock);
    return good;
}

void mu_resolver_leave(struct mu_resolver *resolver, struct mu_inquiry *inquiry)
{
    pthread_mutex_lock(&resolver->lock);
    struct mu_asked_name *name = inquiry->name;
    if (name != NULL) {
        struct mu_inquiry **at = &name->inquiries;
        while (*at != inquiry)
            at = &(*at)->next;
        *at = inquiry->next;
        inquiry->name = NULL;
        if (name->state == WAITS && name->inquiries == NULL)
            drop(resolver, name);
    }
    pthread_mutex_unlock(&resolver->lock);
}
