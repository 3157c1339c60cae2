/* tests/test_packing.c - the layouts of other programs' checkpoints: which scheme each holds, the
 * bits that their descriptions give, and the way there and back without a change.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "packing_pairs.h"

#include "base/bytes.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* ---- which scheme goes where ----------------------------------------------------------------- */

/* What a layout cannot hold, and the scheme that the message names. */
static const struct {
    const char *scheme;
    whit_layout layout;
    size_t rows, cols;
    const char *words;
} refused[] = {
    /* clang-format off */
    { "int8-tensor",           WHIT_LAYOUT_CT_PACKED, 8, 8,   "try: int8-channel" },
    { "int4-tensor",           WHIT_LAYOUT_CT_PACKED, 8, 8,   "try: int4-channel" },
    { "int3-g32",              WHIT_LAYOUT_CT_PACKED, 8, 32,  "try: int4-g32" },
    { "nf4-g64",               WHIT_LAYOUT_CT_PACKED, 8, 64,  "not nf4-g64; try: int4-g64" },
    { "int4-g32",              WHIT_LAYOUT_CT_PACKED, 8, 33,  "the columns are no multiple" },
    { "int4-g32",              WHIT_LAYOUT_CT_PACKED, 0, 32,  "no empty matrix" },
    { "int8-channel-asym",     WHIT_LAYOUT_CT_INT,    8, 8,   "try: int8-channel" },
    { "int8-g32",              WHIT_LAYOUT_CT_INT,    8, 32,  "try: int8-channel" },
    { "int4-channel",          WHIT_LAYOUT_CT_INT,    8, 32,  "try: int8-channel" },
    { "fp8_e5m2-channel",      WHIT_LAYOUT_CT_FLOAT,  8, 32,  "try: fp8_e4m3-channel" },
    { "fp8_e4m3-g32",          WHIT_LAYOUT_CT_FLOAT,  8, 32,  "try: fp8_e4m3-channel" },
    { "fp8_e4m3-block64x128",  WHIT_LAYOUT_CT_FLOAT,  8, 32,  "try: fp8_e4m3-block128x128" },
    { "nf4-g64",               WHIT_LAYOUT_GPTQ,      8, 64,  "try: int4-g64" },
    { "int5-g32",              WHIT_LAYOUT_GPTQ,      8, 64,  "try: int4-g32" },
    { "int8-channel",          WHIT_LAYOUT_GPTQ,      8, 64,  "try: int8-channel-sf16" },
    { "int4-g32-sbf16",        WHIT_LAYOUT_GPTQ_V2,   8, 64,  "gptq_v2 holds int2, int3, int4 and int8" },
    { "int2-g32",              WHIT_LAYOUT_GPTQ,      8, 64,  "multiples of 16" },
    { "int3-g32",              WHIT_LAYOUT_GPTQ,      32, 8,  "multiples of 32" },
    { "int4-g32",              WHIT_LAYOUT_GPTQ,      8, 36,  "multiples of 8; try: int8" },
    { "int4-g32",              WHIT_LAYOUT_GPTQ,      24, 72, "no multiple of the group; try: a group" },
    { "int3-g64-asym",         WHIT_LAYOUT_GPTQ_V2,   64, 96, "no multiple of the group; try: a group" },
    { "int8-g32",              WHIT_LAYOUT_GPTQ,      6, 32,  "multiples of 4; try: keep" },
    { "int8-g64",              WHIT_LAYOUT_AWQ,       8, 64,  "try: int4-g64" },
    { "int4-channel",          WHIT_LAYOUT_AWQ,       8, 64,  "try: int4-channel-sf16" },
    { "fp4bnb-g64-dq",         WHIT_LAYOUT_AWQ,       8, 64,  "try: int4-g64" },
    { "int4-g64",              WHIT_LAYOUT_AWQ,       8, 96,  "no multiple of the group" },
    { "int4-g32",              WHIT_LAYOUT_AWQ,       12, 96, "multiple of 8" },
    { "int4-g64",              WHIT_LAYOUT_BNB4,      8, 64,  "try: nf4-g64" },
    { "fp4-g64",               WHIT_LAYOUT_BNB4,      8, 64,  "try: nf4-g64" },
    { "nf4-tensor",            WHIT_LAYOUT_BNB4,      8, 64,  "try: nf4-channel" },
    { "nf4-g48",               WHIT_LAYOUT_BNB4,      8, 96,  "groups are of 32, 64" },
    { "nf4-g8192",             WHIT_LAYOUT_BNB4,      8, 8192, "groups are of 32, 64" },
    { "nf4-channel",           WHIT_LAYOUT_BNB4,      8, 96,  "groups are of 32, 64" },
    { "nf4-g64",               WHIT_LAYOUT_BNB4,      8, 172, "run on into the next row" },
    { "nf4-g64",               WHIT_LAYOUT_BNB4,      8, 32,  "run on into the next row" },
    { "int8-tensor",           WHIT_LAYOUT_BNB8,      8, 64,  "try: int8-channel" },
    { "int8-channel-asym",     WHIT_LAYOUT_BNB8,      8, 64,  "try: int8-channel" },
    { "int8-g64",              WHIT_LAYOUT_BNB8,      8, 64,  "try: int8-channel" },
    { "q4_0",                  WHIT_LAYOUT_CT_PACKED, 8, 32,  "not q4_0; try: int4-g128" },
    { "keep",                  WHIT_LAYOUT_CT_INT,    8, 32,  "not keep; try: int8-channel" },
    /* clang-format on */
};

