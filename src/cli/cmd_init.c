#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "authority/authority.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cmd.h"
#include "cli/credentials.h"
#include "cli/describe.h"
#include "cli/issuing.h"
#include "cli/json.h"
#include "cli/passphrase.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "pki/info.h"
#include "pki/object.h"

enum { ROOT_DAYS = 7300 };

static void show_list(const char *label, const struct mu_strs *list)
{
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    for (size_t i = 0; i < list->count; i++)
        mu_buf_addf(&text, "%s%s", i > 0 ? "\n" : "", list->at[i]);
    if (list->count > 0)
        mu_fact(label, "%s", mu_buf_str(&text));
}

/* Who permits a domain thinks of hosts, which have addresses, too. */
static void note_if_free(const struct mu_constraints *constraints)
{
    bool names = mu_constraints_concern(constraints, MU_SAN_DNS);
    bool addresses = mu_constraints_concern(constraints, MU_SAN_IP);
    if (names && !addresses)
        mu_note("IP addresses are not constrained; to leave them out altogether, add: "
                "--exclude IP:0.0.0.0/0 --exclude IP:::/0");
    if (addresses && !names)
        mu_note("DNS names are not constrained; to bind them to a domain, add: "
                "--permit DNS:DOMAIN");
}

/* A key that was made for nothing would stay in the token, so what is in the way is found first. */
static int get_token_key(const struct mu_args *args, const char *where, struct mu_buf *ret_uri,
                         struct mu_key **ret, struct mu_error *err)
{
    struct mu_home home;
    if (mu_home_paths(mu_args_home(args), &home, err) != 0 ||
        (!mu_args_given(args, "force") && mu_home_check_free(&home, err) != 0))
        return -1;
    return mu_load_token_key(args, where, ret_uri, ret, err);
}

#define TOKEN_KEY_TEXT "in a token, as %s says: %s"

/* Where things are, which others are told as well. */
static void show_files(const struct mu_args *args, const struct mu_home *paths, const char *key_uri)
{
    const char *root_key = mu_args_value(args, "root-key-out");
    mu_fact("certificate", "%s", paths->cert);
    if (key_uri == NULL)
        mu_fact("key", "%s (keep it secret, keep a copy)", paths->key);
    else
        mu_fact("key", TOKEN_KEY_TEXT, paths->key, key_uri);
    mu_fact("records", "%s", paths->db);
    if (!mu_args_given(args, "issuing"))
        return;
    mu_fact("root", "%s (what others trust: %s)", paths->root_cert, paths->trust);
    if (root_key != NULL)
        mu_fact("root's key", "%s (not needed from day to day: keep it off this machine)", root_key);
    else
        mu_fact("root's key", "%s (not needed from day to day: better kept elsewhere)",
                paths->root_key);
}

static json_t *root_json(const struct mu_args *args, const struct mu_home *paths)
{
    const char *root_key = mu_args_value(args, "root-key-out");
    if (!mu_args_given(args, "issuing"))
        return json_null();
    return mu_pack("{s:s, s:s, s:s, s:s}", "cert", paths->root_cert, "key",
                   root_key != NULL ? root_key : paths->root_key, "trust", paths->trust, "chain",
                   paths->chain);
}

static int show(const struct mu_args *args, const struct mu_constraints *constraints,
                const struct mu_cert *cert, const char *old, const char *key_uri,
                struct mu_error *err)
{
    const char *example = mu_constraints_example(constraints);
    struct mu_home paths;
    char label[MU_CERT_LABEL_LEN], date[MU_DATE_LEN], when[MU_SPAN_LEN];
    time_t now = time(NULL);
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    if (mu_home_paths(mu_args_home(args), &paths, err) != 0 ||
        mu_cert_info_read(cert, now, &info, err) != 0)
        return -1;
    if (mu_args_json(args)) {
        mu_print_json(mu_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s?, s:s?, s:o, s:o, s:o}",
                              "name", info.cn, "home", mu_args_home(args), "cert", paths.cert,
                              "key", paths.key, "sha256", info.sha256, "key_type", info.key,
                              "not_after", mu_date_rfc3339(info.not_after, date), "old",
                              *old == '\0' ? NULL : old, "key_uri", key_uri, "permitted_names",
                              mu_strs_json(&info.permitted), "excluded_names",
                              mu_strs_json(&info.excluded), "root", root_json(args, &paths)));
        return 0;
    }
    printf("made the certificate authority \"%s\"\n", mu_cert_label(cert, label));
    show_files(args, &paths, key_uri);
    mu_fact("key type", "%s", info.key);
    show_list("permitted", &info.permitted);
    show_list("excluded", &info.excluded);
    mu_fact("expires", "%s (%s)", mu_relative(info.not_after, now, when),
            mu_date(info.not_after, date));
    mu_fact("SHA-256", "%s", info.sha256);
    if (*old != '\0')
        mu_note("what was there has been moved to %s", old);
    note_if_free(constraints);
    MU_AUTO_CLEAR(mu_buf) home = MU_BUF_INIT;
    mu_add_home(&home, args);
    printf("next: mutual issue server %s%s\n", example != NULL ? example : "localhost",
           mu_buf_str(&home));
    return 0;
}

