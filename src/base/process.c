#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* What becomes the child's three streams; NULL: standard input is empty, the others are our standard error. */
struct streams {
    FILE *input, *output, *errors;
};

static void close_streams(struct streams *streams)
{
    FILE *const all[] = {streams->input, streams->output, streams->errors};
    for (size_t i = 0; i < MU_COUNT(all); i++)
        if (all[i] != NULL)
            fclose(all[i]);
}

static FILE *unnamed_file(void)
{
    FILE *file = tmpfile();
    if (file != NULL)
        fcntl(fileno(file), F_SETFD, FD_CLOEXEC);
    return file;
}

static int open_streams(const struct mu_process *process, struct streams *ret, struct mu_error *err)
{
    if ((process->input != NULL && (ret->input = unnamed_file()) == NULL) ||
        (process->output != NULL && (ret->output = unnamed_file()) == NULL) ||
        (process->errors != NULL && (ret->errors = unnamed_file()) == NULL))
        return mu_fail_errno(err, MU_E_SYSTEM, "a temporary file could not be made");
    if (ret->input != NULL &&
        (fwrite(process->input->data, 1, process->input->len, ret->input) != process->input->len ||
         fflush(ret->input) != 0 || fseek(ret->input, 0, SEEK_SET) != 0))
        return mu_fail_errno(err, MU_E_SYSTEM, "a temporary file could not be written");
    return 0;
}

/* Returns 0, or errno. */
static int set_streams(posix_spawn_file_actions_t *actions, const struct streams *streams)
{
    int failed =
        streams->input != NULL
            ? posix_spawn_file_actions_adddup2(actions, fileno(streams->input), STDIN_FILENO)
            : posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    int output = streams->output != NULL ? fileno(streams->output) : STDERR_FILENO;
    if (failed == 0)
        failed = posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
    if (failed == 0 && streams->errors != NULL)
        failed = posix_spawn_file_actions_adddup2(actions, fileno(streams->errors), STDERR_FILENO);
    return failed;
}

/* Returns 0, or errno. */
static int start(const struct mu_process *process, const struct streams *streams, pid_t *ret)
{
    sigset_t defaults;
    posix_spawnattr_t attr;
    posix_spawn_file_actions_t actions;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    int failed = posix_spawnattr_init(&attr);
    if (failed != 0)
        return failed;
    failed = posix_spawn_file_actions_init(&actions);
    if (failed == 0) {
        if ((failed = posix_spawnattr_setsigdefault(&attr, &defaults)) == 0 &&
            (failed = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF)) == 0 &&
            (failed = set_streams(&actions, streams)) == 0)
            failed = posix_spawn(ret, process->argv[0], &actions, &attr,
                                 (char *const *)process->argv, environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    posix_spawnattr_destroy(&attr);
    return failed;
}

static int wait_for(pid_t child, int *ret_status)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    *ret_status = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    return 0;
}

static int read_back(FILE *file, struct mu_buf *ret, struct mu_error *err)
{
    char piece[4096];
    size_t len;
    if (file == NULL)
        return 0;
    rewind(file);
    while ((len = fread(piece, 1, sizeof piece, file)) > 0)
        mu_buf_add(ret, piece, len);
    if (ferror(file))
        return mu_fail_errno(err, MU_E_SYSTEM, "a temporary file could not be read");
    return mu_buf_failed(ret) ? mu_fail_nomem(err) : 0;
}

static int run(const struct mu_process *process, const struct streams *streams, int *ret_status,
               struct mu_error *err)
{
    pid_t child;
    fflush(stdout); /* keep the order in which things were said */
    errno = start(process, streams, &child);
    if (errno != 0 || wait_for(child, ret_status) != 0)
        return mu_fail_errno(err, MU_E_SYSTEM, "%s could not be run", process->argv[0]);
    return read_back(streams->output, process->output, err) != 0
               ? -1
               : read_back(streams->errors, process->errors, err);
}

int mu_process_run(const struct mu_process *process, int *ret_status, struct mu_error *err)
{
    struct streams streams = {0};
    int result =
        open_streams(process, &streams, err) != 0 ? -1 : run(process, &streams, ret_status, err);
    close_streams(&streams);
    return result;
}
