/* Configurations: whatever stands in the file, it is one whose doors have what they need, or an error with its place. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "front/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_config) config = NULL;
    if (mu_config_parse("d/c", (const char *)data, size, &config, &err) != 0) {
        if (config != NULL || err.hint[0] == '\0' || strncmp(err.what, "d/c", 3) != 0)
            abort();
        return 0;
    }
    if (config->door_count == 0 || config->workers == 0)
        abort();
    for (size_t i = 0; i < config->door_count; i++)
        if (config->doors[i].listen.count == 0 || config->doors[i].trust.count == 0 ||
            config->doors[i].certificate == NULL)
            abort();
    return 0;
}
