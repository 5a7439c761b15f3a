/*
 * The whole road, walked with this very program: each command is shown before it runs, and what must be
 * refused is tried, too. It is a test as much as a demonstration: the exit status is 0 only if every step
 * did what it should.
 */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"
#include "cli/cmd.h"
#include "cli/print.h"

extern char **environ;

/* How long the server may take to say what it has to say. */
enum { SERVER_WAIT_MS = 10 * 1000, MAX_WORDS = 16 };

struct demo {
    char dir[MU_PATH_LEN];
    char program[MU_PATH_LEN];
    pid_t server;
    int server_out, server_err; /* its standard output and error; -1: not running */
    char url[128];
    int steps, failures;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static void title(const char *text)
{
    printf("\n");
    mu_say(MU_BOLD, "# %s", text);
    printf("\n");
}

static void step_failed(struct demo *demo, const char *why)
{
    demo->failures++;
    mu_say(MU_BAD, "  ! this step failed: %s", why);
    printf("\n");
}

/* "mutual" by its own path, so that what is shown is what a person types. */
static int spawn(struct demo *demo, char *const words[], int out, int err_fd, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    if (out >= 0)
        posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (err_fd >= 0)
        posix_spawn_file_actions_adddup2(&actions, err_fd, STDERR_FILENO);
    int result = posix_spawn(ret, demo->program, &actions, NULL, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    return result;
}

/* Split a command line at spaces; double quotes hold words together. `line` is cut up. */
static int split(char *line, char *words[MAX_WORDS])
{
    int count = 0;
    for (char *p = line; *p != '\0' && count < MAX_WORDS - 1;) {
        bool quoted = *p == '"';
        p += quoted;
        words[count++] = p;
        p += strcspn(p, quoted ? "\"" : " ");
        if (*p != '\0')
            *p++ = '\0';
        p += strspn(p, " ");
    }
    words[count] = NULL;
    return count;
}

/* Show a command, run it, and hold its exit status against what it should be. */
static void run_step(struct demo *demo, int expected, const char *format, ...) MU_PRINTF(3, 4);
static void run_step(struct demo *demo, int expected, const char *format, ...)
{
    char line[512], why[64];
    char *words[MAX_WORDS];
    va_list args;
    pid_t child;
    int status = 0;
    if (interrupted)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    demo->steps++;
    mu_say(MU_GOOD, "$ %s", line);
    printf("\n");
    fflush(stdout);

    split(line, words);
    if (spawn(demo, words, -1, STDOUT_FILENO, &child) != 0) {
        step_failed(demo, "the program could not be started");
        return;
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    int exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (exit_status == expected)
        return;
    snprintf(why, sizeof why, "exit status %d instead of %d", exit_status, expected);
    step_failed(demo, why);
}

/* One line from a pipe, without its end; false if none comes in time. */
static bool read_line(int fd, char *ret, size_t cap)
{
    size_t len = 0;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    while (len + 1 < cap && !interrupted && poll(&ready, 1, SERVER_WAIT_MS) > 0 &&
           read(fd, ret + len, 1) == 1) {
        if (ret[len] == '\n') {
            ret[len] = '\0';
            return true;
        }
        len++;
    }
    ret[len] = '\0';
    return false;
}

/* The server must have said why, by this id. */
static void expect_server_says(struct demo *demo, const char *id)
{
    char line[2048];
    if (interrupted)
        return;
    if (!read_line(demo->server_err, line, sizeof line)) {
        step_failed(demo, "the server did not say why it refused");
        return;
    }
    mu_say(MU_DIM, "  the server's log: %s", line);
    printf("\n");
    if (strstr(line, id) == NULL)
        step_failed(demo, "the server gave another reason");
}

/* Start `mutual serve` on a free port and wait until it says that it is ready. */
static int start_server(struct demo *demo, struct mu_error *err)
{
    char line[1024];
    int out[2], err_pipe[2];
    char command[] = "mutual serve --listen localhost:0", *words[MAX_WORDS];
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err_pipe, O_CLOEXEC) != 0)
        return mu_fail_errno(err, MU_E_SYSTEM, "cannot make a pipe");
    mu_say(MU_GOOD, "$ %s &", command);
    printf("\n");
    fflush(stdout);
    demo->steps++;
    split(command, words);
    int result = spawn(demo, words, out[1], err_pipe[1], &demo->server);
    close(out[1]);
    close(err_pipe[1]);
    demo->server_out = out[0];
    demo->server_err = err_pipe[0];
    if (result != 0) {
        demo->server = 0;
        errno = result;
        return mu_fail_errno(err, MU_E_SYSTEM, "cannot start the server");
    }
    if (!read_line(demo->server_out, line, sizeof line)) {
        if (read_line(demo->server_err, line, sizeof line))
            mu_note("the server said: %s", line);
        return mu_fail(err, MU_E_LISTEN, "the server did not get ready");
    }
    printf("%s\n", line);
    const char *url = strstr(line, "https://");
    size_t len = url == NULL ? 0 : strcspn(url, " ,;");
    if (len == 0 || len >= sizeof demo->url)
        return mu_fail(err, MU_E_LISTEN, "the server did not say where it listens");
    memcpy(demo->url, url, len);
    demo->url[len] = '\0';
    return 0;
}

static void stop_server(struct demo *demo)
{
    int status = 0;
    if (demo->server == 0)
        return;
    kill(demo->server, SIGTERM);
    while (waitpid(demo->server, &status, 0) < 0 && errno == EINTR)
        continue;
    demo->server = 0;
    close(demo->server_out);
    close(demo->server_err);
    if (!interrupted && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
        step_failed(demo, "the server did not end well");
}

static void walk(struct demo *demo)
{
    title("A private certificate authority");
    run_step(demo, 0, "mutual init demo-ca");
    run_step(demo, 0, "mutual inspect ca/ca.crt");

    title("A certificate for the server, in one step");
    run_step(demo, 0, "mutual issue server localhost");

    title("One for a client, in the classic three: key, request, signature");
    run_step(demo, 0, "mutual key my-client.key");
    run_step(demo, 0, "mutual request my-client --key my-client.key");
    run_step(demo, 0, "mutual sign my-client.csr --profile client");
    run_step(demo, 0, "mutual verify my-client.crt --purpose client");
    run_step(demo, 0, "mutual list");
}

static void get_in(struct demo *demo)
{
    title("The client gets in");
    run_step(demo, 0, "mutual get --as my-client -i %s", demo->url);
    printf("\n");
}

static void be_refused(struct demo *demo)
{
    title("Without a certificate, nobody does");
    run_step(demo, 1, "mutual get %s", demo->url);
    expect_server_says(demo, "client-cert-missing");

    title("Nor with a stranger's certificate");
    run_step(demo, 0, "mutual init strange-ca --home strange");
    run_step(demo, 0, "mutual issue client stranger --home strange");
    run_step(demo, 1, "mutual get --as stranger %s", demo->url);
    expect_server_says(demo, "client-cert-untrusted");

    title("Nor with an expired one (this one lived for a second)");
    run_step(demo, 0, "mutual issue client late --lifetime 1s");
    sleep(2);
    run_step(demo, 1, "mutual get --as late %s", demo->url);
    expect_server_says(demo, "client-cert-expired");

    title("Nor with a server's certificate in a client's hands");
    run_step(demo, 1, "mutual get --as localhost %s", demo->url);
    expect_server_says(demo, "client-cert-purpose");

    title("And plain HTTP is told to use TLS");
    run_step(demo, 1, "mutual get http%s", demo->url + strlen("https"));
    expect_server_says(demo, "plain-http");
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int enter_directory(struct demo *demo, struct mu_error *err)
{
    ssize_t len = readlink("/proc/self/exe", demo->program, sizeof demo->program - 1);
    if (len < 0)
        return mu_fail_errno(err, MU_E_SYSTEM, "cannot find this program's own file");
    const char *tmp = getenv("TMPDIR");
    if (mu_path_join(tmp == NULL || *tmp == '\0' ? "/tmp" : tmp, "mutual-demo-XXXXXX", demo->dir,
                     err) != 0)
        return -1;
    if (mkdtemp(demo->dir) == NULL) {
        demo->dir[0] = '\0';
        return mu_fail_errno(err, MU_E_IO, "cannot make a temporary directory");
    }
    if (chdir(demo->dir) != 0)
        return mu_fail_errno(err, MU_E_IO, "cannot enter %s", demo->dir);
    setenv("MUTUAL_HOME", "ca", 1);
    unsetenv("MUTUAL_PASSPHRASE_FILE");
    printf("In the directory %s, with MUTUAL_HOME=ca:\n", demo->dir);
    return 0;
}

static void leave_directory(const struct demo *demo)
{
    if (demo->dir[0] == '\0')
        return;
    if (chdir("/") == 0)
        nftw(demo->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    struct demo demo = {.server_out = -1, .server_err = -1};
    struct sigaction on_stop = {.sa_handler = on_interrupt}; /* to clean up first */
    (void)args;
    sigaction(SIGINT, &on_stop, NULL);
    sigaction(SIGTERM, &on_stop, NULL);

    int result = enter_directory(&demo, err);
    if (result == 0) {
        walk(&demo);
        title("The server, which admits only clients of this CA");
        result = start_server(&demo, err);
    }
    if (result == 0) {
        get_in(&demo);
        be_refused(&demo);
    }
    stop_server(&demo);
    leave_directory(&demo);
    if (result != 0)
        return result;
    if (interrupted)
        return mu_fail(err, MU_E_SYSTEM, "the demo was interrupted");
    printf("\n");
    mu_say(demo.failures == 0 ? MU_GOOD : MU_BAD, "%d steps, %d failed", demo.steps, demo.failures);
    printf("\n");
    return demo.failures == 0 ? 0 : 1;
}

static const struct mu_opt opts[] = {{0}};

const struct mu_cmd mu_cmd_demo = {
    .name = "demo",
    .args = "",
    .summary = "show all of it at work, in a temporary directory",
    .details =
        "Makes a CA, certificates, a server and a client, shows each command before it runs, and then\n"
        "tries what must be refused. Nothing is left behind.",
    .example = "mutual demo",
    .opts = opts,
    .max_args = 0,
    .run = run,
};
