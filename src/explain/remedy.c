#include "explain/remedy.h"

#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/str.h"
#include "explain/commands.h"

/* The CA is to issue it again, and not to be made anew: with it all that it has issued would be lost. */
static bool is_of_the_issued(enum mu_cause_id id)
{
    const struct mu_cause *cause = mu_cause_of(id);
    return cause->whose == MU_PARTY_CA && id != MU_CAUSE_ca_not_strict_profile &&
           mu_str_equal(cause->remedy, "{anew}");
}

enum mu_holder mu_remedy_holder(enum mu_cause_id id)
{
    if (id == MU_CAUSE_intermediate_expired || id == MU_CAUSE_intermediate_revoked)
        return MU_HOLDER_ISSUING;
    return is_of_the_issued(id) ? MU_HOLDER_SERVER : mu_holder_of(mu_cause_of(id)->whose);
}

enum mu_holder mu_holder_of(enum mu_party party)
{
    return party == MU_PARTY_CLIENT ? MU_HOLDER_CLIENT
           : party == MU_PARTY_CA   ? MU_HOLDER_ROOT
                                    : MU_HOLDER_SERVER;
}

enum mu_party mu_holder_party(enum mu_holder holder)
{
    return holder == MU_HOLDER_CLIENT   ? MU_PARTY_CLIENT
           : holder == MU_HOLDER_SERVER ? MU_PARTY_SERVER
                                        : MU_PARTY_CA;
}

const char *mu_holder_id(enum mu_holder holder)
{
    static const char *const ids[MU_HOLDER_COUNT] = {
        [MU_HOLDER_CLIENT] = "client",
        [MU_HOLDER_SERVER] = "server",
        [MU_HOLDER_ROOT] = "ca",
        [MU_HOLDER_ISSUING] = "issuing-ca",
    };
    return ids[holder];
}

/* What fits each holder. */
static const struct {
    const char *place;
    const char *at[MU_HOLDER_COUNT];
} varying[] = {
    {"{anew}",
     {"mutual issue client {name}", "mutual issue server {host}", "mutual init {name}",
      "mutual init --issuing {name}"}},
    {"{openssl-anew}", {CLIENT_ANEW, SERVER_ANEW, CA_ANEW, ISSUING_ANEW}},
    {"{openssl-new-key}", {CLIENT_ANEW, SERVER_ANEW, CA_NEW_KEY, ISSUING_NEW_KEY}},
    {"{openssl-sign}", {SIGN("clientAuth"), SIGN("serverAuth"), SIGN_CA, SIGN_CA}},
    {"{ca-anew}",
     {"mutual init", "mutual init", "mutual init {name}", "mutual init --issuing {name}"}},
    {"{openssl-ca-anew}", {CA_ANEW, CA_ANEW, CA_ANEW, ISSUING_ANEW}},
    {"{renew}",
     {"mutual renew {file}", "mutual renew {file}", "mutual ca rollover start",
      "mutual ca request"}},
    {"{self}", {"client", "server", "ca", "ca"}},
};

/* What fits whose move it is: a client, or anybody else. */
static const struct {
    const char *place, *client, *other;
} programs[] = {
    {"{use}", "mutual get {url}", "mutual serve"},
    {"{use-as}", "mutual get --as NAME {url}", "mutual serve"},
};

bool mu_remedy_varies(const char *remedy)
{
    for (size_t i = 0; i < MU_COUNT(varying); i++)
        if (strstr(remedy, varying[i].place) != NULL)
            return true;
    return false;
}

