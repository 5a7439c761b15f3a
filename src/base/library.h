#ifndef MU_BASE_LIBRARY_H
#define MU_BASE_LIBRARY_H

/*
 * A shared library that is loaded when it is first called. Most commands fetch no page and open no PostgreSQL
 * database; those that do not need not wait, at every start, for the thirty libraries that libcurl and libpq bring
 * along.
 *
 * A room that uses one lists what it calls, keeps the addresses in a struct that the list makes, and calls through it:
 *
 *     #define LIBCURL(F) F(easy_init, curl_easy_init) F(easy_perform, curl_easy_perform)
 *     static struct { LIBCURL(MU_LIBRARY_FIELD) } libcurl;
 *     #define SYMBOL(field, function) {#function, &libcurl.field},
 *     static const struct mu_symbol symbols[] = {LIBCURL(SYMBOL)};
 *
 * The types are those of the library's own header.
 */

#include <stddef.h>

#include "base/error.h"
#include "base/macros.h"

struct mu_symbol {
    const char *name;
    void *address; /* of the pointer to function that is to be set */
};

#define MU_LIBRARY_FIELD(field, function) __typeof__(function) *field;

/*
 * Load the library `soname` and set the addresses. It stays loaded; to load it again does no harm. Not for two threads
 * at once. Fails with MU_E_UNSUPPORTED if it is not installed or lacks a function; `package` is what to install.
 */
MU_CHECK int mu_library_load(const char *soname, const char *package,
                             const struct mu_symbol *symbols, size_t count, struct mu_error *err);

#endif
