/* src/model/vocab_pre.c - the ways to split text into words that are known: the names they have in
 * GGUF, the regular expressions they are in tokenizer.json.
 *
 * An expression is compared as a text; two that differ in a letter may differ in what they match.
 * Not here: the matching (token_split.c).
 *
 * Source: ggml-org/llama.cpp, src/llama-vocab.cpp (which names stand for the same); the expressions
 * are those of the published tokenizer.json files.
 * SPDX-License-Identifier: MIT */
#include "model/vocab_make.h"

#include <string.h>

/* Of rows that say the same the first is the name that is written. NFC goes with most of the Qwen
 * family; the name alone says it in GGUF. */
static const wh_pre_row rows[] = {
    /* name             split          ignore nfc bos */
    { "gpt-2", WH_PRE_GPT2, 0, 0, 0 },      { "phi-2", WH_PRE_GPT2, 0, 0, 0 },
    { "mpt", WH_PRE_GPT2, 0, 0, 0 },        { "olmo", WH_PRE_GPT2, 0, 0, 0 },
    { "jais", WH_PRE_GPT2, 0, 0, 0 },       { "llama-bpe", WH_PRE_LLAMA3, 1, 0, 1 },
    { "llama3", WH_PRE_LLAMA3, 1, 0, 1 },   { "llama-v3", WH_PRE_LLAMA3, 1, 0, 1 },
    { "falcon3", WH_PRE_LLAMA3, 1, 0, 1 },  { "smaug-bpe", WH_PRE_LLAMA3, 0, 0, 0 },
    { "dbrx", WH_PRE_LLAMA3, 0, 0, 0 },     { "qwen2", WH_PRE_QWEN2, 0, 1, 0 },
    { "stablelm2", WH_PRE_QWEN2, 0, 1, 0 }, { "deepseek-r1-qwen", WH_PRE_QWEN2, 0, 0, 0 },
    { "smollm", WH_PRE_SMOLLM, 0, 0, 0 },   { "starcoder", WH_PRE_SMOLLM, 0, 0, 0 },
    { "refact", WH_PRE_SMOLLM, 0, 0, 0 },   { "command-r", WH_PRE_SMOLLM, 0, 0, 0 },
};
#define ROWS (sizeof rows / sizeof rows[0])

#define CONTRACTIONS "'s|'t|'re|'ve|'m|'ll|'d"
#define LLAMA3(digits)                                                                             \
    "(?i:" CONTRACTIONS ")|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits                                  \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static const struct {
    wh_pre split;
    const char *pattern;
} patterns[] = {
    { WH_PRE_GPT2, CONTRACTIONS "| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+" },
    { WH_PRE_LLAMA3, LLAMA3("\\p{N}{1,3}") },
    { WH_PRE_QWEN2, LLAMA3("\\p{N}") },
};

const wh_pre_row *wh_pre_find(const char *name)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(rows[i].name, name) == 0) return &rows[i];
    return NULL;
}

const char *wh_pre_name(wh_pre split, int ignore_merges, int nfc)
{
    const char *name = "default";
    int best = -1;
    for (size_t i = 0; i < ROWS; i++) {
        const int fit = 2 * (rows[i].ignore_merges == ignore_merges) + (rows[i].nfc == nfc);
        if (rows[i].split != split || fit <= best) continue;
        best = fit;
        name = rows[i].name;
    }
    return name;
}

wh_pre wh_pre_of_pattern(const char *pattern)
{
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
        if (strcmp(patterns[i].pattern, pattern) == 0) return patterns[i].split;
    return WH_PRE_NONE;
}
