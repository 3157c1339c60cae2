/* tests/test_block.c - block types of GGUF: the table, the octets of the reference encoders,
 * values.
 *
 * Inputs: A[i] = ((37 i mod 64) - 32) / 16; B from a linear congruential generator; importance
 * Wt[i] = 1 + i mod 7. What the reference wrote for them: block_vectors.h, and below as FNV-1a.
 *
 * SPDX-License-Identifier: MIT */
#include <whit/block.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "block_vectors.h"
#include "blocks.h"
#include "base/half.h"
#include "pack/block.h"

enum { LONGEST = 256 };

static float input_a[LONGEST], input_b[LONGEST], weight[LONGEST];

static void make_inputs(void)
{
    uint32_t s = 1;
    for (int i = 0; i < LONGEST; i++) {
        input_a[i] = (float)(37 * i % 64 - 32) / 16.0f;
        s = s * 1664525u + 1013904223u;
        input_b[i] = (float)((int)(s >> 20) - 2048) / 1024.0f;
        weight[i] = (float)(1 + i % 7);
    }
}

static uint64_t fnv(const unsigned char *p, size_t n)
{
    return sum_octets(14695981039346656037u, p, n);
}

static void check_vectors(void)
{
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const whit_block type = whit_block_parse(vectors[i].name);
        const whit_block_info *info = whit_block_describe(type);
        unsigned char out[LONGEST];
        char hex[2 * LONGEST + 1] = "";
        whit_error err = { WHIT_OK, "" };
        CHECK(info != NULL, "%s", vectors[i].name);
        if (!info) continue;
        const whit_status st = whit_block_encode(type, WHIT_SEARCH_REFERENCE,
                                                 vectors[i].input == 'A' ? input_a : input_b, 1,
                                                 info->weights, NULL, out, &err);
        CHECK(st == WHIT_OK, "%s: %s", info->name, err.msg);
        for (size_t j = 0; j < info->bytes; j++) sprintf(hex + 2 * j, "%02x", out[j]);
        CHECK(strcmp(hex, vectors[i].hex) == 0, "%s:\n  %s\n  %s", info->name, hex, vectors[i].hex);
    }
}

static void check_sums(void)
{
    static const struct {
        whit_block type;
        int weighted;
        uint64_t sum;
    } cases[] = {
        { WHIT_Q4_0, 1, 0xd5967c863c4e06e8 },   { WHIT_Q4_1, 1, 0x31720a9092de5a7e },
        { WHIT_Q5_0, 1, 0x67667f653f3f76b3 },   { WHIT_Q5_1, 1, 0x8d8a9a626af7761a },
        { WHIT_Q2_K, 1, 0x06cdf9406f4ae428 },   { WHIT_Q3_K, 1, 0x932f0b82d8230688 },
        { WHIT_Q4_K, 1, 0x9fe318b046846b48 },   { WHIT_Q5_K, 1, 0xf4373543e5793b86 },
        { WHIT_Q6_K, 1, 0x9592911d812f0155 },   { WHIT_IQ4_NL, 1, 0x77867ea4652109ff },
        { WHIT_IQ4_XS, 1, 0x0bd54a5854432434 }, { WHIT_Q4_0, 0, 0xb02fd827ab017ff6 },
        { WHIT_Q2_K, 0, 0x460593bb8b76c5b7 },   { WHIT_Q3_K, 0, 0x221fc81833f4e15d },
        { WHIT_Q4_K, 0, 0xe0947ac0c1ead5a7 },   { WHIT_Q5_K, 0, 0x864bab14d5a83243 },
        { WHIT_Q6_K, 0, 0x77cfb74f2b722ae3 },   { WHIT_IQ4_XS, 0, 0x9198c4398b8dbaa3 },
    };
    unsigned char octets[sizeof input_b];
    for (size_t i = 0; i < LONGEST; i++) wh_store32(octets + 4 * i, wh_f32_bits(input_b[i]));
    CHECK(fnv(octets, sizeof octets) == 0x559ed6629927f17d, "input B");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const whit_block_info *info = whit_block_describe(cases[i].type);
        unsigned char out[LONGEST * 2];
        whit_block_encode(cases[i].type, WHIT_SEARCH_REFERENCE, input_b, 1, LONGEST,
                          cases[i].weighted ? weight : NULL, out, NULL);
        CHECK(fnv(out, LONGEST / info->weights * info->bytes) == cases[i].sum, "%s%s", info->name,
              cases[i].weighted ? " with importance" : "");
    }
}

