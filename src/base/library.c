#include "base/library.h"

#include <dlfcn.h>
#include <string.h>

static int fail_missing(const struct mu_library *library, struct mu_error *err)
{
    mu_fail(err, MU_E_UNSUPPORTED, "this takes the library %s, which cannot be used here",
            library->soname);
    mu_cause(err, "%s", dlerror());
    return mu_hint(err, "install it; in Debian: apt install %s", library->package);
}

static int load(struct mu_library *library, struct mu_error *err)
{
    void *handle = dlopen(library->soname, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return fail_missing(library, err);
    for (size_t i = 0; i < library->count; i++) {
        void *found = dlsym(handle, library->symbols[i].name);
        if (found == NULL)
            return fail_missing(library, err);
        /* A pointer to a function, which C does not let a void pointer become, but POSIX does. */
        memcpy(library->symbols[i].address, &found, sizeof found);
    }
    if (library->begin != NULL)
        library->begin();
    library->loaded = true;
    return 0;
}

int mu_library_need(struct mu_library *library, struct mu_error *err)
{
    pthread_mutex_lock(&library->lock);
    int result = library->loaded ? 0 : load(library, err);
    pthread_mutex_unlock(&library->lock);
    return result;
}
