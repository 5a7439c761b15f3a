#ifndef MU_FRONT_POINTS_H
#define MU_FRONT_POINTS_H

/*
 * Distribution points: where certificates say that the revocation lists for them are to be had, and the lists that have been fetched
 * from there. Only a chain that has been found good may name one. The first worker fetches; the thread that runs the server looks at
 * what has come, and hands it to the doors as if it stood in a file. [RFC 5280 4.2.1.13]
 */

#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "net/call.h"
#include "net/worker.h"
#include "pki/crl.h"
#include "tls/lists.h"

struct mu_points;
struct mu_points_task;

/*
 * `cache`: a directory in which lists outlive the process; NULL: none. What is in it is read; a file that is no list of ours is passed
 * over. Fails with MU_E_IO, MU_E_NOT_FOUND, MU_E_NOMEM.
 */
MU_CHECK int mu_points_new(const char *cache, struct mu_points **ret, struct mu_error *err);
/* After the server is gone. */
void mu_points_free(struct mu_points *points);
MU_AUTO_DEFINE_STRUCT(mu_points, mu_points_free)

/* `arrived` is made when something has come: then mu_points_take() is due. Borrowed. */
void mu_points_on_arrival(struct mu_points *points, struct mu_call *arrived);

/* What the lists of a door need that may fetch from `hosts` (see mu_fetch_right()). `ret` is given. Fails with MU_E_NOMEM. */
MU_CHECK int mu_points_source(struct mu_points *points, const struct mu_strs *hosts,
                              struct mu_tls_list_source *ret, struct mu_error *err);

/* The doors are others: what is not at one of `hosts` is fetched no more. */
void mu_points_forbid_others(struct mu_points *points, const struct mu_strs *hosts);

/* Fetching, on the first worker's thread. NULL without memory. */
struct mu_points_task *mu_points_begin(struct mu_points *points, struct mu_worker *worker);
void mu_points_end(struct mu_points_task *task);

/* What is wrong with a list: it is not taken; or it is, and counts, and could not be written to the directory. */
typedef void (*mu_points_hear)(void *arg, bool taken, const struct mu_error *err);

/*
 * Look at what has come: only what the CA has signed and what is not older than what was there takes its place. The URLs from which
 * there are other lists now are added to `ret_changed`; what is not taken, or not kept, is told. In the thread that runs the
 * server. False: all is as it was.
 */
bool mu_points_take(struct mu_points *points, struct mu_strs *ret_changed, mu_points_hear tell,
                    void *arg);

/* All lists that are there, each with its URL at the same place of `ret_urls`. `for_ever`: they count there however old they are, and
 * are not forgotten. Fails with MU_E_NOMEM. */
MU_CHECK int mu_points_lists(struct mu_points *points, bool for_ever, struct mu_crls *ret,
                             struct mu_strs *ret_urls, struct mu_error *err);

/* For any thread. */
struct mu_points_count {
    uint64_t good, failed;  /* fetches */
    size_t points, waiting; /* that are known; of these, that have given no list yet */
};
void mu_points_count(struct mu_points *points, struct mu_points_count *ret);

#endif
