/* src/source/hf_gptq.c - checkpoints of GPTQ (layout: src/pack/gptq.c).
 *
 * Outputs and groups are those of P.scales, the bits those that P.qzeros needs for the outputs, and
 * inputs as many as such codes are in P.qweight. Whether zero points are stored less 1 (version 1)
 * nothing tells but the configuration; without a word it is version 1.
 *
 * Every zero point is read once: where all are 2^(bits-1) the codes are symmetric, whatever the
 * configuration says. A stored -1 of version 1 counts as the zero point 0 (plus 1, cut to the
 * bits).
 *
 * With act-order, P.g_idx is out of order; without it, or where it is not there, i / group_size.
 *
 * Not read: the layouts of Marlin, BitBLAS and others; words of another width than 32 bits.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "pack/layout.h"
#include "pack/streams.h"
#include "source/hf.h"
#include "source/reader.h"

/* The version, from the configuration. */
static whit_status find_layout(wh_hf *h)
{
    const wh_hf_config *c = h->config;
    const char *format = *c->checkpoint ? c->checkpoint : c->format;
    h->t->layout = strcmp(format, "gptq_v2") == 0 ? WHIT_LAYOUT_GPTQ_V2 : WHIT_LAYOUT_GPTQ;
    if (c->marlin) format = "marlin";
    if (*format && strcmp(format, "gptq") != 0 && strcmp(format, "gptq_v2") != 0)
        return wh_hf_unread(h, "checkpoint_format %s is not read; try: the model it was made from",
                            format);
    if (*c->pack_dtype && strcmp(c->pack_dtype, "int32") != 0)
        return wh_hf_unread(h, "pack_dtype %s is not read; try: the model it was made from",
                            c->pack_dtype);
    return WHIT_OK;
}

/* Bits that so many words are for each group of outputs. */
static whit_status find_bits(wh_hf *h, uint64_t words, uint64_t outputs)
{
    static const unsigned tries[] = { 2, 3, 4, 8 };
    const int64_t said = h->config->bits;
    for (size_t i = 0; i < 4; i++)
        if (outputs / 32 * tries[i] * 32 + outputs % 32 * tries[i] == words * 32)
            h->t->scheme.bits = tries[i];
    if (h->t->scheme.bits == 0)
        return wh_hf_bad(h,
                         "%" PRIu64 " outputs in %" PRIu64 " words of qzeros: neither 2, 3, 4 nor "
                         "8 bits",
                         outputs, words);
    if (said != 0 && said != h->t->scheme.bits && !h->config->dynamic)
        return wh_hf_bad(h, "codes of %u bits; the configuration says %" PRId64, h->t->scheme.bits,
                         said);
    return WHIT_OK;
}

/* The planes, once bits, rows and columns are known. */
static whit_status take_planes(wh_hf *h, size_t codes, size_t zeros, size_t scales, uint64_t cols)
{
    const whit_tensor *scale = whit_file_tensor(h->file, scales);
    const uint64_t groups = scale->shape[0], rows = scale->shape[1];
    const unsigned bits = h->t->scheme.bits;
    const size_t order = wh_hf_part(h, ".g_idx");
    whit_status st = wh_hf_take(h, codes, 0, WHIT_I32, 2, wh_words_of(cols, bits), rows);
    if (st == WHIT_OK) st = wh_hf_take(h, scales, 1, scale->dtype, 2, groups, rows);
    if (st == WHIT_OK) st = wh_hf_take(h, zeros, 2, WHIT_I32, 2, groups, wh_words_of(rows, bits));
    if (st == WHIT_OK && order != WHIT_NOT_FOUND)
        st = wh_hf_take(h, order, 3, WHIT_I32, 1, cols, 0);
    return st;
}

