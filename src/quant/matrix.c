/* src/quant/matrix.c - encoding matrices: groups found, searched, encoded, decoded, measured.
 *
 * Which scales to try is in range.c, the search in search.c, the loops over elements in
 * encode_<isa>.c.
 *
 * SPDX-License-Identifier: MIT */
#include "quant/matrix.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "quant/search.h"

whit_status wh_tile_not_finite(const wh_tile *t, whit_error *err)
{
    for (size_t r = 0; r < t->rows; r++)
        for (size_t c = 0; c < t->cols; c++) {
            float v = t->w[r * t->cols + c];
            if (!isfinite(v))
                return wh_fail(err, WHIT_ERR_NUMERIC,
                               "row %" PRIu64 ", column %" PRIu64
                               " is %s; try: --nonfinite zero, or --rule 'NAME=keep'",
                               t->row0 + r, t->col0 + c, isnan(v) ? "NaN" : "infinite");
        }
    return WHIT_OK;
}

whit_status wh_scale_overflow(const wh_quantizer *q, uint64_t row, whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NUMERIC,
                   "row %" PRIu64 ": a scale is too large for %s" WH_TRY_SF32, row,
                   whit_dtype_name(q->scheme.scale_type));
}

static void store_zero(const wh_quantizer *q, uint8_t *codes, size_t n, float *scale, uint8_t *zero)
{
    const int code = q->scheme.asym ? q->least_zero : (int)whit_scheme_zero_code(&q->scheme);
    memset(codes, code, n);
    *scale = q->scheme.dq ? 0.0f : 1.0f; /* dq: what counts is the largest magnitude */
    if (zero) *zero = (uint8_t)code;
}

/* A region as encoded: y, which is the weights times k; or the weights themselves. */
typedef struct coded {
    const float *y; /* NULL: w */
    const float *w;
    size_t n;
    float k;   /* a power of two */
    double w2; /* sum of squares of y */
    float worst;
    double
        e2; /* of the errors; side by side the two would be loaded as one, before both are there */
} coded;

/* Encode on the candidate's grid; w2 is found too where there is no y. */
static void put(const wh_quantizer *q, const wh_candidate *c, coded *r, uint8_t *codes)
{
    const wh_grid g = wh_candidate_grid(q, c, r->k);
    r->worst = 0.0f;
    if (r->y)
        r->e2 = q->ops->encode(r->y, r->n, &g, codes, &r->worst);
    else
        r->e2 = q->ops->encode_scaled(r->w, r->n, r->k, &g, codes, &r->worst, &r->w2);
}

static void settle(const wh_candidate *c, const coded *r, float *scale, uint8_t *zero,
                   whit_quant_stats *stats)
{
    const double unit = (double)wh_bits_f32(0x7f000000u - wh_f32_bits(r->k)); /* 1 / k, exactly */
    *scale = c->stored;
    if (zero) *zero = (uint8_t)c->zero;
    stats->weights += r->n;
    stats->sum_w2 += r->w2 * unit * unit;
    stats->sum_err2 += r->e2 * unit * unit;
    if ((double)r->worst * unit > stats->max_abs_err) stats->max_abs_err = (double)r->worst * unit;
}

/* Search and encode; *plain stays 1 if minmax is the best. */
static wh_candidate put_best(const wh_quantizer *q, const wh_range *range,
                             const wh_candidate *first, coded *r, uint8_t *codes, int *plain)
{
    wh_found found;
    wh_search(q, range, first, r->y, r->n, r->k, &found);
    *plain = found.plain;
    if (found.fits) { /* the error comes with the codes */
        put(q, &found.fit, r, codes);
        if (r->e2 < found.error) {
            *plain = 0;
            return found.fit;
        }
    }
    put(q, &found.best, r, codes);
    return found.best;
}

uint64_t wh_clean(const float *x, size_t n, whit_nonfinite mode, float limit, float *out)
{
    uint64_t count = 0;
    if (mode == WHIT_NONFINITE_ZERO) limit = 0.0f;
    for (size_t i = 0; i < n; i++) {
        float v = x[i];
        if (!isfinite(v)) {
            count++;
            v = isnan(v) ? 0.0f : v > 0.0f ? limit : -limit;
        }
        out[i] = v;
    }
    return count;
}

/* The rank-th of n magnitudes in ascending order: the largest are taken off a heap one by one,
 * which is little work for the percentiles that make sense. heap has room for n. */
static float nth_magnitude(const float *x, size_t n, size_t rank, float *heap)
{
    for (size_t i = 0; i < n; i++) heap[i] = fabsf(x[i]);
    size_t count = n, next = n / 2;
    for (;;) {
        size_t at;
        float v;
        if (next > 0) { /* building */
            at = --next;
            v = heap[at];
        } else if (count > rank) { /* taking off */
            at = 0;
            v = heap[--count];
        } else {
            return heap[0];
        }
        for (size_t child; (child = 2 * at + 1) < count; at = child) {
            child += child + 1 < count && heap[child + 1] > heap[child];
            if (!(heap[child] > v)) break;
            heap[at] = heap[child];
        }
        heap[at] = v;
    }
}

