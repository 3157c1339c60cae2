/* src/kernels/repack.c - rows of codes or values to the panels of kernels.h.
 *
 * Four codes of a row are taken as one little-endian word, so that a line of a panel is sixteen
 * such words, shifted into each other, side by side. Parallel over panels; no row is read twice.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/weight.h"

#include <math.h>
#include <string.h>

#include "base/bytes.h"

/* Eight codes from c on, those beyond the row as `pad`. */
static uint64_t codes_at(const uint8_t *row, size_t cols, size_t c, uint8_t pad)
{
    uint8_t part[8];
    if (cols - c >= sizeof part) return wh_load64(row + c);
    memset(part, pad, sizeof part);
    memcpy(part, row + c, cols - c);
    return wh_load64(part);
}

/* What a panel's rows are: NULL beyond the last. */
static const uint8_t *code_row(const wh_rows *rows, size_t cols, size_t row)
{
    return row < rows->row + rows->rows ? rows->codes + (row - rows->row) * cols : NULL;
}

static uint64_t each_octet(unsigned value)
{
    return UINT64_C(0x0101010101010101) * value;
}

/* The codes of a row's unit as eight words, 4 inputs in each; `lift` is added to all. */
static void unit_words(const whit_weight *w, const uint8_t *row, size_t k, uint8_t mask,
                       unsigned lift, uint32_t v[8])
{
    const uint8_t centre = wh_form_has_table(w->form) ? 0 : (uint8_t)(w->centre - (int)lift);
    for (size_t i = 0; i < WH_UNIT; i += 8) {
        uint64_t eight = each_octet(centre);
        if (row && k + i < w->cols)
            eight = codes_at(row, w->cols, k + i, centre) & each_octet(mask);
        eight += each_octet(lift);
        v[i / 4] = (uint32_t)eight;
        v[i / 4 + 1] = (uint32_t)(eight >> 32);
    }
}

/* Lines of `bits` bits of each code from bit `from` on; a row's place in the first is `out`. */
static void put_lines(const uint32_t v[8], unsigned from, unsigned bits, uint8_t *out)
{
    const uint32_t mask = UINT32_C(0x01010101) * ((1u << bits) - 1);
    const size_t each = 8 / bits; /* words in an octet */
    for (size_t t = 0; t < bits; t++) {
        uint32_t line = 0;
        for (size_t i = 0; i < each; i++) line |= (v[t * each + i] >> from & mask) << i * bits;
        wh_store32(out + t * 64, line);
    }
}

static void pack_unit(const uint32_t v[8], unsigned bits, uint8_t *out)
{
    if (bits == 8 || bits == 1)
        put_lines(v, 0, bits, out);
    else if (bits >= 4)
        put_lines(v, 0, 4, out);
    else
        put_lines(v, 0, 2, out);
    if (bits == 3) put_lines(v, 2, 1, out + 2 * 64);
    if (bits == 5) put_lines(v, 4, 1, out + 4 * 64);
    if (bits == 6) put_lines(v, 4, 2, out + 4 * 64);
}

static void pack_codes(const whit_weight *w, size_t p, const wh_rows *rows, uint8_t *out)
{
    const unsigned bits = wh_form_bits(w->form), own = w->scheme.bits ? w->scheme.bits : bits;
    /* symmetric codes of 7 bits are moved so that 128 stands for zero */
    const unsigned lift = own < bits && w->centre ? (1u << (bits - 1)) - (1u << (own - 1)) : 0;
    const uint8_t mask = (uint8_t)((1u << own) - 1);
    const size_t unit = WH_UNIT * wh_input_bytes(w->form);
    for (size_t r = 0; r < WH_PANEL; r++) {
        const uint8_t *row = code_row(rows, w->cols, p * WH_PANEL + r);
        for (size_t k = 0; k < w->cols; k += WH_UNIT) {
            uint32_t v[8];
            unit_words(w, row, k, mask, lift, v);
            pack_unit(v, bits, out + k / WH_UNIT * unit + r * 4);
        }
    }
}

