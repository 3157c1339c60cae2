/* tests/fuzz/mutate.h - mutations that keep the frame of a file sound.
 *
 * A length or a checksum at the start of a file refuses nearly all that a fuzzer makes of it, and
 * what lies behind is never reached. So a target may mend its frame after three of four mutations;
 * the fourth stays as it is, for the checks themselves. A replay has no use for any of it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_FUZZ_MUTATE_H
#define WHIT_FUZZ_MUTATE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

typedef size_t mend_fn(uint8_t *data, size_t size, size_t max); /* returns the new size */

static inline size_t mutate_and_mend(mend_fn *mend, uint8_t *data, size_t size, size_t max,
                                     unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, max);
    return seed % 4 ? mend(data, size, max) : size;
}

/* ---- safetensors ----------------------------------------------------------------------------- */

/* Behind the object that begins at `at` and the blanks after it; 0: it does not end. */
static inline size_t st_header_end(const uint8_t *file, size_t size, size_t at)
{
    size_t depth = 0;
    for (int quoted = 0; at < size; at++) {
        const uint8_t c = file[at];
        if (quoted && c == '\\')
            at++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && c == '{')
            depth++;
        else if (!quoted && c == '}' && --depth == 0)
            break;
    }
    if (at >= size) return 0;
    for (at++; at < size && file[at] == ' ';) at++;
    return at;
}

/* The largest second number of "data_offsets":[A,B] in the header. */
static inline uint64_t st_largest_end(const uint8_t *file, size_t end)
{
    static const char key[] = "\"data_offsets\":[";
    const size_t len = sizeof key - 1;
    uint64_t largest = 0;
    for (size_t at = 8; at + len < end; at++) {
        uint64_t n = 0;
        if (memcmp(file + at, key, len) != 0) continue;
        at += len;
        while (at < end && file[at] != ',' && file[at] != ']') at++;
        for (at++; at < end && file[at] >= '0' && file[at] <= '9' && n < 1u << 20; at++)
            n = n * 10 + (uint64_t)(file[at] - '0');
        if (n > largest) largest = n;
    }
    return largest;
}

/* The length in front is that of the header, and there are as many octets as it asks for. */
static inline size_t st_mend(uint8_t *file, size_t size, size_t max)
{
    const size_t end = size > 9 && file[8] == '{' ? st_header_end(file, size, 8) : 0;
    if (end == 0) return size;
    wh_store64(file, end - 8);
    const uint64_t whole = end + st_largest_end(file, end);
    if (whole > max) return size;
    if (whole > size) memset(file + size, 0, (size_t)whole - size);
    return (size_t)whole;
}

/* ---- journal --------------------------------------------------------------------------------- */

/* Records end inside the file, and each commit has the sum of what it commits. */
static inline size_t journal_mend(uint8_t *file, size_t size, size_t max)
{
    enum { HEADER = 72, RECORD = 16 };
    uint32_t sum = 0;
    wh_crc32 crc;
    (void)max;
    wh_crc32_init(&crc);
    for (size_t at = HEADER; at + RECORD <= size;) {
        const size_t rest = size - at - RECORD;
        uint64_t len = wh_load64(file + at + 8);
        if (wh_load32(file + at) == 0 && rest >= 4) {
            wh_store32(file + at + 4, 0);
            wh_store64(file + at + 8, len = 4);
            wh_store32(file + at + RECORD, sum);
            sum = 0;
        } else {
            if (len > rest) wh_store64(file + at + 8, len = len % (rest + 1));
            sum = wh_crc32_add(&crc, sum, file + at, RECORD + (size_t)len);
        }
        at += RECORD + (size_t)len;
    }
    return size;
}

#endif
