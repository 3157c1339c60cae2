/* tests/kernels/check_gemv.c - one token of float activations: every variant has the bits of [0],
 * and [0] lies within its derived bound of the sum in double.
 *
 * The bounds, with S = sum |w x|: codes (ceil(step/4) + 4 + steps) u S, one chain cols u S; and
 * 2^-150 for each operation whose result may be subnormal, times the scale where that follows.
 * SPDX-License-Identifier: MIT */
#include "kernels/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/acts.h"
#include "kernels/planes.h"

typedef struct gemv_room {
    planes_room planes;
    guard x, y;
} gemv_room;

typedef struct gemv_case {
    planes p;
    float *x;
    float *expected;
    size_t p0, p1;
} gemv_case;

typedef struct exact {
    double sum, bound; /* the bound is infinite where something passes the range of float32 */
} exact;

static exact in_double(const gemv_case *c, size_t r)
{
    const whit_weight *w = &c->p.w;
    const int in_steps = c->p.scale && !wh_form_is_block(w->form);
    const size_t step = in_steps ? w->step : w->cols;
    const size_t steps = (w->cols + step - 1) / step;
    const double factor = (double)(in_steps ? (step + 3) / 4 + 4 + steps : w->cols);
    double S = 0, tiny = (double)steps * 0x1p-150, most = 0;
    exact e = { 0, 0 };
    for (size_t k0 = 0; k0 < w->cols; k0 += step) {
        const size_t end = w->cols - k0 < step ? w->cols : k0 + step;
        const double scale = planes_scale(&c->p, r, k0);
        double part = 0, size = 0;
        for (size_t k = k0; k < end; k++) {
            const double product = planes_value(&c->p, r, k) * (double)c->x[k];
            part += product;
            size += fabs(product);
        }
        e.sum += part * scale;
        S += size * fabs(scale);
        most = size > most ? size : most;
        tiny += (double)(end - k0) * 0x1p-150 * fabs(scale);
    }
    e.bound = S < 0x1p127 && most < 0x1p127 ? factor * 0x1p-24 * S + tiny : (double)INFINITY;
    return e;
}

static int agrees(const exact *e, double got)
{
    if (isfinite(e->bound)) return fabs(got - e->sum) <= e->bound;
    if (isnan(e->sum)) return isnan(got);
    return isfinite(e->sum) || got == e->sum || isnan(got); /* inf - inf on the way */
}

static void check_oracle(const gemv_case *c, const float *y)
{
    for (size_t r = c->p0 * 16; r < c->p1 * 16 && r < c->p.w.rows; r++) {
        const exact e = in_double(c, r);
        const int ok = agrees(&e, (double)y[r]);
        CHECK(ok, "%s: row %zu: %a, not %a +- %a", guard_case_name(), r, (double)y[r], e.sum,
              e.bound);
        if (!ok) return;
    }
}

static void check_bits(const gemv_case *c, const float *y)
{
    for (size_t r = 0; r < c->p.w.rows; r++) {
        const int written = r >= c->p0 * 16 && r < c->p1 * 16;
        if (written ? acts_same(y[r], c->expected[r]) : wh_f32_bits(y[r]) == UINT32_MAX) continue;
        CHECK(0, "%s: row %zu: %a, not %a", guard_case_name(), r, (double)y[r],
              written ? (double)c->expected[r] : (double)NAN);
        return;
    }
    CHECK(1, "all");
}

static void run(const wh_op_row *op, uint32_t allowed, gemv_case *c, const gemv_room *room)
{
    const size_t rows = c->p.w.rows;
    char what[160];
    snprintf(what, sizeof what, "%s", guard_case_name());
    for (guard_side side = GUARD_END; side < GUARD_SIDES; side++) {
        planes_place(&c->p, &room->planes, side);
        wh_gemv_args a = { .w = &c->p.w, .p0 = c->p0, .p1 = c->p1 };
        a.x = guard_put(&room->x, c->x, c->p.w.cols * sizeof *c->x, 4, side);
        for (size_t v = 0; v < op->count; v++) {
            if (op->variants[v].needs & ~allowed) continue;
            const int first = v == 0 && side == GUARD_END;
            a.y = guard_place(&room->y, rows * sizeof *a.y, 4, side);
            guard_case("%s_%s %s", op->name, op->variants[v].isa, what);
            op->variants[v].gemv(&a);
            if (first) memcpy(c->expected, a.y, rows * sizeof *a.y);
            if (first) check_oracle(c, a.y);
            check_bits(c, a.y);
            CHECK(guard_intact(&room->y, a.y, rows * sizeof *a.y), "%s: beside y",
                  guard_case_name());
        }
    }
}

