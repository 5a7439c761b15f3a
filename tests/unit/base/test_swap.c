#include "../check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/swap.h"

/*
 * These stand before the C library's functions of the same names, in this program and so in the code that it tests:
 * every call that changes what is on the disk is a step at which the process can be killed, or the call can fail.
 */
static int steps_left; /* until something happens; 0: nothing will */
static int fails_with; /* errno of the call that fails; 0: the process is killed instead */

/* What has been done, a letter each: 's' has put it on the disk, 'l' has made a link, 'r' moved a name, 'T' the one by which all
 * change, which 'u' has removed. */
static char done[512];

static void note(char what)
{
    const size_t len = strlen(done);
    if (len + 1 < sizeof done)
        done[len] = what;
}

static bool step(void)
{
    if (steps_left == 0 || --steps_left > 0)
        return true;
    if (fails_with == 0) {
        kill(getpid(), SIGKILL);
        pause();
    }
    errno = fails_with;
    return false;
}

int mkdir(const char *path, mode_t mode)
{
    return step() ? (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode) : -1;
}

int mkdirat(int dir, const char *path, mode_t mode)
{
    return step() ? (int)syscall(SYS_mkdirat, dir, path, mode) : -1;
}

int rmdir(const char *path)
{
    return step() ? (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR) : -1;
}

int symlinkat(const char *target, int dir, const char *path)
{
    note('l');
    return step() ? (int)syscall(SYS_symlinkat, target, dir, path) : -1;
}

int linkat(int from, const char *old, int to, const char *new, int flags)
{
    return step() ? (int)syscall(SYS_linkat, from, old, to, new, flags) : -1;
}

int link(const char *old, const char *new)
{
    return step() ? (int)syscall(SYS_linkat, AT_FDCWD, old, AT_FDCWD, new, 0) : -1;
}

int renameat(int from, const char *old, int to, const char *new)
{
    note(strcmp(new, "now") == 0 ? 'T' : 'r');
    return step() ? (int)syscall(SYS_renameat2, from, old, to, new, 0) : -1;
}

int rename(const char *old, const char *new)
{
    return step() ? (int)syscall(SYS_renameat2, AT_FDCWD, old, AT_FDCWD, new, 0) : -1;
}

int unlinkat(int dir, const char *path, int flags)
{
    if (strcmp(path, "now") == 0)
        note('u');
    return step() ? (int)syscall(SYS_unlinkat, dir, path, flags) : -1;
}

int unlink(const char *path)
{
    return step() ? (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0) : -1;
}

int fsync(int fd)
{
    (void)fd; /* no power is cut here, and thousands of them take a minute */
    note('s');
    return step() ? 0 : -1;
}

int nanosleep(const struct timespec *asked, struct timespec *left)
{
    (void)asked; /* nobody reads while these tests change */
    (void)left;
    return 0;
}

/* Where the pair of a test lies, and what was there before. */
struct place {
    const char *key, *cert;
    bool had_key, had_cert;
};

static const struct place beside = {"a.key", "a.crt", true, true};
static const struct place apart = {"private/a.key", "./certs/a.crt", true, true};
static const struct place fresh = {"a.key", "a.crt", false, false};
static const struct place half = {"a.key", "private/a.crt", false, true};

static char dir[64];

