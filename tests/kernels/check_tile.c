/* tests/kernels/check_tile.c - tiles of products: each output of every variant, at every width of a
 * strip, has the bits of [0] on that token and panel alone; blocks chain; and a row decoded and
 * multiplied in tiles has the bits of the same row multiplied as it is packed.
 *
 * [0] is judged in double as in check_gemv.c, S with the magnitude of the sum that it began with.
 * SPDX-License-Identifier: MIT */
#include "kernels/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/acts.h"
#include "kernels/planes.h"

enum { MOST_N = 600, MOST_TOKENS = 64 };

typedef struct tile_room {
    guard value[2], scale[2], x, sums;
} tile_room;

typedef struct tile_case {
    size_t n, step, blocks; /* step 0: one chain */
    size_t panels, tokens;
    size_t each; /* octets of a value: 4, or of halves 2 */
    float value[2][MOST_N * 16];
    uint16_t half[2][MOST_N * 16]; /* the same values, where they are halves */
    float scale[2][MOST_N + 16];   /* a step has 16 inputs or more */
    float x[MOST_N * MOST_TOKENS]; /* [n][tokens] */
    float before[2 * MOST_TOKENS * 16], after[2 * MOST_TOKENS * 16];
} tile_case;

/* Input k of a panel, as the tile takes it. */
static const void *values_at(const tile_case *c, size_t p, size_t k)
{
    return c->each == 2 ? (const void *)(c->half[p] + k * 16) : c->value[p] + k * 16;
}

static void fill(tile_case *c, whit_dtype type, float_fill values, float_fill acts, check_rng *rng)
{
    for (int p = 0; p < 2; p++) {
        acts_floats(c->value[p], c->n * 16, values, rng);
        if (c->each == 2) {
            whit_dtype_from_f32(type, c->value[p], c->n * 16, c->half[p]);
            whit_dtype_to_f32(type, c->half[p], c->n * 16, c->value[p]);
        }
        acts_floats(c->scale[p], c->blocks * 16, FLOATS_NORMAL, rng);
    }
    acts_floats(c->x, c->n * c->tokens, acts, rng);
    const float_fill sums = check_below(rng, 2) ? FLOATS_ZERO : FLOATS_NORMAL;
    acts_floats(c->before, c->panels * c->tokens * 16, sums, rng);
}

/* What [0] makes of one token and one panel at a time. */
static void expect(const wh_variant *reference, tile_case *c)
{
    _Alignas(64) float sums[16];
    float x[MOST_N];
    for (size_t p = 0; p < c->panels; p++)
        for (size_t j = 0; j < c->tokens; j++) {
            const size_t at = (p * c->tokens + j) * 16;
            for (size_t k = 0; k < c->n; k++) x[k] = c->x[k * c->tokens + j];
            memcpy(sums, c->before + at, sizeof sums);
            const wh_tile_args a = {
                { values_at(c, p, 0), NULL },          1, x, 1, c->n, sums, c->step,
                { c->step ? c->scale[p] : NULL, NULL }
            };
            reference->tile(&a);
            memcpy(c->after + at, sums, sizeof sums);
        }
}

static double exact(const tile_case *c, size_t p, size_t j, size_t r, double *bound)
{
    const size_t step = c->step ? c->step : c->n;
    double sum = (double)c->before[(p * c->tokens + j) * 16 + r], S = fabs(sum);
    double tiny = 0x1p-150 * (double)c->n;
    for (size_t k = 0; k < c->n; k++) {
        const double scale = c->step ? (double)c->scale[p][k / step * 16 + r] : 1.0;
        const double term =
            (double)c->value[p][k * 16 + r] * (double)c->x[k * c->tokens + j] * scale;
        sum += term;
        S += fabs(term);
        tiny += 0x1p-150 * fabs(scale);
    }
    const double factor = (double)(c->step ? (step + 3) / 4 + 4 + c->blocks : c->n);
    *bound = factor * 0x1p-24 * S + tiny;
    return sum;
}

static void check_oracle(const tile_case *c)
{
    for (size_t p = 0; p < c->panels; p++)
        for (size_t j = 0; j < c->tokens; j++)
            for (size_t r = 0; r < 16; r++) {
                double bound;
                const double want = exact(c, p, j, r, &bound);
                const double got = (double)c->after[(p * c->tokens + j) * 16 + r];
                const int ok = isfinite(bound) ? fabs(got - want) <= bound : !isfinite(got);
                CHECK(ok, "%s: panel %zu token %zu row %zu: %a, not %a +- %a", guard_case_name(), p,
                      j, r, got, want, bound);
                if (!ok) return;
            }
}

