/* src/quant/scheme.h - the tables of schemes, for what reads them, proposes from them and prints.
 * SPDX-License-Identifier: MIT */
#ifndef WH_QUANT_SCHEME_H
#define WH_QUANT_SCHEME_H

#include <whit/scheme.h>

/* The sorts of parts. A kind takes a set of them, a text holds at most one of each. */
enum {
    WH_PART_GRAN = 1,
    WH_PART_ASYM = 2,
    WH_PART_SCALE = 4,
    WH_PART_DQ = 8,
    WH_PART_BLOCK = 16,
    WH_PART_ACTS = 32
};
enum {
    WH_PART_INT = WH_PART_GRAN | WH_PART_ASYM | WH_PART_SCALE | WH_PART_ACTS,
    WH_PART_TABLE = WH_PART_GRAN | WH_PART_SCALE,
    WH_PART_NESTED = WH_PART_TABLE | WH_PART_DQ,
    WH_PART_FP8 = WH_PART_TABLE | WH_PART_BLOCK | WH_PART_ACTS
};

typedef struct wh_scheme_kind {
    const char *name;
    whit_kind kind;
    unsigned bits, zero_code; /* 0: stores no codes */
    whit_gran gran;           /* the default, and its group */
    uint32_t group;
    unsigned takes;
    whit_dtype scale; /* of kinds without a choice; WHIT_BOOL: by granularity */
} wh_scheme_kind;

typedef struct wh_scheme_part {
    const char *name;
    unsigned sort;
    int value; /* whit_gran, the flag, or whit_dtype */
} wh_scheme_part;

/* Both end with a row whose name is NULL. Where two texts are equally near to what was typed, the
 * earlier kind is proposed. */
extern const wh_scheme_kind wh_scheme_kinds[];
extern const wh_scheme_part wh_scheme_parts[];

/* The row of the first len octets of a name, of a scheme; NULL where there is none. */
const wh_scheme_kind *wh_scheme_kind_named(const char *name, size_t len);
const wh_scheme_kind *wh_scheme_kind_of(const whit_scheme *s);
/* The type of its scales where nothing is said about it. */
whit_dtype wh_scheme_default_scale(const wh_scheme_kind *row, const whit_scheme *s);

/* ---- reading (scheme_parse.c); text is in lower case and shorter than WHIT_SCHEME_TEXT ------- */

/* Returns what is wrong, or NULL; *out is set only then. */
const char *wh_scheme_read(const char *text, whit_scheme *out);
/* "g64" to 64; 0 where the text is not such a part or the number is outside its range. */
uint32_t wh_scheme_read_group(const char *text, size_t len);
/* A type of GGUF, the first len octets of text. */
whit_block wh_scheme_block_named(const char *text, size_t len);
whit_scheme wh_scheme_of_block(whit_block block);

/* ---- the nearest valid text (scheme_near.c) -------------------------------------------------- */

/* Set *out to the valid scheme whose text is nearest; the kind stays where it is a known one. */
void wh_scheme_nearest(const char *text, whit_scheme *out);

#endif
