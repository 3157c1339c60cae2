/* src/io/torch_zip.c - PyTorch checkpoints as zip archives, as they are since version 1.6.
 *
 *   ROOT/data.pkl      the pickle
 *   ROOT/data/KEY      the octets of a storage, as a rule stored and 64-byte aligned
 *   ROOT/byteorder     "little" or "big"; without it little
 *   ROOT/version, .format_version, .storage_alignment, .data/serialization_id, .data/version,
 *   folders: not needed
 *
 * A storage must have exactly the octets that the pickle says. Entries besides these are left out,
 * with a warning; code/ or constants.pkl mark a TorchScript archive, which is a program: refused.
 *
 * Source: pytorch/pytorch, torch/serialization.py, caffe2/serialize/inline_container.h.
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/archive.h"
#include "io/torch.h"

const wh_format wh_torch_format = { "PyTorch", NULL, NULL, wh_io_read_f32, NULL };

typedef struct torch_zip {
    wh_torch t;
    const wh_zip *zip;
    const char *root; /* as many octets: with the slash */
    size_t root_len;
    unsigned char *used; /* [entries] */
} torch_zip;

/* What is in ROOT/: the rest of an entry's name; NULL: it is elsewhere. */
static const char *inside(const torch_zip *z, size_t i)
{
    const char *name = z->zip->entry[i].name;
    return strncmp(name, z->root, z->root_len) == 0 ? name + z->root_len : NULL;
}

/* Index of ROOT/NAME, or WH_NAMES_NONE. */
static size_t find(const torch_zip *z, const char *name)
{
    char *path = malloc(z->root_len + strlen(name) + 1);
    if (!path) return WH_NAMES_NONE - 1;
    memcpy(path, z->root, z->root_len);
    strcpy(path + z->root_len, name);
    const size_t i = wh_zip_find(z->zip, path);
    free(path);
    return i;
}

/* All of a small entry, with a NUL behind it; freed with free(). */
static whit_status load(torch_zip *z, size_t i, size_t most, char **data, size_t *len)
{
    wh_torch *t = &z->t;
    const wh_zip_entry *e = &z->zip->entry[i];
    wh_octets octets;
    *data = NULL;
    z->used[i] = 1;
    if (e->bytes > most)
        return wh_fail(t->err, WHIT_ERR_FORMAT,
                       "%s: %s: has %" PRIu64 " bytes, at most %zu are read", t->label, e->name,
                       e->bytes, most);
    *len = (size_t)e->bytes;
    whit_status st = wh_zip_take(z->zip, t->file, i, &octets, t->err);
    if (st != WHIT_OK) return st;
    *data = wh_calloc(*len + 1, 1);
    if (!*data) return wh_io_no_memory(t->file, t->err);
    wh_octets_reader r = { z->zip->shard, &octets, NULL };
    st = wh_octets_read(&r, 0, *data, *len, t->err);
    wh_octets_close(&r);
    return st;
}

static whit_status read_byteorder(torch_zip *z)
{
    const size_t i = find(z, "byteorder");
    char *text = NULL;
    size_t len = 0;
    if (i >= z->zip->count)
        return i == WH_NAMES_NONE ? WHIT_OK : wh_io_no_memory(z->t.file, z->t.err);
    whit_status st = load(z, i, 64, &text, &len);
    if (st == WHIT_OK) {
        z->t.swapped = strcmp(text, "big") == 0;
        if (!z->t.swapped && strcmp(text, "little") != 0)
            st = wh_torch_bad(&z->t, "byteorder: neither little nor big");
    }
    free(text);
    return st;
}

static whit_status place_storage(torch_zip *z, wh_torch_storage *s)
{
    char name[80];
    wh_torch *t = &z->t;
    snprintf(name, sizeof name, "data/%s", s->key);
    const size_t i = find(z, name);
    if (i >= z->zip->count && i != WH_NAMES_NONE) return wh_io_no_memory(t->file, t->err);
    if (i == WH_NAMES_NONE)
        return wh_fail(t->err, WHIT_ERR_FORMAT, "%s: storage %s is not in the archive", t->label,
                       s->key);
    z->used[i] = 1;
    if (z->zip->entry[i].bytes != s->bytes)
        return wh_fail(t->err, WHIT_ERR_FORMAT,
                       "%s: storage %s has %" PRIu64 " bytes, its elements make %" PRIu64, t->label,
                       s->key, z->zip->entry[i].bytes, s->bytes);
    return wh_zip_take(z->zip, t->file, i, &s->octets, t->err);
}

static int is_known(const char *name)
{
    static const char *const names[] = { "version", ".format_version", ".storage_alignment",
                                         ".data/serialization_id", ".data/version" };
    const size_t len = strlen(name);
    if (len == 0 || name[len - 1] == '/') return 1; /* a folder, of who packed it again */
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) return 1;
    return 0;
}

static whit_status refuse_programs(const torch_zip *z)
{
    for (size_t i = 0; i < z->zip->count; i++) {
        const char *name = inside(z, i);
        if (name && (strncmp(name, "code/", 5) == 0 || strcmp(name, "constants.pkl") == 0))
            return wh_fail(z->t.err, WHIT_ERR_UNSUPPORTED,
                           "%s: a TorchScript archive, which is a program; try: save its "
                           "state_dict, as safetensors",
                           z->t.label);
    }
    return WHIT_OK;
}

static whit_status note_others(const torch_zip *z)
{
    const wh_torch *t = &z->t;
    size_t others = 0;
    const char *first = "";
    for (size_t i = 0; i < z->zip->count; i++) {
        const char *name = inside(z, i);
        if (z->used[i] || (name && is_known(name))) continue;
        if (others++ == 0) first = z->zip->entry[i].name;
    }
    if (others == 0) return WHIT_OK;
    return wh_io_warn(t->file, t->err, "%s: %s%s: not named by the checkpoint, and left out",
                      t->label, first, others > 1 ? ", .." : "");
}

whit_status wh_torch_list(whit_file *file, size_t shard, const wh_zip *zip, size_t pickle,
                          whit_error *err)
{
    torch_zip z = { .zip = zip, .root = zip->entry[pickle].name };
    char *text = NULL, label[WH_SHORT + 16];
    size_t len = 0;
    wh_torch_begin(&z.t, file, shard, err);
    z.root_len = strlen(z.root) - strlen("data.pkl");
    z.used = wh_calloc(zip->count, 1);
    if (!z.used) return wh_io_no_memory(file, err);
    snprintf(label, sizeof label, "%s: data.pkl", z.t.label);
    whit_status st = refuse_programs(&z);
    if (st == WHIT_OK) st = load(&z, pickle, WH_PICKLE_MOST, &text, &len);
    if (st == WHIT_OK)
        st = wh_pickle_read(&z.t.pickle, label, text, len, wh_torch_globals, wh_torch_global_count,
                            err);
    if (st == WHIT_OK && z.t.pickle.end != len)
        st = wh_torch_bad(&z.t, "data.pkl: more than one pickle");
    if (st == WHIT_OK) st = read_byteorder(&z);
    if (st == WHIT_OK) st = wh_torch_list_storages(&z.t);
    for (size_t i = 0; i < z.t.storages && st == WHIT_OK; i++)
        st = place_storage(&z, &z.t.storage[i]);
    if (st == WHIT_OK) st = note_others(&z);
    if (st == WHIT_OK) st = wh_torch_list_tensors(&z.t);
    wh_torch_free(&z.t);
    free(z.used);
    free(text);
    return st;
}
