/* src/print/json.c - plans, reports, comparisons and models as JSON, schema 1 (whit/job.h).
 *
 * One object a call, one line. Numbers are raw; what does not exist or is not finite is null. The
 * text is the same in every locale.
 *
 * SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <inttypes.h>
#include <math.h>

#include "job/gguf_out.h"
#include "job/check.h"
#include "job/compare.h"
#include "job/metadata.h"
#include "job/method.h"
#include "job/report.h"
#include "job/stats.h"
#include "print/method_text.h"

static void finish(wh_buf *b, FILE *out)
{
    wh_buf_puts(b, "\n");
    wh_buf_print(b, out);
}

static void put_key(wh_buf *b, const char *key)
{
    wh_buf_putf(b, ",\"%s\":", key);
}

static void put_per_weight(wh_buf *b, uint64_t bytes, uint64_t weights)
{
    wh_json_add_double(b, "bits_per_weight", weights ? 8.0 * (double)bytes / (double)weights : NAN);
}

static void put_scheme(wh_buf *b, const whit_scheme *scheme)
{
    char text[WHIT_SCHEME_TEXT];
    wh_json_add_text(b, "scheme", whit_scheme_print(scheme, text));
}

static void put_shape(wh_buf *b, const whit_tensor *t)
{
    put_key(b, "shape");
    wh_buf_puts(b, "[");
    for (uint32_t d = 0; d < t->rank; d++) wh_buf_putf(b, "%s%" PRIu64, d ? "," : "", t->shape[d]);
    wh_buf_puts(b, "]");
}

/* Of activations with one scale. */
static void put_acts(wh_buf *b, const whit_plan_entry *e)
{
    const int there = e->acts.scale > 0;
    wh_json_add_double(b, "act_scale", there ? (double)e->acts.scale : NAN);
    wh_json_add_double(b, "act_clipped", there ? e->acts.clipped : NAN);
    wh_json_add_double(b, "act_sqnr_db", there ? e->acts.sqnr_db : NAN);
}

/* row: NULL for a plan, whose errors are not known yet. */
static void put_entry(wh_buf *b, const whit_plan *plan, size_t i, const whit_report_row *row)
{
    const whit_plan_entry *e = &plan->entry[i];
    int kept = e->scheme.kind == WHIT_KEEP;
    char from[WHIT_SCHEME_TEXT];
    wh_buf_puts(b, "{\"name\":");
    wh_json_put_string(b, e->source->tensor.name);
    put_shape(b, &e->source->tensor);
    wh_json_add_text(b, "dtype", whit_tensor_type(&e->source->tensor));
    wh_json_add_text(b, "source_scheme",
                     whit_scheme_is_quantized(&e->source->scheme)
                         ? whit_scheme_print(&e->source->scheme, from)
                         : NULL);
    put_scheme(b, &e->scheme);
    put_key(b, "kept");
    wh_buf_puts(b, kept ? "true" : "false");
    wh_json_add_text(b, "reason", e->reason);
    wh_json_add_text(b, "rule", e->rule);
    wh_json_add_u64(b, "bytes_in", e->bytes_in);
    wh_json_add_u64(b, "bytes_out", e->bytes_out);
    put_per_weight(b, e->bytes_out, e->weights);
    wh_json_add_double(b, "mse", row && !kept ? row->mse : NAN);
    wh_json_add_double(b, "sqnr_db", row && !kept ? row->sqnr_db : NAN);
    wh_json_add_double(b, "max_abs_error", row && !kept ? row->max_abs_error : NAN);
    put_acts(b, e);
    wh_method_json(b, plan, i);
    wh_buf_puts(b, "}");
}

/* How blocks of GGUF are looked for, and of how many tensors the errors are weighed. */
static void put_search(wh_buf *b, const whit_plan *plan)
{
    if (!plan->gguf) return;
    wh_json_add_text(b, "search", plan->search == WHIT_SEARCH_BEST ? "best" : "reference");
    wh_json_add_u64(b, "tensors_weighed", wh_gguf_weighed(plan));
}

/* The words of --format; plain weights of fake quantization have none there. */
static const char *format_word(const whit_plan *plan)
{
    static const char *const words[] = {
        [WHIT_FORMAT_AUTO] = "native",      [WHIT_FORMAT_NATIVE] = "native",
        [WHIT_FORMAT_GGUF] = "gguf",        [WHIT_FORMAT_CT] = "compressed-tensors",
        [WHIT_FORMAT_GPTQ] = "gptq",        [WHIT_FORMAT_AWQ] = "awq",
        [WHIT_FORMAT_BNB] = "bitsandbytes",
    };
    return plan->fake ? "safetensors" : words[whit_plan_format(plan)];
}

