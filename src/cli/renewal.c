#include "cli/renewal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "base/swap.h"
#include "base/time.h"
#include "cli/issuing.h"
#include "cli/passphrase.h"
#include "cli/print.h"
#include "pki/issue.h"
#include "pki/key.h"
#include "pki/token.h"

/* --- What there is --- */

void mu_renewed_clear(struct mu_renewed *renewed)
{
    mu_bundle_clear(&renewed->cert_bundle);
    mu_bundle_clear(&renewed->key_bundle);
    mu_cert_info_clear(&renewed->old);
    mu_cert_info_clear(&renewed->new);
    mu_names_clear(&renewed->names);
    mu_key_free(renewed->new_key);
    mu_key_free(renewed->kept_key);
    mu_secret_clear(&renewed->passphrase);
    mu_cert_free(renewed->cert);
    mu_ruling_clear(&renewed->ruling);
}

/*
 * The file itself, behind symbolic links: they stay, and what they lead to is replaced. A link that a killed
 * renewal has left is none of these, and is settled before anything is read.
 */
static int find_file(const char *path, char ret[MU_PATH_LEN], struct mu_error *err)
{
    enum { LINKS_MAX = 40 };
    char target[MU_PATH_LEN], dir[MU_PATH_LEN];
    if (!mu_str_copy(ret, MU_PATH_LEN, path))
        return mu_fail(err, MU_E_NOT_FOUND, "the path %.200s... is too long", path);
    for (int i = 0; i < LINKS_MAX; i++) {
        if (mu_swap_settle(ret, err) != 0)
            return -1;
        ssize_t len = readlink(ret, target, sizeof target - 1);
        if (len < 0)
            return 0; /* no link; what else is wrong with it is told when it is read */
        target[len] = '\0';
        char *slash = strrchr(ret, '/');
        if (*target == '/' || slash == NULL) {
            mu_str_copy(ret, MU_PATH_LEN, target);
            continue;
        }
        *slash = '\0';
        mu_str_copy(dir, sizeof dir, ret);
        if (mu_path_join(dir, target, ret, err) != 0)
            return -1;
    }
    errno = ELOOP;
    return mu_fail_errno(err, MU_E_IO, "cannot read %s", path);
}

/* NAME.key for NAME.crt, or for any other ending. */
static int default_key_path(const char *cert_path, char ret[MU_PATH_LEN], struct mu_error *err)
{
    const char *slash = strrchr(cert_path, '/'), *dot = strrchr(cert_path, '.');
    const char *base = slash == NULL ? cert_path : slash + 1;
    int len = (int)(dot != NULL && dot > base ? (size_t)(dot - cert_path) : strlen(cert_path));
    if (snprintf(ret, MU_PATH_LEN, "%.*s.key", len, cert_path) >= MU_PATH_LEN)
        return mu_fail(err, MU_E_NOT_FOUND, "the path %.200s... is too long", cert_path);
    return 0;
}

int mu_renewed_load(const struct mu_args *args, const char *given, time_t now,
                    struct mu_renewed *ret, struct mu_error *err)
{
    const char *key = mu_args_value(args, "key");
    struct mu_passphrase_source source = mu_passphrase_source(args);
    char label[MU_CERT_LABEL_LEN];
    ret->given = given;
    if (find_file(given, ret->cert_file, err) != 0 ||
        mu_bundle_load(ret->cert_file, given, &source, &ret->cert_bundle, err) != 0)
        return -1;
    snprintf(ret->cert_path, sizeof ret->cert_path, "%s", given);
    if (ret->cert_bundle.leaf == NULL)
        return mu_fail(err, MU_E_WRONG_KIND, "%s holds %s, not a certificate", given,
                       mu_object_kind_name(ret->cert_bundle.objects.at[0].kind));
    const struct mu_cert *leaf = ret->cert_bundle.leaf->cert;
    if (mu_cert_is_ca(leaf)) {
        mu_fail(err, MU_E_PROFILE,
                "%s holds the certificate of a CA, \"%s\", which is not renewed so", given,
                mu_cert_label(leaf, label));
        return mu_hint(err, "name the certificate of a server or a client");
    }
    if (key != NULL)
        snprintf(ret->key_path, sizeof ret->key_path, "%s", key);
    else if (ret->cert_bundle.key == NULL && default_key_path(given, ret->key_path, err) != 0)
        return -1;
    return mu_cert_info_read(leaf, now, &ret->old, err);
}

/* --- What comes in its place --- */

