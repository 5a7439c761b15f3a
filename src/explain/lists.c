#include "explain/lists.h"

#include "base/str.h"
#include "base/time.h"
#include "pki/crl.h"

enum { LISTS_MAX = 64 }; /* of one file */

struct list {
    const struct mu_lists *all;
    const struct mu_crl *crl;
    const struct mu_file *file;
    struct mu_crl_info info;
    struct mu_report *report;
};

static bool is_stale(const struct mu_crl_info *info, time_t at)
{
    return info->next_update != 0 && info->next_update < at;
}

static struct mu_finding about(const struct list *list, enum mu_cause_id cause,
                               enum mu_gravity gravity)
{
    return mu_finding_of(cause, gravity, MU_PHASE_CLIENT, list->file->name, NULL, NULL);
}

/* Has the same CA a newer one here? Then nobody minds the old one. */
static bool is_replaced(const struct list *list)
{
    for (size_t i = 0; i < list->all->count; i++) {
        struct mu_crl *crls[LISTS_MAX];
        size_t count = mu_file_crls(&list->all->files[i], crls, LISTS_MAX);
        for (size_t k = 0; k < count; k++) {
            struct mu_crl_info other;
            mu_crl_info(crls[k], &other);
            if (mu_str_equal(other.issuer, list->info.issuer) && !other.delta &&
                !is_stale(&other, list->all->at))
                return true;
        }
    }
    return false;
}

static int check_date(const struct list *list, struct mu_error *err)
{
    char date[MU_DATE_LEN], ago[MU_SPAN_LEN];
    struct mu_finding finding = about(list, MU_CAUSE_crl_expired, MU_GRAVITY_FAULT);
    if (!is_stale(&list->info, list->all->at) || is_replaced(list))
        return 0;
    return mu_report_add(
        list->report, &finding, err,
        "%s: the revocation list of \"%.200s\" is out of date: the next one was due on %s, %s",
        list->file->name, list->info.issuer, mu_date(list->info.next_update, date),
        mu_relative(list->info.next_update, list->all->at, ago));
}

/* Every certificate is known from one of the files. */
static const struct mu_file *file_of(const struct mu_lists *all, const struct mu_cert *cert)
{
    size_t i = 0;
    while (i + 1 < all->count && !mu_certs_hold(&all->files[i].certs, cert))
        i++;
    return &all->files[i];
}

static int tell_revoked(const struct list *list, const struct mu_cert *cert, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    const struct mu_file *file = file_of(list->all, cert);
    bool client = mu_file_side(file, cert, list->all->at) == MU_PURPOSE_CLIENT;
    enum mu_cause_id cause = mu_cert_is_ca(cert) ? MU_CAUSE_intermediate_revoked
                             : client            ? MU_CAUSE_client_cert_revoked
                                                 : MU_CAUSE_server_cert_revoked;
    struct mu_finding finding =
        mu_finding_of(cause, MU_GRAVITY_FAULT, client ? MU_PHASE_CLIENT : MU_PHASE_SERVER,
                      file->name, mu_cert_label(cert, label), NULL);
    mu_str_copy(finding.subject, sizeof finding.subject, label);
    return mu_report_add(list->report, &finding, err, "%s: \"%.200s\" has been revoked, says %s",
                         finding.file, label, list->file->name);
}

static int check_entries(const struct list *list, struct mu_error *err)
{
    for (size_t i = 0; i < list->all->known->count; i++)
        if (mu_crl_has(list->crl, list->all->known->at[i]) &&
            tell_revoked(list, list->all->known->at[i], err) != 0)
            return -1;
    return 0;
}

static bool is_about_any(const struct mu_crl *crl, const struct mu_certs *known)
{
    for (size_t i = 0; i < known->count; i++)
        if (mu_crl_names(crl, known->at[i]))
            return true;
    return false;
}

/* CAs are here, and none of the lists is one of theirs. */
static bool are_all_strange(const struct mu_lists *all)
{
    bool any_ca = false;
    for (size_t i = 0; i < all->known->count; i++)
        any_ca = any_ca || mu_cert_is_ca(all->known->at[i]);
    for (size_t i = 0; any_ca && i < all->count; i++) {
        struct mu_crl *crls[LISTS_MAX];
        size_t count = mu_file_crls(&all->files[i], crls, LISTS_MAX);
        for (size_t k = 0; k < count; k++)
            if (is_about_any(crls[k], all->known))
                return false;
    }
    return any_ca;
}

static int check_list(const struct list *list, struct mu_error *err)
{
    bool namesake = false, signer = false;
    for (size_t k = 0; k < list->all->known->count; k++) {
        namesake = namesake || mu_crl_names(list->crl, list->all->known->at[k]);
        signer = signer || mu_crl_is_signed_by(list->crl, list->all->known->at[k]);
    }
    if (check_date(list, err) != 0)
        return -1;
    struct mu_finding finding = about(list, MU_CAUSE_crl_bad_signature, MU_GRAVITY_FAULT);
    if (namesake && !signer)
        return mu_report_add(
            list->report, &finding, err,
            "%s: the revocation list of \"%.200s\" is not signed by the key that this CA has now",
            list->file->name, list->info.issuer);
    finding = about(list, MU_CAUSE_crl_wrong_issuer, MU_GRAVITY_SUSPICIOUS);
    if (are_all_strange(list->all) &&
        mu_report_add(list->report, &finding, err,
                      "%s: the revocation list is that of \"%.200s\", and no CA here has this name",
                      list->file->name, list->info.issuer) != 0)
        return -1;
    return check_entries(list, err);
}

int mu_check_lists(const struct mu_lists *lists, struct mu_report *report, struct mu_error *err)
{
    for (size_t i = 0; i < lists->count; i++) {
        struct mu_crl *crls[LISTS_MAX];
        size_t count = mu_file_crls(&lists->files[i], crls, LISTS_MAX);
        for (size_t k = 0; k < count; k++) {
            struct list list = {.all = lists,
                                .crl = crls[k],
                                .file = &lists->files[i],
                                .report = report};
            mu_crl_info(crls[k], &list.info);
            if (check_list(&list, err) != 0)
                return -1;
        }
    }
    return 0;
}
