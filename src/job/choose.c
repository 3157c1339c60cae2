/* src/job/choose.c - what each tensor becomes: what the rules say, as far as the output can hold
 * it.
 *
 * Not here: the rules (rules.c), what the formats hold (stored.c, gguf_settle.c, checkpoint.c).
 *
 * SPDX-License-Identifier: MIT */
#include "job/choose.h"

#include <string.h>

#include "job/checkpoint.h"
#include "job/gguf_out.h"
#include "job/stored.h"

/* What it is instead of what was asked for. */
static const char *becomes(const whit_plan *p, const whit_plan_entry *e,
                           char text[WHIT_SCHEME_TEXT])
{
    const int kept = e->scheme.kind == WHIT_KEEP || !p->gguf; /* or F32, as stored.c has it */
    return kept ? "kept" : whit_scheme_print(&e->scheme, text);
}

static whit_status check_strict(const whit_plan *p, size_t i, whit_error *err)
{
    const whit_plan_entry *e = &p->entry[i];
    char name[WH_SHORT], text[WHIT_SCHEME_TEXT];
    if (!p->job.strict || e->source->tensor.rank < 2) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_BAR, "%s: %s (%s), and --strict does not allow that",
                   wh_short(name, e->source->tensor.name), becomes(p, e, text), e->reason);
}

static int same_fallback(const whit_plan *p, size_t a, size_t b)
{
    const whit_plan_entry *x = &p->entry[a], *y = &p->entry[b];
    char i[WHIT_SCHEME_TEXT], k[WHIT_SCHEME_TEXT];
    return x->fallback && y->fallback && strcmp(x->reason, y->reason) == 0 &&
           strcmp(becomes(p, x, i), becomes(p, y, k)) == 0;
}

/* One line for all that became the same for the same reason, at the first of them. */
static void warn_fallbacks(whit_plan *p)
{
    char name[WH_SHORT], text[WHIT_SCHEME_TEXT];
    for (size_t i = 0; i < p->count; i++) {
        const whit_plan_entry *e = &p->entry[i];
        size_t before = 0, behind = 0;
        if (!e->fallback) continue;
        for (size_t k = 0; k < i && !before; k++) before += (size_t)same_fallback(p, k, i);
        if (before) continue;
        for (size_t k = i + 1; k < p->count; k++) behind += (size_t)same_fallback(p, k, i);
        wh_short(name, e->source->tensor.name);
        if (behind)
            wh_lines_add(&p->warnings, "%s and %zu more: %s (%s)", name, behind,
                         becomes(p, e, text), e->reason);
        else
            wh_lines_add(&p->warnings, "%s: %s (%s)", name, becomes(p, e, text), e->reason);
    }
}

static whit_status choose(whit_plan *p, size_t i, whit_error *err)
{
    wh_choice c;
    char name[WH_SHORT];
    const whit_source_tensor *s = whit_source_at(p->source, i);
    whit_tensor t = s->tensor;
    if (whit_scheme_is_quantized(&s->scheme)) t.dtype = WHIT_F32; /* as which it is read */
    whit_status st = p->gguf ? WHIT_OK : wh_stored_decodes(p->source, i, err);
    if (st == WHIT_OK) st = wh_rules_choose(p->rules, &t, &c, err);
    if (st == WHIT_OK)
        st = p->gguf         ? wh_gguf_settle(p, i, &c, err)
             : p->checkpoint ? wh_checkpoint_settle(p, i, &c, err)
                             : wh_stored_settle(p, s, &c, err);
    if (st != WHIT_OK) return st;
    whit_dtype type = s->tensor.dtype;
    if (p->fake && c.scheme.kind != WHIT_KEEP &&
        (type == WHIT_F8_E4M3FNUZ || type == WHIT_F8_E5M2FNUZ))
        return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: %s is not written; try: --rule 'NAME=keep'",
                       wh_short(name, s->tensor.name), whit_dtype_name(type));
    p->entry[i] =
        (whit_plan_entry){ .source = s,
                           .scheme = c.scheme,
                           .reason = c.scheme.kind == WHIT_KEEP || c.fallback ? c.reason : NULL,
                           .rule = c.rule,
                           .fallback = c.fallback,
                           .weights = s->tensor.elements,
                           .bytes_in = s->tensor.bytes };
    return c.fallback ? check_strict(p, i, err) : WHIT_OK;
}

whit_status wh_plan_choose(whit_plan *p, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < p->count && st == WHIT_OK; i++) st = choose(p, i, err);
    if (st == WHIT_OK) warn_fallbacks(p);
    return st;
}
