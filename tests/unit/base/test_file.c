#include "../check.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"

/* What has been asked to survive a power cut, and whether the file `named` was there to be seen by then. */
static struct {
    const char *named;
    int files, dirs;
    bool seen_before_file, seen_before_dir;
} synced;

int fsync(int fd)
{
    struct stat st;
    const bool seen = synced.named != NULL && access(synced.named, F_OK) == 0;
    if (synced.named != NULL && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        synced.files++;
        synced.seen_before_file = synced.seen_before_file || seen;
    } else if (synced.named != NULL) {
        synced.dirs++;
        synced.seen_before_dir = seen;
    }
    return (int)syscall(SYS_fsync, fd);
}

/* A directory of its own for each test, which is also the current one. */
static int set_up(void **state)
{
    static char dir[64];
    snprintf(dir, sizeof dir, "/tmp/mutual-test-XXXXXX");
    *state = dir;
    return mkdtemp(dir) == NULL || chdir(dir) != 0;
}

static int tear_down(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", (const char *)*state);
    return chdir("/") != 0 || system(command) != 0;
}

static int count_files(void)
{
    int count = 0;
    DIR *dir = opendir(".");
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return count;
}

static void write_file(const char *path, const char *text)
{
    struct mu_error err = MU_ERROR_INIT;
    assert_worked(mu_file_write(path, text, strlen(text), 0644, true, &err), &err);
}

static void assert_file(const char *path, const char *text)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_buf) found = MU_BUF_INIT;
    assert_worked(mu_file_read(path, 100, &found, &err), &err);
    assert_string_equal(mu_buf_str(&found), text);
}

static void a_file_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct stat st;
    write_file("a", "text");
    assert_file("a", "text");
    assert_int_equal(stat("a", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    write_file("empty", "");
    assert_file("empty", "");
}

static void what_cannot_be_read_is_told_for_what_it_is(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_buf) found = MU_BUF_INIT;
    assert_refused(mu_file_read("none", 100, &found, &err), &err, MU_E_NOT_FOUND, "none");
    assert_refused(mu_file_read("none/a", 100, &found, &err), &err, MU_E_NOT_FOUND, "none/a");
    assert_refused(mu_file_read(".", 100, &found, &err), &err, MU_E_WRONG_KIND, "directory");
    write_file("large", "12345678901");
    assert_refused(mu_file_read("large", 10, &found, &err), &err, MU_E_TOO_LARGE, "10 bytes");
    mu_buf_clear(&found);
    assert_worked(mu_file_read("large", 11, &found, &err), &err);
}

static void a_copy_has_all_of_the_file_and_the_mode_that_was_said(void **state)
{
    (void)state;
    struct stat st;
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_stage) stage = MU_STAGE_INIT;
    MU_AUTO_CLEAR(mu_buf) large = MU_BUF_INIT, found = MU_BUF_INIT;
    for (int i = 0; i < 50000; i++)
        mu_buf_addf(&large, "%d,", i);
    write_file("a", mu_buf_str(&large));
    assert_int_equal(mu_stage_copy(&stage, "none", "nowhere", 0600, &err), -1);
    assert_int_equal(err.code, MU_E_NOT_FOUND);
    mu_stage_clear(&stage);
    assert_worked(mu_stage_copy(&stage, "b", "a", 0600, &err), &err);
    assert_worked(mu_stage_commit(&stage, &err), &err);
    assert_worked(mu_file_read("b", MU_FILE_LIMIT, &found, &err), &err);
    assert_string_equal(mu_buf_str(&found), mu_buf_str(&large));
    assert_int_equal(stat("b", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(count_files(), 2);
}

static void several_files_appear_together_or_not_at_all(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    {
        MU_AUTO_CLEAR(mu_stage) stage = MU_STAGE_INIT;
        assert_worked(mu_stage_add(&stage, "a.key", "key", 3, 0600, &err), &err);
        assert_worked(mu_stage_add(&stage, "a.crt", "crt", 3, 0644, &err), &err);
        assert_true(access("a.key", F_OK) != 0 && access("a.crt", F_OK) != 0);
    }
    assert_int_equal(count_files(), 0); /* cleared without a commit: no trace */
    MU_AUTO_CLEAR(mu_stage) stage = MU_STAGE_INIT;
    assert_worked(mu_stage_add(&stage, "a.key", "key", 3, 0600, &err), &err);
    assert_worked(mu_stage_add(&stage, "a.crt", "crt", 3, 0644, &err), &err);
    assert_worked(mu_stage_commit(&stage, &err), &err);
    assert_file("a.key", "key");
    assert_file("a.crt", "crt");
    assert_int_equal(count_files(), 2);
}

/* More than a few, so that they become durable together. */
static void of_many_stages_each_stands_by_itself(void **state)
{
    (void)state;
    enum { MANY = 12, TAKEN = 5 };
    struct mu_stage stages[MANY] = {MU_STAGE_INIT};
    struct mu_error whys[MANY] = {MU_ERROR_INIT}, err = MU_ERROR_INIT;
    char name[16];
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "%d.key", i);
        assert_worked(mu_stage_add(&stages[i], name, "key", 3, 0600, &err), &err);
        snprintf(name, sizeof name, "%d.crt", i);
        assert_worked(mu_stage_add(&stages[i], name, "crt", 3, 0644, &err), &err);
    }
    write_file("5.crt", "somebody else's");
    assert_worked(mu_stage_commit_each(stages, MANY, whys, &err), &err);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(stages[i].placed, i != TAKEN);
    assert_int_equal(whys[TAKEN].code, MU_E_EXISTS);
    assert_non_null(strstr(whys[TAKEN].what, "5.crt"));
    assert_file("5.crt", "somebody else's");
    assert_file("11.crt", "crt");
    assert_int_equal(count_files(), 2 * MANY - 1);
    for (int i = 0; i < MANY; i++)
        mu_stage_clear(&stages[i]);
}

