#include "explain/said.h"

#include <ctype.h>
#include <string.h>

#include "base/macros.h"
#include "base/str.h"

static const struct saying {
    const char *who, *pattern, *causes;
} sayings[] = {
#define MU_SAYS(who, pattern, causes) {who, pattern, causes},
#include "explain/says.def"
#undef MU_SAYS
};

/* As patterns are written: lower case, one blank between words, CamelCase and UPPER_CASE taken apart. */
static void normalise(const char *text, size_t len, char ret[2 * MU_SAID_TEXT_MAX + 1])
{
    size_t out = 0;
    if (len > MU_SAID_TEXT_MAX)
        len = MU_SAID_TEXT_MAX;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        unsigned char before = i > 0 ? (unsigned char)text[i - 1] : ' ';
        bool blank = c == '_' || isspace(c) || c == '\0';
        bool starts_word = isupper(c) && islower(before);
        if ((blank || starts_word) && out > 0 && ret[out - 1] != ' ')
            ret[out++] = ' ';
        if (!blank)
            ret[out++] = (char)tolower(c);
    }
    ret[out] = '\0';
}

/* Each part between the stars, one after the other. */
static bool fits(const char *text, const char *pattern)
{
    char part[160];
    while (*pattern != '\0') {
        size_t len = strcspn(pattern, "*");
        if (len >= sizeof part)
            return false;
        memcpy(part, pattern, len);
        part[len] = '\0';
        text = strstr(text, part);
        if (text == NULL)
            return false;
        text += len;
        pattern += len + (pattern[len] == '*');
    }
    return true;
}

/* A short word has to stand alone: "eof" is no part of another. */
static bool fits_as_word(const char *text, const char *pattern)
{
    enum { SHORT = 4 };
    size_t len = strlen(pattern);
    if (len > SHORT)
        return fits(text, pattern);
    for (const char *at = text; (at = strstr(at, pattern)) != NULL; at += len)
        if ((at == text || !isalnum((unsigned char)at[-1])) && !isalnum((unsigned char)at[len]))
            return true;
    return false;
}

/* Words that only a server has reason to log. */
static bool is_of_server(const char *text)
{
    static const char *const words[] = {
        "while ssl handshaking",
        ", client:",
        "tls handshake error from",
        "ssl accept",
        "ssl handshake failure",
        "client ssl certificate",
        "as a server",
        "peer did not return",
        "from client",
        "server: ",
    };
    for (size_t i = 0; i < MU_COUNT(words); i++)
        if (strstr(text, words[i]) != NULL)
            return true;
    return false;
}

static void add(struct mu_said *ret, enum mu_cause_id cause)
{
    for (size_t i = 0; i < ret->count; i++)
        if (ret->causes[i] == cause)
            return;
    if (ret->count < MU_SAID_CAUSES_MAX && cause != MU_CAUSE_COUNT)
        ret->causes[ret->count++] = cause;
}

/* The next word of a list; the list ends at `|` or at its end. */
static const char *next_cause(const char *list, char ret[64])
{
    list += strspn(list, " ");
    size_t len = strcspn(list, " |");
    if (len == 0 || len >= 64)
        return NULL;
    memcpy(ret, list, len);
    ret[len] = '\0';
    return list + len;
}

static void add_list(struct mu_said *ret, const char *list)
{
    char id[64];
    while ((list = next_cause(list, id)) != NULL)
        if (mu_cause_find(id) != MU_CAUSE_other)
            add(ret, mu_cause_find(id));
}

/* What it means if the server tells of it. */
static const char *of_server(const char *causes)
{
    const char *servers = strchr(causes, '|');
    return servers != NULL ? servers + 1 : causes;
}

static bool names(const char *causes, const char *id)
{
    size_t len = strlen(id);
    for (const char *at = causes; (at = strstr(at, id)) != NULL; at += len)
        if ((at == causes || at[-1] == ' ' || at[-1] == '|') &&
            (at[len] == '\0' || at[len] == ' ' || at[len] == '|'))
            return true;
    return false;
}

/* How much a saying leaves open. */
static size_t count_causes(const char *causes)
{
    size_t count = 1;
    for (const char *p = causes; *p != '\0' && *p != '|'; p++)
        count += *p == ' ';
    return count;
}

/* One that has the other in it says more; else one that leaves less open does. */
static bool says_more(const struct saying *a, const struct saying *b)
{
    if (strstr(a->pattern, b->pattern) != NULL)
        return true;
    if (strstr(b->pattern, a->pattern) != NULL)
        return false;
    size_t open = count_causes(a->causes), other = count_causes(b->causes);
    return open != other ? open < other : strlen(a->pattern) > strlen(b->pattern);
}

/* The sayings that fit, those that say most first. Returns how many. */
static size_t fitting(const char *plain, const struct saying *ret[MU_COUNT(sayings)])
{
    size_t count = 0;
    for (size_t i = 0; i < MU_COUNT(sayings); i++) {
        if (!fits_as_word(plain, sayings[i].pattern))
            continue;
        size_t at = count++;
        for (; at > 0 && says_more(&sayings[i], ret[at - 1]); at--)
            ret[at] = ret[at - 1];
        ret[at] = &sayings[i];
    }
    return count;
}

void mu_said_find(const char *text, size_t len, struct mu_said *ret)
{
    static _Thread_local char plain[2 * MU_SAID_TEXT_MAX + 1];
    const struct saying *fit[MU_COUNT(sayings)];
    normalise(text, len, plain);
    *ret = (struct mu_said){.at_server = is_of_server(plain)};
    size_t count = fitting(plain, fit);
    ret->who = count > 0 ? fit[0]->who : NULL;
    for (size_t i = 0; i < count; i++)
        add_list(ret, ret->at_server ? of_server(fit[i]->causes) : fit[i]->causes);
    /* Most programs say the same at both ends. */
    for (size_t i = 0; i < count && !ret->at_server; i++)
        add_list(ret, of_server(fit[i]->causes));
    if (count > 0 && names(fit[0]->causes, mu_cause_of(MU_CAUSE_other)->id))
        add(ret, MU_CAUSE_other);
}

bool mu_said_of_cause(enum mu_cause_id cause, size_t i, const char **ret_who,
                      const char **ret_pattern)
{
    for (size_t s = 0; s < MU_COUNT(sayings); s++)
        if (names(sayings[s].causes, mu_cause_of(cause)->id) && i-- == 0) {
            *ret_who = sayings[s].who;
            *ret_pattern = sayings[s].pattern;
            return true;
        }
    return false;
}
