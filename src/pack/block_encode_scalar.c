/* src/pack/block_encode_scalar.c - the block encoders in plain C: one block at a time.
 *
 * The loops are in block_loops.h, what a variant must define in block_lanes.h.
 *
 * SPDX-License-Identifier: MIT */
#include "pack/block_encode.h"

#include <math.h>

#include "base/half.h"

enum { W = 1 };
typedef float vf;
typedef uint32_t vi;
typedef int vm;

static inline vf v_set(float f)
{
    return f;
}

static inline vf v_load(const float *p)
{
    return *p;
}

static inline void v_store(float *p, vf v)
{
    *p = v;
}

static inline vf v_add(vf a, vf b)
{
    return a + b;
}

static inline vf v_sub(vf a, vf b)
{
    return a - b;
}

static inline vf v_mul(vf a, vf b)
{
    return a * b;
}

static inline vf v_div(vf a, vf b)
{
    return a / b;
}

static inline vf v_sqrt(vf v)
{
    return sqrtf(v);
}

static inline vf v_min(vf a, vf b)
{
    return a < b ? a : b;
}

static inline vf v_max(vf a, vf b)
{
    return a > b ? a : b;
}

static inline vf v_abs(vf v)
{
    return fabsf(v);
}

static inline vf v_neg(vf v)
{
    return -v;
}

static inline vf v_wrap(vf v)
{
    return wh_bits_f32((wh_f32_bits(v) & 0x7fffffu) | 0x4b000000u);
}

static inline vf v_half(vf v)
{
    return wh_f16_to_f32(wh_f32_to_f16(v));
}

static inline void v_store_half(uint16_t *p, vf v)
{
    *p = wh_f32_to_f16(v);
}

static inline vm v_lt(vf a, vf b)
{
    return a < b;
}

static inline vm v_le(vf a, vf b)
{
    return a <= b;
}

static inline vm v_ne(vf a, vf b)
{
    return a != b;
}

static inline vm m_and(vm a, vm b)
{
    return a & b;
}

static inline int m_any(vm m)
{
    return m;
}

static inline vf v_pick(vm m, vf a, vf b)
{
    return m ? a : b;
}

static inline vi i_set(int i)
{
    return (vi)i;
}

static inline vi i_load(const int32_t *p)
{
    return (vi)*p;
}

static inline void i_store(int32_t *p, vi i)
{
    *p = (int32_t)i;
}

static inline vi i_add(vi a, vi b)
{
    return a + b;
}

static inline vi i_count(vi i, vm m)
{
    return i + (m ? 1u : 0u);
}

static inline vi i_or(vi a, vi b)
{
    return a | b;
}

static inline vi i_left(vi i, int n)
{
    return i << n;
}

static inline vi i_pick(vm m, vi a, vi b)
{
    return m ? a : b;
}

static inline vi i_round(vf v)
{
    return (vi)(int32_t)v;
}

static inline vf i_float(vi i)
{
    return (float)(int32_t)i;
}

/* Not as a float: on its way some registers make a signalling NaN of four codes a quiet one. */
static inline void v_store_bits(float *p, vi i)
{
    memcpy(p, &i, sizeof i);
}

static inline vf v_lookup(const float *table, vi i)
{
    return table[i];
}

static inline vf v_lookup8(const float *table, vi i)
{
    return table[i];
}

static inline void v_tile(const float *const *from, size_t n, float *tile)
{
    memcpy(tile, from[0], n * sizeof *tile);
}

#include "pack/block_loops.h"

const wh_block_ops wh_block_scalar = { "scalar", 0, W, encode_lanes };
