#include "pki/token.h"

#include <openssl/ec.h>
#include <openssl/provider.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/str.h"
#include "pki/object.h"
#include "pki/ossl.h"
#include "pki/token_evp.h"
#include "pki/token_look.h"

enum { KEYS_MAX = 16 };

/* --- The key --- */

static int find_keys(const struct mu_token_look *look, const struct mu_pkcs11_uri *uri,
                     CK_OBJECT_HANDLE found[KEYS_MAX], CK_ULONG *ret_count, struct mu_error *err)
{
    static CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    static const struct {
        enum mu_pkcs11_attribute attribute;
        CK_ATTRIBUTE_TYPE type;
    } named[] = {{MU_PKCS11_OBJECT, CKA_LABEL}, {MU_PKCS11_ID, CKA_ID}};
    CK_ATTRIBUTE template[3] = {{CKA_CLASS, &class, sizeof class}};
    CK_ULONG wanted = 1;
    for (size_t i = 0; i < MU_COUNT(named); i++) {
        const struct mu_pkcs11_value *value = &uri->at[named[i].attribute];
        if (value->data != NULL)
            template[wanted++] = (CK_ATTRIBUTE){named[i].type, value->data, value->len};
    }
    CK_RV rv = look->p11->C_FindObjectsInit(look->session, template, wanted);
    if (rv == CKR_OK) {
        rv = look->p11->C_FindObjects(look->session, found, KEYS_MAX, ret_count);
        look->p11->C_FindObjectsFinal(look->session);
    }
    return rv == CKR_OK ? 0 : mu_token_fail(err, rv, "cannot look for keys in", "the token");
}

/* An attribute's value, "" or 0 octets where there is none or it is too long. */
static size_t read_value(const struct mu_token_look *look, CK_OBJECT_HANDLE object,
                         CK_ATTRIBUTE_TYPE type, void *ret, size_t cap)
{
    CK_ATTRIBUTE attribute = {type, ret, cap};
    CK_RV rv = look->p11->C_GetAttributeValue(look->session, object, &attribute, 1);
    return rv != CKR_OK || attribute.ulValueLen > cap ? 0 : attribute.ulValueLen;
}

static void list_keys(const struct mu_token_look *look, const CK_OBJECT_HANDLE *found,
                      CK_ULONG count, char list[MU_TOKEN_LIST_LEN])
{
    for (CK_ULONG i = 0; i < count; i++) {
        unsigned char id[20];
        char label[MU_TOKEN_LABEL_LEN], hex[3 * sizeof id + 1],
            text[MU_TOKEN_LABEL_LEN + sizeof hex + 8];
        size_t id_len = read_value(look, found[i], CKA_ID, id, sizeof id);
        label[read_value(look, found[i], CKA_LABEL, label, sizeof label - 1)] = '\0';
        mu_str_hex(id, id_len, '%', hex);
        snprintf(text, sizeof text, "%s%s%s", label, id_len > 0 ? ";id=%" : "", hex);
        mu_token_list_add(list, text);
    }
}

static int fail_without_key(const struct mu_token_look *look, const struct mu_pkcs11_uri *uri,
                            const char *token, struct mu_error *err)
{
    const struct mu_pkcs11_uri any = {0};
    CK_OBJECT_HANDLE found[KEYS_MAX];
    CK_ULONG count = 0;
    char there[MU_TOKEN_LIST_LEN] = "", shown[MU_TOKEN_LABEL_LEN];
    const struct mu_pkcs11_value *label = &uri->at[MU_PKCS11_OBJECT];
    if (find_keys(look, &any, found, &count, err) != 0)
        return -1;
    list_keys(look, found, count, there);
    if (label->data == NULL)
        mu_fail(err, MU_E_TOKEN, "there is no private key like that in the token \"%s\"", token);
    else
        mu_fail(err, MU_E_TOKEN, "there is no private key \"%s\"%s in the token \"%s\"",
                mu_str_printable(label->data, label->len, shown, sizeof shown),
                uri->at[MU_PKCS11_ID].data == NULL ? "" : " with that id", token);
    return count > 0
               ? mu_hint(err, "there are: %s", there)
               : mu_hint(err, "there is none at all; make one: pkcs11-tool --module MODULE --login "
                              "--keypairgen --key-type EC:prime256v1 --id 01 --label NAME");
}

