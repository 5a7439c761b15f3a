#include "cli/batch.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/issuing.h"
#include "cli/json.h"
#include "cli/passphrase.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/requested.h"
#include "pki/info.h"

enum {
    GROUP_MAX = 256,
    FILES_EACH = 2, /* that an item holds open: key and certificate */
    LABEL_LEN = 64,
    FILES_ELSE = 64, /* that are open besides: the records, libraries, ... */
};

struct item {
    struct mu_names names;
    struct mu_key *key;
    char *cert_path, *key_path; /* key_path NULL: the key is the request's, and not here */
    int cert_fd;
    char label[LABEL_LEN]; /* "line 17", "a.csr": what an error about it begins with */
};

struct mu_batch {
    const struct mu_args *args;
    const struct mu_signer *signer;
    struct mu_batch_settings settings;
    struct mu_key_maker *maker; /* NULL: all keys are in requests */
    struct mu_buf behind;       /* what follows each certificate, as PEM */
    const char *out_dir;        /* NULL: none was named */
    bool missing, json;
    struct item items[GROUP_MAX];
    /* The same places as in `items`: */
    struct mu_stage stages[GROUP_MAX];
    struct mu_issued issued_now[GROUP_MAX]; /* nothing in it: not issued, or not to be handed out */
    struct mu_error whys[GROUP_MAX];
    size_t count, group_size;
    size_t issued, refused, skipped;
    time_t now; /* when this group was issued */
    bool cut_noted;
};

/* --- One of them --- */

static void clear_item(struct item *item)
{
    mu_names_clear(&item->names);
    mu_key_free(item->key);
    free(item->cert_path);
    free(item->key_path);
    *item = (struct item){.key = NULL};
}

/* What would befall all others, too: nothing can be written, or the CA cannot issue. */
static bool ends_the_run(const struct mu_error *err)
{
    static const enum mu_code codes[] = {MU_E_IO,         MU_E_NOMEM,    MU_E_STORE, MU_E_CRYPTO,
                                         MU_E_CA_EXPIRED, MU_E_CA_UNFIT, MU_E_CLOCK};
    for (size_t i = 0; i < MU_COUNT(codes); i++)
        if (codes[i] == err->code)
            return true;
    return false;
}

static void tell_refused(struct mu_batch *batch, const char *label, const struct mu_error *why)
{
    struct mu_error told = *why;
    batch->refused++;
    if (strstr(why->what, label) == NULL)
        snprintf(told.what, sizeof told.what, "%s: %.*s", label,
                 (int)(sizeof told.what - LABEL_LEN), why->what);
    if (batch->json)
        mu_print_json_line(mu_pack("{s:o}", "error", mu_error_json(&told)));
    else
        mu_print_error(&told, false);
}

static int tell_issued(struct mu_batch *batch, size_t i, struct mu_error *err)
{
    const struct item *item = &batch->items[i];
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    char until[MU_DATE_LEN];
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    batch->issued++;
    if (!batch->json)
        return 0;
    if (mu_issued_cert(&batch->issued_now[i], &cert, err) != 0 ||
        mu_cert_info_read(cert, batch->now, &info, err) != 0)
        return -1;
    mu_print_json_line(mu_pack("{s:s, s:s?, s:s, s:s, s:s, s:s}", "cert", item->cert_path, "key",
                               item->key_path, "name", mu_names_main(&item->names), "serial",
                               info.serial, "not_after", mu_date_rfc3339(info.not_after, until),
                               "sha256", info.sha256));
    return 0;
}

/* --- A group --- */

static void forget_issued(struct mu_batch *batch, size_t i)
{
    mu_issued_clear(&batch->issued_now[i]);
    batch->issued_now[i] = (struct mu_issued)MU_ISSUED_INIT;
}

static void clear_group(struct mu_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        clear_item(&batch->items[i]);
        mu_stage_clear(&batch->stages[i]);
        forget_issued(batch, i);
    }
    batch->count = 0;
    mu_progress_count(batch->issued + batch->refused + batch->skipped);
}

static bool is_issued(const struct mu_batch *batch, size_t i)
{
    return batch->issued_now[i].der.len > 0;
}

static struct mu_order order_for(const struct mu_batch *batch, const struct item *item)
{
    return (struct mu_order){
        .profile = batch->settings.profile,
        .key = item->key,
        .names = &item->names,
        .now = batch->now,
        .lifetime_s = batch->settings.lifetime_s,
    };
}

static int sign_group(struct mu_batch *batch, struct mu_error *err)
{
    struct mu_order orders[GROUP_MAX];
    batch->now = time(NULL);
    for (size_t i = 0; i < batch->count; i++)
        orders[i] = order_for(batch, &batch->items[i]);
    return mu_signer_issue_each(batch->signer, orders, batch->count, batch->issued_now, batch->whys,
                                err);
}

