/* src/io/torch_legacy.c - PyTorch checkpoints as they were before version 1.6: pickles in a row,
 * then the storages.
 *
 *   pickle    a magic number, 0x1950a86a20f9469cfc6c: the same octets behind those that begin a
 *             pickle, which torch.save(.., pickle_protocol=N) chooses
 *   pickle    the version of this protocol: 1001
 *   pickle    a dict with little_endian, of the machine that wrote it (and sizes of types): the
 *             storages are little-endian on any
 *   pickle    the checkpoint
 *   pickle    a list of the keys of its storages
 *   storages  in the order of that list: u64 elements, then their octets; nothing behind the last
 *
 * The even older form, a tar archive, is not read.
 *
 * Source: pytorch/pytorch, torch/serialization.py. SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "io/io.h"
#include "io/torch.h"

static const char magic[] = "\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.";
#define MAGIC (sizeof magic - 1)
#define PROTOCOL 1001

/* Octets of the first pickle; 0: another one. From protocol 4 on it stands in a frame. */
static size_t magic_size(const unsigned char *text, size_t len)
{
    size_t at = 2;
    if (len < at + MAGIC || text[0] != 0x80 || text[1] < 2 || text[1] > 5) return 0;
    if (text[1] >= 4) {
        if (text[2] != 0x95 || wh_load64(text + 3) != MAGIC) return 0;
        at += 9;
    }
    return len >= at + MAGIC && memcmp(text + at, magic, MAGIC) == 0 ? at + MAGIC : 0;
}

int wh_torch_legacy_probe(const unsigned char head[WH_IO_HEAD])
{
    return magic_size(head, WH_IO_HEAD) > 0;
}

typedef struct legacy {
    wh_torch t;
    char label[WH_SHORT + 16];
    const unsigned char *text; /* the start of the file */
    size_t len, at;
    uint64_t file; /* its size */
} legacy;

/* The next pickle. What the two before the checkpoint and the one behind it hold is plain. */
static whit_status next(legacy *l, wh_pickle *p)
{
    whit_status st = wh_pickle_read(p, l->label, l->text + l->at, l->len - l->at, wh_torch_globals,
                                    wh_torch_global_count, l->t.err);
    l->at += p->end;
    return st;
}

static whit_status read_protocol(legacy *l)
{
    wh_pickle p;
    whit_status st = next(l, &p);
    if (st == WHIT_OK) {
        const wh_pickle_node *n = wh_pickle_at(&p, p.root);
        if (n->kind != WH_PICKLE_INT || n->u.number != PROTOCOL)
            st = wh_torch_bad(&l->t, "a protocol of PyTorch that is not 1001");
    }
    wh_pickle_free(&p);
    return st;
}

static whit_status read_system(legacy *l)
{
    wh_pickle p;
    whit_status st = next(l, &p);
    if (st == WHIT_OK) {
        const wh_pickle_node *v = wh_pickle_find(&p, wh_pickle_at(&p, p.root), "little_endian");
        if (!v || v->kind != WH_PICKLE_BOOL)
            st = wh_torch_bad(&l->t, "does not say its byte order");
    }
    wh_pickle_free(&p);
    return st;
}

