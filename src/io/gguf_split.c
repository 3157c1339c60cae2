/* src/io/gguf_split.c - a model that is split into several GGUF files.
 *
 *   PREFIX-00001-of-00003.gguf, PREFIX-00002-of-00003.gguf, ..      counted from 1
 *
 * Each file is complete in itself, with its own list of tensors and
 *
 *   split.count           how many parts there are; without it, or with 0 or 1, a file is whole
 *   split.no              which part this is, counted from 0
 *   split.tensors.count   tensors in all parts together
 *
 * The rest of the metadata is in the first part only. A model may be named by any of its parts;
 * all of them must be there, in the same folder. That a file is a part goes by its metadata; only
 * where the others are goes by its name.
 *
 * Source: ggml-org/llama.cpp, tools/gguf-split and src/llama-model-loader.cpp, which demands the
 * first part.
 * SPDX-License-Identifier: MIT */
#include "io/gguf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define MAX_PARTS 65535u /* split.count is a u16 */
#define TAIL 20          /* -00001-of-00003.gguf */

/* Five digits. 0 when they are not. */
static unsigned five(const char *p)
{
    unsigned n = 0;
    for (int i = 0; i < 5; i++) {
        if (p[i] < '0' || p[i] > '9') return 0;
        n = 10 * n + (unsigned)(p[i] - '0');
    }
    return n;
}

int wh_gguf_split_name(const char *name, unsigned *part, unsigned *parts)
{
    size_t len = strlen(name);
    if (len <= TAIL) return 0;
    const char *t = name + len - TAIL;
    if (t[0] != '-' || strncmp(t + 6, "-of-", 4) != 0 || strcmp(t + 15, ".gguf") != 0) return 0;
    *part = five(t + 1);
    *parts = five(t + 10);
    return *part > 0 && *part <= *parts;
}

/* The number under a key of a shard, or `none` where the key is missing. */
static whit_status number_of(const whit_file *file, size_t shard, const char *key, uint64_t none,
                             uint64_t *out, whit_error *err)
{
    char label[WH_SHORT];
    const whit_kv *kv = whit_file_kv_find(file, shard, key);
    *out = none;
    if (!kv || wh_gguf_kv_u64(kv, out)) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_FORMAT, "%s: %s: is no whole number",
                   wh_io_label(label, file->shards[shard].path), key);
}

/* That a shard says of itself what it should: part `no` (from 0) of `count`. */
static whit_status check_part(const whit_file *file, size_t shard, uint64_t no, uint64_t count,
                              whit_error *err)
{
    char label[WH_SHORT];
    uint64_t its_no, its_count;
    whit_status st = number_of(file, shard, "split.no", 0, &its_no, err);
    if (st == WHIT_OK) st = number_of(file, shard, "split.count", 1, &its_count, err);
    if (st != WHIT_OK || (its_no == no && its_count == count)) return st;
    return wh_fail(err, WHIT_ERR_FORMAT,
                   "%s: by its metadata split.no = %" PRIu64 " of split.count = %" PRIu64
                   ", by its name %" PRIu64 " of %" PRIu64,
                   wh_io_label(label, file->shards[shard].path), its_no, its_count, no, count);
}

/* Open part no (from 0), which lies beside the one that was named. */
static whit_status add_part(whit_file *file, const char *path, unsigned no, unsigned count,
                            whit_error *err)
{
    char label[WH_SHORT], shortened[WH_SHORT], *beside = NULL, *there = NULL;
    const char *given = wh_path_name(path);
    int found = 0;
    char *folder = wh_path_folder(path), *name = malloc(strlen(given) + 1);
    if (folder && name) {
        strcpy(name, given);
        char *digit = name + strlen(name) - TAIL + 5;
        for (unsigned rest = no + 1, i = 0; i < 5; i++, rest /= 10)
            *digit-- = (char)('0' + rest % 10);
        beside = wh_path_join(folder, name);
    }
    whit_status st = beside ? wh_file_there(beside, &found, err) : wh_io_no_memory(file, err);
    if (st == WHIT_OK && !found) /* the whole model is to blame: name the part at hand */
        st = wh_fail(err, WHIT_ERR_FORMAT,
                     "%s: part %u of %u, %s, is missing; try: download it, into the same folder",
                     wh_io_label(label, path), no + 1, count, wh_short(shortened, name));
    if (st == WHIT_OK) st = wh_file_inside(folder, name, &there, err);
    if (st == WHIT_OK) st = wh_io_add_shard(file, name, there, err);
    if (st == WHIT_OK) st = check_part(file, no, no, count, err);
    free(there);
    free(beside);
    free(name);
    free(folder);
    return st;
}

static whit_status check_total(const whit_file *file, whit_error *err)
{
    char label[WH_SHORT];
    uint64_t total;
    for (size_t k = 0; k < file->shard_count; k++) {
        whit_status st = number_of(file, k, "split.tensors.count", file->count, &total, err);
        if (st != WHIT_OK) return st;
        if (total != file->count)
            return wh_fail(err, WHIT_ERR_FORMAT,
                           "%s: split.tensors.count: is %" PRIu64 ", the %zu parts have %zu",
                           wh_io_label(label, file->shards[k].path), total, file->shard_count,
                           file->count);
    }
    return WHIT_OK;
}

whit_status wh_gguf_join(whit_file *file, whit_error *err)
{
    const char *path = file->shards[0].path; /* outlives the shard */
    char label[WH_SHORT];
    uint64_t count;
    unsigned part = 0, parts = 0;
    whit_status st = number_of(file, 0, "split.count", 1, &count, err);
    if (st != WHIT_OK || count <= 1) return st;
    int named = wh_gguf_split_name(path, &part, &parts);
    if (count > MAX_PARTS || !named || parts != count)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: one of %" PRIu64 " parts, but its name does not end in "
                       "-00001-of-%05" PRIu64 ".gguf or the like; try: give the parts their names",
                       wh_io_label(label, path), count, count);
    st = check_part(file, 0, part - 1, count, err);
    if (st != WHIT_OK) return st;
    if (part != 1) wh_io_drop_shards(file); /* shards stand in the order of the parts */
    for (unsigned no = part == 1; no < parts && st == WHIT_OK; no++)
        st = add_part(file, path, no, parts, err);
    return st == WHIT_OK ? check_total(file, err) : st;
}
