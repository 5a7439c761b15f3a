#ifndef MU_CLI_CHECK_RUNNING_H
#define MU_CLI_CHECK_RUNNING_H

/* Which of the clients of a running server would other lists, CAs or doors lock out? */

#include "cli/cmd.h"

/* Is it that which is asked for? */
bool mu_check_is_running(const struct mu_args *args);

/* 1: somebody would be locked out, and it has been said who. Fails as loading what is named does, and as mu_seen_ask(). */
MU_CHECK int mu_check_running(const struct mu_args *args, struct mu_error *err);

#define MU_CHECK_RUNNING_OPTS                                                                       \
    {"trust", 0,   "FILE", "of a running server's clients: whom would these CAs lock out?",         \
     NULL,    true},                                                                                \
        {"config", 0,    "FILE", "of a running server's clients: whom would these doors lock out?", \
         NULL,     false},                                                                          \
        {"within", 0,    "DURATION", "of its clients: those who are connected, or were so lately",  \
         "24h",    false},                                                                          \
    {                                                                                               \
        "socket", 0, "PATH", "its control socket [see mutual status --help]", NULL, false           \
    }

#endif
