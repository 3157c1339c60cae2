/* src/model/vocab_folder.c - the vocabulary of a model folder: which files there are, and how they
 * go together.
 *
 *   tokenizer.json, else tokenizer.model    the vocabulary; else that of llama2.c, by itself
 *   tokenizer_config.json, special_tokens_map.json    special tokens by their text, flags
 *   generation_config.json, config.json     special tokens by their id
 *   chat_template.jinja                     the chat template, before the one in a config
 *
 * What an earlier file says stays. What a tokenizer.json puts around texts is what counts; flags of
 * the configuration count for a tokenizer.model.
 *
 * Not here: those small files (vocab_config.c).
 * Source: huggingface/transformers (names and order); ggml-org/llama.cpp, gguf-py/gguf/vocab.py.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "model/vocab_config.h"

/* The path of a file in the folder into *path, NULL when there is none. */
static whit_status find_file(const wh_vocab_maker *m, const char *folder, const char *name,
                             char **path, whit_error *err)
{
    char *joined = wh_path_join(folder, name);
    *path = NULL;
    if (!joined) return wh_vocab_no_memory(m, err);
    int there;
    whit_status st = wh_file_there(joined, &there, err);
    free(joined);
    return there ? wh_file_inside(folder, name, path, err) : st;
}

typedef whit_status load_fn(wh_vocab_maker *m, const char *path, whit_error *err);

/* Load the file if it is there; *there says so (it may be NULL). */
static whit_status load(wh_vocab_maker *m, const char *folder, const char *name, load_fn *read,
                        int *there, whit_error *err)
{
    char *path, label[WH_SHORT];
    whit_status st = find_file(m, folder, name, &path, err);
    if (there) *there = path != NULL;
    if (st != WHIT_OK || !path) return st;
    memcpy(label, m->label, sizeof label);
    wh_short(m->label, name); /* messages name the file */
    st = read(m, path, err);
    memcpy(m->label, label, sizeof label);
    free(path);
    return st;
}

/* tokenizer.json says what goes around a text; the keys follow from it. */
static void follow_template(wh_vocab *v)
{
    static const wh_special which[2] = { WH_SPECIAL_BOS, WH_SPECIAL_EOS };
    signed char *const flags[2] = { &v->add_bos, &v->add_eos };
    const size_t counts[2] = { v->befores, v->afters };
    for (int i = 0; i < 2; i++) {
        const uint32_t *ids = i == 0 ? v->before : v->after;
        const signed char adds = counts[i] > 0 && v->special[which[i]] == (int64_t)ids[0];
        if (*flags[i] >= 0 && *flags[i] != adds)
            wh_lines_add(&v->notes, "tokenizer.json %s %s, against tokenizer_config.json",
                         adds ? "adds" : "does not add", wh_special_name(which[i]));
        if (counts[i] > 1 || (counts[i] == 1 && !adds))
            wh_lines_add(&v->notes, "tokenizer.json adds more than %s, for which GGUF has no key",
                         wh_special_name(which[i]));
        *flags[i] = adds;
    }
}

/* What files beside a tokenizer.model add to it. */
static whit_status load_extras(wh_vocab_maker *m, const char *folder, whit_error *err)
{
    whit_status st = load(m, folder, "tokenizer_config.json", wh_config_decoder, NULL, err);
    if (st == WHIT_OK) st = load(m, folder, "added_tokens.json", wh_config_added, NULL, err);
    return st == WHIT_OK ? wh_vocab_add_typed(m, err) : st;
}

static whit_status load_configs(wh_vocab_maker *m, const char *folder, whit_error *err)
{
    static const struct {
        const char *name;
        load_fn *read;
    } files[] = {
        { "chat_template.jinja", wh_config_template },
        { "tokenizer_config.json", wh_config_texts },
        { "special_tokens_map.json", wh_config_texts },
        { "generation_config.json", wh_config_ids },
        { "config.json", wh_config_ids },
    };
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < sizeof files / sizeof files[0] && st == WHIT_OK; i++)
        st = load(m, folder, files[i].name, files[i].read, NULL, err);
    return st;
}

