#include <stdio.h>
#include <time.h>

#include "cli/ask.h"
#include "cli/cmd.h"
#include "cli/print.h"
#include "cli/trusting.h"
#include "pki/info.h"

/* A list that is made from the system's is not written: it follows. */
static bool is_due(const struct mu_standing *standing)
{
    return standing->is_here && standing->failure.code == MU_OK &&
           !mu_standing_is_trusted(standing) && !standing->store->derived;
}

/* --- Asking --- */

static int show_step(const struct mu_standing *standing, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_trust_step) step = {.pem = MU_BUF_INIT};
    if (mu_trust_step_in(standing->store, standing->anchor, &step, err) != 0)
        return -1;
    fprintf(stderr, "  %s\n", mu_standing_label(standing));
    mu_trust_step_show(&step);
    return 0;
}

/* What it means, to whoever has not thought of it. */
static int warn(const struct mu_cert *anchor, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    if (mu_cert_info_read(anchor, time(NULL), &info, err) != 0)
        return -1;
    mu_cert_label(anchor, label);
    if (info.not_after < time(NULL))
        mu_warn("\"%s\" has expired: nothing will verify by it", label);
    if (info.permitted.count == 0) {
        mu_warn(
            "\"%s\" may issue for any name: whoever gets hold of its key can pose as every web site to the programs of this machine",
            label);
        mu_note(
            "a CA that may issue for your own names only is made by: mutual init --permit DNS:DOMAIN");
        return 0;
    }
    fprintf(stderr, "\"%s\" may issue for these names only:", label);
    for (size_t i = 0; i < info.permitted.count; i++)
        fprintf(stderr, "%s %s", i > 0 ? "," : "", info.permitted.at[i]);
    fprintf(stderr, "\n");
    return 0;
}

static int ask(const struct mu_trusting *trusting, struct mu_error *err)
{
    fprintf(stderr, "mutual trust install would do this:\n");
    for (size_t i = 0; i < trusting->count; i++)
        if (is_due(&trusting->standings[i]) && show_step(&trusting->standings[i], err) != 0)
            return -1;
    for (size_t i = 0; i < trusting->anchors.count; i++)
        if (warn(trusting->anchors.at[i], err) != 0)
            return -1;
    return mu_ask("Have these programs trust it?",
                  "nothing was changed: there is no terminal to ask on, and no --yes was given",
                  err);
}

/* --- Doing --- */

static void install(const struct mu_trusting *trusting, struct mu_standing *standing)
{
    MU_AUTO_CLEAR(mu_trust_step) step = {.pem = MU_BUF_INIT};
    if (mu_trust_step_in(standing->store, standing->anchor, &step, &standing->failure) == 0 &&
        mu_standing_change(trusting, standing, &step) && !mu_standing_is_trusted(standing))
        mu_fail(&standing->failure, MU_E_COMMAND,
                "%s has said that it was done, but %s does not have it", standing->store->program,
                standing->store->place);
}

/* A change of the system's list may have reached Java's as well, on Debian and on Fedora. */
static void install_all(const struct mu_trusting *trusting)
{
    bool system_changed = false;
    for (size_t i = 0; i < trusting->count; i++) {
        struct mu_standing *standing = &trusting->standings[i];
        if (standing->is_here && standing->store->kind == MU_TRUST_JAVA && system_changed)
            mu_standing_read(trusting, standing);
        if (is_due(standing))
            install(trusting, standing);
        system_changed =
            system_changed || (standing->changed && standing->store->kind == MU_TRUST_SYSTEM);
    }
}

static void blame_derived(const struct mu_trusting *trusting)
{
    for (size_t i = 0; i < trusting->count; i++) {
        struct mu_standing *standing = &trusting->standings[i];
        if (!standing->is_here || !standing->store->derived || standing->failure.code != MU_OK ||
            mu_standing_is_trusted(standing))
            continue;
        mu_fail(&standing->failure, MU_E_NOT_FOUND,
                "%s is made from the system's list of CAs, which does not have it",
                standing->store->place);
        mu_hint(&standing->failure, "install it there: mutual trust install --only system");
    }
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_trusting) trusting = {0};
    size_t due = 0;
    if (mu_trusting_load(args, &trusting, err) != 0)
        return -1;
    for (size_t i = 0; i < trusting.count; i++)
        if (is_due(&trusting.standings[i]) &&
            mu_standing_may_change(args, "install", &trusting.standings[i]))
            due++;
    if (due > 0 && !mu_args_given(args, "yes") && ask(&trusting, err) != 0)
        return -1;
    install_all(&trusting);
    blame_derived(&trusting);
    return mu_trusting_finish(args, &trusting);
}

static const struct mu_opt opts[] = {
    MU_TRUST_OPTS,
    {"yes", 'y', NULL, "do not ask", NULL, false},
    {0},
};

const struct mu_cmd mu_cmd_trust_install = {
    .name = "trust install",
    .args = "",
    .summary = "put the root into the lists of the system, of browsers and of Java",
    .details =
        "Puts the root of the home CA into each list that is found: the system's (Debian, Ubuntu, Fedora, Arch,\n"
        "openSUSE, Alpine), the NSS databases of Firefox and Chromium in the home directory, and the keystores of\n"
        "Java. What would be done is shown, and asked about on the terminal. Where root's rights are needed, the\n"
        "command for that is told, and the others are done. What is there already stays as it is.\n"
        "Each list is changed by its own program: update-ca-certificates, update-ca-trust or trust, certutil,\n"
        "keytool. Programs that are running may have to be started again. Node.js and Python's certifi have lists of\n"
        "their own: see NODE_EXTRA_CA_CERTS and SSL_CERT_FILE.\n"
        "Exit status: 0 trusted in every list that is here, 1 one of them failed.",
    .example = "mutual trust install --only nss --yes\n"
               "mutual trust install --cacert ca.crt --only nss --yes",
    .opts = opts,
    .run = run,
};
