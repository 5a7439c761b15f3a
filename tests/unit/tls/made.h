#ifndef TEST_TLS_MADE_H
#define TEST_TLS_MADE_H

/* CAs and certificates for a conversation in memory. */

#include "../check.h"

#include "pki/issue.h"

#define DAYS(n) (INT64_C(86400) * (n))
#define MADE_AT                                                                                    \
    ((time_t)946684800) /* 2000-01-01, and good for a century, whatever the clock says */

struct identity {
    struct mu_key *key;
    struct mu_cert *cert;
};

static inline struct identity make_ca(const char *name)
{
    struct mu_error err = MU_ERROR_INIT;
    struct identity made = {0};
    unsigned char serial[MU_SERIAL_LEN];
    assert_worked(mu_key_generate("p256", &made.key, &err), &err);
    assert_worked(mu_serial_make(serial, &err), &err);
    assert_worked(mu_issue_root(made.key, name, serial, MADE_AT, DAYS(36500), 0, NULL, &made.cert,
                                &err),
                  &err);
    return made;
}

/* `crl_url`: where its CA's list is said to be; NULL: nowhere. */
static inline struct identity make_leaf_of(const struct identity *ca, enum mu_profile profile,
                                           const char *name, int64_t lifetime_s, const char *crl_url)
{
    struct mu_error err = MU_ERROR_INIT;
    struct identity made = {0};
    MU_AUTO_CLEAR(mu_names) names = {0};
    assert_worked(mu_key_generate("p256", &made.key, &err), &err);
    assert_worked(mu_names_set_main(&names, name, false, &err), &err);
    struct mu_issue issue = {
        .profile = profile,
        .key = made.key,
        .names = &names,
        .now = MADE_AT,
        .lifetime_s = lifetime_s,
        .pointers = {.crl_url = crl_url},
    };
    assert_worked(mu_serial_make(issue.serial, &err), &err);
    assert_worked(mu_issue_leaf(ca->cert, ca->key, &issue, &made.cert, &err), &err);
    return made;
}

static inline struct identity make_leaf(const struct identity *ca, enum mu_profile profile,
                                        const char *name, int64_t lifetime_s)
{
    return make_leaf_of(ca, profile, name, lifetime_s, NULL);
}

static inline void free_identity(struct identity *identity)
{
    mu_key_free(identity->key);
    mu_cert_free(identity->cert);
}

#endif
