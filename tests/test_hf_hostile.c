/* tests/test_hf_hostile.c - checkpoints that lie: shapes that do not fit together, groups that are
 * none, configurations of something else. One line says which tensor and what is wrong.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "jobs.h"
#include "source/hf_config.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

typedef struct stored {
    const char *name, *dtype;
    unsigned rank;
    uint64_t shape[3];
    int64_t ints[4];  /* the first elements of integers; the rest is 0 */
    const char *text; /* or the octets */
} stored;

typedef struct hostile {
    const char *what, *config;
    stored part[7];    /* up to the first without a name */
    const char *words; /* of the message; "": it is sound */
} hostile;

/* clang-format off */
#define CT(format, weights) \
    "{\"quantization_config\":{\"quant_method\":\"compressed-tensors\",\"format\":\"" format "\"," \
    "\"config_groups\":{\"group_0\":{\"targets\":[\"Linear\"],\"weights\":{" weights "}}}}}"
#define W4 "\"num_bits\":4,\"type\":\"int\",\"symmetric\":true,\"strategy\":\"group\",\"group_size\":32"
#define W4A "\"num_bits\":4,\"type\":\"int\",\"symmetric\":false,\"strategy\":\"group\",\"group_size\":32"
#define W8 "\"num_bits\":8,\"type\":\"int\",\"symmetric\":true,\"strategy\":\"channel\",\"group_size\":null"
#define GOOD CT("pack-quantized", W4)
#define PACKED { "L.weight_packed", "I32", 2, { 8, 8 } }
#define SCALE { "L.weight_scale", "F16", 2, { 8, 2 } }
#define SHAPE { "L.weight_shape", "I64", 1, { 2 }, { 8, 64 } }
#define ZERO { "L.weight_zero_point", "I32", 2, { 1, 2 } }
#define INT8 { "L.weight", "I8", 2, { 8, 64 } }
#define FP8 { "L.weight", "F8_E4M3", 2, { 8, 64 } }

