/* tests/kernels/check_gemm.c - codes times int8 activations: every variant has the bits of [0], and
 * [0] lies within its derived bound of the sum in double.
 *
 * The bound: (steps + 3) u S with S = sum over steps of |i| sw sx, for one conversion, one product
 * of scales and one fused multiply-add a step; with minima there are two terms a step, and S has
 * both, a minimum for each sub-block; one more u for the product with a table's unit. Two levels
 * stay below it: in the 8 steps of a group a minimum is rounded up to 17 times, and after each
 * group twice. Where a product of scales is subnormal its rounding is absolute: 2^-150 |i|, of a
 * table's unit times sx, and 2^-150 for each sum.
 * SPDX-License-Identifier: MIT */
#include "kernels/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/acts.h"
#include "kernels/planes.h"

typedef struct gemm_room {
    planes_room planes;
    guard codes, scale, sum, y, expected;
} gemm_room;

typedef struct gemm_case {
    planes p;
    int_block b;
    size_t p0, p1, ldy, y_count;
} gemm_case;

static void room_open(gemm_room *room)
{
    planes_room_open(&room->planes);
    guard_open(&room->codes, (size_t)2 << 20);
    guard_open(&room->scale, (size_t)1 << 20);
    guard_open(&room->sum, (size_t)1 << 20);
    guard_open(&room->y, (size_t)1 << 20);
    guard_open(&room->expected, (size_t)1 << 20);
}

static void room_close(gemm_room *room)
{
    planes_room_close(&room->planes);
    guard_close(&room->codes);
    guard_close(&room->scale);
    guard_close(&room->sum);
    guard_close(&room->y);
    guard_close(&room->expected);
}

/* A term of a sum: |i| and what it is multiplied with. */
static double add_term(double i, double scale, double *S, double *tiny)
{
    const double term = i * scale;
    *S += fabs(term);
    *tiny += (fabs(i) + 1) * 0x1p-150;
    return term;
}

/* Token j, row r: exact but for double; S and what may underflow besides. */
static double in_double(const gemm_case *c, size_t j, size_t r, double *S, double *tiny)
{
    const int_block *b = &c->b;
    const int table = wh_form_has_table(c->p.w.form);
    const double unit = table ? (double)c->p.w.unit : 1.0;
    double sum = *S = *tiny = 0;
    for (size_t k0 = 0, at = j; k0 < b->cols; k0 += b->step, at += b->tokens) {
        const size_t end = b->cols - k0 < b->step ? b->cols : k0 + b->step;
        const double sx = (double)b->scale[at];
        const double min = c->p.min ? planes_min(&c->p, r, k0) * sx : 0;
        int64_t i = 0, mins = 0;
        for (size_t k = k0; k < end; k++) {
            const int64_t x = b->plain[j * b->cols + k];
            i += planes_sub_scale(&c->p, r, k) * planes_level(&c->p, r, k) * x;
            mins += planes_sub_min(&c->p, r, k) * x;
            if (!c->p.min || (k + 1) % c->p.w.sum_step) continue;
            sum -= add_term((double)mins, min, S, tiny);
            mins = 0;
        }
        CHECK(i >= INT32_MIN && i <= INT32_MAX, "%s: a sum beyond int32", guard_case_name());
        sum += add_term((double)i, planes_group_scale(&c->p, r, k0) * unit * sx, S, tiny);
        if (table) *tiny += fabs((double)i) * sx * 0x1p-150;
    }
    return sum;
}

static void check_oracle(const gemm_case *c, const float *y)
{
    for (size_t j = 0; j < c->b.tokens; j++)
        for (size_t r = c->p0 * 16; r < c->p1 * 16 && r < c->p.w.rows; r++) {
            double S, tiny;
            const double want = in_double(c, j, r, &S, &tiny);
            const double got = (double)y[j * c->ldy + r];
            const double terms = (double)(c->b.steps * (c->p.min ? 2 : 1));
            const double more = wh_form_has_table(c->p.w.form) ? 4 : 3;
            const double bound = (terms + more) * 0x1p-24 * S + tiny;
            const int beyond = S >= 0x1p127 && !isfinite(got); /* of what float32 holds */
            const int ok = isnan(want) ? isnan(got) : beyond || fabs(got - want) <= bound;
            CHECK(ok, "%s: token %zu row %zu: %a, not %a +- %a", guard_case_name(), j, r, got, want,
                  bound);
            if (!ok) return;
        }
}

