/*
 * What a hostile server says: to a client that looks at it in TLS, and to one that asks in clear. The first byte chooses a
 * port, the second how finely the bytes are cut. Whatever they are, there is a verdict in words.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "base/str.h"
#include "explain/probe_judge.h"
#include "pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned ports[] = {443, 21, 25, 5432};
    static const struct mu_certs none;
    struct mu_error err = MU_ERROR_INIT;
    if (size < 2)
        return 0;
    const struct mu_probe probe = {.host = "localhost",
                                   .port = ports[data[0] % MU_COUNT(ports)],
                                   .path = "/",
                                   .name = "localhost",
                                   .chain = &none,
                                   .known = &none,
                                   .max_ms = 1000};
    struct pieces server = {data + 2, size - 2, 1 + data[1] % 64};
    const struct mu_transport transport = pieces_transport(&server);
    const struct mu_tls_looking how = {.name = "localhost", .alpn = "h2,http/1.1"};
    MU_AUTO_CLEAR(mu_probe_facts) facts = {.now = 1, .clock = 1};
    MU_AUTO_CLEAR(mu_report) report = {0};
    facts.addresses.count = 1;
    facts.address = &facts.addresses.at[0];
    mu_plain_recognise(data + 2, size - 2, probe.port, &facts.ours.plain);
    if (facts.ours.plain.spoken != MU_SPOKEN_TLS)
        facts.plain = facts.ours.plain;
    if (mu_probe_talk(&probe, &how, transport, &facts.ours, &err) != 0)
        abort();
    const struct mu_probe_case of = {.probe = &probe, .facts = &facts};
    if (mu_probe_judge(&of, &report, &err) != 0)
        abort();
    mu_report_finish(&report);
    const char *said = report.count > 0 ? report.findings[0].sentence : report.good;
    if (*said == '\0' || (report.count == 0 && !facts.ours.seen.finished))
        abort();
    return 0;
}
