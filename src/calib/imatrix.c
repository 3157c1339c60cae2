/* src/calib/imatrix.c - importance matrices: the GGUF form, and what both forms share.
 *
 *   general.type = "imatrix", imatrix.datasets [string], imatrix.chunk_count, imatrix.chunk_size
 *   NAME.in_sum2  F32 [matrices, columns]   sums of the squares of what each column met
 *   NAME.counts   F32 [matrices, 1]         how often each matrix was used
 *
 * Other tensors are ignored: other programs add sums of their own.
 * Not here: the old form (imatrix_dat.c), states (imatrix_state.c), writing (imatrix_write.c).
 * Source: ggml-org/llama.cpp, tools/imatrix/imatrix.cpp and tools/quantize/quantize.cpp, whose
 * demands are all made here; besides, values are not negative.
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "calib/imatrix.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/names.h"
#include "io/gguf.h"

#define SUMS ".in_sum2"
#define COUNTS ".counts"

/* ---- what both forms share ------------------------------------------------------------------- */

whit_status wh_imatrix_no_memory(const whit_imatrix *m, whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NOMEM, "%s: no memory for its values", m->label);
}

whit_status wh_imatrix_bad(const whit_imatrix *m, const char *name, const char *what,
                           whit_error *err)
{
    char shortened[WH_SHORT];
    if (!name) return wh_fail(err, WHIT_ERR_FORMAT, "%s: importance matrix: %s", m->label, what);
    return wh_fail(err, WHIT_ERR_FORMAT, "%s: %s: %s", m->label, wh_short(shortened, name), what);
}

whit_status wh_imatrix_add(whit_imatrix *m, const char *name, size_t len, uint64_t count,
                           float **values, whit_error *err)
{
    const whit_kv_string text = { name, len };
    void *slots = m->slot;
    if (len == 0 || !wh_gguf_is_text(&text))
        return wh_imatrix_bad(m, NULL, "a name is empty, not UTF-8, or holds NUL", err);
    int grown = wh_grow(&slots, &m->cap, m->info.entries + 1, sizeof *m->slot);
    m->slot = slots;
    if (!grown || count > SIZE_MAX) return wh_imatrix_no_memory(m, err);
    wh_imatrix_slot *s = &m->slot[m->info.entries];
    *s = (wh_imatrix_slot){ .name = wh_strndup(name, len),
                            .values = wh_calloc(count, sizeof *s->values) };
    s->entry = (whit_imatrix_entry){ s->name, count, s->values };
    int added = s->name && s->values ? wh_names_add(&m->names, s->name, m->info.entries) : -1;
    m->info.entries++; /* from here on whit_imatrix_close looks after it */
    if (added < 0) return wh_imatrix_no_memory(m, err);
    if (!added) return wh_imatrix_bad(m, s->name, "the name is there twice", err);
    *values = s->values;
    return WHIT_OK;
}

static whit_status check_values(const whit_imatrix *m, whit_error *err)
{
    char name[WH_SHORT];
    for (size_t i = 0; i < m->info.entries; i++) {
        const whit_imatrix_entry *e = &m->slot[i].entry;
        for (uint64_t k = 0; k < e->count; k++)
            if (!(e->values[k] >= 0.0f && isfinite(e->values[k])))
                return wh_fail(err, WHIT_ERR_FORMAT, "%s: %s: value %" PRIu64 " is %s", m->label,
                               wh_short(name, e->name), k,
                               isfinite(e->values[k]) ? "negative" : "not finite");
    }
    if (m->info.entries > 0) return WHIT_OK;
    return wh_imatrix_bad(m, NULL, "it has no entries", err);
}

/* ---- the GGUF form --------------------------------------------------------------------------- */

/* The key of the first file, of that type, or NULL. */
static const whit_kv *find_key(const whit_file *file, const char *key, whit_kv_type type, int array)
{
    const whit_kv *kv = whit_file_kv_find(file, 0, key);
    return kv && kv->is_array == array && kv->type == type ? kv : NULL;
}

