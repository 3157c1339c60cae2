/* tests/test_bench.c - the bench but for its clock: arithmetic, lists, probes, the table of
 * operations, copies of weights, and a run in miniature. No time is judged.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "check.h"
#include "bench/bench.h"

/* ---- arithmetic ---- */

static void test_median(void)
{
    double one[] = { 7 }, even[] = { 4, 1, 3, 2 }, odd[] = { 9, -1, 5, 5, 100 };
    CHECK(wh_median(one, 1) == 7, "of one");
    CHECK(wh_median(even, 4) == 2.5, "of four");
    CHECK(even[0] == 1 && even[3] == 4, "sorted");
    CHECK(wh_median(odd, 5) == 5, "of five");
}

/* 4096 x 4096 at 4.125 bits on 30.9 GB/s and 1630 Gop/s: 280 us of reading, 20.6 of computing. */
static void test_roof(void)
{
    const double bytes = 4096.0 * 4096 * 4.125 / 8, ops = 2.0 * 4096 * 4096;
    wh_roof r = wh_roof_of(bytes, ops, 30.9, 1630);
    CHECK(fabs(r.us - 279.96) < 0.01 && !r.compute, "%g", r.us);
    r = wh_roof_of(bytes, 512 * ops, 30.9, 1630);
    CHECK(fabs(r.us - 10539.7) < 0.1 && r.compute, "%g", r.us);
    r = wh_roof_of(bytes, ops, 0, 0); /* nothing was probed */
    CHECK(r.us == 0 && !r.compute, "%g", r.us);
    r = wh_roof_of(1e6, 1e6, 1, 1); /* equal: reading is named */
    CHECK(r.us == 1000 && !r.compute, "%g", r.us);
}

static void test_rates(void)
{
    whit_bench_row r = { .rows = 1000, .cols = 2000, .tokens = 4, .bytes = 1000000 };
    r.us_min = 100;
    r.read_gbps = 20;
    r.peak_gops = 640;
    wh_row_rates(&r, 4);
    CHECK(fabs(r.gbps - 10) < 1e-9, "%g", r.gbps);
    CHECK(fabs(r.gflops - 160) < 1e-9, "%g", r.gflops);
    CHECK(fabs(r.pct_bw - 50) < 1e-9, "%g", r.pct_bw);
    CHECK(fabs(r.pct_peak - 25) < 1e-9, "%g", r.pct_peak);
    /* 1000000 of weights, 32000 of inputs, 16000 of outputs: 52.4 us; computing 25 us */
    CHECK(fabs(r.pct_bound - 52.4) < 1e-9 && !strcmp(r.bound, "read"), "%g", r.pct_bound);
    wh_row_rates(&r, 1);
    CHECK(fabs(r.pct_bound - 51.2) < 1e-9, "%g", r.pct_bound);
    r.read_gbps = 100;
    wh_row_rates(&r, 1);
    CHECK(fabs(r.pct_bound - 25) < 1e-9 && !strcmp(r.bound, "compute"), "%g", r.pct_bound);
    r.read_gbps = r.peak_gops = 0;
    wh_row_rates(&r, 1);
    CHECK(r.pct_bw == 0 && r.pct_peak == 0 && r.pct_bound == 0, "without probes");
}

static void test_noise(void)
{
    CHECK(!wh_is_noisy(90, 100, 0, 0), "10 %% apart");
    CHECK(wh_is_noisy(89, 100, 0, 0), "11 %% apart");
    CHECK(!wh_is_noisy(100, 100, 0.05, 0.05), "a tenth for others");
    CHECK(wh_is_noisy(100, 100, 0.06, 0.05), "more than a tenth for others");
    CHECK(wh_is_noisy(100, 100, 0, 0.5), "half for others");
}

