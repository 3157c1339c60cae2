/* src/job/stats.c - statistics of every tensor in one pass over its data.
 *
 * Moments of a tile: its mean first, then the sums of powers of the deviations, shifted by what the
 * rounding of the mean left over. The mean is a pair of doubles. So neither a large mean nor
 * cancellation costs digits. Eight sums run side by side and are added in a fixed order. The
 * moments of tiles are merged in the order of the tiles with the update formulas of Chan, Golub and
 * LeVeque 1979 (variance) and Pebay 2008 (SAND2008-6212, third and fourth moment). The cut into
 * tiles depends on the shape only; so results do not depend on threads or memory.
 *
 * Kept per row of a matrix: one float32, the largest magnitude; for one matrix at a time. Their
 * median is exact: three counting passes over them, 11 bits of the value each.
 *
 * Not here: histograms (print/stats_svg.c); statistics of types that are not read as floats.
 *
 * SPDX-License-Identifier: MIT */
#include "job/stats.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/json.h"
#include "base/mem.h"
#include "job/stream.h"

#define LANES 8

/* ---- moments and medians ---- */

static double add_lanes(const double s[LANES])
{
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

/* a + b as a double and what that rounds off (Knuth's two-sum). */
static double add_exactly(double a, double b, double *low)
{
    double sum = a + b, of_b = sum - a;
    *low = (a - (sum - of_b)) + (b - of_b);
    return sum;
}

wh_moments wh_moments_of(const float *v, size_t n)
{
    double sum[LANES] = { 0 }, s1[LANES] = { 0 }, s2[LANES] = { 0 };
    double s3[LANES] = { 0 }, s4[LANES] = { 0 };
    const size_t whole = n / LANES * LANES;
    if (n == 0) return (wh_moments){ 0 };
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t k = 0; k < LANES; k++) sum[k] += (double)v[i + k];
    for (size_t i = whole; i < n; i++) sum[i - whole] += (double)v[i];
    const double count = (double)n, mean = add_lanes(sum) / count;
    for (size_t i = 0; i < n; i += LANES) {
        const size_t lanes = i < whole ? LANES : n - whole;
        for (size_t k = 0; k < lanes; k++) {
            const double d = (double)v[i + k] - mean, dd = d * d;
            s1[k] += d;
            s2[k] += dd;
            s3[k] += dd * d;
            s4[k] += dd * dd;
        }
    }
    /* The sums are about `mean`; move them to mean + e, the better one. */
    const double e = add_lanes(s1) / count, ee = e * e;
    const double a2 = add_lanes(s2), a3 = add_lanes(s3), a4 = add_lanes(s4);
    wh_moments m = { .n = count };
    m.mean = add_exactly(mean, e, &m.low);
    m.m2 = fmax(a2 - count * ee, 0.0);
    m.m3 = a3 - 3.0 * e * a2 + 2.0 * count * ee * e;
    m.m4 = fmax(a4 - 4.0 * e * a3 + 6.0 * ee * a2 - 3.0 * count * ee * ee, 0.0);
    return m;
}

wh_moments wh_moments_merge(const wh_moments *a, const wh_moments *b)
{
    if (a->n == 0.0) return *b;
    if (b->n == 0.0) return *a;
    wh_moments m = { .n = a->n + b->n };
    const double p = a->n / m.n, q = b->n / m.n; /* shares: no product overflows */
    const double d = (b->mean - a->mean) + (b->low - a->low), dd = d * d, w = dd * p * b->n;
    m.mean = add_exactly(a->mean, a->low + d * q, &m.low);
    m.m2 = a->m2 + b->m2 + w;
    m.m3 = a->m3 + b->m3 + w * d * (p - q) + 3.0 * d * (p * b->m2 - q * a->m2);
    m.m4 = a->m4 + b->m4 + w * dd * (p * p - p * q + q * q) +
           6.0 * dd * (p * p * b->m2 + q * q * a->m2) + 4.0 * d * (p * b->m3 - q * a->m3);
    return m;
}

float wh_kth(const float *v, size_t n, size_t k)
{
    static const unsigned shifts[] = { 21, 10, 0 };
    static const uint32_t fields[] = { 0x7ff, 0x7ff, 0x3ff };
    uint32_t known = 0, mask = 0; /* the bits of the result so far, and which */
    for (int pass = 0; pass < 3; pass++) {
        size_t count[2048] = { 0 };
        uint32_t field = 0;
        for (size_t i = 0; i < n; i++) {
            uint32_t u = wh_f32_bits(v[i]);
            if ((u & mask) == known) count[u >> shifts[pass] & fields[pass]]++;
        }
        for (; count[field] <= k; field++) k -= count[field];
        known |= field << shifts[pass];
        mask |= fields[pass] << shifts[pass];
    }
    return wh_bits_f32(known);
}

/* ---- one pass ---- */

typedef struct part { /* of a tensor: a tile, or all up to here */
    wh_moments moments;
    float min, max; /* of finite values */
    uint64_t zeros, nan, inf;
} part;

static const part nothing = { .min = INFINITY, .max = -INFINITY };

