/* src/io/temp.h - temporary files beside their final place, held by the run that writes them.
 *
 * ".NAME.whit-tmp" becomes NAME. Its writer holds it (wh_hold), so that any other run can tell
 * what a killed run left from what a living one is writing.
 * SPDX-License-Identifier: MIT */
#ifndef WH_IO_TEMP_H
#define WH_IO_TEMP_H

#include "io/inputs.h"

/* The temporary name for a final path. NULL when there is no memory. free() it. */
char *wh_temp_name(const char *final);

/*
 * Create a new empty file there, hold it, return its descriptor. What a killed run left under this
 * name is removed first; a link is removed, never followed; a file that exists is never written.
 * Errors: WHIT_ERR_ARG (a living run holds it; it is an input), WHIT_ERR_IO.
 */
whit_status wh_temp_create(const char *temp, const wh_inputs *inputs, int *fd, whit_error *err);

/* ".OUTPUT.spill.whit-tmp". NULL when there is no memory. free() it. */
char *wh_temp_spill_name(const char *output);
/* A new empty file beside `output`, of that name at first, that has no name any more: nothing of it
 * is left behind, however the run ends. The descriptor is the caller's. Errors: as above,
 * WHIT_ERR_NOMEM. */
whit_status wh_temp_spill(const char *output, int *fd, whit_error *err);

/* 1: the name still is the file behind fd. 0: it is not. -1: errno says why that is not known. */
int wh_temp_is(const char *temp, int fd);

/*
 * Remove what killed runs left in a folder under any temporary name; what cannot be removed stays,
 * and so do inputs. With half_placed, a final file goes too if it is the same file (a hard link)
 * as such a temporary one: an output that was being put in place (io/outset.c). WHIT_ERR_IO when
 * the folder cannot be listed, though one that may not be listed is fine.
 */
whit_status wh_temp_sweep(const char *folder, int half_placed, const wh_inputs *inputs,
                          whit_error *err);

/* The same for one temporary name, and final where it was being put in place; NULL: that stays. */
void wh_temp_clear(const char *temp, const char *final, const wh_inputs *inputs);

#endif
