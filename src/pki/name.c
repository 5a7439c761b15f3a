#include "pki/name.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/objects.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "pki/ossl.h"

enum { DNS_NAME_MAX = 253, DNS_LABEL_MAX = 63, NAME_TEXT_MAX = 2048 };

static const struct kind {
    const char *name;
    int general_name; /* OpenSSL's GEN_... */
} kinds[] = {
    [MU_SAN_DNS] = {"DNS", GEN_DNS},
    [MU_SAN_IP] = {"IP", GEN_IPADD},
    [MU_SAN_URI] = {"URI", GEN_URI},
    [MU_SAN_EMAIL] = {"email", GEN_EMAIL},
};

const char *mu_san_kind_name(enum mu_san_kind kind)
{
    return kinds[kind].name;
}

void mu_names_clear(struct mu_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->san[i].value);
    free(names->san);
    free(names->cn);
    *names = (struct mu_names){0};
}

/* --- What may stand in a name --- */

static int fail_name(struct mu_error *err, const char *text, const char *why)
{
    char shown[256];
    mu_str_printable(text, strlen(text), shown, sizeof shown);
    return mu_fail(err, MU_E_NAME, "\"%s\" cannot be used as a name: %s", shown, why);
}

static bool is_plain_ascii(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text <= 0x20 || (unsigned char)*text >= 0x7f)
            return false;
    return true;
}

/* A label of letters, digits and hyphens, none of these at its ends; underscores are in wide use.
 * [RFC 1123 2.1, RFC 5280 4.2.1.6] */
static bool is_label(const char *label, size_t len)
{
    if (len == 0 || len > DNS_LABEL_MAX || label[0] == '-' || label[len - 1] == '-')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)label[i]) && label[i] != '-' && label[i] != '_')
            return false;
    return true;
}

/* NULL: it is a DNS name; else why not. */
static const char *dns_fault(const char *name)
{
    const char *p = name;
    if (strlen(name) > DNS_NAME_MAX)
        return "a DNS name is at most 253 characters long";
    if (name[0] == '*') { /* the whole of the first label, and not all there is [RFC 9525 6.3] */
        if (name[1] != '.' || strchr(name + 2, '.') == NULL)
            return "a wildcard is the whole first label of a name with at least two more: *.example.com";
        p = name + 2;
    }
    for (;;) {
        size_t len = strcspn(p, ".");
        if (!is_label(p, len))
            return "it is not a DNS name, an IP address, a URI or an e-mail address";
        p += len;
        if (*p == '\0')
            break;
        p++;
    }
    const char *last = strrchr(name, '.');
    last = last == NULL ? name : last + 1;
    if (last[strspn(last, "0123456789")] == '\0')
        return "it looks like an IP address, and is none";
    return NULL;
}

