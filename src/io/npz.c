/* src/io/npz.c - archives of NumPy arrays: each entry NAME.npy of a zip archive is one.
 *
 * Entries may be stored (savez) or deflated (savez_compressed); each is read through once, against
 * its checksum. Entries that are no arrays are left out, with a warning. An array of Python objects
 * makes the whole archive refused, as it does alone.
 *
 * Source: numpy/numpy, numpy/lib/_npyio_impl.py. SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/archive.h"
#include "io/npy.h"

const wh_format wh_npz_format = { "npz", NULL, NULL, wh_io_read_f32, NULL };

typedef struct array {
    whit_tensor tensor;
    wh_view view;
} array;

/* Length of NAME; 0: the entry is no array. */
static size_t stem(const char *name)
{
    const size_t len = strlen(name);
    return len > 4 && strcmp(name + len - 4, ".npy") == 0 ? len - 4 : 0;
}

static whit_status list_array(whit_file *file, size_t shard, const wh_zip *zip, size_t i, array *a,
                              whit_error *err)
{
    const wh_shard *s = &file->shards[shard];
    const char *name = zip->entry[i].name;
    const size_t len = stem(name);
    char path[WH_SHORT], entry[WH_SHORT], label[2 * WH_SHORT + 2];
    snprintf(label, sizeof label, "%s: %s", wh_io_label(path, s->path), wh_short(entry, name));
    if (!wh_io_is_name(name, len))
        return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: is no name for a tensor", label);
    wh_octets octets;
    whit_status st = wh_zip_take(zip, file, i, &octets, err);
    if (st == WHIT_OK) st = wh_npy_parse(s, &octets, label, &a->tensor, &a->view, err);
    if (st != WHIT_OK) return st;
    a->tensor.shard = (uint32_t)shard;
    a->tensor.offset = octets.at + (octets.inflated ? 0 : a->view.first);
    a->tensor.name = wh_io_text(file, name, len);
    return a->tensor.name ? wh_io_add_tensor(file, &a->tensor, err) : wh_io_no_memory(file, err);
}

static whit_status left_out(whit_file *file, size_t shard, const char *entry, whit_error *err)
{
    char label[WH_SHORT], name[WH_SHORT];
    return wh_io_warn(file, err, "%s: %s: is no array (NAME.npy), and left out",
                      wh_io_label(label, file->shards[shard].path), wh_short(name, entry));
}

static whit_status put_array(whit_file *file, size_t shard, const array *a, whit_error *err)
{
    char path[WH_SHORT], name[WH_SHORT], label[2 * WH_SHORT + 2];
    snprintf(label, sizeof label, "%s: %s", wh_io_label(path, file->shards[shard].path),
             wh_short(name, a->tensor.name));
    return wh_npy_put(file, &a->tensor, &a->view, label, err);
}

whit_status wh_npz_list(whit_file *file, size_t shard, const wh_zip *zip, whit_error *err)
{
    const size_t first = file->count;
    size_t count = 0;
    array *all = wh_calloc(zip->count, sizeof *all);
    if (!all) return wh_io_no_memory(file, err);
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < zip->count && st == WHIT_OK; i++)
        st = stem(zip->entry[i].name) > 0 ? list_array(file, shard, zip, i, &all[count++], err)
                                          : left_out(file, shard, zip->entry[i].name, err);
    if (st == WHIT_OK) st = wh_io_seal(file, first, err);
    for (size_t i = 0; i < count && st == WHIT_OK; i++) st = put_array(file, shard, &all[i], err);
    free(all);
    return st;
}
