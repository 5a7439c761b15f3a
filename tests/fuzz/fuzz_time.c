/* Times and durations from a command line: what is accepted can be written and read again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/time.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_date(const char *text)
{
    struct mu_error err = MU_ERROR_INIT;
    char shown[MU_DATE_LEN], span[MU_SPAN_LEN];
    time_t t, again;
    if (mu_date_parse(text, &t, &err) != 0)
        return;
    mu_date(t, shown);
    mu_relative(t, 0, span);
    mu_relative(0, t, span);
    mu_date_rfc3339(t, shown);
    if (strlen(shown) == strlen("2031-01-01T00:00:00Z") && shown[0] != '@' &&
        (mu_date_parse(shown, &again, &err) != 0 || again != t))
        abort();
}

static void try_duration(const char *text)
{
    struct mu_error err = MU_ERROR_INIT;
    char span[MU_SPAN_LEN];
    int64_t span_s;
    if (mu_duration_parse(text, &span_s, &err) != 0)
        return;
    if (span_s <= 0 || span_s > 1000 * 365 * MU_DAY_S)
        abort();
    mu_span(span_s, span);
    if (span[0] == '\0' || mu_str_equal(span, "0 seconds"))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = calloc(1, size + 1);
    if (text == NULL)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    try_date(text);
    try_duration(text);
    free(text);
    return 0;
}
