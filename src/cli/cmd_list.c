#include <stdio.h>
#include <string.h>
#include <time.h>

#include "authority/choose.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cmd.h"
#include "cli/print.h"
#include "cli/records.h"

struct listing {
    time_t now;
    size_t count, limit; /* limit 0: all */
    bool json;
    char last[MU_DIGITS_LEN]; /* the serial number shown last */
    bool more;
};

/* printf's widths count octets, and people's names have fewer characters. */
static void print_padded(const char *text, int width)
{
    for (const char *p = text; *p != '\0'; p++)
        width -= ((unsigned char)*p & 0xc0) != 0x80;
    printf("%s%*s ", text, width > 0 ? width : 0, "");
}

static void show_text(const struct listing *listing, const struct mu_record *record)
{
    char when[MU_SPAN_LEN], date[MU_DATE_LEN], name[1024], profile[64], serial[256];
    enum mu_state state = mu_record_state(record, listing->now);
    if (listing->count == 0)
        mu_say(MU_BOLD, "%-28s %-7s %-8s %-26s %s\n", "NAME", "KIND", "STATE", "EXPIRES", "SERIAL");
    mu_relative(record->not_after, listing->now, when);
    /* The records may be damaged, so that what is in them is shown as any foreign text is. */
    print_padded(mu_str_printable(record->name, strlen(record->name), name, sizeof name), 28);
    printf("%-7s ",
           mu_str_printable(record->profile, strlen(record->profile), profile, sizeof profile));
    mu_say(MU_STATE_STYLE(state), "%-8s", mu_state_name(state));
    printf(" %.10s %-15s %s\n", mu_date(record->not_after, date), when,
           mu_str_printable(record->serial, strlen(record->serial), serial, sizeof serial));
}

/* Written as they come: a million of them need no memory. */
static bool show(void *arg, const struct mu_record *record)
{
    struct listing *listing = arg;
    listing->more = listing->limit != 0 && listing->count == listing->limit;
    if (listing->more)
        return false;
    if (listing->json)
        mu_print_json_line(mu_record_json(record, listing->now));
    else
        show_text(listing, record);
    mu_str_copy(listing->last, sizeof listing->last, record->serial);
    listing->count++;
    return !ferror(stdout);
}

static int read_state(const struct mu_args *args, enum mu_state *ret, struct mu_error *err)
{
    const char *text = mu_args_value(args, "state");
    *ret = MU_STATE_ANY;
    if (text == NULL)
        return 0;
    for (int state = MU_STATE_ANY; state <= MU_STATE_HELD; state++)
        if (mu_str_equal(text, mu_state_name((enum mu_state)state))) {
            *ret = (enum mu_state)state;
            return 0;
        }
    return mu_usage(err, args, "--state takes valid, expired, revoked or held, not \"%s\"", text);
}

/* A serial number or a fingerprint, or the beginning of one. */
static int read_digits(const struct mu_args *args, const char *option, char buf[MU_DIGITS_LEN],
                       const char **ret, struct mu_error *err)
{
    const char *text = mu_args_value(args, option);
    if (text == NULL)
        return 0;
    if (!mu_choose_digits(text, buf))
        return mu_usage(err, args, "--%s takes hexadecimal digits, not \"%s\"", option, text);
    *ret = buf;
    return 0;
}

static int read_expiring(const struct mu_args *args, time_t now, time_t *ret, struct mu_error *err)
{
    int64_t within_s;
    const char *text = mu_args_value(args, "expiring");
    if (text == NULL)
        return 0;
    if (mu_duration_parse(text, &within_s, err) != 0)
        return -1;
    *ret = now + within_s;
    return 0;
}

