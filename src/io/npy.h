/* src/io/npy.h - one array of NumPy, in a file of its own or in an archive.
 * SPDX-License-Identifier: MIT */
#ifndef WH_IO_NPY_H
#define WH_IO_NPY_H

#include "io/view.h"

/* The array that these octets are: dtype, shape and size of *t, and where its data lie. Errors:
 * WHIT_ERR_FORMAT, WHIT_ERR_UNSUPPORTED (a type that is not read), those of reading. */
whit_status wh_npy_parse(const wh_shard *shard, const wh_octets *octets, const char *label,
                         whit_tensor *t, wh_view *v, whit_error *err);
/* Where the data lie of an array that is listed, with a warning where that is slow. */
whit_status wh_npy_put(whit_file *file, const whit_tensor *t, const wh_view *v, const char *label,
                       whit_error *err);

#endif
