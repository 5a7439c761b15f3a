/* The system's store: a directory of anchors, and a program that makes of it the files which programs read. */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "trust/backend.h"

/* Each family of systems has a directory that only it has. Where two could be meant, the more special stands first. */
static const struct family {
    const char *dir, *bundle, *program;
    const char *words[3];
    const char *missing;
} families[] = {
    {"/etc/pki/ca-trust/source/anchors", /* Fedora, RHEL */
     "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
     "update-ca-trust",
     {"extract"},
     "update-ca-trust, of the package ca-certificates"},
    {"/etc/ca-certificates/trust-source/anchors", /* Arch */
     "/etc/ca-certificates/extracted/tls-ca-bundle.pem",
     "trust",
     {"extract-compat"},
     "trust, of the package p11-kit"},
    {"/etc/pki/trust/anchors", /* openSUSE */
     "/var/lib/ca-certificates/ca-bundle.pem",
     "update-ca-certificates",
     {NULL},
     "update-ca-certificates, of the package ca-certificates"},
    {"/usr/local/share/ca-certificates", /* Debian, Ubuntu, Alpine */
     "/etc/ssl/certs/ca-certificates.crt",
     "update-ca-certificates",
     {NULL},
     "update-ca-certificates, of the package ca-certificates"},
};

static int find(const char *home, const char *java_home, struct mu_trust_stores *ret,
                struct mu_error *err)
{
    (void)home;
    (void)java_home;
    struct mu_trust_store *store = mu_trust_add_store(ret, MU_TRUST_SYSTEM);
    if (store == NULL)
        return mu_fail_nomem(err);
    store->missing = "no directory of trust anchors that is known here";
    for (size_t i = 0; store->place[0] == '\0' && i < MU_COUNT(families); i++) {
        if (access(families[i].dir, F_OK) != 0)
            continue;
        mu_str_copy(store->place, sizeof store->place, families[i].dir);
        mu_str_copy(store->bundle, sizeof store->bundle, families[i].bundle);
        store->words = families[i].words;
        store->missing = families[i].missing;
        store->writable = access(store->place, W_OK) == 0;
        mu_trust_find_program(families[i].program, store->program);
    }
    return 0;
}

/* Certificates of a file that cannot be read are no certificates: others, too, put files there. */
static int read_file(const char *path, struct mu_certs *ret, struct mu_error *err)
{
    struct mu_error unreadable = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    if (mu_file_read(path, MU_FILE_LIMIT, &text, &unreadable) != 0)
        return 0;
    return mu_trust_pick_certs(mu_buf_str(&text), text.len, ret, err);
}

/* "NAME" of NAME.crt, if it is ours, else the file's whole name. */
static int add_file(struct mu_trust_store *store, const char *file, const struct mu_certs *anchors,
                    const struct mu_certs *in_force, struct mu_error *err)
{
    char path[MU_PATH_LEN], name[MU_TRUST_NAME_LEN];
    MU_AUTO_CLEAR(mu_certs) certs = {0};
    if (mu_path_join(store->place, file, path, err) != 0 || read_file(path, &certs, err) != 0)
        return -1;
    for (size_t i = 0; i < certs.count; i++) {
        size_t len = strlen(mu_trust_name(certs.at[i], name));
        bool ours = strncmp(file, name, len) == 0 && mu_str_equal(file + len, ".crt");
        if (mu_trust_matters(certs.at[i], anchors) &&
            mu_trust_add_entry(store, ours ? name : file, certs.at[i],
                               mu_certs_hold(in_force, certs.at[i]), err) != 0)
            return -1;
    }
    return 0;
}

static int read_dir(struct mu_trust_store *store, const struct mu_certs *anchors,
                    const struct mu_certs *in_force, struct mu_error *err)
{
    DIR *dir = opendir(store->place);
    int result = 0;
    if (dir == NULL)
        return mu_fail_errno(err, MU_E_IO, "cannot read the directory %s", store->place);
    for (struct dirent *entry; result == 0 && (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.')
            result = add_file(store, entry->d_name, anchors, in_force, err);
    closedir(dir);
    return result;
}

static bool has_entry(const struct mu_trust_store *store, const struct mu_cert *cert)
{
    for (size_t i = 0; i < store->entry_count; i++) {
        const struct mu_certs one = {&store->entries[i].cert, 1};
        if (mu_certs_hold(&one, cert))
            return true;
    }
    return false;
}

/* What the bundle has and no file of ours: it comes from elsewhere, or its file is gone and the program was not run. */
static int read_store(struct mu_trust_store *store, const struct mu_certs *anchors,
                      struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_certs) in_force = {0};
    if (read_file(store->bundle, &in_force, err) != 0 ||
        read_dir(store, anchors, &in_force, err) != 0)
        return -1;
    for (size_t i = 0; i < in_force.count; i++)
        if (mu_trust_matters(in_force.at[i], anchors) && !has_entry(store, in_force.at[i]) &&
            mu_trust_add_entry(store, "", in_force.at[i], true, err) != 0)
            return -1;
    return 0;
}

static int add_words(const struct mu_trust_store *store, struct mu_trust_step *ret,
                     struct mu_error *err)
{
    if (mu_trust_words(&ret->argv, err, store->program, NULL) != 0)
        return -1;
    for (size_t i = 0; store->words[i] != NULL; i++)
        if (mu_trust_words(&ret->argv, err, store->words[i], NULL) != 0)
            return -1;
    return 0;
}

static int file_of(const struct mu_trust_store *store, const char *name, char ret[MU_PATH_LEN],
                   struct mu_error *err)
{
    char file[MU_TRUST_NAME_LEN + 8];
    snprintf(file, sizeof file, "%s.crt", name);
    return mu_path_join(store->place, file, ret, err);
}

static int step_in(const struct mu_trust_store *store, const char *name, struct mu_trust_step *ret,
                   struct mu_error *err)
{
    return file_of(store, name, ret->write_file, err) != 0 ? -1 : add_words(store, ret, err);
}

/* An entry without a name has no file any more: then the program alone is run. */
static int step_out(const struct mu_trust_store *store, const char *name, struct mu_trust_step *ret,
                    struct mu_error *err)
{
    if (*name != '\0' && file_of(store, name, ret->remove_file, err) != 0)
        return -1;
    return add_words(store, ret, err);
}

const struct mu_trust_backend mu_trust_system = {"system", find, read_store, step_in, step_out};
