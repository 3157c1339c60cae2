/* tests/kernels/planes.c - plain matrices, and their planes packed one code at a time.
 * SPDX-License-Identifier: MIT */
#include "kernels/planes.h"

#include "base/bytes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- values of bits, by their definition ---- */

static double small_float(uint32_t bits, int exponent_bits, int mantissa_bits)
{
    const int bias = (1 << (exponent_bits - 1)) - 1, top = (1 << exponent_bits) - 1;
    const uint32_t mantissa = bits & ((1u << mantissa_bits) - 1);
    const int exponent = (int)(bits >> mantissa_bits) & top;
    const double sign = bits >> (exponent_bits + mantissa_bits) & 1 ? -1.0 : 1.0;
    if (exponent == top) return mantissa ? (double)NAN : sign * (double)INFINITY;
    if (exponent == 0) return sign * ldexp((double)mantissa, 1 - bias - mantissa_bits);
    return sign * ldexp((double)(mantissa | 1u << mantissa_bits), exponent - bias - mantissa_bits);
}

double planes_f16(uint32_t bits)
{
    return small_float(bits, 5, 10);
}

double planes_bf16(uint32_t bits)
{
    return small_float(bits, 8, 7);
}

double planes_f32(uint32_t bits)
{
    return small_float(bits, 8, 23);
}

double planes_e8m0(uint32_t bits)
{
    return bits == 255 ? (double)NAN : ldexp(1.0, (int)bits - 127);
}

/* As GGUF reads it. */
static double half_e8m0(uint32_t bits)
{
    return ldexp(1.0, (int)bits - 128);
}

/* As GGUF reads it: half of an E4M3 that has no sign, the largest exponent one like the others. */
static double half_ue4m3(uint32_t bits)
{
    if (bits < 8) return ldexp((double)bits, -10);
    return ldexp((double)(8 + (bits & 7)), (int)(bits >> 3) - 11);
}

/* No infinity: the largest exponent is one like the others, but for one NaN of each sign. */
double planes_e4m3(uint32_t bits)
{
    if ((bits & 0x7f) == 0x7f) return (double)NAN;
    if ((bits & 0x78) != 0x78) return small_float(bits, 4, 3);
    return (bits & 0x80 ? -32.0 : 32.0) * (double)(8 + (bits & 7));
}

/* ---- plain matrices ---- */

static void *need(size_t count, size_t size)
{
    void *data = calloc(count ? count : 1, size);
    if (!data) {
        perror("planes");
        exit(1);
    }
    return data;
}

static int bits_of(const planes_spec *s)
{
    return s->bits ? s->bits : (int)wh_form_bits(s->form);
}

/* The zero point of codes that have none of their own. */
static int centre_of(const planes_spec *s)
{
    if (s->zeros || s->minima || wh_form_has_table(s->form) || s->form == WH_FORM_F8 ||
        s->form >= WH_FORM_F32)
        return 0;
    if (s->centre) return s->centre;
    return 1 << ((int)wh_form_bits(s->form) - 1);
}

static int lowest(const planes_spec *s)
{
    return centre_of(s) && !s->centre ? centre_of(s) - (1 << (bits_of(s) - 1)) : 0;
}

static int highest(const planes_spec *s)
{
    return lowest(s) + (1 << bits_of(s)) - 1;
}

static uint32_t one_scale(const planes_spec *s, check_rng *rng)
{
    const uint32_t sign = (uint32_t)check_below(rng, 8) == 0;
    const uint32_t r = (uint32_t)check_u64(rng);
    if (s->scales == SCALES_SOME_ZERO && r % 2) return 0;
    if (s->scale_type == WH_SCALE_E8M0 || s->scale_type == WH_SCALE_HALF_E8M0)
        return s->scales == SCALES_SUBNORMAL ? r % 3
               : s->scales == SCALES_HUGE    ? (r % 4 ? 127 + 50 : 255)
                                             : 120 + r % 5;
    if (s->scale_type == WH_SCALE_E4M3 || s->scale_type == WH_SCALE_HALF_UE4M3)
        return (s->scale_type == WH_SCALE_E4M3 ? sign << 7 : 0) |
               (s->scales == SCALES_SUBNORMAL ? 1 + r % 7
                : s->scales == SCALES_HUGE    ? 0x78 + r % 8
                                              : 8 + r % 112);
    if (s->scale_type == WH_SCALE_F16) {
        const uint32_t usual = 0x2000 + r % 0x1400; /* 2^-7 .. 2^-2 */
        const uint32_t body = s->scales == SCALES_SUBNORMAL ? 1 + r % 0x3ff
                              : s->scales == SCALES_HUGE    ? 0x7bff - r % 4
                                                            : usual;
        return sign << 15 | body;
    }
    const uint32_t exponent = s->scales == SCALES_SUBNORMAL ? 0
                              : s->scales == SCALES_HUGE    ? 127 + 50
                                                            : 120 + r % 5;
    return sign << 31 | exponent << 23 | (r >> 8 & 0x7fffff);
}

