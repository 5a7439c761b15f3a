#include <stdio.h>

#include "base/str.h"
#include "cli/cmd.h"
#include "cli/credentials.h"
#include "cli/json.h"
#include "cli/ocsp_files.h"
#include "cli/print.h"
#include "pki/ocsp.h"

/* The certificate that comes first in each file; what comes behind it may be its issuer. */
static int load(const struct mu_args *args, struct mu_certs *ret_certs,
                struct mu_certs *ret_brought, struct mu_error *err)
{
    for (int i = 0; i < mu_args_count(args); i++) {
        size_t first = ret_brought->count;
        if (mu_certs_load(mu_args_at(args, i), NULL, ret_brought, err) != 0 ||
            mu_certs_add(ret_certs, mu_cert_ref(ret_brought->at[first]), err) != 0)
            return -1;
    }
    return 0;
}

/* Those named with --cacert, or the home CA; unless the files bring the issuer with them. */
static int find_issuer(const struct mu_args *args, const struct mu_certs *certs,
                       const struct mu_certs *brought, struct mu_certs *anchors,
                       const struct mu_cert **ret, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN], other[MU_CERT_LABEL_LEN];
    struct mu_error ignored = MU_ERROR_INIT;
    if (mu_find_issuer(certs->at[0], brought, ret, &ignored) != 0 &&
        (mu_load_helpers(args, anchors, err) != 0 || mu_load_anchors(args, anchors, err) != 0 ||
         mu_find_issuer(certs->at[0], anchors, ret, err) != 0))
        return -1;
    for (size_t i = 1; i < certs->count; i++)
        if (!mu_cert_is_signed_by(certs->at[i], *ret)) {
            mu_fail(err, MU_E_USAGE, "\"%s\" and \"%s\" are not of one CA, and so of two requests",
                    mu_cert_label(certs->at[0], label), mu_cert_label(certs->at[i], other));
            return mu_hint(err, "make a request for each");
        }
    return 0;
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    char path[MU_PATH_LEN];
    const struct mu_cert *issuer = NULL;
    MU_AUTO_CLEAR(mu_certs) certs = {0};
    MU_AUTO_CLEAR(mu_certs) brought = {0};
    MU_AUTO_CLEAR(mu_certs) anchors = {0};
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    MU_AUTO_STRUCT(mu_ocsp_request) request = NULL;
    if (mu_args_count(args) > 1 && !mu_args_given(args, "out"))
        return mu_usage(err, args, "name the file for a request about several with --out FILE");
    if (mu_ocsp_output_path(args, mu_args_at(args, 0), ".crt", ".req", path, err) != 0 ||
        mu_ocsp_output_check(args, path, err) != 0)
        return -1;
    if (mu_str_equal(path, "-") && mu_args_json(args))
        return mu_usage(err, args, "--json tells of a request that goes to a file: say --out FILE");
    if (load(args, &certs, &brought, err) != 0 ||
        find_issuer(args, &certs, &brought, &anchors, &issuer, err) != 0 ||
        mu_ocsp_request_make(&certs, issuer, mu_args_value(args, "hash"),
                             !mu_args_given(args, "no-nonce"), &request, err) != 0)
        return -1;
    mu_ocsp_request_to_der(request, &der);
    if (mu_buf_failed(&der))
        return mu_fail_nomem(err);
    if (mu_ocsp_write(args, path, &der, err) != 0)
        return -1;
    if (mu_args_json(args))
        mu_print_json(
            mu_pack("{s:s, s:I}", "request", path, "certificates", (json_int_t)certs.count));
    else if (!mu_str_equal(path, "-"))
        mu_say(MU_PLAIN, "%s: asks for %zu certificate%s\n", path, certs.count,
               certs.count == 1 ? "" : "s");
    return 0;
}

static const struct mu_opt opts[] = {
    {"cacert", 0, "FILE", "a CA that may have issued them; the home CA by default", NULL, true},
    {"hash", 0, "NAME", "how their CA is named: sha1, which every responder knows, or sha256",
     "sha1", false},
    {"no-nonce", 0, NULL, "let the answer be one that was made before", NULL, false},
    {"out", 'o', "FILE", "write the request here [FILE.req for FILE.crt]", NULL, false},
    {"force", 0, NULL, "replace a file that is there", NULL, false},
    {0},
};

const struct mu_cmd mu_cmd_ocsp_request = {
    .name = "ocsp request",
    .args = "FILE.crt...",
    .summary = "make a request that asks whether certificates are revoked",
    .details =
        "In DER, as responders take it over HTTP. It has a nonce of 32 octets, which the answer must repeat,\n"
        "unless --no-nonce is said. SHA-1 only names the CA here; nothing is trusted because of it.",
    .example = "mutual ocsp request my-client.crt --force\n"
               "mutual ocsp request my-client.crt localhost.crt --no-nonce --out both.req",
    .opts = opts,
    .min_args = 1,
    .max_args = -1,
    .run = run,
};
