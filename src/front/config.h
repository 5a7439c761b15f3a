#ifndef MU_FRONT_CONFIG_H
#define MU_FRONT_CONFIG_H

/*
 * The doors as somebody describes them, with options or in a file: nothing of it has been read, looked up or opened yet. The
 * life of a configuration is described (here), loaded (door.h), in force (serve.h), replaced (reload.c).
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/str.h"
#include "front/access.h"
#include "front/route.h"
#include "front/told.h"
#include "yaml/reader.h"

/* How long a client may take, in milliseconds. */
struct mu_front_deadlines {
    unsigned handshake_ms;
    unsigned header_ms; /* from a request's first byte to the end of its headers */
    unsigned idle_ms; /* between requests on a connection that is kept; 0, for backends only: as long as it likes */
    unsigned lifetime_ms; /* of a connection that is carried to a backend; 0: as long as it likes */
    unsigned body_ms;     /* to send some more of a body; all of one that no backend takes */
    unsigned connect_ms;  /* to reach an address of a backend */
    unsigned write_ms;    /* to take some more of an answer */
    unsigned read_ms;     /* for a backend that speaks HTTP to go on with an answer */
};

/* What a client may ask for, and how often. 0: as much as there is. */
struct mu_rate {
    unsigned count; /* at once, and again in each `per_s` */
    unsigned per_s;
};
struct mu_front_limits {
    unsigned header_size, body_size; /* of a request, in bytes */
    struct mu_rate rate;             /* of requests, or of carried connections: of each client */
    struct mu_rate address_rate;     /* likewise: of each IPv4 address or IPv6 /64 */
    unsigned connections;            /* at this door */
};

struct mu_door_config {
    struct mu_place at;      /* in the file; nowhere, if options describe it */
    struct mu_strs listen;   /* as mu_address_parse() takes them */
    char *certificate, *key; /* files; see struct mu_pair_files. NULL: one is made for it */
    struct mu_strs
        names; /* by which clients ask for it: see mu_tls_names_add(); none: it is for all others */
    bool clients_optional; /* who has no certificate comes in, too */
    bool only_tls13;
    struct mu_strs trust; /* files of the CAs whose clients come in */
    struct mu_strs crl;   /* files of revocation lists */
    bool crl_none;        /* no list counts, not even the home's */
    /* The list of the CA whose home is on this machine: in `crl`, if it exists. NULL: other lists were named, or another CA. */
    char *crl_of_home;
    char *ca_of_home;    /* whose list that has to be; NULL where `crl_of_home` is */
    int64_t crl_grace_s; /* for which a list counts after the next was due; or MU_CRL_GRACE_OPEN */
    bool crl_grace_said; /* somebody has chosen it */
    struct mu_strs
        fetch_crl; /* hosts from which lists are fetched: see mu_fetch_right(); none: none are */
    struct mu_strs fetch_ocsp; /* hosts of responders that are asked about clients, likewise */
    unsigned session_age_s; /* for how long a client may come back without showing its certificate */
    struct mu_strs to;      /* the backends' URLs; none: it answers itself */
    char *health_check; /* the path at which backends say whether they are well; NULL: they are not asked */
    unsigned health_ms;                /* how often they are */
    unsigned health_fall, health_rise; /* so many answers in a row change our mind */
    char *files;                       /* a directory; NULL: the greeting */
    bool proxy_protocol;               /* each connection begins with a header of it */
    struct mu_strs proxy_from;         /* blocks of the addresses that it is believed from */
    /* Of a door that carries bytes: what they may speak, as agreed on in TLS; none: whatever it is. */
    struct mu_strs alpn;
    bool send_proxy; /* each connection to a backend begins with one, of version 2 */
    struct mu_front_deadlines deadlines;
    struct mu_access access; /* who may come in, and to what below no other route */
    struct mu_route_config *routes;
    size_t route_count;
    unsigned tell; /* a backend of its clients, enum mu_told, together */
    struct mu_front_limits limits;
    bool explains; /* who has no good certificate is told why in HTTP, before the end */
    bool has_log;
    unsigned log; /* enum mu_log_class, together, in the place of the file's */
};

