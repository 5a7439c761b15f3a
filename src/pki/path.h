#ifndef MU_PKI_PATH_H
#define MU_PKI_PATH_H

/*
 * Every way from a certificate to an anchor, one after the other: where CAs have signed for each other, or have
 * a certificate twice, one way may fail and another hold. OpenSSL builds one and stays with it. [RFC 4158]
 *
 * A certificate leads to another if that one has the name of its issuer and a key that verifies its signature.
 * The key identifiers are a hint of what to try first, as they are meant to be. [RFC 5280 4.2.1.1] Short ways come
 * before longer ones.
 *
 * Whoever sends the certificates chooses how many ways there are, so the work is bounded, whatever they are.
 */

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "pki/cert.h"

enum {
    MU_PATH_CAS_MAX = 16, /* CAs between the leaf and the anchor, unless fewer are asked for */
    MU_PATH_SIGNATURES_MAX =
        256,               /* that the search verifies; none is verified twice by the same key */
    MU_PATH_WAYS_MAX = 64, /* that are offered in full */
    MU_PATH_STEPS_MAX = 65536,            /* from a certificate to one that might have issued it */
    MU_PATH_LOOKS_MAX = 16 * 1024 * 1024, /* at a certificate that might be one of these */
};

/* What the search has cost so far. */
struct mu_path_work {
    size_t signatures, ways, steps, looks;
    bool exhausted; /* a bound was met, and there may be more ways */
    bool cut;       /* a way was longer than it may be */
};

/*
 * Called with each way, leaf first, anchor last (one certificate, if the leaf is an anchor). Both are borrowed. True: this
 * is the one, look no further. `arg` is the caller's.
 */
typedef bool mu_path_fn(X509 *const *path, size_t len, void *arg);

/*
 * Search. `cas_max` is how many CAs may stand between the leaf and the anchor, at most MU_PATH_CAS_MAX.
 * Fails with MU_E_NOMEM only: that there is no way is seen in `ret`.
 */
MU_CHECK int mu_path_search(X509 *leaf, const struct mu_certs *anchors,
                            const struct mu_certs *untrusted, int cas_max, mu_path_fn *offer,
                            void *arg, struct mu_path_work *ret, struct mu_error *err);

#endif