static whit_status read_layer(wh_hf *h, size_t index, int *taken)
{
    const whit_tensor *codes = whit_file_tensor(h->file, index);
    size_t scales, zeros;
    int symmetric = 0;
    whit_status st = wh_hf_need(h, ".scales", &scales);
    if (st == WHIT_OK) st = wh_hf_need(h, ".qzeros", &zeros);
    if (st != WHIT_OK) return st;
    *taken = 1;
    const whit_tensor *scale = whit_file_tensor(h->file, scales);
    const whit_tensor *zero = whit_file_tensor(h->file, zeros);
    if (!wh_hf_is_scale(scale) || scale->rank != 2 || scale->elements == 0)
        return wh_hf_bad(h, "scales is no [groups, outputs] of F32, F16 or BF16");
    if (codes->rank != 2 || zero->rank != 2 || codes->elements == 0)
        return wh_hf_bad(h, "qweight or qzeros has not two dimensions");
    if (h->config->method == WH_HF_NONE && codes->shape[1] != scale->shape[1]) {
        *taken = 0; /* outputs in words: those of AWQ, if any's */
        return WHIT_OK;
    }
    st = find_layout(h);
    if (st == WHIT_OK) st = find_bits(h, zero->shape[1], scale->shape[1]);
    if (st != WHIT_OK) return st;
    whit_scheme *s = &h->t->scheme;
    if (codes->shape[0] % (s->bits == 3 ? 3 : 1) != 0)
        return wh_hf_bad(h, "%" PRIu64 " words of qweight are no whole codes of 3 bits",
                         codes->shape[0]);
    s->kind = WHIT_INT;
    s->scale_type = scale->dtype;
    const uint64_t cols = codes->shape[0] * 32 / s->bits;
    st = take_planes(h, index, zeros, scales, cols);
    if (st == WHIT_OK) st = wh_hf_group_size(h, cols, scale->shape[0]);
    if (st != WHIT_OK) return st;
    wh_hf_matrix(h, scale->dtype, scale->shape[1], cols);
    const unsigned centre = 1u << (s->bits - 1);
    st = wh_hf_symmetric(h, (uint8_t)(centre - (h->t->layout == WHIT_LAYOUT_GPTQ)), &symmetric);
    s->asym = !symmetric;
    return st == WHIT_OK && h->t->planes[3] != WHIT_NOT_FOUND ? wh_hf_order(h) : st;
}

const wh_hf_format wh_hf_gptq = { "gptq", WH_HF_GPTQ, ".qweight", 1, read_layer };

/* ---- fetching -------------------------------------------------------------------------------- */

/* Words of the columns, of some outputs side by side. */
static whit_status gptq_codes(const wh_reader *r, const wh_span *s, uint8_t *codes)
{
    const unsigned bits = r->t->scheme.bits;
    const size_t cols = (size_t)s->cols, words = (size_t)wh_words_of(cols, bits);
    const size_t most = WH_RAW / (4 * words);
    for (uint64_t i = 0, n; i < s->rows; i += n) {
        n = s->rows - i < most ? s->rows - i : most;
        const wh_streams c = { .streams = (size_t)n,
                               .count = cols,
                               .bits = bits,
                               .code_step = 1,
                               .code_next = cols,
                               .word_step = (size_t)n,
                               .word_next = 1 };
        const uint64_t at = 4 * (wh_words_of(s->c0, bits) * r->t->rows + s->r0 + i);
        whit_status st =
            wh_fetch_runs(r, r->t->planes[0], at, 4 * r->t->rows, words, (size_t)(4 * n));
        if (st != WHIT_OK) return st;
        wh_streams_unpack(&c, r->raw, codes + i * cols);
    }
    return WHIT_OK;
}

static whit_status gptq_scales(const wh_reader *r, const wh_span *s, float *scale, uint8_t *zero)
{
    const wh_across z = { .plane = r->t->planes[2],
                          .line = s->c0,
                          .row = s->r0,
                          .lines = (size_t)s->cols,
                          .rows = (size_t)s->rows,
                          .add = r->t->layout == WHIT_LAYOUT_GPTQ ? 0xff : 0, /* -1 */
                          .step = (size_t)s->cols };
    whit_status st = wh_fetch_scales_across(r, s, scale);
    return st == WHIT_OK && r->t->scheme.asym ? wh_fetch_across(r, &z, zero) : st;
}

const wh_layout_ops wh_layout_gptq = {
    .piece = 65536, .rows = 512, .codes = gptq_codes, .scales = gptq_scales
};
