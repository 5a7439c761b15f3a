#ifndef MU_PKI_TOKEN_LOOK_H
#define MU_PKI_TOKEN_LOOK_H

/*
 * From a PKCS#11 URI to a session on the token that it names: which module, which token, and its PIN. For token.c, which
 * looks for keys in that. [PKCS #11 v2.40, RFC 7512]
 */

#include <p11-kit/pkcs11.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/macros.h"
#include "base/secret.h"
#include "pki/pkcs11_uri.h"
#include "pki/token_evp.h"

/* A module at work, with a session on the token once there is one. All zero before use. */
struct mu_token_look {
    CK_FUNCTION_LIST *p11;
    bool began; /* it is ours to end */
    bool has_session;
    CK_SESSION_HANDLE session;
};
void mu_token_look_clear(struct mu_token_look *look);
MU_AUTO_DEFINE_CLEAR(mu_token_look, mu_token_look_clear)

/* `place` learns where the token is, and its PIN. Fails as mu_token_key_open() does. */
MU_CHECK int mu_token_look_begin(const struct mu_pkcs11_uri *uri, bool to_write,
                                 const struct mu_passphrase_source *source,
                                 struct mu_token_place *place, struct mu_token_look *ret,
                                 struct mu_error *err);

/* "WHAT NAME", with what the module said, as MU_E_TOKEN. Returns -1. */
int mu_token_fail(struct mu_error *err, CK_RV rv, const char *what, const char *name);

/* One more in quotes, made fit to be shown; what does not fit is left out. */
#define MU_TOKEN_LIST_LEN 256
#define MU_TOKEN_LABEL_LEN 256
void mu_token_list_add(char list[MU_TOKEN_LIST_LEN], const char *text);

#endif
