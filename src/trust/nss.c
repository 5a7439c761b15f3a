/* NSS: the databases of Firefox's profiles, and the one that Chromium and others share. certutil reads and writes them. */

#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "trust/backend.h"

/* Under the user's home; "current" is what snap calls the newest revision. */
static const char *const places[] = {
    ".pki/nssdb",
    ".local/share/pki/nssdb",
    "snap/*/current/.pki/nssdb",
    ".var/app/*/.pki/nssdb",
    ".var/app/*/data/pki/nssdb",
    ".mozilla/firefox/*",
    ".config/mozilla/firefox/*",
    "snap/firefox/common/.mozilla/firefox/*",
    ".var/app/org.mozilla.firefox/.mozilla/firefox/*",
};

static const char no_certutil[] =
    "certutil, of the package libnss3-tools (Fedora, Alpine: nss-tools; Arch: nss)";

static int add_database(const char *file, struct mu_trust_stores *ret, struct mu_error *err)
{
    size_t dir_len = (size_t)(strrchr(file, '/') - file);
    struct mu_trust_store *store = mu_trust_add_store(ret, MU_TRUST_NSS);
    if (store == NULL)
        return mu_fail_nomem(err);
    snprintf(store->place, sizeof store->place, "%.*s", (int)dir_len, file);
    store->missing = no_certutil;
    store->writable = access(file, W_OK) == 0 && access(store->place, W_OK) == 0;
    mu_trust_find_program("certutil", store->program);
    return 0;
}

/* A home whose path has wildcards in it would be read as a pattern. */
static bool quote(const char *text, char *ret, size_t cap)
{
    size_t len = 0;
    for (; *text != '\0' && len + 2 < cap; text++) {
        if (strchr("*?[\\", *text) != NULL)
            ret[len++] = '\\';
        ret[len++] = *text;
    }
    ret[len] = '\0';
    return *text == '\0';
}

static int add_databases(const char *home, const char *place, struct mu_trust_stores *ret,
                         struct mu_error *err)
{
    char quoted[MU_PATH_LEN / 2], pattern[MU_PATH_LEN];
    glob_t found = {0};
    int result = 0;
    if (!quote(home, quoted, sizeof quoted))
        return 0;
    snprintf(pattern, sizeof pattern, "%s/%s/cert9.db", quoted, place);
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; result == 0 && i < found.gl_pathc; i++)
            result = add_database(found.gl_pathv[i], ret, err);
    globfree(&found);
    return result;
}

static int find(const char *home, const char *java_home, struct mu_trust_stores *ret,
                struct mu_error *err)
{
    (void)java_home;
    size_t before = ret->count;
    for (size_t i = 0; home != NULL && i < MU_COUNT(places); i++)
        if (add_databases(home, places[i], ret, err) != 0)
            return -1;
    if (ret->count > before)
        return 0;
    struct mu_trust_store *store = mu_trust_add_store(ret, MU_TRUST_NSS);
    if (store == NULL)
        return mu_fail_nomem(err);
    store->missing =
        "no database in the home directory; Firefox and Chromium make theirs when they are first started";
    return 0;
}

/* "sql:DIR", which certutil would guess on its own only since 2018. */
static int begin(const struct mu_trust_store *store, const char *verb, struct mu_strs *ret,
                 struct mu_error *err)
{
    char database[MU_PATH_LEN + 8];
    snprintf(database, sizeof database, "sql:%s", store->place);
    return mu_trust_words(ret, err, store->program, verb, "-d", database, NULL);
}

static void cut_spaces(char *line)
{
    for (size_t len = strlen(line); len > 0 && line[len - 1] == ' '; len--)
        line[len - 1] = '\0';
}

/*
 * "nickname      CT,C,C": the flags are the last word. The nickname may have spaces in it. A line that has no such
 * end is none of these. `ret_in_force` is whether it is a CA that may vouch for servers.
 */
