#ifndef MU_AUTHORITY_POLICY_H
#define MU_AUTHORITY_POLICY_H

/*
 * What an authority issues, and what not: for each profile the names, keys and lifetimes that are allowed and the
 * extensions that are added. The rules stand in home/policy.yaml; where it says nothing, the built-in ones hold.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pki/pattern.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "pki/extension.h"
#include "pki/profile.h"
#include "yaml/reader.h"

struct mu_policy_name {
    char *text; /* as written */
    struct mu_place at;
    struct mu_pattern pattern;
};

struct mu_policy_key {
    char *text; /* a rule of mu_key_fits() */
    struct mu_place at;
};

struct mu_policy_extension {
    char *oid, *value; /* as written */
    bool critical;
    struct mu_place at;
};

/* The rules for one profile, with what the file leaves out filled in. */
struct mu_profile_policy {
    struct mu_policy_name *names; /* each name has to be admitted by one of them */
    size_t name_count;
    struct mu_place names_at; /* built in: all names are allowed, whatever `names` holds */
    bool wildcards;           /* may DNS names be wildcards? */
    struct mu_place wildcards_at;
    struct mu_policy_key *keys; /* the subject's key has to fit one of them */
    size_t key_count;
    struct mu_place keys_at; /* built in: all keys that mutual certifies at all */
    int64_t default_lifetime_s, longest_lifetime_s;
    struct mu_place default_lifetime_at, longest_lifetime_at;
    bool cut; /* what asks for longer is cut to the longest lifetime, not refused */
    struct mu_place cut_at;
    struct mu_policy_extension *extensions;
    struct mu_extension **made; /* the same, ready to be added */
    size_t extension_count;
    struct mu_place extensions_at;
};

enum { MU_POLICY_PROFILES = MU_PROFILE_CA + 1 }; /* those that a file may speak of */

struct mu_policy {
    char path[MU_PATH_LEN]; /* the file, printable; "": there is none, and all is built in */
    struct mu_profile_policy profiles[MU_PROFILE_OCSP + 1]; /* the responder's is always built in */
};
void mu_policy_free(struct mu_policy *policy);
MU_AUTO_DEFINE_STRUCT(mu_policy, mu_policy_free)

/* The longest lifetime without a policy, which no policy can exceed. */
#define MU_LIFETIME_MAX_S (INT64_C(36500) * 86400)

/* The built-in rules. Given. Fails with MU_E_NOMEM. */
MU_CHECK int mu_policy_new(struct mu_policy **ret, struct mu_error *err);

/*
 * The rules in `path`. Unknown keys, values of the wrong kind, contradictions: all are errors, told with line and
 * column, so that no rule is ever passed over. A file with nothing in it is an error, too: it may have been cut off.
 * Fails with MU_E_POLICY_FILE, MU_E_NOT_FOUND, MU_E_IO, MU_E_WRONG_KIND, MU_E_TOO_LARGE, MU_E_NOMEM.
 */
MU_CHECK int mu_policy_load(const char *path, struct mu_policy **ret, struct mu_error *err);

/* The same, but a file that is not there means the built-in rules. A dangling link is no such file. */
MU_CHECK int mu_policy_load_or_built_in(const char *path, struct mu_policy **ret,
                                        struct mu_error *err);

/* The same for text, of which `path` says where it comes from. */
MU_CHECK int mu_policy_parse(const char *path, const char *text, size_t len, struct mu_policy **ret,
                             struct mu_error *err);

/* --- Judging --- */

/* One thing that was asked for, and the rule that decided on it. */
struct mu_finding {
    const char *kind; /* "name", "key", "lifetime" */
    char *about;      /* "DNS:api.internal", "EC P-256", "90 days"; printable */
    bool allowed;
    char rule[64];      /* the rule's place in the file's structure: "server.names[2]" */
    char *text;         /* what the rule says: "*.internal"; printable */
    struct mu_place at; /* where it stands */
};

struct mu_ruling {
    bool allowed;
    int64_t lifetime_s; /* what it gets */
    bool cut;           /* which is less than was asked for, by the policy */
    struct mu_finding *findings;
    size_t count;
    const struct mu_profile_policy *rules; /* by which it was judged; borrowed from the policy */
};
void mu_ruling_clear(struct mu_ruling *ruling);
MU_AUTO_DEFINE_CLEAR(mu_ruling, mu_ruling_clear)

struct mu_order;

/*
 * May this be issued? Pure: whoever issues asks here, and nowhere else. A refusal is not a failure: `ret` says so. Clear
 * it afterwards, even on failure. Fails with MU_E_NOMEM.
 */
MU_CHECK int mu_policy_judge(const struct mu_policy *policy, const struct mu_order *order,
                             struct mu_ruling *ret, struct mu_error *err);

/* A refusal as an error: fails with MU_E_POLICY, naming what was refused, by which rule, in which line. 0 when
 * `ruling` allows it. */
MU_CHECK int mu_ruling_check(const struct mu_ruling *ruling, const struct mu_policy *policy,
                             const struct mu_order *order, struct mu_error *err);

/* Where a rule stands; line 0: it is built in. See mu_place_text(). */
char *mu_policy_place(const struct mu_policy *policy, struct mu_place at,
                      char ret[MU_PLACE_TEXT_LEN]);

#endif
