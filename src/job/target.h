/* src/job/target.h - where a job writes: weight files laid out, an index, copies of small files.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_TARGET_H
#define WH_JOB_TARGET_H

#include <whit/job.h>
#include "base/lines.h"
#include "io/outset.h"
#include "job/companions.h"
#include "job/layout.h"

typedef struct wh_target {
    char *path;         /* NULL: for a plan that is only looked at */
    whit_format format; /* never WHIT_FORMAT_AUTO */
    int folder;         /* 0: one file; of GGUF parts of it side by side, where it was split */
    int has_index;      /* shards under an index: as the source has them, unless they were split */
    wh_layout layout;
    wh_companions copies; /* config and tokenizer files */
    char **names;         /* of layout.file[], which borrow them */
} wh_target;

/* Decide the files from the output name and the source. Odd config files become warnings. Errors:
 * WHIT_ERR_ARG (the name is one of another format), WHIT_ERR_NOMEM. */
whit_status wh_target_init(wh_target *t, const char *output, whit_format format,
                           const whit_source *source, wh_lines *warnings, whit_error *err);
/* Other weight files instead, empty again: `files` shards under an index, parts of a GGUF file, or
 * a single one. Errors: WHIT_ERR_ARG (the output is one file), WHIT_ERR_NOMEM. */
whit_status wh_target_split(wh_target *t, size_t files, whit_error *err);
void wh_target_free(wh_target *t);

/* The output file of a tensor in that shard of the source; not after wh_target_split. */
size_t wh_target_file(const wh_target *t, uint32_t shard);

/* What is to be written of a tensor: its name and shape, in another type or not. */
wh_out_entry wh_target_entry(const whit_tensor *t, whit_dtype dtype, uint64_t bytes);

/* WHIT_ERR_ARG if path is, or is to become, one of the files of the target; WHIT_ERR_NOMEM. */
whit_status wh_target_keep_off(const wh_target *t, const char *path, whit_error *err);

/* WHIT_ERR_ARG when something that the job reads lies where it keeps its own things beside the
 * output (wh_inputs_apart). */
whit_status wh_target_apart(const wh_target *t, const whit_source *source,
                            const whit_job_options *job, whit_error *err);
/* Open the temporary files; weight file f is then at wh_target_fd(set, f). Of the job's options:
 * force, and what it reads. */
whit_status wh_target_open(const wh_target *t, const whit_source *source,
                           const whit_job_options *job, wh_outset **set, whit_error *err);
int wh_target_fd(const wh_target *t, const wh_outset *set, size_t file);
const char *wh_target_name(const wh_target *t, const wh_outset *set, size_t file);

/* Write headers, index and copies, then make all of it appear. */
whit_status wh_target_finish(const wh_target *t, const whit_source *source, wh_outset *set,
                             whit_error *err);

#endif
