/* src/job/verify_against.c - some tensors of a model made again from their source, and compared.
 *
 * The file says by which recipe and options it was made; a plan is made of these as quantize would,
 * and the tiles of the chosen tensors are encoded and held against the file instead of written.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/names.h"
#include "base/thread.h"
#include "job/checkpoint.h"
#include "job/gguf_out.h"
#include "job/importance.h"
#include "job/match.h"
#include "job/verify.h"
#include "job/work.h"
#include "job/work_fit.h"
#include "job/work_packed.h"

/* ---- how it was made ------------------------------------------------------------------------- */

/* What the file says, as options of quantize. */
typedef struct retold {
    whit_quantize_options options;
    char *text;         /* of the recipe, cut into its pieces */
    const char **rules; /* [options.rules_count] "GLOB=SCHEME" */
    char *words;        /* of the options */
} retold;

/* "GLOB SCHEME" a line, the first "* DEFAULT"; in rules the glob ends at the last '='. */
static whit_status retell_recipe(retold *r, const char *recipe, whit_error *err)
{
    size_t lines = 1;
    for (const char *c = recipe; *c; c++) lines += *c == '\n';
    r->text = wh_strndup(recipe, strlen(recipe));
    r->rules = wh_calloc(lines, sizeof *r->rules);
    if (!r->text || !r->rules) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the recipe");
    for (char *line = r->text, *next; *line; line = next) {
        const size_t len = strcspn(line, "\n");
        next = line + len + (line[len] == '\n');
        line[len] = '\0';
        char *blank = strrchr(line, ' ');
        if (!blank)
            return wh_fail(err, WHIT_ERR_ARG, "whit.recipe: '%.80s' is no line of a recipe", line);
        *blank = '=';
        if (r->options.scheme)
            r->rules[r->options.rules_count++] = line;
        else if (strncmp(line, "*=", 2) == 0)
            r->options.scheme = line + 2;
        else
            return wh_fail(err, WHIT_ERR_ARG, "whit.recipe does not begin with the default");
    }
    return WHIT_OK;
}

/* The number in "percentile:99.9". */
static int read_percent(const char *text, double *percent)
{
    static const char name[] = "percentile:";
    wh_json j;
    if (strncmp(text, name, sizeof name - 1) != 0) return 0;
    wh_json_init(&j, text + sizeof name - 1, strlen(text) - (sizeof name - 1));
    const int ok = wh_json_next(&j) == WH_JSON_NUMBER && wh_json_f64(&j, percent) &&
                   wh_json_next(&j) == WH_JSON_END;
    wh_json_free(&j);
    return ok;
}

typedef struct word {
    const char *text;
    size_t field; /* an enum or int of whit_quantize_options */
    int value;
} word;

#define FIELD(name) offsetof(whit_quantize_options, name)
static const word known[] = {
    { "clip=minmax", FIELD(clip), WHIT_CLIP_MINMAX },
    { "clip=mse", FIELD(clip), WHIT_CLIP_MSE },
    { "fake-quant", FIELD(fake_quant), 1 },
    { "nonfinite=zero", FIELD(nonfinite), WHIT_NONFINITE_ZERO },
    { "nonfinite=clamp", FIELD(nonfinite), WHIT_NONFINITE_CLAMP },
    { "observer=entropy", FIELD(observer), WHIT_OBSERVER_ENTROPY },
    { "observer=mse", FIELD(observer), WHIT_OBSERVER_MSE },
    { "search=reference", FIELD(search), WHIT_SEARCH_REFERENCE },
};

static int retell_word(whit_quantize_options *o, const char *text)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(text, known[i].text) == 0) {
            memcpy((char *)o + known[i].field, &known[i].value, sizeof known[i].value);
            return 1;
        }
    if (strncmp(text, "clip=", 5) == 0) {
        o->clip = WHIT_CLIP_PERCENTILE;
        return read_percent(text + 5, &o->percentile);
    }
    if (strncmp(text, "observer=", 9) != 0) return 0;
    o->observer = WHIT_OBSERVER_PERCENTILE;
    return read_percent(text + 9, &o->observer_percent);
}

