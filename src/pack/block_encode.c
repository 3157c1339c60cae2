/* src/pack/block_encode.c - encoding rows as blocks: checks, and the table of variants.
 *
 * Not here: what is written into a block (block_reference.h, block_best.h).
 *
 * SPDX-License-Identifier: MIT */
#include "pack/block_encode.h"

#include "base/bytes.h"
#include "base/cpu.h"

static const wh_block_ops *const variants[] = {
    &wh_block_scalar,
#ifdef WH_BUILD_X86
    &wh_block_avx2,
    &wh_block_avx512,
#endif
#ifdef WH_BUILD_ARM64
    &wh_block_neon,
#endif
};

WH_ISA_TABLE(wh_block_ops, wh_block)

static int special(float f)
{
    return (wh_f32_bits(f) & 0x7f800000u) == 0x7f800000u;
}

static size_t first_special(const float *x, size_t n)
{
    size_t i = 0;
    while (i < n && !special(x[i])) i++;
    return i;
}

/* 1: some column counts; 0: none does, or there is no importance; -1: one is no weight. */
static int importance_counts(const float *importance, size_t cols, size_t *bad)
{
    int any = 0;
    for (*bad = 0; importance && *bad < cols; ++*bad) {
        const float f = importance[*bad];
        if (special(f) || f < 0.0f) return -1;
        any |= f > 0.0f;
    }
    return any;
}

static float mean_square(const float *x, size_t n)
{
    float sum = 0.0f; /* in order: it decides octets */
    for (size_t i = 0; i < n; i++) sum += x[i] * x[i];
    return sum / (float)n;
}

/* Whether a value of the block is beyond float32: of a power of two only the two largest can lead
 * there, which the reference takes for weights just below 2^128. */
static int beyond_f32(const wh_block_batch *b, const uint8_t *block)
{
    float x[WH_BLOCK_WEIGHTS];
    if (b->type->step != WH_STEP_E8M0 || block[0] < 253) return 0;
    return whit_block_decode(b->block, block, 1, x, NULL) != WHIT_OK ||
           first_special(x, b->type->info.weights) < b->type->info.weights;
}

/* Whether a scale became infinite in F16, or no number: importances can overflow too. */
static int overflows(const wh_block_batch *b, const uint8_t *block)
{
    const wh_block_type *t = b->type;
    const int d = t->d_at >= 0 && (wh_load16(block + t->d_at) & 0x7c00) == 0x7c00;
    const int m = t->m_at >= 0 && (wh_load16(block + t->m_at) & 0x7c00) == 0x7c00;
    return d || m || beyond_f32(b, block);
}

typedef struct rows {
    const float *w, *importance;
    size_t rows, cols, row, col; /* row, col: where the next block starts */
    float mean_square;           /* of the row */
    uint8_t *out;
} rows;

/* The lanes read in many places at once, which the processor does not foresee: ask for what comes
 * 4 KiB later. An address behind the array does no harm; it is not computed as a pointer. */
static void fetch_ahead(const float *x, size_t n)
{
    enum { AHEAD = 4096, LINE = 64 };
    for (size_t at = 0; at < n * sizeof *x; at += LINE)
        __builtin_prefetch((const void *)((uintptr_t)x + AHEAD + at));
}

/* The next block becomes lane l. */
static void take(rows *r, wh_block_batch *b, size_t l)
{
    const size_t n = b->type->info.weights;
    const float *x = r->w + r->row * r->cols + r->col;
    fetch_ahead(x, n);
    if (r->col == 0 && r->importance && b->type->step == WH_STEP_D && !b->type->levels)
        r->mean_square = mean_square(x, r->cols);
    b->x[l] = x;
    b->importance[l] = r->importance ? r->importance + r->col : NULL;
    b->mean_square[l] = r->mean_square;
    b->out[l] = r->out;
    r->out += b->type->info.bytes;
    r->col += n;
    if (r->col == r->cols) {
        r->col = 0;
        r->row++;
    }
}

/* One of the blocks in the first lanes has a weight that is no finite number. */
static whit_status refuse(const rows *r, const wh_block_batch *b, whit_error *err)
{
    const size_t n = b->type->info.weights;
    size_t l = 0, i = 0;
    while ((i = first_special(b->x[l], n)) == n) l++;
    const size_t at = (size_t)(b->x[l] - r->w) + i;
    return wh_fail(err, WHIT_ERR_NUMERIC, "row %zu, column %zu: not a finite number", at / r->cols,
                   at % r->cols);
}

static whit_status encode_rows(wh_block_batch *b, rows *r, whit_error *err)
{
    const wh_block_ops *ops = wh_block_select();
    const uint8_t *first = r->out;
    const size_t bytes = b->type->info.bytes, in_row = r->cols / b->type->info.weights;
    while (r->row < r->rows) {
        size_t used = 0;
        for (; used < ops->lanes && r->row < r->rows; used++) take(r, b, used);
        for (size_t l = used; l < ops->lanes; l++) { /* the last one again */
            b->x[l] = b->x[used - 1];
            b->importance[l] = b->importance[used - 1];
            b->mean_square[l] = b->mean_square[used - 1];
            b->out[l] = b->out[used - 1];
        }
        if (!ops->encode(b)) return refuse(r, b, err);
        for (size_t l = 0; l < used; l++) {
            const size_t block = (size_t)(b->out[l] - first) / bytes;
            if (overflows(b, b->out[l]))
                return wh_fail(err, WHIT_ERR_NUMERIC,
                               "row %zu, columns from %zu: no finite %s holds the scale of %s",
                               block / in_row, block % in_row * b->type->info.weights,
                               b->type->step == WH_STEP_E8M0 ? "power of two" : "F16",
                               b->type->info.name);
        }
    }
    return WHIT_OK;
}

whit_status whit_block_encode(whit_block block, whit_search search, const float *w, size_t rows_,
                              size_t cols, const float *importance, void *out, whit_error *err)
{
    wh_block_batch b = { .block = block, .type = wh_block_type_of(block), .search = search };
    size_t bad;
    if (!b.type || !b.type->info.encodes)
        return wh_fail(err, WHIT_ERR_ARG, "no block type %d that is written", (int)block);
    if (search != WHIT_SEARCH_BEST && search != WHIT_SEARCH_REFERENCE)
        return wh_fail(err, WHIT_ERR_ARG, "no search %d", (int)search);
    if (cols % b.type->info.weights)
        return wh_fail(err, WHIT_ERR_ARG, "%s: %zu columns are not a multiple of %u",
                       b.type->info.name, cols, b.type->info.weights);
    if (rows_ == 0 || cols == 0) return WHIT_OK;
    if (!w || !out) return wh_fail(err, WHIT_ERR_ARG, "%s: NULL", b.type->info.name);
    const int counts = importance_counts(importance, cols, &bad);
    if (counts < 0)
        return wh_fail(err, WHIT_ERR_NUMERIC, "importance of column %zu: not a finite number >= 0",
                       bad);
    rows r = {
        .w = w, .importance = counts ? importance : NULL, .rows = rows_, .cols = cols, .out = out
    };
    return encode_rows(&b, &r, err);
}
