/* tests/check.h - the whole test harness: CHECK prints, counts and goes on; a seeded PRNG.
 *
 * A test is a plain program; main ends with `return check_result();`. Exit 77 means skipped.
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_CHECK_H
#define WHIT_CHECK_H

#include <stdint.h>
#include <stdio.h>

#define CHECK_SKIP 77

static int check_failures, check_count;

#define CHECK(cond, ...)                                                                           \
    do {                                                                                           \
        check_count++;                                                                             \
        if (!(cond)) {                                                                             \
            check_failures++;                                                                      \
            printf("%s:%d: %s: ", __FILE__, __LINE__, #cond);                                      \
            printf(__VA_ARGS__);                                                                   \
            printf("\n");                                                                          \
        }                                                                                          \
    } while (0)

static inline int check_result(void)
{
    printf("%d checks, %d failed\n", check_count, check_failures);
    return check_failures != 0 || check_count == 0;
}

/* splitmix64: the same numbers everywhere. */
typedef struct check_rng {
    uint64_t s;
} check_rng;

static inline uint64_t check_u64(check_rng *r)
{
    uint64_t z = r->s += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* [0, n) */
static inline size_t check_below(check_rng *r, uint64_t n)
{
    return (size_t)(check_u64(r) % n);
}

/* [-1, 1), a multiple of 2^-23 */
static inline float check_f32(check_rng *r)
{
    return (float)((int32_t)(check_u64(r) >> 40) - (1 << 23)) / (float)(1 << 23);
}

/* About normal with deviation 1: sum of 12 uniforms, exact in double. */
static inline float check_normal(check_rng *r)
{
    double sum = 0;
    for (int i = 0; i < 12; i++) sum += (double)(check_u64(r) >> 32) / 4294967296.0;
    return (float)(sum - 6.0);
}

#endif
