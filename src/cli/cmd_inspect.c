#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/time.h"
#include "cli/cmd.h"
#include "cli/describe.h"
#include "cli/describe_ocsp.h"
#include "cli/passphrase.h"
#include "cli/print.h"
#include "pki/info.h"
#include "http/client.h"
#include "pki/object.h"
#include "pki/pkcs11_uri.h"

/* One argument and what was found in it. */
struct file {
    const char *path;
    struct mu_objects objects;
    size_t outside;      /* objects from here on lay in a PKCS#12 container */
    struct mu_error err; /* why not all of it could be read; MU_OK: it could */
};

struct inspection {
    struct file *files;
    size_t count;
    time_t now;
};

static void inspection_clear(struct inspection *all)
{
    for (size_t i = 0; i < all->count; i++)
        mu_objects_clear(&all->files[i].objects);
    free(all->files);
}
MU_AUTO_DEFINE_CLEAR(inspection, inspection_clear)

static const char *shown(const char *path)
{
    return mu_str_equal(path, "-") ? "standard input" : path;
}

/* --- Reading --- */

/* What a file says is not reason enough to load a token's module, and to give it a PIN: that is for who named it. */
static bool is_to_open(const struct file *file, enum mu_object_kind kind)
{
    return kind == MU_OBJECT_PKCS12 || kind == MU_OBJECT_ENCRYPTED_KEY ||
           (kind == MU_OBJECT_TOKEN_KEY && mu_pkcs11_uri_is(file->path));
}

/* Open what is locked. A key that stays so can still be told for what it is; a container is told by what is
 * in it. */
static int unlock(struct file *file, const struct mu_passphrase_source *source)
{
    for (size_t i = 0; i < file->outside; i++) {
        enum mu_object_kind kind = file->objects.at[i].kind;
        if (!is_to_open(file, kind))
            continue;
        if (mu_object_decrypt(file->path, &file->objects, i, source, &file->err) == 0)
            continue;
        if (kind == MU_OBJECT_PKCS12 || file->err.code != MU_E_PASSPHRASE_NEEDED)
            return -1;
        file->err = (struct mu_error)MU_ERROR_INIT;
    }
    return 0;
}

static bool is_url(const char *path)
{
    return mu_str_starts_with(path, "https://") || mu_str_starts_with(path, "http://");
}

/* The chain that a server presents, as if it had been read from a file: leaf first. */
static int load_url(const char *url, struct mu_objects *ret, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_certs) chain = {0};
    if (mu_str_starts_with(url, "http://")) {
        char shown_url[MU_URL_SHOWN_LEN];
        mu_fail(err, MU_E_USAGE, "%s is plain HTTP, where no certificate is shown",
                mu_url_shown(url, shown_url));
        return mu_hint(err, "write it as https://HOST:PORT");
    }
    if (mu_fetch_chain(url, &chain, err) != 0)
        return -1;
    for (size_t i = 0; i < chain.count; i++) {
        struct mu_object object = {.kind = MU_OBJECT_CERT, .cert = mu_cert_ref(chain.at[i])};
        if (mu_objects_add(ret, &object, err) != 0)
            return -1;
    }
    return 0;
}

static void read_file(struct file *file, const struct mu_passphrase_source *source)
{
    int result = is_url(file->path) ? load_url(file->path, &file->objects, &file->err)
                                    : mu_objects_load(file->path, &file->objects, &file->err);
    file->outside = file->objects.count;
    if (result == 0)
        result = unlock(file, source);
    if (result != 0 && file->err.code == MU_E_WRONG_KIND &&
        mu_str_equal(file->err.hint, mu_code_hint(MU_E_WRONG_KIND)))
        mu_hint(&file->err,
                "check that this is the right file"); /* the usual hint is this command */
}

/* --- What belongs together --- */

static struct mu_key *public_key_of(const struct mu_object *object)
{
    struct mu_error ignored = MU_ERROR_INIT;
    struct mu_key *key = NULL;
    if (object->cert != NULL && mu_cert_key(object->cert, &key, &ignored) != 0)
        return NULL;
    if (object->csr != NULL && mu_csr_key(object->csr, &key, &ignored) != 0)
        return NULL;
    return key;
}

