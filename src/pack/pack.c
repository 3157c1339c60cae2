/* src/pack/pack.c - the table of the layouts of checkpoints: which schemes and shapes each holds,
 * and the way to its functions.
 *
 * Not here: the layouts themselves (ctensors.c, gptq.c, awq.c, bnb.c); the native file (native.c);
 * names and configurations.
 *
 * SPDX-License-Identifier: MIT */
#include "pack/layout.h"

#include "base/error.h"

static const struct {
    const char *name; /* as configurations spell it */
    const wh_layout *layout;
} layouts[WHIT_LAYOUT_COUNT] = {
    [WHIT_LAYOUT_NATIVE] = { "native", NULL },
    [WHIT_LAYOUT_CT_PACKED] = { "pack-quantized", &wh_ct_packed },
    [WHIT_LAYOUT_CT_INT] = { "int-quantized", &wh_ct_int },
    [WHIT_LAYOUT_CT_FLOAT] = { "float-quantized", &wh_ct_float },
    [WHIT_LAYOUT_GPTQ] = { "gptq", &wh_gptq },
    [WHIT_LAYOUT_GPTQ_V2] = { "gptq_v2", &wh_gptq },
    [WHIT_LAYOUT_AWQ] = { "awq", &wh_awq },
    [WHIT_LAYOUT_BNB4] = { "bitsandbytes", &wh_bnb4 },
    [WHIT_LAYOUT_BNB8] = { "bitsandbytes int8", &wh_bnb8 },
    [WHIT_LAYOUT_LLAMA2C] = { "llama2.c", NULL }, /* only read (src/source/llama2c.c) */
};

const char *whit_layout_name(whit_layout layout)
{
    return (unsigned)layout < WHIT_LAYOUT_COUNT ? layouts[layout].name : "?";
}

/* ---- what a layout holds --------------------------------------------------------------------- */

static int has(unsigned mask, unsigned bit)
{
    return bit < 32 && (mask >> bit & 1);
}

static int holds_kind(const wh_layout *l, const whit_scheme *s)
{
    if (s->kind != l->kind[0] && (s->kind != l->kind[1] || s->kind == WHIT_KEEP)) return 0;
    return s->kind != WHIT_INT || has(l->bits, s->bits);
}

static int holds_scale(const wh_layout *l, const whit_scheme *s)
{
    return has(l->scale_types, (unsigned)s->scale_type);
}

static int holds(const wh_layout *l, const whit_scheme *s)
{
    return holds_kind(l, s) && has(l->gran, (unsigned)s->gran) && holds_scale(l, s) &&
           (l->asym || !s->asym) && (l->dq || !s->dq);
}

/* The nearest scheme that it holds. */
static const char *nearest(const wh_layout *l, const whit_scheme *from, char text[WHIT_SCHEME_TEXT])
{
    whit_scheme s = *from;
    if (!holds_kind(l, &s)) {
        whit_scheme_parse(&s, l->instead, NULL);
        if (s.gran == WHIT_GRAN_GROUP && from->gran == WHIT_GRAN_GROUP) s.group = from->group;
    }
    s.asym = s.asym && l->asym;
    s.dq = s.dq && l->dq;
    if (!has(l->gran, (unsigned)s.gran)) {
        s.gran = l->gran & WH_BIT(WHIT_GRAN_CHANNEL) ? WHIT_GRAN_CHANNEL : WHIT_GRAN_GROUP;
        s.group = s.gran == WHIT_GRAN_GROUP ? 64 : 0;
        s.block_rows = 0;
    }
    if (!holds_scale(l, &s)) s.scale_type = l->scale_types & WH_BIT(WHIT_F16) ? WHIT_F16 : WHIT_F32;
    return whit_scheme_print(&s, text);
}

static whit_status check(const whit_packing *p, const wh_layout **out, whit_error *err)
{
    char text[WHIT_SCHEME_TEXT], other[WHIT_SCHEME_TEXT];
    if (!p || p->struct_size != sizeof *p || (unsigned)p->layout >= WHIT_LAYOUT_COUNT ||
        !layouts[p->layout].layout)
        return wh_fail(err, WHIT_ERR_ARG, "no packing, of another version, or of no layout");
    const wh_layout *l = *out = layouts[p->layout].layout;
    const char *name = layouts[p->layout].name;
    if (!holds(l, &p->scheme))
        return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s holds %s, not %s; try: %s", name, l->holds,
                       whit_scheme_print(&p->scheme, text), nearest(l, &p->scheme, other));
    if (p->rows == 0 || p->cols == 0)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s holds no empty matrix; try: keep", name);
    uint64_t rows, groups;
    whit_scheme_scales(&p->scheme, p->rows, p->cols, &rows, &groups);
    if (rows == 0 || groups == 0)
        return wh_fail(err, WHIT_ERR_ARG, "a packing's scheme has groups of 0 columns");
    const char *why = l->misfit(p);
    if (!why) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s as %s: %s", whit_scheme_print(&p->scheme, text),
                   name, why);
}

whit_status whit_packing_planes(const whit_packing *packing, whit_plane planes[WHIT_MAX_PACKED],
                                unsigned *count, whit_error *err)
{
    const wh_layout *l = NULL;
    int ok = 1;
    if (!planes || !count) return wh_fail(err, WHIT_ERR_ARG, "whit_packing_planes: no place");
    *count = 0;
    whit_status st = check(packing, &l, err);
    if (st != WHIT_OK) return st;
    unsigned n = l->planes(packing, planes, &ok);
    if (!ok)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: too large", layouts[packing->layout].name);
    *count = n;
    return WHIT_OK;
}