/* --- One made elsewhere --- */

/* A key that was protected does not end up open: what opens it protects it here, too. One in a token stays there. */
static int look_at_key(const char *path, const struct mu_secret *passphrase, struct mu_buf *ret_uri,
                       struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    if (mu_objects_load(path, &objects, err) != 0)
        return -1;
    const struct mu_object *first = &objects.at[0];
    if (first->kind == MU_OBJECT_TOKEN_KEY) {
        mu_buf_add(ret_uri, first->raw, first->raw_len);
        return mu_buf_failed(ret_uri) ? mu_fail_nomem(err) : 0;
    }
    for (size_t i = 0; i < objects.count && passphrase->data == NULL; i++)
        if (objects.at[i].kind == MU_OBJECT_ENCRYPTED_KEY ||
            objects.at[i].kind == MU_OBJECT_PKCS12) {
            mu_fail(err, MU_E_PASSPHRASE_NEEDED,
                    "%s is protected by a passphrase, and the key would not be here", path);
            return mu_hint(err, "give it with --passphrase-file FILE: it protects ca.key, too; "
                                "mutual ca passwd changes it or takes it away");
        }
    return 0;
}

static void show_imported(const struct mu_args *args, const struct mu_cert_info *info,
                          const struct mu_home *paths, const char *old, const char *key_uri)
{
    bool below = access(paths->root_cert, F_OK) == 0;
    char date[MU_DATE_LEN], when[MU_SPAN_LEN];
    if (mu_args_json(args)) {
        json_t *root = below ? mu_pack("{s:s, s:s, s:s}", "cert", paths->root_cert, "trust",
                                       paths->trust, "chain", paths->chain)
                             : json_null();
        mu_print_json(mu_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s?, s:s?, s:o, s:o}", "name",
                              info->cn, "home", mu_args_home(args), "cert", paths->cert, "key",
                              paths->key, "sha256", info->sha256, "key_type", info->key,
                              "not_after", mu_date_rfc3339(info->not_after, date), "old",
                              *old == '\0' ? NULL : old, "key_uri", key_uri, "problems",
                              mu_strs_json(&info->problem_ids), "root", root));
        return;
    }
    printf("took over the certificate authority \"%s\"\n",
           info->cn[0] != '\0' ? info->cn : info->subject);
    mu_fact("certificate", "%s", paths->cert);
    if (key_uri == NULL)
        mu_fact("key", "%s (a copy: there is another one where it came from)", paths->key);
    else
        mu_fact("key", TOKEN_KEY_TEXT, paths->key, key_uri);
    mu_fact("records", "%s", paths->db);
    if (below)
        mu_fact("root", "%s (what others trust: %s)", paths->root_cert, paths->trust);
    mu_fact("key type", "%s", info->key);
    show_list("permitted", &info->permitted);
    show_list("excluded", &info->excluded);
    mu_fact("expires", "%s (%s)", mu_relative(info->not_after, time(NULL), when),
            mu_date(info->not_after, date));
    mu_fact("SHA-256", "%s", info->sha256);
    if (*old != '\0')
        mu_note("what was there has been moved to %s", old);
}

static void warn_about(const struct mu_cert_info *info)
{
    bool signs_lists = info->key_usage.count == 0;
    for (size_t i = 0; i < info->key_usage.count; i++)
        signs_lists = signs_lists || mu_str_equal(info->key_usage.at[i], "CRL signing");
    for (size_t i = 0; i < info->problems.count; i++)
        mu_warn("the CA \"%s\": %s", info->subject, info->problems.at[i]);
    if (!signs_lists)
        mu_warn("the CA may not sign revocation lists: its keyUsage lacks cRLSign; OCSP works");
    mu_note(
        "what it issued and revoked before is not in the records: revocation lists that are made "
        "here do not have it");
}

