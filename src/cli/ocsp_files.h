#ifndef MU_CLI_OCSP_FILES_H
#define MU_CLI_OCSP_FILES_H

/* Where the commands of `mutual ocsp` put messages, which are DER. */

#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/cmd.h"

/* --out FILE, else `in` with `ending` in the place of `old_ending`, or behind it; "-" for "-". */
MU_CHECK int mu_ocsp_output_path(const struct mu_args *args, const char *in, const char *old_ending,
                                 const char *ending, char ret[MU_PATH_LEN], struct mu_error *err);

/* Fails with MU_E_USAGE when `path` is "-" and standard output a terminal: these are no letters. */
MU_CHECK int mu_ocsp_output_check(const struct mu_args *args, const char *path,
                                  struct mu_error *err);

/* Write to `path`, or to standard output for "-". With --force what is there is replaced. */
MU_CHECK int mu_ocsp_write(const struct mu_args *args, const char *path, const struct mu_buf *der,
                           struct mu_error *err);

#endif
