/* src/source/hf_unread.c - weights of methods that are not read, told by types and names.
 *
 * A tensor of integers or of floats of 8 bits, of two dimensions or more, is codes where its module
 * (the name up to its last dot) has a tensor of scales: P.weight beside P.scales (MLX) or
 * P.weight_scale_2 (ModelOpt), P.W_q beside P.scale (HQQ), P.gate_up_proj_blocks beside
 * P.gate_up_proj_scales (MXFP4). Without their scales such codes are other numbers than the
 * model's. Masks and tables of indices have no scale beside them.
 *
 * Not here: what is read (hf.c).
 *
 * Source: huggingface/transformers, src/transformers/integrations; ml-explore/mlx,
 * python/mlx/nn/layers/quantized.py.
 * SPDX-License-Identifier: MIT */
#include "source/hf.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* A module that has scales. */
typedef struct module {
    const char *name; /* of its scales; the module's are the first `len` octets */
    size_t len, index;
} module;

static size_t module_length(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? (size_t)(dot - name) : 0;
}

/* Behind the module. */
static const char *part_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

static int by_module(const void *a, const void *b)
{
    const module *x = a, *y = b;
    if (x->len != y->len) return x->len < y->len ? -1 : 1;
    return memcmp(x->name, y->name, x->len);
}

/* Of one module, as the file has them. */
static int by_place(const void *a, const void *b)
{
    const module *x = a, *y = b;
    const int order = by_module(a, b);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

static int is_scales(const whit_tensor *t)
{
    return strstr(part_of(t->name), "scale") != NULL;
}

/* By its type and name it may be codes. */
static int may_be_codes(const whit_tensor *t, int only_weights)
{
    switch (t->dtype) {
    case WHIT_U8:
    case WHIT_I8:
    case WHIT_U16:
    case WHIT_I16:
    case WHIT_U32:
    case WHIT_I32:
    case WHIT_F8_E4M3:
    case WHIT_F8_E5M2:
        break;
    default:
        return 0;
    }
    if (t->rank < 2 || is_scales(t)) return 0;
    return !only_weights || strcmp(part_of(t->name), "weight") == 0;
}

static size_t first_candidate(const whit_file *file, const unsigned char *claimed, int only_weights,
                              size_t from)
{
    const size_t count = whit_file_count(file);
    while (from < count &&
           (claimed[from] || !may_be_codes(whit_file_tensor(file, from), only_weights)))
        from++;
    return from;
}

/* All modules with scales, sorted, each with its first. */
static module *list_modules(const whit_file *file, size_t *count)
{
    const size_t all = whit_file_count(file);
    module *m = wh_calloc(all, sizeof *m);
    *count = 0;
    for (size_t i = 0; i < all && m; i++) {
        const whit_tensor *t = whit_file_tensor(file, i);
        if (is_scales(t)) m[(*count)++] = (module){ t->name, module_length(t->name), i };
    }
    if (*count == 0) return m;
    qsort(m, *count, sizeof *m, by_place);
    size_t kept = 1;
    for (size_t i = 1; i < *count; i++)
        if (by_module(&m[i], &m[kept - 1]) != 0) m[kept++] = m[i];
    *count = kept;
    return m;
}

whit_status wh_hf_find_codes(const whit_file *file, const unsigned char *claimed, int only_weights,
                             wh_hf_codes *out, whit_error *err)
{
    size_t count, at = first_candidate(file, claimed, only_weights, 0);
    *out = (wh_hf_codes){ NULL, NULL };
    if (at == whit_file_count(file)) return WHIT_OK;
    module *modules = list_modules(file, &count);
    if (!modules) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the list of scales");
    for (; at < whit_file_count(file) && !out->scales && count > 0;
         at = first_candidate(file, claimed, only_weights, at + 1)) {
        const whit_tensor *t = whit_file_tensor(file, at);
        const module key = { t->name, module_length(t->name), at };
        const module *found = bsearch(&key, modules, count, sizeof *modules, by_module);
        if (found) *out = (wh_hf_codes){ t, whit_file_tensor(file, found->index) };
    }
    free(modules);
    return WHIT_OK;
}

/* Who writes such pairs. */
static const char *writer_of(const wh_hf_codes *c, const char *scales)
{
    return c->codes->dtype == WHIT_U32 && strcmp(scales, "scales") == 0 ? " (MLX)" : "";
}

whit_status wh_hf_refuse_codes(const whit_file *file, const wh_hf_codes *c, whit_error *err)
{
    char path[WH_SHORT], name[WH_SHORT], part[WH_SHORT];
    const char *scales = part_of(c->scales->name);
    return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                   "%s: %s: is %s beside its %s%s, which is not read; try: the model it was made "
                   "from",
                   wh_short(path, whit_file_path(file)), wh_short(name, c->codes->name),
                   whit_tensor_type(c->codes), wh_short(part, scales), writer_of(c, scales));
}
