/* src/quant/range.c - from the range of a group to its stored scale and zero point: see range.h.
 *
 * Arithmetic: methods.md-style affine maps in binary32 without contraction (Jacob et al. 2018,
 * arXiv:1712.05877); scales of both signs as ggml's signed-max quantizers have them; the list of
 * candidates is ours, measured against the exact breakpoint sweep in tests/test_search.c.
 *
 * SPDX-License-Identifier: MIT */
#include "quant/range.h"

#include <float.h>
#include <math.h>

#include "base/bytes.h"
#include "base/half.h"

/* Of x'/lo and x'/hi: from a light trim of the tails to what 2-bit codes of long groups need. */
static const float shrinks[] = {
    0.95f, 0.9f, 0.85f, 0.8f, 0.72f, 0.64f, 0.55f, 0.45f, 0.35f, 0.25f
};
/* Of the lower and the upper end of asymmetric ranges. */
static const float ends[] = { 1.0f, 0.92f, 0.84f, 0.74f, 0.6f };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

whit_status wh_quantizer_init(wh_quantizer *q, const whit_quant_spec *spec, whit_error *err)
{
    const whit_scheme *s = &spec->scheme;
    int scale_known =
        s->scale_type == WHIT_F32 || s->scale_type == WHIT_F16 || s->scale_type == WHIT_BF16;
    int bits_known = s->kind == WHIT_INT ? s->bits >= 2 && s->bits <= 8 : s->bits == 4;
    if (!whit_scheme_is_quantized(s) || !bits_known || !scale_known ||
        (s->kind != WHIT_INT && s->asym))
        return wh_fail(err, WHIT_ERR_ARG, "no such scheme of codes");
    if (s->gran == WHIT_GRAN_NONE || s->gran > WHIT_GRAN_GROUP ||
        (s->gran == WHIT_GRAN_GROUP && (s->group < 2 || s->group > 65536)))
        return wh_fail(err, WHIT_ERR_ARG, "granularity outside tensor, channel, g2 .. g65536");
    if ((unsigned)spec->clip > WHIT_CLIP_MSE)
        return wh_fail(err, WHIT_ERR_ARG, "clip outside minmax, mse");
    *q = (wh_quantizer){ .scheme = *s, .ops = wh_encode_select() };
    q->search = spec->clip == WHIT_CLIP_MSE || (spec->clip == WHIT_CLIP_DEFAULT && s->bits < 8);
    if (s->kind == WHIT_NF4) {
        q->book = &wh_codebook_nf4;
        q->any_sign = !spec->positive_scale;
    } else if (s->asym) {
        q->hi = (float)((1u << s->bits) - 1);
    } else {
        q->hi = (float)((1 << (s->bits - 1)) - 1);
        q->lo = s->bits < 8 && q->search ? -q->hi - 1 : -q->hi;
        q->any_sign = s->bits < 8 && !spec->positive_scale;
    }
    return WHIT_OK;
}

static float round_scale(whit_dtype type, float s)
{
    if (type == WHIT_F16) return wh_f16_to_f32(wh_f32_to_f16(s));
    if (type == WHIT_BF16) return wh_bf16_to_f32(wh_f32_to_bf16(s));
    return s;
}

