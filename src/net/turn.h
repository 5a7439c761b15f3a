#ifndef MU_NET_TURN_H
#define MU_NET_TURN_H

/*
 * What waits for the end of a turn of the loop. To send wakes the receiver, and a receiver that goes back to sleep after each
 * answer costs a multiple of the sending: so what connections have to say in one turn leaves together, one right behind
 * the other. For this room only.
 */

#include <stdbool.h>
#include <uv.h>

/* In whatever waits; it must stay where it is until the loop's closing callbacks, which come after the end of the turn. */
struct mu_turn_part {
    void (*due)(void *owner);
    void *owner;
    struct mu_turn_part *behind;
    bool waits;
};

struct mu_turn {
    uv_prepare_t prepare; /* before the loop waits: what its timers have added */
    uv_check_t check;     /* behind the events that it has waited for */
    struct mu_turn_part *first, *last;
};

void mu_turn_begin(struct mu_turn *turn, uv_loop_t *loop);

/* Let `part` be due at the end of this turn; once, if it waits already. */
void mu_turn_add(struct mu_turn *turn, struct mu_turn_part *part);

/* All that wait are due now: before something that takes long. */
void mu_turn_finish(struct mu_turn *turn);

#endif
