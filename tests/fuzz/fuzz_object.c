/*
 * Certificate files: whatever the bytes, recognising and describing them must neither fall over nor say
 * anything that a terminal would obey.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "pki/info.h"
#include "pki/bundle.h"
#include "pki/object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* 2026-06-01 */
static const time_t now = 1780272000;

/* Abort unless this is one line of printable text. */
static void check(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            abort();
}

static void check_all(const struct mu_strs *list)
{
    for (size_t i = 0; i < list->count; i++)
        check(list->at[i]);
}

static void describe_cert(const struct mu_cert *cert)
{
    struct mu_error err = MU_ERROR_INIT;
    char label[MU_CERT_LABEL_LEN];
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    check(mu_cert_label(cert, label));
    if (mu_cert_info_read(cert, now, &info, &err) != 0)
        return;
    check(info.subject);
    check(info.issuer);
    check(info.cn);
    check(info.serial);
    check(info.key);
    check(info.signature);
    check(info.subject_key_id);
    check(info.authority_key_id);
    check_all(&info.san);
    check_all(&info.purposes);
    check_all(&info.crl_urls);
    check_all(&info.ocsp_urls);
    check_all(&info.problems);
}

static void describe_csr(const struct mu_csr *csr)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_names) names = {0};
    MU_AUTO_STRUCT(mu_key) key = NULL;
    if (mu_csr_names(csr, &names, &err) != 0)
        check(err.what);
    for (size_t i = 0; i < names.count; i++)
        check(names.san[i].value);
    if (mu_csr_verify(csr, &err) != 0)
        check(err.what);
    (void)!mu_csr_key(csr, &key, &err);
}

static void describe(const struct mu_object *object)
{
    char text[MU_KEY_DESCRIPTION_LEN];
    struct mu_crl_info crl;
    check(object->label);
    if (object->cert != NULL)
        describe_cert(object->cert);
    if (object->csr != NULL)
        describe_csr(object->csr);
    if (object->key != NULL)
        check(mu_key_describe(object->key, text));
    if (object->crl != NULL) {
        mu_crl_info(object->crl, &crl);
        check(crl.issuer);
        check(crl.number);
        check(crl.signature);
    }
    MU_AUTO_CLEAR(mu_buf) whole = MU_BUF_INIT;
    mu_object_text(object, &whole);
    for (const char *p = mu_buf_str(&whole); *p != '\0'; p++)
        if (((unsigned char)*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f)
            abort();
}

/* What is written anew holds what was there: as many blocks, and the new certificate. */
static void write_anew(const uint8_t *data, size_t size)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_bundle) bundle = MU_BUNDLE_INIT, again = MU_BUNDLE_INIT;
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT_SECRET;
    if (mu_bundle_parse("x", data, size, NULL, &bundle, &err) != 0 || bundle.leaf == NULL)
        return;
    if (mu_bundle_write(&bundle, bundle.leaf->cert, NULL, NULL, NULL, &text, &err) != 0 ||
        mu_bundle_parse("x", mu_buf_str(&text), text.len, NULL, &again, &err) != 0 ||
        again.objects.count != bundle.objects.count || again.leaf == NULL)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    int result = mu_objects_parse("x", data, size, &objects, &err);
    if (result != 0)
        check(err.what);
    if ((result != 0) != (err.code != MU_OK) || (result == 0 && objects.count == 0))
        abort();
    for (size_t i = 0; i < objects.count; i++)
        describe(&objects.at[i]);
    write_anew(data, size);
    return 0;
}
