#include "cli/explain_print.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/print.h"

const char *mu_explain_whose(enum mu_view view, enum mu_party party)
{
    static const char *const far[] = {
        [MU_PARTY_CLIENT] = "the client's owner",
        [MU_PARTY_SERVER] = "the server's operator",
        [MU_PARTY_CA] = "the CA's owner",
        [MU_PARTY_NETWORK] = "whoever runs what stands between the two ends",
    };
    bool mine = (view == MU_VIEW_CLIENT && party == MU_PARTY_CLIENT) ||
                (view == MU_VIEW_SERVER && party == MU_PARTY_SERVER) ||
                (view == MU_VIEW_FILES && party != MU_PARTY_CA);
    return mine ? "you" : far[party];
}

/* --- In words --- */

/* A mark for the eye on a terminal, a word for everything else. */
static void print_check(const struct mu_check *check)
{
    static const struct {
        const char *sign, *word;
        enum mu_style style;
    } marks[] = {
        [MU_MARK_GOOD] = {"\xe2\x9c\x93", "good", MU_GOOD},
        [MU_MARK_BAD] = {"\xe2\x9c\x97", "wrong", MU_BAD},
        [MU_MARK_ODD] = {"!", "odd", MU_WARN},
        [MU_MARK_UNKNOWN] = {"?", "not known", MU_DIM},
    };
    bool terminal = *mu_style_on(stdout, MU_BOLD) != '\0';
    printf("    %s%s%s%s %s\n", mu_style_on(stdout, marks[check->mark].style),
           terminal ? marks[check->mark].sign : marks[check->mark].word,
           mu_style_off(stdout, marks[check->mark].style), terminal ? "" : ":", check->text);
}

static void print_moves(const struct mu_report *report, const struct mu_finding *finding)
{
    mu_fact("whose move", "%s", mu_explain_whose(report->view, finding->whose));
    if (*finding->file != '\0')
        mu_fact("file", "%s", finding->file);
    if (*finding->field != '\0')
        mu_fact("field", "%s", finding->field);
    if (*finding->remedy != '\0')
        mu_fact("do", "%s", finding->remedy);
    if (*finding->openssl != '\0' && !mu_str_equal(finding->openssl, finding->remedy))
        mu_fact("or", "%s", finding->openssl);
}

static const char *gravity_word(enum mu_gravity gravity)
{
    return gravity == MU_GRAVITY_FAULT        ? "also wrong"
           : gravity == MU_GRAVITY_SOME_PEERS ? "refused by some"
                                              : "suspicious";
}

/* A sentence that begins with a word begins with a capital; one that begins with a file's name is left alone. */
static void capitalise(const char *sentence, char *ret, size_t cap)
{
    static const char *const words[] = {"the ", "in ",   "by ",   "nothing ", "nobody ", "cannot ",
                                        "two ", "your ", "what ", "this ",    "it ",     "there "};
    mu_str_copy(ret, cap, sentence);
    for (size_t i = 0; i < MU_COUNT(words); i++)
        if (mu_str_starts_with(sentence, words[i]))
            ret[0] = (char)(ret[0] - 'a' + 'A');
}

static void print_findings(const struct mu_report *report)
{
    const struct mu_finding *first = &report->findings[0];
    enum mu_style style = first->gravity == MU_GRAVITY_FAULT ? MU_BAD : MU_WARN;
    bool fault = first->gravity == MU_GRAVITY_FAULT;
    char sentence[MU_ERROR_WHAT_LEN];
    capitalise(first->sentence, sentence, sizeof sentence);
    mu_say(style, "%s%s", fault ? "" : "It works, but: ", fault ? sentence : first->sentence);
    puts(".");
    print_moves(report, first);
    printf("cause: %s\n", mu_cause_of(first->cause)->id);
    for (size_t i = 1; i < report->count; i++) {
        const struct mu_finding *other = &report->findings[i];
        printf("\n");
        mu_say(other->gravity == MU_GRAVITY_FAULT ? MU_BAD : MU_WARN, "%s",
               gravity_word(other->gravity));
        printf(": %s. [%s]\n", other->sentence, mu_cause_of(other->cause)->id);
        print_moves(report, other);
    }
}

