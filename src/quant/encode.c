/* src/quant/encode.c - the table of encoder variants.
 *
 * SPDX-License-Identifier: MIT */
#include "quant/encode.h"

#include "base/cpu.h"

/* Slowest first; [0] is the reference and always there. */
static const wh_encode_ops *const variants[] = {
    &wh_encode_scalar,
#ifdef WH_BUILD_X86
    &wh_encode_avx2,
    &wh_encode_avx512,
#endif
#ifdef WH_BUILD_ARM64
    &wh_encode_neon,
#endif
};

#define COUNT (sizeof variants / sizeof variants[0])

const wh_encode_ops *const *wh_encode_variants(size_t *count)
{
    *count = COUNT;
    return variants;
}

const wh_encode_ops *wh_encode_select(void)
{
    const wh_encode_ops *best = variants[0];
    uint32_t allowed;
    (void)wh_isa_allowed(&allowed, NULL); /* refused: 0, the reference */
    for (size_t i = 0; i < COUNT; i++)
        if (!(variants[i]->needs & ~allowed)) best = variants[i];
    return best;
}
