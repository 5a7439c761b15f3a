/* What each side has: its files, read, and held against each other. */

#include "explain/sides_table.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"

static void side_clear(struct mu_sides_side *side)
{
    mu_file_clear(&side->cert);
    mu_file_clear(&side->key);
    mu_certs_clear(&side->trusted);
    mu_certs_clear(&side->presented);
    for (size_t i = 0; i < side->crl_file_count; i++)
        mu_file_clear(&side->crl_files[i]);
    free(side->crl_files);
    free(side->crls);
}

void mu_sides_table_clear(struct mu_sides_table *table)
{
    side_clear(&table->client);
    side_clear(&table->server);
    mu_certs_clear(&table->known);
}

int mu_sides_note(struct mu_sides_table *table, size_t before, const char *what,
                  struct mu_error *err)
{
    enum mu_mark mark = MU_MARK_GOOD;
    for (size_t i = before; i < table->report->count; i++)
        if (table->report->findings[i].gravity == MU_GRAVITY_FAULT)
            mark = MU_MARK_BAD;
        else if (mark == MU_MARK_GOOD)
            mark = MU_MARK_ODD;
    return mu_report_check(table->report, mark, err, "%s", what);
}

/* --- Reading --- */

static int read_file(struct mu_sides_table *table, const struct mu_sides_side *side,
                     const char *path, enum mu_role role, struct mu_file *ret, struct mu_error *err)
{
    const struct mu_reading how = {.role = role,
                                   .whose = side->party,
                                   .source = table->sides->source};
    if (mu_file_read_as(path, &how, ret, table->report, err) != 0)
        return -1;
    return mu_certs_add_new(&table->known, &ret->certs, err);
}

static int read_cas(struct mu_sides_table *table, struct mu_sides_side *side, struct mu_error *err)
{
    for (size_t i = 0; i < side->given->cas.count; i++) {
        MU_AUTO_CLEAR(mu_file) file = {0};
        char what[MU_SIDES_WHAT_LEN];
        size_t before = table->report->count;
        if (read_file(table, side, side->given->cas.at[i], MU_ROLE_CAS, &file, err) != 0 ||
            mu_file_judge_role(&file, NULL, table->report, err) != 0 ||
            mu_certs_add_new(&side->trusted, &file.certs, err) != 0)
            return -1;
        if (file.is_container && file.locked && file.certs.count == 0 &&
            mu_report_leave_open(table->report, err,
                                 "the PKCS#12 container %s is closed, so that the CAs in it were not "
                                 "looked at: give its passphrase with --passphrase-file",
                                 file.name) != 0)
            return -1;
        snprintf(what, sizeof what, "the %s's trusted CAs: %s holds %s", side->name, file.name,
                 *file.what != '\0' ? file.what : "nothing that can be used");
        if (mu_sides_note(table, before, what, err) != 0)
            return -1;
    }
    return 0;
}

static int read_crls(struct mu_sides_table *table, struct mu_sides_side *side, struct mu_error *err)
{
    enum { PER_FILE = 64 };
    size_t count = side->given->crls.count;
    if (count == 0)
        return 0;
    side->crl_files = calloc(count, sizeof *side->crl_files);
    side->crls = calloc(count * PER_FILE, sizeof(struct mu_crl *));
    if (side->crl_files == NULL || side->crls == NULL)
        return mu_fail_nomem(err);
    for (size_t i = 0; i < count; i++) {
        struct mu_file *file = &side->crl_files[i];
        side->crl_file_count = i + 1;
        if (read_file(table, side, side->given->crls.at[i], MU_ROLE_CRL, file, err) != 0 ||
            mu_file_judge_role(file, NULL, table->report, err) != 0)
            return -1;
        side->crl_count += mu_file_crls(file, side->crls + side->crl_count, PER_FILE);
    }
    return 0;
}

/* --- The pair --- */

/* The certificate that the key belongs to, by its place in the file; or count: none. */
static size_t place_of_key(const struct mu_certs *certs, const struct mu_key *key)
{
    for (size_t i = 0; i < certs->count; i++) {
        struct mu_error ignored = MU_ERROR_INIT;
        if (mu_cert_match_key(certs->at[i], key, "", "", &ignored) == 0)
            return i;
    }
    return certs->count;
}

