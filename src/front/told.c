#include "front/told.h"

#include <string.h>
#include <strings.h>

#include "base/str.h"

static const struct {
    const char *name;
    unsigned told;
} names[] = {
    {"Client-Cert", MU_TOLD_CERT},
    {"Client-Cert-Chain", MU_TOLD_CHAIN},
    {"X-Forwarded-Client-Cert", MU_TOLD_XFCC},
    {"X-Forwarded-Client-Cert+Cert", MU_TOLD_XFCC | MU_TOLD_XFCC_CERT},
    {"X-Client-Subject", MU_TOLD_SUBJECT},
    {"X-Client-Fingerprint", MU_TOLD_FINGERPRINT},
    {"X-Client-URI", MU_TOLD_URI},
    {"X-Client-Thumbprint", MU_TOLD_THUMBPRINT},
};

const char mu_told_names[] =
    "Client-Cert, Client-Cert-Chain, X-Forwarded-Client-Cert (with +Cert: and the certificates), "
    "X-Client-Subject, X-Client-Fingerprint, X-Client-URI, X-Client-Thumbprint";

bool mu_told_parse(const char *text, unsigned *ret)
{
    for (size_t i = 0; i < MU_COUNT(names); i++)
        if (strcasecmp(names[i].name, text) == 0) {
            *ret = names[i].told;
            return true;
        }
    return false;
}

bool mu_told_list(unsigned told, struct mu_strs *ret)
{
    if ((told & MU_TOLD_XFCC_CERT) != 0) /* it is one header, with or without */
        told &= ~(unsigned)MU_TOLD_XFCC;
    for (size_t i = 0; i < MU_COUNT(names); i++) {
        const unsigned own = names[i].told & MU_TOLD_XFCC_CERT ? MU_TOLD_XFCC_CERT : names[i].told;
        if ((told & own) != 0 && mu_strs_add(ret, names[i].name) != 0)
            return false;
    }
    return ret->count > 0;
}

/* --- Encodings --- */

/* PEM is base64 in lines, with one before and one behind them. */
static void add_base64(struct mu_buf *ret, const struct mu_cert *cert)
{
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT;
    mu_cert_to_pem(cert, &pem);
    ret->failed = ret->failed || mu_buf_failed(&pem);
    const char *line = mu_buf_str(&pem);
    while (*line != '\0') {
        const size_t len = strcspn(line, "\n");
        if (*line != '-')
            mu_buf_add(ret, line, len);
        line += len + (line[len] == '\n');
    }
}

/* A byte sequence of structured fields. [RFC 8941 3.3.5] */
static void add_sequence(struct mu_buf *ret, const struct mu_cert *cert)
{
    mu_buf_adds(ret, ":");
    add_base64(ret, cert);
    mu_buf_adds(ret, ":");
}

/* As a URL has it. [RFC 3986 2.1] */
static void add_escaped(struct mu_buf *ret, const char *text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    for (; *text != '\0'; text++)
        if (strchr(plain, *text) != NULL)
            mu_buf_add(ret, text, 1);
        else
            mu_buf_addf(ret, "%%%02X", (unsigned char)*text);
}

/* Within quotes, so that no separator of the header can come from a name. */
static void add_quoted(struct mu_buf *ret, const char *text)
{
    mu_buf_adds(ret, "\"");
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            mu_buf_adds(ret, "\\");
        mu_buf_add(ret, text, 1);
    }
    mu_buf_adds(ret, "\"");
}

/* One pair of X-Forwarded-Client-Cert; what could be taken for another one is quoted. */
static void add_pair(struct mu_buf *ret, const char *key, const char *value)
{
    mu_buf_addf(ret, ";%s=", key);
    if (value[strcspn(value, ",;=\"\\")] == '\0')
        mu_buf_adds(ret, value);
    else
        add_quoted(ret, value);
}

/* --- Headers --- */

static void add_chain(struct mu_buf *ret, const struct mu_certs *chain)
{
    if (chain->count < 2)
        return;
    mu_buf_adds(ret, "Client-Cert-Chain: ");
    for (size_t i = 1; i < chain->count; i++) {
        mu_buf_adds(ret, i > 1 ? ", " : "");
        add_sequence(ret, chain->at[i]);
    }
    mu_buf_adds(ret, "\r\n");
}

static void add_pem_pair(struct mu_buf *ret, const char *key, const struct mu_certs *chain,
                         size_t count)
{
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT;
    for (size_t i = 0; i < count; i++)
        mu_cert_to_pem(chain->at[i], &pem);
    ret->failed = ret->failed || mu_buf_failed(&pem);
    mu_buf_addf(ret, ";%s=\"", key);
    add_escaped(ret, mu_buf_str(&pem));
    mu_buf_adds(ret, "\"");
}

static void add_xfcc(struct mu_buf *ret, unsigned told, const struct mu_told_about *about)
{
    const struct mu_identity *who = about->who, *door = about->door;
    char hash[3 * sizeof who->sha256 + 1];
    mu_buf_adds(ret, "X-Forwarded-Client-Cert: ");
    mu_buf_addf(ret, "Hash=%s", mu_str_hex(who->sha256, sizeof who->sha256, '\0', hash));
    for (size_t i = 0; door != NULL && i < door->uri.count; i++)
        add_pair(ret, "By", door->uri.at[i]);
    if ((told & MU_TOLD_XFCC_CERT) != 0) {
        add_pem_pair(ret, "Cert", about->chain, 1);
        add_pem_pair(ret, "Chain", about->chain, about->chain->count);
    }
    mu_buf_adds(ret, ";Subject=");
    add_quoted(ret, who->subject);
    for (size_t i = 0; i < who->uri.count; i++)
        add_pair(ret, "URI", who->uri.at[i]);
    for (size_t i = 0; i < who->dns.count; i++)
        add_pair(ret, "DNS", who->dns.at[i]);
    mu_buf_adds(ret, "\r\n");
}

static void add_simple(struct mu_buf *ret, unsigned told, const struct mu_identity *who)
{
    char hash[3 * sizeof who->sha256 + 1], thumbprint[MU_THUMBPRINT_LEN];
    if ((told & MU_TOLD_SUBJECT) != 0 && *who->subject != '\0')
        mu_buf_addf(ret, "X-Client-Subject: %s\r\n", who->subject);
    if ((told & MU_TOLD_FINGERPRINT) != 0)
        mu_buf_addf(ret, "X-Client-Fingerprint: %s\r\n",
                    mu_str_hex(who->sha256, sizeof who->sha256, '\0', hash));
    for (size_t i = 0; (told & MU_TOLD_URI) != 0 && i < who->uri.count; i++)
        mu_buf_addf(ret, "X-Client-URI: %s\r\n", who->uri.at[i]);
    if ((told & MU_TOLD_THUMBPRINT) != 0)
        mu_buf_addf(ret, "X-Client-Thumbprint: %s\r\n", mu_thumbprint(who->sha256, thumbprint));
}

void mu_told_write(unsigned told, const struct mu_told_about *about, struct mu_buf *ret)
{
    if (about->who == NULL)
        return;
    if ((told & MU_TOLD_CERT) != 0) {
        mu_buf_adds(ret, "Client-Cert: ");
        add_sequence(ret, about->chain->at[0]);
        mu_buf_adds(ret, "\r\n");
    }
    if ((told & MU_TOLD_CHAIN) != 0)
        add_chain(ret, about->chain);
    if ((told & MU_TOLD_XFCC) != 0)
        add_xfcc(ret, told, about);
    add_simple(ret, told, about->who);
}
