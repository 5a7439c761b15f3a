/* Messages that people paste: whatever they are, no cause is named twice, and none that there is not. */
#include <stdint.h>
#include <stdlib.h>

#include "explain/said.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mu_said said;
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_buf) kept = MU_BUF_INIT;
    mu_said_without_keys((const char *)data, size, &kept);
    if (mu_said_find((const char *)data, size, &said, &err) != 0)
        return 0;
    if ((said.who == NULL) != (said.count == 0) || said.count > MU_SAID_CAUSES_MAX ||
        said.line_len > size)
        abort();
    for (size_t i = 0; i < said.count; i++)
        for (size_t k = 0; k <= i; k++)
            if (said.causes[i] >= MU_CAUSE_COUNT || (k < i && said.causes[k] == said.causes[i]))
                abort();
    return 0;
}
