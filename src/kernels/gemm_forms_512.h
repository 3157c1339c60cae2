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

static const gemm_form form_q2 = { products, codes_q2_512, 2, 0, 0, 0, 0, 0 };
static const gemm_form form_q3 = { products, codes_q3_512, 3, 0, 0, 0, 0, 0 };
static const gemm_form form_q4 = { products, codes_q4_512, 4, 0, 0, 0, 0, 0 };
static const gemm_form form_q5 = { products, codes_q5_512, 5, 0, 0, 0, 0, 0 };
static const gemm_form form_q6 = { products, codes_q6_512, 6, 0, 0, 0, 0, 0 };
static const gemm_form form_q8 = { products_octets, codes_q8_512, 8, OFFSET, 0, 0, 0, 0 };
static const gemm_form form_t4 = { products_digits, codes_q4_512, 4, 0, 0, 0, 2, 0 };
static const gemm_form form_small = { products, codes_q4_512, 4, 0, 0, 0, 1, 1 };
/* what the types of blocks have: Q2_K, Q3_K, Q4_1, Q4_K, Q5_1, Q5_K, Q6_K */
static const gemm_form form_q2k = { products, codes_q2_512, 2, 0, 16, 1, 0, 0 };
static const gemm_form form_q3k = { products, codes_q3_512, 3, 0, 16, 0, 0, 0 };
static const gemm_form form_q4m = { products, codes_q4_512, 4, 0, 0, 1, 0, 0 };
static const gemm_form form_q4k = { products, codes_q4_512, 4, 0, 32, 1, 0, 0 };
static const gemm_form form_q5m = { products, codes_q5_512, 5, 0, 0, 1, 0, 0 };
static const gemm_form form_q5k = { products, codes_q5_512, 5, 0, 32, 1, 0, 0 };
static const gemm_form form_q6k = { products, codes_q6_512, 6, 0, 16, 0, 0, 0 };

static void tiles_q2(gemm_block *s, size_t j0, unsigned tokens)
{
    run_block(s, run_tile, &form_q2, j0, tokens);
}

static void tiles_q3(gemm_block *s, size_t j0, unsigned tokens)
{
    run_block(s, run_tile, &form_q3, j0, tokens);
}

static void tiles_q4(gemm_block *s, size_t j0, unsigned tokens)
{
    run_block(s, run_tile, &form_q4, j0, tokens);
}

static void tiles_q5(gemm_block *s, size_t j0, unsigned tokens)
{
    run_block(s, run_tile, &form_q5, j0, tokens);
}

static void tiles_q6(gemm_block *s, size_t j0, unsigned tokens)
{
    run_block(s, run_tile, &form_q6, j0, tokens);
}

static void tiles_q8(gemm_block *s, size_t j0, unsigned tokens)
{
    run_block(s, run_tile, &form_q8, j0, tokens);
}

static void tiles_t4(gemm_block *s, size_t j0, unsigned tokens)
{
    run_block(s, run_tile, &form_t4, j0, tokens);
}

static void tiles_small(gemm_block *s, size_t j0, unsigned tokens)
{
    run_block(s, run_tile, &form_small, j0, tokens);
}

static void tiles_q2k(gemm_block *s, size_t j0, unsigned tokens)
{
    run_block(s, run_blocks, &form_q2k, j0, tokens);
}

static void tiles_q3k(gemm_block *s, size_t j0, unsigned tokens)
{
    run_block(s, run_blocks, &form_q3k, j0, tokens);
}

static void tiles_q4m(gemm_block *s, size_t j0, unsigned tokens)
{
    run_block(s, run_blocks, &form_q4m, j0, tokens);
}

static void tiles_q4k(gemm_block *s, size_t j0, unsigned tokens)
{
    run_block(s, run_blocks, &form_q4k, j0, tokens);
}

static void tiles_q5m(gemm_block *s, size_t j0, unsigned tokens)
{
    run_block(s, run_blocks, &form_q5m, j0, tokens);
}

static void tiles_q5k(gemm_block *s, size_t j0, unsigned tokens)
{
    run_block(s, run_blocks, &form_q5k, j0, tokens);
}

static void tiles_q6k(gemm_block *s, size_t j0, unsigned tokens)
{
    run_block(s, run_blocks, &form_q6k, j0, tokens);
}

static void gemm_q2(const wh_gemm_args *a)
{
    gemm(a, tiles_q2);
}

static void gemm_q3(const wh_gemm_args *a)
{
    gemm(a, tiles_q3);
}

static void gemm_q4(const wh_gemm_args *a)
{
    gemm(a, tiles_q4);
}

static void gemm_q5(const wh_gemm_args *a)
{
    gemm(a, tiles_q5);
}

static void gemm_q6(const wh_gemm_args *a)
{
    gemm(a, tiles_q6);
}

static void gemm_q8(const wh_gemm_args *a)
{
    gemm(a, tiles_q8);
}

/* Blocks without sub-blocks and minima are groups of 32. */
static void gemm_t4(const wh_gemm_args *a)
{
    gemm(a, a->w->digits == 1 ? tiles_small : tiles_t4);
}

static void gemm_b2(const wh_gemm_args *a)
{
    gemm(a, tiles_q2k);
}

static void gemm_b3(const wh_gemm_args *a)
{
    gemm(a, tiles_q3k);
}

static void gemm_b4(const wh_gemm_args *a)
{
    gemm(a, a->w->sub ? tiles_q4k : a->w->min ? tiles_q4m : tiles_q4);
}

static void gemm_b5(const wh_gemm_args *a)
{
    gemm(a, a->w->sub ? tiles_q5k : a->w->min ? tiles_q5m : tiles_q5);
}

static void gemm_b6(const wh_gemm_args *a)
{
    gemm(a, tiles_q6k);
}

#endif
