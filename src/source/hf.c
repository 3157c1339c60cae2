/* src/source/hf.c - the table of quantized checkpoints; finding their tensors in a file.
 *
 * Names of stored tensors mark the layers P that may be quantized (P.weight_packed, ..); the
 * configuration beside them says which format it is, and must agree with what is there. Without a
 * configuration every format is tried: names, shapes and types tell them apart. Codes that are left
 * are refused: they are no plain numbers. A configuration beside plain tensors alone does not
 * count.
 *
 * Not here: what each format's tensors are (hf_ctensors.c, hf_gptq.c, hf_awq.c, hf_bnb.c,
 * hf_fp8.c), what tells codes of other methods (hf_unread.c), what configurations look like
 * (hf_config.c).
 *
 * SPDX-License-Identifier: MIT */
#include "source/hf.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/names.h"

static const wh_hf_format *const formats[] = { &wh_hf_ct_packed, &wh_hf_ct_plain, &wh_hf_gptq,
                                               &wh_hf_awq,       &wh_hf_bnb_nf4,  &wh_hf_bnb_fp4,
                                               &wh_hf_bnb_int8,  &wh_hf_fp8 };
#define FORMATS (sizeof formats / sizeof formats[0])

/* ---- messages -------------------------------------------------------------------------------- */

WH_PRINTF(3, 0)
static whit_status say(const wh_hf *h, whit_status code, const char *fmt, va_list args)
{
    char path[WH_SHORT], name[WH_SHORT], words[160];
    vsnprintf(words, sizeof words, fmt, args);
    return wh_fail(h->err, code, "%s: %s: %s",
                   wh_short(path, whit_file_shard_path(h->file, h->t->tensor.shard)),
                   wh_short(name, h->t->tensor.name), words);
}

whit_status wh_hf_bad(const wh_hf *h, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    whit_status st = say(h, WHIT_ERR_FORMAT, fmt, args);
    va_end(args);
    return st;
}

whit_status wh_hf_unread(const wh_hf *h, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    whit_status st = say(h, WHIT_ERR_UNSUPPORTED, fmt, args);
    va_end(args);
    return st;
}

static whit_status no_memory(whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the list of quantized tensors");
}

/* ---- what formats ask for -------------------------------------------------------------------- */

size_t wh_hf_part(wh_hf *h, const char *suffix)
{
    snprintf(h->name + h->stem, WH_HF_SUFFIX, "%s", suffix);
    return whit_file_find(h->file, h->name);
}

whit_status wh_hf_need(wh_hf *h, const char *suffix, size_t *index)
{
    *index = wh_hf_part(h, suffix);
    return *index == WHIT_NOT_FOUND ? wh_hf_bad(h, "its %s is missing", suffix + 1) : WHIT_OK;
}

/* "I32 [4, 8]" */
static const char *shape_text(char text[80], const char *type, uint32_t rank, const uint64_t *shape)
{
    size_t n = (size_t)snprintf(text, 80, "%s [", type);
    for (uint32_t d = 0; d < rank && n < 56; d++)
        n += (size_t)snprintf(text + n, 80 - n, "%s%" PRIu64, d ? ", " : "", shape[d]);
    snprintf(text + n, 80 - n, "]");
    return text;
}

whit_status wh_hf_take(wh_hf *h, size_t index, int plane, whit_dtype dtype, uint32_t rank,
                       uint64_t first, uint64_t second)
{
    const whit_tensor *t = whit_file_tensor(h->file, index);
    const uint64_t shape[2] = { first, second };
    char found[80], want[80];
    if (rank > 2) /* a caller may hand on the file's own */
        return wh_hf_bad(h, "%s has %" PRIu32 " dimensions; at most 2 are read",
                         t->name + h->stem + (t->name[h->stem] == '.'), rank);
    if (t->dtype != dtype || t->rank != rank || memcmp(t->shape, shape, rank * sizeof *shape) != 0)
        return wh_hf_bad(h, "%s is %s, not %s", t->name + h->stem + (t->name[h->stem] == '.'),
                         shape_text(found, whit_tensor_type(t), t->rank, t->shape),
                         shape_text(want, whit_dtype_name(dtype), rank, shape));
    if (h->claimed[index]) return wh_hf_bad(h, "a part of it belongs to another tensor, too");
    h->claimed[index] = 1;
    h->t->tensor.bytes += t->bytes;
    if (plane >= 0) h->t->planes[plane] = index;
    if (plane != 0) return WHIT_OK;
    h->t->stored = t->dtype;
    h->t->tensor.offset = t->offset;
    h->t->tensor.shard = t->shard;
    return WHIT_OK;
}

void wh_hf_matrix(wh_hf *h, whit_dtype dtype, uint64_t rows, uint64_t cols)
{
    whit_tensor *t = &h->t->tensor;
    t->dtype = dtype;
    t->rank = 2;
    t->shape[0] = h->t->rows = rows;
    t->shape[1] = h->t->cols = cols;
    t->elements = rows * cols; /* the file holds bits for each of them */
}

