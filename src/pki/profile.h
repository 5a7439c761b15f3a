#ifndef MU_PKI_PROFILE_H
#define MU_PKI_PROFILE_H

/* What kinds of certificates there are, and the rules each must keep. [RFC 5280 4.2] */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "pki/cert.h"

enum mu_profile {
    MU_PROFILE_SERVER,
    MU_PROFILE_CLIENT,
    MU_PROFILE_PEER,
    MU_PROFILE_CA,
    MU_PROFILE_OCSP, /* signs answers about revocation for its issuer [RFC 6960 4.2.2.2] */
};

struct mu_profile_rules {
    const char *name;                            /* "server" */
    bool server_auth, client_auth, ocsp_signing; /* extKeyUsage */
    bool free_text_name; /* CN may be a person's name and there may be no SAN */
    int64_t default_lifetime_s;
};

const struct mu_profile_rules *mu_profile_rules(enum mu_profile profile);

/* The extKeyUsage of a profile as OpenSSL's XKU_* bits; 0: it has none. */
uint32_t mu_profile_purposes(enum mu_profile profile);

/* "server", "client" or "peer". Fails with MU_E_USAGE. */
MU_CHECK int mu_profile_parse(const char *name, enum mu_profile *ret, struct mu_error *err);

/*
 * Does this certificate keep the rules of its profile? The last look before a certificate leaves us, and
 * written against the certificate as it is encoded, not against what the issuing code meant to do.
 * Fails with MU_E_PROFILE, naming the rule.
 */
MU_CHECK int mu_profile_check(enum mu_profile profile, const struct mu_cert *cert,
                              const struct mu_cert *issuer, struct mu_error *err);

/* All rules but the one that the issuer's key verifies it: for a draft, whose signature is void. */
MU_CHECK int mu_profile_check_draft(enum mu_profile profile, const struct mu_cert *cert,
                                    const struct mu_cert *issuer, struct mu_error *err);

#endif
