#include "explain/said.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/macros.h"
#include "base/str.h"

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

/* An alert that the teller itself has sent says what it found. The words of one are written with underscores then, which no other
 * pattern has, so that it is not taken for one of the other side's. */
static void mark_own_alerts(struct mu_buf *plain)
{
    static const char *const intros[] = {
        "(out), tls alert, ",                                 /* curl */
        "alert: write (local ssl3 detected an error):fatal:", /* wpa_supplicant */
        "alert write:fatal:",                                 /* FreeRADIUS */
        "tls write fatal alert \"",                           /* Zabbix */
        "generated client alert: fatal - ",                   /* Erlang */
        "generated server alert: fatal - ",
        "|fatal (", /* Java, with javax.net.debug */
    };
    char *text = plain->failed || plain->len == 0 ? NULL : (char *)plain->data;
    for (size_t i = 0; i < MU_COUNT(intros) && text != NULL; i++)
        for (char *at = text; (at = strstr(at, intros[i])) != NULL;) {
            at += strlen(intros[i]);
            for (; isalpha((unsigned char)*at) || *at == ' '; at++)
                *at = *at == ' ' ? '_' : *at;
        }
}

/* Each part between the stars, one after the other. Returns what follows the last one, or NULL. */
static const char *fits(const char *text, const char *pattern)
{
    char part[160];
    while (*pattern != '\0') {
        size_t len = strcspn(pattern, "*");
        if (len >= sizeof part)
            return NULL;
        memcpy(part, pattern, len);
        part[len] = '\0';
        text = strstr(text, part);
        if (text == NULL)
            return NULL;
        text += len;
        pattern += len + (pattern[len] == '*');
    }
    return text;
}

/* A short word has to stand alone: "eof" is no part of another. */
static const char *fits_as_word(const char *text, const char *pattern)
{
    enum { SHORT = 4 };
    size_t len = strlen(pattern);
    if (len > SHORT)
        return fits(text, pattern);
    for (const char *at = text; (at = strstr(at, pattern)) != NULL; at += len)
        if ((at == text || !isalnum((unsigned char)at[-1])) && !isalnum((unsigned char)at[len]))
            return at + len;
    return NULL;
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
        "generated server alert",
        "tls handshake error:",
        "[ssl:error]",
        "[ssl:warn]",
        "[ssl:info]",
        "[ssl:debug]",
        "eap tls: ",
        "eap peap: ",
        "eap ttls: ",
        "failed to accept an incoming connection",
        "failed authentication with /",
        "tls accept failure",
        "closed (tls negotiation failure)",
        "ssl handshake with client failed",
        "client certificate verification failed",
        "new connection from",
        "failed to authenticate https connection",
        "accepting a client",
        "could not accept ssl connection",
        "received client alert",
        "unable to authenticate the request",
    };
    static const char *const clients[] = {"to upstream", "from upstream", "ssl proxy",
                                          "upstream ssl certificate", "is down, reason"};
    return has_one_of(text, servers, MU_COUNT(servers)) &&
           !has_one_of(text, clients, MU_COUNT(clients));
}

/* Programs that are never a server's. */
static bool is_of_client(const char *text)
{
    static const char *const clients[] = {"curl: (",        "tls client: ",
                                          "ctrl-event-eap", "ssl connect() ",
                                          "ssl connect: ",  "ssl connect returned"};
    return has_one_of(text, clients, MU_COUNT(clients));
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

static size_t count_of(const char *text, const char *pattern)
{
    size_t count = 0;
    for (const char *at = text; (at = fits_as_word(at, pattern)) != NULL;)
        count++;
    return count;
}

/* Is all of it a part of what another one says? */
static bool is_within(const struct saying *saying, const char *plain,
                      const struct saying *const *fit, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fit[i] != saying && strchr(fit[i]->pattern, '*') == NULL &&
            strstr(fit[i]->pattern, saying->pattern) != NULL &&
            count_of(plain, fit[i]->pattern) == count_of(plain, saying->pattern))
            return true;
    return false;
}

