#include "explain/probe_url.h"

#include <stdlib.h>

#include "explain/clock.h"
#include "explain/file.h"
#include "explain/probe_judge.h"

/* What the options named, read once more for use: what is wrong with the files, mu_explain_sides() has told. */
struct material {
    struct mu_file cert, key;
    struct mu_certs chain;        /* ours, leaf first */
    const struct mu_key *own_key; /* NULL: there is none, or none that belongs to it */
    struct mu_certs trusted, server, known;
    struct mu_file *lists;
    size_t list_count;
    struct mu_crl **crls;
    size_t crl_count;
};

static void material_clear(struct material *material)
{
    mu_file_clear(&material->cert);
    mu_file_clear(&material->key);
    mu_certs_clear(&material->chain);
    mu_certs_clear(&material->trusted);
    mu_certs_clear(&material->server);
    mu_certs_clear(&material->known);
    for (size_t i = 0; i < material->list_count; i++)
        mu_file_clear(&material->lists[i]);
    free(material->lists);
    free(material->crls);
}
MU_AUTO_DEFINE_CLEAR(material, material_clear)

static int read_as(const char *path, enum mu_role role, const struct mu_sides *sides,
                   struct mu_file *ret, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_report) told = {0};
    const struct mu_reading how = {.role = role, .source = sides->source};
    return path == NULL ? 0 : mu_file_read_as(path, &how, ret, &told, err);
}

static int read_certs(const char *path, enum mu_role role, const struct mu_sides *sides,
                      struct mu_certs *ret, struct material *material, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_file) file = {0};
    return read_as(path, role, sides, &file, err) != 0 ||
                   (ret != NULL && mu_certs_add_new(ret, &file.certs, err) != 0) ||
                   mu_certs_add_new(&material->known, &file.certs, err) != 0
               ? -1
               : 0;
}

static bool belongs(const struct mu_cert *cert, const struct mu_key *key)
{
    struct mu_error ignored = MU_ERROR_INIT;
    return key != NULL && mu_cert_match_key(cert, key, "", "", &ignored) == 0;
}

/* As a program would use the pair, but with the leaf first, wherever it stands. */
static int read_pair(const struct mu_sides *sides, struct material *material, struct mu_error *err)
{
    const struct mu_side *client = &sides->client;
    if (read_as(client->cert, MU_ROLE_CERT, sides, &material->cert, err) != 0 ||
        read_as(client->key, MU_ROLE_KEY, sides, &material->key, err) != 0)
        return -1;
    const struct mu_certs *certs = &material->cert.certs;
    const struct mu_key *key = material->key.key != NULL ? material->key.key : material->cert.key;
    size_t leaf = 0;
    for (size_t i = 0; i < certs->count; i++)
        if (belongs(certs->at[i], key)) {
            material->own_key = key;
            leaf = i;
            break;
        }
    for (size_t i = 0; i < certs->count; i++) {
        size_t place = i == 0 ? leaf : i <= leaf ? i - 1 : i;
        if (mu_certs_add(&material->chain, mu_cert_ref(certs->at[place]), err) != 0)
            return -1;
    }
    return mu_certs_add_new(&material->known, certs, err);
}

static int read_lists(const struct mu_sides *sides, struct material *material, struct mu_error *err)
{
    enum { PER_FILE = 64 };
    size_t count = sides->client.crls.count;
    if (count == 0)
        return 0;
    material->lists = calloc(count, sizeof *material->lists);
    material->crls = calloc(count * PER_FILE, sizeof(struct mu_crl *));
    if (material->lists == NULL || material->crls == NULL)
        return mu_fail_nomem(err);
    for (size_t i = 0; i < count; i++) {
        material->list_count = i + 1;
        if (read_as(sides->client.crls.at[i], MU_ROLE_CRL, sides, &material->lists[i], err) != 0)
            return -1;
        material->crl_count +=
            mu_file_crls(&material->lists[i], material->crls + material->crl_count, PER_FILE);
    }
    return 0;
}

