#include "trust/store.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/process.h"
#include "trust/backend.h"

static const struct mu_trust_backend *const backends[MU_TRUST_KINDS] = {
    [MU_TRUST_SYSTEM] = &mu_trust_system,
    [MU_TRUST_NSS] = &mu_trust_nss,
    [MU_TRUST_JAVA] = &mu_trust_java,
};

const char *mu_trust_kind_name(enum mu_trust_kind kind)
{
    return backends[kind]->name;
}

bool mu_trust_kind_parse(const char *name, enum mu_trust_kind *ret)
{
    for (int i = 0; i < MU_TRUST_KINDS; i++)
        if (mu_str_equal(name, backends[i]->name)) {
            *ret = (enum mu_trust_kind)i;
            return true;
        }
    return false;
}

/* Keystores and file systems may not tell upper case from lower. */
char *mu_trust_name(const struct mu_cert *cert, char ret[MU_TRUST_NAME_LEN])
{
    enum { LABEL_LEN = 40 };
    char label[MU_CERT_LABEL_LEN], slug[LABEL_LEN + 1], sha256[MU_SHA256_LEN];
    size_t len = 0;
    mu_cert_label(cert, label);
    for (const char *c = label; *c != '\0' && len < LABEL_LEN; c++)
        if (isalnum((unsigned char)*c))
            slug[len++] = (char)tolower((unsigned char)*c);
        else if (len > 0 && slug[len - 1] != '-')
            slug[len++] = '-';
    while (len > 0 && slug[len - 1] == '-')
        len--;
    slug[len] = '\0';
    mu_cert_fingerprint(cert, sha256);
    for (char *c = sha256; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    snprintf(ret, MU_TRUST_NAME_LEN, "mutual-%s%s%.16s", slug, len > 0 ? "-" : "", sha256);
    return ret;
}

/* --- Lists --- */

static void clear_entries(struct mu_trust_store *store)
{
    for (size_t i = 0; i < store->entry_count; i++) {
        free(store->entries[i].name);
        mu_cert_free(store->entries[i].cert);
    }
    free(store->entries);
    store->entries = NULL;
    store->entry_count = 0;
}

void mu_trust_stores_clear(struct mu_trust_stores *stores)
{
    for (size_t i = 0; i < stores->count; i++)
        clear_entries(&stores->at[i]);
    free(stores->at);
    *stores = (struct mu_trust_stores){0};
}

struct mu_trust_store *mu_trust_add_store(struct mu_trust_stores *stores, enum mu_trust_kind kind)
{
    struct mu_trust_store *at = realloc(stores->at, (stores->count + 1) * sizeof *at);
    if (at == NULL)
        return NULL;
    stores->at = at;
    at[stores->count] = (struct mu_trust_store){.kind = kind};
    return &at[stores->count++];
}

int mu_trust_add_entry(struct mu_trust_store *store, const char *name, struct mu_cert *cert,
                       bool in_force, struct mu_error *err)
{
    struct mu_trust_entry *at = realloc(store->entries, (store->entry_count + 1) * sizeof *at);
    if (at == NULL)
        return mu_fail_nomem(err);
    store->entries = at;
    char *copy = strdup(name);
    if (copy == NULL)
        return mu_fail_nomem(err);
    at[store->entry_count++] = (struct mu_trust_entry){copy, mu_cert_ref(cert), in_force};
    return 0;
}

bool mu_trust_matters(const struct mu_cert *cert, const struct mu_certs *anchors)
{
    for (size_t i = 0; i < anchors->count; i++)
        if (mu_cert_same_subject(cert, anchors->at[i]))
            return true;
    return false;
}

bool mu_trust_is_ours(const struct mu_trust_entry *entry)
{
    char name[MU_TRUST_NAME_LEN];
    return mu_str_equal(entry->name, mu_trust_name(entry->cert, name));
}

/* --- Reading --- */

int mu_trust_find(enum mu_trust_kind kind, const char *home, const char *java_home,
                  struct mu_trust_stores *ret, struct mu_error *err)
{
    return backends[kind]->find(home, java_home, ret, err);
}

int mu_trust_read(struct mu_trust_store *store, const struct mu_certs *anchors, struct mu_error *err)
{
    clear_entries(store);
    return backends[store->kind]->read(store, anchors, err);
}

const char *mu_trust_state_name(enum mu_trust_state state)
{
    static const char *const names[] = {"installed", "otherwise", "idle", "other-ca", "absent"};
    return names[state];
}

static enum mu_trust_state state_of(const struct mu_trust_entry *entry, const struct mu_cert *anchor)
{
    const struct mu_certs one = {(struct mu_cert **)&entry->cert, 1};
    bool ours = mu_trust_is_ours(entry);
    if (mu_certs_hold(&one, anchor))
        return !entry->in_force ? MU_TRUST_IDLE : ours ? MU_TRUST_INSTALLED : MU_TRUST_OTHERWISE;
    return entry->in_force && mu_cert_same_subject(entry->cert, anchor) ? MU_TRUST_OTHER_CA
                                                                        : MU_TRUST_ABSENT;
}

enum mu_trust_state mu_trust_state(const struct mu_trust_store *store, const struct mu_cert *anchor,
                                   const struct mu_trust_entry **ret_entry)
{
    enum mu_trust_state best = MU_TRUST_ABSENT;
    const struct mu_trust_entry *entry = NULL;
    for (size_t i = 0; i < store->entry_count; i++) {
        enum mu_trust_state state = state_of(&store->entries[i], anchor);
        if (state < best) {
            best = state;
            entry = &store->entries[i];
        }
    }
    if (ret_entry != NULL)
        *ret_entry = entry;
    return best;
}

int mu_trust_pick_certs(const char *text, size_t len, struct mu_certs *ret, struct mu_error *err)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----", end[] = "-----END CERTIFICATE-----";
    const char *stop = text + len, *from;
    while ((from = memmem(text, (size_t)(stop - text), begin, sizeof begin - 1)) != NULL) {
        struct mu_error damaged = MU_ERROR_INIT;
        struct mu_cert *cert = NULL;
        text = memmem(from, (size_t)(stop - from), end, sizeof end - 1);
        if (text == NULL)
            break;
        text += sizeof end - 1;
        if (mu_cert_parse("", from, (size_t)(text - from), &cert, &damaged) == 0 &&
            mu_certs_add(ret, cert, err) != 0)
            return -1;
    }
    return 0;
}

