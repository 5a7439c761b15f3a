/*
 * Policies: whatever stands in the file, it is a policy or an error with its place; what is a policy judges any order.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "authority/authority.h"
#include "authority/policy.h"
#include "base/time.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct mu_key *make_key(void)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_key *key = NULL;
    if (mu_key_generate("p256", &key, &err) != 0)
        abort();
    return key;
}

static void check_ruling(const struct mu_policy *policy, const struct mu_order *order)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_ruling) ruling = {0};
    if (mu_policy_judge(policy, order, &ruling, &err) != 0)
        abort();
    bool allowed = true;
    for (size_t i = 0; i < ruling.count; i++)
        allowed = allowed && ruling.findings[i].allowed;
    int result = mu_ruling_check(&ruling, policy, order, &err);
    if (allowed != ruling.allowed || (result == 0) != allowed)
        abort();
    if (allowed && (ruling.lifetime_s <= 0 || ruling.lifetime_s > ruling.rules->longest_lifetime_s))
        abort();
    if (!allowed && (err.what[0] == '\0' || err.hint[0] == '\0'))
        abort();
}

static void judge(const struct mu_policy *policy)
{
    static struct mu_key *key;
    static const int64_t lifetimes_s[] = {0, 1, 90 * MU_DAY_S, MU_LIFETIME_MAX_S};
    struct mu_san san[] = {{MU_SAN_DNS, (char *)"*.a.example"},
                           {MU_SAN_IP, (char *)"10.0.0.1"},
                           {MU_SAN_URI, (char *)"spiffe://a/b"},
                           {MU_SAN_EMAIL, (char *)"a@b.example"}};
    const struct mu_names names = {(char *)"Alice Example", san, MU_COUNT(san)};
    if (key == NULL)
        key = make_key();
    for (int profile = 0; profile < MU_POLICY_PROFILES; profile++)
        for (size_t i = 0; i < MU_COUNT(lifetimes_s); i++)
            check_ruling(policy, &(struct mu_order){.profile = (enum mu_profile)profile,
                                                    .key = key,
                                                    .names = &names,
                                                    .lifetime_s = lifetimes_s[i]});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_policy) policy = NULL;
    if (mu_policy_parse("p", (const char *)data, size, &policy, &err) == 0)
        judge(policy);
    else if (policy != NULL || err.what[0] == '\0' || err.hint[0] == '\0' ||
             (err.code == MU_E_POLICY_FILE && strncmp(err.what, "p:", 2) != 0))
        abort();
    return 0;
}
