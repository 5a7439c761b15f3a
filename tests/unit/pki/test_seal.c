#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../check.h"
#include "base/macros.h"
#include "pki/seal.h"

static int memory_file(const void *data, size_t len)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static size_t contents(int fd, char *ret, size_t cap)
{
    ssize_t len = pread(fd, ret, cap, 0);
    assert_true(len >= 0);
    return (size_t)len;
}

static int tell(void *arg, const char *what, struct mu_secret *ret, struct mu_error *err)
{
    assert_string_equal(what, "the file");
    return mu_secret_set(ret, arg, strlen(arg), err);
}

struct fixture {
    char text[200000];
    char sealed[300000];
    size_t sealed_len;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct mu_error err = MU_ERROR_INIT;
    struct mu_secret passphrase = MU_SECRET_INIT;
    for (size_t i = 0; i < sizeof f->text; i++)
        f->text[i] = (char)(i * 7 % 251);
    int from = memory_file(f->text, sizeof f->text), to = memory_file("", 0);
    assert_worked(mu_secret_set(&passphrase, "geheim", 6, &err), &err);
    assert_worked(mu_seal(from, to, &passphrase, &err), &err);
    f->sealed_len = contents(to, f->sealed, sizeof f->sealed);
    mu_secret_clear(&passphrase);
    close(from);
    close(to);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

static int unseal(const struct fixture *f, size_t len, const char *passphrase, int *ret_to,
                  struct mu_error *err)
{
    const struct mu_passphrase_source source = {.ask = tell, .arg = (void *)passphrase};
    int from = memory_file(f->sealed, len);
    *ret_to = memory_file("", 0);
    int result = mu_unseal("the file", from, *ret_to, &source, err);
    close(from);
    return result;
}

static void what_was_sealed_comes_back(void **state)
{
    struct fixture *f = *state;
    struct mu_error err = MU_ERROR_INIT;
    static char back[sizeof f->text + 1];
    int to;
    assert_true(mu_seal_is(f->sealed, f->sealed_len));
    assert_false(mu_seal_is(f->text, sizeof f->text));
    assert_null(memmem(f->sealed, f->sealed_len, f->text, 251));
    assert_worked(unseal(f, f->sealed_len, "geheim", &to, &err), &err);
    assert_int_equal(contents(to, back, sizeof back), sizeof f->text);
    assert_memory_equal(back, f->text, sizeof f->text);
    close(to);
}

static void a_wrong_passphrase_does_not_open_it(void **state)
{
    struct mu_error err = MU_ERROR_INIT;
    struct fixture *f = *state;
    int to;
    assert_refused(unseal(f, f->sealed_len, "geheimer", &to, &err), &err, MU_E_PASSPHRASE_WRONG,
                   "does not open the file");
    close(to);
}

static void what_was_altered_or_cut_off_is_not_taken(void **state)
{
    struct fixture *f = *state;
    const size_t places[] = {f->sealed_len / 2, f->sealed_len - 10};
    int to;
    for (size_t i = 0; i < MU_COUNT(places); i++) {
        struct mu_error err = MU_ERROR_INIT;
        f->sealed[places[i]] ^= 1;
        assert_refused(unseal(f, f->sealed_len, "geheim", &to, &err), &err, MU_E_DAMAGED,
                       "the file is damaged");
        f->sealed[places[i]] ^= 1;
        close(to);
    }
    const size_t lengths[] = {MU_SEAL_HEAD_LEN, 100, f->sealed_len / 2, f->sealed_len - 1};
    for (size_t i = 0; i < MU_COUNT(lengths); i++) {
        struct mu_error err = MU_ERROR_INIT;
        assert_refused(unseal(f, lengths[i], "geheim", &to, &err), &err, MU_E_DAMAGED,
                       "the file is damaged");
        close(to);
    }
}

static void what_could_not_be_written_whole_is_told(void **state)
{
    struct fixture *f = *state;
    struct mu_secret passphrase = MU_SECRET_INIT;
    struct mu_error err = MU_ERROR_INIT;
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    int from = memory_file(f->text, sizeof f->text), to = memory_file("", 0);
    assert_true(full >= 0);
    assert_worked(mu_secret_set(&passphrase, "geheim", 6, &err), &err);
    assert_refused(mu_seal(from, full, &passphrase, &err), &err, MU_E_IO, "could not be written");
    assert_string_equal(err.cause, strerror(ENOSPC));
    err = (struct mu_error)MU_ERROR_INIT;
    assert_refused(mu_seal(full, to, &passphrase, &err), &err, MU_E_IO, "could not be written");
    assert_string_equal(err.cause, strerror(EBADF));
    mu_secret_clear(&passphrase);
    close(full);
    close(from);
    close(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_sealed_comes_back),
        cmocka_unit_test(a_wrong_passphrase_does_not_open_it),
        cmocka_unit_test(what_was_altered_or_cut_off_is_not_taken),
        cmocka_unit_test(what_could_not_be_written_whole_is_told),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
