#ifndef MU_BASE_SANDBOX_H
#define MU_BASE_SANDBOX_H

/*
 * Giving up what a server does not need, for good: new privileges, system calls (seccomp), and files (Landlock). What the kernel does
 * not know is left out, and told. [seccomp(2), landlock(7)]
 */

#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"

struct mu_sandbox {
    bool leave_files;        /* do not restrict them */
    struct mu_strs readable; /* directories and files that may be read, with all below them */
    struct mu_strs listable; /* directories whose names, but not files, may be read */
    struct mu_strs writable; /* directories whose files may be read, written and replaced */
    struct mu_strs sockets;  /* directories in which sockets may be made and removed */
};
void mu_sandbox_clear(struct mu_sandbox *sandbox);
MU_AUTO_DEFINE_CLEAR(mu_sandbox, mu_sandbox_clear)

/* What is in force. */
struct mu_sandbox_state {
    bool no_new_privileges;
    int denied_calls; /* how many system calls fail now; 0: none */
    int landlock;     /* the kernel's version of it; 0: files are as free as before */
};

/*
 * Before anything is opened: whoever looks whether there is io_uring finds none. It is among what is given up later, and libuv
 * 1.45 and newer, once it has begun to use it, ends the process when it cannot go on. A kernel without seccomp does without.
 */
void mu_sandbox_prepare(void);

/*
 * Before there is any other thread: Landlock holds for this one, and those that it starts. Paths that cannot be opened are left
 * out: they cannot be read then. Fails with MU_E_SYSTEM only where it has begun and cannot go on; a kernel without is no failure.
 */
MU_CHECK int mu_sandbox_enter(const struct mu_sandbox *sandbox, struct mu_sandbox_state *ret,
                              struct mu_error *err);

#endif
