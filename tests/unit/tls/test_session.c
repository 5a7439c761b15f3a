/* A whole connection in memory: OpenSSL's client on one side, ours on the other, and no socket between. */
#include "made.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/ssl.h>

#include "tls/names.h"
#include "tls/session.h"

/* Made once: keys take time, and nobody changes them. */
static struct {
    struct identity ca, rekeyed_ca, other_ca;
    struct identity server, client, late, of_rekeyed, of_other;
} world;

/* One connection, and the wire between its two ends. */
struct fixture {
    struct mu_tls_context *context;
    struct mu_tls_names *names;
    struct mu_tls_sessions *sessions;
    struct mu_tls *tls;
    SSL_CTX *client_ctx;
    SSL *client;
    BIO *to_client, *to_server; /* borrowed from `client` */
    bool hung_up;               /* the client sends no more */
    bool blocked;               /* the wire to the client takes nothing now */
    bool cut;                   /* it takes nothing ever again */
    size_t piece;               /* how much it moves at once; 0: any */
    int writes;                 /* how often our side has written to it */
};

/* --- Certificates --- */

static int make_world(void **state)
{
    (void)state;
    world.ca = make_ca("my-ca");
    world.rekeyed_ca = make_ca("my-ca");
    world.other_ca = make_ca("other-ca");
    world.server = make_leaf(&world.ca, MU_PROFILE_SERVER, "localhost", DAYS(36000));
    world.client = make_leaf(&world.ca, MU_PROFILE_CLIENT, "my-client", DAYS(36000));
    world.late = make_leaf(&world.ca, MU_PROFILE_CLIENT, "late", DAYS(1));
    world.of_rekeyed = make_leaf(&world.rekeyed_ca, MU_PROFILE_CLIENT, "cousin", DAYS(36000));
    world.of_other = make_leaf(&world.other_ca, MU_PROFILE_CLIENT, "stranger", DAYS(36000));
    return 0;
}

static int end_world(void **state)
{
    struct identity *all = (struct identity *)&world;
    (void)state;
    for (size_t i = 0; i < sizeof world / sizeof *all; i++)
        free_identity(&all[i]);
    return 0;
}

/* --- The wire --- */

static ssize_t wire_read(void *arg, void *ret, size_t cap)
{
    struct fixture *f = arg;
    if (f->piece > 0 && cap > f->piece)
        cap = f->piece;
    int n = BIO_read(f->to_server, ret, (int)cap);
    if (n > 0)
        return n;
    errno = EAGAIN;
    return f->hung_up ? 0 : -1;
}

static ssize_t wire_write(void *arg, const void *data, size_t len)
{
    struct fixture *f = arg;
    errno = f->cut ? EPIPE : EAGAIN;
    if (f->blocked || f->cut)
        return -1;
    f->writes++;
    return BIO_write(f->to_client, data, (int)(f->piece > 0 && len > f->piece ? f->piece : len));
}

