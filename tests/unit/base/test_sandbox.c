#include "../check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sandbox.h"

/* Each runs in a process of its own, which gives up its rights and ends with 0, or with the line of what was not as it should be;
 * 77 where this kernel cannot do it. */
enum { NOT_HERE = 77 };
#define MUST(what)                                                                                 \
    do                                                                                             \
        if (!(what))                                                                               \
            return __LINE__ % 256 == NOT_HERE ? 1 : __LINE__ % 256;                                \
    while (0)

static void in_a_process_of_its_own(int (*act)(const struct mu_sandbox *sandbox), const char *dir)
{
    int status = 0;
    struct mu_sandbox sandbox = {0};
    assert_int_equal(mu_strs_add(&sandbox.readable, dir), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(act(&sandbox));
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    mu_sandbox_clear(&sandbox); /* here, as skip() does not come back */
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_HERE)
        skip();
    if (status != 0)
        fail_msg("not as it should be at line %d (status %x)", WEXITSTATUS(status), status);
}

static int enter(const struct mu_sandbox *sandbox, struct mu_sandbox_state *ret)
{
    struct mu_error err = MU_ERROR_INIT;
    return mu_sandbox_enter(sandbox, ret, &err);
}

static bool can_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int open_files(const struct mu_sandbox *sandbox)
{
    struct mu_sandbox_state state;
    MUST(can_open("/etc/passwd", O_RDONLY));
    MUST(enter(sandbox, &state) == 0);
    if (state.landlock == 0)
        return NOT_HERE;
    MUST(can_open(MU_TEST_DATA "/README.md", O_RDONLY));
    MUST(!can_open("/etc/passwd", O_RDONLY) && errno == EACCES);
    MUST(!can_open(MU_TEST_DATA "/../meson.build", O_RDONLY) && errno == EACCES);
    MUST(!can_open(MU_TEST_DATA "/README.md", O_WRONLY) && errno == EACCES);
    MUST(!can_open(MU_TEST_DATA "/new", O_WRONLY | O_CREAT) && errno == EACCES);
    return 0;
}

static void *nothing(void *arg)
{
    return arg;
}

static int call_the_kernel(const struct mu_sandbox *sandbox)
{
    struct mu_sandbox_state state;
    pthread_t thread;
    char *const arguments[] = {(char *)"true", NULL};
    MUST(enter(sandbox, &state) == 0);
    if (state.denied_calls == 0)
        return NOT_HERE;
    MUST(state.no_new_privileges);
    MUST(execv("/bin/true", arguments) != 0 && errno == EPERM);
    MUST(syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL) != 0 && errno == EPERM);
    MUST(syscall(SYS_unshare, 0) != 0 && errno == EPERM);
    MUST(setuid(getuid()) != 0 && errno == EPERM);
    MUST(syscall(SYS_io_uring_setup, 1, NULL) != 0 && errno == EPERM);
    /* Threads are no processes. */
    MUST(pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
    return 0;
}

static int open_nothing(const struct mu_sandbox *sandbox)
{
    struct mu_sandbox_state state;
    MUST(enter(sandbox, &state) == 0);
    MUST(state.landlock == 0 || !can_open("/etc/passwd", O_RDONLY));
    return 0;
}

static int keep_files(const struct mu_sandbox *sandbox)
{
    struct mu_sandbox_state state;
    const struct mu_sandbox all = {.leave_files = true, .readable = sandbox->readable};
    MUST(enter(&all, &state) == 0);
    MUST(state.landlock == 0);
    MUST(can_open("/etc/passwd", O_RDONLY));
    return 0;
}

static void only_what_is_named_can_be_read_and_nothing_written(void **state)
{
    (void)state;
    in_a_process_of_its_own(open_files, MU_TEST_DATA);
}

static void what_a_server_never_does_fails_and_threads_still_start(void **state)
{
    (void)state;
    in_a_process_of_its_own(call_the_kernel, MU_TEST_DATA);
}

static void files_can_be_left_as_they_are(void **state)
{
    (void)state;
    in_a_process_of_its_own(keep_files, MU_TEST_DATA);
}

static void a_path_that_is_not_there_is_no_obstacle(void **state)
{
    (void)state;
    in_a_process_of_its_own(open_nothing, "/nonexistent/directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_named_can_be_read_and_nothing_written),
        cmocka_unit_test(what_a_server_never_does_fails_and_threads_still_start),
        cmocka_unit_test(files_can_be_left_as_they_are),
        cmocka_unit_test(a_path_that_is_not_there_is_no_obstacle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
