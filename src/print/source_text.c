/* src/print/source_text.c - a model as tables for people: its formats, metadata, tensors, and what
 * reading all of its data showed.
 *
 * The text may change between versions; programs read json.c's.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "job/check.h"
#include "job/metadata.h"
#include "job/stats.h"
#include "print/page.h"

static const char *stored_type(const whit_source_tensor *t)
{
    return t->tensor.type ? t->tensor.type : whit_dtype_name(t->stored);
}

/* A tensor, or all of one scheme and type from the first of them on. */
typedef struct kind {
    const whit_source_tensor *tensor;
    size_t first;
    uint64_t count, weights, bytes;
} kind;

static int by_kind(const void *a, const void *b)
{
    const kind *x = a, *y = b;
    const int scheme = memcmp(&x->tensor->scheme, &y->tensor->scheme, sizeof x->tensor->scheme);
    if (scheme != 0) return scheme;
    if (x->tensor->stored != y->tensor->stored)
        return x->tensor->stored < y->tensor->stored ? -1 : 1;
    return strcmp(stored_type(x->tensor), stored_type(y->tensor));
}

static int by_first(const void *a, const void *b)
{
    const kind *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

/* Sorted by their first tensors. NULL: no memory. */
static kind *gather_kinds(const whit_source *source, size_t *count)
{
    const size_t n = whit_source_count(source);
    kind *all = wh_calloc(n, sizeof *all);
    *count = 0;
    for (size_t i = 0; all && i < n; i++) {
        const whit_source_tensor *t = whit_source_at(source, i);
        all[i] = (kind){ t, i, 1, t->tensor.elements, t->tensor.bytes };
    }
    if (all) qsort(all, n, sizeof *all, by_kind);
    for (size_t i = 0; all && i < n; i++) {
        kind *to = *count > 0 ? &all[*count - 1] : NULL;
        if (!to || by_kind(to, &all[i]) != 0) {
            all[(*count)++] = all[i];
            continue;
        }
        if (all[i].first < to->first) to->first = all[i].first;
        to->count++;
        to->weights += all[i].weights;
        to->bytes += all[i].bytes;
    }
    if (all) qsort(all, *count, sizeof *all, by_first);
    return all;
}

/* Tensors, weights and octets by scheme and type. */
static void put_kinds(wh_page *p, const whit_source *source)
{
    size_t count;
    char text[WHIT_SCHEME_TEXT], a[32], b[32];
    kind *all = gather_kinds(source, &count);
    if (!all) p->text.failed = 1;
    for (size_t i = 0; all && i < count; i++) {
        const whit_source_tensor *t = all[i].tensor;
        const char *name =
            t->scheme.kind == WHIT_KEEP ? stored_type(t) : whit_scheme_print(&t->scheme, text);
        wh_buf_putf(&p->text, "  %-*s %6" PRIu64 " tensors %16s weights %16s bytes %7.3f bpw\n",
                    p->scheme_width, name, all[i].count, wh_spaced(all[i].weights, a),
                    wh_spaced(all[i].bytes, b), wh_per_weight(all[i].bytes, all[i].weights));
    }
    free(all);
}

static void put_meta(wh_page *p, const char *key, const char *value)
{
    char shown[124];
    whit_error line;
    snprintf(shown, sizeof shown, "%s", value);
    for (char *c = shown; *c; c++)
        if (*c == '\n') *c = c[1] ? ';' : 0; /* the recipe has lines */
    wh_fail(&line, WHIT_OK, "%.60s = %s%s", key, shown, strlen(value) >= sizeof shown ? ".." : "");
    wh_buf_putf(&p->text, "  %s\n", line.msg);
}

static void put_metadata(wh_page *p, const whit_file *file)
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

static void put_tensors(wh_page *p, const whit_source *source)
{
    char shape[200], text[WHIT_SCHEME_TEXT];
    size_t n = whit_source_count(source);
    for (size_t i = 0; i < n; i++) wh_page_fit(p, whit_source_at(source, i)->tensor.name);
    wh_page_style(p, WH_BOLD);
    wh_buf_putf(&p->text, "%-*s  %-11s %14s  %-*s %7s %14s\n", p->name_width, "tensor", "dtype",
                "shape", p->scheme_width, "scheme", "bpw", "bytes");
    wh_page_style(p, WH_PLAIN);
    for (size_t i = 0; i < n; i++) {
        const whit_source_tensor *t = whit_source_at(source, i);
        wh_page_name(p, t->tensor.name);
        wh_buf_putf(&p->text, "  %-11s %14s  %-*s %7.3f %14" PRIu64 "\n",
                    whit_tensor_type(&t->tensor), wh_shape_text(&t->tensor, shape), p->scheme_width,
                    whit_scheme_print(&t->scheme, text),
                    wh_per_weight(t->tensor.bytes, t->tensor.elements), t->tensor.bytes);
    }
}

static void put_stats(wh_page *p, const whit_stats *stats)
{
    size_t n = whit_stats_count(stats);
    for (size_t i = 0; i < n; i++) wh_page_fit(p, whit_stats_at(stats, i)->source->tensor.name);
    wh_page_style(p, WH_BOLD);
    wh_buf_putf(&p->text, "%-*s", p->name_width, "tensor");
    wh_stats_columns(&p->text, NULL);
    wh_page_style(p, WH_PLAIN);
    for (size_t i = 0; i < n; i++) {
        wh_page_name(p, whit_stats_at(stats, i)->source->tensor.name);
        wh_stats_columns(&p->text, whit_stats_at(stats, i));
    }
}

static void put_check(wh_page *p, const whit_check *check)
{
    for (size_t i = 0; i < check->notes.count; i++)
        wh_buf_putf(&p->text, "note      %s\n", check->notes.line[i]);
    for (size_t i = 0; i < check->problems.count; i++) {
        wh_page_style(p, WH_RED);
        wh_buf_putf(&p->text, "problem   %s\n", check->problems.line[i]);
        wh_page_style(p, WH_PLAIN);
    }
    wh_buf_putf(&p->text, "check     %s\n", check->problems.count ? "failed" : "ok");
}

void whit_source_write_text(const whit_source *source, const whit_check *check,
                            const whit_stats *stats, int flags, FILE *out)
{
    wh_page p = wh_page_new(flags);
    const whit_file *file = whit_source_file(source);
    uint64_t weights = 0, bytes = 0, size = 0;
    char a[32], b[32], c[32];
    for (size_t i = 0; i < whit_source_count(source); i++) {
        weights += whit_source_at(source, i)->tensor.elements;
        bytes += whit_source_at(source, i)->tensor.bytes;
        wh_page_fit_scheme(&p, &whit_source_at(source, i)->scheme);
    }
    for (size_t k = 0; k < whit_file_shards(file); k++) size += whit_file_shard_bytes(file, k);
    wh_buf_putf(&p.text, "format    %s, %zu file%s, %s bytes\n", whit_source_format(source),
                whit_file_shards(file), whit_file_shards(file) == 1 ? "" : "s", wh_spaced(size, a));
    wh_buf_putf(&p.text, "tensors   %zu, %s weights, %s bytes, %.3f bpw\n",
                whit_source_count(source), wh_spaced(weights, b), wh_spaced(bytes, c),
                wh_per_weight(bytes, weights));
    put_kinds(&p, source);
    put_metadata(&p, file);
    if (flags & WHIT_TEXT_TENSORS) put_tensors(&p, source);
    if (stats) put_stats(&p, stats);
    if (check) put_check(&p, check);
    wh_page_print(&p, out);
}
