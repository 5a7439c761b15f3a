#ifndef MU_PKI_PEM_H
#define MU_PKI_PEM_H

/*
 * Where the PEM blocks of a text begin and end. Only the lines around a block are read here, so that an
 * error can say which line; what stands between them is OpenSSL's to decode. [RFC 7468]
 */

#include <stddef.h>

#include "base/error.h"

#define MU_PEM_LABEL_LEN 64

struct mu_pem {
    const char *at; /* from the first dash of BEGIN to the end of the END line; borrowed from the text */
    size_t len;
    int line;                     /* of BEGIN, from 1 */
    char label[MU_PEM_LABEL_LEN]; /* "CERTIFICATE", printable */
};

/* How far a text has been read. Start with text and end set, line 1. */
struct mu_pem_reader {
    const char *name; /* of the text, for errors */
    const char *at, *end;
    int line;
};

/*
 * The next block. Returns 1, or 0 when there is none left. Text between blocks is passed over.
 * Fails with MU_E_DAMAGED: cut off, two blocks joined on one line, line breaks lost, ends as another kind.
 */
MU_CHECK int mu_pem_next(struct mu_pem_reader *reader, struct mu_pem *ret, struct mu_error *err);

/* The line of the first character in a block that cannot stand in base64, or 0: all could. */
int mu_pem_strange_line(const struct mu_pem *block);

#endif
