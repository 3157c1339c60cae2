/* src/job/checkpoint_config.c - what the configuration of a checkpoint says about its weights.
 *
 * That is one member of config.json, quantization_config (config_text.c puts it there). GPTQ and
 * AWQ have a second file with nearly the same object, which older loaders look for.
 *
 * Source: vllm-project/compressed-tensors, quantization/quant_config.py; AutoGPTQ, AutoAWQ,
 * bitsandbytes by way of huggingface/transformers, utils/quantization_config.py.
 * SPDX-License-Identifier: MIT */
#include "job/checkpoint.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "job/config_text.h"

static whit_status no_memory(whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the configuration");
}

static void put_name(wh_buf *b, const whit_plan *p, size_t i)
{
    wh_buf name = { 0 };
    wh_buf_put(&name, p->entry[i].source->tensor.name, wh_checkpoint_stem(p, i));
    if (!name.failed) wh_json_put_string(b, name.data);
    b->failed |= name.failed;
    wh_buf_free(&name);
}

/* What may be a linear and is left alone, and the output head, which often is not in the file. */
static void put_ignored(wh_buf *b, const whit_plan *p)
{
    wh_buf_puts(b, "[\"lm_head\"");
    for (size_t i = 0; i < p->count; i++) {
        if (!wh_checkpoint_left_alone(p, i)) continue;
        wh_buf_puts(b, ",");
        put_name(b, p, i);
    }
    wh_buf_puts(b, "]");
}

/* The number of columns in a group; -1: all. */
static long group_of(const whit_scheme *s)
{
    return s->gran == WHIT_GRAN_GROUP ? (long)s->group : -1;
}

static const char *truth(int value)
{
    return value ? "true" : "false";
}

/* ---- compressed-tensors ---------------------------------------------------------------------- */

static const char *strategy(const whit_scheme *s)
{
    static const char *const names[] = { [WHIT_GRAN_NONE] = "channel",
                                         [WHIT_GRAN_TENSOR] = "tensor",
                                         [WHIT_GRAN_CHANNEL] = "channel",
                                         [WHIT_GRAN_GROUP] = "group",
                                         [WHIT_GRAN_BLOCK] = "block" };
    return names[s->gran];
}

/* One object of arguments; its schema takes these keys and no others. */
static void put_args(wh_buf *b, const whit_scheme *s, int acts)
{
    const int is_float = s->kind != WHIT_INT, dynamic = acts && s->a8 == WHIT_A8_TOKEN;
    wh_buf_putf(b,
                "{\"num_bits\":%u,\"type\":\"%s\",\"symmetric\":%s,\"strategy\":\"%s\","
                "\"group_size\":",
                acts ? 8 : s->bits, is_float ? "float" : "int", truth(acts || !s->asym),
                dynamic ? "token"
                : acts  ? "tensor"
                        : strategy(s));
    if (!acts && s->gran == WHIT_GRAN_GROUP)
        wh_buf_putf(b, "%u", s->group);
    else
        wh_buf_puts(b, "null");
    wh_buf_putf(b, ",\"dynamic\":%s,\"actorder\":null,\"block_structure\":", truth(dynamic));
    if (!acts && s->gran == WHIT_GRAN_BLOCK)
        wh_buf_putf(b, "[%u,%u]", s->block_rows, s->group);
    else
        wh_buf_puts(b, "null");
    wh_buf_putf(b, ",\"observer\":%s,\"observer_kwargs\":{}}", dynamic ? "null" : "\"minmax\"");
}

static int earlier_like(const whit_plan *p, size_t i)
{
    char a[WHIT_SCHEME_TEXT], b[WHIT_SCHEME_TEXT];
    whit_scheme_print(&p->entry[i].scheme, a);
    for (size_t k = 0; k < i; k++)
        if (wh_checkpoint_packing(p, k) &&
            strcmp(a, whit_scheme_print(&p->entry[k].scheme, b)) == 0)
            return 1;
    return 0;
}

static size_t count_schemes(const whit_plan *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++) n += wh_checkpoint_packing(p, i) && !earlier_like(p, i);
    return n;
}

/* All linears where there is one scheme, else those of this one by name. */
static void put_targets(wh_buf *b, const whit_plan *p, size_t i, size_t schemes)
{
    char a[WHIT_SCHEME_TEXT], other[WHIT_SCHEME_TEXT];
    const char *comma = "";
    whit_scheme_print(&p->entry[i].scheme, a);
    wh_buf_puts(b, "[");
    if (schemes == 1) wh_buf_puts(b, "\"Linear\"");
    for (size_t k = i; k < p->count && schemes > 1; k++) {
        if (!wh_checkpoint_packing(p, k) ||
            strcmp(a, whit_scheme_print(&p->entry[k].scheme, other)) != 0)
            continue;
        wh_buf_puts(b, comma);
        put_name(b, p, k);
        comma = ",";
    }
    wh_buf_puts(b, "]");
}

/* Of several layouts the word is "mixed-precision", and each group says its own. */
static int one_layout(const whit_plan *p)
{
    const wh_checkpoint *c = p->checkpoint;
    for (size_t i = 0; i < p->count; i++)
        if (wh_checkpoint_packing(p, i) && c->packing[i].layout != c->packing[c->first].layout)
            return 0;
    return 1;
}

