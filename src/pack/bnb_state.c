/* src/pack/bnb_state.c - the text beside 4-bit codes of bitsandbytes that says what they are:
 *
 *   {"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [O, I]}
 *
 * and where scales are quantized in turn, behind the shape
 *
 *   "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.0280761719
 *
 * We fill the offset up with spaces, so that the length of the text is known before its value.
 *
 * Source: bitsandbytes-foundation/bitsandbytes, bitsandbytes/functional.py (QuantState).
 * SPDX-License-Identifier: MIT */
#include "pack/bnb_state.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

#define OFFSET_WIDTH 15 /* -1.23456789e-05 */

static const struct {
    const char *name;
    whit_dtype dtype;
} dtypes[] = { { "float32", WHIT_F32 }, { "float16", WHIT_F16 }, { "bfloat16", WHIT_BF16 } };
#define DTYPES (sizeof dtypes / sizeof dtypes[0])

#define HEAD 512 /* octets: names, 8 dimensions of 20 digits and their commas, two block sizes */

/* All but the offset and the closing bracket; returns its length. */
static size_t head(const wh_bnb_state *s, char text[HEAD])
{
    size_t k = 0, n;
    while (k + 1 < DTYPES && dtypes[k].dtype != s->dtype) k++;
    n = (size_t)snprintf(text, HEAD,
                         "{\"quant_type\": \"%s\", \"blocksize\": %" PRIu64
                         ", \"dtype\": \"%s\", \"shape\": [",
                         s->kind == WHIT_NF4 ? "nf4" : "fp4", s->blocksize, dtypes[k].name);
    for (uint32_t d = 0; d < s->rank; d++)
        n += (size_t)snprintf(text + n, HEAD - n, "%s%" PRIu64, d ? ", " : "", s->shape[d]);
    n += (size_t)snprintf(text + n, HEAD - n, "]");
    if (s->nested)
        n += (size_t)snprintf(text + n, HEAD - n,
                              ", \"nested_blocksize\": %" PRIu64 ", \"nested_dtype\": \"float32\", "
                              "\"nested_offset\": ",
                              s->nested_blocksize);
    return n;
}

size_t wh_bnb_state_length(const wh_bnb_state *s)
{
    char text[HEAD];
    return head(s, text) + (s->nested ? OFFSET_WIDTH : 0) + 1;
}

void wh_bnb_state_put(wh_buf *b, const wh_bnb_state *s)
{
    char text[HEAD];
    wh_buf_put(b, text, head(s, text));
    if (s->nested) {
        const size_t from = b->len;
        wh_json_put_double(b, (double)s->offset);
        while (!b->failed && b->len < from + OFFSET_WIDTH) wh_buf_puts(b, " ");
    }
    wh_buf_puts(b, "}");
}

/* ---- reading --------------------------------------------------------------------------------- */

enum {
    TYPE = 1,
    BLOCKSIZE = 2,
    DTYPE = 4,
    SHAPE = 8,
    NESTED_SIZE = 16,
    NESTED_DTYPE = 32,
    OFFSET = 64
};

static const struct {
    const char *key;
    unsigned bit;
} members[] = { { "quant_type", TYPE },
                { "blocksize", BLOCKSIZE },
                { "dtype", DTYPE },
                { "shape", SHAPE },
                { "nested_blocksize", NESTED_SIZE },
                { "nested_dtype", NESTED_DTYPE },
                { "nested_offset", OFFSET } };

static unsigned member_of(const char *key)
{
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (strcmp(key, members[i].key) == 0) return members[i].bit;
    return 0;
}

static const char *read_shape(wh_json *j, wh_bnb_state *s)
{
    if (wh_json_next(j) != WH_JSON_ARRAY) return "its shape is no array";
    for (s->rank = 0;; s->rank++) {
        const wh_json_token token = wh_json_next(j);
        if (token == WH_JSON_ARRAY_END) return NULL;
        if (s->rank == WHIT_MAX_RANK || token != WH_JSON_NUMBER ||
            !wh_json_u64(j, &s->shape[s->rank]))
            return "its shape is not up to 8 whole numbers";
    }
}

static const char *read_size(wh_json *j, uint64_t *out)
{
    if (wh_json_next(j) == WH_JSON_NUMBER && wh_json_u64(j, out) && *out > 0) return NULL;
    return "a block size is no whole number above 0";
}

static const char *read_offset(wh_json *j, float *out)
{
    double v;
    if (wh_json_next(j) != WH_JSON_NUMBER || !wh_json_f64(j, &v) || !isfinite((float)v))
        return "nested_offset is no finite number";
    *out = (float)v;
    return NULL;
}

static const char *read_text(wh_json *j, unsigned member, wh_bnb_state *s)
{
    if (wh_json_next(j) != WH_JSON_STRING) return "a type is no string";
    if (member == TYPE) {
        s->kind = strcmp(j->text, "nf4") == 0   ? WHIT_NF4
                  : strcmp(j->text, "fp4") == 0 ? WHIT_FP4BNB
                                                : WHIT_KEEP;
        return s->kind == WHIT_KEEP ? "its quant_type is neither nf4 nor fp4" : NULL;
    }
    size_t k = 0;
    while (k < DTYPES && strcmp(j->text, dtypes[k].name) != 0) k++;
    if (k == DTYPES || (member == NESTED_DTYPE && dtypes[k].dtype != WHIT_F32))
        return "its dtype is none of float32, float16, bfloat16 (nested: float32)";
    if (member == DTYPE) s->dtype = dtypes[k].dtype;
    return NULL;
}

/* The words for what is wrong, or NULL. */
static const char *read_members(wh_json *j, wh_bnb_state *s)
{
    unsigned seen = 0;
    wh_json_token token;
    if (wh_json_next(j) != WH_JSON_OBJECT) return "no JSON object";
    while ((token = wh_json_next(j)) == WH_JSON_KEY) {
        const unsigned member = member_of(j->text);
        const char *wrong = NULL;
        if (member & seen) return "a member is there twice";
        seen |= member;
        if (member == 0)
            wh_json_skip(j, token); /* of later versions */
        else if (member == SHAPE)
            wrong = read_shape(j, s);
        else if (member == OFFSET)
            wrong = read_offset(j, &s->offset);
        else if (member & (BLOCKSIZE | NESTED_SIZE))
            wrong = read_size(j, member == BLOCKSIZE ? &s->blocksize : &s->nested_blocksize);
        else
            wrong = read_text(j, member, s);
        if (wrong) return wrong;
    }
    if (token != WH_JSON_OBJECT_END || wh_json_next(j) != WH_JSON_END) return "no JSON";
    s->nested = (seen & (NESTED_SIZE | NESTED_DTYPE | OFFSET)) != 0;
    const unsigned need = (unsigned)(TYPE | BLOCKSIZE | DTYPE | SHAPE) |
                          (s->nested ? (unsigned)(NESTED_SIZE | NESTED_DTYPE | OFFSET) : 0u);
    return (seen & need) == need ? NULL : "a member is missing";
}

whit_status wh_bnb_state_parse(wh_bnb_state *out, const char *text, size_t len, whit_error *err)
{
    wh_json j;
    *out = (wh_bnb_state){ .kind = WHIT_KEEP };
    wh_json_init(&j, text, len);
    const char *wrong = read_members(&j, out);
    const char *problem = j.problem;
    const int nomem = j.nomem;
    wh_json_free(&j);
    if (nomem) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the quant_state");
    if (!wrong) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_FORMAT, "quant_state: %s", problem ? problem : wrong);
}
