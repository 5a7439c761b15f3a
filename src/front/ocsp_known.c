#include "front/ocsp_known.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "pki/pointer.h"

enum {
    CLIENTS_MAX = 16384,
    AGAIN_S = 60 * 60, /* at the latest, whatever an answer says of the next one */
    /* For an answer that says nothing of the next one: there may be a newer one at any time. */
    NO_DATE_S = 60,
    HOLD_LEAST_S = 60, /* who is on hold is kept out; by then whoever is connected has been seen */
    REST_S = 5,        /* after a question without an answer; */
    REST_MOST_S = 600, /* twice as long each time for whom silence keeps out of nothing */
    AT_ONCE_LEAST = 16,
    DUE_PARTS = 8, /* all who are due are asked in about so many looks */
};

/* --- The table --- */

static struct mu_known **bucket_of(struct mu_knowns *knowns, const unsigned char sha256[32])
{
    return &knowns->buckets[(sha256[0] << 8 | sha256[1]) % MU_KNOWN_BUCKETS];
}

struct mu_known *mu_known_find(const struct mu_knowns *knowns, const unsigned char sha256[32])
{
    struct mu_known *known = *bucket_of((struct mu_knowns *)knowns, sha256);
    while (known != NULL && memcmp(known->sha256, sha256, sizeof known->sha256) != 0)
        known = known->next;
    return known;
}

static void known_free(struct mu_known *known)
{
    mu_cert_free(known->cert);
    mu_cert_free(known->issuer);
    mu_strs_clear(&known->urls);
    free(known);
}

static bool is_revoked(const struct mu_known *known)
{
    return known->told && known->what.single.state == MU_OCSP_REVOKED;
}

/* Those of a bucket that nobody uses: who is old, and not revoked; or, when there is no room, all. */
static void sweep(struct mu_knowns *knowns, struct mu_known **bucket, time_t now)
{
    const bool full = knowns->count.clients >= CLIENTS_MAX;
    for (struct mu_known **at = bucket, *known; (known = *at) != NULL;) {
        if (known->users > 0 || (!full && (is_revoked(known) || now < known->fresh_until))) {
            at = &known->next;
            continue;
        }
        *at = known->next;
        known_free(known);
        knowns->count.clients--;
    }
}

struct mu_known *mu_known_find_or_add(struct mu_knowns *knowns, const struct mu_cert *cert,
                                      const struct mu_cert *issuer, time_t now)
{
    unsigned char sha256[32];
    mu_cert_sha256(cert, sha256);
    struct mu_known *known = mu_known_find(knowns, sha256);
    if (known != NULL)
        return known;
    struct mu_known **bucket = bucket_of(knowns, sha256);
    sweep(knowns, bucket, now);
    known = knowns->count.clients >= CLIENTS_MAX ? NULL : calloc(1, sizeof *known);
    if (known == NULL)
        return NULL;
    memcpy(known->sha256, sha256, sizeof known->sha256);
    known->cert = mu_cert_ref((struct mu_cert *)cert);
    known->issuer = mu_cert_ref((struct mu_cert *)issuer);
    known->next = *bucket;
    knowns->count.clients++;
    if (mu_pointers_to_ocsp(cert, &known->urls) != 0)
        mu_strs_clear(&known->urls);
    return *bucket = known;
}

void mu_knowns_clear(struct mu_knowns *knowns)
{
    for (size_t i = 0; i < MU_KNOWN_BUCKETS; i++)
        for (struct mu_known *known = knowns->buckets[i], *next; known != NULL; known = next) {
            next = known->next;
            known_free(known);
        }
}

/* --- What has been heard --- */

void mu_known_allow(struct mu_known *known, const struct mu_strs *hosts)
{
    for (size_t i = 0; i < known->urls.count && i < MU_KNOWN_RESPONDERS; i++) {
        const enum mu_fetch_right right = mu_fetch_right_to(hosts, known->urls.at[i]);
        known->rights[i] = right > known->rights[i] ? right : known->rights[i];
    }
}

void mu_knowns_forbid_others(struct mu_knowns *knowns, const struct mu_strs *hosts)
{
    for (size_t at = 0; at < MU_KNOWN_BUCKETS; at++)
        for (struct mu_known *known = knowns->buckets[at]; known != NULL; known = known->next)
            for (size_t i = 0; i < known->urls.count && i < MU_KNOWN_RESPONDERS; i++) {
                const enum mu_fetch_right right = mu_fetch_right_to(hosts, known->urls.at[i]);
                known->rights[i] = right < known->rights[i] ? right : known->rights[i];
            }
}

/*
 * Whoever is on the way may keep answers and send them again for as long as they are in date. What the same second brings takes no
 * revocation back; nor does a responder that has lost sight of the certificate.
 */