static const char *email_fault(const char *text)
{
    const char *at = strchr(text, '@');
    if (at == NULL || at == text || strchr(at + 1, '@') != NULL || dns_fault(at + 1) != NULL ||
        at[1] == '*')
        return "an e-mail address is local-part@domain";
    return NULL;
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* What may stand in a URI as it is, or as % and two digits. [RFC 3986 2] */
static bool is_spelled_as_uri(const char *text)
{
    for (;;) {
        text += strspn(text, LETTERS DIGITS "-._~:/?#[]@!$&'()*+,;=");
        if (*text != '%')
            return *text == '\0';
        if (!isxdigit((unsigned char)text[1]) || !isxdigit((unsigned char)text[2]))
            return false;
        text += 3;
    }
}

/* scheme ":" something; an authority, if there is one, with a host. [RFC 3986 3, RFC 5280 4.2.1.6] */
static const char *uri_fault(const char *text)
{
    size_t scheme = strspn(text, LETTERS DIGITS "+-.");
    if (scheme == 0 || !isalpha((unsigned char)text[0]) || text[scheme] != ':' ||
        text[scheme + 1] == '\0')
        return "a URI is scheme:rest, such as spiffe://example.org/service";
    if (strncmp(text + scheme, "://", 3) == 0 && strcspn(text + scheme + 3, "/?#") == 0)
        return "the URI has no host";
    if (!is_spelled_as_uri(text))
        return "a URI is made of letters, digits, some punctuation, and % with two digits for all else";
    return NULL;
}

bool mu_name_is_dns(const char *text)
{
    return dns_fault(text) == NULL;
}

bool mu_name_is_email(const char *text)
{
    return is_plain_ascii(text) && email_fault(text) == NULL;
}

bool mu_name_is_uri(const char *text)
{
    return is_plain_ascii(text) && uri_fault(text) == NULL;
}

bool mu_name_is_uri_of_host(const char *text)
{
    char host[DNS_NAME_MAX + 1];
    const char *from = strchr(text, ':');
    if (uri_fault(text) != NULL || strncmp(from, "://", 3) != 0)
        return false;
    from += 3;
    size_t len = strcspn(from, ":/");
    const char *end = from + len;
    if (*end == ':')
        end += 1 + strspn(end + 1, DIGITS);
    if (len >= sizeof host || (*end != '/' && *end != '\0'))
        return false;
    memcpy(host, from, len);
    host[len] = '\0';
    return dns_fault(host) == NULL && host[0] != '*';
}

/* "Root Signing CA" is a root's. */
bool mu_name_sounds_intermediate(const char *name)
{
    static const char *const words[] = {"intermediate", "issuing", "sub", "subca",  "subordinate",
                                        "inter",        "signing", "ica", "level2", "tier2"};
    const char *at = name;
    if (strcasestr(name, "root") != NULL)
        return false;
    while (*at != '\0') {
        size_t len = 0;
        while (isalnum((unsigned char)at[len]))
            len++;
        for (size_t i = 0; len > 0 && i < MU_COUNT(words); i++)
            if (strlen(words[i]) == len && strncasecmp(at, words[i], len) == 0)
                return true;
        at += len > 0 ? len : 1;
    }
    return false;
}

/* The shortest text of an address, or false. */
static bool ip_text(const char *text, char ret[INET6_ADDRSTRLEN])
{
    unsigned char bytes[16];
    char bare[INET6_ADDRSTRLEN + 2];
    size_t len = strlen(text);
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    if (len >= sizeof bare)
        return false;
    memcpy(bare, text, len);
    bare[len] = '\0';
    for (int family = AF_INET;; family = AF_INET6) {
        if (inet_pton(family, bare, bytes) == 1)
            return inet_ntop(family, bytes, ret, INET6_ADDRSTRLEN) != NULL;
        if (family == AF_INET6)
            return false;
    }
}

/* --- Guessing --- */

static bool take_prefix(const char **text, const char *prefix)
{
    if (strncasecmp(*text, prefix, strlen(prefix)) != 0)
        return false;
    *text += strlen(prefix);
    return true;
}

static enum mu_san_kind guess(const char **text)
{
    char ip[INET6_ADDRSTRLEN];
    if (take_prefix(text, "DNS:"))
        return MU_SAN_DNS;
    if (take_prefix(text, "IP:"))
        return MU_SAN_IP;
    if (take_prefix(text, "URI:"))
        return MU_SAN_URI;
    if (take_prefix(text, "email:"))
        return MU_SAN_EMAIL;
    if (ip_text(*text, ip))
        return MU_SAN_IP;
    if (strstr(*text, "://") != NULL || strncasecmp(*text, "urn:", 4) == 0 ||
        strncasecmp(*text, "spiffe:", 7) == 0)
        return MU_SAN_URI;
    return strchr(*text, '@') != NULL ? MU_SAN_EMAIL : MU_SAN_DNS;
}

static int append(struct mu_names *names, enum mu_san_kind kind, const char *value,
                  struct mu_error *err)
{
    for (size_t i = 0; i < names->count; i++)
        if (names->san[i].kind == kind && strcmp(names->san[i].value, value) == 0)
            return 0;
    struct mu_san *san = realloc(names->san, (names->count + 1) * sizeof *san);
    if (san == NULL)
        return mu_fail_nomem(err);
    names->san = san;
    san[names->count] = (struct mu_san){.kind = kind, .value = strdup(value)};
    if (san[names->count].value == NULL)
        return mu_fail_nomem(err);
    names->count++;
    return 0;
}

/* Check `text` as a name of this kind and bring it into its one spelling. */
static int normalise(enum mu_san_kind kind, const char *text, char ret[NAME_TEXT_MAX],
                     struct mu_error *err)
{
    char ip[INET6_ADDRSTRLEN];
    const char *fault = NULL;
    if (*text == '\0')
        return fail_name(err, text, "it is empty");
    if (!mu_str_copy(ret, NAME_TEXT_MAX, text))
        return fail_name(err, text, "it is too long");
    if (!is_plain_ascii(text)) {
        fail_name(err, text, "it has a space or a character outside ASCII");
        return mu_hint(err, "write an international domain name in its ASCII form (xn--...)");
    }
    switch (kind) {
    case MU_SAN_DNS:
        fault = dns_fault(text);
        for (char *p = ret; *p != '\0'; p++)
            *p = (char)tolower((unsigned char)*p);
        break;
    case MU_SAN_IP:
        if (ip_text(text, ip))
            mu_str_copy(ret, NAME_TEXT_MAX, ip);
        else
            fault = "it is not an IP address";
        break;
    case MU_SAN_URI: fault = uri_fault(text); break;
    case MU_SAN_EMAIL: fault = email_fault(text); break;
    }
    return fault == NULL ? 0 : fail_name(err, text, fault);
}

int mu_names_add(struct mu_names *names, const char *text, struct mu_error *err)
{
    char value[NAME_TEXT_MAX];
    enum mu_san_kind kind = guess(&text);
    if (normalise(kind, text, value, err) != 0)
        return -1;
    return append(names, kind, value, err);
}

static int set_cn(struct mu_names *names, const char *text, struct mu_error *err)
{
    free(names->cn);
    names->cn = strdup(text);
    return names->cn == NULL ? mu_fail_nomem(err) : 0;
}

/* Text that a person may bear as a name: UTF-8, at most 64 characters, nothing that a terminal obeys. */
int mu_names_set_cn(struct mu_names *names, const char *text, struct mu_error *err)
{
    char shown[512];
    size_t characters = 0;
    for (const char *p = text; *p != '\0'; p++)
        characters += ((unsigned char)*p & 0xc0) != 0x80;
    if (characters == 0 || characters > MU_CN_MAX)
        return fail_name(err, text, "a name is 1 to 64 characters long");
    mu_str_printable(text, strlen(text), shown, sizeof shown);
    if (strcmp(shown, text) != 0)
        return fail_name(err, text, "it has control characters, or is not UTF-8");
    return set_cn(names, text, err);
}

int mu_names_set_main(struct mu_names *names, const char *text, bool free_text, struct mu_error *err)
{
    size_t before = names->count;
    const char *said = text;
    bool outright = guess(&said) != MU_SAN_DNS || said != text;
    if (free_text && !outright && (dns_fault(text) != NULL || !is_plain_ascii(text)))
        return mu_names_set_cn(names, text, err);
    if (mu_names_add(names, text, err) != 0)
        return -1;
    const struct mu_san *main = &names->san[names->count > before ? names->count - 1 : 0];
    if (main->kind == MU_SAN_URI || strlen(main->value) > MU_CN_MAX)
        return 0;
    return set_cn(names, main->value, err);
}

const char *mu_names_main(const struct mu_names *names)
{
    return names->cn != NULL ? names->cn : names->count > 0 ? names->san[0].value : "";
}

int mu_names_add_loopback(struct mu_names *names, struct mu_error *err)
{
    for (size_t i = 0; i < names->count; i++)
        if (names->san[i].kind == MU_SAN_DNS && strcmp(names->san[i].value, "localhost") == 0)
            return append(names, MU_SAN_IP, "127.0.0.1", err) != 0 ||
                           append(names, MU_SAN_IP, "::1", err) != 0
                       ? -1
                       : 0;
    return 0;
}

/* --- To and from X.509 --- */

static GENERAL_NAME *to_general_name(const struct mu_san *san)
{
    return a2i_GENERAL_NAME(NULL, NULL, NULL, kinds[san->kind].general_name, san->value, 0);
}

int mu_names_to_x509(const struct mu_names *names, X509_NAME **ret_subject, GENERAL_NAMES **ret_san,
                     struct mu_error *err)
{
    MU_AUTO(X509_NAME) subject = X509_NAME_new();
    MU_AUTO(GENERAL_NAMES) san = names->count == 0 ? NULL : sk_GENERAL_NAME_new_null();
    if (subject == NULL || (names->count > 0 && san == NULL))
        return mu_fail_nomem(err);
    if (names->cn != NULL &&
        X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                   (const unsigned char *)names->cn, -1, -1, 0) != 1)
        return mu_fail_openssl(err, MU_E_NAME, "\"%s\" cannot be used as a common name", names->cn);
    for (size_t i = 0; i < names->count; i++) {
        GENERAL_NAME *name = to_general_name(&names->san[i]);
        if (name == NULL || sk_GENERAL_NAME_push(san, name) == 0) {
            GENERAL_NAME_free(name);
            return mu_fail_openssl(err, MU_E_NAME, "\"%s\" cannot be written into a certificate",
                                   names->san[i].value);
        }
    }
    *ret_subject = mu_take(&subject);
    *ret_san = mu_take(&san);
    return 0;
}

