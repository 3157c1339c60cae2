/* tests/test_floats.c - codes that are no integers: FP8, FP4, MXFP4, NVFP4, blocks, dq, percentile,
 * values that are not finite.
 *
 * Definitions are written out here again, by brute force; dB figures are those that our method
 * notes computed for the same formats. SPDX-License-Identifier: MIT */
#include <whit/whit.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "quant/nested.h"

static whit_quant_spec spec_of(const char *text, whit_clip clip)
{
    whit_quant_spec s = { .struct_size = sizeof s, .clip = clip };
    whit_error err;
    CHECK(whit_scheme_parse(&s.scheme, text, &err) == WHIT_OK, "%s", text);
    return s;
}

/* ---- FP8 ------------------------------------------------------------------------------------- */

/* Nearest of all finite codes, a tie to the even code; by trying each. */
static uint8_t nearest_fp8(whit_dtype type, float v)
{
    double best = INFINITY;
    uint8_t code = 0;
    for (unsigned c = 0; c < 256; c++) {
        uint8_t octet = (uint8_t)c;
        float value;
        whit_dtype_to_f32(type, &octet, 1, &value);
        if (!isfinite(value) || octet == 0x80) continue; /* zero has the code 0 */
        double d = fabs((double)value - (double)v);
        if (d < best || (d == best && !(c & 1))) {
            best = d;
            code = octet;
        }
    }
    return code;
}

