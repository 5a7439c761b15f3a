/* A whole call in memory: our client on one side, OpenSSL's server on the other, and no socket between. */
#include "made.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tls/caller.h"

/* Made once: keys take time, and nobody changes them. */
static struct {
    struct identity ca, other_ca;
    struct identity server, second, late, client;
} world;

static const char *const hosts[] = {"db.example", "10.0.0.1"};

/* One call, and the wire between its two ends. */
struct fixture {
    SSL_CTX *server_ctx;
    SSL *server;
    BIO *to_server, *to_client; /* borrowed from `server` */
    struct mu_tls_calls calls;
    struct mu_tls_expected expected;
    struct mu_certs anchors, chain;
    struct mu_tls_caller *caller;
    struct mu_tls *tls;
    bool hung_up; /* the server sends no more */
    bool cut;     /* and takes no more */
    bool reset;   /* which is how that ends */
};

/* --- World --- */

static int make_world(void **state)
{
    (void)state;
    world.ca = make_ca("my-ca");
    world.other_ca = make_ca("other-ca");
    world.server = make_leaf(&world.ca, MU_PROFILE_SERVER, "db.example", DAYS(36000));
    world.second = make_leaf(&world.ca, MU_PROFILE_SERVER, "10.0.0.1", DAYS(36000));
    world.late = make_leaf(&world.ca, MU_PROFILE_SERVER, "db.example", DAYS(1));
    world.client = make_leaf(&world.ca, MU_PROFILE_CLIENT, "my-client", DAYS(36000));
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

static ssize_t wire_read(void *arg, void *ret, size_t cap)
{
    struct fixture *f = arg;
    int n = BIO_read(f->to_client, ret, (int)cap);
    if (n > 0)
        return n;
    errno = EAGAIN;
    return f->hung_up ? 0 : -1;
}

static ssize_t wire_write(void *arg, const void *data, size_t len)
{
    struct fixture *f = arg;
    errno = f->reset ? ECONNRESET : EPIPE;
    return f->cut ? -1 : BIO_write(f->to_server, data, (int)len);
}

static void show(struct fixture *f, const struct identity *as)
{
    assert_int_equal(SSL_CTX_use_certificate(f->server_ctx, mu_cert_x509(as->cert)), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(f->server_ctx, mu_key_evp(as->key)), 1);
}

static int set_up(void **state)
{
    static struct fixture f;
    static const unsigned char context[] = "test";
    struct mu_error err = MU_ERROR_INIT;
    f = (struct fixture){.anchors = {.at = &world.ca.cert, .count = 1},
                         .chain = {.at = &world.client.cert, .count = 1}};
    f.calls = (struct mu_tls_calls){.anchors = &f.anchors,
                                    .chain = &f.chain,
                                    .key = world.client.key,
                                    .hosts = hosts,
                                    .host_count = MU_COUNT(hosts),
                                    .expected = &f.expected};
    assert_worked(mu_tls_caller_new(&f.calls, &f.caller, &err), &err);
    f.server_ctx = SSL_CTX_new(TLS_server_method());
    show(&f, &world.server);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(f.server_ctx), mu_cert_x509(world.ca.cert));
    SSL_CTX_set_verify(f.server_ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_session_id_context(f.server_ctx, context, sizeof context);
    *state = &f;
    return 0;
}

static void hang_up(struct fixture *f)
{
    mu_tls_free(f->tls);
    if (f->server != NULL)
        SSL_set_shutdown(f->server, SSL_SENT_SHUTDOWN); /* or it would forget the session */
    SSL_free(f->server);
    f->tls = NULL;
    f->server = NULL;
    f->hung_up = f->cut = f->reset = false;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    hang_up(f);
    mu_tls_caller_free(f->caller);
    mu_tls_expected_clear(&f->expected);
    SSL_CTX_free(f->server_ctx);
    return 0;
}

static void call(struct fixture *f, size_t target)
{
    f->server = SSL_new(f->server_ctx);
    f->to_server = BIO_new(BIO_s_mem());
    f->to_client = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(f->to_server, -1);
    SSL_set_bio(f->server, f->to_server, f->to_client);
    SSL_set_accept_state(f->server);
    f->tls = mu_tls_call(f->caller, target,
                         (struct mu_transport){.read = wire_read, .write = wire_write, .arg = f});
    assert_non_null(f->tls);
}

/* Both sides, turn by turn, until ours has an opinion; then the server has the last word. */
static enum mu_io shake_hands(struct fixture *f)
{
    enum mu_io io = MU_IO_WANT_READ;
    for (int turn = 0; turn < 100 && io == MU_IO_WANT_READ; turn++) {
        io = mu_tls_handshake(f->tls);
        mu_tls_flush(f->tls);
        ERR_clear_error();
        SSL_do_handshake(f->server);
    }
    return io;
}

static void meet(struct fixture *f)
{
    call(f, 0);
    assert_int_equal(shake_hands(f), MU_IO_DONE);
    assert_true(mu_tls_admit(f->tls));
    assert_true(SSL_is_init_finished(f->server));
}

/* A ticket is taken in by a read of its own. */
static enum mu_io read_some(struct fixture *f)
{
    char data[100];
    size_t len;
    enum mu_io io = MU_IO_WANT_READ;
    for (int reads = 0; reads < 50 && io == MU_IO_WANT_READ; reads++)
        io = mu_tls_read(f->tls, data, sizeof data, &len);
    return io;
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void set_version(struct fixture *f, int version)
{
    SSL_CTX_set_min_proto_version(f->server_ctx, version);
    SSL_CTX_set_max_proto_version(f->server_ctx, version);
}

/* --- Whom it talks to --- */

static void a_server_of_the_ca_with_the_name_is_talked_to(void **state)
{
    struct fixture *f = *state;
    char data[100], label[MU_CERT_LABEL_LEN];
    size_t len;
    for (size_t i = 0; i < MU_COUNT(versions); i++) {
        set_version(f, versions[i]);
        call(f, 0);
        assert_int_equal(shake_hands(f), MU_IO_DONE);
        assert_true(mu_tls_admit(f->tls));
        assert_string_equal(SSL_get_servername(f->server, TLSEXT_NAMETYPE_host_name), "db.example");
        X509 *client = SSL_get1_peer_certificate(f->server);
        assert_string_equal(mu_cert_label((struct mu_cert *)client, label), "my-client");
        X509_free(client);

        assert_int_equal(mu_tls_write(f->tls, "ping", 4, &len), MU_IO_DONE);
        assert_int_equal(mu_tls_flush(f->tls), MU_IO_DONE);
        assert_int_equal(SSL_read(f->server, data, sizeof data), 4);
        assert_int_equal(SSL_write(f->server, "pong", 4), 4);
        assert_int_equal(SSL_shutdown(f->server), 0);
        f->hung_up = true;
        assert_int_equal(mu_tls_read(f->tls, data, sizeof data, &len), MU_IO_DONE);
        assert_memory_equal(data, "pong", 4);
        assert_int_equal(read_some(f), MU_IO_END);
        assert_int_equal(read_some(f), MU_IO_END);
        hang_up(f);
    }
}

static void an_address_is_no_name_to_ask_for(void **state)
{
    struct fixture *f = *state;
    show(f, &world.second);
    call(f, 1);
    assert_int_equal(shake_hands(f), MU_IO_DONE);
    assert_null(SSL_get_servername(f->server, TLSEXT_NAMETYPE_host_name));
}

/* Refused with this id; the server hears of it by this alert. */
static void assert_unwelcome(struct fixture *f, size_t target, const char *id, int alert)
{
    for (size_t i = 0; i < MU_COUNT(versions); i++) {
        set_version(f, versions[i]);
        call(f, target);
        assert_int_equal(shake_hands(f), MU_IO_FAILED);
        const struct mu_refusal *refusal = mu_tls_refusal(f->tls);
        assert_string_equal(refusal->id, id);
        assert_true(refusal->sentence[0] != '\0' && refusal->hint[0] != '\0');
        assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_AD_REASON_OFFSET + alert);
        hang_up(f);
    }
}

static void a_server_with_another_name_is_not(void **state)
{
    assert_unwelcome(*state, 1, "server-cert-ip-mismatch", SSL_AD_BAD_CERTIFICATE);
}

static void a_server_whose_time_is_over_is_not(void **state)
{
    struct fixture *f = *state;
    show(f, &world.late);
    assert_unwelcome(f, 0, "server-cert-expired", SSL_AD_CERTIFICATE_EXPIRED);
}

static void a_client_certificate_is_no_server_certificate(void **state)
{
    struct fixture *f = *state;
    f->calls.any_name = true;
    show(f, &world.client);
    assert_unwelcome(f, 0, "server-cert-purpose", SSL_AD_UNSUPPORTED_CERTIFICATE);
}

static void a_server_of_another_ca_is_not(void **state)
{
    struct fixture *f = *state;
    f->anchors.at = &world.other_ca.cert;
    assert_unwelcome(f, 0, "server-cert-untrusted", SSL_AD_UNKNOWN_CA);
}

static void a_server_without_what_is_expected_is_not(void **state)
{
    struct fixture *f = *state;
    struct mu_error err = MU_ERROR_INIT;
    assert_worked(mu_tls_expect_uri(&f->expected, "spiffe://example/db", &err), &err);
    assert_unwelcome(f, 0, "server-cert-unexpected", SSL_AD_HANDSHAKE_FAILURE);
    call(f, 0);
    shake_hands(f);
    assert_says(mu_tls_refusal(f->tls)->cause, "DNS:db.example");
    assert_says(mu_tls_refusal(f->tls)->cause, "sha256//");
}

static void what_is_expected_may_stand_in_for_the_name(void **state)
{
    struct fixture *f = *state;
    struct mu_error err = MU_ERROR_INIT;
    assert_worked(mu_tls_expect_dns(&f->expected, "db.example", &err), &err);
    f->calls.any_name = true;
    call(f, 1);
    assert_int_equal(shake_hands(f), MU_IO_DONE);
    hang_up(f);
    show(f, &world.second);
    assert_unwelcome(f, 1, "server-cert-unexpected", SSL_AD_HANDSHAKE_FAILURE);
}

static void what_is_not_tls_is_told_for_what_it_is(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *bytes, *id;
    } cases[] = {
        {"HTTP/1.1 400 Bad Request\r\n\r\n", "server-not-tls"},
        {"SSH-2.0-OpenSSH_9.2\r\n", "server-not-tls"},
        {"\x16\x03\x01", "server-closed"},
        {"", "server-closed"},
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        call(f, 0);
        BIO_write(f->to_client, cases[i].bytes, (int)strlen(cases[i].bytes));
        f->hung_up = true;
        assert_int_equal(mu_tls_handshake(f->tls), MU_IO_FAILED);
        assert_string_equal(mu_tls_refusal(f->tls)->id, cases[i].id);
        hang_up(f);
    }
}

