/* src/model/config_llama2c.c - the configuration that the header of a llama2.c checkpoint is.
 *
 * Its numbers are string metadata of the file (io/llama2c.c), which a native file that is made from
 * it carries on. What the header does not say is fixed in llama2.c: norms with 1e-5, rope over
 * neighbours with base 10000, ids 1 and 2 for the start and the end of a text, no biases.
 *
 * Not here: what the values mean (config.c). Source: karpathy/llama2.c, run.c, model.py.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "io/io.h"
#include "io/llama2c.h"
#include "model/config_raw.h"

static const char *const keys[WH_LLAMA2C_NUMBERS] = WH_LLAMA2C_KEYS;
static const wh_raw_key places[WH_LLAMA2C_NUMBERS] = { WH_KEY_DIM,      WH_KEY_FFN,
                                                       WH_KEY_LAYERS,   WH_KEY_HEADS,
                                                       WH_KEY_KV_HEADS, WH_KEY_VOCAB,
                                                       WH_KEY_CONTEXT };

int wh_config_is_llama2c(const whit_file *file)
{
    return whit_file_meta_find(file, 0, keys[0]) != NULL;
}

/* A number of up to nine digits; 0: it is none. */
static int take(wh_raw_value *v, const char *text)
{
    uint64_t n = 0;
    size_t i = 0;
    for (; text && text[i] >= '0' && text[i] <= '9' && i < 9; i++)
        n = 10 * n + (uint64_t)(text[i] - '0');
    *v = (wh_raw_value){ .kind = WH_RAW_WHOLE, .n = n, .x = (double)n };
    return text && i > 0 && text[i] == 0;
}

whit_status wh_config_read_llama2c(wh_model_config *c, const whit_file *file, whit_error *err)
{
    wh_raw_config r = { .architecture = "LlamaForCausalLM", .eos = { 2 }, .eos_count = 1 };
    wh_io_label(r.label, whit_file_path(file));
    for (int i = 0; i < WH_LLAMA2C_NUMBERS; i++)
        if (!take(&r.value[places[i]], whit_file_meta_find(file, 0, keys[i])))
            return wh_fail(err, WHIT_ERR_FORMAT, "%s: metadata: %s is missing, or no number",
                           r.label, keys[i]);
    r.value[WH_KEY_EPS] = (wh_raw_value){ .kind = WH_RAW_REAL, .x = 1e-5 };
    r.value[WH_KEY_BOS] = (wh_raw_value){ .kind = WH_RAW_WHOLE, .n = 1, .x = 1 };
    if (r.value[WH_KEY_VOCAB].n < 3) r.eos_count = 0; /* no text at all: a model in name only */
    if (r.value[WH_KEY_VOCAB].n < 2) r.value[WH_KEY_BOS].kind = WH_RAW_ABSENT;
    whit_status st = wh_config_build(c, &r, err);
    if (st != WHIT_OK) return st;
    c->pairs = c->llama2c = 1;
    c->tied = whit_file_find(file, "output.weight") == WHIT_NOT_FOUND &&
              whit_file_find(file, "output.weight.q") == WHIT_NOT_FOUND;
    return WHIT_OK;
}
