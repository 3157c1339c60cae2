/* src/job/companions.c - the small files beside the weights of a model folder: config, tokenizer.
 *
 * They are carried over unchanged, but for those that an output has a text of its own for. Where a
 * link leads out of the folder they are not followed. Not here: the names of what stays behind
 * (left_behind.c).
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "job/companions.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/names.h"
#include "job/config_text.h"
#include "model/config.h"
#include "model/vocab.h"

/* What makes a folder loadable next to its weights. */
static const char *const companions[] = {
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "tokenizer.model",
    "tokenizer.model.v1",
    "tokenizer.model.v2",
    "tokenizer.model.v3",
    "tekken.json",
    "spiece.model",
    "spm.model",
    "sentencepiece.model",
    "sentencepiece.bpe.model",
    "source.spm",
    "target.spm",
    "bpe.codes",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "normalizer.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "processor_config.json",
};
#define COMPANIONS (sizeof companions / sizeof companions[0])
#define OWN_FILES 4 /* room for what is added to them */

const char *wh_companion_name(size_t i)
{
    return i < COMPANIONS ? companions[i] : NULL;
}

static whit_status no_memory(whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the list of output files");
}

/* What config.json says that is worth a word, or to be known. */
static whit_status note_config(wh_companions *c, const char *path, wh_lines *warnings,
                               whit_error *err)
{
    char *text = NULL, name[WH_SHORT];
    size_t len = 0, depth = 0;
    wh_json j;
    whit_status st = wh_file_slurp(path, WH_CONFIG_LIMIT, &text, &len, err);
    if (st != WHIT_OK) return st;
    wh_json_init(&j, text, len);
    j.python = 1;
    wh_json_token tok = wh_json_next(&j);
    int object = tok == WH_JSON_OBJECT;
    while (tok != WH_JSON_ERROR && tok != WH_JSON_END) {
        depth += tok == WH_JSON_OBJECT || tok == WH_JSON_ARRAY;
        depth -= tok == WH_JSON_OBJECT_END || tok == WH_JSON_ARRAY_END;
        int type = depth == 1 && tok == WH_JSON_KEY && strcmp(j.text, "model_type") == 0;
        c->says_stored |= depth == 1 && tok == WH_JSON_KEY && wh_config_says_stored(j.text);
        tok = wh_json_next(&j);
        c->turned |= type && tok == WH_JSON_STRING && strcmp(j.text, "gpt2") == 0;
    }
    wh_short(name, path);
    if (tok == WH_JSON_ERROR) c->says_stored = 0;
    if (j.nomem)
        st = no_memory(err);
    else if (!object || tok == WH_JSON_ERROR)
        wh_lines_add(warnings, "%s: not a JSON object; copied as it is", name);
    else if (c->turned)
        wh_lines_add(warnings,
                     "%s: GPT-2 stores weights inputs x outputs, so their rows here are inputs",
                     name);
    wh_json_free(&j);
    free(text);
    return st;
}

/* The tokenizer beside a checkpoint of llama2.c, whose name is not always the same. */
static whit_status add_llama2c(wh_companions *c, const whit_file *file, wh_lines *warnings,
                               whit_error *err)
{
    char *path = NULL;
    whit_error why = { WHIT_OK, "" };
    if (!wh_config_is_llama2c(file)) return WHIT_OK;
    whit_status st = wh_vocab_find_llama2c(whit_file_folder(file), &path, &why);
    if (st == WHIT_ERR_NOMEM) return no_memory(err);
    if (st == WHIT_ERR_IO) return wh_fail(err, st, "%s", why.msg);
    if (st != WHIT_OK) wh_lines_add(warnings, "%s; not copied", why.msg);
    if (!path) return WHIT_OK;
    const char *name = wh_path_name(path);
    c->file[c->count].name = wh_strndup(name, strlen(name));
    free(path);
    if (!c->file[c->count].name) return no_memory(err);
    c->count++;
    return WHIT_OK;
}

