/*
 * What a hostile client says to whoever hears it out in the place of a server. The first byte says how finely the rest is cut.
 * Whatever it is, there is a verdict in words.
 */
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "explain/listen.h"
#include "pki/issue.h"
#include "pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    struct mu_key *key;
    struct mu_certs chain;
    struct mu_tls_ear *ear;
} server;

static void make_server(void)
{
    struct mu_error err = MU_ERROR_INIT;
    unsigned char serial[MU_SERIAL_LEN];
    struct mu_cert *cert = NULL;
    if (mu_key_generate("p256", &server.key, &err) != 0 || mu_serial_make(serial, &err) != 0 ||
        mu_issue_root(server.key, "ca", serial, time(NULL), 86400, 0, NULL, &cert, &err) != 0 ||
        mu_certs_add(&server.chain, cert, &err) != 0)
        abort();
    const struct mu_tls_hearing how = {&server.chain, server.key, &server.chain};
    if (mu_tls_ear_new(&how, &server.ear, &err) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mu_error err = MU_ERROR_INIT;
    if (server.ear == NULL)
        make_server();
    if (size < 1)
        return 0;
    const struct mu_listen_case of = {.chain = &server.chain,
                                      .key = server.key,
                                      .trusted = &server.chain};
    struct pieces client = {data + 1, size - 1, 1 + data[0] * 8u};
    const struct mu_transport transport = pieces_transport(&client);
    MU_AUTO_CLEAR(mu_listen_facts) facts = {.now = time(NULL)};
    MU_AUTO_CLEAR(mu_report) report = {0};
    if (mu_listen_hear(&of, server.ear, transport, size % 2 == 1, &facts, &err) != 0)
        abort();
    mu_plain_recognise(data + 1, size - 1, 0, &facts.plain);
    if (mu_listen_judge(&of, &facts, &report, &err) != 0)
        abort();
    if (report.count == 0 || report.findings[0].sentence[0] == '\0')
        abort();
    return 0;
}
