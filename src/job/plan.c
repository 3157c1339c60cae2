/* src/job/plan.c - what each tensor becomes, where it goes, and what the job will need.
 *
 * Rules decide the scheme (rules.c), the target the files (target.c); here both meet, and sizes and
 * memory follow. What only GGUF wants is gguf_out.c's, metadata is describe.c's. Nothing of the
 * tensors' data is read.
 *
 * SPDX-License-Identifier: MIT */
#include "job/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <whit/pack.h>
#include "base/mem.h"
#include "job/act_scales.h"
#include "job/checkpoint.h"
#include "job/choose.h"
#include "job/config_text.h"
#include "job/describe.h"
#include "job/gguf_out.h"
#include "job/importance.h"
#include "job/method.h"
#include "job/shards.h"
#include "job/span.h"
#include "job/stored.h"
#include "job/stream.h"
#include "job/writer.h"

#define MIB ((uint64_t)1 << 20)

void whit_job_options_init(whit_job_options *options)
{
    *options = (whit_job_options){ .struct_size = sizeof *options };
}

void whit_quantize_options_init(whit_quantize_options *options)
{
    *options = (whit_quantize_options){ .struct_size = sizeof *options };
    whit_job_options_init(&options->job);
    whit_method_options_init(&options->method);
}

int wh_plan_spans(const whit_plan *plan, size_t index)
{
    const whit_plan_entry *e = &plan->entry[index];
    const wh_tiling *t = &plan->tiles.tiling[index];
    if (!whit_scheme_is_quantized(&e->scheme) || t->count < 2) return 0;
    return e->scheme.gran == WHIT_GRAN_TENSOR ||
           (e->scheme.gran == WHIT_GRAN_CHANNEL && t->tile_cols < t->cols);
}

static whit_status no_memory(whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the plan");
}

/* The type of a plain tensor in the output. */
static whit_dtype plain_type(const whit_plan_entry *e)
{
    switch (e->scheme.kind) {
    case WHIT_TO_F16:
        return WHIT_F16;
    case WHIT_TO_BF16:
        return WHIT_BF16;
    case WHIT_TO_F32:
        return WHIT_F32;
    default:
        return e->source->tensor.dtype;
    }
}

static whit_status place_plain(whit_plan *p, size_t i, size_t file, whit_error *err)
{
    whit_plan_entry *e = &p->entry[i];
    const whit_tensor *t = &e->source->tensor;
    whit_dtype type = plain_type(e);
    e->bytes_out = t->bytes; /* kept: elements may have fewer than 8 bits */
    if (e->scheme.kind != WHIT_KEEP &&
        !wh_mul_u64(t->elements, whit_dtype_bits(type) / 8, &e->bytes_out))
        return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: too large", t->name);
    wh_out_entry what = wh_target_entry(t, type, e->bytes_out);
    if (p->gguf) wh_gguf_rename(p, i, &what);
    return wh_layout_add(&p->target.layout, file, &what, "", &p->spot[i][0], err);
}

/* The stored parts of one tensor, added to the layout. */
static whit_status place(whit_plan *p, size_t i, whit_error *err)
{
    whit_plan_entry *e = &p->entry[i];
    const whit_tensor *t = &e->source->tensor;
    size_t file = p->file_of ? p->file_of[i] : wh_target_file(&p->target, t->shard);
    whit_plane planes[WHIT_MAX_PLANES];
    int overflow = 0;
    e->bytes_out = 0;
    if (p->gguf && e->scheme.kind == WHIT_GGUF) return wh_gguf_place(p, i, file, err);
    if (p->gguf && wh_gguf_drops(p, i)) return WHIT_OK;
    if (wh_checkpoint_packing(p, i)) return wh_checkpoint_place(p, i, file, err);
    unsigned n = p->fake ? 0
                         : whit_native_planes(&e->scheme, e->source->rows, e->source->cols, planes,
                                              &overflow);
    if (overflow) return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: too large", t->name);
    for (unsigned k = 0; k < n; k++) {
        wh_out_entry what = { .name = t->name,
                              .dtype = planes[k].dtype,
                              .rank = planes[k].rank,
                              .bytes = planes[k].bytes };
        memcpy(what.shape, planes[k].shape, planes[k].rank * sizeof *what.shape);
        e->bytes_out += planes[k].bytes;
        whit_status st =
            wh_layout_add(&p->target.layout, file, &what, planes[k].suffix, &p->spot[i][k], err);
        if (st != WHIT_OK) return st;
    }
    return n > 0 ? WHIT_OK : place_plain(p, i, file, err);
}