/* The first certificate or request among all files that has this key, or NULL. */
static const struct mu_object *find_owner(const struct inspection *all, const struct mu_key *key,
                                          const char **ret_path)
{
    for (size_t f = 0; f < all->count; f++)
        for (size_t i = 0; i < all->files[f].objects.count; i++) {
            const struct mu_object *object = &all->files[f].objects.at[i];
            MU_AUTO_STRUCT(mu_key) public = public_key_of(object);
            if (public == NULL || !mu_key_same_public(public, key))
                continue;
            *ret_path = all->files[f].path;
            return object;
        }
    return NULL;
}

static bool has_owners(const struct inspection *all)
{
    for (size_t f = 0; f < all->count; f++)
        for (size_t i = 0; i < all->files[f].objects.count; i++)
            if (all->files[f].objects.at[i].cert != NULL || all->files[f].objects.at[i].csr != NULL)
                return true;
    return false;
}

static bool is_misordered(const struct file *file)
{
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_certs) certs = {0};
    for (size_t i = 0; i < file->outside; i++)
        if (file->objects.at[i].cert != NULL &&
            mu_certs_add(&certs, mu_cert_ref(file->objects.at[i].cert), &ignored) != 0)
            return false;
    return mu_certs_misordered(&certs);
}

#define MISMATCH_ID "key_mismatch"
#define MISMATCH_SENTENCE "it belongs to none of the certificates and requests here"
#define CRL_EXPIRED_ID "crl_expired"
#define CRL_EXPIRED_SENTENCE                                                                       \
    "the next list was due: whoever checks this one refuses every certificate"
static const char *csr_problem_id(const struct mu_error *err)
{
    return err->code == MU_E_UNSUPPORTED ? "unsupported_key_type" : "csr_bad_signature";
}

/* --- For people --- */

/* Does a passphrase protect it, where it lies? */
static bool is_locked(const struct file *file, const struct mu_object *object)
{
    return object->raw != NULL || object >= file->objects.at + file->outside;
}

static void describe_key(const struct inspection *all, const struct file *file,
                         const struct mu_object *object)
{
    char kind[MU_KEY_DESCRIPTION_LEN], hex[3 * 32 + 1], label[MU_CERT_LABEL_LEN];
    unsigned char pin[32];
    struct mu_error ignored = MU_ERROR_INIT;
    const char *path = NULL;
    if (object->kind == MU_OBJECT_TOKEN_KEY)
        mu_fact("PKCS#11 URI", "%.*s", (int)object->raw_len, (const char *)object->raw);
    if (object->key == NULL && object->kind == MU_OBJECT_TOKEN_KEY &&
        !mu_pkcs11_uri_is(file->path)) {
        mu_fact("key", "not looked at: give the URI itself to see more");
        return;
    }
    if (object->key == NULL) {
        mu_fact("key", "closed: give its %s with --passphrase-file FILE to see more",
                object->kind == MU_OBJECT_TOKEN_KEY ? "token's PIN" : "passphrase");
        return;
    }
    mu_fact("key", "%s", mu_key_describe(object->key, kind));
    if (mu_key_pin(object->key, pin, &ignored) == 0)
        mu_fact("key SHA-256", "%s", mu_fingerprint_text(pin, sizeof pin, hex, sizeof hex));
    if (object->kind == MU_OBJECT_KEY)
        mu_fact("encrypted", is_locked(file, object) ? "yes" : "no");
    const struct mu_object *owner = find_owner(all, object->key, &path);
    if (owner != NULL && owner->cert != NULL)
        mu_fact("belongs to", "the certificate \"%s\" in %s", mu_cert_label(owner->cert, label),
                shown(path));
    else if (owner != NULL)
        mu_fact("belongs to", "the request in %s", shown(path));
    else if (has_owners(all))
        mu_describe_problem(MISMATCH_ID, MISMATCH_SENTENCE);
}

static void describe_csr(const struct mu_csr *csr)
{
    char kind[MU_KEY_DESCRIPTION_LEN];
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_names) names = {0};
    MU_AUTO_STRUCT(mu_key) key = NULL;
    MU_AUTO_CLEAR(mu_buf) list = MU_BUF_INIT;
    int named = mu_csr_names(csr, &names, &err);
    for (size_t i = 0; named == 0 && i < names.count; i++)
        mu_buf_addf(&list, "%s%s:%s", i > 0 ? "\n" : "", mu_san_kind_name(names.san[i].kind),
                    names.san[i].value);
    if (named == 0)
        mu_fact("common name", "%s", names.cn == NULL ? "none" : names.cn);
    if (list.len > 0)
        mu_fact("names", "%s", mu_buf_str(&list));
    if (named != 0)
        mu_describe_problem(mu_code_id(err.code), err.what);
    if (mu_csr_key(csr, &key, &err) == 0)
        mu_fact("key", "%s", mu_key_describe(key, kind));
    if (mu_csr_verify(csr, &err) == 0)
        mu_fact("signature", "good: made with the key that it asks for");
    else
        mu_describe_problem(csr_problem_id(&err), err.what);
}

