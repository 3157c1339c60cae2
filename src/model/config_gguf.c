/* src/model/config_gguf.c - the configuration that the metadata of a GGUF file is.
 *
 * Whole numbers are taken from any type of integer: files of other programs hold i32 or u64 where
 * u32 is usual. head_count, head_count_kv and feed_forward_length may be one number for each layer;
 * they must all be the same then. What only tensors tell: biases of attention and of the
 * feed-forward part, tied embeddings (no output.weight), factors of the frequencies
 * (rope_freqs.weight); the vocabulary is as large as the embeddings.
 *
 * Not here: what the values mean (config.c).
 * Source: ggml-org/llama.cpp, src/llama-arch.cpp, src/llama-model.cpp.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "io/gguf.h"
#include "io/io.h"
#include "model/config_raw.h"

/* The first element of an array all of whose elements are the same; else kv as it is. */
static whit_kv as_scalar(const whit_kv *kv)
{
    static const unsigned char sizes[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
    whit_kv one = *kv;
    const size_t size = sizes[kv->type];
    const char *data = kv->data;
    if (!kv->is_array || kv->count == 0 || size == 0) return one;
    for (uint64_t i = 1; i < kv->count; i++)
        if (memcmp(data, data + i * size, size) != 0) return one;
    one.is_array = 0;
    return one;
}

static void take(wh_raw_value *v, const whit_kv *kv)
{
    uint64_t n;
    if (!kv) return;
    const whit_kv one = as_scalar(kv);
    v->kind = WH_RAW_OTHER;
    if (one.is_array) return;
    if (wh_gguf_kv_u64(&one, &n)) {
        v->kind = WH_RAW_WHOLE;
        v->n = n;
        v->x = (double)n;
    } else if (one.type == WHIT_KV_F32 || one.type == WHIT_KV_F64) {
        v->kind = WH_RAW_REAL;
        v->x =
            one.type == WHIT_KV_F32 ? (double)*(const float *)one.data : *(const double *)one.data;
    } else if (one.type == WHIT_KV_BOOL) {
        v->kind = WH_RAW_BOOL;
        v->n = *(const uint8_t *)one.data;
    } else if (one.type == WHIT_KV_STRING && wh_gguf_is_text(one.data)) {
        v->kind = WH_RAW_TEXT;
        wh_short(v->text, ((const whit_kv_string *)one.data)->text);
    }
}

static whit_status take_eos(wh_raw_config *r, const whit_file *file, whit_error *err)
{
    static const char *const keys[] = { "tokenizer.ggml.eos_token_id",
                                        "tokenizer.ggml.eot_token_id" };
    for (size_t i = 0; i < 2; i++) {
        wh_raw_value v = { .kind = WH_RAW_ABSENT };
        take(&v, whit_file_kv_find(file, 0, keys[i]));
        if (v.kind == WH_RAW_ABSENT) continue;
        if (v.kind != WH_RAW_WHOLE || v.n > UINT32_MAX)
            return wh_fail(err, WHIT_ERR_FORMAT, "%s: %s: is no id of a token", r->label, keys[i]);
        if (r->eos_count == 0 || r->eos[0] != v.n) r->eos[r->eos_count++] = (uint32_t)v.n;
    }
    return WHIT_OK;
}

static void take_keys(wh_raw_config *r, const whit_file *file)
{
    char key[128];
    for (wh_raw_key k = 0; k < WH_KEYS; k++) {
        if (!wh_raw_gguf_name(k)) continue;
        snprintf(key, sizeof key, "%s.%s", r->gguf_arch, wh_raw_gguf_name(k));
        take(&r->value[k], whit_file_kv_find(file, 0, key));
    }
    take(&r->value[WH_KEY_PATH], whit_file_kv_find(file, 0, "general.name"));
    take(&r->value[WH_KEY_BOS], whit_file_kv_find(file, 0, "tokenizer.ggml.bos_token_id"));
    wh_raw_value *vocab = &r->value[WH_KEY_VOCAB];
    size_t embeddings = whit_file_find(file, "token_embd.weight");
    const whit_tensor *t = embeddings == WHIT_NOT_FOUND ? NULL : whit_file_tensor(file, embeddings);
    if (vocab->kind == WH_RAW_ABSENT && t && t->rank == 2)
        *vocab = (wh_raw_value){ WH_RAW_WHOLE, t->shape[0], (double)t->shape[0], "" };
}

static int present(const whit_file *file, const char *name)
{
    return whit_file_find(file, name) != WHIT_NOT_FOUND;
}

whit_status wh_config_read_gguf(wh_model_config *c, const whit_file *file, whit_error *err)
{
    wh_raw_config r = { .gguf = 1 };
    wh_raw_value arch = { .kind = WH_RAW_ABSENT };
    wh_io_label(r.label, whit_file_path(file));
    take(&arch, whit_file_kv_find(file, 0, "general.architecture"));
    if (arch.kind != WH_RAW_TEXT)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: general.architecture: is missing, or no text; try: a file that holds a "
                       "model",
                       r.label);
    memcpy(r.architecture, arch.text, sizeof r.architecture);
    r.gguf_arch = r.architecture;
    take_keys(&r, file);
    whit_status st = take_eos(&r, file, err);
    if (st == WHIT_OK) st = wh_config_build(c, &r, err);
    if (st != WHIT_OK) return st;
    c->qkv_bias = present(file, "blk.0.attn_q.bias");
    c->out_bias = present(file, "blk.0.attn_output.bias");
    c->mlp_bias = present(file, "blk.0.ffn_up.bias");
    c->tied = !present(file, "output.weight");
    if (!present(file, "rope_freqs.weight")) return WHIT_OK;
    if (c->rope.kind != WH_ROPE_PLAIN)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                       "%s: rope_freqs.weight: together with rope scaling it is not supported",
                       r.label);
    c->rope.kind = WH_ROPE_TENSOR;
    return WHIT_OK;
}

whit_status wh_config_of_file(wh_model_config *c, const whit_file *file, whit_error *err)
{
    if (whit_file_kv_count(file, 0) > 0) return wh_config_read_gguf(c, file, err);
    if (wh_config_is_llama2c(file)) return wh_config_read_llama2c(c, file, err);
    return wh_config_read_folder(c, whit_file_folder(file), err);
}
