/* tests/kernels/check_repack.c - the planes that the library packs are those packed here, octet by
 * octet, padding included; and the rest of what a kernel is told of a weight.
 * SPDX-License-Identifier: MIT */
#include "kernels/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/acts.h"
#include "kernels/planes.h"
#include "kernels/weight.h"
#include "pack/block.h"

static void *need(size_t bytes)
{
    void *data = malloc(bytes);
    if (!data) abort();
    return data;
}

static whit_scheme scheme_of(const planes_spec *s)
{
    const unsigned most = wh_form_bits(s->form);
    whit_scheme scheme = { .kind = WHIT_INT, .bits = s->bits ? (unsigned)s->bits : most };
    if (s->form == WH_FORM_T4) scheme.kind = s->small ? WHIT_FP4 : WHIT_NF4;
    if (s->form == WH_FORM_F8) scheme.kind = s->e5m2 ? WHIT_FP8_E5M2 : WHIT_FP8_E4M3;
    if (s->scale_type == WH_SCALE_E8M0) scheme.kind = WHIT_MXFP4;
    if (s->scale_type == WH_SCALE_E4M3) scheme.kind = WHIT_NVFP4;
    scheme.asym = s->zeros;
    scheme.gran = s->group ? WHIT_GRAN_GROUP : WHIT_GRAN_CHANNEL;
    scheme.group = (uint32_t)s->group;
    scheme.scale_type = s->scale_type == WH_SCALE_F16    ? WHIT_F16
                        : s->scale_type == WH_SCALE_E8M0 ? WHIT_F8_E8M0
                        : s->scale_type == WH_SCALE_E4M3 ? WHIT_F8_E4M3
                                                         : WHIT_F32;
    return scheme;
}

/* The codes as whit_quantize gives them: symmetric ones about half of their own range. The bits
 * beyond those of the scheme are set, for they are to be dropped. */
static whit_status prepare(whit_weight **w, whit_context *context, const planes *p,
                           const planes_spec *s, whit_error *err)
{
    const whit_scheme scheme = scheme_of(s);
    const size_t count = s->rows * s->cols, scales = s->rows * p->w.groups;
    const int lift = s->form == WH_FORM_Q8 && !s->zeros ? 128 - (1 << (scheme.bits - 1)) : 0;
    uint8_t *codes = need(count);
    float *scale = need(scales * sizeof *scale);
    for (size_t i = 0; i < count; i++)
        codes[i] = (uint8_t)((p->code[i] - lift) | (int)(0xffffffff << scheme.bits & 0xff));
    for (size_t i = 0; i < scales; i++)
        scale[i] = (float)planes_scale(p, i / p->w.groups, i % p->w.groups * p->w.group);
    for (size_t i = 0; i < scales && s->form == WH_FORM_F8; i++) scale[i] /= p->w.scale2;
    const whit_status st =
        whit_weight_from_codes(w, context, &scheme, s->rows, s->cols, codes, scale, p->zero, err);
    free(codes);
    free(scale);
    return st;
}

/* The type of the blocks. */
static whit_block block_of(const planes_spec *s)
{
    const int k = s->sub != 0, m = s->minima;
    switch (s->form) {
    case WH_FORM_B1:
        return WHIT_Q1_0;
    case WH_FORM_B2:
        return k ? WHIT_Q2_K : s->group == 64 ? WHIT_Q2_0 : WHIT_TQ2_0;
    case WH_FORM_B3:
        return WHIT_Q3_K;
    case WH_FORM_B4:
        return k ? WHIT_Q4_K : m ? WHIT_Q4_1 : WHIT_Q4_0;
    case WH_FORM_B5:
        return k ? WHIT_Q5_K : m ? WHIT_Q5_1 : WHIT_Q5_0;
    case WH_FORM_B6:
        return WHIT_Q6_K;
    case WH_FORM_BT:
        if (s->scale_type == WH_SCALE_HALF_UE4M3) return WHIT_BLOCK_NVFP4;
        return k ? WHIT_IQ4_XS : s->small ? WHIT_BLOCK_MXFP4 : WHIT_IQ4_NL;
    default:
        return WHIT_Q8_0;
    }
}

