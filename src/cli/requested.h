#ifndef MU_CLI_REQUESTED_H
#define MU_CLI_REQUESTED_H

#include "base/error.h"
#include "pki/key.h"
#include "pki/name.h"
#include "pki/profile.h"

/*
 * What a request asks for: its names, as far as this profile has them, and its public key, by which it must be signed.
 * `ret_key` is given. What is left out is noted on standard error.
 * Fails as mu_csr_load() and mu_csr_verified_key() do; with MU_E_NAME when there is no name that fits.
 */
MU_CHECK int mu_request_read(const char *path, enum mu_profile profile, struct mu_names *ret_names,
                             struct mu_key **ret_key, struct mu_error *err);

#endif
