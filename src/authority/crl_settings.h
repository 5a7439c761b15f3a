#ifndef MU_AUTHORITY_CRL_SETTINGS_H
#define MU_AUTHORITY_CRL_SETTINGS_H

/*
 * Which revocation lists an authority is to have, by what names and for how long, and where its certificates say that these are to
 * be had.
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

#include "authority/former.h"
#include "base/error.h"
#include "pki/pointer.h"
#include "store/store.h"

/* --- Settings --- */

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
/* As it is kept; returns `ret`. */
const char *mu_crl_setting_text(const struct mu_crl_settings *settings, size_t i,
                                char ret[MU_URL_LEN]);
bool mu_crl_settings_same(const struct mu_crl_settings *a, const struct mu_crl_settings *b);

/* Do they go together? Fails with MU_E_USAGE. */
MU_CHECK int mu_crl_settings_check(const struct mu_crl_settings *settings, struct mu_error *err);

/* --- Partitions --- */

/* Which one a serial number (hexadecimal) belongs to: 1 to `partitions`; 0 when there are none. */
int mu_crl_partition(const char *serial, int partitions);
/* Which one a certificate points to: 0 for the list of all, -1 when it points to none. */
int mu_crl_partition_of(const struct mu_cert *cert);
/* How many of this issuer have lists: as many as are wanted now; and those of before, when there were more, as certificates
 * of that time point to them. */
MU_CHECK int mu_crl_partitions(struct mu_store *store, const struct mu_crl_settings *settings,
                               const char *issuer, int *ret, struct mu_error *err);

/* --- Names --- */

/* What a file in public/ is called: `ending` is ".crl", "-delta.crl" or ".crt". */
#define MU_CRL_FILE_LEN (MU_KEY_PART + 32)
void mu_crl_file_name(const char *key_sha256, int partition, const char *ending,
                      char ret[MU_CRL_FILE_LEN]);

/* What a certificate of this partition points to; `ret` borrows from `urls` and `settings`. Nothing without a URL. */
struct mu_crl_urls {
    char crl[MU_URL_LEN + 64], delta[MU_URL_LEN + 64], issuer[MU_URL_LEN + 64];
};
void mu_crl_pointers(const struct mu_crl_settings *settings, const char *key_sha256, int partition,
                     struct mu_crl_urls *urls, struct mu_pointers *ret);

/* Is this complete list, as it was recorded last, the one in public/? It is not if whoever made it was killed before it had
 * its name, or has made it in this CA's home on another machine. */
bool mu_crl_is_in_place(const struct mu_home *home, const struct mu_crl_scope *scope,
                        const struct mu_crl_record *complete);

/* --- Times --- */

/* What a list of this CA that is made `now` says of when it was: earlier, for verifiers whose clock is behind, but not before the
 * CA itself, and not by more than the list lasts, so that who goes by a part of that still has one. */
time_t mu_crl_backdate(const struct mu_cert *ca, time_t now, time_t next_update);

#endif
