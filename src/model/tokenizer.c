/* src/model/tokenizer.c - opening a tokenizer, and what it is.
 *
 * Not here: reading vocabularies (vocab_*.c), the tables (token_build.c), text to ids
 * (token_encode.c) and back (token_decode.c).
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "io/llama2c.h"
#include "model/token.h"

#define HEAD WH_IO_HEAD

static whit_status read_gguf(whit_tokenizer *t, const char *path, whit_error *err)
{
    whit_file *file = NULL;
    whit_status st = whit_file_open(&file, path, err);
    t->info.source = "gguf";
    if (st == WHIT_OK) st = wh_vocab_read_gguf(&t->vocab, file, err);
    whit_file_close(file);
    return st;
}

/* tokenizer.bin begins with the length of its longest token, a score, the length of the first. */
static int is_llama2c(const char *head, uint64_t bytes)
{
    const uint32_t longest = wh_load32(head), first = wh_load32(head + 8);
    return bytes >= 12 && longest < 65536 && first <= longest;
}

/* A file with weights (safetensors: a length, then JSON), or their index: the vocabulary is in the
 * folder around it. */
static int is_weights(const char head[HEAD], uint64_t bytes, int json, const char *path)
{
    static const char index[] = ".index.json";
    const size_t len = strlen(path), n = sizeof index - 1;
    const unsigned char *octets = (const unsigned char *)head;
    if (json) return len > n && strcmp(path + len - n, index) == 0;
    return memcmp(head + 5, "\0\0\0{", 4) == 0 || wh_zip_probe(octets) ||
           wh_torch_legacy_probe(octets) || wh_llama2c_is(octets, bytes);
}

static whit_status read_folder(whit_tokenizer *t, const char *path, whit_error *err)
{
    char label[WH_SHORT];
    whit_error other = { WHIT_OK, "" };
    const int which = wh_vocab_in_folder(path);
    wh_io_label(label, path);
    if (which < 0) return wh_fail(err, WHIT_ERR_NOMEM, "%s: no memory for the tokenizer", label);
    if (which > 0) {
        t->info.source = which == 1 ? "tokenizer.json" : "tokenizer.model";
        return wh_vocab_read_folder(&t->vocab, path, err);
    }
    char *beside = NULL;
    whit_status st = wh_vocab_find_llama2c(path, &beside, err);
    if (st == WHIT_OK && beside) st = wh_vocab_read_llama2c(&t->vocab, beside, 0, err);
    t->info.source = "llama2.c";
    if (st != WHIT_OK || beside) {
        free(beside);
        return st;
    }
    st = read_gguf(t, path, &other);
    if (st == WHIT_OK) return st;
    return wh_fail(err, st == WHIT_ERR_NOMEM ? st : WHIT_ERR_FORMAT,
                   "%s: has no tokenizer.json, no tokenizer.model, no tok*.bin of llama2.c, and no "
                   "GGUF file with a tokenizer (%.200s)",
                   label, other.msg);
}

static whit_status read_beside(whit_tokenizer *t, const char *path, whit_error *err)
{
    char *folder = wh_path_folder(path);
    if (!folder) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the tokenizer");
    whit_status st = read_folder(t, folder, err);
    free(folder);
    return st;
}