static int set_up(void **state)
{
    (void)state;
    /* In memory where there is such a place: elsewhere it waits for everybody's journal. */
    snprintf(dir, sizeof dir, "%s/mutual-test-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    return mkdtemp(dir) == NULL || chdir(dir) != 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *where)
{
    (void)st;
    (void)flag;
    return where->level == 0 ? 0 : remove(path);
}

static void remove_all(void)
{
    assert_int_equal(nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static int tear_down(void **state)
{
    (void)state;
    remove_all();
    return chdir("/") != 0 || rmdir(dir) != 0;
}

static void write_now(const char *path, const char *text)
{
    struct mu_error err = MU_ERROR_INIT;
    assert_worked(mu_file_write(path, text, strlen(text), 0644, true, &err), &err);
}

static void make(const struct place *place)
{
    remove_all();
    assert_int_equal(mkdir("private", 0700), 0);
    assert_int_equal(mkdir("certs", 0755), 0);
    if (place->had_key)
        write_now(place->key, "old key");
    if (place->had_cert)
        write_now(place->cert, "old cert");
}

static int change(const struct place *place, const char *key, const char *cert, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_stage) stage = {.replace = true};
    if (mu_stage_add(&stage, place->key, key, strlen(key), 0600, err) != 0 ||
        mu_stage_add(&stage, place->cert, cert, strlen(cert), 0644, err) != 0)
        return -1;
    return mu_stage_commit(&stage, err);
}

/* The file's words, "" when there is none. */
static void read_now(const char *path, char *ret, size_t cap)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_buf) found = MU_BUF_INIT;
    ret[0] = '\0';
    if (mu_file_read(path, 100, &found, &err) == 0)
        snprintf(ret, cap, "%s", mu_buf_str(&found));
    else
        assert_int_equal(err.code, MU_E_NOT_FOUND);
}

/* Is it the new pair? It has to be that or the old one, and nothing else. */
static bool is_new(const struct place *place)
{
    char key[32], cert[32];
    read_now(place->key, key, sizeof key);
    read_now(place->cert, cert, sizeof cert);
    if (strcmp(key, "new key") == 0) {
        assert_string_equal(cert, "new cert");
        return true;
    }
    assert_string_equal(key, place->had_key ? "old key" : "");
    assert_string_equal(cert, place->had_cert ? "old cert" : "");
    return false;
}

static int count_in(const char *path)
{
    int count = 0;
    DIR *at = opendir(path);
    assert_non_null(at);
    for (const struct dirent *entry; (entry = readdir(at)) != NULL;) {
        struct stat st;
        assert_int_equal(fstatat(dirfd(at), entry->d_name, &st, AT_SYMLINK_NOFOLLOW), 0);
        count += !S_ISDIR(st.st_mode) || strncmp(entry->d_name, ".mutual", 7) == 0;
        assert_false(S_ISLNK(st.st_mode));
    }
    closedir(at);
    return count;
}

/* Plain files under their names, and nothing beside them. */
static void assert_tidy(bool both, const struct place *place)
{
    assert_int_equal(count_in(".") + count_in("private") + count_in("certs"),
                     both ? 2 : place->had_key + place->had_cert);
}

/* Run it in a process of its own, which is killed at its n-th step. False: it has fewer. */
static bool killed_at(int n, int (*run)(const struct place *), const struct place *place)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        steps_left = n;
        _exit(run(place));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGKILL);
        return true;
    }
    assert_int_equal(WEXITSTATUS(status), 0);
    return false;
}

static int change_to_new(const struct place *place)
{
    struct mu_error err = MU_ERROR_INIT;
    return change(place, "new key", "new cert", &err) == 0 ? 0 : 1;
}

static int settle_now(const struct place *place)
{
    struct mu_error err = MU_ERROR_INIT;
    return mu_swap_settle(place->cert, &err) == 0 ? 0 : 1;
}

static void several_files_are_replaced_together(void **state)
{
    (void)state;
    static const struct place *const places[] = {&beside, &apart, &fresh, &half};
    for (size_t i = 0; i < MU_COUNT(places); i++) {
        struct mu_error err = MU_ERROR_INIT;
        struct stat st;
        make(places[i]);
        assert_worked(change(places[i], "new key", "new cert", &err), &err);
        assert_true(is_new(places[i]));
        assert_tidy(true, places[i]);
        assert_true(stat(places[i]->key, &st) == 0 && (st.st_mode & 07777) == 0600);
        assert_true(stat(places[i]->cert, &st) == 0 && (st.st_mode & 07777) == 0644);
    }
}

