#include <stdio.h>
#include <time.h>

#include "base/str.h"
#include "base/time.h"
#include "cli/cmd.h"
#include "cli/credentials.h"
#include "cli/describe.h"
#include "cli/describe_ocsp.h"
#include "cli/print.h"
#include "pki/object.h"

/* What there is to judge by. */
struct reading {
    struct mu_certs anchors, others; /* those that --cert files bring with them */
    struct mu_certs certs;           /* asked about */
    struct mu_ocsp_request *request; /* NULL: not given */
    struct mu_ocsp_response *response;
    time_t now;
};

static void reading_clear(struct reading *reading)
{
    mu_certs_clear(&reading->anchors);
    mu_certs_clear(&reading->others);
    mu_certs_clear(&reading->certs);
    mu_ocsp_request_free(reading->request);
    mu_ocsp_response_free(reading->response);
}
MU_AUTO_DEFINE_CLEAR(reading, reading_clear)

/* --- Reading --- */

/* The one object of this kind in a file. */
static int load_object(const char *path, enum mu_object_kind kind, struct mu_objects *ret,
                       struct mu_error *err)
{
    if (mu_objects_load(path, ret, err) != 0)
        return -1;
    return ret->at[0].kind == kind
               ? 0
               : mu_fail(err, MU_E_WRONG_KIND, "%s holds %s, not %s", path,
                         mu_object_kind_name(ret->at[0].kind), mu_object_kind_name(kind));
}

static int load_messages(const struct mu_args *args, struct reading *ret, struct mu_error *err)
{
    const char *request = mu_args_value(args, "request");
    MU_AUTO_CLEAR(mu_objects) answer = {0};
    MU_AUTO_CLEAR(mu_objects) asked = {0};
    if (load_object(mu_args_at(args, 0), MU_OBJECT_OCSP_RESPONSE, &answer, err) != 0 ||
        (request != NULL && load_object(request, MU_OBJECT_OCSP_REQUEST, &asked, err) != 0))
        return -1;
    ret->response = mu_take(&answer.at[0].ocsp_response);
    if (request != NULL)
        ret->request = mu_take(&asked.at[0].ocsp_request);
    return 0;
}

static int load_certs(const struct mu_args *args, struct reading *ret, struct mu_error *err)
{
    const char *path;
    for (int i = 0; (path = mu_args_nth(args, "cert", i)) != NULL; i++) {
        size_t first = ret->others.count;
        if (mu_certs_load(path, NULL, &ret->others, err) != 0 ||
            mu_certs_add(&ret->certs, mu_cert_ref(ret->others.at[first]), err) != 0)
            return -1;
    }
    return mu_load_helpers(args, &ret->anchors, err) != 0
               ? -1
               : mu_load_anchors(args, &ret->anchors, err);
}

static int load(const struct mu_args *args, struct reading *ret, struct mu_error *err)
{
    const char *at = mu_args_value(args, "at");
    ret->now = time(NULL);
    return (at != NULL && mu_date_parse(at, &ret->now, err) != 0) ||
                   load_messages(args, ret, err) != 0 || load_certs(args, ret, err) != 0
               ? -1
               : 0;
}

/* --- What it says --- */

static int find(const struct reading *reading, const struct mu_cert *cert, struct mu_ocsp_told *ret,
                struct mu_error *err)
{
    const struct mu_cert *issuer = NULL;
    struct mu_error ignored = MU_ERROR_INIT;
    if (mu_find_issuer(cert, &reading->anchors, &issuer, &ignored) != 0 &&
        mu_find_issuer(cert, &reading->others, &issuer, err) != 0)
        return -1;
    return mu_ocsp_response_find(reading->response, cert, issuer, ret, err) != 0
               ? -1
               : mu_ocsp_told_check(ret, reading->now, err);
}

/* One line, or one object in `list`. */
static void show(const char *name, const struct mu_ocsp_told *told, json_t *list)
{
    char words[MU_OCSP_WORDS_LEN];
    bool good = told->single.state == MU_OCSP_GOOD;
    if (list == NULL) {
        printf("%s: ", name);
        mu_say(good ? MU_GOOD : MU_BAD, "%s\n", mu_ocsp_words(&told->single, words));
        return;
    }
    json_t *one = mu_ocsp_told_json(told);
    json_object_set_new(one, "name", json_string(name));
    json_array_append_new(list, one);
}

/* Returns 0 when all is good, 1 when something is not, -1 when the answer does not tell. */
static int show_asked(const struct reading *reading, json_t *list, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    int result = 0;
    for (size_t i = 0; i < reading->certs.count; i++) {
        struct mu_ocsp_told told;
        if (find(reading, reading->certs.at[i], &told, err) != 0)
            return -1;
        show(mu_cert_label(reading->certs.at[i], label), &told, list);
        result = told.single.state == MU_OCSP_GOOD ? result : 1;
    }
    return result;
}

static int show_all(const struct reading *reading, json_t *list, struct mu_error *err)
{
    struct mu_ocsp_response_info info;
    int result = 0;
    mu_ocsp_response_info(reading->response, &info);
    for (size_t i = 0; i < info.count; i++) {
        struct mu_ocsp_told told;
        mu_ocsp_response_told(reading->response, i, &told);
        if (mu_ocsp_told_check(&told, reading->now, err) != 0)
            return -1;
        show(told.id.serial, &told, list);
        result = told.single.state == MU_OCSP_GOOD ? result : 1;
    }
    return result;
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    MU_AUTO_CLEAR(reading) reading = {.now = 0};
    if (load(args, &reading, err) != 0 ||
        mu_ocsp_response_verify(reading.response, &reading.anchors, &reading.others,
                                reading.request, reading.now, err) != 0)
        return -1;
    json_t *list = mu_args_json(args) ? json_array() : NULL;
    int result =
        reading.certs.count > 0 ? show_asked(&reading, list, err) : show_all(&reading, list, err);
    if (result >= 0 && list != NULL)
        mu_print_json(list);
    else
        json_decref(list);
    return result;
}

static const struct mu_opt opts[] = {
    {"cert", 0, "FILE", "what it says of this certificate; may be repeated [of all in it]", NULL,
     true},
    {"cacert", 0, "FILE", "the CA that has to stand behind it; the home CA by default", NULL, true},
    {"request", 0, "FILE", "it has to answer this request: repeat its nonce, tell of all", NULL,
     false},
    {"at", 0, "TIME", "judge as if it were this time: 2031-01-01T12:00:00Z", NULL, false},
    {0},
};

const struct mu_cmd mu_cmd_ocsp_read = {
    .name = "ocsp read",
    .args = "FILE.resp",
    .summary = "say what an answer says, if it is to be believed",
    .details =
        "The answer must be signed by the CA, or by whom the CA lets answer for it, and be about now.\n"
        "mutual inspect FILE shows any answer, believed or not.\n"
        "\n"
        "Exit status: 0 all is good, 1 something is revoked or unknown, or the answer is not to be believed.",
    .example = "mutual ocsp read my-client.resp --cert my-client.crt --request my-client.req\n"
               "mutual ocsp read my-client.resp --cacert ca.crt",
    .opts = opts,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
