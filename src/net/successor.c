#include "net/successor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"
#include "net/standby.h"

extern char **environ;

enum { HANDED_MAX = 4096, ARGUMENTS_LIMIT = 4 * 1024 * 1024, FIRST_OF_SYSTEMD = 3 };

/* "PID:SOCKET:FD,FD,...": for whom, where to say that it serves, and the listening sockets. */
static const char variable[] = "MUTUAL_HANDED_ON";

/* --- The one that goes --- */

/* Between fork and exec only what is safe in a signal handler may be called, so all is made ready before. */
struct start {
    char program[PATH_MAX];
    char **argv, **envp;
    char *pids[4]; /* where in `envp` the new process's number goes: PID_DIGITS zeros */
    size_t pid_count;
    const int *fds;
    size_t count;
    int systemd_count, socket;
    pid_t server;
};

enum { PID_DIGITS = 10 };
static const char zeros[] = "0000000000";

static void free_list(char **list)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++)
        free(list[i]);
    free(list);
}

static void start_clear(struct start *start)
{
    free_list(start->argv);
    free_list(start->envp);
}
MU_AUTO_DEFINE_CLEAR(start, start_clear)

/* False without memory. */
static bool append(char ***list, const char *text)
{
    size_t count = 0;
    while (*list != NULL && (*list)[count] != NULL)
        count++;
    char **longer = realloc(*list, (count + 2) * sizeof *longer);
    if (longer == NULL)
        return false;
    *list = longer;
    longer[count] = strdup(text);
    longer[count + 1] = NULL;
    return longer[count] != NULL;
}

