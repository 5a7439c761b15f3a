#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

int mu_secret_set(struct mu_secret *ret, const void *data, size_t len, struct mu_error *err)
{
    ret->data = malloc(len + 1);
    if (ret->data == NULL)
        return mu_fail_nomem(err);
    if (len > 0)
        memcpy(ret->data, data, len);
    ret->data[len] = '\0';
    ret->len = len;
    return 0;
}

void mu_secret_clear(struct mu_secret *secret)
{
    if (secret->data != NULL)
        explicit_bzero(secret->data, secret->len);
    free(secret->data);
    *secret = (struct mu_secret){0};
}
