/* src/print/calib_text.c - a calibration state as a table for people, and as JSON.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "job/calibrate.h"
#include "print/calib_channels.h"
#include "print/page.h"

/* Of all channels together. */
typedef struct summary {
    double mean, mean_abs, rms, p999;
    double outlier;  /* largest magnitude of a channel over their median */
    size_t outliers; /* channels above WH_CALIB_OUTLIER times the median */
} summary;

/* b fails where there is no memory. */
static summary sum_up(wh_buf *b, const whit_calib *c, size_t index)
{
    const whit_calib_input *in = whit_calib_at(c, index);
    const double n = (double)in->cols;
    summary s = { .p999 = (double)whit_calib_percentile(c, index, 99.9) };
    for (uint64_t k = 0; k < in->cols; k++) {
        const whit_calib_channel one = whit_calib_channel_at(c, index, k);
        s.mean += one.mean / n;
        s.mean_abs += one.mean_abs / n;
        s.rms += one.mean_square / n;
    }
    s.rms = sqrt(s.rms);
    if (!wh_calib_outliers(c, index, &s.outlier, &s.outliers)) b->failed = 1;
    return s;
}

static void put_head(wh_page *p, const whit_calib *c)
{
    const whit_calib_info *info = whit_calib_describe(c);
    char n[32];
    uint64_t tokens = 0;
    wh_page_style(p, WH_BOLD);
    wh_page_name(p, info->path);
    wh_page_style(p, WH_PLAIN);
    wh_buf_putf(&p->text, "\nformat   calibration state%s%s\nmodel    %s\ninputs   %zu\n",
                info->is_final ? ", a weighed mixture" : "",
                info->has_hessian ? ", with Hessians" : "", *info->model ? info->model : "-",
                info->inputs);
    for (size_t i = 0; i < info->sources; i++) {
        const whit_calib_source *s = whit_calib_source_at(c, i);
        tokens += s->tokens;
        wh_buf_putf(&p->text, "%-8s %s  %s %s", s->kind, s->sha256, wh_spaced(s->tokens, n),
                    s->context ? "tokens" : "samples");
        if (s->context) wh_buf_putf(&p->text, " in windows of %" PRIu64, s->context);
        if (s->input) {
            wh_buf_puts(&p->text, " of ");
            wh_page_name(p, s->input);
        }
        wh_buf_puts(&p->text, "\n");
    }
    wh_buf_putf(&p->text, "all      %s\n", wh_spaced(tokens, n));
}

static void put_input(wh_page *p, const whit_calib *c, size_t i)
{
    const whit_calib_input *in = whit_calib_at(c, i);
    const summary s = sum_up(&p->text, c, i);
    wh_page_name(p, in->name);
    wh_buf_putf(&p->text,
                "  %7" PRIu64 " %10" PRIu64 " %10.4g %10.4g %10.3g %10.4g %10.4g %10.4g %8.4g %5zu"
                "\n",
                in->cols, in->tokens, (double)in->min, (double)in->max, s.mean, s.mean_abs, s.rms,
                s.p999, s.outlier, s.outliers);
}

void whit_calib_write_text(const whit_calib *calib, int stats, int flags, FILE *out)
{
    wh_page p = wh_page_new(flags);
    const size_t inputs = whit_calib_describe(calib)->inputs;
    for (size_t i = 0; stats && i < inputs; i++) wh_page_fit(&p, whit_calib_at(calib, i)->name);
    put_head(&p, calib);
    if (stats) {
        wh_page_style(&p, WH_BOLD);
        wh_buf_putf(&p.text, "\n%-*s  %7s %10s %10s %10s %10s %10s %10s %10s %8s %5s\n",
                    p.name_width, "input", "columns", "tokens", "min", "max", "mean", "mean |x|",
                    "rms", "p99.9", "outlier", ">6x");
        wh_page_style(&p, WH_PLAIN);
    }
    for (size_t i = 0; stats && i < inputs; i++) put_input(&p, calib, i);
    wh_page_print(&p, out);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void json_input(wh_buf *b, const whit_calib *c, size_t i)
{
    const whit_calib_input *in = whit_calib_at(c, i);
    const summary s = sum_up(b, c, i);
    wh_buf_puts(b, "{\"name\":");
    wh_json_put_string(b, in->name);
    wh_buf_puts(b, ",\"linears\":[");
    for (size_t k = 0; k < in->linears_count; k++) {
        if (k) wh_buf_puts(b, ",");
        wh_json_put_string(b, in->linears[k]);
    }
    wh_buf_putf(b, "],\"columns\":%" PRIu64 ",\"tokens\":%" PRIu64 ",\"zeros\":%" PRIu64, in->cols,
                in->tokens, in->zeros);
    wh_json_add_double(b, "min", (double)in->min);
    wh_json_add_double(b, "max", (double)in->max);
    wh_json_add_double(b, "mean", s.mean);
    wh_json_add_double(b, "mean_abs", s.mean_abs);
    wh_json_add_double(b, "rms", s.rms);
    wh_json_add_double(b, "p999", s.p999);
    wh_json_add_double(b, "outlier_ratio", s.outlier);
    wh_buf_putf(b, ",\"outliers\":%zu}", s.outliers);
}

static void json_source(wh_buf *b, const whit_calib_source *s)
{
    wh_buf_putf(b, "{\"kind\":\"%s\",\"sha256\":\"%s\",\"input\":", s->kind, s->sha256);
    if (s->input)
        wh_json_put_string(b, s->input);
    else
        wh_buf_puts(b, "null");
    wh_buf_putf(b, ",\"context\":%" PRIu64 ",\"tokens\":%" PRIu64 "}", s->context, s->tokens);
}

void whit_calib_write_json(const whit_calib *calib, FILE *out)
{
    const whit_calib_info *info = whit_calib_describe(calib);
    wh_buf b = { 0 };
    wh_buf_puts(&b, "{\"schema\":1,\"format\":\"calibration state\",\"path\":");
    wh_json_put_string(&b, info->path);
    wh_buf_putf(&b, ",\"model\":\"%s\",\"final\":%s,\"hessian\":%s,\"sources\":[", info->model,
                info->is_final ? "true" : "false", info->has_hessian ? "true" : "false");
    for (size_t i = 0; i < info->sources; i++) {
        if (i) wh_buf_puts(&b, ",");
        json_source(&b, whit_calib_source_at(calib, i));
    }
    wh_buf_puts(&b, "],\"inputs\":[");
    for (size_t i = 0; i < info->inputs; i++) {
        if (i) wh_buf_puts(&b, ",");
        json_input(&b, calib, i);
    }
    wh_buf_puts(&b, "]}\n");
    wh_buf_print(&b, out);
}
