/* From the command line to one command's run(), and from its result to an exit status. */

#include <ctype.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"
#include "cli/cmd.h"
#include "cli/commands.h" /* made by meson.build: MU_COMMANDS(X), MU_VERSION ... */
#include "cli/print.h"
#include "cli/progress.h"

#define X(name) extern const struct mu_cmd mu_cmd_##name;
MU_COMMANDS(X)
#undef X

#define X(name) &mu_cmd_##name,
static const struct mu_cmd *const commands[] = {MU_COMMANDS(X) NULL};
#undef X

/* These stand before or after the command's name. */
static const struct mu_opt global_opts[] = {
    {"home", 0, "DIR", "the CA's directory (also: MUTUAL_HOME)", NULL, false},
    {"json", 0, NULL, "print facts and errors as JSON", NULL, false},
    {"help", 'h', NULL, "show this help", NULL, false},
    {0},
};

/* And this one before it, or in its stead. */
static const struct mu_opt version_opts[] = {
    {"version", 0, NULL, "show the version", NULL, false},
    {0},
};

struct given {
    const struct mu_opt *opt;
    const char *value;
};

struct mu_args {
    const struct mu_cmd *cmd;
    const char **words;
    int word_count;
    struct given *given;
    int given_count;
    char home[4096];
};

int mu_args_count(const struct mu_args *args)
{
    return args->word_count;
}

const char *mu_args_at(const struct mu_args *args, int i)
{
    return i < args->word_count ? args->words[i] : NULL;
}

static const struct mu_opt *find_opt(const struct mu_opt *opts, const char *name)
{
    for (const struct mu_opt *opt = opts; opt != NULL && opt->name != NULL; opt++)
        if (mu_str_equal(opt->name, name))
            return opt;
    return NULL;
}

const char *mu_args_value(const struct mu_args *args, const char *name)
{
    for (int i = args->given_count - 1; i >= 0; i--)
        if (mu_str_equal(args->given[i].opt->name, name))
            return args->given[i].value;
    const struct mu_opt *opt = args->cmd == NULL ? NULL : find_opt(args->cmd->opts, name);
    return opt == NULL ? NULL : opt->fallback;
}

bool mu_args_given(const struct mu_args *args, const char *name)
{
    return mu_args_nth(args, name, 0) != NULL;
}

const char *mu_args_nth(const struct mu_args *args, const char *name, int n)
{
    for (int i = 0; i < args->given_count; i++)
        if (mu_str_equal(args->given[i].opt->name, name) && n-- == 0)
            return args->given[i].value;
    return NULL;
}

int mu_args_number(const struct mu_args *args, const char *name, long low, long high, long *ret,
                   struct mu_error *err)
{
    const char *text = mu_args_value(args, name);
    char *end = NULL;
    /* strtol would pass over spaces and take a sign. */
    bool digits = text != NULL && isdigit((unsigned char)*text);
    long n = digits ? strtol(text, &end, 10) : 0;
    if (!digits || *end != '\0' || n < low || n > high)
        return mu_usage(err, args, "--%s takes a whole number from %ld to %ld, not \"%s\"", name,
                        low, high, text == NULL ? "" : text);
    *ret = n;
    return 0;
}

bool mu_args_json(const struct mu_args *args)
{
    return mu_args_given(args, "json");
}

const char *mu_args_home(const struct mu_args *args)
{
    return args->home;
}

int mu_usage(struct mu_error *err, const struct mu_args *args, const char *format, ...)
{
    va_list list;
    char what[MU_ERROR_WHAT_LEN];
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    mu_fail(err, MU_E_USAGE, "%s", what);
    return args->cmd == NULL ? mu_hint(err, "see: mutual --help")
                             : mu_hint(err, "see: mutual %s --help", args->cmd->name);
}

/* The first of the places where a home can be named. A relative path in XDG_DATA_HOME is to be ignored.
 * [XDG Base Directory Specification] */
