#ifndef MU_TLS_ALERT_H
#define MU_TLS_ALERT_H

/* Alerts in words. [RFC 8446 6.2] */

#include <stdbool.h>

struct mu_alert {
    int number;
    const char *name;     /* "unknown ca" */
    const char *sentence; /* what a server that sends it means */
    const char *hint;
};

/* Does it speak of the receiver's certificate? Others say that something else failed. */
bool mu_alert_is_about_certificate(int number);

/* Never NULL: an alert that is not in the table is described as such. */
const struct mu_alert *mu_alert_find(int number);

#endif
