#include "cli/tunnel.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/time.h"
#include "cli/credentials.h"
#include "front/config.h"

enum { MAX_WORKERS = 256, WRITE_MS = 30 * 1000, LINGER_MS = 3 * 1000 };

void mu_tunnel_free(struct mu_tunnel *tunnel)
{
    mu_certs_clear(&tunnel->anchors);
    mu_certs_clear(&tunnel->chain);
    mu_key_free(tunnel->key);
    mu_backends_clear(&tunnel->servers);
    mu_tls_expected_clear(&tunnel->expected);
    free(tunnel->hosts);
    free(tunnel);
}

/* --- Loading --- */

static int load_listen(const struct mu_args *args, struct mu_tunnel *tunnel, struct mu_error *err)
{
    const char *text;
    for (int i = 0; (text = mu_args_nth(args, "listen", i)) != NULL; i++) {
        size_t count;
        if (mu_address_parse(text, tunnel->listen + tunnel->listen_count,
                             MU_TUNNEL_ADDRESSES - tunnel->listen_count, &count, err) != 0)
            return -1;
        tunnel->listen_count += count;
    }
    return tunnel->listen_count > 0
               ? 0
               : mu_usage(err, args,
                          "--listen says where programs come in: 127.0.0.1:PORT or unix:PATH");
}

static int load_servers(const struct mu_args *args, struct mu_tunnel *tunnel, struct mu_error *err)
{
    const char *text, *name = mu_args_value(args, "server-name");
    for (int i = 0; (text = mu_args_nth(args, "to", i)) != NULL; i++)
        if (mu_backends_add_server(&tunnel->servers, text, err) != 0)
            return -1;
    if (tunnel->servers.count == 0)
        return mu_usage(err, args, "--to says where the server is: HOST:PORT");
    tunnel->hosts = calloc(tunnel->servers.count, sizeof *tunnel->hosts);
    if (tunnel->hosts == NULL)
        return mu_fail_nomem(err);
    for (size_t i = 0; i < tunnel->servers.count; i++) {
        tunnel->hosts[i] = name != NULL ? name : tunnel->servers.at[i].host;
        if (tunnel->hosts[i][0] == '\0')
            return mu_usage(err, args, "the server at %s needs a name: --server-name NAME",
                            tunnel->servers.at[i].name);
    }
    return 0;
}

static int load_expected(const struct mu_args *args, struct mu_tls_expected *ret,
                         struct mu_error *err)
{
    static const struct {
        const char *option;
        int (*expect)(struct mu_tls_expected *expected, const char *text, struct mu_error *err);
    } all[] = {
        {"verify-dns", mu_tls_expect_dns},
        {"verify-uri", mu_tls_expect_uri},
        {"verify-pin", mu_tls_expect_pin},
    };
    bool given = false;
    for (size_t i = 0; i < MU_COUNT(all); i++) {
        const char *text;
        for (int j = 0; (text = mu_args_nth(args, all[i].option, j)) != NULL; j++) {
            given = true;
            if (all[i].expect(ret, text, err) != 0)
                return -1;
        }
    }
    if (!given && mu_args_given(args, "any-name"))
        return mu_usage(err, args,
                        "--any-name needs --verify-dns, --verify-uri or --verify-pin: without any of "
                        "them, every server of the CA would do");
    return 0;
}

static int load_protocols(const struct mu_args *args, struct mu_tunnel *tunnel, struct mu_error *err)
{
    const char *text;
    for (int i = 0; (text = mu_args_nth(args, "alpn", i)) != NULL; i++)
        if (!mu_tls_alpn_add(tunnel->alpn, text))
            return mu_usage(err, args,
                            "--alpn takes the name of a protocol, such as h2, not \"%s\"", text);
    return 0;
}

static int load_time(const struct mu_args *args, const char *option, unsigned *ret_ms,
                     struct mu_error *err)
{
    int64_t seconds;
    const char *text = mu_args_value(args, option);
    if (text == NULL)
        return 0;
    if (mu_duration_parse(text, &seconds, err) != 0)
        return -1;
    if (seconds > MU_DAY_S)
        return mu_usage(err, args, "--%s is at most a day", option);
    *ret_ms = (unsigned)seconds * 1000;
    return 0;
}

/* Nobody is refused here, and requests are not looked at. */
static int load_log(const struct mu_args *args, struct mu_tunnel *tunnel, struct mu_error *err)
{
    const char *text = mu_args_value(args, "log");
    const unsigned known = MU_LOG_TROUBLES | MU_LOG_CONNECTIONS;
    if (!mu_log_classes_parse(text, &tunnel->log) ||
        (tunnel->log != MU_LOG_ALL && (tunnel->log & ~known) != 0))
        return mu_usage(err, args, "--log takes troubles and connections, all or none, not \"%s\"",
                        text);
    return 0;
}