static void find_home(struct mu_args *args)
{
    const char *home = mu_args_value(args, "home");
    const char *data = getenv("XDG_DATA_HOME");
    const char *user = getenv("HOME");
    if (home == NULL || *home == '\0')
        home = getenv("MUTUAL_HOME");
    if (home != NULL && *home != '\0')
        snprintf(args->home, sizeof args->home, "%s", home);
    else if (data != NULL && *data == '/')
        snprintf(args->home, sizeof args->home, "%s/mutual", data);
    else
        snprintf(args->home, sizeof args->home, "%s/.local/share/mutual",
                 user == NULL || *user == '\0' ? "" : user);
}

static void print_opts(const struct mu_opt *opts)
{
    for (const struct mu_opt *opt = opts; opt != NULL && opt->name != NULL; opt++) {
        char left[64], letter[8] = "    ";
        if (opt->letter != 0)
            snprintf(letter, sizeof letter, "-%c, ", opt->letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, opt->name, opt->value != NULL ? " " : "",
                 opt->value != NULL ? opt->value : "");
        printf("  %-30s %s", left, opt->help);
        if (opt->fallback != NULL)
            printf(" [%s]", opt->fallback);
        if (opt->many)
            printf(" (repeatable)");
        printf("\n");
    }
}

static void print_indented(const char *text)
{
    for (const char *line = text; line != NULL && *line != '\0';) {
        const char *end = strchrnul(line, '\n');
        printf("  %.*s\n", (int)(end - line), line);
        line = *end == '\0' ? end : end + 1;
    }
}

static void print_commands(const struct mu_cmd *const *list)
{
    int width = 0;
    for (size_t i = 0; list[i] != NULL; i++)
        if ((int)strlen(list[i]->name) > width)
            width = (int)strlen(list[i]->name);
    printf("\nCommands:\n");
    for (size_t i = 0; list[i] != NULL; i++)
        printf("  %-*s    %s\n", width, list[i]->name, list[i]->summary);
}

static void print_command_help(const struct mu_cmd *cmd)
{
    const char *words = cmd->group != NULL ? "COMMAND [ARGUMENT]..." : cmd->args;
    printf("mutual %s: %s\n\nUsage:\n  mutual %s%s%s [OPTION]...\n", cmd->name, cmd->summary,
           cmd->name, *words == '\0' ? "" : " ", words);
    if (cmd->details != NULL)
        printf("\n%s\n", cmd->details);
    if (cmd->group != NULL)
        print_commands(cmd->group);
    printf("\nOptions:\n");
    print_opts(cmd->opts);
    print_opts(global_opts);
    if (cmd->group != NULL) {
        printf("\nmutual %s COMMAND --help tells about one command.\n", cmd->name);
        return;
    }
    printf("\nExample:\n");
    print_indented(cmd->example);
}

static void print_help(void)
{
    printf("mutual: mutual TLS from start to finish\n\n"
           "Usage:\n  mutual COMMAND [ARGUMENT]... [OPTION]...\n");
    print_commands(commands);
    printf("\nOptions:\n");
    print_opts(global_opts);
    print_opts(version_opts);
    printf(
        "\nA private CA, a server that admits only its clients, and a client, in a minute:\n"
        "  mutual init\n"
        "  mutual issue client my-client\n"
        "  mutual serve &\n"
        "  mutual get --as my-client https://localhost:3000\n"
        "\nmutual COMMAND --help tells about one command; mutual demo shows all of it at work.\n"
        "Exit status: 0 done, 1 refused or failed, 2 used wrongly; where there is a 3, the command's help says so.\n");
}

/* getopt_long's tables, made from the command's options and the global ones. A long option returns
 * its place in `all` plus FIRST_LONG; a short one returns its letter. */
enum { FIRST_LONG = 256, MAX_OPTS = 64 };

struct opt_table {
    const struct mu_opt *all[MAX_OPTS];
    struct option longs[MAX_OPTS + 1];
    char shorts[2 * MAX_OPTS + 3];
    int count;
};