static whit_status place_all(whit_plan *p, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t k = 0; k < p->count && st == WHIT_OK; k++)
        st = place(p, p->order ? p->order[k] : k, err);
    return st == WHIT_OK && p->gguf ? wh_gguf_place_rest(p, err) : st;
}

/* Tiles of the main pass: elements for what is encoded or converted, octets for what is copied. */
static whit_status number_tiles(whit_plan *p, whit_error *err)
{
    if (!wh_numbering_init(&p->tiles, p->count)) return no_memory(err);
    for (size_t i = 0; i < p->count; i++) {
        const whit_plan_entry *e = &p->entry[i];
        uint64_t group = e->scheme.group ? e->scheme.group : 1, rows = e->source->rows;
        uint64_t high = e->scheme.block_rows ? e->scheme.block_rows : 1, cols = e->source->cols;
        if (p->gguf) wh_gguf_tiles(p, i, &rows, &cols, &group);
        if (wh_checkpoint_packing(p, i)) { /* whole rows, as whole words want them */
            const uint64_t unit = whit_packing_unit(wh_checkpoint_packing(p, i));
            group = cols;
            high = high % unit == 0 ? high : unit % high == 0 ? unit : high * unit;
        }
        p->tiles.tiling[i] = e->scheme.kind == WHIT_KEEP
                                 ? wh_tiling_make(1, e->bytes_out, 1)
                                 : wh_tiling_blocks(rows, cols, group, high);
    }
    wh_numbering_finish(&p->tiles);
    return WHIT_OK;
}

uint64_t wh_plan_worker_bytes(const whit_plan *p)
{
    const uint64_t largest = wh_numbering_largest(&p->tiles);
    /* a packed tensor is held whole: each worker may be on another one */
    const uint64_t image = p->checkpoint ? wh_checkpoint_largest(p) : 0;
    const uint64_t counts = p->clip == WHIT_CLIP_PERCENTILE ? WH_SPAN_COUNTS * sizeof(uint64_t) : 0;
    return wh_worker_bytes(largest) + wh_writer_bytes(largest) + image + counts;
}

static whit_status add_up(whit_plan *p, whit_error *err)
{
    whit_plan_totals *t = &p->totals;
    uint64_t fixed = 8 * MIB, held = 0;
    t->tensors = p->count;
    t->seconds = NAN;
    for (size_t i = 0; i < p->count; i++) {
        t->weights += p->entry[i].weights;
        t->bytes_in += p->entry[i].bytes_in;
        t->bytes_out += p->entry[i].bytes_out;
        const whit_source_tensor *s = p->entry[i].source;
        if (p->entry[i].scheme.dq) /* all its scales are held while it is worked on */
            held += wh_nested_bytes(s->rows * ((s->cols - 1) / p->entry[i].scheme.group + 1));
    }
    t->file_bytes = wh_layout_bytes(&p->target.layout);
    /* the tables of source and plan, and a header text twice */
    fixed += p->count * 1024;
    fixed += wh_rules_lines(p->rules)->bytes * 64; /* a glob has two operations an octet */
    if (p->gguf) fixed += wh_gguf_bytes(p);
    fixed += wh_importance_bytes(p);
    for (size_t f = 0; f < p->target.layout.count; f++)
        fixed += 4 * p->target.layout.file[f].header_bytes;
    if (p->method) { /* it is done before the stream begins */
        const whit_status st = wh_method_fits(p, fixed + held + wh_plan_worker_bytes(p), err);
        if (st != WHIT_OK) return st;
    }
    return wh_stream_threads(&p->job, fixed + held, wh_plan_worker_bytes(p), &t->threads,
                             &t->memory_bytes, err);
}

