/* src/job/checkpoint.c - which tensors of a model folder become packed linears, and whether loaders
 * will take them together.
 *
 * Loaders build the layers of a model first and then look for the tensors of each: what they take
 * for a linear layer has to be stored as one, or named as left alone. Layers that they fuse (q, k
 * and v; gate and up) have to agree.
 *
 * Not here: the layouts (src/pack), the configuration (checkpoint_config.c).
 *
 * Source: vllm-project/vllm, model_executor/layers/quantization; huggingface/transformers,
 * quantizers; ModelCloud/GPTQModel. SPDX-License-Identifier: MIT */
#include "job/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "job/stored.h"
#include "quant/scheme.h"

static whit_status no_memory(whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the layout of a checkpoint");
}

int wh_checkpoint_format(whit_format format)
{
    return format >= WHIT_FORMAT_CT && format <= WHIT_FORMAT_BNB;
}

const char *wh_checkpoint_standard(whit_format format)
{
    return format == WHIT_FORMAT_BNB ? "nf4-g64" : "int4-g128";
}

whit_status wh_checkpoint_open(whit_plan *p, const whit_quantize_options *o, whit_error *err)
{
    const whit_file *file = whit_source_file(p->source);
    char name[WH_SHORT];
    if (o->fake_quant)
        return wh_fail(err, WHIT_ERR_ARG,
                       "fake quantization writes plain weights; try: no --format");
    if (!whit_file_is_folder(file))
        return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                       "%s: a checkpoint of this format is made from a model folder; try: the "
                       "folder with its config.json",
                       wh_short(name, whit_file_path(file)));
    if (p->target.copies.turned)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                       "%s: GPT-2 stores weights inputs x outputs, and loaders of this format take "
                       "them for outputs x inputs; try: no --format",
                       wh_short(name, whit_file_path(file)));
    wh_checkpoint *c = p->checkpoint = wh_calloc(1, sizeof *c);
    if (!c) return no_memory(err);
    c->gptq_version = o->gptq_version;
    c->first = p->count;
    c->packing = wh_calloc(p->count, sizeof *c->packing);
    c->is_linear = wh_calloc(p->count, 1);
    return c->packing && c->is_linear ? WHIT_OK : no_memory(err);
}

void wh_checkpoint_close(wh_checkpoint *c)
{
    if (!c) return;
    free(c->packing);
    free(c->is_linear);
    free(c);
}

/* ---- one tensor ------------------------------------------------------------------------------ */

static const char weight[] = ".weight";

size_t wh_checkpoint_stem(const whit_plan *p, size_t i)
{
    const char *name = whit_source_at(p->source, i)->tensor.name;
    const size_t len = strlen(name), cut = sizeof weight - 1;
    return len > cut && strcmp(name + len - cut, weight) == 0 ? len - cut : 0;
}

/* Why a tensor is no linear layer to a loader; NULL if it is one. */
static const char *no_linear(const whit_plan *p, size_t i)
{
    const whit_tensor *t = &whit_source_at(p->source, i)->tensor;
    const wh_name_sort sort = wh_rules_name_sort(t->name);
    if (sort == WH_NAME_EMBEDDING) return "embeddings stay as they are in this format";
    if (sort == WH_NAME_HEAD) return "the output head stays as it is in this format";
    return t->rank == 2 && wh_checkpoint_stem(p, i) > 0 ? NULL : "no linear layer";
}

static whit_layout layout_of(const whit_plan *p, const whit_scheme *s)
{
    const unsigned version = p->checkpoint->gptq_version;
    switch (p->target.format) {
    case WHIT_FORMAT_GPTQ:
        return version == 2 || (version == 0 && s->asym) ? WHIT_LAYOUT_GPTQ_V2 : WHIT_LAYOUT_GPTQ;
    case WHIT_FORMAT_AWQ:
        return WHIT_LAYOUT_AWQ;
    case WHIT_FORMAT_BNB:
        return s->kind == WHIT_INT ? WHIT_LAYOUT_BNB8 : WHIT_LAYOUT_BNB4;
    default:
        if (s->kind != WHIT_INT) return WHIT_LAYOUT_CT_FLOAT;
        return s->a8 ? WHIT_LAYOUT_CT_INT : WHIT_LAYOUT_CT_PACKED;
    }
}

