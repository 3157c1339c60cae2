/* tests/kernels/check_many.c - products of many tokens at once.
 *
 * With int8 activations every output has the bits of [0] of gemm on the same block of tokens. With
 * bfloat16 ones the activations have the octets that their rule gives, and every output lies within
 * its bound of the sum in double:
 *     (2^-7 + 2^-16 + (cols + 1) 2^-23) S    two operands rounded to 8 bits, a weight times its
 * scale rounded to 24, at most cols sums to 24 and a few
 *     + 2^-126 sum (|w| + |x| + 2)            what is subnormal counts as 0
 * Each output also has the bits of the order that kernels.h gives, worked out here from the plain
 * matrix; processors with AMX were seen to have them too.
 * SPDX-License-Identifier: MIT */
#include "kernels/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/acts.h"
#include "kernels/many.h"
#include "kernels/planes.h"
#include "kernels/tiles.h"

enum { MOST_BLOCKS = 4 };

typedef struct many_room {
    planes_room planes;
    guard codes, scale, sum, near, y;
} many_room;

typedef struct many_case {
    planes p;
    size_t tokens, blocks, apart;
    int_block b[MOST_BLOCKS]; /* int8 */
    float *x;                 /* bfloat16: [tokens][cols] */
    float *tile_x;            /* as the tiles get them: [tokens][chunks of 32] */
    size_t p0, p1, ldy, y_count;
    float *want;
} many_case;

static void *need(size_t count, size_t size)
{
    void *data = calloc(count ? count : 1, size);
    if (!data) {
        perror("check_many");
        exit(1);
    }
    return data;
}

static size_t block_tokens(const many_case *c, size_t j)
{
    return c->tokens - j * WH_TOKENS < WH_TOKENS ? c->tokens - j * WH_TOKENS : WH_TOKENS;
}

static void some_range(many_case *c, const planes_spec *s, check_rng *rng)
{
    c->blocks = (c->tokens + WH_TOKENS - 1) / WH_TOKENS;
    c->p0 = 0;
    c->p1 = c->p.w.panels;
    if (check_below(rng, 3) == 0) { /* some of the panels */
        c->p0 = check_below(rng, c->p.w.panels);
        c->p1 = c->p0 + check_below(rng, c->p.w.panels - c->p0 + 1);
    }
    c->ldy = s->rows + check_below(rng, 3);
    c->y_count = (c->tokens - 1) * c->ldy + s->rows;
    c->want = need(c->y_count, sizeof *c->want);
}

/* Every element that the call may write is the one wanted, every other one as it was. */
static void check_bits(const many_case *c, const float *y)
{
    const size_t rows = c->p.w.rows;
    for (size_t at = 0; at < c->y_count; at++) {
        const size_t r = at % c->ldy;
        const int written = r >= c->p0 * 16 && r < c->p1 * 16 && r < rows;
        if (written ? acts_same(y[at], c->want[at]) : wh_f32_bits(y[at]) == UINT32_MAX) continue;
        CHECK(0, "%s: token %zu row %zu: %a, not %a", guard_case_name(), at / c->ldy, r,
              (double)y[at], written ? (double)c->want[at] : (double)NAN);
        return;
    }
    CHECK(1, "all");
}

/* ---- int8 ---- */

/* The planes of all blocks, one every `apart` octets; what lies between is not to be read. */
static const void *put_blocks(const many_case *c, const guard *g, int which, guard_side side)
{
    const int_block *last = &c->b[c->blocks - 1];
    const size_t tail = which == 0   ? last->codes_bytes
                        : which == 1 ? last->scale_bytes
                                     : last->sum_bytes;
    char *base = guard_place(g, (c->blocks - 1) * c->apart + tail, which ? 4 : 64, side);
    for (size_t j = 0; j < c->blocks; j++) {
        const int_block *b = &c->b[j];
        char *at = base + j * c->apart;
        memset(at, 0xff, j + 1 < c->blocks ? c->apart : tail);
        if (which == 0) memcpy(at, b->codes, b->codes_bytes);
        if (which == 1) memcpy(at, b->scale, b->scale_bytes);
        if (which == 2) memcpy(at, b->sum, b->sum_bytes);
    }
    return base;
}

