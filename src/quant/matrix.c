/* src/quant/matrix.c - encoding matrices: groups found, searched, encoded, decoded, measured.
 *
 * Which scales to try is in range.c, the loops over elements in encode_<isa>.c.
 *
 * SPDX-License-Identifier: MIT */
#include "quant/matrix.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"

whit_status wh_tile_not_finite(const wh_tile *t, whit_error *err)
{
    for (size_t r = 0; r < t->rows; r++)
        for (size_t c = 0; c < t->cols; c++) {
            float v = t->w[r * t->cols + c];
            if (!isfinite(v))
                return wh_fail(err, WHIT_ERR_NUMERIC,
                               "row %" PRIu64 ", column %" PRIu64 " is %s; try: --rule 'NAME=keep'",
                               t->row0 + r, t->col0 + c, isnan(v) ? "NaN" : "infinite");
        }
    return WHIT_OK;
}

whit_status wh_scale_overflow(const wh_quantizer *q, uint64_t row, whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NUMERIC,
                   "row %" PRIu64 ": a scale is too large for %s; try: -sf32", row,
                   whit_dtype_name(q->scheme.scale_type));
}

/* The best candidate for y (normalised by k). */
static wh_candidate search(const wh_quantizer *q, const wh_range *range, const wh_candidate *cand,
                           size_t count, const float *y, size_t n, float k, size_t *which)
{
    double best = INFINITY;
    *which = 0;
    for (size_t i = 0; i < count; i++) {
        wh_grid g = wh_candidate_grid(q, &cand[i], k);
        double e = q->ops->error(y, n, &g, best);
        if (e < best) {
            best = e;
            *which = i;
        }
    }
    wh_candidate fit, winner = cand[*which];
    wh_grid g = wh_candidate_grid(q, &winner, k);
    double a, b;
    q->ops->fit(y, n, &g, &a, &b);
    if (wh_candidate_fit(q, range, a, b, k, &winner, &fit)) {
        g = wh_candidate_grid(q, &fit, k);
        if (q->ops->error(y, n, &g, best) < best) {
            winner = fit;
            *which = count;
        }
    }
    return winner;
}

static void store_zero(const wh_quantizer *q, uint8_t *codes, size_t n, float *scale, uint8_t *zero)
{
    memset(codes, (int)whit_scheme_zero_code(&q->scheme), n);
    *scale = 1.0f;
    if (zero) *zero = 0;
}

/* Encode y, which is the weights times k with the sum of squares w2, on the candidate's grid. */
static void put(const wh_quantizer *q, const wh_candidate *c, float k, const float *y, double w2,
                size_t n, uint8_t *codes, float *scale, uint8_t *zero, whit_quant_stats *stats)
{
    wh_grid g = wh_candidate_grid(q, c, k);
    float worst = 0.0f;
    double e2 = q->ops->encode(y, n, &g, codes, &worst), unit = 1.0 / (double)k;
    *scale = c->scale;
    if (zero) *zero = (uint8_t)c->zero;
    stats->weights += n;
    stats->sum_w2 += w2 * unit * unit;
    stats->sum_err2 += e2 * unit * unit;
    if ((double)worst * unit > stats->max_abs_err) stats->max_abs_err = (double)worst * unit;
}

/* One region that lies in one row of the tile: the group at w. */
static whit_status encode_group(const wh_quantizer *q, const wh_tile *t, const float *w, size_t n,
                                uint64_t row, uint8_t *codes, float *scale, uint8_t *zero,
                                whit_error *err)
{
    wh_range range;
    q->ops->range(w, n, &range);
    if (!range.finite) return wh_tile_not_finite(t, err);
    if (wh_range_is_zero(&range)) {
        store_zero(q, codes, n, scale, zero);
        t->stats->weights += n;
        return WHIT_OK;
    }
    wh_candidate cand[WH_MAX_CANDIDATES], best;
    int raised;
    size_t which = 0, count = wh_candidates(q, &range, cand, &raised);
    if (count == 0) return wh_scale_overflow(q, row, err);
    float k = wh_range_normaliser(&range);
    double w2 = q->ops->normalise(w, n, k, t->scratch);
    best = q->search ? search(q, &range, cand, count, t->scratch, n, k, &which) : cand[0];
    put(q, &best, k, t->scratch, w2, n, codes, scale, zero, t->stats);
    if (raised && which == 0) {
        t->stats->scales_raised++;
        if (wh_candidate_vanishes(q, &range, &best)) {
            t->stats->groups_zeroed++;
            *scale = 1.0f;
        }
    }
    return WHIT_OK;
}

