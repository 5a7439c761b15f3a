#include "net/counters.h"

#include <assert.h>

const uint64_t mu_handshake_bounds_us[MU_HANDSHAKE_CLASSES] = {500,     1000,   2500,    5000,
                                                               10000,   25000,  50000,   100000,
                                                               250000,  500000, 1000000, 2500000,
                                                               10000000};

void mu_count_handshake(struct mu_counters *counters, uint64_t us)
{
    size_t class = 0;
    while (class < MU_HANDSHAKE_CLASSES && us > mu_handshake_bounds_us[class])
        class ++;
    mu_count(&counters->handshakes[class], 1);
    mu_count(&counters->handshake_us, us);
}

void mu_count_refusal(struct mu_counters *counters, const struct mu_refusal *refusal)
{
    mu_count(&counters->refused[refusal->code], 1);
    if (refusal->code == MU_REFUSAL_CERT)
        mu_count(&counters->faults[refusal->fault], 1);
}

void mu_count_expelled(struct mu_counters *counters, const struct mu_refusal *refusal)
{
    mu_count(&counters->expelled[refusal->code], 1);
    if (refusal->code == MU_REFUSAL_CERT)
        mu_count(&counters->expelled_faults[refusal->fault], 1);
}

void mu_count_answer(struct mu_counters *counters, int status)
{
    int class = status / 100;
    mu_count(&counters->answers[class > 0 && class < MU_STATUS_CLASSES ? class : 0], 1);
}

void mu_counters_add(struct mu_counters *ret, const struct mu_counters *from)
{
    static_assert(sizeof *ret % sizeof(uint64_t) == 0, "nothing but uint64_t");
    uint64_t *to = (uint64_t *)ret;
    const uint64_t *at = (const uint64_t *)from;
    for (size_t i = 0; i < sizeof *ret / sizeof *to; i++)
        to[i] += __atomic_load_n(&at[i], __ATOMIC_RELAXED);
}
