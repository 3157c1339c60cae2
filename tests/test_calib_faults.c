/* tests/test_calib_faults.c - every allocation fails in turn, while layers are quantized with the
 * statistics of their inputs. Each attempt gives the bytes it always gives, or WHIT_ERR_NOMEM and
 * words. Leaks are found by a run under AddressSanitizer. And what a probe for a calibration state
 * reads of other files.
 *
 * SPDX-License-Identifier: MIT */
#define _FILE_OFFSET_BITS 64
#define _XOPEN_SOURCE 700
#include "check.h"
#include "faults.h"

#include <string.h>

#include "calib/gptq_blocks.h"
#include "calib/gptq_codes.h"
#include "calib/hqq.h"
#include "calib/smooth.h"
#include "calib/state.h"
#include "torch_build.h"

enum { ROWS = 3, COLS = 32, TOKENS = 4 };

typedef struct layer {
    double triangle[COLS * (COLS + 1) / 2], d[COLS * COLS];
    float w[ROWS * COLS], x[TOKENS * COLS], mean[COLS];
} layer;

static layer l;

/* What a run makes. */
typedef struct made {
    uint8_t codes[ROWS * COLS], zero[ROWS * COLS], blocks[ROWS * COLS];
    float scale[ROWS * COLS], shifted[ROWS * COLS], clipped[ROWS * COLS], t[COLS], smooth[COLS];
    double loss;
} made;

static whit_status codes(whit_context *c, const wh_gptq_base *b, made *m, whit_error *err)
{
    whit_quant_spec spec = { .struct_size = sizeof spec };
    const wh_gptq_job job = { b, l.w, ROWS, 0, 1, 1 };
    wh_gptq_codes target;
    wh_gptq_blocks blocks;
    whit_status st = whit_scheme_parse(&spec.scheme, "int4-g32", err);
    if (st == WHIT_OK)
        st = wh_gptq_codes_open(&target, &spec, ROWS, COLS, m->codes, m->scale, NULL, err);
    if (st == WHIT_OK) st = wh_gptq_run(c, &job, &target.target, NULL, err);
    if (st == WHIT_OK) st = wh_gptq_blocks_open(&blocks, WHIT_Q4_1, ROWS, COLS, m->blocks, err);
    if (st == WHIT_OK) st = wh_gptq_run(c, &job, &blocks.target, NULL, err);
    if (st == WHIT_OK) st = whit_scheme_parse(&spec.scheme, "fp8_e4m3-tensor", err);
    if (st == WHIT_OK)
        st = wh_gptq_codes_open(&target, &spec, ROWS, COLS, m->codes, m->scale, NULL, err);
    if (st == WHIT_OK) st = wh_gptq_codes_shared(&target, l.w, b->weight, err);
    if (st == WHIT_OK) st = wh_gptq_shift(c, b, l.d, 0.5, l.w, ROWS, m->shifted, err);
    if (st == WHIT_OK) st = wh_gptq_loss(c, b, l.w, ROWS, NULL, &m->loss, err);
    return st;
}

static whit_status scales(whit_context *c, const wh_gptq_base *b, made *m, whit_error *err)
{
    wh_awq_format f = { WHIT_BLOCK_NONE, { .struct_size = sizeof f.spec } };
    const wh_awq_layer rows = { l.w, ROWS };
    whit_status st = whit_scheme_parse(&f.spec.scheme, "int3-g32-asym", err);
    memcpy(m->clipped, l.w, sizeof m->clipped);
    if (st == WHIT_OK) st = wh_awq_search(c, b, l.mean, &rows, 1, &f, 1, m->t, NULL, err);
    if (st == WHIT_OK) st = wh_awq_clip(c, l.triangle, m->clipped, ROWS, COLS, 32, &f, NULL, err);
    if (st == WHIT_OK)
        st = wh_hqq_codes(c, &f.spec, l.w, ROWS, COLS, m->codes, m->scale, m->zero, err);
    if (st == WHIT_OK)
        st = wh_smooth_search(c, l.x, TOKENS, COLS, l.mean, &rows, 1, m->smooth, NULL, err);
    return st;
}

static whit_status run(made *m, whit_error *err)
{
    const wh_gptq_options o = { WH_GPTQ_GROUPS, 32, 0.01, 1, NULL };
    const whit_context_options one = { sizeof one, 2, 0 };
    whit_context *c = NULL;
    wh_gptq_base b = { 0 };
    memset(m, 0, sizeof *m);
    whit_status st = whit_context_open(&c, &one, err);
    if (st == WHIT_OK) st = wh_gptq_base_make(&b, c, l.triangle, COLS, &o, err);
    if (st == WHIT_OK) st = codes(c, &b, m, err);
    if (st == WHIT_OK) st = scales(c, &b, m, err);
    wh_gptq_base_free(&b);
    whit_context_close(c);
    return st;
}

/* An archive is no state by its first octets: a second read, which would fail, is not made. */
static void test_probe(void)
{
    scratch s;
    tb_build b = { 0 };
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    int is = 7;
    static const uint64_t two[1] = { 2 }, one[1] = { 1 };
    scratch_make(&s);
    tb_tensor(&b, "w", tb_add(&b, "Float", "\0\0\200\77\0\0\0\100", 2, 8), 0, 1, two, one);
    tb_write_zip(&b, &s, "m.pt", 0);
    tb_free(&b);
    for (int n = 1; n <= 2; n++) {
        fault_arm(READ_EIO, n);
        const whit_status st = wh_calib_probe(scratch_path(&s, "m.pt", path), &is, &err);
        CHECK(fault_struck() == (n == 1) && !is, "read %d", n);
        CHECK(st == (n == 1 ? WHIT_ERR_IO : WHIT_OK), "read %d: %s", n, err.msg);
    }
    scratch_remove(&s);
}

int main(void)
{
    static made first, now;
    check_rng rng = { 4 };
    whit_error err = { WHIT_OK, "" };
    int faults = 0;
    double *h = l.triangle;
    for (size_t i = 0; i < COLS; i++)
        for (size_t j = i; j < COLS; j++) *h++ = i == j ? 2 : 0.3;
    for (size_t i = 0; i < COLS * COLS; i++) l.d[i] = (double)check_f32(&rng);
    for (size_t i = 0; i < ROWS * COLS; i++) l.w[i] = check_f32(&rng);
    for (size_t i = 0; i < TOKENS * COLS; i++) l.x[i] = check_f32(&rng);
    for (size_t i = 0; i < COLS; i++) l.mean[i] = 1 + check_f32(&rng) / 2;
    CHECK(run(&first, &err) == WHIT_OK, "%s", err.msg);
    for (int n = 1, struck = 1; struck; n++, faults += struck) {
        err = (whit_error){ WHIT_OK, "" };
        fault_arm(MEMORY, n);
        const whit_status st = run(&now, &err);
        struck = fault_struck();
        CHECK(st == WHIT_OK || (struck && st == WHIT_ERR_NOMEM && err.code == st && err.msg[0]),
              "allocation %d: status %d: %s", n, (int)st, err.msg);
        CHECK(st != WHIT_OK || memcmp(&first, &now, sizeof now) == 0, "allocation %d: other bytes",
              n);
    }
    test_probe();
    CHECK(faults > 300, "only %d allocations", faults);
    return check_result();
}
