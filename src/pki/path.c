#include "pki/path.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "pki/ossl.h"

struct node {
    X509 *x;
    size_t place; /* in the order given */
    bool anchor, on_path;
};

/* Did `parent` issue `child`? Each pair is asked about once. */
struct answer {
    const X509 *child, *parent;
    bool issued;
};

struct search {
    struct node *nodes; /* the anchors come first, so that the short ways do */
    size_t count;
    struct answer answers[MU_PATH_SIGNATURES_MAX];
    X509 *path[MU_PATH_CAS_MAX + 2];
    size_t len, len_max;
    mu_path_fn *offer;
    void *arg;
    struct mu_path_work *work;
};

static void gather(struct search *s, const struct mu_certs *certs, bool anchor)
{
    for (size_t i = 0; certs != NULL && i < certs->count; i++, s->count++)
        s->nodes[s->count] =
            (struct node){.x = mu_cert_x509(certs->at[i]), .place = s->count, .anchor = anchor};
}

static int by_place(const void *a, const void *b)
{
    const struct node *one = a, *other = b;
    return (one->place > other->place) - (one->place < other->place);
}

static int by_content(const void *a, const void *b)
{
    const struct node *one = a, *other = b;
    int order = X509_cmp(one->x, other->x);
    return order != 0 ? order : by_place(a, b);
}

/* Each once: what is an anchor is not untrusted as well. */
static void drop_doubles(struct search *s)
{
    size_t kept = 0;
    qsort(s->nodes, s->count, sizeof *s->nodes, by_content);
    for (size_t i = 0; i < s->count; i++)
        if (kept == 0 || X509_cmp(s->nodes[kept - 1].x, s->nodes[i].x) != 0)
            s->nodes[kept++] = s->nodes[i];
    s->count = kept;
    qsort(s->nodes, s->count, sizeof *s->nodes, by_place);
}

/* Does `child` name the key of `parent` as its issuer's? */
static bool is_hinted(X509 *child, X509 *parent)
{
    const ASN1_OCTET_STRING *wanted = X509_get0_authority_key_id(child);
    const ASN1_OCTET_STRING *has = X509_get0_subject_key_id(parent);
    return wanted != NULL && has != NULL && ASN1_OCTET_STRING_cmp(wanted, has) == 0;
}

/* The same CA again, under whatever certificate: nothing is gained by going round. [RFC 4158 2.4.2] */
static bool is_on_path(const struct search *s, X509 *x)
{
    EVP_PKEY *key = X509_get0_pubkey(x);
    for (size_t i = 1; i < s->len; i++)
        if (X509_NAME_cmp(X509_get_subject_name(s->path[i]), X509_get_subject_name(x)) == 0 &&
            EVP_PKEY_eq(X509_get0_pubkey(s->path[i]), key) == 1)
            return true;
    return false;
}

static bool verifies(struct search *s, X509 *child, X509 *parent)
{
    for (size_t i = 0; i < s->work->signatures; i++)
        if (s->answers[i].child == child && s->answers[i].parent == parent)
            return s->answers[i].issued;
    if (s->work->signatures == MU_PATH_SIGNATURES_MAX) {
        s->work->exhausted = true;
        return false;
    }
    bool issued = X509_verify(child, X509_get0_pubkey(parent)) == 1;
    s->answers[s->work->signatures++] =
        (struct answer){.child = child, .parent = parent, .issued = issued};
    return issued;
}

static bool may_have_issued(X509 *child, X509 *parent)
{
    return X509_NAME_cmp(X509_get_issuer_name(child), X509_get_subject_name(parent)) == 0 &&
           X509_get0_pubkey(parent) != NULL;
}

static bool offer_path(struct search *s)
{
    if (s->work->ways == MU_PATH_WAYS_MAX) {
        s->work->exhausted = true;
        return false;
    }
    s->work->ways++;
    return s->offer(s->path, s->len, s->arg);
}

static bool walk(struct search *s);

/* Go on from the end of the path through `node`. True: the way was found. */
static bool step_to(struct search *s, struct node *node)
{
    X509 *last = s->path[s->len - 1];
    if (++s->work->steps > MU_PATH_STEPS_MAX)
        s->work->exhausted = true;
    if (s->work->exhausted || node->on_path || is_on_path(s, node->x) || !verifies(s, last, node->x))
        return false;
    if (s->len == s->len_max || (s->len + 1 == s->len_max && !node->anchor)) {
        s->work->cut = true; /* there would be no room left for the anchor */
        return false;
    }
    s->path[s->len++] = node->x;
    node->on_path = true;
    bool found = node->anchor ? offer_path(s) : walk(s);
    node->on_path = false;
    s->len--;
    return found;
}

/* From the end of the path: first those whose key it names, then those of the right name alone. */
static bool walk(struct search *s)
{
    X509 *last = s->path[s->len - 1];
    for (int hinted = 1; hinted >= 0; hinted--)
        for (size_t i = 0; i < s->count && !s->work->exhausted; i++)
            if (may_have_issued(last, s->nodes[i].x) &&
                is_hinted(last, s->nodes[i].x) == (hinted == 1) && step_to(s, &s->nodes[i]))
                return true;
    return false;
}

static void start(struct search *s, X509 *leaf)
{
    s->path[s->len++] = leaf;
    for (size_t i = 0; i < s->count; i++) {
        s->nodes[i].on_path = X509_cmp(s->nodes[i].x, leaf) == 0;
        if (!s->nodes[i].on_path || !s->nodes[i].anchor)
            continue;
        s->work->ways++;
        if (s->offer(s->path, s->len, s->arg))
            return;
    }
    walk(s);
}

int mu_path_search(X509 *leaf, const struct mu_certs *anchors, const struct mu_certs *untrusted,
                   int cas_max, mu_path_fn *offer, void *arg, struct mu_path_work *ret,
                   struct mu_error *err)
{
    size_t most =
        (anchors == NULL ? 0 : anchors->count) + (untrusted == NULL ? 0 : untrusted->count);
    struct search *s = calloc(1, sizeof *s);
    struct node *nodes = calloc(most + 1, sizeof *nodes);
    *ret = (struct mu_path_work){0};
    if (s == NULL || nodes == NULL) {
        free(s);
        free(nodes);
        return mu_fail_nomem(err);
    }
    *s = (struct search){.nodes = nodes, .offer = offer, .arg = arg, .work = ret};
    s->len_max = (size_t)(cas_max < 0 || cas_max > MU_PATH_CAS_MAX ? MU_PATH_CAS_MAX : cas_max) + 2;
    ERR_set_mark();
    gather(s, anchors, true);
    gather(s, untrusted, false);
    drop_doubles(s);
    start(s, leaf);
    ERR_pop_to_mark(); /* the signatures that did not verify */
    free(nodes);
    free(s);
    return 0;
}