/* Every element that the call may write is that of `expected`, every other one as it was. */
static void check_bits(const gemm_case *c, const float *y, const float *expected)
{
    const size_t rows = c->p.w.rows;
    for (size_t at = 0; at < c->y_count; at++) {
        const size_t r = at % c->ldy;
        const int written = r >= c->p0 * 16 && r < c->p1 * 16 && r < rows;
        if (written ? acts_same(y[at], expected[at]) : wh_f32_bits(y[at]) == UINT32_MAX) continue;
        CHECK(0, "%s: token %zu row %zu: %a, not %a", guard_case_name(), at / c->ldy, r,
              (double)y[at], written ? (double)expected[at] : (double)NAN);
        return;
    }
    CHECK(1, "all");
}

static void run(const wh_op_row *op, uint32_t allowed, gemm_case *c, const gemm_room *room)
{
    const size_t bytes = c->y_count * sizeof(float);
    float *expected = guard_place(&room->expected, bytes, 4, GUARD_END);
    char what[160];
    snprintf(what, sizeof what, "%s", guard_case_name());
    for (guard_side side = GUARD_END; side < GUARD_SIDES; side++) {
        planes_place(&c->p, &room->planes, side);
        wh_gemm_args a = {
            .w = &c->p.w, .tokens = c->b.tokens, .p0 = c->p0, .p1 = c->p1, .ldy = c->ldy
        };
        a.codes = guard_put(&room->codes, c->b.codes, c->b.codes_bytes, 64, side);
        a.scale = guard_put(&room->scale, c->b.scale, c->b.scale_bytes, 4, side);
        a.sum = guard_put(&room->sum, c->b.sum, c->b.sum_bytes, 4, side);
        for (size_t v = 0; v < op->count; v++) {
            if (op->variants[v].needs & ~allowed) continue;
            const int first = v == 0 && side == GUARD_END;
            a.y = guard_place(&room->y, bytes, 4, side);
            guard_case("%s_%s %s", op->name, op->variants[v].isa, what);
            op->variants[v].gemm(&a);
            if (first) memcpy(expected, a.y, bytes);
            if (first) check_oracle(c, expected);
            check_bits(c, a.y, expected);
            CHECK(guard_intact(&room->y, a.y, bytes), "%s: beside y", guard_case_name());
        }
    }
}

static void one_case(const wh_op_row *op, uint32_t allowed, const planes_spec *s, size_t tokens,
                     int_fill fill, const gemm_room *room, check_rng *rng)
{
    gemm_case c;
    planes_make(&c.p, s, rng);
    acts_block(&c.b, s->cols, c.p.w.int_step, c.p.w.sum_step, tokens, fill, rng);
    c.p0 = 0;
    c.p1 = c.p.w.panels;
    if (check_below(rng, 3) == 0) { /* some of the panels */
        c.p0 = check_below(rng, c.p.w.panels);
        c.p1 = c.p0 + 1 + check_below(rng, c.p.w.panels - c.p0);
    }
    c.ldy = s->rows + check_below(rng, 3);
    c.y_count = (tokens - 1) * c.ldy + s->rows;
    guard_case("%zux%zu group %zu step %zu sub %zu tokens %zu%s%s scale type %d codes %d scales %d "
               "acts %d",
               s->rows, s->cols, s->group, c.p.w.int_step, s->sub, tokens, s->zeros ? " zeros" : "",
               s->minima ? " minima" : "", (int)s->scale_type, (int)s->codes, (int)s->scales,
               (int)fill);
    run(op, allowed, &c, room);
    planes_free(&c.p);
    acts_block_free(&c.b);
}

/* Every pair of fills of each type of blocks. */
static void check_block_fills(wh_form form, uint32_t allowed, const gemm_room *room, check_rng *rng)
{
    const wh_op_row *op = &wh_op_table()[wh_gemm_op(form)];
    planes_spec s;
    for (size_t n = 1; planes_case(&s, form, n, rng); n += 20) /* the types by turns */
        for (int codes = 0; codes < CODE_FILLS; codes++)
            for (int fill = 0; fill < INT_FILLS; fill++) {
                s.rows = 33;
                s.codes = (code_fill)codes;
                one_case(op, allowed, &s, 1 + check_below(rng, WH_TOKENS), (int_fill)fill, room,
                         rng);
            }
}

