/* src/job/work_solved.c - a tile whose codes a method has found: from where they are kept.
 *
 * SPDX-License-Identifier: MIT */
#include "job/work_solved.h"

#include "job/gguf_out.h"
#include "job/method.h"

int wh_work_solved(const whit_plan *p, size_t i)
{
    return p->method && (wh_solutions_has(&p->method->solutions, i, WH_PART_CODES) ||
                         wh_solutions_has(&p->method->solutions, i, WH_PART_BLOCKS));
}

whit_status wh_work_fetch_scale2(const whit_plan *p, size_t i, float *scale2, whit_error *err)
{
    return wh_solutions_get(&p->method->solutions, i, WH_PART_SCALE2, 0, scale2, sizeof *scale2,
                            err);
}

/* The scales of a row of the tile, or of a row of blocks; those of a tensor are all the same. */
static whit_status fetch_scales(const whit_plan *p, size_t i, const wh_rect *rect, const wh_tile *t,
                                whit_error *err)
{
    const whit_scheme *s = &p->entry[i].scheme;
    const wh_solutions *from = &p->method->solutions;
    const uint64_t high = s->block_rows ? s->block_rows : 1;
    const size_t each = (t->cols + t->group - 1) / t->group;
    uint64_t rows, cols;
    whit_status st = WHIT_OK;
    whit_scheme_scales(s, p->entry[i].source->rows, p->entry[i].source->cols, &rows, &cols);
    for (uint64_t k = 0; k < (t->rows + high - 1) / high && st == WHIT_OK; k++) {
        const uint64_t at = s->gran == WHIT_GRAN_TENSOR ? 0
                                                        : (rect->r0 / high + k) * cols +
                                                              (s->group ? rect->c0 / s->group : 0);
        st = wh_solutions_get(from, i, WH_PART_SCALE, at * sizeof(float), t->scale + k * each,
                              each * sizeof(float), err);
        if (st == WHIT_OK && t->zero)
            st = wh_solutions_get(from, i, WH_PART_ZERO, at, t->zero + k * each, each, err);
    }
    return st;
}

whit_status wh_work_fetch(const whit_plan *p, size_t i, const wh_rect *rect, const wh_tile *t,
                          whit_error *err)
{
    const uint64_t cols = p->entry[i].source->cols;
    whit_status st = WHIT_OK;
    if (rect->cols == cols)
        st = wh_solutions_get(&p->method->solutions, i, WH_PART_CODES, rect->r0 * cols, t->codes,
                              rect->rows * cols, err);
    for (uint64_t k = 0; k < rect->rows && rect->cols != cols && st == WHIT_OK; k++)
        st = wh_solutions_get(&p->method->solutions, i, WH_PART_CODES,
                              (rect->r0 + k) * cols + rect->c0, t->codes + k * rect->cols,
                              rect->cols, err);
    return st == WHIT_OK ? fetch_scales(p, i, rect, t, err) : st;
}

whit_status wh_work_fetch_blocks(const whit_plan *p, size_t i, const wh_rect *rect, uint8_t *out,
                                 whit_error *err)
{
    const whit_block_info *info = whit_block_describe(p->entry[i].scheme.block);
    const whit_source_tensor *s = p->entry[i].source;
    const uint32_t heads = p->gguf->tensor[i].heads;
    const uint64_t row = s->cols / info->weights * info->bytes;
    const uint64_t first = rect->c0 / info->weights * info->bytes;
    const uint64_t part = rect->cols / info->weights * info->bytes;
    whit_status st = WHIT_OK;
    for (uint64_t k = 0; k < rect->rows && st == WHIT_OK; k++) {
        const uint64_t from = heads ? wh_hf_row(rect->r0 + k, s->rows, heads) : rect->r0 + k;
        st = wh_solutions_get(&p->method->solutions, i, WH_PART_BLOCKS, from * row + first,
                              out + k * part, part, err);
    }
    return st;
}