/* The values of sixteen rows side by side; rows beyond the last are 0. */
static void pack_values(const whit_weight *w, size_t p, const wh_rows *rows, uint8_t *out)
{
    const size_t size = w->form == WH_FORM_F32 ? 4 : 2, end = rows->row + rows->rows;
    const size_t row0 = p * WH_PANEL, have = end - row0 < WH_PANEL ? end - row0 : WH_PANEL;
    const uint8_t *in = (const uint8_t *)rows->values + (row0 - rows->row) * w->cols * size;
    memset(out, 0, w->panel_bytes);
    /* in blocks of columns, so that the lines written stay in the cache over sixteen rows */
    for (size_t c0 = 0; c0 < w->cols; c0 += 64) {
        const size_t c1 = w->cols - c0 < 64 ? w->cols : c0 + 64;
        for (size_t r = 0; r < have; r++)
            for (size_t c = c0; c < c1; c++)
                memcpy(out + (c * WH_PANEL + r) * size, in + (r * w->cols + c) * size, size);
    }
}

static void put_scale(const whit_weight *w, void *scale, size_t at, float s)
{
    if (w->scale_type == WH_SCALE_F32)
        ((float *)scale)[at] = s;
    else if (w->scale_type == WH_SCALE_F16)
        ((uint16_t *)scale)[at] = wh_f32_to_f16(s);
    else
        ((uint8_t *)scale)[at] = wh_scale_octet(w->scale_type, w->scale2, s);
}

/* Where a row has a NaN of E4M3 in a group: its values have no bits for one. */
static int has_nan(const whit_weight *w, const uint8_t *row, size_t g)
{
    const size_t from = g * w->group, end = w->cols - from < w->group ? w->cols : from + w->group;
    if (w->form != WH_FORM_F8 || w->e5m2) return 0;
    for (size_t k = from; k < end; k++)
        if ((row[k] & 0x7f) == 0x7f) return 1;
    return 0;
}

static void put_scales(const whit_weight *w, size_t p, const wh_rows *rows, void *scale,
                       uint8_t *zero)
{
    for (size_t r = 0; r < WH_PANEL; r++) {
        const size_t row = p * WH_PANEL + r;
        const uint8_t *codes = code_row(rows, w->cols, row);
        const int there = codes != NULL;
        for (size_t g = 0; g < w->groups; g++) {
            const size_t at = (p * w->groups + g) * WH_PANEL + r;
            const size_t from = (row - rows->row) * w->groups + g;
            if (there)
                put_scale(w, scale, at, has_nan(w, codes, g) ? NAN : rows->scale[from]);
            else
                memset((uint8_t *)scale + at * wh_scale_bytes(w), 0, wh_scale_bytes(w));
            if (zero) zero[at] = there ? rows->zero[from] : 0;
        }
    }
}

/* [rows][count] elements of 1 or 2 octets to [count][16] of a panel; 0 beyond the rows. */
static void put_turned(const wh_rows *rows, size_t p, const void *from, size_t count, size_t size,
                       void *plane)
{
    const size_t end = rows->row + rows->rows;
    uint8_t *out = (uint8_t *)plane + p * count * WH_PANEL * size;
    for (size_t r = 0; r < WH_PANEL; r++) {
        const size_t row = p * WH_PANEL + r;
        const uint8_t *in = (const uint8_t *)from + (row - rows->row) * count * size;
        for (size_t i = 0; i < count; i++) {
            uint8_t *to = out + (i * WH_PANEL + r) * size;
            if (row >= end)
                memset(to, 0, size);
            else if (size == 1)
                *to = in[i];
            else
                memcpy(to, in + 2 * i, 2);
        }
    }
}

static void put_block_scales(const whit_weight *w, size_t p, const wh_rows *rows)
{
    if (w->scale_type == WH_SCALE_F16)
        put_turned(rows, p, rows->d, w->groups, 2, w->scale);
    else
        put_turned(rows, p, rows->octet, w->groups, 1, w->scale);
    if (w->min) put_turned(rows, p, rows->min, w->groups, 2, w->min);
    if (w->sub_scale) put_turned(rows, p, rows->sub_scale, w->subs, 1, w->sub_scale);
    if (w->sub_min) put_turned(rows, p, rows->sub_min, w->subs, 1, w->sub_min);
}

void wh_repack_panel(whit_weight *w, size_t p, const wh_rows *rows)
{
    uint8_t *base = w->pages, *out = base + p * w->panel_bytes;
    if (w->form < WH_FORM_F32)
        pack_codes(w, p, rows, out);
    else
        pack_values(w, p, rows, out);
    if (wh_form_is_block(w->form))
        put_block_scales(w, p, rows);
    else if (w->scale)
        put_scales(w, p, rows, w->scale, w->zero);
}
