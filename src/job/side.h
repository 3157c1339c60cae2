/* src/job/side.h - the small files of a model folder, for the check of the model.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_SIDE_H
#define WH_JOB_SIDE_H

#include <whit/file.h>
#include <whit/side.h>
#include "job/check.h"

/*
 * What a runner would say to the config.json and the tokenizer in the folder of a model: what is
 * not known to it is a note, what is wrong a problem. A folder without them has nothing to say, and
 * so has a lone file.
 * Errors: WHIT_ERR_IO, WHIT_ERR_NOMEM.
 */
whit_status wh_side_check(const whit_file *file, whit_check *check, whit_error *err);

#endif
