#include "front/access.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "pki/key.h"

enum { SHA256_LEN = 32 };

static const char *const kinds[] = {
    [MU_ACCESS_CN] = "cn",         [MU_ACCESS_OU] = "ou",
    [MU_ACCESS_DNS] = "dns",       [MU_ACCESS_URI] = "uri",
    [MU_ACCESS_EMAIL] = "email",   [MU_ACCESS_IP] = "ip",
    [MU_ACCESS_ISSUER] = "issuer", [MU_ACCESS_FINGERPRINT] = "fingerprint",
    [MU_ACCESS_PIN] = "pin",       [MU_ACCESS_SERIAL] = "serial",
};

static void clear_term(struct mu_access_term *term)
{
    free(term->text);
    mu_pattern_clear(&term->pattern);
}

void mu_access_list_clear(struct mu_access_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        clear_term(&list->at[i]);
    free(list->at);
    *list = (struct mu_access_list){0};
}

/* --- Reading --- */

static int fail_term(struct mu_error *err, const char *text, const char *why)
{
    char shown[256];
    mu_str_printable(text, strlen(text), shown, sizeof shown);
    mu_fail(err, MU_E_USAGE, "\"%s\" does not say who: %s", shown, why);
    return mu_hint(err,
                   "write KIND=PATTERN, such as dns=*.example.com, uri=spiffe://example.org/ns/**, "
                   "cn=web-*, ou=ops, email=*@example.com, ip=10.0.0.0/8, issuer=NAME, serial=HEX, "
                   "fingerprint=SHA256 or pin=sha256//BASE64; all, for all clients of the CA; or "
                   "anonymous, for who has no certificate");
}

/* Hexadecimal with or without colons, in any case. How many octets there are, or 0 if it is something else or too long. */
static size_t read_hex(const char *text, unsigned char *ret, size_t cap)
{
    size_t len = 0;
    while (*text != '\0') {
        char octet[3] = {text[0], text[1], '\0'};
        if (len == cap || !isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]))
            return 0;
        ret[len++] = (unsigned char)strtoul(octet, NULL, 16);
        text += 2;
        if (*text == ':' && text[1] != '\0')
            text++;
    }
    return len;
}

static bool read_digest(const char *text, bool pin, unsigned char ret[SHA256_LEN])
{
    return (pin && mu_key_pin_parse(text, ret)) || read_hex(text, ret, SHA256_LEN) == SHA256_LEN;
}

/* As a certificate's own is shown: upper case, two digits an octet, without zeros in front. */
static bool read_serial(const char *text, char ret[MU_SERIAL_TEXT_LEN])
{
    unsigned char octets[(MU_SERIAL_TEXT_LEN - 1) / 3];
    char even[MU_SERIAL_TEXT_LEN];
    const bool odd = strchr(text, ':') == NULL && strlen(text) % 2 == 1;
    if ((size_t)snprintf(even, sizeof even, "%s%s", odd ? "0" : "", text) >= sizeof even)
        return false;
    const size_t len = read_hex(even, octets, sizeof octets);
    size_t zeros = 0;
    while (zeros + 1 < len && octets[zeros] == 0)
        zeros++;
    mu_str_hex(octets + zeros, len - zeros, '\0', ret);
    for (char *p = ret; *p != '\0'; p++)
        *p = (char)toupper((unsigned char)*p);
    return len > 0;
}

/* Patterns have kinds of their own; there, what is neither of an alternative name is text. */
static const char *kind_of_pattern(enum mu_access_kind kind)
{
    switch (kind) {
    case MU_ACCESS_DNS: return "DNS";
    case MU_ACCESS_URI: return "URI";
    case MU_ACCESS_EMAIL: return "email";
    case MU_ACCESS_IP: return "IP";
    default: return "CN";
    }
}

static int read_pattern(const char *whole, const char *text, struct mu_access_term *ret,
                        struct mu_error *err)
{
    struct mu_error below = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_buf) written = MU_BUF_INIT;
    mu_buf_addf(&written, "%s:%s", kind_of_pattern(ret->kind), text);
    if (mu_buf_failed(&written))
        return mu_fail_nomem(err);
    return mu_pattern_parse(mu_buf_str(&written), &ret->pattern, &below) == 0
               ? 0
               : fail_term(err, whole, below.what);
}