static void test_checksum(void)
{
    uint8_t a[37], b[37];
    for (size_t i = 0; i < sizeof a; i++) a[i] = b[i] = (uint8_t)(i * 7);
    const uint64_t sum = wh_checksum(a, sizeof a);
    CHECK(sum < (uint64_t)1 << 53, "a double holds it");
    for (size_t i = 0; i < sizeof a; i++) {
        b[i] ^= 1;
        CHECK(wh_checksum(b, sizeof b) != sum, "octet %zu does not count", i);
        b[i] ^= 1;
    }
    b[0] = a[8];
    b[8] = a[0];
    CHECK(wh_checksum(b, sizeof b) != sum, "the order does not count");
    CHECK(wh_checksum(a, 36) != sum, "the end does not count");
}

static void test_rotation(void)
{
    const uint64_t mib = (uint64_t)1 << 20;
    const uint64_t bytes[] = { 64 * mib, 32 * mib, 17 * mib, 9 * mib };
    size_t calls[4], turns;
    uint64_t r = wh_rotation(bytes, 4, 1024 * mib, 4096 * mib, calls, &turns);
    CHECK(calls[0] == 1 && calls[1] == 2 && calls[2] == 4 && calls[3] == 7, "%zu %zu %zu %zu",
          calls[0], calls[1], calls[2], calls[3]);
    CHECK(turns == 4 && r == 4 * (64 + 64 + 68 + 63) * mib, "%zu turns", turns);
    r = wh_rotation(bytes, 4, 1024 * mib, 600 * mib, calls, &turns); /* less memory: fewer turns */
    CHECK(turns == 2 && r == 2 * 259 * mib, "%zu turns", turns);
    r = wh_rotation(bytes, 4, 1024 * mib, 130 * mib, calls, &turns); /* once each */
    CHECK(turns == 1 && calls[3] == 1 && r == 122 * mib, "%zu turns", turns);
    const uint64_t tiny[] = { 100 };
    r = wh_rotation(tiny, 1, 1024 * mib, 4096 * mib, calls, &turns);
    CHECK(calls[0] == 1 && turns == WH_MOST_COPIES && r == 100 * WH_MOST_COPIES, "%zu", turns);
    const uint64_t uneven[] = { 100, 1000000 };
    wh_rotation(uneven, 2, 1024 * mib, 4096 * mib, calls, &turns);
    CHECK(calls[0] == 64 && calls[1] == 1 && calls[0] * turns <= WH_MOST_COPIES, "%zu", turns);
}

static void test_cpu_times(void)
{
    wh_cpu_times t;
    CHECK(wh_cpu_times_parse("cpu  10 20 30 400 50 6 7 8 9 1\n", &t), "a line");
    CHECK(t.busy == 73 && t.stolen == 8 && t.all == 531, "%d", (int)t.all);
    CHECK(wh_cpu_times_parse("cpu 1 2 3 4", &t) && t.all == 10, "an old kernel");
    CHECK(!wh_cpu_times_parse("cpu0 1 2 3 4", &t) && t.all == 0, "one processor");
    CHECK(!wh_cpu_times_parse("cpu 1 2 3", &t), "too short");
    CHECK(!wh_cpu_times_parse("", &t), "nothing");
}

/* ---- lists ---- */

