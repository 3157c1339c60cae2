/* src/job/method.c - the options of a method, who takes part in it, and what is told of that.
 *
 * Not here: finding codes and factors (solve.h).
 * SPDX-License-Identifier: MIT */
#include "job/method.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "calib/observe.h"
#include "calib/state.h"
#include "job/checkpoint.h"
#include "job/gguf_out.h"
#include "job/solve.h"
#include "model/names.h"

/* ---- names ----------------------------------------------------------------------------------- */

static const struct chain {
    const char *name;
    unsigned methods;
} chains[] = {
    { "gptq", WHIT_METHOD_GPTQ },
    { "awq", WHIT_METHOD_AWQ },
    { "smoothquant", WHIT_METHOD_SMOOTHQUANT },
    { "hqq", WHIT_METHOD_HQQ },
    { "awq+gptq", WHIT_METHOD_AWQ | WHIT_METHOD_GPTQ },
    { "smoothquant+gptq", WHIT_METHOD_SMOOTHQUANT | WHIT_METHOD_GPTQ },
};
enum { CHAINS = sizeof chains / sizeof chains[0] };

const char *whit_method_name(unsigned methods)
{
    for (size_t i = 0; i < CHAINS; i++)
        if (chains[i].methods == methods) return chains[i].name;
    return NULL;
}

unsigned whit_method_parse(const char *name)
{
    for (size_t i = 0; name && i < CHAINS; i++)
        if (strcmp(chains[i].name, name) == 0) return chains[i].methods;
    return 0;
}

void whit_method_options_init(whit_method_options *options)
{
    *options = (whit_method_options){ .passes = -1, .qep = -1, .alpha = -1 };
}

const char *wh_fallback_text(uint32_t fallback)
{
    static const char *const texts[WH_FALLBACKS] = {
        [WH_FALLBACK_SCHEME] = "the method finds no codes of its scheme",
        [WH_FALLBACK_UNKNOWN] = "nothing is known of its input",
        [WH_FALLBACK_FEW] = "fewer than 64 tokens came into it",
        [WH_FALLBACK_NAN] = "what comes into it is not finite",
        [WH_FALLBACK_BLOCKS] = "a matrix that would be scaled with it stays as blocks",
        [WH_FALLBACK_FACTOR] = "its Hessian is not positive definite, whatever the damping",
        [WH_FALLBACK_WORSE] = "rounding alone is no worse",
        [WH_FALLBACK_DEAD] = "nothing but zeros came into it",
    };
    return fallback < WH_FALLBACKS ? texts[fallback] : NULL;
}

/* ---- options --------------------------------------------------------------------------------- */

static whit_status check_numbers(const whit_method_options *o, whit_error *err)
{
    if (!(o->damping >= 0 && o->damping <= 1))
        return wh_fail(err, WHIT_ERR_ARG, "a damping that is not from 0 to 1");
    if (o->qep > 1 || o->alpha > 1 || isnan(o->qep) || isnan(o->alpha))
        return wh_fail(err, WHIT_ERR_ARG, "a share that is not from 0 to 1");
    return wh_feeds_context(o->context, err);
}

/* Options that say something to none of the methods that were asked for. */
static whit_status check_used(const whit_method_options *o, whit_error *err)
{
    const int gptq = (o->methods & WHIT_METHOD_GPTQ) != 0;
    const char *name = whit_method_name(o->methods);
    const char *what = NULL;
    if (!gptq && (o->damping != 0 || o->act_order || o->static_groups || o->passes >= 0))
        what = "--damping, --act-order, --static-groups and --cd-passes are about gptq";
    if (o->qep >= 0 && (!gptq || o->feeds == 0)) what = "--qep is about gptq with --text";
    if (o->alpha >= 0 && !(o->methods & WHIT_METHOD_SMOOTHQUANT))
        what = "--alpha is about smoothquant";
    if (o->methods == WHIT_METHOD_HQQ && o->feeds > 0) what = "hqq learns from no text";
    if (o->feeds == 0 && (o->context || o->tokens))
        what = "--context and --tokens are about --text";
    return what ? wh_fail(err, WHIT_ERR_ARG, "--method %s: %s", name, what) : WHIT_OK;
}

