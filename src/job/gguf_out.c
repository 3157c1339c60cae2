/* src/job/gguf_out.c - what becomes of the tensors of a source in a GGUF file: their names, their
 * order, and what of a model folder they need.
 *
 * Not here: types (gguf_settle.c), places and metadata (gguf_describe.c), the names themselves
 * (model/names.c).
 *
 * SPDX-License-Identifier: MIT */
#include "job/gguf_out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "io/gguf.h"

static whit_status no_memory(whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the tensors of a GGUF file");
}

whit_format wh_gguf_guess(whit_format format, const char *output, const char *standard)
{
    whit_scheme s;
    if (format != WHIT_FORMAT_AUTO || output || !standard) return format;
    if (wh_mix_parse(standard)) return WHIT_FORMAT_GGUF;
    return whit_scheme_parse(&s, standard, NULL) == WHIT_OK && s.kind == WHIT_GGUF
               ? WHIT_FORMAT_GGUF
               : format;
}

whit_status wh_gguf_refuse_options(const whit_quantize_options *o, const char *standard,
                                   whit_error *err)
{
    if (wh_mix_parse(standard))
        return wh_fail(err, WHIT_ERR_ARG,
                       "scheme '%s' is a mix of GGUF types, and the output is no GGUF file; try: "
                       "-o NAME.gguf",
                       standard);
    if (o->search == WHIT_SEARCH_BEST) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_ARG,
                   "--search is about GGUF types, and the output is no GGUF file; try: --clip");
}

/* ---- from a model folder --------------------------------------------------------------------- */

/* The matrix as GGUF sees it. */
static void shape_of(const whit_tensor *t, wh_gguf_tensor *g)
{
    g->cols = t->rank ? t->shape[t->rank - 1] : 1;
    g->rows = g->cols ? t->elements / g->cols : 0;
    g->matrices = t->rank == 3 ? t->shape[0] : 1;
}

static whit_status wrong_shape(const whit_tensor *t, uint64_t rows, uint64_t cols, whit_error *err)
{
    char name[WH_SHORT];
    return wh_fail(err, WHIT_ERR_FORMAT,
                   "%s: has another shape than its configuration says, which is %" PRIu64
                   " x %" PRIu64,
                   wh_short(name, t->name), rows, cols);
}

/* One tensor of a model folder. */
static whit_status name_tensor(const wh_model_config *c, const whit_tensor *t, wh_gguf_tensor *g,
                               wh_role *role, uint32_t *layer, whit_error *err)
{
    wh_gguf_fate fate;
    uint64_t rows, cols;
    whit_status st = wh_name_fate(c, t->name, &fate, err);
    if (st != WHIT_OK) return st;
    *role = fate.role;
    *layer = fate.layer;
    g->dropped = fate.dropped;
    if (!g->dropped && fate.role == WH_ROLE_OUTPUT && c->tied)
        g->dropped = "the output is that of the embeddings";
    if (g->dropped) return WHIT_OK;
    memcpy(g->own, fate.name, sizeof g->own);
    g->name = g->own;
    g->heads = fate.permuted_heads;
    g->vector = fate.vector;
    wh_role_shape(c, fate.role, &rows, &cols);
    /* a vocabulary may have padding rows that the configuration does not count, or the reverse */
    const int by_rows = fate.role != WH_ROLE_TOKEN_EMBD && fate.role != WH_ROLE_OUTPUT;
    if (g->cols != cols || (by_rows ? g->rows != rows : g->rows > UINT32_MAX) || t->rank > 2)
        return wrong_shape(t, rows, cols, err);
    return WHIT_OK;
}

/* Where a role stands in the file: as it is needed, so that loading reads it through. */
static uint64_t place_in_file(wh_role role, uint32_t layer)
{
    if (role == WH_ROLE_NONE) return UINT64_MAX;
    if (role == WH_ROLE_OUTPUT_NORM || role == WH_ROLE_OUTPUT)
        return UINT64_MAX - WH_ROLES + (uint64_t)role;
    return role >= WH_ROLE_LAYER ? ((uint64_t)layer + 1) * WH_ROLES + (uint64_t)role
                                 : (uint64_t)role;
}

typedef struct placed {
    uint64_t place;
    size_t index;
} placed;

