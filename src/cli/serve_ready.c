#include "cli/serve_ready.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/issuing.h"
#include "cli/print.h"
#include "pki/info.h"

static bool is_for_localhost(const struct mu_cert *cert)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    if (mu_cert_info_read(cert, time(NULL), &info, &err) != 0)
        return false;
    for (size_t i = 0; i < info.san.count; i++)
        if (mu_str_equal(info.san.at[i], "DNS:localhost"))
            return true;
    return info.san.count == 0 && mu_str_equal(info.cn, "localhost");
}

/* A name to connect to: localhost if the certificate is for it, else the address. */
static void make_url(struct mu_front *front, char *ret, size_t cap)
{
    const struct mu_address *address = mu_server_address(mu_front_server(front), 0);
    char text[MU_ADDRESS_LEN];
    if (mu_address_path(address) != NULL)
        snprintf(ret, cap, "https://localhost");
    else if (is_for_localhost(mu_front_doors(front)->at[0].chain.at[0]))
        snprintf(ret, cap, "https://localhost:%u", mu_address_port(address));
    else
        snprintf(ret, cap, "https://%s", mu_address_text(address, text));
}

/* A client's files for the line that people copy: those of the recipes, if they are here. */
static const char *client_at_hand(void)
{
    static const char *const names[] = {"my-client", "client"};
    char cert[32], key[32];
    for (size_t i = 0; i < MU_COUNT(names); i++) {
        snprintf(cert, sizeof cert, "%s.crt", names[i]);
        snprintf(key, sizeof key, "%s.key", names[i]);
        if (access(cert, F_OK) == 0 && access(key, F_OK) == 0)
            return names[i];
    }
    return "CLIENT";
}

/* A line to copy: what a person does first. */
static void add_curl(struct mu_front *front, const char *url, struct mu_buf *ret)
{
    const char *client = client_at_hand();
    const char *path = mu_address_path(mu_server_address(mu_front_server(front), 0));
    mu_buf_adds(ret, "curl --cacert ");
    mu_add_shell_word(ret, mu_front_doors(front)->at[0].config->trust.at[0]);
    mu_buf_addf(ret, " --cert %s.crt --key %s.key ", client, client);
    if (path != NULL) {
        mu_buf_adds(ret, "--unix-socket ");
        mu_add_shell_word(ret, path);
        mu_buf_adds(ret, " ");
    }
    mu_buf_adds(ret, url);
}

static json_t *listen_json(struct mu_front *front)
{
    char text[MU_ADDRESS_LEN];
    struct mu_server *server = mu_front_server(front);
    json_t *listen = json_array();
    for (size_t i = 0; i < mu_server_address_count(server); i++)
        json_array_append_new(listen,
                              json_string(mu_address_text(mu_server_address(server, i), text)));
    return listen;
}

/* NULL: nowhere. Given. */
static json_t *status_json(const struct mu_front *front)
{
    char text[MU_ADDRESS_LEN];
    const struct mu_address *status = mu_front_status_address(front);
    return status == NULL ? NULL : json_string(mu_address_text(status, text));
}

static void print_json(struct mu_front *front, const char *url)
{
    const struct mu_door *door = &mu_front_doors(front)->at[0];
    const struct mu_backends *backends = &door->backends;
    json_t *to = json_array();
    for (size_t i = 0; i < backends->count; i++)
        json_array_append_new(to, json_string(backends->at[i].name));
    mu_print_json_line(json_pack("{s:s, s:s?, s:o, s:o, s:s, s:o*}", "event", "ready", "url",
                                 backends->count > 0 ? NULL : url, "listen", listen_json(front),
                                 "to", to, "cacert", door->config->trust.at[0], "status",
                                 status_json(front)));
}

static void print_text(struct mu_front *front, const char *url)
{
    char text[MU_ADDRESS_LEN];
    const struct mu_backends *backends = &mu_front_doors(front)->at[0].backends;
    MU_AUTO_CLEAR(mu_buf) line = MU_BUF_INIT;
    if (backends->count > 0) {
        mu_address_text(mu_server_address(mu_front_server(front), 0), text);
        printf("ready: %s, in front of %s\n", text, backends->at[0].name);
    } else {
        add_curl(front, url, &line);
        printf("ready: %s, try: %s\n", url, mu_buf_str(&line));
    }
}

/* Of many doors there is no one thing to try. */
static void print_file(struct mu_front *front, bool json)
{
    char text[MU_ADDRESS_LEN];
    struct mu_server *server = mu_front_server(front);
    const struct mu_doors *doors = mu_front_doors(front);
    if (json) {
        mu_print_json_line(json_pack("{s:s, s:s, s:I, s:o, s:o*}", "event", "ready", "config",
                                     doors->config->file, "doors", (json_int_t)doors->count,
                                     "listen", listen_json(front), "status", status_json(front)));
        return;
    }
    printf("ready: %zu door%s of %s at", doors->count, doors->count == 1 ? "" : "s",
           doors->config->file);
    for (size_t i = 0; i < mu_server_address_count(server); i++)
        printf("%s %s", i == 0 ? "" : ",", mu_address_text(mu_server_address(server, i), text));
    printf("\n");
}

static void print_status(const struct mu_front *front)
{
    char text[MU_ADDRESS_LEN];
    const struct mu_address *status = mu_front_status_address(front);
    if (status != NULL)
        printf("status: %s%s\n", mu_address_path(status) == NULL ? "http://" : "",
               mu_address_text(status, text));
}

void mu_serve_ready(struct mu_front *front, bool json)
{
    char url[256];
    make_url(front, url, sizeof url);
    if (mu_front_doors(front)->config->file != NULL)
        print_file(front, json);
    else
        json ? print_json(front, url) : print_text(front, url);
    if (!json)
        print_status(front);
    fflush(stdout);
}