static int read_material(const struct mu_sides *sides, struct material *material,
                         struct mu_error *err)
{
    if (read_pair(sides, material, err) != 0 || read_lists(sides, material, err) != 0 ||
        read_certs(sides->server.cert, MU_ROLE_CERT, sides, &material->server, material, err) != 0)
        return -1;
    for (size_t i = 0; i < sides->client.cas.count; i++)
        if (read_certs(sides->client.cas.at[i], MU_ROLE_CAS, sides, &material->trusted, material,
                       err) != 0)
            return -1;
    for (size_t i = 0; i < sides->server.cas.count; i++)
        if (read_certs(sides->server.cas.at[i], MU_ROLE_CAS, sides, NULL, material, err) != 0)
            return -1;
    for (size_t i = 0; i < sides->others.count; i++)
        if (read_certs(sides->others.at[i], MU_ROLE_ANY, sides, NULL, material, err) != 0)
            return -1;
    return 0;
}

static bool anything_given(const struct mu_sides *sides)
{
    return sides->client.cert != NULL || sides->client.key != NULL || sides->client.cas.count > 0 ||
           sides->client.crls.count > 0 || sides->server.cert != NULL ||
           sides->server.key != NULL || sides->server.cas.count > 0 || sides->server.crls.count > 0;
}

/* By the clock none of the certificates is valid, those of the server's that it has shown included: then it is the clock. The rest is
 * judged as if it were right. */
static int check_clock(const struct material *material, struct mu_probe_facts *facts,
                       struct mu_report *report, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_certs) all = {0};
    const struct mu_certs *shown = &facts->ours.seen.presented;
    if (shown->count == 0)
        return 0;
    return mu_certs_add_new(&all, &material->known, err) != 0 ||
                   mu_certs_add_new(&all, shown, err) != 0 ||
                   mu_check_clock(&all, facts->now, report, &facts->now, err) != 0
               ? -1
               : 0;
}

int mu_explain_url(const struct mu_probe_url *what, struct mu_report *report, struct mu_error *err)
{
    const struct mu_sides *sides = what->sides;
    MU_AUTO_CLEAR(material) material = {0};
    MU_AUTO_CLEAR(mu_probe_facts) facts = {0};
    struct mu_probe probe = {
        .host = what->url->host,
        .port = what->url->port,
        .path = what->url->path,
        .name = what->name != NULL ? what->name : what->url->host,
        .connect_host = what->connect != NULL ? what->connect->host : NULL,
        .connect_port = what->connect != NULL ? what->connect->port : 0,
        .chain = &material.chain,
        .known = &material.known,
        .alpn = what->alpn,
        .only_tls12 = sides->tls12_only,
        .max_ms = what->max_ms,
    };
    mu_probe_place(&probe, report->at);
    if ((anything_given(sides) && mu_explain_sides(sides, report, err) != 0) ||
        read_material(sides, &material, err) != 0)
        return -1;
    probe.key = material.own_key;
    if (mu_probe_gather(&probe, &facts, err) != 0)
        return -1;
    if (sides->at != 0)
        facts.now = sides->at;
    if (check_clock(&material, &facts, report, err) != 0)
        return -1;
    const struct mu_probe_case of = {
        .probe = &probe,
        .facts = &facts,
        .cert_file = sides->client.cert,
        .trusted = &material.trusted,
        .trust_file = sides->client.cas.count > 0 ? sides->client.cas.at[0] : NULL,
        .crls = material.crls,
        .crl_count = material.crl_count,
        .crl_file = sides->client.crls.count > 0 ? sides->client.crls.at[0] : NULL,
        .server_known = &material.server,
        .server_file = sides->server.cert,
        .server_trust_known = sides->server.cas.count > 0,
    };
    if (mu_probe_judge(&of, report, err) != 0)
        return -1;
    mu_report_finish(report);
    return 0;
}
