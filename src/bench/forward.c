/* src/bench/forward.c - the whole forward pass of a model, and its products alone, timed in
 * turns.
 *
 * Four things take turns, whichever had the least time so far: a prompt at once, a token behind
 * others, and the same products without anything between them. So a disturbance meets all, and what
 * the products take is what the pass can be held against.
 *
 * Not here: the model and its weights (retype.c).
 * SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/pages.h"
#include "model/runner.h"

#define PREFILL 512u
#define BEHIND 255u
#define PATIENCE 3 /* times the asked-for seconds at most */
#define SCRATCH_BYTES ((uint64_t)20 << 20)

enum { PROMPT, TOKEN, PROMPT_PRODUCTS, TOKEN_PRODUCTS, TASKS };

typedef struct task {
    double *us; /* [runs] */
    size_t runs, cap;
    double seconds; /* of all runs */
    uint64_t checksum;
} task;

typedef struct forward {
    whit_bench *b;
    whit_model *model;
    whit_session *session;
    size_t prompt, behind; /* tokens */
    uint32_t *ids;         /* [prompt] */
    float *logits, *x, *y;
    size_t x_bytes, y_bytes;
    task task[TASKS];
    uint64_t huge, all; /* octets of weights on huge pages, and at all */
} forward;

/* ---- the tasks ------------------------------------------------------------------------------- */

/* Every product of a pass, one behind the other: of all tokens, and of one with the head. */
static whit_status products(forward *f, size_t tokens, whit_error *err)
{
    const size_t n = whit_model_linears(f->model);
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < n && st == WHIT_OK; i++) {
        const wh_linear *l = wh_model_linear(f->model, i);
        st = whit_matmul(f->b->context, l->weight, l->told.acts, f->x, i + 1 < n ? tokens : 1, f->y,
                         err);
    }
    return st;
}

static whit_status perform(forward *f, int which, whit_error *err)
{
    switch (which) {
    case PROMPT:
        whit_session_rewind(f->session, 0);
        return whit_session_feed(f->session, f->ids, f->prompt, WHIT_LOGITS_LAST, f->logits, err);
    case TOKEN: /* the prompt was there before */
        whit_session_rewind(f->session, f->behind);
        return whit_session_feed(f->session, f->ids + f->behind, 1, WHIT_LOGITS_LAST, f->logits,
                                 err);
    case PROMPT_PRODUCTS:
        return products(f, f->prompt, err);
    default:
        return products(f, 1, err);
    }
}

static whit_status run_task(forward *f, int which, whit_error *err)
{
    task *t = &f->task[which];
    void *us = t->us;
    const int grown = wh_grow(&us, &t->cap, t->runs + 1, sizeof *t->us);
    t->us = us;
    if (!grown) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu times", t->runs);
    const double start = wh_seconds();
    whit_status st = perform(f, which, err);
    const double seconds = wh_seconds() - start;
    if (st != WHIT_OK) return st;
    t->us[t->runs++] = seconds * 1e6;
    t->seconds += seconds;
    if (which > TOKEN) return WHIT_OK;
    const uint64_t sum = wh_checksum(f->logits, f->model->config.vocab * sizeof *f->logits);
    if (t->runs > 1 && sum != t->checksum)
        return wh_fail(err, WHIT_ERR_NUMERIC,
                       "two passes over the same tokens gave different bits");
    t->checksum = sum;
    return WHIT_OK;
}

/* ---- turns ----------------------------------------------------------------------------------- */

static size_t dropped(const task *t)
{
    return t->runs > WH_BENCH_DROPPED ? WH_BENCH_DROPPED : t->runs - 1;
}

static int enough(const forward *f, const task *t)
{
    const double want = f->b->o.seconds;
    double counted = t->seconds;
    if (t->runs == 0) return 0;
    for (size_t i = 0; i < dropped(t); i++) counted -= t->us[i] * 1e-6;
    return counted >= want || t->seconds >= PATIENCE * want;
}

/* Of those that want more the one that had the least, the earlier one of equals; TASKS: none. */
static int next_task(const forward *f)
{
    int best = TASKS;
    for (int i = 0; i < TASKS; i++)
        if (!enough(f, &f->task[i]) &&
            (best == TASKS || f->task[i].seconds < f->task[best].seconds))
            best = i;
    return best;
}

