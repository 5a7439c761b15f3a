#ifndef MU_BASE_NOTIFY_H
#define MU_BASE_NOTIFY_H

/* What a service tells the service manager that started it. [sd_notify(3)] */

#include <stdint.h>

/* "READY=1", "STOPPING=1", "WATCHDOG=1". Without a manager that listens, nothing happens. */
void mu_notify(const char *state);

/* How often the manager wants to hear WATCHDOG=1, at the latest, in milliseconds; 0: never. */
uint64_t mu_notify_watchdog_ms(void);

#endif