static int set_up_door(void **state, bool explains)
{
    static struct fixture f;
    struct mu_error err = MU_ERROR_INIT;
    struct mu_certs chain = {.at = &world.server.cert, .count = 1};
    struct mu_certs anchors = {.at = &world.ca.cert, .count = 1};
    struct mu_tls_door door = {.chain = &chain,
                               .key = world.server.key,
                               .anchors = &anchors,
                               .session_age_s = 60,
                               .explains = explains,
                               .alpn = "\x08http/1.1"};
    f = (struct fixture){.sessions = mu_tls_sessions_new(16)};
    assert_non_null(f.sessions);
    assert_worked(mu_tls_context_new(&door, &f.context, &err), &err);
    const struct mu_tls_named named = {.context = f.context};
    assert_worked(mu_tls_names_new(&f.names, &err), &err);
    assert_worked(mu_tls_names_add(f.names, NULL, &named, &err), &err);
    f.client_ctx = SSL_CTX_new(TLS_client_method());
    X509_STORE_add_cert(SSL_CTX_get_cert_store(f.client_ctx), mu_cert_x509(world.ca.cert));
    SSL_CTX_set_verify(f.client_ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_options(f.client_ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    *state = &f;
    return 0;
}

static int set_up(void **state)
{
    return set_up_door(state, false);
}

static int set_up_explaining(void **state)
{
    return set_up_door(state, true);
}

static void hang_up(struct fixture *f)
{
    mu_tls_free(f->tls);
    SSL_free(f->client);
    f->tls = NULL;
    f->client = NULL;
    f->hung_up = false;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    hang_up(f);
    SSL_CTX_free(f->client_ctx);
    mu_tls_names_free(f->names);
    mu_tls_context_free(f->context);
    mu_tls_sessions_free(f->sessions);
    return 0;
}

/* A connection that has not said anything yet. `as` NULL: without a certificate. */
static void connect_as(struct fixture *f, const struct identity *as)
{
    f->tls = mu_tls_new(f->names, f->sessions,
                        (struct mu_transport){.read = wire_read, .write = wire_write, .arg = f});
    f->client = SSL_new(f->client_ctx);
    assert_true(f->tls != NULL && f->client != NULL);
    f->to_client = BIO_new(BIO_s_mem());
    f->to_server = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(f->to_client, -1);
    SSL_set_bio(f->client, f->to_client, f->to_server);
    SSL_set_connect_state(f->client);
    if (as != NULL) {
        assert_int_equal(SSL_use_certificate(f->client, mu_cert_x509(as->cert)), 1);
        assert_int_equal(SSL_use_PrivateKey(f->client, mu_key_evp(as->key)), 1);
    }
}

/* Both sides, turn by turn, until ours has an opinion. */
static enum mu_io shake_hands(struct fixture *f)
{
    enum mu_io io = MU_IO_WANT_READ;
    for (int turn = 0; turn < 100000 && (io == MU_IO_WANT_READ || io == MU_IO_WANT_WRITE); turn++) {
        ERR_clear_error();
        SSL_do_handshake(f->client);
        io = mu_tls_handshake(f->tls);
        mu_tls_flush(f->tls);
    }
    return io;
}

static void meet(struct fixture *f)
{
    connect_as(f, &world.client);
    assert_int_equal(shake_hands(f), MU_IO_DONE);
    assert_true(mu_tls_admit(f->tls));
    SSL_do_handshake(f->client);
    f->writes = 0;
}

/* What the client reads now is `expected`. */
static void assert_client_reads(struct fixture *f, const char *expected)
{
    char data[100] = "";
    size_t len = 0;
    if (*expected != '\0')
        assert_int_equal(SSL_read_ex(f->client, data, sizeof data - 1, &len), 1);
    else
        assert_int_equal(SSL_read_ex(f->client, data, sizeof data - 1, &len), 0);
    data[len] = '\0';
    assert_string_equal(data, expected);
}

/* --- Who comes in --- */

static void talk(struct fixture *f, const char *version)
{
    char data[100], label[MU_CERT_LABEL_LEN];
    size_t len;
    meet(f);
    MU_AUTO_STRUCT(mu_cert) peer = mu_tls_peer_cert(f->tls);
    assert_string_equal(mu_cert_label(peer, label), "my-client");
    assert_string_equal(mu_tls_version(f->tls), version);
    assert_false(mu_tls_resumed(f->tls));

    assert_int_equal(mu_tls_read(f->tls, data, sizeof data, &len), MU_IO_WANT_READ);
    assert_int_equal(SSL_write(f->client, "ping", 4), 4);
    assert_int_equal(mu_tls_read(f->tls, data, sizeof data, &len), MU_IO_DONE);
    assert_memory_equal(data, "ping", len);
    assert_int_equal(mu_tls_write(f->tls, "pong", 4, &len), MU_IO_DONE);
    assert_int_equal(mu_tls_flush(f->tls), MU_IO_DONE);
    assert_client_reads(f, "pong");

    mu_tls_close(f->tls);
    assert_int_equal(mu_tls_flush(f->tls), MU_IO_DONE);
    assert_client_reads(f, "");
    assert_int_equal(SSL_get_shutdown(f->client), SSL_RECEIVED_SHUTDOWN);
}

static void a_client_of_the_ca_is_admitted_in_tls_1_3(void **state)
{
    talk(*state, "TLSv1.3");
}

static void a_client_of_the_ca_is_admitted_in_tls_1_2(void **state)
{
    struct fixture *f = *state;
    SSL_CTX_set_max_proto_version(f->client_ctx, TLS1_2_VERSION);
    talk(f, "TLSv1.2");
}

/* A key that says it is the one of `cert`, and signs as another one. */
static EVP_PKEY *forged_key(const struct identity *cert, const struct identity *key)
{
    unsigned char public[200];
    size_t public_len;
    BIGNUM *secret = NULL;
    EVP_PKEY *ret = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    assert_int_equal(EVP_PKEY_get_octet_string_param(mu_key_evp(cert->key), "pub", public,
                                                     sizeof public, &public_len),
                     1);
    assert_int_equal(EVP_PKEY_get_bn_param(mu_key_evp(key->key), "priv", &secret), 1);
    assert_int_equal(OSSL_PARAM_BLD_push_utf8_string(build, "group", "P-256", 0), 1);
    assert_int_equal(OSSL_PARAM_BLD_push_octet_string(build, "pub", public, public_len), 1);
    assert_int_equal(OSSL_PARAM_BLD_push_BN(build, "priv", secret), 1);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
    assert_int_equal(EVP_PKEY_fromdata(ctx, &ret, EVP_PKEY_KEYPAIR, params), 1);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
    BN_free(secret);
    return ret;
}

/* It is the chain that is remembered, and not the client. */
static void whose_chain_is_remembered_still_needs_the_key(void **state)
{
    struct fixture *f = *state;
    EVP_PKEY *forged = forged_key(&world.client, &world.of_other);
    meet(f);
    hang_up(f);
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < MU_COUNT(versions); i++) {
        SSL_CTX_set_min_proto_version(f->client_ctx, versions[i]);
        SSL_CTX_set_max_proto_version(f->client_ctx, versions[i]);
        connect_as(f, NULL);
        assert_int_equal(SSL_use_certificate(f->client, mu_cert_x509(world.client.cert)), 1);
        assert_int_equal(SSL_use_PrivateKey(f->client, forged), 1);
        assert_int_equal(shake_hands(f), MU_IO_FAILED);
        hang_up(f);
    }
    EVP_PKEY_free(forged);
}

/* A stranger's chain is none the better for the certificate of somebody who is remembered. */
static void whoever_is_remembered_vouches_for_nobody(void **state)
{
    struct fixture *f = *state;
    meet(f);
    hang_up(f);
    connect_as(f, &world.of_other);
    assert_int_equal(SSL_add1_chain_cert(f->client, mu_cert_x509(world.client.cert)), 1);
    assert_int_equal(SSL_add1_chain_cert(f->client, mu_cert_x509(world.ca.cert)), 1);
    assert_int_equal(shake_hands(f), MU_IO_FAILED);
    assert_string_equal(mu_tls_refusal(f->tls)->id, "client-cert-untrusted");
}

/* Refused with this id; the client hears of it by this alert, and of nothing else. */
static void assert_turned_away(struct fixture *f, const struct identity *as, const char *id,
                               int alert)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    char data[100];
    for (size_t i = 0; i < MU_COUNT(versions); i++) {
        SSL_CTX_set_min_proto_version(f->client_ctx, versions[i]);
        SSL_CTX_set_max_proto_version(f->client_ctx, versions[i]);
        connect_as(f, as);
        assert_int_equal(shake_hands(f), MU_IO_FAILED);
        const struct mu_refusal *refusal = mu_tls_refusal(f->tls);
        assert_string_equal(refusal->id, id);
        assert_true(refusal->sentence[0] != '\0' && refusal->hint[0] != '\0');
        assert_false(mu_tls_admit(f->tls));

        ERR_clear_error();
        assert_true(SSL_read(f->client, data, sizeof data) <= 0);
        int expected = alert == SSL_AD_CERTIFICATE_REQUIRED && versions[i] == TLS1_2_VERSION
                           ? SSL_AD_HANDSHAKE_FAILURE
                           : alert;
        assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_AD_REASON_OFFSET + expected);
        hang_up(f);
    }
}

