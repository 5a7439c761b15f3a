#ifndef MU_PKI_CIDR_H
#define MU_PKI_CIDR_H

/* A block of IP addresses, as 10.0.0.0/8 or fd00::/8. [RFC 4632 3.1, RFC 4291 2.3] */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct mu_cidr {
    size_t len; /* of the address in octets: 4 or 16 */
    unsigned char address[16];
    unsigned bits; /* that all addresses of the block share */
};

/*
 * "ADDRESS/BITS", or an address alone, which is a block of one; brackets around IPv6 are allowed. Bits of the
 * address beyond BITS have to be zero: 10.0.0.1/8 leaves open what was meant.
 * Fails with MU_E_NAME, saying what is wrong and what to write instead.
 */
MU_CHECK int mu_cidr_parse(const char *text, struct mu_cidr *ret, struct mu_error *err);

/* Is this address, as text, in the block? An IPv4 address in its IPv6 form (::ffff:10.0.0.1) is an IPv6 address. */
bool mu_cidr_has(const struct mu_cidr *cidr, const char *address);

/* As in a certificate: the address, then its mask, both `len` octets. [RFC 5280 4.2.1.10] */
void mu_cidr_to_octets(const struct mu_cidr *cidr, unsigned char ret[32]);

/* Those 8 or 32 octets as text: "10.0.0.0/8"; ADDRESS/MASK where the mask has gaps. Returns `ret`. */
#define MU_CIDR_TEXT_LEN 96
char *mu_cidr_octets_text(const unsigned char *octets, size_t len, char ret[MU_CIDR_TEXT_LEN]);

#endif