static whit_status check_sources(const whit_plan *p, const whit_method_options *o, whit_error *err)
{
    const char *name = whit_method_name(o->methods);
    int is = 0;
    for (size_t i = 0; i < o->feeds; i++)
        if (!o->feed || !o->feed[i].path || (unsigned)o->feed[i].kind > WHIT_FEED_IDS)
            return wh_fail(err, WHIT_ERR_ARG, "--method %s learns from texts and ids", name);
    if (o->methods == WHIT_METHOD_HQQ || o->feeds > 0) return WHIT_OK;
    whit_status st = p->calibration ? wh_calib_probe(p->calibration, &is, err) : WHIT_OK;
    if (st != WHIT_OK) return st;
    if (!is)
        return wh_fail(err, WHIT_ERR_ARG,
                       "--method %s needs something to learn from; try: --text FILE, or "
                       "--calibration STATE, of whit calibrate --hessian",
                       name);
    return WHIT_OK;
}

static whit_status open_state(const whit_plan *p, wh_method *m, whit_error *err)
{
    const unsigned hessians = WHIT_METHOD_GPTQ | WHIT_METHOD_AWQ;
    char name[WH_SHORT];
    whit_calib *state;
    whit_status st = whit_calib_open(&state, p->calibration, err);
    if (st != WHIT_OK) return st;
    if (m->o.methods & hessians && !whit_calib_describe(state)->has_hessian)
        st = wh_fail(err, WHIT_ERR_ARG, "%s: has no Hessians; try: whit calibrate --hessian",
                     wh_short(name, p->calibration));
    whit_calib_close(state);
    m->state = wh_strndup(p->calibration, strlen(p->calibration));
    if (st == WHIT_OK && !m->state) st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for a name");
    return st == WHIT_OK ? wh_sha256_file(p->calibration, m->source, err) : st;
}

/* What it learns from, as whit.calibration has it. */
static whit_status hash_sources(const whit_plan *p, wh_method *m, whit_error *err)
{
    wh_buf lines = { 0 };
    if (m->o.methods == WHIT_METHOD_HQQ) return WHIT_OK;
    if (m->o.feeds == 0) return open_state(p, m, err);
    whit_status st = wh_feeds_open(&m->feeds, m->o.feed, m->o.feeds, m->o.tokens, err);
    if (st != WHIT_OK) return st;
    for (size_t i = 0; i < m->feeds.count; i++) {
        memcpy(m->source, m->feeds.feed[i].sha256, sizeof m->source);
        wh_buf_putf(&lines, "%s\n", m->source);
    }
    if (m->feeds.count > 1 && !lines.failed) wh_sha256_octets(lines.data, lines.len, m->source);
    if (lines.failed) st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for the hashes");
    wh_buf_free(&lines);
    return st;
}

whit_status wh_method_open(whit_plan *p, const whit_method_options *o, whit_error *err)
{
    if (o->methods == 0) return WHIT_OK;
    if (!whit_method_name(o->methods))
        return wh_fail(err, WHIT_ERR_ARG, "no such chain of methods; try: awq+gptq");
    whit_status st = check_numbers(o, err);
    if (st == WHIT_OK) st = check_used(o, err);
    if (st == WHIT_OK) st = check_sources(p, o, err);
    if (st != WHIT_OK) return st;
    if (p->clip == WHIT_CLIP_PERCENTILE && o->methods != WHIT_METHOD_SMOOTHQUANT)
        return wh_fail(err, WHIT_ERR_ARG, "--method %s knows no scales by percentile",
                       whit_method_name(o->methods));
    if (p->search == WHIT_SEARCH_REFERENCE)
        return wh_fail(err, WHIT_ERR_ARG,
                       "--search reference writes the octets of the reference encoders, which know "
                       "no --method");
    wh_method *m = p->method = wh_calloc(1, sizeof *m);
    if (!m) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a method");
    m->o = *o;
    m->count = p->count;
    m->solutions.journal.fd = -1;
    m->takes = wh_calloc(p->count, 1);
    m->fold = wh_calloc(p->count, sizeof *m->fold);
    m->solved = wh_calloc(p->count, sizeof *m->solved);
    if (!m->takes || !m->fold || !m->solved)
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a method");
    for (size_t i = 0; i < p->count; i++)
        m->solved[i] = (wh_solved){ .before = NAN, .after = NAN, .scaling = NAN };
    return hash_sources(p, m, err);
}

