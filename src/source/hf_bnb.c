/* src/source/hf_bnb.c - checkpoints of bitsandbytes (layout: src/pack/bnb.c).
 *
 * The text P.weight.quant_state.bitsandbytes__nf4 (or __fp4) says everything about 4-bit codes;
 * P.SCB marks int8. The configuration only has to name the method. Codes decode with the values
 * that the file stores; where these are not ours to the last bit, codes alone are not enough
 * (scattered), as where blocks run on into the next row.
 *
 * Not read: codes in another type than U8 (bnb_4bit_quant_storage); int8 in other orders than rows.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "pack/bnb_state.h"
#include "pack/layout.h"
#include "quant/nested.h"
#include "source/hf.h"
#include "source/reader.h"

/* ---- 4 bits ---------------------------------------------------------------------------------- */

#define MAX_STATE 4096 /* octets; a real one has 200 */

static whit_status read_state(wh_hf *h, size_t index, whit_kind kind, wh_bnb_state *state)
{
    char text[MAX_STATE];
    whit_error why = { WHIT_OK, "" };
    const whit_tensor *t = whit_file_tensor(h->file, index);
    if (t->dtype != WHIT_U8 || t->rank != 1 || t->bytes > MAX_STATE)
        return wh_hf_bad(h, "its quant_state is no text of up to %d octets", MAX_STATE);
    whit_status st = wh_hf_take(h, index, -1, WHIT_U8, 1, t->bytes, 0);
    if (st == WHIT_OK) st = whit_file_read(h->file, index, 0, (size_t)t->bytes, text, h->err);
    if (st != WHIT_OK) return st;
    st = wh_bnb_state_parse(state, text, (size_t)t->bytes, &why);
    if (st == WHIT_ERR_NOMEM) return wh_fail(h->err, st, "%s", why.msg);
    if (st != WHIT_OK) return wh_hf_bad(h, "%s", why.msg);
    if (state->kind != kind)
        return wh_hf_bad(h, "quant_state: its quant_type is not that of its name");
    if (state->blocksize < 32 || state->blocksize > 4096 ||
        (state->blocksize & (state->blocksize - 1)) != 0)
        return wh_hf_unread(h,
                            "quant_state: blocks of %" PRIu64 " weights; there are 32, 64 .. 4096",
                            state->blocksize);
    if (state->nested && state->nested_blocksize != WH_NESTED_BLOCK)
        return wh_hf_unread(h, "quant_state: nested blocks of %" PRIu64 " scales; there are 256",
                            state->nested_blocksize);
    return WHIT_OK;
}

/* Shape and number of weights, which P.weight must have codes for. */
static whit_status take_codes(wh_hf *h, const wh_bnb_state *state)
{
    whit_tensor *t = &h->t->tensor;
    size_t index;
    whit_status st = wh_hf_need(h, ".weight", &index);
    if (st != WHIT_OK) return st;
    const whit_tensor *codes = whit_file_tensor(h->file, index);
    t->dtype = state->dtype;
    t->rank = state->rank;
    memcpy(t->shape, state->shape, sizeof t->shape);
    t->elements = 1;
    for (uint32_t d = 0; d < t->rank; d++)
        if (!wh_mul_u64(t->elements, t->shape[d], &t->elements))
            return wh_hf_bad(h, "quant_state: its shape overflows");
    if (codes->dtype != WHIT_U8)
        return wh_hf_unread(h, "codes in %s (bnb_4bit_quant_storage); only uint8 is read",
                            whit_tensor_type(codes));
    if (t->elements == 0 || codes->elements != wh_ceil_div(t->elements, 2))
        return wh_hf_bad(h, "%" PRIu64 " octets of codes for %" PRIu64 " weights", codes->elements,
                         t->elements);
    whit_tensor_matrix(t, &h->t->rows, &h->t->cols);
    return wh_hf_take(h, index, 0, WHIT_U8, codes->rank, codes->shape[0], codes->shape[1]);
}

static whit_status take_part(wh_hf *h, const char *suffix, int plane, whit_dtype dtype, uint64_t n,
                             size_t *index)
{
    whit_status st = wh_hf_need(h, suffix, index);
    return st == WHIT_OK ? wh_hf_take(h, *index, plane, dtype, 1, n, 0) : st;
}

/* The values of codes, and whether they are the scheme's. */
static whit_status take_table(wh_hf *h)
{
    const float *ours = whit_scheme_table(h->t->scheme.kind);
    float values[16] = { 0 };
    whit_status st = take_part(h, ".weight.quant_map", -1, WHIT_F32, 16, &h->t->table);
    if (st == WHIT_OK) st = whit_file_read_f32(h->file, h->t->table, 0, 16, values, h->err);
    for (int i = 0; i < 16; i++) /* NaN is none of ours, too */
        if (!(fabsf(values[i] - ours[i]) <= 0x1p-21f * fabsf(ours[i]))) h->t->scattered = 1;
    return st;
}