/* Octet g of the matrix as the type stores it: 480 has no octet without the sign. */
static uint8_t stored_octet(const planes *p, const planes_spec *s, size_t g)
{
    const int top = s->scale_type == WH_SCALE_HALF_UE4M3 && p->scale[g] == 0x7f;
    return top ? 0xff : (uint8_t)p->scale[g];
}

/* Block b of the matrix, of so many weights, its fields as the type stores them. */
static void block_parts(const planes *p, const planes_spec *s, size_t weights, size_t b,
                        wh_block_parts *parts)
{
    const size_t subs = s->sub ? weights / s->sub : 0, groups = weights / s->group;
    const int lift = s->form == WH_FORM_B3 || s->form == WH_FORM_BT ? 32 : 0;
    memcpy(parts->code, p->code + b * weights, weights);
    if (s->scale_type == WH_SCALE_F16)
        parts->d = (uint16_t)p->scale[b];
    else
        for (size_t i = 0; i < groups; i++) parts->scale[i] = stored_octet(p, s, b * groups + i);
    if (p->min) parts->m = s->sub ? p->min[b] : p->min[b] ^ 0x8000;
    for (size_t i = 0; i < subs; i++) {
        parts->scale[i] = (uint8_t)(p->sub_scale[b * subs + i] + lift);
        if (p->sub_min) parts->min[i] = p->sub_min[b * subs + i];
    }
}

/* The same from blocks, which begin at an odd address. */
static whit_status prepare_blocks(whit_weight **w, whit_context *context, const planes *p,
                                  const planes_spec *s, whit_error *err)
{
    const wh_block_type *t = wh_block_type_of(block_of(s));
    const size_t count = s->rows * s->cols / t->info.weights;
    uint8_t *bytes = need(count * t->info.bytes + 1);
    for (size_t b = 0; b < count; b++) {
        wh_block_parts parts = { 0 };
        block_parts(p, s, t->info.weights, b, &parts);
        t->pack(&parts, bytes + 1 + b * t->info.bytes);
    }
    const whit_status st =
        whit_weight_from_blocks(w, context, block_of(s), s->rows, s->cols, bytes + 1, err);
    free(bytes);
    return st;
}

static void check_subs(const planes *p, const whit_weight *w)
{
    const whit_weight *m = &p->w;
    CHECK(w->sub == m->sub && w->subs == m->subs && w->sum_step == (w->sub ? w->sub : w->int_step),
          "%s: sub-blocks of %zu", guard_case_name(), w->sub);
    const struct {
        const char *name;
        const void *is, *want;
        size_t bytes;
    } row[] = {
        { "minima", w->min, p->min_plane, p->min_bytes },
        { "scales of sub-blocks", w->sub_scale, p->sub_scale_plane, p->sub_scale_bytes },
        { "minima of sub-blocks", w->sub_min, p->sub_min_plane, p->sub_min_bytes },
    };
    for (size_t i = 0; i < COUNT(row); i++)
        CHECK(row[i].is && row[i].want ? memcmp(row[i].is, row[i].want, row[i].bytes) == 0
                                       : !row[i].is && !row[i].want,
              "%s: %s", guard_case_name(), row[i].name);
}

static whit_status prepare_floats(whit_weight **w, whit_context *context, const planes *p,
                                  const planes_spec *s, whit_error *err)
{
    const size_t count = s->rows * s->cols;
    const whit_dtype type = s->form == WH_FORM_F32   ? WHIT_F32
                            : s->form == WH_FORM_F16 ? WHIT_F16
                                                     : WHIT_BF16;
    uint16_t *halves = need(count * sizeof *halves);
    for (size_t i = 0; i < count; i++) halves[i] = (uint16_t)p->bits[i];
    const whit_status st = whit_weight_from_floats(
        w, context, type, s->rows, s->cols, type == WHIT_F32 ? (const void *)p->bits : halves, err);
    free(halves);
    return st;
}

