/* src/io/inputs.h - which files a run reads, by device and inode: what it must never replace.
 * SPDX-License-Identifier: MIT */
#ifndef WH_IO_INPUTS_H
#define WH_IO_INPUTS_H

#include "base/file.h"

typedef struct wh_inputs {
    wh_file_id *id;
    size_t count;
} wh_inputs; /* zero-initialise */

/* Remember these files. WHIT_ERR_IO when one is not there, WHIT_ERR_NOMEM. */
whit_status wh_inputs_take(wh_inputs *inputs, const char *const *paths, size_t count,
                           whit_error *err);
/* 1: path leads to one of them, through symbolic and hard links too. 0: it does not. -1: errno says
 * why that is not known. */
int wh_inputs_have(const wh_inputs *inputs, const char *path);
/* WHIT_ERR_ARG when it does, WHIT_ERR_IO when that is not known. */
whit_status wh_inputs_refuse(const wh_inputs *inputs, const char *path, whit_error *err);
/* WHIT_ERR_ARG when one of these paths lies where a job for this output keeps its own things: in
 * OUTPUT.partial, or under the name of its spill. WHIT_ERR_IO when that is not known. */
whit_status wh_inputs_apart(const char *const *paths, size_t count, const char *output,
                            whit_error *err);
void wh_inputs_free(wh_inputs *inputs);

#endif