static const hostile ct[] = {
    { "sound",                  GOOD, { PACKED, SCALE, SHAPE }, "" },
    { "sound, asymmetric",      CT("pack-quantized", W4A), { PACKED, SCALE, SHAPE, ZERO }, "" },
    { "sound, nothing said",    NULL, { PACKED, SCALE, SHAPE }, "" },
    { "sound, no groups",       "{\"quantization_config\":{\"quant_method\":\"compressed-tensors\"}}", { PACKED, SCALE, SHAPE }, "" },
    { "sound, of another model", "{\"model_type\":\"llama\"}", { PACKED, SCALE, SHAPE }, "" },
    { "sound, older name",      "{\"compression_config\":{\"format\":\"pack-quantized\"}}", { PACKED, SCALE, SHAPE }, "" },
    { "sound, I32 shape",       GOOD, { PACKED, SCALE, { "L.weight_shape", "I32", 1, { 2 }, { 8, 64 } } }, "" },
    { "sound, one group",       CT("pack-quantized", "\"num_bits\":4,\"strategy\":\"group\",\"group_size\":64"), { PACKED, { "L.weight_scale", "F16", 2, { 8, 1 } }, SHAPE }, "" },
    { "sound, parts of none",   GOOD, { { "M.weight_scale", "F16", 2, { 8, 2 } }, { "M.weight", "F16", 2, { 8, 64 } } }, "" },
    { "sound, in order",        CT("", "\"num_bits\":4,\"strategy\":\"group\",\"group_size\":2"), { { "L.weight_packed", "I32", 2, { 8, 1 } }, { "L.weight_scale", "F16", 2, { 8, 2 } }, { "L.weight_shape", "I64", 1, { 2 }, { 8, 4 } }, { "L.weight_g_idx", "I32", 1, { 4 }, { 0, 0, 1, 1 } } }, "" },
    { "few columns, nothing said", NULL, { { "L.weight_packed", "I32", 2, { 8, 1 } }, { "L.weight_scale", "F16", 2, { 8, 1 } }, { "L.weight_shape", "I64", 1, { 2 }, { 8, 4 } } }, "4 columns in 1 words may be codes of more or fewer bits" },
    { "no scales",              GOOD, { PACKED, SHAPE }, "L.weight: its weight_scale is missing" },
    { "no shape",               GOOD, { PACKED, SCALE }, "its weight_shape is missing" },
    { "words of another type",  GOOD, { { "L.weight_packed", "U8", 2, { 8, 32 } }, SCALE, SHAPE }, "weight_packed is U8; only I32" },
    { "words in a row",         GOOD, { { "L.weight_packed", "I32", 1, { 64 } }, SCALE, SHAPE }, "only I32 of two dimensions" },
    { "words of other rows",    GOOD, { { "L.weight_packed", "I32", 2, { 7, 8 } }, SCALE, SHAPE }, "weight_packed is I32 [7, 8], not I32 [8, 8]" },
    { "words of 3 bits",        GOOD, { { "L.weight_packed", "I32", 2, { 8, 6 } }, SCALE, SHAPE }, "neither 2, 4 nor 8 bits" },
    { "words too many",         GOOD, { { "L.weight_packed", "I32", 2, { 8, 9 } }, SCALE, SHAPE }, "64 columns in 9 words" },
    { "shape of 3",             GOOD, { PACKED, SCALE, { "L.weight_shape", "I64", 1, { 3 }, { 8, 64, 1 } } }, "weight_shape is I64 [3], not I64 [2]" },
    { "shape of floats",        GOOD, { PACKED, SCALE, { "L.weight_shape", "F32", 1, { 2 } } }, "weight_shape is F32 [2]" },
    { "shape of nothing",       GOOD, { PACKED, SCALE, { "L.weight_shape", "I64", 1, { 2 }, { 8, 0 } } }, "no number above 0" },
    { "shape below 0",          GOOD, { PACKED, SCALE, { "L.weight_shape", "I64", 1, { 2 }, { 8, -64 } } }, "no number above 0" },
    { "shape below 0, I32",     GOOD, { PACKED, SCALE, { "L.weight_shape", "I32", 1, { 2 }, { 8, -1 } } }, "no number above 0" },
    { "shape too large",        GOOD, { PACKED, SCALE, { "L.weight_shape", "I64", 1, { 2 }, { 8, INT64_MAX } } }, "weight_scale is no [rows, groups]" },
    { "shape of other rows",    GOOD, { PACKED, SCALE, { "L.weight_shape", "I64", 1, { 2 }, { 9, 64 } } }, "weight_scale is F16 [8, 2], not F16 [9, 2]" },
    { "scales of integers",     GOOD, { PACKED, { "L.weight_scale", "I32", 2, { 8, 2 } }, SHAPE }, "weight_scale is no [rows, groups] of F32" },
    { "scales in a row",        GOOD, { PACKED, { "L.weight_scale", "F16", 1, { 16 } }, SHAPE }, "weight_scale is no [rows, groups]" },
    { "no groups",              GOOD, { PACKED, { "L.weight_scale", "F16", 2, { 8, 0 } }, SHAPE }, "weight_scale is no [rows, groups]" },
    { "groups of 21.3",         GOOD, { PACKED, { "L.weight_scale", "F16", 2, { 8, 3 } }, SHAPE }, "groups divide the columns" },
    { "groups of 1",            GOOD, { PACKED, { "L.weight_scale", "F16", 2, { 8, 64 } }, SHAPE }, "groups of 1 weights" },
    { "more groups than columns", GOOD, { PACKED, { "L.weight_scale", "F16", 2, { 8, 128 } }, SHAPE }, "groups divide the columns" },
    { "zero points unsaid",     GOOD, { PACKED, SCALE, SHAPE, ZERO }, "is int4-g32-asym, and the configuration has no group of such" },
    { "zero points missing",    CT("pack-quantized", W4A), { PACKED, SCALE, SHAPE }, "is int4-g32, and the configuration has no" },
    { "zero points in rows",    CT("pack-quantized", W4A), { PACKED, SCALE, SHAPE, { "L.weight_zero_point", "I32", 2, { 8, 2 } } }, "weight_zero_point is I32 [8, 2], not I32 [1, 2]" },
    { "zero points I8",         CT("pack-quantized", W4A), { PACKED, SCALE, SHAPE, { "L.weight_zero_point", "I8", 2, { 8, 2 } } }, "weight_zero_point is I8" },
    { "other bits said",        CT("pack-quantized", W8), { PACKED, SCALE, SHAPE }, "is int4-g32, and the configuration has no" },
    { "another group said",     CT("pack-quantized", "\"num_bits\":4,\"strategy\":\"group\",\"group_size\":64"), { PACKED, SCALE, SHAPE }, "has no group of such" },
    { "floats said",            CT("pack-quantized", "\"num_bits\":4,\"type\":\"float\",\"strategy\":\"group\",\"group_size\":32"), { PACKED, SCALE, SHAPE }, "has no group of such" },
    { "order too short",        GOOD, { PACKED, SCALE, SHAPE, { "L.weight_g_idx", "I32", 1, { 63 } } }, "weight_g_idx is I32 [63], not I32 [64]" },
    { "order beyond groups",    GOOD, { PACKED, SCALE, SHAPE, { "L.weight_g_idx", "I32", 1, { 64 }, { 0, 1, 2 } } }, "g_idx puts column 2 in group 2 of 2" },
    { "order below 0",          GOOD, { PACKED, SCALE, SHAPE, { "L.weight_g_idx", "I32", 1, { 64 }, { 0, -1 } } }, "g_idx puts column 1 in group -1 of 2" },
    { "plain beside it",        GOOD, { PACKED, SCALE, SHAPE, { "L.weight", "F16", 2, { 8, 64 } } }, "L.weight: stored both plain and quantized" },
    { "format of 2:4",          CT("marlin-24", W4), { PACKED, SCALE, SHAPE }, "format marlin-24 is not read" },
    { "format of nvfp4",        CT("nvfp4-pack-quantized", W4), { PACKED, SCALE, SHAPE }, "format nvfp4-pack-quantized is not read" },
    { "sparse",                 "{\"quantization_config\":{\"quant_method\":\"compressed-tensors\",\"sparsity_config\":{\"format\":\"sparse-24-bitmask\"}}}", { PACKED, SCALE, SHAPE }, "sparsity format sparse-24-bitmask" },
    { "not sparse",             "{\"quantization_config\":{\"quant_method\":\"compressed-tensors\",\"sparsity_config\":{\"format\":\"dense\"}}}", { PACKED, SCALE, SHAPE }, "" },
    { "sound, int8",            CT("int-quantized", W8), { INT8, { "L.weight_scale", "F32", 2, { 8, 1 } } }, "" },
    { "sound, int8, flat",      CT("int-quantized", W8), { INT8, { "L.weight_scale", "F32", 1, { 8 } } }, "" },
    { "sound, fp8 of a tensor", NULL, { FP8, { "L.weight_scale", "BF16", 0 } }, "" },
    { "sound, fp8 blocks",      NULL, { { "L.weight", "F8_E4M3", 2, { 129, 257 } }, { "L.weight_scale", "F32", 2, { 2, 3 } } }, "" },
    { "int8, other rows",       CT("int-quantized", W8), { INT8, { "L.weight_scale", "F32", 2, { 9, 1 } } }, "weight_scale is F32 [9, 1], not F32 [8, 1]" },
    { "int8, other rows, flat", CT("int-quantized", W8), { INT8, { "L.weight_scale", "F32", 1, { 9 } } }, "weight_scale is F32 [9], not F32 [8]" },
    { "int8, scales of 3",      NULL, { INT8, { "L.weight_scale", "F32", 3, { 8, 1, 1 } } }, "weight_scale is F32 [8, 1, 1]" },
    { "int8, scales F64",       NULL, { INT8, { "L.weight_scale", "F64", 2, { 8, 1 } } }, "neither F32, F16 nor BF16" },
    { "int8, no group fits",    NULL, { INT8, { "L.weight_scale", "F32", 2, { 8, 5 } } }, "weight_scale is F32 [8, 5]" },
    { "int8, zero points",      NULL, { INT8, { "L.weight_scale", "F32", 2, { 8, 1 } }, { "L.weight_zero_point", "I8", 2, { 8, 2 } } }, "weight_zero_point is I8 [8, 2], not I8 [8, 1]" },
    { "int8, said to be int4",  GOOD, { INT8, { "L.weight_scale", "F32", 2, { 8, 1 } } }, "is int8-channel, and the configuration has no" },
    { "fp8, no blocks fit",     NULL, { FP8, { "L.weight_scale", "F32", 2, { 2, 2 } } }, "weight_scale is F32 [2, 2], not F32 [1, 1]" },
    { "fp8, other blocks said", CT("float-quantized", "\"num_bits\":8,\"type\":\"float\",\"strategy\":\"block\",\"block_structure\":[4,16]"), { FP8, { "L.weight_scale", "F32", 2, { 1, 1 } } }, "weight_scale is F32 [1, 1], not F32 [2, 4]" },
    { "fp8, blocks as a text",  CT("float-quantized", "\"num_bits\":8,\"type\":\"float\",\"strategy\":\"block\",\"block_structure\":\"4x16\""), { FP8, { "L.weight_scale", "F32", 2, { 2, 4 } } }, "" },
    { "another program's",      "{\"quantization_config\":{\"quant_method\":\"hqq\"}}", { PACKED, SCALE, SHAPE }, "config.json says quant_method hqq, which is not read" },
    { "another program's, long", "{\"quantization_config\":{\"quant_method\":\"a name of more than forty octets, cut short somewhere\"}}", { PACKED, SCALE, SHAPE }, "which is not read" },
};

