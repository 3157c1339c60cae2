/* src/kernels/kernels.c - the tables of the operations and the choice among their variants.
 *
 * Built with the compiler's baseline; only the files named after an instruction set get more.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/kernels.h"

#include "kernels/float.h"
#include "kernels/gemm.h"
#include "kernels/many.h"
#include "kernels/qact.h"

#define AVX512 (WH_ISA_AVX2 | WH_ISA_AVX512)
#define AVX512VNNI (AVX512 | WH_ISA_AVX512VNNI)
#define AMX (AVX512VNNI | WH_ISA_AMX)
#define DOTPROD (WH_ISA_NEON | WH_ISA_DOTPROD)
#define I8MM (DOTPROD | WH_ISA_I8MM)

/* What follows in a table on AArch64: integer products of a width of codes
 * have the same loops in every form. */
#ifdef WH_BUILD_ARM64
#define ARM_GEMM(code)                                                                             \
    { .isa = "neon", .needs = WH_ISA_NEON, .gemm = wh_gemm_##code##_q8_neon, .panels = 1 },        \
        { .isa = "dotprod", .needs = DOTPROD, .gemm = wh_gemm_##code##_q8_dotprod, .panels = 1 },  \
        { .isa = "i8mm", .needs = I8MM, .gemm = wh_gemm_##code##_q8_i8mm, .panels = 1 },
#define ARM_GEMV(form) { .isa = "neon", .needs = WH_ISA_NEON, .gemv = wh_gemv_##form##_neon },
#define ARM_DECODE(form) { .isa = "neon", .needs = WH_ISA_NEON, .decode = wh_decode_##form##_neon },
#else
#define ARM_GEMM(code)
#define ARM_GEMV(form)
#define ARM_DECODE(form)
#endif

/* Each table: slowest first, [0] is the reference. */
static const wh_variant qact_q8[] = {
    { .isa = "scalar", .qact = wh_qact_q8_scalar },
#ifdef WH_BUILD_X86
    { .isa = "avx2", .needs = WH_ISA_AVX2, .qact = wh_qact_q8_avx2 },
    { .isa = "avx512", .needs = AVX512, .qact = wh_qact_q8_avx512 },
#endif
#ifdef WH_BUILD_ARM64
    { .isa = "neon", .needs = WH_ISA_NEON, .qact = wh_qact_q8_neon },
#endif
};
static const wh_variant gemm_q4_q8[] = {
    { .isa = "scalar", .gemm = wh_gemm_q8_scalar, .panels = 1 },
#ifdef WH_BUILD_X86
    { .isa = "avx2", .needs = WH_ISA_AVX2, .gemm = wh_gemm_q4_q8_avx2, .panels = 1 },
    { .isa = "avxvnni",
      .needs = WH_ISA_AVX2 | WH_ISA_AVXVNNI,
      .gemm = wh_gemm_q4_q8_avxvnni,
      .panels = 1 },
    { .isa = "avx512", .needs = AVX512, .gemm = wh_gemm_q4_q8_avx512, .panels = 2 },
    { .isa = "avx512vnni", .needs = AVX512VNNI, .gemm = wh_gemm_q4_q8_avx512vnni, .panels = 2 },
#endif
    ARM_GEMM(q4)
};
static const wh_variant gemm_q8_q8[] = {
    { .isa = "scalar", .gemm = wh_gemm_q8_scalar, .panels = 1 },
#ifdef WH_BUILD_X86
    { .isa = "avx2", .needs = WH_ISA_AVX2, .gemm = wh_gemm_q8_q8_avx2, .panels = 1 },
    { .isa = "avxvnni",
      .needs = WH_ISA_AVX2 | WH_ISA_AVXVNNI,
      .gemm = wh_gemm_q8_q8_avxvnni,
      .panels = 1 },
    { .isa = "avx512", .needs = AVX512, .gemm = wh_gemm_q8_q8_avx512, .panels = 2 },
    { .isa = "avx512vnni", .needs = AVX512VNNI, .gemm = wh_gemm_q8_q8_avx512vnni, .panels = 2 },
#endif
    ARM_GEMM(q8)
};
static const wh_variant gemm_t4_q8[] = {
    { .isa = "scalar", .gemm = wh_gemm_q8_scalar, .panels = 1 },
#ifdef WH_BUILD_X86
    { .isa = "avx2", .needs = WH_ISA_AVX2, .gemm = wh_gemm_t4_q8_avx2, .panels = 1 },
    { .isa = "avxvnni",
      .needs = WH_ISA_AVX2 | WH_ISA_AVXVNNI,
      .gemm = wh_gemm_t4_q8_avxvnni,
      .panels = 1 },
    { .isa = "avx512", .needs = AVX512, .gemm = wh_gemm_t4_q8_avx512, .panels = 2 },
    { .isa = "avx512vnni", .needs = AVX512VNNI, .gemm = wh_gemm_t4_q8_avx512vnni, .panels = 2 },
#endif
    ARM_GEMM(t4)
};
static const wh_variant gemv_q4[] = {
    { .isa = "scalar", .gemv = wh_gemv_codes_scalar },
#ifdef WH_BUILD_X86
    { .isa = "avx2", .needs = WH_ISA_AVX2, .gemv = wh_gemv_q4_avx2, .panels = 1 },
    { .isa = "avx512", .needs = AVX512, .gemv = wh_gemv_q4_avx512, .panels = 2 },
#endif
#ifdef WH_BUILD_ARM64
    { .isa = "neon", .needs = WH_ISA_NEON, .gemv = wh_gemv_q4_neon },
#endif
};
static const wh_variant gemv_q8[] = {
    { .isa = "scalar", .gemv = wh_gemv_codes_scalar },
#ifdef WH_BUILD_X86
    { .isa = "avx2", .needs = WH_ISA_AVX2, .gemv = wh_gemv_q8_avx2, .panels = 1 },
    { .isa = "avx512", .needs = AVX512, .gemv = wh_gemv_q8_avx512, .panels = 2 },
#endif
#ifdef WH_BUILD_ARM64
    { .isa = "neon", .needs = WH_ISA_NEON, .gemv = wh_gemv_q8_neon },
#endif
};
static const wh_variant gemv_t4[] = {
    { .isa = "scalar", .gemv = wh_gemv_t4_scalar },
#ifdef WH_BUILD_X86
    { .isa = "avx2", .needs = WH_ISA_AVX2, .gemv = wh_gemv_t4_avx2, .panels = 1 },
    { .isa = "avx512", .needs = AVX512, .gemv = wh_gemv_t4_avx512, .panels = 2 },
#endif
#ifdef WH_BUILD_ARM64
    { .isa = "neon", .needs = WH_ISA_NEON, .gemv = wh_gemv_t4_neon },
#endif
};
static const wh_variant gemv_f8[] = {
    { .isa = "scalar", .gemv = wh_gemv_f8_scalar },
#ifdef WH_BUILD_X86
    { .isa = "avx2", .needs = WH_ISA_AVX2, .gemv = wh_gemv_f8_avx2, .panels = 1 },
    { .isa = "avx512", .needs = AVX512, .gemv = wh_gemv_f8_avx512, .panels = 2 },
#endif
    ARM_GEMV(f8)
};
static const wh_variant gemv_f32[] = {
    { .isa = "scalar", .gemv = wh_gemv_f32_scalar },
#ifdef WH_BUILD_X86
    { .isa = "avx2", .needs = WH_ISA_AVX2, .gemv = wh_gemv_f32_avx2, .panels = 4 },
    { .isa = "avx512", .needs = AVX512, .gemv = wh_gemv_f32_avx512, .panels = 4 },
#endif
#ifdef WH_BUILD_ARM64
    { .isa = "neon", .needs = WH_ISA_NEON, .gemv = wh_gemv_f32_neon, .panels = 4 },
#endif
};
static const wh_variant gemv_f16[] = {
    { .isa = "scalar", .gemv = wh_gemv_f16_scalar },
#ifdef WH_BUILD_X86
    { .isa = "avx2", .needs = WH_ISA_AVX2, .gemv = wh_gemv_f16_avx2, .panels = 4 },
    { .isa = "avx512", .needs = AVX512, .gemv = wh_gemv_f16_avx512, .panels = 4 },
#endif
#ifdef WH_BUILD_ARM64
    { .isa = "neon", .needs = WH_ISA_NEON, .gemv = wh_gemv_f16_neon, .panels = 4 },
#endif
};
static const wh_variant gemv_bf16[] = {
    { .isa = "scalar", .gemv = wh_gemv_bf16_scalar },
#ifdef WH_BUILD_X86
    { .isa = "avx2", .needs = WH_ISA_AVX2, .gemv = wh_gemv_bf16_avx2, .panels = 4 },
    { .isa = "avx512", .needs = AVX512, .gemv = wh_gemv_bf16_avx512, .panels = 4 },
#endif
#ifdef WH_BUILD_ARM64
    { .isa = "neon", .needs = WH_ISA_NEON, .gemv = wh_gemv_bf16_neon, .panels = 4 },
#endif
};
static const wh_variant decode_q4[] = {
    { .isa = "scalar", .decode = wh_decode_codes_scalar },
#ifdef WH_BUILD_X86
    { .isa = "avx2", .needs = WH_ISA_AVX2, .decode = wh_decode_q4_avx2 },
    { .isa = "avx512", .needs = AVX512, .decode = wh_decode_q4_avx512 },
#endif
#ifdef WH_BUILD_ARM64
    { .isa = "neon", .needs = WH_ISA_NEON, .decode = wh_decode_q4_neon },
#endif
};
static const wh_variant decode_q8[] = {
    { .isa = "scalar", .decode = wh_decode_codes_scalar },
#ifdef WH_BUILD_X86
    { .isa = "avx2", .needs = WH_ISA_AVX2, .decode = wh_decode_q8_avx2 },
    { .isa = "avx512", .needs = AVX512, .decode = wh_decode_q8_avx512 },
#endif
#ifdef WH_BUILD_ARM64
    { .isa = "neon", .needs = WH_ISA_NEON, .decode = wh_decode_q8_neon },
#endif
};
static const wh_variant decode_t4[] = {
    { .isa = "scalar", .decode = wh_decode_t4_scalar },
#ifdef WH_BUILD_X86
    { .isa = "avx2", .needs = WH_ISA_AVX2, .decode = wh_decode_t4_avx2 },
    { .isa = "avx512", .needs = AVX512, .decode = wh_decode_t4_avx512 },
#endif
#ifdef WH_BUILD_ARM64
    { .isa = "neon", .needs = WH_ISA_NEON, .decode = wh_decode_t4_neon },
#endif
};
static const wh_variant decode_f8[] = {
    { .isa = "scalar", .decode = wh_decode_f8_scalar },
#ifdef WH_BUILD_X86
    { .isa = "avx2", .needs = WH_ISA_AVX2, .decode = wh_decode_f8_avx2 },
    { .isa = "avx512", .needs = AVX512, .decode = wh_decode_f8_avx512 },
#endif
    ARM_DECODE(f8)
};
static const wh_variant decode_f16[] = {
    { .isa = "scalar", .decode = wh_decode_f16_scalar },
#ifdef WH_BUILD_X86
    { .isa = "avx2", .needs = WH_ISA_AVX2, .decode = wh_decode_f16_avx2 },
    { .isa = "avx512", .needs = AVX512, .decode = wh_decode_f16_avx512 },
#endif
#ifdef WH_BUILD_ARM64
    { .isa = "neon", .needs = WH_ISA_NEON, .decode = wh_decode_f16_neon },
#endif
};
static const wh_variant decode_bf16[] = {
    { .isa = "scalar", .decode = wh_decode_bf16_scalar },
#ifdef WH_BUILD_X86
    { .isa = "avx2", .needs = WH_ISA_AVX2, .decode = wh_decode_bf16_avx2 },
    { .isa = "avx512", .needs = AVX512, .decode = wh_decode_bf16_avx512 },
#endif
#ifdef WH_BUILD_ARM64
    { .isa = "neon", .needs = WH_ISA_NEON, .decode = wh_decode_bf16_neon },
#endif
};
#ifdef WH_BUILD_X86 /* what only tiles do */
static const wh_variant qact_bf16[] = {
    { .isa = "amx", .needs = AMX, .qact = wh_qact_bf16_amx },
};
static const wh_variant many_q2_q8[] = {
    { .isa = "amx", .needs = AMX, .many = wh_many_q2_q8_amx, .panels = 2 },
};
static const wh_variant many_q3_q8[] = {
    { .isa = "amx", .needs = AMX, .many = wh_many_q3_q8_amx, .panels = 2 },
};
static const wh_variant many_q4_q8[] = {
    { .isa = "amx", .needs = AMX, .many = wh_many_q4_q8_amx, .panels = 2 },
};
static const wh_variant many_q5_q8[] = {
    { .isa = "amx", .needs = AMX, .many = wh_many_q5_q8_amx, .panels = 2 },
};
static const wh_variant many_q6_q8[] = {
    { .isa = "amx", .needs = AMX, .many = wh_many_q6_q8_amx, .panels = 2 },
};
static const wh_variant many_q8_q8[] = {
    { .isa = "amx", .needs = AMX, .many = wh_many_q8_q8_amx, .panels = 2 },
};
static const wh_variant many_t4_q8[] = {
    { .isa = "amx", .needs = AMX, .many = wh_many_t4_q8_amx, .panels = 2 },
};
static const wh_variant many_bf16[] = {
    { .isa = "amx", .needs = AMX, .many = wh_many_bf16_amx, .panels = 2 },
};
#endif
static const wh_variant tile_chain[] = {
    { .isa = "scalar", .tile = wh_tile_chain_scalar, .tokens = 4, .panels = 1 },
#ifdef WH_BUILD_X86
    { .isa = "avx2", .needs = WH_ISA_AVX2, .tile = wh_tile_chain_avx2, .tokens = 6, .panels = 1 },
    { .isa = "avx512", .needs = AVX512, .tile = wh_tile_chain_avx512, .tokens = 12, .panels = 2 },
#endif
#ifdef WH_BUILD_ARM64
    { .isa = "neon", .needs = WH_ISA_NEON, .tile = wh_tile_chain_neon, .tokens = 4, .panels = 1 },
#endif
};
static const wh_variant tile_steps[] = {
    { .isa = "scalar", .tile = wh_tile_steps_scalar, .tokens = 4, .panels = 1 },
#ifdef WH_BUILD_X86
    { .isa = "avx2", .needs = WH_ISA_AVX2, .tile = wh_tile_steps_avx2, .tokens = 6, .panels = 1 },
    { .isa = "avx512", .needs = AVX512, .tile = wh_tile_steps_avx512, .tokens = 12, .panels = 2 },
#endif
#ifdef WH_BUILD_ARM64
    { .isa = "neon", .needs = WH_ISA_NEON, .tile = wh_tile_steps_neon, .tokens = 4, .panels = 1 },
#endif
};
static const wh_variant tile_f16[] = {
    { .isa = "scalar", .tile = wh_tile_f16_scalar, .tokens = 4, .panels = 1 },
#ifdef WH_BUILD_X86
    { .isa = "avx2", .needs = WH_ISA_AVX2, .tile = wh_tile_f16_avx2, .tokens = 6, .panels = 1 },
    { .isa = "avx512", .needs = AVX512, .tile = wh_tile_f16_avx512, .tokens = 12, .panels = 2 },
#endif
#ifdef WH_BUILD_ARM64
    { .isa = "neon", .needs = WH_ISA_NEON, .tile = wh_tile_f16_neon, .tokens = 4, .panels = 1 },
#endif
};
static const wh_variant tile_bf16[] = {
    { .isa = "scalar", .tile = wh_tile_bf16_scalar, .tokens = 4, .panels = 1 },
#ifdef WH_BUILD_X86
    { .isa = "avx2", .needs = WH_ISA_AVX2, .tile = wh_tile_bf16_avx2, .tokens = 6, .panels = 1 },
    { .isa = "avx512", .needs = AVX512, .tile = wh_tile_bf16_avx512, .tokens = 12, .panels = 2 },
#endif
#ifdef WH_BUILD_ARM64
    { .isa = "neon", .needs = WH_ISA_NEON, .tile = wh_tile_bf16_neon, .tokens = 4, .panels = 1 },
#endif
};

/* Codes of other widths, and blocks: those that have every instruction set of x86. */
#ifdef WH_BUILD_X86
#define X86_GEMM(form)                                                                             \
    , { .isa = "avx2", .needs = WH_ISA_AVX2, .gemm = wh_gemm_##form##_q8_avx2, .panels = 1 },      \
        { .isa = "avxvnni",                                                                        \
          .needs = WH_ISA_AVX2 | WH_ISA_AVXVNNI,                                                   \
          .gemm = wh_gemm_##form##_q8_avxvnni,                                                     \
          .panels = 1 },                                                                           \
        { .isa = "avx512", .needs = AVX512, .gemm = wh_gemm_##form##_q8_avx512, .panels = 2 },     \
    {                                                                                              \
        .isa = "avx512vnni", .needs = AVX512VNNI, .gemm = wh_gemm_##form##_q8_avx512vnni,          \
        .panels = 2                                                                                \
    }
#define X86_GEMV(form)                                                                             \
    , { .isa = "avx2", .needs = WH_ISA_AVX2, .gemv = wh_gemv_##form##_avx2, .panels = 2 },         \
    {                                                                                              \
        .isa = "avx512", .needs = AVX512, .gemv = wh_gemv_##form##_avx512, .panels = 4             \
    }
#define X86_DECODE(form)                                                                           \
    , { .isa = "avx2", .needs = WH_ISA_AVX2, .decode = wh_decode_##form##_avx2 },                  \
    {                                                                                              \
        .isa = "avx512", .needs = AVX512, .decode = wh_decode_##form##_avx512                      \
    }
#else
#define X86_GEMM(form)
#define X86_GEMV(form)
#define X86_DECODE(form)
#endif
#define SCALAR_GEMM                                                                                \
    {                                                                                              \
        .isa = "scalar", .gemm = wh_gemm_q8_scalar, .panels = 1                                    \
    }
#define SCALAR_GEMV                                                                                \
    {                                                                                              \
        .isa = "scalar", .gemv = wh_gemv_codes_scalar                                              \
    }
#define SCALAR_DECODE                                                                              \
    {                                                                                              \
        .isa = "scalar", .decode = wh_decode_codes_scalar                                          \
    }
static const wh_variant gemm_q2_q8[] = { SCALAR_GEMM X86_GEMM(q2), ARM_GEMM(q2) };
static const wh_variant gemm_q3_q8[] = { SCALAR_GEMM X86_GEMM(q3), ARM_GEMM(q3) };
static const wh_variant gemm_q5_q8[] = { SCALAR_GEMM X86_GEMM(q5), ARM_GEMM(q5) };
static const wh_variant gemm_q6_q8[] = { SCALAR_GEMM X86_GEMM(q6), ARM_GEMM(q6) };
static const wh_variant gemm_b1_q8[] = { SCALAR_GEMM X86_GEMM(b1), ARM_GEMM(q1) };
static const wh_variant gemm_b2_q8[] = { SCALAR_GEMM X86_GEMM(b2), ARM_GEMM(q2) };
static const wh_variant gemm_b3_q8[] = { SCALAR_GEMM X86_GEMM(b3), ARM_GEMM(q3) };
static const wh_variant gemm_b4_q8[] = { SCALAR_GEMM X86_GEMM(b4), ARM_GEMM(q4) };
static const wh_variant gemm_b5_q8[] = { SCALAR_GEMM X86_GEMM(b5), ARM_GEMM(q5) };
static const wh_variant gemm_b6_q8[] = { SCALAR_GEMM X86_GEMM(b6), ARM_GEMM(q6) };
static const wh_variant gemm_b8_q8[] = { SCALAR_GEMM X86_GEMM(b8), ARM_GEMM(q8) };
static const wh_variant gemm_bt_q8[] = { SCALAR_GEMM X86_GEMM(bt), ARM_GEMM(t4) };
static const wh_variant gemv_q2[] = { SCALAR_GEMV X86_GEMV(q2), ARM_GEMV(q2) };
static const wh_variant gemv_q3[] = { SCALAR_GEMV X86_GEMV(q3), ARM_GEMV(q3) };
static const wh_variant gemv_q5[] = { SCALAR_GEMV X86_GEMV(q5), ARM_GEMV(q5) };
static const wh_variant gemv_q6[] = { SCALAR_GEMV X86_GEMV(q6), ARM_GEMV(q6) };
static const wh_variant gemv_b1[] = { SCALAR_GEMV X86_GEMV(b1), ARM_GEMV(b1) };
static const wh_variant gemv_b2[] = { SCALAR_GEMV X86_GEMV(b2), ARM_GEMV(b2) };
static const wh_variant gemv_b3[] = { SCALAR_GEMV X86_GEMV(b3), ARM_GEMV(b3) };
static const wh_variant gemv_b4[] = { SCALAR_GEMV X86_GEMV(b4), ARM_GEMV(b4) };
static const wh_variant gemv_b5[] = { SCALAR_GEMV X86_GEMV(b5), ARM_GEMV(b5) };
static const wh_variant gemv_b6[] = { SCALAR_GEMV X86_GEMV(b6), ARM_GEMV(b6) };
static const wh_variant gemv_b8[] = { SCALAR_GEMV X86_GEMV(b8), ARM_GEMV(b8) };
static const wh_variant gemv_bt[] = { SCALAR_GEMV X86_GEMV(bt), ARM_GEMV(bt) };
static const wh_variant decode_q2[] = { SCALAR_DECODE X86_DECODE(q2), ARM_DECODE(q2) };
static const wh_variant decode_q3[] = { SCALAR_DECODE X86_DECODE(q3), ARM_DECODE(q3) };
static const wh_variant decode_q5[] = { SCALAR_DECODE X86_DECODE(q5), ARM_DECODE(q5) };
static const wh_variant decode_q6[] = { SCALAR_DECODE X86_DECODE(q6), ARM_DECODE(q6) };
static const wh_variant decode_b1[] = { SCALAR_DECODE X86_DECODE(b1), ARM_DECODE(b1) };
static const wh_variant decode_b2[] = { SCALAR_DECODE X86_DECODE(b2), ARM_DECODE(b2) };
static const wh_variant decode_b3[] = { SCALAR_DECODE X86_DECODE(b3), ARM_DECODE(b3) };
static const wh_variant decode_b4[] = { SCALAR_DECODE X86_DECODE(b4), ARM_DECODE(b4) };
static const wh_variant decode_b5[] = { SCALAR_DECODE X86_DECODE(b5), ARM_DECODE(b5) };
static const wh_variant decode_b6[] = { SCALAR_DECODE X86_DECODE(b6), ARM_DECODE(b6) };
static const wh_variant decode_b8[] = { SCALAR_DECODE X86_DECODE(b8), ARM_DECODE(b8) };
static const wh_variant decode_bt[] = { SCALAR_DECODE X86_DECODE(bt), ARM_DECODE(bt) };

#define ROW(name)                                                                                  \
    {                                                                                              \
#name, name, sizeof(name) / sizeof(name)[0]                                                \
    }
static const wh_op_row table[WH_OPS] = {
    [WH_QACT_Q8] = ROW(qact_q8),         [WH_GEMM_Q2_Q8] = ROW(gemm_q2_q8),
    [WH_GEMM_Q3_Q8] = ROW(gemm_q3_q8),   [WH_GEMM_Q4_Q8] = ROW(gemm_q4_q8),
    [WH_GEMM_Q5_Q8] = ROW(gemm_q5_q8),   [WH_GEMM_Q6_Q8] = ROW(gemm_q6_q8),
    [WH_GEMM_Q8_Q8] = ROW(gemm_q8_q8),   [WH_GEMM_T4_Q8] = ROW(gemm_t4_q8),
    [WH_GEMM_B1_Q8] = ROW(gemm_b1_q8),   [WH_GEMM_B2_Q8] = ROW(gemm_b2_q8),
    [WH_GEMM_B3_Q8] = ROW(gemm_b3_q8),   [WH_GEMM_B4_Q8] = ROW(gemm_b4_q8),
    [WH_GEMM_B5_Q8] = ROW(gemm_b5_q8),   [WH_GEMM_B6_Q8] = ROW(gemm_b6_q8),
    [WH_GEMM_B8_Q8] = ROW(gemm_b8_q8),   [WH_GEMM_BT_Q8] = ROW(gemm_bt_q8),
    [WH_GEMV_Q2] = ROW(gemv_q2),         [WH_GEMV_Q3] = ROW(gemv_q3),
    [WH_GEMV_Q4] = ROW(gemv_q4),         [WH_GEMV_Q5] = ROW(gemv_q5),
    [WH_GEMV_Q6] = ROW(gemv_q6),         [WH_GEMV_Q8] = ROW(gemv_q8),
    [WH_GEMV_T4] = ROW(gemv_t4),         [WH_GEMV_F8] = ROW(gemv_f8),
    [WH_GEMV_B1] = ROW(gemv_b1),         [WH_GEMV_B2] = ROW(gemv_b2),
    [WH_GEMV_B3] = ROW(gemv_b3),         [WH_GEMV_B4] = ROW(gemv_b4),
    [WH_GEMV_B5] = ROW(gemv_b5),         [WH_GEMV_B6] = ROW(gemv_b6),
    [WH_GEMV_B8] = ROW(gemv_b8),         [WH_GEMV_BT] = ROW(gemv_bt),
    [WH_GEMV_F32] = ROW(gemv_f32),       [WH_GEMV_F16] = ROW(gemv_f16),
    [WH_GEMV_BF16] = ROW(gemv_bf16),     [WH_DECODE_Q2] = ROW(decode_q2),
    [WH_DECODE_Q3] = ROW(decode_q3),     [WH_DECODE_Q4] = ROW(decode_q4),
    [WH_DECODE_Q5] = ROW(decode_q5),     [WH_DECODE_Q6] = ROW(decode_q6),
    [WH_DECODE_Q8] = ROW(decode_q8),     [WH_DECODE_T4] = ROW(decode_t4),
    [WH_DECODE_F8] = ROW(decode_f8),     [WH_DECODE_B1] = ROW(decode_b1),
    [WH_DECODE_B2] = ROW(decode_b2),     [WH_DECODE_B3] = ROW(decode_b3),
    [WH_DECODE_B4] = ROW(decode_b4),     [WH_DECODE_B5] = ROW(decode_b5),
    [WH_DECODE_B6] = ROW(decode_b6),     [WH_DECODE_B8] = ROW(decode_b8),
    [WH_DECODE_BT] = ROW(decode_bt),     [WH_DECODE_F16] = ROW(decode_f16),
    [WH_DECODE_BF16] = ROW(decode_bf16), [WH_TILE_CHAIN] = ROW(tile_chain),
    [WH_TILE_STEPS] = ROW(tile_steps),   [WH_TILE_F16] = ROW(tile_f16),
    [WH_TILE_BF16] = ROW(tile_bf16),
#ifdef WH_BUILD_X86
    [WH_QACT_BF16] = ROW(qact_bf16),     [WH_MANY_Q2_Q8] = ROW(many_q2_q8),
    [WH_MANY_Q3_Q8] = ROW(many_q3_q8),   [WH_MANY_Q4_Q8] = ROW(many_q4_q8),
    [WH_MANY_Q5_Q8] = ROW(many_q5_q8),   [WH_MANY_Q6_Q8] = ROW(many_q6_q8),
    [WH_MANY_Q8_Q8] = ROW(many_q8_q8),   [WH_MANY_T4_Q8] = ROW(many_t4_q8),
    [WH_MANY_BF16] = ROW(many_bf16),
#else
    [WH_QACT_BF16] = { "qact_bf16", NULL, 0 },
    [WH_MANY_Q2_Q8] = { "many_q2_q8", NULL, 0 },
    [WH_MANY_Q3_Q8] = { "many_q3_q8", NULL, 0 },
    [WH_MANY_Q4_Q8] = { "many_q4_q8", NULL, 0 },
    [WH_MANY_Q5_Q8] = { "many_q5_q8", NULL, 0 },
    [WH_MANY_Q6_Q8] = { "many_q6_q8", NULL, 0 },
    [WH_MANY_Q8_Q8] = { "many_q8_q8", NULL, 0 },
    [WH_MANY_T4_Q8] = { "many_t4_q8", NULL, 0 },
    [WH_MANY_BF16] = { "many_bf16", NULL, 0 },
#endif
};

static const struct {
    wh_op gemm, gemv, decode, many;
} by_form[WH_FORMS] = {
    [WH_FORM_Q2] = { WH_GEMM_Q2_Q8, WH_GEMV_Q2, WH_DECODE_Q2, WH_MANY_Q2_Q8 },
    [WH_FORM_Q3] = { WH_GEMM_Q3_Q8, WH_GEMV_Q3, WH_DECODE_Q3, WH_MANY_Q3_Q8 },
    [WH_FORM_Q4] = { WH_GEMM_Q4_Q8, WH_GEMV_Q4, WH_DECODE_Q4, WH_MANY_Q4_Q8 },
    [WH_FORM_Q5] = { WH_GEMM_Q5_Q8, WH_GEMV_Q5, WH_DECODE_Q5, WH_MANY_Q5_Q8 },
    [WH_FORM_Q6] = { WH_GEMM_Q6_Q8, WH_GEMV_Q6, WH_DECODE_Q6, WH_MANY_Q6_Q8 },
    [WH_FORM_Q8] = { WH_GEMM_Q8_Q8, WH_GEMV_Q8, WH_DECODE_Q8, WH_MANY_Q8_Q8 },
    [WH_FORM_T4] = { WH_GEMM_T4_Q8, WH_GEMV_T4, WH_DECODE_T4, WH_MANY_T4_Q8 },
    [WH_FORM_F8] = { WH_OPS, WH_GEMV_F8, WH_DECODE_F8, WH_OPS },
    [WH_FORM_B1] = { WH_GEMM_B1_Q8, WH_GEMV_B1, WH_DECODE_B1, WH_OPS },
    [WH_FORM_B2] = { WH_GEMM_B2_Q8, WH_GEMV_B2, WH_DECODE_B2, WH_MANY_Q2_Q8 },
    [WH_FORM_B3] = { WH_GEMM_B3_Q8, WH_GEMV_B3, WH_DECODE_B3, WH_OPS },
    [WH_FORM_B4] = { WH_GEMM_B4_Q8, WH_GEMV_B4, WH_DECODE_B4, WH_OPS },
    [WH_FORM_B5] = { WH_GEMM_B5_Q8, WH_GEMV_B5, WH_DECODE_B5, WH_OPS },
    [WH_FORM_B6] = { WH_GEMM_B6_Q8, WH_GEMV_B6, WH_DECODE_B6, WH_OPS },
    [WH_FORM_B8] = { WH_GEMM_B8_Q8, WH_GEMV_B8, WH_DECODE_B8, WH_OPS },
    [WH_FORM_BT] = { WH_GEMM_BT_Q8, WH_GEMV_BT, WH_DECODE_BT, WH_OPS },
    [WH_FORM_F32] = { WH_OPS, WH_GEMV_F32, WH_OPS, WH_OPS },
    [WH_FORM_F16] = { WH_OPS, WH_GEMV_F16, WH_DECODE_F16, WH_OPS },
    [WH_FORM_BF16] = { WH_OPS, WH_GEMV_BF16, WH_DECODE_BF16, WH_OPS },
};

const wh_op_row *wh_op_table(void)
{
    return table;
}

wh_op wh_gemm_op(wh_form form)
{
    return by_form[form].gemm;
}

wh_op wh_gemv_op(wh_form form)
{
    return by_form[form].gemv;
}

wh_op wh_decode_op(wh_form form)
{
    return by_form[form].decode;
}

wh_op wh_many_op(wh_form form)
{
    return by_form[form].many;
}

static int has_many(const wh_kernels *k, const whit_weight *w)
{
    const wh_op many = by_form[w->form].many;
    return many != WH_OPS && k->op[many] && !w->sub && wh_many_fits(w);
}

wh_op wh_matmul_op(const wh_kernels *k, const whit_weight *w, whit_acts acts, size_t tokens)
{
    if (acts == WHIT_ACTS_BF16) return k->op[WH_MANY_BF16] ? WH_MANY_BF16 : WH_OPS;
    if (acts == WHIT_ACTS_Q8)
        return tokens >= wh_many_least(w) && has_many(k, w) ? by_form[w->form].many
                                                            : by_form[w->form].gemm;
    if (tokens == 1) return by_form[w->form].gemv;
    const wh_op own = w->form == WH_FORM_F16    ? WH_TILE_F16
                      : w->form == WH_FORM_BF16 ? WH_TILE_BF16
                                                : WH_OPS;
    if (own != WH_OPS && tokens <= k->op[own]->tokens) return own;
    return w->scale && !wh_form_is_block(w->form) ? WH_TILE_STEPS : WH_TILE_CHAIN;
}

void wh_kernels_select(wh_kernels *k, uint32_t allowed)
{
    for (int op = 0; op < WH_OPS; op++) {
        const wh_op_row *row = &table[op];
        k->op[op] = NULL;
        for (size_t v = 0; v < row->count; v++) /* the last one allowed wins */
            if (!(row->variants[v].needs & ~allowed)) k->op[op] = &row->variants[v];
    }
}