static int import(const struct mu_args *args, struct mu_error *err)
{
    static const char *const others[] = {"key",         "key-type",     "days",
                                         "issuing",     "root-key-out", "root-days",
                                         "path-length", "permit",       "exclude"};
    const char *cert_path = mu_args_at(args, 0), *key_path = mu_args_at(args, 1);
    const char *chain_path = mu_args_value(args, "chain");
    const struct mu_pair_files files = {.cert = cert_path, .key = key_path, .with_root = true};
    struct mu_passphrase_source source = mu_passphrase_source(args);
    struct mu_home paths;
    char old[MU_PATH_LEN];
    MU_AUTO_CLEAR(mu_secret) passphrase = MU_SECRET_INIT;
    MU_AUTO_CLEAR(mu_buf) uri = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_certs) certs = {0};
    MU_AUTO_STRUCT(mu_key) key = NULL;
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    for (size_t i = 0; i < MU_COUNT(others); i++)
        if (mu_args_given(args, others[i]))
            return mu_usage(err, args, "--%s is for a new CA, and --import takes one as it is",
                            others[i]);
    if (cert_path == NULL)
        return mu_usage(err, args, "--import takes the files of the CA's certificate and key");
    if (mu_passphrase_for_new_key(args, &passphrase, err) != 0 ||
        look_at_key(key_path == NULL ? cert_path : key_path, &passphrase, &uri, err) != 0)
        return -1;
    if (mu_load_pair(args, &files, &certs, &key, err) != 0)
        return err->code == MU_E_WRONG_KIND && key_path == NULL
                   ? mu_hint(err, "name the key's file, too: mutual init --import CA.crt CA.key")
                   : -1;
    const struct mu_authority_import what = {
        .home = mu_args_home(args),
        .store = mu_args_value(args, "store"),
        .certs = &certs,
        .key = key,
        .key_uri = uri.len > 0 ? mu_buf_str(&uri) : NULL,
        .passphrase = &passphrase,
        .force = mu_args_given(args, "force"),
        .now = time(NULL),
    };
    if ((chain_path != NULL && mu_certs_load(chain_path, &source, &certs, err) != 0) ||
        mu_home_paths(mu_args_home(args), &paths, err) != 0 ||
        mu_cert_info_read(certs.at[0], time(NULL), &info, err) != 0 ||
        mu_authority_import(&what, old, err) != 0)
        return -1;
    show_imported(args, &info, &paths, old, what.key_uri);
    warn_about(&info);
    return 0;
}

/* --- A new one --- */

/* A root alone issues leaves, unless it is told otherwise; one with an issuing CA has that below it. */
static int read_hierarchy(const struct mu_args *args, struct mu_authority_init *init,
                          struct mu_error *err)
{
    static const char *const only_with[] = {"root-key-out", "root-days"};
    long days = ROOT_DAYS, path_length = 0;
    init->issuing = mu_args_given(args, "issuing");
    for (size_t i = 0; i < MU_COUNT(only_with) && !init->issuing; i++)
        if (mu_args_given(args, only_with[i]))
            return mu_usage(err, args, "--%s needs --issuing", only_with[i]);
    if ((mu_args_given(args, "root-days") &&
         mu_args_number(args, "root-days", 1, 36500, &days, err) != 0) ||
        (mu_args_given(args, "path-length") &&
         mu_args_number(args, "path-length", init->issuing, 16, &path_length, err) != 0))
        return -1;
    init->root_lifetime_s = days * MU_DAY_S;
    init->root_key_path = mu_args_value(args, "root-key-out");
    init->path_length = init->issuing && !mu_args_given(args, "path-length") ? 1 : (int)path_length;
    return 0;
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_secret) passphrase = MU_SECRET_INIT;
    MU_AUTO_CLEAR(mu_constraints) constraints = {0};
    MU_AUTO_CLEAR(mu_buf) key_uri = MU_BUF_INIT;
    MU_AUTO_STRUCT(mu_key) key = NULL;
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    char old[MU_PATH_LEN];
    long days;
    const char *name = mu_args_count(args) > 0 ? mu_args_at(args, 0) : "my-ca";
    const char *where = mu_args_value(args, "key");
    if (mu_args_given(args, "import"))
        return import(args, err);
    if (mu_args_count(args) > 1)
        return mu_usage(err, args, "a CA has one name, and \"%s\" is a second one",
                        mu_args_at(args, 1));
    if (mu_args_given(args, "chain"))
        return mu_usage(err, args, "--chain needs --import");
    struct mu_authority_init init = {
        .home = mu_args_home(args),
        .name = name,
        .key_type = mu_args_value(args, "key-type"),
        .passphrase = &passphrase,
        .store = mu_args_value(args, "store"),
        .constraints = &constraints,
        .force = mu_args_given(args, "force"),
        .now = time(NULL),
    };
    if (mu_args_number(args, "days", 1, 36500, &days, err) != 0 ||
        read_hierarchy(args, &init, err) != 0 ||
        mu_constraints_from_args(args, &constraints, err) != 0 ||
        (where != NULL ? get_token_key(args, where, &key_uri, &key, err)
                       : mu_passphrase_for_new_key(args, &passphrase, err)) != 0)
        return -1;
    init.lifetime_s = days * MU_DAY_S;
    init.key = key;
    init.key_uri = mu_buf_str(&key_uri);
    mu_progress_begin("making the CA");
    if (mu_authority_init(&init, &cert, old, err) != 0)
        return -1;
    mu_progress_end();
    return show(args, &constraints, cert, old, key == NULL ? NULL : mu_buf_str(&key_uri), err);
}

