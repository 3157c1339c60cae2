/* tests/fuzz/fuzz_npz.c - arrays in an archive that is sound: what is in the entries is anything.
 *
 * The first octet picks the kind of archive (deflated, zip64, descriptors, aligned) and where reads
 * are cut; then entries follow, each of a length (u16), its name up to a NUL, and its octets.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "model_check.h"
#include "zip_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    zb_build b = { 0 };
    if (size < 3) return 0;
    const unsigned pick = data[0];
    b.wide = pick >> 5 & 1;
    b.descriptors = pick >> 6 & 1;
    b.align = pick >> 7 ? 64 : 0;
    for (size_t at = 1; at + 2 < size && b.count < 8;) {
        char name[100] = "";
        size_t len = wh_load16(data + at), n = 0;
        at += 2;
        if (len > size - at) len = size - at;
        const uint8_t *p = data + at;
        while (n < len && n < 80 && p[n]) n++;
        memcpy(name, p, n);
        strcat(name, ".npy");
        n += n < len; /* the NUL */
        zb_add(&b, name, p + n, len - n, pick >> 4 & 1 ? 8 : 0);
        at += len;
    }
    zb_end(&b);
    model_try("m.npz", b.all.data, b.all.len, pick);
    zb_free(&b);
    return 0;
}
