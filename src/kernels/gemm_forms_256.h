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

static const gemm_form form_q2 = { products, codes_q2_256, 2, 0, 0, 0, 0, 0 };
static const gemm_form form_q3 = { products, codes_q3_256, 3, 0, 0, 0, 0, 0 };
static const gemm_form form_q4 = { products, codes_q4_256, 4, 0, 0, 0, 0, 0 };
static const gemm_form form_q5 = { products, codes_q5_256, 5, 0, 0, 0, 0, 0 };
static const gemm_form form_q6 = { products, codes_q6_256, 6, 0, 0, 0, 0, 0 };
static const gemm_form form_q8 = { products_octets, codes_q8_256, 8, OFFSET, 0, 0, 0, 0 };
static const gemm_form form_t4 = { products_digits, codes_q4_256, 4, 0, 0, 0, 2, 0 };
static const gemm_form form_small = { products, codes_q4_256, 4, 0, 0, 0, 1, 1 };
/* what the types of blocks have: Q2_K, Q3_K, Q4_1, Q4_K, Q5_1, Q5_K, Q6_K */
static const gemm_form form_q2k = { products, codes_q2_256, 2, 0, 16, 1, 0, 0 };
static const gemm_form form_q3k = { products, codes_q3_256, 3, 0, 16, 0, 0, 0 };
static const gemm_form form_q4m = { products, codes_q4_256, 4, 0, 0, 1, 0, 0 };
static const gemm_form form_q4k = { products, codes_q4_256, 4, 0, 32, 1, 0, 0 };
static const gemm_form form_q5m = { products, codes_q5_256, 5, 0, 0, 1, 0, 0 };
static const gemm_form form_q5k = { products, codes_q5_256, 5, 0, 32, 1, 0, 0 };
static const gemm_form form_q6k = { products, codes_q6_256, 6, 0, 16, 0, 0, 0 };

static void gemm_q2(const wh_gemm_args *a)
{
    gemm(a, run_tile, &form_q2, HALVES);
}

static void gemm_q3(const wh_gemm_args *a)
{
    gemm(a, run_tile, &form_q3, HALVES);
}

static void gemm_q4(const wh_gemm_args *a)
{
    gemm(a, run_tile, &form_q4, HALVES);
}

static void gemm_q5(const wh_gemm_args *a)
{
    gemm(a, run_tile, &form_q5, HALVES);
}

static void gemm_q6(const wh_gemm_args *a)
{
    gemm(a, run_tile, &form_q6, HALVES);
}

static void gemm_q8(const wh_gemm_args *a)
{
    gemm(a, run_tile, &form_q8, HALVES);
}

/* Two digits have twice the sums. */
static void gemm_t4(const wh_gemm_args *a)
{
    if (a->w->digits == 1)
        gemm(a, run_tile, &form_small, HALVES);
    else
        gemm(a, run_tile, &form_t4, 1);
}

static void gemm_b2(const wh_gemm_args *a)
{
    gemm(a, run_blocks, &form_q2k, HALVES);
}

static void gemm_b3(const wh_gemm_args *a)
{
    gemm(a, run_blocks, &form_q3k, HALVES);
}

/* Blocks without sub-blocks and minima are groups of 32. */
static void gemm_b4(const wh_gemm_args *a)
{
    if (a->w->sub)
        gemm(a, run_blocks, &form_q4k, HALVES);
    else if (a->w->min)
        gemm(a, run_blocks, &form_q4m, HALVES);
    else
        gemm_q4(a);
}

static void gemm_b5(const wh_gemm_args *a)
{
    if (a->w->sub)
        gemm(a, run_blocks, &form_q5k, HALVES);
    else if (a->w->min)
        gemm(a, run_blocks, &form_q5m, HALVES);
    else
        gemm_q5(a);
}

static void gemm_b6(const wh_gemm_args *a)
{
    gemm(a, run_blocks, &form_q6k, HALVES);
}

#endif
