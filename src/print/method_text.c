/* src/print/method_text.c - what a method did, for people and as JSON.
 *
 * SPDX-License-Identifier: MIT */
#include "print/method_text.h"

#include <math.h>

#include "base/elementary.h"
#include "base/json.h"
#include "job/method.h"

void wh_method_json(wh_buf *b, const whit_plan *plan, size_t i)
{
    const whit_method_result r = wh_method_result(plan, i);
    if (!plan->method) return;
    wh_buf_puts(b, ",\"method\":");
    if (!r.name) {
        wh_buf_puts(b, "null");
        return;
    }
    wh_buf_puts(b, "{\"name\":");
    wh_json_put_string(b, r.name);
    wh_json_add_text(b, "fallback", r.fallback);
    wh_json_add_double(b, "before", r.before);
    wh_json_add_double(b, "after", r.after);
    wh_json_add_double(b, "damping", r.damping > 0 ? r.damping : NAN);
    wh_json_add_double(b, "scaling", r.scaling);
    wh_buf_puts(b, "}");
}

void wh_method_row(wh_page *p, const whit_plan *plan, size_t i)
{
    const whit_method_result r = wh_method_result(plan, i);
    if (r.fallback)
        wh_buf_putf(&p->text, "  rounded only: %s", r.fallback);
    else if (r.after > 0 && r.before > 0)
        wh_buf_putf(&p->text, "  out %8.2e -> %8.2e", r.before, r.after);
}

/* Matrices by what became of them, and the geometric mean of what is left of their errors. */
typedef struct sums {
    size_t solved, scaled, fallbacks, measured;
    double logs, damping;
} sums;

static sums sum_up(const whit_plan *plan)
{
    sums s = { 0 };
    for (size_t i = 0; i < plan->count; i++) {
        const whit_method_result r = wh_method_result(plan, i);
        s.fallbacks += (size_t)(r.fallback != NULL);
        s.scaled += (size_t)!isnan(r.scaling);
        s.solved += (size_t)(!r.fallback && plan->method->takes[i]);
        s.damping = fmax(s.damping, r.damping);
        if (r.fallback || !(r.before > 0) || !(r.after > 0)) continue;
        s.measured++;
        s.logs += wh_log(r.after / r.before);
    }
    return s;
}

void wh_method_lines(wh_page *p, const whit_plan *plan, int done)
{
    if (!plan->method) return;
    wh_buf_putf(&p->text, "method    %s", whit_method_name(plan->method->o.methods));
    if (!done) {
        wh_buf_putf(&p->text, ", codes of %zu matrices\n", plan->method->taking);
        return;
    }
    const sums s = sum_up(plan);
    if (plan->method->taking) wh_buf_putf(&p->text, ", codes of %zu matrices", s.solved);
    if (s.scaled) wh_buf_putf(&p->text, ", scales folded into %zu", s.scaled);
    if (s.measured)
        wh_buf_putf(&p->text, ", square errors of outputs times %.3f in the mean",
                    wh_exp(s.logs / (double)s.measured));
    if (s.damping > 0) wh_buf_putf(&p->text, ", damping up to %g", s.damping);
    if (s.fallbacks) wh_buf_putf(&p->text, ", %zu only rounded", s.fallbacks);
    wh_buf_puts(&p->text, "\n");
}