static void a_client_without_a_certificate_is_turned_away(void **state)
{
    assert_turned_away(*state, NULL, "client-cert-missing", SSL_AD_CERTIFICATE_REQUIRED);
}

static void a_stranger_is_turned_away(void **state)
{
    assert_turned_away(*state, &world.of_other, "client-cert-untrusted", SSL_AD_UNKNOWN_CA);
}

static void a_client_of_a_ca_that_was_made_anew_is_turned_away_as_such(void **state)
{
    assert_turned_away(*state, &world.of_rekeyed, "client-cert-ca-rekeyed", SSL_AD_UNKNOWN_CA);
}

static void an_expired_client_is_turned_away(void **state)
{
    assert_turned_away(*state, &world.late, "client-cert-expired", SSL_AD_CERTIFICATE_EXPIRED);
}

static void a_server_certificate_is_no_client_certificate(void **state)
{
    assert_turned_away(*state, &world.server, "client-cert-purpose", SSL_AD_UNSUPPORTED_CERTIFICATE);
}

/* Twice with each version: the second time with what the first one left it. */
static void assert_told_and_not_admitted(struct fixture *f, const struct identity *as,
                                         const char *id)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < MU_COUNT(versions); i++) {
        SSL_SESSION *session = NULL;
        SSL_CTX_set_min_proto_version(f->client_ctx, versions[i]);
        SSL_CTX_set_max_proto_version(f->client_ctx, versions[i]);
        for (int time = 0; time < 2; time++) {
            char data[10];
            connect_as(f, as);
            if (session != NULL)
                SSL_set_session(f->client, session);
            assert_int_equal(shake_hands(f), MU_IO_DONE);
            assert_false(mu_tls_admit(f->tls));
            assert_string_equal(mu_tls_refusal(f->tls)->id, id);
            assert_int_equal(SSL_do_handshake(f->client), 1);
            (void)SSL_read(f->client, data, sizeof data); /* a ticket, perhaps */
            assert_int_equal(SSL_session_reused(f->client), 0);
            SSL_SESSION_free(session);
            session = SSL_get1_session(f->client);
            hang_up(f);
        }
        SSL_SESSION_free(session);
    }
}