static whit_status read_number(const whit_imatrix *m, const whit_file *file, const char *key,
                               uint64_t *out, whit_error *err)
{
    if (wh_gguf_kv_u64(whit_file_kv_find(file, 0, key), out)) return WHIT_OK;
    return wh_imatrix_bad(m, key, "is missing, or no whole number", err);
}

static whit_status read_keys(whit_imatrix *m, const whit_file *file, whit_error *err)
{
    const whit_kv *kv = find_key(file, "general.type", WHIT_KV_STRING, 0);
    const whit_kv_string *s = kv ? kv->data : NULL;
    if (!s || s->len != 7 || memcmp(s->text, "imatrix", 7) != 0)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                       "%s: a GGUF file, but no importance matrix: general.type is not imatrix",
                       m->label);
    kv = find_key(file, "imatrix.datasets", WHIT_KV_STRING, 1);
    if (!kv) return wh_imatrix_bad(m, "imatrix.datasets", "is missing, or no list of texts", err);
    s = kv->data;
    if (kv->count > 0 && wh_gguf_is_text(s)) {
        free(m->dataset);
        m->dataset = wh_strndup(s->text, s->len);
        if (!m->dataset) return wh_imatrix_no_memory(m, err);
    }
    whit_status st = read_number(m, file, "imatrix.chunk_count", &m->info.chunks, err);
    return st == WHIT_OK ? read_number(m, file, "imatrix.chunk_size", &m->info.chunk_size, err)
                         : st;
}

/* The counts that belong to the sums, or a message. */
static whit_status find_counts(const whit_imatrix *m, const whit_file *file,
                               const whit_tensor *sums, size_t *index, whit_error *err)
{
    const size_t stem = strlen(sums->name) - strlen(SUMS);
    char *name = malloc(stem + sizeof COUNTS);
    *index = WHIT_NOT_FOUND;
    if (!name) return wh_imatrix_no_memory(m, err);
    memcpy(name, sums->name, stem);
    memcpy(name + stem, COUNTS, sizeof COUNTS);
    *index = whit_file_find(file, name);
    free(name);
    if (*index == WHIT_NOT_FOUND)
        return wh_imatrix_bad(m, sums->name, "there are no " COUNTS " with it", err);
    const whit_tensor *counts = whit_file_tensor(file, *index);
    if (sums->dtype != WHIT_F32 || counts->dtype != WHIT_F32)
        return wh_imatrix_bad(m, sums->name, "it or its " COUNTS " are not F32", err);
    if (sums->rank < 1 || sums->rank > 2 || sums->elements == 0 ||
        counts->elements != sums->elements / sums->shape[sums->rank - 1])
        return wh_imatrix_bad(m, sums->name, "its " COUNTS " are not one for each matrix", err);
    return WHIT_OK;
}

static whit_status read_pair(whit_imatrix *m, const whit_file *file, size_t index, whit_error *err)
{
    const whit_tensor *sums = whit_file_tensor(file, index);
    size_t at;
    float *v = NULL, *counts = NULL;
    whit_status st = find_counts(m, file, sums, &at, err);
    if (st != WHIT_OK) return st;
    const uint64_t cols = sums->shape[sums->rank - 1], matrices = sums->elements / cols;
    st = wh_imatrix_add(m, sums->name, strlen(sums->name) - strlen(SUMS), sums->elements, &v, err);
    if (st != WHIT_OK) return st;
    counts = wh_calloc(matrices, sizeof *counts);
    if (!counts) return wh_imatrix_no_memory(m, err);
    st = whit_file_read_f32(file, index, 0, (size_t)sums->elements, v, err);
    if (st == WHIT_OK) st = whit_file_read_f32(file, at, 0, (size_t)matrices, counts, err);
    for (uint64_t k = 0; k < matrices && st == WHIT_OK; k++)
        for (uint64_t c = 0; c < cols; c++)
            v[k * cols + c] = counts[k] == 0.0f ? 1.0f : v[k * cols + c] / counts[k];
    free(counts);
    return st;
}

