/* src/job/describe.c - what an output says about itself: the metadata of native files, and the
 * texts in it that other formats carry too.
 *
 * Everything is known before the data is read, but for the counts of whit.notes and the digests,
 * whose texts have always the same length. Not here: the metadata of GGUF (gguf_describe.c).
 *
 * SPDX-License-Identifier: MIT */
#include "job/describe.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/names.h"
#include "job/act_scales.h"
#include "job/digests.h"
#include "job/gguf_out.h"
#include "job/importance.h"
#include "job/method.h"

static whit_status no_memory(whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the metadata of the output");
}

/* {"T": {"scheme": .., "shape": [..], "dtype": ..}, ..} of one output file. */
static void describe_tensors(const whit_plan *p, size_t file, wh_buf *out)
{
    const char *separator = "{";
    for (size_t i = 0; i < p->count; i++) {
        const whit_plan_entry *e = &p->entry[i];
        const whit_tensor *t = &e->source->tensor;
        char text[WHIT_SCHEME_TEXT];
        if (e->scheme.kind == WHIT_KEEP || p->spot[i][0].file != file) continue;
        wh_buf_puts(out, separator);
        wh_json_put_string(out, t->name);
        wh_buf_putf(out, ":{\"scheme\":\"%s\",\"shape\":[", whit_scheme_print(&e->scheme, text));
        for (uint32_t d = 0; d < t->rank; d++)
            wh_buf_putf(out, "%s%" PRIu64, d ? "," : "", t->shape[d]);
        wh_buf_putf(out, "],\"dtype\":\"%s\"}", whit_dtype_name(t->dtype));
        separator = ",";
    }
    wh_buf_puts(out, *separator == '{' ? "{}" : "}");
}

void wh_plan_notes(wh_buf *out, const whit_quant_stats *sum, uint64_t tensors_kept)
{
    wh_buf_putf(out,
                "{\"tensors_kept\":%20" PRIu64 ",\"scales_raised\":%20" PRIu64
                ",\"groups_zeroed\":%20" PRIu64 ",\"nonfinite\":%20" PRIu64 "}",
                tensors_kept, sum->scales_raised, sum->groups_zeroed, sum->nonfinite);
}

/* Words with single spaces between them, from `start` on, in the order of their octets. */
static void sort_words(wh_buf *b, size_t start)
{
    enum { MOST = 32 };
    const char *word[MOST];
    wh_buf sorted = { 0 };
    size_t count = 0;
    if (b->len <= start) return;
    for (char *at = b->data + start; *at && count < MOST; count++) {
        word[count] = at;
        at += strcspn(at, " ");
        if (*at) *at++ = '\0';
    }
    qsort(word, count, sizeof word[0], wh_by_text);
    for (size_t i = 0; i < count; i++) wh_buf_putf(&sorted, "%s%s", i ? " " : "", word[i]);
    b->len = start;
    wh_buf_puts(b, sorted.failed ? "" : sorted.data);
    b->failed |= sorted.failed;
    wh_buf_free(&sorted);
}

void wh_plan_options(const whit_plan *p, wh_buf *out)
{
    const size_t start = out->len;
    if (p->clip == WHIT_CLIP_PERCENTILE) {
        wh_buf_puts(out, "clip=percentile:");
        wh_json_put_double(out, p->percentile);
    } else if (p->clip != WHIT_CLIP_DEFAULT) {
        wh_buf_puts(out, p->clip == WHIT_CLIP_MSE ? "clip=mse" : "clip=minmax");
    }
    if (p->fake) wh_buf_puts(out, out->len ? " fake-quant" : "fake-quant");
    if (p->nonfinite != WHIT_NONFINITE_REFUSE) {
        wh_buf_puts(out, out->len ? " nonfinite=" : "nonfinite=");
        wh_buf_puts(out, p->nonfinite == WHIT_NONFINITE_ZERO ? "zero" : "clamp");
    }
    wh_method_option(p, out);
    wh_act_option(p, out);
    if (p->search == WHIT_SEARCH_REFERENCE)
        wh_buf_puts(out, out->len ? " search=reference" : "search=reference");
    if (!out->failed) sort_words(out, start);
}

const char *wh_learned_from(const whit_plan *p)
{
    if (p->method && p->method->source[0]) return p->method->source;
    if (p->gguf) return wh_gguf_weighed(p) > 0 ? p->gguf->learned : NULL;
    if (!p->importance) return NULL;
    return p->importance->used > 0 || wh_act_any(p) ? p->importance->sha256 : NULL;
}

static whit_status describe_file(whit_plan *p, size_t file, whit_error *err)
{
    wh_layout *l = &p->target.layout;
    wh_buf tensors = { 0 }, recipe = { 0 }, notes = { 0 }, options = { 0 }, digests = { 0 };
    describe_tensors(p, file, &tensors);
    wh_rules_recipe(p->rules, &recipe);
    wh_plan_options(p, &options);
    wh_plan_notes(&notes, &(whit_quant_stats){ 0 }, 0);
    wh_digests_text(NULL, l, file, &digests);
    int failed =
        tensors.failed || recipe.failed || notes.failed || options.failed || digests.failed;
    whit_status st = failed ? no_memory(err) : WHIT_OK;
    if (st == WHIT_OK) st = wh_layout_meta(l, file, "format", "pt", err);
    const int native = !p->fake && !p->checkpoint;
    if (st == WHIT_OK && native) st = wh_layout_meta(l, file, "whit.format", "1", err);
    if (st == WHIT_OK) st = wh_layout_meta(l, file, "whit.notes", notes.data, err);
    const char *learned = wh_learned_from(p);
    if (st == WHIT_OK && learned) st = wh_layout_meta(l, file, "whit.calibration", learned, err);
    if (st == WHIT_OK && options.len > 0)
        st = wh_layout_meta(l, file, "whit.options", options.data, err);
    if (st == WHIT_OK) st = wh_layout_meta(l, file, "whit.recipe", recipe.data, err);
    if (st == WHIT_OK) st = wh_layout_meta(l, file, WH_DIGESTS_KEY, digests.data, err);
    if (st == WHIT_OK && native) st = wh_layout_meta(l, file, "whit.tensors", tensors.data, err);
    if (st == WHIT_OK) st = wh_layout_meta(l, file, "whit.version", WHIT_VERSION_STRING, err);
    wh_buf_free(&tensors);
    wh_buf_free(&recipe);
    wh_buf_free(&notes);
    wh_buf_free(&options);
    wh_buf_free(&digests);
    return st;
}

whit_status wh_plan_describe(whit_plan *p, whit_error *err)
{
    const whit_file *file = whit_source_file(p->source);
    whit_status st = WHIT_OK;
    for (size_t f = 0; f < p->target.layout.count && st == WHIT_OK; f++)
        st = describe_file(p, f, err);
    for (size_t k = 0; k < whit_file_shards(file) && st == WHIT_OK; k++)
        for (size_t f = 0; f < p->target.layout.count && st == WHIT_OK; f++)
            if (p->file_of || f == wh_target_file(&p->target, (uint32_t)k))
                st = wh_layout_carry(&p->target.layout, f, file, k, err);
    return st;
}
