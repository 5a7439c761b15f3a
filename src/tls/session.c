#include "tls/session.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "tls/internal.h"

/* From this many gathered bytes on, libssl is told to wait until some have left. */
enum { GATHER_LIMIT = 64 * 1024 };
/* A write of this size is worth a system call of its own, and not worth a copy. */
enum { DIRECT_WRITE = 4096 };
/* A server that has closed its socket has said no more than the kernel holds. */
enum { LAST_READS = 1024 };

/* --- The BIO through which libssl reaches the transport --- */

static int bio_read(BIO *bio, char *ret, size_t cap, size_t *ret_len)
{
    struct mu_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t n = tls->transport.read(tls->transport.arg, ret, cap);
    if (n < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            BIO_set_retry_read(bio);
        else
            tls->why = errno;
        return 0;
    }
    if (n == 0) {
        tls->ended = true;
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
        return 0;
    }
    for (ssize_t i = 0; i < n && tls->first_len < sizeof tls->first; i++)
        tls->first[tls->first_len++] = (unsigned char)ret[i];
    *ret_len = (size_t)n;
    return 1;
}

static void break_transport(struct mu_tls *tls)
{
    tls->why = errno;
    tls->broken = true;
}

/* Write what has gathered. True when nothing is left. */
static bool push(struct mu_tls *tls)
{
    while (tls->out.len > 0 && !tls->broken) {
        ssize_t n = tls->transport.write(tls->transport.arg, tls->out.data, tls->out.len);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return false;
        if (n < 0)
            break_transport(tls);
        else
            mu_buf_consume(&tls->out, (size_t)n);
    }
    return true;
}

static int bio_write(BIO *bio, const char *data, size_t len, size_t *ret_len)
{
    struct mu_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (tls->out.len >= GATHER_LIMIT && !tls->closing && !push(tls)) {
        BIO_set_retry_write(bio);
        return 0;
    }
    size_t direct = 0;
    if (len >= DIRECT_WRITE && push(tls) && !tls->broken) {
        ssize_t n = tls->transport.write(tls->transport.arg, data, len);
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            break_transport(tls);
        direct = n > 0 ? (size_t)n : 0;
    }
    if (tls->broken)
        return 0;
    mu_buf_add(&tls->out, data + direct, len - direct);
    *ret_len = len;
    return !mu_buf_failed(&tls->out);
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_EOF)
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    return command == BIO_CTRL_FLUSH; /* gathered, and so as good as flushed */
}

static BIO_METHOD *bio_method;

static void make_bio_method(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "mutual transport");
    if (bio_method == NULL)
        return;
    BIO_meth_set_read_ex(bio_method, bio_read);
    BIO_meth_set_write_ex(bio_method, bio_write);
    BIO_meth_set_ctrl(bio_method, bio_ctrl);
}

/* --- Life --- */

struct mu_tls *mu_tls_make(SSL_CTX *ctx, struct mu_transport transport)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_bio_method);

    struct mu_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL || bio_method == NULL)
        goto fail;
    tls->transport = transport;
    tls->ssl = SSL_new(ctx);
    BIO *bio = tls->ssl == NULL ? NULL : BIO_new(bio_method);
    if (bio == NULL)
        goto fail;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, tls);
    return tls;

fail:
    mu_tls_free(tls);
    return NULL;
}

struct mu_tls *mu_tls_new(const struct mu_tls_names *names, struct mu_tls_sessions *sessions,
                          struct mu_transport transport)
{
    const struct mu_tls_named *first = mu_tls_names_first(names);
    struct mu_tls *tls = mu_tls_make((SSL_CTX *)first->context, transport);
    if (tls == NULL)
        return NULL;
    tls->names = names;
    tls->sessions = sessions;
    tls->door = first->door;
    SSL_set_accept_state(tls->ssl);
    return tls;
}

const void *mu_tls_door(const struct mu_tls *tls)
{
    return tls->door;
}

void mu_tls_free(struct mu_tls *tls)
{
    if (tls == NULL)
        return;
    /* A connection that was broken off is no reason to forget the session that it began with. */
    if (tls->caller != NULL && !tls->failed)
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN);
    SSL_free(tls->ssl);
    mu_vetted_unref(tls->vetted);
    mu_vetted_unref(tls->of_session);
    free(tls->asked);
    mu_buf_clear(&tls->out);
    free(tls);
}

/* --- Handshake --- */

