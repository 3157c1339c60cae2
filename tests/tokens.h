/* tests/tokens.h - vectors of tokenizers: lists of a text and its ids, in JSON.
 *
 *   {"cases": [{"text": "..", "ids": [..], "plain": [..], "ids_without_bos": [..], ..}, ..]}
 *
 * ids: with what goes around a text; plain: the same where special tokens are text like any other;
 * other members are passed over. A file that is not so ends the program.
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_TOKENS_H
#define WHIT_TOKENS_H

#include <whit/tokenizer.h>

#include "base/json.h"
#include "base/mem.h"
#include "scratch.h"

typedef struct tk_ids {
    uint32_t *id;
    size_t count, cap;
    int there;
} tk_ids;

typedef struct tk_case {
    char *text, *decoded; /* decoded: NULL where it is not there */
    size_t len, decoded_len;
    tk_ids ids, plain, bare;
    int special; /* the text spells a special token */
} tk_case;

typedef struct tk_cases {
    tk_case *list;
    size_t count, cap;
} tk_cases;

static inline void tk_free(tk_cases *c)
{
    for (size_t i = 0; i < c->count; i++) {
        free(c->list[i].text);
        free(c->list[i].decoded);
        free(c->list[i].ids.id);
        free(c->list[i].plain.id);
        free(c->list[i].bare.id);
    }
    free(c->list);
    memset(c, 0, sizeof *c);
}

static inline void tk_need(int truth, const char *what)
{
    if (truth) return;
    printf("vectors: %s\n", what);
    exit(1);
}

/* One more element of *data, zeroed, or the end of the program. */
static inline void *tk_more(void *data, size_t *cap, size_t count, size_t size)
{
    tk_need(wh_grow(&data, cap, count + 1, size), "no memory");
    memset((char *)data + count * size, 0, size);
    return data;
}

static inline void tk_read_ids(wh_json *j, tk_ids *out)
{
    uint64_t id;
    wh_json_token token;
    tk_need(wh_json_next(j) == WH_JSON_ARRAY, "ids are no list");
    for (; (token = wh_json_next(j)) == WH_JSON_NUMBER; out->count++) {
        out->id = tk_more(out->id, &out->cap, out->count, sizeof *out->id);
        tk_need(wh_json_u64(j, &id), "an id is no number");
        out->id[out->count] = (uint32_t)id;
    }
    tk_need(token == WH_JSON_ARRAY_END, "ids are no list");
    out->there = 1;
}

static inline void tk_read_member(wh_json *j, tk_case *c)
{
    if (strcmp(j->text, "text") == 0 || strcmp(j->text, "decoded") == 0) {
        char **out = strcmp(j->text, "text") == 0 ? &c->text : &c->decoded;
        tk_need(wh_json_next(j) == WH_JSON_STRING, "a text is none");
        *out = wh_strndup(j->text, j->text_len);
    } else if (strcmp(j->text, "ids") == 0) {
        tk_read_ids(j, &c->ids);
    } else if (strcmp(j->text, "plain") == 0) {
        tk_read_ids(j, &c->plain);
    } else if (strcmp(j->text, "ids_without_bos") == 0) {
        tk_read_ids(j, &c->bare);
    } else if (strcmp(j->text, "special") == 0) {
        c->special = wh_json_next(j) == WH_JSON_TRUE;
    } else {
        tk_need(wh_json_skip(j, WH_JSON_KEY), "no JSON");
    }
}

/* The parser takes no NUL in a text: it becomes U+E000 in the JSON, and NUL again in the case. */
static inline void tk_hide_nul(char *json)
{
    for (char *p = json; (p = strstr(p, "\\u0000")) != NULL; p += 6)
        if (p == json || p[-1] != '\\') memcpy(p, "\\ue000", 6);
}

static inline size_t tk_show_nul(char *text)
{
    size_t len = 0;
    for (const char *p = text; *p; len++) {
        const int nul = strncmp(p, "\xee\x80\x80", 3) == 0;
        text[len] = nul ? 0 : *p;
        p += nul ? 3 : 1;
    }
    return len;
}

/* The list at hand. */
static inline void tk_read_cases(wh_json *j, tk_cases *out)
{
    tk_need(wh_json_next(j) == WH_JSON_ARRAY, "cases are no list");
    while (wh_json_next(j) == WH_JSON_OBJECT) {
        out->list = tk_more(out->list, &out->cap, out->count, sizeof *out->list);
        while (wh_json_next(j) == WH_JSON_KEY) tk_read_member(j, &out->list[out->count]);
        tk_case *c = &out->list[out->count];
        tk_need(c->text != NULL, "a case has no text");
        c->len = tk_show_nul(c->text);
        if (c->decoded) c->decoded_len = tk_show_nul(c->decoded);
        out->count++;
    }
    tk_need(!j->problem && out->count > 0, "no cases");
}

/* A whole file. */
static inline tk_cases tk_load(const char *path)
{
    tk_cases out = { NULL, 0, 0 };
    size_t len;
    char *text = scratch_read(path, &len);
    wh_json j;
    tk_hide_nul(text);
    wh_json_init(&j, text, len);
    tk_need(wh_json_next(&j) == WH_JSON_OBJECT, "no object");
    while (wh_json_next(&j) == WH_JSON_KEY) {
        if (strcmp(j.text, "cases") == 0)
            tk_read_cases(&j, &out);
        else
            tk_need(wh_json_skip(&j, WH_JSON_KEY), "no JSON");
    }
    tk_need(out.count > 0, path);
    wh_json_free(&j);
    free(text);
    return out;
}

/* 1 if the text gives these ids under these flags; else words on what it gave. */
static inline int tk_gives(const whit_tokenizer *t, const tk_case *c, const tk_ids *want,
                           unsigned flags, const char *where)
{
    whit_ids got = { NULL, 0, 0 };
    whit_error err = { WHIT_OK, "" };
    whit_status st = whit_tokenize(t, c->text, c->len, flags, &got, &err);
    int same = st == WHIT_OK && got.count == want->count &&
               (got.count == 0 || memcmp(got.id, want->id, got.count * sizeof *got.id) == 0);
    if (!same) {
        printf("%s: flags %u: \"%.60s\": %s\n  got ", where, flags, c->text, err.msg);
        for (size_t i = 0; i < got.count && i < 20; i++) printf(" %u", (unsigned)got.id[i]);
        printf("\n  want");
        for (size_t i = 0; i < want->count && i < 20; i++) printf(" %u", (unsigned)want->id[i]);
        printf("\n");
    }
    whit_ids_free(&got);
    return same;
}

#endif
