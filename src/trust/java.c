/* Java: the keystore "cacerts" of each JDK, which its keytool reads and writes. Many share the system's one. */

#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trust/backend.h"

/* Where JDKs are put by packages, archives and sdkman; the last is Debian's keystore for all. */
static const char *const places[] = {"/usr/lib/jvm/*", "/usr/lib64/jvm/*", "/usr/java/*",
                                     "/opt/java/*"};
static const char *const keystores[] = {"lib/security/cacerts", "jre/lib/security/cacerts"};
static const char debian_keystore[] = "/etc/ssl/certs/java/cacerts";

/* What every JDK protects its keystore of public certificates with, and documents: no secret. */
static const char password[] = "changeit";

static bool is_known(const struct mu_trust_stores *stores, const char *path)
{
    for (size_t i = 0; i < stores->count; i++)
        if (mu_str_equal(stores->at[i].place, path))
            return true;
    return false;
}

/* Java writes the file anew beside the old one, and so needs the directory, too. */
static int add_keystore(const char *path, const char *jdk, struct mu_trust_stores *ret,
                        struct mu_error *err)
{
    char real[PATH_MAX], dir[PATH_MAX], keytool[MU_PATH_LEN];
    if (realpath(path, real) == NULL || is_known(ret, real))
        return 0;
    struct mu_trust_store *store = mu_trust_add_store(ret, MU_TRUST_JAVA);
    if (store == NULL)
        return mu_fail_nomem(err);
    mu_str_copy(store->place, sizeof store->place, real);
    mu_str_copy(dir, sizeof dir, real);
    *strrchr(dir, '/') = '\0';
    store->missing = "keytool, which comes with every JDK and JRE";
    store->writable = access(real, W_OK) == 0 && access(dir, W_OK) == 0;
    store->derived = strstr(real, "/extracted/") != NULL; /* Fedora's and Arch's way */
    if (jdk != NULL &&
        snprintf(keytool, sizeof keytool, "%s/bin/keytool", jdk) < (int)sizeof keytool &&
        access(keytool, X_OK) == 0)
        mu_str_copy(store->program, sizeof store->program, keytool);
    else
        mu_trust_find_program("keytool", store->program);
    return 0;
}

static int add_jdk(const char *jdk, struct mu_trust_stores *ret, struct mu_error *err)
{
    char path[MU_PATH_LEN];
    for (size_t i = 0; i < MU_COUNT(keystores); i++)
        if (snprintf(path, sizeof path, "%s/%s", jdk, keystores[i]) < (int)sizeof path &&
            add_keystore(path, jdk, ret, err) != 0)
            return -1;
    return 0;
}

static int add_jdks(const char *pattern, struct mu_trust_stores *ret, struct mu_error *err)
{
    glob_t found = {0};
    int result = 0;
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; result == 0 && i < found.gl_pathc; i++)
            result = add_jdk(found.gl_pathv[i], ret, err);
    globfree(&found);
    return result;
}

/* The JDK of the `java` that runs when somebody says so: /usr/bin/java leads to JDK/bin/java. */
static int add_jdk_in_path(struct mu_trust_stores *ret, struct mu_error *err)
{
    char java[MU_PATH_LEN], real[PATH_MAX];
    if (!mu_trust_find_program("java", java) || realpath(java, real) == NULL)
        return 0;
    for (int i = 0; i < 2; i++) {
        char *slash = strrchr(real, '/');
        if (slash == NULL || slash == real)
            return 0;
        *slash = '\0';
    }
    return add_jdk(real, ret, err);
}

static int find(const char *home, const char *java_home, struct mu_trust_stores *ret,
                struct mu_error *err)
{
    size_t before = ret->count;
    char sdkman[MU_PATH_LEN];
    if ((java_home != NULL && add_jdk(java_home, ret, err) != 0) || add_jdk_in_path(ret, err) != 0)
        return -1;
    for (size_t i = 0; i < MU_COUNT(places); i++)
        if (add_jdks(places[i], ret, err) != 0)
            return -1;
    if ((home != NULL &&
         snprintf(sdkman, sizeof sdkman, "%s/.sdkman/candidates/java/*", home) < (int)sizeof sdkman &&
         add_jdks(sdkman, ret, err) != 0) ||
        add_keystore(debian_keystore, NULL, ret, err) != 0)
        return -1;
    if (ret->count > before)
        return 0;
    struct mu_trust_store *store = mu_trust_add_store(ret, MU_TRUST_JAVA);
    if (store == NULL)
        return mu_fail_nomem(err);
    store->missing = "no Java in JAVA_HOME, in PATH or where it is usually put";
    return 0;
}

/* In English, whatever the user speaks: "Alias name: " is to be found in it. */
static int begin(const struct mu_trust_store *store, const char *verb, struct mu_strs *ret,
                 struct mu_error *err)
{
    return mu_trust_words(ret, err, store->program, "-J-Duser.language=en", verb, "-keystore",
                          store->place, "-storepass", password, NULL);
}

static int add_alias(struct mu_trust_store *store, const char *alias, const char *text, size_t len,
                     const struct mu_certs *anchors, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_certs) certs = {0};
    if (mu_trust_pick_certs(text, len, &certs, err) != 0)
        return -1;
    return certs.count == 0 || !mu_trust_matters(certs.at[0], anchors)
               ? 0
               : mu_trust_add_entry(store, alias, certs.at[0], true, err);
}

static int read_store(struct mu_trust_store *store, const struct mu_certs *anchors,
                      struct mu_error *err)
{
    static const char mark[] = "Alias name: ";
    MU_AUTO_CLEAR(mu_strs) argv = {0};
    MU_AUTO_CLEAR(mu_buf) list = MU_BUF_INIT;
    char alias[512];
    if (begin(store, "-list", &argv, err) != 0 || mu_trust_words(&argv, err, "-rfc", NULL) != 0 ||
        mu_trust_run(&argv, NULL, &list, err) != 0)
        return -1;
    const char *at = strstr(mu_buf_str(&list), mark);
    while (at != NULL) {
        const char *from = at + sizeof mark - 1;
        const char *next = strstr(from, mark);
        size_t len = next != NULL ? (size_t)(next - from) : strlen(from);
        snprintf(alias, sizeof alias, "%.*s", (int)strcspn(from, "\r\n"), from);
        if (add_alias(store, alias, from, len, anchors, err) != 0)
            return -1;
        at = next;
    }
    return 0;
}

static int step_in(const struct mu_trust_store *store, const char *name, struct mu_trust_step *ret,
                   struct mu_error *err)
{
    ret->reads_pem = true;
    return begin(store, "-importcert", &ret->argv, err) != 0
               ? -1
               : mu_trust_words(&ret->argv, err, "-noprompt", "-alias", name, NULL);
}

static int step_out(const struct mu_trust_store *store, const char *name, struct mu_trust_step *ret,
                    struct mu_error *err)
{
    return begin(store, "-delete", &ret->argv, err) != 0
               ? -1
               : mu_trust_words(&ret->argv, err, "-alias", name, NULL);
}

const struct mu_trust_backend mu_trust_java = {"java", find, read_store, step_in, step_out};
