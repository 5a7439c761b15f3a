/* Which lists there are, and which of them have been found to be signed by whom. */

#include "tls/lists.h"

#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pki/ossl.h"
#include "tls/internal.h"

enum {
    CHECKED_MAX = 64,
    SKEW_S = 300, /* so far behind may our clock be that of whoever has made a list */
};

struct list {
    X509_CRL *x;
    time_t from, until; /* until 0: for ever */
    bool scoped;        /* only for some certificates of its CA */
};

/* This list counts for certificates of this issuer; for those of `subject`'s distribution points, if it is only for some. */
struct checked {
    const X509_CRL *crl;
    X509 *issuer, *subject;
};

struct mu_tls_lists {
    _Atomic unsigned users;
    int64_t grace_s;
    struct mu_tls_list_source source; /* or all NULL */
    struct list *at;
    size_t count;
    pthread_mutex_t lock; /* on what follows */
    struct checked checked[CHECKED_MAX];
    size_t checked_count;
};

/* --- Which have been checked --- */

static bool same_key(const X509 *a, const X509 *b)
{
    const ASN1_BIT_STRING *one = X509_get0_pubkey_bitstr(a), *other = X509_get0_pubkey_bitstr(b);
    return one->length == other->length && memcmp(one->data, other->data, (size_t)one->length) == 0;
}

static const ASN1_OCTET_STRING *points_of(const X509 *cert)
{
    const int at = X509_get_ext_by_NID(cert, NID_crl_distribution_points, -1);
    return at < 0 ? NULL : X509_EXTENSION_get_data(X509_get_ext(cert, at));
}

/* Nothing else of a certificate decides whether a list is for it. [RFC 5280 6.3.3 b] */
static bool same_points(X509 *a, X509 *b)
{
    const ASN1_OCTET_STRING *one = points_of(a), *other = points_of(b);
    const bool same =
        one == NULL || other == NULL ? one == other : ASN1_OCTET_STRING_cmp(one, other) == 0;
    return same && (X509_check_ca(a) > 0) == (X509_check_ca(b) > 0);
}

static bool is_checked(struct mu_tls_lists *lists, const struct list *list, X509 *issuer,
                       X509 *subject)
{
    bool found = false;
    pthread_mutex_lock(&lists->lock);
    for (size_t i = 0; !found && i < lists->checked_count; i++) {
        const struct checked *checked = &lists->checked[i];
        found =
            checked->crl == list->x && same_key(checked->issuer, issuer) &&
            (!list->scoped || (checked->subject != NULL && same_points(checked->subject, subject)));
    }
    pthread_mutex_unlock(&lists->lock);
    return found;
}

/* Where there is no room left, it is checked each time. */
static void note_checked(struct mu_tls_lists *lists, const struct list *list, X509 *issuer,
                         X509 *subject)
{
    pthread_mutex_lock(&lists->lock);
    if (lists->checked_count < CHECKED_MAX && X509_up_ref(issuer) == 1) {
        struct checked *checked = &lists->checked[lists->checked_count++];
        *checked = (struct checked){.crl = list->x, .issuer = issuer};
        if (list->scoped && X509_up_ref(subject) == 1)
            checked->subject = subject;
    }
    pthread_mutex_unlock(&lists->lock);
}

/* A list that has just been made is the newest there is, and no ground to turn everybody away. */
static bool has_begun(const struct list *list, time_t now)
{
    return list->from <= now + SKEW_S;
}

static bool is_in_date(const struct mu_tls_lists *lists, const struct list *list, time_t now)
{
    return has_begun(list, now) && (list->until == 0 || lists->grace_s == MU_CRL_GRACE_OPEN ||
                                    now < list->until + lists->grace_s);
}

static const struct list *find(const struct mu_tls_lists *lists, const X509_CRL *crl)
{
    for (size_t i = 0; i < lists->count; i++)
        if (lists->at[i].x == crl)
            return &lists->at[i];
    return NULL;
}

bool mu_tls_lists_speak_of(struct mu_tls_lists *lists, const struct mu_cert *cert,
                           const struct mu_cert *issuer)
{
    for (size_t i = 0; lists != NULL && i < lists->count; i++)
        if (is_checked(lists, &lists->at[i], mu_cert_x509(issuer), mu_cert_x509(cert)))
            return true;
    return false;
}

/* --- What the judge asks --- */

STACK_OF(X509_CRL) * mu_tls_lists_of(const struct mu_tls_lists *lists, const X509_NAME *issuer)
{
    STACK_OF(X509_CRL) *ret = NULL;
    for (size_t i = 0; lists != NULL && i < lists->count; i++) {
        X509_CRL *crl = lists->at[i].x;
        if (X509_NAME_cmp(X509_CRL_get_issuer(crl), issuer) != 0 ||
            (ret == NULL && (ret = sk_X509_CRL_new_null()) == NULL))
            continue;
        if (sk_X509_CRL_push(ret, crl) > 0)
            X509_CRL_up_ref(crl);
    }
    return ret;
}

int mu_tls_lists_check(struct mu_tls_lists *lists, X509_STORE_CTX *ctx, X509_CRL *crl,
                       X509_STORE_CTX_check_crl_fn by_libcrypto)
{
    const struct list *list = lists == NULL ? NULL : find(lists, crl);
    X509 *issuer = X509_STORE_CTX_get0_current_issuer(ctx);
    X509 *subject = X509_STORE_CTX_get_current_cert(ctx);
    if (list == NULL || issuer == NULL || subject == NULL)
        return by_libcrypto(ctx, crl);
    if (is_in_date(lists, list, time(NULL)) && is_checked(lists, list, issuer, subject))
        return 1;
    if (by_libcrypto(ctx, crl) != 1)
        return 0;
    if (!is_checked(lists, list, issuer, subject))
        note_checked(lists, list, issuer, subject);
    return 1;
}

