/* src/job/verify.h - the pieces of a verification.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_VERIFY_H
#define WH_JOB_VERIFY_H

#include <whit/verify.h>
#include "base/lines.h"
#include "job/provenance.h"

typedef struct wh_remade {
    const char *name; /* of the source */
    int identical;
} wh_remade;

struct whit_verification {
    const whit_source *source, *against;
    wh_provenance provenance;
    wh_lines problems;
    size_t stored;         /* tensors in the file */
    size_t shards;         /* that have digests */
    size_t digests, wrong; /* checked, and not as they were */
    uint64_t digest_bytes;
    whit_check *check;
    wh_remade *remade; /* [remade_count] */
    size_t remade_count, remade_of;
};

/* verify_against.c: tensors made again. Opened first, since all that the job needs is known then,
 * memory too; *out is to be closed whatever happens. */
typedef struct wh_remaking wh_remaking;
whit_status wh_remaking_open(wh_remaking **out, whit_verification *v, const whit_verify_options *o,
                             whit_error *err);
/* What does not fit is a problem. Errors of whit_verify. */
whit_status wh_remaking_run(wh_remaking *a, const whit_verify_options *o, whit_error *err);
void wh_remaking_close(wh_remaking *a);

#endif