/* Inputs [from, to) of the case, on top of what `sums` holds. */
static void run_block(const wh_variant *v, const tile_case *c, const tile_room *room,
                      guard_side side, size_t from, size_t to, float *sums)
{
    wh_tile_args a = { .panels = c->panels, .tokens = c->tokens, .n = to - from, .sums = sums };
    a.step = c->step;
    a.x = guard_put(&room->x, c->x + from * c->tokens, a.n * c->tokens * sizeof *c->x, 4, side);
    for (size_t p = 0; p < c->panels; p++) {
        a.value[p] =
            guard_put(&room->value[p], values_at(c, p, from), a.n * 16 * c->each, 64, side);
        if (!c->step) continue;
        const size_t blocks = (a.n + c->step - 1) / c->step;
        a.scale[p] =
            guard_put(&room->scale[p], c->scale[p] + from / c->step * 16, blocks * 64, 64, side);
    }
    v->tile(&a);
}

static void check_bits(const tile_case *c, const float *sums)
{
    for (size_t at = 0; at < c->panels * c->tokens * 16; at++) {
        if (acts_same(sums[at], c->after[at])) continue;
        CHECK(0, "%s: panel %zu token %zu row %zu: %a, not %a", guard_case_name(),
              at / 16 / c->tokens, at / 16 % c->tokens, at % 16, (double)sums[at],
              (double)c->after[at]);
        return;
    }
    CHECK(1, "all");
}

/* In one block and in two, at either guard. */
static void run(const wh_op_row *op, const wh_variant *v, const tile_case *c, const tile_room *room,
                check_rng *rng)
{
    const size_t unit = c->step ? c->step : 1, bytes = c->panels * c->tokens * 64;
    for (guard_side side = GUARD_END; side < GUARD_SIDES; side++)
        for (int pieces = 1; pieces <= 2; pieces++) {
            const size_t cut = pieces == 1 ? 0 : check_below(rng, c->n / unit + 1) * unit;
            guard_case("%s_%s n %zu step %zu panels %zu tokens %zu cut %zu", op->name, v->isa, c->n,
                       c->step, c->panels, c->tokens, cut);
            float *sums = guard_place(&room->sums, bytes, 64, side);
            memcpy(sums, c->before, bytes);
            if (cut > 0) run_block(v, c, room, side, 0, cut, sums);
            if (cut < c->n) run_block(v, c, room, side, cut, c->n, sums);
            check_bits(c, sums);
            CHECK(guard_intact(&room->sums, sums, bytes), "%s: beside sums", guard_case_name());
        }
}

/* Every width of the variant's strips with every length; steps and fills by turns. */
static void check_variant(const wh_op_row *op, const wh_variant *v, tile_case *c,
                          const tile_room *room, check_rng *rng)
{
    static const size_t lengths[] = { 1, 3, 7, 31, 32, 33, 64, 100, 128, 160, 256, 512 + 33 };
    static const size_t steps[] = { 16, 32, 48, 64, 96, 128 };
    const int in_steps = op == &wh_op_table()[WH_TILE_STEPS];
    const whit_dtype type = op == &wh_op_table()[WH_TILE_F16]    ? WHIT_F16
                            : op == &wh_op_table()[WH_TILE_BF16] ? WHIT_BF16
                                                                 : WHIT_F32;
    size_t turn = 0;
    c->each = whit_dtype_bits(type) / 8;
    for (c->panels = 1; c->panels <= v->panels; c->panels++)
        for (c->tokens = 1; c->tokens <= v->tokens && c->tokens <= MOST_TOKENS; c->tokens++)
            for (size_t i = 0; i < COUNT(lengths); i++, turn++) {
                c->n = lengths[i];
                c->step = in_steps ? steps[check_below(rng, COUNT(steps))] : 0;
                c->blocks = in_steps ? (c->n + c->step - 1) / c->step : 0;
                const float_fill odd = (float_fill)check_below(rng, FLOAT_FILLS);
                fill(c, type, turn % 5 ? FLOATS_NORMAL : odd, turn % 3 ? FLOATS_NORMAL : odd, rng);
                guard_case("%s n %zu step %zu", op->name, c->n, c->step);
                expect(&op->variants[0], c);
                check_oracle(c);
                run(op, v, c, room, rng);
            }
}

