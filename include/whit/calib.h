/* include/whit/calib.h - what is known about the inputs of a model's matrices: importance matrices.
 *
 * An importance matrix file says, for each column of a weight, the mean square of what it was
 * multiplied with on some text. Both forms of llama.cpp are read: the old one (.dat) and GGUF.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_CALIB_H
#define WHIT_CALIB_H

#include <whit/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct whit_imatrix whit_imatrix;

/* What the file says of one tensor. Everything belongs to the whit_imatrix. */
typedef struct whit_imatrix_entry {
    const char *name;    /* of the tensor in a GGUF model, ".weight" included                    */
    uint64_t count;      /* columns of its matrix, times matrices where it stacks experts        */
    const float *values; /* [count] mean squares, one matrix after the other: finite, >= 0       */
} whit_imatrix_entry;

typedef struct whit_imatrix_info {
    const char *path;    /* as given to open                                                     */
    const char *format;  /* "imatrix .dat" or "imatrix GGUF"                                     */
    const char *dataset; /* the (first) text it was made from; "" where the file does not say    */
    uint64_t chunks;     /* of text; 0 where the file does not say                               */
    uint64_t chunk_size; /* tokens of one; 0 where the file does not say                         */
    size_t entries;
} whit_imatrix_info;

/*
 * Read a whole file; which form it has goes by content. Sums are divided by how often they were
 * added to; a matrix that was never used counts each column as 1 (the old form: as it stands).
 *
 * Errors: WHIT_ERR_IO, WHIT_ERR_FORMAT (malformed or truncated; keys that are missing; a value that
 * is negative or not finite), WHIT_ERR_UNSUPPORTED (another format), WHIT_ERR_NOMEM. *out is NULL
 * then.
 */
WHIT_API whit_status whit_imatrix_open(whit_imatrix **out, const char *path, whit_error *err);
WHIT_API void whit_imatrix_close(whit_imatrix *imatrix); /* NULL is fine */

WHIT_API const whit_imatrix_info *whit_imatrix_describe(const whit_imatrix *imatrix);
/* In the order of the file; NULL outside. */
WHIT_API const whit_imatrix_entry *whit_imatrix_at(const whit_imatrix *imatrix, size_t index);

/*
 * The values for one tensor, by its name in a GGUF model.
 *
 *   cols      columns of each matrix          matrices  1, or how many experts are stacked
 *   values    out  [matrices][cols]; NULL where the file has no entry, and for
 *             token_embd.weight, whose entry is about something else
 *
 * Errors: WHIT_ERR_FORMAT (an entry with another number of values: of another model).
 */
WHIT_API whit_status whit_imatrix_find(const whit_imatrix *imatrix, const char *name, uint64_t cols,
                                       uint64_t matrices, const float **values, whit_error *err);

#ifdef __cplusplus
}
#endif
#endif
