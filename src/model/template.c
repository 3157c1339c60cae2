/* src/model/template.c - the post-processor that puts special tokens around a text.
 *
 *   "single": [ {"SpecialToken": {"id": NAME, ..}}, {"Sequence": {"id": "A", ..}}, .. ]
 *   "special_tokens": { NAME: {"id": NAME, "ids": [1], "tokens": [..]}, .. }
 *
 * Not here: pairs of texts, which a language model has no use for.
 * Source: huggingface/tokenizers, processors/template.rs.
 * SPDX-License-Identifier: MIT */
#include "model/parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/names.h"

#define WHERE "post_processor TemplateProcessing"

typedef struct ids {
    uint32_t *id;
    size_t count, cap;
} ids;

/* A special token: ids [first, first + count). */
typedef struct meaning {
    size_t first, count;
} meaning;

typedef struct template
{
    wh_vocab_maker *m;
    wh_json json;
    wh_names names; /* index into list */
    meaning *list;
    size_t count, cap;
    ids pool;    /* of the special tokens */
    ids side[2]; /* before and behind the text */
    int texts;   /* how often the text was there */
}
template;

static whit_status bad(const template *t, const char *what, whit_error *err)
{
    return wh_vocab_bad_json(t->m, &t->json, WHERE, what, err);
}

static whit_status put_id(const template *t, ids *list, uint64_t id, whit_error *err)
{
    void *data = list->id;
    if (id >= t->m->v->count || !t->m->v->token[id].text)
        return bad(t, "an id that no token has", err);
    int grown = wh_grow(&data, &list->cap, list->count + 1, sizeof *list->id);
    list->id = data;
    if (!grown) return wh_vocab_no_memory(t->m, err);
    list->id[list->count++] = (uint32_t)id;
    return WHIT_OK;
}

/* "ids": [..], behind the key. */
static whit_status read_ids(template *t, whit_error *err)
{
    static const char what[] = "ids of a special token are no list of whole numbers";
    whit_status st = WHIT_OK;
    wh_json_token token;
    uint64_t id;
    if (wh_json_next(&t->json) != WH_JSON_ARRAY) return bad(t, what, err);
    while (st == WHIT_OK && (token = wh_json_next(&t->json)) != WH_JSON_ARRAY_END) {
        if (token != WH_JSON_NUMBER || !wh_json_u64(&t->json, &id)) return bad(t, what, err);
        st = put_id(t, &t->pool, id, err);
    }
    return st;
}

/* Behind the name of a special token. */
static whit_status read_meaning(template *t, const char *name, whit_error *err)
{
    const meaning start = { t->pool.count, 0 };
    whit_status st = WHIT_OK;
    wh_json_token token;
    void *list = t->list;
    int lists = 0;
    int grown = wh_grow(&list, &t->cap, t->count + 1, sizeof *t->list);
    t->list = list;
    int added = grown && name ? wh_names_add(&t->names, name, t->count) : -1;
    if (added < 0) return wh_vocab_no_memory(t->m, err);
    if (!added) return bad(t, "a special token is there twice", err);
    if (wh_json_next(&t->json) != WH_JSON_OBJECT)
        return bad(t, "a special token is no object", err);
    while (st == WHIT_OK && (token = wh_json_next(&t->json)) != WH_JSON_OBJECT_END) {
        if (token == WH_JSON_KEY && strcmp(t->json.text, "ids") == 0 && !lists++)
            st = read_ids(t, err);
        else if (token != WH_JSON_KEY || !wh_json_skip(&t->json, WH_JSON_KEY))
            return bad(t, "a special token is no object", err);
    }
    t->list[t->count++] = (meaning){ start.first, t->pool.count - start.first };
    return st;
}

static whit_status read_meanings(template *t, whit_error *err)
{
    whit_status st = WHIT_OK;
    wh_json_token token;
    if (wh_json_next(&t->json) != WH_JSON_OBJECT) return bad(t, "special_tokens is no object", err);
    while (st == WHIT_OK && (token = wh_json_next(&t->json)) != WH_JSON_OBJECT_END)
        st = read_meaning(t, wh_vocab_text(t->m->v, t->json.text, t->json.text_len), err);
    return st;
}