#define GPTQ(members) "{\"quantization_config\":{\"quant_method\":\"gptq\"," members "}}"
#define B4 "\"bits\":4,\"group_size\":32,\"sym\":true"
#define QWEIGHT { "L.qweight", "I32", 2, { 8, 16 } }
#define QZEROS { "L.qzeros", "I32", 2, { 2, 2 } }
#define SCALES { "L.scales", "F16", 2, { 2, 16 } }

static const hostile gptq[] = {
    { "sound",                  GPTQ(B4), { QWEIGHT, QZEROS, SCALES }, "" },
    { "sound, scattered",       GPTQ(B4), { QWEIGHT, QZEROS, SCALES, { "L.g_idx", "I32", 1, { 64 }, { 1, 0, 1, 1 } } }, "" },
    { "sound, nothing said",    NULL, { QWEIGHT, QZEROS, SCALES }, "" },
    { "sound, 8 bits",          GPTQ("\"bits\":8,\"group_size\":-1"), { { "L.qweight", "I32", 2, { 16, 16 } }, { "L.qzeros", "I32", 2, { 1, 4 } }, { "L.scales", "F16", 2, { 1, 16 } } }, "" },
    { "sound, one group of many", GPTQ("\"bits\":4,\"group_size\":128"), { QWEIGHT, { "L.qzeros", "I32", 2, { 1, 2 } }, { "L.scales", "F16", 2, { 1, 16 } } }, "" },
    { "no scales",              GPTQ(B4), { QWEIGHT, QZEROS }, "L.weight: its scales is missing" },
    { "no zero points",         GPTQ(B4), { QWEIGHT, SCALES }, "its qzeros is missing" },
    { "codes U8",               GPTQ(B4), { { "L.qweight", "U8", 2, { 8, 16 } }, QZEROS, SCALES }, "qweight is U8 [8, 16], not I32 [8, 16]" },
    { "codes in a row",         GPTQ(B4), { { "L.qweight", "I32", 1, { 128 } }, QZEROS, SCALES }, "has not two dimensions" },
    { "no codes",               GPTQ(B4), { { "L.qweight", "I32", 2, { 0, 16 } }, QZEROS, SCALES }, "has not two dimensions" },
    { "other outputs",          GPTQ(B4), { { "L.qweight", "I32", 2, { 8, 8 } }, QZEROS, SCALES }, "qweight is I32 [8, 8], not I32 [8, 16]" },
    { "scales of integers",     GPTQ(B4), { QWEIGHT, QZEROS, { "L.scales", "I32", 2, { 2, 16 } } }, "scales is no [groups, outputs]" },
    { "scales in a row",        GPTQ(B4), { QWEIGHT, QZEROS, { "L.scales", "F16", 1, { 32 } } }, "scales is no [groups, outputs]" },
    { "no groups",              GPTQ(B4), { QWEIGHT, { "L.qzeros", "I32", 2, { 0, 2 } }, { "L.scales", "F16", 2, { 0, 16 } } }, "scales is no [groups, outputs]" },
    { "zero points of 5 bits",  GPTQ(B4), { QWEIGHT, { "L.qzeros", "I32", 2, { 2, 3 } }, SCALES }, "16 outputs in 3 words of qzeros" },
    { "zero points of others",  GPTQ(B4), { QWEIGHT, { "L.qzeros", "I32", 2, { 3, 2 } }, SCALES }, "qzeros is I32 [3, 2], not I32 [2, 2]" },
    { "zero points I64",        GPTQ(B4), { QWEIGHT, { "L.qzeros", "I64", 2, { 2, 2 } }, SCALES }, "qzeros is I64 [2, 2]" },
    { "other bits said",        GPTQ("\"bits\":8"), { QWEIGHT, QZEROS, SCALES }, "codes of 4 bits; the configuration says 8" },
    { "other bits, dynamic",    GPTQ("\"bits\":8,\"dynamic\":{\"+:L\":{}}"), { QWEIGHT, QZEROS, SCALES }, "" },
    { "other bits, dynamic of none", GPTQ("\"bits\":8,\"dynamic\":{}"), { QWEIGHT, QZEROS, SCALES }, "the configuration says 8" },
    { "another group said",     GPTQ("\"bits\":4,\"group_size\":64"), { QWEIGHT, QZEROS, SCALES }, "2 groups in 64 columns; the configuration says group_size 64" },
    { "one group said",         GPTQ("\"bits\":4,\"group_size\":-1"), { QWEIGHT, QZEROS, SCALES }, "group_size -1" },
    { "an absurd group said",   GPTQ("\"bits\":4,\"group_size\":-7"), { QWEIGHT, QZEROS, SCALES }, "group_size -7" },
    { "groups of 1",            GPTQ("\"bits\":4,\"group_size\":1"), { QWEIGHT, { "L.qzeros", "I32", 2, { 64, 2 } }, { "L.scales", "F16", 2, { 64, 16 } } }, "groups of 1 weights" },
    { "groups of 21.3",         GPTQ("\"bits\":4"), { QWEIGHT, { "L.qzeros", "I32", 2, { 3, 2 } }, { "L.scales", "F16", 2, { 3, 16 } } }, "3 groups do not divide 64 columns" },
    { "order too short",        GPTQ(B4), { QWEIGHT, QZEROS, SCALES, { "L.g_idx", "I32", 1, { 32 } } }, "g_idx is I32 [32], not I32 [64]" },
    { "order of I64",           GPTQ(B4), { QWEIGHT, QZEROS, SCALES, { "L.g_idx", "I64", 1, { 64 } } }, "g_idx is I64 [64]" },
    { "order beyond groups",    GPTQ(B4), { QWEIGHT, QZEROS, SCALES, { "L.g_idx", "I32", 1, { 64 }, { 0, 0, 0, 2 } } }, "g_idx puts column 3 in group 2 of 2" },
    { "order below 0",          GPTQ(B4), { QWEIGHT, QZEROS, SCALES, { "L.g_idx", "I32", 1, { 64 }, { INT32_MIN } } }, "column 0 in group -2147483648 of 2" },
    { "3 bits, cut",            NULL, { { "L.qweight", "I32", 2, { 4, 32 } }, { "L.qzeros", "I32", 2, { 1, 3 } }, { "L.scales", "F16", 2, { 1, 32 } } }, "4 words of qweight are no whole codes of 3 bits" },
    { "plain beside it",        GPTQ(B4), { QWEIGHT, QZEROS, SCALES, { "L.weight", "F16", 2, { 16, 64 } } }, "stored both plain and quantized" },
    { "Marlin",                 GPTQ(B4 ",\"checkpoint_format\":\"marlin\""), { QWEIGHT, QZEROS, SCALES }, "checkpoint_format marlin is not read" },
    { "Marlin, older",          GPTQ(B4 ",\"is_marlin_format\":true"), { QWEIGHT, QZEROS, SCALES }, "checkpoint_format marlin is not read" },
    { "BitBLAS",                GPTQ(B4 ",\"format\":\"bitblas\""), { QWEIGHT, QZEROS, SCALES }, "checkpoint_format bitblas is not read" },
    { "words of 16 bits",       GPTQ(B4 ",\"pack_dtype\":\"int16\""), { QWEIGHT, QZEROS, SCALES }, "pack_dtype int16 is not read" },
    { "said to be of another",  CT("", ""), { QWEIGHT, QZEROS, SCALES }, "config.json says compressed-tensors, but L.qweight is a tensor of gptq" },
    { "another is said to be it", GPTQ(B4), { PACKED, SCALE, SHAPE }, "config.json says gptq, but L.weight_packed is a tensor of compressed-tensors" },
};

