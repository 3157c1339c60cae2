/* src/io/archive.c - a zip archive as a model: PyTorch's if it has a data.pkl, NumPy's if it has
 * arrays.
 *
 * SPDX-License-Identifier: MIT */
#include "io/archive.h"

#include <string.h>

#include "base/file.h"
#include "base/names.h"

int wh_zip_probe(const unsigned char head[WH_IO_HEAD])
{
    return memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "PK\5\6", 4) == 0;
}

whit_status wh_archive_list(whit_file *file, size_t shard, whit_error *err)
{
    wh_shard *s = &file->shards[shard];
    size_t pickle = WH_NAMES_NONE, arrays = 0, pickles = 0;
    char label[WH_SHORT];
    wh_zip zip;
    whit_status st = wh_zip_open(&zip, s, err);
    for (size_t i = 0; i < zip.count && st == WHIT_OK; i++) {
        const char *slash = strchr(zip.entry[i].name, '/');
        arrays += (size_t)wh_ends_with(zip.entry[i].name, ".npy", NULL);
        if (!slash || strcmp(slash, "/data.pkl") != 0) continue;
        pickle = i;
        pickles++;
    }
    wh_io_label(label, s->path);
    if (st == WHIT_OK && pickles > 1)
        st = wh_fail(err, WHIT_ERR_FORMAT, "%s: %zu data.pkl in one archive", label, pickles);
    else if (st == WHIT_OK && pickles == 1) {
        s->format = &wh_torch_format;
        st = wh_torch_list(file, shard, &zip, pickle, err);
    } else if (st == WHIT_OK && arrays > 0) {
        s->format = &wh_npz_format;
        st = wh_npz_list(file, shard, &zip, err);
    } else if (st == WHIT_OK)
        st = wh_fail(err, WHIT_ERR_UNSUPPORTED,
                     "%s: a zip archive with neither arrays (NAME.npy) nor a PyTorch checkpoint "
                     "(ROOT/data.pkl)",
                     label);
    wh_zip_free(&zip);
    return st;
}