/* The name of a place of the template, behind its kind: {"id": NAME, "type_id": 0}. */
static whit_status read_name(template *t, const char **name, whit_error *err)
{
    wh_json_token token;
    *name = "";
    if (wh_json_next(&t->json) != WH_JSON_OBJECT) return bad(t, "a place is no object", err);
    while ((token = wh_json_next(&t->json)) == WH_JSON_KEY) {
        if (strcmp(t->json.text, "id") != 0) {
            if (!wh_json_skip(&t->json, WH_JSON_KEY)) return bad(t, "a place is no object", err);
            continue;
        }
        if (wh_json_next(&t->json) != WH_JSON_STRING)
            return bad(t, "the id of a place is no string", err);
        *name = wh_vocab_text(t->m->v, t->json.text, t->json.text_len);
        if (!*name) return wh_vocab_no_memory(t->m, err);
    }
    return WHIT_OK;
}

/* {"SpecialToken": ..} or {"Sequence": ..}, behind the opening bracket. */
static whit_status read_place(template *t, whit_error *err)
{
    const char *name;
    if (wh_json_next(&t->json) != WH_JSON_KEY) return bad(t, "an empty place", err);
    const int text = strcmp(t->json.text, "Sequence") == 0;
    if (!text && strcmp(t->json.text, "SpecialToken") != 0)
        return bad(t, "a place is neither a SpecialToken nor a Sequence", err);
    whit_status st = read_name(t, &name, err);
    if (st != WHIT_OK) return st;
    if (wh_json_next(&t->json) != WH_JSON_OBJECT_END) return bad(t, "a place is two things", err);
    if (text) {
        if (strcmp(name, "A") == 0 && t->texts++ == 0) return WHIT_OK;
        return wh_vocab_unsupported(t->m, WHERE, "single is not one text A", err);
    }
    const size_t at = wh_names_find(&t->names, name);
    if (at == WH_NAMES_NONE) return bad(t, "a token that is not in special_tokens", err);
    for (size_t i = 0; i < t->list[at].count && st == WHIT_OK; i++)
        st = put_id(t, &t->side[t->texts], t->pool.id[t->list[at].first + i], err);
    return st;
}

static whit_status read_places(template *t, whit_error *err)
{
    whit_status st = WHIT_OK;
    wh_json_token token;
    if (wh_json_next(&t->json) != WH_JSON_ARRAY) return bad(t, "single is no list", err);
    while (st == WHIT_OK && (token = wh_json_next(&t->json)) != WH_JSON_ARRAY_END)
        st = token == WH_JSON_OBJECT ? read_place(t, err) : bad(t, "a place is no object", err);
    if (st == WHIT_OK && t->texts != 1)
        st = wh_vocab_unsupported(t->m, WHERE, "single is not one text A", err);
    return st;
}

/* A member as a text of its own. */
static whit_status read_span(template *t, wh_json_span span,
                             whit_status (*read)(template *t, whit_error *err), whit_error *err)
{
    wh_json_init(&t->json, span.src, span.len);
    whit_status st = read(t, err);
    wh_json_free(&t->json);
    return st;
}

whit_status wh_template_read(wh_vocab_maker *m, const wh_part *part, whit_error *err)
{
    whit_status st = WHIT_OK;
    template t = { .m = m };
    wh_vocab *v = m->v;
    if (part->seen & WH_M(WH_M_SPECIAL_TOKENS))
        st = read_span(&t, part->span[WH_M_SPECIAL_TOKENS], read_meanings, err);
    if (st == WHIT_OK && part->seen & WH_M(WH_M_SINGLE))
        st = read_span(&t, part->span[WH_M_SINGLE], read_places, err);
    else if (st == WHIT_OK)
        st = wh_vocab_bad(m, WHERE, "has no single", err);
    if (st == WHIT_OK) {
        v->before = t.side[0].id;
        v->befores = t.side[0].count;
        v->after = t.side[1].id;
        v->afters = t.side[1].count;
    } else {
        free(t.side[0].id);
        free(t.side[1].id);
    }
    wh_names_free(&t.names);
    free(t.list);
    free(t.pool.id);
    return st;
}
