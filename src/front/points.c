#include "front/points.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "front/backend.h"
#include "front/fetch.h"
#include "front/points_cache.h"
#include "front/points_internal.h"
#include "front/points_judge.h"
#include "front/points_when.h"
#include "pki/pointer.h"

#define ALL_LISTS_MAX ((size_t)128 * 1024 * 1024)

/* --- When --- */

/* Between half and all of it: not all servers come at once. */
static int64_t with_jitter(int64_t ms)
{
    unsigned char random;
    if (getrandom(&random, 1, GRND_NONBLOCK) != 1)
        random = 0;
    return ms / 2 + ms / 2 * random / 255;
}

static void settle_next(struct mu_point *p, time_t now)
{
    const int64_t after_s = mu_points_wait_after_list_s(&p->info, now, &p->lapsed);
    p->due_ms = mu_backend_now_ms() + with_jitter(after_s * 1000);
}

void mu_point_note_failure(struct mu_point *p, const char *why)
{
    const int64_t after_s = mu_points_wait_after_failures_s(p->failures);
    p->failures++;
    mu_str_copy(p->why, sizeof p->why, why);
    p->due_ms = mu_backend_now_ms() + with_jitter(after_s * 1000);
}

/* --- Who is wanted --- */

static void point_free(struct mu_point *p)
{
    if (p == NULL)
        return;
    free(p->url);
    free(p->host);
    mu_cert_free(p->issuer);
    mu_crl_free(p->crl);
    mu_buf_clear(&p->arrived);
    free(p);
}

