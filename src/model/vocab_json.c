/* src/model/vocab_json.c - tokenizer.json of the tokenizers library: the file and its model.
 *
 *   { "added_tokens": [ {"id": 0, "content": "<s>", "special": true, ..}, .. ],
 *     "normalizer": .., "pre_tokenizer": .., "post_processor": .., "decoder": ..,
 *     "model": { "type": "BPE", "vocab": { TOKEN: ID, .. }, "merges": [ "A B" or ["A", "B"], .. ],
 *                "unk_token": .., "byte_fallback": .., "fuse_unk": .., "ignore_merges": .. } }
 *
 * Members stand in any order: what needs the tokens is kept as a stretch of text until they are
 * there. Ids may have holes, and added tokens may lie beyond the vocabulary or name tokens of it.
 *
 * Not here: added tokens (vocab_added.c); what the components mean (vocab_rules.c); the other files
 * of a folder (vocab_folder.c).
 * Source: huggingface/tokenizers.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "io/io.h"
#include "model/vocab_json.h"

/* ---- what is used for each part -------------------------------------------------------------- */

whit_status wh_tj_bad(const wh_tj *r, const char *name, const char *what, whit_error *err)
{
    return wh_vocab_bad_json(r->m, r->json, name, what, err);
}

whit_status wh_tj_bool(const wh_tj *r, const char *name, unsigned char *out, whit_error *err)
{
    wh_json_token token = wh_json_next(r->json);
    if (token != WH_JSON_TRUE && token != WH_JSON_FALSE && token != WH_JSON_NULL)
        return wh_tj_bad(r, name, "is neither true nor false", err);
    *out = token == WH_JSON_TRUE;
    return WHIT_OK;
}

whit_status wh_tj_text(const wh_tj *r, const char *name, const char **out, whit_error *err)
{
    wh_json_token token = wh_json_next(r->json);
    if (token == WH_JSON_NULL) return WHIT_OK;
    if (token != WH_JSON_STRING) return wh_tj_bad(r, name, "is no text", err);
    *out = wh_vocab_text(r->m->v, r->json->text, r->json->text_len);
    return *out ? WHIT_OK : wh_vocab_no_memory(r->m, err);
}

whit_status wh_tj_member(wh_tj *r, const char *where, const char *const *names, size_t count,
                         size_t *which, whit_error *err)
{
    *which = 0;
    while (*which < count && strcmp(names[*which], r->json->text) != 0) ++*which;
    if (*which == count) return WHIT_OK;
    if (r->seen >> *which & 1) return wh_tj_bad(r, where, "a member is there twice", err);
    r->seen |= 1u << *which;
    return WHIT_OK;
}

/* ---- the vocabulary and the merges ----------------------------------------------------------- */

static whit_status read_vocab(wh_tj *r, whit_error *err)
{
    whit_status st = WHIT_OK;
    wh_json *j = r->json;
    wh_json_token token = wh_json_next(j);
    uint64_t id;
    if (token == WH_JSON_ARRAY) /* of [token, score] */
        return wh_vocab_unsupported(r->m, "model", "is Unigram; only BPE is read", err);
    if (token != WH_JSON_OBJECT) return wh_tj_bad(r, "model", "vocab is no object", err);
    while (st == WHIT_OK && (token = wh_json_next(j)) != WH_JSON_OBJECT_END) {
        if (token != WH_JSON_KEY) return wh_tj_bad(r, "vocab", "does not end", err);
        r->m->scratch.len = 0;
        wh_buf_put(&r->m->scratch, j->text, j->text_len);
        if (r->m->scratch.failed) return wh_vocab_no_memory(r->m, err);
        if (wh_json_next(j) != WH_JSON_NUMBER || !wh_json_u64(j, &id))
            return wh_tj_bad(r, r->m->scratch.data, "its id is no whole number", err);
        st = wh_vocab_put(r->m, id, r->m->scratch.data, r->m->scratch.len, WH_TOKEN_NORMAL, 0.0f,
                          err);
    }
    return st;
}