static void test_refused(void)
{
    whit_plane planes[WHIT_MAX_PACKED];
    unsigned count;
    for (size_t i = 0; i < COUNT(refused); i++) {
        whit_packing p = { .struct_size = sizeof p,
                           .layout = refused[i].layout,
                           .rows = refused[i].rows,
                           .cols = refused[i].cols,
                           .dtype = WHIT_F32 };
        whit_error err = { WHIT_OK, "" };
        CHECK(whit_scheme_parse(&p.scheme, refused[i].scheme, &err) == WHIT_OK, "%s", err.msg);
        CHECK(whit_packing_planes(&p, planes, &count, &err) == WHIT_ERR_UNSUPPORTED && count == 0,
              "%s", refused[i].scheme);
        CHECK(strstr(err.msg, refused[i].words), "%s: %s", refused[i].scheme, err.msg);
        /* the scheme that is named fits, or another shape of this one does */
        const char *try = strstr(err.msg, "; try: ");
        CHECK(try && whit_packing_unit(&p) == 1, "%s", err.msg);
        if (!try || whit_scheme_parse(&p.scheme, try + 7, NULL) != WHIT_OK) continue;
        p.rows = p.cols = 2048;
        CHECK(p.scheme.kind == WHIT_KEEP ||
                  whit_packing_planes(&p, planes, &count, &err) == WHIT_OK,
              "%s: %s", refused[i].scheme, err.msg);
    }
}

