#include "cli/ask.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

int mu_ask(const char *question, const char *refusal, struct mu_error *err)
{
    char line[64] = "";
    FILE *tty = fopen("/dev/tty", "r+e");
    if (tty == NULL)
        return mu_fail(err, MU_E_NOT_CONFIRMED, "%s", refusal);
    fflush(stdout); /* what is asked about stands above the question */
    fprintf(tty, "%s [y/N]: ", question);
    fflush(tty);
    char *answered = fgets(line, sizeof line, tty);
    fclose(tty);
    line[strcspn(line, "\r\n")] = '\0';
    if (answered != NULL && (strcasecmp(line, "y") == 0 || strcasecmp(line, "yes") == 0))
        return 0;
    mu_fail(err, MU_E_NOT_CONFIRMED, "nothing was changed");
    return mu_hint(err, "answer y to go on");
}
