#ifndef MU_CLI_BATCH_H
#define MU_CLI_BATCH_H

/*
 * Many certificates in one run. They are made in groups, each of which is durable, records, keys and certificates,
 * before the next begins: a run that is killed has handed out nothing that is not on record, leaves no file half
 * written, and --missing goes on where it stopped. Of what cannot be issued each is told, and the others go on; what
 * would befall all others, too (a full disk, records that cannot be written), ends the run.
 */

#include "cli/cmd.h"
#include "cli/signer.h"
#include "pki/profile.h"

/* The options that every batch takes, for a command's table. */
#define MU_BATCH_OPTS                                                                              \
    {"out-dir", 0, "DIR", "of many: write them there, and make it if it is missing", NULL, false}, \
    {                                                                                              \
        "missing", 0, NULL, "of many: pass over those whose certificate is there already", NULL,   \
            false                                                                                  \
    }

struct mu_batch_settings {
    enum mu_profile profile;
    int64_t lifetime_s;                 /* 0: what the policy gives */
    const char *key_type;               /* of new keys; NULL: there are none */
    const struct mu_secret *passphrase; /* of new keys; NULL or empty: they are not protected */
};

struct mu_batch;

/* `args` and `signer` are borrowed. Makes --out-dir. */
MU_CHECK int mu_batch_open(const struct mu_args *args, const struct mu_signer *signer,
                           const struct mu_batch_settings *settings, struct mu_batch **ret,
                           struct mu_error *err);
void mu_batch_free(struct mu_batch *batch);
MU_AUTO_DEFINE_STRUCT(mu_batch, mu_batch_free)

/*
 * Each line of `path` ("-": standard input) is the names of one certificate, with commas between them; empty ones, and
 * those that begin with #, are none. A new key and the certificate lie in --out-dir, else in the current directory.
 * Fails with what ends the run.
 */
MU_CHECK int mu_batch_names(struct mu_batch *batch, const char *path, struct mu_error *err);

/* A request, or every *.csr in a directory; each certificate lies beside its request, or in --out-dir. */
MU_CHECK int mu_batch_requests(struct mu_batch *batch, const char *path, struct mu_error *err);

/* Do what is still waiting, unless `result`, which a call before returned, is that the run has ended; and show what was
 * done. Returns the exit status, or -1 with what ended the run. */
MU_CHECK int mu_batch_finish(struct mu_batch *batch, int result, struct mu_error *err);

#endif
