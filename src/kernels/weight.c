/* src/kernels/weight.c - which form a weight gets, its planes in memory, and what it tells.
 *
 * Not here: where rows come from (src/source/weight.c), the order of octets (repack.c).
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/weight.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/pages.h"
#include "kernels/context.h"

#define MAX_SIDE ((uint64_t)1 << 31) /* rows and columns: counts that int32 indices can hold */

/* Forms of blocks of GGUF: inputs of a sub-block with a scale of its own (0: there are none),
 * whether there are minima, and what is taken from a code; of tables it comes from the table. */
static const struct block_form {
    wh_form form; /* 0: no kernel's */
    uint8_t sub, minima, centre;
} block_forms[WHIT_BLOCK_COUNT] = {
    [WHIT_Q4_0] = { WH_FORM_B4, 0, 0, 8 },    [WHIT_Q4_1] = { WH_FORM_B4, 0, 1, 0 },
    [WHIT_Q5_0] = { WH_FORM_B5, 0, 0, 16 },   [WHIT_Q5_1] = { WH_FORM_B5, 0, 1, 0 },
    [WHIT_Q8_0] = { WH_FORM_B8, 0, 0, 128 },  [WHIT_Q2_K] = { WH_FORM_B2, 16, 1, 0 },
    [WHIT_Q3_K] = { WH_FORM_B3, 16, 0, 4 },   [WHIT_Q4_K] = { WH_FORM_B4, 32, 1, 0 },
    [WHIT_Q5_K] = { WH_FORM_B5, 32, 1, 0 },   [WHIT_Q6_K] = { WH_FORM_B6, 16, 0, 32 },
    [WHIT_TQ1_0] = { WH_FORM_B2, 0, 0, 1 },   [WHIT_TQ2_0] = { WH_FORM_B2, 0, 0, 1 },
    [WHIT_Q2_0] = { WH_FORM_B2, 0, 0, 1 },    [WHIT_IQ4_NL] = { WH_FORM_BT, 0, 0, 0 },
    [WHIT_IQ4_XS] = { WH_FORM_BT, 32, 0, 0 }, [WHIT_BLOCK_MXFP4] = { WH_FORM_BT, 0, 0, 0 },
    [WHIT_Q1_0] = { WH_FORM_B1, 0, 0, 1 },    [WHIT_BLOCK_NVFP4] = { WH_FORM_BT, 0, 0, 0 },
};

static const struct block_form *block_form_of(const whit_scheme *s)
{
    const size_t block = s->kind == WHIT_GGUF ? (size_t)s->block : 0;
    return &block_forms[block < WHIT_BLOCK_COUNT ? block : 0];
}

static int is_integer_code(const whit_scheme *s)
{
    return s->kind == WHIT_INT;
}

static int is_float_code(const whit_scheme *s)
{
    return s->kind == WHIT_FP8_E4M3 || s->kind == WHIT_FP8_E5M2;
}

static wh_form form_of(const whit_scheme *s, uint64_t cols)
{
    static const wh_form by_bits[9] = { 0,          0,          WH_FORM_Q2, WH_FORM_Q3, WH_FORM_Q4,
                                        WH_FORM_Q5, WH_FORM_Q6, WH_FORM_Q8, WH_FORM_Q8 };
    if (s->kind == WHIT_TO_F16) return WH_FORM_F16;
    if (s->kind == WHIT_TO_BF16) return WH_FORM_BF16;
    if (!wh_weight_has_kernel(s, cols)) return WH_FORM_F32;
    if (s->kind == WHIT_GGUF) return block_form_of(s)->form;
    if (is_float_code(s)) return WH_FORM_F8;
    return is_integer_code(s) ? by_bits[s->bits] : WH_FORM_T4;
}

static const float *table_of(whit_kind kind)
{
    return whit_scheme_table(kind == WHIT_MXFP4 || kind == WHIT_NVFP4 ? WHIT_FP4 : kind);
}

