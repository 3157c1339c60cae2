/* src/kernels/gemm_forms_512.h - the integer products of every form, for one instruction set.
 *
 * A file that includes this has made `products`, for codes of up to 6 bits, and `products_octets`,
 * which takes OFFSET from each code by itself. Each function here is a form with its tiles; the
 * file exports them under the name of its instruction set.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_GEMM_FORMS_512_H
#define WH_KERNELS_GEMM_FORMS_512_H

#include "kernels/gemm_blocks_512.h"

static const gemm_form form_q1 = { products, codes_q1_512, 1, 0, 0, 0, 0, 0 };
static const gemm_form form_q2 = { products, codes_q2_512, 2, 0, 0, 0, 0, 0 };
static const gemm_form form_q3 = { products, codes_q3_512, 3, 0, 0, 0, 0, 0 };
static const gemm_form form_q4 = { products, codes_q4_512, 4, 0, 0, 0, 0, 0 };
static const gemm_form form_q5 = { products, codes_q5_512, 5, 0, 0, 0, 0, 0 };
static const gemm_form form_q6 = { products, codes_q6_512, 6, 0, 0, 0, 0, 0 };
static const gemm_form form_q8 = { products_octets, codes_q8_512, 8, OFFSET, 0, 0, 0, 0 };
static const gemm_form form_digits = { products_digits, codes_q4_512, 4, 0, 0, 0, 2, 0 };
static const gemm_form form_small = { products, codes_q4_512, 4, 0, 0, 0, 1, 1 };
static const gemm_form form_octets = { products_octets, codes_q4_512, 4, OFFSET, 0, 0, 1, 0 };

#define TILES(form, run)                                                                           \
    static void tiles_##form(gemm_block *s, size_t j0, unsigned tokens)                            \
    {                                                                                              \
        run_block(s, run, &form_##form, j0, tokens);                                               \
    }                                                                                              \
    static void gemm_##form(const wh_gemm_args *a)                                                 \
    {                                                                                              \
        gemm(a, tiles_##form);                                                                     \
    }
TILES(q1, run_tile)
TILES(q2, run_tile)
TILES(q3, run_tile)
TILES(q4, run_tile)
TILES(q5, run_tile)
TILES(q6, run_tile)
TILES(q8, run_tile)
TILES(digits, run_tile)
TILES(small, run_tile)
TILES(octets, run_tile)

static void gemm_t4(const wh_gemm_args *a)
{
    (a->w->digits == 2 ? gemm_digits : a->w->octets ? gemm_octets : gemm_small)(a);
}

#define PLAIN(kind, bits)                                                                          \
    static void kind_##kind(const wh_gemm_args *a)                                                 \
    {                                                                                              \
        gemm_q##bits(a);                                                                           \
    }
#define PARTS(kind, bits, sub, minima)                                                             \
    static const gemm_form form_##kind = {                                                         \
        products, codes_q##bits##_512, bits, 0, sub, minima, 0, 0                                  \
    };                                                                                             \
    TILES(kind, run_blocks)                                                                        \
    static void kind_##kind(const wh_gemm_args *a)                                                 \
    {                                                                                              \
        gemm_##kind(a);                                                                            \
    }
#define TABLE(kind, ...)                                                                           \
    static void kind_##kind(const wh_gemm_args *a)                                                 \
    {                                                                                              \
        gemm_t4(a);                                                                                \
    }
#define TABLE_PARTS(kind, sub)                                                                     \
    static const gemm_form form_##kind = {                                                         \
        products_octets, codes_q4_512, 4, OFFSET, sub, 0, 1, 0                                     \
    };                                                                                             \
    TILES(kind, run_blocks)                                                                        \
    static void kind_##kind(const wh_gemm_args *a)                                                 \
    {                                                                                              \
        gemm_##kind(a);                                                                            \
    }
#define FORM(form, ...)                                                                            \
    static void gemm_##form(const wh_gemm_args *a)                                                 \
    {                                                                                              \
        WH_OF_KIND(a->w, kind_, __VA_ARGS__)(a);                                                   \
    }
WH_PLAIN_BLOCKS(PLAIN)
WH_PARTED_BLOCKS(PARTS)
WH_TABLE_BLOCKS(TABLE)
WH_PARTED_TABLES(TABLE_PARTS)
WH_BLOCK_FORMS(FORM)

#endif