/* --- What a server says of us --- */

/* The server trusts others: in TLS 1.2 we hear of it in the handshake, in TLS 1.3 when we read. */
static void refuse_client(struct fixture *f, int version)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_add_cert(store, mu_cert_x509(world.other_ca.cert));
    SSL_CTX_set_cert_store(f->server_ctx, store);
    SSL_CTX_set_mode(f->server_ctx, SSL_MODE_NO_AUTO_CHAIN);
    set_version(f, version);
    call(f, 0);
    assert_int_equal(shake_hands(f), version == TLS1_2_VERSION ? MU_IO_FAILED : MU_IO_DONE);
}

static void a_refusal_is_heard_in_words(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < MU_COUNT(versions); i++) {
        refuse_client(f, versions[i]);
        if (versions[i] == TLS1_3_VERSION)
            assert_int_equal(read_some(f), MU_IO_FAILED);
        assert_string_equal(mu_tls_refusal(f->tls)->id, "server-refused");
        assert_says(mu_tls_refusal(f->tls)->sentence, "not from a CA that the server trusts");
        assert_string_equal(mu_tls_refusal(f->tls)->cause,
                            "TLS alert 48 \"unknown ca\" from the server");
        hang_up(f);
    }
}

static void a_refusal_is_heard_though_the_server_takes_no_more(void **state)
{
    struct fixture *f = *state;
    size_t len;
    refuse_client(f, TLS1_3_VERSION);
    f->cut = true;
    assert_int_equal(mu_tls_write(f->tls, "question", 8, &len), MU_IO_DONE);
    assert_int_equal(mu_tls_flush(f->tls), MU_IO_FAILED);
    assert_int_equal(errno, EPIPE);
    assert_string_equal(mu_tls_refusal(f->tls)->id, "");
    mu_tls_hear_out(f->tls);
    assert_string_equal(mu_tls_refusal(f->tls)->id, "server-refused");
}

