/* src/source/native.h - recognising the quantized tensors of a native file.
 * SPDX-License-Identifier: MIT */
#ifndef WH_SOURCE_NATIVE_H
#define WH_SOURCE_NATIVE_H

#include <whit/source.h>

/*
 * Read whit.tensors of every shard. *out receives an array (freed by the caller with its strings:
 * tensor.name of each is malloc'd) of the tensors it describes, proved against the file; claimed
 * [whit_file_count] is set to 1 for each stored tensor that is a part of one of them.
 * Errors: WHIT_ERR_FORMAT, WHIT_ERR_UNSUPPORTED (a version we do not know), WHIT_ERR_NOMEM.
 */
whit_status wh_native_read(const whit_file *file, whit_source_tensor **out, size_t *count,
                           unsigned char *claimed, whit_error *err);

#endif