int wh_hf_is_scale(const whit_tensor *t)
{
    return t->dtype == WHIT_F32 || t->dtype == WHIT_F16 || t->dtype == WHIT_BF16;
}

whit_status wh_hf_groups(wh_hf *h, uint64_t cols, uint64_t group)
{
    whit_scheme *s = &h->t->scheme;
    s->gran = WHIT_GRAN_CHANNEL;
    if (group >= cols) return WHIT_OK;
    if (group < 2 || group > 65536)
        return wh_hf_unread(h, "groups of %" PRIu64 " weights; try: the model it was made from",
                            group);
    s->gran = WHIT_GRAN_GROUP;
    s->group = (uint32_t)group;
    return WHIT_OK;
}

whit_status wh_hf_group_size(wh_hf *h, uint64_t cols, uint64_t groups)
{
    const int64_t said = h->config->group_size;
    if (said == -1 && groups == 1) return wh_hf_groups(h, cols, cols);
    if (said > 0 && groups == (cols - 1) / (uint64_t)said + 1)
        return wh_hf_groups(h, cols, (uint64_t)said);
    if (said != 0 && !h->config->dynamic)
        return wh_hf_bad(h,
                         "%" PRIu64 " groups in %" PRIu64 " columns; the configuration says "
                         "group_size %" PRId64,
                         groups, cols, said);
    if (groups == 0 || cols % groups != 0)
        return wh_hf_bad(h,
                         "%" PRIu64 " groups do not divide %" PRIu64 " columns, and the "
                         "configuration does not say how long they are",
                         groups, cols);
    return wh_hf_groups(h, cols, cols / groups);
}

whit_status wh_hf_symmetric(wh_hf *h, uint8_t stored, int *all)
{
    const whit_tensor *t = whit_file_tensor(h->file, h->t->planes[2]);
    uint8_t want[32], codes[32], octets[8160]; /* of 8, 12, 16 or 32 octets the same number */
    const size_t period = 4 * h->t->scheme.bits, most = sizeof octets / period * period;
    memset(codes, stored, sizeof codes);
    whit_pack_bits(codes, 32, h->t->scheme.bits, want);
    *all = 1;
    for (uint64_t at = 0, n; at < t->bytes && *all; at += n) {
        n = t->bytes - at < most ? t->bytes - at : most;
        whit_status st = whit_file_read(h->file, h->t->planes[2], at, (size_t)n, octets, h->err);
        if (st != WHIT_OK) return st;
        for (size_t k = 0; k < n; k++) *all &= octets[k] == want[k % period];
    }
    return WHIT_OK;
}

whit_status wh_hf_order(wh_hf *h)
{
    uint8_t octets[4096];
    const uint64_t group = h->t->scheme.group ? h->t->scheme.group : h->t->cols;
    const uint64_t groups = (h->t->cols - 1) / group + 1;
    for (uint64_t i = 0, n; i < h->t->cols; i += n) {
        n = h->t->cols - i < sizeof octets / 4 ? h->t->cols - i : sizeof octets / 4;
        whit_status st =
            whit_file_read(h->file, h->t->planes[3], 4 * i, (size_t)(4 * n), octets, h->err);
        if (st != WHIT_OK) return st;
        for (uint64_t k = 0; k < n; k++) {
            const uint32_t g = wh_load32(octets + 4 * k);
            if (g >= groups)
                return wh_hf_bad(h,
                                 "g_idx puts column %" PRIu64 " in group %" PRId32 " of %" PRIu64,
                                 i + k, (int32_t)g, groups);
            if (g != (i + k) / group) h->t->scattered = 1;
        }
    }
    return WHIT_OK;
}

/* ---- finding --------------------------------------------------------------------------------- */

/* Whether some layer has a mark: then the configuration counts. */
static int has_marks(const whit_file *file, size_t *longest)
{
    int found = 0;
    *longest = 0;
    for (size_t i = 0; i < whit_file_count(file); i++) {
        const whit_tensor *t = whit_file_tensor(file, i);
        const size_t len = strlen(t->name);
        size_t stem;
        if (len > *longest) *longest = len;
        for (size_t k = 0; k < FORMATS; k++)
            found |= wh_ends_with(t->name, formats[k]->mark, &stem);
    }
    return found;
}

/* One more, with the name that the mark tells. */
static whit_status new_item(wh_hf *h, wh_hf_list *out, const whit_tensor *mark)
{
    void *items = out->item;
    const int grown = wh_grow(&items, &out->cap, out->count + 1, sizeof *out->item);
    out->item = items;
    if (!grown) return no_memory(h->err);
    h->t = &out->item[out->count];
    *h->t = (whit_source_tensor){ .tensor.shard = mark->shard,
                                  .planes = { WHIT_NOT_FOUND, WHIT_NOT_FOUND, WHIT_NOT_FOUND,
                                              WHIT_NOT_FOUND },
                                  .table = WHIT_NOT_FOUND };
    memcpy(h->name, mark->name, h->stem);
    memcpy(h->name + h->stem, ".weight", sizeof ".weight");
    char *name = wh_strndup(h->name, strlen(h->name));
    h->t->tensor.name = name;
    if (!name) return no_memory(h->err);
    out->count++;
    return WHIT_OK;
}