static void test_arguments(void)
{
    whit_plane planes[WHIT_MAX_PACKED];
    unsigned count = 7;
    uint8_t codes[64] = { 0 };
    float scale[64] = { 0 };
    void *none[WHIT_MAX_PACKED] = { codes, codes, codes };
    whit_packing p = { .layout = WHIT_LAYOUT_CT_PACKED, .rows = 8, .cols = 8 };
    whit_scheme_parse(&p.scheme, "int4-channel-asym", NULL);
    CHECK(whit_packing_planes(&p, planes, &count, NULL) == WHIT_ERR_ARG, "of no size");
    p.struct_size = sizeof p;
    CHECK(whit_packing_planes(&p, planes, &count, NULL) == WHIT_OK && count == 4, "sound");
    CHECK(whit_packing_planes(NULL, planes, &count, NULL) == WHIT_ERR_ARG && count == 0, "none");
    CHECK(whit_packing_planes(&p, NULL, &count, NULL) == WHIT_ERR_ARG, "no place");
    CHECK(whit_pack_rows(&p, 0, 8, codes, scale, NULL, none, NULL) == WHIT_ERR_ARG, "no zeros");
    CHECK(whit_pack_rows(&p, 0, 9, codes, scale, codes, none, NULL) == WHIT_ERR_ARG, "too many");
    CHECK(whit_pack_rows(&p, 4, 4, codes, scale, codes, none, NULL) == WHIT_ERR_ARG, "cuts a word");
    CHECK(whit_pack_rows(&p, 0, 4, codes, scale, codes, none, NULL) == WHIT_ERR_ARG, "cuts a word");
    CHECK(whit_pack_rows(&p, 8, 0, NULL, NULL, NULL, NULL, NULL) == WHIT_OK, "nothing");
    CHECK(whit_unpack_rows(&p, 0, 8, NULL, codes, scale, codes, NULL) == WHIT_ERR_ARG, "no image");
    CHECK(whit_pack_rest(&p, NULL, NULL, NULL) == WHIT_ERR_ARG, "no image");
    p.scheme.gran = WHIT_GRAN_GROUP;
    CHECK(whit_packing_planes(&p, planes, &count, NULL) == WHIT_ERR_ARG, "groups of 0");
    p.scheme.gran = WHIT_GRAN_CHANNEL;
    p.rows = p.cols = (uint64_t)1 << 33;
    CHECK(whit_packing_planes(&p, planes, &count, NULL) == WHIT_ERR_UNSUPPORTED, "2^65 bytes");
    p.layout = WHIT_LAYOUT_NATIVE;
    CHECK(whit_packing_planes(&p, planes, &count, NULL) == WHIT_ERR_ARG, "native");
    p.layout = WHIT_LAYOUT_LLAMA2C;
    CHECK(whit_packing_planes(&p, planes, &count, NULL) == WHIT_ERR_ARG, "only read");
    p.layout = WHIT_LAYOUT_COUNT;
    CHECK(whit_packing_planes(&p, planes, &count, NULL) == WHIT_ERR_ARG, "no layout");
    CHECK(!strcmp(whit_layout_name(WHIT_LAYOUT_COUNT), "?"), "no layout has no name");
    CHECK(!strcmp(whit_layout_name(WHIT_LAYOUT_NATIVE), "native"), "native");
    CHECK(!strcmp(whit_layout_name(WHIT_LAYOUT_CT_INT), "int-quantized"), "a name");
}

/* ---- the bits, one code at a time, as the descriptions say ----------------------------------- */

static unsigned bits_at(const uint8_t *words, size_t word, size_t bit, unsigned bits)
{
    uint64_t v = wh_load32(words + 4 * word);
    if (bit + bits > 32) v |= (uint64_t)wh_load32(words + 4 * (word + 1)) << 32;
    return (unsigned)(v >> bit) & ((1u << bits) - 1);
}

static unsigned ct_code(const matrix *m, const image *im, size_t o, size_t i)
{
    const unsigned b = m->scheme.bits;
    const size_t words = (m->cols * b + 31) / 32;
    return bits_at(image_of(im, ".weight_packed"), o * words + i * b / 32, i * b % 32, b);
}

static unsigned ct_zero(const matrix *m, const image *im, size_t o, size_t g)
{
    const unsigned b = m->scheme.bits;
    return bits_at(image_of(im, ".weight_zero_point"), o * b / 32 * m->groups + g, o * b % 32, b);
}

static unsigned int_code(const matrix *m, const image *im, size_t o, size_t i)
{
    return (unsigned)((int8_t)image_of(im, ".weight")[o * m->cols + i] + 128);
}

static unsigned float_code(const matrix *m, const image *im, size_t o, size_t i)
{
    return image_of(im, ".weight")[o * m->cols + i];
}

