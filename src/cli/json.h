#ifndef MU_CLI_JSON_H
#define MU_CLI_JSON_H

/* JSON out of what the world calls its files. */

#include <jansson.h>

/* As it is if it is UTF-8, which JSON has to be; else as a terminal would be shown it. Given. NULL without memory. */
json_t *mu_text_json(const char *text);

/* json_pack() whose strings are mu_text_json(): an object, with values s, s?, o, o?, O, b, i, I and further objects. Given. */
json_t *mu_pack(const char *format, ...);

#endif