/* The layer of a stored tensor, where that is a mark of the format. */
static whit_status try_format(wh_hf *h, wh_hf_list *out, const wh_hf_format *f, size_t index)
{
    const whit_tensor *mark = whit_file_tensor(h->file, index);
    int taken = 0;
    if (h->claimed[index] || !wh_ends_with(mark->name, f->mark, &h->stem)) return WHIT_OK;
    whit_status st = new_item(h, out, mark);
    if (st == WHIT_OK) st = f->read(h, index, &taken);
    if (st == WHIT_OK && taken) {
        if (!out->format) out->format = f->name;
        return WHIT_OK;
    }
    if (st == WHIT_OK) free((void *)(uintptr_t)out->item[--out->count].tensor.name);
    return st;
}

/* The configuration names one format, and what is there is another's. */
static whit_status check_others(const wh_hf *h, const char *config_file)
{
    char path[WH_SHORT], name[WH_SHORT];
    size_t stem;
    for (size_t i = 0; i < whit_file_count(h->file); i++)
        for (size_t k = 0; k < FORMATS; k++) {
            const char *tensor = whit_file_tensor(h->file, i)->name;
            if (!formats[k]->telling || formats[k]->method == h->config->method ||
                !wh_ends_with(tensor, formats[k]->mark, &stem))
                continue;
            return wh_fail(h->err, WHIT_ERR_FORMAT, "%s: %s says %s, but %s is a tensor of %s",
                           wh_short(path, whit_file_path(h->file)), config_file, h->config->name,
                           wh_short(name, tensor), formats[k]->name);
        }
    return WHIT_OK;
}

/* The configuration names a method that is not read. */
static whit_status refuse_method(const wh_hf *h, const char *config_file)
{
    char path[WH_SHORT], name[WH_SHORT], words[WH_SHORT + 40] = "";
    wh_hf_codes c;
    whit_status st = wh_hf_find_codes(h->file, h->claimed, 0, &c, h->err);
    if (st != WHIT_OK) return st;
    if (c.codes)
        snprintf(words, sizeof words, " (%s is %s)", wh_short(name, c.codes->name),
                 whit_tensor_type(c.codes));
    return wh_fail(h->err, WHIT_ERR_UNSUPPORTED,
                   "%s: %s says quant_method %s, which is not read%s; try: the model it was made "
                   "from",
                   wh_short(path, whit_file_path(h->file)), config_file, h->config->name, words);
}

static whit_status find_all(wh_hf *h, wh_hf_list *out, const char *config_file)
{
    const wh_hf_method method = h->config->method;
    wh_hf_codes left;
    if (method == WH_HF_OTHER) return refuse_method(h, config_file);
    for (size_t i = 0; i < whit_file_count(h->file); i++)
        for (size_t k = 0; k < FORMATS; k++) {
            if (method != WH_HF_NONE && method != formats[k]->method) continue;
            whit_status st = try_format(h, out, formats[k], i);
            if (st != WHIT_OK) return st;
        }
    whit_status st =
        out->count == 0 && method != WH_HF_NONE ? check_others(h, config_file) : WHIT_OK;
    if (st == WHIT_OK) st = wh_hf_find_codes(h->file, h->claimed, 1, &left, h->err);
    return st == WHIT_OK && left.codes ? wh_hf_refuse_codes(h->file, &left, h->err) : st;
}

whit_status wh_hf_read(const whit_file *file, wh_hf_list *out, unsigned char *claimed,
                       whit_error *err)
{
    const char *config_file = "";
    wh_hf_config config = { 0 };
    size_t longest;
    wh_hf_codes codes;
    *out = (wh_hf_list){ 0 };
    if (strcmp(whit_file_format(file), "safetensors") != 0) return WHIT_OK;
    const int marked = has_marks(file, &longest);
    whit_status st = wh_hf_find_codes(file, claimed, 0, &codes, err);
    if (st != WHIT_OK || (!marked && !codes.codes)) return st;
    wh_hf h = { .file = file,
                .config = &config,
                .claimed = claimed,
                .name = longest < SIZE_MAX - WH_HF_SUFFIX ? malloc(longest + WH_HF_SUFFIX) : NULL,
                .err = err };
    if (!h.name) st = no_memory(err);
    if (st == WHIT_OK) st = wh_hf_config_read(&config, whit_file_folder(file), &config_file, err);
    if (st == WHIT_OK) st = find_all(&h, out, config_file);
    wh_hf_config_free(&config);
    free(h.name);
    return st;
}
