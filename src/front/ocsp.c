#include "front/ocsp.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/time.h"
#include "front/config.h"
#include "front/fetch.h"
#include "front/ocsp_answer.h"
#include "front/ocsp_known.h"
#include "net/timer.h"
#include "tls/lists.h"
#include "tls/vetted.h"

enum {
    UNDER_WAY_MAX = 256, /* questions of one worker */
    FETCH_S = 5,
    LOOK_MS = 1000,
};
#define ANSWER_LIMIT ((size_t)64 * 1024)

/* A question under way, of one worker. */
struct question {
    struct question *next, **at;
    struct mu_ocsp *ocsp;
    struct mu_worker *worker;
    struct mu_known *known;
    size_t url; /* of its responders', the present one */
    struct mu_buf request;
    struct mu_fetch *fetch;
    struct asked *waiting;
    bool settling;
    struct mu_ocsp_task *task; /* it is the task's; NULL: of those who wait */
};

/* One connection's. */
struct asked {
    struct asked *next;
    struct mu_ocsp *ocsp;
    const struct mu_ocsp_door *door; /* until it is in */
    struct mu_known *known;          /* NULL: there is no room for it, or */
    bool trusted_itself; /* nobody has issued the certificate, so that there is nobody to ask */
    struct question *question; /* NULL: it has been answered, or nobody is asked */
    bool silence_is_fine;      /* it is let in without an answer */
    void (*wake)(void *arg);
    void *arg;
};

struct local {
    struct mu_worker *worker;
    struct question *questions; /* touched by that worker alone */
    unsigned count;
};

struct mu_ocsp {
    pthread_mutex_t lock; /* on all of it, but what is a worker's */
    struct mu_knowns knowns;
    struct local locals[MU_WORKERS_MAX];
    size_t local_count;
    struct mu_call *revoked;
    struct mu_ocsp_task *task;
};

struct mu_ocsp_task {
    struct mu_ocsp *ocsp;
    struct mu_worker *worker;
    struct mu_timer *timer;
    unsigned users;
};

/* --- Asking, in one worker's thread --- */

static struct local *local_of(struct mu_ocsp *ocsp, struct mu_worker *worker)
{
    pthread_mutex_lock(&ocsp->lock);
    size_t i = 0;
    while (i < ocsp->local_count && ocsp->locals[i].worker != worker)
        i++;
    if (i == ocsp->local_count) /* there are never more workers */
        ocsp->locals[ocsp->local_count++].worker = worker;
    pthread_mutex_unlock(&ocsp->lock);
    return &ocsp->locals[i];
}

static void leave_known(struct mu_ocsp *ocsp, struct mu_known *known)
{
    pthread_mutex_lock(&ocsp->lock);
    known->users--;
    pthread_mutex_unlock(&ocsp->lock);
}

static void question_free(struct question *q)
{
    struct local *local = local_of(q->ocsp, q->worker);
    *q->at = q->next;
    if (q->next != NULL)
        q->next->at = q->at;
    local->count--;
    mu_fetch_free(q->fetch);
    pthread_mutex_lock(&q->ocsp->lock);
    if (q->task != NULL)
        q->known->being_asked = false;
    pthread_mutex_unlock(&q->ocsp->lock);
    leave_known(q->ocsp, q->known);
    mu_buf_clear(&q->request);
    free(q);
}

/* Whoever waits is woken, and may go, or make others go. */
static void settle(struct question *q)
{
    q->settling = true;
    for (struct asked *asked; (asked = q->waiting) != NULL;) {
        q->waiting = asked->next;
        asked->question = NULL;
        asked->wake(asked->arg);
    }
    question_free(q);
}

static bool ask_next(struct question *q);

static void on_answer(void *arg, const struct mu_buf *answer, const char *why)
{
    struct question *q = arg;
    struct mu_error err = MU_ERROR_INIT;
    struct mu_ocsp_told what;
    char sentence[MU_ERROR_WHAT_LEN];
    const time_t now = time(NULL);
    bool good = answer != NULL && mu_ocsp_answer_read(answer, q->known->cert, q->known->issuer, now,
                                                      &what, &err) == 0;
    if (answer != NULL)
        why = err.what;
    mu_fetch_free(q->fetch);
    q->fetch = NULL;
    pthread_mutex_lock(&q->ocsp->lock);
    if (good)
        good = (why = mu_known_objection(q->known, &what)) == NULL;
    if (good)
        mu_known_note_answer(&q->ocsp->knowns, q->known, &what, now);
    else
        mu_known_note_failure(&q->ocsp->knowns, q->known, why, now);
    pthread_mutex_unlock(&q->ocsp->lock);
    if (good && what.single.state == MU_OCSP_REVOKED)
        mu_call_make(q->ocsp->revoked);
    if (!good) {
        snprintf(sentence, sizeof sentence, "the OCSP responder at %.300s gave no answer: %.150s",
                 q->known->urls.at[q->url], why);
        mu_worker_tell(q->worker, "ocsp-failed", sentence,
                       "look at the responder, and at the way to it");
    }
    q->url++;
    if (good || !ask_next(q))
        settle(q);
}