typedef struct stats_job {
    const whit_source *source;
    size_t *tensor; /* [count] index in the source */
    part *sum;      /* [count] */
    double *ratio;  /* [count] */
    float *largest; /* [rows of the largest matrix] of the tensor that is at its turn */
    size_t count;
    wh_numbering tiles;
    wh_stream stream;
} stats_job;

/* Floats in the order of integers: a map of bits that is its own inverse. */
static int32_t ordered(uint32_t bits)
{
    return (int32_t)(bits & 0x80000000u ? bits ^ 0x7fffffffu : bits);
}

static float unordered(int32_t key)
{
    uint32_t bits = (uint32_t)key;
    return wh_bits_f32(bits & 0x80000000u ? bits ^ 0x7fffffffu : bits);
}

/* Adds a row that holds NaN or infinity to p; returns the largest finite magnitude. */
static float scan_odd_row(const float *v, size_t n, part *p)
{
    float largest = 0.0f;
    for (size_t i = 0; i < n; i++) {
        p->zeros += (uint64_t)(v[i] == 0.0f);
        p->nan += (uint64_t)(isnan(v[i]) != 0);
        p->inf += (uint64_t)(isinf(v[i]) != 0);
        if (!isfinite(v[i])) continue;
        p->min = fminf(p->min, v[i]);
        p->max = fmaxf(p->max, v[i]);
        largest = fmaxf(largest, fabsf(v[i]));
    }
    return largest;
}

/* The same for any row. Whole numbers only, so that compilers make vectors of the loop. */
static float scan_row(const float *v, size_t n, part *p)
{
    int32_t min = INT32_MAX, max = INT32_MIN;
    uint64_t zeros = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t u = wh_f32_bits(v[i]);
        int32_t key = ordered(u);
        zeros += (u & 0x7fffffffu) == 0;
        min = key < min ? key : min;
        max = key > max ? key : max;
    }
    float low = unordered(min), high = unordered(max); /* a NaN ends up in one of them */
    if (!isfinite(low) || !isfinite(high)) return scan_odd_row(v, n, p);
    p->zeros += zeros;
    p->min = fminf(p->min, low);
    p->max = fmaxf(p->max, high);
    return fmaxf(fabsf(low), fabsf(high));
}

/* Moves the finite values to the front; returns how many there are. */
static size_t keep_finite(float *v, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(v[i])) v[kept++] = v[i];
    return kept;
}

static whit_status tile_work(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    stats_job *j = ctx;
    wh_rect r;
    size_t i = wh_numbering_find(&j->tiles, tile, &r), n = (size_t)(r.rows * r.cols);
    wh_worker *w = &j->stream.workers[worker];
    part *p = wh_stream_slot(&j->stream, worker);
    *p = nothing;
    whit_status st =
        whit_source_read_f32(j->source, j->tensor[i], r.r0, r.rows, r.c0, r.cols, w->w, err);
    if (st != WHIT_OK) return st;
    for (size_t k = 0; k < (size_t)r.rows; k++)
        w->scratch[k] = scan_row(w->w + k * (size_t)r.cols, (size_t)r.cols, p);
    if (p->nan + p->inf > 0) n = keep_finite(w->w, n);
    p->moments = wh_moments_of(w->w, n);
    return WHIT_OK;
}

/* Largest magnitude of a row over the median of all: 2.5 for 1, 2, 3, 5 with rows. */
static double outlier_ratio(const float *largest, size_t n)
{
    double low = (double)wh_kth(largest, n, (n - 1) / 2), high = (double)wh_kth(largest, n, n / 2);
    double top = (double)wh_kth(largest, n, n - 1);
    return top > 0.0 ? top / (0.5 * (low + high)) : NAN;
}

static whit_status tile_commit(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    stats_job *j = ctx;
    wh_rect r;
    size_t i = wh_numbering_find(&j->tiles, tile, &r);
    const wh_tiling *t = &j->tiles.tiling[i];
    const part *p = wh_stream_slot(&j->stream, worker);
    part *sum = &j->sum[i];
    for (size_t k = 0; k < (size_t)r.rows; k++) {
        float *row = &j->largest[(size_t)r.r0 + k], here = j->stream.workers[worker].scratch[k];
        if (r.c0 == 0 || here > *row) *row = here;
    }
    sum->moments = wh_moments_merge(&sum->moments, &p->moments);
    sum->min = fminf(sum->min, p->min);
    sum->max = fmaxf(sum->max, p->max);
    sum->zeros += p->zeros;
    sum->nan += p->nan;
    sum->inf += p->inf;
    if (r.r0 + r.rows == t->rows && r.c0 + r.cols == t->cols)
        j->ratio[i] = outlier_ratio(j->largest, (size_t)t->rows);
    const whit_tensor *tensor = &whit_source_at(j->source, j->tensor[i])->tensor;
    return wh_meter_step(&j->stream.meter, tensor->name,
                         wh_numbering_share(&j->tiles, i, tile, tensor->bytes), err);
}

static int is_read(const whit_source_tensor *t)
{
    return whit_scheme_is_quantized(&t->scheme) || whit_dtype_is_float(t->stored);
}

