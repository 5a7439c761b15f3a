#include "explain/place.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/str.h"
#include "explain/remedy.h"

enum { NAME_LEN = 256 };

/* The name that `mutual issue` is given, as it calls its files: cli's mu_file_name(). False: it is none. */
static bool file_name(const char *words, char ret[NAME_LEN])
{
    const bool quoted = *words == '\'';
    words += quoted;
    size_t len = strcspn(words, quoted ? "'" : " ;&");
    if (len == 0 || len >= NAME_LEN)
        return false;
    memcpy(ret, words, len);
    ret[len] = '\0';
    for (char *p = ret; *p != '\0'; p++)
        if (strchr("/\\:*?\"<>|", *p) != NULL)
            *p = '_';
    if (ret[0] == '.')
        ret[0] = '_';
    return true;
}

static bool lies_here(const char *name, const char *ending, char ret[NAME_LEN + 8])
{
    snprintf(ret, NAME_LEN + 8, "%s%s", name, ending);
    return access(ret, F_OK) == 0;
}

/* What `mutual issue` has to be told of the files that lie here. */
static const char *option_of_issue(const char *part, const char *replaceable)
{
    static const char *const issues[] = {"mutual issue client ", "mutual issue server "};
    for (size_t i = 0; i < MU_COUNT(issues); i++) {
        char name[NAME_LEN], cert[NAME_LEN + 8], key[NAME_LEN + 8];
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
    char whole[1024], word[512];
    size_t len = 0;
    if (!here->known || !mu_str_copy(whole, sizeof whole, command))
        return;
    const char *home = here->home == NULL ? NULL : mu_remedy_word(here->home, word, sizeof word);
    for (char *part = whole, *next; part != NULL && len < cap; part = next) {
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
        len += (size_t)snprintf(command + len, cap - len, "%s%s%s%s%s", part,
                                option_of_issue(part, replaceable), named ? " --home " : "",
                                named ? home : "", between);
    }
}
