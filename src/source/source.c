/* src/source/source.c - a model as logical tensors: plain ones, and quantized ones that decode.
 *
 * Finding the quantized ones is native.c's, hf.c's and llama2c.c's; here they are listed with the
 * others, in the order of their data, and their rows are read. Decoding codes is codes.c's.
 *
 * SPDX-License-Identifier: MIT */
#include <whit/source.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/names.h"
#include "source/codes.h"
#include "source/hf.h"
#include "source/llama2c.h"
#include "source/native.h"

struct whit_source {
    whit_file *file;
    whit_source_tensor *tensor; /* [count] */
    size_t count, described, quantized;
    const char *format; /* of the described ones */
    char **names;       /* [described]: malloc'd names of the tensors that were found */
    wh_names index;
};

static int by_place(const void *a, const void *b)
{
    const whit_tensor *x = &((const whit_source_tensor *)a)->tensor;
    const whit_tensor *y = &((const whit_source_tensor *)b)->tensor;
    if (x->shard != y->shard) return x->shard < y->shard ? -1 : 1;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return strcmp(x->name, y->name); /* empty tensors share their place */
}

static void add_plain(whit_source *s, size_t i)
{
    whit_source_tensor *t = &s->tensor[s->count++];
    const whit_tensor *stored = whit_file_tensor(s->file, i);
    *t = (whit_source_tensor){ .tensor = *stored,
                               .stored = stored->dtype,
                               .planes = { i, WHIT_NOT_FOUND, WHIT_NOT_FOUND, WHIT_NOT_FOUND },
                               .table = WHIT_NOT_FOUND };
    whit_tensor_matrix(stored, &t->rows, &t->cols);
    if (stored->block == WHIT_BLOCK_NONE) return;
    t->scheme = (whit_scheme){ .kind = WHIT_GGUF, .scale_type = WHIT_F32, .block = stored->block };
    t->tensor.dtype = WHIT_F32; /* what they decode to: the file does not say what they were */
    s->quantized++;
}

static whit_status no_memory(const whit_source *s, whit_error *err)
{
    char path[WH_SHORT];
    return wh_fail(err, WHIT_ERR_NOMEM, "%s: no memory for %zu tensors",
                   wh_short(path, whit_file_path(s->file)), whit_file_count(s->file));
}

/* The quantized tensors: those of a native file, else those of another program's checkpoint, or of
 * llama2.c. */
static whit_status find_described(whit_source *s, unsigned char *claimed, whit_error *err)
{
    wh_hf_list other;
    whit_status st = wh_native_read(s->file, &s->tensor, &s->described, claimed, err);
    s->format = "whit native";
    if (st != WHIT_OK || s->described > 0) return st;
    free(s->tensor);
    st = strcmp(whit_file_format(s->file), "llama2.c") == 0
             ? wh_llama2c_read(s->file, &other, claimed, err)
             : wh_hf_read(s->file, &other, claimed, err);
    s->tensor = other.item;
    s->described = other.count;
    s->format = other.format;
    return st;
}

/* All logical tensors: those that were found, then what is left, in the order of the data. */
static whit_status list_tensors(whit_source *s, whit_error *err)
{
    size_t stored = whit_file_count(s->file);
    unsigned char *claimed = wh_calloc(stored, 1);
    if (!claimed) return no_memory(s, err);
    whit_status st = find_described(s, claimed, err);
    s->count = s->described;
    s->names = wh_calloc(s->described, sizeof *s->names);
    if (!s->names) {
        for (size_t i = 0; i < s->described; i++) free((void *)(uintptr_t)s->tensor[i].tensor.name);
        s->described = 0;
        st = st == WHIT_OK ? no_memory(s, err) : st;
    }
    for (size_t i = 0; i < s->described; i++) {
        s->names[i] = (char *)(uintptr_t)s->tensor[i].tensor.name;
        s->quantized += (size_t)whit_scheme_is_quantized(&s->tensor[i].scheme);
    }
    void *tensors = s->tensor;
    size_t cap = s->count;
    if (st == WHIT_OK && !wh_grow(&tensors, &cap, s->count + stored, sizeof *s->tensor))
        st = no_memory(s, err);
    s->tensor = tensors;
    for (size_t i = 0; i < stored && st == WHIT_OK; i++)
        if (!claimed[i]) add_plain(s, i);
    free(claimed);
    if (st == WHIT_OK && s->count > 0) qsort(s->tensor, s->count, sizeof *s->tensor, by_place);
    return st;
}

