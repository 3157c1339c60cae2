/* tests/kernels/check_decode.c - values of a panel: every variant, [0] too, gives exactly what the
 * codes or the bits stand for, and nothing beyond [k0, k1) is read or written.
 * SPDX-License-Identifier: MIT */
#include "kernels/parts.h"

#include <math.h>
#include <string.h>

#include "kernels/acts.h"
#include "kernels/planes.h"

typedef struct decode_room {
    planes_room planes;
    guard out;
} decode_room;

/* What is beyond the rows decodes as the padding that the layout describes. */
static double expected(const planes *p, size_t row, size_t k)
{
    if (row < p->w.rows) return planes_value(p, row, k);
    const float power = p->w.scale_type == WH_SCALE_HALF_E8M0 ? 0x1p-128f : 0.0f;
    if (p->w.form == WH_FORM_BT) return (double)(power * p->w.table[0]);
    return p->w.form == WH_FORM_T4 ? (double)p->w.table[0] : 0.0;
}

static void check_values(const planes *p, const wh_decode_args *a)
{
    for (size_t k = a->k0; k < a->k1; k++)
        for (size_t r = 0; r < 16; r++) {
            const double want = expected(p, a->p * 16 + r, k);
            const float got = a->out[(k - a->k0) * 16 + r];
            if (acts_same(got, (float)want)) continue;
            CHECK(0, "%s: panel %zu row %zu input %zu: %a, not %a", guard_case_name(), a->p, r, k,
                  (double)got, want);
            return;
        }
    CHECK(1, "all");
}

/* Some block that the contract allows; the whole row as often as not. */
static void some_block(const whit_weight *w, int coded, wh_decode_args *a, check_rng *rng)
{
    const size_t unit = coded ? w->step : 1, units = (w->cols + unit - 1) / unit;
    a->w = w;
    a->p = check_below(rng, w->panels);
    a->k0 = 0;
    a->k1 = w->cols;
    if (check_below(rng, 2)) return;
    const size_t first = check_below(rng, units);
    const size_t last = first + 1 + check_below(rng, units - first);
    a->k0 = first * unit;
    a->k1 = last * unit < w->cols ? last * unit : w->cols;
}

static void one_case(uint32_t allowed, const planes_spec *s, const decode_room *room,
                     check_rng *rng)
{
    const wh_op_row *op = &wh_op_table()[wh_decode_op(s->form)];
    planes p;
    wh_decode_args a;
    planes_make(&p, s, rng);
    some_block(&p.w, p.code != NULL, &a, rng);
    const size_t bytes = (a.k1 - a.k0) * 64;
    for (guard_side side = GUARD_END; side < GUARD_SIDES; side++) {
        planes_place(&p, &room->planes, side);
        for (size_t v = 0; v < op->count; v++) {
            if (op->variants[v].needs & ~allowed) continue;
            guard_case("%s_%s %zux%zu group %zu step %zu sub %zu inputs %zu..%zu%s%s codes %d",
                       op->name, op->variants[v].isa, s->rows, s->cols, s->group, p.w.step, s->sub,
                       a.k0, a.k1, s->zeros ? " zeros" : "", s->minima ? " minima" : "",
                       (int)s->codes);
            a.out = guard_place(&room->out, bytes, 64, side);
            op->variants[v].decode(&a);
            check_values(&p, &a);
            CHECK(guard_intact(&room->out, a.out, bytes), "%s: beside out", guard_case_name());
        }
    }
    planes_free(&p);
}

/* All bit patterns of 16 bits: subnormals, infinities, NaN. */
static void check_patterns(wh_form form, uint32_t allowed, const decode_room *room)
{
    const wh_op_row *op = &wh_op_table()[wh_decode_op(form)];
    uint16_t *bits = guard_place(&room->planes.data, 65536 * sizeof *bits, 64, GUARD_END);
    for (size_t i = 0; i < 65536; i++) bits[i] = (uint16_t)i;
    whit_weight w;
    memset(&w, 0, sizeof w);
    w.form = form;
    w.rows = 16;
    w.cols = 4096;
    w.panels = 1;
    w.panel_bytes = 65536 * sizeof *bits;
    w.data = (const uint8_t *)bits;
    for (size_t v = 0; v < op->count; v++) {
        if (op->variants[v].needs & ~allowed) continue;
        guard_case("%s_%s all patterns", op->name, op->variants[v].isa);
        wh_decode_args a = { &w, 0, 0, 4096, guard_place(&room->out, 65536 * 4, 64, GUARD_END) };
        op->variants[v].decode(&a);
        size_t wrong = 0;
        for (uint32_t i = 0; i < 65536; i++) {
            const double want = form == WH_FORM_F16 ? planes_f16(i) : planes_bf16(i);
            wrong += !acts_same(a.out[i], (float)want);
        }
        CHECK(wrong == 0, "%s: %zu differ", guard_case_name(), wrong);
    }
}

int check_decode(uint32_t allowed)
{
    decode_room room;
    check_rng rng = { 44 };
    planes_spec s;
    planes_room_open(&room.planes);
    guard_open(&room.out, (size_t)2 << 20);
    for (int form = 0; form < WH_FORMS; form++) {
        if (form < WH_FORM_F32)
            for (size_t n = 0; planes_case(&s, (wh_form)form, n, &rng); n++)
                one_case(allowed, &s, &room, &rng);
        else if (form != WH_FORM_F32)
            for (size_t n = 0; planes_float_case(&s, (wh_form)form, n, &rng); n++)
                one_case(allowed, &s, &room, &rng);
    }
    check_patterns(WH_FORM_F16, allowed, &room);
    check_patterns(WH_FORM_BF16, allowed, &room);
    planes_room_close(&room.planes);
    guard_close(&room.out);
    printf("decode: ");
    return check_result();
}
