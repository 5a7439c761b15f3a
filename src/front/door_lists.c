/* The revocation lists of doors: what is known of them, and which may take the place of which. */

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "front/door.h"
#include "front/points.h"

/* --- Loading --- */

static void find_issuer(const struct mu_crl *crl, const struct mu_certs *anchors, bool *has_list,
                        struct mu_door_list *ret)
{
    ret->by = MU_LIST_BY_OTHER;
    ret->anchor = NULL;
    for (size_t i = 0; i < anchors->count; i++) {
        if (!mu_crl_names(crl, anchors->at[i]))
            continue;
        if (mu_crl_is_signed_by(crl, anchors->at[i])) {
            has_list[i] = true;
            ret->by = MU_LIST_BY_ANCHOR;
            ret->anchor = anchors->at[i];
        } else if (ret->by == MU_LIST_BY_OTHER) {
            ret->by = MU_LIST_BY_NAMESAKE;
        }
    }
}

bool mu_door_obeys_home(const struct mu_door *door)
{
    return door->config->crl_of_home != NULL && !door->config->crl_grace_said &&
           door->config->fetch_crl.count == 0;
}

static int note_without(struct mu_door *door, const bool *has_list, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    const bool asked =
        door->list_count > 0 && !mu_door_obeys_home(door) && door->config->fetch_crl.count == 0;
    for (size_t i = 0; asked && i < door->anchors.count; i++)
        if (!has_list[i] &&
            mu_strs_add(&door->without_list, mu_cert_label(door->anchors.at[i], label)) != 0)
            return mu_fail_nomem(err);
    return 0;
}

/* What is known of the lists from `all->at[door->list_count]` on, which come from these places, or all from the one. */
static int describe(struct mu_door *door, const struct mu_crls *all, const char *path,
                    const struct mu_strs *paths, bool *has_list, struct mu_error *err)
{
    struct mu_door_list *longer = realloc(door->lists, (all->count + 1) * sizeof *longer);
    if (longer == NULL)
        return mu_fail_nomem(err);
    door->lists = longer;
    for (size_t i = 0; door->list_count < all->count; door->list_count++, i++) {
        const struct mu_crl *crl = all->at[door->list_count];
        struct mu_door_list *list = &door->lists[door->list_count];
        mu_crl_info(crl, &list->info);
        list->path = path != NULL ? path : paths->at[i];
        list->fetched = path == NULL;
        find_issuer(crl, &door->anchors, has_list, list);
    }
    return 0;
}

static bool is_complete(const struct mu_crl *crl)
{
    static const unsigned char all[sizeof(((struct mu_crl_info *)NULL)->scope)];
    struct mu_crl_info info;
    mu_crl_info(crl, &info);
    return !info.delta && memcmp(info.scope, all, sizeof all) == 0;
}

/* Who is on no list comes in there, so that another CA's in the place of its own would bring back the revoked. */
static int check_is_homes(const struct mu_door_config *config, const struct mu_crls *all,
                          struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    MU_AUTO_STRUCT(mu_cert) ca = NULL;
    if (config->crl_of_home == NULL || config->crl.count == 0)
        return 0;
    if (mu_cert_load(config->ca_of_home, &ca, err) != 0)
        return -1;
    for (size_t i = 0; i < all->count; i++)
        if (is_complete(all->at[i]) && mu_crl_is_signed_by(all->at[i], ca))
            return 0;
    mu_fail(err, MU_E_LIST, "%s: there is no complete revocation list of \"%s\" in it",
            config->crl_of_home, mu_cert_label(ca, label));
    return mu_hint(err, "make it again with: mutual crl");
}

/* libcrypto looks for lists under the name of a certificate's own issuer: whom another's names would come in without a word. */
static int check_is_direct(const char *path, const struct mu_crl *crl, struct mu_error *err)
{
    struct mu_crl_info info;
    if (!mu_crl_names_others(crl))
        return 0;
    mu_crl_info(crl, &info);
    mu_fail(
        err, MU_E_LIST,
        "%s: the revocation list of \"%s\" names certificates of other issuers (an indirect list), and such lists are not followed",
        path, info.issuer);
    return mu_hint(err, "give the lists that these issuers sign themselves");
}

