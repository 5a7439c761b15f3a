#include "front/who.h"

#include <stdlib.h>
#include <time.h>

#include "base/str.h"
#include "pki/info.h"

void mu_who_read(const struct mu_cert *client, struct mu_who *ret)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    *ret = (struct mu_who){.subject = ""};
    if (client == NULL || mu_cert_info_read(client, time(NULL), &info, &err) != 0)
        return;
    mu_str_copy(ret->subject, sizeof ret->subject, info.subject);
    if (info.san.count > 0)
        mu_str_copy(ret->san, sizeof ret->san, info.san.at[0]);
}

const struct mu_who *mu_who_keep(struct mu_who **kept, const struct mu_cert *client)
{
    if (*kept == NULL && (*kept = malloc(sizeof **kept)) != NULL)
        mu_who_read(client, *kept);
    return *kept;
}
