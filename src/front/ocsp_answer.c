#include "front/ocsp_answer.h"

#include "pki/object.h"

int mu_ocsp_answer_read(const struct mu_buf *bytes, const struct mu_cert *cert,
                        const struct mu_cert *issuer, time_t now, struct mu_ocsp_told *ret,
                        struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    struct mu_cert *const own[] = {(struct mu_cert *)issuer};
    const struct mu_certs anchors = {.at = (struct mu_cert **)own, .count = 1};
    if (mu_objects_parse("the answer", bytes->data, bytes->len, &objects, err) != 0)
        return -1;
    if (objects.count != 1 || objects.at[0].ocsp_response == NULL)
        return mu_fail(err, MU_E_NOT_VERIFIED, "the answer is not one of OCSP");
    const struct mu_ocsp_response *response = objects.at[0].ocsp_response;
    return mu_ocsp_response_verify(response, &anchors, NULL, NULL, now, err) != 0 ||
                   mu_ocsp_response_find(response, cert, issuer, ret, err) != 0 ||
                   mu_ocsp_told_check(ret, now, err) != 0
               ? -1
               : 0;
}
