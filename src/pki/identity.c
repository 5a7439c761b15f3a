#include "pki/identity.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "pki/name.h"
#include "pki/ossl.h"

enum { SUBJECT_PART_MAX = 256, SPIFFE_MAX = 2048, TRUST_DOMAIN_MAX = 255 };

void mu_identity_free(struct mu_identity *identity)
{
    if (identity == NULL)
        return;
    free(identity->subject);
    free(identity->issuer);
    free(identity->issuer_cn);
    mu_strs_clear(&identity->cn);
    mu_strs_clear(&identity->ou);
    mu_strs_clear(&identity->dns);
    mu_strs_clear(&identity->uri);
    mu_strs_clear(&identity->email);
    mu_strs_clear(&identity->ip);
    free(identity);
}

/* --- SPIFFE --- */

static bool is_segment(const char *segment, size_t len)
{
    static const char also[] = ".-_";
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)segment[i]) && strchr(also, segment[i]) == NULL)
            return false;
    const bool dots = strncmp(segment, "..", len) == 0; /* "." or ".." */
    return len > 0 && !(dots && len <= 2);
}

bool mu_name_is_spiffe(const char *text, const char **ret_path)
{
    static const char scheme[] = "spiffe://";
    static const char domain_chars[] = "abcdefghijklmnopqrstuvwxyz0123456789.-_";
    if (strlen(text) > SPIFFE_MAX || !mu_str_starts_with(text, scheme))
        return false;
    const char *domain = text + sizeof scheme - 1;
    const size_t domain_len = strspn(domain, domain_chars);
    const char *path = domain + domain_len;
    if (domain_len == 0 || domain_len > TRUST_DOMAIN_MAX || (*path != '/' && *path != '\0'))
        return false;
    if (ret_path != NULL)
        *ret_path = path;
    while (*path == '/') {
        const size_t len = strcspn(path + 1, "/");
        if (!is_segment(path + 1, len))
            return false;
        path += 1 + len;
    }
    return true;
}

/* --- Names that can mean one thing --- */

/* A copy of what is text, is not longer than `max`, and is printable as it is; or NULL. */
static char *copy_clear(const unsigned char *data, size_t len, size_t max)
{
    char shown[MU_IDENTITY_TEXT_MAX + 1];
    if (len == 0 || len > max || max > MU_IDENTITY_TEXT_MAX || memchr(data, '\0', len) != NULL)
        return NULL;
    mu_str_printable(data, len, shown, sizeof shown);
    if (strlen(shown) != len || memcmp(shown, data, len) != 0)
        return NULL;
    return strdup(shown);
}

static bool has(const struct mu_strs *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->at[i], text) == 0)
            return true;
    return false;
}

static size_t name_count(const struct mu_identity *id)
{
    return id->cn.count + id->ou.count + id->dns.count + id->uri.count + id->email.count +
           id->ip.count;
}

/* Takes `text`, NULL for one that is not clear. Returns 0, or -1 without memory. */
static int take(struct mu_identity *id, struct mu_strs *list, char *text)
{
    int result = 0;
    if (text == NULL || name_count(id) >= MU_IDENTITY_NAMES_MAX)
        id->unclear++;
    else if (!has(list, text))
        result = mu_strs_add(list, text);
    free(text);
    return result;
}

static void lower(char *text)
{
    for (; *text != '\0'; text++)
        *text = (char)tolower((unsigned char)*text);
}

/* --- Subject and issuer --- */

/* All values of one attribute. */
static int read_parts(struct mu_identity *id, const X509_NAME *name, int nid, struct mu_strs *list)
{
    for (int i = -1; (i = X509_NAME_get_index_by_NID(name, nid, i)) >= 0;) {
        unsigned char *text = NULL;
        const ASN1_STRING *data = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i));
        const int len = ASN1_STRING_to_UTF8(&text, data);
        char *copied = len <= 0 ? NULL : copy_clear(text, (size_t)len, SUBJECT_PART_MAX);
        OPENSSL_free(text);
        if (take(id, list, copied) != 0)
            return -1;
    }
    return 0;
}

/* Programs take the first one or the last; who gets a second one signed would be one to us and the other to them. */
static int read_cn(struct mu_identity *id, const X509_NAME *name)
{
    const int first = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (first >= 0 && X509_NAME_get_index_by_NID(name, NID_commonName, first) >= 0) {
        id->unclear++;
        return 0;
    }
    return read_parts(id, name, NID_commonName, &id->cn);
}