/* Both are the object of `quantize`; a dry run has no results and says so. */
static void put_plan(wh_buf *b, const whit_plan *plan, const whit_report *report)
{
    const whit_plan_totals *t = &plan->totals;
    wh_buf_puts(b, "{\"schema\":1,\"command\":\"quantize\"");
    put_key(b, "dry_run");
    wh_buf_puts(b, report ? "false" : "true");
    wh_json_add_text(b, "input", whit_file_path(whit_source_file(plan->source)));
    wh_json_add_text(b, "output", plan->target.path);
    wh_json_add_text(b, "format", format_word(plan));
    put_search(b, plan);
    if (plan->method) wh_json_add_text(b, "method", whit_method_name(plan->method->o.methods));
    put_key(b, "tensors");
    wh_buf_puts(b, "[");
    for (size_t i = 0; i < plan->count; i++) {
        if (i) wh_buf_puts(b, ",");
        put_entry(b, plan, i, report ? &report->row[i] : NULL);
    }
    wh_buf_puts(b, "]");
    put_key(b, "totals");
    wh_buf_putf(b, "{\"weights\":%" PRIu64, t->weights);
    wh_json_add_u64(b, "bytes_in", t->bytes_in);
    wh_json_add_u64(b, "bytes_out", t->bytes_out);
    wh_json_add_u64(b, "file_bytes", t->file_bytes);
    put_per_weight(b, t->bytes_out, t->weights);
    wh_json_add_double(b, "ratio", t->bytes_out ? (double)t->bytes_in / (double)t->bytes_out : NAN);
    wh_json_add_double(b, "sqnr_db", report ? whit_report_sqnr_db(report) : NAN);
    wh_buf_puts(b, "}");
    wh_json_add_lines(b, "warnings", &plan->warnings);
}

static void put_machine(wh_buf *b, const whit_plan *plan)
{
    const char *isa = NULL;
    wh_json_add_text(b, "isa", whit_isa(&isa, NULL) == WHIT_OK ? isa : NULL);
    wh_json_add_u64(b, "threads", plan->totals.threads);
}

void whit_plan_write_json(const whit_plan *plan, FILE *out)
{
    wh_buf b = { 0 };
    put_plan(&b, plan, NULL);
    wh_json_add_double(&b, "seconds", NAN);
    wh_json_add_double(&b, "estimated_seconds", plan->totals.seconds);
    wh_json_add_u64(&b, "memory_bytes", plan->totals.memory_bytes);
    put_machine(&b, plan);
    wh_buf_puts(&b, "}");
    finish(&b, out);
}

void whit_report_write_json(const whit_report *report, FILE *out)
{
    wh_buf b = { 0 };
    put_plan(&b, report->plan, report);
    wh_json_add_u64(&b, "scales_raised", report->sum.scales_raised);
    wh_json_add_u64(&b, "groups_zeroed", report->sum.groups_zeroed);
    wh_json_add_u64(&b, "nonfinite", report->sum.nonfinite);
    wh_json_add_double(&b, "seconds", report->seconds);
    wh_json_add_u64(&b, "peak_rss_bytes", report->peak_rss_bytes);
    put_machine(&b, report->plan);
    wh_buf_puts(&b, "}");
    finish(&b, out);
}

static void put_compare_row(wh_buf *b, const whit_compare_row *r)
{
    wh_json_add_u64(b, "elements", r->elements);
    wh_json_add_double(b, "mse", r->mse);
    wh_json_add_double(b, "sqnr_db", r->sqnr_db);
    wh_json_add_double(b, "cosine", r->cosine);
    wh_json_add_double(b, "max_abs_error", r->max_abs_error);
    wh_json_add_double(b, "share", r->share);
    put_key(b, "differs");
    wh_buf_puts(b, r->differs ? "true}" : "false}");
}

