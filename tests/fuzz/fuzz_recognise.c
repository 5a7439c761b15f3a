/*
 * Files that people ask about: whatever the bytes, something is said of them, in one line that no terminal obeys, and what is
 * found in them is never more than what a second look finds.
 */
#include <stdint.h>
#include <stdlib.h>

#include "explain/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            abort();
}

static void recognise(const uint8_t *data, size_t size, enum mu_role role, bool by_name)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_report) report = {0};
    MU_AUTO_CLEAR(mu_file) file = {0};
    const struct mu_reading how = {.role = role, .by_name = by_name};
    if (mu_file_recognise("client.crt", data, size, &how, &file, &report, &err) != 0 ||
        mu_file_judge_role(&file, NULL, &report, &err) != 0)
        abort(); /* a bad file is no failure */
    mu_report_finish(&report);
    check(file.what);
    for (size_t i = 0; i < report.count; i++) {
        check(report.findings[i].sentence);
        check(report.findings[i].remedy);
    }
    if (file.objects.count == 0 && report.count == 0)
        abort(); /* nothing in it, and not a word */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    recognise(data, size, MU_ROLE_CERT, false);
    recognise(data, size, MU_ROLE_KEY, true);
    return 0;
}
