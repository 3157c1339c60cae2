/* src/base/cpu.c - instruction-set levels: what this CPU and system offer, and the WHIT_ISA cap.
 *
 * A level is reported only with all that its code relies on: the CPU's bits, the register state
 * that the system saves (XGETBV), for AMX the permission of the process (Linux: arch_prctl). The
 * compiler's own __builtin_cpu_supports knows nothing of the last. Not here: which level some code
 * uses (isa.c).
 * Source: Intel SDM volume 1, 13 and 14, volume 2, CPUID; Linux Documentation/arch/x86/xstate.rst
 * and Documentation/arch/arm64/elf_hwcaps.rst.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* syscall */
#include "base/cpu.h"

#include <stdatomic.h>
#include <string.h>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define CPU_X86 1
#include <cpuid.h>
#endif
#if defined(__linux__) && (defined(CPU_X86) || defined(__aarch64__))
#define CPU_LINUX 1
#endif
#if defined(CPU_LINUX) && defined(CPU_X86)
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(CPU_LINUX)
#include <sys/auxv.h>
#endif

#define NEED_AVX2 ((uint32_t)WH_ISA_AVX2)
#define NEED_AVXVNNI (NEED_AVX2 | WH_ISA_AVXVNNI)
#define NEED_AVX512 (NEED_AVX2 | WH_ISA_AVX512)
#define NEED_AVX512VNNI (NEED_AVX512 | WH_ISA_AVX512VNNI)
#define NEED_AMX (NEED_AVX512VNNI | WH_ISA_AMX)
#define NEED_NEON ((uint32_t)WH_ISA_NEON)
#define NEED_DOTPROD (NEED_NEON | WH_ISA_DOTPROD)
#define NEED_I8MM (NEED_DOTPROD | WH_ISA_I8MM)

/* `needs`: without these bits the level does not exist. `upto`: the bits that it still allows; more
 * than it needs, since CPUs with AVX-512 VNNI may lack AVX-VNNI. */
static const struct {
    const char *name;
    uint32_t needs, upto;
} levels[] = {
    { "scalar", 0, 0 },
    { "avx2", NEED_AVX2, NEED_AVX2 | WH_ISA_SHANI },
    { "avxvnni", NEED_AVXVNNI, NEED_AVXVNNI | WH_ISA_SHANI },
    { "avx512", NEED_AVX512, NEED_AVX512 | WH_ISA_AVXVNNI | WH_ISA_SHANI },
    { "avx512vnni", NEED_AVX512VNNI, NEED_AVX512VNNI | WH_ISA_AVXVNNI | WH_ISA_SHANI },
    { "amx", NEED_AMX, NEED_AMX | WH_ISA_AVXVNNI | WH_ISA_SHANI },
    { "neon", NEED_NEON, NEED_NEON },
    { "dotprod", NEED_DOTPROD, NEED_DOTPROD },
    { "i8mm", NEED_I8MM, NEED_I8MM },
};

/* The last level that these bits make up. */
static const char *highest(uint32_t cpu)
{
    size_t best = 0;
    for (size_t i = 1; i < sizeof levels / sizeof levels[0]; i++)
        if (!(levels[i].needs & ~cpu)) best = i;
    return levels[best].name;
}

whit_status wh_cpu_allowed(uint32_t cpu, const char *cap, uint32_t *allowed, whit_error *err)
{
    size_t i = 0, n = sizeof levels / sizeof levels[0];
    char shown[WH_SHORT];
    *allowed = cap ? 0 : cpu;
    if (!cap) return WHIT_OK;
    while (i < n && strcmp(cap, levels[i].name) != 0) i++;
    if (i == n)
        return wh_fail(err, WHIT_ERR_ARG,
                       "WHIT_ISA=%s is no level; try: scalar, avx2, avxvnni, avx512, avx512vnni, "
                       "amx, neon, dotprod or i8mm",
                       wh_short(shown, cap));
    if (levels[i].needs & ~cpu)
        return wh_fail(err, WHIT_ERR_ARG, "WHIT_ISA=%s: this CPU or system lacks it; try: %s", cap,
                       highest(cpu));
    *allowed = cpu & levels[i].upto;
    return WHIT_OK;
}

static int has(uint32_t reg, uint32_t bits)
{
    return (reg & bits) == bits;
}