uint64_t whit_packing_unit(const whit_packing *packing)
{
    const wh_layout *l = NULL;
    return check(packing, &l, NULL) == WHIT_OK ? l->unit(packing) : 1;
}

/* ---- parts ----------------------------------------------------------------------------------- */

static whit_status locate(const whit_packing *p, uint64_t row, size_t rows, const wh_layout **l,
                          wh_part *at, whit_error *err)
{
    whit_plane planes[WHIT_MAX_PACKED];
    unsigned count;
    whit_status st = whit_packing_planes(p, planes, &count, err);
    if (st == WHIT_OK) st = check(p, l, err);
    if (st != WHIT_OK) return st;
    const uint64_t unit = (*l)->unit(p), end = row + rows;
    if (row > p->rows || rows > p->rows - row || row % unit != 0 ||
        (end % unit != 0 && end != p->rows))
        return wh_fail(err, WHIT_ERR_ARG, "rows of a part are not those of whole words");
    const uint64_t high = p->scheme.block_rows ? p->scheme.block_rows : 1;
    uint64_t all, groups;
    whit_scheme_scales(&p->scheme, p->rows, p->cols, &all, &groups);
    *at = (wh_part){ .packing = p,
                     .row = (size_t)row,
                     .rows = rows,
                     .cols = (size_t)p->cols,
                     .groups = (size_t)groups,
                     .first = (size_t)(row / high * groups),
                     .scales = (size_t)((rows + high - 1) / high * groups) };
    if (p->scheme.gran == WHIT_GRAN_TENSOR) {
        at->first = 0;
        at->scales = row == 0; /* the first part's to write */
    }
    return WHIT_OK;
}

static int has_planes(const whit_packing *p, const void *codes, const void *scale, const void *zero)
{
    return codes && (scale || p->scheme.dq) && (zero || (!p->scheme.asym && !p->scheme.dq));
}

whit_status whit_pack_rows(const whit_packing *packing, uint64_t row, size_t rows,
                           const uint8_t *codes, const float *scale, const uint8_t *zero,
                           void *const image[], whit_error *err)
{
    const wh_layout *l = NULL;
    wh_part at;
    whit_status st = locate(packing, row, rows, &l, &at, err);
    if (st != WHIT_OK || rows == 0) return st;
    if (!has_planes(packing, codes, scale, zero) || !image)
        return wh_fail(err, WHIT_ERR_ARG, "whit_pack_rows: a matrix or plane missing");
    return l->pack(&at, codes, scale, zero, image, err);
}

whit_status whit_unpack_rows(const whit_packing *packing, uint64_t row, size_t rows,
                             const void *const image[], uint8_t *codes, float *scale, uint8_t *zero,
                             whit_error *err)
{
    const wh_layout *l = NULL;
    wh_part at;
    whit_status st = locate(packing, row, rows, &l, &at, err);
    if (st != WHIT_OK || rows == 0) return st;
    if (!has_planes(packing, codes, scale, zero) || !image)
        return wh_fail(err, WHIT_ERR_ARG, "whit_unpack_rows: a matrix or plane missing");
    if (at.scales == 0) at.scales = 1; /* of the tensor: every part hands it out */
    return l->unpack(&at, image, codes, scale, zero, err);
}

static whit_status find_layout(const whit_packing *packing, const void *image, const wh_layout **l,
                               whit_error *err)
{
    whit_plane planes[WHIT_MAX_PACKED];
    unsigned count;
    whit_status st = whit_packing_planes(packing, planes, &count, err);
    if (st == WHIT_OK) st = check(packing, l, err);
    if (st == WHIT_OK && !image) return wh_fail(err, WHIT_ERR_ARG, "a packing without tensors");
    return st;
}

whit_status whit_pack_rest(const whit_packing *packing, const whit_packing_rest *rest,
                           void *const image[], whit_error *err)
{
    const whit_packing_rest nothing = { 0 };
    const wh_layout *l = NULL;
    whit_status st = find_layout(packing, image, &l, err);
    if (st != WHIT_OK || !l->rest) return st;
    return l->rest(packing, rest ? rest : &nothing, image, err);
}

whit_status whit_unpack_rest(const whit_packing *packing, const void *const image[],
                             uint32_t *g_idx, float *absmax, float *offset, whit_error *err)
{
    const wh_layout *l = NULL;
    whit_status st = find_layout(packing, image, &l, err);
    if (st != WHIT_OK || !l->unpack_rest) return st;
    return l->unpack_rest(packing, image, g_idx, absmax, offset, err);
}

/* ---- what layouts have in common ------------------------------------------------------------- */

void wh_put_scales(const wh_part *at, const float *scale, uint8_t *plane)
{
    const whit_dtype type = at->packing->scheme.scale_type;
    whit_dtype_from_f32(type, scale, at->scales, plane + at->first * (whit_dtype_bits(type) / 8));
}

void wh_get_scales(const wh_part *at, const uint8_t *plane, float *scale)
{
    const whit_dtype type = at->packing->scheme.scale_type;
    whit_dtype_to_f32(type, plane + at->first * (whit_dtype_bits(type) / 8), at->scales, scale);
}

void wh_flip_sign(const uint8_t *from, size_t n, uint8_t *to)
{
    for (size_t i = 0; i < n; i++) to[i] = from[i] ^ 0x80;
}
