/* src/model/vocab_config.c - the small JSON files beside a vocabulary: which tokens are special, by
 * their text or their id, and the chat template.
 *
 *   "bos_token": "<s>" or {"content": "<s>", ..}      "bos_token_id": 1 or [1, 2]: the first counts
 *   "chat_template": ".." or [{"name": "default", "template": ".."}, ..]
 *
 * A special token that the vocabulary does not have is passed over with a note.
 * Not here: tokens that such files add to a tokenizer.model (vocab_extra.c).
 * Source: huggingface/transformers.
 * SPDX-License-Identifier: MIT */
#include "model/vocab_config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/names.h"
#include "model/parts.h"

static whit_status bad(const wh_vocab_maker *m, const wh_json *j, const char *name,
                       const char *what, whit_error *err)
{
    return wh_vocab_bad_json(m, j, name, what, err);
}

whit_status wh_config_pass_over(wh_vocab_maker *m, wh_json *j, const char *key, whit_error *err)
{
    return wh_json_skip(j, WH_JSON_KEY) ? WHIT_OK : bad(m, j, key, "", err);
}

whit_status wh_config_members(wh_vocab_maker *m, wh_json *j, wh_config_member_fn *read,
                              whit_error *err)
{
    whit_status st = WHIT_OK;
    wh_json_token token;
    wh_names seen = { 0 };
    while (st == WHIT_OK && (token = wh_json_next(j)) != WH_JSON_OBJECT_END) {
        const char *key = NULL;
        int added = -1;
        if (token != WH_JSON_KEY) {
            st = bad(m, j, NULL, "an object does not end", err);
            break;
        }
        key = wh_vocab_text(m->v, j->text, j->text_len);
        if (key) added = wh_names_add(&seen, key, 0);
        if (added > 0)
            st = read(m, j, key, err);
        else
            st = added == 0 ? bad(m, j, key, "is there twice", err) : wh_vocab_no_memory(m, err);
    }
    wh_names_free(&seen);
    return st;
}

whit_status wh_config_file(wh_vocab_maker *m, const char *path, wh_config_member_fn *read,
                           whit_error *err)
{
    char *text = NULL;
    size_t len = 0;
    wh_json j;
    whit_status st = wh_file_slurp(path, WH_VOCAB_MAX_FILE, &text, &len, err);
    wh_json_init(&j, text, len);
    if (st == WHIT_OK && wh_json_next(&j) != WH_JSON_OBJECT)
        st = bad(m, &j, NULL, "is no object", err);
    if (st == WHIT_OK) st = wh_config_members(m, &j, read, err);
    if (st == WHIT_OK && wh_json_next(&j) != WH_JSON_END) st = bad(m, &j, NULL, "", err);
    wh_json_free(&j);
    free(text);
    return st;
}

/* The special id that a key NAME + end stands for, or WH_SPECIAL_COUNT. */
static wh_special which_special(const char *key, const char *end)
{
    int i = 0;
    for (; i < WH_SPECIAL_COUNT; i++) {
        const char *name = wh_special_name((wh_special)i);
        const size_t len = strlen(name);
        if (strncmp(key, name, len) == 0 && strcmp(key + len, end) == 0) break;
    }
    return (wh_special)i;
}

/* ---- by text --------------------------------------------------------------------------------- */

static void set_special(const wh_vocab_maker *m, const wh_json *j, wh_special which)
{
    wh_vocab *v = m->v;
    char shortened[WH_SHORT];
    const int64_t id = wh_vocab_find(v, j->text, j->text_len);
    if (v->special[which] >= 0) return;
    if (id < 0)
        wh_lines_add(&v->notes, "%s: %s_token %s is not in the vocabulary", m->label,
                     wh_special_name(which), wh_short(shortened, j->text));
    v->special[which] = id;
}

/* A text, {"content": text}, or null. */
static whit_status read_special(wh_vocab_maker *m, wh_json *j, wh_special which, whit_error *err)
{
    wh_json_token token = wh_json_next(j);
    if (token == WH_JSON_STRING) set_special(m, j, which);
    if (token == WH_JSON_STRING || token == WH_JSON_NULL) return WHIT_OK;
    if (token != WH_JSON_OBJECT) return bad(m, j, wh_special_name(which), "is no text", err);
    while ((token = wh_json_next(j)) == WH_JSON_KEY) {
        if (strcmp(j->text, "content") != 0) {
            if (!wh_json_skip(j, WH_JSON_KEY)) break;
            continue;
        }
        if (wh_json_next(j) != WH_JSON_STRING)
            return bad(m, j, wh_special_name(which), "its content is no text", err);
        set_special(m, j, which);
    }
    return token == WH_JSON_OBJECT_END ? WHIT_OK : bad(m, j, NULL, "", err);
}

static whit_status read_flag(wh_vocab_maker *m, wh_json *j, const char *key, signed char *flag,
                             whit_error *err)
{
    wh_json_token token = wh_json_next(j);
    if (token == WH_JSON_NULL) return WHIT_OK;
    if (token != WH_JSON_TRUE && token != WH_JSON_FALSE)
        return bad(m, j, key, "is neither true nor false", err);
    if (*flag < 0) *flag = token == WH_JSON_TRUE;
    return WHIT_OK;
}

