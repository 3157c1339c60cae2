/* src/pack/layout.h - between pack.c, which checks and dispatches, and the layouts of checkpoints.
 *
 * A new layout is one file with the functions of a wh_layout, and its row in pack.c.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_PACK_LAYOUT_H
#define WH_PACK_LAYOUT_H

#include <whit/pack.h>

/* Rows of a matrix on their way, and where their scales are in the plane of all scales. */
typedef struct wh_part {
    const whit_packing *packing;
    size_t row, rows, cols;
    size_t groups;        /* scales of a row */
    size_t first, scales; /* number of the first scale, and how many; none: another part's */
} wh_part;

typedef struct wh_layout {
    const char *holds;   /* the words for what follows */
    const char *instead; /* a scheme that it holds */
    whit_kind kind[2];
    unsigned bits, gran, scale_types; /* bit b, bit WHIT_GRAN_.., bit WHIT_F16, .. */
    int asym, dq;
    /* Shapes that it cannot hold, as the words why and what to try; NULL: it can. */
    const char *(*misfit)(const whit_packing *p);
    /* Returns how many; *ok is set to 0 when a size passes 2^63. */
    unsigned (*planes)(const whit_packing *p, whit_plane planes[WHIT_MAX_PACKED], int *ok);
    uint64_t (*unit)(const whit_packing *p);
    whit_status (*pack)(const wh_part *at, const uint8_t *codes, const float *scale,
                        const uint8_t *zero, void *const image[], whit_error *err);
    whit_status (*unpack)(const wh_part *at, const void *const image[], uint8_t *codes,
                          float *scale, uint8_t *zero, whit_error *err);
    /* NULL: nothing. */
    whit_status (*rest)(const whit_packing *p, const whit_packing_rest *rest, void *const image[],
                        whit_error *err);
    whit_status (*unpack_rest)(const whit_packing *p, const void *const image[], uint32_t *g_idx,
                               float *absmax, float *offset, whit_error *err);
} wh_layout;

extern const wh_layout wh_ct_packed, wh_ct_int, wh_ct_float, wh_gptq, wh_awq, wh_bnb4, wh_bnb8;

#define WH_BIT(n) (1u << (n))
#define WH_FLOATS (WH_BIT(WHIT_F32) | WH_BIT(WHIT_F16) | WH_BIT(WHIT_BF16))

/* Words of 32 bits that so many codes fill. */
static inline uint64_t wh_words_of(uint64_t codes, unsigned bits)
{
    return codes / 32 * bits + (codes % 32 * bits + 31) / 32;
}

/* native.c: a matrix of a type with whole octets. 0 when its size passes 2^63. */
int wh_plane_make(whit_plane *p, const char *suffix, whit_dtype dtype, uint64_t rows,
                  uint64_t cols);

/* pack.c: scales of the part into a plane in the order of the matrix, and back. */
void wh_put_scales(const wh_part *at, const float *scale, uint8_t *plane);
void wh_get_scales(const wh_part *at, const uint8_t *plane, float *scale);
/* gptq.c: the same for planes [groups][outputs]. */
void wh_put_scales_across(const wh_part *at, const float *scale, uint8_t *plane);
void wh_get_scales_across(const wh_part *at, const uint8_t *plane, float *scale);
/* awq.c: which of eight outputs stands in each place of a word. */
extern const uint8_t wh_awq_order[8];
/* bnb.c: codes of 4 bits, the first in the high half of an octet; the scale of a row of int8. */
void wh_bnb_unpack(const uint8_t *octets, size_t count, uint8_t *codes);
float wh_bnb_scale(float scb);
/* Signed codes of eight bits: u - 128 and back. */
void wh_flip_sign(const uint8_t *from, size_t n, uint8_t *to);

#endif
