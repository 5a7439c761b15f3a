#include "base/privileges.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

static bool read_number(const char *text, id_t *ret)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end != '\0' || errno != 0 || number >= (id_t)-1)
        return false;
    *ret = (id_t)number;
    return true;
}

static int fail_unknown(struct mu_error *err, const char *what, const char *name)
{
    mu_fail(err, MU_E_USAGE, "there is no %s called \"%s\" on this machine", what, name);
    return mu_hint(err, "make it first, for instance: useradd --system --no-create-home mutual");
}

static int find_user(const char *name, struct mu_user *ret, struct mu_error *err)
{
    const struct passwd *found = getpwnam(name);
    if (found == NULL && read_number(name, &ret->uid)) {
        found = getpwuid(ret->uid);
        ret->gid = found == NULL ? (gid_t)ret->uid : found->pw_gid;
        return 0;
    }
    if (found == NULL || !mu_str_copy(ret->name, sizeof ret->name, name))
        return fail_unknown(err, "user", name);
    ret->uid = found->pw_uid;
    ret->gid = found->pw_gid;
    return 0;
}

static int find_group(const char *name, struct mu_user *ret, struct mu_error *err)
{
    const struct group *found = getgrnam(name);
    if (found == NULL)
        return read_number(name, &ret->gid) ? 0 : fail_unknown(err, "group", name);
    ret->gid = found->gr_gid;
    return 0;
}

int mu_user_find(const char *text, struct mu_user *ret, struct mu_error *err)
{
    char name[64];
    const char *colon = strchr(text, ':');
    size_t len = colon == NULL ? strlen(text) : (size_t)(colon - text);
    *ret = (struct mu_user){.name = ""};
    if (len >= sizeof name)
        return fail_unknown(err, "user", text);
    memcpy(name, text, len);
    name[len] = '\0';
    if (find_user(name, ret, err) != 0 || (colon != NULL && find_group(colon + 1, ret, err) != 0))
        return -1;
    if (ret->uid == 0 || ret->gid == 0) {
        mu_fail(err, MU_E_USAGE, "\"%s\" is root, who gives up no rights", text);
        return mu_hint(err, "name a user of its own, and a group of its own");
    }
    return 0;
}

/* Of a user that is known by number only, there are none. */
static int take_groups(const struct mu_user *user)
{
    return user->name[0] == '\0' ? setgroups(1, &user->gid) : initgroups(user->name, user->gid);
}

static bool there_is_a_way_back(const struct mu_user *user)
{
    uid_t uid[3];
    gid_t gid[3];
    if (getresuid(&uid[0], &uid[1], &uid[2]) != 0 || getresgid(&gid[0], &gid[1], &gid[2]) != 0)
        return true;
    for (int i = 0; i < 3; i++)
        if (uid[i] != user->uid || gid[i] != user->gid)
            return true;
    return setuid(0) == 0 || setgid(0) == 0 || setgroups(0, NULL) == 0;
}

int mu_user_become(const struct mu_user *user, struct mu_error *err)
{
    if (geteuid() != 0) {
        mu_fail(err, MU_E_SYSTEM, "only root can become another user, and this is user %u",
                (unsigned)geteuid());
        return mu_hint(err, "start it as root, or leave --user out");
    }
    if (take_groups(user) != 0 || setresgid(user->gid, user->gid, user->gid) != 0 ||
        setresuid(user->uid, user->uid, user->uid) != 0)
        return mu_fail_errno(err, MU_E_SYSTEM, "cannot become user %u, group %u",
                             (unsigned)user->uid, (unsigned)user->gid);
    if (there_is_a_way_back(user))
        return mu_fail(err, MU_E_SYSTEM, "root's rights could not be given up for good");
    return 0;
}