static whit_status read_4bit(wh_hf *h, size_t index, whit_kind kind)
{
    wh_bnb_state state;
    size_t part;
    whit_status st = read_state(h, index, kind, &state);
    if (st == WHIT_OK) st = take_codes(h, &state);
    if (st != WHIT_OK) return st;
    const uint64_t blocks = wh_ceil_div(h->t->tensor.elements, state.blocksize);
    h->t->scheme = (whit_scheme){ .kind = kind,
                                  .bits = 4,
                                  .gran = WHIT_GRAN_GROUP,
                                  .group = (uint32_t)state.blocksize,
                                  .scale_type = WHIT_F32,
                                  .dq = state.nested };
    h->t->layout = WHIT_LAYOUT_BNB4;
    h->t->scattered = h->t->rows > 1 && h->t->cols % state.blocksize != 0;
    h->t->scale_offset = state.offset;
    st = take_part(h, ".weight.absmax", 1, state.nested ? WHIT_U8 : WHIT_F32, blocks, &part);
    if (st == WHIT_OK) st = take_table(h);
    if (st != WHIT_OK || !state.nested) return st;
    st = take_part(h, ".weight.nested_absmax", 2, WHIT_F32, wh_ceil_div(blocks, WH_NESTED_BLOCK),
                   &part);
    return st == WHIT_OK ? take_part(h, ".weight.nested_quant_map", 3, WHIT_F32, 256, &part) : st;
}

static whit_status read_nf4(wh_hf *h, size_t index, int *taken)
{
    *taken = 1;
    return read_4bit(h, index, WHIT_NF4);
}

static whit_status read_fp4(wh_hf *h, size_t index, int *taken)
{
    *taken = 1;
    return read_4bit(h, index, WHIT_FP4BNB);
}

const wh_hf_format wh_hf_bnb_nf4 = { "bitsandbytes", WH_HF_BNB,
                                     ".weight.quant_state.bitsandbytes__nf4", 1, read_nf4 };
const wh_hf_format wh_hf_bnb_fp4 = { "bitsandbytes", WH_HF_BNB,
                                     ".weight.quant_state.bitsandbytes__fp4", 1, read_fp4 };

static whit_status open_4bit(wh_reader *r)
{
    whit_status st = wh_fetch_floats(r, r->t->table, WHIT_F32, 0, 16, r->values);
    r->table = r->values;
    r->offset = r->t->scale_offset;
    if (st == WHIT_OK && r->t->scheme.dq)
        st = wh_fetch_floats(r, r->t->planes[3], WHIT_F32, 0, 256, r->map);
    return st;
}

static whit_status codes_4bit(const wh_reader *r, const wh_span *s, uint8_t *codes)
{
    whit_status st = whit_file_read(r->file, r->t->planes[0], s->c0 / 2, (size_t)(s->cols + 1) / 2,
                                    r->raw, r->err);
    if (st == WHIT_OK) wh_bnb_unpack(r->raw, (size_t)s->cols, codes);
    return st;
}

static whit_status scales_4bit(const wh_reader *r, const wh_span *s, float *scale, uint8_t *zero)
{
    (void)zero;
    if (r->t->scheme.dq) return wh_fetch_nested(r, s->c0, (size_t)s->cols, scale);
    return wh_fetch_floats(r, r->t->planes[1], WHIT_F32, s->c0, (size_t)s->cols, scale);
}

const wh_layout_ops wh_layout_bnb4 = {
    .piece = 32768, .flat = 1, .open = open_4bit, .codes = codes_4bit, .scales = scales_4bit
};

/* ---- int8 ------------------------------------------------------------------------------------ */

static whit_status check_order(wh_hf *h)
{
    const size_t index = wh_hf_part(h, ".weight_format");
    uint8_t format = 0;
    if (index == WHIT_NOT_FOUND) return WHIT_OK; /* older ones */
    whit_status st = wh_hf_take(h, index, -1, WHIT_U8, 0, 0, 0);
    if (st == WHIT_OK) st = whit_file_read(h->file, index, 0, 1, &format, h->err);
    if (st == WHIT_OK && format != 0)
        st = wh_hf_unread(h, "weight_format %u; only 0 (rows) is read", format);
    return st;
}

static whit_status read_int8(wh_hf *h, size_t scb, int *taken)
{
    size_t index;
    *taken = 1;
    whit_status st = wh_hf_need(h, ".weight", &index);
    if (st != WHIT_OK) return st;
    const whit_tensor *codes = whit_file_tensor(h->file, index);
    if (codes->rank != 2 || codes->elements == 0)
        return wh_hf_bad(h, "weight has not two dimensions");
    h->t->scheme = (whit_scheme){
        .kind = WHIT_INT, .bits = 8, .gran = WHIT_GRAN_CHANNEL, .scale_type = WHIT_F32
    };
    h->t->layout = WHIT_LAYOUT_BNB8;
    wh_hf_matrix(h, WHIT_F16, codes->shape[0], codes->shape[1]);
    st = wh_hf_take(h, index, 0, WHIT_I8, 2, h->t->rows, h->t->cols);
    if (st == WHIT_OK) st = wh_hf_take(h, scb, 1, WHIT_F32, 1, h->t->rows, 0);
    return st == WHIT_OK ? check_order(h) : st;
}

const wh_hf_format wh_hf_bnb_int8 = { "bitsandbytes", WH_HF_BNB, ".SCB", 1, read_int8 };

static whit_status scales_int8(const wh_reader *r, const wh_span *s, float *scale, uint8_t *zero)
{
    (void)zero;
    whit_status st = wh_fetch_scales(r, s, scale);
    for (uint64_t i = 0; i < s->rows && st == WHIT_OK; i++) scale[i] = wh_bnb_scale(scale[i]);
    return st;
}

const wh_layout_ops wh_layout_bnb8 = { .piece = 32768,
                                       .codes = wh_fetch_signed_rows,
                                       .scales = scales_int8 };