static bool is_overdue(const struct mu_crl_info *info, time_t now)
{
    return info->next_update != 0 && now > info->next_update;
}

static void describe_crl(const struct mu_crl *crl, time_t now)
{
    char date[MU_DATE_LEN], when[MU_SPAN_LEN];
    struct mu_crl_info info;
    mu_crl_info(crl, &info);
    mu_fact("issuer", "%s", info.issuer);
    mu_fact("revoked", "%zu certificate%s", info.revoked, info.revoked == 1 ? "" : "s");
    mu_fact("made", "%s, on %s", mu_relative(info.this_update, now, when),
            mu_date(info.this_update, date));
    if (info.next_update != 0)
        mu_fact("next is due", "%s, on %s", mu_relative(info.next_update, now, when),
                mu_date(info.next_update, date));
    if (*info.number != '\0')
        mu_fact("number", "%s", info.number);
    if (info.delta)
        mu_fact("delta", "yes: it holds only what changed since another list");
    mu_fact("signature", "%s", info.signature);
    if (is_overdue(&info, now))
        mu_describe_problem(CRL_EXPIRED_ID, CRL_EXPIRED_SENTENCE);
}

static int describe_cert(const struct mu_cert *cert, time_t now, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    if (mu_cert_info_read(cert, now, &info, err) != 0)
        return -1;
    mu_describe_cert(&info, now);
    return 0;
}

static int describe(const struct inspection *all, const struct file *file,
                    const struct mu_object *object, struct mu_error *err)
{
    switch (object->kind) {
    case MU_OBJECT_CERT: return describe_cert(object->cert, all->now, err);
    case MU_OBJECT_CSR: describe_csr(object->csr); return 0;
    case MU_OBJECT_CRL: describe_crl(object->crl, all->now); return 0;
    case MU_OBJECT_KEY:
    case MU_OBJECT_ENCRYPTED_KEY:
    case MU_OBJECT_TOKEN_KEY:
    case MU_OBJECT_PUBLIC_KEY: describe_key(all, file, object); return 0;
    case MU_OBJECT_OCSP_REQUEST: mu_describe_ocsp_request(object->ocsp_request); return 0;
    case MU_OBJECT_OCSP_RESPONSE:
        mu_describe_ocsp_response(object->ocsp_response, all->now);
        return 0;
    case MU_OBJECT_PKCS12:
    case MU_OBJECT_OTHER: return 0;
    }
    return 0;
}

static void print_heading(const struct file *file, size_t i)
{
    const struct mu_object *object = &file->objects.at[i];
    bool was_locked = object->kind == MU_OBJECT_KEY && object->raw != NULL;
    mu_say(MU_BOLD, "%s", shown(file->path));
    if (file->objects.count > 1)
        printf(", %zu of %zu", i + 1, file->objects.count);
    printf(": %s", mu_object_kind_name(was_locked ? MU_OBJECT_ENCRYPTED_KEY : object->kind));
    if (object->kind == MU_OBJECT_OTHER)
        printf(" (%s)", object->label);
    if (object->line > 0 && file->objects.count > 1)
        printf(", line %d", object->line);
    printf("\n");
}

static int print_text(const struct mu_object *object, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    mu_object_text(object, &text);
    if (mu_buf_failed(&text))
        return mu_fail_nomem(err);
    fputs(mu_buf_str(&text), stdout);
    return 0;
}

static int print_for_people(const struct inspection *all, bool full_text, struct mu_error *err)
{
    bool first = true;
    for (size_t f = 0; f < all->count; f++) {
        struct file *file = &all->files[f];
        for (size_t i = 0; i < file->objects.count; i++) {
            const struct mu_object *object = &file->objects.at[i];
            if (!first)
                printf("\n");
            first = false;
            print_heading(file, i);
            if ((full_text ? print_text(object, err) : describe(all, file, object, err)) != 0)
                return -1;
        }
        if (is_misordered(file))
            mu_describe_problem(MU_ORDER_ID, MU_ORDER_SENTENCE);
        if (file->err.code != MU_OK)
            mu_print_error(&file->err, false);
    }
    return 0;
}

