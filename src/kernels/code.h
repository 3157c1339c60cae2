/* src/kernels/code.h - one code or value of a panel, from the layouts of kernels.h, in plain C.
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_CODE_H
#define WH_KERNELS_CODE_H

#include "kernels/kernels.h"

/* Four, two or one bit of row r and input q of the lines that begin at `line`. */
static inline int wh_nibble_at(const uint8_t *line, size_t r, size_t q)
{
    return line[q / 8 * 64 + r * 4 + q % 4] >> 4 * (q / 4 % 2) & 15;
}

static inline int wh_pair_at(const uint8_t *line, size_t r, size_t q)
{
    return line[q / 16 * 64 + r * 4 + q % 4] >> 2 * (q / 4 % 4) & 3;
}

static inline int wh_bit_at(const uint8_t *line, size_t r, size_t q)
{
    return line[r * 4 + q % 4] >> q / 4 & 1;
}

/* The code of row r of panel p, input k. Any form with codes. */
static inline int wh_code_at(const whit_weight *w, size_t p, size_t r, size_t k)
{
    const size_t q = k % WH_UNIT, unit_bytes = WH_UNIT * wh_input_bytes(w->form);
    const uint8_t *unit = w->data + p * w->panel_bytes + k / WH_UNIT * unit_bytes;
    switch (wh_form_bits(w->form)) {
    case 1:
        return wh_bit_at(unit, r, q) << 1;
    case 2:
        return wh_pair_at(unit, r, q);
    case 3:
        return wh_pair_at(unit, r, q) | wh_bit_at(unit + 2 * 64, r, q) << 2;
    case 4:
        return wh_nibble_at(unit, r, q);
    case 5:
        return wh_nibble_at(unit, r, q) | wh_bit_at(unit + 4 * 64, r, q) << 4;
    case 6:
        return wh_nibble_at(unit, r, q) | wh_pair_at(unit + 4 * 64, r, q) << 4;
    default:
        return unit[q / 4 * 64 + r * 4 + q % 4];
    }
}

/* What it is to int8 activations: of a table its integer. */
static inline int wh_level_at(const whit_weight *w, size_t p, size_t r, size_t k)
{
    const int code = wh_code_at(w, p, r, k);
    return wh_form_has_table(w->form) ? 128 * w->high[code] + w->low[code] : code;
}

/* Where the scales of group k / group and the sub-block of input k are. */
static inline size_t wh_group_at(const whit_weight *w, size_t p, size_t r, size_t k)
{
    return (p * w->groups + k / w->group) * WH_PANEL + r;
}

static inline size_t wh_sub_at(const whit_weight *w, size_t p, size_t r, size_t k)
{
    return (p * w->subs + k / w->sub) * WH_PANEL + r;
}

/* The code without its scale. Integer codes, of blocks too. */
static inline float wh_integer_at(const whit_weight *w, size_t p, size_t r, size_t k)
{
    return (float)(wh_code_at(w, p, r, k) - wh_weight_zero(w, wh_group_at(w, p, r, k)));
}

/* What a block decodes to there. */
static inline float wh_block_value_at(const whit_weight *w, size_t p, size_t r, size_t k)
{
    const size_t at = wh_group_at(w, p, r, k);
    const size_t sub = w->sub ? wh_sub_at(w, p, r, k) : 0;
    float step = wh_weight_scale(w, at);
    if (w->sub) step = step * (float)w->sub_scale[sub];
    const float level =
        w->form == WH_FORM_BT ? w->table[wh_code_at(w, p, r, k)] : wh_integer_at(w, p, r, k);
    const float value = step * level;
    if (!w->min) return value;
    const float min = wh_f16_to_f32(w->min[at]);
    return value - (w->sub ? min * (float)w->sub_min[sub] : min);
}

#endif
