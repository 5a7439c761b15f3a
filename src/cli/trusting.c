#include "cli/trusting.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"
#include "cli/credentials.h"
#include "cli/issuing.h"
#include "cli/print.h"
#include "pki/info.h"

void mu_trusting_clear(struct mu_trusting *trusting)
{
    mu_certs_clear(&trusting->anchors);
    mu_trust_stores_clear(&trusting->stores);
    free(trusting->standings);
    *trusting = (struct mu_trusting){0};
}

/* --- Which roots --- */

/* Programs build chains up to a root: what is not one would be installed in vain. */
static int add_roots(const char *path, struct mu_certs *ret, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_certs) all = {0};
    char label[MU_CERT_LABEL_LEN];
    size_t before = ret->count;
    if (mu_certs_load(path, NULL, &all, err) != 0)
        return -1;
    for (size_t i = 0; i < all.count; i++)
        if (mu_cert_is_ca(all.at[i]) && mu_cert_is_signed_by(all.at[i], all.at[i]) &&
            !mu_certs_hold(ret, all.at[i]) && mu_certs_add(ret, mu_cert_ref(all.at[i]), err) != 0)
            return -1;
    if (ret->count > before)
        return 0;
    mu_fail(err, MU_E_CA_UNFIT, "%s holds the certificate of \"%s\", which is not a root", path,
            mu_cert_label(all.at[0], label));
    return mu_hint(err, "name the certificate of the root above it with --cacert FILE");
}

static int load_anchors(const struct mu_args *args, struct mu_certs *ret, struct mu_error *err)
{
    char path[MU_PATH_LEN];
    const char *given;
    for (int i = 0; (given = mu_args_nth(args, "cacert", i)) != NULL; i++)
        if (add_roots(given, ret, err) != 0)
            return -1;
    if (ret->count > 0)
        return 0;
    return mu_need_anchor_path(args, path, err) != 0 ? -1 : add_roots(path, ret, err);
}

/* --- Which stores --- */

static bool is_wanted(const struct mu_args *args, enum mu_trust_kind kind)
{
    const char *only;
    for (int i = 0; (only = mu_args_nth(args, "only", i)) != NULL; i++)
        if (mu_str_equal(only, mu_trust_kind_name(kind)))
            return true;
    return !mu_args_given(args, "only");
}

static int check_only(const struct mu_args *args, struct mu_error *err)
{
    enum mu_trust_kind kind;
    const char *only;
    for (int i = 0; (only = mu_args_nth(args, "only", i)) != NULL; i++)
        if (!mu_trust_kind_parse(only, &kind))
            return mu_usage(err, args, "--only takes system, nss or java, not \"%s\"", only);
    return 0;
}

static const char *set_or_null(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value == '/' ? value : NULL;
}

static int find_stores(const struct mu_args *args, struct mu_trust_stores *ret, struct mu_error *err)
{
    for (int kind = 0; kind < MU_TRUST_KINDS; kind++)
        if (is_wanted(args, (enum mu_trust_kind)kind) &&
            mu_trust_find((enum mu_trust_kind)kind, set_or_null("HOME"), set_or_null("JAVA_HOME"),
                          ret, err) != 0)
            return -1;
    return 0;
}

/* --- How they stand --- */

void mu_standing_read(const struct mu_trusting *trusting, struct mu_standing *standing)
{
    struct mu_error failure = MU_ERROR_INIT;
    bool failed = mu_trust_read(standing->store, &trusting->anchors, &failure) != 0;
    for (size_t i = 0; i < trusting->count; i++) {
        struct mu_standing *one = &trusting->standings[i];
        if (one->store != standing->store)
            continue;
        one->state = mu_trust_state(one->store, one->anchor, &one->entry);
        one->is_unreadable = failed;
        if (failed && one->failure.code == MU_OK)
            one->failure = failure;
    }
}

bool mu_standing_is_trusted(const struct mu_standing *standing)
{
    return standing->is_here &&
           (standing->state == MU_TRUST_INSTALLED || standing->state == MU_TRUST_OTHERWISE);
}