static int one_zero(const planes_spec *s, check_rng *rng)
{
    const int top = highest(s);
    if (s->codes == CODES_LOWEST) return top;
    if (s->codes == CODES_HIGHEST) return 0;
    return (int)check_below(rng, (uint64_t)top + 1);
}

static int one_code(const planes_spec *s, size_t group, size_t k, int zero, check_rng *rng)
{
    const int bottom = lowest(s), top = highest(s);
    const int any = bottom + (int)check_below(rng, (uint64_t)(top - bottom) + 1);
    switch (s->codes) {
    case CODES_LOWEST:
        return bottom;
    case CODES_HIGHEST:
        return top;
    case CODES_ALTERNATING:
        return k % 2 ? top : bottom;
    case CODES_OUTLIER:
        return k == s->cols / 2 ? top : zero;
    case CODES_ZERO_GROUPS:
        return k / group % 2 ? any : zero;
    default:
        return any;
    }
}

/* What the type of blocks can hold in a sub-block; the ends more often than by chance. */
static int one_factor(const planes_spec *s, int min, check_rng *rng)
{
    const int six = s->form == WH_FORM_B4 || s->form == WH_FORM_B5;
    const int less_32 = s->form == WH_FORM_B3 || s->form == WH_FORM_BT;
    const int bottom = min ? 0 : s->form == WH_FORM_B6 ? -128 : less_32 ? -32 : 0;
    const int top = six ? 63 : s->form == WH_FORM_B6 ? 127 : less_32 ? 31 : 15;
    const uint64_t which = check_below(rng, 6);
    if (which < 2) return which ? top : bottom;
    return bottom + (int)check_below(rng, (uint64_t)(top - bottom) + 1);
}

static void fill_subs(planes *p, const planes_spec *s, check_rng *rng)
{
    const whit_weight *w = &p->w;
    planes_spec plain = *s;
    plain.scale_type = WH_SCALE_F16;
    if (s->minima) p->min = need(w->rows * w->groups, sizeof *p->min);
    for (size_t g = 0; s->minima && g < w->rows * w->groups; g++)
        p->min[g] = (uint16_t)one_scale(&plain, rng);
    if (!s->sub) return;
    p->sub_scale = need(w->rows * w->subs, 1);
    p->sub_min = s->minima ? need(w->rows * w->subs, 1) : NULL;
    for (size_t i = 0; i < w->rows * w->subs; i++) {
        p->sub_scale[i] = (int8_t)one_factor(s, 0, rng);
        if (p->sub_min) p->sub_min[i] = (uint8_t)one_factor(s, 1, rng);
    }
}

static void fill_codes(planes *p, const planes_spec *s, check_rng *rng)
{
    const whit_weight *w = &p->w;
    p->code = need(w->rows * w->cols, 1);
    p->scale = need(w->rows * w->groups, sizeof *p->scale);
    if (s->zeros) p->zero = need(w->rows * w->groups, 1);
    for (size_t g = 0; g < w->rows * w->groups; g++) {
        p->scale[g] = one_scale(s, rng);
        if (s->zeros) p->zero[g] = (uint8_t)one_zero(s, rng);
    }
    fill_subs(p, s, rng);
    for (size_t r = 0; r < w->rows; r++)
        for (size_t k = 0; k < w->cols; k++)
            p->code[r * w->cols + k] = (uint8_t)one_code(s, w->group, k, planes_zero(p, r, k), rng);
}

static void fill_floats(planes *p, const planes_spec *s, check_rng *rng)
{
    const size_t count = s->rows * s->cols;
    p->bits = need(count, sizeof *p->bits);
    for (size_t i = 0; i < count; i++) {
        const uint32_t any = (uint32_t)(check_u64(rng) >> 32);
        const uint32_t sign = any >> 31;
        const uint32_t near_one = any % 17; /* exponents about 1 */
        if (s->form == WH_FORM_F32)
            p->bits[i] = s->wild ? any : sign << 31 | (118 + near_one) << 23 | (any & 0x7fffff);
        else if (s->form == WH_FORM_F16)
            p->bits[i] = s->wild ? any & 0xffff : sign << 15 | (any % 20) << 10 | (any >> 8 & 1023);
        else
            p->bits[i] =
                s->wild ? any & 0xffff : sign << 15 | (118 + near_one) << 7 | (any >> 8 & 127);
    }
}