static bool is_program(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

/* By the name by which this one was called, as a shell would. */
static bool find_by_name(struct start *start)
{
    const char *name = start->argv == NULL ? "" : start->argv[0], *path = getenv("PATH");
    if (strchr(name, '/') != NULL)
        return mu_str_copy(start->program, sizeof start->program, name) &&
               is_program(start->program);
    for (const char *at = path; at != NULL && *name != '\0'; at = strchr(at, ':')) {
        at += *at == ':' ? 1 : 0;
        const size_t len = strcspn(at, ":"); /* 0: this directory */
        snprintf(start->program, sizeof start->program, "%.*s%s%s", (int)len, at,
                 len > 0 ? "/" : "", name);
        if (is_program(start->program))
            return true;
    }
    return false;
}

/*
 * The program that is at this place now. /proc knows where the one that runs is by now, and that is elsewhere when it was moved
 * aside, or when a link in its place leads to another one; so that counts only where the name leads to none. The one that runs
 * has, when it was replaced, "(deleted)" behind its path.
 */
static int find_program(struct start *start, struct mu_error *err)
{
    if (find_by_name(start))
        return 0;
    static const char gone[] = " (deleted)";
    ssize_t len = readlink("/proc/self/exe", start->program, sizeof start->program - 1);
    if (len < 0)
        return mu_fail_errno(err, MU_E_SYSTEM, "cannot find out which program this is");
    start->program[len] = '\0';
    if (mu_str_ends_with(start->program, gone))
        start->program[(size_t)len - strlen(gone)] = '\0';
    return 0;
}

static int copy_arguments(struct start *start, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    if (mu_file_read("/proc/self/cmdline", ARGUMENTS_LIMIT, &text, err) != 0)
        return -1;
    const char *all = mu_buf_str(&text);
    for (size_t at = 0; at < text.len; at += strlen(all + at) + 1)
        if (!append(&start->argv, all + at))
            return mu_fail_nomem(err);
    return 0;
}

static bool is_variable(const char *entry, const char *name)
{
    size_t len = strlen(name);
    return strncmp(entry, name, len) == 0 && entry[len] == '=';
}

/* An entry with the new process's number behind `start`, and `rest` behind that. */
static bool add_for_pid(struct start *start, const char *begin, const char *rest)
{
    MU_AUTO_CLEAR(mu_buf) entry = MU_BUF_INIT;
    mu_buf_addf(&entry, "%s%s%s", begin, zeros, rest);
    if (mu_buf_failed(&entry) || !append(&start->envp, mu_buf_str(&entry)))
        return false;
    size_t last = 0;
    while (start->envp[last + 1] != NULL)
        last++;
    start->pids[start->pid_count++] = start->envp[last] + strlen(begin);
    return true;
}

static bool is_for(const char *name, pid_t server)
{
    const char *pid = getenv(name);
    return pid != NULL && strtol(pid, NULL, 10) == (long)server;
}

static int copy_environment(struct start *start, struct mu_error *err)
{
    const char *systemd = getenv("LISTEN_FDS");
    MU_AUTO_CLEAR(mu_buf) handed = MU_BUF_INIT;
    bool ok = true;
    for (char **entry = environ; ok && *entry != NULL; entry++)
        if (!is_variable(*entry, "LISTEN_PID") && !is_variable(*entry, "WATCHDOG_PID") &&
            !is_variable(*entry, variable))
            ok = append(&start->envp, *entry);
    if (systemd != NULL && is_for("LISTEN_PID", start->server)) {
        start->systemd_count = (int)strtol(systemd, NULL, 10);
        ok = ok && add_for_pid(start, "LISTEN_PID=", "");
    }
    if (is_for("WATCHDOG_PID", start->server))
        ok = ok && add_for_pid(start, "WATCHDOG_PID=", "");
    mu_buf_addf(&handed, ":%d:", start->socket);
    for (size_t i = 0; i < start->count; i++)
        mu_buf_addf(&handed, "%s%d", i > 0 ? "," : "", start->fds[i]);
    ok = ok && !mu_buf_failed(&handed) &&
         add_for_pid(start, "MUTUAL_HANDED_ON=", mu_buf_str(&handed));
    return ok ? 0 : mu_fail_nomem(err);
}

static void write_pid(char *at, pid_t pid)
{
    for (int i = PID_DIGITS - 1; i >= 0; i--, pid /= 10)
        at[i] = (char)('0' + pid % 10);
}

static void keep_open(int fd)
{
    fcntl(fd, F_SETFD, 0);
}

__attribute__((noreturn)) static void become(const struct start *start)
{
    static const int signals[] = MU_SUCCESSOR_SIGNALS;
    for (size_t i = 0; i < MU_COUNT(signals); i++)
        signal(signals[i], SIG_DFL);
    for (size_t i = 0; i < start->pid_count; i++)
        write_pid(start->pids[i], getpid());
    for (size_t i = 0; i < start->count; i++)
        keep_open(start->fds[i]);
    for (int i = 0; i < start->systemd_count; i++)
        keep_open(FIRST_OF_SYSTEMD + i);
    keep_open(start->socket);
    execve(start->program, start->argv, start->envp);
    _exit(127);
}

int mu_successor_fork(const int *fds, size_t count, int socket, pid_t server, pid_t *ret,
                      struct mu_error *err)
{
    MU_AUTO_CLEAR(start) start = {.fds = fds, .count = count, .socket = socket, .server = server};
    if (copy_arguments(&start, err) != 0 || find_program(&start, err) != 0 ||
        copy_environment(&start, err) != 0)
        return -1;
    *ret = fork();
    if (*ret == 0)
        become(&start);
    return *ret < 0 ? mu_fail_errno(err, MU_E_SYSTEM, "cannot start another process") : 0;
}

static int fork_elsewhere(const int *fds, size_t count, int socket, pid_t *ret, struct mu_error *err)
{
    int *all = calloc(count + 1, sizeof *all);
    if (all == NULL)
        return mu_fail_nomem(err);
    all[0] = socket;
    memcpy(all + 1, fds, count * sizeof *fds);
    int result = mu_standby_start(all, count + 1, ret, err);
    free(all);
    return result;
}

int mu_successor_start(const int *fds, size_t count, struct mu_successor *ret, struct mu_error *err)
{
    int ends[2];
    pid_t pid;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return mu_fail_errno(err, MU_E_SYSTEM, "cannot make a pair of sockets");
    int result = mu_standby_is_there()
                     ? fork_elsewhere(fds, count, ends[1], &pid, err)
                     : mu_successor_fork(fds, count, ends[1], getpid(), &pid, err);
    close(ends[1]);
    if (result != 0) {
        close(ends[0]);
        return -1;
    }
    *ret = (struct mu_successor){.pid = pid, .socket = ends[0]};
    return 0;
}

/* --- The one that comes --- */

struct handed {
    int fd; /* -1: it was taken */
    bool claimed;
    struct mu_address address;
};

static struct {
    bool read;
    int socket; /* 0: nobody was here before */
    struct handed *at;
    size_t count;
} handed;

static bool is_listening_socket(int fd, struct mu_address *ret)
{
    int listens = 0;
    socklen_t len = sizeof listens;
    *ret = (struct mu_address){.len = sizeof ret->sa};
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens != 0 &&
           getsockname(fd, (struct sockaddr *)&ret->sa, &ret->len) == 0;
}

static void add_handed(int fd)
{
    struct mu_address address;
    if (fd <= 2 || handed.count == HANDED_MAX || !is_listening_socket(fd, &address))
        return;
    struct handed *longer = realloc(handed.at, (handed.count + 1) * sizeof *longer);
    if (longer == NULL)
        return;
    handed.at = longer;
    longer[handed.count++] = (struct handed){.fd = fd, .address = address};
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* What was handed to `to`. Once, before there are threads; and for nobody whom we start in turn. */
static void read_variable(pid_t to)
{
    const char *text = getenv(variable);
    if (handed.read)
        return;
    handed.read = true;
    char *at;
    if (text == NULL || strtol(text, &at, 10) != (long)to || *at != ':')
        return;
    handed.socket = (int)strtol(at + 1, &at, 10);
    if (handed.socket > 2)
        fcntl(handed.socket, F_SETFD, FD_CLOEXEC);
    while (*at == ':' || *at == ',')
        add_handed((int)strtol(at + 1, &at, 10));
    unsetenv(variable);
}

static bool same_place(const struct mu_address *a, const struct mu_address *b)
{
    const char *path = mu_address_path(a), *other = mu_address_path(b);
    if (path != NULL || other != NULL)
        return path != NULL && other != NULL && mu_str_equal(path, other);
    return mu_address_same(a, b);
}

/* With its port, where `address` leaves that open. */
static bool fits(const struct handed *socket, const struct mu_address *address)
{
    struct mu_address with_port = *address;
    if (mu_address_path(address) == NULL && mu_address_port(address) == 0)
        mu_address_set_port(&with_port, mu_address_port(&socket->address));
    return same_place(&socket->address, &with_port);
}

bool mu_predecessor_claim(struct mu_address *address)
{
    read_variable(getpid());
    for (size_t i = 0; i < handed.count; i++) {
        if (handed.at[i].claimed || !fits(&handed.at[i], address))
            continue;
        if (mu_address_path(address) == NULL)
            mu_address_set_port(address, mu_address_port(&handed.at[i].address));
        for (size_t j = i; j < handed.count; j++)
            if (same_place(&handed.at[j].address, &handed.at[i].address))
                handed.at[j].claimed = true;
        return true;
    }
    return false;
}

int mu_predecessor_take(const struct mu_address *address)
{
    for (size_t i = 0; i < handed.count; i++) {
        int fd = handed.at[i].fd;
        if (fd < 0 || !handed.at[i].claimed || !same_place(&handed.at[i].address, address))
            continue;
        handed.at[i].fd = -1;
        return fd;
    }
    return -1;
}

static void close_handed(void)
{
    for (size_t i = 0; i < handed.count; i++)
        if (handed.at[i].fd >= 0)
            close(handed.at[i].fd);
    free(handed.at);
    handed.at = NULL;
    handed.count = 0;
}

int mu_predecessor_relieve(void)
{
    const int fd = handed.socket > 2 ? handed.socket : -1;
    close_handed();
    handed.socket = 0;
    return fd;
}

void mu_predecessor_forget(pid_t server)
{
    read_variable(server);
    const int fd = mu_predecessor_relieve();
    if (fd >= 0)
        close(fd);
}
