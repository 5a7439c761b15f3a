#ifndef MU_EXPLAIN_JUDGE_MATTER_H
#define MU_EXPLAIN_JUDGE_MATTER_H

/* Between the files of the judge: a case as far as it has been looked into. */

#include "explain/judge.h"

struct mu_matter {
    const struct mu_judging *how;
    struct mu_report *report;
    struct mu_certs pool;  /* everything at hand */
    struct mu_certs full;  /* from the leaf up, as far as the pool has it */
    struct mu_certs chain; /* as the verifier built it */
    struct mu_verdict verdict;

    /* What is assumed to be mended. */
    const struct mu_certs *anchors;
    struct mu_certs all_anchors;
    const char *host;
    enum mu_purpose purpose;
    bool limit_depth, partial;
};
void mu_matter_clear(struct mu_matter *matter);
MU_AUTO_DEFINE_CLEAR(mu_matter, mu_matter_clear)

/* --- Words, and findings --- */

/* Is it the server's chain, and the client that judges it? */
bool mu_matter_is_server(const struct mu_matter *matter);
/* "server", "client": whose chain it is, and who judges it. */
const char *mu_matter_presenter(const struct mu_matter *matter);
const char *mu_matter_judge(const struct mu_matter *matter);
/* The cause for a server's certificate, or for a client's. */
enum mu_cause_id mu_matter_by_side(const struct mu_matter *matter, enum mu_cause_id server,
                                   enum mu_cause_id client);
/* The name of the file, where there is one. */
const char *mu_matter_file(const char *file, const char *otherwise);
/* A fault of this certificate. */
struct mu_finding mu_matter_about(const struct mu_matter *matter, enum mu_cause_id cause,
                                  const struct mu_cert *cert, int depth);
/* What the verifier said, in its words. */
MU_CHECK int mu_matter_tell(struct mu_matter *matter, struct mu_error *err);

/* Does the verdict say that some date has passed, or lies ahead? */
bool mu_matter_is_about_dates(const struct mu_matter *matter);

/* A list that is NULL is an empty one. */
bool mu_matter_holds(const struct mu_certs *list, const struct mu_cert *cert);

/* --- Judging, as of what is assumed by now --- */

/* Into `verdict` and `chain`. */
MU_CHECK int mu_matter_verify(struct mu_matter *matter, bool with_lists, struct mu_error *err);

/* What "issuer not found" means: an intermediate that is missing or wrong, a trust file with the wrong thing in it, or another
 * CA. */
MU_CHECK int mu_matter_tell_trust(struct mu_matter *matter, struct mu_error *err);
/* A CA of the issuer's name is trusted, and has another key. */
MU_CHECK int mu_matter_tell_rekeyed(struct mu_matter *matter, struct mu_error *err);
/* `cert` names the key that it is checked with, and was not signed by it. */
MU_CHECK int mu_matter_tell_garbled(struct mu_matter *matter, const struct mu_cert *cert,
                                    struct mu_error *err);
/* Nobody has said what is trusted: was another CA's certificate put where the issuer's should be? */
MU_CHECK int mu_matter_check_stray(struct mu_matter *matter, struct mu_error *err);
/* The host is not among the names. */
MU_CHECK int mu_matter_tell_name(struct mu_matter *matter, struct mu_error *err);
/* Once all else is well: the revocation lists. */
MU_CHECK int mu_matter_check_lists(struct mu_matter *matter, struct mu_error *err);

#endif