static int list(const struct mu_args *args, struct mu_store *store, struct mu_store_filter *filter,
                struct listing *listing, struct mu_error *err)
{
    char issuer[MU_SHA256_LEN];
    const char *given_issuer = mu_args_value(args, "issuer");
    const char *after = mu_args_value(args, "after");
    MU_AUTO_CLEAR(mu_choices) behind = {.at = NULL};
    if (given_issuer != NULL) {
        if (mu_choose_issuer(store, given_issuer, issuer, err) != 0)
            return -1;
        filter->issuer = issuer;
    }
    if (after != NULL) {
        if (mu_choose_one(store, after, MU_STATE_ANY, listing->now, &behind, err) != 0)
            return -1;
        filter->after = behind.at[0].serial;
    }
    /* One more than is shown tells whether there is more. */
    filter->limit = listing->limit == 0 ? 0 : listing->limit + 1;
    return mu_store_each(store, filter, show, listing, err);
}

/* Is anything asked for in particular? */
static bool is_narrow(const struct mu_args *args)
{
    static const char *const options[] = {"name",  "san",      "serial", "fingerprint",
                                          "state", "expiring", "issuer", "after"};
    for (size_t i = 0; i < MU_COUNT(options); i++)
        if (mu_args_given(args, options[i]))
            return true;
    return false;
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    struct listing listing = {.now = time(NULL), .json = mu_args_json(args)};
    char serial[MU_DIGITS_LEN], sha256[MU_DIGITS_LEN];
    long limit = 0;
    struct mu_store_filter filter = {
        .now = listing.now,
        .name_glob = mu_args_value(args, "name"),
        .san_glob = mu_args_value(args, "san"),
        .serial_is_beginning = true,
        .sha256_is_beginning = true,
    };
    MU_AUTO_STRUCT(mu_store) store = NULL;
    if (read_expiring(args, listing.now, &filter.expiring_before, err) != 0 ||
        read_state(args, &filter.state, err) != 0 ||
        read_digits(args, "serial", serial, &filter.serial, err) != 0 ||
        read_digits(args, "fingerprint", sha256, &filter.sha256, err) != 0 ||
        (mu_args_given(args, "limit") &&
         mu_args_number(args, "limit", 1, 1000000000, &limit, err) != 0))
        return -1;
    listing.limit = (size_t)limit;
    if (mu_records_open(args, &store, err) != 0 || list(args, store, &filter, &listing, err) != 0)
        return -1;
    if (listing.json)
        return 0;
    if (listing.count == 0)
        mu_note(is_narrow(args) ? "nothing that was issued fits" : "nothing has been issued yet");
    else if (listing.more)
        mu_note("there is more: --after %s goes on", listing.last);
    return 0;
}

static const struct mu_opt opts[] = {
    {"name", 0, "GLOB", "only names that fit: '*.internal'", NULL, false},
    {"san", 0, "GLOB", "only those with such an alternative name: '10.0.*'", NULL, false},
    {"serial", 0, "DIGITS", "only serial numbers that begin so", NULL, false},
    {"fingerprint", 0, "DIGITS", "only SHA-256 fingerprints that begin so", NULL, false},
    {"state", 0, "STATE", "only those that are valid, expired, revoked, or held", NULL, false},
    {"expiring", 0, "DURATION", "only those still valid that end within this time: 30d", NULL,
     false},
    {"issuer", 0, "CA", "only what this CA has issued: its certificate, name or fingerprint", NULL,
     false},
    {"limit", 0, "N", "no more than so many", NULL, false},
    {"after", 0, "SERIAL", "go on behind this one", NULL, false},
    {0},
};

const struct mu_cmd mu_cmd_list = {
    .name = "list",
    .args = "",
    .summary = "show what the CA has issued",
    .details =
        "Oldest first; with --expiring, what ends first comes first. All that is asked for has to fit. A GLOB\n"
        "is a name in which * stands for any characters, ? for one, [abc] for one of these; quote it, or the\n"
        "shell takes it for files. An alternative name fits with and without its kind: 'DNS:*', '10.0.*'.\n"
        "Revoked are those on hold, too.\n"
        "\n"
        "To go through many in pieces, say --limit N, and again with --after and the serial number of the last.\n"
        "With --json: one object a line.",
    .example = "mutual list\n"
               "mutual list --expiring 30d --name '*.internal'\n"
               "mutual list --state revoked --json\n"
               "mutual list --san '*.example.org' --limit 100",
    .opts = opts,
    .max_args = 0,
    .run = run,
};
