#include "http/relay.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

/* --- What a header is to a gateway --- */

enum kind {
    END_TO_END,
    HOP,        /* of one connection */
    FRAMING,    /* said anew */
    CONNECTION, /* names more of the kind HOP */
    UPGRADE,
    TE,
    EXPECT,
    HOST,
    DATE,
    CLIENT,  /* who the client is: said by us, and by nobody else */
    METHOD,  /* asks for another method than the request's own, */
    PLACE,   /* or for something else than its target and its host */
    OPENING, /* of a WebSocket, where HTTP/1.1 is spoken */
};

static const struct {
    const char *name;
    size_t len;
    enum kind kind;
} kinds[] = {
    {"connection", sizeof "connection" - 1, CONNECTION},
    {"content-length", sizeof "content-length" - 1, FRAMING},
    {"date", sizeof "date" - 1, DATE},
    {"expect", sizeof "expect" - 1, EXPECT},
    {"forwarded", sizeof "forwarded" - 1, CLIENT},
    {"host", sizeof "host" - 1, HOST},
    {"http2-settings", sizeof "http2-settings" - 1, HOP},
    {"keep-alive", sizeof "keep-alive" - 1, HOP},
    {"proxy-authenticate", sizeof "proxy-authenticate" - 1, HOP},
    {"proxy-authorization", sizeof "proxy-authorization" - 1, HOP},
    {"proxy-connection", sizeof "proxy-connection" - 1, HOP},
    {"sec-websocket-accept", sizeof "sec-websocket-accept" - 1, OPENING},
    {"sec-websocket-key", sizeof "sec-websocket-key" - 1, OPENING},
    {"te", sizeof "te" - 1, TE},
    {"transfer-encoding", sizeof "transfer-encoding" - 1, FRAMING},
    {"true-client-ip", sizeof "true-client-ip" - 1, CLIENT},
    {"upgrade", sizeof "upgrade" - 1, UPGRADE},
    {"x-cluster-client-ip", sizeof "x-cluster-client-ip" - 1, CLIENT},
    {"x-envoy-original-path", sizeof "x-envoy-original-path" - 1, PLACE},
    {"x-forwarded", sizeof "x-forwarded" - 1, CLIENT},
    {"x-host", sizeof "x-host" - 1, PLACE},
    {"x-http-host-override", sizeof "x-http-host-override" - 1, PLACE},
    {"x-http-method", sizeof "x-http-method" - 1, METHOD},
    {"x-http-method-override", sizeof "x-http-method-override" - 1, METHOD},
    {"x-method-override", sizeof "x-method-override" - 1, METHOD},
    {"x-original-host", sizeof "x-original-host" - 1, PLACE},
    {"x-original-uri", sizeof "x-original-uri" - 1, PLACE},
    {"x-original-url", sizeof "x-original-url" - 1, PLACE},
    {"x-real-ip", sizeof "x-real-ip" - 1, CLIENT},
    {"x-rewrite-url", sizeof "x-rewrite-url" - 1, PLACE},
};

/* Whatever begins like this, too. */
static const char *const client_starts[] = {"client-cert",      "ssl-client-", "x-amzn-mtls-",
                                            "x-arr-clientcert", "x-client-",   "x-forwarded-",
                                            "x-mtls-",          "x-spiffe-",   "x-ssl-",
                                            "x-tls-client"};

/*
 * Many programs behind a gateway see a header as a variable, in whose name every character but letters and digits has become
 * "_": to them X_Forwarded.For is X-Forwarded-For. So it is to us, except that a header by another spelling of a name that
 * means something here means nothing and goes no further.
 */
