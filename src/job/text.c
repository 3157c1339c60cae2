/* src/job/text.c - plans, reports, comparisons and models as tables for people.
 *
 * The text may change between versions; programs read json.c's. Names from files are cleaned of
 * control characters before they reach a terminal.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "job/check.h"
#include "job/compare.h"
#include "job/metadata.h"
#include "job/report.h"
#include "job/stats.h"

#define BOLD "\x1b[1m"
#define DIM "\x1b[2m"
#define RED "\x1b[31m"
#define PLAIN "\x1b[0m"
#define MIB ((uint64_t)1 << 20)

typedef struct page {
    wh_buf text;
    int flags;
    int name_width, scheme_width;
} page;

static page new_page(int flags)
{
    return (page){ .flags = flags, .name_width = 6, .scheme_width = 16 };
}

static void style(page *p, const char *code)
{
    if (p->flags & WHIT_TEXT_COLOR) wh_buf_puts(&p->text, code);
}

/* Print and forget; control characters other than newline and our own escapes cannot occur, since
 * names go through put_name. */
static void finish(page *p, FILE *out)
{
    if (p->text.failed)
        fputs("no memory for the table\n", out);
    else
        fwrite(p->text.data ? p->text.data : "", 1, p->text.len, out);
    wh_buf_free(&p->text);
}

static void put_name(page *p, const char *name)
{
    whit_error clean;
    char text[WH_SHORT];
    wh_fail(&clean, WHIT_OK, "%s", wh_short(text, name));
    wh_buf_putf(&p->text, "%-*s", p->name_width, clean.msg);
}

static void widen(page *p, const char *name)
{
    size_t n = strlen(name);
    if (n >= WH_SHORT) n = WH_SHORT - 1;
    if ((int)n > p->name_width) p->name_width = (int)n;
}

static void widen_scheme(page *p, const whit_scheme *scheme)
{
    char text[WHIT_SCHEME_TEXT];
    int n = (int)strlen(whit_scheme_print(scheme, text));
    if (n > p->scheme_width) p->scheme_width = n;
}

static const char *shape_text(const whit_tensor *t, char buf[200])
{
    size_t n = 0;
    strcpy(buf, t->rank ? "" : "scalar");
    for (uint32_t d = 0; d < t->rank; d++)
        n += (size_t)snprintf(buf + n, 200 - n, "%s%" PRIu64, d ? "x" : "", t->shape[d]);
    return buf;
}

/* 1234567 -> 1 234 567 */
static const char *spaced(uint64_t v, char buf[32])
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%" PRIu64, v), at = 0;
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0) buf[at++] = ' ';
        buf[at++] = digits[i];
    }
    buf[at] = 0;
    return buf;
}

static double per_weight(uint64_t bytes, uint64_t weights)
{
    return weights ? 8.0 * (double)bytes / (double)weights : 0.0;
}

static const char *db_text(double db, char buf[16])
{
    if (isinf(db) && db > 0)
        snprintf(buf, 16, "exact");
    else
        snprintf(buf, 16, "%.2f", db);
    return buf;
}

static const char *scheme_text(const whit_plan_entry *e, char buf[WHIT_SCHEME_TEXT + 24])
{
    char scheme[WHIT_SCHEME_TEXT];
    if (e->scheme.kind != WHIT_KEEP) return strcpy(buf, whit_scheme_print(&e->scheme, scheme));
    snprintf(buf, WHIT_SCHEME_TEXT + 24, "keep (%s)", whit_tensor_type(&e->source->tensor));
    return buf;
}

static void entry_columns(page *p, const whit_plan_entry *e)
{
    char shape[200], scheme[WHIT_SCHEME_TEXT + 24];
    put_name(p, e->source->tensor.name);
    wh_buf_putf(&p->text, "  %14s  %-*s %7.3f", shape_text(&e->source->tensor, shape),
                p->scheme_width, scheme_text(e, scheme), per_weight(e->bytes_out, e->weights));
}

static void put_totals(page *p, const whit_plan *plan)
{
    const whit_plan_totals *t = &plan->totals;
    char a[32], b[32], c[32], d[32];
    wh_buf_putf(
        &p->text, "total     %s tensors, %s weights, %s -> %s bytes, ratio %.2f, %.3f bpw\n",
        spaced(t->tensors, a), spaced(t->weights, b), spaced(t->bytes_in, c),
        spaced(t->bytes_out, d), t->bytes_out ? (double)t->bytes_in / (double)t->bytes_out : 0.0,
        per_weight(t->bytes_out, t->weights));
}

