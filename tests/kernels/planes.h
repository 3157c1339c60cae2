/* tests/kernels/planes.h - weights for the checks of the kernels: plain matrices, and their planes.
 *
 * The planes are packed here, apart from src/kernels/repack.c, one code at a time from the layout
 * that src/kernels/kernels.h describes; the plain matrices are what a result is judged by.
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_TESTS_PLANES_H
#define WHIT_TESTS_PLANES_H

#include "kernels/kernels.h"

#include "check.h"
#include "kernels/guard.h"

typedef enum code_fill {
    CODES_UNIFORM,
    CODES_LOWEST,      /* with the highest zero point, where there is one */
    CODES_HIGHEST,     /* with zero point 0 */
    CODES_ALTERNATING, /* lowest, highest */
    CODES_OUTLIER,     /* each row: one code that is not the zero point */
    CODES_ZERO_GROUPS, /* every second group is all zero point */
    CODE_FILLS
} code_fill;

typedef enum scale_fill {
    SCALES_USUAL,
    SCALES_SOME_ZERO,
    SCALES_SUBNORMAL,
    SCALES_HUGE,
    SCALE_FILLS
} scale_fill;

typedef struct planes_spec {
    wh_form form;
    size_t rows, cols;
    size_t group; /* 0: one scale a row */
    size_t step;  /* 0: the longest there is */
    int whole_token;
    wh_scale_type scale_type; /* octets: tables only */
    int zeros;
    int bits;        /* of a code, 0: 4 or 8; symmetric codes lie about the centre of the form */
    code_fill codes; /* codes only */
    scale_fill scales;
    int small;  /* tables: of integers up to 31, whose steps and groups may be of 16 */
    int centre; /* blocks: taken from a code, 0: half of the range of codes         */
    int e5m2;   /* floats of 8 bits */
    int wild;   /* floats: any bit pattern, NaN and infinity too */
    size_t sub; /* blocks: inputs of a sub-block, 0: one level */
    int minima; /* blocks */
} planes_spec;

typedef struct planes {
    whit_weight w;     /* its planes are NULL until planes_place */
    uint8_t *code;     /* [rows][cols] of codes */
    uint32_t *bits;    /* [rows][cols] of floats: the stored bits */
    uint32_t *scale;   /* [rows][groups]: the stored bits */
    uint8_t *zero;     /* [rows][groups] or NULL */
    uint16_t *min;     /* [rows][groups] F16 or NULL */
    int8_t *sub_scale; /* [rows][subs] or NULL */
    uint8_t *sub_min;  /* the same */
    uint8_t *data_plane, *scale_plane, *zero_plane, *min_plane, *sub_scale_plane, *sub_min_plane;
    size_t data_bytes, scale_bytes, zero_bytes, min_bytes, sub_scale_bytes, sub_min_bytes;
} planes;

void planes_make(planes *p, const planes_spec *spec, check_rng *rng);
void planes_free(planes *p);

/* Guarded memory for the planes of any case. */
typedef struct planes_room {
    guard data, scale, zero, min, sub_scale, sub_min;
} planes_room;

void planes_room_open(planes_room *room);
void planes_room_close(planes_room *room);
/* Copies the planes next to the guards and points p->w at them. */
void planes_place(planes *p, const planes_room *room, guard_side side);

/* What row r, input k stands for without its scale, of blocks with it: the float32 that they decode
 * to. Its scale, 1 of blocks. Exact, from the plain matrices. */
double planes_value(const planes *p, size_t r, size_t k);
double planes_scale(const planes *p, size_t r, size_t k);
int planes_zero(const planes *p, size_t r, size_t k);

/* Of codes, blocks too: the code less its zero point (of tables the integer that it is to int8
 * activations, worth w.unit each), the scale of the group, what the
 * sub-block multiplies it with, and the minimum: that of the group and its factor; 1 and 0 where
 * there are none. */
int planes_level(const planes *p, size_t r, size_t k);
double planes_group_scale(const planes *p, size_t r, size_t k);
int planes_sub_scale(const planes *p, size_t r, size_t k);
double planes_min(const planes *p, size_t r, size_t k);
int planes_sub_min(const planes *p, size_t r, size_t k);

/* The value of the bits of a float16, a bfloat16. */
double planes_f16(uint32_t bits);
double planes_bf16(uint32_t bits);
double planes_f32(uint32_t bits);
double planes_e8m0(uint32_t bits);
double planes_e4m3(uint32_t bits);

/* Case n of a walk through every group size, with each length of a row and each kind of plane;
 * rows, fills and the step change from case to case. Of blocks: every type by every length. 0: no
 * such case. */
int planes_case(planes_spec *spec, wh_form form, size_t n, check_rng *rng);
/* The same for the forms of floats: every length. */
int planes_float_case(planes_spec *spec, wh_form form, size_t n, check_rng *rng);

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

#endif
