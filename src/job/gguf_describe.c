/* src/job/gguf_describe.c - places of the tensors in a GGUF file, and its metadata.
 *
 * Keys of a GGUF source are kept in their order, with new values where the types say otherwise; the
 * alignment, which every part has to say, and the keys of the parts of a split file come after
 * them. Then come strings that native files have too (src/pack/native.c): whit.calibration,
 * whit.notes, whit.options, whit.recipe and whit.version, of a split file in its first part;
 * whit.sha256, each part about the tensors that it holds.
 *
 * SPDX-License-Identifier: MIT */
#include "job/gguf_out.h"
#include "job/method.h"

#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "job/describe.h"
#include "job/digests.h"
#include "job/importance.h"

#define FILE_TYPE "general.file_type"
#define VERSION "general.quantization_version"

int wh_gguf_drops(const whit_plan *p, size_t i)
{
    return p->gguf->tensor[i].name == NULL;
}

void wh_gguf_rename(const whit_plan *p, size_t i, wh_out_entry *what)
{
    const whit_plan_entry *e = &p->entry[i];
    what->name = p->gguf->tensor[i].name;
    if (e->scheme.kind != WHIT_KEEP) return;
    what->dtype = e->source->stored;
    what->type = e->source->tensor.type;
}

whit_status wh_gguf_place(whit_plan *p, size_t i, size_t file, whit_error *err)
{
    whit_plan_entry *e = &p->entry[i];
    const whit_block_info *info = whit_block_describe(e->scheme.block);
    e->bytes_out = e->weights / info->weights * info->bytes; /* less than the weights take */
    wh_out_entry what = wh_target_entry(&e->source->tensor, WHIT_BLOCKS, e->bytes_out);
    what.name = p->gguf->tensor[i].name;
    what.type = info->name;
    return wh_layout_add(&p->target.layout, file, &what, "", &p->spot[i][0], err);
}

uint64_t wh_gguf_rest_bytes(const whit_plan *p)
{
    return p->gguf->rope ? p->gguf->config.head_dim / 2 * sizeof(float) : 0;
}

uint32_t wh_gguf_alignment(const whit_plan *p)
{
    return p->gguf->alignment ? p->gguf->alignment : WH_GGUF_ALIGNMENT;
}

whit_status wh_gguf_place_rest(whit_plan *p, whit_error *err)
{
    const uint64_t n = p->gguf->config.head_dim / 2;
    const wh_out_entry rope = { .name = "rope_freqs.weight",
                                .dtype = WHIT_F32,
                                .rank = 1,
                                .shape = { n },
                                .bytes = wh_gguf_rest_bytes(p) };
    if (!p->gguf->rope) return WHIT_OK;
    return wh_layout_add(&p->target.layout, p->target.layout.count - 1, &rope, "",
                         &p->gguf->rope_spot, err);
}

whit_status wh_gguf_write_rest(const whit_plan *p, const wh_outset *set, whit_error *err)
{
    const wh_target *t = &p->target;
    const wh_spot spot = p->gguf->rope_spot;
    for (uint32_t i = 0; p->gguf->rope && i < p->gguf->config.head_dim / 2; i++) {
        uint8_t bytes[4];
        whit_dtype_from_f32(WHIT_F32, &p->gguf->rope[i], 1, bytes);
        whit_status st = wh_file_pwrite(
            wh_target_fd(t, set, spot.file), wh_target_name(t, set, spot.file),
            wh_layout_offset(&t->layout, spot) + i * sizeof bytes, bytes, sizeof bytes, err);
        if (st != WHIT_OK) return st;
    }
    return WHIT_OK;
}

/* ---- metadata -------------------------------------------------------------------------------- */

/* The type that most weights of the file have, for readers who want one word for all. */
static uint32_t file_type(const whit_plan *p)
{
    uint64_t blocks[WHIT_BLOCK_COUNT] = { 0 }, plain[WHIT_DTYPE_COUNT] = { 0 }, most = 0;
    uint32_t type = wh_dtype_file_type(WHIT_F32);
    if (p->gguf->mix) return wh_mix_file_type(p->gguf->mix);
    for (size_t i = 0; i < p->count; i++) {
        const whit_plan_entry *e = &p->entry[i];
        wh_out_entry what = { .dtype = e->scheme.kind == WHIT_TO_F16    ? WHIT_F16
                                       : e->scheme.kind == WHIT_TO_BF16 ? WHIT_BF16
                                                                        : WHIT_F32 };
        if (wh_gguf_drops(p, i)) continue;
        wh_gguf_rename(p, i, &what);
        const whit_block block = e->scheme.kind == WHIT_GGUF ? e->scheme.block
                                 : what.type                 ? whit_block_parse(what.type)
                                                             : WHIT_BLOCK_NONE;
        uint64_t *sum = block != WHIT_BLOCK_NONE ? &blocks[block] : &plain[what.dtype];
        *sum += e->weights;
        if (*sum <= most) continue;
        most = *sum;
        type =
            block != WHIT_BLOCK_NONE ? wh_block_file_type(block) : wh_dtype_file_type(what.dtype);
    }
    return type;
}