int planes_zero(const planes *p, size_t r, size_t k)
{
    if (wh_form_has_table(p->w.form)) return 0;
    return p->zero ? p->zero[r * p->w.groups + k / p->w.group] : p->w.centre;
}

static double stored_scale(const planes *p, uint32_t bits)
{
    switch (p->w.scale_type) {
    case WH_SCALE_F16:
        return planes_f16(bits);
    case WH_SCALE_E8M0:
        return planes_e8m0(bits);
    case WH_SCALE_E4M3:
        return planes_e4m3(bits);
    case WH_SCALE_HALF_E8M0:
        return half_e8m0(bits);
    case WH_SCALE_HALF_UE4M3:
        return half_ue4m3(bits);
    default:
        return planes_f32(bits);
    }
}

double planes_group_scale(const planes *p, size_t r, size_t k)
{
    const uint32_t bits = p->scale[r * p->w.groups + k / p->w.group];
    return (double)(float)(stored_scale(p, bits) * (double)p->w.scale2); /* rounded once */
}

/* An octet as the upper bits of float16; E4M3's exponent has a bit less. */
static double f8_value(const planes *p, uint32_t code)
{
    if (p->w.e5m2) return small_float(code, 5, 2);
    const double size = code & 0x78 ? ldexp((double)(8 + (code & 7)), (int)(code >> 3 & 15) - 18)
                                    : ldexp((double)(code & 7), -17);
    return code & 0x80 ? -size : size;
}

double planes_scale(const planes *p, size_t r, size_t k)
{
    return p->scale && !wh_form_is_block(p->w.form) ? planes_group_scale(p, r, k) : 1.0;
}

int planes_level(const planes *p, size_t r, size_t k)
{
    const uint8_t code = p->code[r * p->w.cols + k];
    if (wh_form_has_table(p->w.form)) return 128 * p->w.high[code] + p->w.low[code] - p->w.centre;
    return (p->w.form == WH_FORM_B1 ? 2 * code : code) - planes_zero(p, r, k);
}

int planes_sub_scale(const planes *p, size_t r, size_t k)
{
    return p->sub_scale ? p->sub_scale[r * p->w.subs + k / p->w.sub] : 1;
}

double planes_min(const planes *p, size_t r, size_t k)
{
    return p->min ? planes_f16(p->min[r * p->w.groups + k / p->w.group]) : 0.0;
}

int planes_sub_min(const planes *p, size_t r, size_t k)
{
    return p->sub_min ? p->sub_min[r * p->w.subs + k / p->w.sub] : 1;
}

/* As blocks are decoded: each product and the difference rounded to float32. */
static float block_value(const planes *p, size_t r, size_t k)
{
    float step = (float)planes_group_scale(p, r, k), base = (float)planes_min(p, r, k);
    if (p->sub_scale) step = step * (float)planes_sub_scale(p, r, k);
    if (p->sub_min) base = base * (float)planes_sub_min(p, r, k);
    const float value = step * (float)planes_level(p, r, k);
    return p->min ? value - base : value;
}

double planes_value(const planes *p, size_t r, size_t k)
{
    const size_t at = r * p->w.cols + k;
    if (wh_form_is_block(p->w.form)) return (double)block_value(p, r, k);
    switch (p->w.form) {
    case WH_FORM_F8:
        return f8_value(p, p->code[at]);
    case WH_FORM_T4:
        return (double)p->w.table[p->code[at]];
    case WH_FORM_F32:
        return planes_f32(p->bits[at]);
    case WH_FORM_F16:
        return planes_f16(p->bits[at]);
    case WH_FORM_BF16:
        return planes_bf16(p->bits[at]);
    default:
        return planes_level(p, r, k);
    }
}

/* ---- planes ---- */

/* Code of panel p, row r of it, input k: what is beyond the matrix is the zero point. */
static uint8_t padded_code(const planes *p, size_t row, size_t k)
{
    if (row < p->w.rows && k < p->w.cols) return p->code[row * p->w.cols + k];
    return (uint8_t)(wh_form_has_table(p->w.form) ? 0 : p->w.centre);
}

/* Sets `bits` bits of a code, from bit `from` of it on, in lines of so many octets as codes have
 * bits there: octet i of row r in line t has the k = (t * 8 / bits + j) * 4 + i, j by j. */