/* Many kinds of weights and importance: block_vectors.h. */
static void check_hard_sums(void)
{
    static float x[SUM_ROWS * SUM_COLS], w[SUM_COLS];
    static unsigned char out[SUM_ROWS * SUM_COLS * 2];
    whit_error err = { WHIT_OK, "" };
    for (int t = 1; t < WHIT_BLOCK_COUNT; t++) {
        const whit_block_info *info = whit_block_describe((whit_block)t);
        for (int importance = 0; importance < IMPORTANCES; importance++) {
            check_rng r = { (uint64_t)importance };
            uint64_t sum = 14695981039346656037u;
            for (int how = 0; how < FILLS; how++) {
                fill_rows(&r, how, importance, x, w);
                const whit_status st =
                    whit_block_encode((whit_block)t, WHIT_SEARCH_REFERENCE, x, SUM_ROWS, SUM_COLS,
                                      importance ? w : NULL, out, &err);
                CHECK(st == WHIT_OK, "%s, %s: %s", info->name, fill_names[how], err.msg);
                sum = sum_octets(sum, out, SUM_ROWS * SUM_COLS / info->weights * info->bytes);
            }
            CHECK(sum == hard_sums[t - 1][importance], "%s, importance %s: %016llx", info->name,
                  importance_names[importance], (unsigned long long)sum);
        }
    }
}

static void check_values(void)
{
    static const struct {
        whit_block type;
        double first[4], rmse;
    } cases[] = {
        { WHIT_Q2_K, { -0.658264, -0.658264, 0.644531, 0.644531 }, 0.275914 },
        { WHIT_Q3_K, { -1.247833, -0.623917, 0, 0.623917 }, 0.148780 },
        { WHIT_Q4_K, { -1.083481, -0.533829, 0.015823, 0.840302 }, 0.067885 },
        { WHIT_Q5_K, { -1.073265, -0.572807, 0.052765, 0.803452 }, 0.031714 },
        { WHIT_Q6_K, { -1.057442, -0.497620, 0, 0.808632 }, 0.015374 },
        { WHIT_IQ4_XS, { -1.045380, -0.562897, 0.016083, 0.852386 }, 0.076496 },
        { WHIT_Q4_0, { NAN }, 0.079073 },
        { WHIT_Q4_1, { NAN }, 0.072319 },
        { WHIT_Q5_0, { NAN }, 0.036003 },
        { WHIT_Q5_1, { NAN }, 0.032589 },
        { WHIT_Q8_0, { NAN }, 0.004431 },
        { WHIT_BLOCK_MXFP4, { NAN }, 0.176445 },
        { WHIT_BLOCK_NVFP4, { NAN }, 0.104358 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const whit_block_info *info = whit_block_describe(cases[i].type);
        unsigned char blocks[LONGEST * 2];
        float out[LONGEST];
        double sum = 0;
        whit_block_encode(cases[i].type, WHIT_SEARCH_REFERENCE, input_b, 1, LONGEST, NULL, blocks,
                          NULL);
        CHECK(whit_block_decode(cases[i].type, blocks, LONGEST / info->weights, out, NULL) ==
                  WHIT_OK,
              "%s", info->name);
        for (size_t j = 0; j < LONGEST; j++) sum += pow((double)out[j] - (double)input_b[j], 2.0);
        CHECK(fabs(sqrt(sum / LONGEST) - cases[i].rmse) <= 0.5000001e-6, "%s: RMSE %.7f, not %.6f",
              info->name, sqrt(sum / LONGEST), cases[i].rmse);
        for (size_t j = 0; j < 4 && !isnan(cases[i].first[0]); j++)
            CHECK(fabs((double)out[j] - cases[i].first[j]) <= 0.5000001e-6,
                  "%s[%zu]: %.7f, not %.6f", info->name, j, (double)out[j], cases[i].first[j]);
    }
}

static size_t read_file(const char *data, const char *name, void *to, size_t size)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/../golden/blocks/%s", data, name);
    FILE *f = fopen(path, "rb");
    CHECK(f != NULL, "%s", path);
    if (!f) return 0;
    const size_t got = fread(to, 1, size, f);
    fclose(f);
    return got;
}