static enum kind kind_of(const char *name)
{
    char plain[24];
    size_t len = 0;
    bool odd = false;
    for (; name[len] != '\0' && len < sizeof plain - 1; len++) {
        const bool letter = isalnum((unsigned char)name[len]) != 0;
        odd = odd || (!letter && name[len] != '-');
        plain[len] = letter ? (char)tolower((unsigned char)name[len]) : '-';
    }
    plain[len] = '\0';
    for (size_t i = 0; i < MU_COUNT(kinds); i++)
        if (plain[0] == kinds[i].name[0] && len == kinds[i].len &&
            memcmp(plain, kinds[i].name, len) == 0)
            return odd && kinds[i].kind != METHOD && kinds[i].kind != PLACE ? HOP : kinds[i].kind;
    for (size_t i = 0; i < MU_COUNT(client_starts); i++)
        if (plain[0] == client_starts[i][0] && mu_str_starts_with(plain, client_starts[i]))
            return CLIENT;
    return END_TO_END;
}

/* Is `word` one of the list "a, b ;x=1, c"? */
static bool lists(const char *list, const char *word)
{
    const size_t len = strlen(word);
    while (*list != '\0') {
        list += strspn(list, " \t,");
        size_t item = strcspn(list, " \t,;");
        if (item == len && strncasecmp(list, word, len) == 0)
            return true;
        list += strcspn(list, ",");
    }
    return false;
}

static bool header_lists(const struct mu_head *head, const char *name, const char *word)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (strcasecmp(head->headers[i].name, name) == 0 && lists(head->headers[i].value, word))
            return true;
    return false;
}

static const char *find(const struct mu_head *head, const char *name)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (strcasecmp(head->headers[i].name, name) == 0)
            return head->headers[i].value;
    return NULL;
}

/* Does Connection name more than what is HOP anyway? Nearly never, so that nothing needs to be looked for. */
static bool names_others(const char *connection)
{
    static const char *const usual[] = {"close", "keep-alive", "upgrade", "te", ""};
    for (size_t i = 0; i < MU_COUNT(usual); i++)
        if (strcasecmp(connection, usual[i]) == 0)
            return false;
    return true;
}

/* What one look over a head finds. */
struct survey {
    const char *host, *upgrade;
    bool names_others, trailers, expects_continue, has_date;
};

static void look_over(const struct mu_head *head, struct survey *ret, enum kind *kinds_of)
{
    *ret = (struct survey){.host = NULL};
    for (size_t i = 0; i < head->header_count; i++) {
        const char *value = head->headers[i].value;
        kinds_of[i] = kind_of(head->headers[i].name);
        switch (kinds_of[i]) {
        case CONNECTION: ret->names_others = ret->names_others || names_others(value); break;
        case UPGRADE: ret->upgrade = value; break;
        case TE: ret->trailers = ret->trailers || lists(value, "trailers"); break;
        case EXPECT: ret->expects_continue = strcasecmp(value, "100-continue") == 0; break;
        case HOST: ret->host = value; break;
        case DATE: ret->has_date = true; break;
        case END_TO_END:
        case HOP:
        case FRAMING:
        case METHOD:
        case PLACE:
        case OPENING:
        case CLIENT: break;
        }
    }
}

static void add_line(struct mu_buf *out, const char *name, const char *value)
{
    const size_t name_len = strlen(name), value_len = strlen(value);
    char *end = mu_buf_reserve(out, name_len + value_len + 4);
    if (end == NULL)
        return;
    memcpy(end, name, name_len);
    memcpy(end + name_len, ": ", 2);
    memcpy(end + name_len + 2, value, value_len);
    memcpy(end + name_len + 2 + value_len, "\r\n", 3);
    out->len += name_len + value_len + 4;
}

/* Room for about all of it, rather than a little more again and again. */
static void reserve_head(struct mu_buf *out, const struct mu_head *head)
{
    size_t len = 512 + (head->target != NULL ? strlen(head->target) : 0);
    for (size_t i = 0; i < head->header_count; i++)
        len += strlen(head->headers[i].name) + strlen(head->headers[i].value) + 4;
    mu_buf_reserve(out, len);
}

/* --- Requests --- */