#define AWQ(members) "{\"quantization_config\":{\"quant_method\":\"awq\"," members "}}"
#define G32 "\"bits\":4,\"group_size\":32,\"version\":\"gemm\""
#define AWEIGHT { "L.qweight", "I32", 2, { 64, 2 } }

static const hostile awq[] = {
    { "sound",                  AWQ(G32), { AWEIGHT, QZEROS, SCALES }, "" },
    { "sound, nothing said",    NULL, { AWEIGHT, QZEROS, SCALES }, "" },
    { "sound, older names",     AWQ("\"w_bit\":4,\"q_group_size\":32,\"version\":\"GEMM\""), { AWEIGHT, QZEROS, SCALES }, "" },
    { "no scales",              AWQ(G32), { AWEIGHT, QZEROS }, "its scales is missing" },
    { "no zero points",         AWQ(G32), { AWEIGHT, SCALES }, "its qzeros is missing" },
    { "codes of GPTQ",          AWQ(G32), { QWEIGHT, QZEROS, SCALES }, "qweight is I32 [8, 16], not I32 [8, 2]" },
    { "AWQ said to be GPTQ",    GPTQ(B4), { AWEIGHT, QZEROS, SCALES }, "qweight is I32 [64, 2], not I32 [64, 16]" },
    { "neither's, nothing said", NULL, { { "L.qweight", "I32", 2, { 64, 4 } }, QZEROS, SCALES }, "qweight is I32 [64, 4], not I32 [64, 2]" },
    { "codes in a row",         AWQ(G32), { { "L.qweight", "I32", 1, { 128 } }, QZEROS, SCALES }, "qweight has not two dimensions" },
    { "12 outputs",             AWQ(G32), { AWEIGHT, QZEROS, { "L.scales", "F16", 2, { 2, 12 } } }, "12 outputs are no multiple of 8" },
    { "no outputs",             AWQ(G32), { AWEIGHT, QZEROS, { "L.scales", "F16", 2, { 2, 0 } } }, "scales is no [groups, outputs]" },
    { "zero points of others",  AWQ(G32), { AWEIGHT, { "L.qzeros", "I32", 2, { 2, 3 } }, SCALES }, "qzeros is I32 [2, 3], not I32 [2, 2]" },
    { "another group said",     AWQ("\"bits\":4,\"group_size\":64"), { AWEIGHT, QZEROS, SCALES }, "2 groups in 64 columns; the configuration says group_size 64" },
    { "a short last group",     AWQ("\"bits\":4,\"group_size\":48"), { AWEIGHT, QZEROS, SCALES }, "groups of 48 do not divide 64 columns" },
    { "8 bits said",            AWQ("\"bits\":8"), { AWEIGHT, QZEROS, SCALES }, "the configuration says 8 bits; AWQ has 4" },
    { "another version",        AWQ("\"bits\":4,\"version\":\"gemv_fast\""), { AWEIGHT, QZEROS, SCALES }, "version gemv_fast is not read" },
};

#define BNB "{\"quantization_config\":{\"quant_method\":\"bitsandbytes\",\"load_in_4bit\":true}}"
#define STATE(text) { "L.weight.quant_state.bitsandbytes__nf4", "U8", 1, { sizeof(text) - 1 }, { 0 }, text }
#define HEAD "{\"quant_type\": \"nf4\", \"blocksize\": 64, \"dtype\": \"float16\", \"shape\": [8, 64]"
#define NESTED HEAD ", \"nested_blocksize\": 256, \"nested_dtype\": \"float32\", \"nested_offset\": 0.5}"
#define SOUND STATE(HEAD "}")
#define CODES { "L.weight", "U8", 2, { 256, 1 } }
#define ABSMAX { "L.weight.absmax", "F32", 1, { 8 } }
#define MAP { "L.weight.quant_map", "F32", 1, { 16 } }
#define NABSMAX { "L.weight.absmax", "U8", 1, { 8 } }
#define NAMAX { "L.weight.nested_absmax", "F32", 1, { 1 } }
#define NMAP { "L.weight.nested_quant_map", "F32", 1, { 256 } }
#define WEIGHT8 { "L.weight", "I8", 2, { 8, 64 } }
#define SCB { "L.SCB", "F32", 1, { 8 } }