/* How many tensors stay as they are, by reason. */
static void put_kept(page *p, const whit_plan *plan)
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
    wh_buf_putf(&p->text, "kept      %zu tensors, %s weights, %s bytes:", kept, spaced(weights, a),
                spaced(bytes, b));
    for (size_t i = 0; i < plan->count; i++) {
        const char *reason = plan->entry[i].reason;
        size_t same = 0, earlier = 0;
        if (!reason) continue;
        for (size_t k = 0; k < plan->count; k++) {
            int equal = plan->entry[k].reason && strcmp(plan->entry[k].reason, reason) == 0;
            earlier += equal && k < i;
            same += (size_t)equal;
            if (earlier) break;
        }
        if (!earlier) wh_buf_putf(&p->text, " %zu %s,", same, reason);
    }
    p->text.len--; /* the last comma */
    wh_buf_puts(&p->text, "\n");
}

static int shown(const page *p, const whit_plan_entry *e)
{
    return (p->flags & WHIT_TEXT_TENSORS) || e->scheme.kind != WHIT_KEEP;
}

static page plan_page(const whit_plan *plan, int flags)
{
    page p = new_page(flags);
    for (size_t i = 0; i < plan->count; i++) {
        if (!shown(&p, &plan->entry[i])) continue;
        widen(&p, plan->entry[i].source->tensor.name);
        widen_scheme(&p, &plan->entry[i].scheme);
    }
    return p;
}

void whit_plan_write_text(const whit_plan *plan, int flags, FILE *out)
{
    page p = plan_page(plan, flags);
    char a[32];
    style(&p, BOLD);
    wh_buf_putf(&p.text, "%-*s  %14s  %-*s %7s %14s\n", p.name_width, "tensor", "shape",
                p.scheme_width, "scheme", "bpw", "bytes");
    style(&p, PLAIN);
    for (size_t i = 0; i < plan->count; i++) {
        const whit_plan_entry *e = &plan->entry[i];
        if (!shown(&p, e)) continue;
        if (e->scheme.kind == WHIT_KEEP) style(&p, DIM);
        entry_columns(&p, e);
        wh_buf_putf(&p.text, " %14s%s%s\n", spaced(e->bytes_out, a), e->reason ? "  " : "",
                    e->reason ? e->reason : "");
        if (e->scheme.kind == WHIT_KEEP) style(&p, PLAIN);
    }
    put_kept(&p, plan);
    put_totals(&p, plan);
    wh_buf_putf(&p.text, "file      %s bytes", spaced(plan->totals.file_bytes, a));
    if (plan->target.layout.count > 1)
        wh_buf_putf(&p.text, " in %zu shards", plan->target.layout.count);
    wh_buf_putf(&p.text, "\nwork      %" PRIu64 " MiB of memory, %u thread%s\n",
                (plan->totals.memory_bytes + MIB - 1) / MIB, plan->totals.threads,
                plan->totals.threads == 1 ? "" : "s");
    if (!isnan(plan->totals.seconds))
        wh_buf_putf(&p.text, "time      about %.*f s\n", plan->totals.seconds < 9.95,
                    fmax(plan->totals.seconds, 0.1));
    finish(&p, out);
}

void whit_report_write_text(const whit_report *report, int flags, FILE *out)
{
    const whit_plan *plan = report->plan;
    page p = plan_page(plan, flags);
    char a[32], db[16];
    style(&p, BOLD);
    wh_buf_putf(&p.text, "%-*s  %14s  %-*s %7s %8s %10s\n", p.name_width, "tensor", "shape",
                p.scheme_width, "scheme", "bpw", "sqnr dB", "max|e|");
    style(&p, PLAIN);
    for (size_t i = 0; i < report->count; i++) {
        const whit_report_row *r = &report->row[i];
        int kept = r->entry->scheme.kind == WHIT_KEEP;
        if (!shown(&p, r->entry)) continue;
        if (kept) style(&p, DIM);
        entry_columns(&p, r->entry);
        if (kept)
            wh_buf_putf(&p.text, "  %s\n", r->entry->reason ? r->entry->reason : "");
        else
            wh_buf_putf(&p.text, " %8s %10.3g\n", db_text(r->sqnr_db, db), r->max_abs_error);
        if (kept) style(&p, PLAIN);
    }
    put_kept(&p, plan);
    put_totals(&p, plan);
    if (report->sum.weights)
        wh_buf_putf(&p.text, "error     sqnr %s dB over what was quantized, max|e| %.3g\n",
                    db_text(whit_report_sqnr_db(report), db), report->sum.max_abs_err);
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
                spaced(plan->totals.file_bytes, a), report->seconds, mb,
                (report->peak_rss_bytes + MIB - 1) / MIB);
    finish(&p, out);
}

