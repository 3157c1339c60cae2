/* tests/fuzz/fuzz_safetensors.c - any octets as a model file: safetensors, or an index of shards.
 *
 * The input is a file "input" in a temporary folder that also holds one sound shard, "s", with
 * tensors "a" and "b", so that an index can succeed. What opens must hold together: extents without
 * holes up to the end of the file, sizes that follow from shape and type, names that find their
 * tensor, and data that can be read.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/file.h>

#include "input.h"
#include "job/provenance.h"
#include "mutate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_shard(void)
{
    static const char sound[] =
        "\x70\0\0\0\0\0\0\0{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
        "\"b\":{\"dtype\":\"F16\",\"shape\":[1,2],\"data_offsets\":[1,5]}}    xyzzy";
    scratch_write(&input.folder, "s", sound, sizeof sound - 1);
}

static void check_tensor(const whit_file *f, size_t i)
{
    const whit_tensor *t = whit_file_tensor(f, i);
    unsigned char raw[16];
    float value;
    uint64_t product = 1, rows, cols, file = whit_file_shard_bytes(f, t->shard);
    for (uint32_t d = 0; d < t->rank; d++) product *= t->shape[d];
    require(t->rank <= WHIT_MAX_RANK && product == t->elements);
    require(t->bytes * 8 == t->elements * whit_dtype_bits(t->dtype));
    require(t->offset >= 10 && t->offset <= file && t->bytes <= file - t->offset);
    require(whit_file_find(f, t->name) == i);
    const whit_tensor *next = whit_file_tensor(f, i + 1);
    require(t->offset + t->bytes == (next && next->shard == t->shard ? next->offset : file));

    size_t part = t->bytes < sizeof raw ? (size_t)t->bytes : sizeof raw;
    require(whit_file_read(f, i, t->bytes - part, part, raw, NULL) == WHIT_OK);
    require(whit_file_read(f, i, t->bytes - part, part + 1, raw, NULL) == WHIT_ERR_ARG);
    whit_tensor_matrix(t, &rows, &cols);
    require(t->elements == 0 || rows * cols == t->elements);
    if (t->elements > 0)
        require(whit_file_read_f32(f, i, t->elements - 1, 1, &value, NULL) ==
                (whit_dtype_is_float(t->dtype) ? WHIT_OK : WHIT_ERR_ARG));
}

/* Digests belong to tensors, each has at most one; what is wrong is said in lines. */
static void check_digests(const whit_file *f)
{
    wh_digest_list list;
    wh_lines problems = { .limit = 100 };
    size_t count = 0;
    whit_status st = wh_digest_list_read(&list, f, &problems, NULL);
    require(st == WHIT_OK || st == WHIT_ERR_NOMEM);
    for (size_t i = 0; st == WHIT_OK && i < whit_file_count(f); i++) {
        require(!list.text[i][0] || wh_sha256_is_text(list.text[i]));
        count += list.text[i][0] != 0;
    }
    require(st != WHIT_OK || count == list.count);
    require(st != WHIT_OK || list.count == 0 || list.shards > 0);
    wh_lines_free(&problems);
    wh_digest_list_free(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    whit_error err = { WHIT_OK, "" };
    whit_file *f = NULL;
    if (input_put("input", data, size)) put_shard();

    whit_status st = whit_file_open(&f, input.path, &err);
    if (st != WHIT_OK) {
        require(!f);
        input_refused(st, &err, "input");
        return 0;
    }
    require(f && whit_file_shards(f) > 0);
    /* octets that happen to be another format have other extents */
    const int ours = strcmp(whit_file_format(f), "safetensors") == 0;
    for (size_t i = 0; ours && i < whit_file_count(f); i++) check_tensor(f, i);
    check_digests(f);
    for (size_t k = 0; k < whit_file_meta_count(f, 0); k++)
        require(whit_file_meta_find(f, 0, whit_file_meta_key(f, 0, k)) ==
                whit_file_meta_value(f, 0, k));
    for (size_t k = 0; k < whit_file_warnings(f); k++) require(whit_file_warning(f, k) != NULL);
    whit_file_close(f);
    return 0;
}

#ifdef WHIT_FUZZER
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    return mutate_and_mend(st_mend, data, size, max, seed);
}
#endif
