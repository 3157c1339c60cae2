/* tests/fuzz/fuzz_words.c - the small texts of options, names and the system.
 *
 * The first octet says which: a list of types, shapes or numbers of tokens; a name of a type, a
 * block, a method, a mix or a tensor; the first line of /proc/stat. What is taken is in its range.
 *
 * SPDX-License-Identifier: MIT */
#include <whit/block.h>
#include <whit/method.h>

#include "bench/bench.h"
#include "job/mix.h"
#include "model/names.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
    if (!truth) abort();
}

static void check_status(whit_status st, const whit_error *err)
{
    require(st == WHIT_OK || (st == WHIT_ERR_ARG && err->code == st));
    for (const char *p = err->msg; st != WHIT_OK && *p; p++)
        require((unsigned char)*p >= ' ' && *p != 0x7f);
}

static void check_types(const char *text)
{
    whit_error err = { WHIT_OK, "" };
    whit_scheme *list = NULL, again;
    size_t count = 0;
    char name[WHIT_SCHEME_TEXT];
    check_status(wh_list_types(text, &list, &count, &err), &err);
    for (size_t i = 0; i < count; i++) {
        require(list[i].kind != WHIT_KEEP && *wh_type_print(&list[i], name));
        if (list[i].kind != WHIT_GGUF) require(whit_scheme_parse(&again, name, NULL) == WHIT_OK);
    }
    free(list);
}

static void check_shapes(const char *text)
{
    whit_error err = { WHIT_OK, "" };
    wh_sides *list = NULL;
    size_t count = 0;
    check_status(wh_list_shapes(text, &list, &count, &err), &err);
    for (size_t i = 0; i < count; i++) require(list[i].rows > 0 && list[i].cols > 0);
    free(list);
}

static void check_tokens(const char *text)
{
    whit_error err = { WHIT_OK, "" };
    uint64_t *list = NULL;
    size_t count = 0;
    check_status(wh_list_tokens(text, &list, &count, &err), &err);
    for (size_t i = 0; i < count; i++) require(list[i] > 0);
    free(list);
}

/* A name with a role: the one that the naming has for it means the same. */
static void check_role(wh_role role, uint32_t layer, wh_naming by)
{
    char name[WH_ROLE_NAME];
    uint32_t again = UINT32_MAX;
    require(role < WH_ROLES && (role >= WH_ROLE_LAYER || layer == 0));
    if (role == WH_ROLE_NONE) return;
    wh_role_name(role, layer, by, name);
    const wh_role same = by == WH_NAMING_HF     ? wh_role_of_hf(name, &again)
                         : by == WH_NAMING_GGUF ? wh_role_of_gguf(name, &again)
                                                : wh_role_of_llama2c(name, &again);
    require(same == role && again == layer);
}

static void check_tensor(const char *text)
{
    static const wh_model_config plain = { .layers = 3, .heads = 4, .kv_heads = 2 };
    static const wh_model_config odd = { .layers = 1, .tied = 1, .llama2c = 1, .qkv_bias = 1 };
    uint32_t layer;
    const wh_role by_gguf = wh_role_of_gguf(text, &layer);
    check_role(by_gguf, layer, WH_NAMING_GGUF);
    const wh_role by_llama2c = wh_role_of_llama2c(text, &layer);
    check_role(by_llama2c, layer, WH_NAMING_LLAMA2C);
    const wh_role by_hf = wh_role_of_hf(text, &layer);
    check_role(by_hf, layer, WH_NAMING_HF);
    for (int k = 0; k < 2; k++) {
        whit_error err = { WHIT_OK, "" };
        wh_gguf_fate fate;
        const whit_status st = wh_name_fate(k ? &odd : &plain, text, &fate, &err);
        require(st == WHIT_OK || (st == WHIT_ERR_UNSUPPORTED && err.code == st));
        if (st != WHIT_OK || fate.dropped) continue;
        require(fate.layer < (k ? odd : plain).layers && (k || fate.role == by_hf));
        require(wh_role_of_gguf(fate.name, &layer) == fate.role && layer == fate.layer);
    }
}

static void check_names(const char *text)
{
    const whit_dtype type = whit_dtype_parse(text);
    const whit_block block = whit_block_parse(text);
    const wh_mix *mix = wh_mix_parse(text);
    require(type <= WHIT_DTYPE_COUNT && block < WHIT_BLOCK_COUNT);
    require(block == WHIT_BLOCK_NONE || strlen(whit_block_describe(block)->name) == strlen(text));
    require(!mix || strlen(text) > 0);
    whit_method_parse(text);
    check_tensor(text);
}

static void check_times(const char *text)
{
    wh_cpu_times times;
    if (wh_cpu_times_parse(text, &times)) require(strncmp(text, "cpu", 3) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const checks[])(const char *) = { check_types, check_shapes, check_tokens,
                                                    check_names, check_times };
    if (size == 0) return 0;
    char *text = malloc(size);
    require(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    checks[data[0] % (sizeof checks / sizeof checks[0])](text);
    free(text);
    return 0;
}
