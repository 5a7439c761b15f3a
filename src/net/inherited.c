/* Listening sockets that were open before we were started, as systemd hands them on. [sd_listen_fds(3)] */

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "net/address.h"

enum { FIRST = 3, COUNT_MAX = 1024 };

/* How many there are for this process, and not for the one that started it. */
static int count_inherited(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    if (pid == NULL || count == NULL || strtol(pid, NULL, 10) != (long)getpid())
        return 0;
    long number = strtol(count, NULL, 10);
    return number < 0 || number > COUNT_MAX ? 0 : (int)number;
}

/* The names stand in the order of the descriptors, with colons between them. */
static bool is_called(int i, const char *name)
{
    const char *names = getenv("LISTEN_FDNAMES");
    if (*name == '\0')
        return true;
    for (; names != NULL && i > 0; i--) {
        names = strchr(names, ':');
        names = names == NULL ? NULL : names + 1;
    }
    return names != NULL && strcspn(names, ":") == strlen(name) &&
           strncmp(names, name, strlen(name)) == 0;
}

static int take(int fd, struct mu_address *ret, struct mu_error *err)
{
    const int on = 1;
    int type = 0, listens = 0;
    socklen_t len = sizeof type;
    *ret = (struct mu_address){.len = sizeof ret->sa, .inherited = fd};
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 || type != SOCK_STREAM ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) != 0 || listens == 0 ||
        getsockname(fd, (struct sockaddr *)&ret->sa, &ret->len) != 0) {
        mu_fail(err, MU_E_LISTEN, "the descriptor %d that systemd handed on is no listening socket",
                fd);
        return mu_hint(err, "in the .socket unit, write ListenStream=, and Accept=no");
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (ret->sa.ss_family != AF_UNIX) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    }
    return 0;
}

int mu_address_inherit(const char *name, struct mu_address *ret, size_t cap, size_t *ret_count,
                       struct mu_error *err)
{
    int count = count_inherited();
    *ret_count = 0;
    for (int i = 0; i < count && *ret_count < cap; i++)
        if (is_called(i, name) && take(FIRST + i, &ret[(*ret_count)++], err) != 0)
            return -1;
    if (*ret_count > 0)
        return 0;
    if (count > 0)
        mu_fail(err, MU_E_LISTEN, "systemd has handed on no socket called \"%s\"", name);
    else
        mu_fail(err, MU_E_LISTEN, "systemd has handed on no socket");
    return mu_hint(err, "start this by its .socket unit, in which FileDescriptorName= is the name");
}
