/* tests/check_cvt.c - every variant of the conversions between F16, BF16 and float32 against the
 * scalar one: all 65536 halves, float32 around every rounding boundary, tails, guard pages.
 *
 * Run once per level of WHIT_ISA, as check_encoders is.
 *
 * SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cpu.h"
#include "tensor/cvt.h"

enum { ALL = 65536 };

static void test_halves(const wh_cvt_ops *ops)
{
    static uint8_t half[2 * ALL];
    static float want[ALL], got[ALL];
    for (uint32_t i = 0; i < ALL; i++) wh_store16(half + 2 * i, (uint16_t)i);
    for (int brain = 0; brain < 2; brain++) {
        (brain ? wh_cvt_scalar.from_bf16 : wh_cvt_scalar.from_f16)(half, ALL, want);
        (brain ? ops->from_bf16 : ops->from_f16)(half, ALL, got);
        for (uint32_t i = 0; i < ALL; i++)
            CHECK(wh_f32_bits(want[i]) == wh_f32_bits(got[i]),
                  "%s: half %04x of type %d: %08x, %08x", ops->isa, i, brain, wh_f32_bits(got[i]),
                  wh_f32_bits(want[i]));
    }
}

static void compare(const wh_cvt_ops *ops, const float *src, size_t n)
{
    static uint8_t want[2 * ALL], got[2 * ALL];
    for (int brain = 0; brain < 2; brain++) {
        memset(want, 0xa5, sizeof want);
        memset(got, 0xa5, sizeof got);
        (brain ? wh_cvt_scalar.to_bf16 : wh_cvt_scalar.to_f16)(src, n, want);
        (brain ? ops->to_bf16 : ops->to_f16)(src, n, got);
        size_t i = 0;
        while (i < 2 * ALL && want[i] == got[i]) i++;
        CHECK(i == 2 * ALL, "%s: octet %zu of type %d, %08x gives %02x, not %02x", ops->isa, i,
              brain, i < 2 * n ? wh_f32_bits(src[i / 2]) : 0, got[i % (2 * ALL)],
              want[i % (2 * ALL)]);
    }
}

/* Every sign and exponent; for each upper half the lower halves about its boundaries, at all
 * places where one of the types rounds; then random ones. */
static void test_floats(const wh_cvt_ops *ops)
{
    static const uint32_t low[] = { 0,      1,      0x0fff, 0x1000, 0x1001, 0x1fff, 0x2fff,
                                    0x3000, 0x3001, 0x7fff, 0x8000, 0x8001, 0xffff };
    static float src[ALL];
    check_rng r = { 9 };
    for (size_t k = 0; k < sizeof low / sizeof low[0]; k++) {
        for (uint32_t i = 0; i < ALL; i++) src[i] = wh_bits_f32(i << 16 | low[k]);
        compare(ops, src, ALL);
    }
    /* subnormal halves round at a bit that moves with the exponent */
    for (uint32_t e = 0; e < 256; e++) {
        for (uint32_t i = 0; i < ALL; i++) {
            uint32_t m = (uint32_t)check_u64(&r) & 0x7fffff, bit = 1u << check_below(&r, 24);
            m = i % 4 == 0 ? m : ((m & ~(bit * 2 - 1)) | bit) + (i % 4) - 2;
            src[i] = wh_bits_f32((i & 4) << 29 | e << 23 | (m & 0x7fffff));
        }
        compare(ops, src, ALL);
    }
}

static uint8_t *fence(size_t *bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    *bytes = 3 * page;
    uint8_t *p = mmap(NULL, *bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p + page, page, PROT_READ | PROT_WRITE) != 0) {
        printf("no memory for the test\n");
        exit(1);
    }
    return p;
}

/* All lengths, source and destination against an unreadable page at either end, at odd addresses
 * too. */
static void test_tails(const wh_cvt_ops *ops)
{
    size_t bytes;
    uint8_t *a = fence(&bytes), *b = fence(&bytes), plain[400];
    float wide[100], back[100];
    const size_t page = bytes / 3;
    for (size_t n = 0; n < 100; n++)
        for (int at = 0; at < 4; at++) {
            uint8_t *half = at & 1 ? a + 2 * page - 2 * n : a + page + (at & 2 ? 1 : 0);
            float *full = (float *)(void *)(at & 2 ? b + 2 * page - 4 * n : b + page);
            for (size_t i = 0; i < n; i++) wh_store16(half + 2 * i, (uint16_t)(i * 661));
            ops->from_f16(half, n, full);
            wh_cvt_scalar.from_f16(half, n, wide);
            CHECK(n == 0 || memcmp(full, wide, 4 * n) == 0, "%s: %zu from F16", ops->isa, n);
            ops->to_f16(full, n, half);
            wh_cvt_scalar.to_f16(wide, n, plain);
            CHECK(memcmp(half, plain, 2 * n) == 0, "%s: %zu to F16", ops->isa, n);
            ops->from_bf16(half, n, full);
            wh_cvt_scalar.from_bf16(half, n, back);
            CHECK(n == 0 || memcmp(full, back, 4 * n) == 0, "%s: %zu from BF16", ops->isa, n);
            ops->to_bf16(full, n, half);
            wh_cvt_scalar.to_bf16(back, n, plain);
            CHECK(memcmp(half, plain, 2 * n) == 0, "%s: %zu to BF16", ops->isa, n);
        }
    munmap(a, bytes);
    munmap(b, bytes);
}

/* The reference itself: NaN comes out quiet with its payload. */
static void test_nan(void)
{
    const uint8_t half[4] = { 0x01, 0x7c, 0x23, 0xfd };
    const float loud[2] = { wh_bits_f32(0x7f802000), wh_bits_f32(0xffa46000) };
    float got[2];
    uint8_t back[4];
    wh_cvt_scalar.from_f16(half, 2, got);
    CHECK(wh_f32_bits(got[0]) == 0x7fc02000 && wh_f32_bits(got[1]) == 0xffe46000, "%08x %08x",
          wh_f32_bits(got[0]), wh_f32_bits(got[1]));
    wh_cvt_scalar.to_f16(loud, 2, back);
    CHECK(wh_load16(back) == 0x7e01 && wh_load16(back + 2) == 0xff23, "%04x %04x", wh_load16(back),
          wh_load16(back + 2));
}

int main(void)
{
    size_t count;
    uint32_t allowed;
    whit_error err;
    const wh_cvt_ops *const *variants = wh_cvt_variants(&count);
    if (wh_cpu_allowed(wh_cpu_features(), getenv("WHIT_ISA"), &allowed, &err) != WHIT_OK) {
        printf("skipped: %s\n", err.msg);
        return CHECK_SKIP;
    }
    test_nan();
    CHECK(!(wh_cvt_select()->needs & ~allowed), "%s: not allowed", wh_cvt_select()->isa);
    for (size_t v = 0; v < count; v++) {
        if (variants[v]->needs & ~allowed) continue;
        test_halves(variants[v]);
        test_floats(variants[v]);
        test_tails(variants[v]);
    }
    return check_result();
}
