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

/* Where a plane of `from` is in `to`. */
static void *moved(const whit_weight *to, const whit_weight *from, const void *plane)
{
    return plane ? (char *)to->pages + ((const char *)plane - (const char *)from->pages) : NULL;
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
    w->data = moved(w, weight, weight->data);
    w->scale = moved(w, weight, weight->scale);
    w->zero = moved(w, weight, weight->zero);
    w->min = moved(w, weight, weight->min);
    w->sub_scale = moved(w, weight, weight->sub_scale);
    w->sub_min = moved(w, weight, weight->sub_min);
    copy_job job = { w->pages, weight->pages, w->pages_bytes };
    pthread_mutex_lock(&w->context->lock);
    wh_pool_run(w->context->pool, copy_part, &job);
    pthread_mutex_unlock(&w->context->lock);
    *out = w;
    return WHIT_OK;
}
