#include "front/points_judge.h"

#include <string.h>
#include <time.h>

#include "pki/object.h"

static int parse(const char *url, const struct mu_buf *bytes, struct mu_crl **ret,
                 struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    if (mu_objects_parse(url, bytes->data, bytes->len, &objects, err) != 0)
        return -1;
    if (objects.count != 1 || objects.at[0].crl == NULL)
        return mu_fail(err, MU_E_LIST, "what is at %s is not one revocation list", url);
    *ret = mu_take(&objects.at[0].crl);
    return 0;
}

/* The CA has signed lists for other certificates as well: such a one must not take the place of one that still counts. */
static int check_kind(const struct mu_points_asked *asked, const struct mu_crl_info *info,
                      struct mu_error *err)
{
    const struct mu_crl_info *before = asked->before;
    const bool same =
        info->delta == before->delta && memcmp(info->scope, before->scope, sizeof info->scope) == 0;
    if (same)
        return mu_crl_check_age(asked->url, info, before, time(NULL), err);
    if (before->next_update == 0 || before->next_update > time(NULL))
        return mu_fail(err, MU_E_LIST,
                       "the revocation list at %s is for other certificates than the one before",
                       asked->url);
    return 0;
}

int mu_points_judge(const struct mu_points_asked *asked, const struct mu_buf *bytes,
                    struct mu_crl **ret, struct mu_crl_info *ret_info, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    MU_AUTO_STRUCT(mu_crl) crl = NULL;
    if (parse(asked->url, bytes, &crl, err) != 0)
        return -1;
    if (!mu_crl_may_be_by(asked->issuer) || !mu_crl_is_signed_by(crl, asked->issuer))
        return mu_fail(err, MU_E_LIST, "the revocation list at %s is not signed by \"%s\"",
                       asked->url, mu_cert_label(asked->issuer, label));
    mu_crl_info(crl, ret_info);
    if (asked->before != NULL && check_kind(asked, ret_info, err) != 0)
        return -1;
    *ret = mu_take(&crl);
    return 0;
}