static int load_limits(const struct mu_args *args, struct mu_tunnel *tunnel, struct mu_error *err)
{
    tunnel->workers = mu_server_cores();
    if (load_log(args, tunnel, err) != 0)
        return -1;
    if ((mu_args_given(args, "workers") &&
         mu_args_number(args, "workers", 1, MAX_WORKERS, &tunnel->workers, err) != 0) ||
        mu_args_number(args, "max-connections", 1, 10000000, &tunnel->max_connections, err) != 0 ||
        load_time(args, "connect-timeout", &tunnel->connect_ms, err) != 0 ||
        load_time(args, "idle-timeout", &tunnel->idle_ms, err) != 0 ||
        load_time(args, "max-lifetime", &tunnel->lifetime_ms, err) != 0 ||
        load_time(args, "stop-timeout", &tunnel->stop_ms, err) != 0)
        return -1;
    return 0;
}

static int load_tunnel(const struct mu_args *args, struct mu_tunnel *tunnel, struct mu_error *err)
{
    const struct mu_self who = {.name = mu_args_value(args, "as"), .name_opt = "--as"};
    if (load_limits(args, tunnel, err) != 0 || load_listen(args, tunnel, err) != 0 ||
        load_servers(args, tunnel, err) != 0 || load_expected(args, &tunnel->expected, err) != 0 ||
        load_protocols(args, tunnel, err) != 0 ||
        mu_load_self(args, &who, &tunnel->chain, &tunnel->key, err) != 0)
        return -1;
    if (tunnel->chain.count == 0)
        return mu_usage(err, args, "the server wants a certificate: --as NAME, or --cert and --key");
    return mu_load_anchors(args, &tunnel->anchors, err);
}

static void describe(const struct mu_args *args, struct mu_tunnel *tunnel)
{
    tunnel->calls = (struct mu_tls_calls){
        .anchors = &tunnel->anchors,
        .chain = &tunnel->chain,
        .key = tunnel->key,
        .hosts = tunnel->hosts,
        .host_count = tunnel->servers.count,
        .any_name = mu_args_given(args, "any-name"),
        .expected = &tunnel->expected,
        .alpn = tunnel->alpn,
    };
    tunnel->forward = (struct mu_forward){
        .backends = &tunnel->servers,
        .connect_ms =
            tunnel->connect_ms / 2, /* so that one that is silent leaves time for another */
        .retry_ms = tunnel->connect_ms,
        .idle_ms = tunnel->idle_ms,
        .lifetime_ms = tunnel->lifetime_ms,
    };
    tunnel->door = (struct mu_server_door){
        .plain = true,
        .calls = &tunnel->calls,
        .listen = tunnel->listen,
        .listen_count = tunnel->listen_count,
        .deadlines = {.write_ms = WRITE_MS, .linger_ms = LINGER_MS},
        .protocol = &mu_forward_protocol,
        .protocol_arg = &tunnel->forward,
    };
}

int mu_tunnel_load(const struct mu_args *args, struct mu_tunnel **ret, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_tunnel) tunnel = calloc(1, sizeof *tunnel);
    if (tunnel == NULL)
        return mu_fail_nomem(err);
    if (load_tunnel(args, tunnel, err) != 0)
        return -1;
    describe(args, tunnel);
    *ret = mu_take(&tunnel);
    return 0;
}

/* --- Where it comes from --- */

/* What comes through a pipe, or from a token, cannot be looked at again. */
static int add_path(struct mu_strs *list, const char *path)
{
    if (path == NULL || mu_str_equal(path, "-") || mu_str_starts_with(path, "pkcs11:"))
        return 0;
    return mu_strs_add(list, path);
}

int mu_tunnel_paths(const struct mu_args *args, struct mu_strs *ret, struct mu_error *err)
{
    const char *name = mu_args_value(args, "as"), *ca;
    char cert[MU_PATH_LEN], key[MU_PATH_LEN], home_ca[MU_PATH_LEN];
    snprintf(cert, sizeof cert, "%s.crt", name == NULL ? "" : name);
    snprintf(key, sizeof key, "%s.key", name == NULL ? "" : name);
    if (add_path(ret, name != NULL ? cert : mu_args_value(args, "cert")) != 0 ||
        add_path(ret, name != NULL ? key : mu_args_value(args, "key")) != 0)
        return mu_fail_nomem(err);
    for (int i = 0; (ca = mu_args_nth(args, "cacert", i)) != NULL; i++)
        if (add_path(ret, ca) != 0)
            return mu_fail_nomem(err);
    if (mu_args_given(args, "cacert"))
        return 0;
    if (mu_anchor_path(args, home_ca, err) != 0)
        return -1;
    return add_path(ret, home_ca) != 0 ? mu_fail_nomem(err) : 0;
}