/* What a power cut leaves is what a kill leaves: the links before the names lead to them, all of that before it changes, and
 * the change before anything goes. */
static void each_stage_is_on_the_disk_before_the_next(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    make(&apart);
    memset(done, 0, sizeof done);
    assert_worked(change(&apart, "new key", "new cert", &err), &err);
    const char *first = strchr(done, 'r'), *turn = strchr(done, 'T');
    assert_true(first != NULL && turn > first && first > done);
    const char *removed = strchr(turn, 'u');
    assert_non_null(removed);
    assert_int_equal(first[-1], 's');
    assert_int_equal(turn[-1], 's');
    assert_int_equal(turn[1], 's');
    assert_int_equal(removed[-1], 's');
}

/* Killed at each step, the pair is the old or the new one at once, stays what it is when it is put in order, and the
 * next change works. */
static void killed_at_any_step_there_is_the_old_pair_or_the_new(void **state)
{
    (void)state;
    static const struct place *const places[] = {&beside, &apart, &fresh, &half};
    for (size_t i = 0; i < MU_COUNT(places); i++) {
        int old = 0, new = 0, n = 1;
        for (;; n++) {
            make(places[i]);
            if (!killed_at(n, change_to_new, places[i]))
                break;
            bool before = is_new(places[i]);
            assert_int_equal(settle_now(places[i]), 0);
            assert_int_equal(is_new(places[i]), before);
            assert_tidy(before, places[i]);
            assert_int_equal(change_to_new(places[i]), 0);
            assert_true(is_new(places[i]));
            assert_tidy(true, places[i]);
            *(before ? &new : &old) += 1;
        }
        assert_true(old > 20 && new > 10); /* it has steps before and after the one that counts */
    }
}

static int settle_all_now(const struct place *place)
{
    struct mu_error err = MU_ERROR_INIT;
    (void)place;
    return mu_swap_settle_all(".", &err) == 0 ? 0 : 1;
}

static void what_was_left_is_put_in_order_also_by_who_knows_no_more_than_where(void **state)
{
    (void)state;
    for (int n = 1;; n++) {
        make(&beside);
        if (!killed_at(n, change_to_new, &beside))
            break;
        bool before = is_new(&beside);
        assert_int_equal(settle_all_now(&beside), 0);
        assert_int_equal(is_new(&beside), before);
        assert_tidy(before, &beside);
    }
}

static void killed_again_while_it_is_put_in_order_it_still_is(void **state)
{
    (void)state;
    int twice = 0;
    for (int n = 1;; n += 9) { /* all of them would take long, and tell nothing more */
        make(&beside);
        if (!killed_at(n, change_to_new, &beside))
            break;
        bool before = is_new(&beside);
        for (int m = 1; killed_at(m, settle_now, &beside); m += 2, twice++) {
            assert_int_equal(is_new(&beside), before);
            make(&beside);
            assert_true(killed_at(n, change_to_new, &beside));
        }
        assert_int_equal(is_new(&beside), before);
        assert_tidy(before, &beside);
    }
    assert_true(twice > 25);
}

/* A change that is refused has changed nothing; one that is reported as done is done. */
static void failing_at_any_step_it_changes_nothing_and_says_so(void **state)
{
    (void)state;
    static const struct place *const places[] = {&apart, &half};
    for (size_t i = 0; i < MU_COUNT(places); i++) {
        const struct place *place = places[i];
        int refused = 0;
        for (int n = 1; n < 1000; n++) {
            struct mu_error err = MU_ERROR_INIT;
            make(place);
            steps_left = n;
            fails_with = ENOSPC;
            int result = change(place, "new key", "new cert", &err);
            bool over = steps_left > 0;
            steps_left = fails_with = 0;
            assert_int_equal(is_new(place), result == 0);
            if (result != 0)
                assert_non_null(strstr(err.what, "a."));
            refused += result != 0;
            assert_int_equal(settle_now(place), 0);
            assert_int_equal(is_new(place), result == 0);
            if (over)
                break;
        }
        assert_true(refused > 10);
    }
}