/* Inputs that the kernels take at once: of tables of small integers half as many. */
static size_t unit_of(const whit_scheme *s)
{
    return !is_integer_code(s) && table_of(s->kind) == whit_scheme_table(WHIT_FP4) ? 16 : 32;
}

int wh_weight_has_kernel(const whit_scheme *scheme, uint64_t cols)
{
    if (scheme->kind == WHIT_GGUF) /* their rows are whole blocks */
        return block_form_of(scheme)->form != 0 &&
               cols % whit_block_describe(scheme->block)->weights == 0;
    if (!is_integer_code(scheme) && !is_float_code(scheme) && !table_of(scheme->kind)) return 0;
    return scheme->group == 0 || scheme->group >= cols || scheme->group % unit_of(scheme) == 0;
}

/* The largest multiple of a unit up to WH_STEP that divides the group; else half a unit. */
static size_t step_of(size_t group, size_t cols)
{
    if (group >= cols) return WH_STEP;
    if (group % WH_UNIT != 0) return WH_UNIT / 2;
    size_t step = WH_STEP;
    while (group % step != 0) step -= WH_UNIT;
    return step;
}

static wh_scale_type scales_of(whit_block block)
{
    return block == WHIT_BLOCK_MXFP4   ? WH_SCALE_HALF_E8M0
           : block == WHIT_BLOCK_NVFP4 ? WH_SCALE_HALF_UE4M3
                                       : WH_SCALE_F16;
}

/* A block is a group; one of NVFP4 is four. */
static void set_blocks(whit_weight *w)
{
    const struct block_form *f = block_form_of(&w->scheme);
    w->group =
        w->scheme.block == WHIT_BLOCK_NVFP4 ? 16 : whit_block_describe(w->scheme.block)->weights;
    w->groups = w->cols / w->group;
    w->step = WH_UNIT;
    w->int_step = f->sub ? WH_UNIT : w->group < WH_STEP ? w->group : WH_STEP;
    w->scale_type = scales_of(w->scheme.block);
    w->scale2 = 1.0f;
    w->centre = f->centre;
    w->sub = f->sub;
    if (f->sub) w->subs = w->cols / f->sub;
    w->sum_step = f->sub ? f->sub : w->int_step;
    if (w->form != WH_FORM_BT) return;
    const int8_t *levels = whit_block_levels(w->scheme.block);
    for (size_t i = 0; i < 16; i++) w->table[i] = (float)levels[i];
    wh_weight_levels(w);
}

static void set_codes(whit_weight *w, const wh_weight_shape *shape)
{
    const whit_scheme *s = &w->scheme;
    const int one = s->group == 0 || s->group >= w->cols;
    w->group = one ? w->cols : s->group;
    w->groups = (w->cols + w->group - 1) / w->group;
    w->step = step_of(w->group, w->cols);
    w->whole_token = one && w->form == WH_FORM_Q8;
    w->int_step = w->step;
    if (w->whole_token) w->int_step = w->cols < WH_LONG_STEP ? w->cols : WH_LONG_STEP;
    w->sum_step = w->int_step;
    w->scale_type = shape->scale_type;
    w->scale2 = shape->scale_type == WH_SCALE_E4M3 ? shape->scale2 : 1.0f;
    w->e5m2 = s->kind == WHIT_FP8_E5M2;
    if (s->kind == WHIT_FP8_E4M3) w->scale2 = 0x1p8f;
    if (w->form <= WH_FORM_Q8 && !s->asym) w->centre = 1 << (wh_form_bits(w->form) - 1);
    if (w->form != WH_FORM_T4) return;
    memcpy(w->table, table_of(s->kind), sizeof w->table);
    wh_weight_levels(w);
}