static void check_golden(const char *data)
{
    static const whit_block types[] = { WHIT_Q4_0, WHIT_Q8_0 };
    float w[8 * 64];
    unsigned char want[2048], out[2048];
    CHECK(read_file(data, "attn_q.f32", w, sizeof w) == sizeof w, "8 rows of 64");
    for (size_t i = 0; i < sizeof w / sizeof w[0]; i++) w[i] = wh_bits_f32(wh_load32(w + i));
    for (size_t i = 0; i < 2; i++) {
        const whit_block_info *info = whit_block_describe(types[i]);
        char name[32];
        snprintf(name, sizeof name, "attn_q.%s", info->lower);
        const size_t bytes = read_file(data, name, want, sizeof want);
        CHECK(bytes == 8 * 64 / 32 * info->bytes, "%s: %zu octets", name, bytes);
        whit_block_encode(types[i], WHIT_SEARCH_REFERENCE, w, 8, 64, NULL, out, NULL);
        CHECK(memcmp(out, want, bytes) == 0, "%s", name);
    }
}

/* Every octet of a block is a field's: what unpack reads pack writes back. */
static void check_round_trip(void)
{
    check_rng r = { 5 };
    for (int t = 1; t < WHIT_BLOCK_COUNT; t++) {
        const wh_block_type *type = wh_block_type_of((whit_block)t);
        unsigned char in[LONGEST], out[LONGEST];
        int wrong = 0;
        for (int k = 0; k < 2000; k++) {
            wh_block_parts p = { 0 };
            for (size_t i = 0; i < type->info.bytes; i++) in[i] = (unsigned char)check_u64(&r);
            if (t == WHIT_TQ1_0) { /* 243 of the 256 octets are written */
                for (size_t i = 0; i < 48; i++)
                    in[i] = (unsigned char)((check_below(&r, 243) * 256 + 242) / 243);
                for (size_t i = 48; i < 52; i++)
                    in[i] = (unsigned char)((check_below(&r, 81) * 3 * 256 + 242) / 243);
            }
            memset(out, 0xee, sizeof out);
            type->unpack(in, &p);
            type->pack(&p, out);
            wrong += memcmp(in, out, type->info.bytes) != 0 || out[type->info.bytes] != 0xee;
        }
        CHECK(wrong == 0, "%s: %d of 2000 blocks", type->info.name, wrong);
    }
}

static void check_table(void)
{
    static const struct {
        whit_block type;
        const char *name;
        uint32_t id;
        unsigned weights, bytes;
    } want[] = {
        { WHIT_Q4_0, "Q4_0", 2, 32, 18 },          { WHIT_Q4_1, "Q4_1", 3, 32, 20 },
        { WHIT_Q5_0, "Q5_0", 6, 32, 22 },          { WHIT_Q5_1, "Q5_1", 7, 32, 24 },
        { WHIT_Q8_0, "Q8_0", 8, 32, 34 },          { WHIT_Q2_K, "Q2_K", 10, 256, 84 },
        { WHIT_Q3_K, "Q3_K", 11, 256, 110 },       { WHIT_Q4_K, "Q4_K", 12, 256, 144 },
        { WHIT_Q5_K, "Q5_K", 13, 256, 176 },       { WHIT_Q6_K, "Q6_K", 14, 256, 210 },
        { WHIT_IQ4_NL, "IQ4_NL", 20, 32, 18 },     { WHIT_IQ4_XS, "IQ4_XS", 23, 256, 136 },
        { WHIT_TQ1_0, "TQ1_0", 34, 256, 54 },      { WHIT_TQ2_0, "TQ2_0", 35, 256, 66 },
        { WHIT_BLOCK_MXFP4, "MXFP4", 39, 32, 17 }, { WHIT_BLOCK_NVFP4, "NVFP4", 40, 64, 36 },
        { WHIT_Q1_0, "Q1_0", 41, 128, 18 },        { WHIT_Q2_0, "Q2_0", 42, 64, 18 },
    };
    static const uint32_t others[] = { 0, 1, 4, 5, 9, 15, 16, 30, 31, 36, 99, 0xffffffff };
    CHECK(sizeof want / sizeof want[0] == WHIT_BLOCK_COUNT - 1, "a type without a row here");
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        const whit_block_info *info = whit_block_describe(want[i].type);
        CHECK(info && strcmp(info->name, want[i].name) == 0 && info->id == want[i].id &&
                  info->weights == want[i].weights && info->bytes == want[i].bytes,
              "%s", want[i].name);
        CHECK(whit_block_of_id(want[i].id) == want[i].type, "id %u", (unsigned)want[i].id);
        CHECK(whit_block_parse(want[i].name) == want[i].type, "%s", want[i].name);
        CHECK(info && whit_block_parse(info->lower) == want[i].type, "%s", want[i].name);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        CHECK(whit_block_of_id(others[i]) == WHIT_BLOCK_NONE, "id %u", (unsigned)others[i]);
    CHECK(!whit_block_describe(WHIT_BLOCK_NONE) && !whit_block_describe(WHIT_BLOCK_COUNT), "ends");
    CHECK(whit_block_parse("q4_") == WHIT_BLOCK_NONE &&
              whit_block_parse("q4_kk") == WHIT_BLOCK_NONE &&
              whit_block_parse("") == WHIT_BLOCK_NONE && whit_block_parse(NULL) == WHIT_BLOCK_NONE,
          "names of none");
}