static void an_end_without_a_goodbye_is_no_end(void **state)
{
    struct fixture *f = *state;
    meet(f);
    f->hung_up = true;
    assert_int_equal(read_some(f), MU_IO_FAILED);
    assert_string_equal(mu_tls_refusal(f->tls)->id, "server-cut-off");
}

/* Who writes learns of it, and who reads then only that nothing more comes. */
static void a_reset_is_not_taken_for_an_end(void **state)
{
    struct fixture *f = *state;
    size_t len;
    for (size_t i = 0; i < 2; i++) {
        meet(f);
        f->hung_up = f->cut = true;
        f->reset = i == 1;
        assert_int_equal(mu_tls_write(f->tls, "question", 8, &len), MU_IO_DONE);
        assert_int_equal(mu_tls_flush(f->tls), MU_IO_FAILED);
        mu_tls_hear_out(f->tls);
        assert_string_equal(mu_tls_refusal(f->tls)->id, f->reset ? "" : "server-cut-off");
        hang_up(f);
    }
}

/* --- Coming back --- */

static void end_politely(struct fixture *f)
{
    assert_int_equal(SSL_write(f->server, "x", 1), 1);
    SSL_shutdown(f->server);
    assert_int_equal(read_some(f), MU_IO_DONE); /* takes in the tickets, too */
    assert_int_equal(read_some(f), MU_IO_END);
    hang_up(f);
}

