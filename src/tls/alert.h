#ifndef MU_TLS_ALERT_H
#define MU_TLS_ALERT_H

/* Alerts in words. [RFC 8446 6.2] */

struct mu_alert {
    int number;
    const char *name;     /* "unknown ca" */
    const char *sentence; /* what a server that sends it means */
    const char *hint;
};

/* Never NULL: an alert that is not in the table is described as such. */
const struct mu_alert *mu_alert_find(int number);

#endif
