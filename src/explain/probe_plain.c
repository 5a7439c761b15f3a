#include "explain/probe_plain.h"

#include <string.h>
#include <strings.h>

#include "base/macros.h"
#include "base/str.h"
#include "http/h2.h"

/* A few bytes of each, as text; the first that fits counts. */
static const struct opening {
    const char *start;
    enum mu_spoken spoken;
    const char *name, *starttls;
} openings[] = {
    {"HTTP/", MU_SPOKEN_HTTP, "HTTP", NULL},
    {"<!DOCTYPE", MU_SPOKEN_HTTP, "HTTP", NULL}, /* an answer as of HTTP/0.9 */
    {"<html", MU_SPOKEN_HTTP, "HTTP", NULL},
    {"SSH-", MU_SPOKEN_SSH, "SSH", NULL},
    {"* OK", MU_SPOKEN_STARTTLS, "IMAP", "imap"},
    {"* BYE", MU_SPOKEN_STARTTLS, "IMAP", "imap"},
    {"* PREAUTH", MU_SPOKEN_STARTTLS, "IMAP", "imap"},
    {"+OK", MU_SPOKEN_STARTTLS, "POP3", "pop3"},
    {"-ERR ", MU_SPOKEN_OTHER, "Redis", NULL},
    {"-NOAUTH", MU_SPOKEN_OTHER, "Redis", NULL},
    {"-DENIED", MU_SPOKEN_OTHER, "Redis", NULL},
    {"200 ", MU_SPOKEN_STARTTLS, "NNTP", "nntp"},
    {"201 ", MU_SPOKEN_STARTTLS, "NNTP", "nntp"},
    {"<?xml", MU_SPOKEN_STARTTLS, "XMPP", "xmpp"},
    {"<stream:", MU_SPOKEN_STARTTLS, "XMPP", "xmpp"},
    {"\"IMPLEMENTATION\"", MU_SPOKEN_STARTTLS, "ManageSieve", "sieve"},
    {"INFO {", MU_SPOKEN_OTHER, "NATS", NULL},
    {"AMQP", MU_SPOKEN_OTHER, "AMQP", NULL},
    {"RFB ", MU_SPOKEN_OTHER, "VNC", NULL},
    {"ERROR\r\n", MU_SPOKEN_OTHER, "memcached", NULL},
};

static void set(struct mu_plain *ret, enum mu_spoken spoken, const char *name, const char *starttls)
{
    ret->spoken = spoken;
    ret->name = name;
    ret->starttls = starttls;
}

static bool is_record(const unsigned char *data, size_t len)
{
    const unsigned char handshake = 22, alert = 21;
    return len >= 3 && (data[0] == handshake || data[0] == alert) && data[1] == 3 && data[2] <= 4;
}

/* A packet's length, its number 0, and the version of the protocol, or that this is an error. [MySQL: Connection Phase] */
static bool is_mysql(const unsigned char *data, size_t len)
{
    return len > 5 && data[2] == 0 && data[3] == 0 && data[0] > 4 &&
           ((data[4] == 10 && data[5] >= '0' && data[5] <= '9') || data[4] == 0xff);
}

/* A message of LDAP: a sequence that begins with an integer, its number. [RFC 4511 4.1.1] */
static bool is_ldap(const unsigned char *data, size_t len)
{
    size_t at = len > 1 && (data[1] & 0x80) != 0 ? 2 + (data[1] & 0x7fu) : 2;
    return len > at + 3 && data[0] == 0x30 && at < 7 && data[at] == 0x02 && data[at + 1] == 0x01;
}

/* An error, its length, and its first field: how bad it is. PgBouncer has one for every greeting. [PostgreSQL 55.7] */
static bool is_postgres_error(const unsigned char *data, size_t len)
{
    return len > 5 && data[0] == 'E' && data[1] == 0 && data[2] == 0 && data[5] == 'S';
}

static bool has_word(const char *text, const char *word)
{
    return strcasestr(text, word) != NULL;
}

/* "220" opens mail and files alike, and what follows, in one line or several, is the operator's to write. */
static void set_220(struct mu_plain *ret, const char *text, unsigned port)
{
    bool ftp = !has_word(text, "smtp") && (port == 21 || has_word(text, "ftp"));
    set(ret, MU_SPOKEN_STARTTLS, ftp ? "FTP" : "SMTP", ftp ? "ftp" : "smtp");
}

