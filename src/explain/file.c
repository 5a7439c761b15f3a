#include "explain/file.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/str.h"
#include "explain/text.h"
#include "pki/info.h"
#include "pki/pkcs12.h"

void mu_file_clear(struct mu_file *file)
{
    mu_certs_clear(&file->certs);
    mu_objects_clear(&file->objects);
    *file = (struct mu_file){0};
}

static bool ends_with_any(const char *name, const char *const *ends, size_t count)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < count; i++)
        if (len > strlen(ends[i]) && strcasecmp(name + len - strlen(ends[i]), ends[i]) == 0)
            return true;
    return false;
}

/* "ca.crt", "rootCA.pem", "client-ca.crt"; not "ca-key.pem". */
static bool promises_cas(const char *name)
{
    static const char *const stems[] = {"ca",       "cacert",  "ca-cert", "ca_cert",   "rootca",
                                        "root-ca",  "root_ca", "root",    "ca-bundle", "ca_bundle",
                                        "cabundle", "trust",   "trusted", "truststore"};
    static const char *const ends[] = {"-ca", "_ca", ".ca"};
    static const char *const types[] = {".crt", ".pem", ".cert", ".cer"};
    const char *slash = strrchr(name, '/'), *dot = strrchr(name, '.');
    char stem[64];
    if (!ends_with_any(name, types, MU_COUNT(types)))
        return false;
    name = slash == NULL ? name : slash + 1;
    if (dot == NULL || dot < name || (size_t)(dot - name) >= sizeof stem)
        return false;
    snprintf(stem, sizeof stem, "%.*s", (int)(dot - name), name);
    for (size_t i = 0; i < MU_COUNT(stems); i++)
        if (strcasecmp(stem, stems[i]) == 0)
            return true;
    return ends_with_any(stem, ends, MU_COUNT(ends));
}

enum mu_role mu_role_of_name(const char *name)
{
    static const struct {
        const char *end;
        enum mu_role role;
    } names[] = {
        {".key", MU_ROLE_KEY},       {"-key.pem", MU_ROLE_KEY},     {"_key.pem", MU_ROLE_KEY},
        {".key.pem", MU_ROLE_KEY},   {"key.pem", MU_ROLE_KEY},      {".csr", MU_ROLE_REQUEST},
        {".req", MU_ROLE_REQUEST},   {".csr.pem", MU_ROLE_REQUEST}, {".crl", MU_ROLE_CRL},
        {".p12", MU_ROLE_CONTAINER}, {".pfx", MU_ROLE_CONTAINER},   {".crt", MU_ROLE_CERT},
        {".cert", MU_ROLE_CERT},     {".cer", MU_ROLE_CERT},        {"cert.pem", MU_ROLE_CERT},
        {"chain.pem", MU_ROLE_CERT}, {"crt.pem", MU_ROLE_CERT},     {"crl.pem", MU_ROLE_CRL},
    };
    for (size_t i = 0; i < MU_COUNT(names); i++)
        if (ends_with_any(name, &names[i].end, 1))
            return names[i].role == MU_ROLE_CERT && promises_cas(name) ? MU_ROLE_CAS
                                                                       : names[i].role;
    return promises_cas(name) ? MU_ROLE_CAS : MU_ROLE_ANY;
}

/* Names of which DER, a Java keystore, a public key are to be expected. */
static bool promises_der(const char *name)
{
    static const char *const ends[] = {".der", ".cer", ".crl", ".p8", ".p7b", ".p7c"};
    return ends_with_any(name, ends, MU_COUNT(ends));
}

static bool promises_keystore(const char *name)
{
    static const char *const ends[] = {".jks", ".keystore", ".truststore", ".jceks", ".ks", ".ts"};
    static const char *const names[] = {"keystore", "truststore", "cacerts"};
    const char *slash = strrchr(name, '/');
    for (size_t i = 0; i < MU_COUNT(names); i++)
        if (strcasecmp(slash == NULL ? name : slash + 1, names[i]) == 0)
            return true;
    return ends_with_any(name, ends, MU_COUNT(ends));
}

/* --- Telling --- */

static struct mu_finding about(const struct mu_file *file, enum mu_cause_id cause,
                               enum mu_gravity gravity)
{
    struct mu_finding finding =
        mu_finding_of(cause, gravity, MU_PHASE_FILE, file->name, NULL, NULL);
    mu_finding_hold(&finding, mu_holder_of(file->whose));
    if (file->role == MU_ROLE_CAS)
        finding.holder = MU_HOLDER_ROOT;
    finding.refuser = file->whose == MU_PARTY_SERVER ? MU_REFUSER_SERVER : MU_REFUSER_CLIENT;
    return finding;
}