static int write_cert(const struct mu_batch *batch, const struct item *item,
                      const struct mu_issued *issued, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT;
    mu_issued_to_pem(issued, &pem);
    mu_buf_add(&pem, batch->behind.data, batch->behind.len);
    if (mu_buf_failed(&pem))
        return mu_fail_nomem(err);
    return mu_write_all(item->cert_fd, pem.data, pem.len) == 0
               ? 0
               : mu_fail_errno(err, MU_E_IO, "cannot write %s", item->cert_path);
}

/* The first certificate that is on record and could not be written ends the run. */
static int write_group(struct mu_batch *batch, struct mu_error *err)
{
    int result = 0;
    for (size_t i = 0; i < batch->count; i++) {
        struct item *item = &batch->items[i];
        struct mu_error *why = &batch->whys[i];
        if (!is_issued(batch, i) && !ends_the_run(why))
            tell_refused(batch, item->label, why);
        else if (!is_issued(batch, i) || write_cert(batch, item, &batch->issued_now[i], why) != 0) {
            if (result == 0)
                *err = *why;
            result = -1;
            forget_issued(batch, i);
        }
        if (!is_issued(batch, i))
            mu_stage_clear(&batch->stages[i]);
    }
    return result;
}

/* Once, of the first that is issued: it is the same for all. */
static int note_if_cut(struct mu_batch *batch, struct mu_error *err)
{
    const struct mu_policy *policy = batch->signer->policy;
    MU_AUTO_CLEAR(mu_ruling) ruling = {0};
    MU_AUTO_STRUCT(mu_cert) first = NULL;
    size_t at = 0;
    while (at < batch->count && !is_issued(batch, at))
        at++;
    if (batch->cut_noted || at == batch->count)
        return 0;
    const struct mu_order order = order_for(batch, &batch->items[at]);
    if (mu_policy_judge(policy, &order, &ruling, err) != 0 ||
        mu_issued_cert(&batch->issued_now[at], &first, err) != 0)
        return -1;
    mu_note_if_cut(first, policy, &ruling, order.now);
    batch->cut_noted = true;
    return 0;
}

static int settle_group(struct mu_batch *batch, struct mu_error *err)
{
    if (batch->count == 0)
        return 0;
    if (sign_group(batch, err) != 0)
        return -1;
    int result = note_if_cut(batch, err) != 0 || write_group(batch, err) != 0 ? -1 : 0;
    struct mu_error *unsynced = result == 0 ? err : &batch->whys[0];
    if (mu_stage_commit_each(batch->stages, batch->count, batch->whys, unsynced) != 0)
        return -1;
    mu_progress_hide();
    for (size_t i = 0; i < batch->count; i++) {
        if (is_issued(batch, i) && !batch->stages[i].placed)
            tell_refused(batch, batch->items[i].label, &batch->whys[i]);
        else if (is_issued(batch, i) && tell_issued(batch, i, err) != 0)
            result = -1;
    }
    mu_progress_show();
    return result;
}

static int finish_group(struct mu_batch *batch, struct mu_error *err)
{
    int result = settle_group(batch, err);
    clear_group(batch);
    return result;
}

/* --- Into the group --- */

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* A key that a run left which was killed before it had a certificate is as good as a new one. */
static int take_key(struct mu_batch *batch, struct item *item, struct mu_stage *stage,
                    struct mu_error *err)
{
    struct mu_passphrase_source source = mu_passphrase_source(batch->args);
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT_SECRET;
    if (batch->missing && is_there(item->key_path))
        return mu_key_load(item->key_path, &source, &item->key, err);
    if (mu_key_make(batch->maker, &item->key, err) != 0 ||
        mu_key_to_pem(item->key, batch->settings.passphrase, &pem, err) != 0)
        return -1;
    return mu_stage_add(stage, item->key_path, pem.data, pem.len, 0600, err);
}

/* Two of one file name do not meet in one group, so that the second finds the first on the disk. */
static bool is_in_group(const struct mu_batch *batch, const char *path)
{
    for (size_t i = 0; i < batch->count; i++)
        if (mu_str_equal(batch->items[i].cert_path, path))
            return true;
    return false;
}

/* Everything that can fail without costing a certificate, for an item that has its names and paths. */
static int prepare(struct mu_batch *batch, struct item *item, struct mu_stage *stage,
                   struct mu_error *err)
{
    *stage = (struct mu_stage){.replace = mu_args_given(batch->args, "force")};
    if (item->key_path != NULL && take_key(batch, item, stage, err) != 0)
        return -1;
    return mu_stage_open(stage, item->cert_path, 0644, &item->cert_fd, err);
}

