#include "base/time.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

char *mu_date(time_t t, char ret[MU_DATE_LEN])
{
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL || strftime(ret, MU_DATE_LEN, "%Y-%m-%d %H:%M UTC", &tm) == 0)
        snprintf(ret, MU_DATE_LEN, "@%jd", (intmax_t)t);
    return ret;
}

char *mu_date_rfc3339(time_t t, char ret[MU_DATE_LEN])
{
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL || strftime(ret, MU_DATE_LEN, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(ret, MU_DATE_LEN, "@%jd", (intmax_t)t);
    return ret;
}

static const struct span_unit {
    int64_t seconds;
    const char *name;
} span_units[] = {
    {365 * MU_DAY_S, "year"}, {MU_DAY_S, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"},
};

char *mu_span(int64_t span_s, char ret[MU_SPAN_LEN])
{
    if (span_s < 0)
        span_s = -span_s;
    snprintf(ret, MU_SPAN_LEN, "0 seconds");
    for (const struct span_unit *u = span_units; u < span_units + MU_COUNT(span_units); u++) {
        int64_t n = span_s / u->seconds;
        if (n == 0)
            continue;
        int len = snprintf(ret, MU_SPAN_LEN, "%" PRId64 " %s%s", n, u->name, n == 1 ? "" : "s");
        /* The next smaller unit tells something only beside a small number: "1 day and 3 hours". */
        const struct span_unit *next = u + 1;
        int64_t rest = next < span_units + MU_COUNT(span_units) && n <= 2
                           ? span_s % u->seconds / next->seconds
                           : 0;
        if (rest > 0)
            snprintf(ret + len, (size_t)(MU_SPAN_LEN - len), " and %" PRId64 " %s%s", rest,
                     next->name, rest == 1 ? "" : "s");
        break;
    }
    return ret;
}

char *mu_relative(time_t t, time_t now, char ret[MU_SPAN_LEN])
{
    char span[MU_SPAN_LEN];
    if (t == now)
        snprintf(ret, MU_SPAN_LEN, "now");
    else if (t > now)
        snprintf(ret, MU_SPAN_LEN, "in %.40s", mu_span((int64_t)t - now, span));
    else
        snprintf(ret, MU_SPAN_LEN, "%.40s ago", mu_span((int64_t)now - t, span));
    return ret;
}

static const struct duration_unit {
    char letter;
    int64_t seconds;
} duration_units[] = {
    {'y', 365 * MU_DAY_S}, {'w', 7 * MU_DAY_S}, {'d', MU_DAY_S}, {'h', 3600}, {'m', 60}, {'s', 1},
};

static const struct duration_unit *duration_unit_of(char letter)
{
    for (size_t i = 0; i < MU_COUNT(duration_units); i++)
        if (duration_units[i].letter == letter)
            return &duration_units[i];
    return NULL;
}

int mu_duration_parse(const char *text, int64_t *ret_s, struct mu_error *err)
{
    const int64_t longest_s = 1000 * 365 * MU_DAY_S;
    int64_t total_s = 0;
    const char *p = text;
    while (isdigit((unsigned char)*p)) {
        char *end;
        long long n = strtoll(p, &end, 10);
        const struct duration_unit *unit = duration_unit_of(*end);
        if (unit == NULL)
            break;
        if (n > longest_s / unit->seconds || total_s > longest_s - n * unit->seconds)
            return mu_fail(err, MU_E_LIFETIME, "\"%s\" is longer than 1000 years", text);
        total_s += n * unit->seconds;
        p = end + 1;
    }
    if (*text == '\0' || *p != '\0' || total_s == 0) {
        mu_fail(err, MU_E_LIFETIME, "\"%s\" is not a length of time", text);
        return mu_hint(err, "write a number and a unit: 45s, 15m, 36h, 90d, 2w, 1y");
    }
    *ret_s = total_s;
    return 0;
}

/* Read exactly `width` digits at *p as a number between `low` and `high`, and step over them. */
static bool take_digits(const char **p, int width, int low, int high, int *ret)
{
    int n = 0;
    for (int i = 0; i < width; i++) {
        if (!isdigit((unsigned char)(*p)[i]))
            return false;
        n = n * 10 + ((*p)[i] - '0');
    }
    *p += width;
    *ret = n;
    return n >= low && n <= high;
}

static bool take_char(const char **p, char c)
{
    if (**p != c)
        return false;
    (*p)++;
    return true;
}

/* "Z", "+02:00", or nothing. */
static bool take_offset(const char **p, int *ret_s)
{
    *ret_s = 0;
    if (**p == '\0' || take_char(p, 'Z') || take_char(p, 'z'))
        return true;
    int sign = **p == '-' ? -1 : 1;
    if (!take_char(p, '+') && !take_char(p, '-'))
        return false;
    int hours, minutes;
    if (!take_digits(p, 2, 0, 23, &hours) || !take_char(p, ':') ||
        !take_digits(p, 2, 0, 59, &minutes))
        return false;
    *ret_s = sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool take_date(const char *p, time_t *ret)
{
    struct tm tm = {0};
    int year, month, offset_s = 0;
    if (!take_digits(&p, 4, 0, 9999, &year) || !take_char(&p, '-') ||
        !take_digits(&p, 2, 1, 12, &month) || !take_char(&p, '-') ||
        !take_digits(&p, 2, 1, 31, &tm.tm_mday))
        return false;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    if (take_char(&p, 'T') || take_char(&p, 't') || take_char(&p, ' ')) {
        if (!take_digits(&p, 2, 0, 23, &tm.tm_hour) || !take_char(&p, ':') ||
            !take_digits(&p, 2, 0, 59, &tm.tm_min))
            return false;
        if (take_char(&p, ':') && !take_digits(&p, 2, 0, 60, &tm.tm_sec))
            return false;
        if (take_char(&p, '.')) /* fractions of a second are allowed, and below our resolution */
            p += strspn(p, "0123456789");
        if (!take_offset(&p, &offset_s))
            return false;
    }
    if (*p != '\0')
        return false;
    int day = tm.tm_mday;
    *ret = timegm(&tm) - offset_s;
    return tm.tm_mday == day; /* timegm turns the 31st of June into the 1st of July */
}

/* The years 0 to 9999: what a date can be written as. */
#define FIRST_SECOND INT64_C(-62167219200)
#define LAST_SECOND INT64_C(253402300799)

int mu_date_parse(const char *text, time_t *ret, struct mu_error *err)
{
    if (text[0] == '@') {
        char *end;
        long long seconds = strtoll(text + 1, &end, 10);
        bool is_date = seconds >= FIRST_SECOND && seconds <= LAST_SECOND;
        if (end != text + 1 && *end == '\0' && is_date) {
            *ret = (time_t)seconds;
            return 0;
        }
    } else if (take_date(text, ret)) {
        return 0;
    }
    mu_fail(err, MU_E_USAGE, "\"%s\" is not a time", text);
    return mu_hint(err, "write it as 2031-01-01, 2031-01-01T12:30:00Z, or @SECONDS since 1970");
}