/* One way, whoever does it. */
static void set_remedy(struct mu_finding *finding, const char *remedy)
{
    mu_str_copy(finding->remedy, sizeof finding->remedy, remedy);
    mu_str_copy(finding->openssl, sizeof finding->openssl, remedy);
}

static int tell_text_faults(const struct mu_file *file, const struct mu_text_faults *faults,
                            struct mu_report *report, struct mu_error *err)
{
    struct mu_finding finding = about(file, MU_CAUSE_pem_wrong_encoding, MU_GRAVITY_FAULT);
    const char *from = faults->utf16 == NULL ? "UTF-16" : faults->utf16;
    snprintf(finding.remedy, sizeof finding.remedy,
             "(umask 077; iconv -f %s -t ASCII {file} > NEW.pem)", from);
    snprintf(finding.openssl, sizeof finding.openssl,
             "iconv -f %s -t ASCII {file} | openssl %s -out NEW.pem", from,
             file->role == MU_ROLE_KEY ? "pkey" : "x509");
    if (faults->utf16 != NULL &&
        mu_report_add(report, &finding, err,
                      "%s is text in UTF-16, as PowerShell's > writes it, and programs look for ASCII",
                      file->name) != 0)
        return -1;
    set_remedy(&finding, "(umask 077; tr '\\r' '\\n' < {file} > NEW.pem)");
    finding.refused_by &= ~(1u << MU_STACK_GNUTLS | 1u << MU_STACK_RUSTLS);
    if (faults->carriage &&
        mu_report_add(report, &finding, err,
                      "the lines of %s end in carriage returns alone, so that it is one long line",
                      file->name) != 0)
        return -1;
    finding.gravity = MU_GRAVITY_SOME_PEERS;
    finding.refused_by = 1u << MU_STACK_GO | 1u << MU_STACK_RUSTLS;
    set_remedy(&finding, "sed -i '1s/^\\xef\\xbb\\xbf//' {file}");
    if (faults->mark &&
        mu_report_add(report, &finding, err,
                      "%s begins with a byte order mark, which Go and others stumble over",
                      file->name) != 0)
        return -1;
    finding = about(file, MU_CAUSE_pem_wrong_encoding, MU_GRAVITY_FAULT);
    set_remedy(&finding, "(umask 077; base64 -d {file} > NEW.pem)");
    if (faults->wrapped_twice &&
        mu_report_add(report, &finding, err,
                      "%s is PEM wrapped in base64 once more, as Kubernetes keeps secrets",
                      file->name) != 0)
        return -1;
    finding = about(file, MU_CAUSE_pem_blocks_joined, MU_GRAVITY_FAULT);
    if (faults->joined &&
        mu_report_add(
            report, &finding, err,
            "in %s one PEM block ends and the next begins on the same line: a file without a line "
            "break at its end was put before another",
            file->name) != 0)
        return -1;
    finding = about(file, MU_CAUSE_pem_damaged, MU_GRAVITY_FAULT);
    set_remedy(&finding, "sed -i 's/\\\\n/\\n/g' {file}");
    return faults->written_out
               ? mu_report_add(report, &finding, err,
                               "the line breaks in %s are written as \\n, as in JSON", file->name)
               : 0;
}

/* What the parser could not make anything of. */
static int tell_parse_failure(struct mu_file *file, const struct mu_error *why,
                              struct mu_report *report, struct mu_error *err)
{
    enum mu_cause_id cause = why->code == MU_E_WRONG_KIND    ? MU_CAUSE_wrong_file
                             : why->code == MU_E_UNSUPPORTED ? MU_CAUSE_unsupported_key_type
                                                             : MU_CAUSE_pem_damaged;
    if (strstr(why->what, "Java keystore") != NULL)
        cause = MU_CAUSE_jks_keystore;
    if (strstr(why->what, "base64 without the BEGIN") != NULL)
        cause = MU_CAUSE_pem_damaged;
    struct mu_finding finding = about(file, cause, MU_GRAVITY_FAULT);
    file->is_keystore = cause == MU_CAUSE_jks_keystore && file->role == MU_ROLE_ANY &&
                        promises_keystore(file->name);
    if (file->is_keystore)
        return 0;
    mu_str_copy(finding.raw, sizeof finding.raw, why->cause);
    return mu_report_add(report, &finding, err, "%s%s", why->what,
                         cause == MU_CAUSE_jks_keystore ? ", which only Java reads" : "");
}

