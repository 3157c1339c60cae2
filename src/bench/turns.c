/* src/bench/turns.c - products of packed weights, timed beside each other.
 *
 * Rows of one shape and number of tokens take turns: a disturbance meets all of them, and of cold
 * weights the others are what drives a copy out of the caches. A turn calls those with few octets
 * more often, so that each reads about as much and gets about as much time. A call is timed as a
 * caller would see it, activations quantized inside.
 *
 * SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#include <stdlib.h>

#include "base/mem.h"
#include "kernels/context.h"

#define PATIENCE 3 /* times the asked-for seconds at most, once all were called */

typedef struct cell {
    wh_item *item;
    size_t row, peak; /* in the bench, in its probes */
    whit_acts acts;
    double *us; /* [runs] */
    size_t runs, cap;
    double seconds; /* of all calls */
    uint64_t checksum;
} cell;

typedef struct group {
    whit_bench *b;
    cell *cell;
    size_t count;
    size_t tokens;
    int cold;
    const float *x;
    float *y;
} group;

/* ---- what serves a cell ---- */

/* What its products are held against. */
static wh_probe_kind probe_kind(const whit_weight *w, whit_acts acts)
{
    if (acts == WHIT_ACTS_BF16) return WH_PROBE_BF16;
    if (acts == WHIT_ACTS_F32) return WH_PROBE_FMA;
    return wh_form_bits(w->form) <= 4 ? WH_PROBE_INT4 : WH_PROBE_INT8;
}

int wh_choose_acts(whit_bench_acts asked, const whit_weight_info *info, whit_acts *acts)
{
    const int plain = !whit_scheme_is_quantized(&info->scheme);
    if (asked == WHIT_BENCH_ACTS_BF16) {
        *acts = WHIT_ACTS_BF16;
        return 1;
    }
    *acts = asked != WHIT_BENCH_ACTS_F32 && info->acts_q8 ? WHIT_ACTS_Q8 : WHIT_ACTS_F32;
    return asked != WHIT_BENCH_ACTS_Q8 || info->acts_q8 || plain;
}

static whit_status add_cell(group *g, wh_item *item, whit_error *err)
{
    whit_bench *b = g->b;
    whit_weight_info info;
    whit_acts acts;
    whit_weight_describe(item->copy[0], &info);
    if (!wh_choose_acts(b->o.acts, &info, &acts)) return WHIT_OK;
    whit_bench_row *row = wh_bench_add(b);
    if (!row) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a row");
    const wh_op op = wh_matmul_op(&b->context->kernels, item->copy[0], acts, g->tokens);
    wh_type_print(&item->scheme, row->type);
    row->op = wh_op_table()[op].name;
    row->isa = b->context->kernels.op[op]->isa;
    row->acts = acts;
    row->rows = item->rows;
    row->cols = item->cols;
    row->tokens = g->tokens;
    row->count = item->count;
    row->bytes = info.bytes;
    row->cold = g->cold;
    const wh_probe *probe = wh_probe_for(probe_kind(item->copy[0], acts), row->isa);
    row->peak = probe->name;
    g->cell[g->count++] = (cell){
        .item = item, .row = b->count - 1, .peak = wh_probes_want(&b->probes, probe), .acts = acts
    };
    return WHIT_OK;
}

/* ---- timing ---- */

static whit_status call(group *g, cell *c, whit_error *err)
{
    wh_item *item = c->item;
    void *us = c->us;
    const int grown = wh_grow(&us, &c->cap, c->runs + 1, sizeof *c->us);
    c->us = us;
    if (!grown) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu times", c->runs);
    const whit_weight *w = item->copy[g->cold ? item->next++ % item->copies : 0];
    const double start = wh_seconds();
    whit_status st = whit_matmul(g->b->context, w, c->acts, g->x, g->tokens, g->y, err);
    const double seconds = wh_seconds() - start;
    c->us[c->runs++] = seconds * 1e6;
    c->seconds += seconds;
    return st;
}

static uint64_t y_checksum(const group *g, const cell *c)
{
    return wh_checksum(g->y, g->tokens * (size_t)c->item->rows * sizeof *g->y);
}