static void test_lists(void)
{
    whit_error err = { WHIT_OK, "" };
    whit_scheme *types;
    wh_sides *shapes;
    uint64_t *tokens;
    size_t n;
    char text[WHIT_SCHEME_TEXT];
    CHECK(wh_list_types("INT4,f16,nf4-dq", &types, &n, &err) == WHIT_OK && n == 3, "%s", err.msg);
    if (n == 3) CHECK(!strcmp(whit_scheme_print(&types[0], text), "int4-g128"), "%s", text);
    free(types);
    CHECK(wh_list_shapes("1x16777216,300X7", &shapes, &n, &err) == WHIT_OK && n == 2, "%s",
          err.msg);
    if (n == 2)
        CHECK(shapes[0].cols == 16777216 && shapes[1].rows == 300 && shapes[1].cols == 7, "shapes");
    free(shapes);
    CHECK(wh_list_tokens("512,1", &tokens, &n, &err) == WHIT_OK && n == 2, "%s", err.msg);
    if (n == 2) CHECK(tokens[0] == 512 && tokens[1] == 1, "tokens");
    free(tokens);

    static const char *const no_types[] = { "", "f16,", ",f16", "keep", "int9", "f16 ,f32" };
    for (size_t i = 0; i < sizeof no_types / sizeof no_types[0]; i++)
        CHECK(wh_list_types(no_types[i], &types, &n, &err) == WHIT_ERR_ARG && !types, "'%s'",
              no_types[i]);
    static const char *const no_shapes[] = { "",
                                             "4",
                                             "4x",
                                             "x4",
                                             "0x4",
                                             "4x0",
                                             "4x4x",
                                             "4x4x4",
                                             "4 x 4",
                                             "-4x4",
                                             "4*4",
                                             "16777217x1",
                                             "4x99999999999999999999" };
    for (size_t i = 0; i < sizeof no_shapes / sizeof no_shapes[0]; i++)
        CHECK(wh_list_shapes(no_shapes[i], &shapes, &n, &err) == WHIT_ERR_ARG && !shapes, "'%s'",
              no_shapes[i]);
    static const char *const no_tokens[] = { "", "0", "1,", "x", "1.5", "1048577", "+1" };
    for (size_t i = 0; i < sizeof no_tokens / sizeof no_tokens[0]; i++)
        CHECK(wh_list_tokens(no_tokens[i], &tokens, &n, &err) == WHIT_ERR_ARG && !tokens, "'%s'",
              no_tokens[i]);
    char huge[300];
    memset(huge, '1', sizeof huge - 1);
    huge[sizeof huge - 1] = 0;
    CHECK(wh_list_tokens(huge, &tokens, &n, &err) == WHIT_ERR_ARG, "a long part");
    CHECK(strlen(err.msg) < 120 && strstr(err.msg, "too long"), "%s", err.msg);
}

/* ---- probes ---- */

static void test_probes(void)
{
    size_t n;
    const wh_probe *table = wh_probe_table(&n);
    const uint32_t cpu = wh_cpu_features();
    const size_t bytes = 5 * WH_PROBE_UNIT;
    uint8_t *data = aligned_alloc(64, bytes); /* exactly: sanitizers watch its end */
    if (!data) exit(1);
    for (size_t i = 0; i < bytes; i++) data[i] = (uint8_t)(i * 131 >> 3);
    int seen[WH_PROBE_KINDS] = { 0 };
    for (size_t i = 0; i < n; i++) {
        const wh_probe *p = &table[i];
        const int some = p->kind == WH_PROBE_INT4 || p->kind == WH_PROBE_BF16;
        const char *scalar = seen[p->kind]++ || some ? NULL : "scalar";
        CHECK(!scalar || (!strcmp(p->isa, scalar) && p->needs == 0), "%s is first", p->name);
        CHECK(strstr(p->name, p->isa), "%s names its level", p->name);
        CHECK((p->kind == WH_PROBE_READ) == (p->read && !p->ops && !p->round_ops), "%s", p->name);
        if (p->needs & ~cpu) continue;
        if (p->ops) {
            CHECK(p->ops(1000) != p->ops(1001) || p->kind == WH_PROBE_FMA, "%s counts", p->name);
            continue;
        }
        const uint64_t digest = p->read(data, bytes);
        for (size_t k = 0; k < bytes; k += k < 8192 || k > bytes - 600 ? 1 : 61) {
            data[k] ^= 0x40;
            CHECK(p->read(data, bytes) != digest, "%s does not read octet %zu", p->name, k);
            data[k] ^= 0x40;
        }
    }
    free(data);
}

static void held_against(wh_probe_kind kind, const char *isa, const char *name)
{
    const wh_probe *p = wh_probe_for(kind, isa);
    CHECK(p && !strcmp(p->name, name), "%d at %s: %s, not %s", (int)kind, isa, p ? p->name : "none",
          name);
}