static whit_status index_tensors(whit_source *s, whit_error *err)
{
    char path[WH_SHORT], name[WH_SHORT];
    for (size_t i = 0; i < s->count; i++) {
        int added = wh_names_add(&s->index, s->tensor[i].tensor.name, i);
        if (added < 0) return no_memory(s, err);
        if (added == 0)
            return wh_fail(err, WHIT_ERR_FORMAT, "%s: %s: stored both plain and quantized",
                           wh_short(path, whit_file_path(s->file)),
                           wh_short(name, s->tensor[i].tensor.name));
    }
    return WHIT_OK;
}

static whit_status open_source(whit_source **out, const char *path, const whit_raw_options *raw,
                               whit_error *err)
{
    *out = NULL;
    whit_source *s = wh_calloc(1, sizeof *s);
    if (!s) return wh_fail(err, WHIT_ERR_NOMEM, "no memory");
    whit_status st =
        raw ? whit_file_open_raw(&s->file, path, raw, err) : whit_file_open(&s->file, path, err);
    if (st == WHIT_OK) st = list_tensors(s, err);
    if (st == WHIT_OK) st = index_tensors(s, err);
    if (st != WHIT_OK) {
        whit_source_close(s);
        return st;
    }
    *out = s;
    return WHIT_OK;
}

whit_status whit_source_open(whit_source **out, const char *path, whit_error *err)
{
    return open_source(out, path, NULL, err);
}

whit_status whit_source_open_raw(whit_source **out, const char *path,
                                 const whit_raw_options *options, whit_error *err)
{
    *out = NULL;
    if (!options) return wh_fail(err, WHIT_ERR_ARG, "whit_source_open_raw: no options");
    return open_source(out, path, options, err);
}

void whit_source_close(whit_source *source)
{
    if (!source) return;
    for (size_t i = 0; i < source->described; i++) free(source->names[i]);
    free(source->names);
    free(source->tensor);
    wh_names_free(&source->index);
    whit_file_close(source->file);
    free(source);
}

const whit_file *whit_source_file(const whit_source *source)
{
    return source->file;
}

const char *whit_source_format(const whit_source *source)
{
    return source->described > 0 ? source->format : whit_file_format(source->file);
}

size_t whit_source_count(const whit_source *source)
{
    return source->count;
}

const whit_source_tensor *whit_source_at(const whit_source *source, size_t index)
{
    return index < source->count ? &source->tensor[index] : NULL;
}

size_t whit_source_find(const whit_source *source, const char *name)
{
    return wh_names_find(&source->index, name);
}

size_t whit_source_quantized(const whit_source *source)
{
    return source->quantized;
}

whit_status whit_source_read_f32(const whit_source *source, size_t index, uint64_t r0,
                                 uint64_t rows, uint64_t c0, uint64_t cols, float *dst,
                                 whit_error *err)
{
    const whit_source_tensor *t = whit_source_at(source, index);
    if (!t || r0 > t->rows || rows > t->rows - r0 || c0 > t->cols || cols > t->cols - c0 ||
        (rows > 1 && cols != t->cols) || c0 % 8 != 0)
        return wh_fail(err, WHIT_ERR_ARG, "rows or columns outside the tensor");
    if (rows == 0 || cols == 0) return WHIT_OK;
    if (!whit_scheme_is_quantized(&t->scheme) || t->scheme.kind == WHIT_GGUF)
        return whit_file_read_f32(source->file, t->planes[0], r0 * t->cols + c0,
                                  (size_t)(rows * cols), dst, err);
    const wh_span span = { r0, rows, c0, cols };
    return wh_codes_decode(source->file, t, &span, dst, err);
}
