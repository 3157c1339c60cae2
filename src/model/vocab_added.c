/* src/model/vocab_added.c - the added tokens of a tokenizer.json, and what follows from all of it:
 * types, scores, names.
 *
 * Source: huggingface/tokenizers; ggml-org/llama.cpp, convert_hf_to_gguf.py (types of tokens).
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/mem.h"
#include "model/vocab_json.h"

/* ---- added tokens ---------------------------------------------------------------------------- */

enum { ID, CONTENT, SINGLE_WORD, LSTRIP, RSTRIP, NORMALIZED, SPECIAL };

static const char *const added_members[] = {
    "id", "content", "single_word", "lstrip", "rstrip", "normalized", "special",
};
#define ADDED_MEMBERS (sizeof added_members / sizeof added_members[0])

/* Shaped like a chat template's marks: control, even where nobody says so. */
static int looks_special(const char *text, size_t len)
{
    return len > 4 && strncmp(text, "<|", 2) == 0 && strcmp(text + len - 2, "|>") == 0;
}

/* The token itself: in the vocabulary already, under this id, or new. */
static whit_status place(wh_vocab_maker *m, const wh_added *a, whit_error *err)
{
    wh_vocab *v = m->v;
    const int control = a->special || looks_special(a->text, a->len);
    const wh_token_type type = control ? WH_TOKEN_CONTROL : WH_TOKEN_USER;
    const int64_t there = wh_vocab_find(v, a->text, a->len);
    if (there < 0) return wh_vocab_put(m, a->id, a->text, a->len, type, 0.0f, err);
    if (there != (int64_t)a->id)
        return wh_vocab_bad(m, a->text, "the added token has another id in the vocabulary", err);
    if (v->token[there].type != WH_TOKEN_UNKNOWN) v->token[there].type = type;
    return WHIT_OK;
}

whit_status wh_tj_place(wh_vocab_maker *m, const wh_added *a, whit_error *err)
{
    whit_status st = place(m, a, err);
    return st == WHIT_OK ? wh_vocab_put_added(m, a, err) : st;
}

static whit_status read_added_member(const wh_tj *r, size_t which, wh_added *a, whit_error *err)
{
    unsigned char *const flags[ADDED_MEMBERS] = {
        NULL, NULL, &a->single_word, &a->lstrip, &a->rstrip, &a->normalized, &a->special,
    };
    uint64_t id;
    if (which == CONTENT) {
        whit_status st = wh_tj_text(r, "added token", &a->text, err);
        if (st == WHIT_OK && !a->text)
            return wh_tj_bad(r, "added_tokens", "one has no content", err);
        if (st == WHIT_OK) a->len = (uint32_t)r->json->text_len;
        return st;
    }
    if (which != ID) return wh_tj_bool(r, "added token", flags[which], err);
    if (wh_json_next(r->json) != WH_JSON_NUMBER || !wh_json_u64(r->json, &id) ||
        id >= WH_VOCAB_MOST)
        return wh_tj_bad(r, "added_tokens", "an id is no whole number, or too high", err);
    a->id = (uint32_t)id;
    return WHIT_OK;
}

whit_status wh_tj_added_object(wh_tj *r, const uint32_t *id, whit_error *err)
{
    wh_added a = { .id = id ? *id : 0, .text = NULL };
    whit_status st = WHIT_OK;
    wh_json_token token;
    size_t which;
    r->seen = id ? 1u << ID : 0u;
    while (st == WHIT_OK && (token = wh_json_next(r->json)) != WH_JSON_OBJECT_END) {
        if (token != WH_JSON_KEY) return wh_tj_bad(r, "added token", "does not end", err);
        st = wh_tj_member(r, "added token", added_members, ADDED_MEMBERS, &which, err);
        if (st == WHIT_OK && which == ADDED_MEMBERS)
            return wh_vocab_unsupported(r->m, r->json->text, "no known member of an added token",
                                        err);
        if (st == WHIT_OK) st = read_added_member(r, which, &a, err);
    }
    if (st == WHIT_OK && (~r->seen & (1u << ID | 1u << CONTENT)))
        return wh_tj_bad(r, "added token", "has no id or no content", err);
    return st == WHIT_OK ? wh_tj_place(r->m, &a, err) : st;
}

