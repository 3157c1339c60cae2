/* tests/fuzz/fuzz_zip.c - any octets as a zip archive: of NumPy, of PyTorch, of neither.
 *
 * The first octet picks where reads are cut, and whether checksums are mended first: then each
 * header of the directory gets the sum of the stored octets that it names, and so does the local
 * one, so that mutations get past them.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "model_check.h"
#include "zip_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend(uint8_t *file, size_t size)
{
    for (size_t at = 0; at + 46 <= size; at++) {
        if (memcmp(file + at, "PK\1\2", 4) != 0 || wh_load16(file + at + 10) != 0) continue;
        const uint64_t local = wh_load32(file + at + 42), len = wh_load32(file + at + 20);
        if (local + 30 > size || memcmp(file + local, "PK\3\4", 4) != 0) continue;
        const uint64_t from =
            local + 30 + wh_load16(file + local + 26) + wh_load16(file + local + 28);
        if (from > size || len > size - from) continue;
        const uint32_t sum = zb_crc(file + from, (size_t)len);
        wh_store32(file + at + 16, sum);
        wh_store32(file + local + 14, sum);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 5) return 0;
    uint8_t *file = malloc(size - 1);
    require(file != NULL);
    memcpy(file, data + 1, size - 1);
    memcpy(file, "PK\3\4", 4);
    if (data[0] & 0x80) mend(file, size - 1);
    model_try("m.zip", file, size - 1, data[0]);
    free(file);
    return 0;
}
