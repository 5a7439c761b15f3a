#ifndef MU_AUTHORITY_CRL_H
#define MU_AUTHORITY_CRL_H

/*
 * The authority's revocation lists, and where its certificates say that these are to be had.
 *
 * home/ca.crl is the complete list, in PEM. Once the authority has a public URL, home/public/ holds in DER what
 * that URL has to serve, by names that begin with a part of the CA's key's SHA-256, so that a CA that follows never
 * takes the place of one that still has certificates out there:
 *   KEY.crt, KEY.crl           the CA's certificate, the complete list
 *   KEY-delta.crl              what has changed since, for those who hold a complete list
 *   KEY-N.crl, KEY-N-delta.crl the same for partition N alone: a certificate points to its partition's list
 */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "authority/authority.h"
#include "base/error.h"
#include "pki/pointer.h"

#define MU_CRL_LIFETIME_S (7 * INT64_C(86400))
#define MU_CRL_DELTA_LIFETIME_S INT64_C(86400)
#define MU_CRL_PARTITIONS_MAX 1024
#define MU_URL_LEN 1025

/* What the records keep for all who use them; certificates issued from then on follow it. */
struct mu_crl_settings {
    char url[MU_URL_LEN];      /* of public/, ends with a slash; "": certificates point nowhere */
    char ocsp_url[MU_URL_LEN]; /* "": there is no responder */
    int partitions;            /* 0: none; only with a URL */
    bool deltas;               /* only with a URL */
    int64_t lifetime_s;        /* of a complete list */
};
MU_CHECK int mu_crl_settings_read(struct mu_store *store, struct mu_crl_settings *ret,
                                  struct mu_error *err);

/* By which names they are kept, for the trail: 0 to MU_CRL_SETTINGS - 1. */
#define MU_CRL_SETTINGS 5
const char *mu_crl_setting_name(size_t i);

/* Change what differs from the present settings. Fails with MU_E_USAGE for what does not go together. */
MU_CHECK int mu_crl_settings_write(struct mu_authority *authority,
                                   const struct mu_crl_settings *settings, time_t now,
                                   struct mu_error *err);

enum mu_publish {
    MU_PUBLISH_CHANGED, /* behind a revocation: the complete list, and the partitions in which something changed */
    MU_PUBLISH_ALL,
    MU_PUBLISH_DELTA, /* delta lists alone; the complete lists stay as they are */
};

struct mu_published {
    int64_t number; /* of the complete list, or of its delta */
    int64_t base;   /* a delta's; else 0 */
    size_t revoked; /* entries in it */
    time_t next_update;
    size_t lists;           /* how many were made in all */
    char path[MU_PATH_LEN]; /* the file that holds it */
    struct mu_error trouble; /* why the lists of a former key stay as they were; MU_OK: they do not */
};

/*
 * Make lists, record them, sign the trail, and put them into home. Their numbers rise also after a restore from a
 * backup, because they are never below the clock's milliseconds. An entry stays until a list was made after its
 * certificate's end. [RFC 5280 3.3, 5.2.3] A former key that cannot be had keeps nobody else's lists from being made: its own
 * stay in ca.crl as they are.
 * Fails with MU_E_USAGE (deltas that were not asked for before), MU_E_CA_UNFIT, MU_E_CRYPTO, MU_E_STORE, MU_E_IO.
 */
MU_CHECK int mu_authority_publish(struct mu_authority *authority, enum mu_publish what, time_t now,
                                  struct mu_published *ret, struct mu_error *err);

/* What a list of this CA that is made `now` says of when it was: earlier, for verifiers whose clock is behind, but not before the
 * CA itself, and not by more than the list lasts, so that who goes by a part of that still has one. */
time_t mu_crl_backdate(const struct mu_cert *ca, time_t now, time_t next_update);

/* How many partitions of this issuer have lists: as many as are wanted now; and those of before, when there were more, as
 * certificates of that time point to them. */
MU_CHECK int mu_crl_partitions(struct mu_store *store, const struct mu_crl_settings *settings,
                               const char *issuer, int *ret, struct mu_error *err);
/* Is this complete list, as it was recorded last, the one in public/? It is not if whoever made it was killed before it had
 * its name, or has made it in this CA's home on another machine. */
bool mu_crl_is_in_place(const struct mu_home *home, const struct mu_crl_scope *scope,
                        const struct mu_crl_record *complete);

/* Which partition a serial number (hexadecimal) belongs to: 1 to `partitions`; 0 when there are none. */
int mu_crl_partition(const char *serial, int partitions);
/* Which one a certificate points to: 0 for the list of all, -1 when it points to none. */
int mu_crl_partition_of(const struct mu_cert *cert);

/* What a certificate of this partition points to; `ret` borrows from `urls` and `settings`. Nothing without a URL. */
struct mu_crl_urls {
    char crl[MU_URL_LEN + 64], delta[MU_URL_LEN + 64], issuer[MU_URL_LEN + 64];
};
void mu_crl_pointers(const struct mu_crl_settings *settings, const char *key_sha256, int partition,
                     struct mu_crl_urls *urls, struct mu_pointers *ret);

#endif