static void print_peers(const struct mu_report *report)
{
    printf("\n  %-32s %-34s %s\n", "who", "as the client", "as the server");
    for (unsigned i = 0; i < MU_STACK_COUNT; i++) {
        enum mu_cause_id client = mu_report_refusal(report, i, MU_REFUSER_CLIENT);
        enum mu_cause_id server = mu_report_refusal(report, i, MU_REFUSER_SERVER);
        printf("  %-32s %-34s %s\n", mu_stack_name(i), mu_cause_of(client)->id,
               i == MU_STACK_BROWSER ? "-" : mu_cause_of(server)->id);
    }
    if (report->aside.refused_by != 0)
        printf("  (%s)\n", report->aside.why);
}

static void print_text(const struct mu_report *report)
{
    if (report->count == 0) {
        char sentence[MU_ERROR_WHAT_LEN];
        const bool open = *report->unjudged != '\0';
        capitalise(report->good, sentence, sizeof sentence);
        mu_say(open ? MU_WARN : MU_GOOD, "%s",
               open ? "Nothing wrong was found, but not all was judged" : sentence);
        printf("%s%s.\ncause: ok\n", open ? ": " : "", report->unjudged);
    } else {
        print_findings(report);
    }
    if (report->check_count > 0)
        printf("\n  checked, in this order:\n");
    for (size_t i = 0; i < report->check_count; i++)
        print_check(&report->checks[i]);
    if (report->no_peers != NULL)
        printf("\n  any other program as the client: %s\n", report->no_peers);
    else if (report->peers)
        print_peers(report);
    const char *raw = report->count > 0 && *report->findings[0].raw != '\0'
                          ? report->findings[0].raw
                          : report->raw;
    if (*raw != '\0')
        printf("\n  the error itself: %s\n", raw);
}

/* --- As JSON --- */

static const char *gravity_id(enum mu_gravity gravity)
{
    return gravity == MU_GRAVITY_FAULT        ? "fault"
           : gravity == MU_GRAVITY_SOME_PEERS ? "some-peers"
                                              : "suspicious";
}

static json_t *finding_json(const struct mu_finding *finding)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "cause",
                     mu_cause_of(finding->cause)->id, "gravity", gravity_id(finding->gravity),
                     "whose", mu_party_id(finding->whose), "what", finding->sentence, "file",
                     finding->file, "certificate", finding->subject, "field", finding->field,
                     "remedy", finding->remedy, "openssl", finding->openssl, "raw", finding->raw);
}

static json_t *checks_json(const struct mu_report *report)
{
    static const char *const ids[] = {
        [MU_MARK_GOOD] = "good",
        [MU_MARK_BAD] = "wrong",
        [MU_MARK_ODD] = "odd",
        [MU_MARK_UNKNOWN] = "unknown",
    };
    json_t *list = json_array();
    for (size_t i = 0; i < report->check_count; i++)
        json_array_append_new(list, json_pack("{s:s, s:s}", "mark", ids[report->checks[i].mark],
                                              "what", report->checks[i].text));
    return list;
}

static json_t *peers_json(const struct mu_report *report)
{
    json_t *list = json_array();
    for (unsigned i = 0; report->peers && report->no_peers == NULL && i < MU_STACK_COUNT; i++)
        json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:s}", "who", mu_stack_name(i), "as_client",
                      mu_cause_of(mu_report_refusal(report, i, MU_REFUSER_CLIENT))->id, "as_server",
                      mu_cause_of(mu_report_refusal(report, i, MU_REFUSER_SERVER))->id));
    return list;
}

