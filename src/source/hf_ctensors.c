/* src/source/hf_ctensors.c - checkpoints of compressed-tensors (layout: src/pack/ctensors.c).
 *
 * Types and shapes of its tensors tell everything: P.weight_shape the columns, the words of
 * P.weight_packed the bits, P.weight_scale the groups. The configuration must name such weights in
 * one of its groups; which layers it means by them (classes, names, regular expressions) is not
 * asked.
 *
 * With actorder "group" there is P.weight_g_idx, the group of each column.
 *
 * Not read: 3, 5, 6 and 7 bits in words, whose versions disagree; nvfp4 and mxfp4; sparse weights.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/mem.h"
#include "pack/layout.h"
#include "pack/streams.h"
#include "source/hf.h"
#include "source/reader.h"

/* ---- against the configuration --------------------------------------------------------------- */

/* Whether the group of the configuration has such weights. */
static int agrees(const wh_hf_group *g, const whit_scheme *s, uint64_t cols)
{
    const char *strategy = g->strategy;
    const int whole = g->size == -1 || g->size == 0 || (uint64_t)g->size >= cols;
    if (g->bits != s->bits || g->symmetric != !s->asym) return 0;
    if (*g->type && strcmp(g->type, s->kind == WHIT_INT ? "int" : "float") != 0) return 0;
    switch (s->gran) {
    case WHIT_GRAN_TENSOR:
        return strcmp(strategy, "tensor") == 0;
    case WHIT_GRAN_CHANNEL:
        return strcmp(strategy, "channel") == 0 || (strcmp(strategy, "group") == 0 && whole);
    case WHIT_GRAN_GROUP:
        return strcmp(strategy, "group") == 0 && g->size == s->group;
    default:
        return strcmp(strategy, "block") == 0;
    }
}

/* The first group of the configuration that has such weights; NULL: none. */
static const wh_hf_group *group_of(const wh_hf *h, const whit_scheme *s, uint64_t cols)
{
    for (size_t i = 0; i < h->config->groups; i++)
        if (agrees(&h->config->group[i], s, cols)) return &h->config->group[i];
    return NULL;
}

static int is_said(const wh_hf *h, const whit_scheme *s, uint64_t cols)
{
    return h->config->groups == 0 || group_of(h, s, cols);
}

/* Activations of 8 bits, of the weights' sort, with a scale a token or the one that is stored; any
 * other way is left to the program that knows it. */
static whit_status take_acts(wh_hf *h, const wh_hf_group *g)
{
    const size_t index = wh_hf_part(h, ".input_scale");
    whit_scheme *s = &h->t->scheme;
    uint8_t octets[4] = { 0 };
    if (g->act_bits != 8 || strcmp(g->act_type, s->kind == WHIT_INT ? "int" : "float") != 0)
        return WHIT_OK;
    if (g->act_dynamic == 1 && strcmp(g->act_strategy, "token") == 0) s->a8 = WHIT_A8_TOKEN;
    if (g->act_dynamic != 0 || strcmp(g->act_strategy, "tensor") != 0) return WHIT_OK;
    if (index == WHIT_NOT_FOUND || wh_hf_part(h, ".input_zero_point") != WHIT_NOT_FOUND)
        return WHIT_OK;
    const whit_tensor *t = whit_file_tensor(h->file, index);
    const size_t size = whit_dtype_bits(t->dtype) / 8;
    if (!wh_hf_is_scale(t) || t->elements != 1 || t->rank > 1)
        return wh_hf_bad(h, "input_scale is not one F32, F16 or BF16");
    whit_status st = whit_file_read(h->file, index, 0, size, octets, h->err);
    if (st == WHIT_OK) st = wh_hf_take(h, index, -1, t->dtype, t->rank, 1, 0);
    if (st != WHIT_OK) return st;
    whit_dtype_to_f32(t->dtype, octets, 1, &h->t->act_scale);
    if (!(h->t->act_scale > 0 && h->t->act_scale < INFINITY))
        return wh_hf_bad(h, "input_scale is not above 0 and finite");
    s->a8 = WHIT_A8_STATIC;
    return WHIT_OK;
}

static whit_status check_said(wh_hf *h)
{
    char text[WHIT_SCHEME_TEXT];
    const wh_hf_group *g = group_of(h, &h->t->scheme, h->t->cols);
    if (g) return take_acts(h, g);
    if (h->config->groups == 0) return WHIT_OK;
    return wh_hf_bad(h, "is %s, and the configuration has no group of such weights",
                     whit_scheme_print(&h->t->scheme, text));
}

