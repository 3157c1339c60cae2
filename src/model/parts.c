/* src/model/parts.c - the components of a tokenizer.json as plain structs.
 *
 * A component is an object with a type and members that go with it. All of them are read into one
 * struct, whatever the type, since the type may stand last; which members belong to it is judged
 * later. A member that is not in the table is refused: it may change ids.
 *
 * Source: huggingface/tokenizers (the names of types and members).
 * SPDX-License-Identifier: MIT */
#include "model/parts.h"

#include <string.h>

#include "base/mem.h"

#define MAX_NESTING 8
#define MAX_PARTS 256u

typedef enum value_kind { BOOL, TEXT, NUMBER, PATTERN, SPAN, LIST } value_kind;

static const struct {
    const char *name;
    wh_member member;
    value_kind kind;
} members[] = {
    { "type", WH_M_TYPE, TEXT },
    { "add_prefix_space", WH_M_ADD_PREFIX_SPACE, BOOL },
    { "trim_offsets", WH_M_TRIM_OFFSETS, BOOL },
    { "use_regex", WH_M_USE_REGEX, BOOL },
    { "pattern", WH_M_PATTERN, PATTERN },
    { "behavior", WH_M_BEHAVIOR, TEXT },
    { "invert", WH_M_INVERT, BOOL },
    { "replacement", WH_M_REPLACEMENT, TEXT },
    { "prepend_scheme", WH_M_PREPEND_SCHEME, TEXT },
    { "split", WH_M_SPLIT, BOOL },
    { "str_rep", WH_M_STR_REP, TEXT },
    { "prepend", WH_M_PREPEND, TEXT },
    { "content", WH_M_CONTENT, TEXT },
    { "individual_digits", WH_M_INDIVIDUAL_DIGITS, BOOL },
    { "start", WH_M_START, NUMBER },
    { "stop", WH_M_STOP, NUMBER },
    { "single", WH_M_SINGLE, SPAN },
    { "pair", WH_M_PAIR, SPAN },
    { "special_tokens", WH_M_SPECIAL_TOKENS, SPAN },
    { "normalizers", WH_M_PARTS, LIST },
    { "pretokenizers", WH_M_PARTS, LIST },
    { "processors", WH_M_PARTS, LIST },
    { "decoders", WH_M_PARTS, LIST },
};
#define MEMBERS (sizeof members / sizeof members[0])

typedef struct reader {
    wh_vocab_maker *m;
    wh_json *json;
    const char *where;
    wh_parts *out;
} reader;

static whit_status read_part(const reader *r, wh_json_token first, int depth, whit_error *err);

whit_status wh_vocab_bad_json(const wh_vocab_maker *m, const wh_json *j, const char *name,
                              const char *what, whit_error *err)
{
    if (j->nomem) return wh_vocab_no_memory(m, err);
    if (!j->problem) return wh_vocab_bad(m, name, what, err);
    return wh_fail(err, WHIT_ERR_FORMAT, "%s: is not valid JSON: %s, at byte %zu", m->label,
                   j->problem, j->pos);
}

static whit_status bad(const reader *r, const char *what, whit_error *err)
{
    return wh_vocab_bad_json(r->m, r->json, r->where, what, err);
}

static whit_status keep_text(const reader *r, const char **out, whit_error *err)
{
    *out = wh_vocab_text(r->m->v, r->json->text, r->json->text_len);
    return *out ? WHIT_OK : wh_vocab_no_memory(r->m, err);
}

/* {"String": ".."} or {"Regex": ".."}; behind the opening bracket. */
static whit_status read_pattern(const reader *r, wh_part *p, whit_error *err)
{
    static const char what[] = "a pattern is neither a String nor a Regex";
    wh_json *j = r->json;
    if (wh_json_next(j) != WH_JSON_KEY) return bad(r, what, err);
    p->regex = strcmp(j->text, "Regex") == 0;
    if (!p->regex && strcmp(j->text, "String") != 0) return bad(r, what, err);
    if (wh_json_next(j) != WH_JSON_STRING) return bad(r, what, err);
    whit_status st = keep_text(r, &p->text[WH_M_PATTERN], err);
    if (st != WHIT_OK) return st;
    return wh_json_next(j) == WH_JSON_OBJECT_END ? WHIT_OK : bad(r, what, err);
}

