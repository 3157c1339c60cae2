/* tests/torch_build.h - PyTorch checkpoints for tests, in both containers.
 *
 * Storages first, then tensors on them; the pickle is one dict, of protocol 2. Nothing is checked:
 * a test may ask for a file that is wrong.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_TORCH_BUILD_H
#define WHIT_TORCH_BUILD_H

#include "zip_build.h"

typedef struct tb_storage {
    const char *type; /* "Float" */
    size_t count, at, bytes;
} tb_storage;

typedef struct tb_build {
    st_text items, data;
    tb_storage storage[100];
    size_t storages;
} tb_build; /* zero-initialise; free after it is written */

#define TB_TEXT(text) text, sizeof(text) - 1

static inline size_t tb_add(tb_build *b, const char *type, const void *data, size_t count,
                            size_t bytes)
{
    if (b->storages == 100) exit(1);
    b->storage[b->storages] = (tb_storage){ type, count, b->data.len, bytes };
    st_put(&b->data, data, bytes);
    return b->storages++;
}

static inline void tb_text(st_text *t, const char *text)
{
    st_put(t, "X", 1);
    zb_u32(t, strlen(text));
    st_put(t, text, strlen(text));
}

static inline void tb_number(st_text *t, uint64_t n)
{
    st_put(t, "J", 1);
    zb_u32(t, n);
}

static inline void tb_numbers(st_text *t, unsigned count, const uint64_t *n)
{
    st_put(t, "(", 1);
    for (unsigned i = 0; i < count; i++) tb_number(t, n[i]);
    st_put(t, "t", 1);
}

/* One tensor, as a value; the old form has a sixth part of the id. */
static inline void tb_value(tb_build *b, size_t storage, uint64_t offset, unsigned rank,
                            const uint64_t *sizes, const uint64_t *strides)
{
    const tb_storage *s = &b->storage[storage];
    st_text *t = &b->items;
    char key[32];
    snprintf(key, sizeof key, "%zu", storage);
    st_put(t, TB_TEXT("ctorch._utils\n_rebuild_tensor_v2\n(("));
    tb_text(t, "storage");
    st_putf(t, "ctorch\n%sStorage\n", s->type);
    tb_text(t, key);
    tb_text(t, "cpu");
    tb_number(t, s->count);
    st_put(t, TB_TEXT("tQ"));
    tb_number(t, offset);
    tb_numbers(t, rank, sizes);
    tb_numbers(t, rank, strides);
    st_put(t, TB_TEXT("\x89"
                      "ccollections\nOrderedDict\n)RtR"));
}

static inline void tb_tensor(tb_build *b, const char *name, size_t storage, uint64_t offset,
                             unsigned rank, const uint64_t *sizes, const uint64_t *strides)
{
    tb_text(&b->items, name);
    tb_value(b, storage, offset, rank, sizes, strides);
}

static inline void tb_free(tb_build *b)
{
    free(b->items.data);
    free(b->data.data);
    memset(b, 0, sizeof *b);
}

static inline void tb_pickle(const tb_build *b, st_text *out)
{
    st_put(out, TB_TEXT("\x80\2}("));
    st_put(out, b->items.data, b->items.len);
    st_put(out, "u.", 2);
}

/* method: of the storages */
static inline void tb_write_zip(const tb_build *b, const scratch *s, const char *name,
                                unsigned method)
{
    zb_build z = { 0 };
    st_text pickle = { 0 };
    z.descriptors = 1;
    z.align = 64;
    tb_pickle(b, &pickle);
    zb_add(&z, "m/data.pkl", pickle.data, pickle.len, method);
    for (size_t i = 0; i < b->storages; i++) {
        char entry[40];
        snprintf(entry, sizeof entry, "m/data/%zu", i);
        zb_add(&z, entry, b->data.data + b->storage[i].at, b->storage[i].bytes, method);
    }
    zb_add(&z, "m/version", "3\n", 2, 0);
    zb_write(&z, s, name);
    free(pickle.data);
}

static inline void tb_write_old(const tb_build *b, const scratch *s, const char *name)
{
    st_text all = { 0 };
    st_put(&all, TB_TEXT("\x80\2\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\2M\xe9\3."));
    st_put(&all, TB_TEXT("\x80\2}(X\15\0\0\0little_endian\x88u."));
    tb_pickle(b, &all);
    st_put(&all, TB_TEXT("\x80\2]("));
    for (size_t i = 0; i < b->storages; i++) {
        char key[32];
        snprintf(key, sizeof key, "%zu", i);
        tb_text(&all, key);
    }
    st_put(&all, "e.", 2);
    for (size_t i = 0; i < b->storages; i++) {
        zb_u64(&all, b->storage[i].count);
        st_put(&all, b->data.data + b->storage[i].at, b->storage[i].bytes);
    }
    scratch_write(s, name, all.data, all.len);
    free(all.data);
}

#endif
