/* Request targets: whatever is sent, the path that is looked up stays below the directory. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "front/site.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *target = malloc(size + 1);
    char *path = malloc(size + 1);
    if (target == NULL || path == NULL)
        abort();
    memcpy(target, data, size);
    target[size] = '\0';
    if (mu_target_path(target, path)) {
        if (path[0] == '/' || strlen(path) > strlen(target) || strstr(path, "//") != NULL)
            abort();
        for (char *part = strtok(path, "/"); part != NULL; part = strtok(NULL, "/"))
            if (strcmp(part, "..") == 0)
                abort();
    }
    free(target);
    free(path);
    return 0;
}
