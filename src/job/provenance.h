/* src/job/provenance.h - what a model says about how it was made.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_PROVENANCE_H
#define WH_JOB_PROVENANCE_H

#include <whit/file.h>
#include "base/lines.h"
#include "base/sha256.h"

/* Of the first file, which speaks for all; borrowed; NULL: it does not say. */
typedef struct wh_provenance {
    const char *version, *recipe, *options, *notes;
    const char *calibration; /* its SHA-256 */
} wh_provenance;

wh_provenance wh_provenance_of(const whit_file *file);

/* A line for each file that says it was made in another way than the first; one may say nothing. */
void wh_provenance_compare(const whit_file *file, wh_lines *problems);

/* Digests of the stored tensors of a file, all shards. */
typedef struct wh_digest_list {
    char (*text)[WH_SHA256_TEXT]; /* [tensors of the file]; "": none */
    size_t count;                 /* how many have one */
    size_t shards;                /* how many say any */
} wh_digest_list;

/* What is wrong with whit.sha256 becomes a line. Errors: WHIT_ERR_NOMEM. Free with
 * wh_digest_list_free in any case. */
whit_status wh_digest_list_read(wh_digest_list *out, const whit_file *file, wh_lines *problems,
                                whit_error *err);
void wh_digest_list_free(wh_digest_list *list);

#endif
