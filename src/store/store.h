#ifndef MU_STORE_STORE_H
#define MU_STORE_STORE_H

/*
 * What an authority remembers: the certificates that it has issued, which of them are revoked, the revocation
 * lists that it has made, and the audit trail. Which database keeps it (engine.h) is decided when a store is
 * opened, and shows nowhere else. Times are UTC seconds.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/error.h"
#include "base/macros.h"
#include "pki/reason.h"

struct mu_store;

enum mu_store_mode {
    MU_STORE_WRITE, /* it is made, with mode 0600, if it is not there */
    MU_STORE_READ,  /* it must be there, and may lie where nothing can be written */
};

/*
 * Open a store: `where` is the path of an SQLite file, or a URL postgresql://... as libpq takes it, whose password
 * never enters an error. A schema of an older version is brought up to date in one transaction; in MU_STORE_READ,
 * too, where that can be written.
 * Fails with MU_E_STORE, MU_E_STORE_NEWER, MU_E_WRONG_KIND (another program's database); MU_E_NOT_FOUND in
 * MU_STORE_READ.
 */
MU_CHECK int mu_store_open(const char *where, enum mu_store_mode mode, struct mu_store **ret,
                           struct mu_error *err);

/* Is it the URL of a PostgreSQL database? */
bool mu_store_is_postgres(const char *where);

/* Can libpq read this URL, and is there no password in it, which would be seen in the list of processes and end in a
 * file? Fails with MU_E_USAGE. */
MU_CHECK int mu_store_check_url(const char *url, struct mu_error *err);

/* One that lasts as long as it is open, for tests: SQLite without a file. */
MU_CHECK int mu_store_open_memory(struct mu_store **ret, struct mu_error *err);

void mu_store_close(struct mu_store *store);
MU_AUTO_DEFINE_STRUCT(mu_store, mu_store_close)

/*
 * One change: `change` runs in one transaction, which is durable when this returns 0, and otherwise has left no
 * trace. While it runs nobody else writes; where the database lets others try and then finds that the two
 * collide, `change` is run again from its beginning: so it may touch nothing but the store and its own `arg`.
 * Every function below that writes must be called inside a change; those that read may be called anywhere.
 * Fails as `change` does, and with MU_E_STORE.
 */
typedef int mu_change_fn(struct mu_store *store, void *arg, struct mu_error *err);
MU_CHECK int mu_store_change(struct mu_store *store, mu_change_fn *change, void *arg,
                             struct mu_error *err);

/* --- Certificates --- */

struct mu_revocation {
    time_t at; /* when it was revoked; 0: it is not */
    enum mu_reason reason;
    time_t invalid_since; /* what its key did from then on is not to be believed; 0: not known [5.3.2] */
};

struct mu_record {       /* all of it borrowed; no pointer is NULL but `der` in mu_store_each() */
    const char *serial;  /* upper-case hexadecimal; unique */
    const char *name;    /* the main name */
    const char *profile; /* "server", "client", "peer", "ca", "ocsp" */
    const char *subject;
    const char *san; /* comma-separated, as inspect shows them; "" */
    const char *
        issuer; /* SHA-256 of the public key that signed it, upper-case hexadecimal; "" where that was not kept */
    time_t not_before, not_after, issued_at;
    const char *sha256; /* fingerprint, upper-case hexadecimal; unique */
    int partition; /* on which of the issuer's partial revocation lists it would stand; 0: on none */
    struct mu_revocation revocation;
    const void *der; /* the certificate */
    size_t der_len;
};

/* Fails with MU_E_EXISTS when the serial or the fingerprint is taken, MU_E_STORE. `revocation` is not looked at:
 * nothing is born revoked. */
MU_CHECK int mu_store_add(struct mu_store *store, const struct mu_record *record,
                          struct mu_error *err);

/* Handed one record at a time, which is borrowed until it returns; false: that was enough. */
typedef bool mu_record_fn(void *arg, const struct mu_record *record);

/* Call `each` with the record of this serial number, certificate and all. Fails with MU_E_NOT_FOUND,
 * MU_E_STORE. */
MU_CHECK int mu_store_find(struct mu_store *store, const char *serial, mu_record_fn *each,
                           void *arg, struct mu_error *err);

enum mu_state {
    MU_STATE_ANY,
    MU_STATE_VALID, /* not revoked, and not past its end */
    MU_STATE_EXPIRED,
    MU_STATE_REVOKED, /* on hold, too */
    MU_STATE_HELD,
};

struct mu_store_filter { /* all zero but `now`: every record */
    time_t now;
    const char *name;      /* exactly this main name */
    const char *name_glob; /* `*`, `?` and [...] as in a shell, `*` taking slashes too */
    const char *san_glob;  /* one of the alternative names fits, with or without its "DNS:" */
    const char *serial;    /* exactly this serial number, or one that begins so */
    bool serial_is_beginning;
    const char *sha256; /* exactly this fingerprint, or one that begins so */
    bool sha256_is_beginning;
    const char *issuer;
    enum mu_state state;
    time_t expiring_before; /* those still valid at `now` that end before this */
    const char *after;      /* only what comes behind the record of this serial */
    size_t limit;           /* at most so many; 0: all */
    bool with_certificates; /* else `der` is NULL */
};

