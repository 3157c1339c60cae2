/* src/kernels/many_amx.h - the blocking of the products of many tokens with AMX.
 *
 * A block of panels lies expanded in the second-level cache for all inputs; for each 32 tokens,
 * two panels after two: the sums of all inputs, then y, which is written once. Method: kernels.md
 * 4.5 (v4). Not here: how panels are expanded and what the tiles sum up (many_q8_amx.c,
 * many_bf16_amx.c).
 *
 * Only static functions: a file that includes this is built for AMX.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_MANY_AMX_H
#define WH_KERNELS_MANY_AMX_H

#include "kernels/amx_tiles.h"
#include "kernels/float_avx512.h"
#include "kernels/many.h"

#include <string.h>

/* Two blocks of tokens times two panels. */
typedef struct many_spot {
    const wh_many_args *a;
    size_t block;        /* the first of the two */
    size_t tokens[2];    /* of each; where there is no second the first stands in, to no purpose */
    size_t blocks;       /* 1 or 2 */
    size_t panel;        /* the first of the two */
    size_t panels;       /* 1: where a range ends odd; the first stands in for the second */
    const uint8_t *b[2]; /* expanded */
} many_spot;

/* Sums as wh_tiles_store leaves them: [block][panel][token][row]. */
typedef float many_sums[2][2][WH_TOKENS][WH_PANEL];

/* n panels from p on as tiles; apart octets from one to the next. Returns where they are: in near,
 * or as they lie. */
typedef const uint8_t *expand_fn(const wh_many_args *a, size_t p, size_t n, size_t *apart);
typedef void multiply_fn(const many_spot *s, many_sums y);
typedef void product_fn(const void *a0, const void *a1, const void *b0, const void *b1);

static inline const uint8_t *many_codes(const many_spot *s, size_t i)
{
    return (const uint8_t *)s->a->codes + (s->block + (i < s->blocks ? i : 0)) * s->a->apart;
}

/* Leaves in the tiles the products of tiles [t, end) of the inputs; `skip` octets of the expanded
 * panels come before them. */
static WH_INLINE void many_sum(const many_spot *s, size_t t, size_t end, size_t skip,
                               product_fn *product)
{
    const uint8_t *a0 = many_codes(s, 0) + t * s->tokens[0] * 64;
    const uint8_t *a1 = many_codes(s, 1) + t * s->tokens[1] * 64;
    const uint8_t *b0 = s->b[0] + skip + t * WH_TILE_BYTES;
    const uint8_t *b1 = s->b[1] + skip + t * WH_TILE_BYTES;
    wh_tiles_zero();
    for (; t < end; t++) {
        product(a0, a1, b0, b1);
        a0 += s->tokens[0] * 64;
        a1 += s->tokens[1] * 64;
        b0 += WH_TILE_BYTES;
        b1 += WH_TILE_BYTES;
    }
}

static inline void many_store(const many_spot *s, many_sums sums)
{
    const size_t rows = s->a->w->rows;
    for (size_t i = 0; i < s->panels; i++) {
        const size_t row = (s->panel + i) * WH_PANEL, left = rows - row;
        const __mmask16 mask = (__mmask16)(left < WH_PANEL ? (1u << left) - 1 : 0xffffu);
        for (size_t t = 0; t < s->blocks; t++) {
            float *y = s->a->y + (s->block + t) * WH_TOKENS * s->a->ldy + row;
            for (size_t j = 0; j < s->tokens[t]; j++)
                _mm512_mask_storeu_ps(y + j * s->a->ldy, mask, _mm512_load_ps(sums[t][i][j]));
        }
    }
}

/* Two blocks of tokens times panels [p, p + n). */
static WH_INLINE void many_pairs(many_spot *s, size_t p, size_t n, const uint8_t *tiles,
                                 size_t apart, multiply_fn *multiply)
{
    _Alignas(64) many_sums sums;
    for (size_t i = 0; i < n; i += 2) {
        s->panel = p + i;
        s->panels = n - i < 2 ? 1 : 2;
        s->b[0] = tiles + i * apart;
        s->b[1] = s->panels == 2 ? s->b[0] + apart : s->b[0];
        multiply(s, sums);
        many_store(s, sums);
    }
}

/* Blocks [block, ..) of tokens: two, or what is left. */
static inline void many_take(many_spot *s, size_t block)
{
    const size_t left = s->a->tokens - block * WH_TOKENS, more = left > WH_TOKENS;
    s->block = block;
    s->blocks = 1 + more;
    s->tokens[0] = more ? WH_TOKENS : left;
    s->tokens[1] = !more ? left : left - WH_TOKENS < WH_TOKENS ? left - WH_TOKENS : WH_TOKENS;
}

/* A thread's part of a product; n panels at once. */
static WH_INLINE void many_part(const wh_many_args *a, size_t n, expand_fn *expand,
                                multiply_fn *multiply)
{
    if (a->p0 >= a->p1) return;
    many_spot s = { .a = a };
    size_t set[2] = { 0, 0 }; /* tokens that the tiles are configured for */
    for (size_t p = a->p0; p < a->p1; p += n) {
        const size_t now = a->p1 - p < n ? a->p1 - p : n;
        size_t apart;
        const uint8_t *tiles = expand(a, p, now, &apart);
        for (size_t block = 0; block * WH_TOKENS < a->tokens; block += 2) {
            many_take(&s, block);
            if (s.tokens[0] != set[0] || s.tokens[1] != set[1])
                wh_tiles_configure(s.tokens[0], s.tokens[1]);
            memcpy(set, s.tokens, sizeof set);
            many_pairs(&s, p, now, tiles, apart, multiply);
        }
    }
    wh_tiles_release();
}

#endif