static int is_kept_block(const whit_plan_entry *e)
{
    return e->scheme.kind == WHIT_KEEP && e->source->stored == WHIT_BLOCKS;
}

static int has_blocks(const whit_plan *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (!wh_gguf_drops(p, i) &&
            (p->entry[i].scheme.kind == WHIT_GGUF || is_kept_block(&p->entry[i])))
            return 1;
    return 0;
}

static int starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Whether blocks of the source stay as they are. */
static int keeps_blocks(const whit_plan *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (!wh_gguf_drops(p, i) && is_kept_block(&p->entry[i])) return 1;
    return 0;
}

/* What is said anew about this output, or about its files one by one; and the matrix that the
 * source's blocks were weighed with, where none of them is left. */
static int is_replaced(const whit_plan *p, const char *key)
{
    return starts_with(key, "whit.") || starts_with(key, "split.") ||
           strcmp(key, WH_GGUF_ALIGNMENT_KEY) == 0 ||
           (starts_with(key, "quantize.imatrix.") && (wh_gguf_weighed(p) > 0 || !keeps_blocks(p)));
}

static void copy_keys(wh_gguf_kvs *k, const whit_plan *p)
{
    const whit_file *file = whit_source_file(p->source);
    int typed = 0, versioned = 0;
    for (size_t i = 0; i < whit_file_kv_count(file, 0); i++) {
        const whit_kv *kv = whit_file_kv(file, 0, i);
        if (is_replaced(p, kv->key)) continue;
        if (strcmp(kv->key, FILE_TYPE) == 0) {
            wh_gguf_put_u32(k, FILE_TYPE, file_type(p));
            typed = 1;
            continue;
        }
        versioned |= strcmp(kv->key, VERSION) == 0;
        wh_gguf_put_kv(k, kv);
    }
    if (!typed) wh_gguf_put_u32(k, FILE_TYPE, file_type(p));
    if (!versioned && has_blocks(p)) wh_gguf_put_u32(k, VERSION, 2);
}

/* How many rows the embeddings have, which is how many tokens the loader expects. */
static uint64_t embedding_rows(const whit_plan *p)
{
    for (size_t i = 0; i < p->count; i++) {
        const wh_gguf_tensor *t = &p->gguf->tensor[i];
        if (t->name && strcmp(t->name, "token_embd.weight") == 0) return t->rows;
    }
    return 0;
}

static whit_status make_keys(wh_gguf_kvs *k, const whit_plan *p, whit_error *err)
{
    const wh_gguf_out *g = p->gguf;
    const uint64_t rows = embedding_rows(p);
    wh_model_config config = g->config;
    config.vocab = (uint32_t)rows; /* whatever its configuration says */
    whit_status st = wh_gguf_put_model(k, &config, err);
    if (st != WHIT_OK) return st;
    wh_gguf_put_u32(k, FILE_TYPE, file_type(p));
    if (has_blocks(p)) wh_gguf_put_u32(k, VERSION, 2);
    return wh_gguf_put_vocab(k, &config, g->vocab, rows, err);
}

/* The file's path would say where this was done: its content is what matters. */
static void put_calibration(wh_gguf_kvs *k, const whit_imatrix *imatrix)
{
    const whit_imatrix_info *info = whit_imatrix_describe(imatrix);
    if (info->dataset[0])
        wh_gguf_put_string(k, "quantize.imatrix.dataset", info->dataset, strlen(info->dataset));
    wh_gguf_put_u32(k, "quantize.imatrix.entries_count", (uint32_t)info->entries);
    if (info->chunks > 0 && info->chunks <= UINT32_MAX)
        wh_gguf_put_u32(k, "quantize.imatrix.chunks_count", (uint32_t)info->chunks);
}

whit_status wh_gguf_put_keys(const whit_plan *p, wh_gguf_kvs *k, whit_error *err)
{
    whit_status st = WHIT_OK;
    if (p->gguf->converts)
        st = make_keys(k, p, err);
    else
        copy_keys(k, p);
    if (st == WHIT_OK && wh_gguf_weighed(p) > 0) put_calibration(k, p->gguf->imatrix);
    if (st == WHIT_OK && k->bytes.failed)
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for the metadata of the output");
    return st;
}