static int tell_unreadable(const struct mu_file *file, const struct mu_error *why,
                           struct mu_report *report, struct mu_error *err)
{
    struct mu_finding finding = about(file, MU_CAUSE_file_unreadable, MU_GRAVITY_FAULT);
    mu_str_copy(finding.raw, sizeof finding.raw, why->cause);
    return mu_report_add(report, &finding, err, "%s%s%s", why->what,
                         *why->cause != '\0' ? ": " : "", why->cause);
}

/* --- Opening what is locked --- */

static int tell_locked(struct mu_file *file, const struct mu_object *object, enum mu_cause_id cause,
                       enum mu_gravity gravity, const struct mu_error *why,
                       struct mu_report *report, struct mu_error *err)
{
    struct mu_finding finding = about(file, cause, gravity);
    mu_str_copy(finding.raw, sizeof finding.raw, why->cause);
    if (cause == MU_CAUSE_key_encrypted)
        return mu_report_add(
            report, &finding, err,
            "%s in %s is protected by a passphrase: a program that is not given it asks at a "
            "terminal, or fails",
            object->kind == MU_OBJECT_PKCS12 ? "the PKCS#12 container" : "the private key",
            file->name);
    return mu_report_add(report, &finding, err, "%s", why->what);
}

static int open_locked(struct mu_file *file, size_t i, const struct mu_reading *how,
                       struct mu_report *report, struct mu_error *err)
{
    struct mu_error why = MU_ERROR_INIT;
    struct mu_object *object = &file->objects.at[i];
    bool container = object->kind == MU_OBJECT_PKCS12;
    bool legacy = container && mu_pkcs12_needs_legacy(object->raw, object->raw_len);
    bool asked = how->source != NULL;
    int opened = legacy ? -1 : mu_object_decrypt(file->name, &file->objects, i, how->source, &why);
    object = &file->objects.at[i]; /* more may have been added */
    if (opened == 0)
        return 0;
    file->locked = true;
    if (legacy || (container && why.code == MU_E_UNSUPPORTED)) {
        struct mu_finding finding = about(file, MU_CAUSE_pkcs12_legacy, MU_GRAVITY_FAULT);
        mu_str_copy(finding.raw, sizeof finding.raw, why.cause);
        return mu_report_add(
            report, &finding, err,
            "the PKCS#12 container %s is encrypted with RC2, as Windows, old Java and old "
            "OpenSSL do: OpenSSL 3, and with it Node.js and curl, does not open it",
            file->name);
    }
    /* Nearly every container has a passphrase; that one is needed is worth a word, and no fault. */
    enum mu_gravity gravity = container || how->by_name ? MU_GRAVITY_SUSPICIOUS : MU_GRAVITY_FAULT;
    if (why.code == MU_E_PASSPHRASE_NEEDED && container && !how->by_name)
        return 0; /* whoever asked for a certificate tells that there may be one */
    if (why.code == MU_E_PASSPHRASE_NEEDED && container)
        return mu_report_leave_open(
            report, err,
            "what is in %s, a PKCS#12 container with a passphrase: give it with --passphrase-file",
            file->name);
    if (why.code == MU_E_PASSPHRASE_NEEDED)
        return tell_locked(file, object, MU_CAUSE_key_encrypted, gravity, &why, report, err);
    if (why.code == MU_E_PASSPHRASE_WRONG && asked)
        return tell_locked(file, object,
                           container ? MU_CAUSE_pkcs12_wrong_password
                                     : MU_CAUSE_key_wrong_passphrase,
                           MU_GRAVITY_FAULT, &why, report, err);
    if (why.code == MU_E_NOMEM)
        return mu_fail_nomem(err);
    return tell_locked(file, object,
                       container ? MU_CAUSE_pem_damaged : MU_CAUSE_unsupported_key_type,
                       MU_GRAVITY_FAULT, &why, report, err);
}

/* --- What is in it --- */