void wh_method_close(wh_method *m)
{
    if (!m) return;
    for (size_t i = 0; m->fold && i < m->count; i++) {
        free(m->fold[i].rows);
        free(m->fold[i].cols);
        free(m->fold[i].vector);
        free(m->fold[i].corrected);
        free(m->fold[i].importance);
    }
    wh_solutions_close(&m->solutions);
    wh_feeds_close(&m->feeds);
    wh_lines_free(&m->warnings);
    free(m->takes);
    free(m->fold);
    free(m->solved);
    free(m->state);
    free(m);
}

/* ---- who takes part -------------------------------------------------------------------------- */

wh_role wh_method_role(const whit_plan *p, size_t i, uint32_t *layer)
{
    const char *name = p->entry[i].source->tensor.name;
    wh_role role = wh_role_of_hf(name, layer);
    if (role == WH_ROLE_NONE) role = wh_role_of_gguf(name, layer);
    return role == WH_ROLE_NONE ? wh_role_of_llama2c(name, layer) : role;
}

/* A matrix that is multiplied with something that can be known. */
static int is_linear(const whit_plan *p, size_t i)
{
    const whit_source_tensor *s = p->entry[i].source;
    uint32_t layer;
    const wh_role role = wh_method_role(p, i, &layer);
    if (s->tensor.rank < 2 || s->rows != s->tensor.shape[0] || role == WH_ROLE_TOKEN_EMBD) return 0;
    if (p->gguf && (wh_gguf_drops(p, i) || s->tensor.rank != 2)) return 0;
    return p->method->o.feeds == 0 || (role != WH_ROLE_NONE && !wh_role_is_vector(role));
}

static int hqq_serves(const whit_scheme *s)
{
    if (s->kind == WHIT_GGUF) return s->block == WHIT_Q4_1 || s->block == WHIT_Q5_1;
    return s->asym && (s->gran == WHIT_GRAN_GROUP || s->gran == WHIT_GRAN_CHANNEL);
}

static int serves(unsigned methods, const whit_scheme *s)
{
    if (s->kind == WHIT_GGUF && !whit_block_describe(s->block)->encodes) return 0;
    return methods == WHIT_METHOD_HQQ ? hqq_serves(s) : !s->dq;
}

static whit_status fall_back(whit_plan *p, size_t i, whit_error *err)
{
    char name[WH_SHORT];
    wh_short(name, p->entry[i].source->tensor.name);
    p->method->solved[i].fallback = WH_FALLBACK_SCHEME;
    if (p->job.strict)
        return wh_fail(err, WHIT_ERR_BAR, "%s: %s, and --strict does not allow that", name,
                       wh_fallback_text(WH_FALLBACK_SCHEME));
    wh_lines_add(&p->warnings, "%s: rounded only: %s", name, wh_fallback_text(WH_FALLBACK_SCHEME));
    return WHIT_OK;
}