/* What goes around a text, when all files are read: from tokenizer.json, or from flags. */
static whit_status finish(wh_vocab_maker *m, int json, whit_error *err)
{
    wh_vocab *v = m->v;
    whit_status st = WHIT_OK;
    if (v->befores == 1) m->own[WH_SPECIAL_BOS] = v->before[0];
    if (v->afters == 1) m->own[WH_SPECIAL_EOS] = v->after[0];
    wh_vocab_name_specials(m);
    if (json) {
        follow_template(v);
    } else {
        if (v->add_bos < 0) v->add_bos = v->special[WH_SPECIAL_BOS] >= 0; /* as others have it */
        if (v->add_eos < 0) v->add_eos = 0;
        st = wh_vocab_add_around(m, err);
    }
    return st == WHIT_OK && v->notes.failed ? wh_vocab_no_memory(m, err) : st;
}

static whit_status load_folder(wh_vocab_maker *m, const char *folder, whit_error *err)
{
    int json = 0, model = 0;
    whit_status st = load(m, folder, "tokenizer.json", wh_vocab_load_json, &json, err);
    if (st == WHIT_OK && !json)
        st = load(m, folder, "tokenizer.model", wh_vocab_load_sentencepiece, &model, err);
    if (st == WHIT_OK && !json && !model)
        return wh_vocab_bad(m, NULL, "has neither a tokenizer.json nor a tokenizer.model", err);
    if (st == WHIT_OK && model) st = load_extras(m, folder, err);
    if (st == WHIT_OK) st = load_configs(m, folder, err);
    return st == WHIT_OK ? finish(m, json, err) : st;
}

whit_status wh_vocab_read_folder(wh_vocab **out, const char *folder, whit_error *err)
{
    wh_vocab_maker m;
    char *path = NULL;
    const int which = wh_vocab_in_folder(folder);
    *out = NULL;
    if (which < 0) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the vocabulary");
    if (which == 0) {
        whit_status found = wh_vocab_find_llama2c(folder, &path, err);
        if (found == WHIT_OK && path) found = wh_vocab_read_llama2c(out, path, 0, err);
        if (found != WHIT_OK || path) {
            free(path);
            return found;
        }
    }
    whit_status st = wh_vocab_begin(&m, folder, err);
    if (st == WHIT_OK) st = load_folder(&m, folder, err);
    return wh_vocab_end(&m, st, out);
}

int wh_vocab_in_folder(const char *folder)
{
    static const char *const names[] = { "tokenizer.json", "tokenizer.model" };
    int there = 0;
    for (int i = 0; i < 2 && there == 0; i++) {
        char *path = wh_path_join(folder, names[i]);
        int found = 0; /* where the system does not say, reading it will */
        if (path && (wh_file_there(path, &found, NULL) != WHIT_OK || found)) there = i + 1;
        if (!path) there = -1;
        free(path);
    }
    return there;
}

whit_status wh_vocab_read_json(wh_vocab **out, const char *path, whit_error *err)
{
    wh_vocab_maker m;
    whit_status st = wh_vocab_begin(&m, path, err);
    if (st == WHIT_OK) st = wh_vocab_load_json(&m, path, err);
    if (st == WHIT_OK) st = finish(&m, 1, err);
    return wh_vocab_end(&m, st, out);
}

whit_status wh_vocab_read_sentencepiece(wh_vocab **out, const char *path, whit_error *err)
{
    wh_vocab_maker m;
    whit_status st = wh_vocab_begin(&m, path, err);
    if (st == WHIT_OK) st = wh_vocab_load_sentencepiece(&m, path, err);
    if (st == WHIT_OK) st = wh_vocab_add_typed(&m, err);
    if (st == WHIT_OK) st = finish(&m, 0, err);
    return wh_vocab_end(&m, st, out);
}
