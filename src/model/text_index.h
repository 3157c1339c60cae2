/* src/model/text_index.h - texts of any octets to numbers, by a keyed hash.
 *
 * base/names.h does the same for NUL-terminated names; here a text is a piece of a larger one, and
 * looking it up is what the tokenizer spends its time with. The texts are borrowed.
 * SPDX-License-Identifier: MIT */
#ifndef WH_MODEL_TEXT_INDEX_H
#define WH_MODEL_TEXT_INDEX_H

#include <stddef.h>
#include <stdint.h>

#define WH_TEXT_NONE UINT32_MAX

typedef struct wh_text_slot {
    const char *text; /* NULL: free */
    uint32_t len, id;
} wh_text_slot;

typedef struct wh_text_index {
    wh_text_slot *slot; /* open addressing */
    size_t count, cap;  /* cap is 0 or a power of two */
    uint64_t key;
} wh_text_index; /* zero-initialise */

/* Room for so many more without moving. 0: no memory. */
int wh_text_index_reserve(wh_text_index *x, size_t more);
/* 1: added; 0: the text is there already; -1: no memory. id is not WH_TEXT_NONE. */
int wh_text_index_add(wh_text_index *x, const char *text, uint32_t len, uint32_t id);
/* The id, or WH_TEXT_NONE. */
uint32_t wh_text_index_find(const wh_text_index *x, const char *text, size_t len);
void wh_text_index_free(wh_text_index *x);

#endif