static void modes_are_what_was_said_whatever_the_umask(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    struct stat st;
    mode_t before = umask(0);
    assert_worked(mu_file_write("key", "k", 1, 0600, false, &err), &err);
    umask(0777);
    assert_worked(mu_file_write("crt", "c", 1, 0644, false, &err), &err);
    umask(before);
    assert_true(stat("key", &st) == 0 && (st.st_mode & 07777) == 0600);
    assert_true(stat("crt", &st) == 0 && (st.st_mode & 07777) == 0644);
}

static void a_file_that_is_there_is_left_alone_unless_it_may_be_replaced(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    write_file("a", "old");
    assert_refused(mu_file_write("a", "new", 3, 0644, false, &err), &err, MU_E_EXISTS,
                   "a exists already");
    assert_file("a", "old");
    assert_worked(mu_file_write("a", "new", 3, 0600, true, &err), &err);
    assert_file("a", "new");
    assert_int_equal(mkdir("dir", 0700), 0);
    assert_refused(mu_file_write("dir", "x", 1, 0644, true, &err), &err, MU_E_WRONG_KIND,
                   "directory");
    assert_int_equal(count_files(), 2);
}

static void one_that_comes_up_before_the_commit_undoes_those_before_it(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_stage) stage = MU_STAGE_INIT;
    assert_worked(mu_stage_add(&stage, "a.key", "key", 3, 0600, &err), &err);
    assert_worked(mu_stage_add(&stage, "a.crt", "crt", 3, 0644, &err), &err);
    write_file("a.crt", "somebody else's");
    assert_refused(mu_stage_commit(&stage, &err), &err, MU_E_EXISTS, "a.crt");
    assert_file("a.crt", "somebody else's");
    mu_stage_clear(&stage);
    assert_int_equal(count_files(), 1);
}

static void a_symbolic_link_is_replaced_not_followed(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    write_file("target", "precious");
    assert_int_equal(symlink("target", "link"), 0);
    assert_int_equal(symlink("nowhere", "dangling"), 0);
    assert_refused(mu_file_write("link", "x", 1, 0644, false, &err), &err, MU_E_EXISTS, "link");
    assert_refused(mu_file_write("dangling", "x", 1, 0644, false, &err), &err, MU_E_EXISTS,
                   "dangling");
    assert_worked(mu_file_write("link", "new", 3, 0644, true, &err), &err);
    assert_file("target", "precious");
    assert_file("link", "new");
}

static void a_name_as_long_as_a_name_can_be_is_written(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    char name[256];
    memset(name, 'n', 255);
    name[255] = '\0';
    for (int i = 0; i < 2; i++)
        assert_worked(mu_file_write(name, "x", 1, 0644, true, &err), &err);
    assert_int_equal(count_files(), 1);
    assert_refused(mu_file_write("none/a", "x", 1, 0644, true, &err), &err, MU_E_NOT_FOUND,
                   "none/a");
}

static void directories_are_made_with_their_parents(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    struct stat st;
    assert_worked(mu_dir_make("a/b//c/", 0700, &err), &err);
    assert_worked(mu_dir_make("a/b/c", 0755, &err), &err);
    assert_true(stat("a/b/c", &st) == 0 && (st.st_mode & 07777) == 0700);
    write_file("file", "x");
    assert_refused(mu_dir_make("file", 0700, &err), &err, MU_E_IO, "file");
    assert_refused(mu_dir_make("file/below", 0700, &err), &err, MU_E_IO, "file");
}

static void a_path_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    char path[MU_PATH_LEN], name[MU_PATH_LEN];
    assert_worked(mu_path_join("/dir", "name", path, &err), &err);
    assert_string_equal(path, "/dir/name");
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_refused(mu_path_join("d", name, path, &err), &err, MU_E_USAGE, "too long");
}

#define IN_A_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static void a_name_is_given_to_what_is_on_the_disk_and_is_itself_put_there(void **state)
{
    (void)state;
    synced.named = "a";
    write_file("a", "text");
    synced.named = NULL;
    assert_int_equal(synced.files, 1);
    assert_int_equal(synced.dirs, 1);
    assert_false(synced.seen_before_file);
    assert_true(synced.seen_before_dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_DIRECTORY(a_file_is_read_as_it_was_written),
        IN_A_DIRECTORY(a_name_is_given_to_what_is_on_the_disk_and_is_itself_put_there),
        IN_A_DIRECTORY(what_cannot_be_read_is_told_for_what_it_is),
        IN_A_DIRECTORY(a_copy_has_all_of_the_file_and_the_mode_that_was_said),
        IN_A_DIRECTORY(several_files_appear_together_or_not_at_all),
        IN_A_DIRECTORY(of_many_stages_each_stands_by_itself),
        IN_A_DIRECTORY(modes_are_what_was_said_whatever_the_umask),
        IN_A_DIRECTORY(a_file_that_is_there_is_left_alone_unless_it_may_be_replaced),
        IN_A_DIRECTORY(one_that_comes_up_before_the_commit_undoes_those_before_it),
        IN_A_DIRECTORY(a_symbolic_link_is_replaced_not_followed),
        IN_A_DIRECTORY(a_name_as_long_as_a_name_can_be_is_written),
        IN_A_DIRECTORY(directories_are_made_with_their_parents),
        cmocka_unit_test(a_path_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