static unsigned gptq_code(const matrix *m, const image *im, size_t o, size_t i)
{
    const unsigned b = m->scheme.bits;
    const uint8_t *words = image_of(im, ".qweight");
    uint64_t v = wh_load32(words + 4 * (i * b / 32 * m->rows + o));
    if (i * b % 32 + b > 32)
        v |= (uint64_t)wh_load32(words + 4 * ((i * b / 32 + 1) * m->rows + o)) << 32;
    return (unsigned)(v >> i * b % 32) & ((1u << b) - 1);
}

static unsigned gptq_zero(const matrix *m, const image *im, size_t o, size_t g)
{
    const unsigned b = m->scheme.bits;
    return bits_at(image_of(im, ".qzeros"), g * (m->rows * b / 32) + o * b / 32, o * b % 32, b);
}

static unsigned gptq_zero_less_1(const matrix *m, const image *im, size_t o, size_t g)
{
    return gptq_zero(m, im, o, g) + 1;
}

/* Column 8c + j of a row stands in nibble rev[j] of word c. */
static unsigned awq_at(const uint8_t *words, size_t outputs, size_t row, size_t o)
{
    static const unsigned rev[8] = { 0, 4, 1, 5, 2, 6, 3, 7 };
    return bits_at(words, row * (outputs / 8) + o / 8, 4 * rev[o % 8], 4);
}

static unsigned awq_code(const matrix *m, const image *im, size_t o, size_t i)
{
    return awq_at(image_of(im, ".qweight"), m->rows, i, o);
}

static unsigned awq_zero(const matrix *m, const image *im, size_t o, size_t g)
{
    return awq_at(image_of(im, ".qzeros"), m->rows, g, o);
}

static unsigned bnb_code(const matrix *m, const image *im, size_t o, size_t i)
{
    const size_t n = o * m->cols + i;
    return image_of(im, ".weight")[n / 2] >> (n % 2 ? 0 : 4) & 15;
}

static const struct {
    unsigned (*code)(const matrix *m, const image *im, size_t o, size_t i);
    unsigned (*zero)(const matrix *m, const image *im, size_t o, size_t g);
} definition[WHIT_LAYOUT_COUNT] = {
    [WHIT_LAYOUT_CT_PACKED] = { ct_code, ct_zero },
    [WHIT_LAYOUT_CT_INT] = { int_code, NULL },
    [WHIT_LAYOUT_CT_FLOAT] = { float_code, NULL },
    [WHIT_LAYOUT_GPTQ] = { gptq_code, gptq_zero_less_1 },
    [WHIT_LAYOUT_GPTQ_V2] = { gptq_code, gptq_zero },
    [WHIT_LAYOUT_AWQ] = { awq_code, awq_zero },
    [WHIT_LAYOUT_BNB4] = { bnb_code, NULL },
    [WHIT_LAYOUT_BNB8] = { int_code, NULL },
};

/* Of symmetric codes. */
static unsigned centre_of(const matrix *m)
{
    return 1u << (m->scheme.bits - 1);
}

static void check_bits(const matrix *m, const image *im, whit_layout layout, const char *scheme)
{
    size_t wrong = 0;
    for (size_t o = 0; o < m->rows; o++) {
        for (size_t i = 0; i < m->cols; i++)
            wrong += definition[layout].code(m, im, o, i) != m->codes[o * m->cols + i];
        const int zeros =
            m->scheme.asym || (layout >= WHIT_LAYOUT_GPTQ && layout <= WHIT_LAYOUT_AWQ);
        for (size_t g = 0; g < m->groups && zeros; g++)
            wrong += definition[layout].zero(m, im, o, g) !=
                     (m->scheme.asym ? m->zero[o * m->groups + g] : centre_of(m));
    }
    CHECK(wrong == 0, "%s as %s: %zu codes or zero points", scheme, whit_layout_name(layout),
          wrong);
}