/* Two certificates may have one cause. */
static bool told_before(const struct mu_report *report, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (report->findings[k].cause == report->findings[i].cause)
            return true;
    return false;
}

json_t *mu_explain_json(const struct mu_report *report)
{
    json_t *causes = json_array(), *findings = json_array();
    const struct mu_finding *first = report->count > 0 ? &report->findings[0] : NULL;
    for (size_t i = 0; i < report->count; i++) {
        if (!told_before(report, i))
            json_array_append_new(causes, json_string(mu_cause_of(report->findings[i].cause)->id));
        json_array_append_new(findings, finding_json(&report->findings[i]));
    }
    return json_pack("{s:s, s:o, s:s, s:s, s:s, s:s, s:s, s:i, s:o, s:o, s:o, s:s, s:s, s:s}",
                     "cause", mu_cause_of(mu_report_cause(report))->id, "causes", causes, "what",
                     first == NULL ? report->good : first->sentence, "whose",
                     first == NULL ? "" : mu_party_id(first->whose), "remedy",
                     first == NULL ? "" : first->remedy, "openssl",
                     first == NULL ? "" : first->openssl, "file", first == NULL ? "" : first->file,
                     "exit", mu_report_exit(report), "findings", findings, "checked",
                     checks_json(report), "peers", peers_json(report), "no_peers",
                     report->no_peers == NULL ? "" : report->no_peers, "unjudged", report->unjudged,
                     "raw", first != NULL && *first->raw != '\0' ? first->raw : report->raw);
}

int mu_explain_print(const struct mu_report *report, bool json)
{
    json ? mu_print_json(mu_explain_json(report)) : print_text(report);
    return mu_report_exit(report);
}

/* --- A message --- */

/* As the table has it, with nothing known of a case. */
static char *fill_general(const char *remedy, enum mu_cause_id cause, enum mu_holder holder,
                          char ret[MU_FINDING_COMMAND_LEN])
{
    const bool held = mu_cause_of(cause)->whose == MU_PARTY_CLIENT;
    const struct mu_places places = {
        .holder = holder,
        .whose = held ? mu_holder_party(holder) : mu_cause_of(cause)->whose,
    };
    return mu_remedy_fill(remedy, &places, ret, MU_FINDING_COMMAND_LEN);
}

static void fact_filled(const char *label, const char *remedy, const struct mu_cause *cause)
{
    char text[MU_FINDING_COMMAND_LEN];
    enum mu_cause_id id = mu_cause_find(cause->id);
    if (*remedy != '\0')
        mu_fact(label, "%s", fill_general(remedy, id, mu_remedy_holder(id), text));
}

/* What to run to know which it is: everything that the two sides have, or, where no certificate is in play, the server. */
static const char *telling_apart(const struct mu_said *said)
{
    if (said->count == 0)
        return "mutual explain --cert CERT --key KEY --cacert CA --server-cert CERT --server-cacert CA";
    switch (said->causes[0]) {
    case MU_CAUSE_not_tls:
    case MU_CAUSE_starttls_needed:
    case MU_CAUSE_tls_version_mismatch:
    case MU_CAUSE_no_shared_cipher:
    case MU_CAUSE_alpn_mismatch:
    case MU_CAUSE_sni_unknown:
    case MU_CAUSE_connection_refused:
    case MU_CAUSE_connection_timed_out:
    case MU_CAUSE_connection_cut_off:
    case MU_CAUSE_host_not_found: return "mutual explain URL";
    case MU_CAUSE_key_mismatch:
    case MU_CAUSE_pem_damaged:
    case MU_CAUSE_pem_blocks_joined:
    case MU_CAUSE_file_is_der:
    case MU_CAUSE_file_unreadable:
    case MU_CAUSE_cert_key_swapped:
    case MU_CAUSE_public_key_not_private:
    case MU_CAUSE_key_encrypted:
    case MU_CAUSE_key_wrong_passphrase:
    case MU_CAUSE_pkcs12_legacy:
    case MU_CAUSE_pkcs12_wrong_password:
    case MU_CAUSE_jks_keystore: return "mutual explain CERT KEY CA";
    case MU_CAUSE_crl_expired:
    case MU_CAUSE_crl_not_yet_valid:
    case MU_CAUSE_crl_missing:
    case MU_CAUSE_crl_wrong_issuer:
    case MU_CAUSE_crl_bad_signature: return "mutual explain CRL CERT CA";
    default:
        if (said->at_server)
            return "mutual explain --listen HOST:PORT --cert CERT --key KEY --cacert CA, in the server's place; or, with the "
                   "client's files:\n"
                   "mutual explain --cert CERT --key KEY --cacert CA --server-cert CERT --server-cacert CA --host NAME";
        return "mutual explain URL --cert CERT --key KEY --cacert CA; or, with the server's files and no network:\n"
               "mutual explain --cert CERT --key KEY --cacert CA --server-cert CERT --server-cacert CA --host NAME";
    }
}

