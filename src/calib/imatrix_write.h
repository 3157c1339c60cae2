/* src/calib/imatrix_write.h - a calibration state as an importance matrix of llama.cpp.
 * SPDX-License-Identifier: MIT */
#ifndef WH_CALIB_IMATRIX_WRITE_H
#define WH_CALIB_IMATRIX_WRITE_H

#include "calib/state.h"

/* The name of a matrix in GGUF, in buf (64 octets) or itself. */
typedef const char *wh_gguf_name_fn(const char *linear, char buf[64]);

/* The whole file, of a settled state: an entry for every matrix. Errors: WHIT_ERR_UNSUPPORTED (a
 * name that is too long for GGUF, numbers beyond the old form's), WHIT_ERR_NOMEM. */
whit_status wh_imatrix_make(const whit_calib *c, int gguf, wh_gguf_name_fn *name, wh_buf *out,
                            whit_error *err);

#endif
