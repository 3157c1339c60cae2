/* src/job/importance.c - the importance of the columns of what is quantized: whose is whose, and
 * whether the file is about this model.
 *
 * SPDX-License-Identifier: MIT */
#include "job/importance.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "job/act_scales.h"
#include "job/method.h"
#include "model/names.h"

whit_status wh_importance_find(const whit_imatrix *imatrix, const char *name, uint64_t cols,
                               uint64_t matrices, const float **values, whit_error *err)
{
    char other[WH_ROLE_NAME];
    uint32_t layer = 0;
    whit_status st = whit_imatrix_find(imatrix, name, cols, matrices, values, err);
    if (st != WHIT_OK || *values) return st;
    wh_role role = wh_role_of_hf(name, &layer);
    const int hf = role != WH_ROLE_NONE;
    if (!hf) role = wh_role_of_gguf(name, &layer);
    if (role == WH_ROLE_NONE || role == WH_ROLE_TOKEN_EMBD || role == WH_ROLE_ROPE_FREQS)
        return WHIT_OK;
    return whit_imatrix_find(imatrix,
                             wh_role_name(role, layer, hf ? WH_NAMING_GGUF : WH_NAMING_HF, other),
                             cols, matrices, values, err);
}

/* Whether the scales of an entry are searched for, each in a part of one row. */
static int weighs(const whit_plan *p, size_t i)
{
    const whit_scheme *s = &p->entry[i].scheme;
    const int search = p->clip == WHIT_CLIP_MSE || (p->clip == WHIT_CLIP_DEFAULT && s->bits < 8);
    return whit_scheme_is_quantized(s) && s->kind != WHIT_GGUF && search && !s->dq &&
           s->gran != WHIT_GRAN_TENSOR && s->gran != WHIT_GRAN_BLOCK;
}

static whit_status judge(whit_plan *p, size_t known, whit_error *err)
{
    const wh_importance *m = p->importance;
    char name[WH_SHORT];
    const int ranges = wh_act_any(p);                 /* of activations come from it */
    const int learns = p->method && p->method->state; /* a method does, from it */
    wh_short(name, whit_imatrix_describe(m->imatrix)->path);
    if (known == 0)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: has an entry for no tensor of this model; try: the calibration of this "
                       "model",
                       name);
    if (m->used == 0 && !ranges && !learns)
        wh_lines_add(&p->warnings,
                     "%s: no tensor has scales that are searched for; not used; try: --clip mse",
                     name);
    else if (m->without > 0)
        wh_lines_add(&p->warnings,
                     "%s: says nothing about tensors that are quantized, %" PRIu64
                     " of them; their errors are not weighed",
                     name, m->without);
    return WHIT_OK;
}

whit_status wh_importance_open(whit_plan *p, const char *path, whit_error *err)
{
    wh_importance *m = p->importance = wh_calloc(1, sizeof *m);
    if (m) m->values = wh_calloc(p->count, sizeof *m->values);
    if (!m || !m->values) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a calibration");
    size_t known = 0;
    whit_status st = whit_imatrix_open(&m->imatrix, path, err);
    if (st == WHIT_OK) st = wh_sha256_file(path, m->sha256, err);
    for (size_t i = 0; i < p->count && st == WHIT_OK; i++) {
        const whit_source_tensor *s = p->entry[i].source;
        const float *values = NULL;
        /* one matrix, as those of convolutions are; rows of an expert would need their own */
        if (s->tensor.rank < 2 || s->rows != s->tensor.shape[0]) continue;
        st = wh_importance_find(m->imatrix, s->tensor.name, s->cols, 1, &values, err);
        known += values != NULL;
        if (!weighs(p, i)) continue;
        m->values[i] = values;
        m->used += values != NULL;
        m->without += values == NULL;
    }
    return st == WHIT_OK ? judge(p, known, err) : st;
}

void wh_importance_close(wh_importance *i)
{
    if (!i) return;
    whit_imatrix_close(i->imatrix);
    free(i->values);
    free(i);
}

uint64_t wh_importance_bytes(const whit_plan *p)
{
    uint64_t n = 0;
    if (!p->importance) return 0;
    for (size_t i = 0; i < whit_imatrix_describe(p->importance->imatrix)->entries; i++)
        n += whit_imatrix_at(p->importance->imatrix, i)->count * sizeof(float);
    return n + p->count * sizeof *p->importance->values;
}