void whit_comparison_write_json(const whit_comparison *comparison, size_t top, double min_sqnr_db,
                                FILE *out)
{
    wh_buf b = { 0 };
    size_t n = top && top < comparison->count ? top : comparison->count;
    wh_buf_puts(&b, "{\"schema\":1,\"tensors\":[");
    for (size_t i = 0; i < n; i++) {
        wh_buf_puts(&b, i ? ",{\"name\":" : "{\"name\":");
        wh_json_put_string(&b, comparison->row[i].name);
        put_scheme(&b, &comparison->row[i].scheme);
        put_compare_row(&b, &comparison->row[i]);
    }
    wh_buf_putf(&b, "],\"total\":{\"tensors\":%zu", comparison->count);
    put_compare_row(&b, &comparison->total);
    wh_json_add_lines(&b, "warnings", &comparison->warnings);
    put_key(&b, "passed");
    int passed = isnan(min_sqnr_db) || whit_comparison_passes(comparison, min_sqnr_db);
    wh_buf_puts(&b, passed ? "true}" : "false}");
    finish(&b, out);
}

static void put_metadata(wh_buf *b, const whit_file *file, size_t shard)
{
    size_t typed = whit_file_kv_count(file, shard); /* the strings are among them */
    put_key(b, "metadata");
    wh_buf_puts(b, "{");
    for (size_t i = 0; i < typed; i++) {
        const whit_kv *kv = whit_file_kv(file, shard, i);
        if (i) wh_buf_puts(b, ",");
        wh_json_put_string(b, kv->key);
        wh_buf_puts(b, ":");
        wh_metadata_json(b, kv);
    }
    for (size_t i = 0; !typed && i < whit_file_meta_count(file, shard); i++) {
        if (i) wh_buf_puts(b, ",");
        wh_json_put_string(b, whit_file_meta_key(file, shard, i));
        wh_buf_puts(b, ":");
        wh_json_put_string(b, whit_file_meta_value(file, shard, i));
    }
    wh_buf_puts(b, "}");
}

static void put_file(wh_buf *b, const whit_file *file)
{
    put_key(b, "files");
    wh_buf_puts(b, "[");
    for (size_t k = 0; k < whit_file_shards(file); k++) {
        wh_buf_puts(b, k ? ",{\"name\":" : "{\"name\":");
        wh_json_put_string(b, whit_file_shard_name(file, k));
        wh_json_add_u64(b, "bytes", whit_file_shard_bytes(file, k));
        if (whit_file_shards(file) > 1) put_metadata(b, file, k);
        wh_buf_puts(b, "}");
    }
    wh_buf_puts(b, "]");
    put_metadata(b, file, 0); /* all there is, unless the model is sharded */
}

static void put_source_tensor(wh_buf *b, const whit_source_tensor *t, const whit_stats_row *stats)
{
    wh_buf_puts(b, "{\"name\":");
    wh_json_put_string(b, t->tensor.name);
    wh_json_add_text(b, "dtype", whit_tensor_type(&t->tensor));
    put_shape(b, &t->tensor);
    put_scheme(b, &t->scheme);
    wh_json_add_u64(b, "bytes", t->tensor.bytes);
    wh_json_add_u64(b, "offset", t->tensor.offset);
    wh_json_add_u64(b, "file", t->tensor.shard);
    put_per_weight(b, t->tensor.bytes, t->tensor.elements);
    if (stats) {
        put_key(b, "stats");
        wh_stats_json(b, stats);
    }
    wh_buf_puts(b, "}");
}

void whit_source_write_json(const whit_source *source, const whit_check *check,
                            const whit_stats *stats, FILE *out)
{
    wh_buf b = { 0 };
    wh_buf_puts(&b, "{\"schema\":1");
    wh_json_add_text(&b, "format", whit_source_format(source));
    put_file(&b, whit_source_file(source));
    put_key(&b, "tensors");
    wh_buf_puts(&b, "[");
    for (size_t i = 0; i < whit_source_count(source); i++) {
        if (i) wh_buf_puts(&b, ",");
        put_source_tensor(&b, whit_source_at(source, i), stats ? whit_stats_at(stats, i) : NULL);
    }
    wh_buf_puts(&b, "]");
    if (check) {
        put_key(&b, "check");
        wh_buf_putf(&b, "{\"ok\":%s", check->problems.count ? "false" : "true");
        wh_json_add_lines(&b, "problems", &check->problems);
        wh_json_add_lines(&b, "notes", &check->notes);
        wh_buf_puts(&b, "}");
    }
    wh_buf_puts(&b, "}");
    finish(&b, out);
}