static void check_refusals(void)
{
    float w[2 * LONGEST] = { 0 }, importance[LONGEST] = { 0 }, out[LONGEST];
    unsigned char blocks[4 * LONGEST];
    whit_error err = { WHIT_OK, "" };
    const whit_search ref = WHIT_SEARCH_REFERENCE;
    CHECK(whit_block_encode(WHIT_Q4_K, ref, w, 2, 128, NULL, blocks, &err) == WHIT_ERR_ARG, "cols");
    CHECK(whit_block_encode(WHIT_BLOCK_NONE, ref, w, 1, 32, NULL, blocks, &err) == WHIT_ERR_ARG,
          "no type");
    CHECK(whit_block_encode(WHIT_Q4_0, (whit_search)9, w, 1, 32, NULL, blocks, &err) ==
              WHIT_ERR_ARG,
          "search");
    CHECK(whit_block_encode(WHIT_Q4_0, ref, NULL, 1, 32, NULL, blocks, &err) == WHIT_ERR_ARG,
          "NULL");
    CHECK(whit_block_encode(WHIT_Q4_0, ref, w, 1, 32, NULL, NULL, &err) == WHIT_ERR_ARG, "NULL");
    CHECK(whit_block_encode(WHIT_Q4_0, ref, NULL, 0, 32, NULL, NULL, NULL) == WHIT_OK, "no rows");
    CHECK(whit_block_decode(WHIT_BLOCK_NONE, blocks, 1, out, &err) == WHIT_ERR_ARG, "no type");
    CHECK(whit_block_decode(WHIT_Q4_0, NULL, 1, out, &err) == WHIT_ERR_ARG, "NULL");
    CHECK(whit_block_decode(WHIT_Q4_0, NULL, 0, NULL, NULL) == WHIT_OK, "no blocks");

    w[LONGEST + 77] = NAN;
    CHECK(whit_block_encode(WHIT_Q8_0, ref, w, 2, LONGEST, NULL, blocks, &err) ==
                  WHIT_ERR_NUMERIC &&
              strstr(err.msg, "row 1, column 77"),
          "%s", err.msg);
    w[LONGEST + 77] = -INFINITY;
    CHECK(whit_block_encode(WHIT_Q6_K, ref, w, 2, LONGEST, NULL, blocks, &err) ==
                  WHIT_ERR_NUMERIC &&
              strstr(err.msg, "row 1, column 77"),
          "%s", err.msg);
    w[LONGEST + 77] = 65504.0f * 9.0f;
    CHECK(whit_block_encode(WHIT_Q4_0, ref, w, 2, LONGEST, NULL, blocks, &err) ==
                  WHIT_ERR_NUMERIC &&
              strstr(err.msg, "row 1, columns from 64"),
          "%s", err.msg);
    w[LONGEST + 77] = -65600.0f;
    CHECK(whit_block_encode(WHIT_Q4_1, ref, w, 2, LONGEST, NULL, blocks, &err) == WHIT_ERR_NUMERIC,
          "a minimum beyond F16");
    w[LONGEST + 77] = FLT_MAX; /* log2f rounds it up: the reference's codes would be infinite */
    for (int search = 0; search < 2; search++)
        CHECK(whit_block_encode(WHIT_BLOCK_MXFP4, (whit_search)search, w, 2, LONGEST, NULL, blocks,
                                &err) == WHIT_ERR_NUMERIC &&
                  strstr(err.msg, "row 1, columns from 64: no finite power of two"),
              "%s", err.msg);
    w[LONGEST + 77] = 0x1.9p+127f;
    CHECK(whit_block_encode(WHIT_BLOCK_MXFP4, ref, w, 2, LONGEST, NULL, blocks, &err) == WHIT_OK,
          "%s", err.msg);
    w[LONGEST + 77] = 1.0f;
    importance[3] = -1.0f;
    CHECK(whit_block_encode(WHIT_Q4_0, ref, w, 2, LONGEST, importance, blocks, &err) ==
                  WHIT_ERR_NUMERIC &&
              strstr(err.msg, "column 3"),
          "%s", err.msg);
}