static float smallest_scale(whit_dtype type)
{
    return type == WHIT_F16 ? 0x1p-24f : type == WHIT_BF16 ? 0x1p-133f : 0x1p-149f;
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

static float clampf(float v, float lo, float hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

static int zero_point(const wh_quantizer *q, float min, float scale)
{
    return (int)rintf(clampf(-min / scale, 0.0f, q->hi));
}

/* The larger of the magnitudes of the codes that the ends of the range get. */
static float end_code(const wh_quantizer *q, const wh_range *r, const wh_candidate *c)
{
    float lo = q->lo - (float)c->zero, hi = q->hi - (float)c->zero;
    float a = rintf(clampf(r->min / c->scale, lo, hi));
    float b = rintf(clampf(r->max / c->scale, lo, hi));
    return fmaxf(fabsf(a), fabsf(b));
}

/* Whether the ends of the range decode to something finite: scale * code may pass FLT_MAX. */
static int decodes(const wh_quantizer *q, const wh_range *r, const wh_candidate *c)
{
    if (q->book || fabsf(largest(r)) < FLT_MAX / 4) return 1; /* |table| <= 1; room for a step */
    return isfinite(end_code(q, r, c) * c->scale);
}

/* Round to the stored type and append, unless it cannot be stored or says what stands there. */
static void add(const wh_quantizer *q, const wh_range *r, float scale, float min, wh_candidate *out,
                size_t *n)
{
    wh_candidate c = { round_scale(q->scheme.scale_type, scale), 0 };
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

/* The plain scale of the range. 0 when it overflows its type. */
static int minmax(const wh_quantizer *q, const wh_range *r, wh_candidate *out, int *raised)
{
    whit_dtype type = q->scheme.scale_type;
    float min = r->min < 0.0f ? r->min : 0.0f, max = r->max > 0.0f ? r->max : 0.0f;
    float amax = fabsf(largest(r));
    float s = q->scheme.asym ? spread(min, max, q->hi) : q->book ? amax : amax / q->hi;
    out->scale = round_scale(type, s);
    out->zero = 0;
    *raised = out->scale == 0.0f;
    if (*raised) out->scale = smallest_scale(type);
    if (!isfinite(out->scale)) return 0;
    if (q->scheme.asym) out->zero = zero_point(q, min, out->scale);
    while (!decodes(q, r, out)) { /* to where the code just fits, then step by step */
        float most = round_scale(type, FLT_MAX / end_code(q, r, out));
        out->scale = most < out->scale ? most : lower_scale(type, out->scale);
        if (q->scheme.asym) out->zero = zero_point(q, min, out->scale);
    }
    return 1;
}

static void search_symmetric(const wh_quantizer *q, const wh_range *r, wh_candidate *out, size_t *n)
{
    float x = largest(r);
    for (int k = q->lo < -q->hi ? (int)-q->lo : (int)q->hi; k >= 1; k--) {
        add_exact(q, r, x / (float)-k, 0.0f, out, n);
        if (k <= (int)q->hi) add_exact(q, r, x / (float)k, 0.0f, out, n);
    }
    for (size_t i = 0; i < COUNT(shrinks); i++) {
        add(q, r, shrinks[i] * (x / q->lo), 0.0f, out, n);
        add(q, r, shrinks[i] * (x / q->hi), 0.0f, out, n);
    }
}

static void search_table(const wh_quantizer *q, const wh_range *r, wh_candidate *out, size_t *n)
{
    float x = largest(r);
    for (unsigned i = 0; i < 8; i++) { /* from both ends inwards */
        unsigned pair[2] = { i, 15 - i };
        for (unsigned j = 0; j < 2; j++)
            if (pair[j] != q->book->zero)
                add_exact(q, r, x / q->book->value[pair[j]], 0.0f, out, n);
    }
    for (size_t i = 0; i < COUNT(shrinks); i++) {
        add(q, r, shrinks[i] * x, 0.0f, out, n);
        add(q, r, shrinks[i] * -x, 0.0f, out, n);
    }
}

static void search_asym(const wh_quantizer *q, const wh_range *r, wh_candidate *out, size_t *n)
{
    float min = r->min < 0.0f ? r->min : 0.0f, max = r->max > 0.0f ? r->max : 0.0f;
    for (int m = (int)q->hi; m >= 1; m--)
        add_exact(q, r, spread(r->min, r->max, (float)m), r->min, out, n);
    for (size_t i = 0; i < COUNT(ends); i++)
        for (size_t j = 0; j < COUNT(ends); j++)
            if (i + j > 0)
                add(q, r, spread(min * ends[i], max * ends[j], q->hi), min * ends[i], out, n);
}

size_t wh_candidates(const wh_quantizer *q, const wh_range *range,
                     wh_candidate out[WH_MAX_CANDIDATES], int *raised)
{
    size_t n = 1;
    if (!minmax(q, range, &out[0], raised)) return 0;
    if (!q->search) return n;
    if (q->scheme.asym)
        search_asym(q, range, out, &n);
    else if (q->book)
        search_table(q, range, out, &n);
    else
        search_symmetric(q, range, out, &n);
    return n;
}

int wh_candidate_fit(const wh_quantizer *q, const wh_range *range, double a, double b, float k,
                     const wh_candidate *best, wh_candidate *out)
{
    if (!(b > 0.0)) return 0;
    float s = round_scale(q->scheme.scale_type, (float)(a / b / (double)k));
    *out = (wh_candidate){ s, best->zero };
    return isfinite(s) && s != 0.0f && (s > 0.0f || q->any_sign) && s != best->scale &&
           decodes(q, range, out);
}

int wh_candidate_vanishes(const wh_quantizer *q, const wh_range *range, const wh_candidate *c)
{
    float a = range->min / c->scale, b = range->max / c->scale; /* minmax scales are positive */
    if (q->book)
        return a > q->book->threshold[q->book->zero - 1] && b <= q->book->threshold[q->book->zero];
    return rintf(a) == 0.0f && rintf(b) == 0.0f;
}

float wh_range_normaliser(const wh_range *range)
{
    int e = 0;
    frexpf(largest(range), &e); /* magnitude in [2^(e-1), 2^e) */
    e = e < -125 ? -125 : e > 127 ? 127 : e;
    return ldexpf(1.0f, 1 - e);
}

wh_grid wh_candidate_grid(const wh_quantizer *q, const wh_candidate *c, float k)
{
    wh_grid g = { .scale = c->scale * k };
    if (q->book) {
        g.table = q->book->value;
        g.threshold = q->book->threshold;
        return g;
    }
    g.lo = q->lo - (float)c->zero;
    g.hi = q->hi - (float)c->zero;
    g.offset = q->scheme.asym ? c->zero : 1 << (q->scheme.bits - 1);
    return g;
}