static const hostile bnb[] = {
    { "sound",                  BNB, { SOUND, CODES, ABSMAX, MAP }, "" },
    { "sound, nothing said",    NULL, { SOUND, CODES, ABSMAX, MAP }, "" },
    { "sound, in a row",        BNB, { SOUND, { "L.weight", "U8", 2, { 1, 256 } }, ABSMAX, MAP }, "" },
    { "sound, nested",          BNB, { STATE(NESTED), CODES, NABSMAX, MAP, NAMAX, NMAP }, "" },
    { "sound, 3 dimensions",    BNB, { STATE("{\"quant_type\":\"nf4\",\"blocksize\":64,\"dtype\":\"float16\",\"shape\":[8,2,32]}"), CODES, ABSMAX, MAP }, "" },
    { "sound, a scalar",        BNB, { STATE("{\"quant_type\":\"nf4\",\"blocksize\":64,\"dtype\":\"float16\",\"shape\":[]}"), { "L.weight", "U8", 2, { 1, 1 } }, { "L.weight.absmax", "F32", 1, { 1 } }, MAP }, "" },
    { "no codes",               BNB, { SOUND, ABSMAX, MAP }, "L.weight: its weight is missing" },
    { "no scales",              BNB, { SOUND, CODES, MAP }, "its weight.absmax is missing" },
    { "no table",               BNB, { SOUND, CODES, ABSMAX }, "its weight.quant_map is missing" },
    { "no nested scales",       BNB, { STATE(NESTED), CODES, NABSMAX, MAP, NMAP }, "its weight.nested_absmax is missing" },
    { "no nested table",        BNB, { STATE(NESTED), CODES, NABSMAX, MAP, NAMAX }, "its weight.nested_quant_map is missing" },
    { "too few codes",          BNB, { SOUND, { "L.weight", "U8", 2, { 255, 1 } }, ABSMAX, MAP }, "255 octets of codes for 512 weights" },
    { "too many codes",         BNB, { SOUND, { "L.weight", "U8", 2, { 257, 1 } }, ABSMAX, MAP }, "257 octets of codes for 512 weights" },
    { "codes in a row",         BNB, { SOUND, { "L.weight", "U8", 1, { 256 } }, ABSMAX, MAP }, "" },
    { "codes of 3 dimensions",  BNB, { SOUND, { "L.weight", "U8", 3, { 128, 2, 1 } }, ABSMAX, MAP }, "weight has 3 dimensions; at most 2 are read" },
    { "codes in BF16",          BNB, { SOUND, { "L.weight", "BF16", 2, { 128, 1 } }, ABSMAX, MAP }, "codes in BF16 (bnb_4bit_quant_storage); only uint8 is read" },
    { "too few scales",         BNB, { SOUND, CODES, { "L.weight.absmax", "F32", 1, { 7 } }, MAP }, "weight.absmax is F32 [7], not F32 [8]" },
    { "scales F16",             BNB, { SOUND, CODES, { "L.weight.absmax", "F16", 1, { 8 } }, MAP }, "weight.absmax is F16 [8]" },
    { "codes of scales F32",    BNB, { STATE(NESTED), CODES, ABSMAX, MAP, NAMAX, NMAP }, "weight.absmax is F32 [8], not U8 [8]" },
    { "table of 15",            BNB, { SOUND, CODES, ABSMAX, { "L.weight.quant_map", "F32", 1, { 15 } } }, "quant_map is F32 [15], not F32 [16]" },
    { "nested table of 16",     BNB, { STATE(NESTED), CODES, NABSMAX, MAP, NAMAX, { "L.weight.nested_quant_map", "F32", 1, { 16 } } }, "nested_quant_map is F32 [16], not F32 [256]" },
    { "nested scales of none",  BNB, { STATE(NESTED), CODES, NABSMAX, MAP, { "L.weight.nested_absmax", "F32", 1, { 0 } }, NMAP }, "nested_absmax is F32 [0], not F32 [1]" },
    { "state of another type",  BNB, { STATE("{\"quant_type\":\"fp4\",\"blocksize\":64,\"dtype\":\"float16\",\"shape\":[8,64]}"), CODES, ABSMAX, MAP }, "quant_state: its quant_type is not that of its name" },
    { "state of I32",           BNB, { { "L.weight.quant_state.bitsandbytes__nf4", "I32", 1, { 8 } }, CODES, ABSMAX, MAP }, "no text of up to 4096" },
    { "state too long",         BNB, { { "L.weight.quant_state.bitsandbytes__nf4", "U8", 1, { 4097 } }, CODES, ABSMAX, MAP }, "no text of up to 4096" },
    { "state of zeros",         BNB, { { "L.weight.quant_state.bitsandbytes__nf4", "U8", 1, { 9 } }, CODES, ABSMAX, MAP }, "quant_state: unexpected character" },
    { "state of nothing",       BNB, { { "L.weight.quant_state.bitsandbytes__nf4", "U8", 1, { 0 } }, CODES, ABSMAX, MAP }, "quant_state: text ends early" },
    { "state without a shape",  BNB, { STATE("{\"quant_type\":\"nf4\",\"blocksize\":64,\"dtype\":\"float16\"}"), CODES, ABSMAX, MAP }, "quant_state: a member is missing" },
    { "shape of other weights", BNB, { STATE("{\"quant_type\":\"nf4\",\"blocksize\":64,\"dtype\":\"float16\",\"shape\":[8,65]}"), CODES, ABSMAX, MAP }, "256 octets of codes for 520 weights" },
    { "shape of no weights",    BNB, { STATE("{\"quant_type\":\"nf4\",\"blocksize\":64,\"dtype\":\"float16\",\"shape\":[0,64]}"), { "L.weight", "U8", 2, { 0, 1 } }, { "L.weight.absmax", "F32", 1, { 0 } }, MAP }, "0 octets of codes for 0 weights" },
    { "shape that wraps",       BNB, { STATE("{\"quant_type\":\"nf4\",\"blocksize\":64,\"dtype\":\"float16\",\"shape\":[4294967296,4294967296,512]}"), CODES, ABSMAX, MAP }, "quant_state: its shape overflows" },
    { "shape as large as can be", BNB, { STATE("{\"quant_type\":\"nf4\",\"blocksize\":64,\"dtype\":\"float16\",\"shape\":[18446744073709551615]}"), CODES, ABSMAX, MAP }, "octets of codes for 18446744073709551615 weights" },
    { "blocks of 1",            BNB, { STATE("{\"quant_type\":\"nf4\",\"blocksize\":1,\"dtype\":\"float16\",\"shape\":[8,64]}"), CODES, ABSMAX, MAP }, "blocks of 1 weights" },
    { "blocks of 96",           BNB, { STATE("{\"quant_type\":\"nf4\",\"blocksize\":96,\"dtype\":\"float16\",\"shape\":[8,64]}"), CODES, ABSMAX, MAP }, "blocks of 96 weights" },
    { "blocks of 2^63",         BNB, { STATE("{\"quant_type\":\"nf4\",\"blocksize\":9223372036854775808,\"dtype\":\"float16\",\"shape\":[8,64]}"), CODES, ABSMAX, MAP }, "blocks of 9223372036854775808 weights" },
    { "nested blocks of 64",    BNB, { STATE(HEAD ",\"nested_blocksize\":64,\"nested_dtype\":\"float32\",\"nested_offset\":0}"), CODES, NABSMAX, MAP, NAMAX, NMAP }, "nested blocks of 64 scales" },
    { "sound, int8",            BNB, { WEIGHT8, SCB }, "" },
    { "sound, int8, its order", BNB, { WEIGHT8, SCB, { "L.weight_format", "U8", 0 } }, "" },
    { "int8, no codes",         BNB, { SCB }, "its weight is missing" },
    { "int8, codes F16",        BNB, { { "L.weight", "F16", 2, { 8, 64 } }, SCB }, "weight is F16 [8, 64], not I8 [8, 64]" },
    { "int8, codes in a row",   BNB, { { "L.weight", "I8", 1, { 512 } }, SCB }, "weight has not two dimensions" },
    { "int8, other rows",       BNB, { WEIGHT8, { "L.SCB", "F32", 1, { 64 } } }, "SCB is F32 [64], not F32 [8]" },
    { "int8, SCB of F16",       BNB, { WEIGHT8, { "L.SCB", "F16", 1, { 8 } } }, "SCB is F16 [8]" },
    { "int8, another order",    BNB, { WEIGHT8, SCB, { "L.weight_format", "I8", 0 } }, "weight_format is I8 [], not U8 []" },
    { "int8, of tiles",         BNB, { WEIGHT8, SCB, { "L.weight_format", "U8", 0, { 0 }, { 2 } } }, "weight_format 2; only 0" },
    { "two claims",             NULL, { WEIGHT8, SCB, { "L.weight_scale", "F32", 1, { 8 } } }, "belongs to another tensor, too" },
    { "said to be of another",  GPTQ(B4), { WEIGHT8, SCB }, "config.json says gptq, but L.SCB is a tensor of bitsandbytes" },
};

