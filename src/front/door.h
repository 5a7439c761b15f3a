#ifndef MU_FRONT_DOOR_H
#define MU_FRONT_DOOR_H

/*
 * The doors of a configuration, loaded: every file that it names has been read and judged, every address looked up. A set
 * is loaded whole or not at all, and does not change any more; it lives as long as a connection uses it.
 */

#include "base/secret.h"
#include "front/backend.h"
#include "front/config.h"
#include "front/events.h"
#include "front/forward.h"
#include "front/ocsp.h"
#include "front/proxy.h"
#include "front/site.h"
#include "front/tally.h"
#include "http/h1_reader.h"
#include "net/address.h"
#include "pki/cert.h"
#include "pki/cidr.h"
#include "pki/crl.h"
#include "pki/key.h"
#include "tls/alpn.h"
#include "tls/lists.h"

struct mu_points;

/* A route that has been loaded; of the same index as in the configuration. */
struct mu_route {
    const struct mu_route_config *config;
    struct mu_backends backends; /* its own; none: the door's */
    struct mu_proxy proxy;       /* once it is in force */
};

enum { MU_DOOR_ADDRESSES = 32 };

/* What is known of a revocation list. */
struct mu_door_list {
    struct mu_crl_info info;
    const char *path; /* the configuration's, or a URL */
    /* By whom it is: the place of an anchor with its issuer's name and key, or of one that has the name alone; or nobody's. */
    enum mu_list_by { MU_LIST_BY_ANCHOR, MU_LIST_BY_NAMESAKE, MU_LIST_BY_OTHER } by;
    const struct mu_cert *anchor; /* by which it is, of the door's; or NULL */
    bool fetched;
};

struct mu_door {
    struct mu_door_config *config; /* as it was described; the set's */
    struct mu_address listen[MU_DOOR_ADDRESSES];
    size_t listen_count;
    struct mu_certs chain, anchors;
    struct mu_key *key;
    struct mu_door_list *lists;
    size_t list_count;
    struct mu_strs without_list;    /* the CAs, if any has a list, of which none is */
    struct mu_strs fetched;         /* the URLs of lists that have come from there */
    struct mu_ocsp_door responders; /* who are asked about clients, once it is in force, */
    struct mu_voucher voucher;      /* if there are any */
    struct mu_tls_lists *revoked;   /* what is in them; until the TLS contexts have it */
    struct mu_files *files;         /* NULL: the greeting */
    struct mu_backends backends;    /* if any, they get the bytes of the clients */
    struct mu_cidr *proxies;        /* whose word for whom they speak is taken */
    size_t proxy_count;
    char alpn[MU_TLS_ALPN_LEN]; /* of carried connections; "": whatever they speak */
    struct mu_front_deadlines deadlines;
    struct mu_route *routes; /* config->route_count */
    bool method_counts;      /* for one of them */
    bool place_counts;       /* a path or a host does */
    bool guarded;            /* somebody, or something, may be kept out: see guard.h */
    struct mu_tally *tally;  /* NULL: it has no limit against which anything would be counted */
    struct mu_identity *identity; /* of its own certificate, for backends */
    struct mu_h1_limits requests; /* how long they may be */
    struct mu_front_events
        events; /* the front's, as far as this door's log wants them; once it is in force */
    struct mu_forward forward; /* likewise, for the backends */
    struct mu_proxy proxy;     /* likewise, for those that speak HTTP */
};

struct mu_doors {
    struct mu_config *config;
    struct mu_door *at;
    size_t count;
};
void mu_doors_free(struct mu_doors *doors);
MU_AUTO_DEFINE_STRUCT(mu_doors, mu_doors_free)

/* The i-th set of backends: the door's own is 0, then come those of its routes. NULL behind the last one. */
const struct mu_backends *mu_door_backends(const struct mu_door *door, size_t i);

/* Could this client (NULL: one without a certificate) have anything here, by the door's rules or by any route's? */
bool mu_door_admits(const struct mu_door *door, const struct mu_identity *who);

/*
 * Is there nothing that the rules of `former` let this client (NULL: one without a certificate) have, and those of `now` do not?
 * Routes of one path, host and method stand for each other. False: `ret` says what it may not have any more.
 */
bool mu_door_still_admits(const struct mu_door *now, const struct mu_door *former,
                          const struct mu_identity *who, struct mu_refusal *ret);

/* What loading needs to be told by those who know the CA's home and the person at the keyboard. */
struct mu_door_loader {
    const struct mu_passphrase_source *passphrase; /* or NULL */
    /* A certificate and key for a door that has none. */
    int (*issue)(void *arg, struct mu_certs *ret_chain, struct mu_key **ret_key,
                 struct mu_error *err);
    /* Fails where what is below `dir` is not for clients. */
    int (*may_serve)(void *arg, const char *dir, struct mu_error *err);
    void *arg;
    struct mu_points *points; /* lists that are fetched; NULL: none are */
    struct mu_ocsp *ocsp;     /* what responders say; NULL: none are asked */
    bool only_look;           /* nobody is going to serve them: see mutual check */
};

/*
 * Takes `config`, even on failure. Fails as mu_address_parse(), mu_backends_add(), mu_pair_load(), mu_cas_load(),
 * mu_crls_load() and mu_files_open() do, and with MU_E_USAGE: a directory that clients may fetch from holds a private
 * key.
 */
MU_CHECK int mu_doors_load(struct mu_config *config, const struct mu_door_loader *loader,
                           struct mu_doors **ret, struct mu_error *err);

/* door_follow.c: go on with what the doors before, in whose place these are, have counted of their clients and found out about their
 * backends. Before they are in force; `before` may be NULL. */
void mu_doors_follow(struct mu_doors *doors, const struct mu_doors *before);

/* Does any of them fetch lists? And ask responders? */
bool mu_doors_fetch_lists(const struct mu_doors *doors);
bool mu_doors_ask_responders(const struct mu_doors *doors);

/* What is in their lists is with the TLS contexts now, which let it go when they need it no more. */
void mu_doors_drop_lists(struct mu_doors *doors);

/*
 * May these doors take the place of those before, as far as their lists go? Not with a list that is older than what was at its
 * place, or that is by somebody else, or out of date, where that one was not: whoever puts it there could bring back those
 * who have been revoked. Fails with MU_E_LIST.
 */
MU_CHECK int mu_doors_check_lists(const struct mu_doors *doors, const struct mu_doors *before,
                                  struct mu_error *err);

/* Fails with MU_E_USAGE when `file`, if it is not NULL, lies below `dir` with all links followed: it is a private key. */
MU_CHECK int mu_door_check_key(const char *dir, const char *file, struct mu_error *err);

/* door_lists.c: every list of a door, and what is known of them. Fails as mu_crls_load() does. */
MU_CHECK int mu_door_load_lists(struct mu_door *door, struct mu_points *points,
                                struct mu_error *err);
void mu_door_clear_lists(struct mu_door *door);
/* Are its lists those of the home, which nobody has named and which count however old they are? */
bool mu_door_obeys_home(const struct mu_door *door);

/* What works here and fails elsewhere, and what turns every client of a CA away: each a sentence to `hear`. */
void mu_door_warn(const struct mu_door *door, void (*hear)(void *arg, const char *sentence),
                  void *arg);

#endif