/* A NaN of E4M3 among the codes. */
static int has_nan(const planes *p, size_t row, size_t g)
{
    if (p->w.form != WH_FORM_F8 || p->w.e5m2) return 0;
    for (size_t k = g * p->w.group; k < (g + 1) * p->w.group && k < p->w.cols; k++)
        if ((p->code[row * p->w.cols + k] & 0x7f) == 0x7f) return 1;
    return 0;
}

static void check_scales(const planes *p, const whit_weight *w)
{
    size_t wrong = 0;
    for (size_t row = 0; row < w->panels * 16; row++)
        for (size_t g = 0; g < w->groups; g++) {
            const size_t at = (row / 16 * w->groups + g) * 16 + row % 16;
            const double want = row < w->rows ? planes_group_scale(p, row, g * w->group)
                                : w->scale_type == WH_SCALE_E8M0      ? 0x1p-127
                                : w->scale_type == WH_SCALE_HALF_E8M0 ? 0x1p-128
                                                                      : 0.0;
            const int nan = row < w->rows && has_nan(p, row, g);
            wrong += !acts_same(wh_weight_scale(w, at), nan ? NAN : (float)want);
        }
    CHECK(wrong == 0, "%s: %zu scales", guard_case_name(), wrong);
    CHECK(p->w.scale_type == WH_SCALE_F32 || w->scale_type == p->w.scale_type,
          "%s: scales held as type %d", guard_case_name(), (int)w->scale_type);
    CHECK((w->zero != NULL) == (p->zero_plane != NULL), "%s: zero points", guard_case_name());
    if (w->zero && p->zero_plane)
        CHECK(memcmp(w->zero, p->zero_plane, p->zero_bytes) == 0, "%s: zero points",
              guard_case_name());
}

static void one_case(whit_context *context, const planes_spec *s, check_rng *rng)
{
    planes p;
    whit_weight *w = NULL;
    whit_error err = { WHIT_OK, "" };
    planes_make(&p, s, rng);
    guard_case("repack form %d bits %d %zux%zu group %zu%s", (int)s->form, s->bits, s->rows,
               s->cols, s->group, s->zeros ? " zeros" : "");
    const whit_status st = wh_form_is_block(s->form) ? prepare_blocks(&w, context, &p, s, &err)
                           : p.code                  ? prepare(&w, context, &p, s, &err)
                                                     : prepare_floats(&w, context, &p, s, &err);
    CHECK(st == WHIT_OK, "%s: %s", guard_case_name(), err.msg);
    if (st == WHIT_OK) {
        const whit_weight *m = &p.w;
        CHECK(w->form == m->form && w->panels == m->panels && w->panel_bytes == m->panel_bytes &&
                  w->group == m->group && w->groups == m->groups &&
                  (w->centre == m->centre || wh_form_has_table(w->form)) &&
                  w->whole_token == m->whole_token,
              "%s: its numbers", guard_case_name());
        CHECK(!p.code ||
                  (w->step <= WH_STEP && w->step % (s->small ? 16 : 32) == 0 &&
                   (w->group == w->cols || w->group % w->step == 0 || wh_form_is_block(w->form))),
              "%s: a step of %zu", guard_case_name(), w->step);
        const int own = w->whole_token || wh_form_is_block(w->form);
        CHECK(!p.code || w->int_step == (own ? m->int_step : w->step), "%s: a step of %zu",
              guard_case_name(), w->int_step);
        CHECK(memcmp(w->data, p.data_plane, p.data_bytes) == 0, "%s: codes", guard_case_name());
        if (p.code) check_scales(&p, w);
        check_subs(&p, w);
    }
    whit_weight_free(w);
    planes_free(&p);
}