#define FP8_CONFIG "{\"quantization_config\":{\"quant_method\":\"fp8\",\"fmt\":\"e4m3\",\"weight_block_size\":[128,128],\"activation_scheme\":\"dynamic\"}}"
#define FP8_BLOCKS(size) "{\"quantization_config\":{\"quant_method\":\"fp8\",\"weight_block_size\":" size "}}"
#define SCALE_INV { "L.weight_scale_inv", "F32", 2, { 1, 1 } }
#define MLX_CONFIG "{\"quantization\":{\"group_size\":64,\"bits\":4},\"quantization_config\":{\"group_size\":64,\"bits\":4}}"
#define HQQ_CONFIG "{\"quantization_config\":{\"quant_method\":\"hqq\"}}"
#define MLX_WEIGHT { "L.weight", "U32", 2, { 8, 8 } }
#define MLX_SCALES { "L.scales", "F16", 2, { 8, 1 } }
#define MLX_BIASES { "L.biases", "F16", 2, { 8, 1 } }

static const hostile fp8[] = {
    { "sound",                  FP8_CONFIG, { { "A.weight", "BF16", 2, { 8, 64 } }, FP8, SCALE_INV }, "" },
    { "sound, nothing said",    NULL, { FP8, SCALE_INV }, "" },
    { "sound, small blocks",    FP8_BLOCKS("[4,16]"), { FP8, { "L.weight_scale_inv", "BF16", 2, { 2, 4 } } }, "" },
    { "sound, blocks of null",  FP8_BLOCKS("null"), { FP8, SCALE_INV }, "" },
    { "sound, scales alone",    FP8_CONFIG, { SCALE_INV }, "" },
    { "sound, weights of no codes", FP8_CONFIG, { { "L.weight", "BF16", 2, { 8, 64 } }, SCALE_INV }, "" },
    { "other blocks said",      FP8_BLOCKS("[4,16]"), { FP8, SCALE_INV }, "weight_scale_inv is F32 [1, 1], not F32 [2, 4]" },
    { "blocks of 1",            FP8_BLOCKS("[1,128]"), { FP8, SCALE_INV }, "weight_block_size [1, 128]; blocks of 2 to 1024" },
    { "blocks of nothing",      FP8_BLOCKS("[128,0]"), { FP8, SCALE_INV }, "weight_block_size [128, 0]" },
    { "blocks below 0",         FP8_BLOCKS("[128,-128]"), { FP8, SCALE_INV }, "weight_block_size [128, -128]" },
    { "no blocks at first",     FP8_BLOCKS("[0,128]"), { FP8, SCALE_INV }, "weight_block_size [0, 128]" },
    { "blocks of 2000",         FP8_BLOCKS("[2000,2000]"), { FP8, SCALE_INV }, "weight_block_size [2000, 2000]" },
    { "blocks of three",        FP8_BLOCKS("[8,8,8]"), { FP8, SCALE_INV }, "weight_block_size is no pair of numbers" },
    { "too many scales",        FP8_CONFIG, { FP8, { "L.weight_scale_inv", "F32", 2, { 2, 1 } } }, "weight_scale_inv is F32 [2, 1], not F32 [1, 1]" },
    { "scales in a row",        FP8_CONFIG, { FP8, { "L.weight_scale_inv", "F32", 1, { 1 } } }, "weight_scale_inv is F32 [1], not F32 [1, 1]" },
    { "scales of 8 bits",       FP8_CONFIG, { FP8, { "L.weight_scale_inv", "F8_E8M0", 2, { 1, 1 } } }, "weight_scale_inv is F8_E8M0; only F32, F16 and BF16 are read" },
    { "said to be gptq",        GPTQ(B4), { FP8, SCALE_INV }, "config.json says gptq, but L.weight_scale_inv is a tensor of fp8" },
    { "one scale",              FP8_CONFIG, { FP8, { "L.weight_scale", "F32", 0 } }, "L.weight: is F8_E4M3 beside its weight_scale, which is not read" },
    { "one scale among blocks", FP8_CONFIG, { FP8, SCALE_INV, { "M.weight", "F8_E4M3", 2, { 8, 64 } }, { "M.weight_scale", "F32", 0 } }, "M.weight: is F8_E4M3 beside its weight_scale, which is not read" },
    { "a stack",                FP8_CONFIG, { { "L.weight", "F8_E4M3", 3, { 2, 8, 64 } }, { "L.weight_scale_inv", "F32", 3, { 2, 1, 1 } } }, "L.weight: is F8_E4M3 beside its weight_scale_inv, which is not read" },
    { "the other type",         FP8_CONFIG, { { "L.weight", "F8_E5M2", 2, { 8, 64 } }, SCALE_INV }, "L.weight: is F8_E5M2 beside its weight_scale_inv, which is not read" },
    { "behind one that is read", GOOD, { PACKED, SCALE, SHAPE, { "M.weight", "F8_E4M3", 2, { 8, 64 } }, { "M.weight_scale_inv", "F32", 2, { 1, 1 } } }, "M.weight: is F8_E4M3 beside its weight_scale_inv" },
    { "codes alone",            NULL, { FP8, { "M.weight_scale_inv", "F32", 2, { 1, 1 } } }, "" },
    { "codes alone, of the method", FP8_CONFIG, { FP8 }, "" },
};