/* Commands are copied into a shell, and a name in a certificate is whatever its maker wanted it to be. */
static const char safe[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@:/+%,-";
static const char of_hosts[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:-";

static bool is_of(const char *value, const char *set)
{
    return value != NULL && *value != '\0' && *value != '-' && value[strspn(value, set)] == '\0';
}

static bool is_safe(const char *value)
{
    return is_of(value, safe);
}

const char *mu_remedy_word(const char *value, char *ret, size_t cap)
{
    if (value == NULL || is_safe(value))
        return value;
    bool fits = *value != '-' && strpbrk(value, "'\n") == NULL &&
                snprintf(ret, cap, "'%s'", value) < (int)cap;
    return fits && *value != '\0' ? ret : NULL;
}

enum { VALUE_LEN = 400 };

/* --- Values --- */

/* Where names are listed, a comma would bring a second one in; people's names may have blanks in them. */
static const char *name_of(const struct mu_places *places, char ret[VALUE_LEN])
{
    const char *name = places->name;
    if (places->holder == MU_HOLDER_SERVER)
        return is_of(name, of_hosts) ? name : "NAME";
    char tried[VALUE_LEN];
    mu_str_copy(tried, sizeof tried, name == NULL ? "" : name);
    for (char *at = tried; (at = strchr(at, ' ')) != NULL;)
        *at = '_';
    bool harmless = is_safe(tried) && strchr(tried, ',') == NULL;
    const char *shown = harmless ? mu_remedy_word(name, ret, VALUE_LEN) : NULL;
    return shown != NULL ? shown : "NAME";
}

/* A server whose host nobody has said is called as its certificate says; but not where another name was asked for. */
static const char *host_of(const struct mu_places *places, char ret[VALUE_LEN])
{
    (void)ret;
    const bool said = places->host != NULL && *places->host != '\0';
    if (said)
        return is_of(places->host, of_hosts) ? places->host : "HOST";
    return places->holder == MU_HOLDER_SERVER && is_of(places->name, of_hosts) ? places->name
                                                                               : "HOST";
}

static bool is_address(const char *host)
{
    return strchr(host, ':') != NULL || host[strspn(host, "0123456789.")] == '\0';
}

static const char nowhere[] = "HOST:PORT";

static const char *at_of(const struct mu_places *places, char ret[VALUE_LEN])
{
    (void)ret;
    static const char set[] =
        "[]_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:-";
    return is_of(places->at, set) && strrchr(places->at, ':') != NULL ? places->at : nowhere;
}

static const char *file_or(const char *file, const char *unknown, char ret[VALUE_LEN])
{
    const char *shown = file == NULL || *file == '\0' ? NULL : mu_remedy_word(file, ret, VALUE_LEN);
    return shown != NULL ? shown : unknown;
}

static const char *file_of(const struct mu_places *places, char ret[VALUE_LEN])
{
    return file_or(places->file, "FILE", ret);
}

static const char *key_of(const struct mu_places *places, char ret[VALUE_LEN])
{
    return file_or(places->key, "KEY", ret);
}

/* As the value of an attribute in openssl's notation of names, in which some characters end it. */
static const char *cn_of(const struct mu_places *places, char ret[VALUE_LEN])
{
    const char *name = name_of(places, ret);
    return strpbrk(name, "/+") == NULL ? name : "NAME";
}

static const char *san_of(const struct mu_places *places, char ret[VALUE_LEN])
{
    char scratch[VALUE_LEN];
    const char *host = host_of(places, scratch);
    snprintf(ret, VALUE_LEN, "%s:%.300s", is_address(host) ? "IP" : "DNS", host);
    return ret;
}

static const char *port_of(const struct mu_places *places, char ret[VALUE_LEN])
{
    return strrchr(at_of(places, ret), ':') + 1;
}

static const char *apart_of(const struct mu_places *places, char ret[VALUE_LEN])
{
    const char *at = at_of(places, ret), *colon = strrchr(at, ':');
    snprintf(ret, VALUE_LEN, "%.*s %s", (int)(colon - at), at, colon + 1);
    return ret;
}

static const char *url_of(const struct mu_places *places, char ret[VALUE_LEN])
{
    const char *at = at_of(places, ret);
    if (mu_str_equal(at, nowhere))
        return "URL";
    snprintf(ret, VALUE_LEN, "https://%s", at);
    return ret;
}

static const struct {
    const char *place;
    const char *(*value)(const struct mu_places *, char ret[VALUE_LEN]);
} values[] = {
    {"{file}", file_of},   {"{key}", key_of}, {"{name}", name_of}, {"{cn}", cn_of},
    {"{host}", host_of},   {"{san}", san_of}, {"{at}", at_of},     {"{port}", port_of},
    {"{apart}", apart_of}, {"{url}", url_of},
};

/* --- Filling --- */

/* What stands in a place and has places itself; NULL: nothing of that kind. */
static const char *template_of(const char *place, const struct mu_places *places)
{
    for (size_t i = 0; i < MU_COUNT(varying); i++)
        if (mu_str_starts_with(place, varying[i].place))
            return varying[i].at[places->holder];
    for (size_t i = 0; i < MU_COUNT(programs); i++)
        if (mu_str_starts_with(place, programs[i].place))
            return places->whose == MU_PARTY_CLIENT ? programs[i].client : programs[i].other;
    return NULL;
}

static const char *value_of(const char *place, const struct mu_places *places, char ret[VALUE_LEN])
{
    for (size_t i = 0; i < MU_COUNT(values); i++)
        if (mu_str_starts_with(place, values[i].place))
            return values[i].value(places, ret);
    return NULL;
}

/* As much as there is room for. Returns its length. */
static size_t copy(const char *value, char *ret, size_t cap)
{
    mu_str_copy(ret, cap, value);
    return strlen(ret);
}

static size_t append(const char *remedy, const struct mu_places *places, char *ret, size_t len,
                     size_t cap)
{
    while (*remedy != '\0' && len + 1 < cap) {
        char scratch[VALUE_LEN];
        const char *within = *remedy == '{' ? template_of(remedy, places) : NULL;
        const char *value = *remedy == '{' ? value_of(remedy, places, scratch) : NULL;
        if (within == NULL && value == NULL) {
            ret[len++] = *remedy++;
            continue;
        }
        if (within != NULL)
            len = append(within, places, ret, len, cap);
        else
            len += copy(value, ret + len, cap - len);
        remedy += strcspn(remedy, "}") + 1;
    }
    ret[len] = '\0';
    return len;
}

char *mu_remedy_fill(const char *remedy, const struct mu_places *places, char *ret, size_t cap)
{
    append(remedy, places, ret, 0, cap);
    return ret;
}
