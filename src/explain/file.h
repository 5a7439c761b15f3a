#ifndef MU_EXPLAIN_FILE_H
#define MU_EXPLAIN_FILE_H

/* What a file is, whatever was meant, and what is wrong with its form. Its contents are got at where that is possible, so
 * that a second fault is not hidden behind the first. */

#include <stdbool.h>
#include <stddef.h>

#include "explain/report.h"
#include "pki/cert.h"
#include "pki/crl.h"
#include "pki/key.h"
#include "pki/object.h"
#include "pki/verify.h"

/* What a program is told that the file is. */
enum mu_role {
    MU_ROLE_ANY, /* nobody has said: its name may */
    MU_ROLE_CERT,
    MU_ROLE_KEY,
    MU_ROLE_CAS,
    MU_ROLE_CRL,
    MU_ROLE_REQUEST,
    MU_ROLE_CONTAINER, /* .p12 */
};

struct mu_file {
    char name[MU_FINDING_FILE_LEN]; /* printable */
    enum mu_role role;              /* as given, or as its name has it */
    enum mu_party whose;
    char what[256]; /* "PEM: a certificate, a private key" */
    struct mu_objects objects;
    struct mu_certs certs;    /* those in it, in its order */
    const struct mu_key *key; /* its private key, if that could be read; borrowed from `objects` */
    bool locked;              /* there is a private key in it, and it could not be opened */
    bool has_request, has_public_key, is_container, is_der;
    bool is_bundle;   /* PKCS#7: certificates, in a wrapping that programs do not look into */
    bool is_keystore; /* a Java keystore, as its name says: nothing was told of it */
};
void mu_file_clear(struct mu_file *file);
MU_AUTO_DEFINE_CLEAR(mu_file, mu_file_clear)

/* How a file is read. */
struct mu_reading {
    enum mu_role role;
    enum mu_party whose; /* move it is if the file is no good */
    bool by_name;        /* nobody has said what it is: what fits its name is no fault */
    const struct mu_passphrase_source *source; /* NULL: there is none */
};

/* Read `path`, and tell the report of what is wrong with it. A bad file is not an error. Fails with MU_E_NOMEM. */
MU_CHECK int mu_file_read_as(const char *path, const struct mu_reading *how, struct mu_file *ret,
                             struct mu_report *report, struct mu_error *err);

/* The same for bytes at hand. */
MU_CHECK int mu_file_recognise(const char *name, const void *data, size_t len,
                               const struct mu_reading *how, struct mu_file *ret,
                               struct mu_report *report, struct mu_error *err);

/* Is what was asked for in it? If not, tell the report what is there instead. `beside` is the file on the other
 * side of the same pair, which tells whether the two were swapped; NULL: there is none. */
MU_CHECK int mu_file_judge_role(const struct mu_file *file, const struct mu_file *beside,
                                struct mu_report *report, struct mu_error *err);

/* The role that a name promises: "client.key", "ca.crt", "x.csr". MU_ROLE_ANY: none. */
enum mu_role mu_role_of_name(const char *name);

/* What a leaf in it is for: as the file's name has it, else as it says itself. That the two differ is a fault. */
enum mu_purpose mu_file_side(const struct mu_file *file, const struct mu_cert *cert, time_t at);

/* Its revocation lists, borrowed; how many. */
size_t mu_file_crls(const struct mu_file *file, struct mu_crl **ret, size_t cap);

#endif
