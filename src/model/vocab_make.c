/* src/model/vocab_make.c - filling a vocabulary, with what holds for all sources: ids and texts
 * there once, merges of tokens that are there, memory in proportion to the file.
 *
 * Not here: what a source looks like (vocab_json.c, vocab_sentencepiece.c, vocab_gguf.c,
 * vocab_llama2c.c).
 * SPDX-License-Identifier: MIT */
#include "model/vocab_make.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "io/io.h"

#define BLOCK 65536u
#define HOLE_SCORE (-10000.0f)
#define NO_MERGE_SCORE (-1e6f)

/* Ids may have holes, and a hole takes memory that no octet of the file stands for: so many are
 * given, the others have to be paid for with octets. */
#define FREE_IDS 65536u
#define BYTES_PER_ID 4u

struct wh_vocab_block {
    struct wh_vocab_block *next;
    size_t used, size;
    char data[];
};

/* ---- begin and end --------------------------------------------------------------------------- */

whit_status wh_vocab_begin(wh_vocab_maker *m, const char *path, whit_error *err)
{
    memset(m, 0, sizeof *m);
    wh_io_label(m->label, path);
    m->limit = FREE_IDS;
    for (int i = 0; i < WH_SPECIAL_COUNT; i++) m->own[i] = -1;
    m->v = wh_calloc(1, sizeof *m->v);
    if (!m->v) return wh_vocab_no_memory(m, err);
    for (int i = 0; i < WH_SPECIAL_COUNT; i++) m->v->special[i] = -1;
    m->v->add_bos = m->v->add_eos = -1;
    m->v->add_space_prefix = m->v->remove_extra_whitespaces = -1;
    return WHIT_OK;
}

void wh_vocab_bound(wh_vocab_maker *m, uint64_t bytes)
{
    uint64_t limit = FREE_IDS + bytes / BYTES_PER_ID;
    m->limit = limit < WH_VOCAB_MOST ? (uint32_t)limit : WH_VOCAB_MOST;
}

whit_status wh_vocab_end(wh_vocab_maker *m, whit_status st, wh_vocab **out)
{
    wh_buf_free(&m->scratch);
    if (st != WHIT_OK) {
        wh_vocab_free(m->v);
        m->v = NULL;
    }
    *out = m->v;
    return st;
}

void wh_vocab_free(wh_vocab *vocab)
{
    if (!vocab) return;
    while (vocab->texts) {
        struct wh_vocab_block *next = vocab->texts->next;
        free(vocab->texts);
        vocab->texts = next;
    }
    wh_text_index_free(&vocab->index);
    wh_lines_free(&vocab->notes);
    free(vocab->token);
    free(vocab->merge);
    free(vocab->added);
    free(vocab->before);
    free(vocab->after);
    free(vocab);
}

/* ---- messages -------------------------------------------------------------------------------- */

static whit_status say(const wh_vocab_maker *m, whit_status code, const char *name,
                       const char *what, whit_error *err)
{
    char shortened[WH_SHORT];
    if (!name) return wh_fail(err, code, "%s: %s", m->label, what);
    return wh_fail(err, code, "%s: %s: %s", m->label, wh_short(shortened, name), what);
}

whit_status wh_vocab_bad(const wh_vocab_maker *m, const char *name, const char *what,
                         whit_error *err)
{
    return say(m, WHIT_ERR_FORMAT, name, what, err);
}

whit_status wh_vocab_unsupported(const wh_vocab_maker *m, const char *name, const char *what,
                                 whit_error *err)
{
    return say(m, WHIT_ERR_UNSUPPORTED, name, what, err);
}

whit_status wh_vocab_no_memory(const wh_vocab_maker *m, whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NOMEM, "%s: no memory for the vocabulary", m->label);
}

/* ---- tokens ---------------------------------------------------------------------------------- */

