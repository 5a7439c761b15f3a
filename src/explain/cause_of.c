#include "explain/cause_of.h"

#include <string.h>

#include "base/str.h"
#include "pki/info.h"
#include "pki/name.h"
#include "pki/verify.h"

/* The id is that of a table of another room, which a test holds to ours. */
static enum mu_cause_id find(const char *id)
{
    enum mu_cause_id cause = mu_cause_find(id);
    return cause == MU_CAUSE_COUNT ? MU_CAUSE_other : cause;
}

enum mu_cause_id mu_cause_of_error(const struct mu_error *err)
{
    if (*err->why != '\0')
        return mu_cause_find(err->why);
    switch (err->code) {
    case MU_E_EMPTY:
    case MU_E_DAMAGED: return MU_CAUSE_pem_damaged;
    case MU_E_WRONG_KIND: return MU_CAUSE_wrong_file;
    case MU_E_PASSPHRASE_NEEDED: return MU_CAUSE_key_encrypted;
    case MU_E_PASSPHRASE_WRONG: return MU_CAUSE_key_wrong_passphrase;
    case MU_E_KEY_MISMATCH: return MU_CAUSE_key_mismatch;
    case MU_E_CA_EXPIRED: return MU_CAUSE_ca_cert_expired;
    case MU_E_CONNECT:
        return strstr(err->cause, "resolve") != NULL ? MU_CAUSE_host_not_found
                                                     : MU_CAUSE_connection_refused;
    case MU_E_TIMEOUT: return MU_CAUSE_connection_timed_out;
    default: return MU_CAUSE_COUNT;
    }
}

enum mu_cause_id mu_cause_of_client_alert(int alert)
{
    switch (alert) {
    case 43: return MU_CAUSE_server_cert_no_serverauth;
    case 44: return MU_CAUSE_server_cert_revoked;
    case 45: return MU_CAUSE_server_cert_expired;
    case 51: return MU_CAUSE_ca_rekeyed_same_name;
    default: return MU_CAUSE_server_untrusted_ca;
    }
}

enum mu_cause_id mu_cause_of_refusal(const struct mu_refusal *refusal)
{
    char id[MU_CAUSE_LEN];
    bool of_server = mu_str_starts_with(refusal->id, "server-");
    switch (refusal->code) {
    case MU_REFUSAL_CERT:
        return find(
            mu_fault_cause(refusal->fault, of_server ? MU_PURPOSE_SERVER : MU_PURPOSE_CLIENT, id));
    case MU_REFUSAL_CERT_MISSING: return MU_CAUSE_client_cert_not_sent;
    case MU_REFUSAL_CERT_GARBLED: return MU_CAUSE_certificate_malformed;
    case MU_REFUSAL_CERT_SIGNATURE: return MU_CAUSE_key_mismatch;
    case MU_REFUSAL_TLS_VERSION: return MU_CAUSE_tls_version_mismatch;
    case MU_REFUSAL_TLS_CIPHER:
    case MU_REFUSAL_TLS_GROUP:
    case MU_REFUSAL_TLS_SIGALG: return MU_CAUSE_no_shared_cipher;
    case MU_REFUSAL_TLS_ALPN: return MU_CAUSE_alpn_mismatch;
    case MU_REFUSAL_SERVER_NAME: return MU_CAUSE_sni_unknown;
    case MU_REFUSAL_NOT_TLS:
    case MU_REFUSAL_PLAIN_HTTP:
    case MU_REFUSAL_SERVER_NOT_TLS: return MU_CAUSE_not_tls;
    case MU_REFUSAL_CLIENT_ALERT: return mu_cause_of_client_alert(refusal->alert);
    case MU_REFUSAL_SERVER_ALERT: return MU_CAUSE_client_untrusted_ca;
    case MU_REFUSAL_SERVER_CERT_UNEXPECTED: return MU_CAUSE_server_name_mismatch;
    case MU_REFUSAL_CLOSED:
    case MU_REFUSAL_TRANSPORT:
    case MU_REFUSAL_SERVER_CLOSED:
    case MU_REFUSAL_SERVER_CUT_OFF: return MU_CAUSE_connection_cut_off;
    case MU_REFUSAL_TIMEOUT: return MU_CAUSE_connection_timed_out;
    case MU_REFUSAL_ACCESS_DENIED:
    case MU_REFUSAL_ACCESS_NOT_ALLOWED:
    case MU_REFUSAL_ACCESS_UNCLEAR: return MU_CAUSE_not_authorized;
    case MU_REFUSAL_ACCESS_NO_CERTIFICATE: return MU_CAUSE_client_cert_not_sent;
    case MU_REFUSAL_ADDRESS_FULL:
    case MU_REFUSAL_CROWDED:
    case MU_REFUSAL_RATE:
    case MU_REFUSAL_DOOR_FULL: return MU_CAUSE_server_limit_reached;
    default: return MU_CAUSE_other;
    }
}

