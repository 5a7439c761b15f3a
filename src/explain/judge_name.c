/* A host's name that is not in the certificate: which of the ways to miss it is this? */

#include "explain/judge_matter.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "pki/info.h"

static bool is_address(const char *host)
{
    unsigned char address[16];
    char bare[64];
    mu_str_copy(bare, sizeof bare, host[0] == '[' ? host + 1 : host);
    bare[strcspn(bare, "]")] = '\0';
    return inet_pton(AF_INET, bare, address) == 1 || inet_pton(AF_INET6, bare, address) == 1;
}

static bool has_name(const struct mu_cert_info *info, const char *kind, const char *name)
{
    char wanted[300];
    snprintf(wanted, sizeof wanted, "%s:%s", kind, name);
    for (size_t i = 0; i < info->san.count; i++)
        if (strcasecmp(info->san.at[i], wanted) == 0)
            return true;
    return false;
}

/* The host as it would be if a wildcard stood for anything: a.b.example.com, and example.com itself, for *.example.com. */
static bool is_near(const char *pattern, const char *host)
{
    const char *behind = strrchr(pattern, '*');
    if (behind == NULL)
        return false;
    behind++;
    size_t before = strcspn(pattern, "*"), len = strlen(host), after = strlen(behind);
    if (*behind == '.' && strcasecmp(host, behind + 1) == 0)
        return true;
    return len > before + after && strncasecmp(host, pattern, before) == 0 &&
           strcasecmp(host + len - after, behind) == 0;
}

/* The name with a wildcard that the host just misses, or NULL. */
static const char *missed_wildcard(const struct mu_cert_info *info, const char *host)
{
    for (size_t i = 0; i < info->san.count; i++) {
        const char *name = info->san.at[i];
        if (mu_str_starts_with(name, "DNS:") && is_near(name + strlen("DNS:"), host))
            return name + strlen("DNS:");
    }
    return NULL;
}

/* One label that it stands for, and it is refused all the same: *.localhost and a.localhost. */
static bool is_too_wide(const char *pattern, const char *host)
{
    return pattern[0] == '*' && strcasecmp(host + strcspn(host, "."), pattern + 1) == 0;
}

static const char *why_no_match(const char *pattern, const char *host)
{
    if (is_too_wide(pattern, host))
        return pattern[1] == '.'
                   ? "; a wildcard needs two labels behind it, as in *.example.com; Go and Java make do with less"
                   : "; a wildcard needs two labels behind it, as in *.example.com; Go makes do with less";
    if (!mu_str_starts_with(pattern, "*.") || strchr(pattern + 1, '*') != NULL)
        return "; a wildcard has to be the whole first label, and the only one";
    return "; a wildcard stands for exactly one label";
}

int mu_matter_tell_name(struct mu_matter *matter, struct mu_error *err)
{
    const struct mu_cert *leaf = matter->how->presented->at[0];
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    const char *host = matter->host;
    if (mu_cert_info_read(leaf, matter->how->at, &info, err) != 0)
        return -1;
    bool by_cn = info.san.count == 0 && strcasecmp(info.cn, host) == 0;
    enum mu_cause_id cause = by_cn                          ? MU_CAUSE_server_no_san
                             : !is_address(host)            ? MU_CAUSE_server_name_mismatch
                             : has_name(&info, "DNS", host) ? MU_CAUSE_server_ip_written_as_dns
                                                            : MU_CAUSE_server_ip_not_in_san;
    const char *pattern =
        cause == MU_CAUSE_server_name_mismatch ? missed_wildcard(&info, host) : NULL;
    if (pattern != NULL)
        cause = MU_CAUSE_server_wildcard_mismatch;
    struct mu_finding finding = mu_matter_about(matter, cause, leaf, 0);
    if (by_cn && is_address(host)) /* curl alone takes an address in CN */
        finding.refused_by = (1u << MU_STACK_COUNT) - 1;
    if (pattern != NULL && is_too_wide(pattern, host))
        finding.refused_by &= ~(1u << MU_STACK_GO | (pattern[1] == '.' ? 1u << MU_STACK_JAVA : 0));
    const char *why = pattern != NULL ? why_no_match(pattern, host)
                      : cause == MU_CAUSE_server_ip_written_as_dns
                          ? "; the address has to be an IP entry, not a DNS one"
                          : "";
    return mu_report_add(matter->report, &finding, err, "%s%s%s%s",
                         mu_matter_file(matter->how->file, ""),
                         matter->how->file != NULL ? ": " : "", matter->verdict.sentence, why);
}
