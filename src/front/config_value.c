#include "front/config_read.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/time.h"

/* A path as seen from here: one that is relative is so to the file's directory. `start` is what stands before it. */
static char *resolve(struct mu_yaml *yaml, const char *start, const char *path)
{
    const char *file = ((const struct mu_config *)mu_yaml_arg(yaml))->file;
    const char *slash = strrchr(file, '/');
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    mu_buf_adds(&text, start);
    if (*path != '/' && slash != NULL)
        mu_buf_add(&text, file, (size_t)(slash - file) + 1);
    mu_buf_adds(&text, path);
    char *made = mu_buf_failed(&text) ? NULL : strdup(mu_buf_str(&text));
    if (made == NULL)
        mu_fail_nomem(mu_yaml_err(yaml));
    return made;
}

static bool is_uri_of_a_key(const char *text)
{
    return mu_str_starts_with(text, "pkcs11:");
}

char *mu_config_path(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key)
{
    const char *text = mu_yaml_text(yaml, node, key, "the path of a file");
    if (text == NULL)
        return NULL;
    return is_uri_of_a_key(text) ? mu_yaml_copy(yaml, node, key, "") : resolve(yaml, "", text);
}

int mu_config_add_text(struct mu_yaml *yaml, struct mu_strs *list, char *text)
{
    int result = text == NULL ? -1 : mu_strs_add(list, text);
    if (text != NULL && result != 0)
        mu_fail_nomem(mu_yaml_err(yaml));
    free(text);
    return result;
}

/* An address may be the path of a Unix socket, too. */
char *mu_config_address(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                        const char *wanted)
{
    static const char start[] = "unix:";
    const char *text = mu_yaml_text(yaml, node, key, wanted);
    if (text == NULL)
        return NULL;
    return mu_str_starts_with(text, start) ? resolve(yaml, start, text + strlen(start))
                                           : mu_yaml_copy(yaml, node, key, wanted);
}

int mu_config_ms(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                 unsigned *ret_ms)
{
    int64_t seconds;
    if (mu_yaml_duration(yaml, node, key, MU_DAY_S, "a day", &seconds) != 0)
        return -1;
    *ret_ms = (unsigned)seconds * 1000;
    return 0;
}

int mu_config_count(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                    unsigned *ret)
{
    long number;
    if (mu_yaml_number(yaml, node, key, 1, MU_CONNECTIONS_MAX, &number) != 0)
        return -1;
    *ret = (unsigned)number;
    return 0;
}

/* Several in one text, as the option has it, or each an item of a list. */
static int add_log(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    static const char wanted[] = "refusals, troubles, requests, connections, all or none";
    unsigned classes, *log = into;
    const char *text = mu_yaml_text(yaml, node, "log", wanted);
    if (text == NULL)
        return -1;
    if (!mu_log_classes_parse(text, &classes))
        return mu_yaml_fail(yaml, mu_yaml_place(node), "log takes %s, not \"%s\"", wanted, text);
    *log |= classes;
    return 0;
}

int mu_config_log(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    unsigned *log = into;
    *log = 0;
    return mu_yaml_list_or_one(yaml, node, "log", add_log, into);
}

/* Its path, if it is a Unix socket, stands behind the scheme. */
static char *backend(struct mu_yaml *yaml, const struct mu_yaml_node *node)
{
    static const char *const starts[] = {"http://unix:", "h2c://unix:"};
    static const char wanted[] = "a backend such as tcp://localhost:8080";
    const char *text = mu_yaml_text(yaml, node, "to", wanted);
    for (size_t i = 0; text != NULL && i < MU_COUNT(starts); i++)
        if (mu_str_starts_with(text, starts[i]))
            return resolve(yaml, starts[i], text + strlen(starts[i]));
    return text == NULL ? NULL : mu_config_address(yaml, node, "to", wanted);
}

static int add_to(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_config_add_text(yaml, into, backend(yaml, node));
}

int mu_config_to(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_list_or_one(yaml, node, "to", add_to, into);
}
