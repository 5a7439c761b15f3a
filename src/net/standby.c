#include "net/standby.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/macros.h"
#include "net/internal.h"
#include "net/successor.h"

/* Linux passes 253 descriptors a message. */
enum { FDS_A_MESSAGE = 250, FDS_MAX = 8192 };

/* For the standby to answer, which takes it milliseconds. */
enum { ANSWER_S = 10 };

/* A message is the number of descriptors in all, and some of them; the answer is the new process's number, or 0. */
union control {
    struct cmsghdr header; /* for its alignment */
    char space[CMSG_SPACE(FDS_A_MESSAGE * sizeof(int))];
};

static bool begun;
static int to_standby = -1; /* -1: it is gone */

/* --- Who stands by --- */

struct standby {
    int socket;
    pid_t server;
    int fds[FDS_MAX];
    size_t count, total;
};

static void close_received(struct standby *s)
{
    for (size_t i = 0; i < s->count; i++)
        close(s->fds[i]);
    s->count = 0;
}

static void take(struct standby *s, const struct cmsghdr *header)
{
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
        return;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    int fds[FDS_A_MESSAGE];
    memcpy(fds, CMSG_DATA(header), count * sizeof(int));
    for (size_t i = 0; i < count; i++) {
        if (s->count < FDS_MAX)
            s->fds[s->count++] = fds[i];
        else
            close(fds[i]);
    }
}

/* False: the server has ended; or there are more descriptors than this process may have, and the server learns by its end. */
static bool receive(struct standby *s)
{
    uint32_t total;
    union control control;
    struct iovec iov = {.iov_base = &total, .iov_len = sizeof total};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t n;
    do
        n = recvmsg(s->socket, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n != sizeof total || (message.msg_flags & MSG_CTRUNC) != 0)
        return false;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at != NULL; at = CMSG_NXTHDR(&message, at))
        take(s, at);
    s->total = total;
    return true;
}

static void start(struct standby *s)
{
    struct mu_error err = MU_ERROR_INIT;
    pid_t pid = 0;
    if (mu_successor_fork(s->fds + 1, s->count - 1, s->fds[0], s->server, &pid, &err) != 0)
        pid = 0; /* the server says so */
    (void)!send(s->socket, &pid, sizeof pid, MSG_NOSIGNAL);
    close_received(s);
}

/* A signal for the whole group, such as Ctrl-C, is for the server; when that has ended, so has this. */
__attribute__((noreturn)) static void stand_by(int socket, pid_t server)
{
    static const int signals[] = MU_SUCCESSOR_SIGNALS;
    static struct standby s;
    s.socket = socket;
    s.server = server;
    mu_raise_file_limit(); /* it has as many sockets as the server for a moment */
    for (size_t i = 0; i < MU_COUNT(signals); i++)
        signal(signals[i], SIG_IGN);
    while (receive(&s))
        if (s.count > 0 && s.count == s.total)
            start(&s);
    _exit(0);
}

/* --- The server --- */

int mu_standby_begin(struct mu_error *err)
{
    int ends[2];
    const struct timeval patience = {.tv_sec = ANSWER_S};
    const pid_t server = getpid();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return mu_fail_errno(err, MU_E_SYSTEM, "cannot make a pair of sockets");
    const pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        mu_predecessor_forget(server);
        stand_by(ends[1], server);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return mu_fail_errno(err, MU_E_SYSTEM, "cannot start another process");
    }
    setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    to_standby = ends[0];
    begun = true;
    return 0;
}

bool mu_standby_is_there(void)
{
    return begun;
}

static bool send_some(const int *fds, size_t count, uint32_t total)
{
    union control control;
    struct iovec iov = {.iov_base = &total, .iov_len = sizeof total};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    memset(&control, 0, sizeof control);
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
    return sendmsg(to_standby, &message, MSG_NOSIGNAL) == (ssize_t)sizeof total;
}

int mu_standby_start(const int *fds, size_t count, pid_t *ret, struct mu_error *err)
{
    bool sent = count <= FDS_MAX;
    for (size_t at = 0; sent && at < count; at += FDS_A_MESSAGE)
        sent = send_some(fds + at, count - at < FDS_A_MESSAGE ? count - at : FDS_A_MESSAGE,
                         (uint32_t)count);
    pid_t pid = 0;
    if (sent && recv(to_standby, &pid, sizeof pid, 0) == (ssize_t)sizeof pid && pid > 0) {
        *ret = pid;
        return 0;
    }
    /* Half of them may have arrived: it is of no use any more. */
    if (to_standby >= 0)
        close(to_standby);
    to_standby = -1;
    mu_fail(err, MU_E_SYSTEM, "the process that stands by could not start another");
    return mu_hint(err,
                   "restart instead; sockets that systemd holds (systemd:NAME) make that refuse "
                   "nobody");
}
