#ifndef MU_BASE_PRIVILEGES_H
#define MU_BASE_PRIVILEGES_H

/* Becoming somebody with fewer rights, for good. */

#include <sys/types.h>

#include "base/error.h"

struct mu_user {
    char name[64]; /* for getting its supplementary groups; "" if it is known by number only */
    uid_t uid;
    gid_t gid;
};

/* NAME or NAME:GROUP, each of which may be a number. Without a group it is the user's own. Fails with MU_E_USAGE: there is no
 * such user or group, or it is root. */
MU_CHECK int mu_user_find(const char *text, struct mu_user *ret, struct mu_error *err);

/*
 * Become that user: its groups, its group, itself, in all of the three places that the kernel has for each; and make sure that
 * there is no way back. Only root can. While one thread runs. Fails with MU_E_SYSTEM.
 */
MU_CHECK int mu_user_become(const struct mu_user *user, struct mu_error *err);

#endif