static int refuse_name(struct mu_tls *tls, const char *name, size_t len, int alert, int *ret_alert)
{
    char shown[256];
    mu_refusal_set(&tls->refusal, MU_REFUSAL_SERVER_NAME);
    if (len > 0)
        snprintf(tls->refusal.sentence, sizeof tls->refusal.sentence,
                 "the client asks for \"%s\", and no door here has that name",
                 mu_str_printable(name, len, shown, sizeof shown));
    *ret_alert = alert;
    return SSL_CLIENT_HELLO_ERROR;
}

/*
 * Hand the connection over to another context, whole. libssl takes certificate, trust, protocols and the session id
 * context along; what else it copied from the first context when the connection began, it keeps, and one of that would be
 * enough to let in by the rules of one door who has come to another.
 */
static bool enter_context(SSL *ssl, SSL_CTX *ctx)
{
    if (SSL_get_SSL_CTX(ssl) == ctx)
        return true;
    if (SSL_set_SSL_CTX(ssl, ctx) != ctx)
        return false;
    SSL_set_verify(ssl, SSL_CTX_get_verify_mode(ctx), SSL_CTX_get_verify_callback(ctx));
    return SSL_set_min_proto_version(ssl, SSL_CTX_get_min_proto_version(ctx)) == 1;
}

int mu_tls_on_client_hello(SSL *ssl, int *ret_alert, void *arg)
{
    struct mu_tls *tls = SSL_get_app_data(ssl);
    const unsigned char *data;
    const char *name = "";
    size_t len = 0, name_len = 0;
    (void)arg;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &len) == 1 &&
        !mu_tls_server_name(data, len, &name, &name_len))
        return refuse_name(tls, "", 0, SSL_AD_DECODE_ERROR, ret_alert);
    const struct mu_tls_named *named = mu_tls_names_find(tls->names, name, name_len);
    if (named == NULL)
        return refuse_name(tls, name, name_len, SSL_AD_UNRECOGNIZED_NAME, ret_alert);
    tls->door = named->door;
    *ret_alert = SSL_AD_INTERNAL_ERROR;
    free(tls->asked);
    tls->asked = name_len == 0 ? NULL : mu_str_of(name, name_len);
    if (name_len > 0 && tls->asked == NULL) /* not to be taken for one that asks for none */
        return SSL_CLIENT_HELLO_ERROR;
    return enter_context(ssl, (SSL_CTX *)named->context) ? SSL_CLIENT_HELLO_SUCCESS
                                                         : SSL_CLIENT_HELLO_ERROR;
}

/* Does this look like the start of an HTTP request? libssl itself knows four methods only. */
static bool looks_like_http(const struct mu_tls *tls)
{
    static const char *const starts[] = {"GET ",   "HEAD ",   "POST ",   "PUT ",   "DELETE ",
                                         "TRACE ", "OPTIONS", "CONNECT", "PATCH ", "PRI * "};
    for (size_t i = 0; i < MU_COUNT(starts); i++) {
        size_t len = strlen(starts[i]);
        if (tls->first_len >= len && memcmp(tls->first, starts[i], len) == 0)
            return true;
    }
    return false;
}

/* libssl gives up after the five bytes that would be a record's header; a method's name may be longer. */
static void read_rest_of_first(struct mu_tls *tls)
{
    ssize_t n = tls->first_len == sizeof tls->first
                    ? 0
                    : tls->transport.read(tls->transport.arg, tls->first + tls->first_len,
                                          sizeof tls->first - tls->first_len);
    tls->first_len += n > 0 ? (size_t)n : 0;
}

