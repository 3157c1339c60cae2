/* src/kernels/weight_copy.c - a second weight with the same contents, for measuring with more
 * weights than caches hold.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/weight.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/pages.h"
#include "kernels/context.h"

typedef struct copy_job {
    char *to;
    const char *from;
    size_t bytes;
} copy_job;

/* Each thread touches the part first that it will about read: memory near it, where that matters.
 */
static void copy_part(void *ctx, unsigned t, unsigned threads)
{
    const copy_job *job = ctx;
    size_t begin, end;
    wh_pool_split(job->bytes, 4096, t, threads, &begin, &end);
    memcpy(job->to + begin, job->from + begin, end - begin);
}

whit_status wh_weight_copy(whit_weight **out, const whit_weight *weight, whit_error *err)
{
    *out = NULL;
    whit_weight *w = wh_calloc(1, sizeof *w);
    if (!w) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a weight");
    *w = *weight;
    w->pages = wh_pages_alloc(w->pages_bytes);
    if (!w->pages) {
        free(w);
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a weight of %zu octets",
                       weight->pages_bytes);
    }
    const char *from = weight->pages;
    char *to = w->pages;
    w->data = (const uint8_t *)to + (weight->data - (const uint8_t *)from);
    if (w->scale) w->scale = to + ((const char *)weight->scale - from);
    if (w->zero) w->zero = (uint8_t *)to + (weight->zero - (const uint8_t *)from);
    copy_job job = { to, from, w->pages_bytes };
    pthread_mutex_lock(&w->context->lock);
    wh_pool_run(w->context->pool, copy_part, &job);
    pthread_mutex_unlock(&w->context->lock);
    *out = w;
    return WHIT_OK;
}