const char *wh_vocab_text(wh_vocab *v, const char *text, size_t len)
{
    struct wh_vocab_block *b = v->texts;
    if (!b || b->size - b->used < len + 1) {
        size_t size = len < BLOCK ? BLOCK : len + 1;
        b = malloc(sizeof *b + size);
        if (!b) return NULL;
        *b = (struct wh_vocab_block){ v->texts, 0, size };
        v->texts = b;
    }
    char *copy = b->data + b->used;
    if (len > 0) memcpy(copy, text, len);
    copy[len] = 0;
    b->used += len + 1;
    return copy;
}

int wh_vocab_is_text(const char *text, size_t len)
{
    for (size_t i = 0, n; i < len; i += n) {
        n = text[i] ? wh_utf8_sequence((const unsigned char *)text + i, len - i) : 0;
        if (n == 0) return 0;
    }
    return 1;
}

/* Tokens up to this id; new ones are holes. */
static int make_room(wh_vocab *v, uint32_t id)
{
    void *tokens = v->token;
    int grown = wh_grow(&tokens, &v->token_cap, (size_t)id + 1, sizeof *v->token);
    v->token = tokens;
    if (!grown) return 0;
    const float score = v->kind == WH_VOCAB_SPM ? HOLE_SCORE : 0.0f;
    for (; v->count <= id; v->count++)
        v->token[v->count] = (wh_token){ NULL, 0, score, WH_TOKEN_UNUSED };
    return 1;
}

whit_status wh_vocab_put(wh_vocab_maker *m, uint64_t id, const char *text, size_t len,
                         wh_token_type type, float score, whit_error *err)
{
    wh_vocab *v = m->v;
    char name[WH_SHORT];
    if (len > WH_VOCAB_MAX_TEXT) return wh_vocab_bad(m, text, "a token of more than 64 KiB", err);
    if (!wh_vocab_is_text(text, len))
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: token %" PRIu64 " is not UTF-8, or holds NUL",
                       m->label, id);
    if (id >= m->limit)
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: %s: id %" PRIu64 " is too high for this file",
                       m->label, wh_short(name, text), id);
    if (!make_room(v, (uint32_t)id)) return wh_vocab_no_memory(m, err);
    wh_token *t = &v->token[id];
    if (t->text)
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: %s: id %" PRIu64 " is that of another token, too",
                       m->label, wh_short(name, text), id);
    *t = (wh_token){ wh_vocab_text(v, text, len), (uint32_t)len, score, type };
    if (!t->text) return wh_vocab_no_memory(m, err);
    if (len == 0) return WHIT_OK; /* never found in a text, and there may be several */
    int added = wh_text_index_add(&v->index, t->text, t->len, (uint32_t)id);
    if (added < 0) return wh_vocab_no_memory(m, err);
    return added ? WHIT_OK : wh_vocab_bad(m, t->text, "the token is there twice", err);
}

int64_t wh_vocab_find(const wh_vocab *vocab, const char *text, size_t len)
{
    uint32_t id = wh_text_index_find(&vocab->index, text, len);
    return id == WH_TEXT_NONE ? -1 : (int64_t)id;
}

int wh_vocab_octet(const wh_token *t)
{
    static const char digits[] = "0123456789ABCDEF";
    if (t->len != 6 || memcmp(t->text, "<0x", 3) != 0 || t->text[5] != '>') return -1;
    const char *high = strchr(digits, t->text[3]), *low = strchr(digits, t->text[4]);
    return high && low ? (int)((high - digits) * 16 + (low - digits)) : -1;
}

/* ---- merges ---------------------------------------------------------------------------------- */

