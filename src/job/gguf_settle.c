/* src/job/gguf_settle.c - the type that each tensor has in a GGUF file.
 *
 * The rules speak of schemes; here the default is what a mix or the habits of GGUF make of it, and
 * what was chosen becomes what the file can hold: another block type where the columns are no whole
 * blocks, F32 for vectors, since the programs that load such files multiply with nothing else.
 *
 * Source: ggml-org/llama.cpp, src/llama-quant.cpp (see mix.c).
 * SPDX-License-Identifier: MIT */
#include "job/gguf_out.h"
#include "job/importance.h"
#include "job/stored.h"

#include <inttypes.h>
#include <string.h>

static whit_scheme block_scheme(whit_block block)
{
    return (whit_scheme){ .kind = WHIT_GGUF, .scale_type = WHIT_F32, .block = block };
}

static void keep(wh_vote *vote, const char *reason)
{
    vote->by = WH_VOTE_EXCEPTION;
    vote->scheme = (whit_scheme){ .kind = WHIT_KEEP, .scale_type = WHIT_F32 };
    vote->reason = reason;
}

void wh_gguf_vote(void *ctx, const whit_tensor *tensor, wh_vote *first)
{
    const whit_plan *p = ctx;
    const size_t i = whit_source_find(p->source, tensor->name);
    if (i == WHIT_NOT_FOUND || !whit_dtype_is_float(tensor->dtype)) return;
    const wh_gguf_tensor *t = &p->gguf->tensor[i];
    if (!t->name) {
        keep(first, t->dropped);
        return;
    }
    if (!p->gguf->mix) {
        const char *why = wh_gguf_keeps(t->name, tensor->rank, t->rows);
        if (why && whit_scheme_is_quantized(&first->scheme)) keep(first, why);
        return;
    }
    const wh_mix_tensor asked = { t->name, tensor->rank, t->rows, t->cols, tensor->dtype };
    const wh_mix_choice c = wh_mix_choose(p->gguf->survey, &asked);
    if (c.reason) {
        keep(first, c.reason);
        return;
    }
    first->by = WH_VOTE_DEFAULT;
    first->scheme = block_scheme(c.wanted);
}

/* What comes nearest to a scheme of ours in values and size. */
static const char *nearest(const whit_scheme *s)
{
    const int small = s->group != 0 && s->group <= 32;
    switch (s->kind) {
    case WHIT_NF4:
    case WHIT_FP4:
    case WHIT_FP4BNB:
        return "iq4_nl";
    case WHIT_NVFP4:
        return "mxfp4";
    case WHIT_INT:
        break;
    default:
        return "q8_0";
    }
    switch (s->bits) {
    case 2:
        return "q2_k";
    case 3:
        return "q3_k";
    case 4:
        return !small ? "q4_k" : s->asym ? "q4_1" : "q4_0";
    case 5:
        return !small ? "q5_k" : s->asym ? "q5_1" : "q5_0";
    case 6:
        return "q6_k";
    default:
        return "q8_0";
    }
}

static whit_status refuse(const whit_scheme *s, whit_error *err)
{
    char text[WHIT_SCHEME_TEXT];
    whit_scheme_print(s, text);
    if (s->kind == WHIT_GGUF)
        return wh_fail(err, WHIT_ERR_ARG, "scheme '%s' is a type that is only read; try: %s", text,
                       s->block == WHIT_Q1_0 || s->block == WHIT_Q2_0 ? "tq2_0" : "mxfp4");
    return wh_fail(err, WHIT_ERR_ARG, "scheme '%s' is no type of GGUF; try: %s", text, nearest(s));
}

/* Whether the encoder of a type weighs errors by importance. */
static int weighs(whit_block block)
{
    return block != WHIT_Q8_0 && block != WHIT_BLOCK_MXFP4 && block != WHIT_TQ1_0 &&
           block != WHIT_TQ2_0;
}

/* Whether the importance-weighted encoder looks at the whole row before its blocks. */
static int weighs_by_row(whit_block block)
{
    return block == WHIT_Q4_0 || block == WHIT_Q4_1 || block == WHIT_Q5_0 || block == WHIT_Q5_1;
}

/* Nobody measures what the embeddings are looked up with; few measure the output. */
static whit_status find_importance(whit_plan *p, wh_gguf_tensor *t, whit_block block,
                                   whit_error *err)
{
    t->importance = NULL;
    if (!p->gguf->imatrix || !weighs(block)) return WHIT_OK;
    whit_status st =
        wh_importance_find(p->gguf->imatrix, t->name, t->cols, t->matrices, &t->importance, err);
    p->gguf->without += st == WHIT_OK && !t->importance && strncmp(t->name, "blk.", 4) == 0;
    return st;
}

static const char *not_whole(whit_block wanted)
{
    switch (whit_block_describe(wanted)->weights) {
    case 32:
        return "its columns are no multiple of 32";
    case 64:
        return "its columns are no multiple of 64";
    case 128:
        return "its columns are no multiple of 128";
    default:
        return "its columns are no multiple of 256";
    }
}

