/* src/kernels/repack.c - rows of codes or values to the panels of kernels.h.
 *
 * Eight codes of a row are taken as one little-endian word, so that a line of a panel is sixteen
 * words put side by side. Parallel over panels; no row is read twice.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/weight.h"

#include <string.h>

#include "base/bytes.h"

/* n codes from c on, n 4 or 8, those beyond the row as `pad`. */
static uint64_t codes_at(const uint8_t *row, size_t cols, size_t c, size_t n, uint8_t pad)
{
    uint8_t part[8];
    if (cols - c >= n) return n == 8 ? wh_load64(row + c) : wh_load32(row + c);
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

static void pack_nibbles(const whit_weight *w, size_t p, const wh_rows *rows, uint8_t *out)
{
    const uint64_t mask = each_octet((1u << w->scheme.bits) - 1),
                   pad = each_octet((unsigned)w->centre);
    const size_t lines = (w->cols + 7) / 8;
    for (size_t r = 0; r < WH_PANEL; r++) {
        const uint8_t *row = code_row(rows, w->cols, p * WH_PANEL + r);
        for (size_t t = 0; t < lines; t++) {
            uint64_t v = pad;
            if (row) v = codes_at(row, w->cols, t * 8, 8, (uint8_t)w->centre) & mask;
            wh_store32(out + t * 64 + r * 4, (uint32_t)v | (uint32_t)(v >> 32) << 4);
        }
    }
}

static void pack_octets(const whit_weight *w, size_t p, const wh_rows *rows, uint8_t *out)
{
    const unsigned bits = w->scheme.bits;
    /* symmetric codes of fewer bits are moved so that 128 stands for zero */
    const unsigned centre = w->zero ? 0 : 1u << (bits - 1), lift = w->zero ? 0 : 128 - centre;
    const uint64_t mask = each_octet((1u << bits) - 1), up = each_octet(lift);
    const size_t lines = (w->cols + 3) / 4;
    for (size_t r = 0; r < WH_PANEL; r++) {
        const uint8_t *row = code_row(rows, w->cols, p * WH_PANEL + r);
        for (size_t t = 0; t < lines; t++) {
            uint64_t v = each_octet(centre);
            if (row) v = codes_at(row, w->cols, t * 4, 4, (uint8_t)centre) & mask;
            wh_store32(out + t * 64 + r * 4, (uint32_t)(v + up));
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

static void put_scales(const whit_weight *w, size_t p, const wh_rows *rows, void *scale,
                       uint8_t *zero)
{
    for (size_t r = 0; r < WH_PANEL; r++) {
        const size_t row = p * WH_PANEL + r;
        const int there = row < rows->row + rows->rows;
        for (size_t g = 0; g < w->groups; g++) {
            const size_t at = (p * w->groups + g) * WH_PANEL + r;
            const size_t from = (row - rows->row) * w->groups + g;
            const float s = there ? rows->scale[from] : 0.0f;
            if (w->scale_f16)
                ((uint16_t *)scale)[at] = wh_f32_to_f16(s);
            else
                ((float *)scale)[at] = s;
            if (zero) zero[at] = there ? rows->zero[from] : 0;
        }
    }
}

void wh_repack_panel(whit_weight *w, size_t p, const wh_rows *rows)
{
    uint8_t *base = w->pages, *out = base + p * w->panel_bytes;
    if (w->form == WH_FORM_Q4 || w->form == WH_FORM_T4)
        pack_nibbles(w, p, rows, out);
    else if (w->form == WH_FORM_Q8)
        pack_octets(w, p, rows, out);
    else
        pack_values(w, p, rows, out);
    if (w->scale) put_scales(w, p, rows, w->scale, w->zero);
}