const char *mu_known_objection(const struct mu_known *known, const struct mu_ocsp_told *what)
{
    const bool revoked = is_revoked(known);
    if (known->told && what->this_update < known->what.this_update)
        return "the answer is older than the one before";
    if (revoked && what->single.state == MU_OCSP_UNKNOWN)
        return "the answer is \"unknown\", and the one before was \"revoked\"";
    if (revoked && what->single.state == MU_OCSP_GOOD &&
        what->this_update == known->what.this_update)
        return "the answer is \"good\", and one of the same time was \"revoked\"";
    return NULL;
}

void mu_known_note_answer(struct mu_knowns *knowns, struct mu_known *known,
                          const struct mu_ocsp_told *what, time_t now)
{
    const int64_t left_s = what->next_update == 0 ? NO_DATE_S : (int64_t)(what->next_update - now);
    known->told = true;
    known->what = *what;
    known->failures = 0;
    known->why[0] = '\0';
    known->fresh_until = now + (left_s < AGAIN_S ? left_s : AGAIN_S);
    if (is_revoked(known)) {
        atomic_store(&knowns->any_revoked, true);
        if (known->fresh_until < now + HOLD_LEAST_S)
            known->fresh_until = now + HOLD_LEAST_S;
    }
    *(what->single.state == MU_OCSP_GOOD      ? &knowns->count.good
      : what->single.state == MU_OCSP_REVOKED ? &knowns->count.revoked
                                              : &knowns->count.unknown) += 1;
}

void mu_known_note_failure(struct mu_knowns *knowns, struct mu_known *known, const char *why,
                           time_t now)
{
    known->failed_at = now;
    known->failures++;
    mu_str_copy(known->why, sizeof known->why, why);
    knowns->count.failed++;
}

/* --- What follows from it --- */

static bool has_responder(const struct mu_known *known)
{
    for (size_t i = 0; i < known->urls.count && i < MU_KNOWN_RESPONDERS; i++)
        if (known->rights[i] != MU_FETCH_NEVER)
            return true;
    return false;
}

bool mu_known_is_barred(const struct mu_known *known, time_t now)
{
    return is_revoked(known) &&
           (known->what.single.reason != MU_REASON_HOLD || now < known->fresh_until);
}

bool mu_known_is_worth_asking(const struct mu_known *known, bool needed, time_t now)
{
    const unsigned doublings = known->failures < 2 || needed ? 0 : known->failures - 1;
    const int64_t rest_s = doublings > 6 ? REST_MOST_S : (int64_t)REST_S << doublings;
    return now >= known->fresh_until &&
           (now < known->failed_at || (int64_t)(now - known->failed_at) >= rest_s);
}

static bool is_due(const struct mu_known *known, time_t now)
{
    return known->users > 0 && !known->being_asked && has_responder(known) &&
           mu_known_is_worth_asking(known, false, now);
}

static size_t count_due(const struct mu_knowns *knowns, time_t now)
{
    size_t count = 0;
    for (size_t i = 0; i < MU_KNOWN_BUCKETS; i++)
        for (const struct mu_known *known = knowns->buckets[i]; known != NULL; known = known->next)
            count += is_due(known, now) ? 1 : 0;
    return count;
}

size_t mu_knowns_due(struct mu_knowns *knowns, time_t now, struct mu_known *ret[MU_KNOWN_AT_ONCE])
{
    const size_t due = count_due(knowns, now);
    size_t most = due / DUE_PARTS < AT_ONCE_LEAST ? AT_ONCE_LEAST : due / DUE_PARTS, count = 0;
    most = most > MU_KNOWN_AT_ONCE ? MU_KNOWN_AT_ONCE : most;
    most = most > due ? due : most;
    for (size_t i = knowns->look_from; count < most; i = (i + 1) % MU_KNOWN_BUCKETS) {
        struct mu_known *known = knowns->buckets[i];
        for (; known != NULL && count < most; known = known->next)
            if (is_due(known, now)) {
                known->being_asked = true;
                known->users++;
                ret[count++] = known;
            }
        knowns->look_from = i;
    }
    return count;
}

const char *mu_known_why_not(const struct mu_known *known)
{
    if (known == NULL)
        return "there is no room for what is known of it";
    if (known->urls.count == 0)
        return "its certificate names no responder";
    if (!has_responder(known))
        return "no responder that it names is among the hosts of fetch_ocsp";
    if (known->why[0] != '\0')
        return known->why;
    if (!known->told)
        return "too many others are asked about at the moment";
    return known->what.single.state == MU_OCSP_UNKNOWN
               ? "the responder does not know the certificate"
               : "what the responder said of it is out of date";
}
