/* tests/fuzz/gguf_mutate.h - mutations of a GGUF file that keep it one, see mutate.h.
 *
 * One text or list in the header changes and its count with it; or anything does. Then the numbers
 * of keys and tensors become those that can be read, offsets follow from shapes and types, and the
 * file gets the length that they ask for.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_FUZZ_GGUF_MUTATE_H
#define WHIT_FUZZ_GGUF_MUTATE_H

#include <whit/block.h>

#include "mutate.h"

enum { GGUF_HEAD = 24, GGUF_RUNS = 256, GGUF_RUN = 1024, GGUF_SLACK = 256 };

/* Octets with a count of 64 bits in front. */
typedef struct gguf_run {
    size_t at, unit; /* of the count; octets of one element */
} gguf_run;

typedef struct gguf_walk {
    uint8_t *file;
    size_t size, at;
    uint64_t alignment, next; /* next: the offset that the next tensor should have */
    gguf_run run[GGUF_RUNS];
    size_t runs;
} gguf_walk;

static inline int gguf_skip(gguf_walk *w, uint64_t bytes)
{
    if (bytes > w->size - w->at) return 0;
    w->at += (size_t)bytes;
    return 1;
}

static inline int gguf_skip_run(gguf_walk *w, size_t unit)
{
    if (w->size - w->at < 8) return 0;
    const uint64_t count = wh_load64(w->file + w->at);
    if (w->runs < GGUF_RUNS) w->run[w->runs++] = (gguf_run){ w->at, unit };
    w->at += 8;
    return count <= w->size && gguf_skip(w, count * unit);
}

static inline int gguf_skip_list(gguf_walk *w)
{
    static const uint8_t sizes[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
    if (w->size - w->at < 12) return 0;
    const uint32_t type = wh_load32(w->file + w->at);
    w->at += 4;
    if (type > 12 || type == 9) return 0;
    if (type != 8) return gguf_skip_run(w, sizes[type]);
    uint64_t count = wh_load64(w->file + w->at);
    for (w->at += 8; count > 0; count--)
        if (!gguf_skip_run(w, 1)) return 0;
    return 1;
}

static inline int gguf_skip_kv(gguf_walk *w)
{
    static const uint8_t sizes[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
    static const char name[] = "general.alignment";
    const size_t key = w->at + 8;
    if (!gguf_skip_run(w, 1) || w->size - w->at < 4) return 0;
    const size_t key_len = w->at - key;
    const uint32_t type = wh_load32(w->file + w->at);
    w->at += 4;
    if (type > 12) return 0;
    if (type == 8) return gguf_skip_run(w, 1);
    if (type == 9) return gguf_skip_list(w);
    if (type == 4 && w->size - w->at >= 4 && key_len == sizeof name - 1 &&
        memcmp(w->file + key, name, key_len) == 0) {
        const uint32_t a = wh_load32(w->file + w->at);
        if (a > 0 && a <= 65536 && (a & (a - 1)) == 0) w->alignment = a;
    }
    return gguf_skip(w, sizes[type]);
}

/* Octets of that many elements; 0 also of a type that is not known here. */
static inline uint64_t gguf_bytes(uint32_t type, uint64_t elements)
{
    static const uint8_t plain[] = {
        [0] = 4, [1] = 2, [24] = 1, [25] = 2, [26] = 4, [27] = 8, [28] = 8, [30] = 2
    };
    const whit_block_info *info = whit_block_describe(whit_block_of_id(type));
    if (info) return elements / info->weights * info->bytes;
    return type < sizeof plain ? elements * plain[type] : 0;
}

/* A tensor, whose offset is set. 0: there is none, or it is too large for here. */
static inline int gguf_mend_tensor(gguf_walk *w)
{
    uint64_t elements = 1;
    if (!gguf_skip_run(w, 1) || w->size - w->at < 4) return 0;
    uint32_t rank = wh_load32(w->file + w->at);
    w->at += 4;
    if (rank > 4 || w->size - w->at < 8 * (size_t)rank + 12) return 0;
    for (; rank > 0; rank--, w->at += 8) {
        const uint64_t side = wh_load64(w->file + w->at);
        if (side > 4096) return 0;
        elements *= side;
    }
    if (elements > 1u << 20) return 0;
    const uint64_t bytes = gguf_bytes(wh_load32(w->file + w->at), elements);
    wh_store64(w->file + w->at + 4, w->next);
    w->at += 12;
    w->next = (w->next + bytes + w->alignment - 1) / w->alignment * w->alignment;
    return 1;
}

static inline void gguf_walk_keys(gguf_walk *w, uint8_t *file, size_t size)
{
    *w = (gguf_walk){ .file = file, .size = size, .at = GGUF_HEAD, .alignment = 32 };
    uint64_t keys = wh_load64(file + 16), n = 0;
    size_t whole = w->at;
    for (; n < keys && gguf_skip_kv(w); n++) whole = w->at;
    if (n < keys) w->at = whole;
    wh_store64(file + 16, n);
}

static inline size_t gguf_mend(uint8_t *file, size_t size, size_t max)
{
    gguf_walk w;
    if (size < GGUF_HEAD) return size;
    gguf_walk_keys(&w, file, size);
    const uint64_t tensors = wh_load64(file + 8);
    uint64_t n = 0;
    size_t whole = w.at;
    for (; n < tensors && gguf_mend_tensor(&w); n++) whole = w.at;
    wh_store64(file + 8, n);
    if (n == 0) return whole;
    const uint64_t data = (whole + w.alignment - 1) / w.alignment * w.alignment;
    if (data + w.next > max) return size;
    if (data + w.next > size) memset(file + size, 0, (size_t)(data + w.next) - size);
    return (size_t)(data + w.next);
}

/* One run of the header becomes longer or shorter. */
static inline size_t gguf_mutate_run(uint8_t *file, size_t size, size_t max, unsigned seed)
{
    gguf_walk w;
    uint8_t run[GGUF_RUN + GGUF_SLACK];
    gguf_walk_keys(&w, file, size);
    for (uint64_t n = wh_load64(file + 8); n > 0 && gguf_mend_tensor(&w); n--) continue;
    if (w.runs == 0) return LLVMFuzzerMutate(file, size, max);
    const gguf_run r = w.run[seed / 8 % w.runs];
    const size_t from = r.at + 8, len = (size_t)wh_load64(file + r.at) * r.unit;
    if (len > GGUF_RUN || len > size - from || max < size + GGUF_SLACK) return size;
    memcpy(run, file + from, len);
    size_t now = LLVMFuzzerMutate(run, len, len + GGUF_SLACK);
    now -= now % r.unit;
    memmove(file + from + now, file + from + len, size - from - len);
    memcpy(file + from, run, now);
    wh_store64(file + r.at, now / r.unit);
    return size - len + now;
}

/* The file begins with GGUF's magic, or is left as it is but for a plain mutation. */
static inline size_t gguf_mutate(uint8_t *file, size_t size, size_t max, unsigned seed)
{
    const int is = size >= GGUF_HEAD && memcmp(file, "GGUF", 4) == 0;
    if (is && seed % 8 >= 4)
        size = gguf_mutate_run(file, size, max, seed);
    else
        size = LLVMFuzzerMutate(file, size, max);
    return is && seed % 4 && size >= GGUF_HEAD ? gguf_mend(file, size, max) : size;
}

#endif
