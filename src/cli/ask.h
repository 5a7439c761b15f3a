#ifndef MU_CLI_ASK_H
#define MU_CLI_ASK_H

/* A question to whoever sits at the terminal. */

#include "base/error.h"

/*
 * Ask on the terminal itself, whatever standard input is; only "y" and "yes" go on. `refusal` is the sentence for when
 * there is nobody to ask. Fails with MU_E_NOT_CONFIRMED, then and for every other answer.
 */
MU_CHECK int mu_ask(const char *question, const char *refusal, struct mu_error *err);

#endif