static whit_status settle_blocks(whit_plan *p, size_t i, wh_choice *choice, whit_error *err)
{
    const whit_source_tensor *s = whit_source_at(p->source, i);
    wh_gguf_tensor *t = &p->gguf->tensor[i];
    const whit_block wanted = choice->scheme.block;
    if (!whit_block_describe(wanted)->encodes) return refuse(&choice->scheme, err);
    whit_status st = wh_stored_decodes(p->source, i, err);
    if (st != WHIT_OK) return st;
    const whit_block block = wh_block_fallback(wanted, t->cols);
    if (block != wanted) {
        choice->fallback = 1;
        choice->reason = not_whole(wanted);
    }
    if (s->stored == WHIT_BLOCKS && s->tensor.block == block) { /* nothing is lost twice */
        choice->scheme = (whit_scheme){ .kind = WHIT_KEEP, .scale_type = WHIT_F32 };
        if (!choice->reason) choice->reason = "of that type";
        return WHIT_OK;
    }
    wh_stored_count(p, s);
    choice->scheme = block_scheme(block);
    if (block != WHIT_BLOCK_NONE) return find_importance(p, t, block, err);
    choice->scheme = (whit_scheme){ .kind = WHIT_TO_F16, .scale_type = WHIT_F32 };
    return WHIT_OK;
}

/* The plain type of a tensor that is not to be blocks. */
static whit_dtype plain_type(const whit_source_tensor *s, const wh_gguf_tensor *t, whit_kind kind)
{
    if (t->vector) return WHIT_F32;
    if (kind == WHIT_TO_F16 || kind == WHIT_TO_BF16)
        return kind == WHIT_TO_F16 ? WHIT_F16 : WHIT_BF16;
    if (kind == WHIT_KEEP && (s->stored == WHIT_F16 || s->stored == WHIT_BF16)) return s->stored;
    return WHIT_F32;
}

static whit_status settle_plain(whit_plan *p, size_t i, wh_choice *choice, whit_error *err)
{
    const whit_source_tensor *s = whit_source_at(p->source, i);
    const wh_gguf_tensor *t = &p->gguf->tensor[i];
    const int kept = choice->scheme.kind == WHIT_KEEP;
    if (kept && !p->gguf->converts) return WHIT_OK; /* whatever it is */
    const whit_dtype type = plain_type(s, t, choice->scheme.kind);
    whit_status st = wh_stored_decodes(p->source, i, err);
    if (st != WHIT_OK) return st;
    if (t->vector && (choice->scheme.kind == WHIT_TO_F16 || choice->scheme.kind == WHIT_TO_BF16)) {
        choice->fallback = 1; /* engines want it as F32 */
        choice->reason = "1-dimensional";
    }
    p->decoded += kept && whit_scheme_is_quantized(&s->scheme);
    if (type == s->stored && t->heads == 0) {
        choice->scheme.kind = WHIT_KEEP;
        if (!choice->reason) choice->reason = t->vector ? "1-dimensional" : "of that type";
        return WHIT_OK;
    }
    choice->scheme = (whit_scheme){ .kind = type == WHIT_F16    ? WHIT_TO_F16
                                            : type == WHIT_BF16 ? WHIT_TO_BF16
                                                                : WHIT_TO_F32,
                                    .scale_type = WHIT_F32 };
    return WHIT_OK;
}

whit_status wh_gguf_settle(whit_plan *p, size_t i, wh_choice *choice, whit_error *err)
{
    if (!p->gguf->tensor[i].name) {
        *choice = (wh_choice){ .scheme = { .kind = WHIT_KEEP, .scale_type = WHIT_F32 },
                               .reason = p->gguf->tensor[i].dropped };
        return WHIT_OK;
    }
    if (choice->scheme.kind == WHIT_MXFP4) choice->scheme = block_scheme(WHIT_BLOCK_MXFP4);
    if (choice->scheme.kind == WHIT_GGUF) return settle_blocks(p, i, choice, err);
    if (whit_scheme_is_quantized(&choice->scheme)) return refuse(&choice->scheme, err);
    return settle_plain(p, i, choice, err);
}

uint64_t wh_gguf_weighed(const whit_plan *p)
{
    uint64_t n = 0;
    for (size_t i = 0; i < p->count; i++) n += p->gguf->tensor[i].importance != NULL;
    return n;
}

void wh_gguf_tiles(const whit_plan *p, size_t i, uint64_t *rows, uint64_t *cols, uint64_t *unit)
{
    const whit_plan_entry *e = &p->entry[i];
    const wh_gguf_tensor *t = &p->gguf->tensor[i];
    if (e->scheme.kind != WHIT_GGUF) {
        *unit = t->heads && e->source->rows == 1 ? e->source->cols : 1;
        return;
    }
    *rows = t->rows;
    *cols = t->cols;
    *unit = t->importance && weighs_by_row(e->scheme.block)
                ? t->cols
                : whit_block_describe(e->scheme.block)->weights;
}