static whit_status list_tensors(stats_job *j, whit_error *err)
{
    size_t n = whit_source_count(j->source);
    j->tensor = wh_calloc(n, sizeof *j->tensor);
    j->sum = wh_calloc(n, sizeof *j->sum);
    j->ratio = wh_calloc(n, sizeof *j->ratio);
    if (!wh_numbering_init(&j->tiles, n) || !j->tensor || !j->sum || !j->ratio)
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the statistics");
    for (size_t i = 0; i < n; i++) {
        const whit_source_tensor *t = whit_source_at(j->source, i);
        if (!is_read(t)) continue;
        j->tensor[j->count] = i;
        j->sum[j->count] = nothing;
        j->ratio[j->count] = NAN;
        j->tiles.tiling[j->count++] = wh_tiling_make(t->rows, t->cols, 1);
    }
    j->tiles.count = j->count;
    wh_numbering_finish(&j->tiles);
    return WHIT_OK;
}

static whit_status stream(stats_job *j, const whit_job_options *options, whit_error *err)
{
    wh_pass pass = { .tiles = &j->tiles,
                     .slot_bytes = sizeof(part),
                     .work = tile_work,
                     .commit = tile_commit,
                     .ctx = j };
    uint64_t rows = 0, row_bytes, tables = wh_stream_tables(j->count);
    for (size_t i = 0; i < j->count; i++) {
        const wh_tiling *t = &j->tiles.tiling[i];
        if (t->count > 0 && t->rows > rows) rows = t->rows;
        pass.reads += whit_source_at(j->source, j->tensor[i])->tensor.bytes;
    }
    if (!wh_mul_u64(rows, sizeof *j->largest, &row_bytes) || row_bytes > SIZE_MAX / 4 ||
        !wh_add_u64(tables, row_bytes, &tables))
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for %" PRIu64 " rows of a matrix", rows);
    whit_status st = wh_stream_open(&j->stream, options, &j->tiles, tables, err);
    if (st != WHIT_OK) return st;
    j->largest = wh_calloc(rows, sizeof *j->largest);
    if (j->largest) return wh_stream_pass(&j->stream, &pass, err);
    wh_stream_close(&j->stream);
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for %" PRIu64 " rows of a matrix", rows);
}

static whit_stats_row make_row(const part *p, double ratio)
{
    const wh_moments *m = &p->moments;
    double variance = m->m2 / m->n; /* NaN where there is no finite value */
    int some = m->n > 0.0;
    return (whit_stats_row){
        .known = 1,
        .finite = (uint64_t)m->n,
        .zeros = p->zeros,
        .nan = p->nan,
        .inf = p->inf,
        .min = some ? (double)p->min + 0.0 : NAN, /* -0 becomes 0 */
        .max = some ? (double)p->max + 0.0 : NAN,
        .mean = some ? m->mean + 0.0 : NAN,
        .std = sqrt(variance),
        .kurtosis = variance > 0.0 ? m->m4 / m->n / (variance * variance) : NAN,
        .outlier_ratio = ratio,
    };
}

static whit_status fill_rows(const stats_job *j, whit_stats *s, whit_error *err)
{
    s->source = j->source;
    s->count = whit_source_count(j->source);
    s->row = wh_calloc(s->count, sizeof *s->row);
    if (!s->row) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the statistics");
    for (size_t i = 0; i < s->count; i++) {
        s->row[i].min = s->row[i].max = s->row[i].mean = s->row[i].std = NAN;
        s->row[i].kurtosis = s->row[i].outlier_ratio = NAN;
    }
    for (size_t i = 0; i < j->count; i++) s->row[j->tensor[i]] = make_row(&j->sum[i], j->ratio[i]);
    for (size_t i = 0; i < s->count; i++) s->row[i].source = whit_source_at(j->source, i);
    return WHIT_OK;
}

whit_status whit_stats_run(whit_stats **out, const whit_source *source,
                           const whit_job_options *options, whit_error *err)
{
    *out = NULL;
    if (!source || !options || options->struct_size != sizeof *options)
        return wh_fail(err, WHIT_ERR_ARG, "whit_stats_run: argument missing");
    stats_job j = { .source = source };
    whit_stats *s = wh_calloc(1, sizeof *s);
    if (!s) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the statistics");
    whit_status st = list_tensors(&j, err);
    if (st == WHIT_OK) st = stream(&j, options, err);
    if (st == WHIT_OK) st = fill_rows(&j, s, err);
    free(j.tensor);
    free(j.sum);
    free(j.ratio);
    free(j.largest);
    wh_numbering_free(&j.tiles);
    if (st == WHIT_OK)
        *out = s;
    else
        whit_stats_free(s);
    return st;
}

void whit_stats_free(whit_stats *stats)
{
    if (!stats) return;
    free(stats->row);
    free(stats);
}

size_t whit_stats_count(const whit_stats *stats)
{
    return stats->count;
}

const whit_stats_row *whit_stats_at(const whit_stats *stats, size_t index)
{
    return index < stats->count ? &stats->row[index] : NULL;
}
