/* tests/fuzz/fuzz_gguf.c - any octets behind the magic of GGUF, as a model file.
 *
 * The input is the first part of a split model by its name, "m-00001-of-00002.gguf", in a temporary
 * folder that also holds a sound second part with one tensor, "z". What opens must hold together:
 * extents in order, aligned and inside the file, sizes that follow from shape and type, names that
 * find their tensor, data that can be read, metadata that is there to its last octet.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/file.h>

#include "gguf_mutate.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_second(void)
{
    static const char sound[] =
        "GGUF\3\0\0\0\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0" /* one tensor, two keys */
        "\10\0\0\0\0\0\0\0split.no\2\0\0\0\1\0"
        "\13\0\0\0\0\0\0\0split.count\2\0\0\0\2\0"
        "\1\0\0\0\0\0\0\0z\1\0\0\0\2\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0" /* F16 [2] */
        "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
        "abcd";
    _Static_assert(sizeof sound - 1 == 128 + 4, "data begin at a multiple of 32");
    scratch_write(&input.folder, "m-00002-of-00002.gguf", sound, sizeof sound - 1);
}

static void check_tensor(const whit_file *f, size_t i)
{
    const whit_tensor *t = whit_file_tensor(f, i), *next = whit_file_tensor(f, i + 1);
    unsigned char raw[16];
    float value;
    uint64_t product = 1, rows, cols, file = whit_file_shard_bytes(f, t->shard);
    for (uint32_t d = 0; d < t->rank; d++) product *= t->shape[d];
    require(t->rank <= 4 && product == t->elements);
    const whit_block_info *info = whit_block_describe(t->block);
    require((t->dtype == WHIT_BLOCKS) == (t->type != NULL) && (!info || t->type));
    if (info) {
        require(t->rank > 0 && t->shape[t->rank - 1] % info->weights == 0);
        require(t->bytes == t->elements / info->weights * info->bytes);
    } else if (!t->type) {
        require(t->bytes * 8 == t->elements * whit_dtype_bits(t->dtype));
    }
    require(t->offset >= 24 && t->offset <= file && t->bytes <= file - t->offset);
    require(whit_file_find(f, t->name) == i);
    if (next && next->shard == t->shard) require(t->offset + t->bytes <= next->offset);
    if (next) require(t->shard <= next->shard);

    size_t part = t->bytes < sizeof raw ? (size_t)t->bytes : sizeof raw;
    require(whit_file_read(f, i, t->bytes - part, part, raw, NULL) == WHIT_OK);
    require(whit_file_read(f, i, t->bytes - part, part + 1, raw, NULL) == WHIT_ERR_ARG);
    whit_tensor_matrix(t, &rows, &cols);
    require(t->elements == 0 || rows * cols == t->elements);
    if (t->elements > 0)
        require(whit_file_read_f32(f, i, t->elements - 1, 1, &value, NULL) ==
                (info || whit_dtype_is_float(t->dtype) ? WHIT_OK : WHIT_ERR_ARG));
}

static void check_kv(const whit_file *f, size_t shard, size_t i)
{
    static const size_t sizes[] = { 1, 1, 2, 2, 4, 4, 4, 1, sizeof(whit_kv_string), 0, 8, 8, 8 };
    const whit_kv *kv = whit_file_kv(f, shard, i);
    const unsigned char *octet = kv->data;
    unsigned sum = 0;
    require(whit_file_kv_find(f, shard, kv->key) == kv && *kv->key);
    require(whit_kv_type_name(kv->type)[0] != '?' && (kv->is_array || kv->count == 1));
    require((uintptr_t)kv->data % 8 == 0);
    if (kv->type == WHIT_KV_STRING) {
        const whit_kv_string *s = kv->data;
        for (uint64_t k = 0; k < kv->count; k++) require(s[k].text[s[k].len] == 0);
        return;
    }
    for (size_t k = 0; k < kv->count * sizes[kv->type]; k++) {
        sum += octet[k];
        if (kv->type == WHIT_KV_BOOL) require(octet[k] <= 1);
    }
    require(sum < UINT32_MAX); /* so that nobody leaves the loop out */
}

static void check_meta(const whit_file *f, size_t shard, size_t i)
{
    const char *key = whit_file_meta_key(f, shard, i);
    const whit_kv *kv = whit_file_kv_find(f, shard, key);
    require(kv && kv->type == WHIT_KV_STRING && !kv->is_array && strncmp(key, "whit.", 5) != 0);
    require(((const whit_kv_string *)kv->data)->text == whit_file_meta_value(f, shard, i));
    require(((const whit_kv_string *)kv->data)->len == strlen(whit_file_meta_value(f, shard, i)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    whit_error err = { WHIT_OK, "" };
    whit_file *f = NULL;
    if (size < 4 || memcmp(data, "GGUF", 4) != 0) return 0;
    if (input_put("m-00001-of-00002.gguf", data, size)) put_second();

    whit_status st = whit_file_open(&f, input.path, &err);
    if (st != WHIT_OK) {
        require(!f);
        input_refused(st, &err, ".gguf");
        return 0;
    }
    require(f && strncmp(whit_file_format(f), "GGUF v", 6) == 0);
    require(whit_file_shards(f) == 1 || whit_file_shards(f) == 2);
    for (size_t i = 0; i < whit_file_count(f); i++) check_tensor(f, i);
    for (size_t k = 0; k < whit_file_shards(f); k++) {
        for (size_t i = 0; i < whit_file_kv_count(f, k); i++) check_kv(f, k, i);
        for (size_t i = 0; i < whit_file_meta_count(f, k); i++) check_meta(f, k, i);
    }
    whit_file_close(f);
    return 0;
}

#ifdef WHIT_FUZZER
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    return gguf_mutate(data, size, max, seed);
}
#endif