/* What was asked for by name has to be there. */
static void tell_missing(const struct mu_args *args, struct mu_standing *standing)
{
    const struct mu_trust_store *store = standing->store;
    standing->state = MU_TRUST_ABSENT;
    if (store->place[0] != '\0') {
        mu_fail(&standing->failure, MU_E_NOT_FOUND, "%s is there, but not %s", store->place,
                store->missing);
        mu_hint(&standing->failure, "install the program, then run this again");
    } else if (mu_args_given(args, "only")) {
        mu_fail(&standing->failure, MU_E_NOT_FOUND, "there is %s", store->missing);
        mu_hint(&standing->failure, "leave --only %s out", mu_trust_kind_name(store->kind));
    }
}

int mu_trusting_load(const struct mu_args *args, struct mu_trusting *ret, struct mu_error *err)
{
    if (check_only(args, err) != 0 || load_anchors(args, &ret->anchors, err) != 0 ||
        find_stores(args, &ret->stores, err) != 0)
        return -1;
    ret->standings = calloc(ret->stores.count * ret->anchors.count, sizeof *ret->standings);
    if (ret->standings == NULL)
        return mu_fail_nomem(err);
    for (size_t i = 0; i < ret->stores.count; i++)
        for (size_t j = 0; j < ret->anchors.count; j++) {
            struct mu_trust_store *store = &ret->stores.at[i];
            struct mu_standing *standing = &ret->standings[ret->count++];
            standing->store = store;
            standing->anchor = ret->anchors.at[j];
            standing->is_here = store->place[0] != '\0' && store->program[0] != '\0';
            mu_cert_fingerprint(standing->anchor, standing->sha256);
        }
    for (size_t i = 0; i < ret->count; i++)
        if (!ret->standings[i].is_here)
            tell_missing(args, &ret->standings[i]);
        else if (i % ret->anchors.count == 0) /* the first of its store */
            mu_standing_read(ret, &ret->standings[i]);
    return 0;
}

/* --- Telling --- */

const char *mu_standing_label(const struct mu_standing *standing)
{
    static const char *const labels[] = {"system", "NSS", "Java"};
    return labels[standing->store->kind];
}

static const char *state_id(const struct mu_standing *standing)
{
    if (standing->store->place[0] == '\0')
        return "no-store";
    if (!standing->is_here)
        return "no-program";
    if (standing->is_unreadable)
        return "unreadable";
    return mu_trust_state_name(standing->state);
}

static void show_standing(const struct mu_standing *standing)
{
    const struct mu_trust_store *store = standing->store;
    const char *label = mu_standing_label(standing);
    const char *name = standing->entry != NULL ? standing->entry->name : "";
    if (store->place[0] == '\0') {
        mu_fact(label, "not here: %s", store->missing);
        return;
    }
    if (!standing->is_here) {
        mu_fact(label, "cannot be read: %s\nwithout %s", store->place, store->missing);
        return;
    }
    switch (standing->state) {
    case MU_TRUST_INSTALLED: mu_fact(label, "installed: %s\nas %s", store->place, name); break;
    case MU_TRUST_OTHERWISE:
        mu_fact(label, "trusted, but not by mutual: %s\nas %s", store->place,
                *name != '\0' ? name : store->bundle);
        break;
    case MU_TRUST_IDLE:
        mu_fact(label, "there, but not in force: %s\nas %s", store->place, name);
        break;
    case MU_TRUST_OTHER_CA:
        mu_fact(label, "another CA of the same name: %s\nas %s", store->place,
                *name != '\0' ? name : store->bundle);
        break;
    case MU_TRUST_ABSENT:
        mu_fact(label, standing->is_unreadable ? "cannot be read: %s" : "absent: %s", store->place);
        break;
    }
}

/* "system  installed: PLACE as NAME", under a line for each anchor. */
static void show(const struct mu_trusting *trusting)
{
    for (size_t i = 0; i < trusting->anchors.count; i++) {
        const struct mu_cert *anchor = trusting->anchors.at[i];
        char label[MU_CERT_LABEL_LEN], date[MU_DATE_LEN], sha256[MU_SHA256_LEN];
        time_t end = mu_cert_not_after(anchor);
        printf("\"%s\"\n", mu_cert_label(anchor, label));
        mu_fact("SHA-256", "%s", mu_cert_fingerprint(anchor, sha256));
        mu_fact(end < time(NULL) ? "expired" : "expires", "%s", mu_date(end, date));
        for (size_t j = i; j < trusting->count; j += trusting->anchors.count)
            show_standing(&trusting->standings[j]);
    }
}

