/* src/source/hf_awq.c - checkpoints of AWQ, version "gemm" (layout: src/pack/awq.c).
 *
 * Outputs and groups are those of P.scales, inputs the lines of P.qweight. Zero points are always
 * there; where all are 8 the codes are symmetric.
 *
 * Not read: the other versions (gemv, gemv_fast, exllama, marlin, ipex), whose words have another
 * order.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <string.h>

#include "pack/layout.h"
#include "source/hf.h"
#include "source/reader.h"

static whit_status check_config(const wh_hf *h)
{
    const wh_hf_config *c = h->config;
    if (c->bits != 0 && c->bits != 4)
        return wh_hf_bad(h, "the configuration says %" PRId64 " bits; AWQ has 4", c->bits);
    if (*c->version && strcmp(c->version, "gemm") != 0 && strcmp(c->version, "GEMM") != 0)
        return wh_hf_unread(h, "version %s is not read; try: the model it was made from",
                            c->version);
    return WHIT_OK;
}

static whit_status read_layer(wh_hf *h, size_t index, int *taken)
{
    const whit_tensor *codes = whit_file_tensor(h->file, index);
    whit_scheme *s = &h->t->scheme;
    size_t scales, zeros;
    int symmetric = 0;
    *taken = 1;
    whit_status st = check_config(h);
    if (st == WHIT_OK) st = wh_hf_need(h, ".scales", &scales);
    if (st == WHIT_OK) st = wh_hf_need(h, ".qzeros", &zeros);
    if (st != WHIT_OK) return st;
    const whit_tensor *scale = whit_file_tensor(h->file, scales);
    if (!wh_hf_is_scale(scale) || scale->rank != 2 || scale->elements == 0)
        return wh_hf_bad(h, "scales is no [groups, outputs] of F32, F16 or BF16");
    if (codes->rank != 2 || codes->elements == 0)
        return wh_hf_bad(h, "qweight has not two dimensions");
    const uint64_t cols = codes->shape[0], groups = scale->shape[0], rows = scale->shape[1];
    if (rows % 8 != 0) return wh_hf_bad(h, "%" PRIu64 " outputs are no multiple of 8", rows);
    *s = (whit_scheme){ .kind = WHIT_INT, .bits = 4, .scale_type = scale->dtype };
    h->t->layout = WHIT_LAYOUT_AWQ;
    st = wh_hf_take(h, index, 0, WHIT_I32, 2, cols, rows / 8);
    if (st == WHIT_OK) st = wh_hf_take(h, scales, 1, scale->dtype, 2, groups, rows);
    if (st == WHIT_OK) st = wh_hf_take(h, zeros, 2, WHIT_I32, 2, groups, rows / 8);
    if (st == WHIT_OK) st = wh_hf_group_size(h, cols, groups);
    if (st == WHIT_OK && s->group != 0 && cols % s->group != 0)
        st =
            wh_hf_bad(h, "groups of %" PRIu32 " do not divide %" PRIu64 " columns", s->group, cols);
    if (st != WHIT_OK) return st;
    wh_hf_matrix(h, scale->dtype, rows, cols);
    st = wh_hf_symmetric(h, 8, &symmetric);
    s->asym = !symmetric;
    return st;
}

const wh_hf_format wh_hf_awq = { "awq", WH_HF_AWQ, ".qweight", 1, read_layer };

/* ---- fetching -------------------------------------------------------------------------------- */

static whit_status awq_codes(const wh_reader *r, const wh_span *s, uint8_t *codes)
{
    const wh_across a = { .plane = r->t->planes[0],
                          .line = s->c0,
                          .row = s->r0,
                          .lines = (size_t)s->cols,
                          .rows = (size_t)s->rows,
                          .order = wh_awq_order,
                          .step = (size_t)s->cols };
    return wh_fetch_across(r, &a, codes);
}

static whit_status awq_scales(const wh_reader *r, const wh_span *s, float *scale, uint8_t *zero)
{
    const wh_across z = { .plane = r->t->planes[2],
                          .line = s->c0,
                          .row = s->r0,
                          .lines = (size_t)s->cols,
                          .rows = (size_t)s->rows,
                          .order = wh_awq_order,
                          .step = (size_t)s->cols };
    whit_status st = wh_fetch_scales_across(r, s, scale);
    return st == WHIT_OK && r->t->scheme.asym ? wh_fetch_across(r, &z, zero) : st;
}

const wh_layout_ops wh_layout_awq = {
    .piece = 65536, .rows = 512, .codes = awq_codes, .scales = awq_scales
};