static void test_probe_choice(void)
{
    size_t n, widest = 0;
    const wh_probe *table = wh_probe_table(&n);
    for (size_t i = 0; i < n; i++) widest |= table[i].needs;
    held_against(WH_PROBE_FMA, "scalar", "fma_scalar");
    held_against(WH_PROBE_INT8, "scalar", "mul_scalar");
    held_against(WH_PROBE_INT4, "scalar", "mul_scalar");
    if (widest & WH_ISA_AVX512VNNI) {
        held_against(WH_PROBE_FMA, "avxvnni", "fma_avx2");
        held_against(WH_PROBE_FMA, "avx512vnni", "fma_avx512");
        held_against(WH_PROBE_INT4, "avx2", "maddubs4_avx2");
        held_against(WH_PROBE_INT8, "avx2", "maddubs_avx2");
        held_against(WH_PROBE_INT4, "avxvnni", "dpbusd_avxvnni");
        held_against(WH_PROBE_INT8, "avx512", "maddubs_avx512");
        held_against(WH_PROBE_INT4, "avx512", "maddubs4_avx512");
        held_against(WH_PROBE_INT4, "avx512vnni", "dpbusd_avx512vnni");
        held_against(WH_PROBE_INT8, "amx", "tdpbsud_amx");
        held_against(WH_PROBE_INT4, "amx", "tdpbsud_amx");
        held_against(WH_PROBE_BF16, "amx", "tdpbf16ps_amx");
    }
    CHECK(!wh_probe_for(WH_PROBE_BF16, "avx512vnni"), "bfloat16 without tiles");
    if (widest & WH_ISA_NEON) {
        held_against(WH_PROBE_INT4, "neon", "smull_neon");
        held_against(WH_PROBE_INT4, "dotprod", "sdot_dotprod");
        held_against(WH_PROBE_INT8, "i8mm", "usmmla_i8mm");
        held_against(WH_PROBE_FMA, "i8mm", "fma_neon");
    }
}

/* ---- the table of operations ---- */

/* What only levels with tiles have: nothing serves it where they are barred. */
static int only_tiles(const char *op)
{
    return strncmp(op, "many_", 5) == 0 || strcmp(op, "qact_bf16") == 0;
}

static void test_list(const char *isa)
{
    whit_error err = { WHIT_OK, "" };
    whit_bench_entry *e;
    size_t n;
    if (isa) setenv("WHIT_ISA", isa, 1);
    CHECK(whit_bench_list(&e, &n, &err) == WHIT_OK && n > 0, "%s", err.msg);
    for (size_t i = 0, serving = 0; i < n; i++) {
        const int last = i + 1 == n || strcmp(e[i].op, e[i + 1].op) != 0;
        CHECK((e[i].state == WHIT_BENCH_NONE) == (e[i].reason[0] != 0), "%s at %s: '%s'", e[i].op,
              e[i].isa, e[i].reason);
        if (e[i].state == WHIT_BENCH_NONE)
            CHECK((strstr(e[i].reason, " serves") && !strstr(e[i].reason, "none serves")) ||
                      (only_tiles(e[i].op) && strstr(e[i].reason, "are refused")),
                  "%s", e[i].reason);
        serving += e[i].state == WHIT_BENCH_SERVES;
        if (e[i].state == WHIT_BENCH_SERVES && isa)
            CHECK(!strcmp(e[i].isa, isa), "%s is served by %s", e[i].op, e[i].isa);
        if (last)
            CHECK(serving == 1 || (serving == 0 && only_tiles(e[i].op)), "%s is served %zu times",
                  e[i].op, serving);
        if (last) serving = 0;
    }
    free(e);
    unsetenv("WHIT_ISA");
}

/* ---- weights ---- */

static whit_context *context;

