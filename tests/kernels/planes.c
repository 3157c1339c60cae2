/* tests/kernels/planes.c - plain matrices, and their planes packed one code at a time.
 * SPDX-License-Identifier: MIT */
#include "kernels/planes.h"

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
    return s->bits ? s->bits : s->form == WH_FORM_Q8 ? 8 : 4;
}

/* The zero point of codes that have none of their own. */
static int centre_of(const planes_spec *s)
{
    if (s->zeros || s->form >= WH_FORM_T4) return 0;
    return s->form == WH_FORM_Q8 ? 128 : 1 << (bits_of(s) - 1);
}

static int lowest(const planes_spec *s)
{
    return s->zeros || s->form == WH_FORM_T4 ? 0 : centre_of(s) - (1 << (bits_of(s) - 1));
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
    if (s->scale_f16) {
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
    return p->zero ? p->zero[r * p->w.groups + k / p->w.group] : p->w.centre;
}

double planes_scale(const planes *p, size_t r, size_t k)
{
    if (!p->scale) return 1.0;
    const uint32_t bits = p->scale[r * p->w.groups + k / p->w.group];
    return p->w.scale_f16 ? planes_f16(bits) : planes_f32(bits);
}

double planes_value(const planes *p, size_t r, size_t k)
{
    const size_t at = r * p->w.cols + k;
    switch (p->w.form) {
    case WH_FORM_Q4:
    case WH_FORM_Q8:
        return p->code[at] - planes_zero(p, r, k);
    case WH_FORM_T4:
        return (double)p->w.table[p->code[at]];
    case WH_FORM_F16:
        return planes_f16(p->bits[at]);
    case WH_FORM_BF16:
        return planes_bf16(p->bits[at]);
    default:
        return planes_f32(p->bits[at]);
    }
}

/* ---- planes ---- */

/* Code of panel p, row r of it, input k: what is beyond the matrix is the zero point. */
static uint8_t padded_code(const planes *p, size_t row, size_t k)
{
    if (row < p->w.rows && k < p->w.cols) return p->code[row * p->w.cols + k];
    return (uint8_t)(p->w.form == WH_FORM_T4 ? 0 : p->w.centre);
}

static void pack_codes(planes *p)
{
    const size_t lines = p->w.panel_bytes / 64, per_line = p->w.form == WH_FORM_Q8 ? 4 : 8;
    uint8_t *out = p->data_plane;
    for (size_t panel = 0; panel < p->w.panels; panel++)
        for (size_t t = 0; t < lines; t++)
            for (size_t r = 0; r < 16; r++)
                for (size_t i = 0; i < 4; i++) {
                    const size_t row = panel * 16 + r;
                    unsigned octet = padded_code(p, row, per_line * t + i);
                    if (per_line == 8) octet |= (unsigned)padded_code(p, row, 8 * t + 4 + i) << 4;
                    *out++ = (uint8_t)octet;
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
    const whit_weight *w = &p->w;
    const size_t size = w->scale_f16 ? 2 : 4;
    p->scale_bytes = w->panels * w->groups * 16 * size;
    p->scale_plane = need(p->scale_bytes, 1);
    if (p->zero) {
        p->zero_bytes = w->panels * w->groups * 16;
        p->zero_plane = need(p->zero_bytes, 1);
    }
    for (size_t row = 0; row < w->rows; row++)
        for (size_t g = 0; g < w->groups; g++) {
            const size_t at = (row / 16 * w->groups + g) * 16 + row % 16;
            const uint32_t bits = p->scale[row * w->groups + g];
            const uint16_t half = (uint16_t)bits;
            memcpy(p->scale_plane + at * size,
                   size == 4 ? (const void *)&bits : (const void *)&half, size);
            if (p->zero) p->zero_plane[at] = p->zero[row * w->groups + g];
        }
}

static size_t panel_bytes(wh_form form, size_t cols)
{
    switch (form) {
    case WH_FORM_Q4:
    case WH_FORM_T4:
        return (cols + 7) / 8 * 64;
    case WH_FORM_Q8:
        return (cols + 3) / 4 * 64;
    case WH_FORM_F32:
        return cols * 64;
    default:
        return cols * 32;
    }
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

void planes_make(planes *p, const planes_spec *s, check_rng *rng)
{
    const int coded = s->form == WH_FORM_Q4 || s->form == WH_FORM_Q8 || s->form == WH_FORM_T4;
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
    w->scale_f16 = s->scale_f16;
    w->group = s->group && s->group < s->cols ? s->group : s->cols;
    w->groups = (s->cols + w->group - 1) / w->group;
    w->step = s->step ? s->step : WH_STEP;
    w->whole_token = s->whole_token;
    w->int_step = w->step;
    if (s->whole_token) w->int_step = s->cols < WH_LONG_STEP ? s->cols : WH_LONG_STEP;
    if (s->form == WH_FORM_T4) fill_table(w->table, rng);
    fill_codes(p, s, rng);
    pack_codes(p);
    pack_scales(p);
}

void planes_free(planes *p)
{
    free(p->code);
    free(p->bits);
    free(p->scale);
    free(p->zero);
    free(p->data_plane);
    free(p->scale_plane);
    free(p->zero_plane);
}

void planes_room_open(planes_room *room)
{
    guard_open(&room->data, (size_t)8 << 20);
    guard_open(&room->scale, (size_t)1 << 20);
    guard_open(&room->zero, (size_t)1 << 20);
}

void planes_room_close(planes_room *room)
{
    guard_close(&room->data);
    guard_close(&room->scale);
    guard_close(&room->zero);
}

void planes_place(planes *p, const planes_room *room, guard_side side)
{
    p->w.data = guard_put(&room->data, p->data_plane, p->data_bytes, 64, side);
    p->w.scale = guard_put(&room->scale, p->scale_plane, p->scale_bytes, 64, side);
    p->w.zero = guard_put(&room->zero, p->zero_plane, p->zero_bytes, 64, side);
}

/* ---- cases ---- */

static size_t some_rows(size_t n)
{
    static const size_t rows[] = { 17, 1, 33, 15, 113, 16, 70 }; /* some with many panels */
    return n % 97 == 64 ? 4099 : rows[n % COUNT(rows)];
}

/* The longest step of 32s that divides the group, or one of the shorter ones. */
static size_t some_step(size_t group, check_rng *rng)
{
    size_t steps[4], count = 0;
    for (size_t step = 32; step <= WH_STEP; step += 32)
        if (group % step == 0) steps[count++] = step;
    return steps[check_below(rng, 3) ? count - 1 : check_below(rng, count)];
}

int planes_case(planes_spec *s, wh_form form, size_t n, check_rng *rng)
{
    static const size_t groups[] = { 32, 64, 96, 128, 160, 256, 0 };
    static const size_t lengths[] = { 32, 64, 96, 160, 1, 3, 7, 33, 100 };
    const size_t kinds = form == WH_FORM_T4 ? 2 : 4, all = COUNT(lengths) + 3;
    const size_t kind = n / all / COUNT(groups), length = n / COUNT(groups) % all;
    if (kind >= kinds) return 0;
    memset(s, 0, sizeof *s);
    s->form = form;
    s->group = groups[n % COUNT(groups)];
    const size_t g = s->group ? s->group : 32;
    s->cols = length < COUNT(lengths)    ? lengths[length]
              : length == COUNT(lengths) ? g
                                         : (length == COUNT(lengths) + 1 ? 2 * g : 4096 + g);
    s->rows = s->cols > 256 ? 1 + check_below(rng, 70) : some_rows(n);
    s->step = some_step(s->group && s->group < s->cols ? s->group : WH_STEP, rng);
    s->whole_token = form == WH_FORM_Q8 && (s->group == 0 || s->group >= s->cols);
    s->scale_f16 = kind % 2 == 0;
    s->zeros = kind >= 2;
    const int most = form == WH_FORM_Q8 ? 8 : 4, fewer = (int)check_below(rng, 9) - 5;
    if (form != WH_FORM_T4 && fewer > 0) s->bits = most - (fewer < most - 1 ? fewer : most - 2);
    s->codes = (code_fill)check_below(rng, CODE_FILLS);
    s->scales = check_below(rng, 2) ? SCALES_USUAL : (scale_fill)check_below(rng, SCALE_FILLS);
    return 1;
}

int planes_float_case(planes_spec *s, wh_form form, size_t n, check_rng *rng)
{
    static const size_t lengths[] = { 32, 64, 96, 160, 1, 3, 7, 33, 100, 2, 15, 256, 4096 + 32 };
    if (n >= 5 * COUNT(lengths)) return 0;
    memset(s, 0, sizeof *s);
    s->form = form;
    s->cols = lengths[n % COUNT(lengths)];
    s->rows = s->cols > 256 ? 1 + check_below(rng, 70) : some_rows(n / COUNT(lengths) + n);
    s->wild = n / COUNT(lengths) == 4;
    return 1;
}
