#include "cli/json.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"

json_t *mu_text_json(const char *text)
{
    json_t *as_it_is = json_string(text);
    const size_t len = strlen(text), cap = 4 * len + 1;
    MU_AUTO_CLEAR(mu_buf) shown = MU_BUF_INIT;
    char *at = as_it_is != NULL ? NULL : mu_buf_reserve(&shown, cap);
    return at == NULL ? as_it_is : json_string(mu_str_printable(text, len, at, cap));
}

/* What is still to be read of a format, and the arguments for it. */
struct packing {
    const char *at;
    va_list args;
};

static bool take(struct packing *p, char c)
{
    p->at += strspn(p->at, " ,:");
    if (*p->at != c)
        return false;
    p->at++;
    return true;
}

static json_t *text_or_null(const char *text)
{
    return text == NULL ? json_null() : mu_text_json(text);
}

static json_t *pack_object(struct packing *p);

static json_t *pack_value(struct packing *p)
{
    if (take(p, '{'))
        return pack_object(p);
    if (take(p, 's')) {
        const char *text = va_arg(p->args, const char *);
        const bool may_be_null = take(p, '?');
        assert(may_be_null || text != NULL);
        return text_or_null(text);
    }
    if (take(p, 'o')) {
        json_t *value = va_arg(p->args, json_t *);
        return take(p, '?') && value == NULL ? json_null() : value;
    }
    if (take(p, 'O'))
        return json_incref(va_arg(p->args, json_t *));
    if (take(p, 'b'))
        return json_boolean(va_arg(p->args, int));
    if (take(p, 'i'))
        return json_integer(va_arg(p->args, int));
    assert(*p->at == 'I');
    p->at++;
    return json_integer(va_arg(p->args, json_int_t));
}

/* What there is no memory for is left out. */
static json_t *pack_object(struct packing *p)
{
    json_t *ret = json_object();
    while (!take(p, '}')) {
        bool is_key = take(p, 's');
        assert(is_key);
        (void)is_key;
        const char *key = va_arg(p->args, const char *);
        json_object_set_new(ret, key, pack_value(p));
    }
    return ret;
}

json_t *mu_pack(const char *format, ...)
{
    struct packing p = {.at = format};
    va_start(p.args, format);
    bool is_object = take(&p, '{');
    assert(is_object);
    (void)is_object;
    json_t *ret = pack_object(&p);
    va_end(p.args);
    return ret;
}