static void compare_line(page *p, const whit_compare_row *r, const char *scheme)
{
    char db[16];
    put_name(p, r->name);
    if (r->differs) {
        style(p, RED);
        wh_buf_putf(&p->text, "  %-*s the bytes differ\n", p->scheme_width, scheme);
        style(p, PLAIN);
        return;
    }
    wh_buf_putf(&p->text, "  %-*s %8s %8.5f %10.3g %6.1f%%\n", p->scheme_width, scheme,
                db_text(r->sqnr_db, db), r->cosine, r->max_abs_error, 100.0 * r->share);
}

void whit_comparison_write_text(const whit_comparison *comparison, size_t top, int flags, FILE *out)
{
    page p = new_page(flags);
    size_t n = top && top < comparison->count ? top : comparison->count;
    for (size_t i = 0; i < n; i++) {
        widen(&p, comparison->row[i].name);
        widen_scheme(&p, &comparison->row[i].scheme);
    }
    style(&p, BOLD);
    wh_buf_putf(&p.text, "%-*s  %-*s %8s %8s %10s %7s\n", p.name_width, "tensor", p.scheme_width,
                "scheme", "sqnr dB", "cosine", "max|e|", "share");
    style(&p, PLAIN);
    for (size_t i = 0; i < n; i++) {
        char scheme[WHIT_SCHEME_TEXT];
        compare_line(&p, &comparison->row[i],
                     whit_scheme_print(&comparison->row[i].scheme, scheme));
    }
    char all[32];
    whit_compare_row total = comparison->total;
    snprintf(all, sizeof all, "all %zu", comparison->count);
    total.name = all;
    total.differs = 0;
    compare_line(&p, &total, "");
    finish(&p, out);
}

static const char *stored_type(const whit_source_tensor *t)
{
    return t->tensor.type ? t->tensor.type : whit_dtype_name(t->stored);
}

/* Tensors, weights and octets by scheme and type. */
static void put_kinds(page *p, const whit_source *source)
{
    size_t n = whit_source_count(source);
    char text[WHIT_SCHEME_TEXT], a[32], b[32];
    for (size_t i = 0; i < n; i++) {
        const whit_source_tensor *x = whit_source_at(source, i);
        uint64_t count = 0, weights = 0, bytes = 0;
        int earlier = 0;
        for (size_t k = 0; k < n && !earlier; k++) {
            const whit_source_tensor *y = whit_source_at(source, k);
            if (memcmp(&x->scheme, &y->scheme, sizeof x->scheme) != 0 || x->stored != y->stored ||
                strcmp(stored_type(x), stored_type(y)) != 0)
                continue;
            earlier = k < i;
            count++;
            weights += y->tensor.elements;
            bytes += y->tensor.bytes;
        }
        if (earlier) continue;
        const char *name =
            x->scheme.kind == WHIT_KEEP ? stored_type(x) : whit_scheme_print(&x->scheme, text);
        wh_buf_putf(&p->text, "  %-*s %6" PRIu64 " tensors %16s weights %16s bytes %7.3f bpw\n",
                    p->scheme_width, name, count, spaced(weights, a), spaced(bytes, b),
                    per_weight(bytes, weights));
    }
}

static void put_meta(page *p, const char *key, const char *value)
{
    char shown[124];
    whit_error line;
    snprintf(shown, sizeof shown, "%s", value);
    for (char *c = shown; *c; c++)
        if (*c == '\n') *c = ';'; /* the recipe has lines */
    wh_fail(&line, WHIT_OK, "%.60s = %s%s", key, shown, strlen(value) >= sizeof shown ? ".." : "");
    wh_buf_putf(&p->text, "  %s\n", line.msg);
}