/* The type that loaders read scales in, in place of the scheme's default. F16 is stored as such:
 * for another one that was asked for, the layout refuses. (F32 with whole rows is not told from the
 * default.) bitsandbytes has F32 for values of any type. */
static void fit_scale_type(const whit_plan *p, whit_scheme *s)
{
    const whit_format f = p->target.format;
    const wh_scheme_kind *kind = wh_scheme_kind_of(s);
    const int asked = kind && s->scale_type != wh_scheme_default_scale(kind, s);
    if ((f == WHIT_FORMAT_GPTQ || f == WHIT_FORMAT_AWQ) && !asked) s->scale_type = WHIT_F16;
    if (f == WHIT_FORMAT_BNB) s->scale_type = WHIT_F32;
}

/* Whether it is the shape that the layout cannot hold, and not the scheme. */
static int is_shape(const whit_packing *packing)
{
    whit_packing round = *packing;
    whit_plane planes[WHIT_MAX_PACKED];
    unsigned count;
    round.rows = round.cols = 1 << 16; /* a multiple of all that a group or word can be */
    return whit_packing_planes(&round, planes, &count, NULL) == WHIT_OK;
}

static whit_status pack(whit_plan *p, size_t i, wh_choice *choice, whit_error *err)
{
    const whit_source_tensor *s = whit_source_at(p->source, i);
    wh_checkpoint *c = p->checkpoint;
    whit_plane planes[WHIT_MAX_PACKED];
    unsigned count;
    char name[WH_SHORT];
    fit_scale_type(p, &choice->scheme);
    whit_packing packing = { .struct_size = sizeof packing,
                             .layout = layout_of(p, &choice->scheme),
                             .scheme = choice->scheme,
                             .rows = s->rows,
                             .cols = s->cols,
                             .dtype = s->tensor.dtype };
    if (choice->scheme.a8 && p->target.format != WHIT_FORMAT_CT)
        return wh_fail(err, WHIT_ERR_ARG,
                       "%s: this format has no word for activations of 8 bits; try: --format "
                       "compressed-tensors",
                       wh_short(name, s->tensor.name));
    whit_status st = whit_packing_planes(&packing, planes, &count, err);
    if (st == WHIT_ERR_UNSUPPORTED && is_shape(&packing)) {
        choice->scheme = (whit_scheme){ .kind = WHIT_KEEP, .scale_type = WHIT_F32 };
        choice->reason = "its shape does not fit the format";
        choice->fallback = 1;
        return wh_stored_settle(p, s, choice, err);
    }
    if (st == WHIT_ERR_UNSUPPORTED) {
        if (err) err->code = WHIT_ERR_ARG; /* a choice of the user's */
        return wh_prefix(err, WHIT_ERR_ARG, wh_short(name, s->tensor.name));
    }
    if (st != WHIT_OK) return st;
    c->packing[i] = packing;
    if (i < c->first) c->first = i;
    wh_stored_count(p, s);
    return WHIT_OK;
}

whit_status wh_checkpoint_settle(whit_plan *p, size_t i, wh_choice *choice, whit_error *err)
{
    const char *why = no_linear(p, i);
    p->checkpoint->is_linear[i] = why == NULL;
    if (!whit_scheme_is_quantized(&choice->scheme))
        return wh_stored_settle(p, whit_source_at(p->source, i), choice, err);
    if (!why) return pack(p, i, choice, err);
    choice->scheme = (whit_scheme){ .kind = WHIT_KEEP, .scale_type = WHIT_F32 };
    choice->reason = why;
    /* by default only what the rules could not know of */
    choice->fallback =
        choice->rule != NULL ||
        wh_rules_name_sort(whit_source_at(p->source, i)->tensor.name) != WH_NAME_OTHER;
    return wh_stored_settle(p, whit_source_at(p->source, i), choice, err);
}

const whit_packing *wh_checkpoint_packing(const whit_plan *p, size_t i)
{
    const whit_packing *packing = p->checkpoint ? &p->checkpoint->packing[i] : NULL;
    return packing && packing->layout != WHIT_LAYOUT_NATIVE ? packing : NULL;
}

