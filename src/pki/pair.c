#include "pki/pair.h"

#include "base/str.h"
#include "pki/object.h"

static bool holds_container(const struct mu_objects *objects)
{
    for (size_t i = 0; i < objects->count; i++)
        if (objects->at[i].kind == MU_OBJECT_PKCS12)
            return true;
    return false;
}

static int pick_chain(const struct mu_pair_files *files, struct mu_objects *objects,
                      const struct mu_passphrase_source *source, struct mu_certs *ret,
                      struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_certs) found = {0};
    if (!holds_container(objects))
        return mu_certs_pick(files->cert, objects, source, ret, err);
    if (mu_certs_pick(files->cert, objects, source, &found, err) != 0)
        return -1;
    return mu_certs_add_chain(found.at[0], &found, files->with_root, ret, err);
}

int mu_pair_load(const struct mu_pair_files *files, const struct mu_passphrase_source *source,
                 struct mu_certs *ret_chain, struct mu_key **ret_key, struct mu_error *err)
{
    bool together = files->key == NULL || mu_str_equal(files->key, files->cert);
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    MU_AUTO_STRUCT(mu_key) key = NULL;
    if (mu_objects_load(files->cert, &objects, err) != 0 ||
        pick_chain(files, &objects, source, ret_chain, err) != 0)
        return -1;
    if (ret_key == NULL)
        return 0;
    if (!together && mu_key_load(files->key, source, &key, err) != 0)
        return -1;
    if (together && mu_key_pick(files->cert, &objects, source, &key, err) != 0)
        return err->code == MU_E_WRONG_KIND && files->key == NULL
                   ? mu_hint(err, "name the file of its key with %s FILE", files->key_opt)
                   : -1;
    if (mu_cert_match_key(ret_chain->at[0], key, files->cert, together ? files->cert : files->key,
                          err) != 0)
        return -1;
    *ret_key = mu_take(&key);
    return 0;
}