/* Text from outside as a C string: nothing hidden behind a NUL, nothing that a terminal obeys. */
static int foreign_text(const unsigned char *data, int len, char ret[NAME_TEXT_MAX],
                        struct mu_error *err)
{
    char shown[256], check[NAME_TEXT_MAX];
    mu_str_printable(data, len < 0 ? 0 : (size_t)len, shown, sizeof shown);
    if (len <= 0 || len >= NAME_TEXT_MAX || memchr(data, '\0', (size_t)len) != NULL)
        return mu_fail(err, MU_E_NAME, "the name \"%s\" is empty, too long or has a NUL in it",
                       shown);
    memcpy(ret, data, (size_t)len);
    ret[len] = '\0';
    mu_str_printable(ret, (size_t)len, check, sizeof check);
    if (strcmp(check, ret) != 0)
        return mu_fail(err, MU_E_NAME, "the name \"%s\" has control characters in it", shown);
    return 0;
}

static int add_foreign_ip(struct mu_names *names, const ASN1_OCTET_STRING *ip, struct mu_error *err)
{
    char text[INET6_ADDRSTRLEN];
    int len = ASN1_STRING_length(ip);
    if ((len != 4 && len != 16) || inet_ntop(len == 4 ? AF_INET : AF_INET6,
                                             ASN1_STRING_get0_data(ip), text, sizeof text) == NULL)
        return mu_fail(err, MU_E_NAME, "an IP address among the names has %d octets, not 4 or 16",
                       len);
    return append(names, MU_SAN_IP, text, err);
}

