/* src/io/view.h - tensors whose elements do not lie in the file as the row-major little-endian
 * array that is handed out: strided, big-endian, inflated. SPDX-License-Identifier: MIT */
#ifndef WH_IO_VIEW_H
#define WH_IO_VIEW_H

#include "io/zip.h"

typedef struct wh_view {
    wh_octets octets;
    uint64_t first;                 /* octet of them that element 0 begins at */
    uint64_t stride[WHIT_MAX_RANK]; /* in elements, of each dimension; 0 repeats */
    int swapped;                    /* 1: big-endian */
} wh_view;

/* The strides of a row-major array, or of one in Fortran order. The shape has been measured. */
void wh_view_rows(const whit_tensor *t, uint64_t stride[WHIT_MAX_RANK]);
void wh_view_fortran(const whit_tensor *t, uint64_t stride[WHIT_MAX_RANK]);

/* That all elements of the tensor lie in octets from v->first on. */
int wh_view_fits(const wh_view *v, const whit_tensor *t);

/*
 * Say where the data of a tensor lie that is listed and sealed. What is the plain array at the
 * tensor's offset needs no view, and gets none. v is copied. Errors: WHIT_ERR_NOMEM.
 */
whit_status wh_view_put(whit_file *file, const char *name, const wh_view *v, whit_error *err);
/* That of a tensor, or NULL. */
const wh_view *wh_view_of(const whit_file *file, size_t index);

/* For read.c: arguments are checked, the tensor has a view. */
wh_io_read_f32_fn wh_view_read_f32;
whit_status wh_view_read(const whit_file *file, size_t index, uint64_t first, size_t count,
                         void *dst, whit_error *err);

#endif
