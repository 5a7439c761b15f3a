#include "explain/said.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/macros.h"
#include "base/str.h"

enum { OWN_WORDS_LEN = 128 };

static const struct saying {
    const char *who, *pattern, *causes;
} sayings[] = {
#define MU_SAYS(who, pattern, causes) {who, pattern, causes},
#include "explain/says.def"
#undef MU_SAYS
};

/* How else quotes and blanks are written where messages pass through: by typographers, in JSON and in HTML. */
static const struct spelling {
    const char *written;
    char meant;
} spellings[] = {
    {"\xe2\x80\x98", '\''}, {"\xe2\x80\x99", '\''}, {"\xe2\x80\x9c", '"'}, {"\xe2\x80\x9d", '"'},
    {"\xc2\xa0", ' '},      {"\\n", ' '},           {"\\r", ' '},          {"\\t", ' '},
    {"\\\"", '"'},          {"\\'", '\''},          {"&quot;", '"'},       {"&#39;", '\''},
};

/* A terminal's colours. Returns how long the sequence is; 0: there is none. [ECMA-48 5.4] */
static size_t escape_len(const char *text, size_t len)
{
    size_t at = 2;
    if (len < 3 || text[0] != '\x1b' || text[1] != '[')
        return 0;
    while (at < len && (isdigit((unsigned char)text[at]) || text[at] == ';'))
        at++;
    return at < len ? at + 1 : len;
}

/* Returns how many bytes the next character takes. */
static size_t read_char(const char *text, size_t len, char *ret)
{
    for (size_t i = 0; i < MU_COUNT(spellings); i++) {
        size_t written = strlen(spellings[i].written);
        if (written <= len && memcmp(text, spellings[i].written, written) == 0) {
            *ret = spellings[i].meant;
            return written;
        }
    }
    *ret = *text;
    return 1;
}

/* As patterns are written: lower case, one blank between words, CamelCase and UPPER_CASE taken apart. */
static void normalise(const char *text, size_t len, struct mu_buf *ret)
{
    bool after_blank = true, after_lower = false;
    for (size_t at = 0; at < len;) {
        char c;
        size_t escape = escape_len(text + at, len - at);
        at += escape > 0 ? escape : read_char(text + at, len - at, &c);
        if (escape > 0 || c == '\0') /* every other byte of ASCII in UTF-16 */
            continue;
        bool blank = c == '_' || isspace((unsigned char)c);
        bool starts_word = isupper((unsigned char)c) && after_lower;
        if ((blank || starts_word) && !after_blank)
            mu_buf_add(ret, " ", 1);
        if (!blank)
            mu_buf_add(ret, &(char){(char)tolower((unsigned char)c)}, 1);
        after_blank = blank;
        after_lower = islower((unsigned char)c);
    }
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

static bool has_one_of(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strstr(text, words[i]) != NULL)
            return true;
    return false;
}

/* Words that only a server has reason to log; and a server that is a client of another one logs other words, too. */
static bool is_of_server(const char *text)
{
    static const char *const servers[] = {
        "while ssl handshaking",
        ", client:",
        "tls handshake error from",
        "ssl accept",
        "ssl handshake failure",
        "client ssl certificate",
        "as a server",
        "peer did not return",
        "from client",
        "rejected connection",
        "[client ",
        "client <unknown> disconnected",
        "new connection from",
        "failed to authenticate https connection",
        "accepting a client",
        "could not accept ssl connection",
        "received client alert",
        "unable to authenticate the request",
    };
    static const char *const clients[] = {"to upstream", "from upstream",
                                          "upstream ssl certificate", "is down, reason"};
    return has_one_of(text, servers, MU_COUNT(servers)) &&
           !has_one_of(text, clients, MU_COUNT(clients));
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
    enum { NO_END = 100 };
    size_t count = names(causes, mu_cause_of(MU_CAUSE_other)->id) ? NO_END : 1;
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

/* Our own words end in the answer: "cause: ID", and in JSON. `ret_words` are those. MU_CAUSE_COUNT: they are not ours. */
static enum mu_cause_id own_cause(const char *plain, char ret_words[OWN_WORDS_LEN])
{
    static const char *const marks[] = {"cause: ", "cause\": \"", "cause id\": \""};
    enum mu_cause_id found = MU_CAUSE_COUNT;
    size_t found_len = 0;
    for (unsigned id = 0; id < MU_CAUSE_COUNT; id++)
        for (size_t m = 0; m < MU_COUNT(marks); m++) {
            char words[OWN_WORDS_LEN];
            size_t len =
                (size_t)snprintf(words, sizeof words, "%s%s", marks[m], mu_cause_of(id)->id);
            for (char *p = words; (p = strchr(p, '_')) != NULL;)
                *p = ' ';
            if (id != MU_CAUSE_ok && id != MU_CAUSE_other && len > found_len &&
                strstr(plain, words) != NULL) { /* one id may begin as another one */
                found = (enum mu_cause_id)id;
                found_len = len;
                mu_str_copy(ret_words, OWN_WORDS_LEN, words);
            }
        }
    return found;
}

/* The first line that says it by itself; else the text as it is. */
static int find_line(const char *text, size_t len, const char *pattern, struct mu_said *ret,
                     struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) plain = MU_BUF_INIT;
    ret->line = text;
    ret->line_len = len;
    for (const char *at = text, *end = text + len; at < end && pattern != NULL;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t line_len = (size_t)((stop != NULL ? stop : end) - at);
        mu_buf_reset(&plain);
        normalise(at, line_len, &plain);
        if (mu_buf_failed(&plain))
            return mu_fail_nomem(err);
        if (fits_as_word(mu_buf_str(&plain), pattern)) {
            ret->line = at;
            ret->line_len = line_len;
            return 0;
        }
        at += line_len + 1;
    }
    return 0;
}

int mu_said_find(const char *text, size_t len, struct mu_said *ret, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) plain = MU_BUF_INIT;
    const struct saying *fit[MU_COUNT(sayings)];
    if (len > MU_SAID_TEXT_MAX)
        len = MU_SAID_TEXT_MAX;
    normalise(text, len, &plain);
    if (mu_buf_failed(&plain))
        return mu_fail_nomem(err);
    const char *words = mu_buf_str(&plain);
    *ret = (struct mu_said){.at_server = is_of_server(words)};
    char own_words[OWN_WORDS_LEN];
    const enum mu_cause_id own = own_cause(words, own_words);
    size_t count = fitting(words, fit);
    ret->who = own != MU_CAUSE_COUNT ? "mutual" : count > 0 ? fit[0]->who : NULL;
    add(ret, own);
    for (size_t i = 0; i < count; i++)
        add_list(ret, ret->at_server ? of_server(fit[i]->causes) : fit[i]->causes);
    /* Most programs say the same at both ends. */
    for (size_t i = 0; i < count && !ret->at_server; i++)
        add_list(ret, of_server(fit[i]->causes));
    if (count > 0 && names(fit[0]->causes, mu_cause_of(MU_CAUSE_other)->id))
        add(ret, MU_CAUSE_other);
    const char *pattern = own != MU_CAUSE_COUNT ? own_words : count > 0 ? fit[0]->pattern : NULL;
    return find_line(text, len, pattern, ret, err);
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
