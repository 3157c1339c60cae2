/* src/pack/block_lanes.h - several blocks side by side, and rounding as the reference rounds.
 *
 * For block_loops.h. A block_encode_<isa>.c defines, before it includes that:
 *
 *   W                               blocks side by side, at most WH_BLOCK_LANES
 *   vf, vi, vm                      W floats, 32-bit integers, conditions
 *   v_set  v_load  v_store          i_set  i_load  i_store; no alignment is needed
 *   v_add v_sub v_mul v_div v_sqrt  each rounded; v_abs, v_neg
 *   v_min(a, b)  v_max(a, b)        a < b ? a : b;  a > b ? a : b (b where one is a NaN)
 *   v_wrap(v)                       the low 23 bits kept, sign and exponent those of 2^23
 *   v_half(v)                       rounded to F16
 *   v_lt v_le v_ne                  false with a NaN; v_ne true
 *   m_and  m_any  v_pick(m, a, b)   m ? a : b;  i_pick
 *   i_add i_or i_left(i, n)         v_lookup(table, i): the entries i, 0..15, of sixteen floats;
 *   i_count(i, m)                   i, and 1 more where m;  v_lookup8(table, i): 0..7, of eight
 *   i_round(v)  i_float(i)          to the integer towards 0, and back
 *   v_store_bits(p, i)              the same bits, where floats are stored
 *   v_store_half(p, v)              the F16 of v, W times 16 bits
 *   v_tile(from, n, tile)           tile[i * W + l] = from[l][i], n a multiple of W; bits are kept
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_PACK_BLOCK_LANES_H
#define WH_PACK_BLOCK_LANES_H

#include <string.h>

#include "base/half.h"

#define ALWAYS_INLINE inline __attribute__((always_inline))

/* W blocks. x, w, code: element i of all of them at i * W; scale, min: sub-block k at k * W. */
typedef struct lanes {
    float x[WH_BLOCK_WEIGHTS * W];
    float w[WH_BLOCK_WEIGHTS * W]; /* the importance, where there is one */
    float d[W], m[W];              /* with the values that F16 leaves    */
    float scale[WH_BLOCK_SUBS * W], min[WH_BLOCK_SUBS * W];
    int32_t code[WH_BLOCK_WEIGHTS * W];
} lanes;

/* Adding 1.5 * 2^23 leaves the integer nearest to v, ties to even, in the low bits. The reference
 * reads those alone: what is beyond 2^22 wraps around, and so it must here. */
#define MAGIC 12582912.0f

static ALWAYS_INLINE vf nearest(vf v)
{
    return v_sub(v_wrap(v_add(v, v_set(MAGIC))), v_set(MAGIC));
}

/* The same for what is surely no number beyond 2^22. */
static ALWAYS_INLINE vf nearest_bounded(vf v)
{
    return v_sub(v_add(v, v_set(MAGIC)), v_set(MAGIC));
}

static ALWAYS_INLINE vf clamp(vf v, vf lo, vf hi)
{
    return v_min(v_max(v, lo), hi);
}

/* a / b, or 0 where b is. */
static ALWAYS_INLINE vf v_ratio(vf a, vf b)
{
    const vf zero = v_set(0.0f);
    return v_pick(v_ne(b, zero), v_div(a, b), zero);
}

static ALWAYS_INLINE vf inverse(vf v)
{
    return v_ratio(v_set(1.0f), v);
}

/* The element of the largest magnitude with its sign, the first of equals. What is no number does
 * not count. */
static ALWAYS_INLINE vf extreme(const float *x, size_t n, vf *magnitude)
{
    const vf zero = v_set(0.0f);
    vf most = zero, at = zero;
    for (size_t i = 0; W == 1 && i < n; i++) { /* a branch that is rarely taken is faster there */
        const vf v = v_load(x + i), a = v_abs(v);
        const vm more = v_lt(most, a);
        most = v_pick(more, a, most);
        at = v_pick(more, v, at);
    }
    for (size_t i = 0; W > 1 && i < n; i++) most = v_max(v_abs(v_load(x + i * W)), most);
    for (size_t i = n; W > 1 && i-- > 0;) { /* the first one stays; none waits for the one before */
        const vf v = v_load(x + i * W);
        at = v_pick(v_le(most, v_abs(v)), v, at);
    }
    *magnitude = most;
    return v_pick(v_lt(zero, most), at, zero);
}

