#include "tls/refusal.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>

#include "base/str.h"
#include "tls/alert.h"

static const struct refusal_info {
    const char *id, *sentence, *hint;
} infos[MU_REFUSAL_COUNT] = {
    [MU_REFUSAL_NONE] = {"none", "", ""},
#define MU_REFUSAL(code, id, sentence, hint) [MU_REFUSAL_##code] = {id, sentence, hint},
#include "tls/refusal.def"
#undef MU_REFUSAL
    [MU_REFUSAL_CERT] = {"client-cert", "", ""},
};

const char *mu_refusal_id(enum mu_refusal_code code)
{
    return infos[code].id;
}

void mu_refusal_set(struct mu_refusal *ret, enum mu_refusal_code code)
{
    ret->code = code;
    ret->fault = MU_FAULT_NONE;
    ret->only_lacks_list = false;
    ret->alert = 0;
    mu_str_copy(ret->id, sizeof ret->id, infos[code].id);
    mu_str_copy(ret->sentence, sizeof ret->sentence, infos[code].sentence);
    mu_str_copy(ret->hint, sizeof ret->hint, infos[code].hint);
    ret->cause[0] = '\0';
}

static void set_verdict(struct mu_refusal *ret, const char *whose, const struct mu_verdict *verdict)
{
    ret->code = MU_REFUSAL_CERT;
    ret->fault = verdict->fault;
    ret->only_lacks_list = false;
    snprintf(ret->id, sizeof ret->id, "%s-cert-%s", whose, mu_fault_id(verdict->fault));
    mu_str_copy(ret->sentence, sizeof ret->sentence, verdict->sentence);
    mu_str_copy(ret->hint, sizeof ret->hint, verdict->hint);
    mu_str_copy(ret->cause, sizeof ret->cause, verdict->cause);
}

void mu_refusal_from_verdict(struct mu_refusal *ret, const struct mu_verdict *verdict)
{
    set_verdict(ret, "client", verdict);
}

void mu_refusal_revoked(struct mu_refusal *ret, const struct mu_cert *client)
{
    struct mu_verdict verdict;
    mu_verdict_set(&verdict, X509_V_ERR_CERT_REVOKED, 0, mu_cert_x509(client), 0, NULL);
    mu_refusal_from_verdict(ret, &verdict);
}

void mu_refusal_of_server(struct mu_refusal *ret, const struct mu_verdict *verdict)
{
    set_verdict(ret, "server", verdict);
}

static enum mu_refusal_code code_of_reason(int reason)
{
    switch (reason) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return MU_REFUSAL_CERT_MISSING;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_WRONG_SSL_VERSION: return MU_REFUSAL_TLS_VERSION;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_CIPHERS_SPECIFIED: return MU_REFUSAL_TLS_CIPHER;
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SHARED_GROUPS:
    case SSL_R_NO_SUITABLE_GROUPS: return MU_REFUSAL_TLS_GROUP;
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS: return MU_REFUSAL_TLS_SIGALG;
    case SSL_R_NO_APPLICATION_PROTOCOL: return MU_REFUSAL_TLS_ALPN;
    case SSL_R_HTTP_REQUEST: return MU_REFUSAL_PLAIN_HTTP;
    case SSL_R_WRONG_VERSION_NUMBER: return MU_REFUSAL_NOT_TLS;
    case SSL_R_BAD_SIGNATURE: return MU_REFUSAL_CERT_SIGNATURE;
    case SSL_R_UNEXPECTED_EOF_WHILE_READING: return MU_REFUSAL_CLOSED;
    default: return MU_REFUSAL_TLS_OTHER;
    }
}

/* libssl reports an alert that it received as a reason of this base plus the alert's number. */
static void refuse_by_alert(struct mu_refusal *ret, int number)
{
    const struct mu_alert *alert = mu_alert_find(number);
    mu_refusal_set(ret, MU_REFUSAL_CLIENT_ALERT);
    ret->alert = number;
    bool about_certificate = mu_alert_is_about_certificate(number);
    if (about_certificate)
        snprintf(ret->sentence, sizeof ret->sentence,
                 "the client refused this server's certificate (alert \"%s\")", alert->name);
    else
        snprintf(ret->sentence, sizeof ret->sentence,
                 "the client ended the handshake (alert \"%s\")", alert->name);
    if (!about_certificate)
        mu_str_copy(ret->hint, sizeof ret->hint, "see the client's own error");
}

static void refuse_by_server_alert(struct mu_refusal *ret, int number)
{
    const struct mu_alert *alert = mu_alert_find(number);
    mu_refusal_set(ret, MU_REFUSAL_SERVER_ALERT);
    mu_str_copy(ret->sentence, sizeof ret->sentence, alert->sentence);
    mu_str_copy(ret->hint, sizeof ret->hint, alert->hint);
    snprintf(ret->cause, sizeof ret->cause, "TLS alert %d \"%s\" from the server", number,
             alert->name);
}

/* The number of the alert that libssl tells of; -1: it is something else. */
static int alert_of(unsigned long e)
{
    int number = ERR_GET_REASON(e) - SSL_AD_REASON_OFFSET;
    return ERR_GET_LIB(e) == ERR_LIB_SSL && number > 0 && number < 256 ? number : -1;
}

void mu_refusal_by_server_from_openssl(struct mu_refusal *ret)
{
    unsigned long e = ERR_get_error();
    ERR_clear_error();
    const char *words = ERR_reason_error_string(e);
    if (alert_of(e) >= 0) {
        refuse_by_server_alert(ret, alert_of(e));
        return;
    }
    bool closed =
        ERR_GET_LIB(e) == ERR_LIB_SSL && ERR_GET_REASON(e) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
    mu_refusal_set(ret, closed ? MU_REFUSAL_SERVER_CLOSED : MU_REFUSAL_SERVER_OTHER);
    if (words != NULL)
        mu_str_copy(ret->cause, sizeof ret->cause, words);
}

void mu_refusal_from_openssl(struct mu_refusal *ret)
{
    unsigned long e = ERR_get_error();
    ERR_clear_error();
    const char *words = ERR_reason_error_string(e);
    int reason = ERR_GET_REASON(e);
    if (alert_of(e) >= 0)
        refuse_by_alert(ret, alert_of(e));
    else if (ERR_GET_LIB(e) == ERR_LIB_SSL)
        mu_refusal_set(ret, code_of_reason(reason));
    else if (ERR_GET_LIB(e) == ERR_LIB_ASN1 || ERR_GET_LIB(e) == ERR_LIB_X509)
        mu_refusal_set(ret, MU_REFUSAL_CERT_GARBLED);
    else
        mu_refusal_set(ret, MU_REFUSAL_TLS_OTHER);
    if (words != NULL)
        mu_str_copy(ret->cause, sizeof ret->cause, words);
}
