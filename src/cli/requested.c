#include "cli/requested.h"

#include <stdlib.h>
#include <strings.h>

#include "cli/print.h"
#include "pki/csr.h"

static bool has_san(const struct mu_names *names, const char *text)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcasecmp(names->san[i].value, text) == 0)
            return true;
    return false;
}

/*
 * The names of the certificate: those of the request. One with a CN alone, as hand-made requests are, gets
 * that name as a SAN, too. A CN that is not among the SANs would be a second, unchecked name for a server, and
 * is left out there.
 */
static int settle_names(const struct mu_csr *csr, enum mu_profile profile, struct mu_names *ret,
                        struct mu_error *err)
{
    bool free_text = mu_profile_rules(profile)->free_text_name;
    MU_AUTO_CLEAR(mu_names) asked = {0};
    if (mu_csr_names(csr, &asked, err) != 0)
        return -1;
    if (asked.count == 0 && asked.cn == NULL) {
        mu_fail(err, MU_E_NAME, "the request has no name");
        return mu_hint(err, "have it made again with: mutual request NAME");
    }
    if (asked.count == 0) {
        if (mu_names_set_main(ret, asked.cn, free_text, err) == 0)
            return 0;
        return mu_hint(err,
                       "a %s needs a DNS name or an IP address; for a person, say --profile client",
                       mu_profile_rules(profile)->name);
    }
    if (asked.cn != NULL && !free_text && !has_san(&asked, asked.cn)) {
        mu_note("the common name \"%s\" is not among the alternative names, and is left out",
                asked.cn);
        free(asked.cn);
        asked.cn = NULL;
    }
    *ret = asked;
    asked = (struct mu_names){0};
    return 0;
}

int mu_request_read(const char *path, enum mu_profile profile, struct mu_names *ret_names,
                    struct mu_key **ret_key, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_csr) csr = NULL;
    if (mu_csr_load(path, &csr, err) != 0 || mu_csr_verified_key(csr, ret_key, err) != 0 ||
        settle_names(csr, profile, ret_names, err) != 0)
        return -1;
    if (mu_csr_asks_for_ca(csr))
        mu_warn("%s asks for the certificate of a CA, and is taken for that of a %s; a CA's is signed with "
                "--profile ca",
                path, mu_profile_rules(profile)->name);
    return 0;
}
