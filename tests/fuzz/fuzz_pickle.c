/* tests/fuzz/fuzz_pickle.c - any octets as the pickle of a PyTorch checkpoint.
 *
 * The first octet picks the form (zip or the old one, big-endian) and where reads are cut; the
 * second what the storages are: their octets are chosen so that a pickle of the corpus fits. The
 * containers are sound; what opens must hold together.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "io/pickle.h"

#include "model_check.h"
#include "zip_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const wh_pickle_global globals[] = {
    { "collections", "OrderedDict", WH_PICKLE_MAKES_DICT, 0, 0 },
    { "torch._utils", "_rebuild_tensor_v2", WH_PICKLE_CALLED, 0, 0 },
    { "torch", "FloatStorage", WH_PICKLE_ONLY_NAMED, 0, 0 },
};

/* The machine alone: indices stay inside, items can be walked. */
static void check_tree(const uint8_t *text, size_t size)
{
    wh_pickle p;
    whit_error err = { WHIT_OK, "" };
    whit_status st = wh_pickle_read(&p, "p", text, size, globals, 3, &err);
    if (st == WHIT_OK) {
        uint64_t cells = 0;
        require(p.root < p.nodes && p.end <= size && text[p.end - 1] == '.');
        for (uint32_t i = 0; i < p.nodes; i++) {
            const wh_pickle_node *n = wh_pickle_at(&p, i);
            const int items = n->kind == WH_PICKLE_TUPLE || n->kind == WH_PICKLE_LIST ||
                              n->kind == WH_PICKLE_DICT;
            if (n->kind == WH_PICKLE_TEXT) require(n->u.at <= size && n->count <= size - n->u.at);
            if (n->kind == WH_PICKLE_GLOBAL || n->kind == WH_PICKLE_CALL)
                require(n->u.call.global < 3);
            if (n->kind == WH_PICKLE_CALL || n->kind == WH_PICKLE_PERSISTENT)
                require(n->u.call.value < p.nodes);
            uint32_t count = 0;
            for (uint32_t c = items && n->count ? n->u.items.first : WH_PICKLE_END;
                 c != WH_PICKLE_END; c = p.cell[c].next, count++)
                require(c < p.cells && p.cell[c].node < p.nodes);
            if (items) require(count == n->count);
            if (n->kind == WH_PICKLE_DICT) require(count % 2 == 0);
            cells += count;
        }
        require(cells == p.cells);
    } else {
        input_refused(st, &err, "p: ");
    }
    wh_pickle_free(&p);
}

static void put_zip(st_text *out, const uint8_t *text, size_t size, unsigned pick, unsigned sizes)
{
    static const unsigned char storage[4096];
    zb_build b = { 0 };
    b.descriptors = 1;
    b.align = 64;
    zb_add(&b, "m/data.pkl", text, size, pick & 0x40 ? 8 : 0);
    if (pick & 0x20) zb_add(&b, "m/byteorder", "big", 3, 0);
    for (unsigned k = 0; k < 4; k++) {
        char name[16];
        snprintf(name, sizeof name, "m/data/%u", k);
        zb_add(&b, name, storage, (size_t)(1 + (sizes >> 2 * k & 3)) * 16u << 2 * k,
               pick & 0x10 ? 8 : 0);
    }
    zb_end(&b);
    *out = b.all;
}

/* Storages of 16-bit elements, since the old form counts them. */
static void put_old(st_text *out, const uint8_t *text, size_t size, unsigned pick, unsigned sizes)
{
    static const char start[] = "\x80\2\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\2M\xe9\3."
                                "\x80\2}(U\rlittle_endian\x88u.";
    static const char keys[] = "\x80\2](U\1"
                               "0U\1"
                               "1e.";
    const size_t unit = pick & 0x20 ? 4 : 2;
    st_put(out, start, sizeof start - 1);
    st_put(out, text, size);
    st_put(out, keys, sizeof keys - 1);
    for (unsigned k = 0; k < 2; k++) {
        const uint64_t count = (1 + (sizes >> 2 * k & 3)) * 8u;
        zb_u64(out, count);
        for (uint64_t i = 0; i < count * unit; i++) st_put(out, "\1", 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    st_text all = { 0 };
    if (size < 3) return 0;
    check_tree(data + 2, size - 2);
    if (data[0] & 0x80)
        put_old(&all, data + 2, size - 2, data[0], data[1]);
    else
        put_zip(&all, data + 2, size - 2, data[0], data[1]);
    model_try("m.pt", all.data, all.len, data[0]);
    free(all.data);
    return 0;
}