/* Weights that are all 0 say nothing. */
static int any_weight(const float *weight, size_t n)
{
    size_t i = 0;
    while (i < n && weight[i] == 0.0f) i++;
    return i < n;
}

/* One region that lies in one row of the tile: the group at w, with what ops->range and
 * wh_minmax_all say of it (0: nothing). */
static whit_status encode_group(const wh_quantizer *q, const wh_tile *t, const float *w, size_t n,
                                const float *importance, wh_range range, float stored, uint64_t row,
                                uint8_t *codes, float *scale, uint8_t *zero, whit_error *err)
{
    float *clean = t->scratch + n;
    if (!range.finite) {
        if (q->nonfinite == WHIT_NONFINITE_REFUSE) return wh_tile_not_finite(t, err);
        wh_clean(w, n, WHIT_NONFINITE_ZERO, 0.0f, clean);
        q->ops->range(clean, n, &range);
        t->stats->nonfinite += wh_clean(w, n, q->nonfinite, fmaxf(-range.min, range.max), clean);
        w = clean;
        q->ops->range(w, n, &range);
        stored = 0.0f;
    }
    if (wh_range_is_zero(&range)) {
        store_zero(q, codes, n, scale, zero);
        t->stats->weights += n;
        return WHIT_OK;
    }
    if (q->percentile > 0) {
        size_t rank = (size_t)wh_percentile_rank(q->percentile, n);
        wh_range_clip(&range, nth_magnitude(w, n, rank, t->scratch));
    }
    wh_candidate best = { stored, stored, 0 };
    int raised = 0, plain = 1;
    if (stored == 0.0f && !wh_minmax(q, &range, &best, &raised))
        return wh_scale_overflow(q, row, err);
    coded r = { .w = w, .n = n, .k = wh_range_normaliser(&range) };
    if (q->search) {
        r.w2 = q->ops->normalise(w, n, r.k, t->scratch);
        r.y = t->scratch;
        if (importance && any_weight(importance, n)) {
            wh_found found;
            wh_search_weighted(q, &range, &best, r.y, importance, n, r.k, &found);
            best = found.best;
            plain = found.plain;
            put(q, &best, &r, codes);
        } else {
            best = put_best(q, &range, &best, &r, codes, &plain);
        }
    } else {
        put(q, &best, &r, codes);
    }
    settle(&best, &r, scale, zero, t->stats);
    if (raised && plain) {
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
    if (q->nonfinite != WHIT_NONFINITE_REFUSE) {
        t->stats->nonfinite += wh_clean(w, n, q->nonfinite, f->limit, t->scratch + n);
        w = t->scratch + n;
    }
    if (f->zero) {
        store_zero(q, codes, n, scale, zero);
        t->stats->weights += n;
        return;
    }
    coded r = { .w = w, .n = n, .k = f->k };
    put(q, &f->best, &r, codes);
    settle(&f->best, &r, scale, zero, t->stats);
    if (f->vanishes) *scale = 1.0f;
}

/* The scale is settled; only the codes are taken. */
static whit_status encode_given(const wh_quantizer *q, const wh_tile *t, const float *w, size_t n,
                                float given, uint8_t *codes, float *scale, whit_error *err)
{
    wh_range range;
    *scale = given;
    if (q->nonfinite != WHIT_NONFINITE_REFUSE) {
        wh_clean(w, n, WHIT_NONFINITE_ZERO, 0.0f, t->scratch + n);
        q->ops->range(t->scratch + n, n, &range);
        t->stats->nonfinite +=
            wh_clean(w, n, q->nonfinite, fmaxf(-range.min, range.max), t->scratch + n);
        w = t->scratch + n;
    }
    q->ops->range(w, n, &range);
    if (!range.finite) return wh_tile_not_finite(t, err);
    coded r = { .y = t->scratch, .n = n };
    r.k = wh_range_is_zero(&range) ? 1.0f : wh_range_normaliser(&range);
    r.w2 = q->ops->normalise(w, n, r.k, t->scratch);
    wh_candidate c = { given, given, 0 };
    if (!wh_range_is_zero(&range) && given * r.k != 0.0f) {
        put(q, &c, &r, codes);
        settle(&c, &r, scale, NULL, t->stats);
        return WHIT_OK;
    }
    /* Nothing to tell apart: the code whose value is 0, whatever the scale. */
    memset(codes, (int)whit_scheme_zero_code(&q->scheme), n);
    double unit = 1.0 / (double)r.k;
    t->stats->weights += n;
    t->stats->sum_w2 += r.w2 * unit * unit;
    t->stats->sum_err2 += r.w2 * unit * unit;
    t->stats->groups_zeroed += (uint64_t)!wh_range_is_zero(&range);
    t->stats->max_abs_err = fmax(t->stats->max_abs_err, (double)fmaxf(-range.min, range.max));
    return WHIT_OK;
}

/* Blocks of several rows: gathered, encoded as one group, scattered. */
static whit_status encode_blocks(const wh_quantizer *q, const wh_tile *t, whit_error *err)
{
    float *scale = t->scale;
    for (size_t r = 0; r < t->rows; r += t->block_rows)
        for (size_t c = 0; c < t->cols; c += t->group) {
            size_t m = t->rows - r < t->block_rows ? t->rows - r : t->block_rows;
            size_t n = t->cols - c < t->group ? t->cols - c : t->group;
            for (size_t k = 0; k < m; k++)
                memcpy(t->gather + k * n, t->w + (r + k) * t->cols + c, n * sizeof *t->gather);
            wh_range range;
            q->ops->range(t->gather, m * n, &range);
            whit_status st = encode_group(q, t, t->gather, m * n, NULL, range, 0.0f, t->row0 + r,
                                          t->gather_codes, scale++, NULL, err);
            if (st != WHIT_OK) return st;
            for (size_t k = 0; k < m; k++)
                memcpy(t->codes + (r + k) * t->cols + c, t->gather_codes + k * n, n);
        }
    return WHIT_OK;
}

/* So many groups have their ranges found before the first of them is encoded: each takes long from
 * its first load to its last result, and many can be under way. They fit into the first cache. */
enum { AHEAD_ELEMENTS = 4096 };

typedef struct ahead {
    wh_range range[WH_LANES];
    float stored[WH_LANES];
} ahead;

static void look_ahead(const wh_quantizer *q, const float *w, size_t left, size_t group,
                       size_t count, ahead *a)
{
    for (size_t i = 0; i < count && i * group < left; i++) {
        const size_t n = left - i * group;
        q->ops->range(w + i * group, n < group ? n : group, &a->range[i]);
    }
    if (count > 1 && q->percentile == 0) wh_minmax_all(q, a->range, a->stored);
}

static whit_status encode_row(const wh_quantizer *q, const wh_tile *t, size_t row, whit_error *err)
{
    const size_t groups = (t->cols + t->group - 1) / t->group;
    const size_t many = !q->search && t->group <= AHEAD_ELEMENTS / WH_LANES ? WH_LANES : 1;
    ahead a = { 0 };
    whit_status st = WHIT_OK;
    for (size_t g = 0; g < groups && st == WHIT_OK; g++) {
        const size_t c0 = g * t->group, n = t->cols - c0 < t->group ? t->cols - c0 : t->group;
        const float *w = t->w + row * t->cols + c0;
        uint8_t *codes = t->codes + row * t->cols + c0;
        float *scale = t->scale + row * groups + g;
        uint8_t *zero = t->zero ? t->zero + row * groups + g : NULL;
        if (t->fixed) {
            encode_fixed(q, t, w, n, codes, scale, zero);
            continue;
        }
        if (t->given) {
            st = encode_given(q, t, w, n, t->given[row * groups + g], codes, scale, err);
            continue;
        }
        const size_t i = g % many;
        if (i == 0) look_ahead(q, w, t->cols - c0, t->group, many, &a);
        st = encode_group(q, t, w, n, t->importance ? t->importance + c0 : NULL, a.range[i],
                          a.stored[i], t->row0 + row, codes, scale, zero, err);
    }
    return st;
}

whit_status wh_tile_encode(const wh_quantizer *q, const wh_tile *t, whit_error *err)
{
    whit_status st = WHIT_OK;
    if (t->block_rows) return encode_blocks(q, t, err);
    for (size_t r = 0; r < t->rows && st == WHIT_OK; r++) st = encode_row(q, t, r, err);
    return st;
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
    t.group = q.scheme.group && q.scheme.group < cols ? q.scheme.group : t.cols;
    t.block_rows = q.scheme.block_rows;
    size_t region = t.group * (t.block_rows ? t.block_rows : 1);
    t.scratch = wh_alloc_aligned(region, 2 * sizeof *t.scratch);
    t.gather = t.block_rows ? wh_alloc_aligned(region, sizeof *t.gather) : NULL;
    t.gather_codes = t.block_rows ? wh_alloc_aligned(region, 1) : NULL;
    if (!t.scratch || (t.block_rows && (!t.gather || !t.gather_codes)))
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu weights", region);
    else
        st = wh_tile_encode(&q, &t, err);
    if (st == WHIT_ERR_NUMERIC && q.scheme.gran == WHIT_GRAN_TENSOR) {
        t.rows = rows; /* name the place in the matrix as the caller sees it */
        t.cols = cols;
        wh_tile_not_finite(&t, err);
    }
    wh_free_aligned(t.scratch);
    wh_free_aligned(t.gather);
    wh_free_aligned(t.gather_codes);
    return st;
}