/* A warning, or under strict the end. */
static whit_status complain(whit_plan *p, const char *what, whit_error *err)
{
    if (p->job.strict) return wh_fail(err, WHIT_ERR_BAR, "%s", what);
    wh_lines_add(&p->warnings, "%s", what);
    return WHIT_OK;
}

static whit_status check_rules(whit_plan *p, whit_error *err)
{
    const wh_recipe *recipe = wh_rules_lines(p->rules);
    char what[320];
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < recipe->count && st == WHIT_OK; i++) {
        const wh_rule *r = &recipe->rule[i];
        if (r->first) {
            snprintf(what, sizeof what, "%s:%zu: '%.120s' is on line %zu too; the last one counts",
                     recipe->name, r->line, r->text, r->first);
            st = complain(p, what, err);
        }
        if (st != WHIT_OK || r->matched) continue;
        snprintf(what, sizeof what, "%s:%zu: '%.120s' matches no tensor", recipe->name, r->line,
                 r->text);
        st = complain(p, what, err);
    }
    for (size_t i = 0; i < wh_rules_unmatched(p->rules) && st == WHIT_OK; i++) {
        snprintf(what, sizeof what, "rule '%.160s' matches no tensor",
                 wh_rules_unmatched_at(p->rules, i));
        st = complain(p, what, err);
    }
    if (st == WHIT_OK && wh_rules_embeddings_unmatched(p->rules))
        st = complain(p, "--embeddings: no tensor is an embedding by its name", err);
    if (st == WHIT_OK && wh_rules_head_unmatched(p->rules))
        st = complain(
            p, "--head: no tensor is an output head by its name; a tied head is the embedding",
            err);
    return st;
}

/* The recipe first: it may name the default. */
static whit_status read_rules(whit_plan *p, const whit_quantize_options *o, const char *output,
                              whit_error *err)
{
    wh_recipe recipe = { 0 };
    const char *standard = o->scheme;
    whit_status st = o->recipe ? wh_recipe_read(&recipe, o->recipe, err) : WHIT_OK;
    if (!standard && recipe.standard[0]) standard = recipe.standard;
    if (st == WHIT_OK)
        st = wh_target_init(&p->target, output, wh_gguf_guess(o->format, output, standard),
                            p->source, &p->warnings, err);
    const int gguf = p->target.format == WHIT_FORMAT_GGUF;
    const int checkpoint = wh_checkpoint_format(p->target.format);
    if (!standard)
        standard = gguf         ? "q4_k_m"
                   : checkpoint ? wh_checkpoint_standard(p->target.format)
                                : "int4-g128";
    if (st == WHIT_OK && o->gptq_version && p->target.format != WHIT_FORMAT_GPTQ)
        st = wh_fail(err, WHIT_ERR_ARG, "--gptq-version is about --format gptq");
    if (st == WHIT_OK && !gguf) st = wh_gguf_refuse_options(o, standard, err);
    if (st == WHIT_OK && gguf) st = wh_gguf_open(p, o, standard, err);
    if (st == WHIT_OK && checkpoint) st = wh_checkpoint_open(p, o, err);
    if (st == WHIT_OK)
        st = wh_rules_make(&p->rules, standard, o->embeddings, o->head, o->rules, o->rules_count,
                           err);
    if (st == WHIT_OK && gguf) wh_rules_begin_with(p->rules, wh_gguf_vote, p);
    if (st == WHIT_OK) wh_rules_take(p->rules, &recipe);
    wh_recipe_free(&recipe);
    return st;
}