void mu_relay_client_init(struct mu_relay_client *client, const char *ip)
{
    const bool v6 = ip != NULL && strchr(ip, ':') != NULL;
    const char *open = v6 ? "\"[" : "", *close = v6 ? "]\"" : "";
    int len = 0;
    client->more = NULL;
    client->more_len = 0;
    client->method_counts = client->place_counts = false;
    if (ip != NULL)
        len = snprintf(client->lines, sizeof client->lines, "X-Forwarded-For: %s\r\n", ip);
    len += snprintf(client->lines + len, sizeof client->lines - (size_t)len,
                    "X-Forwarded-Proto: https\r\nForwarded: for=%s%s%s;proto=https", open,
                    ip == NULL ? "unknown" : ip, close);
    client->len = (size_t)len;
}

/* Where it goes to and what is asked for there: "/path?query" or "*". [RFC 9112 3.2] */
struct target {
    const char *authority; /* not ended by NUL; NULL: Host says it */
    size_t authority_len;
    const char *start, *rest; /* the two parts of what is sent */
};

static size_t scheme_len(const char *target)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < MU_COUNT(schemes); i++)
        if (strncasecmp(target, schemes[i], strlen(schemes[i])) == 0)
            return strlen(schemes[i]);
    return 0;
}

static bool split_target(const struct mu_head *head, struct target *ret, const char **ret_why)
{
    const bool options = mu_str_equal(head->method, "OPTIONS");
    *ret = (struct target){.start = "", .rest = head->target};
    size_t skipped = scheme_len(head->target);
    if (skipped > 0) {
        ret->authority = head->target + skipped;
        ret->authority_len = strcspn(ret->authority, "/?#");
        ret->rest = ret->authority + ret->authority_len;
        if (*ret->rest != '/')
            ret->start = *ret->rest == '\0' && options ? "*" : "/";
    }
    *ret_why = "the request's target is not one that can be asked for here";
    if (ret->authority != NULL &&
        (ret->authority_len == 0 || memchr(ret->authority, '@', ret->authority_len) != NULL))
        return false;
    const bool asterisk = options && mu_str_equal(head->target, "*");
    if (!asterisk && *ret->start == '\0' && *ret->rest != '/')
        return false;
    for (const unsigned char *p = (const unsigned char *)ret->rest; *p != '\0'; p++)
        if (*p <= ' ' || *p >= 0x7f || *p == '#')
            return false;
    return true;
}

static bool is_idempotent(const char *method)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};
    for (size_t i = 0; i < MU_COUNT(methods); i++)
        if (mu_str_equal(method, methods[i]))
            return true;
    return false;
}

/* To HTTP/2 nobody is switched: what would be said then could not be seen any more. */
static bool may_upgrade(const struct mu_head *head, const char *upgrade)
{
    return upgrade != NULL && head->minor == 1 &&
           strlen(upgrade) < sizeof((struct mu_relay_request *)0)->upgrade &&
           !lists(upgrade, "h2c") && !lists(upgrade, "h2") && *upgrade != '\0' &&
           header_lists(head, "Connection", "upgrade");
}

static bool ask_for_websocket(const struct mu_head *head, struct mu_relay_request *ret,
                              char ret_key[MU_WEBSOCKET_KEY_LEN])
{
    mu_str_copy(ret->upgrade, sizeof ret->upgrade, head->upgrade);
    return mu_websocket_key(ret_key) && mu_websocket_accept(ret_key, ret->accept);
}

/* printf() takes longer for it than the parser for a whole line. */
static void add_number(struct mu_buf *out, uint64_t number)
{
    char text[20], *end = text + sizeof text, *p = end;
    do
        *--p = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    mu_buf_add(out, p, (size_t)(end - p));
}

static void add_length(struct mu_buf *out, uint64_t length)
{
    mu_buf_adds(out, "Content-Length: ");
    add_number(out, length);
    mu_buf_adds(out, "\r\n");
}