/* As RFC 4514 has it, which leaves nothing but ASCII. NULL without memory. */
static char *distinguished_name(struct mu_identity *id, const X509_NAME *name)
{
    MU_AUTO(BIO) bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    if (bio == NULL)
        return NULL;
    const bool readable = X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0;
    const long len = readable ? BIO_get_mem_data(bio, &text) : 0;
    if (len > 0 && len <= MU_IDENTITY_TEXT_MAX && memchr(text, '\0', (size_t)len) == NULL)
        return mu_str_of(text, (size_t)len);
    id->unclear += !readable || len > 0;
    return strdup("");
}

static int read_names(struct mu_identity *id, X509 *x)
{
    char issuer_cn[MU_CERT_LABEL_LEN] = "";
    const X509_NAME *subject = X509_get_subject_name(x), *issuer = X509_get_issuer_name(x);
    if (!mu_name_cn(issuer, issuer_cn))
        issuer_cn[0] = '\0';
    id->subject = distinguished_name(id, subject);
    id->issuer = distinguished_name(id, issuer);
    id->issuer_cn = strdup(issuer_cn);
    if (id->subject == NULL || id->issuer == NULL || id->issuer_cn == NULL)
        return -1;
    return read_cn(id, subject) != 0 ? -1
                                     : read_parts(id, subject, NID_organizationalUnitName, &id->ou);
}

/* --- Alternative names --- */

static char *copy_ascii(const ASN1_STRING *from, bool (*is_good)(const char *text))
{
    char *text = copy_clear(ASN1_STRING_get0_data(from), (size_t)ASN1_STRING_length(from),
                            MU_IDENTITY_TEXT_MAX);
    bool good = text != NULL;
    for (const char *p = text; good && *p != '\0'; p++)
        good = (unsigned char)*p > ' ' && (unsigned char)*p < 0x7f;
    if (good && is_good(text))
        return text;
    free(text);
    return NULL;
}

static char *copy_dns(const ASN1_STRING *from)
{
    char *text = copy_ascii(from, mu_name_is_dns);
    if (text != NULL)
        lower(text);
    return text;
}

static char *copy_email(const ASN1_STRING *from)
{
    char *text = copy_ascii(from, mu_name_is_email);
    if (text != NULL)
        lower(strchr(text, '@'));
    return text;
}

static char *copy_ip(const ASN1_OCTET_STRING *from)
{
    char text[INET6_ADDRSTRLEN];
    const int len = ASN1_STRING_length(from);
    if (len != 4 && len != 16)
        return NULL;
    inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(from), text, sizeof text);
    return strdup(text);
}

static bool has_one_uri(const GENERAL_NAMES *names)
{
    int count = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
        count += sk_GENERAL_NAME_value(names, i)->type == GEN_URI;
    return count == 1;
}

/* An X.509-SVID has one URI, and one with a path; it is not a CA's. [X509-SVID 2, 5.2] */
static char *copy_uri(const ASN1_STRING *from, X509 *x, bool alone)
{
    static const char scheme[] = "spiffe:";
    const char *path;
    char *text = copy_ascii(from, mu_name_is_uri);
    if (text == NULL || strncasecmp(text, scheme, sizeof scheme - 1) != 0)
        return text;
    if (mu_name_is_spiffe(text, &path) && *path == '/' && alone && X509_check_ca(x) != 1)
        return text;
    free(text);
    return NULL;
}

static int read_name(struct mu_identity *id, X509 *x, bool one_uri, const GENERAL_NAME *name)
{
    switch (name->type) {
    case GEN_DNS: return take(id, &id->dns, copy_dns(name->d.dNSName));
    case GEN_EMAIL: return take(id, &id->email, copy_email(name->d.rfc822Name));
    case GEN_URI:
        return take(id, &id->uri, copy_uri(name->d.uniformResourceIdentifier, x, one_uri));
    case GEN_IPADD: return take(id, &id->ip, copy_ip(name->d.iPAddress));
    default: return 0; /* of a kind that no rule can name */
    }
}

static int read_alternatives(struct mu_identity *id, X509 *x)
{
    int found = 0;
    MU_AUTO(GENERAL_NAMES) names = X509_get_ext_d2i(x, NID_subject_alt_name, &found, NULL);
    if (names == NULL && found != -1) /* there are two such extensions, or one that cannot be read */
        id->unclear++;
    const bool one_uri = has_one_uri(names); /* thousands of names may be in it */
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
        if (read_name(id, x, one_uri, sk_GENERAL_NAME_value(names, i)) != 0)
            return -1;
    return 0;
}

