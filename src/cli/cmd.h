#ifndef MU_CLI_CMD_H
#define MU_CLI_CMD_H

/*
 * A command is one file: cmd_NAME.c holds its entry, its options and its run(). Its name in the list in
 * meson.build puts it into the table; parsing, --help and the list of commands come from the entry.
 * A group is a command whose first word names one of its own commands (`mutual ca passwd`); these are in
 * GROUP_NAME.c, and in the group's list in meson.build.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct mu_opt {
    const char *name;     /* long name, without the dashes */
    char letter;          /* short name, or 0 */
    const char *value;    /* the value's name in --help ("FILE"); NULL: a flag without a value */
    const char *help;     /* one line */
    const char *fallback; /* the value when it is not given, also shown in --help; or NULL */
    bool many;            /* may be given several times */
};

struct mu_args;

struct mu_cmd {
    const char *name;    /* as typed after "mutual": "list"; in a group both words, "ca passwd" */
    const char *args;    /* "server|client|peer NAME..." as --help shows it */
    const char *summary; /* one line for the list of commands */
    const char *details; /* paragraphs for --help, or NULL */
    const char *example; /* complete command lines, one a line; a test runs each */
    const struct mu_opt
        *opts; /* ended by an all-zero entry; --home, --json, --help come by themselves */
    int min_args, max_args; /* how many words besides options; max_args -1: any number */
    /* 0: done. -1: failed, and `err` says why (main prints it). Above 0: that is the exit status, and
     * the command itself has said all there is to say. */
    int (*run)(const struct mu_args *args, struct mu_error *err);
    /* A group's commands, ended by NULL. A group has no args, options, example and run() of its own. */
    const struct mu_cmd *const *group;
};

/* The words besides options. */
int mu_args_count(const struct mu_args *args);
const char *mu_args_at(const struct mu_args *args, int i);

/* An option's value: the last one given, else its fallback, else NULL. For a flag: "" when given. */
const char *mu_args_value(const struct mu_args *args, const char *name);
bool mu_args_given(const struct mu_args *args, const char *name);

/* The i-th value of an option that may be given several times, NULL past the end. */
const char *mu_args_nth(const struct mu_args *args, const char *name, int i);

/* A whole number within bounds. Fails with MU_E_USAGE, naming the option. */
MU_CHECK int mu_args_number(const struct mu_args *args, const char *name, long low, long high,
                            long *ret, struct mu_error *err);

/* --json was given. */
bool mu_args_json(const struct mu_args *args);

/* The CA's directory: --home, $MUTUAL_HOME, $XDG_DATA_HOME/mutual or ~/.local/share/mutual. Absolute or as
 * given; never NULL. */
const char *mu_args_home(const struct mu_args *args);

/* mu_fail() for a command line that cannot be used, with the hint to look at this command's --help. */
int mu_usage(struct mu_error *err, const struct mu_args *args, const char *format, ...)
    MU_PRINTF(3, 4);

#endif
