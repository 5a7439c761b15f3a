#include "cli/seen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/control.h"
#include "pki/object.h"

void mu_seen_answer_clear(struct mu_seen_answer *seen)
{
    for (size_t i = 0; i < seen->count; i++)
        mu_certs_clear(&seen->at[i].chain);
    free(seen->at);
    mu_certs_clear(&seen->trust);
    json_decref(seen->answer);
    *seen = (struct mu_seen_answer){.count = 0};
}

static int read_certs(const json_t *object, const char *key, struct mu_certs *ret,
                      struct mu_error *err)
{
    const char *text = json_string_value(json_object_get(object, key));
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    if (text == NULL)
        return mu_fail(err, MU_E_HTTP, "the server's answer has no %s", key);
    return mu_objects_parse("the server's answer", text, strlen(text), &objects, err) != 0
               ? -1
               : mu_certs_pick("the server's answer", &objects, NULL, ret, err);
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value == NULL ? "" : value;
}

int mu_seen_ask(const char *socket, time_t since, struct mu_seen_answer *ret, struct mu_error *err)
{
    size_t i;
    json_t *one;
    const struct mu_control_call call = {.socket = socket, .method = "GET", .path = "/seen"};
    if (mu_control_ask(&call, &ret->answer, err) != 0 ||
        read_certs(ret->answer, "trust", &ret->trust, err) != 0)
        return -1;
    const json_t *clients = json_object_get(ret->answer, "clients");
    ret->at = calloc(json_array_size(clients) + 1, sizeof *ret->at);
    if (ret->at == NULL)
        return mu_fail_nomem(err);
    json_array_foreach(clients, i, one)
    {
        struct mu_seen_chain *client = &ret->at[ret->count];
        *client = (struct mu_seen_chain){
            .listen = text(one, "listen"),
            .name = text(one, "name"),
            .last_seen = (time_t)json_integer_value(json_object_get(one, "last_seen")),
            .connected = json_is_true(json_object_get(one, "connected")),
        };
        if (!client->connected && client->last_seen < since)
            continue;
        ret->count++;
        if (read_certs(one, "chain", &client->chain, err) != 0)
            return -1;
    }
    return 0;
}

const char *mu_listen_whole(const char *listen, char ret[MU_PATH_LEN])
{
    char here[MU_PATH_LEN];
    const char *path = mu_str_starts_with(listen, "unix:") ? listen + strlen("unix:") : NULL;
    if (path == NULL || *path == '/' || getcwd(here, sizeof here) == NULL ||
        snprintf(ret, MU_PATH_LEN, "unix:%s/%s", here, path) >= MU_PATH_LEN)
        mu_str_copy(ret, MU_PATH_LEN, listen);
    return ret;
}