static whit_status retell_options(retold *r, const char *options, whit_error *err)
{
    r->words = wh_strndup(options, strlen(options));
    if (!r->words) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the options");
    for (char *at = r->words; *at;) {
        const size_t len = strcspn(at, " ");
        char *next = at + len + (at[len] == ' ');
        at[len] = '\0';
        if (!retell_word(&r->options, at))
            return wh_fail(err, WHIT_ERR_ARG,
                           "made with '%.80s', which cannot be done again here; try: whit compare",
                           at);
        at = next;
    }
    return WHIT_OK;
}

static void retell_format(whit_quantize_options *o, const whit_source *source)
{
    static const struct {
        const char *name;
        whit_format format;
    } formats[] = { { "GGUF", WHIT_FORMAT_GGUF },
                    { "compressed-tensors", WHIT_FORMAT_CT },
                    { "gptq", WHIT_FORMAT_GPTQ },
                    { "awq", WHIT_FORMAT_AWQ },
                    { "bitsandbytes", WHIT_FORMAT_BNB } };
    o->format = WHIT_FORMAT_NATIVE;
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (strncmp(whit_source_format(source), formats[i].name, strlen(formats[i].name)) == 0)
            o->format = formats[i].format;
    for (size_t i = 0; o->format == WHIT_FORMAT_GPTQ && i < whit_source_count(source); i++) {
        const whit_layout layout = whit_source_at(source, i)->layout;
        if (layout == WHIT_LAYOUT_GPTQ || layout == WHIT_LAYOUT_GPTQ_V2)
            o->gptq_version = layout == WHIT_LAYOUT_GPTQ ? 1 : 2;
    }
}

static whit_status retell(retold *r, const whit_verification *v, const whit_verify_options *o,
                          whit_error *err)
{
    const wh_provenance *p = &v->provenance;
    whit_quantize_options_init(&r->options);
    if (!p->recipe)
        return wh_fail(err, WHIT_ERR_ARG,
                       "says nothing of how it was made (whit.recipe); try: whit compare");
    if (p->version && strcmp(p->version, WHIT_VERSION_STRING) != 0)
        return wh_fail(err, WHIT_ERR_ARG,
                       "made by whit %.32s, and this is " WHIT_VERSION_STRING
                       "; try: that version, or whit compare",
                       p->version);
    if (o->calibration && !p->calibration)
        return wh_fail(err, WHIT_ERR_ARG, "made without a calibration; try: no --calibration");
    whit_status st = retell_recipe(r, p->recipe, err);
    if (st == WHIT_OK && p->options) st = retell_options(r, p->options, err);
    if (st != WHIT_OK) return st;
    if (p->calibration && !o->calibration)
        return wh_fail(err, WHIT_ERR_ARG,
                       "made with a calibration of SHA-256 %.64s; try: --calibration FILE",
                       p->calibration);
    retell_format(&r->options, v->source);
    r->options.rules = r->rules;
    r->options.calibration = o->calibration;
    r->options.requantize = 1; /* the source may be quantized; what was made of it says so */
    r->options.job = o->job;
    return st;
}

/* That the calibration is the one that was used. */
static whit_status check_calibration(const whit_verification *v, const whit_verify_options *o,
                                     const whit_plan *plan, whit_error *err)
{
    char name[WH_SHORT];
    const char *said = v->provenance.calibration;
    const char *given = plan->importance ? plan->importance->sha256
                        : plan->gguf     ? plan->gguf->learned
                                         : NULL;
    if (!said || (given && strcmp(said, given) == 0)) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_ARG,
                   "%s: is not the calibration that was used, whose SHA-256 is %.64s",
                   wh_short(name, o->calibration), said);
}

/* ---- made again ------------------------------------------------------------------------------ */

struct wh_remaking {
    whit_verification *v;
    retold told;
    whit_plan *plan;
    wh_match match;
    wh_work work;
    wh_meter meter;
    size_t entry;
};