static int add_files(struct mu_door *door, struct mu_crls *all, bool *has_list, struct mu_error *err)
{
    const struct mu_strs *crl = &door->config->crl;
    for (size_t i = 0; i < crl->count; i++) {
        const size_t before = all->count;
        if (mu_crls_load(crl->at[i], all, err) != 0)
            return -1;
        for (size_t j = before; j < all->count; j++)
            if (check_is_direct(crl->at[i], all->at[j], err) != 0)
                return -1;
        if (describe(door, all, crl->at[i], NULL, has_list, err) != 0)
            return -1;
    }
    return check_is_homes(door->config, all, err);
}

/* Whoever put them there has seen to it that they are what they should be. */
static int add_fetched(struct mu_door *door, struct mu_points *points, struct mu_crls *all,
                       bool *has_list, struct mu_error *err)
{
    return points == NULL ? 0
           : mu_points_lists(points, door->config->crl_grace_s == MU_CRL_GRACE_OPEN, all,
                             &door->fetched, err) != 0
               ? -1
               : describe(door, all, NULL, &door->fetched, has_list, err);
}

static int make_lists(struct mu_door *door, struct mu_points *points, const struct mu_crls *all,
                      struct mu_error *err)
{
    struct mu_tls_list_source source;
    if (points != NULL && mu_points_source(points, &door->config->fetch_crl, &source, err) != 0)
        return -1;
    return mu_tls_lists_new(all, &door->anchors, door->config->crl_grace_s,
                            points == NULL ? NULL : &source, &door->revoked, err);
}

int mu_door_load_lists(struct mu_door *door, struct mu_points *points, struct mu_error *err)
{
    const struct mu_door_config *config = door->config;
    MU_AUTO_CLEAR(mu_crls) all = {0};
    if (config->fetch_crl.count == 0)
        points = NULL;
    if (config->crl.count == 0 && points == NULL)
        return 0;
    bool *has_list = calloc(door->anchors.count + 1, sizeof *has_list);
    if (has_list == NULL)
        return mu_fail_nomem(err);
    int result = add_files(door, &all, has_list, err);
    if (result == 0)
        result = add_fetched(door, points, &all, has_list, err);
    if (result == 0)
        result = note_without(door, has_list, err);
    free(has_list);
    return result != 0 ? -1 : make_lists(door, points, &all, err);
}

void mu_door_clear_lists(struct mu_door *door)
{
    free(door->lists);
    mu_strs_clear(&door->fetched);
    mu_strs_clear(&door->without_list);
    mu_tls_lists_unref(door->revoked);
    mu_tls_lists_unref(door->responders.lists);
}

bool mu_doors_fetch_lists(const struct mu_doors *doors)
{
    for (size_t i = 0; i < doors->count; i++)
        if (doors->at[i].config->fetch_crl.count > 0)
            return true;
    return false;
}

bool mu_doors_ask_responders(const struct mu_doors *doors)
{
    for (size_t i = 0; i < doors->count; i++)
        if (doors->at[i].config->fetch_ocsp.count > 0)
            return true;
    return false;
}

void mu_doors_drop_lists(struct mu_doors *doors)
{
    for (size_t i = 0; i < doors->count; i++) {
        mu_tls_lists_unref(doors->at[i].revoked);
        doors->at[i].revoked = NULL;
    }
}

/* --- Taking the place of others --- */

/* CAs may have one name, and one place for their lists. */
static bool may_be_of_one_ca(const struct mu_door_list *a, const struct mu_door_list *b)
{
    return mu_str_equal(a->info.issuer, b->info.issuer) &&
           (a->anchor == NULL || b->anchor == NULL || mu_cert_same_key(a->anchor, b->anchor));
}

/* Two lists for the same certificates, from the same file. What is fetched has been compared with what was there before by whoever has
 * taken it, for its CA alone. */
static bool stand_for_each_other(const struct mu_door_list *a, const struct mu_door_list *b)
{
    return !a->fetched && !b->fetched && mu_str_equal(a->path, b->path) && may_be_of_one_ca(a, b) &&
           a->info.delta == b->info.delta &&
           memcmp(a->info.scope, b->info.scope, sizeof a->info.scope) == 0;
}

