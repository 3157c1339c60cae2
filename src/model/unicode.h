/* src/model/unicode.h - what a character is, and the normal form NFC.
 *
 * Texts are UTF-8 that somebody has checked. SPDX-License-Identifier: MIT */
#ifndef WH_MODEL_UNICODE_H
#define WH_MODEL_UNICODE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* As tests/unicode_tables.py has them. A word character (of a regular expression's \w) is a
 * LETTER, a NUMBER_WORD or a WORD. */
typedef enum wh_unicode_kind {
    WH_UNICODE_OTHER,
    WH_UNICODE_LETTER,      /* L*                               */
    WH_UNICODE_NUMBER,      /* No                               */
    WH_UNICODE_NUMBER_WORD, /* Nd Nl                            */
    WH_UNICODE_SPACE,       /* White_Space                      */
    WH_UNICODE_WORD         /* M* Pc, joiners, circled letters  */
} wh_unicode_kind;

/* The tables (unicode_table.c). A list of changes has words code point << bits | value, each good
 * from its code point to that of the next. */
extern const uint32_t wh_unicode_kinds[], wh_unicode_classes[], wh_unicode_uneasy[];
extern const size_t wh_unicode_kinds_count, wh_unicode_classes_count, wh_unicode_uneasy_count;
extern const uint32_t wh_unicode_parts[]; /* triples */
extern const size_t wh_unicode_parts_count;
extern const uint16_t wh_unicode_composing[];
extern const size_t wh_unicode_composing_count;

/* The value at a code point in a list of changes. */
unsigned wh_unicode_value(const uint32_t *changes, size_t count, unsigned bits, uint32_t c);
wh_unicode_kind wh_unicode_kind_of(uint32_t c);

/* The character at p, and its octets in *n. */
uint32_t wh_utf8_read(const char *p, size_t *n);

/* 1 if NFC leaves the text as it is, as far as can be seen without doing it. */
int wh_nfc_is_easy(const char *text, size_t len);
/* Append the text in NFC; b->failed says that memory was short. */
void wh_nfc_put(wh_buf *b, const char *text, size_t len);

#endif
