#ifndef TEST_AUTHORITY_PLACE_H
#define TEST_AUTHORITY_PLACE_H

/* Where the home of a test lies, to be removed with all that is in it. */

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void remove_place(const char *path)
{
    nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
