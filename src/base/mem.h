/* src/base/mem.h - allocation with checked sizes.
 * SPDX-License-Identifier: MIT */
#ifndef WH_BASE_MEM_H
#define WH_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

/* Checked arithmetic for numbers that come from a file: 1 and *out on success, 0 on overflow. */
int wh_mul_u64(uint64_t a, uint64_t b, uint64_t *out);
int wh_add_u64(uint64_t a, uint64_t b, uint64_t *out);
/* a / b, rounded up; b > 0. It cannot overflow. */
static inline uint64_t wh_ceil_div(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0);
}

/* count * size octets, zeroed; NULL on overflow or when there is no memory. count 0 gives one
 * element, so that NULL always means failure. Freed with free(). Counts are those of files: where
 * addresses have 32 bits a cast to size_t would leave less memory than is asked for. */
void *wh_calloc(uint64_t count, size_t size);
/* Grow an array to hold at least `need` elements (doubling). Keeps *data on failure. 1 on success.
 */
int wh_grow(void **data, size_t *capacity, size_t need, size_t size);
/* A copy of len octets and a NUL; NULL when there is no memory. */
char *wh_strndup(const char *text, size_t len);

/* 64-byte aligned, not zeroed; freed with wh_free_aligned. NULL on overflow or no memory. */
void *wh_alloc_aligned(uint64_t count, size_t size);
void wh_free_aligned(void *data);

#endif
