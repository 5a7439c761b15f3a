#include "../check.h"

#include "front/metrics.h"

static struct mu_metrics plain(void)
{
    return (struct mu_metrics){.version = "1.2.3", .openssl = "3.0.15", .workers = 2};
}

static struct mu_buf written(const struct mu_metrics *metrics)
{
    struct mu_buf text = MU_BUF_INIT;
    mu_metrics_write(metrics, &text);
    assert_false(mu_buf_failed(&text));
    return text;
}

static int count(const char *text, const char *part)
{
    int found = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        found++;
    return found;
}

static void a_histogram_is_cumulative_and_its_count_is_that_of_all(void **state)
{
    (void)state;
    struct mu_metrics metrics = plain();
    mu_count_handshake(&metrics.counters, 400);
    mu_count_handshake(&metrics.counters, 700);
    mu_count_handshake(&metrics.counters, 20000000);
    MU_AUTO_CLEAR(mu_buf) text = written(&metrics);
    assert_says(text.data, "mutual_handshake_seconds_bucket{le=\"0.0005\"} 1\n");
    assert_says(text.data, "mutual_handshake_seconds_bucket{le=\"0.001\"} 2\n");
    assert_says(text.data, "mutual_handshake_seconds_bucket{le=\"10\"} 2\n");
    assert_says(text.data, "mutual_handshake_seconds_bucket{le=\"+Inf\"} 3\n");
    assert_says(text.data, "mutual_handshake_seconds_sum 20.001100\n");
    assert_says(text.data, "mutual_handshake_seconds_count 3\n");
}

static void faults_that_share_an_id_are_one_sample(void **state)
{
    (void)state;
    struct mu_metrics metrics = plain();
    metrics.counters.faults[MU_FAULT_UNTRUSTED] = 2;
    metrics.counters.faults[MU_FAULT_UNTRUSTED_ROOT] = 3;
    MU_AUTO_CLEAR(mu_buf) text = written(&metrics);
    assert_says(text.data, "mutual_refused_total{reason=\"client-cert-untrusted\"} 5\n");
    assert_int_equal(count(text.data, "mutual_refused_total{reason=\"client-cert-untrusted\"}"), 1);
    assert_int_equal(count(text.data, "mutual_handshakes_total{result=\"client-cert-untrusted\"}"),
                     1);
}

static void what_shakes_hands_with_backends_tells_of_these(void **state)
{
    (void)state;
    struct mu_metrics metrics = plain();
    metrics.calls = true;
    metrics.counters.called = 3;
    metrics.counters.refused[MU_REFUSAL_SERVER_ALERT] = 2;
    metrics.counters.faults[MU_FAULT_EXPIRED] = 1;
    mu_count_handshake(&metrics.counters, 400);
    MU_AUTO_CLEAR(mu_buf) text = written(&metrics);
    assert_says(text.data, "mutual_backend_handshakes_total 3\n");
    assert_says(text.data, "mutual_backend_refused_total{reason=\"server-refused\"} 2\n");
    assert_says(text.data, "mutual_backend_refused_total{reason=\"server-cert-expired\"} 1\n");
    assert_says(text.data, "mutual_backend_handshake_seconds_count 1\n");
    assert_int_equal(count(text.data, "client-"), 0);
}

static void a_name_cannot_forge_a_sample(void **state)
{
    (void)state;
    const struct mu_metrics_end ends[] = {{.name = "a\"} 1\nb{c=\"\\", .serial = "0A", .at = 5}};
    struct mu_metrics metrics = plain();
    metrics.certificates = (struct mu_metrics_ends){ends, 1};
    MU_AUTO_CLEAR(mu_buf) text = written(&metrics);
    assert_says(text.data, "{subject=\"a\\\"} 1\\nb{c=\\\"\\\\\",serial=\"0A\"} 5\n");
}

static void what_several_doors_have_in_common_is_told_once(void **state)
{
    (void)state;
    const struct mu_metrics_backend backends[] = {
        {.name = "tcp://a:1", .connections = 2, .up = true},
        {.name = "tcp://b:1", .connections = 1, .up = false},
        {.name = "tcp://a:1", .connections = 3, .up = false},
    };
    const struct mu_metrics_end lists[] = {{.name = "ca", .at = 9}, {.name = "ca", .at = 7}};
    const struct mu_metrics_end certs[] = {{.name = "x", .serial = "01", .at = 9},
                                           {.name = "x", .serial = "02", .at = 7}};
    struct mu_metrics metrics = plain();
    metrics.backends = backends;
    metrics.backend_count = MU_COUNT(backends);
    metrics.lists = (struct mu_metrics_ends){lists, 2};
    metrics.trust = (struct mu_metrics_ends){certs, 2};
    MU_AUTO_CLEAR(mu_buf) text = written(&metrics);
    assert_says(text.data, "mutual_backend_connections{backend=\"tcp://a:1\"} 5\n"
                           "mutual_backend_connections{backend=\"tcp://b:1\"} 1\n");
    assert_says(text.data, "mutual_backend_down{backend=\"tcp://a:1\"} 1\n"
                           "mutual_backend_down{backend=\"tcp://b:1\"} 1\n");
    assert_says(text.data, "mutual_crl_expiry_timestamp_seconds{issuer=\"ca\"} 7\n");
    assert_int_equal(count(text.data, "mutual_crl_expiry_timestamp_seconds{"), 1);
    assert_int_equal(count(text.data, "mutual_trust_expiry_timestamp_seconds{"), 2);
}

static void more_closed_than_accepted_is_none_open(void **state)
{
    (void)state;
    struct mu_metrics metrics = plain();
    metrics.counters.accepted = 3;
    metrics.counters.closed = 4;
    MU_AUTO_CLEAR(mu_buf) text = written(&metrics);
    assert_says(text.data, "mutual_connections_active 0\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_histogram_is_cumulative_and_its_count_is_that_of_all),
        cmocka_unit_test(faults_that_share_an_id_are_one_sample),
        cmocka_unit_test(what_shakes_hands_with_backends_tells_of_these),
        cmocka_unit_test(a_name_cannot_forge_a_sample),
        cmocka_unit_test(what_several_doors_have_in_common_is_told_once),
        cmocka_unit_test(more_closed_than_accepted_is_none_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
