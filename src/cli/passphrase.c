#include "cli/passphrase.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "cli/progress.h"

#define PASSPHRASE_LIMIT 4096

static const char *named_file(const struct mu_args *args)
{
    const char *path = mu_args_value(args, "passphrase-file");
    if (path == NULL)
        path = getenv("MUTUAL_PASSPHRASE_FILE");
    return path != NULL && *path != '\0' ? path : NULL;
}

/* The first line, without its end: an editor's newline is not part of the passphrase. */
static int from_file(const char *path, struct mu_secret *ret, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT_SECRET;
    if (mu_file_read(path, PASSPHRASE_LIMIT, &text, err) != 0)
        return -1;
    size_t len = strcspn(mu_buf_str(&text), "\r\n");
    if (len == 0) {
        mu_fail(err, MU_E_EMPTY, "the passphrase file %s has an empty first line", path);
        return mu_hint(err, "put the passphrase on the first line of the file");
    }
    return mu_secret_set(ret, text.data, len, err);
}

static volatile sig_atomic_t interrupted_by;

static void on_signal(int number)
{
    interrupted_by = number;
}

/* Say all of it; a terminal that cannot be written to is found out when it is read. */
static void say(int tty, const char *text)
{
    ssize_t unused = write(tty, text, strlen(text));
    (void)unused;
}

/*
 * Prompt, and take one line from the terminal without echo. The prompt comes after the echo has gone: going
 * flushes what was typed before, and whoever answers at once, such as a program, must not be flushed, nor shown.
 * A signal (Ctrl-C) must not leave the terminal mute, so it ends the read, and is let through when the echo is
 * back. Returns the length, -1 when there is no line.
 */
static ssize_t read_quietly(int tty, const char *prompt, char *ret, size_t cap)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct sigaction ours = {.sa_handler = on_signal}, before[MU_COUNT(numbers)];
    struct termios loud, quiet;
    if (tcgetattr(tty, &loud) != 0)
        return -1;
    interrupted_by = 0;
    for (size_t i = 0; i < MU_COUNT(numbers); i++)
        sigaction(numbers[i], &ours, &before[i]);
    quiet = loud;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(tty, TCSAFLUSH, &quiet);

    say(tty, prompt);
    ssize_t len = read(tty, ret, cap);
    say(tty, "\n");

    tcsetattr(tty, TCSAFLUSH, &loud);
    for (size_t i = 0; i < MU_COUNT(numbers); i++)
        sigaction(numbers[i], &before[i], NULL);
    if (interrupted_by != 0)
        raise(interrupted_by);
    return len;
}

/* Ask on the terminal itself, whatever standard input is. */
static int from_terminal(const char *prompt, const char *what, struct mu_secret *ret,
                         struct mu_error *err)
{
    char line[PASSPHRASE_LIMIT];
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (tty < 0)
        return mu_fail(err, MU_E_PASSPHRASE_NEEDED, "%s is protected by a passphrase", what);
    mu_progress_hide();
    ssize_t len = read_quietly(tty, prompt, line, sizeof line - 1);
    mu_progress_show();
    close(tty);

    if (len <= 0)
        return mu_fail(err, MU_E_PASSPHRASE_NEEDED, "no passphrase was given for %s", what);
    line[len] = '\0';
    int result = mu_secret_set(ret, line, strcspn(line, "\r\n"), err);
    explicit_bzero(line, sizeof line);
    return result;
}

static int ask(void *arg, const char *what, struct mu_secret *ret, struct mu_error *err)
{
    char prompt[MU_PATH_LEN + 32];
    const char *path = named_file(arg);
    if (path != NULL)
        return from_file(path, ret, err);
    snprintf(prompt, sizeof prompt, "Passphrase for %s: ", what);
    return from_terminal(prompt, what, ret, err);
}

bool mu_passphrase_is_in_file(const struct mu_args *args)
{
    return named_file(args) != NULL;
}

struct mu_passphrase_source mu_passphrase_source(const struct mu_args *args)
{
    return (struct mu_passphrase_source){.ask = ask, .arg = (void *)args};
}

static int ask_by_option(void *arg, const char *what, struct mu_secret *ret, struct mu_error *err)
{
    const struct mu_passphrase_option *option = arg;
    const char *path = mu_args_value(option->args, option->opt);
    return path != NULL ? from_file(path, ret, err) : ask((void *)option->args, what, ret, err);
}

struct mu_passphrase_source mu_passphrase_source_of(const struct mu_passphrase_option *option)
{
    return (struct mu_passphrase_source){.ask = ask_by_option, .arg = (void *)option};
}

int mu_passphrase_for_new_key(const struct mu_args *args, struct mu_secret *ret,
                              struct mu_error *err)
{
    const char *path = named_file(args);
    return path == NULL ? 0 : from_file(path, ret, err);
}

/* Nobody sees what is typed, so it is typed twice. */
static int new_from_terminal(const char *what, struct mu_secret *ret, struct mu_error *err)
{
    char prompt[MU_PATH_LEN + 32];
    MU_AUTO_CLEAR(mu_secret) first = MU_SECRET_INIT;
    MU_AUTO_CLEAR(mu_secret) second = MU_SECRET_INIT;
    snprintf(prompt, sizeof prompt, "New passphrase for %s: ", what);
    if (from_terminal(prompt, what, &first, err) != 0 || first.len == 0 ||
        from_terminal("Once more: ", what, &second, err) != 0) {
        mu_fail(err, MU_E_PASSPHRASE_NEEDED, "no new passphrase was given for %s", what);
        return mu_hint(err, "give it with --new-passphrase-file FILE, or run from a terminal");
    }
    if (!mu_str_equal(first.data, second.data)) {
        mu_fail(err, MU_E_PASSPHRASE_WRONG, "the two passphrases differ, and nothing was changed");
        return mu_hint(err, "try again");
    }
    *ret = first;
    first = (struct mu_secret)MU_SECRET_INIT;
    return 0;
}

static int ask_new(void *arg, const char *what, struct mu_secret *ret, struct mu_error *err)
{
    const char *path = mu_args_value(arg, "new-passphrase-file");
    return path != NULL ? from_file(path, ret, err) : new_from_terminal(what, ret, err);
}

struct mu_passphrase_source mu_new_passphrase_source(const struct mu_args *args)
{
    return (struct mu_passphrase_source){.ask = ask_new, .arg = (void *)args};
}
