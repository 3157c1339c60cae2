/* src/calib/histogram.c - counting magnitudes.
 *
 * Threads count in tables of their own, with 32 bits and several copies: equal values follow each
 * other, and a count must not wait for the one before. Only the bins that were touched are added
 * up.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/histogram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "quant/range.h"

#define WORTH_THREADS 16384 /* values; fewer are sooner counted than handed out */
enum { LOG_COPIES = 2, LINEAR_COPIES = 4 };

whit_status wh_histogram_init(wh_histogram *h, size_t bins, size_t few, whit_error *err)
{
    *h = (wh_histogram){ .bins = bins, .exponent = WH_LINEAR_LEAST };
    h->bin = wh_calloc(bins, sizeof *h->bin);
    h->linear = wh_calloc(WH_LINEAR_BINS, sizeof *h->linear);
    h->few = wh_calloc(few, sizeof *h->few);
    if (h->bin && h->linear && h->few) return WHIT_OK;
    wh_histogram_free(h);
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a histogram");
}

void wh_histogram_free(wh_histogram *h)
{
    free(h->bin);
    free(h->linear);
    free(h->few);
    memset(h, 0, sizeof *h);
}

whit_status wh_tallies_init(wh_tallies *t, unsigned threads, whit_error *err)
{
    t->threads = threads;
    t->log = wh_calloc((size_t)threads * LOG_COPIES * WH_LOG_BINS, sizeof *t->log);
    t->linear = wh_calloc((size_t)threads * LINEAR_COPIES * WH_LINEAR_BINS, sizeof *t->linear);
    t->range = wh_calloc(threads, sizeof *t->range);
    if (t->log && t->linear && t->range) return WHIT_OK;
    wh_tallies_free(t);
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the counts of %u threads", threads);
}

void wh_tallies_free(wh_tallies *t)
{
    free(t->log);
    free(t->linear);
    free(t->range);
    memset(t, 0, sizeof *t);
}

/* ---- widths ----------------------------------------------------------------------------------
 */

void wh_histogram_widen(wh_histogram *h, int exponent)
{
    for (; h->exponent < exponent; h->exponent++) {
        for (size_t i = 0; i < WH_LINEAR_BINS / 2; i++)
            h->linear[i] = h->linear[2 * i] + h->linear[2 * i + 1];
        memset(h->linear + WH_LINEAR_BINS / 2, 0, WH_LINEAR_BINS / 2 * sizeof *h->linear);
    }
}

/* The least exponent of a width with which a magnitude fits into the bins. */
static int exponent_for(float magnitude)
{
    int e;
    if (magnitude == 0.0f) return WH_LINEAR_LEAST;
    (void)frexpf(magnitude, &e); /* below 2^e */
    e -= 11;                     /* 2^11 bins */
    return e > WH_LINEAR_LEAST ? e : WH_LINEAR_LEAST;
}

/* ---- counting --------------------------------------------------------------------------------
 */

typedef struct counting {
    wh_tallies *t;
    const float *x;
    size_t n;
    float inverse; /* of the width */
} counting;

static void count_part(void *ctx, unsigned t, unsigned threads)
{
    const counting *c = ctx;
    uint32_t *log = c->t->log + (size_t)t * LOG_COPIES * WH_LOG_BINS;
    uint32_t *linear = c->t->linear + (size_t)t * LINEAR_COPIES * WH_LINEAR_BINS;
    uint32_t low = WH_LOG_BINS, high = 0;
    uint64_t zeros = 0;
    size_t begin, end;
    wh_pool_split(c->n, 16, t, threads, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        const float v = fabsf(c->x[i]);
        const uint32_t bits = wh_f32_bits(v), key = bits >> 16;
        log[(i % LOG_COPIES) * WH_LOG_BINS + key]++;
        linear[(i % LINEAR_COPIES) * WH_LINEAR_BINS + (uint32_t)(int32_t)(v * c->inverse)]++;
        low = bits && key < low ? key : low;
        high = key > high ? key : high;
        zeros += bits == 0;
    }
    c->t->range[t].low = low;
    c->t->range[t].high = high;
    c->t->range[t].zeros = zeros;
}

