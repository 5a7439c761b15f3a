#include "../check.h"

#include "net/turn.h"

static char order[8];

struct speaker {
    struct mu_turn_part part;
    struct mu_turn *turn;
    struct speaker *next; /* that is to speak, too, once this one has */
    char letter;
};

static void speak(void *owner)
{
    struct speaker *speaker = owner;
    strncat(order, &speaker->letter, 1);
    if (speaker->next != NULL)
        mu_turn_add(speaker->turn, &speaker->next->part);
    speaker->next = NULL;
}

static void see_that_it_has_spoken(uv_prepare_t *last)
{
    const struct speaker *speaker = last->data;
    if (speaker->part.waits)
        strcat(order, "?");
}

static struct speaker make(struct mu_turn *turn, char letter)
{
    return (struct speaker){.part.due = speak, .turn = turn, .letter = letter};
}

static void each_is_due_once_in_the_order_of_coming(void **state)
{
    (void)state;
    struct mu_turn turn = {0};
    struct speaker a = make(&turn, 'a'), b = make(&turn, 'b'), c = make(&turn, 'c');
    a.part.owner = &a;
    b.part.owner = &b;
    c.part.owner = &c;
    a.next = &c;
    order[0] = 0;
    mu_turn_finish(&turn); /* nobody */
    mu_turn_add(&turn, &a.part);
    mu_turn_add(&turn, &b.part);
    mu_turn_add(&turn, &a.part);
    assert_true(a.part.waits && b.part.waits && !c.part.waits);
    mu_turn_finish(&turn);
    assert_string_equal(order, "abc");
    assert_false(a.part.waits || b.part.waits || c.part.waits);
    mu_turn_add(&turn, &b.part);
    mu_turn_finish(&turn);
    assert_string_equal(order, "abcb");
}

static void a_turn_of_the_loop_ends_with_them(void **state)
{
    (void)state;
    struct mu_turn turn = {0};
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    mu_turn_begin(&turn, &loop);
    struct speaker a = make(&turn, 'a');
    a.part.owner = &a;
    order[0] = 0;
    mu_turn_add(&turn, &a.part);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_string_equal(order, "a");
    uv_close((uv_handle_t *)&turn.prepare, NULL);
    uv_close((uv_handle_t *)&turn.check, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void speak_by_timer(uv_timer_t *timer)
{
    struct speaker *speaker = timer->data;
    mu_turn_add(speaker->turn, &speaker->part);
}

/* When it waits for events, nothing is left that waits for it. */
static void what_a_timer_adds_does_not_wait_for_events(void **state)
{
    (void)state;
    struct mu_turn turn = {0};
    uv_loop_t loop;
    uv_timer_t timer;
    uv_prepare_t last;
    assert_int_equal(uv_loop_init(&loop), 0);
    uv_prepare_init(&loop,
                    &last); /* of those before the loop waits, the last begun is the first run */
    struct speaker a = make(&turn, 'a');
    a.part.owner = &a;
    order[0] = 0;
    last.data = &a;
    uv_prepare_start(&last, see_that_it_has_spoken);
    mu_turn_begin(&turn, &loop);
    uv_timer_init(&loop, &timer);
    timer.data = &a;
    uv_timer_start(&timer, speak_by_timer, 0, 0);
    /* libuv 1.45 and newer run timers at the end of a turn, before the next one. */
    uv_run(&loop, UV_RUN_NOWAIT);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_string_equal(order, "a");
    uv_close((uv_handle_t *)&timer, NULL);
    uv_close((uv_handle_t *)&last, NULL);
    uv_close((uv_handle_t *)&turn.prepare, NULL);
    uv_close((uv_handle_t *)&turn.check, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_due_once_in_the_order_of_coming),
        cmocka_unit_test(a_turn_of_the_loop_ends_with_them),
        cmocka_unit_test(what_a_timer_adds_does_not_wait_for_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
