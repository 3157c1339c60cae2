/* src/pack/block.h - the block types of GGUF as data: what a block is made of, and what it means.
 *
 * A block is taken apart into its fields (wh_block_parts) by the unpack function of its type and
 * put together by pack; those two alone know which bit is where, and the layout is described above
 * them. What the fields mean is the same formula for all types, with constants from a table:
 *
 *   value[i] = step * level(code[i]) - base      one step and base for each sub-block
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_PACK_BLOCK_H
#define WH_PACK_BLOCK_H

#include <whit/block.h>

enum { WH_BLOCK_WEIGHTS = 256, WH_BLOCK_SUBS = 16 }; /* the most that a block has */

typedef struct wh_block_parts {
    uint8_t code[WH_BLOCK_WEIGHTS];
    uint16_t d, m;                /* F16; m: what is subtracted, or added without sub-blocks */
    uint8_t scale[WH_BLOCK_SUBS]; /* as stored, one for each sub-block                       */
    uint8_t min[WH_BLOCK_SUBS];
} wh_block_parts;

typedef enum wh_block_step {
    WH_STEP_D,      /* d alone                                                        */
    WH_STEP_SCALED, /* d * scale - m * min                                            */
    WH_STEP_E8M0,   /* half a power of two: the levels of E2M1 are doubled            */
    WH_STEP_UE4M3   /* half an E4M3 without sign                                      */
} wh_block_step;

typedef struct wh_block_type {
    whit_block_info info;
    unsigned sub; /* weights in a sub-block */
    wh_block_step step;
    int scale_offset;     /* scale = stored - offset, of unsigned octets...               */
    int scale_signed;     /* ...or of signed ones                                         */
    int affine;           /* there is an m                                                */
    int lowest, highest;  /* codes 0..highest - lowest mean levels lowest..highest        */
    const int8_t *levels; /* not NULL: sixteen of them instead                            */
    int d_at, m_at;       /* octets before d and m, -1: there is none                     */
    void (*unpack)(const uint8_t *in, wh_block_parts *p);
    void (*pack)(const wh_block_parts *p, uint8_t *out);
} wh_block_type;

/* What `count` blocks are made of, each kind of field by itself: codes and what they are multiplied
 * with. With scale = 1 and min = 1 where there are no sub-blocks, and half of the octet's float for
 * d where there is no d, value[i] = d * scale[sub] * level(code[i]) - m * min[sub] in the order of
 * whit_block_decode, which gives the same bits; level is code + lowest, or that of
 * whit_block_levels. */
typedef struct wh_block_fields {
    uint8_t *code;  /* [count * weights] */
    uint16_t *d;    /* F16 [count], of WH_STEP_D and WH_STEP_SCALED */
    uint8_t *octet; /* [count] of WH_STEP_E8M0; [count * weights / sub] of WH_STEP_UE4M3: 0..0x7f,
                       an E4M3 of which 0x7f is 480 and not a NaN */
    uint16_t *m;    /* F16 [count], where the type is affine: what is subtracted */
    int8_t *scale;  /* [count * weights / sub], of WH_STEP_SCALED */
    uint8_t *min;   /* the same, where it is affine too */
} wh_block_fields;

/* Fields that the type has not are not touched (block_fields.c). */
void wh_block_take(const wh_block_type *t, const uint8_t *in, size_t count,
                   const wh_block_fields *out);

/* NULL for WHIT_BLOCK_NONE and values outside the enum. */
const wh_block_type *wh_block_type_of(whit_block block);

/* Step and base of sub-block k. */
void wh_block_sub(const wh_block_type *t, const wh_block_parts *p, size_t k, float *step,
                  float *base);

/* As the reference reads it: 0x7f is 0, the sign is not looked at (but 0xff is 480). */
float wh_block_ue4m3_half(uint8_t b);

extern const int8_t wh_block_iq4[16], wh_block_e2m1[16], wh_block_sign[16];

#define WH_BLOCK_LAYOUT(name)                                                                      \
    void wh_unpack_##name(const uint8_t *in, wh_block_parts *p);                                   \
    void wh_pack_##name(const wh_block_parts *p, uint8_t *out)
WH_BLOCK_LAYOUT(q4_0);
WH_BLOCK_LAYOUT(q4_1);
WH_BLOCK_LAYOUT(q5_0);
WH_BLOCK_LAYOUT(q5_1);
WH_BLOCK_LAYOUT(q8_0);
WH_BLOCK_LAYOUT(mxfp4);
WH_BLOCK_LAYOUT(nvfp4);
WH_BLOCK_LAYOUT(q1_0);
WH_BLOCK_LAYOUT(q2_0);
WH_BLOCK_LAYOUT(q2_k);
WH_BLOCK_LAYOUT(q3_k);
WH_BLOCK_LAYOUT(q4_k);
WH_BLOCK_LAYOUT(q5_k);
WH_BLOCK_LAYOUT(q6_k);
WH_BLOCK_LAYOUT(iq4_xs);
WH_BLOCK_LAYOUT(tq1_0);
WH_BLOCK_LAYOUT(tq2_0);

#endif
