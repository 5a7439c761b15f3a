#include "pki/bundle.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "pki/pem.h"
#include "pki/pkcs12.h"

static bool is_key(const struct mu_object *object)
{
    return object->kind == MU_OBJECT_KEY || object->kind == MU_OBJECT_ENCRYPTED_KEY;
}

static int fail_container(const char *name, const char *what, struct mu_error *err)
{
    mu_fail(err, MU_E_UNSUPPORTED, "%s holds %s, which cannot be written anew", name, what);
    return mu_hint(err,
                   "use PEM files: openssl pkcs12 or openssl pkcs7 -print_certs takes them out");
}

static int find_parts(struct mu_bundle *bundle, struct mu_error *err)
{
    for (size_t i = 0; i < bundle->objects.count; i++) {
        const struct mu_object *object = &bundle->objects.at[i];
        if (object->kind == MU_OBJECT_PKCS12 && !bundle->container)
            return fail_container(bundle->name, "a PKCS#12 container", err);
        if (object->cert != NULL && (bundle->leaf == NULL || (mu_cert_is_ca(bundle->leaf->cert) &&
                                                              !mu_cert_is_ca(object->cert))))
            bundle->leaf = object;
        if (bundle->key == NULL && is_key(object))
            bundle->key = object;
    }
    if (bundle->container)
        return 0;
    /* In PKCS#7 several certificates share one block, or one DER structure. */
    for (size_t i = 0; bundle->leaf != NULL && i < bundle->objects.count; i++) {
        const struct mu_object *object = &bundle->objects.at[i];
        bool shares = object != bundle->leaf && object->line == bundle->leaf->line;
        if (shares || strstr(bundle->leaf->label, "PKCS") != NULL ||
            mu_str_equal(bundle->leaf->label, "CMS"))
            return fail_container(bundle->name, "a PKCS#7 bundle", err);
    }
    return 0;
}

/* Hands on what it is told, and keeps a copy. */
struct overheard {
    const struct mu_passphrase_source *source;
    struct mu_secret *ret;
};

static int overhear(void *arg, const char *what, struct mu_secret *ret, struct mu_error *err)
{
    struct overheard *overheard = arg;
    if (overheard->source->ask(overheard->source->arg, what, ret, err) != 0)
        return -1;
    mu_secret_clear(overheard->ret);
    return mu_secret_set(overheard->ret, ret->data, ret->len, err);
}

/* What is in a container comes behind it in the list. */
static int open_container(struct mu_bundle *bundle, const struct mu_passphrase_source *source,
                          struct mu_error *err)
{
    struct overheard overheard = {source, &bundle->passphrase};
    const struct mu_passphrase_source through = {.ask = overhear, .arg = &overheard};
    const struct mu_objects *objects = &bundle->objects;
    if (source == NULL || objects->at[0].kind != MU_OBJECT_PKCS12 || objects->at[0].pem ||
        objects->count != 1)
        return 0;
    bundle->container = true;
    return mu_object_decrypt(bundle->name, &bundle->objects, 0, &through, err);
}

static int parse(const char *name, const struct mu_passphrase_source *source, struct mu_bundle *ret,
                 struct mu_error *err)
{
    ret->name = strdup(name);
    if (ret->name == NULL)
        return mu_fail_nomem(err);
    if (mu_objects_parse(name, mu_buf_str(&ret->text), ret->text.len, &ret->objects, err) != 0 ||
        open_container(ret, source, err) != 0)
        return -1;
    return find_parts(ret, err);
}

int mu_bundle_parse(const char *name, const void *data, size_t len,
                    const struct mu_passphrase_source *source, struct mu_bundle *ret,
                    struct mu_error *err)
{
    mu_buf_add(&ret->text, data, len);
    return mu_buf_failed(&ret->text) ? mu_fail_nomem(err) : parse(name, source, ret, err);
}

int mu_bundle_load(const char *path, const char *name, const struct mu_passphrase_source *source,
                   struct mu_bundle *ret, struct mu_error *err)
{
    return mu_file_read(path, MU_FILE_LIMIT, &ret->text, err) != 0 ? -1
                                                                   : parse(name, source, ret, err);
}

void mu_bundle_clear(struct mu_bundle *bundle)
{
    free(bundle->name);
    mu_buf_clear(&bundle->text);
    mu_objects_clear(&bundle->objects);
    mu_secret_clear(&bundle->passphrase);
    *bundle = (struct mu_bundle)MU_BUNDLE_INIT;
}

