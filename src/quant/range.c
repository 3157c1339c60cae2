/* src/quant/range.c - from the range of a group to its stored scale and zero point: see range.h.
 *
 * Arithmetic: methods.md-style affine maps in binary32 without contraction (Jacob et al. 2018,
 * arXiv:1712.05877); scales of both signs as ggml's signed-max quantizers have them; the list of
 * candidates is ours (ladder.c).
 *
 * SPDX-License-Identifier: MIT */
#include "quant/range.h"

#include <float.h>
#include <math.h>

#include "base/bytes.h"
#include "base/half.h"

/* Of the lower and the upper end of asymmetric ranges. */
static const float ends[] = { 1.0f, 0.92f, 0.84f, 0.74f, 0.6f };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Block floats have scales of their own kind: powers of two, or two levels. */
static int is_block(whit_kind kind)
{
    return kind == WHIT_MXFP4 || kind == WHIT_NVFP4;
}

static whit_status check_spec(const whit_quant_spec *spec, whit_error *err)
{
    const whit_scheme *s = &spec->scheme;
    char text[WHIT_SCHEME_TEXT];
    whit_scheme again;
    if (!whit_scheme_is_quantized(s) || s->kind == WHIT_GGUF ||
        whit_scheme_parse(&again, whit_scheme_print(s, text), NULL) != WHIT_OK ||
        again.gran != s->gran || again.group != s->group || again.asym != s->asym ||
        again.dq != s->dq || again.block_rows != s->block_rows || again.scale_type != s->scale_type)
        return wh_fail(err, WHIT_ERR_ARG, "no such scheme of codes");
    if ((unsigned)spec->clip > WHIT_CLIP_PERCENTILE)
        return wh_fail(err, WHIT_ERR_ARG, "clip outside minmax, mse, percentile");
    if (spec->clip == WHIT_CLIP_PERCENTILE && !(spec->percentile > 0 && spec->percentile <= 100))
        return wh_fail(err, WHIT_ERR_ARG, "percentile outside (0, 100]");
    if ((unsigned)spec->nonfinite > WHIT_NONFINITE_CLAMP)
        return wh_fail(err, WHIT_ERR_ARG, "nonfinite outside refuse, zero, clamp");
    if (s->kind == WHIT_NVFP4 && !(spec->scale2 > 0 && isfinite(spec->scale2)))
        return wh_fail(err, WHIT_ERR_ARG, "nvfp4 without its scale2");
    return WHIT_OK;
}

whit_status wh_quantizer_init(wh_quantizer *q, const whit_quant_spec *spec, whit_error *err)
{
    const whit_scheme *s = &spec->scheme;
    whit_status st = check_spec(spec, err);
    if (st != WHIT_OK) return st;
    *q = (wh_quantizer){ .scheme = *s,
                         .ops = wh_encode_select(),
                         .book = wh_codebook_of(s->kind),
                         .minifloat = wh_minifloat_of(s->kind),
                         .nonfinite = spec->nonfinite,
                         .unit = s->kind == WHIT_NVFP4 ? spec->scale2 : 1.0f };
    q->search = spec->clip == WHIT_CLIP_MSE || (spec->clip == WHIT_CLIP_DEFAULT && s->bits < 8);
    if (spec->clip == WHIT_CLIP_PERCENTILE && spec->percentile < 100)
        q->percentile = spec->percentile;
    if (q->book) {
        q->hi = q->book->value[15];
    } else if (q->minifloat) {
        q->hi = q->minifloat->largest;
    } else if (s->asym) {
        q->hi = (float)((1u << s->bits) - 1);
    } else {
        q->hi = (float)((1 << (s->bits - 1)) - 1);
        q->lo = s->bits < 8 && q->search ? -q->hi - 1 : -q->hi;
    }
    q->any_sign = s->bits < 8 && !s->asym && !s->dq && !is_block(s->kind) && !spec->positive_scale;
    q->least_zero = s->asym && spec->positive_zero;
    if (!q->search || is_block(s->kind) || s->asym) return WHIT_OK;
    if (q->book)
        wh_ladder_table(&q->ladder, s, q->book);
    else if (q->minifloat)
        wh_ladder_minifloat(&q->ladder, q->minifloat);
    else
        wh_ladder_steps(&q->ladder, s, q->lo, q->hi, q->any_sign);
    return WHIT_OK;
}