static int read_value(const char *whole, const char *text, struct mu_access_term *ret,
                      struct mu_error *err)
{
    switch (ret->kind) {
    case MU_ACCESS_FINGERPRINT:
    case MU_ACCESS_PIN:
        return read_digest(text, ret->kind == MU_ACCESS_PIN, ret->sha256)
                   ? 0
                   : fail_term(err, whole, "it is no SHA-256, which has 64 hexadecimal digits");
    case MU_ACCESS_SERIAL:
        return read_serial(text, ret->serial)
                   ? 0
                   : fail_term(err, whole, "a serial number is written in hexadecimal");
    default: return read_pattern(whole, text, ret, err);
    }
}

static bool read_kind(const char *text, size_t len, enum mu_access_kind *ret)
{
    for (size_t i = 0; i < MU_COUNT(kinds); i++)
        if (strlen(kinds[i]) == len && strncmp(kinds[i], text, len) == 0) {
            *ret = (enum mu_access_kind)i;
            return true;
        }
    return false;
}

static bool read_word(const char *text, enum mu_access_kind *ret)
{
    static const char *const words[] = {"all", "anonymous", "none"};
    for (size_t i = 0; i < MU_COUNT(words); i++)
        if (mu_str_equal(text, words[i])) {
            *ret = (enum mu_access_kind)(MU_ACCESS_ALL + i);
            return true;
        }
    return false;
}

static int read_term(const char *text, struct mu_access_term *ret, struct mu_error *err)
{
    const char *equals = strchr(text, '=');
    ret->text = strdup(text);
    if (ret->text == NULL)
        return mu_fail_nomem(err);
    if (read_word(text, &ret->kind))
        return 0;
    if (equals == NULL)
        return fail_term(err, text, "there is no KIND= in front");
    if (!read_kind(text, (size_t)(equals - text), &ret->kind))
        return fail_term(err, text, "there is no such kind");
    if (equals[1] == '\0')
        return fail_term(err, text, "there is nothing behind the =");
    return read_value(text, equals + 1, ret, err);
}

int mu_access_list_add(struct mu_access_list *list, const char *text, struct mu_error *err)
{
    struct mu_access_term *longer = realloc(list->at, (list->count + 1) * sizeof *longer);
    if (longer == NULL)
        return mu_fail_nomem(err);
    list->at = longer;
    struct mu_access_term *term = &longer[list->count];
    *term = (struct mu_access_term){.text = NULL};
    if (read_term(text, term, err) != 0) {
        clear_term(term);
        return -1;
    }
    list->count++;
    return 0;
}

bool mu_access_list_has(const struct mu_access_list *list, enum mu_access_kind kind)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->at[i].kind == kind)
            return true;
    return false;
}

char *mu_access_list_text(const struct mu_access_list *list, char *ret, size_t cap)
{
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    for (size_t i = 0; i < list->count; i++)
        mu_buf_addf(&text, "%s%s", i > 0 ? ", " : "", list->at[i].text);
    return mu_str_printable(mu_buf_str(&text), text.len, ret, cap);
}

/* --- Judging --- */

static bool any(const struct mu_pattern *pattern, const struct mu_strs *names)
{
    for (size_t i = 0; i < names->count; i++)
        if (mu_pattern_admits(pattern, pattern->kind, names->at[i]))
            return true;
    return false;
}

static bool names_issuer(const struct mu_access_term *term, const struct mu_identity *who)
{
    const bool whole = strchr(term->pattern.glob, '=') != NULL;
    const char *name = whole ? who->issuer : who->issuer_cn;
    return *name != '\0' && mu_pattern_admits(&term->pattern, MU_PATTERN_CN, name);
}

static bool matches(const struct mu_access_term *term, const struct mu_identity *who)
{
    if (who == NULL)
        return term->kind == MU_ACCESS_ANONYMOUS;
    switch (term->kind) {
    case MU_ACCESS_NONE:
    case MU_ACCESS_ANONYMOUS: return false;
    case MU_ACCESS_ALL: return true;
    case MU_ACCESS_CN: return any(&term->pattern, &who->cn);
    case MU_ACCESS_OU: return any(&term->pattern, &who->ou);
    case MU_ACCESS_DNS: return any(&term->pattern, &who->dns);
    case MU_ACCESS_URI: return any(&term->pattern, &who->uri);
    case MU_ACCESS_EMAIL: return any(&term->pattern, &who->email);
    case MU_ACCESS_IP: return any(&term->pattern, &who->ip);
    case MU_ACCESS_ISSUER: return names_issuer(term, who);
    case MU_ACCESS_SERIAL: return mu_str_equal(term->serial, who->serial);
    case MU_ACCESS_FINGERPRINT: return memcmp(term->sha256, who->sha256, SHA256_LEN) == 0;
    case MU_ACCESS_PIN: return memcmp(term->sha256, who->key_sha256, SHA256_LEN) == 0;
    }
    return false;
}