/* Methods that are not read; what only looks like them. */
static const hostile unread[] = {
    { "MLX",                    MLX_CONFIG, { MLX_WEIGHT, MLX_SCALES, MLX_BIASES }, "L.weight: is U32 beside its scales (MLX), which is not read" },
    { "MLX, nothing said",      NULL, { MLX_WEIGHT, MLX_SCALES, MLX_BIASES }, "L.weight: is U32 beside its scales (MLX), which is not read" },
    { "MLX, without a dot",     NULL, { { "weight", "U32", 2, { 8, 8 } }, { "scales", "F16", 2, { 8, 1 } } }, "weight: is U32 beside its scales (MLX)" },
    { "the first of two scales", NULL, { { "L.weight", "U8", 2, { 8, 32 } }, { "L.weight_scale_2", "F32", 1, { 1 } }, { "L.weight_scale", "F16", 2, { 8, 4 } } }, "L.weight: is U8 beside its weight_scale_2, which is not read" },
    { "the first, the other way", NULL, { { "L.weight", "U8", 2, { 8, 32 } }, { "L.weight_scale", "F16", 2, { 8, 4 } }, { "L.weight_scale_2", "F32", 1, { 1 } } }, "L.weight: is U8 beside its weight_scale, which is not read" },
    { "hqq",                    HQQ_CONFIG, { { "L.W_q", "U8", 2, { 8, 64 } }, { "L.scale", "F16", 2, { 8, 1 } } }, "quant_method hqq, which is not read (L.W_q is U8)" },
    { "hqq, nothing said",      NULL, { { "L.W_q", "U8", 2, { 8, 64 } }, { "L.scale", "F16", 2, { 8, 1 } } }, "" },
    { "mxfp4",                  "{\"quantization_config\":{\"quant_method\":\"mxfp4\"}}", { { "L.up_scales", "U8", 2, { 8, 2 } }, { "L.up_blocks", "U8", 3, { 8, 2, 16 } } }, "quant_method mxfp4, which is not read (L.up_blocks is U8)" },
    { "floats of a method",     HQQ_CONFIG, { { "L.weight", "F16", 2, { 8, 64 } }, { "L.scale", "F16", 1, { 8 } } }, "" },
    { "a table of a method",    HQQ_CONFIG, { { "L.weight", "F16", 2, { 8, 64 } }, { "L.index", "I32", 2, { 8, 8 } } }, "" },
    { "a row of a method",      HQQ_CONFIG, { { "L.ids", "I32", 1, { 8 } }, { "L.scale", "F16", 1, { 8 } } }, "" },
    { "a table and a scale",    NULL, { { "L.index", "I32", 2, { 8, 8 } }, { "L.logit_scale", "F16", 1, { 8 } } }, "" },
};

static const struct {
    const char *config, *words;
} configs[] = {
    { "", "not valid JSON: text ends early" },
    { "[]", "no JSON object" },
    { "{\"quantization_config\":{}", "not valid JSON" },
    { "{}{}", "not valid JSON: text after the value" },
    { "{\"quantization_config\":7}", "quantization_config is no object" },
    { "{\"quantization_config\":{\"quant_method\":7}}", "quant_method is no text" },
    { "{\"quantization_config\":{\"quant_method\":\"compressed-tensors\",\"quant_method\":\"awq\"}}", "quant_method is there twice" },
    { "{\"quantization_config\":{},\"quantization_config\":{}}", "quantization_config is there twice" },
    { "{\"quantization_config\":{\"format\":[]}}", "format is no text" },
    { "{\"quantization_config\":{\"config_groups\":[]}}", "config_groups is no object" },
    { "{\"quantization_config\":{\"config_groups\":{\"a\":1}}}", "config_groups holds something else than objects" },
    { "{\"quantization_config\":{\"config_groups\":{\"a\":{\"weights\":\"int4\"}}}}", "weights is no object" },
    { CT("", "\"num_bits\":\"4\""), "num_bits is no whole number" },
    { CT("", "\"num_bits\":4.0"), "num_bits is no whole number" },
    { CT("", "\"num_bits\":4444444444"), "num_bits is no whole number" },
    { CT("", "\"symmetric\":1"), "symmetric is no truth value" },
    { CT("", "\"block_structure\":[128]"), "block_structure is no pair of numbers" },
    { CT("", "\"block_structure\":[128,128,1]"), "block_structure is no pair of numbers" },
    { CT("", "\"block_structure\":\"128\""), "block_structure is no pair of numbers" },
    { CT("", "\"block_structure\":\"1x2x3\""), "block_structure is no pair of numbers" },
    { "{\"quantization_config\":{\"dynamic\":[]}}", "dynamic is no object" },
    { "{\"quantization_config\":{\"is_marlin_format\":\"no\"}}", "is_marlin_format is no truth value" },
    { "{\"quantization_config\":{\"bits\":true}}", "bits is no whole number" },
    { "{\"quantization_config\":{\"bits\":Infinity}}", "bits is no whole number" },
    { "{\"quantization_config\":{\"bits\":-Infinity}}", "bits is no whole number" },
    { "{\"time_step_limit\":[0.0,Infinity],\"x\":NaN,\"quantization_config\":null}", "" },
    { "{\"time_step_limit\":[0.0,infinity]}", "not valid JSON" },
    { "{\"quantization_config\":null}", "" },
    { "{\"quantization_config\":{\"quant_method\":null,\"config_groups\":{\"a\":null,\"b\":{\"weights\":null,\"x\":[{}]}}}}", "" },
};
/* clang-format on */