/* --- The end of a call --- */

/* It is presented alone, and the name of its issuer is none of a root. */
static bool lacks_intermediate(const struct mu_certs *chain, time_t now)
{
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    return chain->count == 1 && mu_cert_info_read(chain->at[0], now, &info, &ignored) == 0 &&
           mu_name_sounds_intermediate(info.issuer);
}

/* A server that does not say why may well mean what our certificate says of itself. */
static enum mu_cause_id of_own(const struct mu_certs *chain, time_t now, enum mu_cause_id otherwise)
{
    if (chain == NULL)
        return otherwise;
    const struct mu_cert *own = chain->at[0];
    if (now > mu_cert_not_after(own))
        return MU_CAUSE_client_cert_expired;
    if (now < mu_cert_not_before(own))
        return MU_CAUSE_client_cert_not_yet_valid;
    if (mu_cert_is_signed_by(own, own))
        return MU_CAUSE_client_self_signed;
    return otherwise == MU_CAUSE_client_untrusted_ca && lacks_intermediate(chain, now)
               ? MU_CAUSE_client_chain_incomplete
               : otherwise;
}

/* What an alert says of the certificate that was presented. [RFC 8446 6.2] */
static enum mu_cause_id of_alert(const struct mu_tls_client *tls, time_t now)
{
    const struct mu_cert *own = tls->chain != NULL ? tls->chain->at[0] : NULL;
    bool withheld = tls->asked && own == NULL;
    switch (tls->alert) {
    case 40: return withheld ? MU_CAUSE_client_cert_not_sent : MU_CAUSE_no_shared_cipher;
    case 42:
    case 50:
    case 116:
        return withheld || own == NULL ? MU_CAUSE_client_cert_not_sent
                                       : of_own(tls->chain, now, MU_CAUSE_client_untrusted_ca);
    case 43: return MU_CAUSE_client_cert_no_clientauth;
    case 44: return MU_CAUSE_client_cert_revoked;
    case 45: /* OpenSSL says the same of a revocation list that is out of date */
        return own != NULL && now <= mu_cert_not_after(own) ? MU_CAUSE_crl_expired
                                                            : MU_CAUSE_client_cert_expired;
    case 46:
    case 48: return of_own(tls->chain, now, MU_CAUSE_client_untrusted_ca);
    case 49:
        return of_own(tls->chain, now, MU_CAUSE_not_authorized); /* GnuTLS's server knows no other */
    case 51:
        return MU_CAUSE_ca_rekeyed_same_name; /* that our key fits was seen when it was loaded */
    case 70: return MU_CAUSE_tls_version_mismatch;
    case 71: return MU_CAUSE_no_shared_cipher;
    case 112: return MU_CAUSE_sni_unknown;
    case 120: return MU_CAUSE_alpn_mismatch;
    default: return MU_CAUSE_other;
    }
}

enum mu_cause_id mu_cause_of_call(const struct mu_tls_client *tls, const struct mu_error *err,
                                  time_t now)
{
    char id[MU_CAUSE_LEN];
    if (tls->verdict.fault != MU_FAULT_NONE)
        return find(mu_fault_cause(tls->verdict.fault, MU_PURPOSE_SERVER, id));
    if (tls->alert >= 0)
        return of_alert(tls, now);
    if (err->code == MU_E_REFUSED)
        return tls->chain == NULL ? MU_CAUSE_client_cert_not_sent
                                  : of_own(tls->chain, now, MU_CAUSE_client_untrusted_ca);
    if (err->code == MU_E_TLS)
        return strstr(err->cause, "wrong version number") != NULL ? MU_CAUSE_not_tls
                                                                  : MU_CAUSE_other;
    return mu_cause_of_error(err);
}

enum mu_cause_id mu_cause_of_status(const struct mu_tls_client *tls, long status, time_t now)
{
    if (status == 421)
        return MU_CAUSE_sni_unknown;
    if ((status == 400 || status == 401 || status == 403 || status == 496) && tls->chain == NULL)
        return tls->asked ? MU_CAUSE_client_cert_not_sent : MU_CAUSE_COUNT;
    if (status == 403 && tls->asked)
        return MU_CAUSE_not_authorized;
    return status == 400 && tls->asked ? of_own(tls->chain, now, MU_CAUSE_client_untrusted_ca)
                                       : MU_CAUSE_COUNT;
}