/* False: there is nobody left to be asked. */
static bool ask_next(struct question *q)
{
    const struct mu_known *known = q->known;
    pthread_mutex_lock(&q->ocsp->lock);
    while (q->url < known->urls.count && known->rights[q->url] == MU_FETCH_NEVER)
        q->url++;
    const enum mu_fetch_right right =
        q->url < known->urls.count ? known->rights[q->url] : MU_FETCH_NEVER;
    pthread_mutex_unlock(&q->ocsp->lock);
    if (right == MU_FETCH_NEVER)
        return false;
    const struct mu_fetch_order order = {
        .url = known->urls.at[q->url],
        .right = right,
        .body = q->request.data,
        .body_len = q->request.len,
        .type = "application/ocsp-request",
        .accept = "application/ocsp-response",
        .limit = ANSWER_LIMIT,
        .limit_s = FETCH_S,
    };
    q->fetch = mu_fetch_begin(q->worker, &order, on_answer, q);
    return q->fetch != NULL;
}

/*
 * Without a nonce: responders that sign beforehand have none to give back, and where an answer without one is good enough, whoever is
 * on the way can leave it out. Its dates bound how old it may be. [RFC 5019, RFC 9654 2.1]
 */
static bool write_request(const struct mu_known *known, struct mu_buf *ret)
{
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_ocsp_request) request = NULL;
    struct mu_cert *const own[] = {known->cert};
    const struct mu_certs certs = {.at = (struct mu_cert **)own, .count = 1};
    if (mu_ocsp_request_make(&certs, known->issuer, "sha1", false, &request, &ignored) != 0)
        return false;
    mu_ocsp_request_to_der(request, ret);
    return !mu_buf_failed(ret);
}

/* About `known`, whose user it becomes. NULL: nobody can be asked. */
static struct question *question_new(struct mu_ocsp *ocsp, struct mu_worker *worker,
                                     struct mu_known *known)
{
    struct local *local = local_of(ocsp, worker);
    struct question *q = local->count >= UNDER_WAY_MAX ? NULL : calloc(1, sizeof *q);
    if (q == NULL)
        return NULL;
    *q =
        (struct question){.ocsp = ocsp, .worker = worker, .known = known, .next = local->questions};
    q->at = &local->questions;
    if (q->next != NULL)
        q->next->at = &q->next;
    local->questions = q;
    local->count++;
    pthread_mutex_lock(&ocsp->lock);
    known->users++;
    pthread_mutex_unlock(&ocsp->lock);
    if (write_request(known, &q->request) && ask_next(q))
        return q;
    question_free(q);
    return NULL;
}

static struct question *find_question(struct mu_ocsp *ocsp, struct mu_worker *worker,
                                      const struct mu_known *known)
{
    struct question *q = local_of(ocsp, worker)->questions;
    while (q != NULL && (q->known != known || q->settling))
        q = q->next;
    return q;
}

/* --- For the doors --- */

static void join(struct asked *asked, struct question *q)
{
    if (q == NULL)
        return;
    asked->question = q;
    asked->next = q->waiting;
    q->waiting = asked;
}

static bool is_silence_fine(const struct mu_ocsp_door *door, const struct mu_vetted *client)
{
    const struct mu_cert *issuer = mu_vetted_issuer(client);
    return door->grace_s == MU_CRL_GRACE_OPEN ||
           (issuer != NULL && mu_tls_lists_speak_of(door->lists, mu_vetted_cert(client), issuer));
}

