/* src/base/crc32.h - the checksum of zip archives (CRC-32, polynomial 0xEDB88320 reflected).
 * SPDX-License-Identifier: MIT */
#ifndef WH_BASE_CRC32_H
#define WH_BASE_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* 8 KiB, made once by whoever sums: no table is shared. */
typedef struct wh_crc32 {
    uint32_t table[8][256];
} wh_crc32;

void wh_crc32_init(wh_crc32 *c);
/* The sum of what `sum` is the sum of (0: of nothing) and these octets behind it. */
uint32_t wh_crc32_add(const wh_crc32 *c, uint32_t sum, const void *data, size_t len);

#endif
