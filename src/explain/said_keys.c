/* Keys that were pasted along with a message: they are left out before anything is looked for, or shown again. */

#include "explain/said.h"

#include <fnmatch.h>
#include <string.h>

#include "base/macros.h"
#include "base/str.h"
#include "explain/text.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_";

/* --- In base64 --- */

/* Blanks and line ends, also where these are written out, as in JSON. */
static const char *skip_breaks(const char *at, bool *ret_any)
{
    *ret_any = false;
    for (;;) {
        const char *blanks = at + strspn(at, " \t\r\n");
        *ret_any = *ret_any || memchr(at, '\n', (size_t)(blanks - at)) != NULL;
        if (blanks[0] != '\\' || (blanks[1] != 'n' && blanks[1] != 'r'))
            return blanks;
        *ret_any = true;
        at = blanks + 2;
    }
}

/* Where base64 ends, which most programs break into lines: one that is nothing else belongs to it. */
static const char *base64_end(const char *at)
{
    for (;;) {
        bool broken, ends;
        at += strspn(at, digits);
        at += strspn(at, "=");
        const char *line = skip_breaks(at, &broken), *end = line + strspn(line, digits);
        end += strspn(end, "=");
        (void)skip_breaks(end, &ends);
        if (!broken || end == line || (!ends && strchr("\r\"'", *end) == NULL)) /* NUL, too */
            return at;
        at = line;
    }
}

/* "PRIVATE KEY" in base64, wherever in three bytes it begins: behind a certificate, too. */
static bool wraps_key(const char *at, const char *end)
{
    static const char *const wrapped[] = {"UFJJVkFURSBLRV", "BSSVZBVEUgS0VZ", "QUklWQVRFIEtFW"};
    for (size_t i = 0; i < MU_COUNT(wrapped); i++)
        if (memmem(at, (size_t)(end - at), wrapped[i], strlen(wrapped[i])) != NULL)
            return true;
    return false;
}

/* How the DER of a private key begins: SEQUENCE { version, ... }, of PKCS#1, PKCS#8, SEC 1 and PKCS#12, as long as it may be; the
 * forms of OpenSSH and of Java; and PBES2 and PKCS#12's own, by which one is encrypted, wherever in three bytes they begin.
 * [RFC 5958 2, RFC 8017 A.1.2, RFC 5915 3, RFC 7292 4 and C, RFC 8018 A.4] */
static bool begins_as_key(const char *at)
{
    enum { LEAST = 40 };
    static const char *const beginnings[] = {
        "MII??[AQgw]IBA[ADz]*", "MI[GH]?AgE[AB]*", "M??CAQ[AE][CEw]*",
        "b3BlbnNzaC1rZXkt*",    "/u3+7QAA*",       "M*[Zo]ZIhvcNAQUN[MB]*",
        "M*kiG9w0BBQ0w*",       "M*GSIb3DQEFDT*",  "M*[Zo]ZIhvcNAQwB*",
        "M*kiG9w0BDAE*",        "M*GSIb3DQEMAQ*",
    };
    char head[LEAST + 1];
    if (strchr("Mb/", *at) == NULL || strspn(at, digits) < LEAST)
        return false;
    memcpy(head, at, LEAST);
    head[LEAST] = '\0';
    for (size_t i = 0; i < MU_COUNT(beginnings); i++)
        if (fnmatch(beginnings[i], head, 0) == 0)
            return true;
    return false;
}

static bool is_base64_key(const char *at, const char **ret_end)
{
    static const char wrapped[] = "LS0tLS1CRUdJTi", wrapped_cert[] = "LS0tLS1CRUdJTiBDRVJU";
    const bool is_wrapped = mu_str_starts_with(at, wrapped);
    if (!is_wrapped && !begins_as_key(at))
        return false;
    *ret_end = base64_end(at);
    return !is_wrapped || !mu_str_starts_with(at, wrapped_cert) || wraps_key(at, *ret_end);
}

/* --- In PEM, and in words --- */

