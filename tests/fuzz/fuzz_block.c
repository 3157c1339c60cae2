/* tests/fuzz/fuzz_block.c - blocks of GGUF: the first octet picks a type, the second what to do.
 *
 * Even: the rest is blocks. They decode, and finite values of them encode again. Odd: the rest is
 * weights and their importance, of any bits. What encodes must decode to finite values.
 *
 * SPDX-License-Identifier: MIT */
#include <whit/block.h>

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

enum { LONGEST = 256, MOST = 4 * LONGEST };

static int all_finite(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((wh_f32_bits(x[i]) & 0x7f800000u) == 0x7f800000u) return 0;
    return 1;
}

static void check_encode(whit_block type, const float *x, size_t cols, const float *importance)
{
    const whit_block_info *info = whit_block_describe(type);
    for (int search = 0; search < 2; search++) {
        unsigned char out[MOST * 2];
        float back[MOST];
        const whit_status st =
            whit_block_encode(type, (whit_search)search, x, 1, cols, importance, out, NULL);
        if (st == WHIT_ERR_NUMERIC) continue;
        if (st != WHIT_OK || !all_finite(x, cols)) abort();
        if (whit_block_decode(type, out, cols / info->weights, back, NULL) != WHIT_OK) abort();
        if (!all_finite(back, cols)) abort();
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    float x[MOST] = { 0 }, importance[LONGEST] = { 0 };
    if (size < 2) return 0;
    const whit_block type = (whit_block)(1 + data[0] % (WHIT_BLOCK_COUNT - 1));
    const whit_block_info *info = whit_block_describe(type);
    const int what = data[1];
    data += 2;
    size -= 2;
    if (what % 2 == 0) {
        size_t count = size / info->bytes;
        if (count > MOST / info->weights) count = MOST / info->weights;
        if (whit_block_decode(type, data, count, x, NULL) != WHIT_OK) abort();
        if (count && all_finite(x, count * info->weights))
            check_encode(type, x, count * info->weights, NULL);
        return 0;
    }
    memcpy(x, data, size < LONGEST * sizeof *x ? size : LONGEST * sizeof *x);
    if (size > LONGEST * sizeof *x) {
        size -= LONGEST * sizeof *x;
        memcpy(importance, data + LONGEST * sizeof *x,
               size < sizeof importance ? size : sizeof importance);
    }
    check_encode(type, x, LONGEST, what & 2 ? importance : NULL);
    return 0;
}
