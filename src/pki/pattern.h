#ifndef MU_PKI_PATTERN_H
#define MU_PKI_PATTERN_H

/*
 * Which names a rule allows, one line of it:
 *   DNS:api.example.com      that name;  `?` is one character and `*` any number of them within a label,
 *   DNS:*.example.com        `**` any number of anything
 *   DNS:.example.com         the domain: that name and all below it
 *   IP:10.0.0.0/8            a block of addresses, or one
 *   email:*@example.com      the host as a DNS name, above; email:.example.com is any mailbox in that domain
 *   URI:spiffe://x/web-*     `*` stops at a slash
 *   CN:* Example             a common name that is none of the alternative names, such as a person's
 * Without a kind in front it is guessed, as for names. A wildcard name is allowed by what allows all names that it
 * stands for.
 */

#include <stdbool.h>

#include "base/error.h"
#include "base/macros.h"
#include "pki/cidr.h"
#include "pki/name.h"

/* The kinds of enum mu_san_kind, and one more. */
enum { MU_PATTERN_CN = MU_SAN_EMAIL + 1 };

struct mu_pattern {
    int kind;
    char *mailbox; /* of an e-mail address; NULL: any */
    char *glob;    /* the host of an e-mail address; the whole of the others; NULL: an IP */
    bool domain;   /* `glob` is a domain: that name and those below it */
    struct mu_cidr cidr;
};

/* Clear `ret` afterwards, even on failure. Fails with MU_E_NAME, saying what is wrong with it. */
MU_CHECK int mu_pattern_parse(const char *text, struct mu_pattern *ret, struct mu_error *err);
void mu_pattern_clear(struct mu_pattern *pattern);
MU_AUTO_DEFINE_CLEAR(mu_pattern, mu_pattern_clear)

/* `kind` is an enum mu_san_kind or MU_PATTERN_CN; `name` a name as struct mu_names has it. */
bool mu_pattern_admits(const struct mu_pattern *pattern, int kind, const char *name);

#endif