#define BIT(n) (UINT32_C(1) << (n))

/* The 512-bit levels, where avx2 is there. */
static uint32_t wide_features(const wh_cpu_x86 *x, int (*permitted)(void))
{
    uint32_t mask = 0;
    if ((x->saved & 0xe6) == 0xe6 &&
        has(x->ebx_7, BIT(16) | BIT(17) | BIT(30) | BIT(31))) /* F DQ BW VL */
        mask |= WH_ISA_AVX512;
    if (mask && has(x->ecx_7, BIT(1) | BIT(11))) /* VBMI, VNNI */
        mask |= WH_ISA_AVX512VNNI;
    /* bf16, tile, int8; AVX512-BF16, which every CPU with tiles has */
    if ((mask & WH_ISA_AVX512VNNI) && (x->saved & 0x60000) == 0x60000 &&
        has(x->edx_7, BIT(22) | BIT(24) | BIT(25)) && has(x->eax_7_1, BIT(5)) && permitted())
        mask |= WH_ISA_AMX;
    return mask;
}

uint32_t wh_cpu_x86_features(const wh_cpu_x86 *x, int (*permitted)(void))
{
    /* FMA, OSXSAVE, AVX, F16C */
    if (!has(x->ecx_1, BIT(12) | BIT(27) | BIT(28) | BIT(29))) return 0;
    if ((x->saved & 6) != 6 || !has(x->ebx_7, BIT(5))) return 0;
    uint32_t mask = WH_ISA_AVX2 | wide_features(x, permitted);
    if (has(x->eax_7_1, BIT(4))) mask |= WH_ISA_AVXVNNI;
    if (has(x->ebx_7, BIT(29))) mask |= WH_ISA_SHANI; /* SSE4.1 comes with AVX */
    return mask;
}

#ifdef CPU_X86

/* The registers that the system saves. Only where CPUID says OSXSAVE. */
static uint64_t saved_state(void)
{
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

/* Asks for the use of tile data; the answer holds for the process, and asking again is harmless.
 * Refused too when a signal stack is already set up that could not hold the tiles. */
static int amx_permitted(void)
{
#ifdef CPU_LINUX
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
    return 0;
#endif
}

static uint32_t ask_features(void)
{
    uint32_t eax, ebx, ecx, edx;
    wh_cpu_x86 x = { 0 };
    if (!__get_cpuid(1, &eax, &ebx, &x.ecx_1, &edx)) return 0;
    if (has(x.ecx_1, BIT(27))) x.saved = saved_state();
    if (__get_cpuid_count(7, 0, &eax, &x.ebx_7, &x.ecx_7, &x.edx_7) && eax >= 1)
        __cpuid_count(7, 1, x.eax_7_1, ebx, ecx, edx); /* eax of leaf 7.0: the highest subleaf */
    return wh_cpu_x86_features(&x, amx_permitted);
}

#elif defined(__aarch64__)

/* Systems other than Linux have no common way to ask: NEON is all that is certain. */
static uint32_t ask_features(void)
{
    uint32_t mask = WH_ISA_NEON;
#ifdef CPU_LINUX
    const unsigned long asimddp = 1ul << 20, i8mm = 1ul << 13; /* of AT_HWCAP, AT_HWCAP2 */
    if (getauxval(AT_HWCAP) & asimddp) mask |= WH_ISA_DOTPROD;
    if ((mask & WH_ISA_DOTPROD) && (getauxval(AT_HWCAP2) & i8mm)) mask |= WH_ISA_I8MM;
#endif
    return mask;
}

#else

static uint32_t ask_features(void)
{
    return 0;
}

#endif

/* CPUID leaves the guest of a hypervisor, which takes longer than a small call works. The answer
 * does not change, so whoever comes first stores it: two at once store the same. The only state
 * that the library has; a test knows it by this name. */
static _Atomic uint32_t known_features;

uint32_t wh_cpu_features(void)
{
    const uint32_t asked = UINT32_C(1) << 31; /* no level's bit */
    uint32_t mask = atomic_load_explicit(&known_features, memory_order_relaxed);
    if (!(mask & asked)) {
        mask = ask_features() | asked;
        atomic_store_explicit(&known_features, mask, memory_order_relaxed);
    }
    return mask & ~asked;
}