static void take_log(wh_histogram *h, uint32_t *log, size_t low, size_t high)
{
    for (size_t k = low; k <= high; k++)
        for (size_t i = 0; i < LOG_COPIES; i++) {
            h->bin[k] += log[i * WH_LOG_BINS + k];
            log[i * WH_LOG_BINS + k] = 0;
        }
}

static void take_counts(wh_histogram *h, wh_tallies *t, unsigned threads)
{
    for (unsigned k = 0; k < threads; k++) {
        uint32_t *log = t->log + (size_t)k * LOG_COPIES * WH_LOG_BINS;
        uint32_t *linear = t->linear + (size_t)k * LINEAR_COPIES * WH_LINEAR_BINS;
        take_log(h, log, 0, 0);
        take_log(h, log, t->range[k].low ? t->range[k].low : 1, t->range[k].high);
        for (size_t i = 0; i < LINEAR_COPIES * WH_LINEAR_BINS; i++)
            h->linear[i % WH_LINEAR_BINS] += linear[i];
        memset(linear, 0, LINEAR_COPIES * WH_LINEAR_BINS * sizeof *linear);
        h->bin[0] -= t->range[k].zeros;
        h->linear[0] -= t->range[k].zeros;
        h->zeros += t->range[k].zeros;
    }
}

/* Keeps n more values, or none any longer. */
static void keep(wh_histogram *h, const float *x, size_t n)
{
    if (!h->few) return;
    if (n >= WH_FEW || h->values + n >= WH_FEW) {
        free(h->few);
        h->few = NULL;
        return;
    }
    for (size_t i = 0; i < n; i++) h->few[h->values + i] = fabsf(x[i]);
}

void wh_histogram_add(wh_histogram *h, wh_tallies *t, wh_pool *pool, const float *x, size_t n,
                      uint32_t top)
{
    if (n == 0) return;
    wh_histogram_widen(h, exponent_for(wh_bits_f32(top)));
    counting c = { t, x, n, ldexpf(1.0f, -h->exponent) };
    const int share = pool && n >= WORTH_THREADS;
    if (share)
        wh_pool_run(pool, count_part, &c);
    else
        count_part(&c, 0, 1);
    take_counts(h, t, share ? t->threads : 1);
    keep(h, x, n);
    h->values += n;
}

/* ---- merging ---------------------------------------------------------------------------------
 */

static int add_to(uint64_t *to, uint64_t count)
{
    *to += count;
    return *to >= count;
}

int wh_histogram_merge(wh_histogram *to, const wh_histogram *from)
{
    int fits = 1;
    wh_histogram_widen(to, from->exponent);
    const unsigned shift = (unsigned)(to->exponent - from->exponent);
    for (size_t i = 0; i < from->bins; i++) fits &= add_to(&to->bin[from->first + i], from->bin[i]);
    for (size_t i = 0; i < WH_LINEAR_BINS; i++)
        fits &= add_to(&to->linear[shift < 11 ? i >> shift : 0], from->linear[i]);
    if (!from->few) {
        free(to->few);
        to->few = NULL;
    } else {
        keep(to, from->few, (size_t)from->values);
    }
    return fits & add_to(&to->zeros, from->zeros) & add_to(&to->values, from->values);
}

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

void wh_histogram_sort(wh_histogram *h)
{
    if (h->few) qsort(h->few, (size_t)h->values, sizeof *h->few, by_value);
}

/* ---- percentiles -----------------------------------------------------------------------------
 */

float wh_histogram_percentile(const wh_histogram *h, double percent)
{
    const uint64_t rank = wh_percentile_rank(percent, h->values);
    if (h->few) return h->few[rank - 1];
    uint64_t seen = h->zeros;
    if (rank <= seen) return 0;
    for (size_t i = 0; i < h->bins; i++) {
        seen += h->bin[i];
        if (rank <= seen) return wh_bits_f32((uint32_t)(h->first + i + 1) << 16);
    }
    return 0; /* not with counts that add up */
}