static ALWAYS_INLINE vf sum_squares(const float *x, size_t n)
{
    vf sum = v_set(0.0f);
    for (size_t i = 0; i < n; i++) {
        const vf v = v_load(x + i * W);
        sum = v_add(sum, v_mul(v, v));
    }
    return sum;
}

/* The levels of IQ4, and what lies between them: the reference takes the lower level where it is
 * nearer, and all differences around the middle are exact. */
static const float iq4_levels[16] = { -127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113 };
/* What to compare with next, by the first two and the first three bits of the code. */
static const float iq4_middles[2][8] = {
    { -93.5f, -28.5f, 19.0f, 79.0f },
    { -115.5f, -74.0f, -42.0f, -16.0f, 7.0f, 31.5f, 61.0f, 101.0f },
};

/* The code whose level is nearest to v. The second bit takes no look-up: gcc 12 at -O3 makes a
 * wrong vector of one whose index is a condition. */
static ALWAYS_INLINE vi iq4_entry(vf v)
{
    const vm upper = v_le(v_set(-4.5f), v);
    vi k = i_count(i_set(0), upper);
    k = i_count(i_add(k, k), v_le(v_pick(upper, v_set(45.5f), v_set(-57.0f)), v));
    for (int row = 0; row < 2; row++)
        k = i_count(i_add(k, k), v_le(v_lookup8(iq4_middles[row], k), v));
    return k;
}

/* Four codes to a word, so that the octets of a block come to lie together: the first of them is
 * the first octet in memory, which is the lowest or the highest one of a word. */
static void gather(const int32_t *code, size_t n, float *words)
{
    for (size_t i = 0; i < n; i += 4) {
        const size_t low = WH_LITTLE_ENDIAN ? 0 : 3;
        vi word = i_load(code + (i + low) * W);
        for (size_t b = 1; b < 4; b++)
            word = i_or(word, i_left(i_load(code + (i + (b ^ low)) * W), 8 * (int)b));
        v_store_bits(words + i / 4 * W, word);
    }
}

enum { WORDS = WH_BLOCK_WEIGHTS / 4 };

/* The words of a lane behind each other, W at a time: those from g on at (g + lane) * W. The last
 * ones are repeated to fill the W. */
static void untile(const float *words, size_t count, float *tile)
{
    for (size_t g = 0; g < count; g += W) {
        const float *from[W];
        for (size_t r = 0; r < W; r++) from[r] = words + (g + r < count ? g + r : count - 1) * W;
        v_tile(from, W, tile + g * W);
    }
}

static void emit(const wh_block_batch *b, const lanes *s)
{
    const size_t n = b->type->info.weights, subs = n / b->type->sub;
    float words[WORDS * W], tile[WORDS * W];
    uint16_t d[W], m[W];
    gather(s->code, n, words);
    untile(words, n / 4, tile);
    v_store_half(d, v_load(s->d));
    v_store_half(m, v_load(s->m));
    for (size_t l = 0; l < W; l++) {
        _Alignas(64) wh_block_parts p; /* codes just stored are loaded at once: within a line */
        p.d = d[l];
        p.m = m[l];
        for (size_t g = 0; g < n / 4; g += W) /* whole vectors: those are what pack can load */
            memcpy(p.code + 4 * g, tile + (g + l) * W, W * sizeof *tile);
        if (b->type->step != WH_STEP_D)
            for (size_t k = 0; k < subs; k++) {
                p.scale[k] = (uint8_t)((int)s->scale[k * W + l] + b->type->scale_offset);
                if (b->type->affine) p.min[k] = (uint8_t)(int)s->min[k * W + l];
            }
        b->type->pack(&p, b->out[l]);
    }
}

#endif
