/* src/kernels/gemm_forms_256.h - the integer products of every form, for one instruction set.
 *
 * A file that includes this has made `products`, for codes of up to 6 bits, and `products_octets`,
 * which takes OFFSET from each code by itself, and says how many HALVES of a panel a tile of 4
 * tokens has. Each function here is a form with its tiles; the file exports them under the name of
 * its instruction set.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_GEMM_FORMS_256_H
#define WH_KERNELS_GEMM_FORMS_256_H

#include "kernels/gemm_blocks_256.h"

static const gemm_form form_q1 = { products, codes_q1_256, 1, 0, 0, 0, 0, 0 };
static const gemm_form form_q2 = { products, codes_q2_256, 2, 0, 0, 0, 0, 0 };
static const gemm_form form_q3 = { products, codes_q3_256, 3, 0, 0, 0, 0, 0 };
static const gemm_form form_q4 = { products, codes_q4_256, 4, 0, 0, 0, 0, 0 };
static const gemm_form form_q5 = { products, codes_q5_256, 5, 0, 0, 0, 0, 0 };
static const gemm_form form_q6 = { products, codes_q6_256, 6, 0, 0, 0, 0, 0 };
static const gemm_form form_q8 = { products_octets, codes_q8_256, 8, OFFSET, 0, 0, 0, 0 };
static const gemm_form form_digits = { products_digits, codes_q4_256, 4, 0, 0, 0, 2, 0 };
static const gemm_form form_small = { products, codes_q4_256, 4, 0, 0, 0, 1, 1 };
static const gemm_form form_octets = { products_octets, codes_q4_256, 4, OFFSET, 0, 0, 1, 0 };

#define TILES(form)                                                                                \
    static void gemm_##form(const wh_gemm_args *a)                                                 \
    {                                                                                              \
        gemm(a, run_tile, &form_##form, HALVES);                                                   \
    }
TILES(q1)
TILES(q2)
TILES(q3)
TILES(q4)
TILES(q5)
TILES(q6)
TILES(q8)
TILES(small)
TILES(octets)

/* Two digits have twice the sums. */
static void gemm_t4(const wh_gemm_args *a)
{
    if (a->w->digits == 2)
        gemm(a, run_tile, &form_digits, 1);
    else if (a->w->octets)
        gemm_octets(a);
    else
        gemm_small(a);
}

#define PLAIN(kind, bits)                                                                          \
    static void kind_##kind(const wh_gemm_args *a)                                                 \
    {                                                                                              \
        gemm_q##bits(a);                                                                           \
    }
#define PARTS(kind, bits, sub, minima)                                                             \
    static const gemm_form form_##kind = {                                                         \
        products, codes_q##bits##_256, bits, 0, sub, minima, 0, 0                                  \
    };                                                                                             \
    static void kind_##kind(const wh_gemm_args *a)                                                 \
    {                                                                                              \
        gemm(a, run_blocks, &form_##kind, HALVES);                                                 \
    }
#define TABLE(kind, ...)                                                                           \
    static void kind_##kind(const wh_gemm_args *a)                                                 \
    {                                                                                              \
        gemm_t4(a);                                                                                \
    }
#define TABLE_PARTS(kind, sub)                                                                     \
    static const gemm_form form_##kind = {                                                         \
        products_octets, codes_q4_256, 4, OFFSET, sub, 0, 1, 0                                     \
    };                                                                                             \
    static void kind_##kind(const wh_gemm_args *a)                                                 \
    {                                                                                              \
        gemm(a, run_blocks, &form_##kind, HALVES);                                                 \
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