static void expect_q8(const many_case *c)
{
    const wh_op_row *gemm = &wh_op_table()[wh_gemm_op(c->p.w.form)];
    for (size_t j = 0; j < c->blocks; j++) {
        const wh_gemm_args a = { &c->p.w,        c->b[j].codes,
                                 c->b[j].scale,  c->b[j].sum,
                                 c->b[j].tokens, c->p0,
                                 c->p1,          c->want + j * WH_TOKENS * c->ldy,
                                 c->ldy };
        gemm->variants[0].gemm(&a);
    }
}

static void run_q8(const wh_variant *v, const char *op, many_case *c, const many_room *room)
{
    char what[160];
    snprintf(what, sizeof what, "%s", guard_case_name());
    for (guard_side side = GUARD_END; side < GUARD_SIDES; side++) {
        const size_t near = wh_many_near(&c->p.w, 0), bytes = c->y_count * sizeof(float);
        planes_place(&c->p, &room->planes, side);
        guard_case("%s_%s %s", op, v->isa, what);
        if (side == GUARD_END) expect_q8(c);
        wh_many_args a = { .w = &c->p.w, .tokens = c->tokens, .p0 = c->p0, .p1 = c->p1 };
        a.codes = put_blocks(c, &room->codes, 0, side);
        a.scale = put_blocks(c, &room->scale, 1, side);
        a.sum = put_blocks(c, &room->sum, 2, side);
        a.apart = c->apart;
        a.near = guard_place(&room->near, near, 64, side);
        a.y = guard_place(&room->y, bytes, 4, side);
        a.ldy = c->ldy;
        v->many(&a);
        check_bits(c, a.y);
        CHECK(guard_intact(&room->y, a.y, bytes), "%s: beside y", guard_case_name());
        CHECK(guard_intact(&room->near, a.near, near), "%s: beside near", guard_case_name());
    }
}

static void case_q8(const wh_variant *v, const char *op, const planes_spec *s, size_t tokens,
                    int_fill fill, const many_room *room, check_rng *rng)
{
    many_case c = { .tokens = tokens };
    planes_make(&c.p, s, rng);
    if (wh_many_fits(&c.p.w)) {
        some_range(&c, s, rng);
        for (size_t j = 0; j < c.blocks; j++) {
            acts_block(&c.b[j], s->cols, c.p.w.int_step, c.p.w.sum_step, block_tokens(&c, j), fill,
                       rng);
            const size_t octets =
                c.b[j].codes_bytes > c.b[j].scale_bytes ? c.b[j].codes_bytes : c.b[j].scale_bytes;
            if (octets > c.apart) c.apart = (octets + 63) / 64 * 64;
        }
        guard_case("%zux%zu group %zu step %zu tokens %zu%s%s codes %d scales %d acts %d", s->rows,
                   s->cols, s->group, c.p.w.int_step, tokens, s->zeros ? " zeros" : "",
                   s->scale_type == WH_SCALE_F16 ? " f16" : "", (int)s->codes, (int)s->scales,
                   (int)fill);
        run_q8(v, op, &c, room);
        for (size_t j = 0; j < c.blocks; j++) acts_block_free(&c.b[j]);
        free(c.want);
    }
    planes_free(&c.p);
}

static const size_t some_tokens[] = { 17, 1, 33, 16, 32, 48, 31, 15, 49, 64, 18 };

/* The shapes of every group, then every pair of fills where a tail and two panels meet. */
static void check_q8(wh_form form, const wh_variant *v, size_t every, const many_room *room,
                     check_rng *rng)
{
    const char *op = wh_op_table()[wh_many_op(form)].name;
    planes_spec s;
    for (size_t n = 0; planes_case(&s, form, n, rng); n++)
        if (n % every == 0 && (s.cols < 4096 || n % 4 == 0) && !s.sub)
            case_q8(v, op, &s, some_tokens[n % COUNT(some_tokens)],
                    check_below(rng, 2) ? INTS_UNIFORM : (int_fill)check_below(rng, INT_FILLS),
                    room, rng);
    if (wh_form_is_block(form)) return; /* whose rows are whole */
    for (int codes = 0; codes < CODE_FILLS; codes++)
        for (int fill = 0; fill < INT_FILLS; fill += (int)every)
            for (int zeros = 0; zeros < 2; zeros++) {
                s = (planes_spec){
                    .form = form, .rows = 33, .cols = 321, .group = 256, .step = 128
                };
                s.scale_type = fill % 2 ? WH_SCALE_F16 : WH_SCALE_F32;
                s.zeros = zeros;
                s.codes = (code_fill)codes;
                case_q8(v, op, &s, some_tokens[(size_t)(codes + fill) % COUNT(some_tokens)],
                        (int_fill)fill, room, rng);
                s.group = s.step = 0;
                s.whole_token = form == WH_FORM_Q8;
                case_q8(v, op, &s, 20, (int_fill)fill, room, rng);
            }
}