/* What there is to be logged. */
enum mu_log_class {
    MU_LOG_REFUSALS =
        1, /* who was turned away, or had to leave; certificates that come in, but would not elsewhere */
    MU_LOG_TROUBLES = 2,    /* of the server itself, and connections that a backend has failed */
    MU_LOG_REQUESTS = 4,    /* each answered request */
    MU_LOG_CONNECTIONS = 8, /* each connection that was carried to a backend, at its end */
    MU_LOG_ALL = 15,
};

enum {
    MU_WORKERS_MAX = 256,
    MU_CONNECTIONS_MAX = 10000000,
    MU_HEALTH_COUNT_MAX = 100,
    MU_RATE_MAX = 1000000,
    MU_HEADER_SIZE_MIN = 256,
    MU_HEADER_SIZE_MAX = 40 * 1024,
};

struct mu_config {
    char *file; /* it was read from; NULL: from options */
    struct mu_door_config *doors;
    size_t door_count;
    unsigned workers; /* one a core */
    unsigned max_connections;
    unsigned max_from_address; /* connections; 0: as many as in all */
    unsigned max_handshakes;   /* at once */
    char *status; /* where metrics and health are told, as mu_address_parse() takes it; NULL: nowhere */
    char *control;            /* the path of a socket that also tells who is there; NULL: none */
    bool control_by_default;  /* nobody has asked for it, so it may be missing */
    char *crl_cache;          /* a directory for the lists that are fetched; NULL: none */
    int64_t expiry_warning_s; /* before the end of a client's certificate */
    unsigned stop_ms;         /* for what is under way when the server is told to stop */
    char *user; /* whose rights it has once all is open: NAME or NAME:GROUP; NULL: nothing changes */
    bool no_sandbox; /* it keeps what it does not need */
    unsigned log;    /* enum mu_log_class, together */
    enum mu_log_format { MU_LOG_FORMAT_DEFAULT, MU_LOG_TEXT, MU_LOG_JSON } log_format;
};

/* As it is when nothing is said: no door, everything else by default. Given. Fails with MU_E_NOMEM. */
MU_CHECK int mu_config_new(struct mu_config **ret, struct mu_error *err);
void mu_config_free(struct mu_config *config);
MU_AUTO_DEFINE_STRUCT(mu_config, mu_config_free)

/* "closed", "open" or a duration: what a list that is out of date means. False: it is none of these. */
bool mu_crl_grace_parse(const char *text, int64_t *ret_s);

/* "refusals,requests" and so on; "all" and "none" stand alone. False: a word is none of these. */
bool mu_log_classes_parse(const char *text, unsigned *ret);
bool mu_log_format_parse(const char *text, enum mu_log_format *ret);

/* One more door, with the deadlines that hold by default; its idle_ms is UINT_MAX until somebody says more.
 * Borrowed, until the next one is added. NULL without memory. */
struct mu_door_config *mu_config_add_door(struct mu_config *config);

/* One more route, likewise. */
struct mu_route_config *mu_config_add_route(struct mu_door_config *door);

/* "100/s", "10/m", "1000/h". False: it is none of these, or too much. */
bool mu_rate_parse(const char *text, struct mu_rate *ret);
/* "8192", "32KiB", "10MiB", "1GiB". False: it is none of these, or none that fits. */
bool mu_size_parse(const char *text, unsigned *ret);

/* Does nobody without a certificate have a way in here: neither by the door's rules nor by any route's? */
bool mu_door_config_bars_anonymous(const struct mu_door_config *door);

/* Every file whose content counts, that of the configuration itself among them. Fails with MU_E_NOMEM. */
MU_CHECK int mu_config_paths(const struct mu_config *config, struct mu_strs *ret,
                             struct mu_error *err);

/*
 * What the file describes: YAML, whose keys docs/design/front-door.md lists. Unknown keys, values of the wrong kind and what a
 * door cannot do without are errors with line and column; relative paths are relative to the file. Given. Fails with
 * MU_E_CONFIG_FILE, MU_E_NOT_FOUND, MU_E_IO, MU_E_WRONG_KIND, MU_E_TOO_LARGE, MU_E_NOMEM.
 */
MU_CHECK int mu_config_load(const char *path, struct mu_config **ret, struct mu_error *err);

/* The same for text, of which `path` says where it comes from. */
MU_CHECK int mu_config_parse(const char *path, const char *text, size_t len, struct mu_config **ret,
                             struct mu_error *err);

#endif