static void put_compressed(wh_buf *b, const whit_plan *p)
{
    const wh_checkpoint *c = p->checkpoint;
    const size_t schemes = count_schemes(p);
    const int alike = one_layout(p);
    size_t n = 0;
    wh_buf_putf(b,
                "{\"quant_method\":\"compressed-tensors\",\"format\":\"%s\","
                "\"quantization_status\":\"compressed\",\"config_groups\":{",
                alike ? whit_layout_name(c->packing[c->first].layout) : "mixed-precision");
    for (size_t i = 0; i < p->count; i++) {
        const whit_scheme *s = &p->entry[i].scheme;
        if (!wh_checkpoint_packing(p, i) || earlier_like(p, i)) continue;
        wh_buf_putf(b, "%s\"group_%zu\":{\"targets\":", n ? "," : "", n);
        n++;
        put_targets(b, p, i, schemes);
        wh_buf_puts(b, ",\"weights\":");
        put_args(b, s, 0);
        wh_buf_puts(b, ",\"input_activations\":");
        if (s->a8)
            put_args(b, s, 1);
        else
            wh_buf_puts(b, "null");
        wh_buf_puts(b, ",\"output_activations\":null");
        if (!alike) wh_buf_putf(b, ",\"format\":\"%s\"", whit_layout_name(c->packing[i].layout));
        wh_buf_puts(b, "}");
    }
    wh_buf_puts(b, "},\"ignore\":");
    put_ignored(b, p);
    wh_buf_puts(b, ",\"kv_cache_scheme\":null,\"global_compression_ratio\":null}");
}

/* ---- the others ------------------------------------------------------------------------------ */

static void put_gptq(wh_buf *b, const whit_plan *p)
{
    const whit_packing *first = &p->checkpoint->packing[p->checkpoint->first];
    const whit_scheme *s = &first->scheme;
    wh_buf_putf(b,
                "{\"quant_method\":\"gptq\",\"bits\":%u,\"group_size\":%ld,\"desc_act\":false,"
                "\"sym\":%s,\"damp_percent\":0.01,\"true_sequential\":true,\"static_groups\":false,"
                "\"lm_head\":false,\"checkpoint_format\":\"%s\",\"pack_dtype\":\"int32\","
                "\"meta\":{\"quantizer\":[\"whit:%s\"]}}",
                s->bits, group_of(s), truth(!s->asym), whit_layout_name(first->layout),
                whit_version());
}

/* Columns of a group. All of them are said as their number, which every loader takes, or where
 * linears differ in it as the -1 that AutoAWQ and vLLM read as the width of each. */
static int64_t awq_group(const whit_plan *p)
{
    const whit_packing *first = &p->checkpoint->packing[p->checkpoint->first];
    if (first->scheme.gran == WHIT_GRAN_GROUP) return first->scheme.group;
    for (size_t i = 0; i < p->count; i++)
        if (wh_checkpoint_packing(p, i) && p->checkpoint->packing[i].cols != first->cols) return -1;
    return (int64_t)first->cols;
}

static int skips(const whit_plan *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (wh_checkpoint_left_alone(p, i)) return 1;
    return 0;
}

static void put_awq(wh_buf *b, const whit_plan *p, int own_file)
{
    if (own_file)
        wh_buf_putf(b,
                    "{\"zero_point\":true,\"q_group_size\":%" PRId64
                    ",\"w_bit\":4,\"version\":\"GEMM\",\"modules_to_not_convert\":",
                    awq_group(p));
    else
        wh_buf_putf(b,
                    "{\"quant_method\":\"awq\",\"bits\":4,\"group_size\":%" PRId64
                    ",\"zero_point\":true,\"version\":\"gemm\",\"modules_to_not_convert\":",
                    awq_group(p));
    if (skips(p))
        put_ignored(b, p);
    else
        wh_buf_puts(b, "null");
    wh_buf_puts(b, "}");
}

static void put_bnb(wh_buf *b, const whit_plan *p)
{
    const whit_scheme *s = &p->checkpoint->packing[p->checkpoint->first].scheme;
    const int four = s->kind != WHIT_INT;
    wh_buf_putf(b,
                "{\"quant_method\":\"bitsandbytes\",\"load_in_4bit\":%s,\"load_in_8bit\":%s,"
                "\"bnb_4bit_quant_type\":\"%s\",\"bnb_4bit_use_double_quant\":%s,"
                "\"bnb_4bit_compute_dtype\":\"bfloat16\",\"bnb_4bit_quant_storage\":\"uint8\","
                "\"llm_int8_threshold\":6.0,\"llm_int8_skip_modules\":",
                truth(four), truth(!four), s->kind == WHIT_FP4BNB ? "fp4" : "nf4", truth(s->dq));
    put_ignored(b, p);
    wh_buf_puts(b, ",\"llm_int8_has_fp16_weight\":false,"
                   "\"llm_int8_enable_fp32_cpu_offload\":false}");
}

whit_status wh_checkpoint_describe(whit_plan *p, whit_error *err)
{
    wh_buf object = { 0 }, own = { 0 };
    const char *own_name = NULL;
    switch (p->target.format) {
    case WHIT_FORMAT_GPTQ:
        put_gptq(&object, p);
        wh_buf_put(&own, object.data, object.len);
        own_name = "quantize_config.json";
        break;
    case WHIT_FORMAT_AWQ:
        put_awq(&object, p, 0);
        put_awq(&own, p, 1);
        own_name = "quant_config.json";
        break;
    case WHIT_FORMAT_BNB:
        put_bnb(&object, p);
        break;
    default:
        put_compressed(&object, p);
    }
    whit_status st =
        object.failed || own.failed
            ? no_memory(err)
            : wh_config_put(&p->target.copies, whit_source_file(p->source), &object, err);
    if (st == WHIT_OK && own_name)
        st = wh_companions_put(&p->target.copies, own_name, own.data, own.len, err);
    wh_buf_free(&object);
    wh_buf_free(&own);
    return st;
}