/* Lay out again, in files of at most `limit` bytes: only now are the sizes known. */
static whit_status cut_shards(whit_plan *p, uint64_t limit, whit_error *err)
{
    size_t files;
    p->file_of = wh_calloc(p->count, sizeof *p->file_of);
    if (!p->file_of) return no_memory(err);
    whit_status st = wh_shards_cut(p, limit, p->file_of, &files, err);
    if (st == WHIT_OK) st = wh_target_split(&p->target, files, err);
    return st == WHIT_OK ? place_all(p, err) : st;
}

/* Whether anything of a source that is quantized already is not just carried over. */
static int decodes_any(const whit_plan *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (whit_scheme_is_quantized(&p->entry[i].source->scheme) &&
            p->entry[i].scheme.kind != WHIT_KEEP)
            return 1;
    return 0;
}

/* 1: no tensor of the output has codes. */
static int is_plain(const whit_plan *p)
{
    size_t i = 0;
    while (i < p->count && !whit_scheme_is_quantized(&p->entry[i].scheme)) i++;
    return p->fake || i == p->count;
}

/* Whether --clip says how the scales of an entry are found. */
static int is_clipped(const whit_plan *p, size_t i)
{
    const whit_scheme *s = &p->entry[i].scheme;
    const int hqq = p->method && p->method->takes[i] && p->method->o.methods == WHIT_METHOD_HQQ;
    return whit_scheme_is_quantized(s) && s->kind != WHIT_GGUF && !hqq;
}

static void warn_of_clip(whit_plan *p)
{
    size_t i = 0;
    if (p->clip == WHIT_CLIP_DEFAULT) return;
    while (i < p->count && !is_clipped(p, i)) i++;
    if (i == p->count)
        wh_lines_add(&p->warnings, "--clip changes nothing: it is about no tensor's scales");
}

static whit_status fill(whit_plan *p, const whit_quantize_options *o, const char *output,
                        whit_error *err)
{
    p->entry = wh_calloc(p->count, sizeof *p->entry);
    p->spot = wh_calloc(p->count, sizeof *p->spot);
    if (!p->entry || !p->spot) return no_memory(err);
    whit_status st = read_rules(p, o, output, err);
    const int carries = p->gguf && !p->gguf->converts; /* blocks as they are */
    if (st == WHIT_OK && !carries) st = wh_stored_check(p->source, o->requantize, err);
    if (st == WHIT_OK) st = wh_method_open(p, &o->method, err);
    if (st == WHIT_OK) st = wh_plan_choose(p, err);
    if (st == WHIT_OK && p->method) st = wh_method_choose(p, err);
    if (st == WHIT_OK) st = wh_act_scales(p, err);
    if (st == WHIT_OK && o->calibration && !p->gguf)
        st = wh_importance_open(p, o->calibration, err);
    if (st == WHIT_OK && carries && decodes_any(p))
        st = wh_stored_check(p->source, o->requantize, err);
    if (st == WHIT_OK && p->checkpoint) st = wh_checkpoint_check(p, err);
    if (st == WHIT_OK) st = place_all(p, err);
    wh_stored_warn(p);
    if (st == WHIT_OK) warn_of_clip(p);
    if (st == WHIT_OK && o->shard_size) st = cut_shards(p, o->shard_size, err);
    if (st == WHIT_OK) st = check_rules(p, err);
    if (st == WHIT_OK) st = p->gguf ? wh_gguf_describe(p, err) : wh_plan_describe(p, err);
    if (st == WHIT_OK)
        st = p->checkpoint ? wh_checkpoint_describe(p, err)
                           : wh_config_settle(&p->target.copies, whit_source_file(p->source),
                                              is_plain(p), &p->warnings, err);
    if (st == WHIT_OK) st = wh_layout_finish(&p->target.layout, err);
    if (st == WHIT_OK) st = number_tiles(p, err);
    if (st == WHIT_OK) st = add_up(p, err);
    return st == WHIT_OK && p->warnings.failed ? no_memory(err) : st;
}

