/* tests/test_hf_pairs.c - native to another program's checkpoint and back, through a file: packed
 * by whit/pack.h, found and read by a source, codes, scales and values are the same bits.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "jobs.h"
#include "packing_pairs.h"
#include "quant/nested.h"
#include "source/codes.h"

/* The scale of a row and group, dq decoded. */
static float scale_of(const matrix *m, const whit_packing_rest *rest, size_t at)
{
    float map[256];
    if (!m->scheme.dq) return m->scale[at];
    whit_scheme_scale_map(map);
    return wh_nested_decode(map, m->zero[at], rest->absmax[at / WH_NESTED_BLOCK], rest->offset);
}

static void check_codes(const whit_source *s, const whit_source_tensor *t, const matrix *m,
                        const whit_packing_rest *rest, const char *what)
{
    const size_t n = m->rows * m->cols;
    uint8_t *codes = packing_alloc(n, 0xa5), *zero = packing_alloc(n, 0xa5);
    float *scale = packing_alloc(n * sizeof *scale, 0xa5);
    whit_error err = { WHIT_OK, "" };
    size_t wrong = 0;
    CHECK(wh_codes_rows(whit_source_file(s), t, 0, m->rows, codes, scale,
                        t->scheme.asym ? zero : NULL, &err) == WHIT_OK,
          "%s: %s", what, err.msg);
    CHECK(memcmp(codes, m->codes, n) == 0, "%s: codes", what);
    for (size_t r = 0; r < m->rows; r++)
        for (size_t g = 0; g < m->groups; g++) {
            const size_t at = matrix_scale_at(m, r) + g;
            const float want = scale_of(m, rest, at);
            wrong += memcmp(&scale[r * m->groups + g], &want, sizeof want) != 0;
            wrong += m->scheme.asym && zero[r * m->groups + g] != m->zero[at];
        }
    CHECK(wrong == 0, "%s: %zu scales or zero points", what, wrong);
    free(codes);
    free(zero);
    free(scale);
}

static void check_values(const whit_source *s, const matrix *m, const whit_packing_rest *rest,
                         const char *what)
{
    const size_t n = m->rows * m->cols;
    float *want = packing_alloc(n * sizeof *want, 0), *got = job_values(s, "L.weight");
    float *scale = packing_alloc(m->scales * sizeof *scale, 0);
    for (size_t i = 0; i < m->scales; i++) scale[i] = scale_of(m, rest, i);
    CHECK(whit_dequantize(m->codes, scale, m->scheme.asym ? m->zero : NULL, m->rows, m->cols,
                          &m->scheme, want, NULL) == WHIT_OK &&
              memcmp(want, got, n * sizeof *want) == 0,
          "%s: values", what);
    free(want);
    free(got);
    free(scale);
}

static void check_pair(const scratch *dir, size_t i, check_rng *r)
{
    char what[80], path[SCRATCH_PATH];
    matrix m = matrix_random(exact[i].scheme, exact[i].rows, exact[i].cols, r);
    snprintf(what, sizeof what, "%s as %s", exact[i].scheme, whit_layout_name(exact[i].layout));
    lift_zeros(&m, exact[i].layout);
    for (size_t k = 0; k < m.scales && m.scheme.asym; k++)
        m.zero[k] |= k == 0; /* not all 2^(b-1) */
    const whit_packing p = packing_of(&m, exact[i].layout);
    const whit_packing_rest rest = packing_rest_of(&m, r);
    image im = image_new(&p);
    pack_in_parts(&p, &m, &im, r);
    CHECK(whit_pack_rest(&p, &rest, im.data, NULL) == WHIT_OK, "%s", what);
    write_checkpoint(dir, &p, &im);
    whit_source *s = job_open(dir->path);
    const whit_source_tensor *t = whit_source_at(s, whit_source_find(s, "L.weight"));
    CHECK(t && whit_source_count(s) == 1 && whit_source_quantized(s) == 1, "%s", what);
    if (t) {
        CHECK(t->layout == p.layout && !t->scattered && t->rows == m.rows && t->cols == m.cols,
              "%s: the matrix", what);
        CHECK(t->scheme.kind == m.scheme.kind && t->scheme.bits == m.scheme.bits &&
                  t->scheme.asym == m.scheme.asym && t->scheme.dq == m.scheme.dq,
              "%s: the scheme", what);
        if (t->scheme.gran != WHIT_GRAN_BLOCK) check_codes(s, t, &m, &rest, what);
        check_values(s, &m, &rest, what);
    }
    whit_source_close(s);
    remove(scratch_path(dir, "model.safetensors", path));
    remove(scratch_path(dir, "config.json", path));
    free((void *)(uintptr_t)rest.absmax);
    image_free(&im);
    matrix_free(&m);
}

int main(void)
{
    scratch s;
    check_rng r = { 17 };
    scratch_make(&s);
    for (size_t i = 0; i < sizeof exact / sizeof exact[0]; i++)
        for (int k = 0; k < 3; k++) check_pair(&s, i, &r);
    scratch_remove(&s);
    return check_result();
}
