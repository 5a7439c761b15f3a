#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct code_info {
    const char *id;
    int exit_status;
    const char *hint;
};

static const struct code_info codes[MU_CODE_COUNT] = {
    [MU_OK] = {"ok", 0, "nothing to do"},
#define MU_E(code, id, exit_status, hint) [MU_E_##code] = {id, exit_status, hint},
#include "base/errors.def"
#undef MU_E
};

static void MU_PRINTF(3, 0)
    fill(struct mu_error *err, enum mu_code code, const char *format, va_list args)
{
    err->code = code;
    err->cause[0] = '\0';
    err->why[0] = '\0';
    snprintf(err->hint, sizeof err->hint, "%s", codes[code].hint);
    vsnprintf(err->what, sizeof err->what, format, args);
}

int mu_fail(struct mu_error *err, enum mu_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, code, format, args);
    va_end(args);
    return -1;
}

int mu_fail_errno(struct mu_error *err, enum mu_code code, const char *format, ...)
{
    int saved = errno;
    va_list args;
    va_start(args, format);
    fill(err, code, format, args);
    va_end(args);
    mu_cause(err, "%s", strerror(saved));
    errno = saved;
    return -1;
}

int mu_fail_nomem(struct mu_error *err)
{
    return mu_fail(err, MU_E_NOMEM, "there is not enough memory");
}

int mu_hint(struct mu_error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(err->hint, sizeof err->hint, format, args);
    va_end(args);
    return -1;
}

int mu_cause(struct mu_error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(err->cause, sizeof err->cause, format, args);
    va_end(args);
    return -1;
}

static const struct code_info *info_of(enum mu_code code)
{
    return &codes[(unsigned)code < MU_CODE_COUNT ? code : MU_E_SYSTEM];
}

const char *mu_code_id(enum mu_code code)
{
    return info_of(code)->id;
}

int mu_code_exit(enum mu_code code)
{
    return info_of(code)->exit_status;
}

const char *mu_code_hint(enum mu_code code)
{
    return info_of(code)->hint;
}
