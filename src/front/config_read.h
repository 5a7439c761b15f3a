#ifndef MU_FRONT_CONFIG_READ_H
#define MU_FRONT_CONFIG_READ_H

/*
 * What the configuration's file is read with: values that stand in several places (config_value.c), and the keys that say who may come
 * in to what, and how much of it (config_rules.c). The key in the name of each is the one that it reads, into the field of the
 * structure that it belongs to; -1, or NULL, when the reader has failed. For this room only.
 */

#include "front/config.h"
#include "yaml/reader.h"

/* --- Values. Text is given. --- */

/* A path as seen from here: one that is relative is so to the file's directory. */
char *mu_config_path(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key);
/* An address may be the path of a Unix socket, too. */
char *mu_config_address(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                        const char *wanted);
int mu_config_ms(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                 unsigned *ret_ms);
int mu_config_count(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                    unsigned *ret);
int mu_config_log(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into);
int mu_config_to(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into);
/* Takes `text`; NULL: that has failed. */
int mu_config_add_text(struct mu_yaml *yaml, struct mu_strs *list, char *text);

/* --- Rules --- */

int mu_config_allow(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into);
int mu_config_deny(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into);
int mu_config_routes(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into);
int mu_config_tell(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into);
int mu_config_limits(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into);

#endif