static json_t *anchor_json(const struct mu_cert *anchor)
{
    char label[MU_CERT_LABEL_LEN], name[MU_TRUST_NAME_LEN], sha256[MU_SHA256_LEN],
        date[MU_DATE_LEN];
    return json_pack("{s:s, s:s, s:s, s:s}", "name", mu_cert_label(anchor, label), "sha256",
                     mu_cert_fingerprint(anchor, sha256), "entry", mu_trust_name(anchor, name),
                     "not_after", mu_date_rfc3339(mu_cert_not_after(anchor), date));
}

/* Of other CAs with the same name: what they are called in this store. */
static json_t *others_json(const struct mu_standing *standing)
{
    json_t *others = json_array();
    for (size_t i = 0; i < standing->store->entry_count; i++) {
        const struct mu_trust_entry *entry = &standing->store->entries[i];
        char sha256[MU_SHA256_LEN];
        if (entry->in_force && mu_cert_same_subject(entry->cert, standing->anchor) &&
            !mu_str_equal(mu_cert_fingerprint(entry->cert, sha256), standing->sha256))
            json_array_append_new(others, json_pack("{s:s, s:b}", "sha256", sha256, "by_mutual",
                                                    (int)mu_trust_is_ours(entry)));
    }
    return others;
}

static json_t *standing_json(const struct mu_standing *standing)
{
    const struct mu_trust_store *store = standing->store;
    char place[2 * MU_PATH_LEN], name[1024];
    bool has_name = standing->entry != NULL && standing->entry->name[0] != '\0';
    mu_str_printable(store->place, strlen(store->place), place, sizeof place);
    if (has_name)
        mu_str_printable(standing->entry->name, strlen(standing->entry->name), name, sizeof name);
    json_t *json =
        json_pack("{s:s, s:s?, s:s?, s:s, s:s, s:s?, s:b, s:b, s:o}", "kind",
                  mu_trust_kind_name(store->kind), "place", *place != '\0' ? place : NULL,
                  "program", store->program[0] != '\0' ? store->program : NULL, "anchor",
                  standing->sha256, "state", state_id(standing), "entry", has_name ? name : NULL,
                  "trusted", (int)mu_standing_is_trusted(standing), "changed",
                  (int)standing->changed, "others", others_json(standing));
    if (standing->failure.code != MU_OK)
        json_object_set_new(json, "error", mu_error_json(&standing->failure));
    return json;
}

/* {"anchors": [...], "stores": [...]}, one of these for each store and anchor. Given. */
static json_t *to_json(const struct mu_trusting *trusting)
{
    json_t *anchors = json_array(), *stores = json_array();
    for (size_t i = 0; i < trusting->anchors.count; i++)
        json_array_append_new(anchors, anchor_json(trusting->anchors.at[i]));
    for (size_t i = 0; i < trusting->count; i++)
        json_array_append_new(stores, standing_json(&trusting->standings[i]));
    return json_pack("{s:o, s:o}", "anchors", anchors, "stores", stores);
}

/* --- Changes --- */

/* Firefox's "primary password" is one. Without a terminal to ask on, certutil goes on without it, or tries an empty one. */
static bool needs_password(const struct mu_standing *standing)
{
    return standing->store->kind == MU_TRUST_NSS &&
           (strstr(standing->failure.cause, "BAD_PASSWORD") != NULL ||
            strstr(standing->failure.cause, "TOKEN_NOT_LOGGED_IN") != NULL);
}

bool mu_standing_change(const struct mu_trusting *trusting, struct mu_standing *standing,
                        const struct mu_trust_step *step)
{
    if (mu_trust_carry_out(step, &standing->failure) != 0 && needs_password(standing))
        mu_hint(&standing->failure,
                "the database has a password: run this from a terminal, where certutil asks for it");
    standing->changed = standing->failure.code == MU_OK;
    mu_standing_read(trusting, standing); /* what has failed may be half done */
    return standing->failure.code == MU_OK;
}

