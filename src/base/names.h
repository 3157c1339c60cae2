/* src/base/names.h - a set of names with an index each: duplicates and look-ups in O(1); comparing.
 *
 * The strings are borrowed. SPDX-License-Identifier: MIT */
#ifndef WH_BASE_NAMES_H
#define WH_BASE_NAMES_H

#include <stddef.h>
#include <stdint.h>

typedef struct wh_names {
    const char **name; /* open addressing; NULL is free */
    size_t *index;
    size_t count, cap; /* cap is 0 or a power of two */
} wh_names;            /* zero-initialise */

#define WH_NAMES_NONE ((size_t)-1)
/* 1: added; 0: the name is there already; -1: no memory. */
int wh_names_add(wh_names *set, const char *name, size_t index);
size_t wh_names_find(const wh_names *set, const char *name); /* index or WH_NAMES_NONE */
void wh_names_free(wh_names *set);

/* 1 if name is `lower` with any of its letters of ASCII in the other case. */
int wh_name_is(const char *name, const char *lower);
/* 1 if name ends in `end`, with something before it: *stem octets (it may be NULL). */
int wh_ends_with(const char *name, const char *end, size_t *stem);
/* For qsort over pointers to names: the order of their octets. */
int wh_by_text(const void *a, const void *b);

#endif
