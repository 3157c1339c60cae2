/* tests/configs.h - config.json texts for tests, from a base and changes to it.
 *
 * Changes are lines "KEY VALUE"; a key of the base is replaced, or without a value left out; any
 * other is added. What cannot be made ends the program.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_CONFIGS_H
#define WHIT_CONFIGS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/config.h"

#define CONFIGS_TEXT 8192

static const char *const configs_base[][2] = {
    { "architectures", "[\"LlamaForCausalLM\"]" },
    { "model_type", "\"llama\"" },
    { "hidden_size", "64" },
    { "intermediate_size", "172" },
    { "num_hidden_layers", "5" },
    { "num_attention_heads", "8" },
    { "num_key_value_heads", "4" },
    { "vocab_size", "512" },
    { "rms_norm_eps", "1e-05" },
    { "max_position_embeddings", "512" },
};
#define CONFIGS_BASE (sizeof configs_base / sizeof configs_base[0])

static inline void configs_add(char *out, const char *key, size_t key_len, const char *value,
                               size_t len)
{
    size_t at = strlen(out);
    if (at + key_len + len + 8 > CONFIGS_TEXT) abort();
    snprintf(out + at, CONFIGS_TEXT - at, "%s\"%.*s\": %.*s", at > 1 ? ", " : "", (int)key_len, key,
             (int)len, value);
}

/* Returns out. */
static inline const char *configs_text(char out[CONFIGS_TEXT], const char *changes)
{
    int replaced[CONFIGS_BASE] = { 0 };
    strcpy(out, "{");
    for (const char *line = changes; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        size_t len = strcspn(line, "\n"), key = strcspn(line, " \n");
        for (size_t i = 0; i < CONFIGS_BASE; i++)
            if (strlen(configs_base[i][0]) == key && memcmp(configs_base[i][0], line, key) == 0)
                replaced[i] = 1;
        if (len > key + 1) configs_add(out, line, key, line + key + 1, len - key - 1);
    }
    for (size_t i = 0; i < CONFIGS_BASE; i++)
        if (!replaced[i])
            configs_add(out, configs_base[i][0], strlen(configs_base[i][0]), configs_base[i][1],
                        strlen(configs_base[i][1]));
    return strcat(out, "}");
}

/* All that a configuration says, in one line. Returns buf. */
static inline const char *configs_say(const wh_model_config *c, char buf[1024])
{
    const wh_rope *p = &c->rope;
    int n = snprintf(buf, 1024,
                     "%s d%u l%u h%u/%ux%u f%u v%u c%u eps %.6g theta %.8g; rope %d x%.8g o%u lo%g "
                     "hi%g fast%g slow%g m%.8g a%d u%d; win %u@%u; bias %d%d%d; norm %d; tied %d; "
                     "pairs %d; bos %d; eos",
                     wh_arch_name(c->arch), c->dim, c->layers, c->heads, c->kv_heads, c->head_dim,
                     c->ffn, c->vocab, c->context, (double)(float)c->eps, p->theta, (int)p->kind,
                     p->factor, p->original, p->low, p->high, p->fast, p->slow, p->magnitude,
                     p->yarn_attention, p->yarn_untruncate, c->window, c->window_first, c->qkv_bias,
                     c->out_bias, c->mlp_bias, c->qk_norm, c->tied, c->pairs, (int)c->bos);
    for (unsigned i = 0; i < c->eos_count; i++)
        n += snprintf(buf + n, 1024 - (size_t)n, " %u", c->eos[i]);
    snprintf(buf + n, 1024 - (size_t)n, "; name '%s'", c->name);
    return buf;
}

#endif
