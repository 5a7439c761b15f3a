#ifndef MU_FRONT_ACCESS_H
#define MU_FRONT_ACCESS_H

/*
 * Who may come in: rules, and the verdict on an identity. Pure: no connection, no clock, no file. docs/design/access.md tells
 * why it is as it is.
 *
 * How to use it, wherever there is a door's rules and a verified certificate:
 *
 *     struct mu_access_verdict verdict;
 *     const struct mu_identity *who = mu_identity_of(mu_conn_client(conn));    (NULL: it has no certificate)
 *     if (!mu_access_judge(&door->config->access, who, &verdict))
 *         mu_access_refusal(&verdict, who, &refusal);    (the words for the log)
 *
 * The same rules give the same verdict on the same identity, today and tomorrow: when doors are replaced, whoever the old
 * rules let in and the new ones do not is who has to go.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "pki/identity.h"
#include "pki/pattern.h"
#include "tls/refusal.h"

/* What a term looks at. */
enum mu_access_kind {
    MU_ACCESS_CN,
    MU_ACCESS_OU,
    MU_ACCESS_DNS,
    MU_ACCESS_URI,
    MU_ACCESS_EMAIL,
    MU_ACCESS_IP,
    MU_ACCESS_FINGERPRINT, /* of the certificate, SHA-256 */
    MU_ACCESS_PIN,         /* of its public key, SHA-256 */
    MU_ACCESS_ISSUER,
    MU_ACCESS_SERIAL,
    MU_ACCESS_ALL,       /* whoever has a certificate that the door's CAs vouch for */
    MU_ACCESS_ANONYMOUS, /* whoever has none */
    MU_ACCESS_NONE,      /* nobody, as where only routes let anybody in */
};

/*
 * One term of a rule, KIND=PATTERN, or a word that stands alone:
 *   dns=*.example.com      `*` is any text within a label, `**` any text, `?` one character; .example.com: the domain
 *   uri=spiffe://example.org/web-*     `*` stops at a slash
 *   email=*@example.com    the host as in dns
 *   ip=10.0.0.0/8          a block of addresses, or one
 *   cn=web-*  ou=ops       `*` is any text
 *   issuer=Home CA         the issuer's CN; with a "=" in it, its whole name: issuer=CN=Home CA,O=*
 *   serial=1A2B  fingerprint=AB:CD:...  pin=sha256//BASE64    pin and fingerprint also in plain hexadecimal
 *   all  anonymous  none
 * All but issuer are of the client's own certificate. Patterns are those of pki/pattern.h.
 */
struct mu_access_term {
    enum mu_access_kind kind;
    char *text; /* as it was written */
    struct mu_pattern pattern;
    char serial[MU_SERIAL_TEXT_LEN];
    unsigned char sha256[32];
};

struct mu_access_list {
    struct mu_access_term *at;
    size_t count;
};

/* The rules of a door, or of one of its routes. All zero is a door that has none: it lets in whoever has a certificate. */
struct mu_access {
    const char *id;                /* "door", "route-2", or as its owner calls it; NULL: "door" */
    const struct mu_access *above; /* a route's door; NULL: this is a door */
    struct mu_access_list allow,
        deny; /* an `allow` without terms is not there, and the one above counts */
};

/* Add a term. Fails with MU_E_USAGE, saying what is wrong with it and how it is written. */
MU_CHECK int mu_access_list_add(struct mu_access_list *list, const char *text, struct mu_error *err);
void mu_access_list_clear(struct mu_access_list *list);

/* Is one of its terms of this kind? */
bool mu_access_list_has(const struct mu_access_list *list, enum mu_access_kind kind);
/* Its terms as they were written, ", " between them and as much as fits. Returns `ret`. */
char *mu_access_list_text(const struct mu_access_list *list, char *ret, size_t cap);

enum mu_access_reason {
    MU_ACCESS_YES,
    MU_ACCESS_DENIED,         /* a term of a `deny` names it */
    MU_ACCESS_NOT_ALLOWED,    /* no term of the `allow` does */
    MU_ACCESS_NO_CERTIFICATE, /* likewise, and it has no certificate */
    MU_ACCESS_UNCLEAR, /* there is a `deny`, and names that could not be read: one may be what is denied */
};

struct mu_access_verdict {
    enum mu_access_reason reason;
    const struct mu_access *by;        /* whose rule it was; borrowed */
    const struct mu_access_term *term; /* that matched; NULL: none did, or there is no rule */
};

/*
 * May `who` (NULL: a client without a certificate) come in? First every `deny`, of the door and then of the route: one
 * term that matches is enough to be kept out. Then the route's `allow`, or else the door's: one is enough to be let in.
 * Where there is none at all, a certificate is.
 */
bool mu_access_judge(const struct mu_access *access, const struct mu_identity *who,
                     struct mu_access_verdict *ret);

/* "route-2.deny.1", "door.allow", "door": which rule decided, for a log and for the client. Returns `ret`. */
enum { MU_ACCESS_ID_LEN = 128 };
char *mu_access_rule_id(const struct mu_access_verdict *verdict, char ret[MU_ACCESS_ID_LEN]);

/* The refusal for a log: "the client is known as cn=web; allowed are dns=api.example.com (door.allow)". */
void mu_access_refusal(const struct mu_access_verdict *verdict, const struct mu_identity *who,
                       struct mu_refusal *ret);

#endif
