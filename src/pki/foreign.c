#include "pki/foreign.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/str.h"

#define P12_HINT                                                                                   \
    "convert it: keytool -importkeystore -srckeystore FILE -destkeystore FILE.p12 -deststoretype pkcs12"
#define SSH_HINT                                                                                   \
    "TLS needs a key in PEM; convert a copy: ssh-keygen -p -m PKCS8 -f COPY, or make one: mutual key FILE"
#define SSH_PUBLIC_HINT "give the certificate; an SSH public key cannot stand in for one"
#define PAGE_HINT                                                                                  \
    "the download fetched a page instead of the file: open the address in a browser to see it"

/* What a file of another kind starts with. */
static const struct start {
    const char *bytes;
    size_t len;
    const char *what;
    const char *hint; /* NULL: the code's own */
} starts[] = {
#define START(bytes, what, hint) {bytes, sizeof bytes - 1, what, hint}
    START("\xfe\xed\xfe\xed", "a Java keystore (JKS)", P12_HINT),
    START("\xce\xce\xce\xce", "a Java keystore (JCEKS)", P12_HINT),
    START("SQLite format 3", "an SQLite database (perhaps NSS's cert9.db)",
          "take the certificate out with: certutil -L -d DIR -n NICKNAME -a"),
    START("PuTTY-User-Key-File-", "a PuTTY key",
          "export it from PuTTYgen in PEM form, or make one: mutual key FILE"),
    START("ssh-", "an SSH public key", SSH_PUBLIC_HINT),
    START("ecdsa-sha2-", "an SSH public key", SSH_PUBLIC_HINT),
    START("---- BEGIN SSH2 ", "an SSH public key", SSH_PUBLIC_HINT),
    START("LS0tLS1", "PEM wrapped in base64 once more, as Kubernetes keeps secrets",
          "unwrap it: base64 -d FILE"),
    START("MII", "base64 without the BEGIN and END lines of PEM",
          "turn it into DER, which needs none: base64 -d FILE > FILE.der"),
    START("\x7f"
          "ELF",
          "a program (ELF)", NULL),
    START("\x1f\x8b", "a gzip archive", "unpack it first"),
    START("PK\x03\x04", "a zip archive", "unpack it first"),
    START("%PDF-", "a PDF document", NULL),
    START("{", "JSON", "take the certificate out of it, with its \\n turned into line breaks"),
    START("apiVersion:", "a Kubernetes file",
          "take the certificate out: kubectl get secret NAME -o jsonpath='{.data.tls\\.crt}' | base64 -d"),
#undef START
};

static bool starts_with(const char *data, size_t len, const char *start, size_t start_len)
{
    return len >= start_len && memcmp(data, start, start_len) == 0;
}

static bool starts_with_word(const char *data, size_t len, const char *word)
{
    size_t word_len = strlen(word);
    return len >= word_len && strncasecmp(data, word, word_len) == 0;
}

static bool is_text(const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (iscntrl((unsigned char)data[i]) && !isspace((unsigned char)data[i]))
            return false;
    return true;
}

static int fail_as(const char *name, const char *what, const char *hint, struct mu_error *err)
{
    mu_fail(err, MU_E_WRONG_KIND, "%s is %s", name, what);
    return hint == NULL ? -1 : mu_hint(err, "%s", hint);
}

int mu_foreign_fail(const char *name, const void *data, size_t len, struct mu_error *err)
{
    const char *text = data;
    while (len > 0 && isspace((unsigned char)*text)) {
        text++;
        len--;
    }
    for (const struct start *s = starts; s < starts + MU_COUNT(starts); s++)
        if (starts_with(text, len, s->bytes, s->len))
            return fail_as(name, s->what, s->hint, err);
    if (starts_with_word(text, len, "<!doctype html") || starts_with_word(text, len, "<html"))
        return fail_as(name, "an HTML page", PAGE_HINT, err);
    if (starts_with_word(text, len, "<?xml"))
        return fail_as(name, "XML", PAGE_HINT, err);
    if (memmem(text, len, "-----BEGIN ", 11) != NULL) {
        mu_fail(err, MU_E_DAMAGED,
                "%s: no line starts with -----BEGIN, though it stands inside one", name);
        return mu_hint(
            err, "copy the blocks out, each from -----BEGIN to -----END, at the start of a line");
    }
    if (memmem(text, len, "-----END ", 9) != NULL)
        return mu_fail(err, MU_E_DAMAGED,
                       "%s has lost its beginning: it has an END line, but no BEGIN line", name);
    if (is_text(text, len))
        return fail_as(name, "text without a PEM block in it",
                       "look into it; a PEM block starts with -----BEGIN", err);
    return fail_as(name, "binary data, but not DER", NULL, err);
}

int mu_foreign_fail_label(const char *name, const char *label, struct mu_error *err)
{
    if (mu_str_equal(label, "OPENSSH PRIVATE KEY") || mu_str_starts_with(label, "SSH2 "))
        return fail_as(name, "an OpenSSH private key, which TLS does not use", SSH_HINT, err);
    if (mu_str_starts_with(label, "PGP "))
        return fail_as(name, "a PGP file, which TLS does not use", NULL, err);
    if (mu_str_ends_with(label, " PARAMETERS"))
        mu_fail(err, MU_E_WRONG_KIND, "%s holds only parameters (%s), and no key", name, label);
    else
        mu_fail(err, MU_E_WRONG_KIND,
                "%s holds \"%s\", which is no certificate, key, request or CRL", name, label);
    return mu_hint(err, "check that this is the right file");
}

int mu_foreign_check_utf16(const char *name, const void *data, size_t len, struct mu_error *err)
{
    bool marked = starts_with(data, len, "\xff\xfe", 2) || starts_with(data, len, "\xfe\xff", 2);
    bool dashes = memmem(data, len < 4096 ? len : 4096, "-\0-\0-", 5) != NULL;
    if (!marked && !dashes)
        return 0;
    mu_fail(err, MU_E_WRONG_KIND, "%s is text in UTF-16, as PowerShell's > writes it", name);
    return mu_hint(err,
                   "write it again as ASCII: iconv -f UTF-16 -t ASCII FILE > NEW, or in PowerShell: "
                   "Out-File -Encoding ascii");
}