/* ---- there and back -------------------------------------------------------------------------- */

static void check_planes(const whit_packing *p, const image *im)
{
    for (unsigned k = 0; k < im->count; k++) {
        const whit_plane *q = &im->plane[k];
        uint64_t bytes = whit_dtype_bits(q->dtype) / 8;
        for (unsigned d = 0; d < q->rank; d++) bytes *= q->shape[d];
        CHECK(bytes == q->bytes && q->suffix[0] == '.', "%s of %s", q->suffix,
              whit_layout_name(p->layout));
    }
}

static void check_rest(const whit_packing *p, const matrix *m, const image *im,
                       const whit_packing_rest *rest)
{
    const size_t n = (m->scales + 255) / 256;
    float *absmax = packing_alloc(n * sizeof *absmax, 0), offset = 0;
    whit_error err = { WHIT_OK, "" };
    CHECK(whit_unpack_rest(p, (const void *const *)im->data, NULL, absmax, &offset, &err) ==
              WHIT_OK,
          "%s", err.msg);
    CHECK(!m->scheme.dq || (memcmp(absmax, rest->absmax, n * sizeof *absmax) == 0 &&
                            memcmp(&offset, &rest->offset, sizeof offset) == 0),
          "nested scales");
    free(absmax);
}

static void check_pair(size_t i, check_rng *r)
{
    const char *scheme = exact[i].scheme, *layout = whit_layout_name(exact[i].layout);
    matrix m = matrix_random(scheme, exact[i].rows, exact[i].cols, r);
    matrix back = matrix_new(scheme, exact[i].rows, exact[i].cols);
    lift_zeros(&m, exact[i].layout);
    const whit_packing p = packing_of(&m, exact[i].layout);
    image im = image_new(&p), again = image_new(&p);
    check_planes(&p, &im);
    const whit_packing_rest rest = packing_rest_of(&m, r);
    pack_in_parts(&p, &m, &im, r);
    CHECK(whit_pack_rest(&p, &rest, im.data, NULL) == WHIT_OK, "%s as %s", scheme, layout);
    check_rest(&p, &m, &im, &rest);
    check_bits(&m, &im, exact[i].layout, scheme);
    unpack_in_parts(&p, &im, &back, r);
    CHECK(memcmp(m.codes, back.codes, m.rows * m.cols) == 0, "%s as %s: codes", scheme, layout);
    CHECK(m.scheme.dq || memcmp(m.scale, back.scale, m.scales * sizeof *m.scale) == 0,
          "%s as %s: scales", scheme, layout);
    CHECK(!has_octets(&m) || memcmp(m.zero, back.zero, m.scales) == 0, "%s as %s: zero points",
          scheme, layout);
    /* in one part: the same octets, whatever was there before */
    for (unsigned k = 0; k < again.count; k++)
        memset(again.data[k], 0x5a, (size_t)again.plane[k].bytes);
    CHECK(whit_pack_rows(&p, 0, m.rows, back.codes, back.scale, has_octets(&m) ? back.zero : NULL,
                         again.data, NULL) == WHIT_OK &&
              whit_pack_rest(&p, &rest, again.data, NULL) == WHIT_OK,
          "%s as %s: again", scheme, layout);
    for (unsigned k = 0; k < im.count; k++)
        CHECK(memcmp(im.data[k], again.data[k], (size_t)im.plane[k].bytes) == 0,
              "%s as %s: other octets in %s", scheme, layout, im.plane[k].suffix);
    free((void *)(uintptr_t)rest.absmax);
    image_free(&im);
    image_free(&again);
    matrix_free(&m);
    matrix_free(&back);
}

static void test_exact(void)
{
    check_rng r = { 5 };
    for (size_t i = 0; i < COUNT(exact); i++)
        for (int k = 0; k < 8; k++) check_pair(i, &r);
}

int main(void)
{
    test_refused();
    test_arguments();
    test_exact();
    return check_result();
}
