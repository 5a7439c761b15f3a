#ifndef MU_FRONT_TOLD_H
#define MU_FRONT_TOLD_H

/*
 * What a backend is told of a client's certificate, as lines of a request's head. A client's own headers of these names never
 * come through, whatever is told (http/relay.h).
 */

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"
#include "pki/identity.h"

enum mu_told {
    MU_TOLD_CERT = 1,  /* Client-Cert [RFC 9440 2.2] */
    MU_TOLD_CHAIN = 2, /* Client-Cert-Chain: the CAs between it and the root [RFC 9440 2.3] */
    MU_TOLD_XFCC = 4,  /* X-Forwarded-Client-Cert, in Envoy's syntax: By, Hash, Subject, URI, DNS */
    MU_TOLD_XFCC_CERT = 8, /* and in that Cert and Chain, too */
    MU_TOLD_SUBJECT = 16,  /* X-Client-Subject: RFC 4514 */
    MU_TOLD_FINGERPRINT =
        32, /* X-Client-Fingerprint: SHA-256 of the certificate in lower-case hexadecimal */
    MU_TOLD_URI = 64,         /* X-Client-URI: one line for each */
    MU_TOLD_THUMBPRINT = 128, /* X-Client-Thumbprint: x5t#S256 [RFC 8705 3.1] */
};

/* One of them by the name of its header, in any case; X-Forwarded-Client-Cert+Cert for one with certificates in it. False: it
 * is none of them. */
bool mu_told_parse(const char *text, unsigned *ret);
/* Those names, ", " between them. */
extern const char mu_told_names[];
/* Those of `told`; false: there are none. */
bool mu_told_list(unsigned told, struct mu_strs *ret);

struct mu_told_about {
    const struct mu_identity *who; /* NULL: it has no certificate, and nothing is told */
    const struct mu_certs *chain; /* its certificate, and those that lead to the root, without that */
    const struct mu_identity *door; /* whose certificate the client was shown */
};

/* Add lines, each ended by CRLF. What `about` says has been verified. */
void mu_told_write(unsigned told, const struct mu_told_about *about, struct mu_buf *ret);

#endif
