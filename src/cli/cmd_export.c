#include <stdio.h>

#include "base/file.h"
#include "base/str.h"
#include "cli/cmd.h"
#include "cli/credentials.h"
#include "cli/json.h"
#include "cli/passphrase.h"
#include "cli/print.h"
#include "pki/pkcs12.h"
#include "pki/token.h"

/* What is to leave, and where to; a path is NULL when that form was not asked for. */
struct parcel {
    const char *p12, *bundle, *der;
    const char *name; /* friendlyName */
    bool legacy, encrypt_key;
    struct mu_certs given; /* the leaf, and what came with it */
    struct mu_certs chain; /* from the leaf up to the root, as far as it is known */
    struct mu_key *key;    /* NULL when only the certificate leaves */
    struct mu_secret passphrase;
    char label[MU_CERT_LABEL_LEN];
};

static void parcel_clear(struct parcel *parcel)
{
    mu_certs_clear(&parcel->given);
    mu_certs_clear(&parcel->chain);
    mu_key_free(parcel->key);
    mu_secret_clear(&parcel->passphrase);
}
MU_AUTO_DEFINE_CLEAR(parcel, parcel_clear)

/* --- Packing --- */

/* What came with the leaf, the CAs that were named, and the home CA: whoever issued it is among them. */
static int build_chain(const struct mu_args *args, struct parcel *parcel, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_certs) pool = {0};
    struct mu_error none = MU_ERROR_INIT;
    for (size_t i = 1; i < parcel->given.count; i++)
        if (mu_certs_add(&pool, mu_cert_ref(parcel->given.at[i]), err) != 0)
            return -1;
    if (mu_load_helpers(args, &pool, err) != 0)
        return -1;
    if (mu_load_anchors(args, &pool, &none) != 0 && none.code != MU_E_NO_CA) {
        *err = none;
        return -1;
    }
    return mu_certs_add_chain(parcel->given.at[0], &pool, true, &parcel->chain, err);
}

/* --new-passphrase-file; or the passphrase that opens the key protects what it goes into, too; or ask. */
static int get_passphrase(const struct mu_args *args, struct parcel *parcel, struct mu_error *err)
{
    struct mu_passphrase_source fresh = mu_new_passphrase_source(args);
    if (parcel->p12 == NULL && !parcel->encrypt_key)
        return 0;
    if (!mu_args_given(args, "new-passphrase-file") &&
        mu_passphrase_for_new_key(args, &parcel->passphrase, err) != 0)
        return -1;
    if (parcel->passphrase.data != NULL)
        return 0;
    return fresh.ask(fresh.arg, parcel->p12 != NULL ? parcel->p12 : parcel->bundle,
                     &parcel->passphrase, err);
}

static int load(const struct mu_args *args, struct parcel *parcel, struct mu_error *err)
{
    const char *name = mu_args_at(args, 0);
    bool with_key = parcel->p12 != NULL || parcel->bundle != NULL;
    if (parcel->p12 == NULL && parcel->bundle == NULL && parcel->der == NULL)
        return mu_usage(err, args, "say what to make: --p12, --pem-bundle or --der FILE");
    if (name == NULL && !mu_args_given(args, "cert"))
        return mu_usage(err, args, "say whose: mutual export NAME, or --cert FILE");
    const struct mu_self who = {.name = name, .name_opt = "NAME", .with_root = true};
    if (mu_load_self(args, &who, &parcel->given, with_key ? &parcel->key : NULL, err) != 0)
        return -1;
    if (parcel->key != NULL && mu_key_is_in_token(parcel->key))
        return mu_fail_in_token(err);
    mu_cert_label(parcel->given.at[0], parcel->label);
    parcel->name = mu_args_value(args, "friendly-name");
    if (parcel->name == NULL)
        parcel->name = name != NULL ? name : parcel->label;
    return build_chain(args, parcel, err) != 0 ? -1 : get_passphrase(args, parcel, err);
}

static int stage_p12(const struct parcel *parcel, struct mu_stage *stage, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT_SECRET;
    const struct mu_pkcs12 what = {
        .key = parcel->key,
        .chain = &parcel->chain,
        .name = parcel->name,
        .passphrase = &parcel->passphrase,
        .legacy = parcel->legacy,
    };
    if (mu_pkcs12_make(&what, &der, err) != 0)
        return -1;
    return mu_stage_add(stage, parcel->p12, der.data, der.len, 0600, err);
}

/* Servers read this, and send what is in it: so without the root, which nobody takes from a server. */
static int stage_bundle(const struct parcel *parcel, struct mu_stage *stage, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT_SECRET;
    MU_AUTO_CLEAR(mu_certs) sent = {0};
    if (mu_key_to_pem(parcel->key, parcel->encrypt_key ? &parcel->passphrase : NULL, &pem, err) !=
            0 ||
        mu_certs_add_chain(parcel->chain.at[0], &parcel->chain, false, &sent, err) != 0)
        return -1;
    for (size_t i = 0; i < sent.count; i++)
        mu_cert_to_pem(sent.at[i], &pem);
    if (mu_buf_failed(&pem))
        return mu_fail_nomem(err);
    return mu_stage_add(stage, parcel->bundle, pem.data, pem.len, 0600, err);
}

static int stage_der(const struct parcel *parcel, struct mu_stage *stage, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    mu_cert_to_der(parcel->chain.at[0], &der);
    if (mu_buf_failed(&der))
        return mu_fail_nomem(err);
    return mu_stage_add(stage, parcel->der, der.data, der.len, 0644, err);
}

/* --- Telling --- */