static int by_place(const void *a, const void *b)
{
    const placed *x = a, *y = b;
    if (x->place != y->place) return x->place < y->place ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

/* Every tensor that the architecture computes with must be there, once. */
static whit_status check_complete(const wh_model_config *c, const placed *p, size_t count,
                                  whit_error *err)
{
    char name[WH_ROLE_NAME];
    size_t at = 0;
    for (uint32_t layer = 0; layer < c->layers; layer++)
        for (wh_role role = WH_ROLE_LAYER; role < WH_ROLES; role++) {
            const uint64_t place = place_in_file(role, layer);
            while (at < count && p[at].place < place) at++;
            if (at < count && p[at].place == place) continue;
            if (!wh_role_expected(c, role)) continue;
            return wh_fail(err, WHIT_ERR_FORMAT, "%s: is missing",
                           wh_role_name(role, layer, WH_NAMING_HF, name));
        }
    for (wh_role role = WH_ROLE_NONE; role < WH_ROLE_LAYER; role++) {
        int found = !wh_role_expected(c, role) || role == WH_ROLE_ROPE_FREQS ||
                    role == WH_ROLE_OUTPUT || role == WH_ROLE_NONE;
        for (size_t i = 0; i < count && !found; i++) found = p[i].place == place_in_file(role, 0);
        if (!found)
            return wh_fail(err, WHIT_ERR_FORMAT, "%s: is missing",
                           wh_role_name(role, 0, WH_NAMING_HF, name));
    }
    return WHIT_OK;
}

/* Each token has a row in both. Without the second, engines take the first for it. */
static whit_status check_output(whit_plan *p, const wh_gguf_out *g, whit_error *err)
{
    uint64_t rows[2] = { 0, 0 };
    for (size_t i = 0; i < p->count; i++) {
        const char *name = g->tensor[i].name;
        if (name && strcmp(name, "token_embd.weight") == 0) rows[0] = g->tensor[i].rows;
        if (name && strcmp(name, "output.weight") == 0) rows[1] = g->tensor[i].rows;
    }
    if (rows[1] == 0 && !g->config.tied)
        wh_lines_add(&p->warnings, "lm_head.weight: is missing, so the output is the matrix of the "
                                   "embeddings, which tie_word_embeddings does not say");
    if (rows[1] == 0 || rows[1] == rows[0]) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_FORMAT,
                   "lm_head.weight: has %" PRIu64 " rows, and embed_tokens.weight %" PRIu64,
                   rows[1], rows[0]);
}

static whit_status name_all(whit_plan *p, wh_gguf_out *g, whit_error *err)
{
    placed *order = wh_calloc(p->count, sizeof *order);
    p->order = wh_calloc(p->count, sizeof *p->order);
    whit_status st = order && p->order ? WHIT_OK : no_memory(err);
    for (size_t i = 0; i < p->count && st == WHIT_OK; i++) {
        wh_role role;
        uint32_t layer;
        st = name_tensor(&g->config, &whit_source_at(p->source, i)->tensor, &g->tensor[i], &role,
                         &layer, err);
        if (st == WHIT_OK)
            order[i] = (placed){ g->tensor[i].name ? place_in_file(role, layer) : UINT64_MAX, i };
    }
    if (st == WHIT_OK) {
        qsort(order, p->count, sizeof *order, by_place);
        st = check_complete(&g->config, order, p->count, err);
        if (st == WHIT_OK) st = check_output(p, g, err);
    }
    for (size_t i = 0; i < p->count && st == WHIT_OK; i++) p->order[i] = order[i].index;
    free(order);
    return st;
}

/* What the configuration says that GGUF cannot say. */
static void warn_of_config(whit_plan *p, const wh_model_config *c, const char *name)
{
    if (c->rope.kind == WH_ROPE_DYNAMIC)
        wh_lines_add(&p->warnings,
                     "%s: rope scaling dynamic: beyond the trained context it depends on the "
                     "length of the text, which GGUF cannot say",
                     name);
    if (c->window && c->window_first > 0)
        wh_lines_add(&p->warnings,
                     "%s: sliding_window: only some layers have it, which GGUF cannot say: there "
                     "they all see everything",
                     name);
}

static whit_status open_folder(whit_plan *p, wh_gguf_out *g, whit_error *err)
{
    const whit_file *file = whit_source_file(p->source);
    char name[WH_SHORT];
    wh_short(name, whit_file_path(file));
    if (!whit_file_is_folder(file) && !whit_file_has_index(file) && !wh_config_is_llama2c(file))
        return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                       "%s: a GGUF file is made from a model folder or another GGUF file; try: the "
                       "folder with its config.json",
                       name);
    g->converts = 1;
    whit_status st = wh_config_of_file(&g->config, file, err);
    if (st == WHIT_OK) warn_of_config(p, &g->config, name);
    if (st == WHIT_OK) st = wh_vocab_read_folder(&g->vocab, whit_file_folder(file), err);
    if (st == WHIT_OK) st = name_all(p, g, err);
    if (st != WHIT_OK || g->config.rope.kind != WH_ROPE_LLAMA3) return st;
    g->rope = wh_calloc(g->config.head_dim / 2, sizeof *g->rope);
    if (!g->rope) return no_memory(err);
    wh_rope_divisors(&g->config, g->rope);
    return WHIT_OK;
}

/* ---- mixes ----------------------------------------------------------------------------------- */

/* A whole number of the metadata, of a list the first; 0 if it is not there. */
static uint32_t number(const whit_file *file, const char *arch, const char *key)
{
    char name[160];
    snprintf(name, sizeof name, "%.100s.%s", arch, key);
    const whit_kv *kv = whit_file_kv_find(file, 0, name);
    if (!kv || kv->count == 0) return 0;
    switch (kv->type) {
    case WHIT_KV_U32:
        return *(const uint32_t *)kv->data;
    case WHIT_KV_I32:
        return *(const int32_t *)kv->data > 0 ? (uint32_t) * (const int32_t *)kv->data : 0;
    case WHIT_KV_U64:
        return *(const uint64_t *)kv->data <= UINT32_MAX ? (uint32_t) * (const uint64_t *)kv->data
                                                         : 0;
    default:
        return 0;
    }
}