/* The same names. A certificate from elsewhere may have its only name in its CN, which is no name for a server. */
static int settle_names(struct mu_renewed *renewed, struct mu_error *err)
{
    bool free_text = mu_profile_rules(renewed->renewal.profile)->free_text_name;
    MU_AUTO_CLEAR(mu_names) old = {0};
    if (mu_names_from_cert(renewed->cert_bundle.leaf->cert, &old, err) != 0)
        return -1;
    if (old.count == 0 && old.cn == NULL)
        return mu_fail(err, MU_E_NAME, "the certificate in %s has no name", renewed->given);
    if (old.count == 0)
        return mu_names_set_main(&renewed->names, old.cn, free_text, err);
    bool in_san = false;
    for (size_t i = 0; i < old.count; i++)
        in_san = in_san || (old.cn != NULL && strcasecmp(old.san[i].value, old.cn) == 0);
    if (!in_san && !free_text)
        free(mu_take(&old.cn));
    renewed->names = old;
    old = (struct mu_names){0};
    return 0;
}

/* By the records, or where there are none by what the certificate says itself. */
static int find_renewal(const struct mu_args *args, const struct mu_signer *signer,
                        struct mu_renewed *renewed, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN], ca_label[MU_CERT_LABEL_LEN];
    const struct mu_cert *leaf = renewed->cert_bundle.leaf->cert;
    const struct mu_cert *ca = mu_signer_cert(signer);
    const char *profile = mu_args_value(args, "profile");
    if (signer->authority != NULL)
        return mu_renewal_find(mu_authority_store(signer->authority), leaf, &renewed->renewal, err);
    if (!mu_cert_is_signed_by(leaf, ca)) {
        mu_fail(err, MU_E_NOT_FOUND, "\"%s\" is not renewed: \"%s\" has not issued it",
                mu_cert_label(leaf, label), mu_cert_label(ca, ca_label));
        return mu_hint(err, "see who issued it with: mutual inspect");
    }
    return profile != NULL ? mu_profile_parse(profile, &renewed->renewal.profile, err)
                           : mu_renewal_profile(&renewed->old, &renewed->renewal.profile, err);
}

/* As long as before, but no longer than the policy allows by now. notBefore lies back a little, which is no part of
 * what was asked for. */
static int settle_lifetime(const struct mu_args *args, const struct mu_signer *signer,
                           struct mu_renewed *renewed, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN], date[MU_DATE_LEN];
    int64_t before_s = (int64_t)renewed->old.not_after - renewed->old.not_before;
    if (before_s > MU_BACKDATE_S)
        before_s -= MU_BACKDATE_S;
    int64_t longest_s = signer->policy->profiles[renewed->renewal.profile].longest_lifetime_s;
    if (mu_lifetime(args, &renewed->lifetime_s, err) != 0)
        return -1;
    if (renewed->lifetime_s == 0)
        renewed->lifetime_s = before_s < longest_s ? before_s : longest_s;
    time_t end = mu_cert_not_after(mu_signer_cert(signer));
    if (end > renewed->old.not_after || mu_args_given(args, "force"))
        return 0;
    mu_fail(err, MU_E_LIFETIME,
            "\"%s\" is not renewed: it would end no later than now, with the CA itself, on %s",
            mu_cert_label(renewed->cert_bundle.leaf->cert, label), mu_date(end, date));
    return mu_hint(err, "renew the CA first, or say --force");
}

static int fail_in_token(const char *path, struct mu_error *err)
{
    mu_fail(err, MU_E_UNSUPPORTED, "the key that %s names is in a token, where no new one is made",
            path);
    return mu_hint(err, "keep it: --keep-key; or issue a new certificate with: mutual issue");
}

/* The old key has to be the certificate's: another one would be overwritten and lost. */
static int settle_key(const struct mu_args *args, struct mu_renewed *renewed, struct mu_error *err)
{
    struct mu_passphrase_source source = mu_passphrase_source(args);
    const char *type = mu_args_value(args, "key-type");
    bool own_file = renewed->key_path[0] != '\0';
    struct mu_bundle *bundle = own_file ? &renewed->key_bundle : &renewed->cert_bundle;
    if (mu_args_given(args, "keep-key")) {
        renewed->key_path[0] = '\0';
        return mu_cert_key(renewed->cert_bundle.leaf->cert, &renewed->kept_key, err);
    }
    if (own_file && mu_token_key_is_named(renewed->key_path))
        return fail_in_token(renewed->key_path, err);
    if (own_file && (find_file(renewed->key_path, renewed->key_file, err) != 0 ||
                     mu_bundle_load(renewed->key_file, renewed->key_path, NULL, bundle, err) != 0))
        return err->code == MU_E_NOT_FOUND && !mu_args_given(args, "key")
                   ? mu_hint(err, "name the key's file with --key, or keep the key: --keep-key")
                   : -1;
    if (mu_bundle_key(bundle, &source, &renewed->old_key, &renewed->passphrase, err) != 0 ||
        mu_cert_match_key(renewed->cert_bundle.leaf->cert, renewed->old_key, renewed->cert_path,
                          own_file ? renewed->key_path : renewed->cert_path, err) != 0)
        return -1;
    return type != NULL ? mu_key_generate(type, &renewed->new_key, err)
                        : mu_key_generate_like(renewed->old_key, &renewed->new_key, err);
}

/* --- Where it goes --- */

