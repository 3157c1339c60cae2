/* src/job/solve_plan.c - a method carried out for a plan: threads, what survives an interruption,
 * what is said of matrices that are only rounded.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "job/checkpoint.h"
#include "job/describe.h"
#include "job/feeds.h"
#include "job/model_hash.h"
#include "job/solve.h"

/* What a run does, as a hash: the same plan, the same octets. */
static whit_status hash_plan(const whit_plan *p, char text[WH_SHA256_TEXT], whit_error *err)
{
    wh_buf b = { 0 }, options = { 0 };
    char model[WH_SHA256_TEXT], small[WH_SHA256_TEXT], scheme[WHIT_SCHEME_TEXT];
    whit_status st = wh_model_hash(whit_source_file(p->source), model, err);
    if (st == WHIT_OK) st = wh_model_small_hash(whit_source_file(p->source), small, err);
    if (st != WHIT_OK) return st;
    wh_buf_putf(&b, "%s %s %s %s %d %d %u\n", WHIT_VERSION_STRING, model, small, p->method->source,
                (int)p->target.format, (int)p->clip,
                p->checkpoint ? p->checkpoint->gptq_version : 0);
    wh_plan_options(p, &options);
    wh_buf_puts(&b, options.len ? options.data : "");
    for (size_t i = 0; i < p->count; i++)
        wh_buf_putf(&b, "\n%s", whit_scheme_print(&p->entry[i].scheme, scheme));
    if (b.failed || options.failed)
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for the plan");
    else
        wh_sha256_octets(b.data, b.len, text);
    wh_buf_free(&b);
    wh_buf_free(&options);
    return st;
}

static whit_status open_solutions(whit_plan *p, whit_error *err)
{
    wh_method *m = p->method;
    char plan[WH_SHA256_TEXT];
    if (m->ran)
        return wh_fail(err, WHIT_ERR_ARG, "whit_plan_run: a plan with a method is run once");
    m->ran = 1;
    whit_status st = wh_target_apart(&p->target, p->source, &p->job, err);
    if (st != WHIT_OK) return st;
    if (!m->o.resume) {
        wh_journal_remove(p->target.path, WH_SOLUTIONS_NAME);
        return wh_solutions_open(&m->solutions, p->count, p->target.path, NULL, err);
    }
    st = hash_plan(p, plan, err);
    if (st == WHIT_OK) st = wh_solutions_open(&m->solutions, p->count, p->target.path, plan, err);
    return st == WHIT_OK ? wh_fold_take_up(p, err) : st;
}

/* What an entry has instead of what was asked for, at the end of b: nothing where it is that. */
static void put_fallback(const whit_plan *p, size_t i, wh_buf *b)
{
    const wh_solved *s = &p->method->solved[i];
    if (s->fallback) {
        wh_buf_puts(b, wh_fallback_text(s->fallback));
    } else if (s->damping > wh_method_damping(p->method)) {
        wh_buf_puts(b, "damping raised to ");
        wh_json_put_double(b, s->damping); /* whatever the locale */
    }
}

/* Of one entry: a member of `told`, a warning, and with strict the end. */
static whit_status judge_entry(whit_plan *p, size_t i, wh_buf *told, whit_error *err)
{
    const char *tensor = p->entry[i].source->tensor.name;
    const uint32_t fallback = p->method->solved[i].fallback;
    char name[WH_SHORT];
    wh_buf text = { 0 };
    whit_status st = WHIT_OK;
    put_fallback(p, i, &text);
    if (text.failed) st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for what is told of a matrix");
    if (st == WHIT_OK && text.len > 0) {
        wh_buf_puts(told, told->len ? "," : "{");
        wh_json_put_string(told, tensor);
        wh_buf_puts(told, ":");
        wh_json_put_string(told, text.data);
        wh_short(name, tensor);
        if (p->job.strict)
            st = wh_fail(err, WHIT_ERR_BAR, "%s: %s, and --strict does not allow that", name,
                         text.data);
        else if (fallback != WH_FALLBACK_SCHEME) /* that was said before */
            wh_lines_add(&p->warnings, "%s: %s%s", name, fallback ? "rounded only: " : "",
                         text.data);
    }
    wh_buf_free(&text);
    return st;
}

