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

const char *mu_request_host(const struct mu_request *request, size_t *ret_len)
{
    const char *host = authority_of(request->target);
    if (host == NULL)
        host = mu_request_header(request, "host");
    *ret_len = host == NULL ? 0 : strcspn(host, "/?#");
    return host;
}

bool mu_request_leads_here(const struct mu_request *request, const struct mu_conn *conn)
{
    size_t len;
    const char *host = mu_request_host(request, &len);
    if (host == NULL)
        return true;
    const char *port = *host == '[' ? NULL : memchr(host, ':', len);
    return mu_conn_leads_here(conn, host, port == NULL ? len : (size_t)(port - host));
}