whit_status wh_checkpoint_place(whit_plan *p, size_t i, size_t file, whit_error *err)
{
    whit_plane planes[WHIT_MAX_PACKED];
    unsigned count;
    wh_buf stem = { 0 };
    whit_plan_entry *e = &p->entry[i];
    whit_status st = whit_packing_planes(&p->checkpoint->packing[i], planes, &count, err);
    if (st != WHIT_OK) return st;
    wh_buf_put(&stem, e->source->tensor.name, wh_checkpoint_stem(p, i));
    if (stem.failed) st = no_memory(err);
    e->bytes_out = 0;
    for (unsigned k = 0; k < count && st == WHIT_OK; k++) {
        wh_out_entry what = { .name = stem.data,
                              .dtype = planes[k].dtype,
                              .rank = planes[k].rank,
                              .bytes = planes[k].bytes };
        memcpy(what.shape, planes[k].shape, planes[k].rank * sizeof *what.shape);
        e->bytes_out += planes[k].bytes;
        st = wh_layout_add(&p->target.layout, file, &what, planes[k].suffix, &p->spot[i][k], err);
    }
    wh_buf_free(&stem);
    return st;
}

uint64_t wh_checkpoint_largest(const whit_plan *p)
{
    uint64_t most = 0;
    for (size_t i = 0; i < p->count; i++)
        if (wh_checkpoint_packing(p, i) && p->entry[i].bytes_out > most)
            most = p->entry[i].bytes_out;
    return most;
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* The last part of a module's name. */
static const char *last_part(const char *name, size_t stem, size_t *len)
{
    size_t start = stem;
    while (start > 0 && name[start - 1] != '.') start--;
    *len = stem - start;
    return name + start;
}

/* Names of tables that are looked up, in every model that has them; others that sound like one (a
 * projection of embeddings, embed_out) may be linears. */
static int is_table(const char *part, size_t len)
{
    static const char *const tables[] = {
        "embed_tokens",
        "embed_positions",
        "embed_in",
        "embed_tokens_per_layer",
        "embeddings",
        "tok_embeddings",
        "word_embeddings",
        "position_embeddings",
        "embedding",
        "tok_emb",
        "emb",
        "token_type_embeddings",
        "shared",
        "wte",
        "wpe",
        "position_embedding",
    };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        if (strlen(tables[i]) == len && memcmp(tables[i], part, len) == 0) return 1;
    return 0;
}

int wh_checkpoint_left_alone(const whit_plan *p, size_t i)
{
    static const char head[] = "lm_head.weight";
    const whit_tensor *t = &p->entry[i].source->tensor;
    const size_t stem = wh_checkpoint_stem(p, i);
    size_t len;
    if (wh_checkpoint_packing(p, i) || t->rank != 2 || stem == 0) return 0;
    const char *part = last_part(t->name, stem, &len);
    return !is_table(part, len) && strcmp(t->name, head) != 0;
}

/* Modules of one block with the same number here are fused. */
static const struct {
    const char *name;
    int group;
} fused[] = {
    { "q_proj", 1 },  { "k_proj", 1 }, { "v_proj", 1 }, { "gate_proj", 2 },
    { "up_proj", 2 }, { "w1", 3 },     { "w3", 3 },
};
enum { FUSED = sizeof fused / sizeof fused[0] };

static int same_scheme(const whit_plan *p, size_t a, size_t b)
{
    char x[WHIT_SCHEME_TEXT], y[WHIT_SCHEME_TEXT];
    const int packed = wh_checkpoint_packing(p, a) != NULL;
    if (packed != (wh_checkpoint_packing(p, b) != NULL)) return 0;
    return !packed || strcmp(whit_scheme_print(&p->entry[a].scheme, x),
                             whit_scheme_print(&p->entry[b].scheme, y)) == 0;
}

static const char *choice_text(const whit_plan *p, size_t i, char text[WHIT_SCHEME_TEXT])
{
    return wh_checkpoint_packing(p, i) ? whit_scheme_print(&p->entry[i].scheme, text) : "kept";
}

/* Modules i and k, which are fused. */
static whit_status check_pair(const whit_plan *p, size_t i, size_t k, whit_error *err)
{
    char a[WH_SHORT], b[WH_SHORT], x[WHIT_SCHEME_TEXT], y[WHIT_SCHEME_TEXT];
    if (same_scheme(p, i, k)) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_ARG,
                   "%s is %s and %s is %s, but loaders make one layer of both; try: one rule for "
                   "both",
                   wh_short(a, p->entry[i].source->tensor.name), choice_text(p, i, x),
                   wh_short(b, p->entry[k].source->tensor.name), choice_text(p, k, y));
}