/* What decides about mixes: of a GGUF file its metadata, whatever the architecture. */
static wh_mix_model model_facts(const whit_plan *p, const wh_gguf_out *g)
{
    const whit_file *file = whit_source_file(p->source);
    const wh_model_config *c = &g->config;
    if (g->converts) return (wh_mix_model){ c->layers, c->heads / c->kv_heads, 0 };
    const char *arch = whit_file_meta_find(file, 0, "general.architecture");
    if (!arch) return (wh_mix_model){ 0 };
    uint32_t heads = number(file, arch, "attention.head_count");
    uint32_t kv = number(file, arch, "attention.head_count_kv");
    return (wh_mix_model){ number(file, arch, "block_count"), kv ? heads / kv : heads > 0,
                           number(file, arch, "expert_count") };
}

static whit_status survey(const whit_plan *p, wh_gguf_out *g, whit_error *err)
{
    const wh_mix_model model = model_facts(p, g);
    g->asked = wh_calloc(p->count, sizeof *g->asked);
    if (!g->asked) return no_memory(err);
    for (size_t i = 0; i < p->count; i++) {
        const wh_gguf_tensor *t = &g->tensor[i];
        const whit_tensor *s = &whit_source_at(p->source, i)->tensor;
        if (t->name)
            g->asked[g->asked_count++] =
                (wh_mix_tensor){ t->name, s->rank, t->rows, t->cols, s->dtype };
    }
    return wh_mix_survey_make(&g->survey, g->mix, &model, g->asked, g->asked_count, err);
}

/* ---- opening --------------------------------------------------------------------------------- */

static whit_status check_options(const whit_quantize_options *o, whit_error *err)
{
    if (o->fake_quant)
        return wh_fail(err, WHIT_ERR_ARG,
                       "fake quantization writes safetensors, not GGUF; try: another output");
    if (o->clip == WHIT_CLIP_DEFAULT) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_ARG,
                   "the encoders of GGUF types have no --clip; try: --search best or reference");
}

static whit_status name_like_source(whit_plan *p, wh_gguf_out *g)
{
    uint64_t alignment;
    const whit_kv *kv = whit_file_kv_find(whit_source_file(p->source), 0, WH_GGUF_ALIGNMENT_KEY);
    if (kv && wh_gguf_kv_u64(kv, &alignment)) /* the reader has checked it */
        g->alignment = (uint32_t)alignment;
    for (size_t i = 0; i < p->count; i++) {
        const whit_tensor *t = &whit_source_at(p->source, i)->tensor;
        g->tensor[i].name = t->name;
        g->tensor[i].vector = t->rank < 2;
    }
    return WHIT_OK;
}

whit_status wh_gguf_open(whit_plan *p, const whit_quantize_options *o, const char *standard,
                         whit_error *err)
{
    const whit_file *file = whit_source_file(p->source);
    whit_status st = check_options(o, err);
    if (st != WHIT_OK) return st;
    wh_gguf_out *g = p->gguf = wh_calloc(1, sizeof *g);
    if (g) g->tensor = wh_calloc(p->count, sizeof *g->tensor);
    if (!g || !g->tensor) return no_memory(err);
    for (size_t i = 0; i < p->count; i++)
        shape_of(&whit_source_at(p->source, i)->tensor, &g->tensor[i]);
    st = strncmp(whit_file_format(file), "GGUF", 4) == 0 ? name_like_source(p, g)
                                                         : open_folder(p, g, err);
    if (st == WHIT_OK && o->calibration) st = whit_imatrix_open(&g->imatrix, o->calibration, err);
    if (st == WHIT_OK && o->calibration) st = wh_sha256_file(o->calibration, g->learned, err);
    g->mix = wh_mix_parse(standard);
    return st == WHIT_OK && g->mix ? survey(p, g, err) : st;
}

void wh_gguf_close(wh_gguf_out *g)
{
    if (!g) return;
    wh_vocab_free(g->vocab);
    wh_mix_survey_free(g->survey);
    whit_imatrix_close(g->imatrix);
    free(g->asked);
    free(g->tensor);
    free(g->rope);
    free(g);
}

uint64_t wh_gguf_bytes(const whit_plan *p)
{
    const wh_gguf_out *g = p->gguf;
    uint64_t n = p->count * (sizeof *g->tensor + sizeof *g->asked);
    for (size_t i = 0; g->imatrix && i < whit_imatrix_describe(g->imatrix)->entries; i++)
        n += whit_imatrix_at(g->imatrix, i)->count * sizeof(float);
    if (g->vocab)
        n += (uint64_t)g->vocab->count * (sizeof(wh_token) + 64) +
             g->vocab->merges * (sizeof(wh_merge) + 32);
    return n;
}
