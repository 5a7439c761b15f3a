#ifndef TEST_PKI_DATA_H
#define TEST_PKI_DATA_H

/* What the tests of this room share: cmocka, and the files that tests/data/make.sh makes. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "pki/cert.h"
#include "pki/object.h"

/* The time by which everything is judged: 2026-06-01 00:00 UTC. */
#define NOW ((time_t)1780272000)

static inline const char *data_path(const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", MU_TEST_DATA, name);
    return path;
}

static inline struct mu_cert *load_cert(const char *name)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_cert *cert = NULL;
    char file[128];
    snprintf(file, sizeof file, "certs/%s.crt", name);
    if (mu_cert_load(data_path(file), &cert, &err) != 0)
        fail_msg("%s: %s", err.what, err.cause);
    return cert;
}

#ifndef TEST_CHECK_H /* which has this, and more */
static inline void assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, part);
}
#endif

#endif
