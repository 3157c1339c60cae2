/* src/source/llama2c.c - the int8 weights of llama2.c's version 2 (layout: src/io/llama2c.c).
 *
 * Codes are signed octets, row by row; a group is consecutive weights of the whole tensor, so that
 * it may begin in one row and end in the next (then codes alone are not enough: scattered). A
 * weight is scale * code. The reader of the file has proved that codes and scales of a tensor
 * follow each other and are as many as they must be.
 *
 * Source: karpathy/llama2.c, export.py (version2_export), runq.c (dequantize).
 * SPDX-License-Identifier: MIT */
#include "source/llama2c.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/llama2c.h"
#include "pack/layout.h"
#include "source/reader.h"

static whit_status no_memory(const whit_file *file, whit_error *err)
{
    char path[WH_SHORT];
    return wh_fail(err, WHIT_ERR_NOMEM, "%s: no memory for its tensors",
                   wh_short(path, whit_file_path(file)));
}

/* The tensor of stored codes `index`, whose scales are stored behind them. */
static void describe(whit_source_tensor *t, const whit_file *file, size_t index, char *name)
{
    const whit_tensor *codes = whit_file_tensor(file, index);
    const whit_tensor *scale = whit_file_tensor(file, index + 1);
    const uint64_t group = codes->elements / scale->elements;
    *t = (whit_source_tensor){ .tensor = *codes,
                               .scheme = { .kind = WHIT_INT,
                                           .bits = 8,
                                           .gran = WHIT_GRAN_GROUP,
                                           .group = (uint32_t)group,
                                           .scale_type = WHIT_F32 },
                               .stored = WHIT_I8,
                               .planes = { index, index + 1, WHIT_NOT_FOUND, WHIT_NOT_FOUND },
                               .layout = WHIT_LAYOUT_LLAMA2C,
                               .table = WHIT_NOT_FOUND };
    t->tensor.name = name;
    t->tensor.dtype = WHIT_F32;
    t->tensor.bytes = codes->bytes + scale->bytes;
    whit_tensor_matrix(&t->tensor, &t->rows, &t->cols);
    t->scattered = t->rows > 1 && t->cols % group != 0;
}

whit_status wh_llama2c_read(const whit_file *file, wh_hf_list *out, unsigned char *claimed,
                            whit_error *err)
{
    const size_t count = whit_file_count(file), suffix = strlen(WH_LLAMA2C_CODES);
    *out = (wh_hf_list){ .format = "llama2.c int8" };
    out->item = wh_calloc(count, sizeof *out->item);
    if (!out->item) return no_memory(file, err);
    for (size_t i = 0; i + 1 < count; i++) {
        const whit_tensor *t = whit_file_tensor(file, i);
        if (t->dtype != WHIT_I8) continue;
        char *name = wh_strndup(t->name, strlen(t->name) - suffix);
        if (!name) return no_memory(file, err);
        describe(&out->item[out->count++], file, i, name);
        claimed[i] = claimed[i + 1] = 1;
    }
    return WHIT_OK;
}

static whit_status fetch_codes(const wh_reader *r, const wh_span *s, uint8_t *codes)
{
    whit_status st =
        whit_file_read(r->file, r->t->planes[0], s->c0, (size_t)s->cols, codes, r->err);
    if (st == WHIT_OK) wh_flip_sign(codes, (size_t)s->cols, codes);
    return st;
}

static whit_status fetch_scales(const wh_reader *r, const wh_span *s, float *scale, uint8_t *zero)
{
    (void)zero;
    return wh_fetch_floats(r, r->t->planes[1], WHIT_F32, s->c0, (size_t)s->cols, scale);
}

const wh_layout_ops wh_layout_llama2c = {
    .piece = 32768, .flat = 1, .codes = fetch_codes, .scales = fetch_scales
};
