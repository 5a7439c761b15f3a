#ifndef MU_CLI_PROGRESS_H
#define MU_CLI_PROGRESS_H

/*
 * A line on the terminal for work that takes longer than a second, so that nobody takes it for stuck: what is being
 * done, for how long, and how much of it is. It is standard error's, goes when the work ends or something else is to be
 * said, and is not there at all where standard error is no terminal. One work at a time.
 */

#include <stddef.h>

void mu_progress_begin(const char *what); /* "making the backup"; borrowed until the end */
void mu_progress_count(size_t done);      /* so many until now; may be left out */
void mu_progress_end(void);               /* also without a beginning */

/* Take the line away for something else that is said. Until mu_progress_show() it does not come back. */
void mu_progress_hide(void);
void mu_progress_show(void);

#endif
