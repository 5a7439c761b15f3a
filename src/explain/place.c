#include "explain/place.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/macros.h"
#include "base/str.h"
#include "explain/remedy.h"

enum { PATH_LEN = MU_FILE_NAME_LEN + 8 };

/* What `mutual issue` calls the files of the name that it is given. False: it is none. */
static bool file_name(const char *words, char ret[MU_FILE_NAME_LEN])
{
    char name[512];
    const bool quoted = *words == '\'';
    words += quoted;
    size_t len = strcspn(words, quoted ? "'" : " ;&");
    if (len == 0 || len >= sizeof name)
        return false;
    memcpy(name, words, len);
    name[len] = '\0';
    mu_file_name(name, ret);
    return true;
}

static bool lies_here(const char *name, const char *ending, char ret[PATH_LEN])
{
    snprintf(ret, PATH_LEN, "%s%s", name, ending);
    return access(ret, F_OK) == 0;
}

/* What `mutual issue` has to be told of the files that lie here. */
static const char *option_of_issue(const char *part, const char *replaceable)
{
    static const char *const issues[] = {"mutual issue client ", "mutual issue server "};
    for (size_t i = 0; i < MU_COUNT(issues); i++) {
        char name[MU_FILE_NAME_LEN], cert[PATH_LEN], key[PATH_LEN];
        if (!mu_str_starts_with(part, issues[i]) || !file_name(part + strlen(issues[i]), name))
            continue;
        bool has_cert = lies_here(name, ".crt", cert), has_key = lies_here(name, ".key", key);
        return !has_cert && !has_key                                                ? ""
               : has_cert && replaceable != NULL && mu_str_equal(replaceable, cert) ? " --force"
                                                                                    : " --out NEW";
    }
    return "";
}

static bool uses_home(const char *part)
{
    static const char *const commands[] = {"mutual issue ", "mutual renew ",  "mutual ca ",
                                           "mutual init",   "mutual sign ",   "mutual crl",
                                           "mutual revoke", "mutual policy ", "mutual list"};
    for (size_t i = 0; i < MU_COUNT(commands); i++)
        if (mu_str_starts_with(part, commands[i]))
            return true;
    return false;
}

static const char *find_end(const char *part)
{
    const char *both = strstr(part, " && "), *then = strstr(part, "; ");
    return both == NULL ? then : then == NULL || both < then ? both : then;
}

void mu_place_fit(const struct mu_here *here, const char *replaceable, char *command, size_t cap)
{
    char whole[1024], fitted[1024], word[512];
    size_t len = 0;
    if (!here->known || !mu_str_copy(whole, sizeof whole, command))
        return;
    const char *home = here->home == NULL ? NULL : mu_remedy_word(here->home, word, sizeof word);
    for (char *part = whole, *next; part != NULL && len < sizeof fitted; part = next) {
        const char *end = find_end(part), *between = "";
        next = NULL;
        if (end != NULL) {
            between = *end == ';' ? "; " : " && ";
            next = part + (end - part) + strlen(between);
            part[end - part] = '\0';
        }
        if (here->has_ca && next != NULL && mu_str_equal(part, "mutual init"))
            continue;
        const bool named = home != NULL && uses_home(part);
        len += (size_t)snprintf(fitted + len, sizeof fitted - len, "%s%s%s%s%s", part,
                                option_of_issue(part, replaceable), named ? " --home " : "",
                                named ? home : "", between);
    }
    if (len < cap && len < sizeof fitted) /* half a command would do something else */
        memcpy(command, fitted, len + 1);
}