static void add_client(struct mu_buf *out, const struct mu_relay_client *client, const char *host,
                       size_t host_len)
{
    if (client->more != NULL)
        mu_buf_add(out, client->more, client->more_len);
    mu_buf_add(out, client->lines, client->len);
    if (host_len == 0) {
        mu_buf_adds(out, "\r\n");
        return;
    }
    mu_buf_adds(out, ";host=\"");
    mu_buf_add(out, host, host_len);
    mu_buf_adds(out, "\"\r\nX-Forwarded-Host: ");
    mu_buf_add(out, host, host_len);
    mu_buf_adds(out, "\r\n");
}

static bool goes_on(enum kind kind, const struct mu_head *head, const struct mu_relay_client *client)
{
    return kind == END_TO_END || kind == DATE || (kind == OPENING && !head->h2) ||
           (kind == METHOD && (client == NULL || !client->method_counts)) ||
           (kind == PLACE && (client == NULL || !client->place_counts));
}

bool mu_relay_binds(const struct mu_head *head)
{
    for (size_t i = 0; i < head->header_count; i++) {
        const struct mu_header *header = &head->headers[i];
        const char first = (char)tolower((unsigned char)header->name[0]);
        if (((first == 'a' && strcasecmp(header->name, "Authorization") == 0) ||
             (first == 'w' && strcasecmp(header->name, "WWW-Authenticate") == 0)) &&
            (lists(header->value, "NTLM") || lists(header->value, "Negotiate")))
            return true;
    }
    return false;
}

bool mu_relay_request(const struct mu_head *head, const struct mu_relay_client *client,
                      struct mu_buf *out, struct mu_relay_request *ret, const char **ret_why)
{
    enum kind kinds_of[MU_HEADERS_MAX];
    struct survey survey;
    struct target target;
    char key[MU_WEBSOCKET_KEY_LEN];
    if (!split_target(head, &target, ret_why))
        return false;
    look_over(head, &survey, kinds_of);
    *ret = (struct mu_relay_request){
        .idempotent = is_idempotent(head->method),
        .head = mu_str_equal(head->method, "HEAD"),
        .expects_continue =
            survey.expects_continue && head->minor == 1 && head->framing != MU_BODY_NONE,
        .binds = mu_relay_binds(head),
    };
    if (head->upgrade != NULL && !ask_for_websocket(head, ret, key)) {
        *ret_why = "a WebSocket cannot be asked for here";
        return false;
    }
    if (head->upgrade == NULL && may_upgrade(head, survey.upgrade))
        mu_str_copy(ret->upgrade, sizeof ret->upgrade, survey.upgrade);

    const char *host = target.authority != NULL ? target.authority : survey.host;
    const size_t host_len = target.authority != NULL ? target.authority_len
                            : host != NULL           ? strlen(host)
                                                     : 0;
    reserve_head(out, head);
    mu_buf_adds(out, head->method);
    mu_buf_adds(out, " ");
    mu_buf_adds(out, target.start);
    mu_buf_adds(out, target.rest);
    mu_buf_adds(out, " HTTP/1.1\r\nHost: ");
    mu_buf_add(out, host, host_len);
    mu_buf_adds(out, "\r\n");
    for (size_t i = 0; i < head->header_count; i++) {
        const struct mu_header *header = &head->headers[i];
        if (goes_on(kinds_of[i], head, client) &&
            !(survey.names_others && header_lists(head, "Connection", header->name)))
            add_line(out, header->name, header->value);
    }
    if (head->framing == MU_BODY_LENGTH)
        add_length(out, head->length);
    if (head->framing == MU_BODY_CHUNKED)
        mu_buf_adds(out, "Transfer-Encoding: chunked\r\n");
    if (ret->expects_continue)
        mu_buf_adds(out, "Expect: 100-continue\r\n");
    if (ret->upgrade[0] != '\0') {
        mu_buf_adds(out, survey.trailers ? "Connection: upgrade, te\r\nTE: trailers\r\n"
                                         : "Connection: upgrade\r\n");
        add_line(out, "Upgrade", ret->upgrade);
        if (head->upgrade != NULL)
            add_line(out, "Sec-WebSocket-Key", key);
    } else if (survey.trailers) {
        mu_buf_adds(out, "Connection: te\r\nTE: trailers\r\n");
    }
    if (client != NULL) {
        add_client(out, client, host, host_len);
        mu_buf_adds(out, head->h2           ? "Via: 2 mutual\r\n"
                         : head->minor == 0 ? "Via: 1.0 mutual\r\n"
                                            : "Via: 1.1 mutual\r\n");
    }
    mu_buf_adds(out, "\r\n");
    *ret_why = "there is not enough memory";
    return !mu_buf_failed(out);
}

