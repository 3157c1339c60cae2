/* tests/test_packing_vectors.c - the octets that the descriptions of checkpoint formats give as
 * examples, and what lies beside the rows: groups of columns, states, zero points.
 *
 * SPDX-License-Identifier: MIT */
#include "packing.h"

#include "base/bytes.h"
#include "pack/bnb_state.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* Codes in a row, one scale. */
static image pack_codes(const char *scheme, whit_layout layout, size_t rows, size_t cols,
                        const uint8_t *codes, float scale, const uint8_t *zero)
{
    matrix m = matrix_new(scheme, rows, cols);
    const whit_packing p = packing_of(&m, layout);
    image im = image_new(&p);
    for (size_t i = 0; i < m.scales; i++) m.scale[i] = scale;
    CHECK(whit_pack_rows(&p, 0, rows, codes, m.scale, zero, im.data, NULL) == WHIT_OK &&
              whit_pack_rest(&p, NULL, im.data, NULL) == WHIT_OK,
          "%s", scheme);
    matrix_free(&m);
    return im;
}

static void test_ct_vectors(void)
{
    static const int q[16] = { -7, 1, -5, 4, -3, 6, 0, -7, 2, -4, 4, -2, 7, 0, -6, 3 };
    uint8_t codes[16], zero[8];
    for (int i = 0; i < 16; i++) codes[i] = (uint8_t)(q[i] + 8);
    for (int i = 0; i < 8; i++) zero[i] = (uint8_t)i; /* -8 .. -1 */
    image im =
        pack_codes("int4-channel-sbf16", WHIT_LAYOUT_CT_PACKED, 1, 16, codes, 0.267578125f, NULL);
    const uint8_t *words = image_of(&im, ".weight_packed");
    CHECK(wh_load32(words) == 0x18E5C391 && wh_load32(words + 4) == 0xB28F6C4A, "codes");
    CHECK(wh_load16(image_of(&im, ".weight_scale")) == 0x3E89, "scale");
    CHECK(wh_load64(image_of(&im, ".weight_shape")) == 1 &&
              wh_load64(image_of(&im, ".weight_shape") + 8) == 16,
          "shape");
    image_free(&im);
    im = pack_codes("int4-channel-asym", WHIT_LAYOUT_CT_PACKED, 8, 1, codes, 1.0f, zero);
    CHECK(wh_load32(image_of(&im, ".weight_zero_point")) == 0x76543210, "zero points");
    image_free(&im);
}

/* One row of codes down a column, and the words of its zero point. */
static void check_gptq_words(const char *scheme, whit_layout layout, size_t codes_n,
                             const uint8_t *codes, const uint32_t *words, uint32_t zeros)
{
    uint8_t rows[32 * 32] = { 0 }, zero[32];
    whit_scheme s;
    whit_scheme_parse(&s, scheme, NULL);
    const size_t all = s.bits == 3 ? 32 : 32 / s.bits;
    memcpy(rows, codes, codes_n);
    memset(zero, 1 << (s.bits - 1), sizeof zero);
    image im = pack_codes(scheme, layout, all, codes_n, rows, 1.0f, s.asym ? zero : NULL);
    for (size_t w = 0; w < codes_n * s.bits / 32; w++)
        CHECK(wh_load32(image_of(&im, ".qweight") + 4 * w * all) == words[w], "%s word %zu", scheme,
              w);
    CHECK(wh_load32(image_of(&im, ".qzeros")) == zeros, "%s: %08x", scheme,
          wh_load32(image_of(&im, ".qzeros")));
    image_free(&im);
}

