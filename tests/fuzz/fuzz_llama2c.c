/* tests/fuzz/fuzz_llama2c.c - any octets as a checkpoint of llama2.c, made as long as its header
 * says where that is not much.
 *
 * The first octet picks where reads are cut, and the version (0 to 2). What opens must fill its
 * file, its numbers make a configuration, or words about why not, and its weights read the same
 * whole and in parts.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "base/bytes.h"
#include "io/llama2c.h"
#include "model/config.h"
#include "model_check.h"
#include "source_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 200000, MAGIC = 0x616b3432 }; /* octets of a file; "24ka" */

/* By the layout of export.py, term by term; 0: too long for here. The context may be any: heads of
 * one column have no table of angles. */
static size_t length(const uint8_t *head, int version)
{
    uint64_t n[7], p = 0;
    for (int i = 0; i < 7; i++) {
        n[i] = wh_load32(head + (version ? 8 : 0) + 4 * (size_t)i);
        if (i == 5 && !version && n[i] >> 31) n[i] = (uint32_t)(0u - n[i]);
        if (n[i] == 0 || n[i] > (i == 6 ? INT32_MAX : MOST)) return 0;
    }
    const uint64_t dim = n[0], size = dim / n[3], kv = size * n[4];
    const int own = version ? head[36] == 0 : (int)(wh_load32(head + 20) >> 31);
    p = n[2] * (dim * dim + kv * dim + kv * dim + dim * dim + 3 * n[1] * dim);
    p += n[5] * dim * (own ? 2 : 1);
    const uint64_t norms = 4 * (dim + 2 * n[2] * dim);
    if (!version) p += 2 * (n[6] * (size / 2));
    if (p > MOST) return 0;
    if (version < 2) return (size_t)(4 * p + norms + (version ? 256 : 28));
    const uint64_t group = wh_load32(head + 37); /* whole groups in every matrix, or no model */
    return group ? (size_t)(p + 4 * (p / group) + norms + 256) : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[MOST];
    whit_error err = { WHIT_OK, "" };
    whit_file *f = NULL;
    if (size < 40) return 0;
    int version = data[0] & 1 ? data[0] & 4 ? 2 : 1 : 0;
    size--;
    if (size > sizeof file) size = sizeof file;
    memset(file, 0, sizeof file);
    memcpy(file, data + 1, size);
    if (version) {
        wh_store32(file, MAGIC);
        wh_store32(file + 4, data[0] == 0xff ? 3 : (uint32_t)version);
        memset(file + (version == 2 ? 41 : 37), 0, version == 2 ? 256 - 41 : 256 - 37);
        file[36] &= 1;
    } else if (wh_load32(file) == MAGIC) { /* whatever the rest of its header holds */
        version = wh_load32(file + 4) == 1 ? 1 : 2;
    }
    const size_t exact = length(file, version);
    if (exact > 0 && exact <= sizeof file && !(data[0] & 2)) size = exact;
    if (!wh_llama2c_probe(file)) return 0; /* no other format */
    if (model_try("m.bin", file, size, data[0]) != WHIT_OK) return 0;
    require(size == exact && wh_llama2c_is(file, size));
    require(whit_file_open(&f, input.path, &err) == WHIT_OK);
    uint64_t bytes = 0;
    wh_model_config c;
    for (size_t i = 0; i < whit_file_count(f); i++) bytes += whit_file_tensor(f, i)->bytes;
    require(bytes < size);
    whit_status st = wh_config_of_file(&c, f, &err);
    if (st == WHIT_OK)
        require(c.pairs && c.llama2c && c.dim == c.heads * c.head_dim &&
                whit_file_count(f) == (version == 2 ? 5 + 16 * (size_t)c.layers - 2 * (size_t)c.tied
                                                    : 3 + 9 * (size_t)c.layers - (size_t)c.tied));
    else
        input_refused(st, &err, "m.bin");
    whit_file_close(f);
    whit_source *s = NULL;
    require(whit_source_open(&s, input.path, &err) == WHIT_OK);
    for (size_t i = 0; i < whit_source_count(s); i++) free(source_check(s, i));
    whit_source_close(s);
    return 0;
}
