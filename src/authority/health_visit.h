#ifndef MU_AUTHORITY_HEALTH_VISIT_H
#define MU_AUTHORITY_HEALTH_VISIT_H

/* For health.c and health_*.c: one look around in a home, and what is found there. */

#include "authority/health.h"
#include "authority/home.h"
#include "pki/cert.h"
#include "store/store.h"

/* The end of something is soon when less than this part of the whole is left. */
enum { MU_SOON_PART = 3 };

struct mu_visit {
    const struct mu_health *how;
    struct mu_home home;
    mu_symptom_fn *each;
    void *arg;
    struct mu_cert *cert;   /* NULL: it cannot be read */
    struct mu_store *store; /* NULL: they cannot be read */
};

void mu_visit_find(const struct mu_visit *v, enum mu_symptom_code code, const char *format, ...)
    MU_PRINTF(3, 4);

/* The sentence of an error, and its cause, as a finding. */
void mu_visit_find_error(const struct mu_visit *v, enum mu_symptom_code code,
                         const struct mu_error *err);

/* The CA's certificate, its key, and the CAs around it. */
void mu_look_at_ca(struct mu_visit *v);
void mu_look_at_key(struct mu_visit *v);
void mu_look_at_hierarchy(struct mu_visit *v);

/* The revocation lists, and what was issued. */
void mu_look_at_crl(struct mu_visit *v);
void mu_look_at_certificates(struct mu_visit *v);

#endif