static void add_part(st_build *b, const stored *p)
{
    const whit_dtype type = whit_dtype_parse(p->dtype);
    const size_t size = whit_dtype_bits(type) / 8;
    size_t n = 1;
    for (unsigned d = 0; d < p->rank; d++) n *= (size_t)p->shape[d];
    unsigned char *data = calloc(n + 1, size);
    if (!data) scratch_die(p->name);
    for (size_t i = 0; i < 4 && i < n && type != WHIT_F16 && type != WHIT_F32; i++)
        for (size_t k = 0; k < size; k++)
            data[i * size + k] = (unsigned char)((uint64_t)p->ints[i] >> 8 * k);
    if (p->text) memcpy(data, p->text, n * size);
    st_add_octets(b, p->name, p->dtype, p->rank, p->shape, data, n * size);
    free(data);
}

/* All values can be read where it opens; else it is one line with those words. */
static void check_folder(const scratch *s, const char *folder, const char *what, const char *words)
{
    char path[SCRATCH_PATH];
    whit_source *src = (whit_source *)(uintptr_t)1;
    whit_error err = { WHIT_OK, "" };
    whit_status st = whit_source_open(&src, scratch_path(s, folder, path), &err);
    CHECK((st == WHIT_OK) == !*words, "%s: %s", what, err.msg);
    if (st != WHIT_OK) {
        CHECK(st == WHIT_ERR_FORMAT || st == WHIT_ERR_UNSUPPORTED, "%s: status %d", what, (int)st);
        CHECK(!src && err.code == st && job_one_line(&err) && strstr(err.msg, words), "%s: %s",
              what, err.msg);
        return;
    }
    for (size_t i = 0; i < whit_source_count(src); i++) {
        const whit_source_tensor *t = whit_source_at(src, i);
        if (whit_dtype_is_float(t->tensor.dtype)) free(job_values(src, t->tensor.name));
    }
    whit_source_close(src);
}

static void write_folder(const scratch *s, const char *folder, const char *config,
                         const stored *part)
{
    st_build b = { 0 };
    char name[64];
    scratch_folder(s, folder);
    for (size_t i = 0; i < 7 && part[i].name; i++) add_part(&b, &part[i]);
    snprintf(name, sizeof name, "%s/model.safetensors", folder);
    st_write(&b, s, name);
    snprintf(name, sizeof name, "%s/config.json", folder);
    if (config) scratch_text(s, name, config);
}

static void forget(const scratch *s, const char *folder)
{
    char path[SCRATCH_PATH];
    scratch_remove_tree(scratch_path(s, folder, path));
}

static void test_table(const scratch *s, const hostile *h, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        write_folder(s, "hostile", h[i].config, h[i].part);
        check_folder(s, "hostile", h[i].what, h[i].words);
        forget(s, "hostile");
    }
}

static void test_configs(const scratch *s)
{
    for (size_t i = 0; i < COUNT(configs); i++) {
        write_folder(s, "hostile", configs[i].config, ct[0].part);
        check_folder(s, "hostile", configs[i].config, configs[i].words);
        forget(s, "hostile");
        /* where nothing is quantized it does not count */
        static const stored plain[7] = { { "L.weight", "F16", 2, { 8, 64 } } };
        write_folder(s, "plain", configs[i].config, plain);
        check_folder(s, "plain", configs[i].config, "");
        forget(s, "plain");
    }
}

/* Every layer may be compared with every group: as many as that are none. */
static void test_groups(void)
{
    for (unsigned count = WH_HF_GROUPS; count <= WH_HF_GROUPS + 1; count++) {
        st_text text = { 0 };
        whit_error err = { WHIT_OK, "" };
        wh_hf_config config = { 0 };
        st_putf(&text, "{\"quant_method\":\"compressed-tensors\",\"config_groups\":{");
        for (unsigned i = 0; i < count; i++)
            st_putf(&text, "%s\"group_%u\":{\"weights\":{\"num_bits\":4}}", i ? "," : "", i);
        st_putf(&text, "}}");
        whit_status st = wh_hf_config_parse(&config, text.data, text.len, 1, &err);
        if (count == WH_HF_GROUPS)
            CHECK(st == WHIT_OK && config.groups == count, "%s", err.msg);
        else
            CHECK(st == WHIT_ERR_FORMAT && strstr(err.msg, "more than 256 groups"), "%s", err.msg);
        wh_hf_config_free(&config);
        free(text.data);
    }
}

/* The configuration is a link out of the folder. */
static void test_link(const scratch *s)
{
    scratch_text(s, "elsewhere.json", GOOD);
    write_folder(s, "hostile", NULL, ct[0].part);
    scratch_link(s, "../elsewhere.json", "hostile/config.json");
    check_folder(s, "hostile", "a link", "config.json: is a link that leads out of the folder");
    forget(s, "hostile");
}

int main(void)
{
    scratch s;
    scratch_make(&s);
    test_table(&s, ct, COUNT(ct));
    test_table(&s, gptq, COUNT(gptq));
    test_table(&s, awq, COUNT(awq));
    test_table(&s, bnb, COUNT(bnb));
    test_table(&s, fp8, COUNT(fp8));
    test_table(&s, unread, COUNT(unread));
    test_configs(&s);
    test_groups();
    test_link(&s);
    scratch_remove(&s);
    return check_result();
}