/* With --out beside the old files; a certificate that has its key with it keeps its ending. */
static int settle_paths(const struct mu_args *args, struct mu_renewed *renewed, struct mu_error *err)
{
    bool own_file = renewed->key_path[0] != '\0';
    const char *dot = strrchr(renewed->given, '.');
    bool has_ending = dot != NULL && strchr(dot, '/') == NULL && strlen(dot) < 16;
    if (!mu_args_given(args, "out"))
        return 0;
    if (mu_output_path(args, "", has_ending ? dot : ".crt", renewed->cert_path, err) != 0 ||
        (own_file && mu_output_path(args, "", ".key", renewed->key_path, err) != 0))
        return -1;
    mu_str_copy(renewed->cert_file, MU_PATH_LEN, renewed->cert_path);
    mu_str_copy(renewed->key_file, MU_PATH_LEN, renewed->key_path);
    return 0;
}

static bool is_open_to_all(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && (st.st_mode & S_IRWXO) != 0;
}

static bool has_key_in_cert_file(const struct mu_renewed *renewed)
{
    return renewed->cert_bundle.key != NULL && renewed->key_path[0] == '\0';
}

/* Everything is ready to be written before anything is issued, so that a directory that cannot be written costs no
 * certificate. The key comes first, the certificate last. */
struct output {
    struct mu_stage stage;
    int cert_fd;
};

static int open_output(const struct mu_args *args, struct mu_renewed *renewed, struct output *ret,
                       struct mu_error *err)
{
    bool elsewhere = mu_args_given(args, "out");
    ret->stage.replace = !elsewhere || mu_args_given(args, "force");
    ret->stage.keep = true;
    if (renewed->key_path[0] != '\0') {
        MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT_SECRET;
        if (mu_bundle_write(&renewed->key_bundle, NULL, NULL, renewed->new_key,
                            &renewed->passphrase, &text, err) != 0 ||
            mu_stage_add(&ret->stage, renewed->key_file, text.data, text.len, 0600, err) != 0)
            return -1;
    }
    return mu_stage_open(&ret->stage, renewed->cert_file,
                         has_key_in_cert_file(renewed) ? 0600 : 0644, &ret->cert_fd, err);
}

static int deliver(const struct mu_signer *signer, struct mu_renewed *renewed,
                   struct output *output, struct mu_error *err)
{
    const struct mu_certs *behind =
        signer->authority == NULL ? NULL : mu_authority_behind(signer->authority);
    bool key_in_cert = has_key_in_cert_file(renewed);
    const struct mu_key *key = key_in_cert ? renewed->new_key : NULL;
    const char *key_file = key_in_cert ? renewed->cert_file : renewed->key_file;
    bool was_open = *key_file != '\0' && is_open_to_all(key_file);
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT_SECRET;
    if (mu_bundle_write(&renewed->cert_bundle, renewed->cert, behind, key, &renewed->passphrase,
                        &text, err) != 0)
        return -1;
    if (mu_write_all(output->cert_fd, text.data, text.len) != 0)
        return mu_fail_errno(err, MU_E_IO, "cannot write %s", renewed->cert_path);
    if (mu_stage_commit(&output->stage, err) != 0)
        return -1;
    if (was_open) /* no longer: which whoever reads it by that right has to know */
        mu_warn("%s was open to everybody on this machine; its new private key is not",
                key_in_cert ? renewed->cert_path : renewed->key_path);
    return 0;
}

static int issue(const struct mu_args *args, const struct mu_signer *signer,
                 struct mu_renewed *renewed, time_t now, struct mu_error *err)
{
    const struct mu_order order = {
        .profile = renewed->renewal.profile,
        .key = renewed->new_key != NULL ? renewed->new_key : renewed->kept_key,
        .names = &renewed->names,
        .now = now,
        .lifetime_s = renewed->lifetime_s,
        .renews = signer->authority == NULL ? NULL : renewed->renewal.serial,
        .draft = mu_args_given(args, "dry-run"),
    };
    return mu_policy_judge(signer->policy, &order, &renewed->ruling, err) != 0
               ? -1
               : mu_signer_issue(signer, &order, &renewed->cert, err);
}

int mu_renewed_carry_out(const struct mu_args *args, const struct mu_signer *signer, time_t now,
                         struct mu_renewed *renewed, struct mu_error *err)
{
    struct output output = {.stage = MU_STAGE_INIT, .cert_fd = -1};
    int result = -1;
    if (find_renewal(args, signer, renewed, err) == 0 && settle_names(renewed, err) == 0 &&
        settle_lifetime(args, signer, renewed, err) == 0 && settle_key(args, renewed, err) == 0 &&
        settle_paths(args, renewed, err) == 0 && open_output(args, renewed, &output, err) == 0 &&
        issue(args, signer, renewed, now, err) == 0 &&
        mu_cert_info_read(renewed->cert, now, &renewed->new, err) == 0)
        result = mu_args_given(args, "dry-run") ? 0 : deliver(signer, renewed, &output, err);
    mu_stage_clear(&output.stage);
    return result;
}
