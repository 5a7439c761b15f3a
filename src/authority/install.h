#ifndef MU_AUTHORITY_INSTALL_H
#define MU_AUTHORITY_INSTALL_H

/*
 * An authority whose root is on another machine: it asks for its certificate there, and installs what comes back; the
 * same again when it is to be renewed, or to have another key. A key that is waiting for its certificate lies in the
 * home as ca-request.key.
 */

#include <stdbool.h>
#include <time.h>

#include "authority/home.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/secret.h"
#include "pki/cert.h"
#include "pki/object.h"

struct mu_ca_request {
    const char *home;
    const char *name;     /* of a CA to be; NULL where there is one, which keeps its name */
    const char *key_type; /* of a new key; NULL: that of the present one, else p256 */
    bool new_key;         /* even where there is a CA with a key */
    bool force; /* a key that is waiting already is thrown away; else it is asked for again */
    const struct mu_passphrase_source *source;
    const struct mu_secret *passphrase; /* protects a new key; NULL or empty: it is not protected */
};

/*
 * The request, as PEM in `ret`; `ret_key` is the path of the key that it is for. Fails with MU_E_USAGE (a name, and
 * there is a CA, or no name and there is none), MU_E_NAME, MU_E_IO and as mu_key_load() does.
 */
MU_CHECK int mu_ca_request_make(const struct mu_ca_request *how, struct mu_buf *ret,
                                char ret_key[MU_PATH_LEN], struct mu_error *err);

struct mu_install {
    const char *home;
    const char *store; /* for a CA to be, as in struct mu_authority_init */
    const struct mu_certs
        *certs; /* what came back: the CA's certificate, and behind it those above it */
    const struct mu_objects
        *others; /* may hold revocation lists; those of the roots are kept. NULL: nothing */
    const struct mu_passphrase_source *source;
    time_t now;
};

struct mu_installed {
    struct mu_cert *cert, *root, *before; /* `before` is NULL where there was no CA before */
    bool same;     /* it was there already: only a root's revocation list is newer */
    bool new_key;  /* another key than before */
    bool new_root; /* another root than before, which is trusted beside it: see rollover.h */
};
void mu_installed_clear(struct mu_installed *installed);
MU_AUTO_DEFINE_CLEAR(mu_installed, mu_installed_clear)

/*
 * Put the certificate in its place, for which the key is there, with the chain above it; revocation lists are made anew.
 * A root's list stays where none came along that is newer. Everything changes in one step, or nothing does. Fails with MU_E_KEY_MISMATCH (no key here fits), MU_E_CA_UNFIT,
 * MU_E_NOT_FOUND (the chain does not lead to a root), MU_E_NAME (it is for a CA of another name), MU_E_EXISTS (it is
 * there already, and no newer list came along), MU_E_IO, MU_E_STORE.
 */
MU_CHECK int mu_authority_install(const struct mu_install *how, struct mu_installed *ret,
                                  struct mu_error *err);

#endif
