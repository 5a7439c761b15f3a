#include "cli/serve_rights.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/print.h"
#include "net/standby.h"
#include "pki/token.h"

/* --- What is asked for --- */

int mu_serve_rights_read(const struct mu_args *args, const struct mu_config *config,
                         struct mu_serve_rights *ret, struct mu_error *err)
{
    *ret = (struct mu_serve_rights){.sandboxed = !config->no_sandbox,
                                    .has_user = config->user != NULL};
    if (ret->has_user && geteuid() != 0)
        return mu_usage(err, args,
                        "--user is for root, who can become another user; this is user %u",
                        (unsigned)geteuid());
    if (ret->has_user && mu_user_find(config->user, &ret->user, err) != 0)
        return -1;
    if (!ret->sandboxed)
        return 0;
    if (mu_standby_begin(err) != 0)
        return -1;
    mu_sandbox_prepare();
    return 0;
}

/* --- Which files a server reads while it runs: all that it has read once, in case they change --- */

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

/*
 * A file may be replaced by another of its name, and may be a link into another directory, where that happens. If a directory
 * on the way is a link, the next one may point to a neighbour of where it points now.
 */
static int add_directory(struct mu_strs *list, const char *path)
{
    char real[PATH_MAX], real_dir[PATH_MAX];
    if (add_parent(list, path) != 0)
        return -1;
    const char *dir = list->at[list->count - 1];
    if (has_link(dir) && realpath(dir, real_dir) != NULL && add_parent(list, real_dir) != 0)
        return -1;
    return realpath(path, real) != NULL ? add_parent(list, real) : 0;
}

static int add_directories(struct mu_strs *list, const struct mu_strs *paths)
{
    for (size_t i = 0; i < paths->count; i++)
        if (add_directory(list, paths->at[i]) != 0)
            return -1;
    return 0;
}

static int add_door(struct mu_strs *list, const struct mu_door_config *door)
{
    const char *const files[] = {door->certificate, door->key};
    for (size_t i = 0; i < MU_COUNT(files); i++)
        if (files[i] != NULL && add_directory(list, files[i]) != 0)
            return -1;
    if (add_directories(list, &door->trust) != 0 || add_directories(list, &door->crl) != 0)
        return -1;
    return door->files != NULL ? mu_strs_add(list, door->files) : 0;
}

/* What the C library reads to look a backend's name up again, and what it and libcrypto may load then. */
static int add_system(struct mu_strs *list)
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

static int add_sockets(struct mu_strs *list, const struct mu_front *front)
{
    int missing;
    const struct mu_server *server = mu_front_server(front);
    const struct mu_address *status = mu_front_status_address(front);
    const char *control = mu_front_control(front, &missing);
    const char *told = status == NULL ? NULL : mu_address_path(status);
    if ((control != NULL && add_directory(list, control) != 0) ||
        (told != NULL && add_directory(list, told) != 0))
        return -1;
    for (size_t i = 0; i < mu_server_address_count(server); i++) {
        const char *path = mu_address_path(mu_server_address(server, i));
        if (path != NULL && add_directory(list, path) != 0)
            return -1;
    }
    return 0;
}

/* A token's library has files of its own, wherever they are. */
static bool uses_token(const struct mu_doors *doors)
{
    for (size_t i = 0; i < doors->count; i++)
        if (mu_key_is_in_token(doors->at[i].key))
            return true;
    return false;
}

static int describe(const struct mu_args *args, const struct mu_front *front, struct mu_sandbox *ret)
{
    const struct mu_doors *doors = mu_front_doors(front);
    const char *passphrase = mu_args_value(args, "passphrase-file");
    ret->leave_files = uses_token(doors);
    if (passphrase == NULL)
        passphrase = getenv("MUTUAL_PASSPHRASE_FILE");
    for (size_t i = 0; i < doors->config->door_count; i++)
        if (add_door(&ret->readable, &doors->config->doors[i]) != 0)
            return -1;
    if ((doors->config->file != NULL && add_directory(&ret->readable, doors->config->file) != 0) ||
        (passphrase != NULL && add_directory(&ret->readable, passphrase) != 0))
        return -1;
    /* Whether a private key of its lies where clients may fetch from is looked at by name. */
    if (mu_strs_add(&ret->listable, mu_args_home(args)) != 0)
        return -1;
    return add_system(&ret->readable) != 0 || add_sockets(&ret->sockets, front) != 0 ? -1 : 0;
}

int mu_serve_rights_give_up(const struct mu_args *args, const struct mu_front *front,
                            struct mu_serve_rights *rights, struct mu_error *err)
{
    int missing;
    MU_AUTO_CLEAR(mu_sandbox) sandbox = {0};
    const char *control = mu_front_control(front, &missing);
    /* Who it is from now on is to be able to ask it. */
    if (rights->has_user && control != NULL &&
        lchown(control, rights->user.uid, rights->user.gid) != 0)
        return mu_fail_errno(err, MU_E_SYSTEM, "cannot give %s to user %u", control,
                             (unsigned)rights->user.uid);
    if (rights->has_user && mu_user_become(&rights->user, err) != 0)
        return -1;
    if (!rights->sandboxed)
        return 0;
    if (describe(args, front, &sandbox) != 0)
        return mu_fail_nomem(err);
    return mu_sandbox_enter(&sandbox, &rights->state, err);
}

/* --- What is in force --- */

void mu_serve_rights_print(const struct mu_serve_rights *rights, bool json)
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
