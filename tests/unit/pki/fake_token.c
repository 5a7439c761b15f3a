/*
 * A PKCS#11 module with one token, "fake", and no key. What no test can do to a real one without its being lost is done
 * to this one, by the environment: FAKE_TOKEN_FLAGS are the token's flags, FAKE_TOKEN_LOGIN is what it says to a PIN.
 */
#include <p11-kit/pkcs11.h>
#include <stdlib.h>
#include <string.h>

static CK_ULONG number(const char *name)
{
    const char *value = getenv(name);
    return value == NULL ? 0 : strtoul(value, NULL, 0);
}

static CK_RV initialize(void *args)
{
    (void)args;
    return CKR_OK;
}

static CK_RV finalize(void *reserved)
{
    (void)reserved;
    return CKR_OK;
}

static CK_RV get_info(CK_INFO *ret)
{
    memset(ret, ' ', sizeof *ret);
    return CKR_OK;
}

static CK_RV get_slot_list(unsigned char present, CK_SLOT_ID *ret, CK_ULONG *count)
{
    (void)present;
    *count = getenv("FAKE_TOKEN_FLAGS") == NULL ? 0 : 1;
    *ret = 1;
    return CKR_OK;
}

static CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO *ret)
{
    (void)slot;
    memset(ret, ' ', sizeof *ret);
    memcpy(ret->label, "fake", 4);
    ret->flags = CKF_TOKEN_INITIALIZED | number("FAKE_TOKEN_FLAGS");
    return CKR_OK;
}

static CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, void *app, CK_NOTIFY notify,
                          CK_SESSION_HANDLE *ret)
{
    (void)slot;
    (void)flags;
    (void)app;
    (void)notify;
    *ret = 1;
    return CKR_OK;
}

static CK_RV close_session(CK_SESSION_HANDLE session)
{
    (void)session;
    return CKR_OK;
}

static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, unsigned char *pin, CK_ULONG len)
{
    (void)session;
    (void)user;
    if ((number("FAKE_TOKEN_FLAGS") & CKF_PROTECTED_AUTHENTICATION_PATH) != 0 && pin != NULL)
        return CKR_ARGUMENTS_BAD;
    (void)len;
    return number("FAKE_TOKEN_LOGIN");
}

static CK_RV find_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, CK_ULONG count)
{
    (void)session;
    (void)template;
    (void)count;
    return CKR_OK;
}

static CK_RV find(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *ret, CK_ULONG max, CK_ULONG *count)
{
    (void)session;
    (void)ret;
    (void)max;
    *count = 0;
    return CKR_OK;
}

static CK_FUNCTION_LIST list = {
    .version = {2, 40},
    .C_Initialize = initialize,
    .C_Finalize = finalize,
    .C_GetInfo = get_info,
    .C_GetSlotList = get_slot_list,
    .C_GetTokenInfo = get_token_info,
    .C_OpenSession = open_session,
    .C_CloseSession = close_session,
    .C_Login = login,
    .C_FindObjectsInit = find_init,
    .C_FindObjects = find,
    .C_FindObjectsFinal = close_session,
};

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST **ret)
{
    *ret = &list;
    return CKR_OK;
}