static whit_status describe_ours(whit_plan *p, whit_error *err)
{
    const char *learned = wh_learned_from(p);
    wh_layout *l = &p->target.layout;
    wh_buf recipe = { 0 }, notes = { 0 }, options = { 0 };
    wh_rules_recipe(p->rules, &recipe);
    wh_plan_options(p, &options);
    wh_plan_notes(&notes, &(whit_quant_stats){ 0 }, 0);
    whit_status st = WHIT_OK;
    if (recipe.failed || notes.failed || options.failed)
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for the metadata of the output");
    if (st == WHIT_OK) st = wh_layout_meta(l, 0, "whit.notes", notes.data, err);
    if (st == WHIT_OK && options.len > 0)
        st = wh_layout_meta(l, 0, "whit.options", options.data, err);
    if (st == WHIT_OK && learned) st = wh_layout_meta(l, 0, "whit.calibration", learned, err);
    if (st == WHIT_OK) st = wh_layout_meta(l, 0, "whit.recipe", recipe.data, err);
    if (st == WHIT_OK) st = wh_layout_meta(l, 0, "whit.version", WHIT_VERSION_STRING, err);
    wh_buf_free(&recipe);
    wh_buf_free(&notes);
    wh_buf_free(&options);
    return st;
}

/* The digests, which are zeros until the data is written. */
static whit_status describe_digests(wh_layout *l, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t f = 0; f < l->count && st == WHIT_OK; f++) {
        wh_buf text = { 0 };
        wh_digests_text(NULL, l, f, &text);
        st = text.failed ? wh_fail(err, WHIT_ERR_NOMEM, "no memory for the metadata of the output")
                         : wh_layout_meta(l, f, WH_DIGESTS_KEY, text.data, err);
        wh_buf_free(&text);
    }
    return st;
}

/* What each file says: its alignment, where the source says one, and of a part how many there are,
 * and of how many tensors. */
static void describe_files(const whit_plan *p, wh_layout *l)
{
    size_t tensors = 0;
    l->alignment = wh_gguf_alignment(p);
    for (size_t f = 0; f < l->count; f++) {
        tensors += l->file[f].count;
        if (p->gguf->alignment)
            wh_gguf_put_u32(&l->file[f].kvs, WH_GGUF_ALIGNMENT_KEY, l->alignment);
    }
    for (size_t f = 0; f < l->count && l->count > 1; f++) {
        wh_gguf_put_u16(&l->file[f].kvs, "split.no", (uint16_t)f);
        wh_gguf_put_u16(&l->file[f].kvs, "split.count", (uint16_t)l->count);
        wh_gguf_put_i32(&l->file[f].kvs, "split.tensors.count", (int32_t)tensors);
    }
}

/* Whether any tensor of the model, the embeddings aside, has an entry. */
static int is_known(const wh_gguf_out *g, size_t count)
{
    const float *values = NULL;
    for (size_t i = 0; i < count && !values; i++) {
        const wh_gguf_tensor *t = &g->tensor[i];
        if (t->name) wh_importance_find(g->imatrix, t->name, t->cols, t->matrices, &values, NULL);
    }
    return values != NULL;
}

/* A matrix of another model is refused, one that no type has a use for is said to be of none. */
static whit_status judge_calibration(whit_plan *p, whit_error *err)
{
    const wh_gguf_out *g = p->gguf;
    char name[WH_SHORT];
    if (!g->imatrix) return WHIT_OK;
    wh_short(name, whit_imatrix_describe(g->imatrix)->path);
    if (!is_known(g, p->count))
        return wh_fail(
            err, WHIT_ERR_FORMAT,
            "%s: has an entry for no tensor of this model; try: the importance matrix of "
            "this model",
            name);
    if (wh_gguf_weighed(p) == 0)
        wh_lines_add(&p->warnings, "%s: no tensor becomes a type that weighs errors; not used",
                     name);
    else if (g->without > 0)
        wh_lines_add(&p->warnings,
                     "%s: says nothing about tensors that become blocks, %" PRIu64
                     " of them; their errors are not weighed",
                     name, g->without);
    return WHIT_OK;
}

/* What the keys of a vocabulary cannot say, so that texts may get other ids. */
static void tell_vocab(whit_plan *p)
{
    const wh_vocab *v = p->gguf->converts ? p->gguf->vocab : NULL;
    if (v) wh_lines_copy(&p->warnings, &v->notes);
}

whit_status wh_gguf_describe(whit_plan *p, whit_error *err)
{
    wh_layout *l = &p->target.layout;
    whit_status st = wh_gguf_put_keys(p, &l->file[0].kvs, err);
    tell_vocab(p);
    if (st == WHIT_OK) st = judge_calibration(p, err);
    describe_files(p, l);
    if (st == WHIT_OK) st = describe_ours(p, err);
    return st == WHIT_OK ? describe_digests(l, err) : st;
}
