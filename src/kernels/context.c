/* src/kernels/context.c - opening and closing the context of the kernels.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/context.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/pages.h"
#include "base/thread.h"

#define SPIN_US 200

static whit_status choose(whit_context *c, whit_error *err)
{
    uint32_t allowed;
    whit_status st = wh_isa_allowed(&allowed, err);
    if (st == WHIT_OK) wh_kernels_select(&c->kernels, allowed);
    return st;
}

whit_status whit_context_open(whit_context **out, const whit_context_options *options,
                              whit_error *err)
{
    whit_context_options o = { sizeof o, 0, -1 };
    if (!out) return wh_fail(err, WHIT_ERR_ARG, "whit_context_open: null");
    *out = NULL;
    if (options && options->struct_size != sizeof o)
        return wh_fail(err, WHIT_ERR_ARG, "whit_context_open: struct_size not set");
    if (options) o = *options;
    if (o.threads > WH_POOL_MAX || o.spin_us < -1)
        return wh_fail(err, WHIT_ERR_ARG, "whit_context_open: threads or spin_us out of range");
    const unsigned cores = wh_thread_cores();
    unsigned threads = o.threads ? o.threads : cores;
    if (threads > WH_POOL_MAX) threads = WH_POOL_MAX;
    unsigned spin = o.spin_us < 0 ? SPIN_US : (unsigned)o.spin_us;
    if (threads > cores && o.spin_us < 0) spin = 0; /* a spinning thread would keep others out */

    whit_context *c = wh_calloc(1, sizeof *c);
    if (!c) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a context");
    pthread_mutex_init(&c->lock, NULL);
    whit_status st = choose(c, err);
    if (st == WHIT_OK) st = wh_pool_open(&c->pool, threads, spin, err);
    if (st != WHIT_OK) {
        whit_context_close(c);
        return st;
    }
    *out = c;
    return WHIT_OK;
}

void whit_context_close(whit_context *context)
{
    if (!context) return;
    wh_pool_close(context->pool);
    wh_pages_free(context->scratch, context->scratch_bytes);
    pthread_mutex_destroy(&context->lock);
    free(context);
}

unsigned whit_context_threads(const whit_context *context)
{
    return wh_pool_threads(context->pool);
}

whit_status wh_acts_served(const whit_context *c, whit_acts acts, whit_error *err)
{
    if (acts != WHIT_ACTS_F32 && acts != WHIT_ACTS_Q8 && acts != WHIT_ACTS_BF16)
        return wh_fail(err, WHIT_ERR_ARG, "no such kind of activations");
    if (acts == WHIT_ACTS_BF16 && !c->kernels.op[WH_MANY_BF16])
        return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                       "bfloat16 activations need the tiles of AMX, which this processor or system "
                       "lacks, or WHIT_ISA forbids; try: f32 or q8");
    return WHIT_OK;
}

const char *whit_acts_name(whit_acts acts)
{
    static const char *const names[] = { "f32", "q8", "bf16" };
    return (unsigned)acts < sizeof names / sizeof names[0] ? names[acts] : NULL;
}

whit_status wh_context_reserve(whit_context *c, size_t bytes, whit_error *err)
{
    if (bytes <= c->scratch_bytes) return WHIT_OK;
    void *grown = wh_pages_alloc(bytes);
    if (!grown) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu octets of scratch", bytes);
    wh_pages_free(c->scratch, c->scratch_bytes);
    c->scratch = grown;
    c->scratch_bytes = bytes;
    return WHIT_OK;
}
