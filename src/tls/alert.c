#include "tls/alert.h"

#include "base/macros.h"

static const struct mu_alert alerts[] = {
#define MU_ALERT(number, name, sentence, hint) {number, name, sentence, hint},
#include "tls/alert.def"
#undef MU_ALERT
};

static const struct mu_alert unknown =
    {-1, "unknown alert", "the server ended the handshake with an alert that has no name here",
     "ask the server's operator what its log says"};

const struct mu_alert *mu_alert_find(int number)
{
    for (size_t i = 0; i < MU_COUNT(alerts); i++)
        if (alerts[i].number == number)
            return &alerts[i];
    return &unknown;
}

bool mu_alert_is_about_certificate(int number)
{
    return (number >= 42 && number <= 46) || number == 48 || number == 49 || number == 51;
}