/* More panels than are expanded at once, and a sum as long as int32 holds, and one step more. */
static void check_long(wh_form form, const wh_variant *v, const many_room *room, check_rng *rng)
{
    const char *op = wh_op_table()[wh_many_op(form)].name;
    planes_spec many = {
        .form = form, .rows = 16 * 9 + 1, .cols = 8192 + 7, .group = 128, .step = 128
    };
    case_q8(v, op, &many, 3, INTS_UNIFORM, room, rng);
    if (form != WH_FORM_Q8) return;
    static const size_t cols[] = { WH_LONG_STEP, WH_LONG_STEP + 1, WH_LONG_STEP + 96 };
    for (size_t i = 0; i < COUNT(cols); i++)
        for (int zeros = 0; zeros < 2; zeros++) {
            planes_spec s = { .form = form, .rows = 3, .cols = cols[i], .whole_token = 1 };
            s.zeros = zeros;
            s.codes = i % 2 ? CODES_LOWEST : CODES_HIGHEST;
            case_q8(v, op, &s, 2, i % 2 ? INTS_LOWEST : INTS_HIGHEST, room, rng);
        }
}

/* ---- bfloat16 ---- */

/* Rounded to nearest, ties to even, from what the kept bits and the dropped ones say. */
static uint16_t rounded(float v)
{
    const uint32_t bits = wh_f32_bits(v), kept = bits >> 16, dropped = bits & 0xffff;
    if (isnan(v)) return (uint16_t)(kept | 0x40);
    return (uint16_t)(kept + (dropped > 0x8000 || (dropped == 0x8000 && kept % 2)));
}

static float flushed(float v)
{
    return fabsf(v) < 0x1p-126f ? copysignf(0.0f, v) : v;
}

static float as_tile(float v)
{
    return flushed(wh_bits_f32((uint32_t)rounded(v) << 16));
}

static float weight(const many_case *c, size_t r, size_t k)
{
    const float value = (float)planes_value(&c->p, r, k);
    return c->p.scale ? value * (float)planes_scale(&c->p, r, k) : value;
}

static size_t whole_chunks(size_t cols)
{
    return (cols + 31) / 32 * 32;
}

/* The order of kernels.h: a row of weights times a token, both as tiles have them. */
static float in_order(const float *w, const float *x, size_t count)
{
    float acc = 0.0f;
    for (size_t k0 = 0; k0 < count; k0 += 32) {
        float sum[2] = { 0.0f, 0.0f };
        for (size_t k = k0; k < k0 + 32; k++) sum[k % 2] = flushed(fmaf(w[k], x[k], sum[k % 2]));
        acc = flushed(acc + flushed(sum[0] + sum[1]));
    }
    return acc;
}

static void expect_bf16(const many_case *c)
{
    const size_t cols = c->p.w.cols, count = whole_chunks(cols);
    float *w = need(count, sizeof *w);
    for (size_t j = 0; j < c->tokens; j++)
        for (size_t k = 0; k < cols; k++) c->tile_x[j * count + k] = as_tile(c->x[j * cols + k]);
    for (size_t r = c->p0 * 16; r < c->p1 * 16 && r < c->p.w.rows; r++) {
        for (size_t k = 0; k < cols; k++) w[k] = as_tile(flushed(weight(c, r, k)));
        for (size_t j = 0; j < c->tokens; j++)
            c->want[j * c->ldy + r] = in_order(w, c->tile_x + j * count, count);
    }
    free(w);
}