/* Takes `item`, even on failure. `read` is 0, or -1 when what is to be certified could not be read, for `why`. */
static int add(struct mu_batch *batch, struct item item, int read, struct mu_error *why,
               struct mu_error *err)
{
    if (read == 0 && is_in_group(batch, item.cert_path) && finish_group(batch, err) != 0) {
        clear_item(&item);
        return -1;
    }
    if (read == 0 && batch->missing && is_there(item.cert_path)) {
        batch->skipped++;
        clear_item(&item);
        return 0;
    }
    struct mu_stage *stage = &batch->stages[batch->count];
    bool ready = read == 0 && prepare(batch, &item, stage, why) == 0;
    if (ready) {
        batch->items[batch->count++] = item;
        return batch->count < batch->group_size ? 0 : finish_group(batch, err);
    }
    bool fatal = read == 0 && ends_the_run(why);
    if (fatal)
        *err = *why;
    else
        tell_refused(batch, item.label, why);
    mu_stage_clear(stage);
    clear_item(&item);
    return fatal ? -1 : 0;
}

/* --- Lines of names --- */

/* The parts of a line, between its commas and without blanks around them. */
static int read_names(char *line, bool free_text, struct mu_names *ret, struct mu_error *err)
{
    for (char *rest = line, *part; (part = strsep(&rest, ",")) != NULL;) {
        part += strspn(part, " \t");
        for (size_t len = strlen(part); len > 0 && strchr(" \t", part[len - 1]) != NULL; len--)
            part[len - 1] = '\0';
        if ((part == line + strspn(line, " \t") ? mu_names_set_main(ret, part, free_text, err)
                                                : mu_names_add(ret, part, err)) != 0)
            return -1;
    }
    return mu_names_add_loopback(ret, err);
}

static char *join(const char *dir, const char *name, const char *ending)
{
    char *path = NULL;
    int len = dir == NULL ? asprintf(&path, "%s%s", name, ending)
                          : asprintf(&path, "%s/%s%s", dir, name, ending);
    return len < 0 ? NULL : path;
}

static int add_line(struct mu_batch *batch, char *line, size_t number, struct mu_error *err)
{
    char name[MU_FILE_NAME_LEN];
    struct item item = {.cert_fd = -1};
    struct mu_error why = MU_ERROR_INIT;
    snprintf(item.label, sizeof item.label, "line %zu", number);
    int read = read_names(line, mu_profile_rules(batch->settings.profile)->free_text_name,
                          &item.names, &why);
    mu_file_name(mu_names_main(&item.names), name);
    item.cert_path = join(batch->out_dir, name, ".crt");
    item.key_path = join(batch->out_dir, name, ".key");
    if (item.cert_path == NULL || item.key_path == NULL) {
        clear_item(&item);
        return mu_fail_nomem(err);
    }
    return add(batch, item, read, &why, err);
}

static int add_lines(struct mu_batch *batch, FILE *from, const char *path, struct mu_error *err)
{
    char *line = NULL;
    size_t cap = 0, number = 0;
    int result = 0;
    for (ssize_t len; result == 0 && (len = getline(&line, &cap, from)) >= 0;) {
        number++;
        if (strlen(line) != (size_t)len)
            result = mu_fail(err, MU_E_WRONG_KIND, "line %zu of %s is not text", number, path);
        line[strcspn(line, "\r\n")] = '\0';
        const char *first = line + strspn(line, " \t");
        if (result == 0 && *first != '\0' && *first != '#')
            result = add_line(batch, line, number, err);
    }
    free(line);
    return result == 0 && ferror(from) ? mu_fail_errno(err, MU_E_IO, "cannot read %s", path)
                                       : result;
}

int mu_batch_names(struct mu_batch *batch, const char *path, struct mu_error *err)
{
    if (mu_str_equal(path, "-"))
        return add_lines(batch, stdin, "standard input", err);
    FILE *from = fopen(path, "re");
    if (from == NULL)
        return mu_fail_errno(err, MU_E_NOT_FOUND, "cannot read %s", path);
    int result = add_lines(batch, from, path, err);
    fclose(from);
    return result;
}

/* --- Requests --- */

