/* src/bench/parse.c - the lists of the bench's options: types, shapes, numbers of tokens.
 *
 * SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define MOST_SIDE ((uint64_t)1 << 24)
#define MOST_TOKENS ((uint64_t)1 << 20)
#define PART 64 /* octets of a part, at most */
#define GGUF "gguf:"

/* Reads one part into *item (of the list's element type). */
typedef whit_status read_fn(const char *part, void *item, whit_error *err);

static whit_status read_list(const char *text, size_t size, read_fn *read, void **out,
                             size_t *count, whit_error *err)
{
    size_t n = 1;
    whit_status st = WHIT_OK;
    for (const char *p = text; *p; p++) n += *p == ',';
    char *items = wh_calloc(n, size);
    *out = NULL;
    *count = 0;
    if (!items) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a list");
    for (size_t i = 0; i < n && st == WHIT_OK; i++) {
        char part[PART];
        const size_t len = strcspn(text, ",");
        snprintf(part, sizeof part, "%.*s", len < PART ? (int)len : PART - 1, text);
        st = len < PART ? read(part, items + i * size, err)
                        : wh_fail(err, WHIT_ERR_ARG, "'%s..' is too long", part);
        text += len + 1;
    }
    if (st != WHIT_OK) {
        free(items);
        return st;
    }
    *out = items;
    *count = n;
    return WHIT_OK;
}

static whit_status read_type(const char *part, void *item, whit_error *err)
{
    whit_scheme *s = item;
    whit_status st = WHIT_OK;
    if (strncmp(part, GGUF, sizeof GGUF - 1) == 0) {
        *s = (whit_scheme){ .kind = WHIT_GGUF, .scale_type = WHIT_F32 };
        s->block = whit_block_parse(part + sizeof GGUF - 1);
        if (s->block == WHIT_BLOCK_NONE)
            st = wh_fail(err, WHIT_ERR_ARG, "'%s' is no type of GGUF; try: " GGUF "mxfp4", part);
        return st;
    }
    st = whit_scheme_parse(s, part, err);
    if (st == WHIT_OK && s->kind == WHIT_KEEP)
        st = wh_fail(err, WHIT_ERR_ARG, "'%s' is no type of weights; try: int4-g128 or f16", part);
    return st;
}

const char *wh_type_print(const whit_scheme *type, char buf[WHIT_SCHEME_TEXT])
{
    whit_scheme read;
    whit_scheme_print(type, buf);
    if (type->kind != WHIT_GGUF || !whit_block_describe(type->block)) return buf;
    if (whit_scheme_parse(&read, buf, NULL) != WHIT_OK || read.kind != WHIT_GGUF)
        snprintf(buf, WHIT_SCHEME_TEXT, GGUF "%s", whit_block_describe(type->block)->lower);
    return buf;
}

/* Digits from *p on, 1..most. */
static int read_number(const char **p, uint64_t most, uint64_t *out)
{
    uint64_t n = 0;
    const char *start = *p;
    for (; **p >= '0' && **p <= '9' && n <= most; (*p)++) n = n * 10 + (uint64_t)(**p - '0');
    *out = n;
    return *p != start && n >= 1 && n <= most;
}

static whit_status read_shape(const char *part, void *item, whit_error *err)
{
    wh_sides *s = item;
    const char *p = part;
    if (read_number(&p, MOST_SIDE, &s->rows) && (*p == 'x' || *p == 'X') &&
        (p++, read_number(&p, MOST_SIDE, &s->cols)) && !*p)
        return WHIT_OK;
    return wh_fail(err, WHIT_ERR_ARG,
                   "'%s' is no shape; try: rows x columns such as 4096x11008, each up to %" PRIu64,
                   part, MOST_SIDE);
}

static whit_status read_tokens(const char *part, void *item, whit_error *err)
{
    const char *p = part;
    if (read_number(&p, MOST_TOKENS, item) && !*p) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_ARG, "'%s' is no number of tokens; try: 1 to %" PRIu64, part,
                   MOST_TOKENS);
}

whit_status wh_list_types(const char *text, whit_scheme **out, size_t *count, whit_error *err)
{
    void *items;
    whit_status st = read_list(text, sizeof **out, read_type, &items, count, err);
    *out = items;
    return st;
}

whit_status wh_list_shapes(const char *text, wh_sides **out, size_t *count, whit_error *err)
{
    void *items;
    whit_status st = read_list(text, sizeof **out, read_shape, &items, count, err);
    *out = items;
    return st;
}

whit_status wh_list_tokens(const char *text, uint64_t **out, size_t *count, whit_error *err)
{
    void *items;
    whit_status st = read_list(text, sizeof **out, read_tokens, &items, count, err);
    *out = items;
    return st;
}