static size_t dropped(const cell *c)
{
    return c->runs > WH_BENCH_DROPPED ? WH_BENCH_DROPPED : c->runs - 1;
}

/* The first calls: as many as will be dropped, fewer where one takes the whole time. */
static whit_status warm_up(group *g, whit_error *err)
{
    for (size_t i = 0; i < g->count; i++) {
        cell *c = &g->cell[i];
        for (size_t k = 0; k < WH_BENCH_DROPPED && (k == 0 || c->seconds < g->b->o.seconds); k++) {
            whit_status st = call(g, c, err);
            if (st == WHIT_OK) st = wh_meter_step(&g->b->meter, g->b->row[c->row].type, 0, err);
            if (st != WHIT_OK) return st;
            if (k == 0) c->checksum = y_checksum(g, c);
        }
    }
    return WHIT_OK;
}

/* Whether every cell has had its time, or all together far more than theirs. */
static int enough(const group *g, double *part)
{
    const double want = g->b->o.seconds;
    double sum = 0, had = 0;
    for (size_t i = 0; i < g->count; i++) {
        const cell *c = &g->cell[i];
        double counted = c->seconds;
        for (size_t k = 0; k < dropped(c); k++) counted -= c->us[k] * 1e-6;
        sum += counted;
        had += counted < want ? counted : want;
    }
    const double all = want * (double)g->count;
    *part = had / all;
    return had >= all * (1 - 1e-9) || sum >= PATIENCE * all;
}

static whit_status take_turns(group *g, double rows_before, whit_error *err)
{
    whit_status st = WHIT_OK;
    double part;
    while (st == WHIT_OK && !enough(g, &part)) {
        const double now = rows_before + part * (double)g->count;
        for (size_t i = 0; i < g->count; i++) {
            cell *c = &g->cell[i];
            st = wh_bench_step(g->b, g->b->row[c->row].type, now, err);
            for (size_t k = 0; k < c->item->calls && st == WHIT_OK; k++) st = call(g, c, err);
            if (st != WHIT_OK) return st;
        }
    }
    return st;
}

/* Another copy must give the same bits as the first call did. */
static whit_status check_again(group *g, whit_error *err)
{
    for (size_t i = 0; i < g->count; i++) {
        cell *c = &g->cell[i];
        const whit_weight *w = c->item->copy[c->item->copies - 1];
        if (c->runs < 2) continue; /* far too slow to try again */
        whit_status st = whit_matmul(g->b->context, w, c->acts, g->x, g->tokens, g->y, err);
        if (st != WHIT_OK) return st;
        if (y_checksum(g, c) != c->checksum)
            return wh_fail(err, WHIT_ERR_NUMERIC, "%s, %zu tokens: two calls gave different bits",
                           g->b->row[c->row].type, g->tokens);
    }
    return WHIT_OK;
}

static void take_times(group *g)
{
    for (size_t i = 0; i < g->count; i++) {
        cell *c = &g->cell[i];
        whit_bench_row *row = &g->b->row[c->row];
        const size_t first = dropped(c);
        row->runs = c->runs - first;
        row->us_median = wh_median(c->us + first, (size_t)row->runs);
        row->us_min = c->us[first]; /* sorted now */
        row->checksum = c->checksum;
        if (!g->cold) row->read_gbps = wh_probes_reread(g->b, row->bytes);
    }
}

whit_status wh_bench_turns(whit_bench *b, wh_item *item, size_t n, const wh_turns *turns,
                           whit_error *err)
{
    const double before = (double)b->count;
    group g = { b, wh_calloc(n, sizeof(cell)), 0, turns->tokens, turns->cold, turns->x, turns->y };
    whit_status st = WHIT_OK;
    if (!g.cell) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu rows", n);
    for (size_t i = 0; i < n && st == WHIT_OK; i++) st = add_cell(&g, &item[i], err);
    if (st == WHIT_OK) st = wh_probes_run(b, err);
    if (st == WHIT_OK) st = warm_up(&g, err);
    if (st == WHIT_OK) st = take_turns(&g, before, err);
    if (st == WHIT_OK) st = check_again(&g, err);
    if (st == WHIT_OK) take_times(&g);
    for (size_t i = 0; i < g.count; i++) free(g.cell[i].us);
    free(g.cell);
    return st;
}