/* However it is spelled. NULL without memory. */
static char *host_of(const char *url)
{
    struct mu_fetch_url parsed;
    if (!mu_fetch_url_parse(url, &parsed))
        return strdup("");
    for (char *p = parsed.host; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    for (size_t len = strlen(parsed.host); len > 0 && parsed.host[len - 1] == '.'; len--)
        parsed.host[len - 1] = '\0';
    return strdup(parsed.host);
}

/* The caller has the lock, or there is nobody else. NULL: there is no room. */
static struct mu_point *add_point(struct mu_points *points, const char *url)
{
    struct mu_point *p = points->count == MU_POINTS_MAX ? NULL : calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->url = strdup(url);
    p->host = host_of(url);
    p->met = time(NULL);
    if (p->url == NULL || p->host == NULL) {
        point_free(p);
        return NULL;
    }
    return points->at[points->count++] = p;
}

/* What a cache has kept is the list of whoever has signed it. */
static bool is_of(struct mu_point *p, const struct mu_cert *issuer)
{
    if (p->issuer == NULL && p->crl != NULL && mu_crl_is_signed_by(p->crl, issuer))
        p->issuer = mu_cert_ref((struct mu_cert *)issuer);
    return p->issuer != NULL && mu_cert_same_key(p->issuer, issuer) &&
           mu_cert_same_subject(p->issuer, issuer);
}

static struct mu_point *find_point(struct mu_points *points, const char *url,
                                   const struct mu_cert *issuer)
{
    for (size_t i = 0; i < points->count; i++)
        if (mu_str_equal(points->at[i]->url, url) && is_of(points->at[i], issuer))
            return points->at[i];
    return NULL;
}

static struct mu_point *want(struct mu_points *points, const char *url, enum mu_fetch_right right,
                             const struct mu_cert *issuer)
{
    struct mu_point *p = find_point(points, url, issuer);
    if (p == NULL && (p = add_point(points, url)) != NULL)
        p->issuer = mu_cert_ref((struct mu_cert *)issuer);
    if (p == NULL)
        return NULL;
    p->right = right > p->right ? right : p->right;
    p->met = time(NULL);
    return p;
}

/* The first reason there is counts; the best is that a list has not come at all. */
static void tell_why(const struct mu_point *p, char ret_why[MU_ERROR_CAUSE_LEN])
{
    if (*ret_why != '\0' && p->crl != NULL)
        return;
    if (p->crl == NULL && p->failures == 0)
        snprintf(ret_why, MU_ERROR_CAUSE_LEN, "it is being fetched from %s", p->url);
    else if (p->failures > 0)
        snprintf(ret_why, MU_ERROR_CAUSE_LEN, "it could not be fetched from %s: %s", p->url, p->why);
    else
        snprintf(ret_why, MU_ERROR_CAUSE_LEN,
                 "there is another one, or one from this moment, at %s", p->url);
}

/* --- From the doors --- */

struct gate {
    struct mu_points *points;
    struct mu_strs hosts;
};

static void meet_url(const struct gate *gate, const char *url, const struct mu_cert *issuer,
                     char ret_why[MU_ERROR_CAUSE_LEN])
{
    const enum mu_fetch_right right = mu_fetch_right_to(&gate->hosts, url);
    if (right == MU_FETCH_NEVER) {
        if (*ret_why == '\0')
            snprintf(ret_why, MU_ERROR_CAUSE_LEN,
                     "the host of %.160s is not among those of fetch_crl", url);
        return;
    }
    pthread_mutex_lock(&gate->points->lock);
    const struct mu_point *p = want(gate->points, url, right, issuer);
    if (p == NULL)
        snprintf(ret_why, MU_ERROR_CAUSE_LEN, "there are too many distribution points");
    else
        tell_why(p, ret_why);
    pthread_mutex_unlock(&gate->points->lock);
}

static void on_met(void *arg, const struct mu_certs *chain, char ret_why[MU_ERROR_CAUSE_LEN])
{
    const struct gate *gate = arg;
    for (size_t i = 0; i + 1 < chain->count; i++) {
        MU_AUTO_CLEAR(mu_strs) urls = {0};
        if (mu_pointers_to_lists(chain->at[i], &urls) != 0)
            continue;
        if (urls.count == 0 && *ret_why == '\0')
            mu_str_copy(ret_why, MU_ERROR_CAUSE_LEN,
                        mu_pointers_name_another(chain->at[i])
                            ? "its list is another issuer's (cRLIssuer), and such lists are not followed"
                            : "no place is named to fetch it from by http");
        for (size_t j = 0; j < urls.count; j++)
            meet_url(gate, urls.at[j], chain->at[i + 1], ret_why);
    }
}

static void on_release(void *arg)
{
    struct gate *gate = arg;
    mu_strs_clear(&gate->hosts);
    free(gate);
}

int mu_points_source(struct mu_points *points, const struct mu_strs *hosts,
                     struct mu_tls_list_source *ret, struct mu_error *err)
{
    struct gate *gate = calloc(1, sizeof *gate);
    bool ok = gate != NULL;
    if (ok)
        gate->points = points;
    for (size_t i = 0; ok && i < hosts->count; i++)
        ok = mu_strs_add(&gate->hosts, hosts->at[i]) == 0;
    if (!ok && gate != NULL)
        on_release(gate);
    if (!ok)
        return mu_fail_nomem(err);
    *ret = (struct mu_tls_list_source){.met = on_met, .release = on_release, .arg = gate};
    return 0;
}

void mu_points_forbid_others(struct mu_points *points, const struct mu_strs *hosts)
{
    pthread_mutex_lock(&points->lock);
    for (size_t i = 0; i < points->count; i++) {
        struct mu_point *p = points->at[i];
        const enum mu_fetch_right right = mu_fetch_right_to(hosts, p->url);
        p->right = right < p->right ? right : p->right;
    }
    pthread_mutex_unlock(&points->lock);
}

/* --- What has come --- */

static bool has_room_for(struct mu_points *points, const struct mu_point *p, size_t size)
{
    pthread_mutex_lock(&points->lock);
    for (size_t i = 0; i < points->count; i++)
        size += points->at[i] == p ? 0 : points->at[i]->size;
    pthread_mutex_unlock(&points->lock);
    return size <= ALL_LISTS_MAX;
}

/* What a list says of its changes is as good as what a certificate says. */
static void want_changes(struct mu_points *points, const struct mu_point *p)
{
    MU_AUTO_CLEAR(mu_strs) urls = {0};
    struct mu_fetch_url here, there;
    if (p->info.delta || mu_pointers_to_changes(p->crl, &urls) != 0 ||
        !mu_fetch_url_parse(p->url, &here))
        return;
    for (size_t i = 0; i < urls.count; i++)
        if (mu_fetch_url_parse(urls.at[i], &there) && mu_str_equal(here.authority, there.authority))
            (void)want(points, urls.at[i], p->right, p->issuer);
}

/* False: it is the same as before. */
static bool install(struct mu_points *points, struct mu_point *p, struct mu_crl **crl,
                    const struct mu_crl_info *info, size_t size)
{
    const bool same = p->crl != NULL && mu_crl_same(p->crl, *crl);
    struct mu_crl *before = p->crl;
    pthread_mutex_lock(&points->lock);
    p->crl = mu_take(crl);
    p->info = *info;
    p->size = size;
    p->failures = 0;
    points->good++;
    settle_next(p, time(NULL));
    want_changes(points, p);
    pthread_mutex_unlock(&points->lock);
    mu_crl_free(before);
    return !same;
}

/* It counts, whether or not it can be kept for the next start. */
static void keep(const struct mu_points *points, const struct mu_point *p, mu_points_hear tell,
                 void *arg)
{
    struct mu_error err = MU_ERROR_INIT;
    if (points->cache != NULL && mu_points_cache_write(points->cache, p->url, p->crl, &err) != 0)
        tell(arg, true, &err);
}

static bool take(struct mu_points *points, struct mu_point *p, struct mu_strs *ret_changed,
                 mu_points_hear tell, void *arg)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_buf) bytes = MU_BUF_INIT;
    MU_AUTO_STRUCT(mu_crl) crl = NULL;
    struct mu_crl_info info;
    pthread_mutex_lock(&points->lock);
    bytes = p->arrived;
    p->arrived = (struct mu_buf)MU_BUF_INIT;
    pthread_mutex_unlock(&points->lock);
    const size_t size = bytes.len;
    const struct mu_points_asked asked = {.url = p->url,
                                          .issuer = p->issuer,
                                          .before = p->crl == NULL ? NULL : &p->info};
    int result = mu_buf_failed(&bytes) ? mu_fail_nomem(&err)
                                       : mu_points_judge(&asked, &bytes, &crl, &info, &err);
    if (result == 0 && !has_room_for(points, p, size))
        result =
            mu_fail(&err, MU_E_TOO_LARGE, "there is no room for the revocation list at %s", p->url);
    const bool changed = result == 0 && install(points, p, &crl, &info, size);
    pthread_mutex_lock(&points->lock);
    p->has_arrived = false;
    if (result != 0) {
        points->failed++;
        mu_point_note_failure(p, err.what);
    }
    pthread_mutex_unlock(&points->lock);
    if (result != 0)
        tell(arg, false, &err);
    if (changed) {
        keep(points, p, tell, arg);
        (void)!mu_strs_add(ret_changed, p->url); /* without memory it counts, and is not spoken of */
    }
    return changed;
}