/* Every pair of fills, where a tail and two panels meet. */
static void check_fills(wh_form form, uint32_t allowed, const gemm_room *room, check_rng *rng)
{
    const wh_op_row *op = &wh_op_table()[wh_gemm_op(form)];
    for (int codes = 0; codes < CODE_FILLS; codes++)
        for (int fill = 0; fill < INT_FILLS; fill++)
            for (int zeros = 0; zeros < (form == WH_FORM_T4 ? 1 : 2); zeros++) {
                planes_spec s = { .form = form, .rows = 33, .cols = 321, .group = 160, .step = 32 };
                s.scale_type = (wh_scale_type)(fill % (form == WH_FORM_T4 ? 4 : 2));
                s.small = form == WH_FORM_T4 && fill % 3 == 0;
                if (s.small) s.group = 48;
                if (s.small) s.step = 16;
                s.zeros = zeros;
                s.codes = (code_fill)codes;
                one_case(op, allowed, &s, 1 + check_below(rng, WH_TOKENS), (int_fill)fill, room,
                         rng);
                s.group = s.step = 0;
                s.whole_token = form == WH_FORM_Q8;
                one_case(op, allowed, &s, 1 + check_below(rng, WH_TOKENS), (int_fill)fill, room,
                         rng);
            }
}

static void check_cases(wh_form form, uint32_t allowed, const gemm_room *room, check_rng *rng)
{
    const wh_op_row *op = &wh_op_table()[wh_gemm_op(form)];
    planes_spec s;
    for (size_t n = 0; planes_case(&s, form, n, rng); n++)
        one_case(op, allowed, &s, 1 + n % WH_TOKENS,
                 check_below(rng, 2) ? INTS_UNIFORM : (int_fill)check_below(rng, INT_FILLS), room,
                 rng);
}

/* Rows as long as one sum of 32 bits may be, and one step longer: nothing may wrap or saturate. */
static void check_long(uint32_t allowed, const gemm_room *room, check_rng *rng)
{
    const wh_op_row *op = &wh_op_table()[WH_GEMM_Q8_Q8];
    static const size_t cols[] = { WH_LONG_STEP - 32, WH_LONG_STEP, WH_LONG_STEP + 32,
                                   WH_LONG_STEP + 1 };
    static const int_fill acts[] = { INTS_HIGHEST, INTS_LOWEST, INTS_UNIFORM };
    for (size_t n = 0; n < COUNT(cols) * COUNT(acts); n++)
        for (int zeros = 0; zeros < 2; zeros++) {
            planes_spec s = { .form = WH_FORM_Q8, .rows = 1, .whole_token = 1, .zeros = zeros };
            s.codes = CODES_HIGHEST;
            s.cols = cols[n % COUNT(cols)];
            if (n % 2) s.codes = CODES_LOWEST;
            one_case(op, allowed, &s, n == 0 ? 5 : 1, acts[n / COUNT(cols)], room, rng);
        }
}

/* The integers of the tables that there are: exact, or within half a step of 1/8191. */
static void check_levels(void)
{
    static const whit_kind kinds[] = { WHIT_NF4, WHIT_FP4, WHIT_FP4BNB };
    for (size_t n = 0; n < COUNT(kinds); n++) {
        whit_weight w;
        memset(&w, 0, sizeof w);
        memcpy(w.table, whit_scheme_table(kinds[n]), sizeof w.table);
        wh_weight_levels(&w);
        const double most = kinds[n] == WHIT_FP4 ? 0 : 0.5 / 8191;
        CHECK(w.unit == (kinds[n] == WHIT_FP4 ? 0.5f : 1.0f / 8191), "unit of kind %d",
              (int)kinds[n]);
        CHECK(w.digits == (kinds[n] == WHIT_FP4 ? 1 : 2), "digits of kind %d", (int)kinds[n]);
        for (int i = 0; i < 16; i++) {
            const int u = 128 * w.high[i] + w.low[i];
            const double step = kinds[n] == WHIT_FP4 ? 0.5 : 1.0 / 8191;
            const double error = step * (u - w.centre) - (double)w.table[i];
            CHECK(fabs(error) <= most + 1e-15, "kind %d entry %d: %a", (int)kinds[n], i, error);
            CHECK(w.low[i] < 128 && w.high[i] < 128, "kind %d entry %d: %d", (int)kinds[n], i, u);
            CHECK(w.digits == 2 || u < 32, "kind %d entry %d: %d", (int)kinds[n], i, u);
        }
    }
}

int check_gemm(uint32_t allowed)
{
    gemm_room room;
    check_rng rng = { 42 };
    room_open(&room);
    check_levels();
    for (int form = 0; form < WH_FORMS; form++) {
        if (wh_gemm_op((wh_form)form) == WH_OPS) continue;
        check_cases((wh_form)form, allowed, &room, &rng);
        if (wh_form_is_block((wh_form)form))
            check_block_fills((wh_form)form, allowed, &room, &rng);
        else
            check_fills((wh_form)form, allowed, &room, &rng);
    }
    check_long(allowed, &room, &rng);
    room_close(&room);
    printf("gemm: ");
    return check_result();
}
