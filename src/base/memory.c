#include "base/memory.h"

#ifdef MU_MIMALLOC
#include <mimalloc.h>

/* For so many milliseconds what is free is kept. */
#if MI_MALLOC_VERSION >= 210
static const mi_option_t delay = mi_option_purge_delay;
#else
static const mi_option_t delay = mi_option_decommit_delay;
#endif
#endif

void mu_memory_keep_little(void)
{
#ifdef MU_MIMALLOC
    mi_option_set(delay, 0);
#endif
}