static void show(const struct mu_args *args, const struct parcel *parcel)
{
    bool complete = mu_cert_is_ca(parcel->chain.at[parcel->chain.count - 1]);
    if (mu_args_json(args)) {
        mu_print_json(mu_pack("{s:s, s:s?, s:s?, s:s?, s:s, s:i, s:b}", "name", parcel->label,
                              "p12", parcel->p12, "pem_bundle", parcel->bundle, "der", parcel->der,
                              "friendly_name", parcel->name, "chain_length",
                              (int)parcel->chain.count, "has_ca", (int)complete));
    } else {
        printf("exported \"%s\"\n", parcel->label);
        if (parcel->p12 != NULL)
            mu_fact("PKCS#12", "%s (key, certificate and %s, protected by the passphrase)",
                    parcel->p12, complete ? "CA" : "no CA");
        if (parcel->bundle != NULL)
            mu_fact("bundle", "%s (key and certificate, %s)", parcel->bundle,
                    parcel->encrypt_key ? "the key protected by the passphrase"
                                        : "the key not protected: keep it secret");
        if (parcel->der != NULL)
            mu_fact("DER", "%s (certificate)", parcel->der);
    }
    if (parcel->p12 != NULL && !complete)
        mu_note(
            "the CA that issued \"%s\" is not known here, so it is not inside: name it with --cacert FILE",
            parcel->label);
    if (parcel->p12 != NULL && parcel->legacy)
        mu_note("3DES and SHA-1 protect little today: import the file, then delete it");
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_stage) stage = {.replace = mu_args_given(args, "force")};
    MU_AUTO_CLEAR(parcel) parcel = {
        .p12 = mu_args_value(args, "p12"),
        .bundle = mu_args_value(args, "pem-bundle"),
        .der = mu_args_value(args, "der"),
        .legacy = mu_args_given(args, "legacy"),
        .encrypt_key = mu_args_given(args, "encrypt-key"),
    };
    const char *const paths[] = {parcel.p12, parcel.bundle, parcel.der};
    for (size_t i = 0; i < MU_COUNT(paths); i++) /* before anybody types a passphrase */
        if (paths[i] != NULL && mu_stage_check(&stage, paths[i], err) != 0)
            return -1;
    if (load(args, &parcel, err) != 0 ||
        (parcel.p12 != NULL && stage_p12(&parcel, &stage, err) != 0) ||
        (parcel.bundle != NULL && stage_bundle(&parcel, &stage, err) != 0) ||
        (parcel.der != NULL && stage_der(&parcel, &stage, err) != 0) ||
        mu_stage_commit(&stage, err) != 0)
        return -1;
    show(args, &parcel);
    return 0;
}

static const struct mu_opt opts[] = {
    {"p12", 0, "FILE", "write a PKCS#12 container: key, certificate, chain and CA", NULL, false},
    {"pem-bundle", 0, "FILE", "write one PEM file: key, certificate and chain", NULL, false},
    {"der", 0, "FILE", "write the certificate alone, in DER", NULL, false},
    {"legacy", 0, NULL, "for old Java, Windows and macOS: 3DES and SHA-1 in the container", NULL,
     false},
    {"friendly-name", 0, "TEXT", "what the entry is called in the container [NAME]", NULL, false},
    {"encrypt-key", 0, NULL, "protect the key in the PEM file, too", NULL, false},
    {"cert", 'E', "FILE", "the certificate, instead of NAME.crt", NULL, false},
    {"key", 0, "FILE", "its key, if it is not in the same file", NULL, false},
    {"cacert", 0, "FILE", "where its issuers are [the home CA]", NULL, true},
    {"force", 0, NULL, "replace files that are there", NULL, false},
    {"passphrase-file", 0, "FILE",
     "read the passphrase of key and container from FILE (first line)", NULL, false},
    {"new-passphrase-file", 0, "FILE", "the container's, where it is not that of the key", NULL,
     false},
    {0},
};

const struct mu_cmd mu_cmd_export = {
    .name = "export",
    .args = "[NAME]",
    .summary = "hand a certificate and its key to other programs: PKCS#12, one PEM file, DER",
    .details =
        "NAME means NAME.crt and NAME.key. A passphrase that no option names is asked for on the terminal, a\n"
        "container's twice. Containers are encrypted with AES-256 and authenticated with SHA-256. Java before\n"
        "8u301, Windows before 10 1709 and many a macOS cannot read that; for them there is --legacy.\n"
        "\n"
        "Java needs no keystore of its own kind (JKS): it takes the container as it is, and trusts a CA out of\n"
        "another one, which keytool makes. Options in a file keep passphrases out of the process list:\n"
        "  keytool -importcert -noprompt -alias my-ca -file ca.crt -keystore ca.p12 -storetype PKCS12\n"
        "  java @tls.opts Main     where tls.opts, readable by its owner only, holds:\n"
        "    -Djavax.net.ssl.keyStore=my-client.p12\n"
        "    -Djavax.net.ssl.keyStoreType=PKCS12\n"
        "    -Djavax.net.ssl.keyStorePassword=...\n"
        "    -Djavax.net.ssl.trustStore=ca.p12\n"
        "    -Djavax.net.ssl.trustStoreType=PKCS12\n"
        "    -Djavax.net.ssl.trustStorePassword=...\n"
        "Firefox and Chromium take it in with: pk12util -i my-client.p12 -d sql:DIR",
    .example = "mutual export my-client --p12 my-client.p12 --passphrase-file new.txt\n"
               "mutual export localhost --pem-bundle localhost.pem\n"
               "mutual export my-client --der my-client.der",
    .opts = opts,
    .max_args = 1,
    .run = run,
};
