#include "pki/cidr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static int fail_cidr(struct mu_error *err, const char *text, const char *why)
{
    char shown[256];
    mu_str_printable(text, strlen(text), shown, sizeof shown);
    mu_fail(err, MU_E_NAME, "\"%s\" is no block of IP addresses: %s", shown, why);
    return mu_hint(err, "write it as 10.0.0.0/8, fd00::/8 or 192.0.2.1");
}

/* Octets of an address in text, 4 or 16; 0: it is none. */
static size_t read_address(const char *text, size_t text_len, unsigned char ret[16])
{
    char bare[INET6_ADDRSTRLEN];
    if (text_len >= 2 && text[0] == '[' && text[text_len - 1] == ']') {
        text++;
        text_len -= 2;
    }
    if (text_len >= sizeof bare)
        return 0;
    memcpy(bare, text, text_len);
    bare[text_len] = '\0';
    return inet_pton(AF_INET, bare, ret) == 1 ? 4 : inet_pton(AF_INET6, bare, ret) == 1 ? 16 : 0;
}

/* The octet at `i` of a mask of so many bits. */
static unsigned char mask_octet(unsigned bits, size_t i)
{
    unsigned before = (unsigned)i * 8;
    return bits >= before + 8 ? 0xff
           : bits <= before   ? 0
                              : (unsigned char)(0xff << (8 - (bits - before)));
}

static void text_of(const unsigned char *address, size_t len, char ret[INET6_ADDRSTRLEN])
{
    *ret = '\0';
    inet_ntop(len == 4 ? AF_INET : AF_INET6, address, ret, INET6_ADDRSTRLEN);
}

static int check_rest(const struct mu_cidr *cidr, const char *text, struct mu_error *err)
{
    unsigned char block[16];
    char address[INET6_ADDRSTRLEN];
    for (size_t i = 0; i < cidr->len; i++)
        block[i] = cidr->address[i] & mask_octet(cidr->bits, i);
    if (memcmp(block, cidr->address, cidr->len) == 0)
        return 0;
    fail_cidr(err, text, "the address goes on behind the bits that the block has in common");
    text_of(block, cidr->len, address);
    return mu_hint(err,
                   "for the block write %s/%u; for the one address leave out what follows the /",
                   address, cidr->bits);
}

int mu_cidr_parse(const char *text, struct mu_cidr *ret, struct mu_error *err)
{
    struct mu_cidr cidr = {0};
    size_t address_len = strcspn(text, "/");
    const char *bits = text[address_len] == '/' ? text + address_len + 1 : NULL;
    cidr.len = read_address(text, address_len, cidr.address);
    if (cidr.len == 0)
        return fail_cidr(err, text, "it does not begin with an IP address");
    cidr.bits = (unsigned)cidr.len * 8;
    if (bits != NULL) {
        size_t digits = strspn(bits, "0123456789");
        unsigned long number = strtoul(bits, NULL, 10);
        if (digits == 0 || digits > 3 || bits[digits] != '\0' || number > cidr.bits)
            return fail_cidr(err, text,
                             cidr.len == 4 ? "after the / comes a number from 0 to 32"
                                           : "after the / comes a number from 0 to 128");
        cidr.bits = (unsigned)number;
    }
    if (check_rest(&cidr, text, err) != 0)
        return -1;
    *ret = cidr;
    return 0;
}

bool mu_cidr_has(const struct mu_cidr *cidr, const char *address)
{
    unsigned char octets[16];
    if (read_address(address, strlen(address), octets) != cidr->len)
        return false;
    for (size_t i = 0; i < cidr->len; i++)
        if ((octets[i] & mask_octet(cidr->bits, i)) != cidr->address[i])
            return false;
    return true;
}

void mu_cidr_to_octets(const struct mu_cidr *cidr, unsigned char ret[32])
{
    memcpy(ret, cidr->address, cidr->len);
    for (size_t i = 0; i < cidr->len; i++)
        ret[cidr->len + i] = mask_octet(cidr->bits, i);
}

char *mu_cidr_octets_text(const unsigned char *octets, size_t len, char ret[MU_CIDR_TEXT_LEN])
{
    char address[INET6_ADDRSTRLEN], mask[INET6_ADDRSTRLEN];
    size_t half = len / 2;
    unsigned bits = 0;
    while (bits < half * 8 && (octets[half + bits / 8] & (0x80u >> bits % 8)) != 0)
        bits++;
    text_of(octets, half, address);
    text_of(octets + half, half, mask);
    bool whole = true;
    for (size_t i = 0; i < half; i++)
        whole = whole && octets[half + i] == mask_octet(bits, i);
    if (whole)
        snprintf(ret, MU_CIDR_TEXT_LEN, "%s/%u", address, bits);
    else
        snprintf(ret, MU_CIDR_TEXT_LEN, "%s/%s", address, mask);
    return ret;
}
