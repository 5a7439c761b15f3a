#ifndef MU_EXPLAIN_PROBE_JUDGE_H
#define MU_EXPLAIN_PROBE_JUDGE_H

/* What the facts that a probe has gathered mean. No network, and no clock but the one in the facts. */

#include "explain/probe.h"
#include "explain/report.h"

/* What is known besides: all of it is borrowed, and may be absent. */
struct mu_probe_case {
    const struct mu_probe *probe;
    const struct mu_probe_facts *facts;
    const char *cert_file;          /* of ours, for the words */
    const struct mu_certs *trusted; /* the CAs that we trust */
    const char *trust_file;
    struct mu_crl *const *crls; /* that we have */
    size_t crl_count;
    const char *crl_file;
    const struct mu_certs
        *server_known; /* the server's certificate as its operator has it on disk, leaf first */
    const char *server_file;
    bool server_trust_known; /* the CAs that the server trusts are known, so that files tell what it says of ours */
};

/* Add to `report`, which may hold what the files alone have told. Fails with MU_E_NOMEM, MU_E_CRYPTO, MU_E_NAME. */
MU_CHECK int mu_probe_judge(const struct mu_probe_case *of, struct mu_report *report,
                            struct mu_error *err);

/* --- Between the files of the judge --- */

/* "localhost:3000", with brackets where they belong. Returns `ret`. */
#define MU_PROBE_PLACE_LEN MU_REPORT_AT_LEN
char *mu_probe_place(const struct mu_probe *probe, char ret[MU_PROBE_PLACE_LEN]);

/* A finding about this server, with what the peer has said of it. */
struct mu_finding mu_probe_finding(const struct mu_probe_case *of, enum mu_cause_id cause,
                                   enum mu_gravity gravity, enum mu_phase phase);

/* The server did not let us in: by an alert that can be about our certificate, or by closing once it had seen it. */
bool mu_probe_refused(const struct mu_probe_case *of);
/* Has a fault of the client's certificate, or of its file, been found? */
bool mu_probe_blames_client(const struct mu_report *report);
bool mu_probe_has_own(const struct mu_probe_case *of);
/* HTTP says no to whom TLS let through. */
bool mu_probe_denied(const struct mu_probe_case *of);
/* The call that got furthest in HTTP. */
const struct mu_probe_http *mu_probe_http_of(const struct mu_probe_case *of);
/* `alert 48 "unknown ca" from the server, after the handshake`, or how the connection ended. Returns `ret`. */
#define MU_PROBE_WORDS_LEN 256
char *mu_probe_words(const struct mu_probe_case *of, char ret[MU_PROBE_WORDS_LEN]);

/* `"Example Root", "Other Root" and 3 more`: those CAs whose clients the server says it lets in. Returns `ret`. */
const char *mu_probe_accepted(const struct mu_tls_seen *seen, char *ret, size_t cap);
/* `alice.crt ("alice", issued by "Other Root")`. Returns `ret`. */
const char *mu_probe_ours(const struct mu_probe_case *of, char *ret, size_t cap);
/* A finding about our certificate. */
struct mu_finding mu_probe_about_ours(const struct mu_probe_case *of, enum mu_cause_id cause,
                                      enum mu_gravity gravity);

MU_CHECK int mu_probe_judge_clocks(const struct mu_probe_case *of, struct mu_report *report,
                                   struct mu_error *err);
MU_CHECK int mu_probe_explain_refusal(const struct mu_probe_case *of, struct mu_report *report,
                                      struct mu_error *err);
/* TLS let it through, and HTTP says no: it is our certificate, or (then nothing is told) the rules of who is let in. */
MU_CHECK int mu_probe_explain_denial(const struct mu_probe_case *of, struct mu_report *report,
                                     struct mu_error *err);
MU_CHECK int mu_probe_judge_hello(const struct mu_probe_case *of, struct mu_report *report,
                                  struct mu_error *err);
MU_CHECK int mu_probe_judge_server(const struct mu_probe_case *of, struct mu_report *report,
                                   struct mu_error *err);
MU_CHECK int mu_probe_judge_client(const struct mu_probe_case *of, struct mu_report *report,
                                   struct mu_error *err);
MU_CHECK int mu_probe_judge_http(const struct mu_probe_case *of, struct mu_report *report,
                                 struct mu_error *err);

#endif
