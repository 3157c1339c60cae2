/* src/io/archive.h - models that are zip archives: which kind an archive is, and its contents.
 * SPDX-License-Identifier: MIT */
#ifndef WH_IO_ARCHIVE_H
#define WH_IO_ARCHIVE_H

#include "io/zip.h"

/* npz.c: an entry NAME.npy is the array NAME. */
extern const wh_format wh_npz_format;
whit_status wh_npz_list(whit_file *file, size_t shard, const wh_zip *zip, whit_error *err);

/* torch.c: entry `pickle` is ROOT/data.pkl. */
extern const wh_format wh_torch_format;
whit_status wh_torch_list(whit_file *file, size_t shard, const wh_zip *zip, size_t pickle,
                          whit_error *err);

#endif
