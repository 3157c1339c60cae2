/* src/io/old_model.h - the model that an output folder holds already, and that --force replaces.
 * SPDX-License-Identifier: MIT */
#ifndef WH_IO_OLD_MODEL_H
#define WH_IO_OLD_MODEL_H

#include "io/inputs.h"

/* A folder holds a whole model when one of these is there. */
#define WH_INDEX_NAME "model.safetensors.index.json"
#define WH_ONLY_NAME "model.safetensors"

typedef struct wh_old_model {
    char **mark;  /* [marks] paths of those of the two names above that are there, or one file */
    char **shard; /* [shards] paths of the files that the index names and the job does not write */
    size_t marks, shards;
} wh_old_model; /* zero-initialise */

/*
 * Look what is there. names [count]: what the job writes. Of the index, plain names that end in
 * .safetensors count; one that is no file or does not parse names nothing.
 * Errors: WHIT_ERR_ARG (some of it is an input), WHIT_ERR_NOMEM, WHIT_ERR_IO (the index cannot be
 * read, though it is there).
 */
whit_status wh_old_model_find(wh_old_model *old, const char *folder, const char *const *names,
                              size_t count, const wh_inputs *inputs, whit_error *err);

/* Of files side by side: the file that has the name which stands for all of them is the only mark.
 * Errors: WHIT_ERR_ARG (it is an input), WHIT_ERR_NOMEM, WHIT_ERR_IO. */
whit_status wh_old_model_find_one(wh_old_model *old, const char *path, const wh_inputs *inputs,
                                  whit_error *err);

/* Remove the marks (the folder is then no whole model any more) or the shards. What has gone
 * already is fine. Errors: WHIT_ERR_ARG (has become an input), WHIT_ERR_IO. */
whit_status wh_old_model_unmark(const wh_old_model *old, const wh_inputs *inputs, whit_error *err);
whit_status wh_old_model_remove_shards(const wh_old_model *old, const wh_inputs *inputs,
                                       whit_error *err);

void wh_old_model_free(wh_old_model *old);

#endif
