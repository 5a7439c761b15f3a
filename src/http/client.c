#include "http/client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/library.h"
#include "tls/alert.h"

enum { CONNECT_TIMEOUT_S = 15 };

#define NO_CERT_HINT "present one: --as NAME, or --cert FILE and --key FILE"

struct transfer {
    const struct mu_http_call *call;
    struct mu_error *err;
    char url[MU_URL_SHOWN_LEN]; /* as it is shown */
    bool attach_failed;         /* `err` says why */
    bool stopped;               /* a callback said so */
    bool answered;              /* a header has come */
};

/* --- libcurl --- */

#define LIBCURL(F)                                                                                 \
    F(easy_cleanup, curl_easy_cleanup)                                                             \
    F(easy_getinfo, curl_easy_getinfo)                                                             \
    F(easy_init, curl_easy_init)                                                                   \
    F(easy_perform, curl_easy_perform)                                                             \
    F(easy_setopt, curl_easy_setopt)                                                               \
    F(easy_strerror, curl_easy_strerror)                                                           \
    F(free, curl_free)                                                                             \
    F(global_init, curl_global_init)                                                               \
    F(slist_append, curl_slist_append)                                                             \
    F(slist_free_all, curl_slist_free_all)                                                         \
    F(url, curl_url)                                                                               \
    F(url_cleanup, curl_url_cleanup)                                                               \
    F(url_get, curl_url_get)                                                                       \
    F(url_set, curl_url_set)

static struct {
    LIBCURL(MU_LIBRARY_FIELD)
} libcurl;

static void begin_curl(void)
{
    libcurl.global_init(CURL_GLOBAL_DEFAULT);
}

#define SYMBOL(field, function) {#function, &libcurl.field},
static const struct mu_symbol symbols[] = {LIBCURL(SYMBOL)};
static struct mu_library library = {.soname = "libcurl.so.4", /* its binary interface since 2006 */
                                    .package = "libcurl4",
                                    .symbols = symbols,
                                    .count = MU_COUNT(symbols),
                                    .begin = begin_curl,
                                    .lock = PTHREAD_MUTEX_INITIALIZER};

static void free_curl(CURL *curl)
{
    libcurl.easy_cleanup(curl);
}

static void free_url(CURLU *url)
{
    libcurl.url_cleanup(url);
}

MU_AUTO_DEFINE(CURL, free_curl)
MU_AUTO_DEFINE(CURLU, free_url)

/* --- URLs --- */

/* By the text alone, because what is no URL is shown, too. [RFC 3986 3.2.1] */
char *mu_url_shown(const char *url, char ret[MU_URL_SHOWN_LEN])
{
    const char *scheme_end = strstr(url, "://");
    const char *authority = scheme_end == NULL ? url : scheme_end + 3;
    const char *at = memrchr(authority, '@', strcspn(authority, "/?#"));
    if (at == NULL)
        snprintf(ret, MU_URL_SHOWN_LEN, "%s", url);
    else
        snprintf(ret, MU_URL_SHOWN_LEN, "%.*s...%s", (int)(authority - url), url, at);
    return ret;
}

/* Copy one part; an absent one is "". False: it does not fit. */
static bool copy_part(CURLU *parsed, CURLUPart part, unsigned flags, const char *before, char *ret,
                      size_t cap)
{
    char *text = NULL;
    bool there = libcurl.url_get(parsed, part, &text, flags) == CURLUE_OK;
    bool fits = snprintf(ret, cap, "%s%s", there ? before : "", there ? text : "") < (int)cap;
    libcurl.free(text);
    return fits;
}

static bool is_of_http(CURLU *parsed)
{
    char scheme[16];
    return copy_part(parsed, CURLUPART_SCHEME, 0, "", scheme, sizeof scheme) &&
           (strcmp(scheme, "https") == 0 || strcmp(scheme, "http") == 0);
}

int mu_host_check(const char *host, struct mu_error *err)
{
    for (const unsigned char *p = (const unsigned char *)host; *p != '\0'; p++)
        if (*p >= 0x80) {
            mu_fail(err, MU_E_USAGE,
                    "the host \"%s\" is not written as DNS and certificates have it", host);
            return mu_hint(err, "write it in ASCII, as xn--...: idn2 NAME tells how");
        }
    return 0;
}

