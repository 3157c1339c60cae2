/* src/calib/gptq_codes.c - the schemes with codes of their own as targets of GPTQ: scales by the
 * candidates of quant/range.h under weighted errors, codes into the planes of whit_quantize.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/gptq_codes.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "quant/matrix.h"
#include "quant/search.h"

/* ---- one region ---- */

/* What a region of n weights gets; y is scratch for n. A region of zeros is stored as whit_quantize
 * stores it. */
static whit_status choose(const wh_gptq_codes *c, const float *v, const float *weight, size_t n,
                          float *y, wh_candidate *best, whit_error *err)
{
    const wh_quantizer *q = &c->quantizer;
    const float nothing = q->scheme.dq ? 0.0f : 1.0f;
    wh_range range;
    wh_found found;
    int raised;
    q->ops->range(v, n, &range);
    *best = (wh_candidate){ nothing, nothing, q->least_zero };
    if (!range.finite)
        return wh_fail(err, WHIT_ERR_NUMERIC, "a weight is not finite; try: --nonfinite zero");
    if (wh_range_is_zero(&range)) return WHIT_OK;
    if (!wh_minmax(q, &range, best, &raised))
        return wh_fail(err, WHIT_ERR_NUMERIC, "a scale is too large for %s" WH_TRY_SF32,
                       whit_dtype_name(q->scheme.scale_type));
    if (q->search) {
        const float k = wh_range_normaliser(&range);
        q->ops->normalise(v, n, k, y);
        wh_search_weighted(q, &range, best, y, weight, n, k, &found);
        *best = found.best;
        raised = raised && found.plain;
    }
    if (raised && wh_candidate_vanishes(q, &range, best))
        *best = (wh_candidate){ nothing, nothing, q->least_zero };
    return WHIT_OK;
}

static void to_grid(const wh_gptq_codes *c, const wh_candidate *best, size_t i, wh_gptq_grid *grid)
{
    const wh_quantizer *q = &c->quantizer;
    const wh_grid g = wh_candidate_grid(q, best, 1.0f);
    grid->step[i] = g.scale;
    grid->base[i] = 0.0f;
    grid->lo[i] = g.lo;
    grid->hi[i] = g.hi;
    grid->offset[i] = (float)g.offset;
}

/* ---- the target ---- */

static size_t scale_at(const wh_gptq_codes *c, size_t row, size_t col)
{
    const size_t each = c->quantizer.scheme.block_rows ? c->quantizer.scheme.block_rows : 1;
    if (c->quantizer.scheme.gran == WHIT_GRAN_TENSOR) return 0;
    return row / each * c->groups + col / c->target.group;
}

static whit_status find_rows(const wh_gptq_target *t, const wh_gptq_region *r, wh_gptq_grid *grid,
                             whit_error *err)
{
    const wh_gptq_codes *c = (const wh_gptq_codes *)(const void *)t;
    for (size_t i = 0; i < r->rows; i++) {
        const size_t at = scale_at(c, r->row + i, r->col);
        wh_candidate best;
        whit_error why = { WHIT_OK, "" };
        const whit_status st =
            choose(c, r->v + i * r->cols, r->weight, r->cols, r->scratch, &best, &why);
        if (st != WHIT_OK)
            return wh_fail(err, st, "row %zu, columns from %zu: %.180s", r->row + i, r->col,
                           why.msg);
        c->scale[at] = best.stored;
        if (c->zero) c->zero[at] = (uint8_t)best.zero;
        to_grid(c, &best, i, grid);
    }
    return WHIT_OK;
}

/* The parameters were found before. */
static whit_status find_fixed(const wh_gptq_target *t, const wh_gptq_region *r, wh_gptq_grid *grid,
                              whit_error *err)
{
    const wh_gptq_codes *c = (const wh_gptq_codes *)(const void *)t;
    (void)err;
    for (size_t i = 0; i < r->rows; i++) {
        const size_t at = scale_at(c, r->row + i, r->col);
        const float stored = c->scale[at];
        const wh_candidate best = { stored * c->quantizer.unit, stored, c->zero ? c->zero[at] : 0 };
        to_grid(c, &best, i, grid);
    }
    return WHIT_OK;
}

static void put_rows(const wh_gptq_target *t, const wh_gptq_region *r, const uint8_t *codes)
{
    const wh_gptq_codes *c = (const wh_gptq_codes *)(const void *)t;
    for (size_t i = 0; i < r->rows; i++)
        memcpy(c->codes + (r->row + i) * c->cols + r->col, codes + i * r->cols, r->cols);
}