static void a_ticket_of_tls_1_3_is_used_once_the_newest_first(void **state)
{
    struct fixture *f = *state;
    SSL_CTX_set_num_tickets(f->server_ctx, 1);
    meet(f);
    assert_false(mu_tls_resumed(f->tls));
    end_politely(f); /* one ticket */
    for (int i = 0; i < 3; i++) {
        meet(f);
        assert_true(mu_tls_resumed(f->tls));
        end_politely(f); /* it was used, and another came */
    }
    meet(f);
    assert_true(mu_tls_resumed(f->tls));
    hang_up(f); /* used, and none came */
    meet(f);
    assert_false(mu_tls_resumed(f->tls));
}

static void a_session_of_tls_1_2_is_used_again(void **state)
{
    struct fixture *f = *state;
    set_version(f, TLS1_2_VERSION);
    meet(f);
    assert_false(mu_tls_resumed(f->tls));
    end_politely(f);
    for (int i = 0; i < 3; i++) {
        meet(f);
        assert_true(mu_tls_resumed(f->tls));
        end_politely(f);
    }
}

static void many_sessions_push_the_oldest_out(void **state)
{
    struct fixture *f = *state;
    SSL_CTX_set_num_tickets(f->server_ctx, 40);
    meet(f);
    end_politely(f);
    SSL_CTX_set_num_tickets(f->server_ctx, 0);
    int resumed = 0;
    for (int i = 0; i < 40; i++) {
        meet(f);
        resumed += mu_tls_resumed(f->tls);
        end_politely(f);
    }
    assert_int_equal(resumed, 16);
}

static void sessions_of_one_server_are_not_shown_to_another(void **state)
{
    struct fixture *f = *state;
    meet(f);
    end_politely(f);
    show(f, &world.second);
    call(f, 1);
    assert_int_equal(shake_hands(f), MU_IO_DONE);
    assert_false(mu_tls_resumed(f->tls));
}

/* What was good enough for the first handshake is asked again. */
static void a_resumed_server_is_judged_again(void **state)
{
    struct fixture *f = *state;
    meet(f);
    end_politely(f);
    f->anchors.at = &world.other_ca.cert;
    call(f, 0);
    assert_int_equal(shake_hands(f), MU_IO_DONE);
    assert_true(mu_tls_resumed(f->tls));
    assert_false(mu_tls_admit(f->tls));
    assert_string_equal(mu_tls_refusal(f->tls)->id, "server-cert-untrusted");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_server_of_the_ca_with_the_name_is_talked_to),
        TEST(an_address_is_no_name_to_ask_for),
        TEST(a_server_with_another_name_is_not),
        TEST(a_server_whose_time_is_over_is_not),
        TEST(a_client_certificate_is_no_server_certificate),
        TEST(a_server_of_another_ca_is_not),
        TEST(a_server_without_what_is_expected_is_not),
        TEST(what_is_expected_may_stand_in_for_the_name),
        TEST(what_is_not_tls_is_told_for_what_it_is),
        TEST(a_refusal_is_heard_in_words),
        TEST(a_refusal_is_heard_though_the_server_takes_no_more),
        TEST(an_end_without_a_goodbye_is_no_end),
        TEST(a_reset_is_not_taken_for_an_end),
        TEST(a_ticket_of_tls_1_3_is_used_once_the_newest_first),
        TEST(a_session_of_tls_1_2_is_used_again),
        TEST(many_sessions_push_the_oldest_out),
        TEST(sessions_of_one_server_are_not_shown_to_another),
        TEST(a_resumed_server_is_judged_again),
    };
    return cmocka_run_group_tests(tests, make_world, end_world);
}