/* What failed, as the libssl's queue or the first bytes tell; `server`: the peer is one. */
static void note_failure(struct mu_tls *tls, int ssl_error)
{
    const bool server = tls->caller != NULL;
    if (tls->refusal.code != MU_REFUSAL_NONE) { /* the verify callback knows more than the queue */
        ERR_clear_error();
        return;
    }
    const unsigned char handshake_record = 22, alert_record = 21, sslv2_header = 0x80;
    bool tls_record = tls->first_len == 0 || tls->first[0] == handshake_record ||
                      tls->first[0] == alert_record || (tls->first[0] & sslv2_header) != 0;
    if (!tls_record) {
        ERR_clear_error();
        read_rest_of_first(tls);
        enum mu_refusal_code of_client =
            looks_like_http(tls) ? MU_REFUSAL_PLAIN_HTTP : MU_REFUSAL_NOT_TLS;
        mu_refusal_set(&tls->refusal, server ? MU_REFUSAL_SERVER_NOT_TLS : of_client);
    } else if (ssl_error == SSL_ERROR_SYSCALL && ERR_peek_error() == 0) {
        enum mu_refusal_code of_client = tls->broken ? MU_REFUSAL_TRANSPORT : MU_REFUSAL_CLOSED;
        mu_refusal_set(&tls->refusal, server ? MU_REFUSAL_SERVER_CLOSED : of_client);
        if (server && tls->why != 0)
            mu_str_copy(tls->refusal.cause, sizeof tls->refusal.cause, strerror(tls->why));
    } else if (server) {
        mu_refusal_by_server_from_openssl(&tls->refusal);
    } else {
        mu_refusal_from_openssl(&tls->refusal);
    }
}