static float round_scale(whit_dtype type, float s)
{
    if (type == WHIT_F16) return wh_f16_to_f32(wh_f32_to_f16(s));
    if (type == WHIT_BF16) return wh_bf16_to_f32(wh_f32_to_bf16(s));
    if (type == WHIT_F8_E4M3) return wh_minifloat_round(&wh_e4m3, s);
    return s;
}

static float smallest_scale(whit_dtype type)
{
    return type == WHIT_F16       ? 0x1p-24f
           : type == WHIT_BF16    ? 0x1p-133f
           : type == WHIT_F8_E4M3 ? 0x1p-9f
                                  : 0x1p-149f;
}

/* The next value of the type towards 0. */
static float lower_scale(whit_dtype type, float s)
{
    uint32_t unit = type == WHIT_BF16 ? 0x10000u : 1u; /* F16 never needs it: s * 255 is finite */
    return wh_bits_f32(wh_f32_bits(s) - unit);
}

static float largest(const wh_range *r)
{
    return r->max >= -r->min ? r->max : r->min;
}

float wh_ladder_end(const wh_quantizer *q, const wh_range *r)
{
    return q->minifloat ? fabsf(largest(r)) : largest(r);
}

static float clampf(float v, float lo, float hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

static int zero_point(const wh_quantizer *q, float min, float scale)
{
    return (int)rintf(clampf(-min / scale, (float)q->least_zero, q->hi));
}

/* The larger of the magnitudes of the codes that the ends of the range get. */
static float end_code(const wh_quantizer *q, const wh_range *r, const wh_candidate *c)
{
    float lo = q->lo - (float)c->zero, hi = q->hi - (float)c->zero;
    if (q->book || q->minifloat) return q->hi;
    float a = rintf(clampf(r->min / c->scale, lo, hi));
    float b = rintf(clampf(r->max / c->scale, lo, hi));
    return fmaxf(fabsf(a), fabsf(b));
}

/* Whether the ends of the range decode to something finite: scale * code may pass FLT_MAX. */
static int decodes(const wh_quantizer *q, const wh_range *r, const wh_candidate *c)
{
    if (fabsf(largest(r)) < FLT_MAX / 4) return 1; /* room for a step */
    return isfinite(end_code(q, r, c) * c->scale);
}

/* Round to the stored type and append, unless it cannot be stored or says what stands there. */
static void add(const wh_quantizer *q, const wh_range *r, float scale, float min, wh_candidate *out,
                size_t *n)
{
    float stored = round_scale(q->scheme.scale_type, scale);
    wh_candidate c = { stored * q->unit, stored, 0 };
    if (!isfinite(c.scale) || c.scale == 0.0f || (c.scale < 0.0f && !q->any_sign)) return;
    if (q->scheme.asym) c.zero = zero_point(q, min, c.scale);
    if (*n > 0 && out[*n - 1].scale == c.scale && out[*n - 1].zero == c.zero) return;
    if (decodes(q, r, &c)) out[(*n)++] = c;
}

/* A hypothesis that is exact but for the rounding of a division: with F32 scales the neighbours
 * are tried too. */
static void add_exact(const wh_quantizer *q, const wh_range *r, float scale, float min,
                      wh_candidate *out, size_t *n)
{
    add(q, r, scale, min, out, n);
    if (q->scheme.scale_type != WHIT_F32 || scale == 0.0f) return;
    add(q, r, nextafterf(scale, INFINITY), min, out, n);
    add(q, r, nextafterf(scale, -INFINITY), min, out, n);
}

/* (max(x,0) - min(x,0)) / levels, also where the difference passes FLT_MAX. */
static float spread(float min, float max, float levels)
{
    float width = max - min;
    return isfinite(width) ? width / levels : (max * 0.5f - min * 0.5f) / levels * 2.0f;
}

/* The power of two of mxfp4, from e = floor(log2 amax) - 2, so that amax lies in [4, 8). */
static float power_scale(float amax)
{
    int e = 0;
    frexpf(amax, &e);
    e -= 3;
    return ldexpf(1.0f, e < -127 ? -127 : e);
}

/* The lower end of a range that 0 lies in: low enough for the smallest zero point. */
static float lower_end(const wh_quantizer *q, const wh_range *r)
{
    const float min = r->min < 0.0f ? r->min : 0.0f, max = r->max > 0.0f ? r->max : 0.0f;
    return q->least_zero ? fminf(min, -max / (q->hi - 1.0f)) : min;
}

/* The plain scale of the range. 0 when it overflows its type. */
int wh_minmax(const wh_quantizer *q, const wh_range *r, wh_candidate *out, int *raised)
{
    whit_dtype type = q->scheme.scale_type;
    float min = lower_end(q, r), max = r->max > 0.0f ? r->max : 0.0f;
    float amax = fabsf(largest(r));
    float s = q->scheme.asym ? spread(min, max, q->hi) : amax / q->hi;
    if (q->scheme.kind == WHIT_MXFP4) s = power_scale(amax);
    out->stored = round_scale(type, s / q->unit);
    out->zero = 0;
    *raised = out->stored == 0.0f;
    if (*raised) out->stored = smallest_scale(type);
    out->scale = out->stored * q->unit;
    if (!isfinite(out->scale)) return 0;
    if (is_block(q->scheme.kind)) return 1;
    if (q->scheme.asym) out->zero = zero_point(q, min, out->scale);
    while (!decodes(q, r, out)) { /* to where the code just fits, then step by step */
        float most = round_scale(type, FLT_MAX / end_code(q, r, out));
        out->stored = most < out->stored ? most : lower_scale(type, out->stored);
        out->scale = out->stored;
        if (q->scheme.asym) out->zero = zero_point(q, min, out->scale);
    }
    return 1;
}

void wh_minmax_all(const wh_quantizer *q, const wh_range *r, float *stored)
{
    const whit_dtype type = q->scheme.scale_type;
    const int simple = !q->scheme.asym && !is_block(q->scheme.kind);
    float amax[WH_LANES];
    for (size_t i = 0; i < WH_LANES; i++) amax[i] = simple ? fabsf(largest(&r[i])) : 0.0f;
    q->ops->quotients(amax, q->hi, type, stored);
    for (size_t i = 0; i < WH_LANES; i++) /* room for a step, as decodes has it */
        if (!(amax[i] < FLT_MAX / 4 && stored[i] < INFINITY)) stored[i] = 0.0f;
}

static void search_ladder(const wh_quantizer *q, const wh_range *r, wh_candidate *out, size_t *n)
{
    const wh_ladder *l = &q->ladder;
    const float x = wh_ladder_end(q, r);
    for (size_t i = 0; i < l->count; i++) {
        const size_t p = l->place[i];
        if (i < l->exact)
            add_exact(q, r, x / l->divisor[p], 0.0f, out, n);
        else
            add(q, r, l->factor[p] * (x / l->divisor[p]), 0.0f, out, n);
    }
}

static void search_asym(const wh_quantizer *q, const wh_range *r, wh_candidate *out, size_t *n)
{
    float min = lower_end(q, r), max = r->max > 0.0f ? r->max : 0.0f;
    for (int m = (int)q->hi; m >= 1; m--)
        add_exact(q, r, spread(r->min, r->max, (float)m), r->min, out, n);
    for (size_t i = 0; i < COUNT(ends); i++)
        for (size_t j = 0; j < COUNT(ends); j++)
            if (i + j > 0)
                add(q, r, spread(min * ends[i], max * ends[j], q->hi), min * ends[i], out, n);
}

static void search_block(const wh_quantizer *q, const wh_range *r, wh_candidate *out, size_t *n)
{
    float amax = fabsf(largest(r));
    if (q->scheme.kind == WHIT_MXFP4)
        add(q, r, 2.0f * power_scale(amax), 0.0f, out, n);
    else
        add(q, r, amax / 4.0f / q->unit, 0.0f, out, n);
}

size_t wh_candidates(const wh_quantizer *q, const wh_range *range,
                     wh_candidate out[WH_MAX_CANDIDATES], int *raised)
{
    size_t n = 1;
    if (!wh_minmax(q, range, &out[0], raised)) return 0;
    if (!q->search) return n;
    if (is_block(q->scheme.kind))
        search_block(q, range, out, &n);
    else if (q->scheme.asym)
        search_asym(q, range, out, &n);
    else
        search_ladder(q, range, out, &n);
    return n;
}

size_t wh_candidate_at(const wh_quantizer *q, const wh_range *range, size_t rung, float stored,
                       wh_candidate *out)
{
    size_t n = 0;
    *out = (wh_candidate){ stored, stored, 0 };
    if (q->scheme.scale_type != WHIT_F32 || rung >= q->ladder.exact) return 1;
    add_exact(q, range, stored, 0.0f, out, &n);
    return n;
}

int wh_candidate_fit(const wh_quantizer *q, const wh_range *range, double a, double b, float k,
                     const wh_candidate *best, wh_candidate *out)
{
    if (!(b > 0.0) || is_block(q->scheme.kind)) return 0;
    float s = round_scale(q->scheme.scale_type, (float)(a / b * (1.0 / (double)k)));
    *out = (wh_candidate){ s, s, best->zero };
    return isfinite(s) && s != 0.0f && (s > 0.0f || q->any_sign) && s != best->scale &&
           decodes(q, range, out);
}

int wh_candidate_vanishes(const wh_quantizer *q, const wh_range *range, const wh_candidate *c)
{
    float end[2] = { range->min, range->max },
          worst = 0.0f; /* the ends decide: grids are monotone */
    uint8_t codes[2];
    wh_grid g = wh_candidate_grid(q, c, 1.0f);
    q->ops->encode(end, 2, &g, codes, &worst);
    float w[2];
    uint8_t zero = (uint8_t)c->zero;
    whit_scheme one = q->scheme;
    one.gran = WHIT_GRAN_CHANNEL;
    whit_dequantize(codes, &c->scale, &zero, 1, 2, &one, w, NULL);
    return w[0] == 0.0f && w[1] == 0.0f;
}

void wh_range_clip(wh_range *range, float magnitude)
{
    if (!(magnitude > 0.0f)) return;
    if (range->min < -magnitude) range->min = -magnitude;
    if (range->max > magnitude) range->max = magnitude;
}

float whit_nvfp4_scale2(float max_magnitude)
{
    float s = max_magnitude / (6.0f * 448.0f);
    return s > 0.0f ? s : 1.0f;
}

uint64_t wh_percentile_rank(double percentile, uint64_t n)
{
    /* a product that was rounded up must not become the next whole number */
    const double rank = ceil(percentile * (double)n / 100.0 * (1.0 - 0x1p-50));
    return rank < 1.0 ? 1 : rank >= (double)n ? n : (uint64_t)rank;
}

float wh_range_normaliser(const wh_range *range)
{
    /* magnitude in [2^(e-1), 2^e); frexpf and ldexpf without the calls */
    int e = (int)(wh_f32_bits(largest(range)) >> 23 & 0xff) - 126;
    e = e < -125 ? -125 : e > 127 ? 127 : e;
    return wh_bits_f32((uint32_t)(128 - e) << 23);
}

wh_grid wh_candidate_grid(const wh_quantizer *q, const wh_candidate *c, float k)
{
    wh_grid g = { .scale = c->scale * k };
    g.book = q->book;
    g.minifloat = q->minifloat;
    if (q->book || q->minifloat) return g;
    g.lo = q->lo - (float)c->zero;
    g.hi = q->hi - (float)c->zero;
    g.offset = q->scheme.asym ? c->zero : 1 << (q->scheme.bits - 1);
    return g;
}