static bool is_pem_key(const char *at, const char **ret_end)
{
    static const char begin[] = "-----BEGIN ";
    if (!mu_str_starts_with(at, begin))
        return false;
    const char *label = at + strlen(begin), *label_end = strstr(label, "-----");
    const char *private = strstr(label, "PRIVATE KEY");
    if (private == NULL || label_end == NULL || private > label_end)
        return false;
    const char *end = strstr(label_end, "-----END "),
               *last = end == NULL ? NULL : strstr(end + 9, "-----");
    *ret_end = last == NULL ? at + strlen(at) : last + 5;
    return true;
}

/* Only the end of one was pasted along: where the lines before `at` begin that belong to it. */
static const char *lost_start(const char *from, const char *at)
{
    static const char label[] = "PRIVATE KEY-----";
    enum { LEAST = 16 }; /* but for the last one */
    if (!mu_str_starts_with(at, "-----END "))
        return NULL;
    const char *start = at, *stop = strpbrk(at, "\r\n"), *found = strstr(at, label);
    if (found == NULL || (stop != NULL && found > stop))
        return NULL;
    for (bool last = true; start > from && start[-1] == '\n'; last = false) {
        const char *end = start - 1, *line = end;
        while (line > from && line[-1] != '\n')
            line--;
        const char *text = line + strspn(line, " \t");
        size_t len = strspn(text, digits);
        const char *rest = text + len + strspn(text + len, "=\r");
        if (rest != end || len < (last ? 1 : LEAST))
            break;
        start = line;
    }
    return start;
}

/* A line of `openssl pkey -text`: "    00:8f:1c:". */
static const char *hex_line_end(const char *line)
{
    const char *at = line + strspn(line, " \t"), *end = at + strspn(at, "0123456789abcdefABCDEF:");
    end += strspn(end, "\r");
    return end > at && memchr(at, ':', (size_t)(end - at)) != NULL && (*end == '\n' || *end == '\0')
               ? end
               : NULL;
}

static bool is_hex_key(const char *at, const char **ret_end)
{
    static const char *const labels[] = {"priv:",      "privateExponent:", "prime1:",     "prime2:",
                                         "exponent1:", "exponent2:",       "coefficient:"};
    for (size_t i = 0; i < MU_COUNT(labels); i++) {
        const char *line = mu_str_starts_with(at, labels[i]) ? at + strlen(labels[i]) : NULL;
        if (line == NULL)
            continue;
        *ret_end = line += strspn(line, "\r");
        while (*line == '\n' && (line = hex_line_end(line + 1)) != NULL)
            *ret_end = line;
        return true;
    }
    return false;
}

/* Does a private key begin here? `ret_end` is where what follows it begins. */
static bool is_key(const char *text, const char *at, const char **ret_end)
{
    const bool begins = at == text || strchr(digits, at[-1]) == NULL;
    return is_pem_key(at, ret_end) ||
           (begins && (is_hex_key(at, ret_end) ||
                       (*at != '-' && strchr(digits, *at) != NULL && is_base64_key(at, ret_end))));
}

void mu_said_without_keys(const char *text, size_t len, struct mu_buf *ret)
{
    MU_AUTO_CLEAR(mu_buf) mended = MU_BUF_INIT_SECRET;
    struct mu_text_faults ignored = {0};
    const size_t most = 2 * (size_t)MU_SAID_TEXT_MAX; /* in UTF-16 */
    mu_text_mend(text, len < most ? len : most, &ignored, &mended);
    const char *start = mu_buf_str(&mended), *at = start, *from = at, *end, *stop = at + mended.len;
    while (at < stop) {
        const char *lost = lost_start(from, at);
        if (lost == NULL && !is_key(start, at, &end)) {
            at++;
            continue;
        }
        end = lost != NULL ? at + strlen("-----END ") : end;
        mu_buf_add(ret, from, (size_t)((lost != NULL ? lost : at) - from));
        mu_buf_adds(ret, "(a key, left out)");
        at = from = end;
    }
    mu_buf_add(ret, from, (size_t)(at - from));
    ret->failed = ret->failed || mended.failed;
}
