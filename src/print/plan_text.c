/* src/print/plan_text.c - plans and the reports of their runs as tables for people.
 *
 * The text may change between versions; programs read json.c's.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "job/act_scales.h"
#include "job/gguf_out.h"
#include "job/report.h"
#include "print/page.h"
#include "print/method_text.h"

#define MIB ((uint64_t)1 << 20)

static const char *scheme_text(const whit_plan_entry *e, char buf[WHIT_SCHEME_TEXT + 24])
{
    char scheme[WHIT_SCHEME_TEXT];
    if (e->scheme.kind != WHIT_KEEP) return strcpy(buf, whit_scheme_print(&e->scheme, scheme));
    snprintf(buf, WHIT_SCHEME_TEXT + 24, "keep (%s)", whit_tensor_type(&e->source->tensor));
    return buf;
}

static void entry_columns(wh_page *p, const whit_plan_entry *e)
{
    char shape[200], scheme[WHIT_SCHEME_TEXT + 24];
    wh_page_name(p, e->source->tensor.name);
    wh_buf_putf(&p->text, "  %14s  %-*s %7.3f", wh_shape_text(&e->source->tensor, shape),
                p->scheme_width, scheme_text(e, scheme), wh_per_weight(e->bytes_out, e->weights));
}

/* What scales of activations cut off. */
static void put_acts(wh_page *p, const whit_plan *plan)
{
    double clipped, sqnr_db;
    char db[16];
    const size_t n = wh_act_summary(plan, &clipped, &sqnr_db);
    if (n == 0) return;
    wh_buf_putf(&p->text,
                "acts      %zu matrices with one scale of activations, at worst %.3g %% clipped, "
                "%s dB expected\n",
                n, 100 * clipped, wh_db_text(sqnr_db, db));
    if (!(p->flags & WHIT_TEXT_TENSORS)) return;
    for (size_t i = 0; i < plan->count; i++) {
        const whit_calib_range *r = &plan->entry[i].acts;
        if (!(r->scale > 0)) continue;
        wh_buf_puts(&p->text, "          ");
        wh_page_name(p, plan->entry[i].source->tensor.name);
        wh_buf_putf(&p->text, "  scale %-10.4g %8.3g %% clipped  %8s dB\n", (double)r->scale,
                    100 * r->clipped, wh_db_text(r->sqnr_db, db));
    }
}

static void put_totals(wh_page *p, const whit_plan *plan)
{
    const whit_plan_totals *t = &plan->totals;
    char a[32], b[32], c[32], d[32];
    wh_buf_putf(
        &p->text, "total     %s tensors, %s weights, %s -> %s bytes, ratio %.2f, %.3f bpw\n",
        wh_spaced(t->tensors, a), wh_spaced(t->weights, b), wh_spaced(t->bytes_in, c),
        wh_spaced(t->bytes_out, d), t->bytes_out ? (double)t->bytes_in / (double)t->bytes_out : 0.0,
        wh_per_weight(t->bytes_out, t->weights));
}

/* Of what is not kept the reason is one for another type. */
static const char *kept_reason(const whit_plan *plan, size_t i)
{
    return plan->entry[i].scheme.kind == WHIT_KEEP ? plan->entry[i].reason : NULL;
}

/* How many tensors stay as they are, by reason. */
static void put_kept(wh_page *p, const whit_plan *plan)
{
    uint64_t weights = 0, bytes = 0;
    size_t kept = 0;
    char a[32], b[32];
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->entry[i].scheme.kind != WHIT_KEEP) continue;
        kept++;
        weights += plan->entry[i].weights;
        bytes += plan->entry[i].bytes_out;
    }
    if (kept == 0) return;
    wh_buf_putf(&p->text, "kept      %zu tensors, %s weights, %s bytes:", kept,
                wh_spaced(weights, a), wh_spaced(bytes, b));
    for (size_t i = 0; i < plan->count; i++) {
        const char *reason = kept_reason(plan, i);
        size_t same = 0, earlier = 0;
        if (!reason) continue;
        for (size_t k = 0; k < plan->count; k++) {
            const char *other = kept_reason(plan, k);
            int equal = other && strcmp(other, reason) == 0;
            earlier += equal && k < i;
            same += (size_t)equal;
            if (earlier) break;
        }
        if (!earlier) wh_buf_putf(&p->text, " %zu %s,", same, reason);
    }
    p->text.len--; /* the last comma */
    wh_buf_puts(&p->text, "\n");
}

static int shown(const wh_page *p, const whit_plan_entry *e)
{
    return (p->flags & WHIT_TEXT_TENSORS) || e->scheme.kind != WHIT_KEEP;
}

static wh_page plan_page(const whit_plan *plan, int flags)
{
    wh_page p = wh_page_new(flags);
    for (size_t i = 0; i < plan->count; i++) {
        if (!shown(&p, &plan->entry[i])) continue;
        wh_page_fit(&p, plan->entry[i].source->tensor.name);
        wh_page_fit_scheme(&p, &plan->entry[i].scheme);
    }
    return p;
}

