/* tests/fuzz/fuzz_pickle.c - any octets as the pickle of a PyTorch checkpoint.
 *
 * The first octet picks the form (zip or the old one, deflated, big-endian) and where reads are
 * cut; the second may make the storages an octet too short. The containers are sound, and have the
 * storages that the pickle names, as large as it says where that is not much, so that it gets to
 * its tensors. What opens must hold together.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "io/torch.h"

#include "model_check.h"
#include "zip_build.h"

#define MOST 4u /* storages */

typedef struct storage {
    char key[24];
    uint64_t count;
    size_t bytes;
} storage;

typedef struct storages {
    storage item[MOST];
    size_t count;
} storages;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a node names, if it is a storage that is small enough. */
static void take_storage(storages *all, const wh_pickle *p, const wh_pickle_node *n)
{
    const wh_pickle_node *id = wh_pickle_at(p, n->u.call.value), *type, *key, *count;
    storage *to = &all->item[all->count];
    if (id->kind != WH_PICKLE_TUPLE || id->count < 5 || all->count == MOST) return;
    type = wh_pickle_item(p, id, 1);
    key = wh_pickle_item(p, id, 2);
    count = wh_pickle_item(p, id, 4);
    if (type->kind != WH_PICKLE_GLOBAL || key->kind != WH_PICKLE_TEXT || key->count >= 20) return;
    if (count->kind != WH_PICKLE_INT || count->u.number < 0 || count->u.number > 4096) return;
    memcpy(to->key, p->text + key->u.at, key->count);
    to->key[key->count] = 0;
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->item[i].key, to->key) == 0) return;
    to->count = (uint64_t)count->u.number;
    to->bytes = (size_t)to->count *
                whit_dtype_bits((whit_dtype)wh_torch_globals[type->u.call.global].type) / 8;
    all->count++;
}

/* The machine alone: indices stay inside, items can be walked. */
static void check_tree(const uint8_t *text, size_t size, storages *all)
{
    wh_pickle p;
    whit_error err = { WHIT_OK, "" };
    whit_status st =
        wh_pickle_read(&p, "p", text, size, wh_torch_globals, wh_torch_global_count, &err);
    if (st == WHIT_OK) {
        uint64_t cells = 0;
        require(p.root < p.nodes && p.end <= size && text[p.end - 1] == '.');
        for (uint32_t i = 0; i < p.nodes; i++) {
            const wh_pickle_node *n = wh_pickle_at(&p, i);
            const int items = n->kind == WH_PICKLE_TUPLE || n->kind == WH_PICKLE_LIST ||
                              n->kind == WH_PICKLE_DICT;
            if (n->kind == WH_PICKLE_TEXT) require(n->u.at <= size && n->count <= size - n->u.at);
            if (n->kind == WH_PICKLE_GLOBAL || n->kind == WH_PICKLE_CALL)
                require(n->u.call.global < wh_torch_global_count);
            if (n->kind == WH_PICKLE_CALL || n->kind == WH_PICKLE_PERSISTENT)
                require(n->u.call.value < p.nodes);
            uint32_t count = 0;
            for (uint32_t c = items && n->count ? n->u.items.first : WH_PICKLE_END;
                 c != WH_PICKLE_END; c = p.cell[c].next, count++)
                require(c < p.cells && p.cell[c].node < p.nodes);
            if (items) require(count == n->count);
            if (n->kind == WH_PICKLE_DICT) require(count % 2 == 0);
            cells += count;
            if (n->kind == WH_PICKLE_PERSISTENT) take_storage(all, &p, n);
        }
        require(cells == p.cells);
    } else {
        input_refused(st, &err, "p: ");
    }
    wh_pickle_free(&p);
}

/* Octets of storage i: fewer by one where the pick says so. */
static void put_octets(st_text *out, const storage *s, unsigned pick)
{
    const size_t n = s->bytes - (s->bytes > 0 && (pick & 3) == 3);
    for (size_t i = 0; i < n; i++) st_put(out, &(char){ (char)(i * 7) }, 1);
}

static void put_zip(st_text *out, const uint8_t *text, size_t size, const storages *all,
                    const uint8_t *picks)
{
    zb_build b = { 0 };
    b.descriptors = 1;
    b.align = 64;
    zb_add(&b, "m/data.pkl", text, size, picks[0] & 0x40 ? 8 : 0);
    if (picks[0] & 0x20) zb_add(&b, "m/byteorder", "big", 3, 0);
    for (size_t k = 0; k < all->count; k++) {
        char name[40];
        st_text octets = { 0 };
        snprintf(name, sizeof name, "m/data/%s", all->item[k].key);
        put_octets(&octets, &all->item[k], picks[1] >> 2 * k);
        zb_add(&b, name, octets.data, octets.len, picks[0] & 0x10 ? 8 : 0);
        free(octets.data);
    }
    zb_end(&b);
    *out = b.all;
}

static void put_old(st_text *out, const uint8_t *text, size_t size, const storages *all,
                    const uint8_t *picks)
{
    static const char start[] = "\x80\2\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\2M\xe9\3."
                                "\x80\2}(U\rlittle_endian";
    st_put(out, start, sizeof start - 1);
    st_put(out, picks[0] & 0x20 ? "\x89u." : "\x88u.", 3);
    st_put(out, text, size);
    st_put(out, "\x80\2](", 4);
    for (size_t k = 0; k < all->count; k++) {
        const char len = (char)strlen(all->item[k].key);
        st_put(out, "U", 1);
        st_put(out, &len, 1);
        st_put(out, all->item[k].key, strlen(all->item[k].key));
    }
    st_put(out, "e.", 2);
    for (size_t k = 0; k < all->count; k++) {
        zb_u64(out, all->item[k].count);
        put_octets(out, &all->item[k], picks[1] >> 2 * k);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    st_text file = { 0 };
    storages all = { .count = 0 };
    if (size < 3) return 0;
    check_tree(data + 2, size - 2, &all);
    if (data[0] & 0x80)
        put_old(&file, data + 2, size - 2, &all, data);
    else
        put_zip(&file, data + 2, size - 2, &all, data);
    model_try("m.pt", file.data, file.len, data[0]);
    free(file.data);
    return 0;
}