/* --- For programs --- */

static void set(json_t *to, const char *name, json_t *value)
{
    json_object_set_new(to, name, value);
}

static void add_problem(json_t *to, const char *id, const char *sentence)
{
    json_array_append_new(to, json_pack("{s:s, s:s}", "id", id, "what", sentence));
}

static void add_key_json(json_t *to, const struct inspection *all, const struct file *file,
                         const struct mu_object *object)
{
    char kind[MU_KEY_DESCRIPTION_LEN], hex[3 * 32 + 1];
    unsigned char pin[32];
    struct mu_error ignored = MU_ERROR_INIT;
    const char *path = NULL;
    if (object->kind == MU_OBJECT_TOKEN_KEY)
        set(to, "pkcs11_uri", json_stringn((const char *)object->raw, object->raw_len));
    else
        set(to, "encrypted", json_boolean(is_locked(file, object)));
    if (object->key == NULL)
        return;
    set(to, "key", json_string(mu_key_describe(object->key, kind)));
    if (mu_key_pin(object->key, pin, &ignored) == 0)
        set(to, "key_sha256", json_string(mu_fingerprint_text(pin, sizeof pin, hex, sizeof hex)));
    json_t *problems = json_array();
    if (find_owner(all, object->key, &path) == NULL && has_owners(all))
        add_problem(problems, MISMATCH_ID, MISMATCH_SENTENCE);
    set(to, "problems", problems);
}

static void add_csr_json(json_t *to, const struct mu_csr *csr)
{
    char kind[MU_KEY_DESCRIPTION_LEN], name[1024];
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_names) names = {0};
    MU_AUTO_STRUCT(mu_key) key = NULL;
    json_t *list = json_array(), *problems = json_array();
    if (mu_csr_names(csr, &names, &err) != 0)
        add_problem(problems, mu_code_id(err.code), err.what);
    for (size_t i = 0; i < names.count; i++) {
        snprintf(name, sizeof name, "%s:%s", mu_san_kind_name(names.san[i].kind),
                 names.san[i].value);
        json_array_append_new(list, json_string(name));
    }
    set(to, "common_name", json_string(names.cn == NULL ? "" : names.cn));
    set(to, "names", list);
    if (mu_csr_key(csr, &key, &err) == 0)
        set(to, "key", json_string(mu_key_describe(key, kind)));
    if (mu_csr_verify(csr, &err) != 0)
        add_problem(problems, csr_problem_id(&err), err.what);
    set(to, "problems", problems);
}

static void add_crl_json(json_t *to, const struct mu_crl *crl, time_t now)
{
    struct mu_crl_info info;
    mu_crl_info(crl, &info);
    set(to, "issuer", json_string(info.issuer));
    set(to, "number", json_string(info.number));
    set(to, "this_update", mu_time_json(info.this_update));
    set(to, "next_update", info.next_update == 0 ? json_null() : mu_time_json(info.next_update));
    set(to, "revoked", json_integer((json_int_t)info.revoked));
    set(to, "delta", json_boolean(info.delta));
    set(to, "signature", json_string(info.signature));
    json_t *problems = json_array();
    if (is_overdue(&info, now))
        add_problem(problems, CRL_EXPIRED_ID, CRL_EXPIRED_SENTENCE);
    set(to, "problems", problems);
}

static int add_cert_json(json_t *to, const struct mu_cert *cert, time_t now, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    if (mu_cert_info_read(cert, now, &info, err) != 0)
        return -1;
    json_t *fields = mu_cert_json(&info);
    json_object_update(to, fields);
    json_decref(fields);
    return 0;
}