static void describe(struct mu_file *file)
{
    static const enum mu_object_kind kinds[] = {
        MU_OBJECT_CERT, MU_OBJECT_KEY, MU_OBJECT_ENCRYPTED_KEY, MU_OBJECT_PUBLIC_KEY,
        MU_OBJECT_CSR,  MU_OBJECT_CRL, MU_OBJECT_PKCS12,        MU_OBJECT_TOKEN_KEY,
    };
    size_t len = 0;
    for (size_t k = 0; k < MU_COUNT(kinds); k++) {
        size_t count = 0;
        for (size_t i = 0; i < file->objects.count; i++)
            count += file->objects.at[i].kind == kinds[k];
        if (count > 0 && len < sizeof file->what)
            len += (size_t)snprintf(file->what + len, sizeof file->what - len, "%s%s",
                                    len > 0 ? ", " : "", mu_object_kind_name(kinds[k]));
        if (count > 1 && len < sizeof file->what)
            len += (size_t)snprintf(file->what + len, sizeof file->what - len, " (%zu of them)",
                                    count);
    }
    if (len > 0 && len < sizeof file->what)
        snprintf(file->what + len, sizeof file->what - len, "%s",
                 file->is_der         ? ", in DER"
                 : file->is_container ? ""
                                      : ", in PEM");
}

static int sort_out(struct mu_file *file, struct mu_error *err)
{
    for (size_t i = 0; i < file->objects.count; i++) {
        const struct mu_object *object = &file->objects.at[i];
        if (object->kind == MU_OBJECT_CERT &&
            mu_certs_add(&file->certs, mu_cert_ref(object->cert), err) != 0)
            return -1;
        if (object->kind == MU_OBJECT_KEY && file->key == NULL)
            file->key = object->key;
        file->has_request = file->has_request || object->kind == MU_OBJECT_CSR;
        file->has_public_key = file->has_public_key || object->kind == MU_OBJECT_PUBLIC_KEY;
    }
    describe(file);
    return 0;
}

/* [RFC 7468 8, RFC 5652 5.1] */
static bool is_bundle(const struct mu_objects *objects, const char *data, size_t len)
{
    static const char signed_data[] = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
    static const char *const labels[] = {"PKCS7", "PKCS #7 SIGNED DATA", "CMS"};
    enum { BEGINNING = 32 }; /* of a DER structure: its type comes first */
    for (size_t i = 0; i < objects->count; i++)
        for (size_t k = 0; k < MU_COUNT(labels); k++)
            if (mu_str_equal(objects->at[i].label, labels[k]))
                return true;
    return memmem(data, len < BEGINNING ? len : BEGINNING, signed_data, sizeof signed_data - 1) !=
           NULL;
}

static int tell_bundle(const struct mu_file *file, const struct mu_reading *how,
                       struct mu_report *report, struct mu_error *err)
{
    struct mu_finding finding = about(file, MU_CAUSE_wrong_file, MU_GRAVITY_FAULT);
    if (how->by_name && promises_der(file->name))
        return mu_report_check(report, MU_MARK_ODD, err,
                               "%s is a PKCS#7 bundle, as Windows and Java have them: most programs want "
                               "what is in it by itself (openssl pkcs7 -print_certs -in)",
                               file->name);
    set_remedy(&finding, "openssl pkcs7 -print_certs -in {file} -out NEW.pem");
    return mu_report_add(report, &finding, err,
                         "%s is a PKCS#7 bundle: the certificates in it have to be taken out, as "
                         "programs look for -----BEGIN CERTIFICATE-----",
                         file->name);
}

static int tell_der(const struct mu_file *file, const struct mu_reading *how,
                    struct mu_report *report, struct mu_error *err)
{
    struct mu_finding finding = about(file, MU_CAUSE_file_is_der, MU_GRAVITY_FAULT);
    const char *kind = file->key != NULL || file->locked ? "pkey"
                       : file->has_request               ? "req"
                                                         : "x509";
    if (file->certs.count == 0 && file->key == NULL && !file->locked && !file->has_request)
        kind = file->has_public_key ? "pkey -pubin" : "crl";
    if (how->by_name && promises_der(file->name))
        return 0;
    if (mu_str_equal(kind, "crl"))
        finding.gravity = MU_GRAVITY_SOME_PEERS;
    if (file->is_bundle)
        kind = "pkcs7 -print_certs";
    char command[MU_FINDING_COMMAND_LEN];
    snprintf(command, sizeof command, "openssl %s -inform DER -in {file} -out NEW.pem", kind);
    set_remedy(&finding, command);
    return mu_report_add(report, &finding, err,
                         "%s is DER, that is binary; most programs want PEM, the text with -----BEGIN",
                         file->name);
}

