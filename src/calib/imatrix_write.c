/* src/calib/imatrix_write.c - a calibration state as an importance matrix of llama.cpp: GGUF, and
 * the old form.
 *
 * The text it names is the hash of ours. Forms: imatrix.c, imatrix_dat.c.
 * Source: ggml-org/llama.cpp, tools/imatrix/imatrix.cpp.
 * SPDX-License-Identifier: MIT */
#include "calib/imatrix_write.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "io/gguf_write.h"

#define NAME 64

typedef struct line {
    char name[NAME];
    const wh_calib_input *input;
} line;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const line *)a)->name, ((const line *)b)->name);
}

static whit_status no_memory(whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for an importance matrix");
}

/* Every matrix with its input, by name. */
static whit_status list_lines(const whit_calib *c, size_t suffix, wh_gguf_name_fn *gguf_name,
                              line **out, size_t *count, whit_error *err)
{
    char shortened[WH_SHORT];
    size_t n = 0;
    for (size_t i = 0; i < c->info.inputs; i++) n += c->input[i].told.linears_count;
    *count = 0;
    *out = wh_calloc(n, sizeof **out);
    if (!*out) return no_memory(err);
    for (size_t i = 0; i < c->info.inputs; i++)
        for (size_t k = 0; k < c->input[i].told.linears_count; k++) {
            line *l = &(*out)[(*count)++];
            char buf[NAME];
            const char *name = gguf_name(c->input[i].linear[k], buf);
            if (strlen(name) + suffix >= NAME)
                return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                               "%s: its name is too long for an importance matrix",
                               wh_short(shortened, name));
            memcpy(l->name, name, strlen(name) + 1);
            l->input = &c->input[i];
        }
    qsort(*out, n, sizeof **out, by_name);
    return WHIT_OK;
}

static void put_f32(wh_buf *out, double v)
{
    unsigned char raw[4];
    wh_store32(raw, wh_f32_bits((float)v));
    wh_buf_put(out, raw, sizeof raw);
}

static void put_i32(wh_buf *out, uint64_t v)
{
    unsigned char raw[4];
    wh_store32(raw, (uint32_t)v);
    wh_buf_put(out, raw, sizeof raw);
}

static void put_text(wh_buf *out, const char *text)
{
    put_i32(out, strlen(text));
    wh_buf_puts(out, text);
}

static whit_status make_dat(const whit_calib *c, const line *l, size_t count, wh_buf *out,
                            whit_error *err)
{
    const uint64_t calls = wh_calib_windows(c);
    if (calls > INT32_MAX || count > INT32_MAX)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                       "too many windows for the old form; try: a name in .gguf");
    put_i32(out, count);
    for (size_t i = 0; i < count; i++) {
        const uint64_t cols = l[i].input->told.cols;
        put_text(out, l[i].name);
        put_i32(out, calls);
        put_i32(out, cols);
        for (uint64_t k = 0; k < cols; k++)
            put_f32(out, wh_calib_mean(l[i].input, WH_SUM_SQUARE, k) * (double)calls);
    }
    put_i32(out, calls);
    put_text(out, c->info.sources ? c->source[0].sha256 : "");
    return WHIT_OK;
}

static void put_keys(wh_gguf_kvs *k, const whit_calib *c)
{
    wh_gguf_put_string(k, "general.type", "imatrix", 7);
    wh_gguf_begin_array(k, "imatrix.datasets", WHIT_KV_STRING, c->info.sources);
    for (size_t i = 0; i < c->info.sources; i++)
        wh_gguf_item_string(k, c->source[i].sha256, strlen(c->source[i].sha256));
    const uint64_t chunks = wh_calib_windows(c),
                   size = c->info.sources ? c->source[0].told.context : 0;
    wh_gguf_put_u32(k, "imatrix.chunk_count", chunks < UINT32_MAX ? (uint32_t)chunks : UINT32_MAX);
    wh_gguf_put_u32(k, "imatrix.chunk_size", (uint32_t)size);
}

static void put_padding(wh_buf *out)
{
    static const char zeros[WH_GGUF_ALIGNMENT] = { 0 };
    wh_buf_put(out, zeros, (size_t)wh_gguf_padding(out->len, WH_GGUF_ALIGNMENT));
}

/* Two entries a line: counts, sums; so they are in the order of their names. */
static whit_status make_gguf(const whit_calib *c, const line *l, size_t count, wh_buf *out,
                             whit_error *err)
{
    static const char *const suffix[2] = { ".counts", ".in_sum2" };
    wh_out_entry *entry = wh_calloc(2 * count, sizeof *entry);
    char(*name)[NAME + 8] = wh_calloc(2 * count, sizeof *name);
    wh_gguf_kvs keys = { .count = 0 };
    uint64_t bytes;
    whit_status st = entry && name ? WHIT_OK : no_memory(err);
    for (size_t i = 0; i < 2 * count && st == WHIT_OK; i++) {
        const uint64_t cols = i % 2 ? l[i / 2].input->told.cols : 1;
        memcpy(name[i], l[i / 2].name, strlen(l[i / 2].name) + 1);
        memcpy(name[i] + strlen(name[i]), suffix[i % 2], strlen(suffix[i % 2]) + 1);
        entry[i] = (wh_out_entry){ .name = name[i],
                                   .dtype = WHIT_F32,
                                   .rank = 2,
                                   .shape = { 1, cols },
                                   .bytes = cols * sizeof(float) };
    }
    if (st == WHIT_OK) put_keys(&keys, c);
    if (st == WHIT_OK) st = wh_gguf_layout(entry, 2 * count, WH_GGUF_ALIGNMENT, &bytes, err);
    if (st == WHIT_OK) st = wh_gguf_header(entry, 2 * count, &keys, WH_GGUF_ALIGNMENT, out, err);
    for (size_t i = 0; i < count && st == WHIT_OK; i++) {
        const wh_calib_input *in = l[i].input;
        put_f32(out, (double)in->told.tokens);
        put_padding(out);
        for (uint64_t k = 0; k < in->told.cols; k++)
            put_f32(out, wh_wide_unsigned(in->moments.sum[WH_SUM_SQUARE][k]));
        put_padding(out);
    }
    wh_buf_free(&keys.bytes);
    free(entry);
    free(name);
    return st;
}

whit_status wh_imatrix_make(const whit_calib *c, int gguf, wh_gguf_name_fn *name, wh_buf *out,
                            whit_error *err)
{
    line *l = NULL;
    size_t count;
    whit_status st = list_lines(c, gguf ? sizeof ".in_sum2" - 1 : 0, name, &l, &count, err);
    if (st == WHIT_OK)
        st = gguf ? make_gguf(c, l, count, out, err) : make_dat(c, l, count, out, err);
    free(l);
    return st == WHIT_OK && out->failed ? no_memory(err) : st;
}