/* ["A", "B"], behind the opening bracket. */
static whit_status read_pair(wh_tj *r, whit_error *err)
{
    static const char what[] = "one of the merges is no pair";
    wh_json *j = r->json;
    if (wh_json_next(j) != WH_JSON_STRING) return wh_tj_bad(r, "merges", what, err);
    const size_t left_len = j->text_len;
    char *left = wh_strndup(j->text, left_len);
    if (!left) return wh_vocab_no_memory(r->m, err);
    whit_status st = wh_json_next(j) == WH_JSON_STRING
                         ? wh_vocab_put_merge2(r->m, left, left_len, j->text, j->text_len, err)
                         : wh_tj_bad(r, "merges", what, err);
    free(left);
    if (st == WHIT_OK && wh_json_next(j) != WH_JSON_ARRAY_END)
        st = wh_tj_bad(r, "merges", what, err);
    return st;
}

static whit_status read_merges(wh_tj *r, whit_error *err)
{
    whit_status st = WHIT_OK;
    wh_json_token token;
    if (wh_json_next(r->json) != WH_JSON_ARRAY)
        return wh_tj_bad(r, "model", "merges are no list", err);
    while (st == WHIT_OK && (token = wh_json_next(r->json)) != WH_JSON_ARRAY_END) {
        if (token == WH_JSON_STRING)
            st = wh_vocab_put_merge(r->m, r->json->text, r->json->text_len, err);
        else
            st = token == WH_JSON_ARRAY ? read_pair(r, err)
                                        : wh_tj_bad(r, "merges", "one of them is no pair", err);
    }
    return st;
}

/* ---- the model ------------------------------------------------------------------------------- */

enum { TYPE, VOCAB, MERGES, UNK, BYTE_FALLBACK, FUSE_UNK, IGNORE_MERGES, DROPOUT, PREFIX, SUFFIX };

static const char *const model_members[] = {
    "type",
    "vocab",
    "merges",
    "unk_token",
    "byte_fallback",
    "fuse_unk",
    "ignore_merges",
    "dropout",
    "continuing_subword_prefix",
    "end_of_word_suffix",
};
#define MODEL_MEMBERS (sizeof model_members / sizeof model_members[0])

/* What marks parts of words must not be there, and no merge may be left out by chance. */
static whit_status read_nothing(const wh_tj *r, const char *name, whit_error *err)
{
    wh_json_token token = wh_json_next(r->json);
    if (token == WH_JSON_NULL) return WHIT_OK;
    if (token == WH_JSON_STRING && r->json->text_len == 0) return WHIT_OK;
    if (token == WH_JSON_NUMBER && strspn(r->json->text, "0.") == r->json->text_len) return WHIT_OK;
    if (r->json->problem) return wh_tj_bad(r, name, "", err);
    return wh_vocab_unsupported(r->m, name, "is set in the model; only BPE without it is read",
                                err);
}

static whit_status read_type(wh_tj *r, whit_error *err)
{
    const char *type = NULL;
    char shortened[WH_SHORT];
    whit_status st = wh_tj_text(r, "type", &type, err);
    if (st != WHIT_OK || !type || strcmp(type, "BPE") == 0) return st;
    return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: model is %s; only BPE is read", r->m->label,
                   wh_short(shortened, type));
}

static whit_status read_model_member(wh_tj *r, size_t which, whit_error *err)
{
    const char *name = model_members[which];
    const size_t start = r->json->pos;
    switch (which) {
    case TYPE:
        return read_type(r, err);
    case VOCAB:
        return read_vocab(r, err);
    case UNK:
        return wh_tj_text(r, name, &r->unk, err);
    case BYTE_FALLBACK:
        return wh_tj_bool(r, name, &r->byte_fallback, err);
    case FUSE_UNK:
        return wh_tj_bool(r, name, &r->fuse_unk, err);
    case IGNORE_MERGES:
        return wh_tj_bool(r, name, &r->ignore_merges, err);
    case MERGES:
        if (r->seen & 1u << VOCAB) return read_merges(r, err);
        if (!wh_json_skip(r->json, WH_JSON_KEY)) return wh_tj_bad(r, name, "", err);
        r->merges = (wh_json_span){ r->json->src + start, r->json->pos - start };
        return WHIT_OK;
    default:
        return read_nothing(r, name, err);
    }
}

/* A stretch of text that was kept, with a parser of its own. */
static whit_status read_span(wh_tj *r, wh_json_span span,
                             whit_status (*read)(wh_tj *r, whit_error *err), whit_error *err)
{
    wh_json *whole = r->json, part;
    if (!span.src) return WHIT_OK;
    wh_json_init(&part, span.src, span.len);
    r->json = &part;
    whit_status st = read(r, err);
    wh_json_free(&part);
    r->json = whole;
    return st;
}