/* Module i against those behind it that are fused with it: they differ in one part of the name. */
static whit_status check_fused(const whit_plan *p, size_t i, whit_error *err)
{
    const char *name = p->entry[i].source->tensor.name;
    const size_t stem = wh_checkpoint_stem(p, i);
    size_t len, own = 0;
    const char *part = last_part(name, stem, &len);
    while (own < FUSED &&
           (strlen(fused[own].name) != len || memcmp(fused[own].name, part, len) != 0))
        own++;
    whit_status st = WHIT_OK;
    for (size_t f = 0; f < FUSED && own < FUSED && st == WHIT_OK; f++) {
        wh_buf other = { 0 };
        if (fused[f].group != fused[own].group) continue;
        wh_buf_put(&other, name, (size_t)(part - name));
        wh_buf_puts(&other, fused[f].name);
        wh_buf_puts(&other, name + stem);
        if (other.failed)
            st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for a name");
        else {
            const size_t k = whit_source_find(p->source, other.data);
            if (k != WHIT_NOT_FOUND && k > i && p->checkpoint->is_linear[k])
                st = check_pair(p, i, k, err);
        }
        wh_buf_free(&other);
    }
    return st;
}

/* One scheme for all, where the configuration has room for one. */
static whit_status check_alike(const whit_plan *p, size_t i, whit_error *err)
{
    const size_t first = p->checkpoint->first;
    char a[WH_SHORT], b[WH_SHORT], x[WHIT_SCHEME_TEXT], y[WHIT_SCHEME_TEXT];
    const whit_format f = p->target.format;
    if (!wh_checkpoint_packing(p, i)) {
        if (f != WHIT_FORMAT_GPTQ) return WHIT_OK; /* others list what they leave alone */
        return wh_fail(err, WHIT_ERR_ARG,
                       "%s is kept (%s), but loaders of gptq expect every linear of a block; try: "
                       "a scheme for it, or --format compressed-tensors",
                       wh_short(a, p->entry[i].source->tensor.name),
                       p->entry[i].reason ? p->entry[i].reason : "rule");
    }
    if (f == WHIT_FORMAT_CT || same_scheme(p, i, first)) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_ARG,
                   "%s is %s and %s is %s, but this format has one scheme for all; try: --format "
                   "compressed-tensors",
                   wh_short(a, p->entry[first].source->tensor.name), choice_text(p, first, x),
                   wh_short(b, p->entry[i].source->tensor.name), choice_text(p, i, y));
}

/* Nothing is packed: why not the first that could be. */
static whit_status none_packed(const whit_plan *p, whit_error *err)
{
    char name[WH_SHORT];
    for (size_t i = 0; i < p->count; i++)
        if (p->checkpoint->is_linear[i] && p->entry[i].reason)
            return wh_fail(err, WHIT_ERR_ARG,
                           "no linear layer is quantized (%s: %s), and the format is for such; "
                           "try: another --scheme",
                           wh_short(name, p->entry[i].source->tensor.name), p->entry[i].reason);
    return wh_fail(err, WHIT_ERR_ARG,
                   "no linear layer is quantized, and the format is for such; try: no --format");
}

whit_status wh_checkpoint_check(const whit_plan *p, whit_error *err)
{
    whit_status st = WHIT_OK;
    if (p->checkpoint->first == p->count) return none_packed(p, err);
    for (size_t i = 0; i < p->count && st == WHIT_OK; i++) {
        if (!p->checkpoint->is_linear[i]) continue;
        st = check_fused(p, i, err);
        if (st == WHIT_OK) st = check_alike(p, i, err);
    }
    return st;
}
