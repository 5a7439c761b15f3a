#include "../check.h"

#include <pthread.h>

#include "net/resolver.h"

/* A system that answers when it is told to, and how often it has been asked. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned asked, may_answer, answered;
static int64_t now_ms = 1;

static void wait_for(const unsigned *what, unsigned number)
{
    pthread_mutex_lock(&lock);
    while (*what < number)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void add(unsigned *what, unsigned number)
{
    pthread_mutex_lock(&lock);
    *what += number;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void ask(const char *host, struct mu_resolved *ret)
{
    add(&asked, 1);
    pthread_mutex_lock(&lock);
    while (may_answer == 0)
        pthread_cond_wait(&changed, &lock);
    may_answer--;
    pthread_mutex_unlock(&lock);
    ret->count = strstr(host, "none") == NULL;
    ret->why = "it has none";
}

static int64_t tell_time(void)
{
    return now_ms;
}

static void on_answered(void *arg)
{
    (void)arg;
    add(&answered, 1);
}

static struct mu_resolver resolver = MU_RESOLVER_INIT(ask, tell_time);

static void begin(struct mu_inquiry *inquiry, const char *host)
{
    *inquiry = (struct mu_inquiry){.answered = on_answered};
    assert_true(mu_resolver_ask(&resolver, host, inquiry));
}

/* Threads go by themselves: a count may be looked at when the last of them has. */
static unsigned under_way(void)
{
    pthread_mutex_lock(&resolver.lock);
    const unsigned count = resolver.under_way;
    pthread_mutex_unlock(&resolver.lock);
    return count;
}

static int start_anew(void **state)
{
    (void)state;
    while (under_way() > 0)
        ;
    asked = may_answer = answered = 0;
    return 0;
}

static void a_name_is_asked_for_once_at_a_time(void **state)
{
    (void)state;
    struct mu_inquiry one, same, gone;
    begin(&one, "a.example");
    begin(&same, "A.example");
    begin(&gone, "a.example");
    mu_resolver_leave(&resolver, &gone);
    wait_for(&asked, 1);
    assert_int_equal(under_way(), 1);
    add(&may_answer, 1);
    wait_for(&answered, 2);
    mu_resolver_leave(&resolver, &one);
    mu_resolver_leave(&resolver, &same);
    assert_int_equal(one.result.count, 1);
    assert_int_equal(same.result.count, 1);
    assert_int_equal(gone.result.count, 0);
}

static void a_dead_zone_leaves_room_for_others(void **state)
{
    (void)state;
    struct mu_inquiry dead[MU_RESOLVER_OF_ZONE + 2], other;
    char host[32];
    for (size_t i = 0; i < MU_COUNT(dead); i++) {
        snprintf(host, sizeof host, "a.%zu.dead.example", i);
        begin(&dead[i], host);
    }
    assert_int_equal(under_way(), MU_RESOLVER_OF_ZONE);
    begin(&other, "alive.example"); /* of the zone alive.example */
    assert_int_equal(under_way(), MU_RESOLVER_OF_ZONE + 1);
    mu_resolver_leave(&resolver, &dead[MU_RESOLVER_OF_ZONE]); /* it is never asked for */
    add(&may_answer, MU_COUNT(dead));
    wait_for(&answered, MU_COUNT(dead));
    assert_int_equal(asked, MU_COUNT(dead));
    for (size_t i = 0; i < MU_COUNT(dead); i++)
        mu_resolver_leave(&resolver, &dead[i]);
    mu_resolver_leave(&resolver, &other);
}

static void four_dead_zones_leave_room_for_others_too(void **state)
{
    (void)state;
    struct mu_inquiry dead[4 * MU_RESOLVER_OF_ZONE], other[MU_RESOLVER_OF_ZONE];
    char host[32];
    for (size_t i = 0; i < MU_COUNT(dead); i++) {
        snprintf(host, sizeof host, "a%zu.dead-%zu.example", i, i % 4);
        begin(&dead[i], host);
    }
    assert_int_equal(under_way(), MU_RESOLVER_AT_ONCE - MU_RESOLVER_SHARED);
    for (size_t i = 0; i < MU_COUNT(other); i++) {
        snprintf(host, sizeof host, "alive-%zu.example", i);
        begin(&other[i], host);
    }
    wait_for(&asked, MU_RESOLVER_AT_ONCE - MU_RESOLVER_SHARED + MU_COUNT(other));
    add(&may_answer, MU_COUNT(dead) + MU_COUNT(other));
    wait_for(&answered, MU_COUNT(dead) + MU_COUNT(other));
    for (size_t i = 0; i < MU_COUNT(dead); i++)
        mu_resolver_leave(&resolver, &dead[i]);
    for (size_t i = 0; i < MU_COUNT(other); i++)
        mu_resolver_leave(&resolver, &other[i]);
}

static void a_zone_is_the_last_two_labels(void **state)
{
    (void)state;
    const char *const cases[][2] = {{"a.b.example.com", "example.com"},
                                    {"example.com", "example.com"},
                                    {"localhost", "localhost"},
                                    {"", ""},
                                    {"10.0.0.1", "10.0.0.1"},
                                    {"::ffff:10.0.0.1", "::ffff:10.0.0.1"},
                                    {"a.b.c1", "b.c1"},
                                    {"fe80::1", "fe80::1"}};
    for (size_t i = 0; i < MU_COUNT(cases); i++)
        assert_string_equal(mu_zone_of(cases[i][0]), cases[i][1]);
}

static void only_so_many_are_asked_for_at_once(void **state)
{
    (void)state;
    struct mu_inquiry inquiries[MU_RESOLVER_AT_ONCE + 3];
    char host[32];
    for (size_t i = 0; i < MU_COUNT(inquiries); i++) {
        snprintf(host, sizeof host, "zone-%zu.example", i);
        begin(&inquiries[i], host);
    }
    wait_for(&asked, MU_RESOLVER_AT_ONCE);
    assert_int_equal(under_way(), MU_RESOLVER_AT_ONCE);
    add(&may_answer, 1);
    wait_for(&asked, MU_RESOLVER_AT_ONCE + 1);
    assert_int_equal(under_way(), MU_RESOLVER_AT_ONCE);
    add(&may_answer, MU_COUNT(inquiries) - 1);
    wait_for(&answered, MU_COUNT(inquiries));
    for (size_t i = 0; i < MU_COUNT(inquiries); i++)
        mu_resolver_leave(&resolver, &inquiries[i]);
}

static void that_there_is_none_is_remembered_for_a_moment(void **state)
{
    (void)state;
    struct mu_inquiry inquiry;
    for (unsigned i = 0; i < 3; i++) {
        begin(&inquiry, "none.example");
        add(&may_answer, i == 1 ? 0 : 1);
        wait_for(&answered, i + 1);
        mu_resolver_leave(&resolver, &inquiry);
        assert_int_equal(inquiry.result.count, 0);
        assert_string_equal(inquiry.result.why, "it has none");
        now_ms += i == 1 ? MU_RESOLVER_FAILED_MS : 0;
    }
    assert_int_equal(asked, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_name_is_asked_for_once_at_a_time, start_anew),
        cmocka_unit_test_setup(a_dead_zone_leaves_room_for_others, start_anew),
        cmocka_unit_test_setup(four_dead_zones_leave_room_for_others_too, start_anew),
        cmocka_unit_test_setup(a_zone_is_the_last_two_labels, start_anew),
        cmocka_unit_test_setup(only_so_many_are_asked_for_at_once, start_anew),
        cmocka_unit_test_setup(that_there_is_none_is_remembered_for_a_moment, start_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