/* A single file is read alone: what is beside it stays there. */
static whit_status tell_beside(const whit_file *file, wh_lines *warnings, whit_error *err)
{
    char name[WH_SHORT];
    int there = 0;
    char *config = wh_path_join(whit_file_folder(file), "config.json");
    if (!config) return no_memory(err);
    whit_status st = wh_file_there(config, &there, err);
    if (there)
        wh_lines_add(warnings,
                     "%s: config.json and tokenizer beside it are not copied; try: its folder",
                     wh_short(name, whit_file_path(file)));
    free(config);
    return st;
}

whit_status wh_companions_find(wh_companions *c, const whit_file *file, wh_lines *warnings,
                               whit_error *err)
{
    c->file = wh_calloc(COMPANIONS + OWN_FILES, sizeof *c->file);
    if (!c->file) return no_memory(err);
    if (!file) return WHIT_OK;
    if (!whit_file_is_folder(file) && !whit_file_has_index(file))
        return tell_beside(file, warnings, err);
    const char *folder = whit_file_folder(file);
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < COMPANIONS && st == WHIT_OK; i++) {
        char *path = wh_path_join(folder, companions[i]), *safe = NULL;
        whit_error why;
        int there;
        if (!path) return no_memory(err);
        st = wh_file_there(path, &there, err);
        if (there) {
            whit_status found = wh_file_inside(folder, companions[i], &safe, &why);
            char *name = found == WHIT_OK ? wh_strndup(companions[i], strlen(companions[i])) : NULL;
            if (name)
                c->file[c->count++].name = name;
            else if (found == WHIT_OK || found == WHIT_ERR_NOMEM)
                st = no_memory(err);
            else if (found == WHIT_ERR_IO)
                st = wh_fail(err, found, "%s", why.msg);
            else
                wh_lines_add(warnings, "%s; not copied", why.msg);
        }
        if (st == WHIT_OK && safe && strcmp(companions[i], "config.json") == 0)
            st = note_config(c, safe, warnings, err);
        free(path);
        free(safe);
    }
    if (st == WHIT_OK) st = add_llama2c(c, file, warnings, err);
    return st == WHIT_OK ? wh_tell_left(folder, warnings, err) : st;
}

whit_status wh_companions_put(wh_companions *c, const char *name, const char *text, size_t len,
                              whit_error *err)
{
    size_t k = 0;
    while (k < c->count && strcmp(c->file[k].name, name) != 0) k++;
    if (k == COMPANIONS + OWN_FILES) return wh_fail(err, WHIT_ERR_ARG, "too many small files");
    wh_companion *f = &c->file[k];
    char *own = wh_strndup(text, len);
    if (own && !f->name) f->name = wh_strndup(name, strlen(name));
    if (!own || !f->name) {
        free(own);
        return no_memory(err);
    }
    free(f->text);
    f->text = own;
    f->len = len;
    c->count += k == c->count;
    return WHIT_OK;
}

whit_status wh_companion_write(const wh_companion *c, const whit_source *source, int fd,
                               const char *name, whit_error *err)
{
    enum { PIECE = 1 << 16 };
    char *path = NULL, *piece = NULL;
    uint64_t bytes = 0;
    int from = -1;
    if (c->text) return wh_file_pwrite(fd, name, 0, c->text, c->len, err);
    whit_status st =
        wh_file_inside(whit_file_folder(whit_source_file(source)), c->name, &path, err);
    if (st == WHIT_OK) st = wh_file_open_read(path, &from, &bytes, err);
    if (st == WHIT_OK && !(piece = wh_calloc(PIECE, 1))) st = no_memory(err);
    for (uint64_t at = 0; at < bytes && st == WHIT_OK; at += PIECE) {
        const size_t n = bytes - at < PIECE ? (size_t)(bytes - at) : PIECE;
        st = wh_file_pread(from, path, at, piece, n, err);
        if (st == WHIT_OK) st = wh_file_pwrite(fd, name, at, piece, n, err);
    }
    if (from >= 0) close(from);
    free(piece);
    free(path);
    return st;
}

void wh_companions_free(wh_companions *c)
{
    for (size_t i = 0; i < c->count; i++) {
        free(c->file[i].name);
        free(c->file[i].text);
    }
    free(c->file);
    *c = (wh_companions){ 0 };
}