/* The next storage of the list: its elements begin at *at, and end where that is afterwards. */
static whit_status place_storage(legacy *l, const char *key, uint64_t *at)
{
    wh_torch *t = &l->t;
    const wh_shard *s = &t->file->shards[t->shard];
    unsigned char count[8];
    const size_t i = wh_names_find(&t->keys, key);
    char shortened[WH_SHORT];
    wh_short(shortened, key);
    if (i == WH_NAMES_NONE)
        return wh_fail(t->err, WHIT_ERR_FORMAT, "%s: storage %s: no tensor says its type", t->label,
                       shortened);
    wh_torch_storage *to = &t->storage[i];
    if (to->octets.at > 0)
        return wh_fail(t->err, WHIT_ERR_FORMAT, "%s: storage %s: is there twice", t->label,
                       shortened);
    if (l->file - *at < sizeof count || l->file - *at - sizeof count < to->bytes)
        return wh_fail(t->err, WHIT_ERR_FORMAT,
                       "%s: storage %s: ends beyond the file; try: download it again", t->label,
                       shortened);
    whit_status st = wh_file_pread(s->fd, s->path, *at, count, sizeof count, t->err);
    if (st != WHIT_OK) return st;
    if (wh_load64(count) != to->count)
        return wh_fail(t->err, WHIT_ERR_FORMAT,
                       "%s: storage %s: has %" PRIu64 " elements, the checkpoint says %" PRIu64,
                       t->label, shortened, wh_load64(count), to->count);
    to->octets = (wh_octets){ *at + sizeof count, to->bytes, NULL };
    *at = to->octets.at + to->bytes;
    return WHIT_OK;
}

static whit_status place_keys(legacy *l, const wh_pickle *p)
{
    const wh_pickle_node *list = wh_pickle_at(p, p->root);
    uint64_t at = l->at;
    whit_status st = WHIT_OK;
    if (list->kind != WH_PICKLE_LIST) return wh_torch_bad(&l->t, "no list of storages");
    uint32_t cell = list->count > 0 ? list->u.items.first : WH_PICKLE_END;
    for (; cell != WH_PICKLE_END && st == WHIT_OK; cell = p->cell[cell].next) {
        const wh_pickle_node *key = wh_pickle_at(p, p->cell[cell].node);
        if (key->kind != WH_PICKLE_TEXT) return wh_torch_bad(&l->t, "no list of storages");
        char *text = wh_strndup((const char *)p->text + key->u.at, key->count);
        if (!text) return wh_io_no_memory(l->t.file, l->t.err);
        st = place_storage(l, text, &at);
        free(text);
    }
    if (st != WHIT_OK) return st;
    for (size_t i = 0; i < l->t.storages; i++)
        if (l->t.storage[i].octets.at == 0)
            return wh_fail(l->t.err, WHIT_ERR_FORMAT, "%s: storage %s is not in the file",
                           l->t.label, l->t.storage[i].key);
    return at == l->file ? WHIT_OK : wh_torch_bad(&l->t, "more behind its last storage");
}

static whit_status read_all(legacy *l)
{
    wh_pickle keys;
    l->at = magic_size(l->text, l->len);
    if (l->at == 0) /* it was there when the file was opened */
        return wh_fail(l->t.err, WHIT_ERR_FORMAT, "%s: changes while it is read", l->t.label);
    whit_status st = read_protocol(l);
    if (st == WHIT_OK) st = read_system(l);
    if (st == WHIT_OK) st = next(l, &l->t.pickle);
    if (st == WHIT_OK) st = wh_torch_list_storages(&l->t);
    if (st != WHIT_OK) return st;
    st = next(l, &keys);
    if (st == WHIT_OK) st = place_keys(l, &keys);
    wh_pickle_free(&keys);
    return st == WHIT_OK ? wh_torch_list_tensors(&l->t) : st;
}

whit_status wh_torch_legacy_list(whit_file *file, size_t shard, whit_error *err)
{
    const wh_shard *s = &file->shards[shard];
    legacy l = { .file = s->bytes };
    unsigned char *text = NULL;
    wh_torch_begin(&l.t, file, shard, err);
    snprintf(l.label, sizeof l.label, "%s", l.t.label);
    l.len = s->bytes < WH_PICKLE_MOST ? (size_t)s->bytes : WH_PICKLE_MOST;
    text = wh_calloc(l.len, 1);
    if (!text) return wh_io_no_memory(file, err);
    l.text = text;
    whit_status st = wh_file_pread(s->fd, s->path, 0, text, l.len, err);
    if (st == WHIT_OK) st = read_all(&l);
    wh_torch_free(&l.t);
    free(text);
    return st;
}