/* FAT has neither symbolic nor hard links. */
static void without_links_one_comes_after_the_other(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    for (int n = 1; n < 1000; n++) {
        make(&beside);
        steps_left = n;
        fails_with = EPERM;
        int result = change(&beside, "new key", "new cert", &err);
        bool over = steps_left > 0;
        steps_left = fails_with = 0;
        assert_int_equal(is_new(&beside), result == 0);
        if (over)
            return;
    }
    fail();
}

static void what_another_user_left_is_not_obeyed(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    char path[256] = "";
    make(&beside);
    for (int n = 1; path[0] == '\0'; n++) { /* until it is there */
        assert_true(killed_at(n, change_to_new, &beside));
        DIR *at = opendir(".");
        for (const struct dirent *entry; (entry = readdir(at)) != NULL;)
            if (strncmp(entry->d_name, ".mutual-", 8) == 0 && strstr(entry->d_name, ".tmp") == NULL)
                snprintf(path, sizeof path, "%s", entry->d_name);
        closedir(at);
    }
    assert_int_equal(chmod(path, 0777), 0); /* anybody may have put something into it */
    assert_refused(change(&beside, "new key", "new cert", &err), &err, MU_E_IO, "another user");
    assert_false(is_new(&beside));
    assert_int_equal(chmod(path, 0755), 0);
    assert_int_equal(change_to_new(&beside), 0);
    assert_tidy(true, &beside);
}

static void changes_of_the_same_pair_wait_for_each_other(void **state)
{
    (void)state;
    pid_t children[8];
    make(&beside);
    for (size_t i = 0; i < MU_COUNT(children); i++) {
        char key[32], cert[32];
        snprintf(key, sizeof key, "key %zu", i);
        snprintf(cert, sizeof cert, "key %zu", i);
        children[i] = fork();
        if (children[i] == 0) {
            struct mu_error err = MU_ERROR_INIT;
            for (int times = 0; times < 5; times++)
                if (change(&beside, key, cert, &err) != 0)
                    _exit(1);
            _exit(0);
        }
    }
    for (size_t i = 0; i < MU_COUNT(children); i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    char key[32], cert[32];
    read_now("a.key", key, sizeof key);
    read_now("a.crt", cert, sizeof cert);
    assert_string_equal(key, cert);
    assert_tidy(true, &beside);
}

static void a_name_as_long_as_a_name_can_be_is_replaced_with_its_pair(void **state)
{
    (void)state;
    char key[256], cert[256];
    memset(key, 'n', 255);
    memset(cert, 'm', 255);
    key[255] = cert[255] = '\0';
    struct place place = {key, cert, true, true};
    make(&place);
    assert_int_equal(change_to_new(&place), 0);
    assert_true(is_new(&place));
    assert_tidy(true, &place);
}

#define IN_A_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_DIRECTORY(several_files_are_replaced_together),
        IN_A_DIRECTORY(each_stage_is_on_the_disk_before_the_next),
        IN_A_DIRECTORY(killed_at_any_step_there_is_the_old_pair_or_the_new),
        IN_A_DIRECTORY(what_was_left_is_put_in_order_also_by_who_knows_no_more_than_where),
        IN_A_DIRECTORY(killed_again_while_it_is_put_in_order_it_still_is),
        IN_A_DIRECTORY(failing_at_any_step_it_changes_nothing_and_says_so),
        IN_A_DIRECTORY(without_links_one_comes_after_the_other),
        IN_A_DIRECTORY(what_another_user_left_is_not_obeyed),
        IN_A_DIRECTORY(changes_of_the_same_pair_wait_for_each_other),
        IN_A_DIRECTORY(a_name_as_long_as_a_name_can_be_is_replaced_with_its_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
