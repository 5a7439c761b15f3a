#include "tls/names.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum { NAME_MAX_LEN = 253, LABEL_MAX_LEN = 63 }; /* [RFC 1035 2.3.4] */

struct entry {
    char *name; /* in lower case */
    struct mu_tls_named named;
};

struct mu_tls_names {
    struct entry *entries; /* in order of their names */
    size_t count;
    struct mu_tls_named others; /* without a context: there is no door for them */
    struct mu_tls_named first;
};

int mu_tls_names_new(struct mu_tls_names **ret, struct mu_error *err)
{
    *ret = calloc(1, sizeof **ret);
    return *ret == NULL ? mu_fail_nomem(err) : 0;
}

void mu_tls_names_free(struct mu_tls_names *names)
{
    if (names == NULL)
        return;
    for (size_t i = 0; i < names->count; i++)
        free(names->entries[i].name);
    free(names->entries);
    free(names);
}

/* In lower case and without the dot at the end. False: it is no name at all. */
static bool normalise(const char *name, size_t len, char ret[NAME_MAX_LEN + 1])
{
    if (len > 0 && name[len - 1] == '.')
        len--;
    if (len == 0 || len > NAME_MAX_LEN)
        return false;
    for (size_t i = 0; i < len; i++)
        ret[i] = (char)tolower((unsigned char)name[i]);
    ret[len] = '\0';
    return strlen(ret) == len;
}

/* The place of `name`, or where it would stand. */
static size_t place_of(const struct mu_tls_names *names, const char *name, bool *ret_found)
{
    size_t low = 0, high = names->count;
    *ret_found = false;
    while (low < high && !*ret_found) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(names->entries[middle].name, name);
        *ret_found = order == 0;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return *ret_found ? high : low;
}

static int add_others(struct mu_tls_names *names, const struct mu_tls_named *named,
                      struct mu_error *err)
{
    if (names->others.context != NULL) {
        mu_fail(err, MU_E_EXISTS, "two doors at the same address have no names");
        return mu_hint(err, "give one of them names, so that clients can be told apart");
    }
    names->others = *named;
    return 0;
}

int mu_tls_names_add(struct mu_tls_names *names, const char *name, const struct mu_tls_named *named,
                     struct mu_error *err)
{
    char lower[NAME_MAX_LEN + 1];
    bool found;
    if (names->first.context == NULL)
        names->first = *named;
    if (name == NULL)
        return add_others(names, named, err);
    if (mu_tls_name_check(name, err) != 0)
        return -1;
    (void)normalise(name, strlen(name), lower);
    size_t at = place_of(names, lower, &found);
    if (found) {
        mu_fail(err, MU_E_EXISTS, "two doors at the same address have the name \"%s\"", lower);
        return mu_hint(err, "a name leads to one door: take it from the other");
    }
    struct entry *longer = realloc(names->entries, (names->count + 1) * sizeof *longer);
    if (longer == NULL)
        return mu_fail_nomem(err);
    names->entries = longer;
    memmove(&longer[at + 1], &longer[at], (names->count - at) * sizeof *longer);
    names->count++;
    longer[at] = (struct entry){.name = strdup(lower), .named = *named};
    return longer[at].name == NULL ? mu_fail_nomem(err) : 0;
}

const struct mu_tls_named *mu_tls_names_find(const struct mu_tls_names *names, const char *name,
                                             size_t len)
{
    char lower[NAME_MAX_LEN + 1];
    bool found = false;
    size_t at = 0;
    if (names->count > 0 && normalise(name, len, lower) && lower[0] != '*') {
        at = place_of(names, lower, &found);
        char *dot = strchr(lower, '.');
        if (!found && dot != NULL && dot > lower) {
            dot[-1] = '*';
            at = place_of(names, dot - 1, &found);
        }
    }
    if (found)
        return &names->entries[at].named;
    return names->others.context == NULL ? NULL : &names->others;
}

const struct mu_tls_named *mu_tls_names_first(const struct mu_tls_names *names)
{
    return names->others.context != NULL ? &names->others : &names->first;
}

/* Letters, digits, hyphens and underscores between dots; the leftmost label may be a star. */
static bool is_name(const char *name)
{
    const char *label = mu_str_starts_with(name, "*.") ? name + 2 : name;
    size_t len = strlen(name);
    if (len == 0 || len > NAME_MAX_LEN)
        return false;
    for (;;) {
        size_t n =
            strspn(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
        if (n == 0 || n > LABEL_MAX_LEN)
            return false;
        if (label[n] == '\0')
            return true;
        if (label[n] != '.')
            return false;
        label += n + 1;
    }
}

int mu_tls_name_check(const char *name, struct mu_error *err)
{
    struct in_addr ip;
    if (inet_pton(AF_INET, name, &ip) == 1 || strchr(name, ':') != NULL) {
        mu_fail(err, MU_E_NAME, "\"%s\" is an IP address, which no client asks for by name", name);
        return mu_hint(err, "leave names out: a door without names is for all who ask for none");
    }
    if (is_name(name))
        return 0;
    mu_fail(err, MU_E_NAME, "\"%s\" is not the name of a server", name);
    return mu_hint(err, "write it as api.example.com, or *.example.com for all names with one label "
                        "in the place of the star");
}

bool mu_tls_server_name(const unsigned char *data, size_t len, const char **ret, size_t *ret_len)
{
    enum { HOST_NAME = 0, HEAD = 3 };
    if (len < 2 || (size_t)(data[0] << 8 | data[1]) != len - 2)
        return false;
    for (data += 2, len -= 2; len >= HEAD;) {
        size_t name_len = (size_t)(data[1] << 8 | data[2]);
        if (name_len > len - HEAD)
            return false;
        if (data[0] == HOST_NAME) {
            *ret = (const char *)data + HEAD;
            *ret_len = name_len;
            return name_len > 0;
        }
        data += HEAD + name_len;
        len -= HEAD + name_len;
    }
    return false;
}

bool mu_tls_name_leads(const struct mu_strs *names, const char *name)
{
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_tls_names) all = NULL;
    const struct mu_tls_named any = {.door = names};
    bool ok = mu_tls_names_new(&all, &ignored) == 0;
    for (size_t i = 0; ok && i < names->count; i++)
        ok = mu_tls_names_add(all, names->at[i], &any, &ignored) == 0;
    return ok && mu_tls_names_find(all, name, strlen(name)) != NULL;
}