static void test_gptq_vectors(void)
{
    static const uint8_t up[8] = { 0, 1, 2, 3, 4, 5, 6, 7 },
                         down[8] = { 15, 14, 13, 12, 11, 10, 9, 8 };
    static const uint8_t group[16] = { 0, 9, 3, 12, 5, 14, 8, 1, 10, 4, 12, 6, 15, 8, 2, 11 };
    static const uint32_t w_up = 0x76543210, w_down = 0x89ABCDEF;
    static const uint32_t w_group[2] = { 0x18E5C390, 0xB28F6C4A };
    static const uint32_t w_three[3] = { 0x88FAC688, 0xC688FAC6, 0xFAC688FA };
    uint8_t three[32], zeros[64] = { 0 };
    for (int i = 0; i < 32; i++) three[i] = (uint8_t)(i % 8);
    check_gptq_words("int4-channel-sf16", WHIT_LAYOUT_GPTQ, 8, up, &w_up, 0x77777777);
    check_gptq_words("int4-channel-sf16", WHIT_LAYOUT_GPTQ_V2, 8, down, &w_down, 0x88888888);
    check_gptq_words("int4-channel-asym-sf16", WHIT_LAYOUT_GPTQ, 16, group, w_group, 0x77777777);
    check_gptq_words("int3-channel-sf16", WHIT_LAYOUT_GPTQ_V2, 32, three, w_three, 0x24924924);
    check_gptq_words("int8-channel-sf16", WHIT_LAYOUT_GPTQ, 4, up, &(uint32_t){ 0x03020100 },
                     0x7F7F7F7F);
    check_gptq_words("int8-channel-sf16", WHIT_LAYOUT_GPTQ_V2, 4, up, &(uint32_t){ 0x03020100 },
                     0x80808080);
    check_gptq_words("int2-channel-sf16", WHIT_LAYOUT_GPTQ, 16, zeros, (uint32_t[]){ 0 },
                     0x55555555);
    check_gptq_words("int2-channel-sf16", WHIT_LAYOUT_GPTQ_V2, 16, zeros, (uint32_t[]){ 0 },
                     0xAAAAAAAA);
    image im = pack_codes("int4-channel-sf16", WHIT_LAYOUT_GPTQ, 8, 8, zeros, 0.2666015625f, NULL);
    CHECK(wh_load16(image_of(&im, ".scales")) == 0x3444, "scale");
    image_free(&im);
}