/* Behind the opening bracket of the list of a Sequence. */
static whit_status read_list(const reader *r, int depth, whit_error *err)
{
    whit_status st = WHIT_OK;
    wh_json_token token;
    if (depth == MAX_NESTING) return bad(r, "too many sequences in one another", err);
    while (st == WHIT_OK && (token = wh_json_next(r->json)) != WH_JSON_ARRAY_END)
        st = read_part(r, token, depth + 1, err);
    return st;
}

/* The value of a member of that kind; p->seen is set. */
static whit_status read_value(const reader *r, wh_part *p, size_t at, int depth, whit_error *err)
{
    const wh_member member = members[at].member;
    const value_kind kind = members[at].kind;
    wh_json *j = r->json;
    const size_t start = j->pos;
    wh_json_token token = wh_json_next(j);
    if (token == WH_JSON_NULL) {
        p->seen &= ~WH_M(member);
        return WHIT_OK;
    }
    if (kind == BOOL && (token == WH_JSON_TRUE || token == WH_JSON_FALSE)) {
        p->on |= token == WH_JSON_TRUE ? WH_M(member) : 0u;
        return WHIT_OK;
    }
    if (kind == TEXT && token == WH_JSON_STRING) return keep_text(r, &p->text[member], err);
    if (kind == PATTERN && token == WH_JSON_OBJECT) return read_pattern(r, p, err);
    if (kind == LIST && token == WH_JSON_ARRAY) return read_list(r, depth, err);
    if (kind == NUMBER && token == WH_JSON_NUMBER && wh_json_u64(j, &p->number[member]))
        return WHIT_OK;
    if (kind == SPAN && wh_json_skip(j, token)) {
        p->span[member] = (wh_json_span){ j->src + start, j->pos - start };
        return WHIT_OK;
    }
    return bad(r, "a member is not of the kind it should be", err);
}

static whit_status read_members(const reader *r, wh_part *p, int depth, whit_error *err)
{
    whit_status st = WHIT_OK;
    wh_json_token token;
    char name[WH_SHORT];
    while (st == WHIT_OK && (token = wh_json_next(r->json)) != WH_JSON_OBJECT_END) {
        size_t i = 0;
        if (token != WH_JSON_KEY) return bad(r, "does not end", err);
        while (i < MEMBERS && strcmp(members[i].name, r->json->text) != 0) i++;
        if (i == MEMBERS)
            return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                           "%s: %s: member \"%s\" is not known; ids could differ", r->m->label,
                           r->where, wh_short(name, r->json->text));
        if (p->seen & WH_M(members[i].member)) return bad(r, "a member is there twice", err);
        p->seen |= WH_M(members[i].member);
        st = read_value(r, p, i, depth, err);
    }
    return st;
}

/* The object that begins with the token `first`, or null. */
static whit_status read_part(const reader *r, wh_json_token first, int depth, whit_error *err)
{
    wh_part p;
    void *parts = r->out->part;
    if (first == WH_JSON_NULL) return WHIT_OK;
    if (first != WH_JSON_OBJECT) return bad(r, "is no object", err);
    memset(&p, 0, sizeof p);
    for (int i = 0; i < WH_M_COUNT; i++) p.text[i] = "";
    whit_status st = read_members(r, &p, depth, err);
    if (st != WHIT_OK) return st;
    if (!(p.seen & WH_M(WH_M_TYPE))) return bad(r, "has no type", err);
    if (strcmp(p.text[WH_M_TYPE], "Sequence") == 0) {
        if (p.seen == (WH_M(WH_M_TYPE) | WH_M(WH_M_PARTS))) return WHIT_OK; /* they are there */
        return bad(r, "a Sequence is more, or less, than a list", err);
    }
    if (p.seen & WH_M(WH_M_PARTS)) return bad(r, "a list in what is no Sequence", err);
    if (r->out->count == MAX_PARTS) return bad(r, "has more than 256 parts", err);
    int grown = wh_grow(&parts, &r->out->cap, r->out->count + 1, sizeof p);
    r->out->part = parts;
    if (!grown) return wh_vocab_no_memory(r->m, err);
    r->out->part[r->out->count++] = p;
    return WHIT_OK;
}

whit_status wh_parts_read(wh_vocab_maker *m, wh_json *j, const char *where, wh_parts *out,
                          whit_error *err)
{
    const reader r = { m, j, where, out };
    return read_part(&r, wh_json_next(j), 0, err);
}
