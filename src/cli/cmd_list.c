#include <stdio.h>
#include <time.h>

#include "authority/authority.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cmd.h"
#include "cli/print.h"

struct listing {
    time_t now;
    size_t count;
};

static const char *state_of(const struct mu_record *record, time_t now)
{
    return mu_state_name(mu_record_state(record, now));
}

/* printf's widths count octets, and people's names have fewer characters. */
static void print_padded(const char *text, int width)
{
    for (const char *p = text; *p != '\0'; p++)
        width -= ((unsigned char)*p & 0xc0) != 0x80;
    printf("%s%*s ", text, width > 0 ? width : 0, "");
}

static bool show_text(void *arg, const struct mu_record *record)
{
    struct listing *listing = arg;
    char when[MU_SPAN_LEN], date[MU_DATE_LEN];
    const char *state = state_of(record, listing->now);
    if (listing->count++ == 0)
        mu_say(MU_BOLD, "%-28s %-7s %-8s %-26s %s\n", "NAME", "KIND", "STATE", "EXPIRES", "SERIAL");
    mu_relative(record->not_after, listing->now, when);
    print_padded(record->name, 28);
    printf("%-7s ", record->profile);
    mu_say(mu_str_equal(state, "valid") ? MU_GOOD : MU_BAD, "%-8s", state);
    printf(" %.10s %-15s %s\n", mu_date(record->not_after, date), when, record->serial);
    return !ferror(stdout);
}

/* An array, one record a line and written as it comes: a million of them need no memory. */
static bool show_json(void *arg, const struct mu_record *record)
{
    struct listing *listing = arg;
    char from[MU_DATE_LEN], until[MU_DATE_LEN], issued[MU_DATE_LEN];
    fputs(listing->count++ == 0 ? "[ " : ", ", stdout);
    mu_print_json_line(
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "name", record->name,
                  "kind", record->profile, "serial", record->serial, "state",
                  state_of(record, listing->now), "subject", record->subject, "san", record->san,
                  "not_before", mu_date_rfc3339(record->not_before, from), "not_after",
                  mu_date_rfc3339(record->not_after, until), "issued_at",
                  mu_date_rfc3339(record->issued_at, issued), "sha256", record->sha256));
    return !ferror(stdout);
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    struct mu_home paths;
    struct listing listing = {.now = time(NULL)};
    const char *expiring = mu_args_value(args, "expiring");
    struct mu_store_filter filter = {.name_glob = mu_args_value(args, "name"), .now = listing.now};
    MU_AUTO_STRUCT(mu_store) store = NULL;
    if (expiring != NULL) {
        int64_t within_s;
        if (mu_duration_parse(expiring, &within_s, err) != 0)
            return -1;
        filter.expiring_before = listing.now + within_s;
    }
    if (mu_home_paths(mu_args_home(args), &paths, err) != 0)
        return -1;
    if (mu_store_open(paths.db, MU_STORE_READ, &store, err) != 0)
        return err->code == MU_E_NOT_FOUND
                   ? mu_fail(err, MU_E_NO_CA, "there is no CA in %s", mu_args_home(args))
                   : -1;
    bool json = mu_args_json(args);
    if (mu_store_each(store, &filter, json ? show_json : show_text, &listing, err) != 0)
        return -1;
    if (json)
        puts(listing.count == 0 ? "[]" : "]");
    else if (listing.count == 0)
        mu_note(filter.name_glob == NULL && expiring == NULL ? "nothing has been issued yet"
                                                             : "nothing that was issued fits");
    return 0;
}

static const struct mu_opt opts[] = {
    {"expiring", 0, "DURATION", "only those still valid that end within this time: 30d", NULL,
     false},
    {"name", 0, "GLOB", "only names that fit: '*.internal'", NULL, false},
    {0},
};

const struct mu_cmd mu_cmd_list = {
    .name = "list",
    .args = "",
    .summary = "show what the CA has issued",
    .details =
        "Oldest first; with --expiring, what ends first comes first. A GLOB is a name in which * stands for\n"
        "any characters, ? for one, [abc] for one of these; quote it, or the shell takes it for files.\n"
        "With --json: an array, one record a line.",
    .example = "mutual list\n"
               "mutual list --expiring 30d --name '*.internal'",
    .opts = opts,
    .max_args = 0,
    .run = run,
};