static void test_awq_vectors(void)
{
    static const uint8_t codes[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    image im =
        pack_codes("int4-channel-asym-sf16", WHIT_LAYOUT_AWQ, 8, 1, codes, 0.262451171875f, codes);
    CHECK(wh_load32(image_of(&im, ".qweight")) == 0x75316420, "codes");
    CHECK(wh_load32(image_of(&im, ".qzeros")) == 0x75316420, "zero points");
    CHECK(wh_load16(image_of(&im, ".scales")) == 0x3433, "scale");
    image_free(&im);
    im = pack_codes("int4-channel-sf16", WHIT_LAYOUT_AWQ, 8, 1, codes, 1.0f, NULL);
    CHECK(wh_load32(image_of(&im, ".qzeros")) == 0x88888888, "zero points of symmetric codes");
    image_free(&im);
}

/* Vector A of the formats. */
static float vector_a(int i)
{
    return (float)(37 * i % 64 - 32) / 16.0f;
}

static void check_octets(const uint8_t *octets, const char *hex)
{
    char got[3];
    for (size_t k = 0; hex[2 * k]; k++) {
        snprintf(got, sizeof got, "%02x", octets[k]);
        CHECK(got[0] == hex[2 * k] && got[1] == hex[2 * k + 1], "octet %zu: %s", k, got);
    }
}

static void check_bnb4(const char *scheme, const char *hex, const char *state)
{
    matrix m = matrix_new(scheme, 1, 64);
    const whit_quant_spec spec = { .struct_size = sizeof spec,
                                   .scheme = m.scheme,
                                   .clip = WHIT_CLIP_MINMAX };
    float a[64];
    for (int i = 0; i < 64; i++) a[i] = vector_a(i);
    CHECK(whit_quantize(a, 1, 64, &spec, m.codes, m.scale, NULL, NULL, NULL) == WHIT_OK, "%s",
          scheme);
    image im = pack_codes(scheme, WHIT_LAYOUT_BNB4, 1, 64, m.codes, m.scale[0], NULL);
    check_octets(image_of(&im, ".weight"), hex);
    CHECK(wh_bits_f32(wh_load32(image_of(&im, ".weight.absmax"))) == 2.0f, "absmax");
    CHECK(im.plane[3].bytes == strlen(state) && memcmp(im.data[3], state, strlen(state)) == 0,
          "%.*s", (int)im.plane[3].bytes, (char *)im.data[3]);
    CHECK(im.plane[0].shape[0] == 32 && im.plane[0].shape[1] == 1, "shape");
    for (size_t k = 0; k < 16; k++)
        CHECK(wh_bits_f32(wh_load32(image_of(&im, ".weight.quant_map") + 4 * k)) ==
                  whit_scheme_table(m.scheme.kind)[k],
              "%s: value %zu", scheme, k);
    image_free(&im);
    matrix_free(&m);
}

static void test_bnb_vectors(void)
{
    static const uint8_t row[4] = { 64 + 128, 128 - 127, 32 + 128, 128 };
    check_bnb4("nf4-g64", "091c3e60a2d4f71b2e5f91c3e60a1d4e71b2d5f81c3e6091c3e70a2d4f81b2e5",
               "{\"quant_type\": \"nf4\", \"blocksize\": 64, \"dtype\": \"bfloat16\", \"shape\": "
               "[1, 64]}");
    check_bnb4("fp4bnb-g64", "b6a5c29b7a5f31a4d2e36a5c2eb7a5c30b4d2f36a4d2eb6a5c29b7d2f31a4d2e",
               "{\"quant_type\": \"fp4\", \"blocksize\": 64, \"dtype\": \"bfloat16\", \"shape\": "
               "[1, 64]}");
    image im = pack_codes("int8-channel", WHIT_LAYOUT_BNB8, 1, 4, row, 2.0f / 127.0f, NULL);
    check_octets(image_of(&im, ".weight"), "40812000");
    CHECK(wh_bits_f32(wh_load32(image_of(&im, ".SCB"))) == 2.0f, "SCB");
    CHECK(im.plane[2].rank == 0 && *image_of(&im, ".weight_format") == 0, "weight_format");
    image_free(&im);
}

/* Any scale: found again or its neighbour, and from then on the same. */
static void test_scb(void)
{
    check_rng r = { 11 };
    size_t lost = 0;
    matrix m = matrix_new("int8-channel", 1, 1);
    const whit_packing p = packing_of(&m, WHIT_LAYOUT_BNB8);
    image im = image_new(&p);
    const void *const *data = (const void *const *)im.data;
    for (int i = 0; i < 12800; i++) {
        float first, second;
        const float scale = wh_bits_f32(0x3f800000 + (uint32_t)check_below(&r, 1u << 23));
        whit_pack_rows(&p, 0, 1, m.codes, &scale, NULL, im.data, NULL);
        whit_unpack_rows(&p, 0, 1, data, m.codes, &first, NULL, NULL);
        whit_pack_rows(&p, 0, 1, m.codes, &first, NULL, im.data, NULL);
        whit_unpack_rows(&p, 0, 1, data, m.codes, &second, NULL, NULL);
        const int32_t off = (int32_t)(wh_f32_bits(first) - wh_f32_bits(scale));
        CHECK(off >= -1 && off <= 1 && second == first, "%a: %a, %a", (double)scale, (double)first,
              (double)second);
        lost += off != 0;
    }
    CHECK(lost > 50 && lost < 150, "one in 128, not %zu of 12800", lost);
    whit_error err = { WHIT_OK, "" };
    const float huge = 3e36f;
    CHECK(whit_pack_rows(&p, 0, 1, m.codes, &huge, NULL, im.data, &err) == WHIT_ERR_UNSUPPORTED &&
              strstr(err.msg, "row 0: a largest weight beyond F32"),
          "%s", err.msg);
    image_free(&im);
    matrix_free(&m);
}

/* The text of the state: of any offset as long; damaged in every octet it says what is wrong. */
static void test_state(void)
{
    static const float offsets[] = { 0.0f, 0.0280761719f, -1.23456789e-05f, 3.4e38f, 1e-45f };
    whit_packing p = { .struct_size = sizeof p,
                       .layout = WHIT_LAYOUT_BNB4,
                       .rows = 8,
                       .cols = 64,
                       .dtype = WHIT_F16 };
    whit_scheme_parse(&p.scheme, "fp4bnb-g64-dq", NULL);
    image im = image_new(&p);
    const void *const *data = (const void *const *)im.data;
    const size_t len = (size_t)im.plane[3].bytes;
    whit_error err = { WHIT_OK, "" };
    float absmax[1] = { 1.0f }, offset;
    for (size_t i = 0; i < COUNT(offsets); i++) {
        const whit_packing_rest rest = { .absmax = absmax, .offset = offsets[i] };
        CHECK(whit_pack_rest(&p, &rest, im.data, &err) == WHIT_OK, "%s", err.msg);
        CHECK(((char *)im.data[3])[len - 1] == '}', "%.*s", (int)len, (char *)im.data[3]);
        CHECK(whit_unpack_rest(&p, data, NULL, NULL, &offset, &err) == WHIT_OK &&
                  memcmp(&offset, &offsets[i], sizeof offset) == 0,
              "%a: %a", (double)offsets[i], (double)offset);
    }
    CHECK(whit_pack_rest(&p, NULL, im.data, NULL) == WHIT_ERR_ARG, "no absmax");
    for (size_t k = 0; k < len; k++) {
        char *at = (char *)im.data[3] + k, was = *at;
        *at = '!';
        whit_status st = whit_unpack_rest(&p, data, NULL, NULL, &offset, &err);
        CHECK(st == WHIT_OK || (st == WHIT_ERR_FORMAT && !strncmp(err.msg, "quant_state: ", 13)),
              "%s", err.msg);
        *at = was;
    }
    for (int k = 0; k < 4; k++) { /* of another matrix */
        whit_packing other = p;
        if (k == 0) other.rows = 9;
        if (k == 1) other.cols = 32, other.scheme.group = 32;
        if (k == 2) other.scheme.kind = WHIT_NF4;
        if (k == 3) other.scheme.dq = 0;
        whit_status st = whit_unpack_rest(&other, data, NULL, NULL, &offset, &err);
        CHECK(st == WHIT_ERR_FORMAT, "%d: %s", k, err.msg);
    }
    image_free(&im);
}

static const struct {
    const char *text, *words;
} states[] = {
    /* clang-format off */
    { "{\"quant_type\":\"nf4\",\"blocksize\":64,\"dtype\":\"float16\",\"shape\":[2,64]}", "" },
    { " {\"new\":{\"a\":[1]},\"shape\":[],\"dtype\":\"float32\",\"blocksize\":1,\"quant_type\":\"fp4\"}\n", "" },
    { "", "ends early" },
    { "[]", "no JSON object" },
    { "{\"quant_type\":\"nf4\",\"blocksize\":64,\"dtype\":\"float16\"}", "a member is missing" },
    { "{\"blocksize\":64,\"blocksize\":64}", "twice" },
    { "{\"blocksize\":0}", "block size" },
    { "{\"blocksize\":-64}", "block size" },
    { "{\"blocksize\":\"64\"}", "block size" },
    { "{\"quant_type\":\"int8\"}", "neither nf4 nor fp4" },
    { "{\"quant_type\":4}", "no string" },
    { "{\"dtype\":\"float64\"}", "none of float32" },
    { "{\"nested_dtype\":\"float16\"}", "none of float32" },
    { "{\"shape\":7}", "no array" },
    { "{\"shape\":[1,2,3,4,5,6,7,8,9]}", "up to 8 whole numbers" },
    { "{\"shape\":[-1]}", "up to 8 whole numbers" },
    { "{\"nested_offset\":1e39}", "no finite number" },
    { "{\"nested_offset\":null}", "no finite number" },
    { "{\"quant_type\":\"nf4\",\"blocksize\":64,\"dtype\":\"float16\",\"shape\":[2,64],\"nested_blocksize\":256}", "a member is missing" },
    { "{\"quant_type\":\"nf4\",\"blocksize\":64,\"dtype\":\"float16\",\"shape\":[2,64]}}", "text after the value" },
    { "{\"quant_type\":\"nf4\",", "expected a member name" },
    /* clang-format on */
};

static void test_states(void)
{
    for (size_t i = 0; i < COUNT(states); i++) {
        wh_bnb_state s;
        whit_error err = { WHIT_OK, "" };
        whit_status st = wh_bnb_state_parse(&s, states[i].text, strlen(states[i].text), &err);
        CHECK(st == (*states[i].words ? WHIT_ERR_FORMAT : WHIT_OK) &&
                  strstr(err.msg, states[i].words),
              "%s: %s", states[i].text, err.msg);
    }
}

/* Act-order: any group for any column, and what is refused. */
static void test_g_idx(void)
{
    check_rng r = { 9 };
    matrix m = matrix_random("int4-g16", 8, 64, &r);
    const whit_packing p = packing_of(&m, WHIT_LAYOUT_GPTQ);
    image im = image_new(&p);
    uint32_t g_idx[64], back[64];
    const void *const *data = (const void *const *)im.data;
    const whit_packing_rest rest = { .g_idx = g_idx };
    whit_error err = { WHIT_OK, "" };
    for (int i = 0; i < 64; i++) g_idx[i] = (uint32_t)check_below(&r, 4);
    CHECK(whit_pack_rest(&p, &rest, im.data, &err) == WHIT_OK, "%s", err.msg);
    CHECK(whit_unpack_rest(&p, data, back, NULL, NULL, &err) == WHIT_OK &&
              memcmp(g_idx, back, sizeof back) == 0,
          "scattered");
    CHECK(whit_unpack_rest(&p, data, NULL, NULL, NULL, NULL) == WHIT_OK, "nobody asks");
    g_idx[63] = 4;
    CHECK(whit_pack_rest(&p, &rest, im.data, &err) == WHIT_ERR_ARG &&
              strstr(err.msg, "column 63 in group 4 of 4"),
          "%s", err.msg);
    wh_store32((uint8_t *)im.data[3] + 4, 0xffffffff);
    CHECK(whit_unpack_rest(&p, data, back, NULL, NULL, &err) == WHIT_ERR_FORMAT &&
              strstr(err.msg, "column 1 in group 4294967295 of 4"),
          "%s", err.msg);
    CHECK(whit_pack_rest(&p, NULL, im.data, &err) == WHIT_OK &&
              whit_unpack_rest(&p, data, back, NULL, NULL, &err) == WHIT_OK,
          "%s", err.msg);
    for (uint32_t i = 0; i < 64; i++) CHECK(back[i] == i / 16, "in order");
    image_free(&im);
    matrix_free(&m);
}

static void test_zero_point_0(void)
{
    check_rng r = { 10 };
    matrix m = matrix_random("int4-g16-asym", 16, 64, &r);
    whit_packing p = packing_of(&m, WHIT_LAYOUT_GPTQ);
    image im = image_new(&p);
    whit_error err = { WHIT_OK, "" };
    lift_zeros(&m, WHIT_LAYOUT_GPTQ);
    m.zero[9 * 4 + 2] = 0;
    CHECK(whit_pack_rows(&p, 0, 8, m.codes, m.scale, m.zero, im.data, &err) == WHIT_OK, "%s",
          err.msg);
    CHECK(whit_pack_rows(&p, 8, 8, m.codes, m.scale, m.zero + 32, im.data, &err) ==
                  WHIT_ERR_UNSUPPORTED &&
              strstr(err.msg, "row 9: a zero point of 0"),
          "%s", err.msg);
    p.layout = WHIT_LAYOUT_GPTQ_V2;
    CHECK(whit_pack_rows(&p, 0, 16, m.codes, m.scale, m.zero, im.data, &err) == WHIT_OK, "%s",
          err.msg);
    image_free(&im);
    matrix_free(&m);
}

int main(void)
{
    test_ct_vectors();
    test_gptq_vectors();
    test_awq_vectors();
    test_bnb_vectors();
    test_scb();
    test_state();
    test_states();
    test_g_idx();
    test_zero_point_0();
    return check_result();
}