enum mu_io mu_tls_handshake(struct mu_tls *tls)
{
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    if (result == 1) {
        /* Many clients hang up without a close_notify. To libssl that is a fatal error, for which it forgets
         * the session; since TLS 1.1 it need not be. HTTP knows itself where its messages end. [RFC 5246 7.2.1] */
        SSL_set_options(tls->ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
        if (tls->caller != NULL)
            mu_tls_called(tls);
        return MU_IO_DONE;
    }
    int ssl_error = SSL_get_error(tls->ssl, result);
    if (ssl_error == SSL_ERROR_WANT_READ)
        return MU_IO_WANT_READ;
    if (ssl_error == SSL_ERROR_WANT_WRITE)
        return MU_IO_WANT_WRITE;
    tls->failed = true;
    note_failure(tls, ssl_error);
    return MU_IO_FAILED;
}

/* From here on the client is known by one of the two: its certificate, or the session that was made when it showed that. */
static void settle_client(struct mu_tls *tls)
{
    if (SSL_session_reused(tls->ssl)) {
        mu_vetted_unref(tls->vetted);
        tls->vetted = tls->of_session;
    } else {
        mu_vetted_unref(tls->of_session);
    }
    tls->of_session = NULL;
}

bool mu_tls_admit(struct mu_tls *tls)
{
    if (tls->caller != NULL)
        return !SSL_session_reused(tls->ssl) || mu_tls_rejudge_server(tls);
    const bool missing = SSL_get0_peer_certificate(tls->ssl) == NULL;
    const bool required = mu_tls_requires_clients(SSL_get_SSL_CTX(tls->ssl));
    settle_client(tls);
    if (!missing == (tls->vetted != NULL) && !(missing && required) &&
        SSL_get_verify_result(tls->ssl) == X509_V_OK)
        return true;
    if (missing || tls->refusal.code == MU_REFUSAL_NONE)
        mu_refusal_set(&tls->refusal, MU_REFUSAL_CERT_MISSING);
    return false;
}

struct mu_vetted *mu_tls_vetted(const struct mu_tls *tls)
{
    return tls->vetted;
}

const char *mu_tls_asked(const struct mu_tls *tls)
{
    return tls->asked == NULL ? "" : tls->asked;
}

const struct mu_refusal *mu_tls_refusal(const struct mu_tls *tls)
{
    return &tls->refusal;
}

/* --- Data --- */

/*
 * A server's end without a close_notify may have been made by anybody on the way, or by a server that refuses us without a
 * word: it is no answer to a program that knows nothing of TLS. (A client's end is its own affair.) [RFC 8446 6.1]
 * The kernel tells of a reset once; whoever learned of it by writing reads an end.
 */
static enum mu_io end_of(struct mu_tls *tls)
{
    if (tls->caller == NULL || !tls->ended)
        return MU_IO_END;
    if (tls->why == ECONNRESET) {
        errno = tls->why;
        return MU_IO_FAILED;
    }
    mu_refusal_set(&tls->refusal, MU_REFUSAL_SERVER_CUT_OFF);
    return MU_IO_FAILED;
}

static enum mu_io io_of(struct mu_tls *tls, int result)
{
    int ssl_error = SSL_get_error(tls->ssl, result);
    switch (ssl_error) {
    case SSL_ERROR_NONE: return MU_IO_DONE;
    case SSL_ERROR_WANT_READ: return MU_IO_WANT_READ;
    case SSL_ERROR_WANT_WRITE: return MU_IO_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN: return end_of(tls);
    default:
        tls->failed = true;
        if (tls->caller != NULL && ssl_error == SSL_ERROR_SSL)
            note_failure(tls, ssl_error); /* an alert, as a rule */
        ERR_clear_error();
        errno = tls->why;
        return MU_IO_FAILED;
    }
}

/* There are hardly ever any, and to clear the queue costs as much as a tenth of a small answer. */
static void forget_errors(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

enum mu_io mu_tls_read(struct mu_tls *tls, void *ret, size_t cap, size_t *ret_len)
{
    *ret_len = 0;
    forget_errors(); /* or SSL_get_error() takes what others have left for ours */
    return io_of(tls, SSL_read_ex(tls->ssl, ret, cap, ret_len));
}

enum mu_io mu_tls_write(struct mu_tls *tls, const void *data, size_t len, size_t *ret_len)
{
    *ret_len = 0;
    forget_errors();
    return io_of(tls, SSL_write_ex(tls->ssl, data, len, ret_len));
}

/* What is lost to it is no matter: the connection has failed. */
void mu_tls_hear_out(struct mu_tls *tls)
{
    char scrap[4096];
    size_t len;
    SSL_set_mode(tls->ssl, SSL_MODE_AUTO_RETRY); /* tickets may come first */
    for (int reads = 0; reads < LAST_READS && tls->broken; reads++)
        if (mu_tls_read(tls, scrap, sizeof scrap, &len) != MU_IO_DONE)
            return;
}

void mu_tls_close(struct mu_tls *tls)
{
    if (tls->closing) /* to say it again would be to wait for the peer's */
        return;
    tls->closing = true;
    if (!tls->failed && SSL_is_init_finished(tls->ssl))
        SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

enum mu_io mu_tls_flush(struct mu_tls *tls)
{
    if (!push(tls))
        return MU_IO_WANT_WRITE;
    if (tls->broken)
        return MU_IO_FAILED;
    mu_buf_clear(&tls->out); /* an idle connection should hold no memory that it does not use */
    return MU_IO_DONE;
}

bool mu_tls_has_input(const struct mu_tls *tls)
{
    return SSL_has_pending(tls->ssl) == 1;
}

bool mu_tls_has_output(const struct mu_tls *tls)
{
    return tls->out.len > 0 && !tls->broken;
}

void mu_tls_discard_output(struct mu_tls *tls)
{
    mu_buf_clear(&tls->out);
}

struct mu_cert *mu_tls_peer_cert(const struct mu_tls *tls)
{
    return (struct mu_cert *)SSL_get1_peer_certificate(tls->ssl);
}

bool mu_tls_speaks(const struct mu_tls *tls, const char *protocol)
{
    const unsigned char *agreed;
    unsigned len;
    SSL_get0_alpn_selected(tls->ssl, &agreed, &len);
    return len == strlen(protocol) && memcmp(agreed, protocol, len) == 0;
}

bool mu_tls_resumed(const struct mu_tls *tls)
{
    return SSL_session_reused(tls->ssl) == 1;
}

const char *mu_tls_version(const struct mu_tls *tls)
{
    return SSL_get_version(tls->ssl);
}

/* As haproxy calls them, whose services read them. */
static void describe_certificate(X509 *x, struct mu_tls_facts *ret)
{
    const EVP_PKEY *key = x == NULL ? NULL : X509_get0_pubkey(x);
    if (key == NULL)
        return;
    const int id = EVP_PKEY_get_base_id(key);
    const char *name = id == EVP_PKEY_EC ? "EC" : id == EVP_PKEY_RSA ? "RSA" : OBJ_nid2sn(id);
    mu_str_copy(ret->signature, sizeof ret->signature, OBJ_nid2sn(X509_get_signature_nid(x)));
    snprintf(ret->key, sizeof ret->key, "%s%d", name, EVP_PKEY_get_bits(key));
}

void mu_tls_facts_read(const struct mu_tls *tls, struct mu_tls_facts *ret)
{
    *ret = (struct mu_tls_facts){
        .version = SSL_get_version(tls->ssl),
        .cipher = SSL_get_cipher_name(tls->ssl),
        .server_name =
            tls->asked, /* libssl knows it no more where a session of another name is resumed */
        .resumed = mu_tls_resumed(tls),
    };
    SSL_get0_alpn_selected(tls->ssl, &ret->alpn, &ret->alpn_len);
    describe_certificate(SSL_get_certificate(tls->ssl), ret);
}