/* Where a client offers more than one, the backend's word is all that it has to go by. */
static const char *chosen_of(const struct mu_head *head, const char *offered)
{
    const char *chosen = find(head, "Upgrade");
    if (chosen == NULL)
        return strchr(offered, ',') == NULL ? offered : NULL;
    return *chosen != '\0' && lists(offered, chosen) ? chosen : NULL;
}

const char *mu_relay_switches(const struct mu_head *head, const struct mu_relay_request *request)
{
    if (request->upgrade[0] == '\0') /* nobody has asked for it */
        return NULL;
    if (request->accept[0] == '\0') /* the client sees to the rest */
        return chosen_of(head, request->upgrade);
    const char *accept = find(head, "Sec-WebSocket-Accept");
    const bool agrees = accept != NULL && strcmp(accept, request->accept) == 0 &&
                        header_lists(head, "Upgrade", request->upgrade) &&
                        header_lists(head, "Connection", "upgrade");
    return agrees ? request->upgrade : NULL;
}

/* The text up to `end`, which is cut off; `*rest` begins behind it. */
static char *cut(char **rest, const char *end)
{
    char *start = *rest, *found = strstr(start, end);
    if (found == NULL)
        return NULL;
    *found = '\0';
    *rest = found + strlen(end);
    return start;
}

static bool is_of_http2(const char *name)
{
    static const char *const never[] = {"Connection", "Transfer-Encoding", "Upgrade", "Host"};
    for (size_t i = 0; i < MU_COUNT(never); i++)
        if (strcmp(name, never[i]) == 0)
            return false;
    return true;
}

size_t mu_relay_request_fields(struct mu_buf *text, struct mu_header *ret, size_t max)
{
    size_t count = 0;
    char *rest = text->data, *name;
    const char *method = cut(&rest, " "), *target = cut(&rest, " ");
    (void)cut(&rest, "\r\nHost: ");
    const char *host = cut(&rest, "\r\n");
    ret[count++] = (struct mu_header){":method", method};
    ret[count++] = (struct mu_header){":scheme", "http"};
    ret[count++] = (struct mu_header){":path", target};
    ret[count++] = (struct mu_header){":authority", *host != '\0' ? host : "localhost"};
    while (count < max && *rest != '\r' && (name = cut(&rest, ": ")) != NULL) {
        const char *value = cut(&rest, "\r\n");
        if (is_of_http2(name))
            ret[count++] = (struct mu_header){name, value};
    }
    return count;
}

/* --- Responses --- */

static bool shows(const struct mu_head *head, enum kind kind, const char *name, bool names_more)
{
    if (kind != END_TO_END && kind != DATE && kind != CLIENT && kind != METHOD && kind != PLACE &&
        kind != HOST && kind != EXPECT && kind != OPENING)
        return false;
    return !names_more || !header_lists(head, "Connection", name);
}

/* Also of an answer to HEAD, and of 304, though none follows. */
static bool tells_length(const struct mu_head *head, const struct mu_relay_response *how)
{
    return how->framing == MU_BODY_LENGTH ||
           (how->framing == MU_BODY_NONE && head->status >= 200 && head->status != 204 &&
            find(head, "Content-Length") != NULL);
}