static bool has_list_by(const struct mu_door *door, const struct mu_cert *anchor)
{
    for (size_t i = 0; i < door->list_count; i++)
        if (door->lists[i].anchor != NULL && !door->lists[i].fetched &&
            mu_cert_same_key(door->lists[i].anchor, anchor))
            return true;
    return false;
}

static int check_list(const struct mu_door *door, const struct mu_door_list *list,
                      const struct mu_door_list *before, struct mu_error *err)
{
    if (list->by == MU_LIST_BY_NAMESAKE && before->by == MU_LIST_BY_ANCHOR &&
        !has_list_by(door, before->anchor))
        return mu_fail(
            err, MU_E_LIST,
            "%s: the revocation list of \"%s\" is not signed by that CA, as the one before was",
            list->path, list->info.issuer);
    return list->by != before->by
               ? 0
               : mu_crl_check_age(list->path, &list->info, &before->info, time(NULL), err);
}

/* Doors may have changed their order; files are what they were. */
static int check_against(const struct mu_door *door, const struct mu_door_list *list,
                         const struct mu_doors *before, struct mu_error *err)
{
    for (size_t i = 0; i < before->count; i++)
        for (size_t j = 0; j < before->at[i].list_count; j++)
            if (stand_for_each_other(list, &before->at[i].lists[j]) &&
                check_list(door, list, &before->at[i].lists[j], err) != 0)
                return -1;
    return 0;
}

/* --- A list that has gone --- */

static bool shares_file(const struct mu_door *a, const struct mu_door *b)
{
    for (size_t i = 0; i < a->config->crl.count; i++)
        for (size_t j = 0; j < b->config->crl.count; j++)
            if (mu_str_equal(a->config->crl.at[i], b->config->crl.at[j]))
                return true;
    return false;
}

static bool has_word(const struct mu_strs *list, const char *word)
{
    for (size_t i = 0; i < list->count; i++)
        if (mu_str_equal(list->at[i], word))
            return true;
    return false;
}

static bool has_list_of(const struct mu_door *door, const char *ca)
{
    char label[MU_CERT_LABEL_LEN];
    for (size_t i = 0; door->list_count > 0 && i < door->anchors.count; i++)
        if (mu_str_equal(mu_cert_label(door->anchors.at[i], label), ca))
            return !has_word(&door->without_list, ca);
    return false;
}

/* Without the home's list nobody would be on one. */
static bool has_lost_homes(const struct mu_door *door, const struct mu_door *before)
{
    return door->config->crl_of_home != NULL && door->config->crl.count == 0 &&
           before->config->crl.count > 0 && before->config->crl_of_home != NULL &&
           mu_str_equal(door->config->crl_of_home, before->config->crl_of_home);
}

static int check_homes(const struct mu_door *door, const struct mu_doors *before,
                       struct mu_error *err)
{
    for (size_t i = 0; i < before->count; i++)
        if (has_lost_homes(door, &before->at[i])) {
            mu_fail(err, MU_E_LIST, "%s: the CA's revocation list has gone",
                    door->config->crl_of_home);
            return mu_hint(err, "make it again with: mutual crl");
        }
    return 0;
}

/* Where a CA without a list lets everybody in (crl_grace: open), another CA's list in the place of its own would bring back the revoked. */
static int check_none_is_lost(const struct mu_door *door, const struct mu_doors *before,
                              struct mu_error *err)
{
    for (size_t i = 0; i < door->without_list.count; i++)
        for (size_t j = 0; j < before->count; j++)
            if (shares_file(door, &before->at[j]) &&
                has_list_of(&before->at[j], door->without_list.at[i]))
                return mu_fail(
                    err, MU_E_LIST,
                    "%s: there is no revocation list of \"%s\" any more, as there was before",
                    door->config->crl.at[0], door->without_list.at[i]);
    return 0;
}

int mu_doors_check_lists(const struct mu_doors *doors, const struct mu_doors *before,
                         struct mu_error *err)
{
    for (size_t i = 0; before != NULL && i < doors->count; i++) {
        for (size_t j = 0; j < doors->at[i].list_count; j++)
            if (check_against(&doors->at[i], &doors->at[i].lists[j], before, err) != 0)
                return -1;
        if (check_none_is_lost(&doors->at[i], before, err) != 0 ||
            check_homes(&doors->at[i], before, err) != 0)
            return -1;
    }
    return 0;
}