static json_t *object_json(const struct inspection *all, const struct file *file,
                           const struct mu_object *object, struct mu_error *err)
{
    static const char *const kinds[] = {
        [MU_OBJECT_CERT] = "certificate",
        [MU_OBJECT_CSR] = "certificate-request",
        [MU_OBJECT_KEY] = "private-key",
        [MU_OBJECT_ENCRYPTED_KEY] = "private-key",
        [MU_OBJECT_TOKEN_KEY] = "private-key",
        [MU_OBJECT_PUBLIC_KEY] = "public-key",
        [MU_OBJECT_CRL] = "crl",
        [MU_OBJECT_OCSP_REQUEST] = "ocsp-request",
        [MU_OBJECT_OCSP_RESPONSE] = "ocsp-response",
        [MU_OBJECT_PKCS12] = "pkcs12",
        [MU_OBJECT_OTHER] = "other",
    };
    json_t *to = json_pack("{s:s, s:s, s:s, s:i, s:s}", "file", shown(file->path), "kind",
                           kinds[object->kind], "form",
                           object->kind == MU_OBJECT_TOKEN_KEY ? "URI"
                           : object->pem                       ? "PEM"
                                                               : "DER",
                           "line", object->line, "label", object->label);
    if (object->cert != NULL && add_cert_json(to, object->cert, all->now, err) != 0) {
        json_decref(to);
        return NULL;
    }
    if (object->csr != NULL)
        add_csr_json(to, object->csr);
    if (object->crl != NULL)
        add_crl_json(to, object->crl, all->now);
    if (object->ocsp_request != NULL)
        mu_ocsp_request_json(to, object->ocsp_request);
    if (object->ocsp_response != NULL)
        mu_ocsp_response_json(to, object->ocsp_response, all->now);
    if (object->key != NULL || object->kind == MU_OBJECT_ENCRYPTED_KEY ||
        object->kind == MU_OBJECT_TOKEN_KEY)
        add_key_json(to, all, file, object);
    return to;
}

static int print_for_programs(const struct inspection *all, struct mu_error *err)
{
    json_t *objects = json_array(), *errors = json_array(), *problems = json_array();
    int result = 0;
    for (size_t f = 0; f < all->count; f++) {
        const struct file *file = &all->files[f];
        for (size_t i = 0; result == 0 && i < file->objects.count; i++) {
            json_t *object = object_json(all, file, &file->objects.at[i], err);
            result = object == NULL ? -1 : 0;
            json_array_append_new(objects, object);
        }
        if (is_misordered(file))
            add_problem(problems, MU_ORDER_ID, MU_ORDER_SENTENCE);
        if (file->err.code != MU_OK)
            json_array_append_new(errors,
                                  json_pack("{s:s, s:s, s:s, s:s, s:s}", "file", shown(file->path),
                                            "id", mu_code_id(file->err.code), "what", file->err.what,
                                            "cause", file->err.cause, "hint", file->err.hint));
    }
    json_t *whole =
        json_pack("{s:o, s:o, s:o}", "objects", objects, "problems", problems, "errors", errors);
    if (result == 0)
        mu_print_json(whole);
    else
        json_decref(whole);
    return result;
}

/* --- The command --- */

static int run(const struct mu_args *args, struct mu_error *err)
{
    MU_AUTO_CLEAR(inspection) all = {.now = time(NULL)};
    struct mu_passphrase_source source = mu_passphrase_source(args);
    size_t count = (size_t)mu_args_count(args);
    all.files = calloc(count, sizeof *all.files);
    if (all.files == NULL)
        return mu_fail_nomem(err);
    all.count = count;

    bool failed = false;
    for (size_t i = 0; i < count; i++) {
        all.files[i].path = mu_args_at(args, (int)i);
        read_file(&all.files[i], &source);
        failed = failed || all.files[i].err.code != MU_OK;
    }
    int result = mu_args_json(args) ? print_for_programs(&all, err)
                                    : print_for_people(&all, mu_args_given(args, "text"), err);
    return result != 0 ? -1 : failed;
}

static const struct mu_opt opts[] = {
    {"text", 't', NULL, "print OpenSSL's full text instead", NULL, false},
    MU_PASSPHRASE_OPT,
    {0},
};

const struct mu_cmd mu_cmd_inspect = {
    .name = "inspect",
    .args = "FILE|URL|- ...",
    .summary = "say what a certificate, key, request, list or PKCS#12 is, and what is wrong with it",
    .details =
        "PEM and DER are told apart by content, and a file may hold several things; - is standard input.\n"
        "A key that is inspected beside certificates is said to belong to one of them, or to none.\n"
        "https://HOST:PORT shows the chain that a server presents, trusted or not; nothing is sent to it.\n"
        "Of a private key nothing is ever shown but its type and its public half.\n"
        "\n"
        "Exit status: 0 all of it could be read, 1 some of it could not. Problems with what was read do\n"
        "not count: see mutual verify for a verdict.",
    .example = "mutual inspect ca.crt\n"
               "mutual inspect my-client.crt my-client.key\n"
               "mutual inspect https://localhost:3000",
    .opts = opts,
    .min_args = 1,
    .max_args = -1,
    .run = run,
};