static whit_status set_template(const wh_vocab_maker *m, const char *text, size_t len,
                                whit_error *err)
{
    wh_vocab *v = m->v;
    if (v->chat_template) return WHIT_OK;
    v->chat_template = wh_vocab_text(v, text, len);
    return v->chat_template ? WHIT_OK : wh_vocab_no_memory(m, err);
}

/* {"name": .., "template": ..}, behind the opening bracket: the one named default is taken. */
static whit_status read_named_template(wh_vocab_maker *m, wh_json *j, whit_error *err)
{
    static const char what[] = "one of the list is no template";
    const char *text = NULL;
    size_t len = 0;
    int is_default = 0;
    while (wh_json_next(j) == WH_JSON_KEY) {
        const int is_name = strcmp(j->text, "name") == 0,
                  is_text = strcmp(j->text, "template") == 0;
        if (!is_name && !is_text) return bad(m, j, "chat_template", what, err);
        if (wh_json_next(j) != WH_JSON_STRING) return bad(m, j, "chat_template", what, err);
        if (is_name) is_default = strcmp(j->text, "default") == 0;
        if (!is_text) continue;
        len = j->text_len;
        text = wh_vocab_text(m->v, j->text, len);
        if (!text) return wh_vocab_no_memory(m, err);
    }
    if (j->problem || !text) return bad(m, j, "chat_template", what, err);
    if (is_default) return set_template(m, text, len, err);
    wh_lines_add(&m->v->notes, "%s: of several chat templates only the default one is kept",
                 m->label);
    return WHIT_OK;
}

static whit_status read_template(wh_vocab_maker *m, wh_json *j, whit_error *err)
{
    whit_status st = WHIT_OK;
    wh_json_token token = wh_json_next(j);
    if (token == WH_JSON_NULL) return WHIT_OK;
    if (token == WH_JSON_STRING) return set_template(m, j->text, j->text_len, err);
    if (token != WH_JSON_ARRAY) return bad(m, j, "chat_template", "is no text", err);
    while (st == WHIT_OK && (token = wh_json_next(j)) != WH_JSON_ARRAY_END)
        st = token == WH_JSON_OBJECT ? read_named_template(m, j, err)
                                     : bad(m, j, "chat_template", "is no list of templates", err);
    return st;
}

static whit_status read_texts_member(wh_vocab_maker *m, wh_json *j, const char *key,
                                     whit_error *err)
{
    wh_vocab *v = m->v;
    const wh_special which = which_special(key, "_token");
    if (which != WH_SPECIAL_COUNT) return read_special(m, j, which, err);
    if (strcmp(key, "add_bos_token") == 0) return read_flag(m, j, key, &v->add_bos, err);
    if (strcmp(key, "add_eos_token") == 0) return read_flag(m, j, key, &v->add_eos, err);
    if (strcmp(key, "chat_template") == 0) return read_template(m, j, err);
    return wh_config_pass_over(m, j, key, err);
}

whit_status wh_config_texts(wh_vocab_maker *m, const char *path, whit_error *err)
{
    return wh_config_file(m, path, read_texts_member, err);
}

/* ---- by id ----------------------------------------------------------------------------------- */

/* A number, a list of them, or null; anything else is no id, and none of ours. */
static whit_status read_ids_member(wh_vocab_maker *m, wh_json *j, const char *key, whit_error *err)
{
    wh_vocab *v = m->v;
    const wh_special which = which_special(key, "_token_id");
    uint64_t id;
    int read = 0;
    if (which == WH_SPECIAL_COUNT) return wh_config_pass_over(m, j, key, err);
    wh_json_token token = wh_json_next(j);
    const int list = token == WH_JSON_ARRAY;
    if (list) token = wh_json_next(j);
    if (token == WH_JSON_OBJECT || token == WH_JSON_ARRAY || j->problem)
        return bad(m, j, key, "is no number", err);
    if (token == WH_JSON_NUMBER) read = wh_json_u64(j, &id);
    if (list && token != WH_JSON_ARRAY_END && !wh_json_skip(j, WH_JSON_ARRAY))
        return bad(m, j, key, "", err);
    if (!read || v->special[which] >= 0) return WHIT_OK;
    if (id < v->count && v->token[id].text)
        v->special[which] = (int64_t)id;
    else
        wh_lines_add(&v->notes, "%s: %s %" PRIu64 " is not in the vocabulary", m->label, key, id);
    return WHIT_OK;
}

whit_status wh_config_ids(wh_vocab_maker *m, const char *path, whit_error *err)
{
    return wh_config_file(m, path, read_ids_member, err);
}

/* ---- a template by itself -------------------------------------------------------------------- */

whit_status wh_config_template(wh_vocab_maker *m, const char *path, whit_error *err)
{
    char *text = NULL;
    size_t len = 0;
    whit_status st = wh_file_slurp(path, WH_VOCAB_MAX_FILE, &text, &len, err);
    if (st == WHIT_OK && !wh_vocab_is_text(text, len))
        st = wh_vocab_bad(m, NULL, "is not UTF-8, or holds NUL", err);
    if (st == WHIT_OK) st = set_template(m, text, len, err);
    free(text);
    return st;
}