static whit_weight *make_weight(const char *type, const float *w, size_t rows, size_t cols)
{
    whit_quant_spec spec = { .struct_size = sizeof spec, .clip = WHIT_CLIP_MINMAX };
    uint8_t *codes = calloc(rows, cols), *zero = calloc(rows, cols);
    float *scale = calloc(rows * cols, sizeof *scale);
    whit_weight *made = NULL;
    whit_error err = { WHIT_OK, "" };
    if (!codes || !zero || !scale) exit(1);
    whit_status st = whit_scheme_parse(&spec.scheme, type, &err);
    if (st == WHIT_OK && !whit_scheme_is_quantized(&spec.scheme)) {
        st = whit_weight_from_floats(&made, context, WHIT_F32, rows, cols, w, &err);
    } else if (st == WHIT_OK) {
        st = whit_quantize(w, rows, cols, &spec, codes, scale, spec.scheme.asym ? zero : NULL, NULL,
                           &err);
        if (st == WHIT_OK)
            st = whit_weight_from_codes(&made, context, &spec.scheme, rows, cols, codes, scale,
                                        spec.scheme.asym ? zero : NULL, &err);
    }
    CHECK(st == WHIT_OK, "%s: %s", type, err.msg);
    free(codes);
    free(zero);
    free(scale);
    return made;
}

/* A copy multiplies like its original, also when that is gone. */
static void test_copies(void)
{
    static const char *const types[] = { "f32",     "int8-channel",  "int4-g32", "int4-g128-asym",
                                         "nf4-g64", "int8-g32-asym", "fp8_e4m3" };
    enum { ROWS = 45, COLS = 200 };
    static float w[ROWS * COLS], x[COLS], y[ROWS], z[ROWS];
    wh_bench_fill(w, ROWS * COLS, 3);
    wh_bench_fill(x, COLS, 4);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        whit_weight *a = make_weight(types[i], w, ROWS, COLS), *b;
        if (!a) continue;
        const uint64_t bound = wh_weight_bytes(&a->scheme, ROWS, COLS);
        CHECK(a->bytes <= bound, "%s takes %d", types[i], (int)a->bytes);
        CHECK(whit_matmul(context, a, WHIT_ACTS_F32, x, 1, y, NULL) == WHIT_OK, "%s", types[i]);
        CHECK(wh_weight_copy(&b, a, NULL) == WHIT_OK, "%s", types[i]);
        memset(a->pages, 0xff, a->pages_bytes);
        whit_weight_free(a);
        CHECK(whit_matmul(context, b, WHIT_ACTS_F32, x, 1, z, NULL) == WHIT_OK, "%s", types[i]);
        CHECK(memcmp(y, z, sizeof y) == 0, "%s", types[i]);
        whit_weight_free(b);
    }
}

/* ---- a run ---- */

static int calls_left;

static int stop_later(void *user, const whit_progress *p)
{
    (void)user;
    CHECK(p->done <= p->total, "progress beyond its end");
    return calls_left-- == 0;
}

static void small_options(whit_bench_options *o)
{
    whit_bench_options_init(o);
    o->shapes = "33x96";
    o->types = "f32,int8-channel,nf4-g64";
    o->tokens = "1,17";
    o->seconds = 1e-4;
    o->job.threads = 2;
    o->job.max_memory = (uint64_t)64 << 20;
}

static void check_row(const whit_bench_row *r)
{
    const double numbers[] = { r->us_min,    r->us_median, r->gbps,     r->gflops,   r->read_gbps,
                               r->peak_gops, r->pct_bw,    r->pct_peak, r->pct_bound };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        CHECK(isfinite(numbers[i]) && numbers[i] > 0, "%s: number %zu is %g", r->type, i,
              numbers[i]);
    CHECK(r->us_min <= r->us_median && r->runs > 0 && r->count == 1, "%s", r->type);
    CHECK(r->op && r->isa && r->peak && r->bound && r->checksum, "%s: texts", r->type);
    CHECK(r->cold == (r->tokens <= 16), "%s: cold", r->type);
    CHECK(r->over_f32 > 0 && r->over_f16 == 0, "%s: compared", r->type);
}