static void who_is_told_why_has_not_come_in(void **state)
{
    struct fixture *f = *state;
    assert_told_and_not_admitted(f, NULL, "client-cert-missing");
    assert_told_and_not_admitted(f, &world.of_other, "client-cert-untrusted");
    assert_told_and_not_admitted(f, &world.of_rekeyed, "client-cert-ca-rekeyed");
    assert_told_and_not_admitted(f, &world.late, "client-cert-expired");
    assert_told_and_not_admitted(f, &world.server, "client-cert-purpose");
    meet(f);
}

/* A certificate is no secret: to be told of somebody else's, one would need the key. */
static void who_cannot_prove_the_key_is_told_nothing(void **state)
{
    struct fixture *f = *state;
    EVP_PKEY *forged = forged_key(&world.of_other, &world.client);
    connect_as(f, NULL);
    assert_int_equal(SSL_use_certificate(f->client, mu_cert_x509(world.of_other.cert)), 1);
    assert_int_equal(SSL_use_PrivateKey(f->client, forged), 1);
    assert_int_equal(shake_hands(f), MU_IO_FAILED);
    EVP_PKEY_free(forged);
}

static void a_client_with_old_tls_only_is_turned_away(void **state)
{
    struct fixture *f = *state;
    SSL_CTX_set_min_proto_version(f->client_ctx, TLS1_1_VERSION);
    SSL_CTX_set_max_proto_version(f->client_ctx, TLS1_1_VERSION);
    SSL_CTX_set_cipher_list(f->client_ctx, "ALL:@SECLEVEL=0");
    connect_as(f, &world.client);
    assert_int_equal(shake_hands(f), MU_IO_FAILED);
    assert_string_equal(mu_tls_refusal(f->tls)->id, "tls-version");
}