static whit_status read_model(wh_tj *r, whit_error *err)
{
    whit_status st = WHIT_OK;
    wh_json_token token;
    size_t which;
    char name[WH_SHORT];
    r->seen = 0;
    if (wh_json_next(r->json) != WH_JSON_OBJECT) return wh_tj_bad(r, "model", "is no object", err);
    while (st == WHIT_OK && (token = wh_json_next(r->json)) != WH_JSON_OBJECT_END) {
        if (token != WH_JSON_KEY) return wh_tj_bad(r, "model", "does not end", err);
        st = wh_tj_member(r, "model", model_members, MODEL_MEMBERS, &which, err);
        if (st == WHIT_OK && which == MODEL_MEMBERS)
            return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                           "%s: model: member \"%s\" is not known; ids could differ", r->m->label,
                           wh_short(name, r->json->text));
        if (st == WHIT_OK) st = read_model_member(r, which, err);
    }
    if (st == WHIT_OK && !(r->seen & 1u << VOCAB))
        return wh_tj_bad(r, "model", "has no vocab", err);
    if (st == WHIT_OK && !(r->seen & 1u << MERGES))
        return wh_vocab_unsupported(r->m, "model", "has no merges: it is not BPE", err);
    return st == WHIT_OK ? read_span(r, r->merges, read_merges, err) : st;
}

/* ---- the file -------------------------------------------------------------------------------- */

enum { NORMALIZER, PRE_TOKENIZER, DECODER, POST_PROCESSOR, MODEL, ADDED };

static const char *const top_members[] = {
    "normalizer", "pre_tokenizer", "decoder", "post_processor", "model", "added_tokens",
};
#define TOP_MEMBERS (sizeof top_members / sizeof top_members[0])

/* Members that say nothing about ids (version, truncation, padding) are passed over. */
static whit_status read_top(wh_tj *r, whit_error *err)
{
    wh_parts *const parts[] = { &r->rules.normalizer, &r->rules.pre_tokenizer, &r->rules.decoder,
                                &r->rules.post_processor };
    whit_status st = WHIT_OK;
    wh_json_token token;
    size_t which;
    if (wh_json_next(r->json) != WH_JSON_OBJECT)
        return wh_tj_bad(r, NULL, "is no tokenizer.json: no object", err);
    while (st == WHIT_OK && (token = wh_json_next(r->json)) != WH_JSON_OBJECT_END) {
        if (token != WH_JSON_KEY) return wh_tj_bad(r, NULL, "does not end", err);
        st = wh_tj_member(r, "tokenizer", top_members, TOP_MEMBERS, &which, err);
        if (st != WHIT_OK) return st;
        const size_t start = r->json->pos;
        if (which < MODEL) {
            st = wh_parts_read(r->m, r->json, top_members[which], parts[which], err);
            continue;
        }
        if (!wh_json_skip(r->json, WH_JSON_KEY)) return wh_tj_bad(r, NULL, "", err);
        const wh_json_span span = { r->json->src + start, r->json->pos - start };
        if (which == MODEL) r->model = span;
        if (which == ADDED) r->added = span;
    }
    if (st == WHIT_OK && wh_json_next(r->json) != WH_JSON_END) return wh_tj_bad(r, NULL, "", err);
    if (st == WHIT_OK && !r->model.src)
        return wh_tj_bad(r, NULL, "is no tokenizer.json: it has no model", err);
    return st;
}

whit_status wh_vocab_load_json(wh_vocab_maker *m, const char *path, whit_error *err)
{
    char *text = NULL;
    size_t len = 0;
    wh_json json;
    wh_tj r = { .m = m, .json = &json };
    whit_status st = wh_file_slurp(path, WH_VOCAB_MAX_FILE, &text, &len, err);
    wh_json_init(&json, text, len);
    wh_vocab_bound(m, len);
    if (st == WHIT_OK) st = read_top(&r, err);
    if (st == WHIT_OK) st = read_span(&r, r.model, read_model, err); /* its type is named first */
    if (st == WHIT_OK) st = wh_rules_words(m, &r.rules, err);
    if (st == WHIT_OK) st = read_span(&r, r.added, wh_tj_added, err);
    if (st == WHIT_OK) st = wh_tj_settle(&r, err);
    if (st == WHIT_OK) st = wh_rules_around(m, &r.rules, err);
    wh_json_free(&json);
    free(r.rules.normalizer.part);
    free(r.rules.pre_tokenizer.part);
    free(r.rules.decoder.part);
    free(r.rules.post_processor.part);
    free(text);
    return st;
}
