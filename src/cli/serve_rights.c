#include "cli/serve_rights.h"

#include <unistd.h>

#include "base/str.h"
#include "front/points_cache.h"
#include "pki/token.h"

/* --- Which files a server reads while it runs: all that it has read once, in case they change --- */

static int add_directories(struct mu_strs *list, const struct mu_strs *paths)
{
    for (size_t i = 0; i < paths->count; i++)
        if (mu_rights_add_directory(list, paths->at[i]) != 0)
            return -1;
    return 0;
}

static int add_door(struct mu_strs *list, const struct mu_door_config *door)
{
    const char *const files[] = {door->certificate, door->key, door->crl_of_home};
    for (size_t i = 0; i < MU_COUNT(files); i++)
        if (files[i] != NULL && mu_rights_add_directory(list, files[i]) != 0)
            return -1;
    if (add_directories(list, &door->trust) != 0 || add_directories(list, &door->crl) != 0)
        return -1;
    return door->files != NULL ? mu_strs_add(list, door->files) : 0;
}

static int add_sockets(struct mu_strs *list, const struct mu_front *front)
{
    int missing;
    const struct mu_server *server = mu_front_server(front);
    const struct mu_address *status = mu_front_status_address(front);
    const char *control = mu_front_control(front, &missing);
    const char *told = status == NULL ? NULL : mu_address_path(status);
    if ((control != NULL && mu_rights_add_directory(list, control) != 0) ||
        (told != NULL && mu_rights_add_directory(list, told) != 0))
        return -1;
    for (size_t i = 0; i < mu_server_address_count(server); i++) {
        const char *path = mu_address_path(mu_server_address(server, i));
        if (path != NULL && mu_rights_add_directory(list, path) != 0)
            return -1;
    }
    return 0;
}

/* A token's library has files of its own, wherever they are. */
static bool uses_token(const struct mu_doors *doors)
{
    for (size_t i = 0; i < doors->count; i++)
        if (mu_key_is_in_token(doors->at[i].key))
            return true;
    return false;
}

static int describe(const struct mu_args *args, const struct mu_front *front, struct mu_sandbox *ret)
{
    const struct mu_doors *doors = mu_front_doors(front);
    ret->leave_files = uses_token(doors);
    for (size_t i = 0; i < doors->config->door_count; i++)
        if (add_door(&ret->readable, &doors->config->doors[i]) != 0)
            return -1;
    if ((doors->config->file != NULL &&
         mu_rights_add_directory(&ret->readable, doors->config->file) != 0) ||
        mu_rights_add_passphrase(&ret->readable, args) != 0)
        return -1;
    if (doors->config->crl_cache != NULL &&
        mu_strs_add(&ret->writable, doors->config->crl_cache) != 0)
        return -1;
    /* Whether a private key of its lies where clients may fetch from is looked at by name. */
    if (mu_strs_add(&ret->listable, mu_args_home(args)) != 0)
        return -1;
    return mu_rights_add_system(&ret->readable) != 0 || add_sockets(&ret->sockets, front) != 0 ? -1
                                                                                               : 0;
}

int mu_serve_rights_give_up(const struct mu_args *args, const struct mu_front *front,
                            struct mu_rights *rights, struct mu_error *err)
{
    int missing;
    MU_AUTO_CLEAR(mu_sandbox) sandbox = {0};
    const char *control = mu_front_control(front, &missing);
    /* Who it is from now on is to be able to ask it. */
    if (rights->has_user && control != NULL &&
        lchown(control, rights->user.uid, rights->user.gid) != 0)
        return mu_fail_errno(err, MU_E_SYSTEM, "cannot give %s to user %u", control,
                             (unsigned)rights->user.uid);
    if (rights->sandboxed && describe(args, front, &sandbox) != 0)
        return mu_fail_nomem(err);
    if (mu_rights_give_up(rights, &sandbox, err) != 0)
        return -1;
    const char *cache = mu_front_doors(front)->config->crl_cache;
    return cache == NULL ? 0 : mu_points_cache_check(cache, err);
}