static void *on_join(void *arg, const struct mu_vetted *client)
{
    const struct mu_ocsp_door *door = arg;
    struct mu_ocsp *ocsp = door->ocsp;
    const struct mu_cert *issuer = mu_vetted_issuer(client);
    struct asked *asked = calloc(1, sizeof *asked);
    if (asked == NULL)
        return NULL;
    *asked = (struct asked){.ocsp = ocsp, .door = door, .trusted_itself = issuer == NULL};
    if (issuer == NULL)
        return asked;
    pthread_mutex_lock(&ocsp->lock);
    asked->known = mu_known_find_or_add(&ocsp->knowns, mu_vetted_cert(client), issuer, time(NULL));
    if (asked->known != NULL) {
        asked->known->users++;
        mu_known_allow(asked->known, door->hosts);
    }
    pthread_mutex_unlock(&ocsp->lock);
    return asked;
}

static bool is_worth_asking(const struct asked *asked)
{
    pthread_mutex_lock(&asked->ocsp->lock);
    const bool worth = mu_known_is_worth_asking(asked->known, !asked->silence_is_fine, time(NULL));
    pthread_mutex_unlock(&asked->ocsp->lock);
    return worth;
}

static void *on_ask(void *arg, struct mu_worker *worker, const struct mu_vetted *client,
                    void (*wake)(void *arg), void *wake_arg)
{
    struct asked *asked = on_join(arg, client);
    if (asked == NULL)
        return NULL;
    asked->silence_is_fine = is_silence_fine(asked->door, client);
    asked->wake = wake;
    asked->arg = wake_arg;
    if (asked->known == NULL || !is_worth_asking(asked))
        return asked;
    struct question *q = find_question(asked->ocsp, worker, asked->known);
    join(asked, q == NULL ? question_new(asked->ocsp, worker, asked->known) : q);
    return asked;
}

static void set_revoked(const struct mu_known *known, struct mu_refusal *ret)
{
    char date[MU_DATE_LEN];
    mu_refusal_revoked(ret, known->cert);
    snprintf(ret->cause, sizeof ret->cause, "by OCSP, since %s: %s",
             mu_date(known->what.single.revoked_at, date),
             mu_reason_name(known->what.single.reason));
}

static void set_unconfirmed(const struct asked *asked, struct mu_refusal *ret)
{
    mu_refusal_set(ret, MU_REFUSAL_UNCONFIRMED);
    mu_str_copy(ret->cause, sizeof ret->cause,
                asked->trusted_itself
                    ? "its certificate is trusted itself, and no CA's responder speaks for it"
                    : mu_known_why_not(asked->known));
}

/* The last answer that there was. */
static bool counts(const struct mu_known *known, int64_t grace_s, time_t now)
{
    const time_t until =
        known->what.next_update == 0 ? known->fresh_until : known->what.next_update;
    return known->told && known->what.single.state == MU_OCSP_GOOD &&
           (grace_s == MU_CRL_GRACE_OPEN || now <= until + grace_s);
}

static enum mu_vouch decide(const struct asked *asked, struct mu_refusal *ret)
{
    const struct mu_ocsp_door *door = asked->door;
    const struct mu_known *known = asked->known;
    if (known != NULL && known->told && known->what.single.state == MU_OCSP_REVOKED) {
        set_revoked(known, ret);
        return MU_VOUCH_BAD;
    }
    if (asked->silence_is_fine || (known != NULL && counts(known, door->grace_s, time(NULL))))
        return MU_VOUCH_GOOD;
    set_unconfirmed(asked, ret);
    return MU_VOUCH_BAD;
}

static enum mu_vouch on_answered(void *question, struct mu_refusal *ret)
{
    const struct asked *asked = question;
    struct mu_ocsp *ocsp = asked->ocsp;
    if (asked->question != NULL)
        return MU_VOUCH_WAIT;
    pthread_mutex_lock(&ocsp->lock);
    const enum mu_vouch answer = decide(asked, ret);
    pthread_mutex_unlock(&ocsp->lock);
    return answer;
}

static void on_give_up(void *question)
{
    struct asked *asked = question;
    struct question *q = asked->question;
    if (q == NULL)
        return;
    struct asked **at = &q->waiting;
    while (*at != asked)
        at = &(*at)->next;
    *at = asked->next;
    asked->question = NULL;
    if (q->waiting == NULL && q->task == NULL && !q->settling)
        question_free(q);
}

static void on_leave(void *question)
{
    struct asked *asked = question;
    on_give_up(asked);
    if (asked->known != NULL)
        leave_known(asked->ocsp, asked->known);
    free(asked);
}

