#include "front/config.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "net/server.h"
#include "tls/lists.h"

int mu_config_new(struct mu_config **ret, struct mu_error *err)
{
    struct mu_config *config = calloc(1, sizeof *config);
    if (config == NULL)
        return mu_fail_nomem(err);
    config->workers = mu_server_cores();
    config->max_connections = 10000;
    config->max_handshakes = 1000;
    config->stop_ms = 10 * 1000;
    config->expiry_warning_s = 14 * MU_DAY_S;
    config->log = MU_LOG_REFUSALS | MU_LOG_TROUBLES;
    *ret = config;
    return 0;
}

static void clear_door(struct mu_door_config *door)
{
    mu_strs_clear(&door->listen);
    mu_strs_clear(&door->names);
    mu_strs_clear(&door->alpn);
    mu_strs_clear(&door->trust);
    mu_strs_clear(&door->crl);
    mu_strs_clear(&door->fetch_crl);
    mu_strs_clear(&door->fetch_ocsp);
    mu_strs_clear(&door->to);
    mu_strs_clear(&door->proxy_from);
    mu_access_list_clear(&door->access.allow);
    mu_access_list_clear(&door->access.deny);
    for (size_t i = 0; i < door->route_count; i++)
        mu_route_config_clear(&door->routes[i]);
    free(door->routes);
    free(door->crl_of_home);
    free(door->ca_of_home);
    free(door->certificate);
    free(door->key);
    free(door->files);
    free(door->health_check);
}

void mu_config_free(struct mu_config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < config->door_count; i++)
        clear_door(&config->doors[i]);
    free(config->doors);
    free(config->file);
    free(config->crl_cache);
    free(config->status);
    free(config->control);
    free(config->user);
    free(config);
}

static unsigned class_of(const char *word, size_t len)
{
    static const struct {
        const char *word;
        unsigned class;
    } all[] = {
        {"refusals", MU_LOG_REFUSALS},
        {"troubles", MU_LOG_TROUBLES},
        {"requests", MU_LOG_REQUESTS},
        {"connections", MU_LOG_CONNECTIONS},
    };
    for (size_t i = 0; i < MU_COUNT(all); i++)
        if (strlen(all[i].word) == len && strncmp(all[i].word, word, len) == 0)
            return all[i].class;
    return 0;
}

bool mu_log_classes_parse(const char *text, unsigned *ret)
{
    *ret = mu_str_equal(text, "all") ? MU_LOG_ALL : 0;
    if (*ret != 0 || mu_str_equal(text, "none"))
        return true;
    for (;;) {
        size_t len = strcspn(text, ",");
        unsigned class = class_of(text, len);
        if (class == 0)
            return false;
        *ret |= class;
        if (text[len] == '\0')
            return true;
        text += len + 1;
    }
}

bool mu_log_format_parse(const char *text, enum mu_log_format *ret)
{
    *ret = mu_str_equal(text, "json") ? MU_LOG_JSON : MU_LOG_TEXT;
    return *ret == MU_LOG_JSON || mu_str_equal(text, "text");
}

bool mu_crl_grace_parse(const char *text, int64_t *ret_s)
{
    struct mu_error ignored = MU_ERROR_INIT;
    if (mu_str_equal(text, "closed") || mu_str_equal(text, "open")) {
        *ret_s = *text == 'o' ? MU_CRL_GRACE_OPEN : MU_CRL_GRACE_CLOSED;
        return true;
    }
    return mu_duration_parse(text, ret_s, &ignored) == 0;
}

struct mu_door_config *mu_config_add_door(struct mu_config *config)
{
    struct mu_door_config *longer =
        realloc(config->doors, (config->door_count + 1) * sizeof *longer);
    if (longer == NULL)
        return NULL;
    config->doors = longer;
    struct mu_door_config *door = &longer[config->door_count++];
    *door = (struct mu_door_config){.health_ms = 5 * 1000,
                                    .health_fall = 3,
                                    .health_rise = 2,
                                    .session_age_s = 3600,
                                    .deadlines = {.handshake_ms = 10 * 1000,
                                                  .header_ms = 10 * 1000,
                                                  .idle_ms = UINT_MAX,
                                                  .body_ms = 60 * 1000,
                                                  .connect_ms = 5 * 1000,
                                                  .write_ms = 30 * 1000,
                                                  .read_ms = 60 * 1000}};
    return door;
}

struct mu_route_config *mu_config_add_route(struct mu_door_config *door)
{
    struct mu_route_config *longer =
        realloc(door->routes, (door->route_count + 1) * sizeof *longer);
    if (longer == NULL)
        return NULL;
    door->routes = longer;
    longer[door->route_count] = (struct mu_route_config){.id = NULL};
    return &longer[door->route_count++];
}

bool mu_rate_parse(const char *text, struct mu_rate *ret)
{
    static const struct {
        const char *unit;
        unsigned per_s;
    } units[] = {{"/s", 1}, {"/m", 60}, {"/h", 3600}};
    char *end;
    if (*text < '1' || *text > '9')
        return false;
    const unsigned long count = strtoul(text, &end, 10);
    for (size_t i = 0; i < MU_COUNT(units); i++)
        if (mu_str_equal(end, units[i].unit)) {
            *ret = (struct mu_rate){(unsigned)count, units[i].per_s};
            return count <= MU_RATE_MAX;
        }
    return false;
}

bool mu_size_parse(const char *text, unsigned *ret)
{
    static const char *const units[] = {"", "KiB", "MiB", "GiB"};
    char *end;
    if (*text < '1' || *text > '9')
        return false;
    const unsigned long long count = strtoull(text, &end, 10);
    for (size_t i = 0; i < MU_COUNT(units); i++)
        if (mu_str_equal(end, units[i]) && count <= UINT_MAX >> (10 * i)) {
            *ret = (unsigned)(count << (10 * i));
            return true;
        }
    return false;
}

bool mu_door_config_bars_anonymous(const struct mu_door_config *door)
{
    bool bars = !mu_access_list_has(&door->access.allow, MU_ACCESS_ANONYMOUS);
    for (size_t i = 0; i < door->route_count; i++)
        bars = bars && !mu_access_list_has(&door->routes[i].access.allow, MU_ACCESS_ANONYMOUS);
    return bars;
}

/* What comes through a pipe, or from a token, cannot be looked at again. */
static int add_path(struct mu_strs *list, const char *path)
{
    if (path == NULL || mu_str_equal(path, "-") || mu_str_starts_with(path, "pkcs11:"))
        return 0;
    return mu_strs_add(list, path);
}

static int add_paths(struct mu_strs *list, const struct mu_strs *paths)
{
    for (size_t i = 0; i < paths->count; i++)
        if (add_path(list, paths->at[i]) != 0)
            return -1;
    return 0;
}

int mu_config_paths(const struct mu_config *config, struct mu_strs *ret, struct mu_error *err)
{
    if (add_path(ret, config->file) != 0)
        return mu_fail_nomem(err);
    for (size_t i = 0; i < config->door_count; i++) {
        const struct mu_door_config *door = &config->doors[i];
        if (add_path(ret, door->certificate) != 0 || add_path(ret, door->key) != 0 ||
            add_paths(ret, &door->trust) != 0 || add_paths(ret, &door->crl) != 0 ||
            add_path(ret, door->crl_of_home) != 0)
            return mu_fail_nomem(err);
    }
    return 0;
}
