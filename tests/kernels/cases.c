/* tests/kernels/cases.c - the shapes, types and fills that the checks of the kernels walk through.
 *
 * Not here: the matrices themselves and their planes (planes.c).
 * SPDX-License-Identifier: MIT */
#include "kernels/planes.h"

#include <string.h>

static size_t some_rows(size_t n)
{
    static const size_t rows[] = { 17, 1, 33, 15, 113, 16, 70 }; /* some with many panels */
    return n % 97 == 64 ? 4099 : rows[n % COUNT(rows)];
}

/* The longest step of 32s that divides the group, or one of the shorter ones; 16 where none does.
 */
static size_t some_step(size_t group, check_rng *rng)
{
    size_t steps[4], count = 0;
    for (size_t step = 32; step <= WH_STEP; step += 32)
        if (group % step == 0) steps[count++] = step;
    if (count == 0) return 16;
    return steps[check_below(rng, 3) ? count - 1 : check_below(rng, count)];
}

static void some_fills(planes_spec *s, check_rng *rng)
{
    s->codes = (code_fill)check_below(rng, CODE_FILLS);
    s->scales = check_below(rng, 2) ? SCALES_USUAL : (scale_fill)check_below(rng, SCALE_FILLS);
}

/* Rows of whole blocks. */
static int block_case(planes_spec *s, wh_form form, size_t n, check_rng *rng)
{
    static const struct {
        wh_form form;
        size_t group, sub;
        int minima, centre;
        wh_scale_type scale; /* octets: of tables whose levels are small */
    } types[] = {
        { WH_FORM_B1, 128, 0, 0, 1, WH_SCALE_F16 },
        { WH_FORM_B2, 256, 16, 1, 0, WH_SCALE_F16 },
        { WH_FORM_B2, 256, 0, 0, 1, WH_SCALE_F16 },
        { WH_FORM_B2, 64, 0, 0, 1, WH_SCALE_F16 },
        { WH_FORM_B3, 256, 16, 0, 0, WH_SCALE_F16 },
        { WH_FORM_B4, 32, 0, 0, 0, WH_SCALE_F16 },
        { WH_FORM_B4, 32, 0, 1, 0, WH_SCALE_F16 },
        { WH_FORM_B4, 256, 32, 1, 0, WH_SCALE_F16 },
        { WH_FORM_B5, 32, 0, 0, 0, WH_SCALE_F16 },
        { WH_FORM_B5, 32, 0, 1, 0, WH_SCALE_F16 },
        { WH_FORM_B5, 256, 32, 1, 0, WH_SCALE_F16 },
        { WH_FORM_B6, 256, 16, 0, 0, WH_SCALE_F16 },
        { WH_FORM_B8, 32, 0, 0, 0, WH_SCALE_F16 },
        { WH_FORM_BT, 32, 0, 0, 0, WH_SCALE_F16 },
        { WH_FORM_BT, 256, 32, 0, 0, WH_SCALE_F16 },
        { WH_FORM_BT, 32, 0, 0, 0, WH_SCALE_HALF_E8M0 },
        { WH_FORM_BT, 16, 0, 0, 0, WH_SCALE_HALF_UE4M3 },
    };
    static const size_t blocks[] = { 1, 2, 3, 5, 9, 17, 33, 2, 1, 4 };
    size_t t = 0;
    for (size_t left = n / (2 * COUNT(blocks)); t < COUNT(types); t++)
        if (types[t].form == form && left-- == 0) break;
    if (t == COUNT(types)) return 0;
    memset(s, 0, sizeof *s);
    s->form = form;
    s->group = types[t].group;
    s->sub = types[t].sub;
    s->minima = types[t].minima;
    s->centre = types[t].centre;
    s->small = types[t].scale != WH_SCALE_F16;
    s->scale_type = types[t].scale;
    s->step = 32;
    s->cols = blocks[n % COUNT(blocks)] * (s->group < 32 ? 64 : s->group);
    s->rows = s->cols > 256 ? 1 + check_below(rng, 70) : some_rows(n);
    some_fills(s, rng);
    return 1;
}

int planes_case(planes_spec *s, wh_form form, size_t n, check_rng *rng)
{
    if (wh_form_is_block(form)) return block_case(s, form, n, rng);
    static const size_t groups[] = { 32, 64, 96, 128, 160, 256, 0 };
    static const size_t lengths[] = { 32, 64, 96, 160, 1, 3, 7, 33, 100 };
    const size_t kinds = 4, all = COUNT(lengths) + 3;
    const size_t kind = n / all / COUNT(groups), length = n / COUNT(groups) % all;
    if (kind >= kinds) return 0;
    memset(s, 0, sizeof *s);
    s->form = form;
    s->group = groups[n % COUNT(groups)];
    s->small = form == WH_FORM_T4 && check_below(rng, 2);
    if (s->small && s->group && check_below(rng, 2)) s->group -= 16;
    const size_t g = s->group ? s->group : 32;
    s->cols = length < COUNT(lengths)    ? lengths[length]
              : length == COUNT(lengths) ? g
                                         : (length == COUNT(lengths) + 1 ? 2 * g : 4096 + g);
    s->rows = s->cols > 256 ? 1 + check_below(rng, 70) : some_rows(n);
    s->step = some_step(s->group && s->group < s->cols ? s->group : WH_STEP, rng);
    s->whole_token = form == WH_FORM_Q8 && (s->group == 0 || s->group >= s->cols);
    s->scale_type = kind % 2 == 0 ? WH_SCALE_F16 : WH_SCALE_F32;
    s->zeros = form < WH_FORM_T4 && kind >= 2;
    s->e5m2 = form == WH_FORM_F8 && kind >= 2;
    if (form == WH_FORM_T4 && kind >= 2) s->scale_type = kind == 2 ? WH_SCALE_E8M0 : WH_SCALE_E4M3;
    if (form == WH_FORM_Q8 && check_below(rng, 3) == 0) s->bits = 7;
    some_fills(s, rng);
    return 1;
}

int planes_float_case(planes_spec *s, wh_form form, size_t n, check_rng *rng)
{
    static const size_t lengths[] = { 32, 64, 96, 160, 1, 3, 7, 33, 100, 2, 15, 256, 4096 + 32 };
    if (n >= 5 * COUNT(lengths)) return 0;
    memset(s, 0, sizeof *s);
    s->form = form;
    s->cols = lengths[n % COUNT(lengths)];
    s->rows = s->cols > 256 ? 1 + check_below(rng, 70) : some_rows(n / COUNT(lengths) + n);
    s->wild = n / COUNT(lengths) == 4;
    return 1;
}