static void test_fp8_codes(void)
{
    static const char *const names[] = { "fp8_e4m3-channel", "fp8_e5m2-channel" };
    static const float top[] = { 448.0f, 57344.0f };
    for (int k = 0; k < 2; k++) {
        whit_quant_spec s = spec_of(names[k], WHIT_CLIP_MINMAX);
        whit_dtype type = k ? WHIT_F8_E5M2 : WHIT_F8_E4M3;
        for (unsigned u = 0; u < 0x7f80; u += 3) { /* magnitudes of BF16, and their negatives */
            uint16_t bits = (uint16_t)u;
            float w[3] = { top[k], 0, 0 }, scale, back[3];
            uint8_t codes[3];
            whit_dtype_to_f32(WHIT_BF16, &bits, 1, &w[1]);
            if (w[1] > top[k]) break;
            w[2] = -w[1];
            CHECK(whit_quantize(w, 1, 3, &s, codes, &scale, NULL, NULL, NULL) == WHIT_OK &&
                      scale == 1.0f,
                  "%s: scale %g", names[k], (double)scale);
            CHECK(codes[1] == nearest_fp8(type, w[1]) && codes[2] == nearest_fp8(type, w[2]),
                  "%s of %a: %02x %02x, not %02x", names[k], (double)w[1], codes[1], codes[2],
                  nearest_fp8(type, w[1]));
            whit_dequantize(codes, &scale, NULL, 1, 3, &s.scheme, back, NULL);
            float again[1];
            whit_dtype_to_f32(type, &codes[1], 1, again);
            CHECK(back[1] == again[0], "%s decodes %02x", names[k], codes[1]);
        }
    }
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* The vector A of our format notes and the bytes that bitsandbytes gives for it: high nibble first.
 */
static void test_bitsandbytes(void)
{
    static const char *const names[] = { "nf4-g64-sf32", "fp4bnb-g64-sf32" };
    static const char *const want[] = {
        "091c3e60a2d4f71b2e5f91c3e60a1d4e71b2d5f81c3e6091c3e70a2d4f81b2e5",
        "b6a5c29b7a5f31a4d2e36a5c2eb7a5c30b4d2f36a4d2eb6a5c29b7d2f31a4d2e"
    };
    float a[64], scale;
    uint8_t codes[64];
    for (int i = 0; i < 64; i++) a[i] = (float)(37 * i % 64 - 32) / 16.0f;
    for (int k = 0; k < 2; k++) {
        char hex[65];
        whit_quant_spec s = spec_of(names[k], WHIT_CLIP_MINMAX);
        whit_quantize(a, 1, 64, &s, codes, &scale, NULL, NULL, NULL);
        for (int i = 0; i < 64; i++) hex[i] = "0123456789abcdef"[codes[i]];
        hex[64] = 0;
        CHECK(scale == 2.0f && strcmp(hex, want[k]) == 0, "%s: %s", names[k], hex);
    }
}

/* Ties of E2M1 go to the even mantissa. */
static void test_e2m1(void)
{
    static const struct {
        float x;
        uint8_t code;
    } rows[] = { { 6, 7 },         { 0.25f, 0 },   { -0.25f, 0 },     { 0.2500001f, 1 },
                 { 0.75f, 2 },     { -0.75f, 10 }, { 1.25f, 2 },      { -1.25f, 10 },
                 { 1.75f, 4 },     { -1.75f, 12 }, { 2.5f, 4 },       { -2.5f, 12 },
                 { 3.5f, 6 },      { -3.5f, 14 },  { 5, 6 },          { -5, 14 },
                 { 5.000001f, 7 }, { -6, 15 },     { 0.7499999f, 1 }, { -0.0f, 0 } };
    enum { N = sizeof rows / sizeof rows[0] };
    float x[N], scale, back[N];
    uint8_t codes[N];
    whit_quant_spec s = spec_of("fp4-channel", WHIT_CLIP_MINMAX);
    for (int i = 0; i < N; i++) x[i] = rows[i].x;
    whit_quantize(x, 1, N, &s, codes, &scale, NULL, NULL, NULL);
    CHECK(scale == 1.0f, "scale %g", (double)scale);
    for (int i = 0; i < N; i++)
        CHECK(codes[i] == rows[i].code, "%a: code %u, not %u", (double)x[i], codes[i],
              rows[i].code);
    whit_dequantize(codes, &scale, NULL, 1, N, &s.scheme, back, NULL);
    CHECK(back[0] == 6.0f && back[14] == 4.0f && back[17] == -6.0f, "decoding");
}

/* ---- block floats ---------------------------------------------------------------------------- */

static void test_mxfp4_ends(void)
{
    static const float amax[] = { FLT_MAX, FLT_MIN, 0x1p-149f, 1.0f, 6.0f, 1.9999999f };
    for (size_t i = 0; i < sizeof amax / sizeof amax[0]; i++)
        for (int clip = WHIT_CLIP_MINMAX; clip <= WHIT_CLIP_MSE; clip++) {
            whit_quant_spec s = spec_of("mxfp4", (whit_clip)clip);
            float x[32] = { 0 }, scale = 0, back[32];
            uint8_t codes[32];
            int e;
            x[3] = amax[i];
            x[9] = -amax[i] / 2;
            CHECK(whit_quantize(x, 1, 32, &s, codes, &scale, NULL, NULL, NULL) == WHIT_OK, "mx");
            CHECK(frexpf(scale, &e) == 0.5f, "%a is a power of two", (double)scale);
            whit_dequantize(codes, &scale, NULL, 1, 32, &s.scheme, back, NULL);
            /* the top may saturate by a quarter; the smallest exponent is 2^-127 */
            CHECK(isfinite(back[3]) && fabsf(back[3] - x[3]) <= 0.26f * x[3] + 0x1p-128f,
                  "%a -> %a", (double)x[3], (double)back[3]);
        }
}

static void test_nvfp4(void)
{
    check_rng rng = { 5 };
    float w[256], scale[16], effective[16], back[256], amax = 0;
    uint8_t codes[256];
    for (int i = 0; i < 256; i++) w[i] = check_normal(&rng) * 0.02f;
    for (int i = 32; i < 48; i++) w[i] = 0;
    for (int i = 0; i < 256; i++) amax = fmaxf(amax, fabsf(w[i]));
    whit_quant_spec s = spec_of("nvfp4", WHIT_CLIP_MINMAX);
    CHECK(whit_quantize(w, 4, 64, &s, codes, scale, NULL, NULL, NULL) == WHIT_ERR_ARG,
          "without scale2");
    s.scale2 = whit_nvfp4_scale2(amax);
    CHECK(s.scale2 == amax / 2688.0f && whit_nvfp4_scale2(0) == 1.0f, "scale2");
    CHECK(whit_quantize(w, 4, 64, &s, codes, scale, NULL, NULL, NULL) == WHIT_OK, "nvfp4");
    for (int g = 0; g < 16; g++) {
        uint8_t octet;
        float stored;
        whit_dtype_from_f32(WHIT_F8_E4M3, &scale[g], 1, &octet);
        whit_dtype_to_f32(WHIT_F8_E4M3, &octet, 1, &stored);
        CHECK(stored == scale[g] && stored > 0, "scale %a is one of E4M3", (double)scale[g]);
        effective[g] = s.scale2 * scale[g];
    }
    CHECK(scale[2] == 1.0f && codes[32] == 0, "a group of zeros");
    whit_dequantize(codes, effective, NULL, 4, 64, &s.scheme, back, NULL);
    for (int i = 0; i < 256; i++) /* half the widest step, and E4M3's rounding of the scale */
        CHECK(fabsf(back[i] - w[i]) <= effective[i / 16] * 1.5f, "%g -> %g", (double)w[i],
              (double)back[i]);
}

/* ---- dB figures ------------------------------------------------------------------------------ */

static double measure(const char *scheme, whit_clip clip, int student)
{
    enum { ROWS = 1000, COLS = 256 };
    check_rng rng = { 42 };
    float *w = malloc(ROWS * COLS * sizeof *w), *scale = malloc(ROWS * COLS * sizeof *scale);
    uint8_t *codes = malloc(ROWS * COLS);
    whit_quant_stats stats = { 0 };
    whit_quant_spec s = spec_of(scheme, clip);
    float amax = 0;
    for (int i = 0; i < ROWS * COLS; i++) {
        double d = 0;
        w[i] = check_normal(&rng);
        for (int k = 0; k < 4; k++) d += pow((double)check_normal(&rng), 2);
        if (student) w[i] /= (float)sqrt(d / 4);
        amax = fmaxf(amax, fabsf(w[i]));
    }
    s.scale2 = whit_nvfp4_scale2(amax);
    CHECK(whit_quantize(w, ROWS, COLS, &s, codes, scale, NULL, &stats, NULL) == WHIT_OK, "%s",
          scheme);
    free(w);
    free(scale);
    free(codes);
    return whit_sqnr_db(stats.sum_w2, stats.sum_err2);
}

/* Plain schemes must meet the figure, searched ones reach it at least. */
static void test_figures(void)
{
    static const struct {
        const char *scheme;
        whit_clip clip;
        int student;
        double db;
    } rows[] = {
        { "nf4-g64", WHIT_CLIP_MINMAX, 0, 20.73 },
        { "nf4-g64", WHIT_CLIP_MSE, 0, 21.36 },
        { "nf4-g64", WHIT_CLIP_MSE, 1, 19.54 },
        { "fp4-g16", WHIT_CLIP_MINMAX, 0, 20.52 },
        { "fp4-g32", WHIT_CLIP_MINMAX, 0, 19.92 },
        { "fp4-g64", WHIT_CLIP_MINMAX, 0, 19.50 },
        { "fp8_e4m3-g32", WHIT_CLIP_MINMAX, 0, 32.4 },
        { "fp8_e4m3-tensor", WHIT_CLIP_MINMAX, 0, 31.5 },
        { "fp8_e4m3-g32", WHIT_CLIP_MINMAX, 1, 33.3 },
        { "int8-g32", WHIT_CLIP_MINMAX, 0, 45.4 },
        { "mxfp4", WHIT_CLIP_MINMAX, 0, 18.79 },
        { "mxfp4", WHIT_CLIP_MSE, 0, 19.05 },
        { "mxfp4", WHIT_CLIP_MINMAX, 1, 17.64 },
        { "mxfp4", WHIT_CLIP_MSE, 1, 17.90 },
        { "nvfp4", WHIT_CLIP_MINMAX, 0, 20.44 },
        { "nvfp4", WHIT_CLIP_MSE, 0, 21.22 },
        { "nvfp4", WHIT_CLIP_MSE, 1, 21.22 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double db = measure(rows[i].scheme, rows[i].clip, rows[i].student);
        int enough = db >= rows[i].db - 0.15;
        int exact = rows[i].clip == WHIT_CLIP_MSE || fabs(db - rows[i].db) <= 0.25;
        CHECK(enough && exact, "%s %s: %.2f dB, the notes have %.2f", rows[i].scheme,
              rows[i].clip == WHIT_CLIP_MSE ? "mse" : "minmax", db, rows[i].db);
    }
}

/* ---- blocks, dq, percentile, non-finite ------------------------------------------------------ */

/* A block shares a scale: the same codes as a row that holds its weights one after the other. */
static void test_blocks(void)
{
    enum { R = 5, C = 7, ROWS = 12, COLS = 17 };
    check_rng rng = { 9 };
    float w[ROWS * COLS], scale[ROWS * COLS], back[ROWS * COLS];
    uint8_t codes[ROWS * COLS];
    whit_quant_spec s = spec_of("fp8_e4m3-block5x7", WHIT_CLIP_MSE);
    whit_quant_spec row = spec_of("fp8_e4m3-channel", WHIT_CLIP_MSE);
    for (int i = 0; i < ROWS * COLS; i++) w[i] = check_normal(&rng);
    CHECK(whit_quantize(w, ROWS, COLS, &s, codes, scale, NULL, NULL, NULL) == WHIT_OK, "block");
    whit_dequantize(codes, scale, NULL, ROWS, COLS, &s.scheme, back, NULL);
    for (int r = 0, b = 0; r < ROWS; r += R)
        for (int c = 0; c < COLS; c += C, b++) {
            float flat[R * C], one;
            uint8_t want[R * C];
            int n = 0, bad = 0;
            for (int i = r; i < r + R && i < ROWS; i++)
                for (int j = c; j < c + C && j < COLS; j++) flat[n++] = w[i * COLS + j];
            whit_quantize(flat, 1, (size_t)n, &row, want, &one, NULL, NULL, NULL);
            n = 0;
            for (int i = r; i < r + R && i < ROWS; i++)
                for (int j = c; j < c + C && j < COLS; j++) {
                    float v;
                    whit_dequantize(&want[n], &one, NULL, 1, 1, &row.scheme, &v, NULL);
                    bad += codes[i * COLS + j] != want[n++] || back[i * COLS + j] != v;
                }
            CHECK(one == scale[b] && bad == 0, "block %d: %d codes differ", b, bad);
        }
}

static void test_nested(void)
{
    float map[256];
    wh_nested_map(map);
    static const struct {
        int i;
        float v;
    } rows[] = { { 0, -0.99296874f }, { 1, -0.97890627f },  { 2, -0.96484375f },
                 { 126, -5.5e-7f },   { 127, 0 },           { 128, 5.5e-7f },
                 { 129, 3.25e-6f },   { 190, 0.09859375f }, { 254, 0.99296874f },
                 { 255, 1 } };
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
        CHECK(fabsf(map[rows[k].i] - rows[k].v) <= 1e-7f * fabsf(rows[k].v), "map[%d] = %.9g",
              rows[k].i, (double)map[rows[k].i]);
    for (int i = 1; i < 256; i++) CHECK(map[i] > map[i - 1], "the map ascends at %d", i);
    float scale[256];
    uint8_t codes[256];
    for (int i = 0; i < 256; i++) scale[i] = 2.0f + 0.5f * map[i];
    float absmax = wh_nested_encode(map, scale, 256, 2.0f, codes);
    CHECK(absmax == 0.5f && codes[0] == 0 && codes[255] == 255 && codes[127] == 127, "ends");
    for (int i = 0; i < 256; i++) /* 2 + x rounds off what is below 2^-23 */
        CHECK(fabsf(wh_nested_decode(map, codes[i], absmax, 2.0f) - scale[i]) <= 2.4e-7f, "%d", i);
    for (int i = 0; i < 256; i++) scale[i] = 3.0f;
    absmax = wh_nested_encode(map, scale, 256, 3.0f, codes);
    CHECK(absmax == 0 && wh_nested_decode(map, codes[9], absmax, 3.0f) == 3.0f, "all the same");
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void test_percentile(void)
{
    static const double percents[] = { 0.001, 1, 50, 90, 97.5, 99.9, 100 };
    check_rng rng = { 3 };
    for (size_t k = 0; k < sizeof percents / sizeof percents[0]; k++)
        for (size_t n = 1; n < 300; n += 37) {
            float w[300], sorted[300], scale;
            uint8_t codes[300];
            whit_quant_spec s = spec_of("int4-channel", WHIT_CLIP_PERCENTILE);
            s.percentile = percents[k];
            for (size_t i = 0; i < n; i++) sorted[i] = fabsf(w[i] = check_normal(&rng));
            /* cppcheck-suppress uninitvar ; n > 0 */
            qsort(sorted, n, sizeof sorted[0], by_value);
            size_t rank = (size_t)ceil(percents[k] / 100 * (double)n);
            CHECK(whit_quantize(w, 1, n, &s, codes, &scale, NULL, NULL, NULL) == WHIT_OK, "p");
            CHECK(scale == sorted[(rank ? rank : 1) - 1] / 7.0f, "%g%% of %zu: scale %g",
                  percents[k], n, (double)scale);
        }
    float zeros[4] = { 0, 0, 0, 7 }, scale;
    uint8_t codes[4];
    whit_quant_spec s = spec_of("int4-channel", WHIT_CLIP_PERCENTILE);
    s.percentile = 50;
    whit_quantize(zeros, 1, 4, &s, codes, &scale, NULL, NULL, NULL);
    CHECK(scale == 1.0f && codes[3] == 15, "the rank falls on 0: the largest counts");
    s.percentile = 0;
    CHECK(whit_quantize(zeros, 1, 4, &s, codes, &scale, NULL, NULL, NULL) == WHIT_ERR_ARG, "0");
}

static void test_nonfinite(void)
{
    const float w[8] = { 1, NAN, -7, INFINITY, 0, -INFINITY, 3, -NAN };
    float scale, back[8];
    uint8_t codes[8];
    for (int mode = WHIT_NONFINITE_REFUSE; mode <= WHIT_NONFINITE_CLAMP; mode++) {
        whit_quant_stats stats = { 0 };
        whit_quant_spec s = spec_of("int4-channel", WHIT_CLIP_MINMAX);
        s.nonfinite = (whit_nonfinite)mode;
        whit_status st = whit_quantize(w, 1, 8, &s, codes, &scale, NULL, &stats, NULL);
        CHECK(st == (mode ? WHIT_OK : WHIT_ERR_NUMERIC), "mode %d", mode);
        if (!mode) continue;
        whit_dequantize(codes, &scale, NULL, 1, 8, &s.scheme, back, NULL);
        float inf = mode == WHIT_NONFINITE_CLAMP ? 7.0f : 0.0f;
        CHECK(stats.nonfinite == 4 && stats.sum_err2 == 0.0, "%d replaced", (int)stats.nonfinite);
        CHECK(back[0] == 1 && back[1] == 0 && back[2] == -7 && back[3] == inf && back[5] == -inf &&
                  back[6] == 3 && back[7] == 0,
              "mode %d", mode);
    }
}

int main(void)
{
    test_fp8_codes();
    test_bitsandbytes();
    test_e2m1();
    test_mxfp4_ends();
    test_nvfp4();
    test_figures();
    test_blocks();
    test_nested();
    test_percentile();
    test_nonfinite();
    return check_result();
}
