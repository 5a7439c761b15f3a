#include "cli/passphrase.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"

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

/* Ask on the terminal itself, whatever standard input is, and without echo. */
static int from_terminal(const char *what, struct mu_secret *ret, struct mu_error *err)
{
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    struct termios before, quiet;
    if (tty < 0 || tcgetattr(tty, &before) != 0) {
        if (tty >= 0)
            close(tty);
        return mu_fail(err, MU_E_PASSPHRASE_NEEDED, "%s is protected by a passphrase", what);
    }
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(tty, TCSAFLUSH, &quiet);
    dprintf(tty, "Passphrase for %s: ", what);

    char line[PASSPHRASE_LIMIT];
    ssize_t len = read(tty, line, sizeof line - 1);
    tcsetattr(tty, TCSAFLUSH, &before);
    dprintf(tty, "\n");
    close(tty);

    int result;
    if (len <= 0) {
        result = mu_fail(err, MU_E_PASSPHRASE_NEEDED, "no passphrase was given for %s", what);
    } else {
        line[len] = '\0';
        result = mu_secret_set(ret, line, strcspn(line, "\r\n"), err);
    }
    explicit_bzero(line, sizeof line);
    return result;
}

static int ask(void *arg, const char *what, struct mu_secret *ret, struct mu_error *err)
{
    const char *path = named_file(arg);
    return path != NULL ? from_file(path, ret, err) : from_terminal(what, ret, err);
}

struct mu_passphrase_source mu_passphrase_source(const struct mu_args *args)
{
    return (struct mu_passphrase_source){.ask = ask, .arg = (void *)args};
}

int mu_passphrase_for_new_key(const struct mu_args *args, struct mu_secret *ret,
                              struct mu_error *err)
{
    const char *path = named_file(args);
    return path == NULL ? 0 : from_file(path, ret, err);
}