static whit_status check_format(const wh_hf *h)
{
    static const char *const known[] = { "",
                                         "dense",
                                         "pack-quantized",
                                         "int-quantized",
                                         "float-quantized",
                                         "naive-quantized",
                                         "mixed-precision" };
    const char *sparsity = h->config->sparsity;
    size_t i = 0;
    while (i < sizeof known / sizeof known[0] && strcmp(h->config->format, known[i]) != 0) i++;
    if (i == sizeof known / sizeof known[0])
        return wh_hf_unread(h, "format %s is not read; try: the model it was made from",
                            h->config->format);
    if (*sparsity && strcmp(sparsity, "dense") != 0)
        return wh_hf_unread(h, "sparsity format %s is not read; try: the model it was made from",
                            sparsity);
    return WHIT_OK;
}

/* ---- pack-quantized -------------------------------------------------------------------------- */

/* The two numbers of P.weight_shape. */
static whit_status read_shape(wh_hf *h, uint64_t shape[2])
{
    uint8_t octets[16];
    size_t index;
    whit_status st = wh_hf_need(h, ".weight_shape", &index);
    if (st != WHIT_OK) return st;
    const whit_tensor *t = whit_file_tensor(h->file, index);
    const int wide = t->dtype != WHIT_I32; /* older ones */
    st = wh_hf_take(h, index, -1, wide ? WHIT_I64 : WHIT_I32, 1, 2, 0);
    if (st == WHIT_OK) st = whit_file_read(h->file, index, 0, wide ? 16 : 8, octets, h->err);
    for (size_t i = 0; i < 2 && st == WHIT_OK; i++) {
        shape[i] = wide ? wh_load64(octets + 8 * i) : wh_load32(octets + 4 * i);
        if (shape[i] == 0 || shape[i] > INT64_MAX || (!wide && shape[i] > INT32_MAX))
            st = wh_hf_bad(h, "weight_shape has a dimension that is no number above 0");
    }
    return st;
}

/* Bits of codes that fill so many words a row. With few columns several do, and the configuration
 * decides. */
static whit_status find_bits(wh_hf *h, uint64_t cols, uint64_t words)
{
    static const unsigned tries[] = { 4, 8, 2 };
    whit_scheme s = h->t->scheme;
    unsigned fitting = 0, said = 0;
    for (size_t i = 0; i < 3; i++) {
        s.bits = tries[i];
        if (wh_words_of(cols, s.bits) != words) continue;
        if (!fitting) h->t->scheme.bits = s.bits;
        fitting++;
        if (!is_said(h, &s, cols)) continue;
        h->t->scheme.bits = s.bits;
        said++;
    }
    if (fitting == 0)
        return wh_hf_bad(h,
                         "%" PRIu64 " columns in %" PRIu64 " words: codes of neither 2, 4 nor 8 "
                         "bits",
                         cols, words);
    if (said > 1)
        return wh_hf_bad(h,
                         "%" PRIu64 " columns in %" PRIu64 " words may be codes of more or fewer "
                         "bits, and the configuration does not say which",
                         cols, words);
    return WHIT_OK;
}

/* Scales [rows, groups] of a matrix; the type of the scales and the groups. */
static whit_status take_scales(wh_hf *h, uint64_t rows, uint64_t cols)
{
    size_t index;
    whit_status st = wh_hf_need(h, ".weight_scale", &index);
    if (st != WHIT_OK) return st;
    const whit_tensor *t = whit_file_tensor(h->file, index);
    const uint64_t groups = t->rank == 2 ? t->shape[1] : 0;
    if (!wh_hf_is_scale(t) || groups == 0 || groups > cols || cols % groups != 0)
        return wh_hf_bad(h, "weight_scale is no [rows, groups] of F32, F16 or BF16 in which groups "
                            "divide the columns");
    h->t->scheme.scale_type = t->dtype;
    st = wh_hf_take(h, index, 1, t->dtype, 2, rows, groups);
    return st == WHIT_OK ? wh_hf_groups(h, cols, cols / groups) : st;
}

static whit_status take_g_idx(wh_hf *h)
{
    const size_t index = wh_hf_part(h, ".weight_g_idx");
    if (index == WHIT_NOT_FOUND) return WHIT_OK;
    whit_status st = wh_hf_take(h, index, 3, WHIT_I32, 1, h->t->cols, 0);
    return st == WHIT_OK ? wh_hf_order(h) : st;
}