static int add_foreign_san(struct mu_names *names, const GENERAL_NAME *name, struct mu_error *err)
{
    int type;
    char text[NAME_TEXT_MAX], value[NAME_TEXT_MAX];
    const ASN1_STRING *string = GENERAL_NAME_get0_value(name, &type);
    if (type == GEN_IPADD)
        return add_foreign_ip(names, string, err);
    for (size_t kind = 0; kind < MU_COUNT(kinds); kind++) {
        if (kinds[kind].general_name != type)
            continue;
        if (foreign_text(ASN1_STRING_get0_data(string), ASN1_STRING_length(string), text, err) !=
                0 ||
            normalise((enum mu_san_kind)kind, text, value, err) != 0)
            return -1;
        return append(names, (enum mu_san_kind)kind, value, err);
    }
    mu_fail(err, MU_E_NAME, "one of the alternative names is of a kind that is not issued here");
    return mu_hint(err, "ask for DNS names, IP addresses, URIs and e-mail addresses only");
}

int mu_names_from_x509(const X509_NAME *subject, const GENERAL_NAMES *san, struct mu_names *ret,
                       struct mu_error *err)
{
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at >= 0) {
        char text[NAME_TEXT_MAX];
        unsigned char *utf8 = NULL;
        int len =
            ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
        int result = foreign_text(utf8, len, text, err);
        OPENSSL_free(utf8);
        if (result != 0 || mu_names_set_cn(ret, text, err) != 0)
            return -1;
    }
    for (int i = 0; san != NULL && i < sk_GENERAL_NAME_num(san); i++)
        if (add_foreign_san(ret, sk_GENERAL_NAME_value(san, i), err) != 0)
            return -1;
    return 0;
}

int mu_names_from_cert(const struct mu_cert *cert, struct mu_names *ret, struct mu_error *err)
{
    X509 *x = mu_cert_x509(cert);
    MU_AUTO(GENERAL_NAMES) san = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    return mu_names_from_x509(X509_get_subject_name(x), san, ret, err);
}
