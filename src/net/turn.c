#include "net/turn.h"

#include <stddef.h>

static void on_prepare(uv_prepare_t *prepare)
{
    mu_turn_finish(prepare->data);
}

static void on_check(uv_check_t *check)
{
    mu_turn_finish(check->data);
}

void mu_turn_begin(struct mu_turn *turn, uv_loop_t *loop)
{
    uv_prepare_init(loop, &turn->prepare);
    uv_check_init(loop, &turn->check);
    turn->prepare.data = turn->check.data = turn;
    uv_prepare_start(&turn->prepare, on_prepare);
    uv_check_start(&turn->check, on_check);
}

void mu_turn_add(struct mu_turn *turn, struct mu_turn_part *part)
{
    if (part->waits)
        return;
    part->waits = true;
    part->behind = NULL;
    if (turn->last == NULL)
        turn->first = part;
    else
        turn->last->behind = part;
    turn->last = part;
}

void mu_turn_finish(struct mu_turn *turn)
{
    struct mu_turn_part *part;
    while ((part = turn->first) != NULL) {
        turn->first = part->behind;
        if (turn->first == NULL)
            turn->last = NULL;
        part->waits = false;
        part->due(part->owner);
    }
}