static whit_status read_packed(wh_hf *h, size_t index, int *taken)
{
    const whit_tensor *codes = whit_file_tensor(h->file, index);
    const size_t zero = wh_hf_part(h, ".weight_zero_point");
    whit_scheme *s = &h->t->scheme;
    uint64_t shape[2];
    *taken = 1;
    whit_status st = check_format(h);
    if (st == WHIT_OK && (codes->dtype != WHIT_I32 || codes->rank != 2))
        st = wh_hf_unread(h, "weight_packed is %s; only I32 of two dimensions (int4, int8) is read",
                          whit_tensor_type(codes));
    if (st == WHIT_OK) st = read_shape(h, shape);
    if (st == WHIT_OK) st = take_scales(h, shape[0], shape[1]);
    if (st != WHIT_OK) return st;
    s->kind = WHIT_INT;
    s->asym = zero != WHIT_NOT_FOUND;
    st = find_bits(h, shape[1], codes->shape[1]);
    if (st != WHIT_OK) return st;
    h->t->layout = WHIT_LAYOUT_CT_PACKED;
    st = wh_hf_take(h, index, 0, WHIT_I32, 2, shape[0], wh_words_of(shape[1], s->bits));
    if (st == WHIT_OK && s->asym) {
        const whit_tensor *scale = whit_file_tensor(h->file, h->t->planes[1]);
        st = wh_hf_take(h, zero, 2, WHIT_I32, 2, wh_words_of(shape[0], s->bits), scale->shape[1]);
    }
    if (st != WHIT_OK) return st;
    wh_hf_matrix(h, s->scale_type, shape[0], shape[1]);
    st = check_said(h);
    return st == WHIT_OK ? take_g_idx(h) : st;
}

const wh_hf_format wh_hf_ct_packed = { "compressed-tensors", WH_HF_CT, ".weight_packed", 1,
                                       read_packed };

/* Words of zero points hold the outputs of one group. */
static whit_status packed_zeros(const wh_reader *r, const wh_span *s, uint8_t *zero)
{
    const unsigned bits = r->t->scheme.bits, each = 32 / bits;
    const uint64_t first = s->r0 / each;
    const size_t words = (size_t)((s->r0 + s->rows - 1) / each - first + 1);
    const size_t most = WH_RAW / (4 * words), cols = (size_t)s->cols;
    for (size_t g = 0, n; g < cols; g += n) {
        n = cols - g < most ? cols - g : most;
        const wh_streams z = { .streams = n,
                               .count = (size_t)s->rows,
                               .bits = bits,
                               .skip = (size_t)(s->r0 % each),
                               .code_step = cols,
                               .code_next = 1,
                               .word_step = n,
                               .word_next = 1 };
        whit_status st = wh_fetch_runs(r, r->t->planes[2], 4 * (first * r->groups + s->c0 + g),
                                       4 * r->groups, words, 4 * n);
        if (st != WHIT_OK) return st;
        wh_streams_unpack(&z, r->raw, zero + g);
    }
    return WHIT_OK;
}

static whit_status packed_scales(const wh_reader *r, const wh_span *s, float *scale, uint8_t *zero)
{
    whit_status st = wh_fetch_scales(r, s, scale);
    return st == WHIT_OK && r->t->scheme.asym ? packed_zeros(r, s, zero) : st;
}

const wh_layout_ops wh_layout_ct_packed = { .piece = 32768,
                                            .codes = wh_fetch_rows,
                                            .scales = packed_scales };

/* ---- int-quantized, float-quantized ---------------------------------------------------------- */

/* Blocks as the configuration has them; as everybody has them where it says nothing. */
static void find_blocks(const wh_hf *h, uint32_t block[2])
{
    block[0] = block[1] = 128;
    for (size_t i = 0; i < h->config->groups; i++) {
        const wh_hf_group *g = &h->config->group[i];
        if (strcmp(g->strategy, "block") != 0) continue;
        for (int k = 0; k < 2; k++)
            if (g->block[k] >= 2 && g->block[k] <= 1024) block[k] = (uint32_t)g->block[k];
    }
}