static void check_bound(const many_case *c, const float *y)
{
    const size_t cols = c->p.w.cols;
    double *row = need(cols, sizeof *row);
    int ok = 1;
    for (size_t r = c->p0 * 16; ok && r < c->p1 * 16 && r < c->p.w.rows; r++) {
        for (size_t k = 0; k < cols; k++)
            row[k] = planes_value(&c->p, r, k) * planes_scale(&c->p, r, k);
        for (size_t j = 0; ok && j < c->tokens; j++) {
            double sum = 0, S = 0, tiny = 0;
            for (size_t k = 0; k < cols; k++) {
                const double w = row[k], x = (double)c->x[j * cols + k];
                sum += w * x;
                S += fabs(w * x);
                tiny += 0x1p-126 * (fabs(w) + fabs(x) + 2);
            }
            const double got = (double)y[j * c->ldy + r];
            const double bound = (0x1p-7 + 0x1p-16 + (double)(cols + 1) * 0x1p-23) * S + tiny;
            ok = isfinite(sum) ? fabs(got - sum) <= bound : !isfinite(got);
            CHECK(ok, "%s: token %zu row %zu: %a, not %a +- %a", guard_case_name(), j, r, got, sum,
                  bound);
        }
    }
    free(row);
}

/* The blocks of activations, and that they are what the rule says. */
static const int8_t *make_acts(const many_case *c, const wh_variant *v, const many_room *room,
                               guard_side side)
{
    const size_t cols = c->p.w.cols, chunks = (cols + 31) / 32;
    const size_t bytes = (c->blocks - 1) * c->apart + chunks * block_tokens(c, c->blocks - 1) * 64;
    int8_t *codes = guard_place(&room->codes, bytes, 64, side);
    for (size_t j = 0; j < c->blocks; j++) {
        const size_t tokens = block_tokens(c, j), count = tokens * cols;
        const float *x =
            guard_put(&room->scale, c->x + j * WH_TOKENS * cols, count * sizeof *x, 4, side);
        const wh_qact_args a = {
            .x = x, .stride = cols, .cols = cols, .tokens = tokens, .codes = codes + j * c->apart
        };
        v->qact(&a);
        size_t wrong = 0;
        for (size_t k = 0; k < chunks * 32; k++)
            for (size_t t = 0; t < tokens; t++) {
                uint16_t got;
                memcpy(&got, a.codes + (k / 32 * tokens + t) * 64 + k % 32 * 2, sizeof got);
                wrong += got != (k < cols ? rounded(x[t * cols + k]) : 0);
            }
        CHECK(wrong == 0, "%s: %zu activations", guard_case_name(), wrong);
    }
    CHECK(guard_intact(&room->codes, codes, bytes), "%s: beside the codes", guard_case_name());
    return codes;
}

static void run_bf16(const wh_kernels *k, many_case *c, const many_room *room)
{
    const wh_op decode = wh_decode_op(c->p.w.form);
    for (guard_side side = GUARD_END; side < GUARD_SIDES; side++) {
        const size_t near = wh_many_near(&c->p.w, 1), bytes = c->y_count * sizeof(float);
        planes_place(&c->p, &room->planes, side);
        wh_many_args a = { .w = &c->p.w, .tokens = c->tokens, .p0 = c->p0, .p1 = c->p1 };
        a.codes = make_acts(c, k->op[WH_QACT_BF16], room, side);
        a.apart = c->apart;
        a.near = guard_place(&room->near, near, 64, side);
        a.y = guard_place(&room->y, bytes, 4, side);
        a.ldy = c->ldy;
        if (decode != WH_OPS) a.decode = k->op[decode];
        k->op[WH_MANY_BF16]->many(&a);
        check_bits(c, a.y);
        if (side == GUARD_END) check_bound(c, a.y); /* the other one has these bits */
        CHECK(guard_intact(&room->y, a.y, bytes), "%s: beside y", guard_case_name());
        CHECK(guard_intact(&room->near, a.near, near), "%s: beside near", guard_case_name());
    }
}

static void case_bf16(const wh_kernels *k, const planes_spec *s, size_t tokens, float_fill fill,
                      const many_room *room, check_rng *rng)
{
    many_case c = { .tokens = tokens };
    planes_make(&c.p, s, rng);
    some_range(&c, s, rng);
    c.apart = (s->cols + 31) / 32 * WH_TOKENS * 64 + 64;
    c.x = need(tokens * s->cols, sizeof *c.x);
    c.tile_x = need(tokens * whole_chunks(s->cols), sizeof *c.tile_x);
    acts_floats(c.x, tokens * s->cols, fill, rng);
    guard_case("%s form %d %zux%zu group %zu step %zu tokens %zu%s%s codes %d scales %d acts %d",
               wh_op_table()[WH_MANY_BF16].name, (int)s->form, s->rows, s->cols, s->group,
               c.p.w.step, tokens, s->zeros ? " zeros" : "",
               s->scale_type == WH_SCALE_F16 ? " f16" : "", (int)s->codes, (int)s->scales,
               (int)fill);
    expect_bf16(&c);
    run_bf16(k, &c, room);
    planes_free(&c.p);
    free(c.x);
    free(c.tile_x);
    free(c.want);
}