/* Leaf first, the others behind it as they stand in the file. */
static int present(struct mu_sides_side *side, size_t leaf, struct mu_error *err)
{
    const struct mu_certs *certs = &side->cert.certs;
    if (mu_certs_add(&side->presented, mu_cert_ref(certs->at[leaf]), err) != 0)
        return -1;
    for (size_t i = 0; i < certs->count; i++)
        if (i != leaf && mu_certs_add(&side->presented, mu_cert_ref(certs->at[i]), err) != 0)
            return -1;
    return 0;
}

static size_t first_leaf(const struct mu_certs *certs)
{
    for (size_t i = 0; i < certs->count; i++)
        if (!mu_cert_is_ca(certs->at[i]))
            return i;
    return 0;
}

static struct mu_finding about_pair(const struct mu_sides_side *side, enum mu_cause_id cause)
{
    char label[MU_CERT_LABEL_LEN];
    struct mu_finding finding =
        mu_finding_of(cause, MU_GRAVITY_FAULT, MU_PHASE_FILE, side->cert.name,
                      side->cert.certs.count > 0 ? mu_cert_label(side->cert.certs.at[0], label)
                                                 : NULL,
                      NULL);
    mu_finding_hold(&finding, mu_holder_of(side->party));
    mu_str_copy(finding.key, sizeof finding.key, side->key.name);
    finding.refuser = side->party == MU_PARTY_SERVER ? MU_REFUSER_SERVER : MU_REFUSER_CLIENT;
    return finding;
}

static int tell_order(struct mu_sides_table *table, const struct mu_sides_side *side, size_t leaf,
                      struct mu_error *err)
{
    char first[MU_CERT_LABEL_LEN], label[MU_CERT_LABEL_LEN];
    struct mu_finding finding = about_pair(side, MU_CAUSE_bundle_wrong_order);
    return mu_report_add(
        table->report, &finding, err,
        "in %s the certificate \"%.200s\"%s stands before the %s's own, \"%.200s\": programs take "
        "the first one for their own, and say that the key does not match",
        side->cert.name, mu_cert_label(side->cert.certs.at[0], first),
        mu_cert_is_ca(side->cert.certs.at[0]) ? " of a CA" : "", side->name,
        mu_cert_label(side->cert.certs.at[leaf], label));
}

static int tell_mismatch(struct mu_sides_table *table, const struct mu_sides_side *side,
                         const char *key_name, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    struct mu_finding finding = about_pair(side, MU_CAUSE_key_mismatch);
    snprintf(finding.raw, sizeof finding.raw, "key values mismatch");
    return mu_report_add(table->report, &finding, err,
                         "the private key in %s does not belong to the certificate \"%.200s\" in %s",
                         key_name, mu_cert_label(side->cert.certs.at[0], label), side->cert.name);
}

static int check_pair(struct mu_sides_table *table, struct mu_sides_side *side, struct mu_error *err)
{
    const struct mu_certs *certs = &side->cert.certs;
    bool in_one = side->given->key == NULL || mu_str_equal(side->given->key, side->given->cert);
    const struct mu_file *holder = in_one ? &side->cert : &side->key;
    size_t leaf = first_leaf(certs);
    if (holder->key != NULL) {
        size_t place = place_of_key(certs, holder->key);
        if (place > 0 && place < certs->count && tell_order(table, side, place, err) != 0)
            return -1;
        if (place == certs->count && tell_mismatch(table, side, holder->name, err) != 0)
            return -1;
        leaf = place < certs->count ? place : leaf;
    } else if (mu_certs_misordered(certs) && tell_order(table, side, leaf, err) != 0) {
        return -1;
    }
    return present(side, leaf, err);
}

/* A container, given alone, has to have the key in it. */
static int check_container(struct mu_sides_table *table, const struct mu_sides_side *side,
                           struct mu_error *err)
{
    struct mu_finding finding = about_pair(side, MU_CAUSE_pkcs12_no_key);
    if (!side->cert.is_container || side->cert.locked || side->cert.key != NULL ||
        side->given->key != NULL)
        return 0;
    return mu_report_add(
        table->report, &finding, err,
        "the container %s holds certificates and no private key: a program that is given it has "
        "nothing to present, and sends nothing",
        side->cert.name);
}