static void put_metadata(page *p, const whit_file *file)
{
    int headed = 0;
    for (size_t k = 0; k < whit_file_shards(file); k++) {
        size_t typed = whit_file_kv_count(file, k); /* the strings are among them */
        size_t strings = typed ? 0 : whit_file_meta_count(file, k);
        if (typed + strings > 0 && !headed++) wh_buf_puts(&p->text, "metadata\n");
        for (size_t i = 0; i < typed; i++) {
            const whit_kv *kv = whit_file_kv(file, k, i);
            wh_buf value = { 0 };
            wh_metadata_text(&value, kv);
            put_meta(p, kv->key, value.data ? value.data : "");
            wh_buf_free(&value);
        }
        for (size_t i = 0; i < strings; i++)
            put_meta(p, whit_file_meta_key(file, k, i), whit_file_meta_value(file, k, i));
    }
}

static void put_tensors(page *p, const whit_source *source)
{
    char shape[200], text[WHIT_SCHEME_TEXT];
    size_t n = whit_source_count(source);
    for (size_t i = 0; i < n; i++) widen(p, whit_source_at(source, i)->tensor.name);
    style(p, BOLD);
    wh_buf_putf(&p->text, "%-*s  %-11s %14s  %-*s %7s %14s\n", p->name_width, "tensor", "dtype",
                "shape", p->scheme_width, "scheme", "bpw", "bytes");
    style(p, PLAIN);
    for (size_t i = 0; i < n; i++) {
        const whit_source_tensor *t = whit_source_at(source, i);
        put_name(p, t->tensor.name);
        wh_buf_putf(&p->text, "  %-11s %14s  %-*s %7.3f %14" PRIu64 "\n",
                    whit_tensor_type(&t->tensor), shape_text(&t->tensor, shape), p->scheme_width,
                    whit_scheme_print(&t->scheme, text),
                    per_weight(t->tensor.bytes, t->tensor.elements), t->tensor.bytes);
    }
}

static void put_stats(page *p, const whit_stats *stats)
{
    size_t n = whit_stats_count(stats);
    for (size_t i = 0; i < n; i++) widen(p, whit_stats_at(stats, i)->source->tensor.name);
    style(p, BOLD);
    wh_buf_putf(&p->text, "%-*s", p->name_width, "tensor");
    wh_stats_columns(&p->text, NULL);
    style(p, PLAIN);
    for (size_t i = 0; i < n; i++) {
        put_name(p, whit_stats_at(stats, i)->source->tensor.name);
        wh_stats_columns(&p->text, whit_stats_at(stats, i));
    }
}

static void put_check(page *p, const whit_check *check)
{
    for (size_t i = 0; i < check->notes.count; i++)
        wh_buf_putf(&p->text, "note      %s\n", check->notes.line[i]);
    for (size_t i = 0; i < check->problems.count; i++) {
        style(p, RED);
        wh_buf_putf(&p->text, "problem   %s\n", check->problems.line[i]);
        style(p, PLAIN);
    }
    wh_buf_putf(&p->text, "check     %s\n", check->problems.count ? "failed" : "ok");
}

void whit_source_write_text(const whit_source *source, const whit_check *check,
                            const whit_stats *stats, int flags, FILE *out)
{
    page p = new_page(flags);
    const whit_file *file = whit_source_file(source);
    uint64_t weights = 0, bytes = 0, size = 0;
    char a[32], b[32], c[32];
    for (size_t i = 0; i < whit_source_count(source); i++) {
        weights += whit_source_at(source, i)->tensor.elements;
        bytes += whit_source_at(source, i)->tensor.bytes;
        widen_scheme(&p, &whit_source_at(source, i)->scheme);
    }
    for (size_t k = 0; k < whit_file_shards(file); k++) size += whit_file_shard_bytes(file, k);
    wh_buf_putf(&p.text, "format    %s, %zu file%s, %s bytes\n", whit_source_format(source),
                whit_file_shards(file), whit_file_shards(file) == 1 ? "" : "s", spaced(size, a));
    wh_buf_putf(&p.text, "tensors   %zu, %s weights, %s bytes, %.3f bpw\n",
                whit_source_count(source), spaced(weights, b), spaced(bytes, c),
                per_weight(bytes, weights));
    put_kinds(&p, source);
    put_metadata(&p, file);
    if (flags & WHIT_TEXT_TENSORS) put_tensors(&p, source);
    if (stats) put_stats(&p, stats);
    if (check) put_check(&p, check);
    finish(&p, out);
}
