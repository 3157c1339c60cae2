/* src/calib/gptq_polish.c - after the codes: coordinate descent with the parameters as they are,
 * and new scales by least squares, both under the whole H.
 *
 * With G = E H, moving Q_k by d changes the error of a row by d (d H_kk - 2 G_k), least at
 * d = G_k / H_kk. So each column in turn is rounded again, to the value nearest Q_k + G_k / H_kk;
 * a change is kept where it makes the error smaller, which leaves nothing to the roundings of
 * float32. With levels t of a group (Q = s t), its scale is best moved by G t / (t H_gg t).
 *
 * G is formed again for each span of columns from what E then is, one chain of fused multiply-adds
 * over all columns; within the span the changes follow in a second chain, within a panel plain.
 *
 * Source: Chee et al. 2023 (arXiv:2307.13304), the greedy updates of QuIP; scales: least squares.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/gptq_slab.h"

#include <string.h>

#define ROWS WH_GPTQ_ROWS

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- codes ---- */

/* Round column k again with its G; change: of E. */
static void move_column(wh_slab *s, size_t k, const float *g, float *change)
{
    const float *row = wh_slab_panel_row(wh_slab_h(s), k, k), hkk = row[k % WH_PANEL];
    const wh_gptq_grid *grid = wh_slab_grid(s, k);
    uint8_t *code = s->codes + k * ROWS, fresh[ROWS];
    float old[ROWS], v[ROWS], q[ROWS], e[ROWS];
    s->ops->values(s->target, grid, code, s->lanes, old, NULL);
    for (size_t i = 0; i < s->lanes; i++) v[i] = old[i] + g[i] / hkk;
    s->ops->round(s->target, grid, v, s->lanes, q, fresh);
    for (size_t i = 0; i < s->lanes; i++) {
        const double d = (double)(q[i] - old[i]), gain = d * (d * (double)hkk - 2 * (double)g[i]);
        const int better = gain < 0;
        if (better) s->loss[i] += gain;
        code[i] = better ? fresh[i] : code[i];
        change[i] = better ? old[i] - q[i] : 0.0f;
        e[i] = s->w[k * ROWS + i] - (better ? q[i] : old[i]);
    }
    wh_slab_put(s, s->e, s->base->cols, k, e);
}

/* Columns of one panel, whose sums hold G but for what changed in the panel itself. */
static void descend_panel(wh_slab *s, size_t k0, size_t k1, size_t from)
{
    wh_slab_columns g, change;
    wh_slab_fetch(s, k0, k1, &g);
    for (size_t k = k0; k < k1; k++) {
        float *gk = g.at[k - k0];
        wh_slab_chain(s, wh_slab_h(s), k0, k, change.at, gk);
        move_column(s, k, gk, change.at[k - k0]);
        wh_slab_put(s, s->other, WH_GPTQ_SPAN, k - from, change.at[k - k0]);
    }
}

static void descend(wh_slab *s)
{
    const size_t cols = s->base->cols;
    for (size_t from = 0, to; from < cols; from = to) {
        to = smaller(cols, from + WH_GPTQ_SPAN);
        s->panels = 0; /* nothing of the span before is shared */
        wh_slab_span(s, from, to);
        wh_slab_multiply(s, wh_slab_h(s), s->e, cols, 0, s->first, s->first + s->panels, 0, cols);
        for (size_t k = from; k < to; k += WH_PANEL) {
            const size_t p = k / WH_PANEL;
            wh_slab_multiply(s, wh_slab_h(s), s->other, WH_GPTQ_SPAN, from, p, p + 1, from, k);
            descend_panel(s, k, smaller(to, k + WH_PANEL), from);
        }
    }
}

/* ---- scales ---- */

/* For each row the sum over columns [g0, g1) of the sums times t. */
static void dot(wh_slab *s, size_t g0, size_t g1, double *out)
{
    wh_slab_columns sums;
    float t[ROWS];
    memset(out, 0, ROWS * sizeof *out);
    for (size_t k = g0, end; k < g1; k = end) {
        end = smaller(g1, (k / WH_PANEL + 1) * WH_PANEL);
        wh_slab_fetch(s, k, end, &sums);
        for (size_t j = k; j < end; j++) {
            wh_slab_get(s, s->other, s->base->cols, j, t);
            for (size_t i = 0; i < s->lanes; i++)
                out[i] += (double)sums.at[j - k][i] * (double)t[i];
        }
    }
}

/* The levels of the group in columns [g0, g1), into other. */
static void levels(wh_slab *s, size_t g0, size_t g1)
{
    float value[ROWS], level[ROWS];
    for (size_t k = g0; k < g1; k++) {
        s->ops->values(s->target, wh_slab_grid(s, k), s->codes + k * ROWS, s->lanes, value, level);
        wh_slab_put(s, s->other, s->base->cols, k, level);
    }
}

static void rescale_rows(wh_slab *s, size_t g0, const double *gt, const double *tht)
{
    wh_gptq_grid *grid = wh_slab_grid(s, g0);
    const size_t col = s->base->order[g0] / s->target->group * s->target->group;
    for (size_t i = 0; i < s->rows; i++) {
        const float old = grid->step[i];
        if (!(tht[i] > 0)) continue;
        const float wanted = old + (float)(gt[i] / tht[i]);
        const float got = s->target->rescale(s->target, s->row + i, col, wanted);
        if (got == 0.0f) continue;
        const double d = (double)got - (double)old, gain = d * (d * tht[i] - 2 * gt[i]);
        if (gain < 0) {
            grid->step[i] = got;
            s->loss[i] += gain;
        } else {
            s->target->rescale(s->target, s->row + i, col, old);
        }
    }
}

static void refit(wh_slab *s)
{
    const size_t cols = s->base->cols, group = smaller(s->target->group, cols);
    double gt[ROWS], tht[ROWS];
    for (size_t g0 = 0, g1; g0 < cols; g0 = g1) {
        g1 = g0 + smaller(group, cols - s->base->order[g0] / group * group);
        levels(s, g0, g1);
        s->panels = 0;
        wh_slab_span(s, g0, g1);
        wh_slab_multiply(s, wh_slab_h(s), s->e, cols, 0, s->first, s->first + s->panels, 0, cols);
        dot(s, g0, g1, gt);
        s->panels = 0;
        wh_slab_span(s, g0, g1);
        wh_slab_multiply(s, wh_slab_h(s), s->other, cols, 0, s->first, s->first + s->panels, g0,
                         g1);
        dot(s, g0, g1, tht);
        rescale_rows(s, g0, gt, tht);
        for (size_t k = g0; k < g1; k++) {
            float q[ROWS], e[ROWS];
            s->ops->values(s->target, wh_slab_grid(s, k), s->codes + k * ROWS, s->lanes, q, NULL);
            for (size_t i = 0; i < s->lanes; i++) e[i] = s->w[k * ROWS + i] - q[i];
            wh_slab_put(s, s->e, cols, k, e);
        }
    }
}

void wh_gptq_polish(wh_slab *s)
{
    for (unsigned pass = 0; pass < s->job->passes; pass++) descend(s);
    if (s->job->refit && s->target->rescale &&
        s->target->sub >= smaller(s->target->group, s->base->cols))
        refit(s);
}
