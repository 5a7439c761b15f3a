#include "pki/ossl.h"

#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>

int mu_fail_openssl(struct mu_error *err, enum mu_code code, const char *format, ...)
{
    char what[MU_ERROR_WHAT_LEN];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    mu_fail(err, code, "%s", what);

    const char *data = NULL;
    int flags = 0;
    unsigned long e = ERR_get_error_all(NULL, NULL, NULL, &data, &flags);
    const char *reason = e == 0 ? NULL : ERR_reason_error_string(e);
    if (reason != NULL && data != NULL && *data != '\0' && (flags & ERR_TXT_STRING) != 0)
        mu_cause(err, "%s (%s)", reason, data);
    else if (reason != NULL)
        mu_cause(err, "%s", reason);
    ERR_clear_error();
    return -1;
}

time_t mu_time_from_asn1(const ASN1_TIME *t)
{
    struct tm tm;
    return t != NULL && ASN1_TIME_to_tm(t, &tm) == 1 ? timegm(&tm) : 0;
}
