#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* We ignore SIGPIPE; a command expects to find it as it is everywhere. Returns 0, or errno. */
static int start(const char *command, pid_t *ret)
{
    char *const argv[] = {(char *)"sh", (char *)"-c", (char *)"--", (char *)command, NULL};
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
            (failed = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
                                                       O_RDONLY, 0)) == 0 &&
            (failed = posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO)) == 0)
            failed = posix_spawn(ret, "/bin/sh", &actions, &attr, argv, environ);
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
    *ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return 0;
}

int mu_command_run(const char *command, const char *name, const char *value, int *ret_status,
                   struct mu_error *err)
{
    pid_t child;
    fflush(stdout); /* keep the order in which things were said */
    if (setenv(name, value, 1) != 0)
        return mu_fail_nomem(err);
    errno = start(command, &child);
    if (errno != 0 || wait_for(child, ret_status) != 0)
        return mu_fail_errno(err, MU_E_SYSTEM, "the command of --exec could not be run");
    if (*ret_status == 0)
        return 0;
    if (*ret_status > 128)
        return mu_fail(err, MU_E_COMMAND, "the command of --exec was ended by signal %d (%s)",
                       *ret_status - 128, strsignal(*ret_status - 128));
    return mu_fail(err, MU_E_COMMAND, "the command of --exec failed with exit status %d",
                   *ret_status);
}