int mu_file_recognise(const char *name, const void *data, size_t len, const struct mu_reading *how,
                      struct mu_file *ret, struct mu_report *report, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) mended = MU_BUF_INIT_SECRET;
    struct mu_text_faults faults = {0};
    struct mu_error why = MU_ERROR_INIT;
    *ret = (struct mu_file){.role = how->role, .whose = how->whose};
    mu_str_printable(name, strlen(name), ret->name, sizeof ret->name);

    mu_text_mend(data, len, &faults, &mended);
    if (mu_buf_failed(&mended))
        return mu_fail_nomem(err);
    if (tell_text_faults(ret, &faults, report, err) != 0)
        return -1;
    bool understood =
        mu_objects_parse(ret->name, mu_buf_str(&mended), mended.len, &ret->objects, &why) == 0;
    if (!understood && why.code == MU_E_NOMEM)
        return mu_fail_nomem(err);
    if (!understood && !faults.wrapped_twice && tell_parse_failure(ret, &why, report, err) != 0)
        return -1;

    for (size_t i = 0, count = ret->objects.count; i < count; i++) {
        const struct mu_object *object = &ret->objects.at[i];
        ret->is_der = ret->is_der || (!object->pem && object->kind != MU_OBJECT_PKCS12 &&
                                      object->kind != MU_OBJECT_TOKEN_KEY);
        ret->is_container = ret->is_container || object->kind == MU_OBJECT_PKCS12;
        if ((object->kind == MU_OBJECT_PKCS12 || object->kind == MU_OBJECT_ENCRYPTED_KEY) &&
            open_locked(ret, i, how, report, err) != 0)
            return -1;
    }
    if (sort_out(ret, err) != 0)
        return -1;
    ret->is_bundle = ret->certs.count > 0 && is_bundle(&ret->objects, data, len);
    if (ret->is_der)
        return tell_der(ret, how, report, err);
    return ret->is_bundle ? tell_bundle(ret, how, report, err) : 0;
}

int mu_file_read_as(const char *path, const struct mu_reading *how, struct mu_file *ret,
                    struct mu_report *report, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) data = MU_BUF_INIT_SECRET;
    struct mu_error why = MU_ERROR_INIT;
    if (mu_file_read(path, MU_FILE_LIMIT, &data, &why) == 0)
        return mu_file_recognise(mu_str_equal(path, "-") ? "standard input" : path,
                                 mu_buf_str(&data), data.len, how, ret, report, err);
    *ret = (struct mu_file){.role = how->role, .whose = how->whose};
    mu_str_printable(path, strlen(path), ret->name, sizeof ret->name);
    return why.code == MU_E_NOMEM ? mu_fail_nomem(err) : tell_unreadable(ret, &why, report, err);
}

size_t mu_file_crls(const struct mu_file *file, struct mu_crl **ret, size_t cap)
{
    size_t count = 0;
    for (size_t i = 0; i < file->objects.count && count < cap; i++)
        if (file->objects.at[i].kind == MU_OBJECT_CRL)
            ret[count++] = file->objects.at[i].crl;
    return count;
}

/* --- Whether it is what was meant --- */

/* "client.crt" and "my-server.pem" say it, "client-of-server.crt" does not. */
static enum mu_purpose side_of_name(const char *name)
{
    bool client = strcasestr(name, "client") != NULL, server = strcasestr(name, "server") != NULL;
    return client == server ? MU_PURPOSE_ANY : client ? MU_PURPOSE_CLIENT : MU_PURPOSE_SERVER;
}

/* Of a certificate for both ends, or for any: "CN=alice" and nothing else is no host's. */
static bool names_nobodys_host(const struct mu_cert_info *info)
{
    return info->san.count == 0 && *info->cn != '\0' &&
           strcspn(info->cn, ".:") == strlen(info->cn) && strcasecmp(info->cn, "localhost") != 0 &&
           side_of_name(info->cn) != MU_PURPOSE_SERVER;
}