/* The sayings that fit, those that say most first. Returns how many. */
static size_t fitting(const char *plain, const struct saying *ret[MU_COUNT(sayings)])
{
    size_t count = 0;
    for (size_t i = 0; i < MU_COUNT(sayings); i++) {
        if (fits_as_word(plain, sayings[i].pattern) == NULL)
            continue;
        size_t at = count++;
        for (; at > 0 && says_more(&sayings[i], ret[at - 1]); at--)
            ret[at] = ret[at - 1];
        ret[at] = &sayings[i];
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (!is_within(ret[i], plain, ret, i))
            ret[kept++] = ret[i];
    return kept;
}

/* --- Our own words --- */

static const char *skip(const char *at, const char *end, const char *set)
{
    while (at < end && strchr(set, *at) != NULL && *at != '\0')
        at++;
    return at;
}

/* The id behind the word "cause", as it stands in a report, in a line of the door's log, and in JSON, escaped or not. */
static enum mu_cause_id id_behind(const char *at, const char *end)
{
    static const char quotes[] = "\\\" ";
    char id[64];
    size_t len = 0;
    if (end - at > 3 && memcmp(at, "_id", 3) == 0)
        at += 3;
    at = skip(at, end, quotes);
    if (at == end || *at != ':')
        return MU_CAUSE_COUNT;
    for (at = skip(at + 1, end, quotes); at < end && len + 1 < sizeof id; at++) {
        if (!islower((unsigned char)*at) && !isdigit((unsigned char)*at) && *at != '_')
            break;
        id[len++] = *at;
    }
    id[len] = '\0';
    return mu_cause_find(id);
}

/* "Root cause: ..." is what others say. */
static bool begins_clause(const char *text, const char *at)
{
    while (at > text && (at[-1] == ' ' || at[-1] == '\t'))
        at--;
    return at == text || (!isalnum((unsigned char)at[-1]) && at[-1] != '_' && at[-1] != '-');
}

/* MU_CAUSE_COUNT: there are none in it. `ret_at` is where they are. */
static enum mu_cause_id own_cause(const char *text, size_t len, const char **ret_at)
{
    static const char word[] = "cause";
    const char *end = text + len;
    for (const char *at = text; (at = memmem(at, (size_t)(end - at), word, strlen(word))) != NULL;
         at += strlen(word)) {
        enum mu_cause_id id = id_behind(at + strlen(word), end);
        *ret_at = at;
        if (id != MU_CAUSE_COUNT && id != MU_CAUSE_ok && id != MU_CAUSE_other &&
            begins_clause(text, at))
            return id;
    }
    return MU_CAUSE_COUNT;
}

/* --- The answer --- */

static void set_line(const char *at, const char *end, struct mu_said *ret)
{
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    ret->line = at;
    ret->line_len = (size_t)((stop != NULL ? stop : end) - at);
}

/* The first line that says it by itself; else the text as it is. */
static int find_line(const char *text, size_t len, const char *pattern, struct mu_said *ret,
                     struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) plain = MU_BUF_INIT;
    for (const char *at = text, *end = text + len; at < end; at += ret->line_len + 1) {
        set_line(at, end, ret);
        mu_buf_reset(&plain);
        normalise(at, ret->line_len, &plain);
        mark_own_alerts(&plain);
        if (mu_buf_failed(&plain))
            return mu_fail_nomem(err);
        if (fits_as_word(mu_buf_str(&plain), pattern) != NULL)
            return 0;
    }
    ret->line = text;
    ret->line_len = len;
    return 0;
}

static bool is_address(const char *word)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, word, address) == 1 || inet_pton(AF_INET6, word, address) == 1;
}

/* What is asked for stands behind what says that it was not found: "... matches target host name '10.0.0.5'". */
static bool asks_for_address(const char *plain, const char *pattern)
{
    static const char around[] = " '\"`<>[](),", *const before[] = {"target",   "requested", "host",
                                                                    "hostname", "name",      "for"};
    const char *at = fits_as_word(plain, pattern);
    while (at != NULL && *at != '\0') {
        char word[64];
        bool skipped = false;
        at += strspn(at, around);
        size_t len = strcspn(at, around);
        if (len == 0 || len >= sizeof word)
            return false;
        memcpy(word, at, len);
        word[word[len - 1] == ':' || word[len - 1] == '.' ? len - 1 : len] = '\0';
        for (size_t i = 0; i < MU_COUNT(before); i++)
            skipped = skipped || mu_str_equal(word, before[i]);
        if (!skipped)
            return is_address(word);
        at += len;
    }
    return false;
}

/* Who says "name" of an address, too, does not tell the two apart. */
static void prefer_address(struct mu_said *ret)
{
    for (size_t i = 1; i < ret->count; i++)
        if (ret->causes[i] == MU_CAUSE_server_ip_not_in_san) {
            memmove(ret->causes + 1, ret->causes, i * sizeof ret->causes[0]);
            ret->causes[0] = MU_CAUSE_server_ip_not_in_san;
        }
}

/* All that what fits can mean, and most programs say the same at both ends. */
static void add_all(struct mu_said *ret, bool client, const struct saying *const *fit, size_t count)
{
    const char *first = count == 0       ? ""
                        : ret->at_server ? of_server(fit[0]->causes)
                                         : fit[0]->causes;
    if (mu_str_starts_with(first, mu_cause_of(MU_CAUSE_other)->id)) /* it says nothing of it */
        add(ret, MU_CAUSE_other);
    for (size_t i = 0; i < count; i++)
        add_list(ret, ret->at_server ? of_server(fit[i]->causes) : fit[i]->causes);
    for (size_t i = 0; i < count && !ret->at_server && !client; i++)
        add_list(ret, of_server(fit[i]->causes));
    if (count > 0 && names(fit[0]->causes, mu_cause_of(MU_CAUSE_other)->id))
        add(ret, MU_CAUSE_other);
}

int mu_said_find(const char *text, size_t len, struct mu_said *ret, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) plain = MU_BUF_INIT;
    const struct saying *fit[MU_COUNT(sayings)];
    if (len > MU_SAID_TEXT_MAX)
        len = MU_SAID_TEXT_MAX;
    normalise(text, len, &plain);
    mark_own_alerts(&plain);
    if (mu_buf_failed(&plain))
        return mu_fail_nomem(err);
    const char *words = mu_buf_str(&plain), *own_at = text;
    *ret = (struct mu_said){.at_server = is_of_server(words), .line = text, .line_len = len};
    const enum mu_cause_id own = own_cause(text, len, &own_at);
    size_t count = fitting(words, fit);
    if (own != MU_CAUSE_COUNT) {
        ret->who = "mutual";
        add(ret, own);
        for (set_line(text, text + len, ret); own_at > ret->line + ret->line_len;)
            set_line(ret->line + ret->line_len + 1, text + len, ret);
    }
    add_all(ret, is_of_client(words), fit, count);
    if (own != MU_CAUSE_COUNT || count == 0)
        return 0;
    ret->who = fit[0]->who;
    if (ret->causes[0] == MU_CAUSE_server_name_mismatch && asks_for_address(words, fit[0]->pattern))
        prefer_address(ret);
    return find_line(text, len, fit[0]->pattern, ret, err);
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