static void table_add(struct opt_table *table, const struct mu_opt *opts)
{
    for (const struct mu_opt *opt = opts; opt != NULL && opt->name != NULL; opt++) {
        int i = table->count++;
        size_t len = strlen(table->shorts);
        table->all[i] = opt;
        table->longs[i] =
            (struct option){opt->name, opt->value != NULL ? required_argument : no_argument, NULL,
                            FIRST_LONG + i};
        if (opt->letter != 0)
            snprintf(table->shorts + len, sizeof table->shorts - len, "%c%s", opt->letter,
                     opt->value != NULL ? ":" : "");
    }
}

static const struct mu_opt *table_find(const struct opt_table *table, int c)
{
    if (c >= FIRST_LONG)
        return table->all[c - FIRST_LONG];
    for (int i = 0; i < table->count; i++)
        if (table->all[i]->letter == c)
            return table->all[i];
    return NULL;
}

/*
 * Read options into `args`, and the words between them unless `stop_at_word`. Returns the index of the
 * first word not read.
 */
static int parse(struct mu_args *args, int argc, char **argv, bool stop_at_word,
                 struct mu_error *err)
{
    /* '-' hands us each word in its place; '+' stops at the first; ':' tells a missing value apart. */
    struct opt_table table = {.shorts = ""};
    snprintf(table.shorts, sizeof table.shorts, "%s", stop_at_word ? "+:" : "-:");
    table_add(&table, args->cmd != NULL ? args->cmd->opts : version_opts);
    table_add(&table, global_opts);

    opterr = 0;
    optind = 0; /* glibc: start afresh */
    for (int c; (c = getopt_long(argc, argv, table.shorts, table.longs, NULL)) != -1;) {
        if (c == 1) {
            args->words[args->word_count++] = optarg;
            continue;
        }
        if (c == ':')
            return mu_usage(err, args, "%s needs a value", argv[optind - 1]);
        const struct mu_opt *opt = c == '?' ? NULL : table_find(&table, c);
        if (opt == NULL) {
            if (optopt >= FIRST_LONG)
                return mu_usage(err, args, "%s does not take a value", argv[optind - 1]);
            if (optopt != 0)
                return mu_usage(err, args, "there is no option -%c", optopt);
            return mu_usage(err, args, "there is no option %s", argv[optind - 1]);
        }
        if (!opt->many && opt->value != NULL && mu_args_given(args, opt->name))
            return mu_usage(err, args, "--%s is given twice", opt->name);
        args->given[args->given_count++] = (struct given){opt, opt->value != NULL ? optarg : ""};
    }
    return optind;
}

static int run_command(struct mu_args *args, int argc, char **argv, struct mu_error *err)
{
    int rest = parse(args, argc, argv, false, err);
    if (rest < 0)
        return -1;
    for (; rest < argc; rest++) /* after "--" */
        args->words[args->word_count++] = argv[rest];
    if (mu_args_given(args, "help")) {
        print_command_help(args->cmd);
        return 0;
    }
    if (args->word_count < args->cmd->min_args)
        return mu_usage(err, args, "mutual %s needs %s", args->cmd->name, args->cmd->args);
    if (args->cmd->max_args >= 0 && args->word_count > args->cmd->max_args)
        return mu_usage(err, args, "mutual %s does not know what to do with \"%s\"",
                        args->cmd->name, args->words[args->cmd->max_args]);
    find_home(args);
    int result = args->cmd->run(args, err);
    mu_progress_end(); /* where it has failed on the way */
    return result;
}

/* The command of `group` (NULL: of the program) that `word` names, or NULL. */
static const struct mu_cmd *find_command(const struct mu_cmd *group, const char *word)
{
    size_t skip = group == NULL ? 0 : strlen(group->name) + 1; /* "ca " */
    for (const struct mu_cmd *const *cmd = group == NULL ? commands : group->group; *cmd != NULL;
         cmd++)
        if (mu_str_equal((*cmd)->name + skip, word))
            return *cmd;
    return NULL;
}