static void print_said_json(const char *text, const struct mu_said *said)
{
    json_t *causes = json_array();
    const enum mu_cause_id id = said->count > 0 ? said->causes[0] : MU_CAUSE_other;
    const enum mu_holder holder = mu_remedy_holder(id);
    const struct mu_cause *first = mu_cause_of(id);
    char remedy[MU_FINDING_COMMAND_LEN], openssl[MU_FINDING_COMMAND_LEN];
    for (size_t i = 0; i < said->count; i++)
        json_array_append_new(causes, json_string(mu_cause_of(said->causes[i])->id));
    if (said->count == 0)
        json_array_append_new(causes, json_string(first->id));
    mu_print_json(json_pack("{s:s, s:o, s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:s}", "cause",
                            first->id, "causes", causes, "what", first->what, "whose",
                            mu_party_id(first->whose), "remedy",
                            fill_general(first->remedy, id, holder, remedy), "openssl",
                            fill_general(first->openssl, id, holder, openssl), "said_by",
                            said->who == NULL ? "" : said->who, "at_server", said->at_server,
                            "tell_apart", telling_apart(said), "raw", text));
}

static void print_said_text(const char *text, const struct mu_said *said)
{
    if (said->count == 0) {
        mu_say(MU_WARN, "No program that mutual knows of says this.");
        printf("\n");
        mu_fact("look at it", "%s", telling_apart(said));
        printf("cause: other\n\n  the error itself: %s\n", text);
        return;
    }
    const struct mu_cause *first = mu_cause_of(said->causes[0]);
    const bool open = said->causes[0] == MU_CAUSE_other;
    if (open)
        mu_say(MU_WARN, "This message does not say what is wrong.");
    else
        mu_say(MU_BAD, "Most likely %s.", first->what);
    printf("\n");
    mu_fact("said by", "%s%s", said->who,
            said->at_server ? ", and it is the server that tells of it" : "");
    if (!open) {
        mu_fact("whose move", "%s", mu_explain_whose(MU_VIEW_BOTH, first->whose));
        fact_filled("do", first->remedy, first);
        fact_filled("or", first->openssl, first);
    }
    printf("cause: %s\n", first->id);
    if (said->count > 1)
        printf("\n  it can %sbe, the likeliest first:\n", open ? "" : "also ");
    for (size_t i = 1; i < said->count; i++)
        printf("    %-34s %s\n", mu_cause_of(said->causes[i])->id,
               mu_cause_of(said->causes[i])->what);
    if (said->count > 1 || open) {
        printf("\n");
        mu_fact("which is it", "%s", telling_apart(said));
    }
    printf("\n  the error itself: %s\n", text);
}

int mu_explain_print_said(const struct mu_said *said, bool json)
{
    char shown[1024];
    mu_str_printable(said->line, said->line_len, shown, sizeof shown);
    json ? print_said_json(shown, said) : print_said_text(shown, said);
    return 1;
}