/* The same results for any number of threads and any instruction set. */
static void test_run(void)
{
    whit_bench_options o;
    whit_error err = { WHIT_OK, "" };
    whit_bench *a = NULL, *b = NULL;
    small_options(&o);
    CHECK(whit_bench_run(&a, &o, &err) == WHIT_OK, "%s", err.msg);
    o.job.threads = 1;
    o.pin = 0;
    setenv("WHIT_ISA", "scalar", 1);
    CHECK(whit_bench_run(&b, &o, &err) == WHIT_OK, "%s", err.msg);
    unsetenv("WHIT_ISA");
    if (!a || !b) return;
    CHECK(whit_bench_count(a) == 6 && whit_bench_count(b) == 6, "rows");
    for (size_t i = 0; i < whit_bench_count(a) && i < whit_bench_count(b); i++) {
        const whit_bench_row *p = whit_bench_at(a, i), *q = whit_bench_at(b, i);
        check_row(p);
        CHECK(!strcmp(p->type, q->type) && p->acts == q->acts && p->tokens == q->tokens, "order");
        CHECK(p->checksum == q->checksum, "%s, %d tokens: %s and %s differ", p->type,
              (int)p->tokens, p->isa, q->isa);
        CHECK(!strcmp(q->isa, "scalar"), "%s", q->isa);
    }
    CHECK(whit_bench_at(a, 0)->acts == WHIT_ACTS_F32 && whit_bench_at(a, 1)->acts == WHIT_ACTS_Q8 &&
              whit_bench_at(a, 2)->acts == WHIT_ACTS_Q8,
          "activations");
    CHECK(whit_bench_at(a, 6) == NULL && whit_bench_warning(a, 99) == NULL, "beyond the end");
    CHECK(whit_bench_on(a)->rotation_bytes > 0 && whit_bench_on(a)->threads == 2, "machine");
    CHECK(whit_bench_warnings(a) > 0, "no word about the few copies");
    whit_bench_free(a);
    whit_bench_free(b);
    whit_bench_free(NULL);
}

/* A row of blocks holds what the encoder writes with that search. */
static void check_blocks(const whit_bench_row *r, whit_block type, whit_search search)
{
    enum { ROWS = 33, COLS = 512 };
    static float w[ROWS * COLS];
    static uint8_t out[ROWS * COLS * 2];
    const whit_block_info *info = whit_block_describe(type);
    wh_bench_fill(w, ROWS * COLS, 1);
    CHECK(whit_block_encode(type, search, w, ROWS, COLS, NULL, out, NULL) == WHIT_OK, "%s",
          info->lower);
    CHECK(!strcmp(r->type, info->lower) && r->search &&
              !strcmp(r->search, search == WHIT_SEARCH_BEST ? "best" : "reference"),
          "%s %s where %s belongs", r->type, r->search ? r->search : "-", info->lower);
    CHECK(r->checksum == wh_checksum(out, ROWS * COLS / info->weights * info->bytes),
          "%s %s: other octets", r->type, r->search);
    CHECK(r->clip == WHIT_CLIP_DEFAULT && r->mweights > 0 && r->us_min <= r->us_median, "%s %s",
          r->type, r->search);
}

/* Every block type with both searches, on two threads. */
static void test_block_rows(void)
{
    whit_bench_options o;
    whit_error err = { WHIT_OK, "" };
    whit_bench *b = NULL;
    small_options(&o);
    o.what = WHIT_BENCH_QUANTIZE;
    o.types = NULL;
    o.shapes = "33x512,5x96";
    CHECK(whit_bench_run(&b, &o, &err) == WHIT_OK, "%s", err.msg);
    if (!b) return;
    size_t at = 0, small = 0;
    while (whit_bench_at(b, at) && !whit_bench_at(b, at)->search) at++;
    CHECK(at == 10, "%zu rows before the blocks", at);
    for (int i = 1; i < WHIT_BLOCK_COUNT; i++) {
        CHECK(at + 1 < whit_bench_count(b), "no rows of type %d", i);
        if (at + 1 >= whit_bench_count(b)) break;
        check_blocks(whit_bench_at(b, at++), (whit_block)i, WHIT_SEARCH_REFERENCE);
        check_blocks(whit_bench_at(b, at++), (whit_block)i, WHIT_SEARCH_BEST);
    }
    for (; at < whit_bench_count(b); at++) small += whit_bench_at(b, at)->search != NULL;
    CHECK(small == 14, "%zu rows of blocks of 32", small); /* seven types */
    CHECK(whit_bench_warning(b, 0) && strstr(whit_bench_warning(b, 0), "5x96: left out") &&
              strstr(whit_bench_warning(b, 0), "q4_k") && !strstr(whit_bench_warning(b, 0), "q4_0"),
          "%s", whit_bench_warning(b, 0));
    whit_bench_free(b);
}

