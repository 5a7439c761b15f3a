#ifndef MU_BASE_MACROS_H
#define MU_BASE_MACROS_H

/* The few compiler attributes that the code leans on, under names that say what they mean here. */

#include <stddef.h>

#define MU_CHECK __attribute__((warn_unused_result))
#define MU_PRINTF(text, first) __attribute__((format(printf, text, first)))
#define MU_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/*
 * MU_AUTO(T) declares a pointer to T that is freed on every way out of its scope; mu_take(&p) hands
 * the value on and leaves NULL behind, so that nothing is freed. A type takes part by one
 * MU_AUTO_DEFINE(T, free_function) after its declaration; T is a single word, so a struct is named
 * by MU_AUTO_DEFINE_STRUCT(tag, free_function) and declared with MU_AUTO_STRUCT(tag).
 */
#define MU_AUTO_DEFINE(T, free_function)                                                           \
    static inline void mu_auto_free_##T(T **p)                                                     \
    {                                                                                              \
        if (*p != NULL)                                                                            \
            free_function(*p);                                                                     \
    }
#define MU_AUTO(T) __attribute__((cleanup(mu_auto_free_##T))) T *

#define MU_AUTO_DEFINE_STRUCT(tag, free_function)                                                  \
    static inline void mu_auto_free_##tag(struct tag **p)                                          \
    {                                                                                              \
        if (*p != NULL)                                                                            \
            free_function(*p);                                                                     \
    }
#define MU_AUTO_STRUCT(tag) __attribute__((cleanup(mu_auto_free_##tag))) struct tag *

/* The same for a struct that lives on the stack and has a _clear function. */
#define MU_AUTO_DEFINE_CLEAR(tag, clear_function)                                                  \
    static inline void mu_auto_clear_##tag(struct tag *s)                                          \
    {                                                                                              \
        clear_function(s);                                                                         \
    }
#define MU_AUTO_CLEAR(tag) __attribute__((cleanup(mu_auto_clear_##tag))) struct tag

#define mu_take(p)                                                                                 \
    __extension__({                                                                                \
        __typeof__(p) mu_take_from = (p);                                                          \
        __typeof__(*mu_take_from) mu_taken = *mu_take_from;                                        \
        *mu_take_from = NULL;                                                                      \
        mu_taken;                                                                                  \
    })

#endif
