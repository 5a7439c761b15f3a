#include "../check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/channel.h"

struct pair {
    struct mu_channel channel;
    int other;
};

static void open_pair(struct pair *pair)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    *pair = (struct pair){.channel = {.fd = fds[0]}, .other = fds[1]};
}

static void close_pair(struct pair *pair)
{
    mu_channel_clear(&pair->channel);
    close(pair->channel.fd);
    if (pair->other >= 0)
        close(pair->other);
}

static void assert_written(struct mu_channel *channel, const char *data, size_t len)
{
    size_t taken;
    assert_int_equal(mu_channel_write(channel, data, len, &taken), MU_IO_DONE);
    assert_int_equal(taken, len);
}

static void what_is_small_leaves_together(void **state)
{
    (void)state;
    struct pair pair;
    char seen[16];
    open_pair(&pair);
    assert_written(&pair.channel, "one", 3);
    assert_written(&pair.channel, "two", 3);
    assert_true(mu_channel_has_output(&pair.channel));
    assert_true(read(pair.other, seen, sizeof seen) < 0 && errno == EAGAIN);
    assert_int_equal(mu_channel_flush(&pair.channel), MU_IO_DONE);
    assert_false(mu_channel_has_output(&pair.channel));
    assert_int_equal(read(pair.other, seen, sizeof seen), 6);
    assert_memory_equal(seen, "onetwo", 6);
    assert_null(pair.channel.held.data);
    close_pair(&pair);
}

static void what_is_large_leaves_at_once_behind_what_was_held(void **state)
{
    (void)state;
    static char large[16 * 1024], seen[sizeof large + 3];
    struct pair pair;
    memset(large, 'x', sizeof large);
    open_pair(&pair);
    assert_written(&pair.channel, "one", 3);
    assert_written(&pair.channel, large, sizeof large);
    assert_false(mu_channel_has_output(&pair.channel));
    assert_int_equal(recv(pair.other, seen, sizeof seen, MSG_WAITALL), sizeof seen);
    assert_memory_equal(seen, "onexxx", 6);
    close_pair(&pair);
}

static void the_end_comes_behind_what_was_held(void **state)
{
    (void)state;
    struct pair pair;
    char seen[16];
    open_pair(&pair);
    assert_written(&pair.channel, "last", 4);
    mu_channel_end(&pair.channel);
    assert_true(read(pair.other, seen, sizeof seen) < 0 && errno == EAGAIN);
    assert_int_equal(mu_channel_flush(&pair.channel), MU_IO_DONE);
    assert_int_equal(read(pair.other, seen, sizeof seen), 4);
    assert_int_equal(read(pair.other, seen, sizeof seen), 0);
    close_pair(&pair);
}

/* Whatever one end does not read, the other holds at most once over. */
static void a_full_socket_is_waited_for(void **state)
{
    (void)state;
    char piece[1000];
    struct pair pair;
    size_t taken, sent = 0, seen = 0;
    memset(piece, 'x', sizeof piece);
    open_pair(&pair);
    while (mu_channel_write(&pair.channel, piece, sizeof piece, &taken) == MU_IO_DONE)
        sent += taken;
    assert_int_equal(mu_channel_flush(&pair.channel), MU_IO_WANT_WRITE);
    assert_true(mu_channel_has_output(&pair.channel) && pair.channel.held.len <= 4096);
    for (ssize_t n; seen < sent; seen += (size_t)n) {
        n = read(pair.other, piece, sizeof piece);
        if (n < 0) {
            assert_int_equal(mu_channel_flush(&pair.channel), MU_IO_DONE);
            n = 0;
        }
    }
    assert_int_equal(seen, sent);
    close_pair(&pair);
}

static void nobody_is_there(void **state)
{
    (void)state;
    struct pair pair;
    size_t taken;
    open_pair(&pair);
    close(pair.other);
    pair.other = -1;
    assert_written(&pair.channel, "one", 3);
    assert_int_equal(mu_channel_flush(&pair.channel), MU_IO_FAILED);
    assert_int_equal(errno, EPIPE);
    assert_true(pair.channel.failed);
    assert_false(mu_channel_has_output(&pair.channel));
    assert_int_equal(mu_channel_write(&pair.channel, "two", 3, &taken), MU_IO_FAILED);
    assert_int_equal(taken, 0);
    close_pair(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_small_leaves_together),
        cmocka_unit_test(what_is_large_leaves_at_once_behind_what_was_held),
        cmocka_unit_test(the_end_comes_behind_what_was_held),
        cmocka_unit_test(a_full_socket_is_waited_for),
        cmocka_unit_test(nobody_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
