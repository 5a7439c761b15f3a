/* Files that a copy of a store carries along: what makes it a backup. Only of a store in a file. */

#include "base/str.h"
#include "store/engine.h"

int mu_store_file_add(struct mu_store *store, const struct mu_store_file *file, struct mu_error *err)
{
    return MU_RUN(store,
                  "CREATE TABLE IF NOT EXISTS backup_file (name TEXT PRIMARY KEY, "
                  "mode INTEGER NOT NULL, data BLOB NOT NULL)",
                  NULL, NULL, err) != 0
               ? -1
               : MU_RUN(store, "INSERT INTO backup_file (name, mode, data) VALUES ($1, $2, $3)",
                        NULL, NULL, err, mu_text(file->name), mu_number(file->mode),
                        mu_bytes(file->data, file->len));
}

struct files {
    mu_store_file_fn *each;
    void *arg;
};

static bool hand_over(void *arg, const struct mu_value *row)
{
    struct files *files = arg;
    struct mu_store_file file = {
        .name = row[0].data,
        .mode = (mode_t)row[1].number,
        .data = row[2].data,
        .len = row[2].len,
    };
    return files->each(files->arg, &file);
}

int mu_store_file_each(struct mu_store *store, mu_store_file_fn *each, void *arg,
                       struct mu_error *err)
{
    struct files files = {.each = each, .arg = arg};
    return mu_store_run(store, "SELECT name, mode, data FROM backup_file ORDER BY name", NULL, 0,
                        hand_over, &files, err);
}

int mu_store_file_drop_all(struct mu_store *store, struct mu_error *err)
{
    return mu_store_run(store, "DROP TABLE IF EXISTS backup_file", NULL, 0, NULL, NULL, err);
}
