/* tests/test_cpu.c - what CPUID and the system add up to, the cap on instruction-set levels over
 * all masks of CPUs, and what whit_isa makes of the environment.
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "base/cpu.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

enum {
    AVX2 = WH_ISA_AVX2,
    VNNI = WH_ISA_AVXVNNI,
    A512 = WH_ISA_AVX512,
    V512 = WH_ISA_AVX512VNNI,
    AMX = WH_ISA_AMX,
    NEON = WH_ISA_NEON,
    DOT = WH_ISA_DOTPROD,
    I8MM = WH_ISA_I8MM,
    SHA = WH_ISA_SHANI,
    ICE = AVX2 | A512 | V512, /* AVX-512 VNNI without AVX-VNNI */
    ADL = AVX2 | VNNI,        /* the reverse */
    SPR = AVX2 | VNNI | A512 | V512 | AMX,
    ARM = NEON | DOT | I8MM
};

/* What a level relies on, and what it lets through. */
static const struct {
    const char *name;
    uint32_t needs, upto;
} levels[] = {
    { "scalar", 0, 0 },
    { "avx2", AVX2, AVX2 | SHA },
    { "avxvnni", AVX2 | VNNI, AVX2 | VNNI | SHA },
    { "avx512", AVX2 | A512, AVX2 | VNNI | A512 | SHA },
    { "avx512vnni", AVX2 | A512 | V512, AVX2 | VNNI | A512 | V512 | SHA },
    { "amx", AVX2 | A512 | V512 | AMX, SPR | SHA },
    { "neon", NEON, NEON },
    { "dotprod", NEON | DOT, NEON | DOT },
    { "i8mm", NEON | DOT | I8MM, ARM },
};