static void encode_fixed(const wh_quantizer *q, const wh_tile *t, const float *w, size_t n,
                         uint8_t *codes, float *scale, uint8_t *zero)
{
    const wh_fixed *f = t->fixed;
    if (f->zero) {
        store_zero(q, codes, n, scale, zero);
        t->stats->weights += n;
        return;
    }
    double w2 = q->ops->normalise(w, n, f->k, t->scratch);
    put(q, &f->best, f->k, t->scratch, w2, n, codes, scale, zero, t->stats);
    if (f->vanishes) *scale = 1.0f;
}

whit_status wh_tile_encode(const wh_quantizer *q, const wh_tile *t, whit_error *err)
{
    size_t groups = (t->cols + t->group - 1) / t->group;
    for (size_t r = 0; r < t->rows; r++)
        for (size_t g = 0; g < groups; g++) {
            size_t c0 = g * t->group, n = t->cols - c0 < t->group ? t->cols - c0 : t->group;
            const float *w = t->w + r * t->cols + c0;
            uint8_t *codes = t->codes + r * t->cols + c0;
            float *scale = t->scale + r * groups + g;
            uint8_t *zero = t->zero ? t->zero + r * groups + g : NULL;
            if (t->fixed) {
                encode_fixed(q, t, w, n, codes, scale, zero);
                continue;
            }
            whit_status st = encode_group(q, t, w, n, t->row0 + r, codes, scale, zero, err);
            if (st != WHIT_OK) return st;
        }
    return WHIT_OK;
}

whit_status whit_quantize(const float *w, size_t rows, size_t cols, const whit_quant_spec *spec,
                          uint8_t *codes, float *scale, uint8_t *zero, whit_quant_stats *stats,
                          whit_error *err)
{
    wh_quantizer q;
    whit_quant_stats own = { 0 };
    if (!spec || spec->struct_size != sizeof *spec)
        return wh_fail(err, WHIT_ERR_ARG, "whit_quantize: spec missing or of another version");
    whit_status st = wh_quantizer_init(&q, spec, err);
    if (st != WHIT_OK) return st;
    if (rows == 0 || cols == 0) return WHIT_OK;
    if (!w || !codes || !scale || (q.scheme.asym != 0) != (zero != NULL) ||
        rows > SIZE_MAX / cols / sizeof *w)
        return wh_fail(err, WHIT_ERR_ARG, "whit_quantize: a matrix or plane missing or too large");
    wh_tile t = { .w = w,
                  .rows = rows,
                  .cols = cols,
                  .codes = codes,
                  .scale = scale,
                  .zero = zero,
                  .stats = stats ? stats : &own };
    if (q.scheme.gran == WHIT_GRAN_TENSOR) { /* one row, one scale */
        t.rows = 1;
        t.cols = rows * cols;
    }
    t.group = q.scheme.gran == WHIT_GRAN_GROUP && q.scheme.group < cols ? q.scheme.group : t.cols;
    t.scratch = wh_alloc_aligned(t.group, sizeof *t.scratch);
    if (!t.scratch) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu weights", t.group);
    st = wh_tile_encode(&q, &t, err);
    if (st == WHIT_ERR_NUMERIC && q.scheme.gran == WHIT_GRAN_TENSOR) {
        t.rows = rows; /* name the place in the matrix as the caller sees it */
        t.cols = cols;
        wh_tile_not_finite(&t, err);
    }
    wh_free_aligned(t.scratch);
    return st;
}