int mu_bundle_key(struct mu_bundle *bundle, const struct mu_passphrase_source *source,
                  const struct mu_key **ret, struct mu_secret *ret_passphrase, struct mu_error *err)
{
    if (bundle->key == NULL)
        return mu_fail(err, MU_E_WRONG_KIND, "%s holds %s, not a private key", bundle->name,
                       mu_object_kind_name(bundle->objects.at[0].kind));
    size_t i = (size_t)(bundle->key - bundle->objects.at);
    struct overheard overheard = {source, ret_passphrase};
    const struct mu_passphrase_source through = {.ask = overhear, .arg = &overheard};
    if (bundle->key->kind == MU_OBJECT_ENCRYPTED_KEY &&
        mu_object_decrypt(bundle->name, &bundle->objects, i, source == NULL ? NULL : &through,
                          err) != 0)
        return -1;
    *ret = bundle->objects.at[i].key;
    return 0;
}

/* Is there a CA at this line that is not a root? */
static bool is_in_between(const struct mu_bundle *bundle, int line)
{
    for (size_t i = 0; i < bundle->objects.count; i++) {
        const struct mu_cert *cert = bundle->objects.at[i].cert;
        if (cert != NULL && bundle->objects.at[i].line == line)
            return mu_cert_is_ca(cert) && !mu_cert_is_signed_by(cert, cert);
    }
    return false;
}

/* A block's own line tells what it was parsed as. */
static int write_pem(const struct mu_bundle *bundle, const struct mu_cert *cert,
                     const struct mu_certs *behind, const struct mu_key *key,
                     const struct mu_secret *passphrase, struct mu_buf *ret, struct mu_error *err)
{
    const char *text = mu_buf_str(&bundle->text);
    struct mu_pem_reader reader = {.name = bundle->name,
                                   .at = text,
                                   .end = text + bundle->text.len,
                                   .line = 1};
    if (mu_str_starts_with(text, "\xef\xbb\xbf")) /* the byte order mark of UTF-8 */
        reader.at += 3;
    struct mu_pem block;
    int found;
    while ((found = mu_pem_next(&reader, &block, err)) == 1) {
        if (cert != NULL && bundle->leaf != NULL && block.line == bundle->leaf->line) {
            mu_cert_to_pem(cert, ret);
            if (behind != NULL)
                mu_certs_to_pem(behind, ret);
        } else if (behind != NULL && is_in_between(bundle, block.line)) {
            continue;
        } else if (key != NULL && bundle->key != NULL && block.line == bundle->key->line) {
            if (mu_key_to_pem(key, passphrase, ret, err) != 0)
                return -1;
        } else if (key == NULL || !mu_str_equal(block.label, "EC PARAMETERS")) {
            mu_buf_add(ret, block.at, block.len); /* a new key says its curve itself */
            if (block.at[block.len - 1] != '\n')
                mu_buf_adds(ret, "\n");
        }
    }
    return found;
}

static int write_container(const struct mu_bundle *bundle, const struct mu_cert *cert,
                           const struct mu_key *key, struct mu_buf *ret, struct mu_error *err)
{
    const struct mu_secret empty = {.data = (char *)"", .len = 0};
    const struct mu_pkcs12_swap swap = {
        .passphrase = bundle->passphrase.data == NULL ? &empty : &bundle->passphrase,
        .old = bundle->leaf->cert,
        .cert = cert,
        .key = key,
    };
    return mu_pkcs12_replace(bundle->text.data, bundle->text.len, &swap, ret, err);
}

int mu_bundle_write(const struct mu_bundle *bundle, const struct mu_cert *cert,
                    const struct mu_certs *behind, const struct mu_key *key,
                    const struct mu_secret *passphrase, struct mu_buf *ret, struct mu_error *err)
{
    bool pem = bundle->objects.at[0].pem;
    if (bundle->container)
        return write_container(bundle, cert, key, ret, err);
    if (pem && write_pem(bundle, cert, behind, key, passphrase, ret, err) != 0)
        return -1;
    if (!pem && bundle->leaf != NULL && cert != NULL)
        mu_cert_to_der(cert, ret);
    else if (!pem && bundle->key != NULL && key != NULL &&
             mu_key_to_der(key, passphrase, ret, err) != 0)
        return -1;
    return mu_buf_failed(ret) ? mu_fail_nomem(err) : 0;
}