whit_status wh_vocab_put_merge2(wh_vocab_maker *m, const char *left, size_t left_len,
                                const char *right, size_t right_len, whit_error *err)
{
    wh_vocab *v = m->v;
    char name[WH_SHORT];
    void *merges = v->merge;
    m->scratch.len = 0;
    wh_buf_put(&m->scratch, left, left_len);
    wh_buf_put(&m->scratch, right, right_len);
    int grown = wh_grow(&merges, &v->merge_cap, v->merges + 1, sizeof *v->merge);
    v->merge = merges;
    if (!grown || m->scratch.failed) return wh_vocab_no_memory(m, err);
    int64_t l = wh_vocab_find(v, left, left_len), r = wh_vocab_find(v, right, right_len);
    int64_t both = wh_vocab_find(v, m->scratch.data, m->scratch.len);
    if (l < 0 || r < 0 || both < 0)
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: merge %zu (%s) %s a token that is not there",
                       m->label, v->merges, wh_short(name, m->scratch.data),
                       l < 0 || r < 0 ? "is of" : "makes");
    if (v->merges == WH_VOCAB_MOST) return wh_vocab_bad(m, NULL, "too many merges", err);
    v->merge[v->merges++] = (wh_merge){ (uint32_t)l, (uint32_t)r, (uint32_t)both };
    return WHIT_OK;
}

whit_status wh_vocab_put_merge(wh_vocab_maker *m, const char *pair, size_t len, whit_error *err)
{
    const char *space = len > 0 ? memchr(pair, ' ', len) : NULL;
    if (!space) return wh_vocab_bad(m, pair, "a merge without a space between its parts", err);
    const size_t left = (size_t)(space - pair);
    return wh_vocab_put_merge2(m, pair, left, space + 1, len - left - 1, err);
}

void wh_vocab_score_by_merges(wh_vocab *v)
{
    for (uint32_t i = 0; i < v->count; i++) {
        wh_token *t = &v->token[i];
        const unsigned char *text = (const unsigned char *)t->text;
        if (!text) t->score = HOLE_SCORE;
        if (!text) continue;
        int many = t->len > 0 && wh_utf8_sequence(text, t->len) < t->len;
        t->score = t->type == WH_TOKEN_NORMAL && many ? NO_MERGE_SCORE : 0.0f;
    }
    for (size_t i = v->merges; i-- > 0;) /* the first merge that makes it has the last word */
        /* never -0, which gcc 12 makes of 0.0f - (float)i for the first */
        v->token[v->merge[i].result].score = i > 0 ? -(float)i : 0.0f;
}

/* ---- added tokens ---------------------------------------------------------------------------- */

whit_status wh_vocab_put_added(wh_vocab_maker *m, const wh_added *added, whit_error *err)
{
    wh_vocab *v = m->v;
    void *list = v->added;
    if (added->len == 0) return WHIT_OK; /* nothing to find */
    int grown = wh_grow(&list, &v->added_cap, v->addeds + 1, sizeof *v->added);
    v->added = list;
    if (!grown) return wh_vocab_no_memory(m, err);
    wh_added *a = &v->added[v->addeds];
    *a = *added;
    a->text = wh_vocab_text(v, added->text, added->len);
    if (!a->text) return wh_vocab_no_memory(m, err);
    v->addeds++;
    return WHIT_OK;
}

whit_status wh_vocab_add_typed(wh_vocab_maker *m, whit_error *err)
{
    const wh_vocab *v = m->v;
    whit_status st = WHIT_OK;
    unsigned char *there = wh_calloc(v->count, 1);
    if (!there) return wh_vocab_no_memory(m, err);
    for (size_t i = 0; i < v->addeds; i++) there[v->added[i].id] = 1;
    for (uint32_t i = 0; i < v->count && st == WHIT_OK; i++) {
        const wh_token *t = &v->token[i];
        wh_added a = { .id = i, .text = t->text, .len = t->len };
        a.special = t->type != WH_TOKEN_USER;
        if (t->text && !there[i] &&
            (t->type == WH_TOKEN_CONTROL || t->type == WH_TOKEN_USER ||
             t->type == WH_TOKEN_UNKNOWN))
            st = wh_vocab_put_added(m, &a, err);
    }
    free(there);
    return st;
}