/* Every form and shape; of the long rows some. */
static void check_bf16(const wh_kernels *k, size_t every, const many_room *room, check_rng *rng)
{
    planes_spec s;
    for (int form = 0; form < WH_FORMS; form++) {
        int (*next)(planes_spec *, wh_form, size_t, check_rng *) =
            form < WH_FORM_F32 ? planes_case : planes_float_case;
        for (size_t n = 0; next(&s, (wh_form)form, n, rng); n++) {
            if (s.wild || n % every || (s.cols > 1000 && n % 4) || s.rows > 1000) continue;
            const float_fill fill =
                check_below(rng, 2) ? FLOATS_NORMAL : (float_fill)check_below(rng, FLOAT_FILLS);
            case_bf16(k, &s, some_tokens[n % COUNT(some_tokens)], fill, room, rng);
        }
    }
}

/* Every upper half of a float32 with lower halves about the ties: also NaN that rounding must not
 * make an infinity or a number. */
static void check_patterns(const wh_variant *v, const many_room *room)
{
    static const uint32_t lower[] = { 0, 1, 0x7fff, 0x8000, 0x8001, 0xffff };
    enum { COLS = 65536 };
    float *x = need(COLS, sizeof *x);
    int8_t *codes = guard_place(&room->codes, COLS * 2, 64, GUARD_END);
    const wh_qact_args a = { .x = x, .stride = COLS, .cols = COLS, .tokens = 1, .codes = codes };
    for (size_t i = 0; i < COUNT(lower); i++) {
        size_t wrong = 0;
        for (uint32_t k = 0; k < COLS; k++) {
            const uint32_t bits = k << 16 | lower[i]; /* as they are, signalling NaN too */
            memcpy(x + k, &bits, sizeof bits);
        }
        v->qact(&a);
        for (uint32_t k = 0; k < COLS; k++) {
            const uint32_t kept = k, nan = (k & 0x7f80) == 0x7f80 && ((k & 0x7f) || lower[i]);
            const uint32_t up = lower[i] > 0x8000 || (lower[i] == 0x8000 && k % 2);
            uint16_t got;
            memcpy(&got, codes + k * 2, sizeof got);
            wrong += got != (uint16_t)(nan ? kept | 0x40 : kept + up);
        }
        CHECK(wrong == 0, "lower half %x: %zu of all upper ones", (unsigned)lower[i], wrong);
    }
    free(x);
}

/* ---- */

int check_many(uint32_t allowed, size_t every)
{
    many_room room;
    wh_kernels k;
    check_rng rng = { 47 };
    wh_kernels_select(&k, allowed);
    planes_room_open(&room.planes);
    guard_open(&room.codes, (size_t)4 << 20);
    guard_open(&room.scale, (size_t)4 << 20);
    guard_open(&room.sum, (size_t)4 << 20);
    guard_open(&room.near, (size_t)8 << 20);
    guard_open(&room.y, (size_t)2 << 20);
    for (int form = 0; form < WH_FORMS; form++) {
        const wh_op op = wh_many_op((wh_form)form);
        const wh_variant *v = op == WH_OPS ? NULL : k.op[op];
        if (!v) continue;
        check_q8((wh_form)form, v, every, &room, &rng);
        if (!wh_form_is_block((wh_form)form)) check_long((wh_form)form, v, &room, &rng);
    }
    if (k.op[WH_QACT_BF16]) check_patterns(k.op[WH_QACT_BF16], &room);
    if (k.op[WH_MANY_BF16]) check_bf16(&k, every, &room, &rng);
    CHECK(tiles_holders() == 0, "%zu threads still hold tiles", tiles_holders());
    planes_room_close(&room.planes);
    guard_close(&room.codes);
    guard_close(&room.scale);
    guard_close(&room.sum);
    guard_close(&room.near);
    guard_close(&room.y);
    printf("many: ");
    return check_result();
}