static const struct mu_opt opts[] = {
    {"key-type", 't', "TYPE", mu_key_types, "p256", false},
    {"key", 0, "URI", "use this key in a token instead: pkcs11:token=NAME;object=NAME", NULL, false},
    {"days", 0, "N", "how long it is valid, in days", "3650", false},
    {"issuing", 0, NULL, "make a root and, below it, the CA that issues", NULL, false},
    {"root-key-out", 0, "FILE", "with --issuing: put the root's key there, not into the home", NULL,
     false},
    {"root-days", 0, "N", "with --issuing: how long the root is valid, in days [7300]", NULL, false},
    {"path-length", 0, "N", "how many CAs may stand below the root [0; with --issuing 1]", NULL,
     false},
    {"import", 0, NULL, "take over a CA made elsewhere: its certificate and key are the words",
     NULL, false},
    {"chain", 0, "FILE", "with --import: the CAs above it, up to the root", NULL, false},
    {"store", 0, "URL", "keep the records in PostgreSQL: postgresql://HOST/DATABASE", NULL, false},
    {"permit", 0, "KIND:VALUE", "issue only for these names of the kind DNS, IP, email, URI", NULL,
     true},
    {"exclude", 0, "KIND:VALUE", "issue for all names but these", NULL, true},
    {"force", 0, NULL, "begin anew; a CA that is there is moved aside", NULL, false},
    MU_PASSPHRASE_OPT,
    {0},
};

const struct mu_cmd mu_cmd_init = {
    .name = "init",
    .args = "[NAME | --import CA.crt CA.key]",
    .summary = "make a private certificate authority",
    .details =
        "Makes ca.crt, ca.key and mutual.db (the records) in the home directory. NAME is my-ca if not given.\n"
        "Whoever has ca.key can be anybody; whoever trusts ca.crt believes it. With --passphrase-file,\n"
        "ca.key is encrypted. With --store the records are in a PostgreSQL database, for several machines that\n"
        "each have a copy of ca.crt, ca.key and the file store.\n"
        "\n"
        "With --key the CA's key is one that lies in a token (an HSM, a smart card), or is made there if --key-type is\n"
        "given, too, and never leaves it; ca.key then holds its PKCS#11 URI. The PIN stands in the file that\n"
        "--passphrase-file or the URI's pin-source names, or is asked for. The URI's module-path, or\n"
        "$PKCS11_MODULE_PATH, names the library that came with the token.\n"
        "  mutual init --key \"pkcs11:token=home;object=ca?pin-source=file:/etc/mutual.pin\"\n"
        "\n"
        "With --issuing, ca.crt is a CA below a root named \"NAME Root\", and only ca.key is needed from day to day:\n"
        "the root's key can leave the machine. What is issued then comes as a chain, leaf first, without the root;\n"
        "others trust the root: trust.crt. --path-length 1 makes a root that signs CAs of other machines: see\n"
        "mutual ca request.\n"
        "\n"
        "--import takes over a CA that another program has made; whether the key is in PEM, DER or PKCS#12, protected\n"
        "by the passphrase of --passphrase-file or not, ca.key is protected by the same.\n"
        "\n"
        "--permit and --exclude write name constraints into ca.crt, which every verifier obeys, and so does mutual\n"
        "before it signs: whoever steals ca.key is bound by them, too. They cannot be changed later.\n"
        "  DNS:example.com      that name and all below it\n"
        "  IP:10.0.0.0/8        a block of addresses, or one; IP:fd00::/8\n"
        "  email:example.com    all mailboxes of that host; email:.example.com of the hosts below; or one mailbox\n"
        "  URI:example.com      URIs with that host; URI:.example.com with the hosts below\n"
        "A kind of names of which none is permitted is not constrained, unless it is excluded.",
    .example =
        "mutual init\n"
        "mutual init \"Example CA\" --key-type p384 --days 1825\n"
        "mutual init --issuing --root-key-out root.key\n"
        "mutual init --import ca.crt ca.key\n"
        "mutual init --permit DNS:internal.example --permit IP:10.0.0.0/8 --exclude DNS:vip.internal.example",
    .opts = opts,
    .max_args = 2,
    .run = run,
};