static void check_gptq(const whit_bench_row *r)
{
    const double times[] = { r->us_median, r->factor_us, r->round_us, r->gflops, r->peak_gops };
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        CHECK(isfinite(times[i]) && times[i] > 0, "%s: number %zu is %g", r->type, i, times[i]);
    const double parts = r->factor_us + r->round_us + r->pass_us * r->passes + r->refit_us;
    CHECK(fabs(parts / r->us_min - 1) < 1e-9, "%s: parts of %g make %g", r->type, r->us_min, parts);
    CHECK(fabs(r->pct_peak / (100 * r->gflops / r->peak_gops) - 1) < 1e-9, "%s", r->type);
    CHECK(r->pass_us >= 0 && r->refit_us >= 0 && r->us_min <= r->us_median, "%s", r->type);
    CHECK(r->passes > 0 || (r->pass_us == 0 && r->refit_us == 0), "%s: none", r->type);
    const int own = strcmp(r->type, "int4-g32") == 0 || strcmp(r->type, "nf4-g48") == 0;
    CHECK(own || r->refit_us == 0, "%s: its scales cannot follow", r->type);
    CHECK(!strcmp(r->op, "gptq") && r->isa && !strncmp(r->peak, "fma_", 4) && r->runs > 0, "%s",
          r->type);
    const double n = (double)r->cols, codes = (double)r->rows * n * n;
    const double new_scales = r->passes && own ? 2 : 0;
    const double ops = n * n * n / 3 + codes * (1 + 2.0 * r->passes + new_scales);
    CHECK(fabs(r->gflops * r->us_min * 1e3 / ops - 1) < 1e-9, "%s: other operations", r->type);
}

/* Two rows a type; the same codes for any number of threads and any instruction set. */
static void test_gptq_rows(void)
{
    whit_bench_options o;
    whit_error err = { WHIT_OK, "" };
    whit_bench *a = NULL, *b = NULL;
    small_options(&o);
    o.what = WHIT_BENCH_GPTQ;
    o.types = "int4-g32,q4_k,nf4-g48,int8-tensor,fp8_e4m3-block32x32";
    o.shapes = "33x256,101x96";
    CHECK(whit_bench_run(&a, &o, &err) == WHIT_OK, "%s", err.msg);
    o.job.threads = 1;
    setenv("WHIT_ISA", "scalar", 1);
    CHECK(whit_bench_run(&b, &o, &err) == WHIT_OK, "%s", err.msg);
    unsetenv("WHIT_ISA");
    if (!a || !b) return;
    CHECK(whit_bench_count(a) == 18 && whit_bench_count(b) == 18, "%zu rows", whit_bench_count(a));
    for (size_t i = 0; i < whit_bench_count(a) && i < whit_bench_count(b); i++) {
        const whit_bench_row *p = whit_bench_at(a, i), *q = whit_bench_at(b, i);
        check_gptq(p);
        CHECK(p->passes == (i % 2 ? 3 : 0) && p->cols == (i < 10 ? 256 : 96), "%zu: order", i);
        CHECK(!strcmp(p->type, q->type) && p->checksum == q->checksum, "%s, %d passes: other codes",
              p->type, (int)p->passes);
        CHECK(i % 2 == 0 || p->checksum != p[-1].checksum, "%s: nothing moved", p->type);
        CHECK(!strcmp(q->isa, "scalar"), "%s", q->isa);
#if defined(__linux__)
        CHECK(p->peak_bytes > 0 && p->peak_bytes < (uint64_t)1 << 30, "%s: peak of %llu", p->type,
              (unsigned long long)p->peak_bytes);
#endif
    }
    CHECK(whit_bench_warning(a, 0) && strstr(whit_bench_warning(a, 0), "101x96: left out") &&
              strstr(whit_bench_warning(a, 0), "q4_k"),
          "no word about q4_k");
    whit_bench_free(a);
    whit_bench_free(b);
}