static void add_cacert(const char *path, struct mu_buf *ret)
{
    char real[PATH_MAX];
    mu_buf_adds(ret, " --cacert ");
    mu_add_shell_word(ret, realpath(path, real) != NULL ? real : path);
}

/* The command line that does the rest with root's rights, who may have another home: so the root is named. */
static void add_command(const struct mu_args *args, const char *verb,
                        const struct mu_standing *standing, struct mu_buf *ret)
{
    char program[PATH_MAX], file[MU_PATH_LEN];
    struct mu_error none = MU_ERROR_INIT;
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    program[len < 0 ? 0 : len] = '\0';
    mu_buf_adds(ret, "sudo ");
    mu_add_shell_word(ret, len > 0 ? program : "mutual");
    mu_buf_addf(ret, " trust %s%s --only %s", verb, mu_args_given(args, "older") ? " --older" : "",
                mu_trust_kind_name(standing->store->kind));
    const char *given = mu_args_nth(args, "cacert", 0);
    if (given == NULL && mu_need_anchor_path(args, file, &none) == 0)
        add_cacert(file, ret);
    for (int i = 0; (given = mu_args_nth(args, "cacert", i)) != NULL; i++)
        add_cacert(given, ret);
}

bool mu_standing_may_change(const struct mu_args *args, const char *verb,
                            struct mu_standing *standing)
{
    MU_AUTO_CLEAR(mu_buf) command = MU_BUF_INIT;
    if (standing->failure.code != MU_OK)
        return false;
    if (standing->store->writable)
        return true;
    mu_fail(&standing->failure, MU_E_IO, "%s can be changed by root only", standing->store->place);
    add_command(args, verb, standing, &command);
    mu_hint(&standing->failure, "run: %s", mu_buf_str(&command));
    return false;
}

void mu_trust_step_show(const struct mu_trust_step *step)
{
    char shown[2 * MU_PATH_LEN];
    if (step->write_file[0] != '\0')
        fprintf(stderr, "    write %s\n",
                mu_str_printable(step->write_file, strlen(step->write_file), shown, sizeof shown));
    if (step->remove_file[0] != '\0')
        fprintf(stderr, "    remove %s\n",
                mu_str_printable(step->remove_file, strlen(step->remove_file), shown, sizeof shown));
    fprintf(stderr, "    run");
    for (size_t i = 0; i < step->argv.count; i++) {
        MU_AUTO_CLEAR(mu_buf) word = MU_BUF_INIT;
        mu_add_shell_word(&word, step->argv.at[i]);
        fprintf(stderr, " %s", mu_str_printable(mu_buf_str(&word), word.len, shown, sizeof shown));
    }
    fprintf(stderr, step->reads_pem ? " < the certificate\n" : "\n");
}

/* A root that was replaced stays as powerful as it was, wherever it was installed. */
static void tell_others(const struct mu_trusting *trusting, const struct mu_trust_store *store)
{
    for (size_t i = 0; i < store->entry_count; i++) {
        const struct mu_trust_entry *entry = &store->entries[i];
        if (!entry->in_force || mu_certs_hold(&trusting->anchors, entry->cert))
            continue;
        mu_note("%s trusts another CA of the same name, as %s%s", store->place,
                entry->name[0] != '\0' ? entry->name : store->bundle,
                mu_trust_is_ours(entry) ? "; to take it out: mutual trust uninstall --older" : "");
    }
}

int mu_trusting_finish(const struct mu_args *args, const struct mu_trusting *trusting)
{
    bool failed = false, json = mu_args_json(args);
    if (json)
        mu_print_json(to_json(trusting));
    else
        show(trusting);
    for (size_t i = 0; i < trusting->stores.count && !json; i++)
        tell_others(trusting, &trusting->stores.at[i]);
    for (size_t i = 0; i < trusting->count; i++) {
        const struct mu_standing *standing = &trusting->standings[i];
        failed = failed || standing->failure.code != MU_OK;
        if (standing->failure.code != MU_OK && !json)
            mu_print_error(&standing->failure, false);
    }
    return failed ? 1 : 0;
}