static int find_key(const struct mu_token_look *look, const struct mu_pkcs11_uri *uri,
                    struct mu_token_place *place, struct mu_error *err)
{
    CK_OBJECT_HANDLE found[KEYS_MAX];
    CK_ULONG count = 0;
    CK_KEY_TYPE type = 0;
    char list[MU_TOKEN_LIST_LEN] = "", token[80];
    mu_str_printable(place->token, strlen(place->token), token, sizeof token);
    if (find_keys(look, uri, found, &count, err) != 0)
        return -1;
    if (count == 0)
        return fail_without_key(look, uri, token, err);
    if (count > 1) {
        list_keys(look, found, count, list);
        mu_fail(err, MU_E_AMBIGUOUS,
                "several private keys in the token \"%s\" fit that PKCS#11 URI: %s", token, list);
        return mu_hint(err, "name one by object= and id=");
    }
    place->id_len = read_value(look, found[0], CKA_ID, place->id, sizeof place->id);
    place->object[read_value(look, found[0], CKA_LABEL, place->object, sizeof place->object - 1)] =
        '\0';
    if (read_value(look, found[0], CKA_KEY_TYPE, &type, sizeof type) == sizeof type)
        place->edwards = type == CKK_EC_EDWARDS;
    return 0;
}

/* --- A new key --- */

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

struct pair_template {
    CK_ATTRIBUTE public[8], private[8];
    CK_ULONG public_count, private_count;
};

static void add(CK_ATTRIBUTE *list, CK_ULONG *count, CK_ATTRIBUTE_TYPE type, void *value, size_t len)
{
    list[(*count)++] = (CK_ATTRIBUTE){type, value, len};
}

static void name_pair(struct pair_template *t, const struct mu_pkcs11_value *label, void *id,
                      size_t id_len)
{
    CK_ATTRIBUTE *lists[] = {t->public, t->private};
    CK_ULONG *counts[] = {&t->public_count, &t->private_count};
    for (size_t i = 0; i < MU_COUNT(lists); i++) {
        add(lists[i], counts[i], CKA_TOKEN, &yes, sizeof yes);
        add(lists[i], counts[i], CKA_LABEL, label->data, label->len);
        add(lists[i], counts[i], CKA_ID, id, id_len);
    }
    add(t->public, &t->public_count, CKA_VERIFY, &yes, sizeof yes);
    add(t->private, &t->private_count, CKA_SIGN, &yes, sizeof yes);
    add(t->private, &t->private_count, CKA_PRIVATE, &yes, sizeof yes);
    add(t->private, &t->private_count, CKA_SENSITIVE, &yes, sizeof yes);
    add(t->private, &t->private_count, CKA_EXTRACTABLE, &no, sizeof no);
}

/* The curve by its object identifier, or the modulus by its length. */
static int shape_pair(struct pair_template *t, const char *type, CK_MECHANISM *ret,
                      unsigned char curve[32], CK_ULONG *bits, struct mu_error *err)
{
    static unsigned char exponent[] = {1, 0, 1};
    const char *group;
    unsigned wanted_bits;
    if (mu_key_type_parts(type, &group, &wanted_bits, err) != 0)
        return -1;
    if (wanted_bits != 0) {
        *bits = wanted_bits;
        ret->mechanism = CKM_RSA_PKCS_KEY_PAIR_GEN;
        add(t->public, &t->public_count, CKA_MODULUS_BITS, bits, sizeof *bits);
        add(t->public, &t->public_count, CKA_PUBLIC_EXPONENT, exponent, sizeof exponent);
        return 0;
    }
    unsigned char *p = curve;
    ASN1_OBJECT *oid = group == NULL ? NULL : OBJ_nid2obj(EC_curve_nist2nid(group));
    int len = oid == NULL ? 0 : i2d_ASN1_OBJECT(oid, NULL);
    if (len <= 0 || len > 32) {
        mu_fail(err, MU_E_UNSUPPORTED, "a key of the type %s is not made in a token from here",
                type);
        return mu_hint(
            err,
            "choose a P- or RSA type, or make it with the token's own program and leave out --key-type");
    }
    i2d_ASN1_OBJECT(oid, &p);
    ret->mechanism = CKM_EC_KEY_PAIR_GEN;
    add(t->public, &t->public_count, CKA_EC_PARAMS, curve, (size_t)len);
    return 0;
}