void mu_plain_recognise(const void *data, size_t len, unsigned port, struct mu_plain *ret)
{
    const unsigned char *bytes = data;
    char text[512];
    *ret = (struct mu_plain){.name = ""};
    if (len == 0)
        return;
    size_t some = len < sizeof text - 1 ? len : sizeof text - 1;
    memcpy(text, data, some);
    for (size_t i = 0; i < some; i++)
        text[i] = (char)(text[i] == '\0' ? ' ' : text[i]);
    text[some] = '\0';
    mu_str_printable(text, strcspn(text, "\r\n"), ret->line, sizeof ret->line);
    ret->spoken = MU_SPOKEN_UNKNOWN;
    if (is_record(bytes, len)) {
        set(ret, MU_SPOKEN_TLS, "TLS", NULL);
        return;
    }
    for (size_t i = 0; i < MU_COUNT(openings); i++)
        if (strncasecmp(text, openings[i].start, strlen(openings[i].start)) == 0) {
            set(ret, openings[i].spoken, openings[i].name, openings[i].starttls);
            ret->proxy =
                openings[i].spoken == MU_SPOKEN_HTTP &&
                (has_word(text, "proxy") || has_word(text, "squid") || has_word(ret->line, " 407"));
            return;
        }
    if (strncmp(text, "220", 3) == 0 || strncmp(text, "554 ", 4) == 0 ||
        strncmp(text, "421 ", 4) == 0)
        set_220(ret, text, port);
    else if (is_mysql(bytes, len))
        set(ret, MU_SPOKEN_STARTTLS, "MySQL", "mysql");
    else if (is_postgres_error(bytes, len))
        set(ret, MU_SPOKEN_STARTTLS, "PostgreSQL", "postgres");
    else if (mu_h2_is_preface(bytes, len))
        set(ret, MU_SPOKEN_OTHER, "HTTP/2 in clear", NULL);
    else if (is_ldap(bytes, len))
        set(ret, MU_SPOKEN_STARTTLS, "LDAP", "ldap");
}

/* --- Questions --- */

static const unsigned char ssl_request[] = {0, 0, 0, 8, 4, 210, 22, 47}; /* [PostgreSQL 55.2.10] */

/* An extended request for StartTLS. [RFC 4511 4.14.1] */
static const unsigned char ldap_starttls[] = {0x30, 0x1d, 0x02, 0x01, 0x01, 0x77, 0x18, 0x80,
                                              0x16, '1',  '.',  '3',  '.',  '6',  '.',  '1',
                                              '.',  '4',  '.',  '1',  '.',  '1',  '4',  '6',
                                              '6',  '.',  '2',  '0',  '0',  '3',  '7'};

#define XMPP_OPEN                                                                                  \
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "        \
    "version='1.0'>"
#define HTTP_ASK "GET / HTTP/1.0\r\n\r\n"

static const struct mu_plain_question questions[] = {
    {"HTTP", NULL, HTTP_ASK, sizeof HTTP_ASK - 1},
    {"PostgreSQL", "postgres", ssl_request, sizeof ssl_request},
    {"LDAP", "ldap", ldap_starttls, sizeof ldap_starttls},
    {"XMPP", "xmpp", XMPP_OPEN, sizeof XMPP_OPEN - 1},
};

const struct mu_plain_question *mu_plain_question_at(unsigned port, size_t i)
{
    size_t likeliest = port == 5432 ? 1 : port == 389 ? 2 : port == 5222 || port == 5269 ? 3 : 0;
    if (i >= MU_COUNT(questions))
        return NULL;
    return &questions[i == 0 ? likeliest : i <= likeliest ? i - 1 : i];
}

bool mu_plain_answers(const struct mu_plain_question *question, const void *data, size_t len,
                      struct mu_plain *ret)
{
    const unsigned char *bytes = data;
    bool postgres = question->bytes == ssl_request && len >= 1 && len < 512 &&
                    ((len == 1 && (bytes[0] == 'S' || bytes[0] == 'N')) ||
                     (bytes[0] == 'E' && len > 5 && bytes[1] == 0));
    if (!postgres)
        return false;
    *ret = (struct mu_plain){.name = ""};
    /* What refuses TLS altogether is no server that waits to be asked for it. */
    if (bytes[0] == 'N')
        set(ret, MU_SPOKEN_OTHER, question->name, NULL);
    else
        set(ret, MU_SPOKEN_STARTTLS, question->name, question->starttls);
    return true;
}