/* The tables of blocks are those of the type: values, and what int8 activations meet. */
static void check_tables(whit_context *context)
{
    static const struct {
        whit_block block;
        int digits, octets, centre;
    } types[] = { { WHIT_IQ4_NL, 1, 1, 128 },
                  { WHIT_IQ4_XS, 1, 1, 128 },
                  { WHIT_BLOCK_MXFP4, 1, 0, 12 },
                  { WHIT_BLOCK_NVFP4, 1, 0, 12 } };
    const uint8_t octets[136] = { 0 };
    for (size_t n = 0; n < COUNT(types); n++) {
        const whit_block_info *info = whit_block_describe(types[n].block);
        const int8_t *levels = whit_block_levels(types[n].block);
        whit_weight *w = NULL;
        CHECK(whit_weight_from_blocks(&w, context, types[n].block, 1, info->weights, octets,
                                      NULL) == WHIT_OK,
              "%s", info->name);
        if (!w) continue;
        CHECK(w->digits == types[n].digits && w->octets == types[n].octets &&
                  w->centre == types[n].centre && w->unit == 1.0f,
              "%s: its integers", info->name);
        for (int i = 0; i < 16; i++)
            CHECK(w->table[i] == (float)levels[i] && w->high[i] == 0 &&
                      w->low[i] - w->centre == levels[i],
                  "%s: entry %d", info->name, i);
        whit_weight_free(w);
    }
    CHECK(!whit_block_levels(WHIT_Q4_0) && !whit_block_levels(WHIT_BLOCK_NONE), "no levels");
}

/* Scales that are no octets are to be held as they are. */
static void check_octets(void)
{
    static const struct {
        wh_scale_type type;
        float scale[3];
        int are;
        float scale2;
    } cases[] = {
        { WH_SCALE_E8M0, { 0x1p-127f, 1, 0x1p127f }, 1, 1 },
        { WH_SCALE_E8M0, { 1, 1, NAN }, 1, 1 },
        { WH_SCALE_E8M0, { 1, 1, 3 }, 0, 1 },
        { WH_SCALE_E8M0, { 1, 1, -1 }, 0, 1 },
        { WH_SCALE_E8M0, { 1, 1, 0 }, 0, 1 },
        { WH_SCALE_E8M0, { 1, 1, INFINITY }, 0, 1 },
        { WH_SCALE_E4M3, { 0, 0, 0 }, 1, 1 },
        { WH_SCALE_E4M3, { 448, 0x1p-9f, -3.5f }, 1, 1 },
        { WH_SCALE_E4M3, { 448 * 0.1f, 13 * 0.1f, NAN }, 1, 0.1f },
        { WH_SCALE_E4M3, { 448, 17, 1 }, 0, 1 },
        { WH_SCALE_E4M3, { 448, INFINITY, 1 }, 0, 1 },
        { WH_SCALE_E4M3, { 0x1p-130f, 0x1p-131f, 0x1p-132f }, 0, 1 },
        { WH_SCALE_E4M3, { 0x1p120f, 0x1p119f, 0x1p112f }, 0, 1 },
    };
    for (size_t n = 0; n < COUNT(cases); n++) {
        float scale2 = 0;
        const int are = wh_scales_are(cases[n].type, cases[n].scale, 3, &scale2);
        CHECK(are == cases[n].are, "octets %zu: %d", n, are);
        if (are) CHECK(scale2 == cases[n].scale2, "octets %zu: times %a", n, (double)scale2);
    }
}

int check_repack(uint32_t allowed)
{
    static const unsigned threads[] = { 1, 3 };
    (void)allowed; /* WHIT_ISA does it */
    check_rng rng = { 47 };
    planes_spec s;
    for (size_t t = 0; t < COUNT(threads); t++) {
        const whit_context_options options = { sizeof options, threads[t], 0 };
        whit_context *context = NULL;
        CHECK(whit_context_open(&context, &options, NULL) == WHIT_OK, "no context");
        for (int form = 0; form < WH_FORMS && context; form++)
            for (size_t n = 0; form < WH_FORM_F32 ? planes_case(&s, (wh_form)form, n, &rng)
                                                  : planes_float_case(&s, (wh_form)form, n, &rng);
                 n++)
                if (s.cols <= 300 || n % 4 == 0) one_case(context, &s, &rng);
        if (context) check_tables(context);
        whit_context_close(context);
    }
    check_octets();
    printf("repack: ");
    return check_result();
}