whit_status whit_plan_make(whit_plan **out, const whit_source *source,
                           const whit_quantize_options *options, const char *output,
                           whit_error *err)
{
    *out = NULL;
    if (!source || !options || options->struct_size != sizeof *options ||
        options->job.struct_size != sizeof options->job ||
        (unsigned)options->clip > WHIT_CLIP_PERCENTILE ||
        (unsigned)options->nonfinite > WHIT_NONFINITE_CLAMP ||
        (unsigned)options->format > WHIT_FORMAT_BNB || options->gptq_version > 2 ||
        (unsigned)options->search > WHIT_SEARCH_REFERENCE ||
        (unsigned)options->observer > WHIT_OBSERVER_MSE)
        return wh_fail(err, WHIT_ERR_ARG, "whit_plan_make: options missing or of another version");
    if (options->clip == WHIT_CLIP_PERCENTILE &&
        !(options->percentile > 0 && options->percentile <= 100))
        return wh_fail(err, WHIT_ERR_ARG, "a percentile is above 0 and at most 100");
    if (options->observer == WHIT_OBSERVER_PERCENTILE &&
        !(options->observer_percent > 0 && options->observer_percent <= 100))
        return wh_fail(err, WHIT_ERR_ARG, "a percentile is above 0 and at most 100");
    whit_plan *p = wh_calloc(1, sizeof *p);
    if (!p) return no_memory(err);
    p->source = source;
    p->job = options->job;
    p->clip = options->clip;
    p->percentile = options->percentile;
    p->nonfinite = options->nonfinite;
    p->fake = options->fake_quant;
    p->search = options->search;
    p->calibration = options->calibration;
    p->observer = options->observer;
    p->observer_percent = options->observer_percent;
    p->count = whit_source_count(source);
    p->warnings.limit = 100;
    whit_status st = fill(p, options, output, err);
    p->calibration = NULL; /* the caller's */
    if (st != WHIT_OK) {
        whit_plan_free(p);
        return st;
    }
    *out = p;
    return WHIT_OK;
}

void whit_plan_free(whit_plan *plan)
{
    if (!plan) return;
    wh_rules_free(plan->rules);
    wh_gguf_close(plan->gguf);
    wh_importance_close(plan->importance);
    wh_method_close(plan->method);
    wh_checkpoint_close(plan->checkpoint);
    wh_target_free(&plan->target);
    wh_numbering_free(&plan->tiles);
    wh_lines_free(&plan->warnings);
    free(plan->entry);
    free(plan->spot);
    free(plan->file_of);
    free(plan->order);
    free(plan);
}

size_t whit_plan_count(const whit_plan *plan)
{
    return plan->count;
}

const whit_plan_entry *whit_plan_at(const whit_plan *plan, size_t index)
{
    return index < plan->count ? &plan->entry[index] : NULL;
}

const whit_plan_totals *whit_plan_total(const whit_plan *plan)
{
    return &plan->totals;
}

whit_format whit_plan_format(const whit_plan *plan)
{
    return plan->target.format;
}

whit_status whit_plan_keep_off(const whit_plan *plan, const char *path, whit_error *err)
{
    return wh_target_keep_off(&plan->target, path, err);
}

size_t whit_plan_find(const whit_plan *plan, const char *name)
{
    size_t len = strlen(name), found = whit_source_find(plan->source, name);
    for (size_t i = 0; i < plan->count && found == WHIT_NOT_FOUND; i++) {
        const char *full = plan->entry[i].source->tensor.name;
        if (strncmp(full, name, len) == 0 && strcmp(full + len, ".weight") == 0) found = i;
    }
    return found;
}

size_t whit_plan_warnings(const whit_plan *plan)
{
    return plan->warnings.count;
}

const char *whit_plan_warning(const whit_plan *plan, size_t index)
{
    return wh_lines_at(&plan->warnings, index);
}
