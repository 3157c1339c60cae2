/* src/kernels/context.h - what a context holds.
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_CONTEXT_H
#define WH_KERNELS_CONTEXT_H

#include <pthread.h>

#include "base/pool.h"
#include "kernels/kernels.h"

struct whit_context {
    wh_pool *pool;
    wh_kernels kernels;
    pthread_mutex_t lock; /* calls take turns */
    void *scratch;        /* shared by the calls */
    size_t scratch_bytes;
};

/* Whether the kernels of the context take such activations at all, for some weights. Errors:
 * WHIT_ERR_ARG (no such kind), WHIT_ERR_UNSUPPORTED (bfloat16 without tiles). */
whit_status wh_acts_served(const whit_context *c, whit_acts acts, whit_error *err);

/* Make the scratch at least so large; under the lock, or before the context is shared. */
whit_status wh_context_reserve(whit_context *c, size_t bytes, whit_error *err);

#endif