/* --- All of it --- */

static int read_digests(struct mu_identity *id, const struct mu_cert *cert)
{
    unsigned char *spki = NULL;
    unsigned len = 0;
    mu_cert_sha256(cert, id->sha256);
    const int spki_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(mu_cert_x509(cert)), &spki);
    const bool done = spki_len > 0 && EVP_Digest(spki, (size_t)spki_len, id->key_sha256, &len,
                                                 EVP_sha256(), NULL) == 1;
    OPENSSL_free(spki);
    return done ? 0 : -1;
}

int mu_identity_read(const struct mu_cert *cert, struct mu_identity **ret, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_identity) id = calloc(1, sizeof *id);
    if (id == NULL)
        return mu_fail_nomem(err);
    X509 *x = mu_cert_x509(cert);
    mu_cert_serial(cert, id->serial);
    id->not_before = mu_cert_not_before(cert);
    id->not_after = mu_cert_not_after(cert);
    ERR_set_mark();
    const int result =
        read_names(id, x) != 0 || read_alternatives(id, x) != 0 || read_digests(id, cert) != 0 ? -1
                                                                                               : 0;
    ERR_pop_to_mark(); /* what could not be decoded is unclear, and no more */
    if (result != 0)
        return mu_fail_nomem(err);
    *ret = mu_take(&id);
    return 0;
}

/* --- Kept with the certificate --- */

static int identity_index = -1;

static void on_certificate_free(void *parent, void *identity, CRYPTO_EX_DATA *data, int index,
                                long number, void *pointer)
{
    (void)parent, (void)data, (void)index, (void)number, (void)pointer;
    mu_identity_free(identity);
}

/* Certificates share them, by their addresses, which differ from there on. */
enum { LOCKS = 64, LOCK_GRAIN = 64 };
static pthread_mutex_t locks[LOCKS];

static void make_index(void)
{
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_init(&locks[i], NULL);
    identity_index = X509_get_ex_new_index(0, NULL, NULL, NULL, on_certificate_free);
}

/* The caller has the certificate's lock. */
static const struct mu_identity *kept_or_read(const struct mu_cert *cert)
{
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_identity) made = NULL;
    X509 *x = mu_cert_x509(cert);
    const struct mu_identity *kept = X509_get_ex_data(x, identity_index);
    if (kept != NULL)
        return kept;
    if (mu_identity_read(cert, &made, &ignored) != 0 ||
        X509_set_ex_data(x, identity_index, made) != 1)
        return NULL;
    return mu_take(&made);
}

/* A certificate may be in several threads' hands: a client comes back with its session to any of them. */
const struct mu_identity *mu_identity_of(const struct mu_cert *cert)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_index);
    if (cert == NULL || identity_index < 0)
        return NULL;
    pthread_mutex_t *lock = &locks[(uintptr_t)cert / LOCK_GRAIN % LOCKS];
    pthread_mutex_lock(lock);
    const struct mu_identity *identity = kept_or_read(cert);
    pthread_mutex_unlock(lock);
    return identity;
}

/* --- In words --- */

static void add_all(struct mu_buf *text, const char *kind, const struct mu_strs *list)
{
    for (size_t i = 0; i < list->count; i++)
        mu_buf_addf(text, "%s%s=%s", text->len > 0 ? ", " : "", kind, list->at[i]);
}

char *mu_identity_text(const struct mu_identity *identity, char *ret, size_t cap)
{
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    if (identity == NULL) {
        mu_str_copy(ret, cap, "nobody");
        return ret;
    }
    add_all(&text, "uri", &identity->uri);
    add_all(&text, "dns", &identity->dns);
    add_all(&text, "email", &identity->email);
    add_all(&text, "ip", &identity->ip);
    add_all(&text, "cn", &identity->cn);
    add_all(&text, "ou", &identity->ou);
    if (text.len == 0)
        mu_buf_addf(&text, "serial=%s", identity->serial);
    return mu_str_printable(mu_buf_str(&text), text.len, ret, cap);
}

char *mu_thumbprint(const unsigned char sha256[32], char ret[MU_THUMBPRINT_LEN])
{
    EVP_EncodeBlock((unsigned char *)ret, sha256, 32);
    for (char *p = ret; *p != '\0'; p++)
        *p = *p == '+' ? '-' : *p == '/' ? '_' : *p == '=' ? '\0' : *p;
    return ret;
}