/* ---- special ids ----------------------------------------------------------------------------- */

#define KEY(name) "tokenizer.ggml." name "_token_id"

static const struct {
    const char *name, *key;
    const char *known[3]; /* how the token is written, where nothing says which it is */
} specials[WH_SPECIAL_COUNT] = {
    [WH_SPECIAL_BOS] = { "bos", KEY("bos"), { "<s>", "<|begin_of_text|>" } },
    [WH_SPECIAL_EOS] = { "eos", KEY("eos"), { "</s>", "<|end_of_text|>", "<|endoftext|>" } },
    [WH_SPECIAL_UNK] = { "unk", KEY("unknown"), { NULL } },
    [WH_SPECIAL_SEP] = { "sep", KEY("seperator"), { NULL } }, /* spelt so in the format */
    [WH_SPECIAL_PAD] = { "pad", KEY("padding"), { NULL } },
    [WH_SPECIAL_MASK] = { "mask", KEY("mask"), { NULL } },
    [WH_SPECIAL_EOT] = { "eot", KEY("eot"), { "<|eot_id|>", "<|im_end|>" } },
    [WH_SPECIAL_EOM] = { "eom", KEY("eom"), { "<|eom_id|>" } },
    [WH_SPECIAL_FIM_PRE] = { "fim_pre", KEY("fim_pre"), { "<|fim_prefix|>", "<fim_prefix>" } },
    [WH_SPECIAL_FIM_SUF] = { "fim_suf", KEY("fim_suf"), { "<|fim_suffix|>", "<fim_suffix>" } },
    [WH_SPECIAL_FIM_MID] = { "fim_mid", KEY("fim_mid"), { "<|fim_middle|>", "<fim_middle>" } },
    [WH_SPECIAL_FIM_PAD] = { "fim_pad", KEY("fim_pad"), { "<|fim_pad|>", "<fim_pad>" } },
    [WH_SPECIAL_FIM_REP] = { "fim_rep", KEY("fim_rep"), { "<|repo_name|>" } },
    [WH_SPECIAL_FIM_SEP] = { "fim_sep", KEY("fim_sep"), { "<|file_sep|>" } },
};

const char *wh_special_key(wh_special which)
{
    return specials[which].key;
}

const char *wh_special_name(wh_special which)
{
    return specials[which].name;
}

void wh_vocab_name_specials(wh_vocab_maker *m)
{
    wh_vocab *v = m->v;
    for (int i = 0; i < WH_SPECIAL_COUNT; i++)
        if (v->special[i] < 0) v->special[i] = m->own[i];
    for (int i = 0; i < WH_SPECIAL_COUNT; i++)
        for (int k = 0; k < 3 && specials[i].known[k] && v->special[i] < 0; k++)
            v->special[i] = wh_vocab_find(v, specials[i].known[k], strlen(specials[i].known[k]));
}

/* One id as a list of its own. */
static whit_status put_alone(const wh_vocab_maker *m, wh_special which, uint32_t **list,
                             size_t *count, whit_error *err)
{
    if (m->v->special[which] < 0)
        return wh_vocab_bad(m, wh_special_name(which),
                            "it goes with each text, but no id of it is given", err);
    *list = wh_calloc(1, sizeof **list);
    if (!*list) return wh_vocab_no_memory(m, err);
    **list = (uint32_t)m->v->special[which];
    *count = 1;
    return WHIT_OK;
}

whit_status wh_vocab_add_around(wh_vocab_maker *m, whit_error *err)
{
    wh_vocab *v = m->v;
    whit_status st = WHIT_OK;
    if (v->add_bos > 0) st = put_alone(m, WH_SPECIAL_BOS, &v->before, &v->befores, err);
    if (st == WHIT_OK && v->add_eos > 0)
        st = put_alone(m, WH_SPECIAL_EOS, &v->after, &v->afters, err);
    return st;
}