static whit_status read_gguf(whit_imatrix *m, whit_error *err)
{
    whit_file *file = NULL;
    m->info.format = "imatrix GGUF";
    whit_status st = whit_file_open(&file, m->path, err);
    if (st == WHIT_OK) st = read_keys(m, file, err);
    for (size_t i = 0; st == WHIT_OK && i < whit_file_count(file); i++)
        if (wh_ends_with(whit_file_tensor(file, i)->name, SUMS, NULL))
            st = read_pair(m, file, i, err);
    whit_file_close(file);
    return st;
}

/* ---- public ---------------------------------------------------------------------------------- */

static whit_status read_file(whit_imatrix *m, whit_error *err)
{
    char magic[9] = { 0 };
    uint64_t bytes = 0;
    int fd = -1;
    whit_status st = wh_file_open_read(m->path, &fd, &bytes, err);
    if (st == WHIT_OK && bytes >= sizeof magic)
        st = wh_file_pread(fd, m->path, 0, magic, sizeof magic, err);
    if (st == WHIT_OK)
        st = memcmp(magic, "GGUF", 4) == 0            ? read_gguf(m, err)
             : memcmp(magic + 4, "\0\0\0\0{", 5) == 0 ? wh_imatrix_read_state(m, err)
                                                      : wh_imatrix_read_dat(m, fd, bytes, err);
    if (fd >= 0) close(fd);
    return st == WHIT_OK ? check_values(m, err) : st;
}

whit_status whit_imatrix_open(whit_imatrix **out, const char *path, whit_error *err)
{
    if (!out) return wh_fail(err, WHIT_ERR_ARG, "whit_imatrix_open: no place for the result");
    *out = NULL;
    if (!path || !*path) return wh_fail(err, WHIT_ERR_ARG, "whit_imatrix_open: no path");
    whit_imatrix *m = wh_calloc(1, sizeof *m);
    if (!m) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for an importance matrix");
    wh_io_label(m->label, path);
    m->path = wh_strndup(path, strlen(path));
    m->dataset = wh_strndup("", 0);
    whit_status st = m->path && m->dataset ? read_file(m, err) : wh_imatrix_no_memory(m, err);
    if (st != WHIT_OK) {
        whit_imatrix_close(m);
        return st;
    }
    m->info.path = m->path;
    m->info.dataset = m->dataset;
    *out = m;
    return WHIT_OK;
}

void whit_imatrix_close(whit_imatrix *imatrix)
{
    if (!imatrix) return;
    for (size_t i = 0; i < imatrix->info.entries; i++) {
        free(imatrix->slot[i].name);
        free(imatrix->slot[i].values);
    }
    wh_names_free(&imatrix->names);
    free(imatrix->slot);
    free(imatrix->dataset);
    free(imatrix->path);
    free(imatrix);
}

const whit_imatrix_info *whit_imatrix_describe(const whit_imatrix *imatrix)
{
    return &imatrix->info;
}

const whit_imatrix_entry *whit_imatrix_at(const whit_imatrix *imatrix, size_t index)
{
    return index < imatrix->info.entries ? &imatrix->slot[index].entry : NULL;
}

whit_status whit_imatrix_find(const whit_imatrix *imatrix, const char *name, uint64_t cols,
                              uint64_t matrices, const float **values, whit_error *err)
{
    char shortened[WH_SHORT];
    uint64_t want;
    *values = NULL;
    size_t at = wh_names_find(&imatrix->names, name);
    if (at == WH_NAMES_NONE || strcmp(name, "token_embd.weight") == 0) return WHIT_OK;
    const whit_imatrix_entry *e = &imatrix->slot[at].entry;
    if (!wh_mul_u64(cols, matrices, &want) || want != e->count)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: %s: %" PRIu64 " values, for %" PRIu64 " columns%s; try: the importance "
                       "matrix of this model",
                       imatrix->label, wh_short(shortened, name), e->count, cols,
                       matrices == 1 ? "" : " of each expert");
    *values = e->values;
    return WHIT_OK;
}