/* An importance of zeros is none. */
static void check_zero_importance(void)
{
    float zeros[LONGEST] = { 0 };
    for (int t = 1; t < WHIT_BLOCK_COUNT; t++) {
        unsigned char a[2 * LONGEST] = { 0 }, b[2 * LONGEST] = { 0 };
        whit_block_encode((whit_block)t, WHIT_SEARCH_REFERENCE, input_b, 1, LONGEST, NULL, a, NULL);
        whit_block_encode((whit_block)t, WHIT_SEARCH_REFERENCE, input_b, 1, LONGEST, zeros, b,
                          NULL);
        CHECK(memcmp(a, b, sizeof a) == 0, "%s", whit_block_describe((whit_block)t)->name);
    }
}

/* ---- taken apart ---- */

enum { TAKEN = 5 };

/* Half of an E4M3 without sign, whose largest exponent is one like the others. */
static float half_ue4m3(uint8_t octet)
{
    return octet < 8 ? ldexpf((float)octet, -10)
                     : ldexpf((float)(8 + (octet & 7)), (octet >> 3) - 11);
}

/* What a field's description says a weight is, in float32. */
static float recombined(const wh_block_type *t, const wh_block_fields *f, size_t i)
{
    const size_t b = i / t->info.weights, sub = i / t->sub;
    const int8_t *levels = whit_block_levels(whit_block_of_id(t->info.id));
    const int level = levels ? levels[f->code[i]] : f->code[i] + t->lowest;
    float step = wh_f16_to_f32(f->d[b]), base = t->affine ? wh_f16_to_f32(f->m[b]) : 0.0f;
    if (t->step == WH_STEP_E8M0) step = ldexpf(1.0f, f->octet[b] - 128);
    if (t->step == WH_STEP_UE4M3) step = half_ue4m3(f->octet[sub]);
    if (t->step == WH_STEP_SCALED) step = step * (float)f->scale[sub];
    if (t->step == WH_STEP_SCALED && t->affine) base = base * (float)f->min[sub];
    const float value = step * (float)level;
    return t->affine ? value - base : value;
}

/* Of any octets the fields give what the decoder gives. */
static void check_fields(void)
{
    static uint8_t code[TAKEN * LONGEST], min[TAKEN * 16], octet[TAKEN * 16];
    static uint16_t d[TAKEN], m[TAKEN];
    static int8_t scale[TAKEN * 16];
    static float decoded[TAKEN * LONGEST];
    static uint8_t octets[TAKEN * LONGEST];
    const wh_block_fields f = { code, d, octet, m, scale, min };
    check_rng rng = { 99 };
    for (int block = 1; block < WHIT_BLOCK_COUNT; block++) {
        const wh_block_type *t = wh_block_type_of((whit_block)block);
        size_t wrong = 0;
        for (int turn = 0; turn < 50; turn++) {
            for (size_t i = 0; i < sizeof octets; i++) octets[i] = (uint8_t)(check_u64(&rng) >> 40);
            wh_block_take(t, octets, TAKEN, &f);
            whit_block_decode((whit_block)block, octets, TAKEN, decoded, NULL);
            for (size_t i = 0; i < TAKEN * t->info.weights; i++) {
                const float want = decoded[i], got = recombined(t, &f, i);
                const int same = isnan(want) ? isnan(got) : wh_f32_bits(want) == wh_f32_bits(got);
                wrong += !same;
            }
        }
        CHECK(wrong == 0, "%s: %zu weights recombined from its fields", t->info.name, wrong);
    }
}

int main(int argc, char **argv)
{
    const char *data = argc > 1 ? argv[1] : "tests/data";
    make_inputs();
    check_table();
    check_fields();
    check_vectors();
    check_sums();
    check_hard_sums();
    check_values();
    check_golden(data);
    check_round_trip();
    check_refusals();
    check_zero_importance();
    return check_result();
}