/* How blocks of GGUF are looked for. */
static void put_search(wh_page *p, const whit_plan *plan)
{
    if (!plan->gguf) return;
    const uint64_t weighed = wh_gguf_weighed(plan);
    wh_buf_puts(&p->text,
                plan->search == WHIT_SEARCH_BEST ? "search    best" : "search    reference");
    if (weighed > 0) wh_buf_putf(&p->text, ", errors of %" PRIu64 " tensors weighed", weighed);
    wh_buf_puts(&p->text, "\n");
}

void whit_plan_write_text(const whit_plan *plan, int flags, FILE *out)
{
    wh_page p = plan_page(plan, flags);
    char a[32];
    wh_page_style(&p, WH_BOLD);
    wh_buf_putf(&p.text, "%-*s  %14s  %-*s %7s %14s\n", p.name_width, "tensor", "shape",
                p.scheme_width, "scheme", "bpw", "bytes");
    wh_page_style(&p, WH_PLAIN);
    for (size_t i = 0; i < plan->count; i++) {
        const whit_plan_entry *e = &plan->entry[i];
        if (!shown(&p, e)) continue;
        if (e->scheme.kind == WHIT_KEEP) wh_page_style(&p, WH_DIM);
        entry_columns(&p, e);
        wh_buf_putf(&p.text, " %14s%s%s\n", wh_spaced(e->bytes_out, a), e->reason ? "  " : "",
                    e->reason ? e->reason : "");
        if (e->scheme.kind == WHIT_KEEP) wh_page_style(&p, WH_PLAIN);
    }
    put_kept(&p, plan);
    put_totals(&p, plan);
    put_acts(&p, plan);
    wh_method_lines(&p, plan, 0);
    wh_buf_putf(&p.text, "file      %s bytes", wh_spaced(plan->totals.file_bytes, a));
    if (plan->target.layout.count > 1)
        wh_buf_putf(&p.text, " in %zu shards", plan->target.layout.count);
    wh_buf_putf(&p.text, "\nwork      %" PRIu64 " MiB of memory, %u thread%s\n",
                (plan->totals.memory_bytes + MIB - 1) / MIB, plan->totals.threads,
                plan->totals.threads == 1 ? "" : "s");
    if (!isnan(plan->totals.seconds))
        wh_buf_putf(&p.text, "time      about %.*f s\n", plan->totals.seconds < 9.95,
                    fmax(plan->totals.seconds, 0.1));
    put_search(&p, plan);
    wh_page_print(&p, out);
}

void whit_report_write_text(const whit_report *report, int flags, FILE *out)
{
    const whit_plan *plan = report->plan;
    wh_page p = plan_page(plan, flags);
    char a[32], db[16];
    wh_page_style(&p, WH_BOLD);
    wh_buf_putf(&p.text, "%-*s  %14s  %-*s %7s %8s %10s\n", p.name_width, "tensor", "shape",
                p.scheme_width, "scheme", "bpw", "sqnr dB", "max|e|");
    wh_page_style(&p, WH_PLAIN);
    for (size_t i = 0; i < report->count; i++) {
        const whit_report_row *r = &report->row[i];
        int kept = r->entry->scheme.kind == WHIT_KEEP;
        if (!shown(&p, r->entry)) continue;
        if (kept) wh_page_style(&p, WH_DIM);
        entry_columns(&p, r->entry);
        if (kept)
            wh_buf_putf(&p.text, "  %s\n", r->entry->reason ? r->entry->reason : "");
        else
            wh_buf_putf(&p.text, " %8s %10.3g", wh_db_text(r->sqnr_db, db), r->max_abs_error);
        if (!kept) wh_method_row(&p, plan, i);
        if (!kept) wh_buf_puts(&p.text, "\n");
        if (kept) wh_page_style(&p, WH_PLAIN);
    }
    put_kept(&p, plan);
    put_totals(&p, plan);
    put_acts(&p, plan);
    if (report->sum.weights)
        wh_buf_putf(&p.text, "error     sqnr %s dB over what was quantized, max|e| %.3g\n",
                    wh_db_text(whit_report_sqnr_db(report), db), report->sum.max_abs_err);
    wh_method_lines(&p, plan, 1);
    put_search(&p, plan);
    if (plan->again)
        wh_buf_putf(&p.text,
                    "notes     %zu tensors were quantized before: this error comes on top of the "
                    "one they had\n",
                    plan->again);
    if (report->sum.scales_raised)
        wh_buf_putf(&p.text,
                    "notes     %" PRIu64 " scales were too small for their type, %" PRIu64
                    " groups became zeros\n",
                    report->sum.scales_raised, report->sum.groups_zeroed);
    if (report->sum.nonfinite)
        wh_buf_putf(&p.text, "notes     %" PRIu64 " NaN or infinite values were replaced\n",
                    report->sum.nonfinite);
    double mb = report->seconds > 0 ? 1e-6 * (double)plan->totals.bytes_in / report->seconds : 0.0;
    wh_buf_putf(&p.text, "file      %s bytes, %.2f s, %.0f MB/s, peak %" PRIu64 " MiB\n",
                wh_spaced(plan->totals.file_bytes, a), report->seconds, mb,
                (report->peak_rss_bytes + MIB - 1) / MIB);
    wh_page_print(&p, out);
}
