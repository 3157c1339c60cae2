/* tests/fuzz/config_check.h - what model/config.h promises of every configuration that is accepted.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_FUZZ_CONFIG_CHECK_H
#define WHIT_FUZZ_CONFIG_CHECK_H

#include "model/config.h"
#include "model/names.h"
#include "model/rope.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static inline void require(int truth)
{
    if (!truth) abort();
}

static inline void check_config(const wh_model_config *c)
{
    uint64_t rows, cols;
    require(c->heads > 0 && c->kv_heads > 0 && c->heads % c->kv_heads == 0);
    require(c->head_dim > 0 && c->head_dim % 2 == 0 && c->dim > 0 && c->ffn > 0);
    require(c->layers > 0 && c->layers <= 4096 && c->vocab > 0 && c->context > 0);
    require(c->eps > 0 && c->eps <= 0.1 && c->window_first <= c->layers);
    require((c->window > 0) == (c->window_first < c->layers));
    require(c->rope.theta > 1 && isfinite(c->rope.theta) && c->rope.factor >= 1);
    require(c->rope.kind == WH_ROPE_PLAIN || c->rope.kind == WH_ROPE_TENSOR ||
            c->rope.original > 0);
    require(isfinite(c->rope.magnitude) && c->rope.magnitude > 0);
    require(c->bos < (int64_t)c->vocab && c->eos_count <= WH_CONFIG_EOS);
    for (unsigned i = 0; i < c->eos_count; i++) require(c->eos[i] < c->vocab);
    require(memchr(c->name, 0, sizeof c->name) != NULL);
    for (wh_role r = WH_ROLE_TOKEN_EMBD; r < WH_ROLES; r++) {
        wh_role_shape(c, r, &rows, &cols);
        require(rows > 0 && cols > 0 && rows < UINT64_MAX / 4096 / cols);
    }
    double *f = calloc(c->head_dim / 2, sizeof *f);
    require(f != NULL);
    if (c->rope.kind != WH_ROPE_TENSOR) wh_rope_frequencies(c, NULL, f);
    for (uint32_t i = 0; i < c->head_dim / 2; i++) {
        require(f[i] >= 0 && f[i] <= 1.000001);
        if (c->rope.kind != WH_ROPE_LLAMA3) continue;
        const float d = wh_rope_divisor(c, i);
        require(d >= 1 && (double)d <= c->rope.factor * 1.000001);
    }
    free(f);
}

/* One line that says what is wrong. */
static inline void check_refusal(whit_status st, const whit_error *err)
{
    require(err->code == st && (st == WHIT_ERR_FORMAT || st == WHIT_ERR_UNSUPPORTED));
    for (const char *p = err->msg; *p; p++) require((unsigned char)*p >= ' ' && *p != 0x7f);
}

#endif
