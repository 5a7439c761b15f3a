/* Is a request for the door that its connection came to? */

#include <string.h>
#include <strings.h>

#include "front/internal.h"

/* The authority of an absolute-form target, which counts for more than Host; NULL: it is of another form.
 * [RFC 9112 3.2.2] */
static const char *authority_of(const char *target)
{
    static const char *const schemes[] = {"https://", "http://"};
    for (size_t i = 0; i < MU_COUNT(schemes); i++)
        if (strncasecmp(target, schemes[i], strlen(schemes[i])) == 0)
            return target + strlen(schemes[i]);
    return NULL;
}

bool mu_request_leads_here(const struct mu_request *request, const struct mu_conn *conn)
{
    const char *host = authority_of(request->target);
    if (host == NULL)
        host = mu_request_header(request, "host");
    if (host == NULL)
        return true; /* HTTP/1.0 may leave it open */
    return mu_conn_leads_here(conn, host, strcspn(host, *host == '[' ? "/?#" : ":/?#"));
}