static void pack_bits(uint8_t *lines, size_t r, size_t q, unsigned code, unsigned from,
                      unsigned bits)
{
    const size_t fours = q / 4, each = 8 / bits;
    const unsigned part = code >> from & ((1u << bits) - 1);
    lines[fours / each * 64 + r * 4 + q % 4] |= (uint8_t)(part << fours % each * bits);
}

static void pack_codes(planes *p)
{
    const unsigned bits = wh_form_bits(p->w.form), low = bits == 8 || bits == 1 ? bits
                                                         : bits < 4             ? 2
                                                                                : 4;
    const size_t padded = (p->w.cols + 31) / 32 * 32;
    for (size_t row = 0; row < p->w.panels * 16; row++)
        for (size_t k = 0; k < padded; k++) {
            const unsigned code = padded_code(p, row, k);
            uint8_t *unit = p->data_plane + row / 16 * p->w.panel_bytes + k / 32 * bits * 64;
            pack_bits(unit, row % 16, k % 32, code, 0, low);
            if (bits > low) pack_bits(unit + low * 64, row % 16, k % 32, code, low, bits - low);
        }
}

static void pack_floats(planes *p)
{
    const size_t size = p->w.form == WH_FORM_F32 ? 4 : 2;
    for (size_t row = 0; row < p->w.rows; row++)
        for (size_t k = 0; k < p->w.cols; k++) {
            uint8_t *at = p->data_plane + row / 16 * p->w.panel_bytes + (k * 16 + row % 16) * size;
            const uint32_t bits = p->bits[row * p->w.cols + k];
            const uint16_t half = (uint16_t)bits;
            memcpy(at, size == 4 ? (const void *)&bits : (const void *)&half, size);
        }
}

static void pack_scales(planes *p)
{
    uint8_t octets[4];
    const whit_weight *w = &p->w;
    const size_t size = wh_scale_bytes(w);
    p->scale_bytes = w->panels * w->groups * 16 * size;
    p->scale_plane = need(p->scale_bytes, 1);
    if (p->zero) {
        p->zero_bytes = w->panels * w->groups * 16;
        p->zero_plane = need(p->zero_bytes, 1);
    }
    for (size_t row = 0; row < w->rows; row++)
        for (size_t g = 0; g < w->groups; g++) {
            const size_t at = (row / 16 * w->groups + g) * 16 + row % 16;
            wh_store32(octets, p->scale[row * w->groups + g]);
            memcpy(p->scale_plane + at * size, octets, size);
            if (p->zero) p->zero_plane[at] = p->zero[row * w->groups + g];
        }
}

/* [rows][count] elements to [panels][count][16]; NULL for NULL. */
static void pack_turned(const planes *p, const void *from, size_t count, size_t size,
                        uint8_t **plane, size_t *bytes)
{
    if (!from) return;
    *bytes = p->w.panels * count * 16 * size;
    *plane = need(*bytes, 1);
    for (size_t row = 0; row < p->w.rows; row++)
        for (size_t i = 0; i < count; i++)
            memcpy(*plane + ((row / 16 * count + i) * 16 + row % 16) * size,
                   (const uint8_t *)from + (row * count + i) * size, size);
}

static void pack_subs(planes *p)
{
    pack_turned(p, p->min, p->w.groups, 2, &p->min_plane, &p->min_bytes);
    pack_turned(p, p->sub_scale, p->w.subs, 1, &p->sub_scale_plane, &p->sub_scale_bytes);
    pack_turned(p, p->sub_min, p->w.subs, 1, &p->sub_min_plane, &p->sub_min_bytes);
}

static size_t panel_bytes(wh_form form, size_t cols)
{
    if (form < WH_FORM_F32) return (cols + 31) / 32 * 64 * wh_form_bits(form);
    return form == WH_FORM_F32 ? cols * 64 : cols * 32;
}

/* A table like nf4's, with the extremes of what an entry may be. */
static void fill_table(float table[16], check_rng *rng)
{
    for (int i = 0; i < 16; i++) table[i] = check_f32(rng);
    table[0] = -1.0f;
    table[3] = -0x1p-140f;
    table[7] = 0.0f;
    table[12] = 448.0f;
    table[15] = 1.0f;
}

/* Any integers that the digits hold, the extremes among them. */
static void fill_levels(whit_weight *w, int small, check_rng *rng)
{
    w->digits = small ? 1 : 2;
    for (int i = 0; i < 16; i++) {
        const unsigned top = w->digits == 1 ? 31 : 16383;
        const unsigned u = i == 15 ? top : i == 0 ? 0 : (unsigned)check_below(rng, top + 1);
        w->high[i] = (uint8_t)(u >> 7);
        w->low[i] = (uint8_t)(u & 127);
    }
    w->centre = w->digits == 1 ? (int)check_below(rng, 32) : 8191;
    w->unit = w->digits == 1 ? 0.5f : 1.0f / 8191;
}