static void test_rows(void)
{
    static const struct {
        const char *name, *cap;
        uint32_t cpu, want;
        int refused;
    } cases[] = {
        { "no cap", NULL, SPR, SPR, 0 },
        { "no cap, no features", NULL, 0, 0, 0 },
        { "scalar is always there", "scalar", 0, 0, 0 },
        { "scalar lowers", "scalar", SPR, 0, 0 },
        { "a cap never raises", "avx512", AVX2, 0, 1 },
        { "a level in between", "avx512", SPR, ADL | A512, 0 },
        { "SHA from avx2 on", "avx2", SPR | SHA, AVX2 | SHA, 0 },
        { "no SHA below", "scalar", SPR | SHA, 0, 0 },
        { "without AVX-VNNI", "avx512vnni", ICE, ICE, 0 },
        { "without AVX-VNNI that level is missing", "avxvnni", ICE, 0, 1 },
        { "without AVX-512", "avxvnni", ADL, ADL, 0 },
        { "AMX alone is no level", "amx", AMX, 0, 1 },
        { "the other architecture", "neon", SPR, 0, 1 },
        { "the other way round", "avx2", ARM, 0, 1 },
        { "arm", "dotprod", ARM, NEON | DOT, 0 },
        { "empty", "", SPR, 0, 1 },
        { "unknown", "sse2", SPR, 0, 1 },
        { "case counts", "AVX2", SPR, 0, 1 },
        { "a prefix is no name", "avx", SPR, 0, 1 },
        { "a longer name", "avx2 ", SPR, 0, 1 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t allowed = 12345;
        whit_error err = { WHIT_OK, "" };
        whit_status st = wh_cpu_allowed(cases[i].cpu, cases[i].cap, &allowed, &err);
        CHECK(st == (cases[i].refused ? WHIT_ERR_ARG : WHIT_OK), "%s: %d", cases[i].name, (int)st);
        CHECK(allowed == cases[i].want, "%s: %x", cases[i].name, (unsigned)allowed);
        CHECK((strstr(err.msg, "WHIT_ISA=") != NULL) == cases[i].refused, "%s: %s", cases[i].name,
              err.msg);
    }
}

/* A level that is missing is answered with the highest that is there. */
static void test_proposal(void)
{
    static const struct {
        uint32_t cpu;
        const char *cap, *proposed;
    } cases[] = {
        { ICE, "amx", "try: avx512vnni" }, { ADL, "avx512", "try: avxvnni" },
        { ARM, "avx2", "try: i8mm" },      { AMX, "amx", "try: scalar" },
        { 0, "neon", "try: scalar" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t allowed;
        whit_error err = { WHIT_OK, "" };
        wh_cpu_allowed(cases[i].cpu, cases[i].cap, &allowed, &err);
        const char *end = strstr(err.msg, "try: ");
        CHECK(end && strcmp(end, cases[i].proposed) == 0, "%s: %s", cases[i].cap, err.msg);
    }
}

static void test_all_masks(void)
{
    for (uint32_t m = 0; m < 512; m++) {
        uint32_t cpu = (m & 63) | (m >> 6) << 8;
        for (size_t i = 0; i < COUNT(levels); i++) {
            uint32_t allowed = 12345;
            int there = (levels[i].needs & ~cpu) == 0;
            whit_status st = wh_cpu_allowed(cpu, levels[i].name, &allowed, NULL);
            CHECK(st == (there ? WHIT_OK : WHIT_ERR_ARG), "%s of %x", levels[i].name,
                  (unsigned)cpu);
            CHECK(allowed == (there ? cpu & levels[i].upto : 0), "%s of %x gives %x",
                  levels[i].name, (unsigned)cpu, (unsigned)allowed);
        }
    }
}

/* ---- CPUID and the system ---- */

static unsigned asked;

static int granted(void)
{
    asked++;
    return 1;
}

static int refused(void)
{
    asked++;
    return 0;
}

/* Leaves of a Sapphire Rapids, all that the levels rely on and no more. */
#define ONE 0x38001000u     /* FMA, OSXSAVE, AVX, F16C         */
#define SEVEN_B 0xc0030020u /* AVX2, F, DQ, BW, VL             */
#define SEVEN_C 0x00000802u /* VBMI, VNNI                      */
#define SEVEN_D 0x03400000u /* AMX-BF16, AMX-TILE, AMX-INT8    */
#define SEVEN_1 0x00000010u /* AVX-VNNI                        */
#define BF16 0x00000020u    /* AVX512-BF16 */
#define SAVED 0x600e6u      /* SSE, AVX, AVX-512, tile config and data */

static void test_x86(void)
{
    static const struct {
        const char *name;
        wh_cpu_x86 x;
        uint32_t granted, refused; /* the mask where the system agrees, and where it does not */
        unsigned asked;
    } cases[] = {
        { "everything",
          { ONE, SEVEN_B, SEVEN_C, SEVEN_D, SEVEN_1 | BF16, SAVED },
          SPR,
          SPR & ~AMX,
          1 },
        { "nothing", { 0 }, 0, 0, 0 },
        { "other bits do no harm",
          { ~0u, ~0u, ~0u, ~0u, ~0u, ~0ull },
          SPR | SHA,
          (SPR & ~AMX) | SHA,
          1 },
        { "SHA", { ONE, 0x20000020u, 0, 0, 0, SAVED }, AVX2 | SHA, AVX2 | SHA, 0 },
        { "SHA without AVX2", { ONE, 0x20000000u, 0, 0, 0, SAVED }, 0, 0, 0 },
        { "no AVX-VNNI", { ONE, SEVEN_B, SEVEN_C, SEVEN_D, BF16, SAVED }, ICE | AMX, ICE, 1 },
        { "no tiles", { ONE, SEVEN_B, SEVEN_C, 1u << 22 | 1u << 25, BF16, SAVED }, ICE, ICE, 0 },
        { "no int8", { ONE, SEVEN_B, SEVEN_C, 1u << 22 | 1u << 24, BF16, SAVED }, ICE, ICE, 0 },
        { "no AVX512-BF16", { ONE, SEVEN_B, SEVEN_C, SEVEN_D, 0, SAVED }, ICE, ICE, 0 },
        { "no bfloat16", { ONE, SEVEN_B, SEVEN_C, 1u << 24 | 1u << 25, BF16, SAVED }, ICE, ICE, 0 },
        { "tile data not saved", { ONE, SEVEN_B, SEVEN_C, SEVEN_D, BF16, 0x200e6 }, ICE, ICE, 0 },
        { "tile config not saved", { ONE, SEVEN_B, SEVEN_C, SEVEN_D, BF16, 0x400e6 }, ICE, ICE, 0 },
        { "tiles without VNNI",
          { ONE, SEVEN_B, 2, SEVEN_D, BF16, SAVED },
          AVX2 | A512,
          AVX2 | A512,
          0 },
        { "tiles without AVX-512", { ONE, 0x20, SEVEN_C, SEVEN_D, SEVEN_1, SAVED }, ADL, ADL, 0 },
        { "AVX-512 not saved", { ONE, SEVEN_B, SEVEN_C, SEVEN_D, BF16, 0x60006 }, AVX2, AVX2, 0 },
        { "no OSXSAVE", { ONE & ~(1u << 27), SEVEN_B, SEVEN_C, SEVEN_D, 0, 0 }, 0, 0, 0 },
        { "no FMA", { ONE & ~(1u << 12), SEVEN_B, SEVEN_C, SEVEN_D, BF16, SAVED }, 0, 0, 0 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        asked = 0;
        const uint32_t yes = wh_cpu_x86_features(&cases[i].x, granted);
        CHECK(yes == cases[i].granted, "%s: %x", cases[i].name, (unsigned)yes);
        CHECK(asked == cases[i].asked, "%s: asked %u times", cases[i].name, asked);
        const uint32_t no = wh_cpu_x86_features(&cases[i].x, refused);
        CHECK(no == cases[i].refused, "%s, refused: %x", cases[i].name, (unsigned)no);
    }
    uint32_t allowed; /* a refusal is a CPU without the level */
    const uint32_t cpu = wh_cpu_x86_features(&cases[0].x, refused);
    whit_error err = { WHIT_OK, "" };
    CHECK(wh_cpu_allowed(cpu, "amx", &allowed, &err) == WHIT_ERR_ARG, "amx though refused");
    CHECK(strstr(err.msg, "try: avx512vnni"), "%s", err.msg);
}

/* A level is reported with everything below that it relies on, and twice the same. */
static void test_this_machine(void)
{
    uint32_t cpu = wh_cpu_features(), top[] = { VNNI, A512, V512, AMX, DOT, I8MM, SHA };
    uint32_t below[] = { AVX2, AVX2, A512, V512, NEON, DOT, AVX2 };
    for (size_t i = 0; i < COUNT(top); i++)
        CHECK(!(cpu & top[i]) || (cpu & below[i]), "%x without %x", (unsigned)top[i],
              (unsigned)below[i]);
    CHECK(!(cpu & SPR) || !(cpu & ARM), "two architectures: %x", (unsigned)cpu);
    CHECK((cpu & ~(uint32_t)(SPR | SHA | ARM)) == 0, "unknown bits: %x", (unsigned)cpu);
    CHECK(wh_cpu_features() == cpu, "not the same the second time");
    printf("this machine:");
    for (size_t i = 0; i < COUNT(levels); i++)
        if (!(levels[i].needs & ~cpu)) printf(" %s", levels[i].name);
    printf("\n");
}

static uint32_t needs_of_level(size_t i)
{
    return levels[i].needs;
}

/* Of variants for every level the one of the cap; the first where that is refused. */
static void test_choose(void)
{
    const uint32_t cpu = wh_cpu_features();
    for (size_t i = 0; i < COUNT(levels); i++) {
        setenv("WHIT_ISA", levels[i].name, 1);
        const size_t want = (levels[i].needs & ~cpu) == 0 ? i : 0;
        const size_t got = wh_isa_choose(COUNT(levels), needs_of_level);
        CHECK(got == want, "%s: %s", levels[i].name, levels[got].name);
        CHECK(wh_isa_choose(1, needs_of_level) == 0, "%s: beyond the table", levels[i].name);
    }
    unsetenv("WHIT_ISA");
    const size_t top = wh_isa_choose(COUNT(levels), needs_of_level);
    CHECK((levels[top].needs & ~cpu) == 0, "%s is not there", levels[top].name);
    for (size_t i = top + 1; i < COUNT(levels); i++)
        CHECK((levels[i].needs & ~cpu) != 0, "%s is above %s", levels[i].name, levels[top].name);
}

static void test_isa(void)
{
    const char *name = NULL;
    whit_error err = { WHIT_OK, "" };
    unsetenv("WHIT_ISA");
    CHECK(whit_isa(&name, &err) == WHIT_OK && name != NULL, "no cap: %s", err.msg);
    uint32_t cpu = wh_cpu_features();
    for (size_t i = 0; i < COUNT(levels); i++) {
        setenv("WHIT_ISA", levels[i].name, 1);
        int there = (levels[i].needs & ~cpu) == 0;
        name = NULL;
        whit_status st = whit_isa(&name, &err);
        CHECK(st == (there ? WHIT_OK : WHIT_ERR_ARG), "%s: %d", levels[i].name, (int)st);
        CHECK(name != NULL, "%s: no name", levels[i].name);
        if (i == 0)
            CHECK(name && strcmp(name, "scalar") == 0, "scalar gives %s", name ? name : "nothing");
    }
    setenv("WHIT_ISA", "fast\nplease", 1);
    CHECK(whit_isa(&name, &err) == WHIT_ERR_ARG, "no level");
    CHECK(strstr(err.msg, "fast?please") != NULL, "%s", err.msg);
    CHECK(whit_isa(&name, NULL) == WHIT_ERR_ARG, "without an error to fill");
}

int main(void)
{
    test_rows();
    test_proposal();
    test_all_masks();
    test_x86();
    test_this_machine();
    test_choose();
    test_isa();
    return check_result();
}