static void one_case(uint32_t allowed, const planes_spec *s, float_fill fill, const gemv_room *room,
                     check_rng *rng)
{
    gemv_case c;
    planes_make(&c.p, s, rng);
    c.x = malloc(s->cols * sizeof *c.x);
    c.expected = malloc(s->rows * sizeof *c.expected);
    if (!c.x || !c.expected) abort();
    acts_floats(c.x, s->cols, fill, rng);
    c.p0 = 0;
    c.p1 = c.p.w.panels;
    if (check_below(rng, 3) == 0) { /* some of the panels */
        c.p0 = check_below(rng, c.p.w.panels);
        c.p1 = c.p0 + 1 + check_below(rng, c.p.w.panels - c.p0);
    }
    guard_case("%zux%zu group %zu step %zu sub %zu%s%s scale type %d codes %d scales %d acts %d",
               s->rows, s->cols, s->group, c.p.w.step, s->sub, s->zeros ? " zeros" : "",
               s->minima ? " minima" : "", (int)s->scale_type, (int)s->codes, (int)s->scales,
               (int)fill);
    run(&wh_op_table()[wh_gemv_op(s->form)], allowed, &c, room);
    planes_free(&c.p);
    free(c.x);
    free(c.expected);
}

static float_fill some_fill(check_rng *rng)
{
    return check_below(rng, 2) ? FLOATS_NORMAL : (float_fill)check_below(rng, FLOAT_FILLS);
}

/* Every pair of fills, where a tail and two panels meet; of blocks the cases have them. */
static void check_fills(wh_form form, uint32_t allowed, const gemv_room *room, check_rng *rng)
{
    const int codes = form < WH_FORM_F32 ? CODE_FILLS : 1;
    for (int code = 0; code < codes; code++)
        for (int fill = 0; fill < FLOAT_FILLS; fill++)
            for (int zeros = 0; zeros < (form < WH_FORM_T4 ? 2 : 1); zeros++) {
                planes_spec s = { .form = form, .rows = 33, .cols = 323, .group = 160, .step = 32 };
                s.zeros = zeros;
                s.codes = (code_fill)code;
                s.scale_type = fill % 2 ? WH_SCALE_F16 : WH_SCALE_F32;
                if (form == WH_FORM_T4) s.scale_type = (wh_scale_type)(fill % 4);
                one_case(allowed, &s, (float_fill)fill, room, rng);
                s.group = s.step = 0;
                s.scales = (scale_fill)(fill % SCALE_FILLS);
                one_case(allowed, &s, (float_fill)fill, room, rng);
            }
}

int check_gemv(uint32_t allowed)
{
    gemv_room room;
    check_rng rng = { 43 };
    planes_spec s;
    planes_room_open(&room.planes);
    guard_open(&room.x, (size_t)1 << 20);
    guard_open(&room.y, (size_t)1 << 20);
    for (int form = 0; form < WH_FORMS; form++) {
        if (form < WH_FORM_F32)
            for (size_t n = 0; planes_case(&s, (wh_form)form, n, &rng); n++)
                one_case(allowed, &s, some_fill(&rng), &room, &rng);
        else
            for (size_t n = 0; planes_float_case(&s, (wh_form)form, n, &rng); n++)
                one_case(allowed, &s, some_fill(&rng), &room, &rng);
        if (!wh_form_is_block((wh_form)form)) check_fills((wh_form)form, allowed, &room, &rng);
    }
    planes_room_close(&room.planes);
    guard_close(&room.x);
    guard_close(&room.y);
    printf("gemv: ");
    return check_result();
}
