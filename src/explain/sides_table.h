#ifndef MU_EXPLAIN_SIDES_TABLE_H
#define MU_EXPLAIN_SIDES_TABLE_H

/* Between the files of the two sides: what lies on the table. */

#include "explain/file.h"
#include "explain/sides.h"

/* One side's files, read. */
struct mu_sides_side {
    const struct mu_side *given;
    const char *name; /* "client" */
    enum mu_party party;
    struct mu_file cert, key;
    struct mu_certs trusted;
    struct mu_certs presented; /* leaf first, whatever the file's order */
    struct mu_crl **crls;      /* borrowed from `crl_files` */
    size_t crl_count;
    struct mu_file *crl_files;
    size_t crl_file_count;
};

struct mu_sides_table {
    const struct mu_sides *sides;
    struct mu_report *report;
    struct mu_sides_side client, server;
    struct mu_certs known;
    time_t at; /* as if the clock were right */
};
void mu_sides_table_clear(struct mu_sides_table *table);
MU_AUTO_DEFINE_CLEAR(mu_sides_table, mu_sides_table_clear)

/* For what is said of files that were looked at. */
enum { MU_SIDES_WHAT_LEN = 2048 };

/* What was looked at since the report had `before` findings, with the mark that it deserves. */
MU_CHECK int mu_sides_note(struct mu_sides_table *table, size_t before, const char *what,
                           struct mu_error *err);

/* One side's files: what they are, whether they belong together, and what it presents. */
MU_CHECK int mu_sides_read(struct mu_sides_table *table, struct mu_sides_side *side,
                           struct mu_error *err);
MU_CHECK int mu_sides_read_others(struct mu_sides_table *table, struct mu_error *err);

#endif