int mu_url_read(const char *url, struct mu_url *ret, struct mu_error *err)
{
    char shown[MU_URL_SHOWN_LEN], host[sizeof ret->host + 2], port[8];
    if (mu_library_need(&library, err) != 0)
        return -1;
    MU_AUTO(CURLU) parsed = libcurl.url();
    if (parsed == NULL || libcurl.url_set(parsed, CURLUPART_URL, url, 0) != CURLUE_OK ||
        !is_of_http(parsed) || !copy_part(parsed, CURLUPART_HOST, 0, "", host, sizeof host) ||
        !copy_part(parsed, CURLUPART_PORT, CURLU_DEFAULT_PORT, "", port, sizeof port) ||
        !copy_part(parsed, CURLUPART_PATH, 0, "", ret->path, sizeof ret->path) ||
        !copy_part(parsed, CURLUPART_QUERY, 0, "?", ret->path + strlen(ret->path),
                   sizeof ret->path - strlen(ret->path)) ||
        !mu_str_copy(ret->host, sizeof ret->host, host + (host[0] == '[' ? 1 : 0))) {
        mu_fail(err, MU_E_USAGE, "\"%s\" is not a URL that can be fetched",
                mu_url_shown(url, shown));
        return mu_hint(err, "write it as https://HOST:PORT/PATH");
    }
    if (host[0] == '[')
        ret->host[strlen(ret->host) - 1] = '\0';
    if (mu_host_check(ret->host, err) != 0)
        return -1;
    ret->port = (unsigned)strtoul(port, NULL, 10);
    return 0;
}

int mu_url_host(const char *url, char *ret, size_t cap, struct mu_error *err)
{
    struct mu_url parts;
    if (mu_url_read(url, &parts, err) != 0)
        return -1;
    mu_str_copy(ret, cap, parts.host);
    return 0;
}

/* --- What libcurl asks --- */

static CURLcode on_ssl_ctx(CURL *curl, void *ssl_ctx, void *arg)
{
    struct transfer *transfer = arg;
    (void)curl;
    if (mu_tls_client_attach(transfer->call->tls, ssl_ctx, transfer->err) == 0)
        return CURLE_OK;
    transfer->attach_failed = true;
    return CURLE_ABORTED_BY_CALLBACK;
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    const struct mu_http_call *call = transfer->call;
    transfer->answered = true;
    if (call->on_header == NULL || call->on_header(call->arg, line, size * count))
        return size * count;
    transfer->stopped = true;
    return 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    const struct mu_http_call *call = transfer->call;
    if (call->on_body == NULL || call->on_body(call->arg, data, size * count))
        return size * count;
    transfer->stopped = true;
    return 0;
}

/* --- Setting up --- */

static struct curl_slist *header_list(const struct mu_strs *headers)
{
    struct curl_slist *list = NULL;
    for (size_t i = 0; headers != NULL && i < headers->count; i++) {
        struct curl_slist *longer = libcurl.slist_append(list, headers->at[i]);
        if (longer == NULL)
            break;
        list = longer;
    }
    return list;
}

static void set_common(CURL *curl, struct transfer *transfer, char words[CURL_ERROR_SIZE])
{
    libcurl.easy_setopt(curl, CURLOPT_URL, transfer->call->url);
    libcurl.easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    libcurl.easy_setopt(curl, CURLOPT_ERRORBUFFER, words);
    libcurl.easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    libcurl.easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
    libcurl.easy_setopt(curl, CURLOPT_TIMEOUT, transfer->call->timeout_s);
    /* Trust is ours to judge, in the callback that mu_tls_client_attach() sets: curl is to load none. */
    libcurl.easy_setopt(curl, CURLOPT_CAINFO, NULL);
    libcurl.easy_setopt(curl, CURLOPT_CAPATH, NULL);
    libcurl.easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    libcurl.easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx);
    libcurl.easy_setopt(curl, CURLOPT_SSL_CTX_DATA, transfer);
}

