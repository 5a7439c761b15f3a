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

static int by_cert(const void *a, const void *b)
{
    const struct mu_seen_chain *one = a, *other = b;
    unsigned char sha256[32], other_sha256[32];
    mu_cert_sha256(one->chain.at[0], sha256);
    mu_cert_sha256(other->chain.at[0], other_sha256);
    const int order = memcmp(sha256, other_sha256, sizeof sha256);
    if (order != 0 || one->connected != other->connected)
        return order != 0 ? order : other->connected - one->connected;
    return one->last_seen < other->last_seen ? 1 : -(one->last_seen > other->last_seen);
}

static void gather(struct mu_seen_answer *seen)
{
    unsigned char before[32], sha256[32];
    if (seen->count == 0)
        return;
    qsort(seen->at, seen->count, sizeof *seen->at, by_cert);
    mu_cert_sha256(seen->at[0].chain.at[0], before);
    for (size_t i = 1; i < seen->count; i++) {
        mu_cert_sha256(seen->at[i].chain.at[0], sha256);
        seen->at[i].again = memcmp(sha256, before, sizeof sha256) == 0;
        memcpy(before, sha256, sizeof sha256);
    }
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
    ret->age_s = json_integer_value(json_object_get(ret->answer, "age_seconds"));
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
    gather(ret);
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