whit_status wh_tj_added(wh_tj *r, whit_error *err)
{
    whit_status st = WHIT_OK;
    wh_json_token token;
    if (wh_json_next(r->json) != WH_JSON_ARRAY)
        return wh_tj_bad(r, "added_tokens", "is no list", err);
    while (st == WHIT_OK && (token = wh_json_next(r->json)) != WH_JSON_ARRAY_END)
        st = token == WH_JSON_OBJECT ? wh_tj_added_object(r, NULL, err)
                                     : wh_tj_bad(r, "added_tokens", "one is no object", err);
    return st;
}

/* ---- what follows from all of it ------------------------------------------------------------- */

/* Octets of their own, and user-defined texts with spaces, as SentencePiece and GGUF have them. */
static whit_status settle_spm(wh_vocab_maker *m, whit_error *err)
{
    wh_vocab *v = m->v;
    for (uint32_t i = 0; i < v->count; i++) {
        wh_token *t = &v->token[i];
        if (t->text && t->type == WH_TOKEN_NORMAL && wh_vocab_octet(t) >= 0)
            t->type = WH_TOKEN_BYTE;
        if (!t->text || t->type != WH_TOKEN_USER || !strstr(t->text, WH_SPACE_MARK)) continue;
        m->scratch.len = 0;
        for (const char *p = t->text, *mark; *p; p = mark) {
            mark = strstr(p, WH_SPACE_MARK);
            wh_buf_put(&m->scratch, p, mark ? (size_t)(mark - p) : strlen(p));
            if (!mark) break;
            wh_buf_put(&m->scratch, " ", 1);
            mark += WH_SPACE_MARK_LEN;
        }
        t->len = (uint32_t)m->scratch.len;
        t->text = m->scratch.failed ? NULL : wh_vocab_text(v, m->scratch.data, m->scratch.len);
        if (!t->text) return wh_vocab_no_memory(m, err);
    }
    return WHIT_OK;
}

whit_status wh_tj_settle(wh_tj *r, whit_error *err)
{
    wh_vocab *v = r->m->v;
    v->byte_fallback = r->byte_fallback;
    v->fuse_unk = r->fuse_unk;
    v->ignore_merges = r->ignore_merges;
    if (r->unk) {
        v->special[WH_SPECIAL_UNK] = wh_vocab_find(v, r->unk, strlen(r->unk));
        if (v->special[WH_SPECIAL_UNK] < 0)
            return wh_vocab_bad(r->m, r->unk, "is the unk_token, but not in the vocabulary", err);
    }
    v->pre = v->kind == WH_VOCAB_SPM ? "default" : wh_pre_name(v->split, v->ignore_merges, v->nfc);
    if (v->kind == WH_VOCAB_BPE) {
        const wh_pre_row *row = wh_pre_find(v->pre);
        if (row->ignore_merges != v->ignore_merges || row->nfc != v->nfc)
            wh_lines_add(&v->notes,
                         "%s: no name of GGUF stands for this pre-tokenizer with %s merges and "
                         "%s; %s is the nearest",
                         r->m->label, v->ignore_merges ? "ignored" : "heeded",
                         v->nfc ? "NFC" : "no normalizer", v->pre);
        return WHIT_OK;
    }
    if (v->ignore_merges)
        return wh_vocab_unsupported(r->m, "model", "ignore_merges in a SentencePiece vocabulary",
                                    err);
    whit_status st = settle_spm(r->m, err);
    if (st != WHIT_OK) return st;
    if (v->special[WH_SPECIAL_UNK] >= 0)
        v->token[v->special[WH_SPECIAL_UNK]].type = WH_TOKEN_UNKNOWN;
    wh_vocab_score_by_merges(v);
    v->add_space_prefix = v->prefix != WH_PREFIX_NEVER;
    return WHIT_OK;
}