/* Neither the name nor a proxy counts then. */
static void set_place(CURL *curl, const struct mu_http_call *call)
{
    if (call->unix_socket == NULL)
        return;
    libcurl.easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, call->unix_socket);
    libcurl.easy_setopt(curl, CURLOPT_NOPROXY, "*");
}

static void set_request(CURL *curl, const struct mu_http_call *call, struct curl_slist *headers)
{
    libcurl.easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    libcurl.easy_setopt(curl, CURLOPT_USERAGENT, "mutual");
    libcurl.easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (call->body != NULL) {
        libcurl.easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_len);
        libcurl.easy_setopt(curl, CURLOPT_POSTFIELDS, call->body);
    }
    if (call->method != NULL && strcmp(call->method, "HEAD") == 0)
        libcurl.easy_setopt(curl, CURLOPT_NOBODY, 1L);
    else if (call->method != NULL)
        libcurl.easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
}

/* --- What went wrong --- */

/* Only TLS 1.3 has an alert of its own for a certificate that is missing. In TLS 1.2, libssl and Go say
 * handshake_failure, NSS bad_certificate, and GnuTLS decode_error. */
static bool may_mean_missing(int alert)
{
    return alert == 116 || alert == 40 || alert == 42 || alert == 50;
}

static int fail_by_alert(const struct mu_tls_client *tls, const char *url, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    const struct mu_alert *alert = mu_alert_find(tls->alert);
    const char *when = tls->finished ? "after the handshake" : "during the handshake";
    bool missing = tls->asked && tls->chain == NULL && may_mean_missing(tls->alert);
    if (missing)
        mu_fail(err, MU_E_REFUSED,
                "the server at %s asked for a client certificate, got none, and refused this client",
                url);
    else if (tls->asked && tls->chain != NULL && mu_alert_is_about_certificate(tls->alert))
        mu_fail(err, MU_E_REFUSED, "the server at %s refused the certificate \"%s\": %s", url,
                mu_cert_label(tls->chain->at[0], label), alert->sentence);
    else
        mu_fail(err, MU_E_TLS, "the server at %s ended the handshake: %s", url, alert->sentence);
    mu_cause(err, "TLS alert %d \"%s\" from the server, %s", tls->alert, alert->name, when);
    return missing ? mu_hint(err, NO_CERT_HINT) : mu_hint(err, "%s", alert->hint);
}

/* Before any answer. With HTTP/2 some versions of libcurl call it an answer that is cut off, and others tell it from a stream that
 * the server has broken off in their words alone: it is the end of what lies below, or, where sending has failed, there are none
 * but those for the code. */
static bool is_hang_up(CURLcode code, const char *words)
{
    return code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR || code == CURLE_GOT_NOTHING ||
           code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PARTIAL_FILE ||
           ((code == CURLE_HTTP2 || code == CURLE_HTTP2_STREAM) &&
            (strstr(words, "end of the underlying") != NULL ||
             mu_str_equal(words, libcurl.easy_strerror(code))));
}

/* The server hung up without an alert where a client without a welcome certificate is refused. */
static int fail_hung_up(const struct mu_tls_client *tls, const char *url, const char *words,
                        struct mu_error *err)
{
    if (tls->chain == NULL)
        mu_fail(err, MU_E_REFUSED,
                "the server at %s asked for a client certificate, got none, and closed the connection",
                url);
    else
        mu_fail(err, MU_E_REFUSED,
                "the server at %s closed the connection right after it saw this client's certificate",
                url);
    mu_cause(err, "%s", words);
    return tls->chain == NULL
               ? mu_hint(err, NO_CERT_HINT)
               : mu_hint(err, "as a rule this means that it did not accept the certificate: ask "
                              "the server's operator what its log says");
}