struct mu_voucher mu_ocsp_voucher(struct mu_ocsp_door *door)
{
    return (struct mu_voucher){.ask = on_ask,
                               .answer = on_answered,
                               .give_up = on_give_up,
                               .join = on_join,
                               .leave = on_leave,
                               .arg = door};
}

void mu_ocsp_forbid_others(struct mu_ocsp *ocsp, const struct mu_strs *hosts)
{
    pthread_mutex_lock(&ocsp->lock);
    mu_knowns_forbid_others(&ocsp->knowns, hosts);
    pthread_mutex_unlock(&ocsp->lock);
}

bool mu_ocsp_revokes(struct mu_ocsp *ocsp, const struct mu_cert *client, struct mu_refusal *ret)
{
    unsigned char sha256[32];
    if (!atomic_load_explicit(&ocsp->knowns.any_revoked, memory_order_relaxed))
        return false;
    mu_cert_sha256(client, sha256);
    pthread_mutex_lock(&ocsp->lock);
    const struct mu_known *known = mu_known_find(&ocsp->knowns, sha256);
    const bool revoked = known != NULL && mu_known_is_barred(known, time(NULL));
    if (revoked)
        set_revoked(known, ret);
    pthread_mutex_unlock(&ocsp->lock);
    return revoked;
}

/* --- For those who are connected --- */

static void on_look(void *arg)
{
    struct mu_ocsp_task *task = arg;
    struct mu_ocsp *ocsp = task->ocsp;
    struct mu_known *due[MU_KNOWN_AT_ONCE];
    pthread_mutex_lock(&ocsp->lock);
    const size_t count = mu_knowns_due(&ocsp->knowns, time(NULL), due);
    pthread_mutex_unlock(&ocsp->lock);
    for (size_t i = 0; i < count; i++) {
        struct question *q = find_question(ocsp, task->worker, due[i]) != NULL
                                 ? NULL
                                 : question_new(ocsp, task->worker, due[i]);
        pthread_mutex_lock(&ocsp->lock);
        if (q != NULL)
            q->task = task;
        else
            due[i]->being_asked = false;
        due[i]->users--;
        pthread_mutex_unlock(&ocsp->lock);
    }
}

struct mu_ocsp_task *mu_ocsp_begin(struct mu_ocsp *ocsp, struct mu_worker *worker)
{
    if (ocsp->task != NULL) {
        ocsp->task->users++;
        return ocsp->task;
    }
    struct mu_ocsp_task *task = calloc(1, sizeof *task);
    if (task == NULL)
        return NULL;
    *task = (struct mu_ocsp_task){.ocsp = ocsp, .worker = worker, .users = 1};
    task->timer = mu_timer_start(worker, LOOK_MS, on_look, task);
    return ocsp->task = task;
}

/* Somebody waits for what the task has asked. */
static void leave_to_others(struct question *q)
{
    pthread_mutex_lock(&q->ocsp->lock);
    q->known->being_asked = false;
    pthread_mutex_unlock(&q->ocsp->lock);
    q->task = NULL;
}

void mu_ocsp_end(struct mu_ocsp_task *task)
{
    if (task == NULL || --task->users > 0)
        return;
    task->ocsp->task = NULL;
    mu_timer_free(task->timer);
    for (struct question *q = local_of(task->ocsp, task->worker)->questions, *next; q != NULL;
         q = next) {
        next = q->next;
        if (q->task == task && q->waiting == NULL)
            question_free(q);
        else if (q->task == task)
            leave_to_others(q);
    }
    free(task);
}

void mu_ocsp_count(struct mu_ocsp *ocsp, struct mu_ocsp_count *ret)
{
    pthread_mutex_lock(&ocsp->lock);
    *ret = ocsp->knowns.count;
    pthread_mutex_unlock(&ocsp->lock);
}

/* --- Life --- */

int mu_ocsp_new(struct mu_ocsp **ret, struct mu_error *err)
{
    struct mu_ocsp *ocsp = calloc(1, sizeof *ocsp);
    if (ocsp == NULL)
        return mu_fail_nomem(err);
    pthread_mutex_init(&ocsp->lock, NULL);
    *ret = ocsp;
    return 0;
}

void mu_ocsp_on_revoked(struct mu_ocsp *ocsp, struct mu_call *revoked)
{
    ocsp->revoked = revoked;
}

void mu_ocsp_free(struct mu_ocsp *ocsp)
{
    if (ocsp == NULL)
        return;
    mu_knowns_clear(&ocsp->knowns);
    pthread_mutex_destroy(&ocsp->lock);
    free(ocsp);
}