static const struct mu_access_term *find(const struct mu_access_list *list,
                                         const struct mu_identity *who)
{
    for (size_t i = 0; i < list->count; i++)
        if (matches(&list->at[i], who))
            return &list->at[i];
    return NULL;
}

/* Is there a name that it goes by, and that cannot be told from one that could not be read? */
static bool goes_by_names(const struct mu_access_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->at[i].kind <= MU_ACCESS_IP)
            return true;
    return false;
}

/* Who is denied by one of these, of the door first. True: somebody is, or may be. */
static bool is_denied(const struct mu_access *access, const struct mu_identity *who,
                      struct mu_access_verdict *ret)
{
    if (access->above != NULL && is_denied(access->above, who, ret))
        return true;
    ret->by = access;
    ret->term = find(&access->deny, who);
    ret->reason = MU_ACCESS_DENIED;
    if (ret->term != NULL)
        return true;
    ret->reason = MU_ACCESS_UNCLEAR;
    return who != NULL && who->unclear > 0 && goes_by_names(&access->deny);
}

bool mu_access_judge(const struct mu_access *access, const struct mu_identity *who,
                     struct mu_access_verdict *ret)
{
    if (is_denied(access, who, ret))
        return false;
    while (access->allow.count == 0 && access->above != NULL)
        access = access->above;
    ret->by = access;
    ret->term = find(&access->allow, who);
    const bool yes = ret->term != NULL || (access->allow.count == 0 && who != NULL);
    ret->reason = yes           ? MU_ACCESS_YES
                  : who == NULL ? MU_ACCESS_NO_CERTIFICATE
                                : MU_ACCESS_NOT_ALLOWED;
    return yes;
}

/* --- In words --- */

char *mu_access_rule_id(const struct mu_access_verdict *verdict, char ret[MU_ACCESS_ID_LEN])
{
    const struct mu_access *by = verdict->by;
    const char *id = by->id == NULL ? "door" : by->id;
    const bool deny = verdict->reason == MU_ACCESS_DENIED || verdict->reason == MU_ACCESS_UNCLEAR;
    const struct mu_access_list *list = deny ? &by->deny : &by->allow;
    if (verdict->term != NULL)
        snprintf(ret, MU_ACCESS_ID_LEN, "%.100s.%s.%zu", id, deny ? "deny" : "allow",
                 (size_t)(verdict->term - list->at) + 1);
    else
        snprintf(ret, MU_ACCESS_ID_LEN, "%.100s%s", id,
                 deny                  ? ".deny"
                 : by->allow.count > 0 ? ".allow"
                                       : "");
    return ret;
}

static enum mu_refusal_code code_of(enum mu_access_reason reason)
{
    switch (reason) {
    case MU_ACCESS_DENIED: return MU_REFUSAL_ACCESS_DENIED;
    case MU_ACCESS_NO_CERTIFICATE: return MU_REFUSAL_ACCESS_NO_CERTIFICATE;
    case MU_ACCESS_UNCLEAR: return MU_REFUSAL_ACCESS_UNCLEAR;
    default: return MU_REFUSAL_ACCESS_NOT_ALLOWED;
    }
}

void mu_access_refusal(const struct mu_access_verdict *verdict, const struct mu_identity *who,
                       struct mu_refusal *ret)
{
    char known[256], terms[256], id[MU_ACCESS_ID_LEN];
    mu_refusal_set(ret, code_of(verdict->reason));
    mu_identity_text(who, known, sizeof known);
    mu_access_rule_id(verdict, id);
    if (verdict->reason == MU_ACCESS_DENIED)
        snprintf(ret->sentence, sizeof ret->sentence,
                 "the client is known as %s; denied is %s (%s)", known, verdict->term->text, id);
    else if (verdict->reason == MU_ACCESS_UNCLEAR)
        snprintf(
            ret->sentence, sizeof ret->sentence,
            "the client is known as %s, and by more names that cannot be read; denied are %s (%s)",
            known, mu_access_list_text(&verdict->by->deny, terms, sizeof terms), id);
    else if (verdict->by->allow.count > 0)
        snprintf(ret->sentence, sizeof ret->sentence,
                 "the client is known as %s; allowed are %s (%s)", known,
                 mu_access_list_text(&verdict->by->allow, terms, sizeof terms), id);
    else /* only a client without a certificate gets here */
        snprintf(ret->sentence, sizeof ret->sentence,
                 "the client has no certificate; allowed are all who have one (%s)", id);
}