bool mu_point_is_old(const struct mu_point *p, time_t now)
{
    const bool busy = p->under_way || p->has_arrived || (p->crl != NULL && p->counts_for_ever);
    return !busy && mu_points_may_forget(p->crl == NULL ? NULL : &p->info, p->met, now);
}

static void forget_old(struct mu_points *points)
{
    const time_t now = time(NULL);
    pthread_mutex_lock(&points->lock);
    for (size_t i = points->count; i-- > 0;) {
        struct mu_point *p = points->at[i];
        if (!mu_point_is_old(p, now))
            continue;
        if (points->cache != NULL && p->crl != NULL)
            mu_points_cache_remove(points->cache, p->url, p->crl);
        points->at[i] = points->at[--points->count];
        point_free(p);
    }
    pthread_mutex_unlock(&points->lock);
}

bool mu_points_take(struct mu_points *points, struct mu_strs *ret_changed, mu_points_hear tell,
                    void *arg)
{
    bool changed = false;
    for (size_t i = 0;; i++) {
        pthread_mutex_lock(&points->lock);
        struct mu_point *p = i < points->count ? points->at[i] : NULL;
        const bool has_arrived = p != NULL && p->has_arrived;
        pthread_mutex_unlock(&points->lock);
        if (p == NULL)
            break;
        if (has_arrived && take(points, p, ret_changed, tell, arg))
            changed = true;
    }
    forget_old(points);
    return changed;
}

int mu_points_lists(struct mu_points *points, bool for_ever, struct mu_crls *ret,
                    struct mu_strs *ret_urls, struct mu_error *err)
{
    int result = 0;
    pthread_mutex_lock(&points->lock);
    for (size_t i = 0; result == 0 && i < points->count; i++) {
        struct mu_point *p = points->at[i];
        if (p->crl == NULL)
            continue;
        p->counts_for_ever = p->counts_for_ever || for_ever;
        result = mu_strs_add(ret_urls, p->url) != 0 ? mu_fail_nomem(err)
                                                    : mu_crls_add(ret, mu_crl_ref(p->crl), err);
    }
    pthread_mutex_unlock(&points->lock);
    return result;
}

void mu_points_count(struct mu_points *points, struct mu_points_count *ret)
{
    pthread_mutex_lock(&points->lock);
    *ret = (struct mu_points_count){.good = points->good,
                                    .failed = points->failed,
                                    .points = points->count};
    for (size_t i = 0; i < points->count; i++)
        ret->waiting += points->at[i]->crl == NULL ? 1 : 0;
    pthread_mutex_unlock(&points->lock);
}

/* --- Life --- */

static int on_cached(void *arg, const char *url, struct mu_crl *crl, size_t size)
{
    struct mu_points *points = arg;
    struct mu_point *p = has_room_for(points, NULL, size) ? add_point(points, url) : NULL;
    if (p == NULL) {
        mu_crl_free(crl);
        return 0;
    }
    p->crl = crl;
    p->size = size;
    mu_crl_info(crl, &p->info);
    return 0;
}

int mu_points_new(const char *cache, struct mu_points **ret, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_points) points = calloc(1, sizeof *points);
    if (points == NULL)
        return mu_fail_nomem(err);
    pthread_mutex_init(&points->lock, NULL);
    points->cache = cache == NULL ? NULL : strdup(cache);
    if (cache != NULL && points->cache == NULL)
        return mu_fail_nomem(err);
    if (cache != NULL && mu_points_cache_read(cache, on_cached, points, err) != 0)
        return -1;
    *ret = mu_take(&points);
    return 0;
}

void mu_points_on_arrival(struct mu_points *points, struct mu_call *arrived)
{
    points->arrived = arrived;
}

void mu_points_free(struct mu_points *points)
{
    if (points == NULL)
        return;
    for (size_t i = 0; i < points->count; i++)
        point_free(points->at[i]);
    pthread_mutex_destroy(&points->lock);
    free(points->cache);
    free(points);
}