static int fail_transfer(const struct transfer *transfer, CURLcode code, const char *words)
{
    const struct mu_http_call *call = transfer->call;
    const struct mu_tls_client *tls = call->tls;
    struct mu_error *err = transfer->err;

    if (transfer->attach_failed)
        return -1;
    if (transfer->stopped)
        return mu_fail(err, MU_E_IO, "the answer could not be written");
    if (tls->verdict.fault != MU_FAULT_NONE && !tls->only_look) {
        mu_fail(err, MU_E_SERVER_CERT, "the certificate of the server at %s is not accepted: %s",
                transfer->url, tls->verdict.sentence);
        mu_cause(err, "%s", tls->verdict.cause);
        return mu_hint(err, "%s", tls->verdict.hint);
    }
    if (tls->alert >= 0)
        return fail_by_alert(tls, transfer->url, err);
    if (tls->asked && !transfer->answered && is_hang_up(code, words))
        return fail_hung_up(tls, transfer->url, words, err);

    enum mu_code kind = MU_E_HTTP;
    if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT)
        kind = MU_E_CONNECT;
    else if (code == CURLE_OPERATION_TIMEDOUT)
        kind = MU_E_TIMEOUT;
    else if (code == CURLE_URL_MALFORMAT) /* "unsupported protocol" is an answer that is no HTTP */
        kind = MU_E_USAGE;
    else if (code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION)
        kind = MU_E_TLS;
    mu_fail(err, kind, "cannot fetch %s", transfer->url);
    mu_cause(err, "%s", words);
    if (kind == MU_E_TLS && strstr(words, "wrong version number") != NULL)
        mu_hint(err, "the server does not speak TLS on this port: try http://, or another port");
    return -1;
}

/* Run one transfer that has been set up. */
static int perform(CURL *curl, struct transfer *transfer, char words[CURL_ERROR_SIZE])
{
    CURLcode code = libcurl.easy_perform(curl);
    if (code == CURLE_OK)
        return 0;
    mu_url_shown(transfer->call->url, transfer->url);
    return fail_transfer(transfer, code, *words != '\0' ? words : libcurl.easy_strerror(code));
}

int mu_http_call(const struct mu_http_call *call, long *ret_status, struct mu_error *err)
{
    char words[CURL_ERROR_SIZE] = "", host[256];
    struct transfer transfer = {.call = call, .err = err};
    if (mu_url_host(call->url, host, sizeof host, err) != 0)
        return -1;
    MU_AUTO(CURL) curl = libcurl.easy_init();
    if (curl == NULL)
        return mu_fail_nomem(err);

    struct curl_slist *headers = header_list(call->headers);
    set_common(curl, &transfer, words);
    set_place(curl, call);
    set_request(curl, call, headers);
    libcurl.easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    libcurl.easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
    libcurl.easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    libcurl.easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
    int result = perform(curl, &transfer, words);
    if (result == 0)
        libcurl.easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status);
    libcurl.slist_free_all(headers);
    return result;
}

int mu_fetch_chain(const char *url, struct mu_certs *ret, struct mu_error *err)
{
    char words[CURL_ERROR_SIZE] = "", host[256];
    const struct mu_certs no_anchors = {0};
    MU_AUTO_CLEAR(mu_tls_client) tls = MU_TLS_CLIENT_INIT;
    struct mu_http_call call = {.url = url, .tls = &tls, .timeout_s = CONNECT_TIMEOUT_S};
    struct mu_error why = MU_ERROR_INIT;
    struct transfer transfer = {.call = &call, .err = &why};
    if (mu_url_host(url, host, sizeof host, err) != 0)
        return -1;
    tls.anchors = &no_anchors;
    tls.only_look = true;

    MU_AUTO(CURL) curl = libcurl.easy_init();
    if (curl == NULL)
        return mu_fail_nomem(err);
    set_common(curl, &transfer, words);
    libcurl.easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
    libcurl.easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L); /* to look is not to trust */
    int result = perform(curl, &transfer, words);

    /* A server that turned us away for want of a certificate has shown its own before. */
    if (tls.presented.count == 0 && result == 0)
        return mu_fail(err, MU_E_TLS, "the server at %s presented no certificate",
                       mu_url_shown(url, transfer.url));
    if (tls.presented.count == 0) {
        *err = why;
        return -1;
    }
    *ret = tls.presented;
    tls.presented = (struct mu_certs){0};
    return 0;
}