static int add_request(struct mu_batch *batch, const char *path, struct mu_error *err)
{
    struct item item = {.cert_fd = -1};
    struct mu_error why = MU_ERROR_INIT;
    const char *slash = strrchr(path, '/');
    const char *name = batch->out_dir != NULL && slash != NULL ? slash + 1 : path;
    size_t len = strlen(name), len_shown = strlen(path);
    char *stem = strndup(name, mu_str_ends_with(name, ".csr") ? len - 4 : len);
    mu_str_copy(item.label, sizeof item.label,
                path + (len_shown < sizeof item.label ? 0 : len_shown - sizeof item.label + 1));
    item.cert_path = stem == NULL ? NULL : join(batch->out_dir, stem, ".crt");
    free(stem);
    if (item.cert_path == NULL)
        return mu_fail_nomem(err);
    int read = mu_request_read(path, batch->settings.profile, &item.names, &item.key, &why);
    return add(batch, item, read, &why, err);
}

/* In the directory's own order: sorting would need memory for all of them. */
static int add_dir(struct mu_batch *batch, DIR *dir, const char *path, struct mu_error *err)
{
    int result = 0;
    bool any = false;
    for (struct dirent *entry; result == 0 && (entry = readdir(dir)) != NULL;) {
        if (!mu_str_ends_with(entry->d_name, ".csr"))
            continue;
        any = true;
        char *file = join(path, entry->d_name, "");
        result = file == NULL ? mu_fail_nomem(err) : add_request(batch, file, err);
        free(file);
    }
    return any ? result
               : mu_fail(err, MU_E_NOT_FOUND, "%s is a directory without a request, *.csr", path);
}

int mu_batch_requests(struct mu_batch *batch, const char *path, struct mu_error *err)
{
    DIR *dir = opendir(path);
    if (dir == NULL)
        return add_request(batch, path, err);
    int result = add_dir(batch, dir, path, err);
    closedir(dir);
    return result;
}

/* --- All of it --- */

/* As many as may be open at once. */
static size_t group_size(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
        limit.rlim_cur >= GROUP_MAX * FILES_EACH + FILES_ELSE)
        return GROUP_MAX;
    return limit.rlim_cur < FILES_EACH + FILES_ELSE
               ? 1
               : (size_t)(limit.rlim_cur - FILES_ELSE) / FILES_EACH;
}

int mu_batch_open(const struct mu_args *args, const struct mu_signer *signer,
                  const struct mu_batch_settings *settings, struct mu_batch **ret,
                  struct mu_error *err)
{
    const char *out_dir = mu_args_value(args, "out-dir");
    MU_AUTO_STRUCT(mu_key_maker) maker = NULL;
    struct mu_buf behind = MU_BUF_INIT;
    if (settings->key_type != NULL && mu_key_maker_new(settings->key_type, &maker, err) != 0)
        return -1;
    if (out_dir != NULL && mu_dir_make(out_dir, 0755, err) != 0)
        return -1;
    struct mu_batch *batch =
        mu_signer_behind_to_pem(signer, &behind, err) != 0 ? NULL : calloc(1, sizeof *batch);
    if (batch == NULL) {
        mu_buf_clear(&behind);
        return err->code != MU_OK ? -1 : mu_fail_nomem(err);
    }
    batch->args = args;
    batch->signer = signer;
    batch->settings = *settings;
    batch->maker = mu_take(&maker);
    batch->behind = behind;
    batch->out_dir = out_dir;
    batch->missing = mu_args_given(args, "missing");
    batch->json = mu_args_json(args);
    batch->group_size = group_size();
    for (size_t i = 0; i < GROUP_MAX; i++)
        batch->issued_now[i] = (struct mu_issued)MU_ISSUED_INIT;
    *ret = batch;
    mu_progress_begin("issuing");
    return 0;
}

void mu_batch_free(struct mu_batch *batch)
{
    if (batch == NULL)
        return;
    clear_group(batch);
    mu_key_maker_free(batch->maker);
    mu_buf_clear(&batch->behind);
    free(batch);
}

static void show_summary(const struct mu_batch *batch)
{
    if (batch->json) {
        mu_print_json_line(mu_pack("{s:I, s:I, s:I}", "issued", (json_int_t)batch->issued,
                                   "refused", (json_int_t)batch->refused, "passed_over",
                                   (json_int_t)batch->skipped));
        return;
    }
    printf("issued %zu %s certificate%s\n", batch->issued,
           mu_profile_rules(batch->settings.profile)->name, batch->issued == 1 ? "" : "s");
    if (batch->skipped > 0)
        mu_fact("passed over", "%zu that %s there already", batch->skipped,
                batch->skipped == 1 ? "is" : "are");
    if (batch->refused > 0)
        mu_fact("refused", "%zu: see above", batch->refused);
}

int mu_batch_finish(struct mu_batch *batch, int result, struct mu_error *err)
{
    if (result == 0)
        result = finish_group(batch, err);
    mu_progress_end();
    if (result == 0 || batch->issued + batch->refused + batch->skipped > 0)
        show_summary(batch);
    return result != 0 ? -1 : batch->refused > 0 ? 1 : 0;
}