/* The same file is named for both. */
static int check_key_is_there(struct mu_sides_table *table, const struct mu_sides_side *side,
                              struct mu_error *err)
{
    struct mu_finding finding = about_pair(side, MU_CAUSE_cert_key_swapped);
    if (side->cert.objects.count == 0 || side->cert.key != NULL || side->cert.locked ||
        side->cert.is_container)
        return 0;
    return mu_report_add(table->report, &finding, err,
                         "%s is named for the certificate and for the key, and holds no private key",
                         side->cert.name);
}

/* What nobody could look at. A server without its key does not start, and says so; a client without one has nothing that it
 * could present, and says nothing. */
static int note_open(struct mu_sides_table *table, const struct mu_sides_side *side,
                     struct mu_error *err)
{
    const struct mu_file *cert = &side->cert;
    const bool closed = cert->is_container && cert->locked && cert->certs.count == 0;
    const bool keyless = side->given->key == NULL && cert->certs.count > 0 && cert->key == NULL &&
                         !cert->locked && !cert->is_container;
    if (closed && !mu_report_has(table->report, MU_CAUSE_pkcs12_wrong_password) &&
        !mu_report_has(table->report, MU_CAUSE_pkcs12_legacy))
        return mu_report_leave_open(
            table->report, err,
            "the PKCS#12 container %s is closed, so that the %s's certificate in it was not looked at: "
            "give its passphrase with --passphrase-file",
            cert->name, side->name);
    if (keyless && side->party == MU_PARTY_SERVER)
        return mu_report_check(table->report, MU_MARK_UNKNOWN, err,
                               "the server's key: not given (--server-key)");
    return keyless
               ? mu_report_leave_open(
                     table->report, err,
                     "no key was given to go with the client's certificate %s, and a client that "
                     "has none presents nothing: give it with --key",
                     cert->name)
               : 0;
}

int mu_sides_read(struct mu_sides_table *table, struct mu_sides_side *side, struct mu_error *err)
{
    size_t before = table->report->count;
    const struct mu_side *given = side->given;
    char what[MU_SIDES_WHAT_LEN];
    bool own_key =
        given->key != NULL && (given->cert == NULL || !mu_str_equal(given->key, given->cert));
    if (given->cert != NULL &&
        read_file(table, side, given->cert, MU_ROLE_CERT, &side->cert, err) != 0)
        return -1;
    if (own_key && read_file(table, side, given->key, MU_ROLE_KEY, &side->key, err) != 0)
        return -1;
    if (given->cert != NULL &&
        (mu_file_judge_role(&side->cert, own_key ? &side->key : NULL, table->report, err) != 0 ||
         check_container(table, side, err) != 0))
        return -1;
    if (own_key && mu_file_judge_role(&side->key, given->cert != NULL ? &side->cert : NULL,
                                      table->report, err) != 0)
        return -1;
    if (given->key != NULL && !own_key && check_key_is_there(table, side, err) != 0)
        return -1;
    if (side->cert.certs.count > 0 && check_pair(table, side, err) != 0)
        return -1;
    if (given->cert != NULL || given->key != NULL) {
        snprintf(what, sizeof what, "the %s's own: %s%s%s%s%s%s%s", side->name, side->cert.name,
                 given->cert != NULL ? " holds " : "", side->cert.what,
                 own_key && given->cert != NULL ? "; " : "", side->key.name,
                 own_key ? " holds " : "", side->key.what);
        if (mu_sides_note(table, before, what, err) != 0)
            return -1;
    }
    return note_open(table, side, err) != 0 || read_cas(table, side, err) != 0 ||
                   read_crls(table, side, err) != 0
               ? -1
               : 0;
}

int mu_sides_read_others(struct mu_sides_table *table, struct mu_error *err)
{
    for (size_t i = 0; i < table->sides->others.count; i++) {
        MU_AUTO_CLEAR(mu_file) file = {0};
        MU_AUTO_CLEAR(mu_report) aside = {0}; /* they are at hand; nobody uses them */
        const struct mu_reading how = {.role = MU_ROLE_ANY,
                                       .by_name = true,
                                       .source = table->sides->source};
        if (mu_file_read_as(table->sides->others.at[i], &how, &file, &aside, err) != 0 ||
            mu_certs_add_new(&table->known, &file.certs, err) != 0)
            return -1;
        if (mu_report_has(&aside, MU_CAUSE_file_unreadable) &&
            mu_report_check(table->report, MU_MARK_UNKNOWN, err, "%s",
                            aside.findings[0].sentence) != 0)
            return -1;
    }
    return 0;
}