static float rescale(const wh_gptq_target *t, size_t row, size_t col, float wanted)
{
    const wh_gptq_codes *c = (const wh_gptq_codes *)(const void *)t;
    unsigned char raw[4];
    float stored;
    whit_dtype_from_f32(c->quantizer.scheme.scale_type, &wanted, 1, raw);
    whit_dtype_to_f32(c->quantizer.scheme.scale_type, raw, 1, &stored);
    if (!isnormal(stored) || (stored < 0.0f && !c->quantizer.any_sign)) return 0.0f;
    return c->scale[scale_at(c, row, col)] = stored;
}

/* ---- scales of several rows ---- */

typedef struct shared {
    float *v, *weight, *y; /* [rows * cols] of a block */
} shared;

/* The block of rows [row, row + rows) and columns [col, col + cols) of w. */
static whit_status find_block(const wh_gptq_codes *c, const shared *s, const float *w,
                              const float *weight, const wh_gptq_region *r, whit_error *err)
{
    wh_candidate best;
    for (size_t i = 0; i < r->rows; i++) {
        memcpy(s->v + i * r->cols, w + (r->row + i) * c->cols + r->col, r->cols * sizeof *s->v);
        memcpy(s->weight + i * r->cols, weight + r->col, r->cols * sizeof *s->v);
    }
    const whit_status st = choose(c, s->v, s->weight, r->rows * r->cols, s->y, &best, err);
    const size_t at = scale_at(c, r->row, r->col);
    if (st != WHIT_OK) return st;
    c->scale[at] = best.stored;
    if (c->zero) c->zero[at] = (uint8_t)best.zero;
    return WHIT_OK;
}

static whit_status find_shared(const wh_gptq_codes *c, const float *w, const float *weight,
                               whit_error *err)
{
    const size_t each = c->quantizer.scheme.block_rows, group = c->target.group;
    const size_t rows = each && each < c->rows ? each : c->rows;
    const size_t cols = group < c->cols ? group : c->cols;
    whit_status st = WHIT_OK;
    shared s = { wh_alloc_aligned(rows, cols * sizeof *s.v),
                 wh_alloc_aligned(rows, cols * sizeof *s.v),
                 wh_alloc_aligned(rows, cols * sizeof *s.v) };
    if (!s.v || !s.weight || !s.y)
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu weights", rows * cols);
    for (size_t r = 0; r < c->rows && st == WHIT_OK; r += rows)
        for (size_t k = 0; k < c->cols && st == WHIT_OK; k += cols) {
            wh_gptq_region at = { .row = r, .col = k };
            at.rows = c->rows - r < rows ? c->rows - r : rows;
            at.cols = c->cols - k < cols ? c->cols - k : cols;
            st = find_block(c, &s, w, weight, &at, err);
        }
    wh_free_aligned(s.v);
    wh_free_aligned(s.weight);
    wh_free_aligned(s.y);
    return st;
}

/* ---- the call ---- */

whit_status wh_gptq_codes_open(wh_gptq_codes *c, const whit_quant_spec *spec, size_t rows,
                               size_t cols, uint8_t *codes, float *scale, uint8_t *zero,
                               whit_error *err)
{
    *c = (wh_gptq_codes){ .rows = rows, .cols = cols };
    whit_status st = wh_quantizer_init(&c->quantizer, spec, err);
    if (st != WHIT_OK) return st;
    const wh_quantizer *q = &c->quantizer;
    if (q->percentile > 0)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED, "scales by percentile know no weighted errors");
    if (!codes || !scale || (q->scheme.asym != 0) != (zero != NULL))
        return wh_fail(err, WHIT_ERR_ARG, "wh_gptq_codes_open: a plane is missing");
    const whit_dtype type = q->scheme.scale_type;
    const int whole = q->scheme.gran == WHIT_GRAN_TENSOR || q->scheme.gran == WHIT_GRAN_CHANNEL;
    const int alone = q->scheme.gran != WHIT_GRAN_TENSOR && q->scheme.gran != WHIT_GRAN_BLOCK;
    const size_t group = whole || q->scheme.group > cols ? cols : q->scheme.group;
    c->codes = codes;
    c->scale = scale;
    c->zero = zero;
    c->groups = group ? (cols + group - 1) / group : 0;
    c->target = (wh_gptq_target){ .group = group ? group : 1,
                                  .sub = group ? group : 1,
                                  .fixed = !alone,
                                  .book = q->book,
                                  .minifloat = q->minifloat,
                                  .find = alone ? find_rows : find_fixed,
                                  .put = put_rows };
    if (alone && !q->scheme.dq && (type == WHIT_F32 || type == WHIT_F16 || type == WHIT_BF16))
        c->target.rescale = rescale;
    return WHIT_OK;
}

whit_status wh_gptq_codes_shared(const wh_gptq_codes *c, const float *w, const float *weight,
                                 whit_error *err)
{
    return c->rows && c->cols ? find_shared(c, w, weight, err) : WHIT_OK;
}