/* --- The table --- */

/* What it says to each holder, where that differs. */
static json_t *remedies_json(enum mu_cause_id id)
{
    const struct mu_cause *cause = mu_cause_of(id);
    char remedy[MU_FINDING_COMMAND_LEN], openssl[MU_FINDING_COMMAND_LEN];
    json_t *all = json_object();
    const bool varies = mu_remedy_varies(cause->remedy) || mu_remedy_varies(cause->openssl);
    for (unsigned i = 0; i < MU_HOLDER_COUNT; i++)
        if (varies || i == mu_remedy_holder(id))
            json_object_set_new(all, mu_holder_id(i),
                                json_pack("{s:s, s:s}", "remedy",
                                          fill_general(cause->remedy, id, i, remedy), "openssl",
                                          fill_general(cause->openssl, id, i, openssl)));
    return all;
}

static json_t *cause_json(enum mu_cause_id id)
{
    const struct mu_cause *cause = mu_cause_of(id);
    char remedy[MU_FINDING_COMMAND_LEN], openssl[MU_FINDING_COMMAND_LEN];
    json_t *refused_by = json_array();
    for (unsigned i = 0; i < MU_STACK_COUNT; i++)
        if ((cause->refused_by & (1u << i)) != 0)
            json_array_append_new(refused_by, json_string(mu_stack_name(i)));
    json_t *says = json_array();
    const char *who, *pattern;
    for (size_t i = 0; mu_said_of_cause(id, i, &who, &pattern); i++)
        json_array_append_new(says, json_pack("{s:s, s:s}", "who", who, "what", pattern));
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:s}", "id", cause->id, "what",
                     cause->what, "whose", mu_party_id(cause->whose), "remedy",
                     fill_general(cause->remedy, id, mu_remedy_holder(id), remedy), "openssl",
                     fill_general(cause->openssl, id, mu_remedy_holder(id), openssl), "remedies",
                     remedies_json(id), "refused_by", refused_by, "says", says, "written",
                     cause->written);
}

static void print_refused_by(unsigned set)
{
    char text[256] = "";
    size_t len = 0;
    for (unsigned i = 0; i < MU_STACK_COUNT; i++)
        if ((set & (1u << i)) != 0)
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", len > 0 ? ", " : "",
                                    mu_stack_name(i));
    mu_fact("refused by", "%s",
            set == (1u << MU_STACK_COUNT) - 1 ? "everybody"
            : len == 0                        ? "nobody"
                                              : text);
}

void mu_explain_print_cause(enum mu_cause_id id, bool json)
{
    const struct mu_cause *cause = mu_cause_of(id);
    if (json) {
        mu_print_json(cause_json(id));
        return;
    }
    mu_say(MU_BOLD, "%s", cause->id);
    printf(": %s\n", cause->what);
    mu_fact("whose move", "%s", mu_explain_whose(MU_VIEW_BOTH, cause->whose));
    fact_filled("do", cause->remedy, cause);
    fact_filled("or", cause->openssl, cause);
    print_refused_by(cause->refused_by);
    if (*cause->written != '\0')
        mu_fact("see", "%s", cause->written);
    const char *who, *pattern;
    for (size_t i = 0; mu_said_of_cause(id, i, &who, &pattern); i++)
        mu_fact(i == 0 ? "looks like" : "", "%s (%s)", pattern, who);
}

void mu_explain_print_list(bool json)
{
    json_t *list = json ? json_array() : NULL;
    for (unsigned i = 0; i < MU_CAUSE_COUNT; i++) {
        const struct mu_cause *cause = mu_cause_of(i);
        if (json)
            json_array_append_new(list, cause_json(i));
        else
            printf("%-34s %s\n", cause->id, cause->what);
    }
    if (json)
        mu_print_json(list);
}
