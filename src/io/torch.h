/* src/io/torch.h - between torch.c, which knows what a checkpoint of PyTorch means, and the two
 * containers that it comes in (torch_zip.c, torch_legacy.c).
 *
 * A container reads the pickle (wh_torch_globals are the names in it), has its storages listed,
 * says where the octets of each lie, and has its tensors listed.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_IO_TORCH_H
#define WH_IO_TORCH_H

#include "io/pickle.h"
#include "io/view.h"

/* One run of elements, which any number of tensors share. */
typedef struct wh_torch_storage {
    const char *key;
    whit_dtype dtype;
    uint64_t count, bytes; /* elements; as the pickle says, so checked against octets.bytes */
    wh_octets octets;      /* of the container to say */
    size_t user;           /* the first tensor that reads it, among those found; SIZE_MAX */
} wh_torch_storage;

typedef struct wh_torch {
    whit_file *file;
    size_t shard;
    char label[WH_SHORT];
    wh_pickle pickle;
    int swapped;       /* 1: elements are big-endian */
    uint64_t repeated; /* octets of the tensors that are more than their storages have */
    wh_torch_storage *storage;
    size_t storages, storage_cap;
    wh_names keys; /* to index */
    whit_error *err;
} wh_torch; /* zero-initialise; wh_torch_free */

extern const wh_pickle_global wh_torch_globals[];
extern const size_t wh_torch_global_count;

void wh_torch_begin(wh_torch *t, whit_file *file, size_t shard, whit_error *err);
/* All storages that the pickle names. */
whit_status wh_torch_list_storages(wh_torch *t);
/* All tensors of the pickle, sealed; storages have their octets. */
whit_status wh_torch_list_tensors(wh_torch *t);
void wh_torch_free(wh_torch *t);

/* For messages that are about the whole file; WHIT_ERR_FORMAT. */
whit_status wh_torch_bad(const wh_torch *t, const char *what);

#endif
