#ifndef MU_BASE_FILE_H
#define MU_BASE_FILE_H

/* Files as a whole: read one within a bound, and put several in place so that none is ever half there. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

/* No certificate, key, request or list that people hand us is larger than this. */
#define MU_FILE_LIMIT ((size_t)16 * 1024 * 1024)

/*
 * Read all of `path` ("-" is standard input) into `ret`, which should be secret if the file may hold a
 * key. Pipes and sockets work; a directory does not. Fails with MU_E_NOT_FOUND, MU_E_IO,
 * MU_E_WRONG_KIND (a directory), MU_E_TOO_LARGE (more than `limit` bytes), MU_E_NOMEM. An empty file
 * is read without complaint.
 */
MU_CHECK int mu_file_read(const char *path, size_t limit, struct mu_buf *ret, struct mu_error *err);

/*
 * Files that belong together (a key and its certificate, which comes last). Each is written to a temporary file
 * beside its target; mu_stage_commit() syncs them all and then moves them to their names.
 *
 * Until commit, nothing is visible, and mu_stage_clear() leaves no trace; a process killed before commit leaves none
 * either where the filesystem has O_TMPFILE. Without `replace` they come in the order in which they were added; if one
 * cannot be moved, those before it are taken back. With `replace` several change in one step (swap.h): whoever reads
 * them, at any moment and after a kill at any moment, finds all of the old or all of the new; only a filesystem
 * without links (FAT) takes them one after the other. What a killed process leaves beside them goes with the next
 * change of the same files.
 */
struct mu_stage {
    struct mu_staged *first;
    bool replace; /* existing files may be replaced (--force) */
    bool apart;   /* the files do not belong together: each is replaced by itself */
    bool keep;    /* what is replaced hands on its mode, owner, group and access list */
    bool placed;  /* set by the commit: its files have their names */
};

#define MU_STAGE_INIT {.first = NULL}

/* `mode` is the file's whole mode, whatever the umask says: 0600 for what holds a key, 0644 for what
 * anybody may read. With `keep`, what gives nothing to others by its `mode` does not by an old file's either; and what
 * cannot be handed on, as only root may give files away, is no failure: nobody gets more for it.
 * Fails with MU_E_EXISTS (at commit, too, if it has come up since),
 * MU_E_NOT_FOUND (no such directory), MU_E_IO. */
MU_CHECK int mu_stage_add(struct mu_stage *stage, const char *path, const void *data, size_t len,
                          mode_t mode, struct mu_error *err);
/* Would mu_stage_add() take this path? Fails with MU_E_EXISTS and MU_E_WRONG_KIND as it would. */
MU_CHECK int mu_stage_check(const struct mu_stage *stage, const char *path, struct mu_error *err);
/* mu_stage_add() for what comes in pieces: write it to `ret_fd`, which is borrowed. */
MU_CHECK int mu_stage_open(struct mu_stage *stage, const char *path, mode_t mode, int *ret_fd,
                           struct mu_error *err);
/* All of `data` to `fd`. Returns 0, or -1 with errno. */
MU_CHECK int mu_write_all(int fd, const void *data, size_t len);
/* mu_stage_add() for all of the file `from`, whatever its size. */
MU_CHECK int mu_stage_copy(struct mu_stage *stage, const char *path, const char *from, mode_t mode,
                           struct mu_error *err);
MU_CHECK int mu_stage_commit(struct mu_stage *stage, struct mu_error *err);
/*
 * Many at once, with few waits for the disk: each stage stands by itself, and where it could not be put in place it is
 * not `placed` and its place in `ret_whys` tells why. Fails with MU_E_IO when the files could not be made durable, and
 * then none has its name.
 */
MU_CHECK int mu_stage_commit_each(struct mu_stage *stages, size_t count, struct mu_error *ret_whys,
                                  struct mu_error *err);
void mu_stage_clear(struct mu_stage *stage);

MU_AUTO_DEFINE_CLEAR(mu_stage, mu_stage_clear)

/* One file, the same way. */
MU_CHECK int mu_file_write(const char *path, const void *data, size_t len, mode_t mode,
                           bool replace, struct mu_error *err);

/* Make a directory and its missing parents with this mode. One that is there already is fine. */
MU_CHECK int mu_dir_make(const char *path, mode_t mode, struct mu_error *err);

bool mu_is_dir(const char *path);

/* "dir/name" in `ret`. Fails with MU_E_USAGE when it does not fit. */
#define MU_PATH_LEN 4096
MU_CHECK int mu_path_join(const char *dir, const char *name, char ret[MU_PATH_LEN],
                          struct mu_error *err);

/* A wildcard, a URI or a person's name as a file name without its ending: no directory, nothing hidden, nothing that a
 * shell would expand or take for an option. */
#define MU_FILE_NAME_LEN 248
void mu_file_name(const char *name, char ret[MU_FILE_NAME_LEN]);

#endif