/* The granularity that the shape of the scales means. */
static whit_status plain_scales(wh_hf *h, size_t index, const whit_tensor *codes)
{
    const whit_tensor *t = whit_file_tensor(h->file, index);
    const uint64_t rows = codes->shape[0], cols = codes->shape[1];
    whit_scheme *s = &h->t->scheme;
    uint32_t block[2];
    s->scale_type = t->dtype;
    if (!wh_hf_is_scale(t)) return wh_hf_bad(h, "weight_scale is neither F32, F16 nor BF16");
    if (t->rank <= 1 && t->elements == 1) {
        s->gran = WHIT_GRAN_TENSOR;
        return wh_hf_take(h, index, 1, t->dtype, t->rank, t->elements, 0);
    }
    if (t->rank == 1) {
        s->gran = WHIT_GRAN_CHANNEL;
        return wh_hf_take(h, index, 1, t->dtype, 1, rows, 0);
    }
    if (t->rank == 2 && t->shape[0] == rows && t->shape[1] > 0 && cols % t->shape[1] == 0) {
        whit_status st = wh_hf_take(h, index, 1, t->dtype, 2, rows, t->shape[1]);
        return st == WHIT_OK ? wh_hf_groups(h, cols, cols / t->shape[1]) : st;
    }
    if (s->kind == WHIT_INT) return wh_hf_take(h, index, 1, t->dtype, 2, rows, 1);
    find_blocks(h, block);
    s->gran = WHIT_GRAN_BLOCK;
    s->block_rows = block[0];
    s->group = block[1];
    return wh_hf_take(h, index, 1, t->dtype, 2, wh_ceil_div(rows, block[0]),
                      wh_ceil_div(cols, block[1]));
}

static whit_status read_plain(wh_hf *h, size_t scale, int *taken)
{
    const size_t zero = wh_hf_part(h, ".weight_zero_point"), index = wh_hf_part(h, ".weight");
    const whit_tensor *codes = whit_file_tensor(h->file, index);
    const int is_int = codes && codes->dtype == WHIT_I8;
    whit_scheme *s = &h->t->scheme;
    if (!codes || codes->rank != 2 || codes->elements == 0 ||
        (!is_int && codes->dtype != WHIT_F8_E4M3))
        return WHIT_OK; /* weights that are no codes, or the scales of codes in words */
    *taken = 1;
    *s = (whit_scheme){ .kind = is_int ? WHIT_INT : WHIT_FP8_E4M3, .bits = 8 };
    h->t->layout = is_int ? WHIT_LAYOUT_CT_INT : WHIT_LAYOUT_CT_FLOAT;
    whit_status st = check_format(h);
    if (st == WHIT_OK)
        st = wh_hf_take(h, index, 0, codes->dtype, 2, codes->shape[0], codes->shape[1]);
    if (st == WHIT_OK) st = plain_scales(h, scale, codes);
    if (st == WHIT_OK && is_int && zero != WHIT_NOT_FOUND) {
        const whit_tensor *t = whit_file_tensor(h->file, h->t->planes[1]);
        s->asym = 1;
        st = wh_hf_take(h, zero, 2, WHIT_I8, t->rank, t->shape[0], t->shape[1]);
    }
    if (st != WHIT_OK) return st;
    wh_hf_matrix(h, s->scale_type, codes->shape[0], codes->shape[1]);
    return check_said(h);
}

const wh_hf_format wh_hf_ct_plain = { "compressed-tensors", WH_HF_CT, ".weight_scale", 0,
                                      read_plain };

/* Zero points I8 in the shape of the scales, those of whole rows of them together. */
static whit_status int_scales(const wh_reader *r, const wh_span *s, float *scale, uint8_t *zero)
{
    whit_status st = wh_fetch_scales(r, s, scale);
    for (uint64_t i = 0; i < s->rows && st == WHIT_OK && r->t->scheme.asym; i++)
        st = whit_file_read(r->file, r->t->planes[2], (s->r0 + i) * r->groups + s->c0,
                            (size_t)s->cols, zero + i * s->cols, r->err);
    if (st == WHIT_OK && r->t->scheme.asym) wh_flip_sign(zero, (size_t)(s->rows * s->cols), zero);
    return st;
}

static whit_status float_scales(const wh_reader *r, const wh_span *s, float *scale, uint8_t *zero)
{
    (void)zero;
    return wh_fetch_scales(r, s, scale);
}

const wh_layout_ops wh_layout_ct_int = { .piece = 32768,
                                         .codes = wh_fetch_signed_rows,
                                         .scales = int_scales };
const wh_layout_ops wh_layout_ct_float = { .piece = 32768,
                                           .codes = wh_fetch_rows,
                                           .scales = float_scales };
