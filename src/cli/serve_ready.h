#ifndef MU_CLI_SERVE_READY_H
#define MU_CLI_SERVE_READY_H

/* The line with which `mutual serve` says that it is ready: for people with something to try, or as JSON. */

#include <stdbool.h>

#include "front/serve.h"

void mu_serve_ready(struct mu_front *front, bool json);

#endif
