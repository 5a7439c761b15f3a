#include "../check.h"
#include "front/config.h"

struct fixture {
    struct mu_config *config;
    struct mu_error err;
};

static int set_up(void **state)
{
    *state = calloc(1, sizeof(struct fixture));
    return *state == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    mu_config_free(f->config);
    free(f);
    return 0;
}

static int parse(struct fixture *f, const char *text)
{
    mu_config_free(f->config);
    f->config = NULL;
    f->err = (struct mu_error)MU_ERROR_INIT;
    return mu_config_parse("/etc/m/mutual.yaml", text, strlen(text), &f->config, &f->err);
}

#define DOOR "doors:\n  - {listen: localhost:1, certificate: a.crt, trust: ca.crt"

static void a_file_describes_doors(void **state)
{
    struct fixture *f = *state;
    assert_worked(parse(f, "workers: 3\n"
                           "max_connections: 70\n"
                           "stop_timeout: 2m\n"
                           "log: [requests, 'troubles,connections']\n"
                           "log_format: json\n"
                           "status: unix:run/status\n"
                           "control: run/control\n"
                           "doors:\n"
                           "  - listen: [\"*:8443\", \"unix:/run/door\"]\n"
                           "    certificate: api.crt\n"
                           "    key: api.key\n"
                           "    trust: [a.crt, b.crt]\n"
                           "    names: [api.example.com, \"*.example.com\"]\n"
                           "    clients: optional\n"
                           "    tls_min: \"1.3\"\n"
                           "    crl: ca.crl\n"
                           "    to: tcp://localhost:80\n"
                           "    allow: [all, anonymous]\n"
                           "    idle_timeout: 5s\n"
                           "    alpn: [h2, postgresql]\n"
                           "    body_timeout: 90s\n"
                           "    max_lifetime: 1h\n"
                           "  - listen: localhost:1\n"
                           "    certificate: /b/b.pem\n"
                           "    trust: ca.crt\n"
                           "    files: www\n"
                           "    proxy_protocol: true\n"
                           "    proxy_from: [10.0.0.0/8, \"fd00::/8\"]\n"),
                  &f->err);
    const struct mu_config *config = f->config;
    assert_int_equal(config->workers, 3);
    assert_int_equal(config->max_connections, 70);
    assert_int_equal(config->stop_ms, 120000);
    assert_int_equal(config->log, MU_LOG_ALL & ~MU_LOG_REFUSALS);
    assert_int_equal(config->log_format, MU_LOG_JSON);
    assert_string_equal(config->status, "unix:/etc/m/run/status");
    assert_string_equal(config->control, "/etc/m/run/control");
    assert_int_equal(config->door_count, 2);
    const struct mu_door_config *door = &config->doors[0];
    assert_int_equal(door->at.line, 9);
    assert_int_equal(door->listen.count, 2);
    assert_string_equal(door->listen.at[0], "*:8443");
    assert_int_equal(door->trust.count, 2);
    assert_string_equal(door->to.at[0], "tcp://localhost:80");
    assert_int_equal(door->deadlines.idle_ms, 5000);
    assert_int_equal(door->alpn.count, 2);
    assert_string_equal(door->alpn.at[1], "postgresql");
    assert_int_equal(door->deadlines.body_ms, 90000);
    assert_int_equal(door->deadlines.lifetime_ms, 3600000);
    assert_int_equal(door->deadlines.write_ms, 30000);
    assert_string_equal(door->names.at[1], "*.example.com");
    assert_true(door->clients_optional);
    assert_true(door->only_tls13);
    assert_null(config->doors[1].key);
    assert_false(config->doors[1].clients_optional);
    assert_false(config->doors[1].only_tls13);
    assert_false(door->proxy_protocol || door->send_proxy);
    assert_true(config->doors[1].proxy_protocol);
    assert_int_equal(config->doors[1].proxy_from.count, 2);
}

static void classes_of_the_log_are_words_with_commas_between(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        unsigned classes;
    } cases[] = {
        {"none", true, 0},
        {"all", true, MU_LOG_ALL},
        {"refusals", true, MU_LOG_REFUSALS},
        {"connections,troubles", true, MU_LOG_CONNECTIONS | MU_LOG_TROUBLES},
        {"requests,requests", true, MU_LOG_REQUESTS},
        {"", false, 0},
        {",", false, 0},
        {"requests,", false, 0},
        {"request", false, 0},
        {"requests, troubles", false, 0},
        {"none,requests", false, 0},
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        unsigned classes;
        assert_int_equal(mu_log_classes_parse(cases[i].text, &classes), cases[i].good);
        if (cases[i].good)
            assert_int_equal(classes, cases[i].classes);
    }
}