/* Call `each` with every record that fits: oldest first, or with
 * `expiring_before` what ends first. Fails with MU_E_NOT_FOUND (there is no `after`), MU_E_STORE. */
MU_CHECK int mu_store_each(struct mu_store *store, const struct mu_store_filter *filter,
                           mu_record_fn *each, void *arg, struct mu_error *err);

/* Which state a record is in at `now`: never MU_STATE_ANY. And its word: "valid", "expired", "revoked", "held". */
enum mu_state mu_record_state(const struct mu_record *record, time_t now);
const char *mu_state_name(enum mu_state state);

#define MU_HASH_LEN 64 /* SHA-256 in hexadecimal, without its NUL */

/* --- Revocation --- */

/* Set (`revocation->at` != 0) or lift the revocation of a certificate. Which changes make sense is the authority's
 * business. `seq` is the entry of the trail that tells of it. Fails with MU_E_NOT_FOUND, MU_E_STORE. */
MU_CHECK int mu_store_revoke(struct mu_store *store, const char *serial,
                             const struct mu_revocation *revocation, int64_t seq,
                             struct mu_error *err);

/* What one revocation list covers. */
struct mu_crl_scope {
    const char *issuer; /* as in struct mu_record; records without an issuer count, too */
    int partition;      /* 0: all partitions, for the list that has everything */
};

struct mu_revoked {
    const char *serial;
    struct mu_revocation revocation; /* at 0: it was on hold, and has been released */
};
typedef bool mu_revoked_fn(void *arg, const struct mu_revoked *revoked);

/*
 * Call `each` with what is revoked in this scope and was not past its end at `not_ended_at`, in any order. With
 * `changed_after` >= 0 instead what was revoked or released by an entry of the trail behind that one: clocks of
 * several machines differ, the trail's numbers do not. Fails with MU_E_STORE.
 */
#define MU_CHANGED_EVER INT64_C(-1)
MU_CHECK int mu_store_each_revoked(struct mu_store *store, const struct mu_crl_scope *scope,
                                   time_t not_ended_at, int64_t changed_after, mu_revoked_fn *each,
                                   void *arg, struct mu_error *err);

/* A revocation list that was made. */
struct mu_crl_record {
    int64_t number; /* of its scope, which complete and delta lists share [RFC 5280 5.2.3] */
    int64_t base;   /* a delta list: the number of the complete list that it adds to; else 0 */
    int64_t seq;    /* the entry of the trail that tells of it */
    time_t this_update, next_update;
    char sha256[MU_HASH_LEN + 1];
};

/* Fails with MU_E_EXISTS when the number is taken. */
MU_CHECK int mu_store_add_crl(struct mu_store *store, const struct mu_crl_scope *scope,
                              const struct mu_crl_record *crl, struct mu_error *err);

/* The last list of this scope, or its last complete one; all zero when there is none. */
MU_CHECK int mu_store_last_crl(struct mu_store *store, const struct mu_crl_scope *scope,
                               bool complete, struct mu_crl_record *ret, struct mu_error *err);

/* The highest partition of this issuer that has ever had a list; 0 when none has. */
MU_CHECK int mu_store_last_partition(struct mu_store *store, const char *issuer, int *ret,
                                     struct mu_error *err);

/* The oldest complete list of this scope that has not run out at `now`: what somebody may still hold, and so what a
 * delta list has to add to. All zero when there is none. */
MU_CHECK int mu_store_base_crl(struct mu_store *store, const struct mu_crl_scope *scope, time_t now,
                               struct mu_crl_record *ret, struct mu_error *err);

/* --- The audit trail --- */

struct mu_trail_entry { /* all of it borrowed, no pointer is NULL */
    int64_t seq;        /* from 1, without a gap */
    time_t at;
    const char *who, *host; /* "alice (1000)"; the machine's name */
    const char *action;     /* "issue", "revoke", ... */
    const char *serial;     /* of the certificate that it is about, or "" */
    const char *sha256;     /* of what was made (a certificate, a revocation list, a file), or "" */
    const char *detail;     /* for people */
    const char *hash;       /* over all of this and the entry before */
};
typedef bool mu_trail_fn(void *arg, const struct mu_trail_entry *entry);

/* Fails with MU_E_EXISTS when the number is taken. */
MU_CHECK int mu_store_trail_add(struct mu_store *store, const struct mu_trail_entry *entry,
                                struct mu_error *err);

/* The number and the hash of the last entry; 0 and "" when there is none. */
MU_CHECK int mu_store_trail_tip(struct mu_store *store, int64_t *ret_seq,
                                char ret_hash[MU_HASH_LEN + 1], struct mu_error *err);

/* Every entry from number `from` on, in order. */
MU_CHECK int mu_store_trail_each(struct mu_store *store, int64_t from, mu_trail_fn *each, void *arg,
                                 struct mu_error *err);

