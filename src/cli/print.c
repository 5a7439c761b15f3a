#include "cli/print.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/progress.h"
#include "explain/cause_of.h"

static bool has_colour(FILE *to)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return (no_color == NULL || *no_color == '\0') && term != NULL && strcmp(term, "dumb") != 0 &&
           isatty(fileno(to));
}

const char *mu_style_on(FILE *to, enum mu_style style)
{
    static const char *const sequences[] = {
        [MU_PLAIN] = "",        [MU_BOLD] = "\033[1m",  [MU_DIM] = "\033[2m",
        [MU_GOOD] = "\033[32m", [MU_WARN] = "\033[33m", [MU_BAD] = "\033[31m",
    };
    return has_colour(to) ? sequences[style] : "";
}

const char *mu_style_off(FILE *to, enum mu_style style)
{
    return style != MU_PLAIN && has_colour(to) ? "\033[0m" : "";
}

/* What is foreign in a text, a file's name above all, is made fit for a terminal; line breaks are ours. Given; NULL
 * without memory. */
static char *MU_PRINTF(1, 0) compose(const char *format, va_list args)
{
    char *text = NULL;
    const int len = vasprintf(&text, format, args);
    if (len < 0)
        return NULL;
    const size_t cap = 4 * (size_t)len + 1;
    char *ret = malloc(cap), *to = ret;
    for (const char *from = text; ret != NULL; from++) {
        const size_t line = strcspn(from, "\n");
        mu_str_printable(from, line, to, cap - (size_t)(to - ret));
        to += strlen(to);
        from += line;
        if (*from == '\0')
            break;
        *to++ = '\n';
    }
    free(text);
    if (ret != NULL)
        *to = '\0';
    return ret;
}

void mu_say(enum mu_style style, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = compose(format, args);
    va_end(args);
    if (text != NULL)
        printf("%s%s%s", mu_style_on(stdout, style), text, mu_style_off(stdout, style));
    free(text);
}

/* What stands under it is indented as it is. */
static void put_value(const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        putchar(*p);
        if (*p == '\n')
            printf("  %-12s ", "");
    }
}

static void MU_PRINTF(4, 0) put_fact(const char *label, enum mu_style style, const char *words,
                                     const char *format, va_list args)
{
    char *text = compose(format, args);
    if (text == NULL)
        return;
    printf("  %s%-12s%s ", mu_style_on(stdout, MU_DIM), label, mu_style_off(stdout, MU_DIM));
    mu_say(style, "%s", words);
    put_value(text);
    putchar('\n');
    free(text);
}

void mu_fact(const char *label, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_fact(label, MU_PLAIN, "", format, args);
    va_end(args);
}

void mu_fact_styled(const char *label, enum mu_style style, const char *words, const char *format,
                    ...)
{
    va_list args;
    va_start(args, format);
    put_fact(label, style, words, format, args);
    va_end(args);
}

static int flush_failure; /* errno of the first flush that failed: what follows it does not keep it */

static void flush(void)
{
    if (fflush(stdout) != 0 && flush_failure == 0)
        flush_failure = errno;
}

static void MU_PRINTF(3, 0)
    remark(const char *word, enum mu_style style, const char *format, va_list args)
{
    char *text = compose(format, args);
    if (text == NULL)
        return;
    mu_progress_hide();
    flush(); /* keep the order in which things were said */
    /* In one piece: other processes and threads write there, too. */
    fprintf(stderr, "mutual: %s%s%s%s\n", mu_style_on(stderr, style), word,
            mu_style_off(stderr, style), text);
    mu_progress_show();
    free(text);
}

void mu_note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    remark("", MU_PLAIN, format, args);
    va_end(args);
}

void mu_warn(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    remark("warning: ", MU_WARN, format, args);
    va_end(args);
}

/* An error with what it quotes, file names, host names, a peer's words, fit to be shown. */
struct shown {
    char what[2 * MU_ERROR_WHAT_LEN], cause[2 * MU_ERROR_CAUSE_LEN], hint[2 * MU_ERROR_HINT_LEN];
};

static void make_printable(const struct mu_error *err, struct shown *ret)
{
    mu_str_printable(err->what, strlen(err->what), ret->what, sizeof ret->what);
    mu_str_printable(err->cause, strlen(err->cause), ret->cause, sizeof ret->cause);
    mu_str_printable(err->hint, strlen(err->hint), ret->hint, sizeof ret->hint);
}

/* What is really wrong, as `mutual explain` has it; "" where the error is of another kind. */
static const char *cause_id(const struct mu_error *err)
{
    enum mu_cause_id cause = mu_cause_of_error(err);
    return cause == MU_CAUSE_COUNT ? "" : mu_cause_of(cause)->id;
}

json_t *mu_error_json(const struct mu_error *err)
{
    struct shown shown;
    make_printable(err, &shown);
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", mu_code_id(err->code), "what", shown.what,
                     "cause", shown.cause, "hint", shown.hint, "cause_id", cause_id(err));
}

void mu_print_error(const struct mu_error *err, bool json)
{
    struct shown shown;
    if (json) {
        mu_print_json(json_pack("{s:o}", "error", mu_error_json(err)));
        return;
    }
    make_printable(err, &shown);
    const char *id = cause_id(err);
    mu_progress_hide();
    flush();
    fprintf(stderr, "mutual: %s%s%s%s%s\n  hint: %s\n%s%s%s", mu_style_on(stderr, MU_BAD),
            shown.what, mu_style_off(stderr, MU_BAD), *shown.cause == '\0' ? "" : ": ", shown.cause,
            shown.hint, *id == '\0' ? "" : "  cause: ", id, *id == '\0' ? "" : "\n");
    mu_progress_show();
}

static void dump(json_t *value, size_t flags)
{
    char *text = value == NULL ? NULL : json_dumps(value, flags | JSON_ENCODE_ANY);
    /* jansson refuses text that is not UTF-8; what we print has passed mu_str_printable, so only a
     * lack of memory remains. */
    puts(text == NULL ? "{\"error\": {\"id\": \"out-of-memory\"}}" : text);
    free(text);
    json_decref(value);
}

void mu_print_json(json_t *value)
{
    dump(value, JSON_INDENT(2));
}

void mu_print_json_line(json_t *value)
{
    dump(value, JSON_COMPACT);
}

bool mu_reader_is_gone(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

int mu_print_finish(struct mu_error *err)
{
    flush();
    if (flush_failure == 0 && !ferror(stdout))
        return 0;
    errno = flush_failure;
    return flush_failure != 0
               ? mu_fail_errno(err, MU_E_IO, "cannot write to standard output")
               : mu_fail(err, MU_E_IO, "standard output could not take all that was written to it");
}
