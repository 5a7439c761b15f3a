#include "pki/pem.h"

#include <stdbool.h>
#include <string.h>

#include "base/str.h"

static const char begin_mark[] = "-----BEGIN ";
static const char end_mark[] = "-----END ";
static const char dashes[] = "-----";

/* A line, without its line break and the blanks before it. */
struct line {
    const char *at;
    size_t len;
    const char *next; /* where the line after it starts */
};

static struct line line_at(const char *at, const char *end)
{
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    struct line line = {.at = at, .next = newline == NULL ? end : newline + 1};
    const char *last = newline == NULL ? end : newline;
    while (last > at && (last[-1] == '\r' || last[-1] == ' ' || last[-1] == '\t'))
        last--;
    line.len = (size_t)(last - at);
    return line;
}

static bool starts_with(struct line line, const char *mark)
{
    size_t len = strlen(mark);
    return line.len >= len && memcmp(line.at, mark, len) == 0;
}

static bool holds(struct line line, const char *text)
{
    return memmem(line.at, line.len, text, strlen(text)) != NULL;
}

/* What stands between `mark` and five dashes that end the line. */
static bool label_of(struct line line, const char *mark, const char **ret, size_t *ret_len)
{
    size_t mark_len = strlen(mark);
    size_t tail = strlen(dashes);
    if (line.len <= mark_len + tail || memcmp(line.at + line.len - tail, dashes, tail) != 0)
        return false;
    *ret = line.at + mark_len;
    *ret_len = line.len - mark_len - tail;
    return memmem(*ret, *ret_len, dashes, tail) == NULL;
}

static int fail_joined(const struct mu_pem_reader *reader, int line, struct mu_error *err)
{
    mu_fail(err, MU_E_DAMAGED,
            "%s: in line %d one block ends and the next begins, without a line break between them",
            reader->name, line);
    return mu_hint(err,
                   "put the line break in: sed -i 's/----------BEGIN/-----\\n-----BEGIN/' FILE");
}

/* A line that opens a block, but not as it should. Each of these is made by a well-known mishap. */
static int fail_begin(const struct mu_pem_reader *reader, struct line line, struct mu_error *err)
{
    if (holds(line, "\\n")) {
        mu_fail(err, MU_E_DAMAGED,
                "%s: the line breaks of the block in line %d are written as \\n, as in JSON",
                reader->name, reader->line);
        return mu_hint(err, "turn them into line breaks: sed -i 's/\\\\n/\\n/g' FILE");
    }
    if (memchr(line.at, '\r', line.len) != NULL) {
        mu_fail(err, MU_E_DAMAGED, "%s: the lines end in carriage returns alone", reader->name);
        return mu_hint(err, "turn them into line breaks: sed -i 's/\\r/\\n/g' FILE");
    }
    if (holds(line, end_mark) || line.len > 80) {
        mu_fail(err, MU_E_DAMAGED, "%s: the block in line %d has lost its line breaks",
                reader->name, reader->line);
        return mu_hint(err,
                       "copy the file itself, or quote the variable: printf '%%s\\n' \"$CERT\"");
    }
    return mu_fail(err, MU_E_DAMAGED, "%s: line %d begins a block, but does not end in five dashes",
                   reader->name, reader->line);
}

static int fail_cut_off(const struct mu_pem_reader *reader, const struct mu_pem *block,
                        struct mu_error *err)
{
    return mu_fail(err, MU_E_DAMAGED,
                   "%s: the block %s that begins in line %d is cut off: it has no END line",
                   reader->name, block->label, block->line);
}

static int fail_end(const struct mu_pem_reader *reader, const struct mu_pem *block,
                    struct line line, int number, struct mu_error *err)
{
    const char *label;
    size_t len;
    if (holds(line, begin_mark))
        return fail_joined(reader, number, err);
    if (!label_of(line, end_mark, &label, &len))
        return mu_fail(err, MU_E_DAMAGED, "%s: line %d ends a block, but not in five dashes",
                       reader->name, number);
    char shown[MU_PEM_LABEL_LEN];
    return mu_fail(err, MU_E_DAMAGED,
                   "%s: the block that begins as %s in line %d ends as %s in line %d", reader->name,
                   block->label, block->line, mu_str_printable(label, len, shown, sizeof shown),
                   number);
}

/* From the BEGIN line on to the END line that belongs to it. */
static int read_block(struct mu_pem_reader *reader, struct line begin, struct mu_pem *ret,
                      struct mu_error *err)
{
    const char *label, *end_label;
    size_t label_len, end_label_len;
    if (!label_of(begin, begin_mark, &label, &label_len))
        return fail_begin(reader, begin, err);
    *ret = (struct mu_pem){.at = begin.at, .line = reader->line};
    mu_str_printable(label, label_len, ret->label, sizeof ret->label);

    int number = reader->line;
    for (const char *at = begin.next; at < reader->end;) {
        struct line line = line_at(at, reader->end);
        number++;
        at = line.next;
        if (starts_with(line, begin_mark))
            break;
        if (!starts_with(line, end_mark))
            continue;
        if (!label_of(line, end_mark, &end_label, &end_label_len) || end_label_len != label_len ||
            memcmp(label, end_label, label_len) != 0)
            return fail_end(reader, ret, line, number, err);
        ret->len = (size_t)(line.next - ret->at);
        reader->at = line.next;
        reader->line = number + 1;
        return 1;
    }
    return fail_cut_off(reader, ret, err);
}

int mu_pem_next(struct mu_pem_reader *reader, struct mu_pem *ret, struct mu_error *err)
{
    while (reader->at < reader->end) {
        struct line line = line_at(reader->at, reader->end);
        if (starts_with(line, begin_mark))
            return read_block(reader, line, ret, err);
        size_t blanks = 0;
        while (blanks < line.len && (line.at[blanks] == ' ' || line.at[blanks] == '\t'))
            blanks++;
        struct line rest = {.at = line.at + blanks, .len = line.len - blanks};
        if (blanks > 0 && starts_with(rest, begin_mark)) {
            mu_fail(err, MU_E_DAMAGED,
                    "%s: the block in line %d is indented, and so no program finds it",
                    reader->name, reader->line);
            return mu_hint(err, "take the blanks away: sed -i 's/^[ \\t]*//' FILE");
        }
        if (holds(line, "----------BEGIN "))
            return fail_joined(reader, reader->line, err);
        reader->at = line.next;
        reader->line++;
    }
    return 0;
}

int mu_pem_strange_line(const struct mu_pem *block)
{
    static const char base64[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    const char *end = block->at + block->len;
    int number = block->line;
    for (const char *at = block->at; at < end; number++) {
        struct line line = line_at(at, end);
        at = line.next;
        if (starts_with(line, dashes) || memchr(line.at, ':', line.len) != NULL)
            continue; /* the block's ends, and RFC 1421 headers */
        for (size_t i = 0; i < line.len; i++)
            if (line.at[i] == '\0' || strchr(base64, line.at[i]) == NULL)
                return number;
    }
    return 0;
}
