/* src/model/vocab_llama2c.c - tokenizer.bin of llama2.c: a SentencePiece vocabulary with scores.
 *
 *   i32   the longest token, in octets
 *   then for each token: f32 score, i32 length, that many octets
 *
 * The number of tokens is not stored: the model's header has it. Spaces are spaces here, not
 * U+2581; ids 1 and 2 are BOS and EOS, written with a newline around them; 3 .. 258 are the octets.
 *
 * Beside a model it is tokenizer.bin, or else the only file tok*.bin of the folder (tok512.bin).
 *
 * Source: karpathy/llama2.c, tokenizer.py and run.c.
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64 /* readdir, where inodes have 64 bits */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "model/vocab_make.h"

#define HEAD 4u
#define TOKEN_HEAD 8u
#define FIRST_OCTET 3u

/* The text as GGUF has it, in m->scratch. */
static int make_text(wh_vocab_maker *m, uint64_t id, const char *text, size_t len)
{
    wh_buf *b = &m->scratch;
    b->len = 0;
    wh_buf_put(b, "", 0);
    if ((id == 1 || id == 2) && len > 2 && text[0] == '\n' && text[len - 1] == '\n') {
        wh_buf_put(b, text + 1, len - 2);
        return !b->failed;
    }
    for (size_t i = 0; i < len; i++) {
        const int space = text[i] == ' ';
        wh_buf_put(b, space ? WH_SPACE_MARK : text + i, space ? WH_SPACE_MARK_LEN : 1);
    }
    return !b->failed;
}

static whit_status put_token(wh_vocab_maker *m, uint32_t id, float score, const char *text,
                             size_t len, whit_error *err)
{
    wh_token_type type = id == 0 ? WH_TOKEN_UNKNOWN : id <= 2 ? WH_TOKEN_CONTROL : WH_TOKEN_NORMAL;
    if (score != score) return wh_vocab_bad(m, NULL, "the score of a token is no number", err);
    if (len > WH_VOCAB_MAX_TEXT) return wh_vocab_bad(m, NULL, "a token of more than 64 KiB", err);
    if (!make_text(m, id, text, len)) return wh_vocab_no_memory(m, err);
    const wh_token made = { .text = m->scratch.data, .len = (uint32_t)m->scratch.len };
    if (id >= FIRST_OCTET && wh_vocab_octet(&made) == (int)(id - FIRST_OCTET)) {
        type = WH_TOKEN_BYTE;
        m->v->byte_fallback = 1;
    }
    return wh_vocab_put(m, id, made.text, made.len, type, score, err);
}

static whit_status read_tokens(wh_vocab_maker *m, const char *data, size_t len, uint32_t count,
                               whit_error *err)
{
    whit_status st = WHIT_OK;
    size_t at = HEAD;
    uint32_t id = 0;
    for (; st == WHIT_OK && at < len && (count == 0 || id < count); id++) {
        if (len - at < TOKEN_HEAD) return wh_vocab_bad(m, NULL, "ends inside a token", err);
        const float score = wh_bits_f32(wh_load32(data + at));
        const uint32_t bytes = wh_load32(data + at + 4);
        at += TOKEN_HEAD;
        if (bytes > len - at) return wh_vocab_bad(m, NULL, "ends inside a token", err);
        st = put_token(m, id, score, data + at, bytes, err);
        at += bytes;
    }
    if (st != WHIT_OK) return st;
    if (count > 0 && (id != count || at != len))
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: has %s than the %" PRIu32 " tokens of the model; try: the tokenizer of "
                       "this model",
                       m->label, id < count ? "fewer" : "more", count);
    return id > 0 ? WHIT_OK : wh_vocab_bad(m, NULL, "holds no tokens", err);
}

static whit_status finish(wh_vocab_maker *m, whit_error *err)
{
    wh_vocab *v = m->v;
    v->pre = "default";
    v->prefix = WH_PREFIX_PREPEND;
    v->plain_spaces = v->strip_space = v->marks_first = v->fuse_unk = 1;
    v->add_bos = v->add_space_prefix = 1;
    v->add_eos = v->remove_extra_whitespaces = 0;
    if (v->count < FIRST_OCTET)
        return wh_vocab_bad(m, NULL, "has no tokens for BOS, EOS and what is unknown", err);
    v->special[WH_SPECIAL_UNK] = 0;
    v->special[WH_SPECIAL_BOS] = 1;
    v->special[WH_SPECIAL_EOS] = 2;
    return wh_vocab_add_around(m, err);
}

whit_status wh_vocab_read_llama2c(wh_vocab **out, const char *path, uint32_t count, whit_error *err)
{
    wh_vocab_maker m;
    char *data = NULL;
    size_t len = 0;
    whit_status st = wh_vocab_begin(&m, path, err);
    if (st == WHIT_OK) st = wh_file_slurp(path, WH_VOCAB_MAX_FILE, &data, &len, err);
    if (st == WHIT_OK) {
        wh_vocab_bound(&m, len);
        m.v->kind = WH_VOCAB_SPM;
        st = len > HEAD ? read_tokens(&m, data, len, count, err)
                        : wh_vocab_bad(&m, NULL, "is no tokenizer.bin: too short", err);
    }
    if (st == WHIT_OK) st = finish(&m, err);
    free(data);
    return wh_vocab_end(&m, st, out);
}

static int is_name(const char *name)
{
    const size_t len = strlen(name);
    return len >= 7 && strncmp(name, "tok", 3) == 0 && strcmp(name + len - 4, ".bin") == 0;
}

/* tokenizer.bin, else the only tok*.bin; *count of those there are. NULL: none, or no memory. */
static char *pick(DIR *d, size_t *count)
{
    char *best = NULL;
    struct dirent *e;
    int ok = 1;
    *count = 0;
    while (ok && (errno = 0, e = readdir(d)) != NULL) {
        const int usual = strcmp(e->d_name, "tokenizer.bin") == 0;
        if (!is_name(e->d_name)) continue;
        ++*count;
        if (best && !usual && (strcmp(best, "tokenizer.bin") == 0 || strcmp(best, e->d_name) < 0))
            continue;
        free(best);
        best = wh_strndup(e->d_name, strlen(e->d_name));
        ok = best != NULL;
    }
    if (best && strcmp(best, "tokenizer.bin") == 0) *count = 1;
    return best;
}

whit_status wh_vocab_find_llama2c(const char *folder, char **path, whit_error *err)
{
    char label[WH_SHORT], shortened[WH_SHORT];
    size_t count = 0;
    *path = NULL;
    wh_short(label, folder);
    DIR *d = opendir(folder);
    if (!d) return wh_fail(err, WHIT_ERR_IO, "%s: %s", label, strerror(errno));
    char *name = pick(d, &count);
    const int failed = errno;
    closedir(d);
    whit_status st = WHIT_OK;
    if (count > 0 && !name)
        st = wh_fail(err, WHIT_ERR_NOMEM, "%s: no memory for the tokenizer", label);
    else if (failed != 0)
        st = wh_fail(err, WHIT_ERR_IO, "%s: %s", label, strerror(failed));
    else if (count > 1)
        st = wh_fail(err, WHIT_ERR_FORMAT,
                     "%s: %zu tokenizers (%s, ..); try: call the model's tokenizer.bin", label,
                     count, wh_short(shortened, name));
    else if (name)
        st = wh_file_inside(folder, name, path, err);
    free(name);
    return st;
}