static void paths_are_relative_to_the_file(void **state)
{
    struct fixture *f = *state;
    assert_worked(parse(f, "doors:\n"
                           "  - listen: [unix:door, unix:/run/door]\n"
                           "    certificate: api.crt\n"
                           "    key: \"pkcs11:token=a;object=b\"\n"
                           "    trust: [sub/a.crt, /b.crt]\n"
                           "    crl: ../ca.crl\n"
                           "    to: unix:backend\n"
                           "    allow: all\n"),
                  &f->err);
    const struct mu_door_config *door = &f->config->doors[0];
    assert_string_equal(door->listen.at[0], "unix:/etc/m/door");
    assert_string_equal(door->listen.at[1], "unix:/run/door");
    assert_string_equal(door->certificate, "/etc/m/api.crt");
    assert_string_equal(door->key, "pkcs11:token=a;object=b");
    assert_string_equal(door->trust.at[0], "/etc/m/sub/a.crt");
    assert_string_equal(door->trust.at[1], "/b.crt");
    assert_string_equal(door->crl.at[0], "/etc/m/../ca.crl");
    assert_string_equal(door->to.at[0], "unix:/etc/m/backend");
}

static void a_mistake_is_told_by_line_and_column(void **state)
{
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"", ":1:1: there is nothing in it"},
        {"workers: 1\n", "mutual.yaml describes no door"},
        {"doors: []\n", "mutual.yaml describes no door"},
        {"door: []\n", ":1:1: there is no key \"door\" in a configuration"},
        {"doors: {}\n", ":1:8: doors is a mapping, not a list"},
        {"doors: [a]\n", ":1:9: a door is a single value, not a mapping"},
        {DOOR ", nmaes: a}\n", ":2:62: there is no key \"nmaes\" in a door"},
        {DOOR ", key: a, key: b}\n", ":2:70: key is given twice in a door"},
        {DOOR ", key: [a]}\n", ":2:67: key is a list, not the path of a file"},
        {DOOR ", idle_timeout: 5}\n", ":2:76: \"5\" is not a length of time"},
        {DOOR ", idle_timeout: 2d}\n", ":2:76: idle_timeout is longer than a day"},
        {DOOR ", to: tcp://a:1, files: b}\n", ":2:5: this door hands everything to a backend"},
        {DOOR ", proxy_from: 10.0.0.0/8}\n", ":2:5: this door believes proxies"},
        {DOOR ", proxy_protocol: v2}\n", "proxy_protocol"},
        {DOOR ", to: tcp://a:1, send_proxy: v1}\n", "send_proxy"},
        {"doors:\n  - {certificate: a, trust: b}\n", ":2:5: this door has no listen"},
        {"doors:\n  - {listen: a, trust: b}\n", ":2:5: this door has no certificate"},
        {"doors:\n  - {listen: a, certificate: b}\n", ":2:5: this door has no trust"},
        {"doors:\n  - {listen: a, certificate: b, trust: []}\n", ":2:5: this door has no trust"},
        {DOOR ", clients: none}\n", ":2:71: clients is required or optional, not \"none\""},
        {DOOR ", tls_min: 1.1}\n", ":2:71: tls_min is 1.2 or 1.3, not \"1.1\""},
        {DOOR ", names: [a, 10.0.0.1]}\n", ":2:73: \"10.0.0.1\" is an IP address"},
        {DOOR ", names: a..b}\n", ":2:69: \"a..b\" is not the name of a server"},
        {"workers: 0\n", ":1:10: workers is a number from 1 to 256, not \"0\""},
        {"workers: -1\n", ":1:10: workers is a number"},
        {"workers: 1x\n", ":1:10: workers is a number"},
        {"workers: 99999999999999999999\n", ":1:10: workers is a number"},
        {"log: everything\n",
         ":1:6: log takes refusals, troubles, requests, connections, all or none, not"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        assert_refused(parse(f, cases[i].text), &f->err, MU_E_CONFIG_FILE, cases[i].said);
        assert_null(f->config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_describes_doors, set_up, tear_down),
        cmocka_unit_test(classes_of_the_log_are_words_with_commas_between),
        cmocka_unit_test_setup_teardown(paths_are_relative_to_the_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_mistake_is_told_by_line_and_column, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
