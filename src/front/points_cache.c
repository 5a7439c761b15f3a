#include "front/points_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"
#include "front/fetch.h"
#include "pki/object.h"

static const char ending[] = ".crl", unfinished[] = ".crl.new";

/* What a URL may be made of is not what a name may be made of; and CAs may have one place for their lists. */
static int path_of(const char *dir, const char *url, const struct mu_crl *crl, const char *end,
                   char ret[MU_PATH_LEN], struct mu_error *err)
{
    enum { PART = 32 };
    char maker[MU_SHA256_LEN], text[MU_FETCH_URL_MAX + MU_SHA256_LEN], name[PART + 64];
    snprintf(text, sizeof text, "%s\n%s", mu_crl_maker(crl, maker), url);
    snprintf(name, sizeof name, "%.*s%s", PART, mu_sha256(text, strlen(text), maker), end);
    return mu_path_join(dir, name, ret, err);
}

/* --- Reading --- */

/* Leaves out what is no list of ours. */
static int read_one(const char *path,
                    int (*each)(void *arg, const char *url, struct mu_crl *crl, size_t size),
                    void *arg)
{
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    char url[MU_FETCH_URL_MAX];
    struct mu_fetch_url parsed;
    if (mu_file_read(path, 2 * MU_FILE_LIMIT, &text, &ignored) != 0)
        return 0;
    const size_t len = strcspn(mu_buf_str(&text), "\n");
    if (len >= sizeof url)
        return 0;
    snprintf(url, sizeof url, "%.*s", (int)len, mu_buf_str(&text));
    if (!mu_fetch_url_parse(url, &parsed) ||
        mu_objects_parse(path, text.data + len, text.len - len, &objects, &ignored) != 0 ||
        objects.count != 1 || objects.at[0].crl == NULL)
        return 0;
    return each(arg, url, mu_take(&objects.at[0].crl), text.len);
}

static int fail_directory(const char *dir, struct mu_error *err)
{
    mu_fail_errno(err, MU_E_IO, "revocation lists cannot be kept in %s", dir);
    return mu_hint(err, "make that directory, for the user that the server runs as");
}

int mu_points_cache_check(const char *dir, struct mu_error *err)
{
    return access(dir, W_OK | X_OK) == 0 ? 0 : fail_directory(dir, err);
}

int mu_points_cache_read(const char *dir,
                         int (*each)(void *arg, const char *url, struct mu_crl *crl, size_t size),
                         void *arg, struct mu_error *err)
{
    char path[MU_PATH_LEN];
    DIR *opened = opendir(dir);
    if (opened == NULL)
        return fail_directory(dir, err);
    int result = 0;
    for (const struct dirent *entry; result == 0 && (entry = readdir(opened)) != NULL;) {
        if (mu_path_join(dir, entry->d_name, path, err) != 0)
            result = -1;
        else if (mu_str_ends_with(entry->d_name, unfinished))
            (void)unlink(path);
        else if (mu_str_ends_with(entry->d_name, ending))
            result = read_one(path, each, arg);
    }
    closedir(opened);
    return result;
}

/* --- Writing --- */

static int write_new(const char *path, const struct mu_buf *text, struct mu_error *err)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0 || mu_write_all(fd, text->data, text->len) != 0 || fsync(fd) != 0) {
        mu_fail_errno(err, MU_E_IO, "a revocation list cannot be kept in %s", path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    close(fd);
    return 0;
}

static void sync_directory(const char *dir)
{
    const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
}

int mu_points_cache_write(const char *dir, const char *url, const struct mu_crl *crl,
                          struct mu_error *err)
{
    char path[MU_PATH_LEN], new[MU_PATH_LEN], end[64];
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    mu_buf_addf(&text, "%s\n", url);
    mu_crl_to_pem(crl, &text);
    if (mu_buf_failed(&text))
        return mu_fail_nomem(err);
    snprintf(end, sizeof end, ".%ld%s", (long)getpid(),
             unfinished); /* another server may be at it */
    if (path_of(dir, url, crl, ending, path, err) != 0 ||
        path_of(dir, url, crl, end, new, err) != 0 || write_new(new, &text, err) != 0)
        return -1;
    if (rename(new, path) != 0)
        return mu_fail_errno(err, MU_E_IO, "a revocation list cannot be kept in %s", path);
    sync_directory(dir);
    return 0;
}

void mu_points_cache_remove(const char *dir, const char *url, const struct mu_crl *crl)
{
    struct mu_error ignored = MU_ERROR_INIT;
    char path[MU_PATH_LEN];
    if (path_of(dir, url, crl, ending, path, &ignored) == 0)
        (void)unlink(path);
}
