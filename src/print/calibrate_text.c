/* src/print/calibrate_text.c - a run of calibration, and two states side by side, as tables and
 * JSON.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <math.h>

#include "base/json.h"
#include "job/calibrate.h"
#include "print/page.h"

static double rate(double amount, double seconds)
{
    return seconds > 0 ? amount / seconds : 0;
}

void whit_calibration_write_text(const whit_calibration *calibration, int flags, FILE *out)
{
    const whit_calibrate_totals *t = &calibration->total;
    wh_page p = wh_page_new(flags);
    char a[32], b[32], c[32];
    wh_page_style(&p, WH_BOLD);
    wh_page_name(&p, calibration->output);
    wh_page_style(&p, WH_PLAIN);
    wh_buf_putf(&p.text, "\ninputs  %s with %s columns\ntokens  %s", wh_spaced(t->inputs, a),
                wh_spaced(t->columns, b), wh_spaced(t->tokens, c));
    if (t->windows) wh_buf_putf(&p.text, " in %s windows", wh_spaced(t->windows, a));
    wh_buf_putf(&p.text, ", %.1f s, %.0f a second\n", t->seconds,
                rate((double)t->tokens, t->seconds));
    if (t->hessian_seconds > 0)
        wh_buf_putf(&p.text, "X^T X   %.1f s, %.1f GFLOP/s%s\n", t->hessian_seconds,
                    t->hessian_gflops, t->spilled ? ", in a file" : "");
    wh_page_print(&p, out);
}

static void print(wh_buf *b, FILE *out)
{
    wh_buf_print(b, out);
}

void whit_calibration_write_json(const whit_calibration *calibration, FILE *out)
{
    const whit_calibrate_totals *t = &calibration->total;
    wh_buf b = { 0 };
    wh_buf_puts(&b, "{\"schema\":1,\"command\":\"calibrate\"");
    wh_json_add_text(&b, "model", calibration->path);
    wh_json_add_text(&b, "output", calibration->output);
    wh_buf_putf(&b,
                ",\"inputs\":%" PRIu64 ",\"columns\":%" PRIu64 ",\"tokens\":%" PRIu64
                ",\"windows\":%" PRIu64 ",\"context\":%zu,\"hessian\":%s,\"spilled\":%s",
                t->inputs, t->columns, t->tokens, t->windows, calibration->feeds.window,
                calibration->o.hessian ? "true" : "false", t->spilled ? "true" : "false");
    wh_json_add_double(&b, "seconds", t->seconds);
    wh_json_add_double(&b, "tokens_per_second", rate((double)t->tokens, t->seconds));
    wh_json_add_double(&b, "statistics_seconds", t->statistics_seconds);
    wh_json_add_double(&b, "hessian_seconds", t->hessian_seconds);
    wh_json_add_double(&b, "hessian_gflops", t->hessian_gflops);
    wh_json_add_text(&b, "isa", calibration->isa);
    wh_json_add_lines(&b, "warnings", &calibration->warnings);
    wh_buf_puts(&b, "}\n");
    print(&b, out);
}

/* ---- two states ------------------------------------------------------------------------------ */

void whit_calib_compare_text(const whit_calib_difference *difference, size_t count, int flags,
                             FILE *out)
{
    wh_page p = wh_page_new(flags);
    double low = INFINITY, sum = 0;
    size_t ranked = 0;
    for (size_t i = 0; i < count; i++) wh_page_fit(&p, difference[i].name);
    wh_page_style(&p, WH_BOLD);
    wh_buf_putf(&p.text, "%-*s  %8s %8s %8s %8s\n", p.name_width, "input", "columns", "rank",
                "range", "outside");
    wh_page_style(&p, WH_PLAIN);
    for (size_t i = 0; i < count; i++) {
        const whit_calib_difference *d = &difference[i];
        wh_page_name(&p, d->name);
        wh_buf_putf(&p.text, "  %8" PRIu64 " %8.4f %8.3f %7.1f%%\n", d->cols, d->rank, d->range,
                    100 * d->outside);
        if (isnan(d->rank)) continue;
        low = fmin(low, d->rank);
        sum += d->rank;
        ranked++;
    }
    if (ranked)
        wh_buf_putf(&p.text, "%-*s  %8s %8.4f (least %.4f)\n", p.name_width, "mean", "",
                    sum / (double)ranked, low);
    wh_page_print(&p, out);
}

void whit_calib_compare_json(const whit_calib_difference *difference, size_t count, FILE *out)
{
    wh_buf b = { 0 };
    wh_buf_puts(&b, "{\"schema\":1,\"command\":\"calibrate\",\"compare\":[");
    for (size_t i = 0; i < count; i++) {
        const whit_calib_difference *d = &difference[i];
        wh_buf_puts(&b, i ? ",{\"name\":" : "{\"name\":");
        wh_json_put_string(&b, d->name);
        wh_buf_putf(&b, ",\"columns\":%" PRIu64, d->cols);
        wh_json_add_double(&b, "rank", d->rank);
        wh_json_add_double(&b, "range", d->range);
        wh_json_add_double(&b, "outside", d->outside);
        wh_buf_puts(&b, "}");
    }
    wh_buf_puts(&b, "]}\n");
    print(&b, out);
}