static void refuse(const whit_bench_options *o, whit_status want, const char *text)
{
    whit_error err = { WHIT_OK, "" };
    whit_bench *b = NULL;
    const whit_status st = whit_bench_run(&b, o, &err);
    CHECK(st == want && !b && strstr(err.msg, text), "%d: %s", (int)st, err.msg);
    whit_bench_free(b);
}

static void test_refused(void)
{
    whit_bench_options o;
    CHECK(whit_bench_run(NULL, NULL, NULL) == WHIT_ERR_ARG, "null");
    small_options(&o);
    o.struct_size = 8;
    refuse(&o, WHIT_ERR_ARG, "struct_size");
    small_options(&o);
    o.seconds = NAN;
    refuse(&o, WHIT_ERR_ARG, "seconds");
    small_options(&o);
    o.job.threads = 257;
    refuse(&o, WHIT_ERR_ARG, "threads");
    small_options(&o);
    o.acts = WHIT_BENCH_ACTS_Q8;
    o.types = "int8-g48";
    refuse(&o, WHIT_ERR_ARG, "int8 activations");
    small_options(&o);
    o.job.max_memory = (uint64_t)20 << 20;
    refuse(&o, WHIT_ERR_NOMEM, "--max-memory 3");
    o.what = WHIT_BENCH_MEMORY;
    refuse(&o, WHIT_ERR_NOMEM, "--max-memory 32MiB");
    small_options(&o);
    o.what = WHIT_BENCH_QUANTIZE;
    refuse(&o, WHIT_ERR_ARG, "f32 is what the encoders read");
    o.types = "q4_0,q4_k";
    o.clip = WHIT_CLIP_MSE;
    refuse(&o, WHIT_ERR_ARG, "q4_0: blocks are not clipped");
    o.types = "q4_k";
    o.clip = WHIT_CLIP_DEFAULT;
    refuse(&o, WHIT_ERR_ARG, "no shape has rows of whole blocks");
    o.what = WHIT_BENCH_GPTQ;
    refuse(&o, WHIT_ERR_ARG, "no shape has rows of whole blocks");
    o.types = "int4-g32,f16";
    refuse(&o, WHIT_ERR_ARG, "f16 has no codes to find");
    o.types = "nf4-g64-dq";
    refuse(&o, WHIT_ERR_ARG, "nested scales are found before");
    o.types = "int4-g32";
    o.shapes = "4096x4096";
    refuse(&o, WHIT_ERR_NOMEM, "--max-memory");
    small_options(&o);
    o.job.progress = stop_later;
    calls_left = 12;
    refuse(&o, WHIT_ERR_CANCELLED, "interrupted");
}

int main(void)
{
    test_median();
    test_roof();
    test_rates();
    test_noise();
    test_checksum();
    test_rotation();
    test_cpu_times();
    test_lists();
    test_probes();
    test_probe_choice();
    test_list(NULL);
    test_list("scalar");
    const whit_context_options two = { sizeof two, 2, -1 };
    if (whit_context_open(&context, &two, NULL) != WHIT_OK) return 1;
    test_copies();
    whit_context_close(context);
    test_run();
    test_block_rows();
    test_gptq_rows();
    test_refused();
    return check_result();
}