static void a_client_that_speaks_no_http_1_1_is_turned_away(void **state)
{
    struct fixture *f = *state;
    SSL_CTX_set_alpn_protos(f->client_ctx, (const unsigned char *)"\x02h2", 3);
    connect_as(f, &world.client);
    assert_int_equal(shake_hands(f), MU_IO_FAILED);
    assert_string_equal(mu_tls_refusal(f->tls)->id, "tls-alpn");
}

static void what_is_not_tls_is_told_for_what_it_is(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *bytes, *id;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", "plain-http"},
        {"DELETE /a HTTP/1.1\r\n\r\n", "plain-http"},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "plain-http"},
        {"SSH-2.0-OpenSSH_9.2\r\n", "not-tls"},
        {"\x16\x03\x01", "handshake-closed"},
        {"", "handshake-closed"},
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        connect_as(f, NULL);
        BIO_write(f->to_server, cases[i].bytes, (int)strlen(cases[i].bytes));
        f->hung_up = true;
        assert_int_equal(mu_tls_handshake(f->tls), MU_IO_FAILED);
        assert_string_equal(mu_tls_refusal(f->tls)->id, cases[i].id);
        hang_up(f);
    }
}

/* --- Coming back --- */

static SSL_SESSION *end_and_keep_session(struct fixture *f, bool politely)
{
    char data[10];
    size_t len;
    SSL_SESSION *session = SSL_get1_session(f->client);
    if (politely)
        SSL_shutdown(f->client);
    else
        SSL_set_shutdown(f->client, SSL_SENT_SHUTDOWN); /* so that the client's side keeps it */
    f->hung_up = true;
    assert_int_equal(mu_tls_read(f->tls, data, sizeof data, &len), MU_IO_END);
    mu_tls_close(f->tls);
    mu_tls_flush(f->tls);
    hang_up(f);
    return session;
}

static void a_session_is_resumed_even_if_the_client_just_hung_up(void **state)
{
    struct fixture *f = *state;
    for (int politely = 0; politely <= 1; politely++) {
        meet(f);
        assert_client_reads(f, ""); /* takes in the ticket */
        SSL_SESSION *session = end_and_keep_session(f, politely != 0);
        connect_as(f, NULL);
        SSL_set_session(f->client, session);
        SSL_SESSION_free(session);
        assert_int_equal(shake_hands(f), MU_IO_DONE);
        assert_true(mu_tls_resumed(f->tls));
        assert_true(mu_tls_admit(f->tls));
        MU_AUTO_STRUCT(mu_cert) peer = mu_tls_peer_cert(f->tls);
        assert_non_null(peer);
        hang_up(f);
    }
}

/* --- Bytes on the wire --- */

static void a_flight_and_several_small_answers_leave_in_one_write_each(void **state)
{
    struct fixture *f = *state;
    size_t len;
    connect_as(f, &world.client);
    SSL_do_handshake(f->client);
    assert_int_equal(mu_tls_handshake(f->tls), MU_IO_WANT_READ);
    assert_int_equal(f->writes, 0); /* gathered, not sent */
    assert_true(mu_tls_has_output(f->tls));
    assert_int_equal(mu_tls_flush(f->tls), MU_IO_DONE);
    assert_int_equal(f->writes, 1);
    assert_int_equal(shake_hands(f), MU_IO_DONE);

    f->writes = 0;
    for (int i = 0; i < 5; i++)
        assert_int_equal(mu_tls_write(f->tls, "answer", 6, &len), MU_IO_DONE);
    assert_int_equal(f->writes, 0);
    assert_int_equal(mu_tls_flush(f->tls), MU_IO_DONE);
    assert_int_equal(f->writes, 1);
    assert_false(mu_tls_has_output(f->tls));
}