/* Those about one certificate, in order. */
MU_CHECK int mu_store_trail_about(struct mu_store *store, const char *serial, mu_trail_fn *each,
                                  void *arg, struct mu_error *err);

struct mu_trail_head { /* a signature over the trail up to `seq` */
    int64_t seq;
    time_t at;
    const char *hash;   /* that entry's */
    const char *signer; /* SHA-256 of the certificate whose key signed, upper-case hexadecimal */
    const void *signature;
    size_t signature_len;
};
typedef bool mu_trail_head_fn(void *arg, const struct mu_trail_head *head);

MU_CHECK int mu_store_head_add(struct mu_store *store, const struct mu_trail_head *head,
                               struct mu_error *err);
/* When, and up to which entry, the trail was last signed; 0: never. */
MU_CHECK int mu_store_head_last(struct mu_store *store, time_t *ret_at, int64_t *ret_seq,
                                struct mu_error *err);
MU_CHECK int mu_store_head_each(struct mu_store *store, mu_trail_head_fn *each, void *arg,
                                struct mu_error *err);

/*
 * Call `each` with everything of which the trail does not tell as the records do: a certificate ("certificate" and its
 * serial number) has no entry that it was issued with this fingerprint (unless it was issued before `trail_begins`), or
 * what the trail says last of its revocation is not what the record says; an entry "issue" has no record; a list
 * ("revocation list" and its number) has no entry, or an entry no list; a CA ("CA certificate" and its fingerprint) has none.
 */
typedef bool mu_difference_fn(void *arg, const char *kind, const char *which, const char *what);
MU_CHECK int mu_store_trail_compare(struct mu_store *store, time_t trail_begins,
                                    mu_difference_fn *each, void *arg, struct mu_error *err);

/* Call `each` with every certificate that was ever revoked, held or released: what the record says, and the detail of the
 * entry that tells of it last. `at_is_told`: `revocation->at` is when an entry tells that it was revoked or held. */
typedef bool mu_revocation_told_fn(void *arg, const char *serial, const char *name,
                                   const struct mu_revocation *revocation, const char *detail,
                                   bool at_is_told);
MU_CHECK int mu_store_trail_each_revocation(struct mu_store *store, mu_revocation_told_fn *each,
                                            void *arg, struct mu_error *err);

/* --- The CA itself --- */

/* A certificate that this authority has signed by, and the SHA-256 of its public key as in struct mu_record. */
struct mu_ca_record {
    const char *sha256, *key;
    time_t since;
    const void *der;
    size_t der_len;
};
typedef bool mu_ca_fn(void *arg, const struct mu_ca_record *ca);

/* Fails with MU_E_EXISTS when it is known. */
MU_CHECK int mu_store_ca_add(struct mu_store *store, const struct mu_ca_record *ca,
                             struct mu_error *err);
/* The one with this fingerprint, or with NULL all, in the order in which they came into use. None is no failure. */
MU_CHECK int mu_store_ca_each(struct mu_store *store, const char *sha256, mu_ca_fn *each, void *arg,
                              struct mu_error *err);

/* --- Settings --- */

/* A value that all who use this store share; "" when it was never set. Fails with MU_E_TOO_LARGE when it does not
 * fit, MU_E_STORE. */
MU_CHECK int mu_store_setting(struct mu_store *store, const char *name, char *ret, size_t cap,
                              struct mu_error *err);
MU_CHECK int mu_store_set(struct mu_store *store, const char *name, const char *value,
                          struct mu_error *err);

/* --- The store itself --- */

/* Is everything in it whole? Fails with MU_E_STORE, saying what is not. */
MU_CHECK int mu_store_check(struct mu_store *store, struct mu_error *err);

/* A copy as of one moment, made while others go on writing, in the file `path`, which must not be there: an SQLite
 * database, whatever this one is. Fails with MU_E_STORE, MU_E_EXISTS. */
MU_CHECK int mu_store_copy(struct mu_store *store, const char *path, struct mu_error *err);

/* All records of `from`, as of one moment, into `to`, which has none; in one change. Fails as both do. */
MU_CHECK int mu_store_transfer(struct mu_store *from, struct mu_store *to, struct mu_error *err);

/* Files that a copy carries along, for a backup. Only of a store in a file; those that write must be called inside
 * a change. */
struct mu_store_file {
    const char *name; /* unique */
    mode_t mode;
    const void *data; /* never NULL */
    size_t len;
};
typedef bool mu_store_file_fn(void *arg, const struct mu_store_file *file);

MU_CHECK int mu_store_file_add(struct mu_store *store, const struct mu_store_file *file,
                               struct mu_error *err);
/* By name. Fails with MU_E_STORE, also when nothing was ever added. */
MU_CHECK int mu_store_file_each(struct mu_store *store, mu_store_file_fn *each, void *arg,
                                struct mu_error *err);
/* What was in them may remain in the file until it is copied. */
MU_CHECK int mu_store_file_drop_all(struct mu_store *store, struct mu_error *err);

#endif