static int make_key(const struct mu_token_look *look, const struct mu_pkcs11_uri *uri,
                    const char *type, const char *token, struct mu_error *err)
{
    struct pair_template template = {.public_count = 0};
    const struct mu_pkcs11_value *label = &uri->at[MU_PKCS11_OBJECT];
    const struct mu_pkcs11_value *id = &uri->at[MU_PKCS11_ID];
    CK_OBJECT_HANDLE found[KEYS_MAX], public, private;
    CK_MECHANISM mechanism = {0};
    CK_ULONG count = 0, bits;
    unsigned char fresh_id[8], curve[32];
    if (label->data == NULL)
        return mu_fail(err, MU_E_PKCS11_URI, "a new key in a token needs a name: object=NAME");
    if (find_keys(look, uri, found, &count, err) != 0)
        return -1;
    if (count > 0) {
        mu_fail(err, MU_E_EXISTS, "there is a key of that name in the token \"%s\" already", token);
        return mu_hint(err, "use it, without --key-type; or give the new one another name");
    }
    if (getrandom(fresh_id, sizeof fresh_id, 0) != (ssize_t)sizeof fresh_id)
        return mu_fail_errno(err, MU_E_SYSTEM, "there is no random number to be had");
    name_pair(&template, label, id->data != NULL ? (void *)id->data : fresh_id,
              id->data != NULL ? id->len : sizeof fresh_id);
    if (shape_pair(&template, type, &mechanism, curve, &bits, err) != 0)
        return -1;
    CK_RV rv = look->p11->C_GenerateKeyPair(look->session, &mechanism, template.public,
                                            template.public_count, template.private,
                                            template.private_count, &public, &private);
    return rv == CKR_OK ? 0 : mu_token_fail(err, rv, "no key was made by the token", token);
}

/* --- All of it --- */

/* With `type` it is made first. */
static int find(const struct mu_pkcs11_uri *uri, const char *type,
                const struct mu_passphrase_source *source, struct mu_token_place *place,
                struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_token_look) look = {.began = false};
    if (mu_token_look_begin(uri, type != NULL, source, place, &look, err) != 0 ||
        (type != NULL && make_key(&look, uri, type, place->token, err) != 0))
        return -1;
    return find_key(&look, uri, place, err);
}

/* A certificate is made of the public half, which an EC key in a token need not have with it. */
static int check_public_half(const struct mu_key *key, const struct mu_token_place *place,
                             struct mu_error *err)
{
    unsigned char pin[32];
    char token[80];
    if (mu_key_pin(key, pin, err) == 0)
        return 0;
    mu_fail(err, MU_E_TOKEN, "the token \"%s\" does not have the public half of the key",
            mu_str_printable(place->token, strlen(place->token), token, sizeof token));
    return mu_hint(err,
                   "write the public key to it, under the same id: pkcs11-tool --module MODULE --login "
                   "--write-object FILE --type pubkey --id ID");
}

static int open_found(const struct mu_token_place *place, struct mu_key **ret, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_key) key = NULL;
    EVP_PKEY *evp = mu_token_evp_provider(place, err);
    if (evp == NULL && (err->code != MU_OK || mu_token_evp_libp11(place, &evp, err) != 0))
        return -1;
    if (mu_key_wrap(evp, &key, err) != 0 || check_public_half(key, place, err) != 0)
        return -1;
    *ret = mu_take(&key);
    return 0;
}

static int find_and_open(const struct mu_pkcs11_uri *uri, const char *type,
                         const struct mu_passphrase_source *source, struct mu_key **ret,
                         struct mu_error *err)
{
    struct mu_token_place place = {.slot = 0};
    struct mu_error why = MU_ERROR_INIT;
    int result = find(uri, type, source, &place, err);
    if (result == 0)
        result = open_found(&place, ret, &why);
    if (why.code != MU_OK)
        *err = why;
    mu_secret_clear(&place.pin);
    return result;
}

int mu_token_key_open(const struct mu_pkcs11_uri *uri, const struct mu_passphrase_source *source,
                      struct mu_key **ret, struct mu_error *err)
{
    return find_and_open(uri, NULL, source, ret, err);
}

int mu_token_key_make(const struct mu_pkcs11_uri *uri, const char *type,
                      const struct mu_passphrase_source *source, struct mu_key **ret,
                      struct mu_error *err)
{
    return find_and_open(uri, type, source, ret, err);
}

bool mu_token_key_is_named(const char *path)
{
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    return mu_objects_load(path, &objects, &ignored) == 0 &&
           objects.at[0].kind == MU_OBJECT_TOKEN_KEY;
}

/* libp11's keys are of OpenSSL's older kind, which no provider has; nothing else here makes such. */
bool mu_key_is_in_token(const struct mu_key *key)
{
    const OSSL_PROVIDER *provider = EVP_PKEY_get0_provider(mu_key_evp(key));
    return provider == NULL || mu_str_equal(OSSL_PROVIDER_get0_name(provider), "pkcs11");
}

int mu_fail_in_token(struct mu_error *err)
{
    mu_fail(err, MU_E_UNSUPPORTED, "the private key is in a token, which does not give it away");
    return mu_hint(
        err,
        "whoever is to use it names it by its PKCS#11 URI; a key that is to be handed on is made in a "
        "file");
}
