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

static int is_integer_code(const whit_scheme *s)
{
    return s->kind == WHIT_INT;
}

static wh_form form_of(const wh_weight_shape *shape)
{
    const whit_scheme *s = &shape->scheme;
    if (s->kind == WHIT_TO_F16) return WH_FORM_F16;
    if (s->kind == WHIT_TO_BF16) return WH_FORM_BF16;
    if (shape->decode || !wh_weight_has_kernel(s, shape->cols)) return WH_FORM_F32;
    if (!is_integer_code(s)) return WH_FORM_T4;
    return s->bits <= 4 ? WH_FORM_Q4 : WH_FORM_Q8;
}

int wh_weight_has_kernel(const whit_scheme *scheme, uint64_t cols)
{
    if (!is_integer_code(scheme) && !whit_scheme_table(scheme->kind) && scheme->kind != WHIT_MXFP4)
        return 0;
    if (scheme->kind == WHIT_NVFP4 || scheme->gran == WHIT_GRAN_BLOCK) return 0;
    return scheme->group == 0 || scheme->group >= cols || scheme->group % 32 == 0;
}

/* The largest multiple of 32 up to WH_STEP that divides the group. */
static size_t step_of(size_t group, size_t cols)
{
    if (group >= cols) return WH_STEP;
    if (group <= WH_STEP) return group;
    size_t step = WH_STEP;
    while (group % step != 0) step -= 32;
    return step;
}

static void set_codes(whit_weight *w, const wh_weight_shape *shape)
{
    const whit_scheme *s = &shape->scheme;
    const int one = s->group == 0 || s->group >= w->cols;
    w->group = one ? w->cols : s->group;
    w->groups = (w->cols + w->group - 1) / w->group;
    w->step = step_of(w->group, w->cols);
    w->whole_token = one && w->form == WH_FORM_Q8;
    w->int_step = w->step;
    if (w->whole_token) w->int_step = w->cols < WH_LONG_STEP ? w->cols : WH_LONG_STEP;
    w->scale_f16 = shape->scale_f16;
    if (w->form == WH_FORM_Q4) w->centre = 1 << (s->bits - 1);
    if (w->form == WH_FORM_Q8) w->centre = 128;
    if (s->asym) w->centre = 0;
    if (w->form == WH_FORM_T4)
        memcpy(w->table, whit_scheme_table(s->kind == WHIT_MXFP4 ? WHIT_FP4 : s->kind),
               sizeof w->table);
}

/* Planes one after the other, each on a multiple of 64. */
static whit_status allocate(whit_weight *w, whit_error *err)
{
    uint64_t data, cells, total;
    /* a line of codes holds several inputs, the last one not all */
    const size_t each = wh_input_bytes(w->form), inputs = w->form <= WH_FORM_T4 ? 64 / each : 1;
    w->panel_bytes = (w->cols + inputs - 1) / inputs * inputs * each;
    if (!wh_mul_u64(w->panels, w->panel_bytes, &data) ||
        !wh_mul_u64((uint64_t)w->panels * WH_PANEL, w->groups, &cells) || cells > UINT64_MAX / 8 ||
        !wh_add_u64(data, cells * 5 + 128, &total) || total > SIZE_MAX)
        return wh_fail(err, WHIT_ERR_NOMEM, "a weight of %zu x %zu fits in no memory", w->rows,
                       w->cols);
    const uint64_t scale = (cells * (w->scale_f16 ? 2 : 4) + 63) / 64 * 64;
    const uint64_t zero = w->form <= WH_FORM_Q8 && w->scheme.asym ? cells : 0;
    w->pages_bytes = (size_t)(data + scale + zero);
    char *base = wh_pages_alloc(w->pages_bytes);
    if (!base)
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a weight of %zu octets", w->pages_bytes);
    w->pages = base;
    w->data = (uint8_t *)base;
    if (cells) w->scale = base + data;
    if (zero) w->zero = (uint8_t *)base + data + scale;
    w->bytes = data + cells * (w->scale_f16 ? 2 : 4) + zero;
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
    w->scheme = shape->scheme;
    w->rows = (size_t)shape->rows;
    w->cols = (size_t)shape->cols;
    w->panels = (w->rows + WH_PANEL - 1) / WH_PANEL;
    w->form = form_of(shape);
    w->decoded = w->form == WH_FORM_F32 && shape->scheme.kind != WHIT_TO_F32;
    if (w->form <= WH_FORM_T4) set_codes(w, shape);
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

static const char *form_name(const whit_weight *w)
{
    const int channel = w->group == w->cols, zero = w->zero != NULL;
    switch (w->form) {
    case WH_FORM_Q4:
        return channel ? "q4c" : zero ? "q4gz" : "q4g";
    case WH_FORM_Q8:
        return channel ? "q8c" : zero ? "q8gz" : "q8g";
    case WH_FORM_T4:
        return "nf4b";
    case WH_FORM_F16:
        return "f16";
    case WH_FORM_BF16:
        return "bf16";
    default:
        return "f32";
    }
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
    };
}
