#include "../check.h"

#include <signal.h>

#include "base/process.h"

static int run(const char *script, const struct mu_buf *input, struct mu_buf *output,
               struct mu_buf *errors)
{
    struct mu_error err = MU_ERROR_INIT;
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    const struct mu_process process = {argv, input, output, errors};
    int status = -1000;
    assert_worked(mu_process_run(&process, &status, &err), &err);
    return status;
}

static void what_it_writes_is_kept_apart_and_its_status_is_told(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(mu_buf) output = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_buf) errors = MU_BUF_INIT;
    assert_int_equal(run("echo out; echo err >&2; exit 255", NULL, &output, &errors), 255);
    assert_string_equal(output.data, "out\n");
    assert_string_equal(errors.data, "err\n");
}

static void it_reads_what_it_is_given_however_long_and_nothing_else(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(mu_buf) input = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_buf) output = MU_BUF_INIT;
    for (int i = 0; i < 100000; i++) /* more than a pipe holds */
        mu_buf_addf(&input, "%d\n", i);
    assert_int_equal(run("cat", &input, &output, NULL), 0);
    assert_int_equal(output.len, input.len);
    assert_memory_equal(output.data, input.data, input.len);
    mu_buf_reset(&output);
    assert_int_equal(run("cat; echo end", NULL, &output, NULL), 0);
    assert_string_equal(output.data, "end\n");
}

static void a_signal_is_told_apart_from_a_status(void **state)
{
    (void)state;
    assert_int_equal(run("kill -KILL $$", NULL, NULL, NULL), -SIGKILL);
    assert_int_equal(run("exit 137", NULL, NULL, NULL), 137);
}

static void it_finds_sigpipe_as_it_is_everywhere(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(run("kill -PIPE $$; exit 0", NULL, NULL, NULL), -SIGPIPE);
}

static void a_program_that_is_not_there_fails_by_name(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    const char *const argv[] = {"/nonexistent/program", NULL};
    int status = 0;
    assert_refused(mu_process_run(&(struct mu_process){.argv = argv}, &status, &err), &err,
                   MU_E_SYSTEM, "/nonexistent/program could not be run");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_writes_is_kept_apart_and_its_status_is_told),
        cmocka_unit_test(it_reads_what_it_is_given_however_long_and_nothing_else),
        cmocka_unit_test(a_signal_is_told_apart_from_a_status),
        cmocka_unit_test(it_finds_sigpipe_as_it_is_everywhere),
        cmocka_unit_test(a_program_that_is_not_there_fails_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
