#include "base/library.h"

#include <dlfcn.h>
#include <string.h>

static int fail_missing(const char *soname, const char *package, const char *said,
                        struct mu_error *err)
{
    mu_fail(err, MU_E_UNSUPPORTED, "this takes the library %s, which cannot be used here", soname);
    mu_cause(err, "%s", said);
    return mu_hint(err, "install it; in Debian: apt install %s", package);
}

int mu_library_load(const char *soname, const char *package, const struct mu_symbol *symbols,
                    size_t count, struct mu_error *err)
{
    void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return fail_missing(soname, package, dlerror(), err);
    for (size_t i = 0; i < count; i++) {
        void *found = dlsym(library, symbols[i].name);
        if (found == NULL)
            return fail_missing(soname, package, dlerror(), err);
        /* A pointer to a function, which C does not let a void pointer become, but POSIX does. */
        memcpy(symbols[i].address, &found, sizeof found);
    }
    return 0;
}