enum mu_purpose mu_file_side(const struct mu_file *file, const struct mu_cert *cert, time_t at)
{
    const char *slash = strrchr(file->name, '/');
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    enum mu_purpose named = side_of_name(slash == NULL ? file->name : slash + 1);
    if (named != MU_PURPOSE_ANY || mu_cert_info_read(cert, at, &info, &ignored) != 0)
        return named == MU_PURPOSE_CLIENT ? MU_PURPOSE_CLIENT : MU_PURPOSE_SERVER;
    bool client = info.client_auth && !info.server_auth;
    bool silent = !info.has_eku || info.any_purpose || (info.client_auth && info.server_auth);
    return client || (silent && names_nobodys_host(&info)) ? MU_PURPOSE_CLIENT : MU_PURPOSE_SERVER;
}

static bool has_private_key(const struct mu_file *file)
{
    return file->key != NULL || file->locked;
}

static int tell_no_certificate(const struct mu_file *file, const struct mu_file *beside,
                               struct mu_report *report, struct mu_error *err)
{
    bool key_there = has_private_key(file);
    bool swapped =
        key_there && file->role != MU_ROLE_CAS && (beside == NULL || beside->certs.count > 0);
    enum mu_cause_id cause = file->has_request ? MU_CAUSE_csr_not_certificate
                             : swapped         ? MU_CAUSE_cert_key_swapped
                                               : MU_CAUSE_wrong_file;
    struct mu_finding finding = about(file, cause, MU_GRAVITY_FAULT);
    if (swapped && beside != NULL)
        mu_str_copy(finding.key, sizeof finding.key, beside->name);
    if (cause == MU_CAUSE_csr_not_certificate)
        return mu_report_add(
            report, &finding, err,
            "%s holds a request for a certificate, and not the certificate: the CA has yet to "
            "sign it",
            file->name);
    if (cause == MU_CAUSE_cert_key_swapped)
        return mu_report_add(report, &finding, err,
                             "%s holds a private key where a certificate is meant%s%s%s", file->name,
                             beside == NULL ? "" : ", and ", beside == NULL ? "" : beside->name,
                             beside == NULL ? "" : " the certificate");
    if (file->role == MU_ROLE_CAS)
        set_remedy(&finding, "{use} --cacert ca.crt");
    return mu_report_add(report, &finding, err, "%s holds %s, and no certificate", file->name,
                         *file->what == '\0' ? "nothing that is known" : file->what);
}

static int tell_no_key(const struct mu_file *file, const struct mu_file *beside,
                       struct mu_report *report, struct mu_error *err)
{
    enum mu_cause_id cause = file->has_public_key    ? MU_CAUSE_public_key_not_private
                             : file->is_container    ? MU_CAUSE_pkcs12_no_key
                             : file->certs.count > 0 ? MU_CAUSE_cert_key_swapped
                             : file->has_request     ? MU_CAUSE_csr_not_certificate
                                                     : MU_CAUSE_wrong_file;
    struct mu_finding finding = about(file, cause, MU_GRAVITY_FAULT);
    bool other_has_it = beside != NULL && has_private_key(beside);
    if (cause == MU_CAUSE_cert_key_swapped && other_has_it && beside->certs.count == 0)
        return 0; /* which is told of the other one */
    if (cause == MU_CAUSE_cert_key_swapped)
        return mu_report_add(report, &finding, err,
                             "%s holds a certificate where a private key is meant%s%s%s",
                             file->name, other_has_it ? ", and " : "",
                             other_has_it ? beside->name : "", other_has_it ? " the key" : "");
    return mu_report_add(report, &finding, err, "%s holds %s where a private key is meant",
                         file->name, *file->what == '\0' ? "nothing that is known" : file->what);
}

int mu_file_judge_role(const struct mu_file *file, const struct mu_file *beside,
                       struct mu_report *report, struct mu_error *err)
{
    if (file->objects.count == 0) /* which has been told */
        return 0;
    if (file->role == MU_ROLE_KEY)
        return has_private_key(file) ? 0 : tell_no_key(file, beside, report, err);
    bool wants_certs = file->role == MU_ROLE_CERT || file->role == MU_ROLE_CAS;
    if (wants_certs && file->certs.count == 0 && !(file->is_container && file->locked))
        return tell_no_certificate(file, beside, report, err);
    struct mu_crl *crl;
    struct mu_finding finding = about(file, MU_CAUSE_wrong_file, MU_GRAVITY_FAULT);
    if (file->role == MU_ROLE_CRL && mu_file_crls(file, &crl, 1) == 0)
        return mu_report_add(report, &finding, err, "%s holds %s, and no revocation list",
                             file->name, file->what);
    return 0;
}
