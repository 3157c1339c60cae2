/* tests/fuzz/fuzz_config.c - any octets as a config.json.
 *
 * What is accepted must keep the promises of model/config.h.
 *
 * SPDX-License-Identifier: MIT */
#include "model/config.h"
#include "model/names.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
    if (!truth) abort();
}

static void check(const wh_model_config *c)
{
    uint64_t rows, cols;
    require(c->heads > 0 && c->kv_heads > 0 && c->heads % c->kv_heads == 0);
    require(c->head_dim > 0 && c->head_dim % 2 == 0 && c->dim > 0 && c->ffn > 0);
    require(c->layers > 0 && c->layers <= 4096 && c->vocab > 0 && c->context > 0);
    require(c->eps > 0 && c->eps <= 0.1 && c->window_first <= c->layers);
    require((c->window > 0) == (c->window_first < c->layers));
    require(c->rope.theta > 1 && isfinite(c->rope.theta) && c->rope.factor >= 1);
    require(c->rope.kind == WH_ROPE_PLAIN || c->rope.original > 0);
    require(isfinite(c->rope.magnitude) && c->rope.magnitude > 0);
    require(c->bos < (int64_t)c->vocab && c->eos_count <= WH_CONFIG_EOS);
    for (unsigned i = 0; i < c->eos_count; i++) require(c->eos[i] < c->vocab);
    require(memchr(c->name, 0, sizeof c->name) && !strchr(c->name, '/'));
    for (wh_role r = WH_ROLE_TOKEN_EMBD; r < WH_ROLES; r++) {
        wh_role_shape(c, r, &rows, &cols);
        require(rows > 0 && cols > 0 && rows < UINT64_MAX / 4096 / cols);
    }
    if (c->rope.kind != WH_ROPE_LLAMA3) return;
    float *d = calloc(c->head_dim / 2, sizeof *d);
    require(d != NULL);
    wh_rope_divisors(c, d);
    for (uint32_t i = 0; i < c->head_dim / 2; i++)
        require(d[i] >= 1 && (double)d[i] <= c->rope.factor * 1.000001);
    free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wh_model_config c;
    whit_error err = { WHIT_OK, "" };
    whit_status st = wh_config_parse(&c, "config.json", (const char *)data, size, &err);
    if (st == WHIT_OK) {
        check(&c);
        return 0;
    }
    require(err.code == st && (st == WHIT_ERR_FORMAT || st == WHIT_ERR_UNSUPPORTED));
    require(strncmp(err.msg, "config.json: ", 13) == 0);
    for (const char *p = err.msg; *p; p++) require((unsigned char)*p >= ' ' && *p != 0x7f);
    return 0;
}
