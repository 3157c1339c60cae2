/* src/bench/model.c - the matrices that a model multiplies for each token, by type and shape.
 *
 * Names decide, by the built-in selection of the plan (rules.c): embeddings are looked up, not
 * multiplied, but where no output head is stored the largest of them is the head. Experts are all
 * counted, although a token meets few of them.
 *
 * SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/rules.h"

static int is_embedding(const char *reason)
{
    return reason && strcmp(reason, "embedding") == 0;
}

/* Why a tensor is not multiplied; NULL: it is. `reason` is why the plan would keep it, or NULL. */
static const char *idle(const whit_source_tensor *t, const char *reason, int head)
{
    const int plain = t->stored == WHIT_F32 || t->stored == WHIT_F16 || t->stored == WHIT_BF16;
    if (t->tensor.rank < 2) return "fewer than two dimensions";
    if (t->tensor.elements == 0) return "empty";
    if (!whit_scheme_is_quantized(&t->scheme) && !plain) return "no type of weights";
    if (is_embedding(reason) && !head) return "embedding, looked up";
    return NULL;
}

whit_scheme wh_stored_scheme(const whit_source_tensor *t)
{
    whit_scheme s = { .kind = WHIT_TO_F32 };
    if (whit_scheme_is_quantized(&t->scheme)) return t->scheme;
    if (t->stored == WHIT_F16) s.kind = WHIT_TO_F16;
    if (t->stored == WHIT_BF16) s.kind = WHIT_TO_BF16;
    return s;
}

static void count_tensor(wh_item *item, size_t *count, const whit_source_tensor *t, size_t index)
{
    const whit_scheme s = wh_stored_scheme(t);
    char text[WHIT_SCHEME_TEXT], other[WHIT_SCHEME_TEXT];
    whit_scheme_print(&s, text);
    for (size_t i = 0; i < *count; i++) {
        whit_scheme_print(&item[i].scheme, other);
        if (item[i].rows != t->rows || item[i].cols != t->cols || strcmp(text, other) != 0)
            continue;
        item[i].count++;
        return;
    }
    item[(*count)++] =
        (wh_item){ .scheme = s, .rows = t->rows, .cols = t->cols, .count = 1, .index = index };
}

/* Why the built-in selection would keep each tensor (static texts, or NULL), and which embedding is
 * the output head: WHIT_NOT_FOUND where there is a head of its own. */
static whit_status reasons(const whit_source *source, const char **reason, size_t *tied,
                           whit_error *err)
{
    uint64_t most = 0;
    int head_stored = 0;
    wh_rules *rules = NULL;
    whit_status st = wh_rules_make(&rules, "int8-channel", NULL, NULL, NULL, 0, err);
    *tied = WHIT_NOT_FOUND;
    for (size_t i = 0; i < whit_source_count(source) && st == WHIT_OK; i++) {
        const whit_tensor *t = &whit_source_at(source, i)->tensor;
        wh_choice choice;
        st = wh_rules_choose(rules, t, &choice, err);
        if (st != WHIT_OK) break;
        reason[i] = choice.reason;
        if (choice.reason && strcmp(choice.reason, "output head") == 0) head_stored = 1;
        if (!is_embedding(choice.reason) || t->elements <= most) continue;
        most = t->elements;
        *tied = i;
    }
    if (head_stored) *tied = WHIT_NOT_FOUND;
    wh_rules_free(rules);
    return st;
}

whit_status wh_model_items(whit_bench *b, wh_item **out, size_t *count, whit_error *err)
{
    const whit_source *source = b->o.model;
    const size_t n = whit_source_count(source);
    const char **reason = wh_calloc(n, sizeof *reason);
    wh_item *item = wh_calloc(n, sizeof *item);
    size_t tied = WHIT_NOT_FOUND;
    whit_status st = WHIT_OK;
    *out = NULL;
    *count = 0;
    if (!reason || !item) st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu tensors", n);
    if (st == WHIT_OK) st = reasons(source, reason, &tied, err);
    for (size_t i = 0; i < n && st == WHIT_OK; i++) {
        const whit_source_tensor *t = whit_source_at(source, i);
        const char *why = idle(t, reason[i], i == tied);
        char name[WH_SHORT];
        if (why)
            wh_lines_add(&b->left_out, "%s: %s", wh_short(name, t->tensor.name), why);
        else
            count_tensor(item, count, t, i);
    }
    if (st == WHIT_OK && b->left_out.failed)
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for names");
    if (st == WHIT_OK && *count == 0)
        st = wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: no matrices to multiply",
                     whit_file_path(whit_source_file(source)));
    free(reason);
    if (st != WHIT_OK) {
        free(item);
        item = NULL;
    }
    *out = item;
    return st;
}