static whit_status take_turns(forward *f, const char *type, whit_error *err)
{
    const double before = (double)f->b->count;
    whit_status st = wh_probes_run(f->b, err);
    for (int i = 0; i < TASKS; i++) {
        free(f->task[i].us);
        f->task[i] = (task){ NULL, 0, 0, 0, 0 };
    }
    for (int i; st == WHIT_OK && (i = next_task(f)) != TASKS;) {
        double had = 0;
        for (int k = 0; k < TASKS; k++) had += f->task[k].seconds;
        had /= TASKS * f->b->o.seconds;
        st = wh_bench_step(f->b, type, before + 2 * (had < 1 ? had : 1), err);
        if (st == WHIT_OK) st = run_task(f, i, err);
    }
    return st;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static double best(task *t)
{
    const size_t first = dropped(t);
    wh_median(t->us + first, t->runs - first); /* sorts */
    return t->us[first];
}

static whit_status add_row(forward *f, int which, const char *type, whit_error *err)
{
    static const char *const ops[] = { "prefill", "decode" };
    const whit_model_linear *head =
        whit_model_linear_at(f->model, whit_model_linears(f->model) - 1);
    task *t = &f->task[which];
    whit_bench_row *row = wh_bench_add(f->b);
    if (!row) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a row");
    const double head_weights = (double)(head->info.rows * head->info.cols);
    row->op = ops[which];
    row->isa = f->b->machine.isa;
    snprintf(row->type, sizeof row->type, "%s", type);
    row->tokens = which == PROMPT ? f->prompt : 1;
    for (size_t i = 0; i < whit_model_linears(f->model); i++) {
        const whit_model_linear *l = whit_model_linear_at(f->model, i);
        row->bytes += l->info.bytes;
        if (l->acts != WHIT_ACTS_F32) row->acts = l->acts;
    }
    row->us_min = best(t);
    row->runs = t->runs - dropped(t);
    row->us_median = wh_median(t->us + dropped(t), (size_t)row->runs);
    row->checksum = t->checksum;
    row->matmul_us = best(&f->task[which + PROMPT_PRODUCTS]);
    const double body = (double)f->b->subject.weights - head_weights;
    const double ops_done = 2 * (body * (double)row->tokens + head_weights);
    row->tokens_per_second = (double)row->tokens * 1e6 / row->us_min;
    row->gbps = (double)row->bytes / row->us_min * 1e-3;
    row->gflops = ops_done / row->us_min * 1e-3;
    row->matmul_gflops = ops_done / row->matmul_us * 1e-3;
    row->pct_matmul = 100 * row->matmul_us / row->us_min;
    row->read_gbps = wh_probes_reread(f->b, row->bytes);
    return WHIT_OK;
}

static void note_weights(forward *f, const char *type)
{
    size_t decoded = 0, q8 = 0;
    for (size_t i = 0; i < whit_model_linears(f->model); i++) {
        const wh_linear *l = wh_model_linear(f->model, i);
        f->huge += wh_pages_huge(l->weight->pages, l->weight->pages_bytes);
        f->all += l->weight->pages_bytes;
        decoded += l->told.info.decoded != 0;
        q8 += l->told.acts == WHIT_ACTS_Q8;
    }
    if (decoded)
        wh_lines_add(
            &f->b->warnings,
            "%s: no kernel multiplies the codes of %zu of %zu matrices; decoded to float32 "
            "beforehand",
            type, decoded, whit_model_linears(f->model));
    if (f->b->o.acts == WHIT_BENCH_ACTS_Q8 && q8 == 0)
        wh_lines_add(&f->b->warnings, "%s: no kernel takes int8 activations for it; float32", type);
}

static whit_status measure(forward *f, const char *type, whit_error *err)
{
    whit_status st = take_turns(f, type, err);
    if (st != WHIT_OK) return st;
    note_weights(f, type);
    st = add_row(f, PROMPT, type, err);
    return st == WHIT_OK ? add_row(f, TOKEN, type, err) : st;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* What is read again and again comes no slower than from memory, whatever disturbed the probe. */
static void compare_rows(whit_bench *b)
{
    const double memory = wh_probes_read_gbps(&b->probes);
    for (size_t i = 0; i < b->count; i++) {
        whit_bench_row *r = &b->row[i];
        if (r->read_gbps < memory) r->read_gbps = memory;
        r->pct_bw = 100 * r->gbps / r->read_gbps;
        for (size_t k = i % 2; k < b->count; k += 2) {
            if (strcmp(b->row[k].type, "f32") == 0) r->over_f32 = b->row[k].us_min / r->us_min;
            if (strcmp(b->row[k].type, "f16") == 0) r->over_f16 = b->row[k].us_min / r->us_min;
        }
        const int plain = !strcmp(r->type, "f32") || !strcmp(r->type, "bf16");
        if (!plain && r->over_f16 > 0 && r->over_f16 < 1)
            wh_lines_add(&b->warnings, "%s is slower than f16 (%s): %.2fx", r->type, r->op,
                         r->over_f16);
    }
}

/* Memory for the largest of the types, the session and what the products go through; the rest is
 * the probe's. */
static whit_status share_memory(forward *f, const wh_model_config *c, uint64_t stored,
                                const whit_scheme *types, size_t n, whit_error *err)
{
    uint64_t most = stored, making = 0, probe, copies;
    const uint64_t q = (uint64_t)c->heads * c->head_dim, kv = (uint64_t)c->kv_heads * c->head_dim;
    const uint64_t wide = c->ffn > c->dim ? c->ffn : c->dim, x = wide > q ? wide : q;
    const uint64_t y = x > c->vocab ? x : c->vocab;
    for (size_t i = 0; i < n; i++) {
        uint64_t more;
        const uint64_t bytes = wh_retyped_bytes(c, &types[i], &more);
        most = bytes > most ? bytes : most;
        making = more > making ? more : making;
    }
    const uint64_t text = f->prompt * (kv * c->layers * 2 + 4 * (c->dim + q + kv + c->ffn));
    const uint64_t need = most + making + SCRATCH_BYTES + 4 * (text + f->prompt * (x + y));
    whit_status st = wh_bench_share(f->b, need, 0, &probe, &copies, err);
    if (st == WHIT_OK) st = wh_probes_open(f->b, probe, err);
    if (st != WHIT_OK) return st;
    f->x_bytes = (size_t)(f->prompt * x) * sizeof *f->x;
    f->y_bytes = (size_t)(f->prompt * y) * sizeof *f->y;
    f->x = wh_pages_alloc(f->x_bytes);
    f->y = wh_pages_alloc(f->y_bytes);
    f->logits = wh_calloc(c->vocab, sizeof *f->logits);
    f->ids = wh_calloc(f->prompt, sizeof *f->ids);
    if (!f->x || !f->y || !f->logits || !f->ids)
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for activations");
    wh_bench_fill(f->x, f->x_bytes / sizeof *f->x, 2);
    for (uint32_t i = 0; i < f->prompt; i++) f->ids[i] = (7 * i + 3) % c->vocab;
    return WHIT_OK;
}

static whit_status measure_all(forward *f, const whit_scheme *types, size_t n, whit_error *err)
{
    const char *stored = f->b->subject.stored;
    whit_status st = whit_session_open(&f->session, f->model, f->prompt, err);
    if (st == WHIT_OK && !f->b->o.synthetic) st = measure(f, *stored ? stored : "own", err);
    for (size_t i = 0; i < n && st == WHIT_OK; i++) {
        char text[WHIT_SCHEME_TEXT];
        wh_type_print(&types[i], text);
        if (strcmp(text, stored) == 0) continue; /* it was measured as it is */
        st = wh_retype(f->b, f->model, &types[i], err);
        if (st == WHIT_OK) st = measure(f, text, err);
    }
    if (st == WHIT_OK) st = wh_probes_run(f->b, err);
    if (st != WHIT_OK) return st;
    f->b->machine.pages = 2 * f->huge > f->all ? "2m" : "4k";
    compare_rows(f->b);
    return wh_bench_step(f->b, "done", (double)f->b->meter.total / 1000, err);
}

static void close_all(forward *f)
{
    whit_session_close(f->session);
    whit_model_close(f->model);
    wh_pages_free(f->x, f->x_bytes);
    wh_pages_free(f->y, f->y_bytes);
    for (int i = 0; i < TASKS; i++) free(f->task[i].us);
    free(f->logits);
    free(f->ids);
}

whit_status wh_bench_forward(whit_bench *b, whit_error *err)
{
    static const char standard[] = "f32,f16,int8-channel,int4-g128,nf4-g64";
    forward f = { .b = b };
    whit_scheme *types = NULL;
    size_t n = 0;
    uint64_t stored = 0;
    wh_model_config c;
    whit_status st = wh_list_types(b->o.types ? b->o.types : standard, &types, &n, err);
    if (st == WHIT_OK) st = wh_subject_config(b, &c, &stored, err);
    for (size_t i = 0; i < n && st == WHIT_OK; i++) st = wh_retype_fits(&c, &types[i], err);
    if (st == WHIT_OK) {
        f.prompt = c.context < PREFILL ? c.context : PREFILL;
        f.behind = f.prompt - 1 < BEHIND ? f.prompt - 1 : BEHIND;
        b->subject.prefill = (uint32_t)f.prompt;
        b->subject.behind = (uint32_t)f.behind;
        b->meter.total = 2 * (n + 1) * 1000;
        st = share_memory(&f, &c, stored, types, n, err);
    }
    if (st == WHIT_OK) st = wh_subject_open(b, &c, &f.model, err);
    if (st == WHIT_OK) st = measure_all(&f, types, n, err);
    close_all(&f);
    free(types);
    return st;
}