bool mu_tls_lists_forgive(const struct mu_tls_lists *lists, int error, const X509_CRL *crl,
                          time_t now)
{
    const struct list *list = lists == NULL || crl == NULL ? NULL : find(lists, crl);
    switch (error) {
    case X509_V_ERR_CRL_NOT_YET_VALID: return list != NULL && has_begun(list, now);
    case X509_V_ERR_CRL_HAS_EXPIRED: return list != NULL && is_in_date(lists, list, now);
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:
        return lists != NULL && lists->grace_s == MU_CRL_GRACE_OPEN;
    default: return false;
    }
}

time_t mu_tls_lists_until(const struct mu_tls_lists *lists, time_t now)
{
    time_t first = 0;
    for (size_t i = 0; lists != NULL && lists->grace_s != MU_CRL_GRACE_OPEN && i < lists->count;
         i++) {
        const struct list *list = &lists->at[i];
        const time_t end = list->until + (time_t)lists->grace_s;
        if (list->until != 0 && end > now && (first == 0 || end < first))
            first = end;
    }
    return first;
}

bool mu_tls_lists_any(const struct mu_tls_lists *lists)
{
    return lists != NULL && (lists->count > 0 || lists->source.met != NULL);
}

bool mu_tls_lists_may_come(const struct mu_tls_lists *lists)
{
    return lists != NULL && lists->source.met != NULL;
}

void mu_tls_lists_meet(const struct mu_tls_lists *lists, STACK_OF(X509) * chain,
                       char ret_why[MU_ERROR_CAUSE_LEN])
{
    enum { LONGEST = 16 };
    struct mu_cert *at[LONGEST];
    struct mu_certs certs = {.at = at};
    *ret_why = '\0';
    if (!mu_tls_lists_may_come(lists))
        return;
    for (int i = 0; i < sk_X509_num(chain) && certs.count < LONGEST; i++)
        at[certs.count++] = (struct mu_cert *)sk_X509_value(chain, i);
    lists->source.met(lists->source.arg, &certs, ret_why);
}

/* --- Life --- */

/* libcrypto puts the entries of a list in order when the first one is looked up. */
static void sort_beforehand(const struct mu_tls_lists *lists)
{
    X509_REVOKED *entry;
    MU_AUTO(ASN1_INTEGER) any = ASN1_INTEGER_new();
    for (size_t i = 0; any != NULL && i < lists->count; i++)
        (void)X509_CRL_get0_by_serial(lists->at[i].x, &entry, any);
}

/* Those of the CAs that are known already. */
static void check_beforehand(struct mu_tls_lists *lists, const struct mu_certs *anchors)
{
    for (size_t i = 0; i < lists->count; i++)
        for (size_t j = 0; !lists->at[i].scoped && j < anchors->count; j++) {
            const struct mu_cert *ca = anchors->at[j];
            if (mu_crl_may_be_by(ca) && mu_crl_is_signed_by((struct mu_crl *)lists->at[i].x, ca))
                note_checked(lists, &lists->at[i], mu_cert_x509(ca), NULL);
        }
}

int mu_tls_lists_new(const struct mu_crls *crls, const struct mu_certs *anchors, int64_t grace_s,
                     const struct mu_tls_list_source *source, struct mu_tls_lists **ret,
                     struct mu_error *err)
{
    struct mu_tls_lists *lists = calloc(1, sizeof *lists);
    if (lists == NULL) {
        if (source != NULL)
            source->release(source->arg);
        return mu_fail_nomem(err);
    }
    if (source != NULL)
        lists->source = *source;
    atomic_init(&lists->users, 1);
    pthread_mutex_init(&lists->lock, NULL);
    lists->grace_s = grace_s;
    lists->at = calloc(crls->count + 1, sizeof *lists->at);
    if (lists->at == NULL) {
        mu_tls_lists_unref(lists);
        return mu_fail_nomem(err);
    }
    for (; lists->count < crls->count; lists->count++) {
        X509_CRL *x = mu_crl_x509(crls->at[lists->count]);
        const ASN1_TIME *until = X509_CRL_get0_nextUpdate(x);
        X509_CRL_up_ref(x);
        lists->at[lists->count] =
            (struct list){.x = x,
                          .from = mu_time_from_asn1(X509_CRL_get0_lastUpdate(x)),
                          .until = until == NULL ? 0 : mu_time_from_asn1(until),
                          .scoped =
                              X509_CRL_get_ext_by_NID(x, NID_issuing_distribution_point, -1) >= 0};
    }
    sort_beforehand(lists); /* so that no client has to wait for it */
    check_beforehand(lists, anchors);
    *ret = lists;
    return 0;
}

struct mu_tls_lists *mu_tls_lists_ref(struct mu_tls_lists *lists)
{
    if (lists != NULL)
        atomic_fetch_add(&lists->users, 1);
    return lists;
}

void mu_tls_lists_unref(struct mu_tls_lists *lists)
{
    if (lists == NULL || atomic_fetch_sub(&lists->users, 1) != 1)
        return;
    for (size_t i = 0; i < lists->count; i++)
        X509_CRL_free(lists->at[i].x);
    for (size_t i = 0; i < lists->checked_count; i++) {
        X509_free(lists->checked[i].issuer);
        X509_free(lists->checked[i].subject);
    }
    if (lists->source.release != NULL)
        lists->source.release(lists->source.arg);
    pthread_mutex_destroy(&lists->lock);
    free(lists->at);
    free(lists);
}
