/* src/job/planes.h - the codes of a whole matrix in memory, as a method finds them.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_PLANES_H
#define WH_JOB_PLANES_H

#include "calib/awq.h"
#include "job/solutions.h"

typedef struct wh_planes {
    wh_awq_format format;
    size_t rows, cols, scales, blocks; /* scales, and octets of blocks, of the whole matrix */
    uint8_t *codes;                    /* [rows][cols], or blocks */
    float *scale;                      /* [scales], of NVFP4 in units of its second scale */
    uint8_t *zero;                     /* [scales], NULL: symmetric */
} wh_planes;                           /* zero-initialise */

static inline int wh_planes_are_blocks(const wh_planes *p)
{
    return p->format.block != WHIT_BLOCK_NONE;
}

/* Zeros. Errors: WHIT_ERR_NOMEM; free then, too. */
whit_status wh_planes_make(wh_planes *p, const wh_awq_format *format, size_t rows, size_t cols,
                           whit_error *err);
void wh_planes_free(wh_planes *p);

/* Round w [rows][cols]; importance [cols] weighs errors of blocks, NULL: not. Same bytes at any
 * number of threads. Errors: those of encoding. */
whit_status wh_planes_round(wh_planes *p, whit_context *context, const float *w,
                            const float *importance, whit_error *err);
/* The values of the codes, out [rows][cols]. */
whit_status wh_planes_decode(const wh_planes *p, float *out, whit_error *err);

/* As parts of entry i of the solutions, and back (the second scale of NVFP4 is the format's).
 * Errors: WHIT_ERR_IO. */
whit_status wh_planes_keep(const wh_planes *p, wh_solutions *s, size_t i, whit_error *err);
whit_status wh_planes_take_up(wh_planes *p, const wh_solutions *s, size_t i, whit_error *err);

#endif
