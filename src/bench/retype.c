/* src/bench/retype.c - the model whose forward pass is measured: a file's, or a made-up one,
 * and its linears as another type.
 *
 * A synthetic WIDTHxLAYERS is a Llama: heads of 128 from width 1024 on, else of 64, a quarter of
 * them for keys and values; a feed-forward part of 8/3 of the width, up to a multiple of 256;
 * 32000 tokens, a context of 4096, a head of its own. Its weights are drawn once for each shape.
 *
 * SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/runner.h"

#define WIDEST 32768
#define MOST_LAYERS 1024
#define SPREAD 0.02f /* of made-up weights: what models begin with */

/* ---- what it is ------------------------------------------------------------------------------ */

static whit_status synthetic_config(const char *text, wh_model_config *c, whit_error *err)
{
    wh_sides *sides = NULL;
    size_t n = 0;
    char json[640];
    whit_error unused;
    whit_status st = wh_list_shapes(text, &sides, &n, &unused);
    const uint64_t width = st == WHIT_OK ? sides[0].rows : 0, layers = width ? sides[0].cols : 0;
    free(sides);
    if (n != 1 || width % 64 != 0 || width > WIDEST || layers > MOST_LAYERS)
        return wh_fail(err, WHIT_ERR_ARG,
                       "'%.40s' is no synthetic model; try: width x layers such as 1024x8, width a "
                       "multiple of 64 up to %d",
                       text, WIDEST);
    const uint64_t head = width >= 1024 && width % 128 == 0 ? 128 : 64, heads = width / head;
    const uint64_t kv = heads % 4 == 0 ? heads / 4 : heads % 2 == 0 ? heads / 2 : heads;
    snprintf(json, sizeof json,
             "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\",\"hidden_size\":"
             "%" PRIu64 ",\"intermediate_size\":%" PRIu64 ",\"num_hidden_layers\":%" PRIu64
             ",\"num_attention_heads\":%" PRIu64 ",\"num_key_value_heads\":%" PRIu64
             ",\"head_dim\":%" PRIu64 ",\"vocab_size\":32000,\"rms_norm_eps\":1e-5,"
             "\"max_position_embeddings\":4096,\"tie_word_embeddings\":false}",
             width, (8 * width / 3 + 255) / 256 * 256, layers, heads, kv, head);
    return wh_config_parse(c, "synthetic model", json, strlen(json), err);
}

/* Of a file: what its tensors take in the kernels' form, embeddings included. */
static whit_status file_config(const char *path, wh_model_config *c, uint64_t *bytes,
                               whit_error *err)
{
    whit_source *source = NULL;
    whit_status st = whit_source_open(&source, path, err);
    if (st == WHIT_OK) st = wh_config_of_file(c, whit_source_file(source), err);
    for (size_t i = 0; st == WHIT_OK && i < whit_source_count(source); i++) {
        const whit_source_tensor *t = whit_source_at(source, i);
        const whit_scheme s = wh_stored_scheme(t);
        if (t->tensor.rank >= 2) *bytes += wh_weight_bytes(&s, t->rows, t->cols);
    }
    whit_source_close(source);
    return st;
}

static size_t linears_of(const wh_model_config *c)
{
    return (size_t)c->layers * WH_LINEARS + 1;
}

whit_status wh_subject_config(whit_bench *b, wh_model_config *c, uint64_t *bytes, whit_error *err)
{
    *bytes = 0;
    whit_status st = b->o.synthetic ? synthetic_config(b->o.synthetic, c, err)
                                    : file_config(b->o.path, c, bytes, err);
    if (st != WHIT_OK) return st;
    b->subject = (whit_bench_subject){ .architecture = wh_arch_name(c->arch),
                                       .layers = c->layers,
                                       .width = c->dim,
                                       .heads = c->heads,
                                       .kv_heads = c->kv_heads,
                                       .head_width = c->head_dim,
                                       .ffn_width = c->ffn,
                                       .vocabulary = c->vocab };
    for (size_t i = 0; i < linears_of(c); i++) {
        uint64_t rows, cols;
        wh_linear_sides(c, i, &rows, &cols);
        b->subject.weights += rows * cols;
    }
    return WHIT_OK;
}

/* How all linears are stored, or an empty text. */
static void find_stored(const whit_model *m, char out[WHIT_SCHEME_TEXT])
{
    for (size_t i = 0; i < whit_model_linears(m); i++) {
        char text[WHIT_SCHEME_TEXT];
        whit_scheme_print(&whit_model_linear_at(m, i)->info.scheme, text);
        if (i > 0 && strcmp(text, out) != 0) {
            out[0] = 0;
            return;
        }
        memcpy(out, text, sizeof text);
    }
}