static bool parse_line(char *line, bool *ret_in_force)
{
    cut_spaces(line);
    char *flags = strrchr(line, ' ');
    if (flags == NULL)
        return false;
    size_t servers = strcspn(++flags, ",");
    if (flags[servers] == '\0' || flags[strspn(flags, "pPcCTuwgG,")] != '\0')
        return false;
    *ret_in_force = memchr(flags, 'C', servers) != NULL;
    *flags = '\0';
    cut_spaces(line);
    return *line != '\0';
}

static bool is_among(const struct mu_strs *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++)
        if (mu_str_equal(list->at[i], text))
            return true;
    return false;
}

/*
 * certutil hands out every certificate that has the subject of the one with that nickname. If the nickname is ours, it
 * tells which of them is meant; if it is not, it is one of those for which there is no nickname of ours.
 */
static int add_nickname(struct mu_trust_store *store, const struct mu_strs *nicknames, size_t at,
                        bool in_force, const struct mu_certs *anchors, struct mu_error *err)
{
    const char *nickname = nicknames->at[at];
    MU_AUTO_CLEAR(mu_strs) argv = {0};
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_certs) certs = {0};
    char name[MU_TRUST_NAME_LEN];
    if (begin(store, "-L", &argv, err) != 0 ||
        mu_trust_words(&argv, err, "-a", "-n", nickname, NULL) != 0 ||
        mu_trust_run(&argv, NULL, &pem, err) != 0 ||
        mu_trust_pick_certs(mu_buf_str(&pem), pem.len, &certs, err) != 0)
        return -1;
    for (size_t i = 0; i < certs.count; i++) {
        mu_trust_name(certs.at[i], name);
        if (mu_trust_matters(certs.at[i], anchors) &&
            (mu_str_equal(nickname, name) || !is_among(nicknames, name)) &&
            mu_trust_add_entry(store, nickname, certs.at[i], in_force, err) != 0)
            return -1;
    }
    return 0;
}

/* The nicknames, and for each 'C' or '-' in `ret_in_force`. */
static int list_nicknames(const struct mu_trust_store *store, struct mu_strs *ret,
                          struct mu_buf *ret_in_force, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_strs) argv = {0};
    MU_AUTO_CLEAR(mu_buf) list = MU_BUF_INIT;
    char *line;
    bool in_force;
    if (begin(store, "-L", &argv, err) != 0 || mu_trust_run(&argv, NULL, &list, err) != 0)
        return -1;
    for (char *rest = list.data; (line = strsep(&rest, "\n")) != NULL;) {
        if (!parse_line(line, &in_force))
            continue;
        mu_buf_adds(ret_in_force, in_force ? "C" : "-");
        if (mu_strs_add(ret, line) != 0 || mu_buf_failed(ret_in_force))
            return mu_fail_nomem(err);
    }
    return 0;
}

static int read_store(struct mu_trust_store *store, const struct mu_certs *anchors,
                      struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_strs) nicknames = {0};
    MU_AUTO_CLEAR(mu_buf) in_force = MU_BUF_INIT;
    int result = list_nicknames(store, &nicknames, &in_force, err);
    for (size_t i = 0; result == 0 && i < nicknames.count; i++)
        result = add_nickname(store, &nicknames, i, in_force.data[i] == 'C', anchors, err);
    return result;
}

/* C: it may vouch for servers. Not T, for clients: nobody who reads these stores lets clients in by them. */
static int step_in(const struct mu_trust_store *store, const char *name, struct mu_trust_step *ret,
                   struct mu_error *err)
{
    ret->reads_pem = true;
    return begin(store, "-A", &ret->argv, err) != 0
               ? -1
               : mu_trust_words(&ret->argv, err, "-a", "-t", "C,,", "-n", name, NULL);
}

static int step_out(const struct mu_trust_store *store, const char *name, struct mu_trust_step *ret,
                    struct mu_error *err)
{
    return begin(store, "-D", &ret->argv, err) != 0
               ? -1
               : mu_trust_words(&ret->argv, err, "-n", name, NULL);
}

const struct mu_trust_backend mu_trust_nss = {"nss", find, read_store, step_in, step_out};