/* Everything but memory and the table's entries: pure. */
static void set_form(whit_weight *w, const wh_weight_shape *shape)
{
    const whit_scheme *scheme = &shape->scheme;
    w->scheme = *scheme;
    w->panels = (w->rows + WH_PANEL - 1) / WH_PANEL;
    w->form = shape->decode ? WH_FORM_F32 : form_of(scheme, w->cols);
    w->decoded = w->form == WH_FORM_F32 && scheme->kind != WHIT_TO_F32;
    if (wh_form_is_block(w->form))
        set_blocks(w);
    else if (w->form < WH_FORM_F32)
        set_codes(w, shape);
    const size_t unit = w->form < WH_FORM_F32 ? WH_UNIT : 1;
    w->panel_bytes = (w->cols + unit - 1) / unit * unit * wh_input_bytes(w->form);
}

/* Octets of the planes: data, scale, zero, min, sub_scale, sub_min. */
enum { PLANES = 6 };

/* 0: more than a number holds. */
static int plane_bytes(const whit_weight *w, uint64_t bytes[PLANES])
{
    uint64_t data, cells, subs;
    if (!wh_mul_u64(w->panels, w->panel_bytes, &data) ||
        !wh_mul_u64((uint64_t)w->panels * WH_PANEL, w->groups, &cells) ||
        !wh_mul_u64((uint64_t)w->panels * WH_PANEL, w->subs, &subs))
        return 0;
    const int minima = wh_form_is_block(w->form) && block_form_of(&w->scheme)->minima;
    bytes[0] = data;
    bytes[1] = cells * wh_scale_bytes(w);
    bytes[2] = w->form <= WH_FORM_Q8 && w->scheme.asym ? cells : 0;
    bytes[3] = minima ? cells * 2 : 0;
    bytes[4] = subs;
    bytes[5] = minima ? subs : 0;
    return cells < UINT64_MAX / 64 && subs < UINT64_MAX / 64 && data < UINT64_MAX / 4;
}

uint64_t wh_weight_bytes(const whit_scheme *scheme, uint64_t rows, uint64_t cols)
{
    whit_weight w = { .rows = (size_t)rows, .cols = (size_t)cols };
    uint64_t bytes[PLANES], sum = 0;
    const wh_weight_shape shape = { .scheme = *scheme };
    set_form(&w, &shape);
    if (!plane_bytes(&w, bytes)) return UINT64_MAX;
    for (size_t i = 0; i < PLANES; i++) sum += bytes[i];
    return sum;
}

/* Planes one after the other, each on a multiple of 64. */
static whit_status allocate(whit_weight *w, whit_error *err)
{
    uint64_t bytes[PLANES], total = 0;
    uint8_t *plane[PLANES];
    const int fits = plane_bytes(w, bytes);
    for (size_t i = 0; fits && i < PLANES; i++) {
        w->bytes += bytes[i];
        total += (bytes[i] + 63) / 64 * 64;
    }
    if (!fits || total > SIZE_MAX)
        return wh_fail(err, WHIT_ERR_NOMEM, "a weight of %zu x %zu fits in no memory", w->rows,
                       w->cols);
    w->pages_bytes = (size_t)total;
    w->pages = wh_pages_alloc(w->pages_bytes);
    if (!w->pages)
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a weight of %zu octets", w->pages_bytes);
    uint8_t *at = w->pages;
    for (size_t i = 0; i < PLANES; i++) {
        plane[i] = bytes[i] ? at : NULL;
        at += (bytes[i] + 63) / 64 * 64;
    }
    w->data = plane[0];
    w->scale = plane[1];
    w->zero = plane[2];
    w->min = (uint16_t *)(void *)plane[3];
    w->sub_scale = (int8_t *)plane[4];
    w->sub_min = plane[5];
    return WHIT_OK;
}

whit_status wh_weight_sides(uint64_t rows, uint64_t cols, whit_error *err)
{
    if (rows == 0 || cols == 0)
        return wh_fail(err, WHIT_ERR_ARG, "a weight needs rows and columns");
    if (rows > MAX_SIDE || cols > MAX_SIDE)
        return wh_fail(err, WHIT_ERR_ARG, "a weight has at most 2^31 rows and columns");
    return WHIT_OK;
}

