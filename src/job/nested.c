/* src/job/nested.c - the scales of dq tensors: found in one pass over the tensor, then quantized.
 *
 * The mean of all scales is needed before the first of them can be quantized, so they are held for
 * one tensor at a time, four octets a group.
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/thread.h"
#include "job/method.h"
#include "job/span.h"
#include "quant/nested.h"

typedef struct collect {
    const whit_plan *plan;
    size_t index;
    const wh_quantizer *q;
    wh_worker *workers;
    wh_meter *meter;
    float *scale; /* [groups] */
    uint64_t per_row;
    double sum; /* in the order of the groups */
} collect;

uint64_t wh_nested_bytes(uint64_t groups)
{
    return 5 * groups + groups / 64 + 16;
}

static wh_rect rect_of(const collect *c, uint64_t tile)
{
    return wh_tiling_at(&c->plan->tiles.tiling[c->index], tile);
}

static whit_status collect_work(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    collect *c = ctx;
    wh_worker *w = &c->workers[worker];
    wh_rect r = rect_of(c, tile);
    whit_quant_stats ignored = { 0 };
    whit_status st =
        whit_source_read_f32(c->plan->source, c->index, r.r0, r.rows, r.c0, r.cols, w->w, err);
    if (st != WHIT_OK) return st;
    wh_fold_apply(c->plan, c->index, &r, w->w);
    size_t cols = (size_t)r.cols, group = c->q->scheme.group;
    wh_tile t = { .w = w->w,
                  .rows = (size_t)r.rows,
                  .cols = cols,
                  .group = group < cols ? group : cols,
                  .codes = w->codes,
                  .scale = w->scale,
                  .scratch = w->scratch,
                  .row0 = r.r0,
                  .col0 = r.c0,
                  .stats = &ignored };
    return wh_plan_blame(c->plan, c->index, wh_tile_encode(c->q, &t, err), err);
}

static whit_status collect_commit(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    collect *c = ctx;
    const whit_plan_entry *e = &c->plan->entry[c->index];
    const wh_numbering *tiles = &c->plan->tiles;
    wh_rect r = rect_of(c, tile);
    size_t n = (size_t)(r.rows * ((r.cols - 1) / c->q->scheme.group + 1));
    const float *scale = c->workers[worker].scale;
    memcpy(c->scale + r.r0 * c->per_row + r.c0 / c->q->scheme.group, scale, n * sizeof *scale);
    for (size_t i = 0; i < n; i++) c->sum += (double)scale[i];
    return wh_meter_step(
        c->meter, e->source->tensor.name,
        wh_numbering_share(tiles, c->index, tiles->first[c->index] + tile, e->bytes_in), err);
}

whit_status wh_span_nested(const whit_plan *plan, size_t index, const wh_quantizer *q,
                           wh_worker *workers, unsigned threads, wh_meter *meter, wh_nested *out,
                           whit_error *err)
{
    const whit_source_tensor *s = plan->entry[index].source;
    uint64_t per_row = (s->cols - 1) / q->scheme.group + 1, groups = s->rows * per_row;
    collect c = { plan, index, q, workers, meter, NULL, per_row, 0.0 };
    float map[256];
    whit_status st = WHIT_OK;
    c.scale = wh_calloc(groups, sizeof *c.scale);
    out->code = wh_calloc(groups, 1);
    out->absmax = wh_calloc((groups - 1) / WH_NESTED_BLOCK + 1, sizeof *out->absmax);
    if (!c.scale || !out->code || !out->absmax)
        st = wh_fail(err, WHIT_ERR_NOMEM, "%.100s: no memory for its scales", s->tensor.name);
    if (st == WHIT_OK)
        st = wh_for_ordered(threads, plan->tiles.tiling[index].count, collect_work, collect_commit,
                            &c, err);
    out->offset = (float)(c.sum / (double)groups);
    wh_nested_map(map);
    for (uint64_t g = 0; g < groups && st == WHIT_OK; g += WH_NESTED_BLOCK) {
        size_t n = groups - g < WH_NESTED_BLOCK ? (size_t)(groups - g) : WH_NESTED_BLOCK;
        out->absmax[g / WH_NESTED_BLOCK] =
            wh_nested_encode(map, c.scale + g, n, out->offset, out->code + g);
    }
    free(c.scale);
    return st;
}

void wh_nested_free(wh_nested *nested)
{
    free(nested->code);
    free(nested->absmax);
    *nested = (wh_nested){ 0 };
}