whit_status wh_subject_open(whit_bench *b, const wh_model_config *c, whit_model **out,
                            whit_error *err)
{
    const whit_acts acts = b->o.acts == WHIT_BENCH_ACTS_F32    ? WHIT_ACTS_F32
                           : b->o.acts == WHIT_BENCH_ACTS_BF16 ? WHIT_ACTS_BF16
                                                               : WHIT_ACTS_Q8;
    if (b->o.synthetic) return wh_model_draw(out, c, b->context, acts, err);
    whit_status st = wh_model_open_in(out, b->o.path, b->context, acts, err);
    if (st != WHIT_OK) return st;
    find_stored(*out, b->subject.stored);
    wh_lines_copy(&b->warnings, &(*out)->warnings);
    return WHIT_OK;
}

/* ---- as another type ------------------------------------------------------------------------- */

uint64_t wh_retyped_bytes(const wh_model_config *c, const whit_scheme *type, uint64_t *making)
{
    uint64_t sum = 0;
    *making = 0;
    for (size_t i = 0; i < linears_of(c); i++) {
        wh_item item = { .scheme = *type, .index = WHIT_NOT_FOUND };
        wh_linear_sides(c, i, &item.rows, &item.cols);
        const uint64_t more = wh_item_making(&item);
        if (more > *making) *making = more;
        sum += wh_weight_bytes(type, item.rows, item.cols);
    }
    return sum;
}

whit_status wh_retype_fits(const wh_model_config *c, const whit_scheme *type, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < linears_of(c) && st == WHIT_OK; i++) {
        uint64_t rows, cols;
        wh_linear_sides(c, i, &rows, &cols);
        st = wh_type_fits(type, cols, err);
    }
    return st;
}

/* The values of a linear: the file's, decoded, or made-up ones. */
static whit_status values_of(const whit_model *m, size_t index, const wh_item *item, float *w,
                             whit_error *err)
{
    const size_t n = (size_t)(item->rows * item->cols);
    if (m->source) {
        const char *name = whit_model_linear_at(m, index)->tensor;
        return whit_source_read_f32(m->source, whit_source_find(m->source, name), 0, item->rows, 0,
                                    item->cols, w, err);
    }
    wh_bench_fill(w, n, index + 1);
    for (size_t i = 0; i < n; i++) w[i] *= SPREAD;
    return WHIT_OK;
}

/* An earlier linear of this shape, of a made-up model: the same values will do. */
static const whit_weight *twin(const whit_model *m, size_t index, const wh_item *item)
{
    for (size_t i = 0; !m->source && i < index; i++) {
        const whit_weight *w = wh_model_linear(m, i)->weight;
        if (w->rows == item->rows && w->cols == item->cols) return w;
    }
    return NULL;
}

static whit_status retype_linear(whit_bench *b, whit_model *m, size_t index,
                                 const whit_scheme *type, whit_error *err)
{
    wh_item item = { .scheme = *type, .count = 1, .index = WHIT_NOT_FOUND };
    whit_weight *weight = NULL;
    wh_linear_sides(&m->config, index, &item.rows, &item.cols);
    const whit_weight *same = twin(m, index, &item);
    whit_status st = WHIT_OK;
    if (same) {
        st = wh_weight_copy(&weight, same, err);
    } else {
        float *w = wh_calloc((size_t)item.rows, (size_t)item.cols * sizeof *w);
        st = w ? values_of(m, index, &item, w, err)
               : wh_fail(err, WHIT_ERR_NOMEM, "no memory for %" PRIu64 " x %" PRIu64 " weights",
                         item.rows, item.cols);
        if (st == WHIT_OK) st = wh_item_make(b, &item, w, &weight, err);
        free(w);
    }
    if (st == WHIT_OK) wh_model_put(m, index, weight);
    return st;
}

whit_status wh_retype(whit_bench *b, whit_model *m, const whit_scheme *type, whit_error *err)
{
    char text[WHIT_SCHEME_TEXT];
    whit_status st = WHIT_OK;
    whit_scheme_print(type, text);
    for (size_t i = 0; i < whit_model_linears(m) && st == WHIT_OK; i++) {
        st = wh_meter_step(&b->meter, text, 0, err);
        if (st == WHIT_OK) st = retype_linear(b, m, i, type, err);
    }
    return st;
}