static whit_status tile_work(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    wh_remaking *a = ctx;
    return wh_work_tile(&a->work, worker, a->plan->tiles.first[a->entry] + tile, err);
}

static whit_status tile_commit(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    wh_remaking *a = ctx;
    const whit_plan_entry *e = &a->plan->entry[a->entry];
    const uint64_t first = a->plan->tiles.first[a->entry];
    (void)worker;
    return wh_meter_step(&a->meter, e->source->tensor.name,
                         wh_numbering_share(&a->plan->tiles, a->entry, first + tile, e->bytes_in),
                         err);
}

static whit_status make_again(wh_remaking *a, size_t i, whit_error *err)
{
    const wh_numbering *tiles = &a->plan->tiles;
    whit_quant_stats ignored = { 0 };
    a->entry = i;
    whit_status st = wh_work_fit(&a->work, i, &a->meter, &ignored, err);
    if (st == WHIT_OK)
        st = wh_for_ordered(a->work.threads, tiles->first[i + 1] - tiles->first[i], tile_work,
                            tile_commit, a, err);
    if (wh_checkpoint_packing(a->plan, i)) { /* also lets go of what is held */
        whit_status packed = wh_work_packed_finish(&a->work, i, st == WHIT_OK ? err : NULL);
        if (st == WHIT_OK) st = packed;
    }
    wh_work_unfit(&a->work, i);
    return st;
}

/* The same may be found by looking at names and by looking at data. */
static void add_problem(wh_lines *problems, const char *text)
{
    for (size_t i = 0; i < problems->count; i++)
        if (strcmp(problems->line[i], text) == 0) return;
    wh_lines_add(problems, "%s", text);
}

/* Tensors that are there on one side only, or are another size. */
static whit_status check_names(wh_remaking *a, whit_error *err)
{
    const wh_layout *l = &a->plan->target.layout;
    whit_verification *v = a->v;
    wh_names names = { 0 };
    int failed = 0;
    for (size_t f = 0; f < l->count; f++)
        for (size_t i = 0; i < l->file[f].count; i++) {
            whit_error said;
            failed |= wh_names_add(&names, l->file[f].entry[i].name, i) < 0;
            if (wh_match_tensor(&a->match, (wh_spot){ (uint32_t)f, (uint32_t)i }, &said) != WHIT_OK)
                add_problem(&v->problems, said.msg);
        }
    for (size_t i = 0; !failed && i < whit_file_count(a->match.file); i++) {
        char name[WH_SHORT];
        const char *full = whit_file_tensor(a->match.file, i)->name;
        if (wh_names_find(&names, full) == WH_NAMES_NONE)
            wh_lines_add(&v->problems, "%s: the source does not give it", wh_short(name, full));
    }
    wh_names_free(&names);
    return failed ? wh_fail(err, WHIT_ERR_NOMEM, "no memory for the names") : WHIT_OK;
}

/* 1: the file says of a tensor what the plan would. NULL: its codes may be there, as a tensor of
 * octets. */
static int is_described(const whit_plan_entry *e, const whit_source_tensor *t)
{
    char made[WHIT_SCHEME_TEXT], said[WHIT_SCHEME_TEXT];
    if (!t) return 0;
    whit_scheme_print(&e->scheme, made);
    whit_scheme_print(&t->scheme, said);
    const whit_tensor *from = &e->source->tensor;
    return strcmp(made, said) == 0 && t->tensor.dtype == from->dtype &&
           t->tensor.rank == from->rank &&
           memcmp(t->tensor.shape, from->shape, from->rank * sizeof *from->shape) == 0;
}

/* What native files say beside the tensors, which no digest is of: another group may have as many
 * scales, and gives other weights. */
