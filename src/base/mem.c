/* src/base/mem.c - allocation with checked sizes. No pools, no counters: the jobs bound what they
 * allocate before they start.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

int wh_mul_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    if (b != 0 && a > UINT64_MAX / b) return 0;
    *out = a * b;
    return 1;
}

int wh_add_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    if (a > UINT64_MAX - b) return 0;
    *out = a + b;
    return 1;
}

void *wh_calloc(uint64_t count, size_t size)
{
    const size_t each = size ? size : 1;
    if (count > SIZE_MAX / each) return NULL;
    return calloc(count ? (size_t)count : 1, each);
}

int wh_grow(void **data, size_t *capacity, size_t need, size_t size)
{
    if (need <= *capacity) return 1;
    size_t cap = *capacity ? *capacity : 8;
    while (cap < need) {
        if (cap > SIZE_MAX / 2) return 0;
        cap *= 2;
    }
    if (cap > SIZE_MAX / size) return 0;
    void *grown = realloc(*data, cap * size);
    if (!grown) return 0;
    *data = grown;
    *capacity = cap;
    return 1;
}

char *wh_strndup(const char *text, size_t len)
{
    if (len == SIZE_MAX) return NULL;
    char *copy = malloc(len + 1);
    if (!copy) return NULL;
    memcpy(copy, text, len);
    copy[len] = 0;
    return copy;
}

void *wh_alloc_aligned(uint64_t count, size_t size)
{
    if (size != 0 && count > (SIZE_MAX - 64) / size) return NULL;
    size_t bytes = ((size_t)count * size + 63) / 64 * 64;
    void *p = NULL;
    return posix_memalign(&p, 64, bytes ? bytes : 64) == 0 ? p : NULL;
}

void wh_free_aligned(void *data)
{
    free(data);
}
