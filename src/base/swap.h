#ifndef MU_BASE_SWAP_H
#define MU_BASE_SWAP_H

/*
 * Several files that change in one step, though every file system moves one name at a time. For mu_stage, which is
 * the only one to use it.
 *
 * Beside the last of the files a directory is made:
 *
 *   .mutual-HASH/0, 1       symbolic links to the names that are to change: what a killed process was about
 *   .mutual-HASH/old/0, 1   to the files that have these names, under a second, hidden name each
 *   .mutual-HASH/new/0, 1   to the files that are to have them, under a hidden name each
 *   .mutual-HASH/link/0, 1  to hidden names that are needed on the way
 *   .mutual-HASH/now        to `old`
 *
 * Then each name becomes a symbolic link to .mutual-HASH/now/N, and still leads to what it led to before. Then `now` is
 * made to lead to `new`: one rename(2), and the only moment at which anything changes for a reader. Then each name
 * becomes the new file itself, and what is left is removed. So whoever opens all of the names, at any moment and
 * after a kill at any moment, finds all of the old or all of the new. What a killed process leaves is taken back or
 * finished, by what `now` says, before the next change of the same files.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { MU_SWAP_MAX = 8 }; /* files: none that belong together are more; one digit each */

#define MU_HIDDEN_LEN 32

/* A hidden file name that nobody else uses. Returns 0, or -1. */
MU_CHECK int mu_hidden_name(char ret[MU_HIDDEN_LEN]);

struct mu_swap {
    int dir;          /* .mutual-HASH, open and locked */
    char *path;       /* of it, as the caller's paths are */
    char *home;       /* the directory in which it lies, without any link */
    const char *name; /* ".mutual-HASH", the end of `path` */
    size_t count;
};

#define MU_SWAP_INIT {.dir = -1}

/* Begin with the last file's path. Waits for whoever swaps it now, and takes back or finishes what was left by
 * somebody who was killed. Fails with MU_E_IO, MU_E_NOMEM. */
MU_CHECK int mu_swap_open(const char *path, struct mu_swap *ret, struct mu_error *err);

/* The next file that will change; there may be none at `path` yet. Returns 0, or -1 with errno, in which case
 * nothing has happened: see mu_swap_is_impossible(). */
MU_CHECK int mu_swap_add(struct mu_swap *swap, const char *path);

/* Can the file system not do it? `e` is errno after mu_swap_add(). */
bool mu_swap_is_impossible(int e);

/* The new file of the i-th has, or is going to have, this hidden name beside it. Returns 0, or -1 with errno. */
MU_CHECK int mu_swap_next(struct mu_swap *swap, size_t i, const char *path);

/* All new files are there and on the disk: change over. Returns 0, or -1 with errno, in which case the old ones are
 * as they were, once mu_swap_close() has been called. */
MU_CHECK int mu_swap_run(struct mu_swap *swap);

/* Finish or take back, and let others at it. */
void mu_swap_close(struct mu_swap *swap);

MU_AUTO_DEFINE_CLEAR(mu_swap, mu_swap_close)

/* Take back or finish what somebody who was killed has left of a swap of `path`. Nothing to do is no failure. */
MU_CHECK int mu_swap_settle(const char *path, struct mu_error *err);

/* The same for each swap whose directory lies in `dir`: before what is there is moved, in which links would be lost. */
MU_CHECK int mu_swap_settle_all(const char *dir, struct mu_error *err);

#endif
