/* src/job/importance.h - the importance of the columns of what is quantized, from the file of
 * --calibration. SPDX-License-Identifier: MIT */
#ifndef WH_JOB_IMPORTANCE_H
#define WH_JOB_IMPORTANCE_H

#include <whit/calib.h>
#include "base/sha256.h"
#include "job/plan.h"

/* Of all tensors of a plan whose output is no GGUF file. */
typedef struct wh_importance {
    whit_imatrix *imatrix;
    const float **values; /* [count of the plan] for each column, or NULL */
    uint64_t used, without;
    char sha256[WH_SHA256_TEXT];
} wh_importance;

/* whit_imatrix_find by any of the names that a matrix has: in a model folder, in GGUF. */
whit_status wh_importance_find(const whit_imatrix *imatrix, const char *name, uint64_t cols,
                               uint64_t matrices, const float **values, whit_error *err);

/* Once it is settled what is quantized. Errors: those of whit_imatrix_open; WHIT_ERR_FORMAT (of
 * another model), WHIT_ERR_NOMEM. */
whit_status wh_importance_open(whit_plan *p, const char *path, whit_error *err);
void wh_importance_close(wh_importance *i); /* NULL is fine */
/* What it holds in memory. */
uint64_t wh_importance_bytes(const whit_plan *p);

#endif
