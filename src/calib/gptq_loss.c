/* src/calib/gptq_loss.c - tr(D H D^T) = |D R|^2, row by row.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/gptq.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"
#include "calib/gptq_slab.h"
#include "kernels/context.h"

#define ROWS WH_GPTQ_ROWS

typedef struct call {
    wh_slab *slab;
    const wh_gptq_job *job;
    size_t each;
    double *loss;
    atomic_size_t next;
} call;

static void measure(wh_slab *s)
{
    const size_t cols = s->base->cols;
    wh_slab_columns y;
    for (size_t k = 0; k < cols; k++) wh_slab_put(s, s->e, cols, k, s->w + k * ROWS);
    for (size_t k = 0, end; k < cols; k = end) {
        end = cols - k < WH_GPTQ_SPAN ? cols : k + WH_GPTQ_SPAN;
        wh_slab_span(s, k, end);
        wh_slab_advance(s, s->first, s->first + s->panels, k);
        for (size_t j = k, stop; j < end; j = stop) { /* its own panel is a triangle too */
            stop = cols - j < WH_PANEL ? cols : j + WH_PANEL;
            wh_slab_advance(s, j / WH_PANEL, j / WH_PANEL + 1, stop);
            wh_slab_fetch(s, j, stop, &y);
            for (size_t c = j; c < stop; c++)
                for (size_t i = 0; i < s->lanes; i++) {
                    const double d = (double)(y.at[c - j][i] * s->base->pivot[c]);
                    s->loss[i] += d * d;
                }
        }
    }
}

static void slabs_part(void *ctx, unsigned t, unsigned threads)
{
    call *c = ctx;
    wh_slab *s = &c->slab[t];
    (void)threads;
    for (;;) {
        const size_t row = atomic_fetch_add(&c->next, 1) * c->each, left = c->job->rows - row;
        if (row >= c->job->rows) return;
        wh_slab_take(s, row, left < c->each ? left : c->each);
        measure(s);
        for (size_t i = 0; i < s->rows; i++) c->loss[row + i] = s->loss[i];
    }
}

whit_status wh_gptq_loss(whit_context *context, const wh_gptq_base *base, const float *d,
                         size_t rows, double *loss, double *sum, whit_error *err)
{
    const wh_gptq_target none = { .group = WH_GPTQ_SPAN, .sub = base->cols ? base->cols : 1 };
    const wh_gptq_job job = { .base = base, .w = d, .rows = rows };
    const unsigned threads = whit_context_threads(context);
    const size_t share = (rows + threads - 1) / threads;
    whit_status st = WHIT_OK;
    *sum = 0;
    if (rows == 0 || base->cols == 0) return WHIT_OK;
    call c = { .job = &job, .each = share < ROWS ? share : ROWS };
    c.loss = wh_calloc(rows, sizeof *c.loss);
    c.slab = wh_calloc(threads, sizeof *c.slab);
    if (!c.loss || !c.slab) st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu rows", rows);
    for (unsigned t = 0; t < threads && st == WHIT_OK; t++)
        st = wh_slab_open(&c.slab[t], &job, &none, context->kernels.op[WH_TILE_CHAIN], err);
    if (st == WHIT_OK) {
        pthread_mutex_lock(&context->lock);
        wh_pool_run(context->pool, slabs_part, &c);
        pthread_mutex_unlock(&context->lock);
        for (size_t r = 0; r < rows; r++) {
            if (loss) loss[r] = c.loss[r];
            *sum += c.loss[r];
        }
    }
    for (unsigned t = 0; c.slab && t < threads; t++) wh_slab_close(&c.slab[t]);
    free(c.slab);
    free(c.loss);
    return st;
}