whit_status wh_method_choose(whit_plan *p, whit_error *err)
{
    wh_method *m = p->method;
    const int codes = m->o.methods != WHIT_METHOD_SMOOTHQUANT;
    size_t linears = 0;
    int scales = 0; /* static ranges of inputs that a method scales */
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < p->count && st == WHIT_OK; i++) {
        const whit_scheme *s = &p->entry[i].scheme;
        if (s->kind == WHIT_KEEP || !is_linear(p, i)) continue;
        linears++;
        scales |= (m->o.methods & WH_METHOD_FOLDS) && s->a8 == WHIT_A8_STATIC;
        if (!codes || !whit_scheme_is_quantized(s)) continue;
        m->takes[i] = (unsigned char)serves(m->o.methods, s);
        m->taking += m->takes[i];
        if (!m->takes[i]) st = fall_back(p, i, err);
    }
    if (st != WHIT_OK) return st;
    if (scales && p->observer != WHIT_OBSERVER_MINMAX)
        return wh_fail(
            err, WHIT_ERR_ARG,
            "--method %s: of inputs that are scaled only the largest magnitude is known; "
            "try: --observer minmax",
            whit_method_name(m->o.methods));
    if (linears == 0)
        return wh_fail(err, WHIT_ERR_ARG, "--method %s: no matrix that it could help is quantized",
                       whit_method_name(m->o.methods));
    if (m->o.methods == WHIT_METHOD_HQQ && m->taking == 0)
        return wh_fail(err, WHIT_ERR_ARG,
                       "--method hqq moves zero points, and no scheme has any; try: int4-g64-asym, "
                       "or q4_1");
    return WHIT_OK;
}

/* ---- telling --------------------------------------------------------------------------------- */

static void put_number(wh_buf *out, const char *key, double value)
{
    wh_buf_putf(out, " %s=", key);
    wh_json_put_double(out, value);
}

double wh_method_damping(const wh_method *m)
{
    return m->o.damping > 0 ? m->o.damping : 0.01;
}

void wh_method_option(const whit_plan *p, wh_buf *out)
{
    if (!p->method) return;
    const whit_method_options *o = &p->method->o;
    wh_buf_putf(out, "%smethod=%s", out->len ? " " : "", whit_method_name(o->methods));
    if (o->act_order) wh_buf_puts(out, " act-order");
    if (o->alpha >= 0) put_number(out, "alpha", o->alpha);
    if (o->passes >= 0) wh_buf_putf(out, " cd-passes=%d", o->passes);
    if (o->context) wh_buf_putf(out, " context=%" PRIu64, o->context);
    if (o->damping > 0) put_number(out, "damping", o->damping);
    if (o->qep >= 0) put_number(out, "qep", o->qep);
    if (o->static_groups) wh_buf_puts(out, " static-groups");
    if (o->tokens) wh_buf_putf(out, " tokens=%" PRIu64, o->tokens);
}

whit_status wh_method_tell(const whit_plan *p, size_t i, const wh_solved *solved, whit_error *err)
{
    p->method->solved[i] = *solved;
    return wh_solutions_put(&p->method->solutions, i, WH_PART_RESULT, solved, sizeof *solved, err);
}

whit_method_result wh_method_result(const whit_plan *p, size_t i)
{
    const wh_solved *s = p->method ? &p->method->solved[i] : NULL;
    whit_method_result none = { .before = NAN, .after = NAN, .scaling = NAN };
    if (!s || (!s->methods && !s->fallback && isnan(s->scaling))) return none;
    return (whit_method_result){ .name = whit_method_name(p->method->o.methods),
                                 .fallback = wh_fallback_text(s->fallback),
                                 .before = s->before,
                                 .after = s->after,
                                 .damping = s->damping,
                                 .scaling = s->scaling };
}

void wh_method_range(whit_plan_entry *e, float most)
{
    e->acts.limit = most;
    e->acts.scale = most > 0 ? most / wh_observe_top(e->scheme.kind) : 1.0f;
    e->acts.clipped = 0;
}

/* A token's way through a matrix costs about as much as 1/64 of its encoding. */
uint64_t wh_method_share(const whit_plan *p, size_t i)
{
    const wh_method *m = p->method;
    uint64_t tokens = 0;
    if (!m || !m->takes[i]) return 0;
    for (size_t k = 0; k < m->feeds.count; k++) tokens += m->feeds.feed[k].ids.count;
    return p->entry[i].bytes_in * (4 + tokens / 64);
}

uint64_t wh_method_work(const whit_plan *p)
{
    uint64_t total = 0;
    for (size_t i = 0; i < p->count; i++) total += wh_method_share(p, i);
    return total;
}