/* To the report, to the output, and with strict the end. */
static whit_status judge(whit_plan *p, whit_error *err)
{
    wh_buf told = { 0 };
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < p->count && st == WHIT_OK; i++) st = judge_entry(p, i, &told, err);
    wh_buf_puts(&told, told.len ? "}" : "");
    if (told.failed) st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for the names of matrices");
    const size_t files = p->gguf ? 1 : p->target.layout.count;
    for (size_t f = 0; f < files && told.len > 0 && st == WHIT_OK; f++)
        st = wh_layout_meta(&p->target.layout, f, "whit.fallbacks", told.data, err);
    if (st == WHIT_OK && told.len > 0) st = wh_layout_finish(&p->target.layout, err);
    wh_buf_free(&told);
    return st;
}

/* Octets a weight of an entry while it is worked on, at most; 0: it is not. */
static uint64_t octets_of(const whit_plan *p, size_t i)
{
    const wh_method *m = p->method;
    const unsigned methods = m->o.methods;
    const whit_gran gran = p->entry[i].scheme.gran;
    const uint64_t group = p->entry[i].scheme.group ? p->entry[i].scheme.group : 16;
    const int shared = gran == WHIT_GRAN_TENSOR || gran == WHIT_GRAN_BLOCK;
    uint32_t layer;
    const wh_role role = wh_method_role(p, i, &layer);
    const int linear = role >= WH_ROLE_LAYER && !wh_role_is_vector(role);
    uint64_t most = 0;
    if (linear && m->o.feeds > 0) most = 2 * 4 + 4; /* values, decoded; codes and scales */
    if (linear && methods & WH_METHOD_FOLDS)
        most = 5 * 4 + 4; /* the values of three that share an input, one scaled and decoded */
    if (!m->takes[i]) return most;
    uint64_t own = 2 * 4 + 4;
    /* clipped, and tries: clipped, decoded, the best; two of scratch where a scale is of them all,
     * else the errors of each group with it and without */
    if (methods & WHIT_METHOD_AWQ) own += 4 * 4 + (shared ? 2 * 4 : (2 * 8 + group - 1) / group);
    /* shifted; where a scale is of many rows: from all, in order, weighed */
    if (methods & WHIT_METHOD_GPTQ) own = shared ? 7 * 4 : 4 * 4;
    return own > most ? own : most;
}

uint64_t wh_method_matrix(const whit_plan *p)
{
    uint64_t most = 0;
    for (size_t i = 0; i < p->count; i++) {
        const uint64_t bytes = p->entry[i].weights * octets_of(p, i);
        if (bytes > most) most = bytes;
    }
    return most;
}

whit_status wh_method_fits(const whit_plan *p, uint64_t stream, whit_error *err)
{
    uint64_t widest = 0, bytes = 0;
    whit_status st = WHIT_OK;
    if (!p->job.max_memory) return WHIT_OK;
    for (size_t i = 0; i < p->count; i++)
        if (octets_of(p, i) > 0 && p->entry[i].source->cols > widest)
            widest = p->entry[i].source->cols;
    bytes = wh_method_matrix(p);
    if (p->method->o.methods != WHIT_METHOD_HQQ) bytes += widest * widest * 32;
    if (p->method->o.feeds > 0) st = wh_solve_text_bytes(p, &bytes, err);
    if (bytes < stream) bytes = stream;
    return st == WHIT_OK ? wh_stream_fits(p->job.max_memory, bytes, err) : st;
}

whit_status wh_method_solve(whit_plan *p, wh_meter *meter, whit_error *err)
{
    wh_method *m = p->method;
    const whit_context_options o = { sizeof o, p->job.threads < 256 ? p->job.threads : 256, -1 };
    wh_solver s = { .plan = p, .meter = meter };
    whit_status st = open_solutions(p, err);
    if (st == WHIT_OK) st = whit_context_open(&s.context, &o, err);
    if (st == WHIT_OK) st = m->o.feeds > 0 ? wh_solve_text(&s, err) : wh_solve_state(&s, err);
    wh_solver_close(&s);
    whit_context_close(s.context);
    wh_lines_copy(&p->warnings, &m->warnings);
    if (st == WHIT_OK) st = wh_fold_weigh(p, err);
    if (st == WHIT_OK) st = judge(p, err);
    if (st == WHIT_OK && p->warnings.failed)
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for warnings");
    return st;
}

void wh_method_done(const whit_plan *p)
{
    if (!p->method->o.resume) return;
    wh_solutions_close(&p->method->solutions);
    wh_journal_remove(p->target.path, WH_SOLUTIONS_NAME);
}
