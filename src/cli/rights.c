#include "cli/rights.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "cli/print.h"
#include "net/standby.h"

/* --- What is asked for --- */

int mu_rights_read_sandbox(const struct mu_args *args, bool *ret_on, struct mu_error *err)
{
    const char *text = mu_args_value(args, "sandbox");
    *ret_on = mu_str_equal(text, "on");
    if (!*ret_on && !mu_str_equal(text, "off"))
        return mu_usage(err, args, "--sandbox is on or off, not \"%s\"", text);
    return 0;
}

int mu_rights_read(const struct mu_args *args, const char *user, bool sandboxed, bool succeeded,
                   struct mu_rights *ret, struct mu_error *err)
{
    *ret = (struct mu_rights){.sandboxed = sandboxed, .has_user = user != NULL};
    if (ret->has_user && geteuid() != 0)
        return mu_usage(err, args,
                        "--user is for root, who can become another user; this is user %u",
                        (unsigned)geteuid());
    if (ret->has_user && mu_user_find(user, &ret->user, err) != 0)
        return -1;
    if (!ret->sandboxed)
        return 0;
    if (succeeded && mu_standby_begin(err) != 0)
        return -1;
    mu_sandbox_prepare();
    return 0;
}

/* --- Files --- */

static int add_parent(struct mu_strs *list, const char *path)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return mu_strs_add(list, ".");
    snprintf(dir, sizeof dir, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    return mu_strs_add(list, dir);
}

/* Is the directory, or one on the way to it from here or from the root, a link? */
static bool has_link(const char *dir)
{
    char part[PATH_MAX];
    struct stat st;
    for (size_t len = 0; dir[len] != '\0';) {
        len += strspn(dir + len, "/");
        len += strcspn(dir + len, "/");
        snprintf(part, sizeof part, "%.*s", (int)len, dir);
        if (lstat(part, &st) == 0 && S_ISLNK(st.st_mode))
            return true;
    }
    return false;
}

int mu_rights_add_directory(struct mu_strs *list, const char *path)
{
    char real[PATH_MAX], real_dir[PATH_MAX];
    if (add_parent(list, path) != 0)
        return -1;
    const char *dir = list->at[list->count - 1];
    if (has_link(dir) && realpath(dir, real_dir) != NULL && add_parent(list, real_dir) != 0)
        return -1;
    return realpath(path, real) != NULL ? add_parent(list, real) : 0;
}

int mu_rights_add_passphrase(struct mu_strs *list, const struct mu_args *args)
{
    const char *path = mu_args_value(args, "passphrase-file");
    if (path == NULL)
        path = getenv("MUTUAL_PASSPHRASE_FILE");
    return path == NULL ? 0 : mu_rights_add_directory(list, path);
}

int mu_rights_add_system(struct mu_strs *list)
{
    static const char *const files[] = {
        "/etc/hosts",     "/etc/resolv.conf",     "/etc/nsswitch.conf",
        "/etc/host.conf", "/etc/gai.conf",        "/etc/services",
        "/etc/protocols", "/etc/ld.so.cache",     "/lib",
        "/usr/lib",       "/usr/local/lib",       "/lib64",
        "/dev/urandom",   "/run/systemd/resolve", "/etc/localtime",
        "/dev/null",
    };
    for (size_t i = 0; i < MU_COUNT(files); i++)
        if (mu_strs_add(list, files[i]) != 0)
            return -1;
    return 0;
}

/* --- Giving up --- */

int mu_rights_give_up(struct mu_rights *rights, const struct mu_sandbox *sandbox,
                      struct mu_error *err)
{
    if (rights->has_user && mu_user_become(&rights->user, err) != 0)
        return -1;
    return rights->sandboxed ? mu_sandbox_enter(sandbox, &rights->state, err) : 0;
}

/* --- What is in force --- */

void mu_rights_print(const struct mu_rights *rights, bool json)
{
    const struct mu_sandbox_state *state = &rights->state;
    if (json) {
        mu_print_json_line(json_pack("{s:s, s:i, s:b, s:i, s:i}", "event", "sandbox", "user",
                                     (int)geteuid(), "no_new_privileges", state->no_new_privileges,
                                     "denied_system_calls", state->denied_calls, "landlock",
                                     state->landlock));
        fflush(stdout);
        return;
    }
    MU_AUTO_CLEAR(mu_buf) line = MU_BUF_INIT;
    if (!rights->sandboxed)
        mu_buf_adds(&line, "off");
    else if (!state->no_new_privileges)
        mu_buf_adds(&line, "none: this kernel has nothing for it");
    else
        mu_buf_adds(&line, "no new privileges");
    if (state->denied_calls > 0)
        mu_buf_addf(&line, "; %d system calls denied", state->denied_calls);
    else if (rights->sandboxed)
        mu_buf_adds(&line, "; no system calls denied (no seccomp)");
    if (state->landlock > 0)
        mu_buf_addf(&line, "; only its own files (Landlock %d)", state->landlock);
    else if (rights->sandboxed)
        mu_buf_adds(&line, "; any files (no Landlock, or a key in a token)");
    if (rights->has_user)
        mu_buf_addf(&line, "; as user %u", (unsigned)rights->user.uid);
    printf("sandbox: %s\n", mu_buf_str(&line));
    fflush(stdout);
}
