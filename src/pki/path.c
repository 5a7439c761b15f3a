#include "pki/path.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "pki/ossl.h"

enum { KEY_DIGEST_LEN = 32 };

struct node {
    X509 *x;
    size_t place; /* in the order given */
    bool anchor, on_path;
    unsigned char key[KEY_DIGEST_LEN]; /* SHA-256 of the SubjectPublicKeyInfo */
};

/* Has this key signed `child`? Asked once, however many certificates the key has. */
struct answer {
    const X509 *child;
    const unsigned char *key;
    bool signed_it;
};

struct search {
    struct node *nodes; /* the anchors come first, so that the short ways do */
    size_t count;
    struct answer answers[MU_PATH_SIGNATURES_MAX];
    X509 *path[MU_PATH_CAS_MAX + 2];
    const unsigned char *keys[MU_PATH_CAS_MAX + 2]; /* of those above the leaf */
    size_t len, len_now; /* of the ways that are looked for at the moment, with both ends */
    bool more;           /* there may be longer ones */
    bool hinted_only;    /* at first */
    size_t unhinted;     /* steps on the path that no key identifier has told of */
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

/* Without a digest a key has signed nothing that matters: it cannot be read. */
static void digest_keys(struct search *s)
{
    for (size_t i = 0; i < s->count; i++) {
        unsigned char *der = NULL;
        int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(s->nodes[i].x), &der);
        if (len > 0)
            EVP_Digest(der, (size_t)len, s->nodes[i].key, NULL, EVP_sha256(), NULL);
        OPENSSL_free(der);
    }
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
static bool is_on_path(const struct search *s, const struct node *node)
{
    for (size_t i = 1; i < s->len; i++)
        if (memcmp(s->keys[i], node->key, KEY_DIGEST_LEN) == 0 &&
            X509_NAME_cmp(X509_get_subject_name(s->path[i]), X509_get_subject_name(node->x)) == 0)
            return true;
    return false;
}

static bool verifies(struct search *s, X509 *child, const struct node *parent)
{
    for (size_t i = 0; i < s->work->signatures; i++)
        if (s->answers[i].child == child &&
            memcmp(s->answers[i].key, parent->key, KEY_DIGEST_LEN) == 0)
            return s->answers[i].signed_it;
    if (s->work->signatures == MU_PATH_SIGNATURES_MAX) {
        s->work->exhausted = true;
        return false;
    }
    bool signed_it = X509_verify(child, X509_get0_pubkey(parent->x)) == 1;
    s->answers[s->work->signatures++] =
        (struct answer){.child = child, .key = parent->key, .signed_it = signed_it};
    return signed_it;
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

/* With hints only it was offered before. */
static bool end_at_anchor(struct search *s)
{
    return (s->hinted_only || s->unhinted > 0) && offer_path(s);
}

/* Go on from the end of the path through `node`. True: the way was found. */
static bool step_to(struct search *s, struct node *node, bool hinted)
{
    bool last_step = s->len + 1 == s->len_now;
    if (node->on_path || node->anchor != last_step) {
        s->more = s->more || (last_step && !node->on_path); /* an anchor earlier was found before */
        return false;
    }
    if (++s->work->steps > MU_PATH_STEPS_MAX)
        s->work->exhausted = true;
    if (s->work->exhausted || is_on_path(s, node) || !verifies(s, s->path[s->len - 1], node))
        return false;
    s->keys[s->len] = node->key;
    s->path[s->len++] = node->x;
    s->unhinted += !hinted;
    node->on_path = true;
    bool found = node->anchor ? end_at_anchor(s) : walk(s);
    node->on_path = false;
    s->unhinted -= !hinted;
    s->len--;
    return found;
}

/* From the end of the path: to those whose key it names, or of the right name alone. */
static bool walk(struct search *s)
{
    X509 *last = s->path[s->len - 1];
    s->work->looks += s->count;
    s->work->exhausted = s->work->exhausted || s->work->looks > MU_PATH_LOOKS_MAX;
    for (size_t i = 0; i < s->count && !s->work->exhausted; i++) {
        struct node *node = &s->nodes[i];
        if (!may_have_issued(last, node->x))
            continue;
        bool hinted = is_hinted(last, node->x);
        if ((hinted || !s->hinted_only) && step_to(s, node, hinted))
            return true;
    }
    return false;
}

/* All ways of one length after all that are shorter. */
static bool search_by_length(struct search *s, size_t len_max)
{
    for (s->more = true, s->len_now = 2; s->more && s->len_now <= len_max; s->len_now++) {
        s->more = false;
        if (walk(s))
            return true;
    }
    return false;
}

/*
 * First along the key identifiers, as honest CAs have them, then by names alone; and the short ways first: in a thicket
 * of CAs that have signed for each other the first way into the depth may be without end. What was verified before is not
 * verified again.
 */
static void start(struct search *s, X509 *leaf, size_t len_max)
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
    for (int hinted_only = 1; hinted_only >= 0 && !s->work->exhausted; hinted_only--) {
        s->hinted_only = hinted_only == 1;
        if (search_by_length(s, len_max))
            return;
    }
    s->work->cut = s->more; /* there would be no room left for the anchor */
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
    ERR_set_mark();
    gather(s, anchors, true);
    gather(s, untrusted, false);
    drop_doubles(s);
    digest_keys(s);
    start(s, leaf,
          (size_t)(cas_max < 0 || cas_max > MU_PATH_CAS_MAX ? MU_PATH_CAS_MAX : cas_max) + 2);
    ERR_pop_to_mark(); /* the signatures that did not verify */
    free(nodes);
    free(s);
    return 0;
}