static void a_handshake_survives_a_wire_that_moves_a_byte_at_a_time(void **state)
{
    struct fixture *f = *state;
    f->piece = 1;
    meet(f);
}

static void what_was_gathered_can_be_discarded(void **state)
{
    struct fixture *f = *state;
    connect_as(f, &world.client);
    SSL_do_handshake(f->client);
    mu_tls_handshake(f->tls);
    mu_tls_discard_output(f->tls);
    assert_false(mu_tls_has_output(f->tls));
    assert_int_equal(mu_tls_flush(f->tls), MU_IO_DONE);
    assert_int_equal(f->writes, 0);
}

/* Write until the session says stop; returns how much it took. */
static size_t write_until_full(struct fixture *f, const char *data, size_t len)
{
    size_t taken = 0, n;
    while (taken < len && mu_tls_write(f->tls, data + taken, len - taken, &n) == MU_IO_DONE)
        taken += n;
    return taken;
}

static void a_wire_that_takes_nothing_stops_the_writer_and_loses_nothing(void **state)
{
    enum { LEN = 1000000 };
    struct fixture *f = *state;
    size_t sent = 0, read = 0, n;
    char *data = malloc(LEN), *back = malloc(LEN);
    for (int i = 0; i < LEN; i++)
        data[i] = (char)(i * 31 + i / 251);
    meet(f);

    f->blocked = true;
    sent = write_until_full(f, data, LEN);
    assert_in_range(sent, 1, 200000); /* it does not gather without end */
    assert_true(mu_tls_has_output(f->tls));
    assert_int_equal(mu_tls_flush(f->tls), MU_IO_WANT_WRITE);

    f->blocked = false;
    f->piece = 5000;
    for (int turn = 0; turn < 10000 && read < LEN; turn++) {
        f->blocked = turn % 3 == 0;
        sent += write_until_full(f, data + sent, LEN - sent);
        mu_tls_flush(f->tls);
        while (SSL_read_ex(f->client, back + read, LEN - read, &n) == 1)
            read += n;
    }
    assert_int_equal(sent, LEN);
    assert_int_equal(read, LEN);
    assert_memory_equal(back, data, LEN);
    free(data);
    free(back);
}

static void a_wire_that_is_cut_fails_and_is_left_alone(void **state)
{
    struct fixture *f = *state;
    size_t len;
    meet(f);
    f->cut = true;
    assert_int_equal(mu_tls_write(f->tls, "answer", 6, &len), MU_IO_DONE); /* gathered */
    assert_int_equal(mu_tls_flush(f->tls), MU_IO_FAILED);
    assert_false(mu_tls_has_output(f->tls));
    mu_tls_close(f->tls);
    assert_int_equal(f->writes, 0);
}

static void bytes_that_were_altered_on_the_way_end_the_connection(void **state)
{
    struct fixture *f = *state;
    char data[100], *wire;
    size_t len;
    meet(f);
    SSL_write(f->client, "ping", 4);
    long wire_len = BIO_get_mem_data(f->to_server, &wire);
    wire[wire_len - 1] ^= 1;
    assert_int_equal(mu_tls_read(f->tls, data, sizeof data, &len), MU_IO_FAILED);
    assert_int_equal(len, 0);
}

static void a_client_that_sends_nothing_but_key_updates_is_heard_in_turns(void **state)
{
    struct fixture *f = *state;
    char data[100];
    size_t len;
    if (OpenSSL_version_num() >= 0x30200000)
        skip(); /* see set_options() in tls/context.c */
    meet(f);
    for (int i = 0; i < 2000; i++) {
        SSL_key_update(f->client, SSL_KEY_UPDATE_NOT_REQUESTED);
        assert_int_equal(SSL_do_handshake(f->client), 1);
    }
    assert_int_equal(mu_tls_read(f->tls, data, sizeof data, &len), MU_IO_WANT_READ);
    assert_true(BIO_pending(f->to_server) > 0);
    assert_int_equal(SSL_write(f->client, "ping", 4), 4);
    /* Between turns there is always something on the wire, or a poll on it would never call us again. */
    for (int turn = 0; turn < 2100 && len == 0; turn++) {
        assert_true(BIO_pending(f->to_server) > 0);
        (void)mu_tls_read(f->tls, data, sizeof data, &len);
    }
    assert_int_equal(len, 4);
}