/* A file goes by how it begins; a tokenizer.model with its first piece, which is not empty. */
static whit_status read_file(whit_tokenizer *t, const char *path, whit_error *err)
{
    char head[HEAD + 1] = { 0 }, label[WH_SHORT];
    uint64_t bytes = 0;
    int fd = -1;
    whit_status st = wh_file_open_read(path, &fd, &bytes, err);
    if (st != WHIT_OK) return st;
    st = wh_file_pread(fd, path, 0, head, bytes < HEAD ? (size_t)bytes : HEAD, err);
    close(fd);
    if (st != WHIT_OK) return st;
    const size_t blank = strspn(head, " \t\r\n");
    if (memcmp(head, "GGUF", 4) == 0) return read_gguf(t, path, err);
    const int json = blank < HEAD && head[blank] == '{';
    if (is_weights(head, bytes, json, path)) return read_beside(t, path, err);
    if (json) {
        t->info.source = "tokenizer.json";
        return wh_vocab_read_json(&t->vocab, path, err);
    }
    if (is_llama2c(head, bytes)) {
        t->info.source = "llama2.c";
        return wh_vocab_read_llama2c(&t->vocab, path, 0, err);
    }
    if (head[0] == 0x0a) {
        t->info.source = "tokenizer.model";
        return wh_vocab_read_sentencepiece(&t->vocab, path, err);
    }
    return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                   "%s: is no tokenizer that is known; try: the model's folder, its tokenizer.json "
                   "or tokenizer.model, a GGUF file, or llama2.c's tokenizer.bin",
                   wh_io_label(label, path));
}

static void describe(whit_tokenizer *t)
{
    const wh_vocab *v = t->vocab;
    whit_tokenizer_info *i = &t->info;
    i->model = v->kind == WH_VOCAB_BPE ? "byte-level BPE" : "SentencePiece BPE";
    i->split = v->pre;
    i->vocabulary = v->count;
    i->bos = v->special[WH_SPECIAL_BOS];
    i->eos = v->special[WH_SPECIAL_EOS];
    i->eot = v->special[WH_SPECIAL_EOT];
    i->unk = v->special[WH_SPECIAL_UNK];
    i->pad = v->special[WH_SPECIAL_PAD];
    i->adds_bos = v->befores > 0 && v->before[0] == (uint64_t)i->bos;
    i->adds_eos = v->afters > 0 && v->after[v->afters - 1] == (uint64_t)i->eos;
    i->chat_template = v->chat_template;
}

whit_status whit_tokenizer_open(whit_tokenizer **out, const char *path, whit_error *err)
{
    char label[WH_SHORT];
    int folder = 0;
    if (!out) return wh_fail(err, WHIT_ERR_ARG, "whit_tokenizer_open: no place for the result");
    *out = NULL;
    if (!path || !*path) return wh_fail(err, WHIT_ERR_ARG, "whit_tokenizer_open: no path");
    whit_tokenizer *t = wh_calloc(1, sizeof *t);
    if (t) t->path = wh_strndup(path, strlen(path));
    wh_io_label(label, path);
    whit_status st = WHIT_OK;
    if (!t || !t->path) st = wh_fail(err, WHIT_ERR_NOMEM, "%s: no memory for the tokenizer", label);
    if (st == WHIT_OK) t->info.path = t->path;
    if (st == WHIT_OK) st = wh_file_is_folder(path, &folder, err);
    if (st == WHIT_OK) st = folder ? read_folder(t, path, err) : read_file(t, path, err);
    if (st == WHIT_OK) st = wh_tokenizer_build(t, label, err);
    if (st != WHIT_OK) {
        whit_tokenizer_close(t);
        return st;
    }
    describe(t);
    *out = t;
    return WHIT_OK;
}

void whit_tokenizer_close(whit_tokenizer *tokenizer)
{
    if (!tokenizer) return;
    wh_vocab_free(tokenizer->vocab);
    wh_text_index_free(&tokenizer->words);
    wh_pairs_free(&tokenizer->merges);
    wh_tree_free(&tokenizer->raw);
    wh_tree_free(&tokenizer->normal);
    wh_buf_free(&tokenizer->texts);
    free(tokenizer->piece);
    free(tokenizer->path);
    free(tokenizer);
}

const whit_tokenizer_info *whit_tokenizer_describe(const whit_tokenizer *tokenizer)
{
    return &tokenizer->info;
}

const char *whit_tokenizer_note(const whit_tokenizer *tokenizer, size_t index)
{
    return wh_lines_at(&tokenizer->vocab->notes, index);
}

int64_t whit_tokenizer_find(const whit_tokenizer *tokenizer, const char *text)
{
    return wh_vocab_find(tokenizer->vocab, text, strlen(text));
}
