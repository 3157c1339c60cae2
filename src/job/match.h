/* src/job/match.h - work that is compared with a file instead of written to one.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_MATCH_H
#define WH_JOB_MATCH_H

#include <whit/file.h>
#include "job/layout.h"

typedef struct wh_match {
    const whit_file *file;
    const wh_layout *layout; /* of the plan: tensors are found by their names there */
} wh_match;

/* Octets of a tensor of the layout against those of the tensor of that name in the file. Errors:
 * WHIT_ERR_BAR, with name and place, where they differ or the tensor is missing; those of reading.
 * Threads: any number at once. */
whit_status wh_match_bytes(const wh_match *m, wh_spot spot, uint64_t offset, const void *data,
                           size_t len, whit_error *err);

/* That the tensor is there, with its type and size. Errors: WHIT_ERR_BAR. */
whit_status wh_match_tensor(const wh_match *m, wh_spot spot, whit_error *err);

#endif
