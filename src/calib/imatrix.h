/* src/calib/imatrix.h - an importance matrix while it is read.
 * SPDX-License-Identifier: MIT */
#ifndef WH_CALIB_IMATRIX_H
#define WH_CALIB_IMATRIX_H

#include <whit/calib.h>
#include "base/error.h"
#include "base/names.h"

typedef struct wh_imatrix_slot {
    whit_imatrix_entry entry;
    char *name;
    float *values;
} wh_imatrix_slot;

struct whit_imatrix {
    whit_imatrix_info info;
    char *path, *dataset;
    char label[WH_SHORT]; /* of the file, for messages */
    wh_imatrix_slot *slot;
    size_t cap; /* of slot, which holds info.entries */
    wh_names names;
};

/* An entry of `count` values, which the caller fills. Errors: WHIT_ERR_FORMAT (the name is no text,
 * or is there twice), WHIT_ERR_NOMEM. */
whit_status wh_imatrix_add(whit_imatrix *m, const char *name, size_t len, uint64_t count,
                           float **values, whit_error *err);

/* WHIT_ERR_FORMAT about one entry, or with NULL about the file. */
whit_status wh_imatrix_bad(const whit_imatrix *m, const char *name, const char *what,
                           whit_error *err);
whit_status wh_imatrix_no_memory(const whit_imatrix *m, whit_error *err);

/* imatrix_dat.c: the entries of the old form. */
whit_status wh_imatrix_read_dat(whit_imatrix *m, int fd, uint64_t bytes, whit_error *err);
/* imatrix_state.c: a calibration state. */
whit_status wh_imatrix_read_state(whit_imatrix *m, whit_error *err);

#endif
