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
 *     static struct mu_library library = {.soname = "libcurl.so.4", ..., .lock = PTHREAD_MUTEX_INITIALIZER};
 *
 * The types are those of the library's own header.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/macros.h"

struct mu_symbol {
    const char *name;
    void *address; /* of the pointer to function that is to be set */
};

#define MU_LIBRARY_FIELD(field, function) __typeof__(function) *field;

struct mu_library {
    const char *soname;
    const char *package; /* of Debian: what to install */
    const struct mu_symbol *symbols;
    size_t count;
    void (*begin)(void); /* called once, as soon as it is loaded; NULL: nothing is to be done */
    pthread_mutex_t lock;
    bool loaded;
};

/* Load it and set the addresses, unless that has been done; it stays loaded. For several threads. Fails with
 * MU_E_UNSUPPORTED if it is not installed or lacks a function. */
MU_CHECK int mu_library_need(struct mu_library *library, struct mu_error *err);

#endif