/* --- Changing --- */

void mu_trust_step_clear(struct mu_trust_step *step)
{
    mu_strs_clear(&step->argv);
    mu_buf_clear(&step->pem);
}

int mu_trust_step_in(const struct mu_trust_store *store, const struct mu_cert *anchor,
                     struct mu_trust_step *ret, struct mu_error *err)
{
    char name[MU_TRUST_NAME_LEN];
    mu_cert_to_pem(anchor, &ret->pem);
    if (mu_buf_failed(&ret->pem))
        return mu_fail_nomem(err);
    return backends[store->kind]->step_in(store, mu_trust_name(anchor, name), ret, err);
}

int mu_trust_step_out(const struct mu_trust_store *store, const char *name,
                      struct mu_trust_step *ret, struct mu_error *err)
{
    return backends[store->kind]->step_out(store, name, ret, err);
}

int mu_trust_carry_out(const struct mu_trust_step *step, struct mu_error *err)
{
    if (step->write_file[0] != '\0' &&
        mu_file_write(step->write_file, step->pem.data, step->pem.len, 0644, true, err) != 0)
        return -1;
    if (step->remove_file[0] != '\0' && unlink(step->remove_file) != 0)
        return mu_fail_errno(err, MU_E_IO, "cannot remove %s", step->remove_file);
    return mu_trust_run(&step->argv, step->reads_pem ? &step->pem : NULL, NULL, err);
}

/* --- Programs --- */

static bool is_program(const char *dir, size_t dir_len, const char *name, char ret[MU_PATH_LEN])
{
    return dir_len > 0 &&
           dir[0] == '/' && /* what lies in the current directory is nobody's choice */
           snprintf(ret, MU_PATH_LEN, "%.*s/%s", (int)dir_len, dir, name) < MU_PATH_LEN &&
           access(ret, X_OK) == 0;
}

bool mu_trust_find_program(const char *name, char ret[MU_PATH_LEN])
{
    const char *const places[] = {getenv("PATH"), "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"};
    for (size_t i = 0; i < MU_COUNT(places); i++)
        for (const char *dir = places[i]; dir != NULL && *dir != '\0';) {
            size_t len = strcspn(dir, ":");
            if (is_program(dir, len, name, ret))
                return true;
            dir += len + (dir[len] == ':');
        }
    ret[0] = '\0';
    return false;
}

int mu_trust_words(struct mu_strs *ret, struct mu_error *err, ...)
{
    va_list list;
    const char *word;
    bool failed = false;
    va_start(list, err);
    while ((word = va_arg(list, const char *)) != NULL)
        failed = failed || mu_strs_add(ret, word) != 0;
    va_end(list);
    return failed ? mu_fail_nomem(err) : 0;
}

/* The end of what it said tells most: causes come last. On one line. */
static int told(const char *program, int status, const struct mu_buf *output,
                const struct mu_buf *errors, struct mu_error *err)
{
    char text[MU_ERROR_CAUSE_LEN], shown[MU_ERROR_CAUSE_LEN];
    const struct mu_buf *said = errors->len > 0 ? errors : output;
    size_t skip = said->len >= sizeof text ? said->len - sizeof text + 1 : 0, len = 0;
    for (size_t i = skip; i < said->len; i++) {
        char c = said->data[i];
        if (!isspace((unsigned char)c))
            text[len++] = c;
        else if (len > 0 && text[len - 1] != ' ')
            text[len++] = ' ';
    }
    while (len > 0 && text[len - 1] == ' ')
        len--;
    mu_fail(err, MU_E_COMMAND,
            status < 0 ? "%s was ended by signal %d" : "%s failed with exit status %d", program,
            abs(status));
    return mu_cause(err, "%s", mu_str_printable(text, len, shown, sizeof shown));
}

int mu_trust_run(const struct mu_strs *argv, const struct mu_buf *input, struct mu_buf *ret_output,
                 struct mu_error *err)
{
    enum { WORDS_MAX = 24 };
    const char *words[WORDS_MAX + 1] = {0};
    int status = 0;
    MU_AUTO_CLEAR(mu_buf) output = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_buf) errors = MU_BUF_INIT;
    struct mu_buf *out = ret_output != NULL ? ret_output : &output;
    for (size_t i = 0; i < argv->count && i < WORDS_MAX; i++)
        words[i] = argv->at[i];
    const struct mu_process process = {words, input, out, &errors};
    if (mu_process_run(&process, &status, err) != 0)
        return -1;
    return status == 0 ? 0 : told(words[0], status, out, &errors, err);
}