static void check_described(const wh_remaking *a)
{
    const whit_verification *v = a->v;
    const int native = a->plan->target.format == WHIT_FORMAT_NATIVE && !a->plan->fake;
    for (size_t i = 0; native && i < a->plan->count; i++) {
        const whit_plan_entry *e = &a->plan->entry[i];
        const char *full = e->source->tensor.name;
        char name[WH_SHORT], made[WHIT_SCHEME_TEXT];
        const size_t k = whit_source_find(v->source, full);
        if (!whit_scheme_is_quantized(&e->scheme)) continue;
        if (is_described(e, k == WHIT_NOT_FOUND ? NULL : whit_source_at(v->source, k))) continue;
        wh_lines_add(&a->v->problems, "%s: %s the source gives, which is %s", wh_short(name, full),
                     k == WHIT_NOT_FOUND ? "is not described as the tensor that"
                                         : "is described as another tensor than",
                     whit_scheme_print(&e->scheme, made));
    }
}

/* Entry number k of `count` at equal distances of `all`. */
static size_t at_distance(size_t k, size_t count, size_t all)
{
    return (size_t)((double)k * (double)all / (double)count);
}

static whit_status make_sample(wh_remaking *a, uint64_t sample, whit_error *err)
{
    whit_verification *v = a->v;
    size_t all = 0, *entry = wh_calloc(a->plan->count, sizeof *entry);
    for (size_t i = 0; entry && i < a->plan->count; i++)
        if (!a->plan->gguf || !wh_gguf_drops(a->plan, i)) entry[all++] = i;
    v->remade_of = all;
    const size_t count = sample == 0 || sample > all ? all : (size_t)sample;
    v->remade = wh_calloc(count, sizeof *v->remade);
    whit_status st =
        entry && v->remade ? WHIT_OK : wh_fail(err, WHIT_ERR_NOMEM, "no memory for the sample");
    for (size_t k = 0; k < count && st == WHIT_OK; k++)
        a->meter.total += a->plan->entry[entry[at_distance(k, count, all)]].bytes_in;
    for (size_t k = 0; k < count && st == WHIT_OK; k++) {
        const size_t i = entry[at_distance(k, count, all)];
        whit_error said = { WHIT_OK, "" };
        st = make_again(a, i, &said);
        if (st == WHIT_ERR_BAR) add_problem(&v->problems, said.msg);
        v->remade[v->remade_count++] =
            (wh_remade){ a->plan->entry[i].source->tensor.name, st == WHIT_OK };
        if (st == WHIT_ERR_BAR)
            st = WHIT_OK;
        else if (st != WHIT_OK)
            wh_fail(err, st, "%s", said.msg);
    }
    free(entry);
    return st;
}

whit_status wh_remaking_open(wh_remaking **out, whit_verification *v, const whit_verify_options *o,
                             whit_error *err)
{
    char name[WH_SHORT];
    wh_remaking *a = *out = wh_calloc(1, sizeof *a);
    if (!a) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the plan");
    a->v = v;
    whit_status st = retell(&a->told, v, o, err);
    wh_short(name, whit_file_path(whit_source_file(v->source)));
    if (st != WHIT_OK) return wh_prefix(err, st, name);
    st = whit_plan_make(&a->plan, o->against, &a->told.options, NULL, err);
    return st == WHIT_OK ? check_calibration(v, o, a->plan, err) : st;
}

whit_status wh_remaking_run(wh_remaking *a, const whit_verify_options *o, whit_error *err)
{
    a->match = (wh_match){ whit_source_file(a->v->source), &a->plan->target.layout };
    whit_status st = wh_work_open_match(&a->work, a->plan, &a->match, err);
    wh_meter_start(&a->meter, &o->job, 0);
    if (st == WHIT_OK) st = check_names(a, err);
    if (st == WHIT_OK) check_described(a);
    if (st == WHIT_OK) st = make_sample(a, o->sample, err);
    wh_work_close(&a->work);
    return st;
}

void wh_remaking_close(wh_remaking *a)
{
    if (!a) return;
    whit_plan_free(a->plan);
    free(a->told.text);
    free(a->told.rules);
    free(a->told.words);
    free(a);
}