whit_status wh_weight_new(whit_weight **out, whit_context *context, const wh_weight_shape *shape,
                          whit_error *err)
{
    *out = NULL;
    whit_status st = wh_weight_sides(shape->rows, shape->cols, err);
    if (st != WHIT_OK) return st;
    whit_weight *w = wh_calloc(1, sizeof *w);
    if (!w) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a weight");
    w->context = context;
    w->rows = (size_t)shape->rows;
    w->cols = (size_t)shape->cols;
    set_form(w, shape);
    st = allocate(w, err);
    if (st == WHIT_OK) {
        pthread_mutex_lock(&context->lock);
        st = wh_context_reserve(context, wh_matmul_scratch(w, wh_pool_threads(context->pool)), err);
        pthread_mutex_unlock(&context->lock);
    }
    if (st != WHIT_OK) {
        whit_weight_free(w);
        return st;
    }
    *out = w;
    return WHIT_OK;
}

typedef struct put_job {
    whit_weight *w;
    const wh_rows *rows;
} put_job;

static void put_part(void *ctx, unsigned t, unsigned threads)
{
    const put_job *job = ctx;
    const size_t first = job->rows->row / WH_PANEL;
    size_t begin, end;
    wh_pool_split((job->rows->rows + WH_PANEL - 1) / WH_PANEL, 1, t, threads, &begin, &end);
    for (size_t p = begin; p < end; p++) wh_repack_panel(job->w, first + p, job->rows);
}

void wh_weight_put(whit_weight *w, const wh_rows *rows)
{
    put_job job = { w, rows };
    pthread_mutex_lock(&w->context->lock);
    wh_pool_run(w->context->pool, put_part, &job);
    pthread_mutex_unlock(&w->context->lock);
}

void whit_weight_free(whit_weight *weight)
{
    if (!weight) return;
    wh_pages_free(weight->pages, weight->pages_bytes);
    free(weight);
}

/* By bits of a code: of channels, groups, with zero points, with minima, of two levels. */
static const char *form_name(const whit_weight *w)
{
    static const char *const names[9][5] = {
        [1] = { "q1c", "q1g", "q1gz", "q1gm", "q1k" },
        [2] = { "q2c", "q2g", "q2gz", "q2gm", "q2k" },
        [3] = { "q3c", "q3g", "q3gz", "q3gm", "q3k" },
        [4] = { "q4c", "q4g", "q4gz", "q4gm", "q4k" },
        [5] = { "q5c", "q5g", "q5gz", "q5gm", "q5k" },
        [6] = { "q6c", "q6g", "q6gz", "q6gm", "q6k" },
        [8] = { "q8c", "q8g", "q8gz", "q8gm", "q8k" },
    };
    if (w->form == WH_FORM_T4) return "nf4b";
    if (w->form == WH_FORM_BT) return w->sub ? "t4k" : "t4g";
    if (w->form == WH_FORM_F8) return w->group == w->cols ? "f8c" : "f8g";
    if (w->form == WH_FORM_F16) return "f16";
    if (w->form == WH_FORM_BF16) return "bf16";
    if (w->form == WH_FORM_F32) return "f32";
    const int channel = w->group == w->cols && !wh_form_is_block(w->form);
    return names[wh_form_bits(w->form)][channel ? 0 : w->sub ? 4 : w->min ? 3 : w->zero ? 2 : 1];
}

void whit_weight_describe(const whit_weight *weight, whit_weight_info *info)
{
    *info = (whit_weight_info){
        .rows = weight->rows,
        .cols = weight->cols,
        .scheme = weight->scheme,
        .form = form_name(weight),
        .decoded = weight->decoded,
        .bytes = weight->bytes,
        .acts_q8 = wh_gemm_op(weight->form) != WH_OPS,
        .acts_bf16 = weight->context->kernels.op[WH_MANY_BF16] != NULL,
    };
}
