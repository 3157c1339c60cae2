/* src/quant/ladder.c - the lists of scales that searches try, and what a survey of them needs.
 *
 * The lists are ours, measured against the exact breakpoint sweep in tests/test_search.c.
 *
 * SPDX-License-Identifier: MIT */
#include "quant/ladder.h"

#include <math.h>
#include <string.h>

/* Of x'/lo and x'/hi: from a light trim of the tails to what 2-bit codes of long groups need. */
static const float shrinks[] = {
    0.95f, 0.9f, 0.85f, 0.8f, 0.72f, 0.64f, 0.55f, 0.45f, 0.35f, 0.25f
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The rungs in their own order, with the merit that decides their places; smaller is likelier. */
typedef struct list {
    size_t count, exact;
    float divisor[WH_MAX_RUNGS], factor[WH_MAX_RUNGS], merit[WH_MAX_RUNGS];
} list;

static void append(list *s, float divisor, float factor)
{
    s->divisor[s->count] = divisor;
    s->factor[s->count++] = factor;
}

/* The best scale lies about there: below minmax, the further the fewer bits. */
static void judge(list *s, float hi, unsigned bits)
{
    const float best = 1.0f - ldexpf(1.6f, -(int)bits);
    for (size_t i = 0; i < s->count; i++) {
        float r = fabsf(s->factor[i] * hi / s->divisor[i]) / best;
        s->merit[i] = r < 1.0f ? 1.0f / r : r;
    }
}

/* Places by merit; INFINITY: none that a survey reads. */
static void arrange(wh_ladder *l, const list *s, int surveyed)
{
    *l = (wh_ladder){ .count = s->count, .exact = s->exact, .places = (size_t)surveyed };
    for (size_t r = 0; r < s->count; r++) {
        size_t p = r + 1;
        for (; p > 1 && s->merit[l->rung[p - 1]] > s->merit[r]; p--) l->rung[p] = l->rung[p - 1];
        l->rung[p] = (uint16_t)r;
        if (surveyed && s->merit[r] < INFINITY) l->places++;
    }
    for (size_t p = 0; p < WH_MAX_RUNGS; p++) l->divisor[p] = 1.0f; /* factor 0: no scale */
    for (size_t p = 1; p <= s->count; p++) {
        l->place[l->rung[p]] = (uint16_t)p;
        l->divisor[p] = s->divisor[l->rung[p]];
        l->factor[p] = s->factor[l->rung[p]];
    }
}

static float smallest_normal(whit_dtype type)
{
    return type == WHIT_F16 ? 0x1p-14f : 0x1p-126f;
}

/* Where both signs are allowed and no code is clamped, a scale and its negative give the same
 * errors, so the second need not be looked at: x'/k beside x'/-k for all k <= hi, and x'/-hi
 * beside minmax, unless neighbours of it count too. That holds as long as scales are rounded by
 * less than half a code: not where they are subnormal. Below `least` minmax may be raised from 0,
 * too, and squares in units of such a scale vanish. */
void wh_ladder_steps(wh_ladder *l, const whit_scheme *scheme, float lo, float hi, int any_sign)
{
    list s = { 0 };
    for (float k = -lo; k >= 1.0f; k--) {
        append(&s, -k, 1.0f);
        if (k <= hi) append(&s, k, 1.0f);
    }
    s.exact = s.count;
    for (size_t i = 0; i < COUNT(shrinks); i++) {
        append(&s, lo, shrinks[i]);
        append(&s, hi, shrinks[i]);
    }
    judge(&s, hi, scheme->bits);
    for (size_t i = 0; any_sign && i < s.exact; i++)
        if (s.divisor[i] > 0.0f || (s.divisor[i] == -hi && scheme->scale_type != WHIT_F32))
            s.merit[i] = INFINITY;
    arrange(l, &s, 1);
    for (size_t i = 0; i < WH_LANES; i++) {
        l->lo[i] = lo;
        l->hi[i] = hi;
    }
    l->least = ldexpf(smallest_normal(scheme->scale_type), (int)scheme->bits - (any_sign ? 0 : 10));
    l->slack = 32.0f;
}

/* The values nearest to x: the lowest and the highest of them. */
static void nearest(const wh_codebook *book, double x, float *low, float *high)
{
    *low = *high = book->value[0];
    for (unsigned i = 1; i < 16; i++) {
        const float v = book->value[i];
        if (fabs((double)v - x) < fabs((double)*low - x)) *low = v;
        if (fabs((double)v - x) <= fabs((double)*high - x)) *high = v;
    }
}

/* 0: more than two values in one bin. */
static int fill_bins(wh_bins *b, const wh_codebook *book)
{
    const double width = (double)book->value[15] / 15.5;
    b->inverse_width = 15.5f / book->value[15];
    for (int i = -16; i < 16; i++) {
        float low, high, other;
        nearest(book, (i - 0.5) * width, &low, &other);
        nearest(book, (i + 0.5) * width, &other, &high);
        if (i == -16) low = book->value[0];
        if (i == 15) high = book->value[15];
        for (unsigned k = 0; k < 16; k++)
            if (book->value[k] > low && book->value[k] < high) return 0;
        b->minus_low[i & (WH_BINS - 1)] = -low;
        b->minus_high[i & (WH_BINS - 1)] = -high;
    }
    return 1;
}

/* How far thresholds are off the middle of their values, as a part of them. */
static double off_middle(const wh_codebook *book)
{
    double worst = 0;
    for (unsigned i = 0; i < 15; i++) {
        const double middle = ((double)book->value[i] + (double)book->value[i + 1]) / 2;
        const double threshold = (double)book->threshold[i];
        if (book->value[i] == book->value[i + 1]) continue; /* zeros of both signs */
        worst = fmax(worst, fabs((threshold - middle) / threshold));
    }
    return worst;
}

void wh_ladder_table(wh_ladder *l, const whit_scheme *scheme, const wh_codebook *book)
{
    list s = { 0 };
    wh_bins bins;
    for (unsigned i = 0; i < 16; i++) { /* from both ends inwards */
        const float v = book->value[i % 2 ? 15 - i / 2 : i / 2];
        if (v != 0.0f) append(&s, v, 1.0f);
    }
    s.exact = s.count;
    for (size_t i = 0; i < COUNT(shrinks); i++) {
        append(&s, book->value[15], shrinks[i]);
        append(&s, -book->value[15], shrinks[i]);
    }
    judge(&s, book->value[15], scheme->bits);
    const int surveyed = fill_bins(&bins, book);
    arrange(l, &s, surveyed);
    if (!surveyed) return;
    l->bins = bins;
    for (size_t i = 0; i < WH_LANES; i++) {
        l->lo[i] = book->value[0];
        l->hi[i] = book->value[15];
    }
    l->least = ldexpf(smallest_normal(scheme->scale_type), -10); /* as there */
    l->slack = 32.0f + (float)ldexp(4.0 * off_middle(book), 24);
}

void wh_ladder_minifloat(wh_ladder *l, const wh_minifloat *m)
{
    list s = { 0 };
    for (float v = m->largest; v > 0.0f;) {
        append(&s, v, 1.0f);
        int e;
        frexpf(v, &e);
        float step = ldexpf(1.0f, e - 1 - m->mantissa);
        const float least = ldexpf(m->smallest, -m->mantissa);
        /* below a power of two the steps are half as wide */
        if (v == ldexpf(1.0f, e - 1) && step > least) step *= 0.5f;
        v -= step > least ? step : least;
    }
    s.exact = s.count;
    for (size_t i = 0; i < COUNT(shrinks); i++) append(&s, m->largest, shrinks[i]);
    arrange(l, &s, 0);
}