/*
 * Read until a command is named: one word, or two where the first names a group. args->cmd is then that
 * command; the group when no more words came; NULL when none came. Returns the index of its last word. The word
 * "help", before any of them, is --help, and "version" is --version.
 */
static int choose(struct mu_args *args, int argc, char **argv, struct mu_error *err)
{
    int at = 0;
    while (args->cmd == NULL || args->cmd->group != NULL) {
        int step = parse(args, argc - at, argv + at, true, err);
        if (step < 0)
            return -1;
        at += step;
        if (at >= argc)
            return argc;
        if (mu_str_equal(argv[at], "help")) {
            args->given[args->given_count++] = (struct given){find_opt(global_opts, "help"), ""};
            continue;
        }
        if (args->cmd == NULL && mu_str_equal(argv[at], "version")) {
            args->given[args->given_count++] = (struct given){version_opts, ""};
            continue;
        }
        const struct mu_cmd *cmd = find_command(args->cmd, argv[at]);
        if (cmd == NULL)
            return mu_usage(err, args, "there is no command \"%s%s%s\"",
                            args->cmd == NULL ? "" : args->cmd->name, args->cmd == NULL ? "" : " ",
                            argv[at]);
        args->cmd = cmd;
    }
    return at;
}

static int print_version(const struct mu_args *args)
{
    if (mu_args_json(args))
        mu_print_json(json_pack("{s:s}", "version", MU_VERSION));
    else
        printf("mutual %s\n", MU_VERSION);
    return 0;
}

static int dispatch(struct mu_args *args, int argc, char **argv, struct mu_error *err)
{
    int at = choose(args, argc, argv, err);
    if (at < 0)
        return -1;
    if (mu_args_given(args, "version"))
        return print_version(args);
    bool chosen = args->cmd != NULL && args->cmd->group == NULL;
    if (chosen)
        return run_command(args, argc - at, argv + at, err);
    if (!mu_args_given(args, "help"))
        return mu_usage(err, args, "say what to do: mutual %s%sCOMMAND",
                        args->cmd == NULL ? "" : args->cmd->name, args->cmd == NULL ? "" : " ");
    args->cmd == NULL ? print_help() : print_command_help(args->cmd);
    return 0;
}

/*
 * Whoever closes a standard stream ("2>&-") leaves its number to the next file that is opened, and a message
 * would be written into a store or to a client. So the gaps are filled, the wrong way round: a stream that was
 * closed still fails when it is used.
 */
static bool fill_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return false;
    return true;
}

/* Where a mistake has ended the reading of options, it may stand behind that. */
static bool asks_for_json(int argc, char **argv)
{
    for (int i = 1; i < argc && !mu_str_equal(argv[i], "--"); i++)
        if (mu_str_equal(argv[i], "--json"))
            return true;
    return false;
}

int main(int argc, char **argv)
{
    if (!fill_standard_streams())
        return 1; /* and there is nowhere to say so */

    /* A closed pipe is told by write()'s result, where it can be handled, not by a silent death. */
    signal(SIGPIPE, SIG_IGN);

    struct mu_error err = MU_ERROR_INIT;
    struct mu_args args = {0};
    args.words = calloc((size_t)argc + 1, sizeof *args.words);
    args.given = calloc((size_t)argc + 1, sizeof *args.given);
    int result = -1;
    if (args.words == NULL || args.given == NULL)
        mu_fail_nomem(&err);
    else
        result = dispatch(&args, argc, argv, &err);

    bool json = mu_args_json(&args) || (err.code == MU_E_USAGE && asks_for_json(argc, argv));
    bool told = result < 0 && ferror(stdout); /* the command itself has found that out */
    if (result < 0) {
        if (!ferror(stdout) || !mu_reader_is_gone()) /* who has seen enough wants no complaint */
            mu_print_error(&err, json);
        result = mu_code_exit(err.code);
    }
    if (mu_print_finish(&err) != 0) {
        if (!told && !mu_reader_is_gone())
            mu_print_error(&err, false);
        result = 1;
    }
    free(args.words);
    free(args.given);
    return result;
}