void mu_relay_response(const struct mu_head *head, const struct mu_relay_response *how,
                       struct mu_buf *out)
{
    enum kind kinds_of[MU_HEADERS_MAX];
    struct survey survey;
    look_over(head, &survey, kinds_of);
    reserve_head(out, head);
    mu_buf_adds(out, "HTTP/1.1 ");
    add_number(out, (uint64_t)head->status);
    mu_buf_adds(out, " ");
    mu_buf_adds(out, head->reason);
    mu_buf_adds(out, "\r\n");
    for (size_t i = 0; i < head->header_count; i++)
        if (shows(head, kinds_of[i], head->headers[i].name, survey.names_others))
            add_line(out, head->headers[i].name, head->headers[i].value);
    if (head->status >= 200 && !survey.has_date && how->date != NULL)
        add_line(out, "Date", how->date);

    if (tells_length(head, how))
        add_length(out, head->length);
    else if (how->framing == MU_BODY_CHUNKED)
        mu_buf_adds(out, "Transfer-Encoding: chunked\r\n");
    if (how->upgrade != NULL) {
        mu_buf_adds(out, "Connection: upgrade\r\n");
        add_line(out, "Upgrade", how->upgrade);
    } else if (head->status >= 200) {
        if (!how->keep_alive)
            mu_buf_adds(out, "Connection: close\r\n");
        else if (how->minor == 0)
            mu_buf_adds(out, "Connection: keep-alive\r\n");
    }
    mu_buf_adds(out, "\r\n");
}

size_t mu_relay_response_fields(const struct mu_head *head, const struct mu_relay_response *how,
                                char number[MU_RELAY_NUMBER_LEN], struct mu_header *ret)
{
    enum kind kinds_of[MU_HEADERS_MAX];
    struct survey survey;
    size_t count = 0;
    look_over(head, &survey, kinds_of);
    for (size_t i = 0; i < head->header_count; i++)
        if (kinds_of[i] != OPENING &&
            shows(head, kinds_of[i], head->headers[i].name, survey.names_others))
            ret[count++] = head->headers[i];
    if (head->status >= 200 && !survey.has_date && how->date != NULL)
        ret[count++] = (struct mu_header){"date", how->date};
    /* Where it ends at once, HTTP/2 has said so. */
    if (tells_length(head, how) && find(head, "Content-Length") != NULL) {
        snprintf(number, MU_RELAY_NUMBER_LEN, "%" PRIu64, head->length);
        ret[count++] = (struct mu_header){"content-length", number};
    }
    return count;
}

/* --- Bodies --- */

void mu_relay_chunk(struct mu_buf *out, const char *data, size_t len)
{
    char size[24];
    if (len == 0) /* that would be the end */
        return;
    int size_len = snprintf(size, sizeof size, "%zx\r\n", len);
    mu_buf_add(out, size, (size_t)size_len);
    mu_buf_add(out, data, len);
    mu_buf_add(out, "\r\n", 2);
}

static bool is_trailer(const char *name)
{
    static const char *const never[] = {"authorization",
                                        "cache-control",
                                        "content-encoding",
                                        "content-range",
                                        "content-type",
                                        "cookie",
                                        "max-forwards",
                                        "pragma",
                                        "range",
                                        "set-cookie",
                                        "trailer",
                                        "via",
                                        "www-authenticate",
                                        "x-http-method-override"};
    for (size_t i = 0; i < MU_COUNT(never); i++)
        if (strcasecmp(name, never[i]) == 0)
            return false;
    return kind_of(name) == END_TO_END;
}

size_t mu_relay_trailers(const struct mu_header *trailers, size_t count,
                         struct mu_header ret[MU_HEADERS_MAX])
{
    size_t kept = 0;
    for (size_t i = 0; i < count && kept < MU_HEADERS_MAX; i++)
        if (is_trailer(trailers[i].name))
            ret[kept++] = trailers[i];
    return kept;
}

void mu_relay_last_chunk(struct mu_buf *out, const struct mu_header *trailers, size_t count)
{
    struct mu_header kept[MU_HEADERS_MAX];
    const size_t kept_count = mu_relay_trailers(trailers, count, kept);
    mu_buf_adds(out, "0\r\n");
    for (size_t i = 0; i < kept_count; i++)
        add_line(out, kept[i].name, kept[i].value);
    mu_buf_adds(out, "\r\n");
}
