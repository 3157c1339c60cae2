/* src/job/model_hash.h - a model by the SHA-256 of its files. Errors: WHIT_ERR_IO, WHIT_ERR_NOMEM.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_MODEL_HASH_H
#define WH_JOB_MODEL_HASH_H

#include <whit/file.h>
#include "base/sha256.h"

/* SHA-256 of the files of a model, as metadata has it. */
whit_status wh_model_hash(const whit_file *file, char text[WH_SHA256_TEXT], whit_error *err);
/* And of the small files beside them by which it runs and takes texts apart. */
whit_status wh_model_small_hash(const whit_file *file, char text[WH_SHA256_TEXT], whit_error *err);

#endif