/* The same of blocks, whose tables are these integers: the small ones, or octets. */
static void fill_block_levels(whit_weight *w, int small, check_rng *rng)
{
    const int top = small ? 31 : 255;
    w->digits = 1;
    w->octets = !small;
    w->centre = small ? (int)check_below(rng, 32) : 128;
    w->unit = 1.0f;
    for (int i = 0; i < 16; i++) {
        const int u = i == 15  ? top
                      : i == 0 ? !small
                               : !small + (int)check_below(rng, (uint64_t)top);
        w->low[i] = (uint8_t)u;
        w->table[i] = (float)(u - w->centre);
    }
}

void planes_make(planes *p, const planes_spec *s, check_rng *rng)
{
    const int coded = s->form < WH_FORM_F32;
    memset(p, 0, sizeof *p);
    whit_weight *w = &p->w;
    w->form = s->form;
    w->rows = s->rows;
    w->cols = s->cols;
    w->panels = (s->rows + 15) / 16;
    w->panel_bytes = panel_bytes(s->form, s->cols);
    w->centre = centre_of(s);
    p->data_bytes = w->panels * w->panel_bytes;
    p->data_plane = need(p->data_bytes, 1);
    if (!coded) {
        fill_floats(p, s, rng);
        pack_floats(p);
        return;
    }
    w->scale_type = s->scale_type;
    w->scale2 = s->scale_type == WH_SCALE_E4M3 ? 0x1.9a57p-9f : 1.0f;
    w->e5m2 = s->e5m2;
    if (s->form == WH_FORM_F8 && !s->e5m2) w->scale2 = 256.0f;
    w->group = s->group && s->group < s->cols ? s->group : s->cols;
    w->groups = (s->cols + w->group - 1) / w->group;
    w->step = s->step ? s->step : WH_STEP;
    w->whole_token = s->whole_token;
    w->int_step = w->step;
    if (wh_form_is_block(s->form) && !s->sub) w->int_step = w->group < 128 ? w->group : 128;
    if (s->whole_token) w->int_step = s->cols < WH_LONG_STEP ? s->cols : WH_LONG_STEP;
    w->sum_step = s->sub ? s->sub : w->int_step;
    w->sub = s->sub;
    w->subs = s->sub ? s->cols / s->sub : 0;
    if (s->form == WH_FORM_T4) {
        fill_table(w->table, rng);
        fill_levels(w, s->small, rng);
    }
    if (s->form == WH_FORM_BT) fill_block_levels(w, s->small, rng);
    fill_codes(p, s, rng);
    pack_codes(p);
    pack_scales(p);
    pack_subs(p);
}

void planes_free(planes *p)
{
    free(p->code);
    free(p->bits);
    free(p->scale);
    free(p->zero);
    free(p->min);
    free(p->sub_scale);
    free(p->sub_min);
    free(p->data_plane);
    free(p->scale_plane);
    free(p->zero_plane);
    free(p->min_plane);
    free(p->sub_scale_plane);
    free(p->sub_min_plane);
}

void planes_room_open(planes_room *room)
{
    guard_open(&room->data, (size_t)8 << 20);
    guard_open(&room->scale, (size_t)1 << 20);
    guard_open(&room->zero, (size_t)1 << 20);
    guard_open(&room->min, (size_t)1 << 20);
    guard_open(&room->sub_scale, (size_t)1 << 20);
    guard_open(&room->sub_min, (size_t)1 << 20);
}

void planes_room_close(planes_room *room)
{
    guard_close(&room->data);
    guard_close(&room->scale);
    guard_close(&room->zero);
    guard_close(&room->min);
    guard_close(&room->sub_scale);
    guard_close(&room->sub_min);
}

void planes_place(planes *p, const planes_room *room, guard_side side)
{
    p->w.data = guard_put(&room->data, p->data_plane, p->data_bytes, 64, side);
    p->w.scale = guard_put(&room->scale, p->scale_plane, p->scale_bytes, 64, side);
    p->w.zero = guard_put(&room->zero, p->zero_plane, p->zero_bytes, 64, side);
    p->w.min = guard_put(&room->min, p->min_plane, p->min_bytes, 64, side);
    p->w.sub_scale = guard_put(&room->sub_scale, p->sub_scale_plane, p->sub_scale_bytes, 64, side);
    p->w.sub_min = guard_put(&room->sub_min, p->sub_min_plane, p->sub_min_bytes, 64, side);
}