/* ---- packed, and decoded ---- */

/* Scales of a panel by step, as a tile wants them. */
static void step_scales(const whit_weight *w, size_t panel, float *out)
{
    for (size_t b = 0; b * w->step < w->cols; b++)
        for (size_t r = 0; r < 16; r++) {
            const size_t g = b * w->step / w->group;
            out[b * 16 + r] = wh_weight_scale(w, (panel * w->groups + g) * 16 + r);
        }
}

static void decoded_case(const wh_kernels *k, const planes_spec *s, const planes_room *room,
                         check_rng *rng)
{
    static float x[MOST_N], y[128];
    static _Alignas(64) float value[MOST_N * 16], scale[MOST_N + 16];
    _Alignas(64) float sums[16];
    planes p;
    planes_make(&p, s, rng);
    planes_place(&p, room, GUARD_END);
    acts_floats(x, s->cols, FLOATS_NORMAL, rng);
    guard_case("%s packed and decoded: %zux%zu group %zu step %zu",
               wh_op_table()[wh_gemv_op(s->form)].name, s->rows, s->cols, s->group, p.w.step);
    const wh_gemv_args packed = { &p.w, x, 0, p.w.panels, y };
    k->op[wh_gemv_op(s->form)]->gemv(&packed);
    for (size_t panel = 0; panel < p.w.panels; panel++) {
        const wh_decode_args d = { &p.w, panel, 0, s->cols, value };
        k->op[wh_decode_op(s->form)]->decode(&d);
        wh_tile_args t = { .value = { value }, .panels = 1, .x = x, .tokens = 1, .n = s->cols };
        t.sums = memset(sums, 0, sizeof sums);
        t.step = p.w.step;
        t.scale[0] = scale;
        const int in_steps = p.code && !wh_form_is_block(s->form);
        if (in_steps) step_scales(&p.w, panel, scale);
        k->op[in_steps ? WH_TILE_STEPS : WH_TILE_CHAIN]->tile(&t);
        for (size_t r = 0; r < 16 && panel * 16 + r < s->rows; r++)
            CHECK(acts_same(y[panel * 16 + r], sums[r]), "%s: row %zu: %a and %a",
                  guard_case_name(), panel * 16 + r, (double)y[panel * 16 + r], (double)sums[r]);
    }
    planes_free(&p);
}

static void check_decoded(uint32_t allowed, check_rng *rng)
{
    wh_kernels k;
    planes_room room;
    planes_spec s;
    wh_kernels_select(&k, allowed);
    planes_room_open(&room);
    for (int form = 0; form < WH_FORMS; form++) {
        if (form == WH_FORM_F32) continue;
        int (*next)(planes_spec *, wh_form, size_t, check_rng *) =
            form < WH_FORM_F32 ? planes_case : planes_float_case;
        for (size_t n = 0; next(&s, (wh_form)form, n, rng); n++)
            if (s.cols <= MOST_N && s.rows <= 128) decoded_case(&k, &s, &room, rng);
    }
    planes_room_close(&room);
}

int check_tile(uint32_t allowed)
{
    static tile_case c;
    tile_room room;
    check_rng rng = { 45 };
    for (int p = 0; p < 2; p++) {
        guard_open(&room.value[p], MOST_N * 64);
        guard_open(&room.scale[p], MOST_N * 64);
    }
    guard_open(&room.x, sizeof c.x);
    guard_open(&room.sums, sizeof c.before);
    for (int op = WH_TILE_CHAIN; op <= WH_TILE_BF16; op++) {
        const wh_op_row *row = &wh_op_table()[op];
        for (size_t v = 0; v < row->count; v++) {
            if (row->variants[v].needs & ~allowed) continue;
            CHECK(row->variants[v].tokens <= MOST_TOKENS, "%s_%s: wider than this check", row->name,
                  row->variants[v].isa);
            check_variant(row, &row->variants[v], &c, &room, &rng);
        }
    }
    check_decoded(allowed, &rng);
    for (int p = 0; p < 2; p++) {
        guard_close(&room.value[p]);
        guard_close(&room.scale[p]);
    }
    guard_close(&room.x);
    guard_close(&room.sums);
    printf("tile: ");
    return check_result();
}