static void errors_left_by_others_are_not_this_connections(void **state)
{
    struct fixture *f = *state;
    char data[100];
    size_t len;
    meet(f);
    ERR_raise(ERR_LIB_X509V3, ERR_R_PASSED_INVALID_ARGUMENT);
    assert_int_equal(mu_tls_read(f->tls, data, sizeof data, &len), MU_IO_WANT_READ);
    ERR_raise(ERR_LIB_X509V3, ERR_R_PASSED_INVALID_ARGUMENT);
    f->blocked = true;
    memset(data, 'x', sizeof data);
    enum mu_io io = MU_IO_DONE;
    for (int i = 0; i < 10000 && io == MU_IO_DONE; i++)
        io = mu_tls_write(f->tls, data, sizeof data, &len);
    assert_int_equal(io, MU_IO_WANT_WRITE);
}

static void a_goodbye_follows_however_much_was_gathered(void **state)
{
    struct fixture *f = *state;
    static char data[16 * 1024];
    size_t len, read = 0, total = 0;
    meet(f);
    f->blocked = true;
    for (; total < 64 * 1024; total += len)
        assert_int_equal(mu_tls_write(f->tls, data, sizeof data, &len), MU_IO_DONE);
    mu_tls_close(f->tls);
    f->blocked = false;
    assert_int_equal(mu_tls_flush(f->tls), MU_IO_DONE);
    for (int n; (n = SSL_read(f->client, data, sizeof data)) > 0;)
        read += (size_t)n;
    assert_int_equal(read, total);
    assert_int_equal(SSL_get_shutdown(f->client) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
}

#define CONNECTED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define EXPLAINED(test) cmocka_unit_test_setup_teardown(test, set_up_explaining, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONNECTED(a_client_of_the_ca_is_admitted_in_tls_1_3),
        CONNECTED(a_client_of_the_ca_is_admitted_in_tls_1_2),
        CONNECTED(a_client_without_a_certificate_is_turned_away),
        CONNECTED(a_stranger_is_turned_away),
        CONNECTED(a_client_of_a_ca_that_was_made_anew_is_turned_away_as_such),
        CONNECTED(an_expired_client_is_turned_away),
        CONNECTED(a_server_certificate_is_no_client_certificate),
        EXPLAINED(who_is_told_why_has_not_come_in),
        EXPLAINED(who_cannot_prove_the_key_is_told_nothing),
        CONNECTED(a_client_with_old_tls_only_is_turned_away),
        CONNECTED(a_client_that_speaks_no_http_1_1_is_turned_away),
        CONNECTED(what_is_not_tls_is_told_for_what_it_is),
        CONNECTED(a_session_is_resumed_even_if_the_client_just_hung_up),
        CONNECTED(whose_chain_is_remembered_still_needs_the_key),
        CONNECTED(whoever_is_remembered_vouches_for_nobody),
        CONNECTED(a_flight_and_several_small_answers_leave_in_one_write_each),
        CONNECTED(a_handshake_survives_a_wire_that_moves_a_byte_at_a_time),
        CONNECTED(what_was_gathered_can_be_discarded),
        CONNECTED(a_wire_that_takes_nothing_stops_the_writer_and_loses_nothing),
        CONNECTED(a_wire_that_is_cut_fails_and_is_left_alone),
        CONNECTED(bytes_that_were_altered_on_the_way_end_the_connection),
        CONNECTED(a_client_that_sends_nothing_but_key_updates_is_heard_in_turns),
        CONNECTED(errors_left_by_others_are_not_this_connections),
        CONNECTED(a_goodbye_follows_however_much_was_gathered),
    };
    return cmocka_run_group_tests(tests, make_world, end_world);
}
