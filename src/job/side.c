/* src/job/side.c - config.json and tokenizer.json: alone, and in the folder of a model.
 *
 * Not here: what they hold (src/model/config*.c, vocab_*.c).
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "job/side.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <whit/tokenizer.h>
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "io/io.h"
#include "model/config.h"
#include "model/vocab.h"

#define MOST_BYTES ((uint64_t)256 << 20)

typedef enum kind { KIND_NONE, KIND_CONFIG, KIND_TOKENIZER } kind;

struct whit_side {
    kind kind;
    wh_model_config config;
    whit_tokenizer *tokenizer;
};

/* ---- which one it is ------------------------------------------------------------------------- */

/* Members of which one is enough. */
static const struct {
    const char *member;
    kind kind;
} signs[] = {
    { "weight_map", KIND_NONE },          { "architectures", KIND_CONFIG },
    { "model_type", KIND_CONFIG },        { "hidden_size", KIND_CONFIG },
    { "num_hidden_layers", KIND_CONFIG }, { "num_attention_heads", KIND_CONFIG },
    { "added_tokens", KIND_TOKENIZER },   { "pre_tokenizer", KIND_TOKENIZER },
    { "post_processor", KIND_TOKENIZER }, { "normalizer", KIND_TOKENIZER },
};

/* Of a text that may be damaged: what its first known member says. */
static whit_status kind_of_text(const char *text, size_t len, kind *out, whit_error *err)
{
    const size_t mark = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    kind found = KIND_NONE;
    int known = 0;
    wh_json j;
    wh_json_init(&j, text + mark, len - mark);
    j.python = 1;
    if (wh_json_next(&j) != WH_JSON_OBJECT) len = 0;
    while (len > 0 && !known && wh_json_next(&j) == WH_JSON_KEY) {
        for (size_t i = 0; i < sizeof signs / sizeof signs[0] && !known; i++)
            if (strcmp(j.text, signs[i].member) == 0) {
                found = signs[i].kind;
                known = 1;
            }
        if (!known && !wh_json_skip(&j, WH_JSON_KEY)) break;
    }
    const int nomem = j.nomem;
    wh_json_free(&j);
    *out = found;
    return nomem ? wh_fail(err, WHIT_ERR_NOMEM, "no memory for a small file") : WHIT_OK;
}

/* 1: JSON text may begin so, and no file of weights does. */
static int may_be_json(const unsigned char head[WH_IO_HEAD])
{
    size_t i = memcmp(head, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    if (wh_safetensors_probe(head)) return 0;
    while (i < WH_IO_HEAD && (head[i] == ' ' || (head[i] >= '\t' && head[i] <= '\r'))) i++;
    return i < WH_IO_HEAD && head[i] == '{';
}

/* The text of a small file that begins like JSON; *text is NULL for any other, and for none. */
static whit_status read_text(const char *path, char **text, size_t *len, whit_error *err)
{
    unsigned char head[WH_IO_HEAD];
    uint64_t bytes = 0;
    int fd, there;
    *text = NULL;
    whit_error why = { WHIT_OK, "" };
    const whit_status st = wh_io_open_head(path, &fd, &bytes, head, &why);
    if (fd >= 0) close(fd);
    if (st == WHIT_OK && may_be_json(head) && bytes <= MOST_BYTES)
        return wh_file_slurp(path, MOST_BYTES, text, len, err);
    if (st == WHIT_OK || st == WHIT_ERR_UNSUPPORTED) return WHIT_OK; /* a folder */
    if (st == WHIT_ERR_IO && wh_file_there(path, &there, NULL) == WHIT_OK && !there) return WHIT_OK;
    return wh_fail(err, st, "%s", why.msg);
}

/* ---- alone ----------------------------------------------------------------------------------- */

static whit_status open_kind(whit_side *s, const char *path, const char *text, size_t len,
                             whit_error *err)
{
    char label[WH_SHORT];
    if (s->kind == KIND_TOKENIZER) return whit_tokenizer_open(&s->tokenizer, path, err);
    return wh_config_parse(&s->config, wh_io_label(label, path), text, len, err);
}

whit_status whit_side_open(whit_side **out, const char *path, whit_error *err)
{
    char *text = NULL;
    size_t len = 0;
    if (!out) return wh_fail(err, WHIT_ERR_ARG, "whit_side_open: no place for the result");
    *out = NULL;
    if (!path || !*path) return wh_fail(err, WHIT_ERR_ARG, "whit_side_open: no path");
    whit_status st = read_text(path, &text, &len, err);
    kind k = KIND_NONE;
    if (st == WHIT_OK && text) st = kind_of_text(text, len, &k, err);
    whit_side *s = k == KIND_NONE ? NULL : wh_calloc(1, sizeof *s);
    if (k != KIND_NONE && !s) st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for a small file");
    if (s) {
        s->kind = k;
        st = open_kind(s, path, text, len, err);
    }
    free(text);
    if (st != WHIT_OK) {
        whit_side_close(s);
        return st;
    }
    *out = s;
    return WHIT_OK;
}

void whit_side_close(whit_side *side)
{
    if (!side) return;
    whit_tokenizer_close(side->tokenizer);
    free(side);
}

const char *whit_side_format(const whit_side *side)
{
    return side->kind == KIND_CONFIG ? "config.json" : "tokenizer.json";
}

/* What it has to say beside, one line each; NULL from the last on. */
static const char *note(const whit_side *s, size_t index)
{
    return s->kind == KIND_TOKENIZER ? whit_tokenizer_note(s->tokenizer, index) : NULL;
}

static void put_text_config(wh_buf *b, const wh_model_config *c)
{
    wh_buf_putf(b,
                "format    config.json, %s: a model that can be run\n"
                "model     %" PRIu32 " layers of width %" PRIu32 ", %" PRIu32 " heads of %" PRIu32
                ", %" PRIu32 " for keys and values, feed-forward %" PRIu32 "\n"
                "text      %" PRIu32 " tokens, context %" PRIu32,
                wh_arch_name(c->arch), c->layers, c->dim, c->heads, c->head_dim, c->kv_heads,
                c->ffn, c->vocab, c->context);
    if (c->bos >= 0) wh_buf_putf(b, ", begins with %" PRId64, c->bos);
    for (unsigned i = 0; i < c->eos_count; i++)
        wh_buf_putf(b, "%s %" PRIu32, i ? " or" : ", ends with", c->eos[i]);
    wh_buf_puts(b, "\n");
}

static void put_text_tokenizer(wh_buf *b, const whit_tokenizer_info *t)
{
    wh_buf_putf(b,
                "format    tokenizer.json, %s, split %s\n"
                "text      %" PRIu32 " tokens; %s before it, %s behind\n",
                t->model, t->split, t->vocabulary, t->adds_bos ? "BOS" : "nothing",
                t->adds_eos ? "EOS" : "nothing");
}

void whit_side_write_text(const whit_side *side, int checked, FILE *out)
{
    wh_buf b = { 0 };
    if (side->kind == KIND_CONFIG)
        put_text_config(&b, &side->config);
    else
        put_text_tokenizer(&b, whit_tokenizer_describe(side->tokenizer));
    const char *line;
    for (size_t i = 0; (line = note(side, i)) != NULL; i++) wh_buf_putf(&b, "note      %s\n", line);
    if (checked) wh_buf_puts(&b, "check     ok\n");
    wh_buf_print(&b, out);
}

void whit_side_write_json(const whit_side *side, int checked, FILE *out)
{
    wh_buf b = { 0 };
    wh_buf_putf(&b, "{\"schema\":1,\"format\":\"%s\"", whit_side_format(side));
    if (side->kind == KIND_CONFIG) {
        const wh_model_config *c = &side->config;
        wh_buf_putf(&b,
                    ",\"architecture\":\"%s\",\"layers\":%" PRIu32 ",\"width\":%" PRIu32
                    ",\"heads\":%" PRIu32 ",\"kv_heads\":%" PRIu32 ",\"vocabulary\":%" PRIu32
                    ",\"context\":%" PRIu32,
                    wh_arch_name(c->arch), c->layers, c->dim, c->heads, c->kv_heads, c->vocab,
                    c->context);
    } else {
        const whit_tokenizer_info *t = whit_tokenizer_describe(side->tokenizer);
        wh_buf_putf(&b, ",\"model\":\"%s\",\"split\":\"%s\",\"vocabulary\":%" PRIu32, t->model,
                    t->split, t->vocabulary);
    }
    wh_buf_puts(&b, ",\"metadata\":{},\"tensors\":[]");
    if (checked) {
        wh_buf_puts(&b, ",\"check\":{\"ok\":true,\"problems\":[],\"notes\":[");
        for (size_t i = 0; note(side, i); i++) {
            if (i) wh_buf_puts(&b, ",");
            wh_json_put_string(&b, note(side, i));
        }
        wh_buf_puts(&b, "]}");
    }
    wh_buf_puts(&b, "}\n");
    wh_buf_print(&b, out);
}

/* ---- in a folder ----------------------------------------------------------------------------- */

/* The verdict of a reader becomes a line, unless the system is to blame. */
static whit_status judge(whit_check *check, whit_status st, const whit_error *said, whit_error *err)
{
    if (st == WHIT_ERR_UNSUPPORTED)
        wh_lines_add(&check->notes, "%s", said->msg);
    else if (st == WHIT_ERR_FORMAT)
        wh_lines_add(&check->problems, "%s", said->msg);
    else if (st != WHIT_OK)
        return wh_fail(err, st, "%s", said->msg);
    return WHIT_OK;
}

/* 1: config.json is there and speaks of a language model. */
static whit_status speaks(const char *folder, int *is_config, whit_error *err)
{
    char *path = wh_path_join(folder, "config.json"), *text = NULL;
    size_t len = 0;
    if (!path) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the check");
    whit_status st = read_text(path, &text, &len, err);
    kind k = KIND_NONE;
    if (st == WHIT_OK && text) st = kind_of_text(text, len, &k, err);
    *is_config = k == KIND_CONFIG;
    free(text);
    free(path);
    return st;
}

static whit_status check_folder(const char *folder, whit_check *check, whit_error *err)
{
    whit_error said = { WHIT_OK, "" };
    wh_model_config c;
    whit_tokenizer *t = NULL;
    int is_config = 0;
    whit_status st = speaks(folder, &is_config, err), config = WHIT_OK;
    if (st == WHIT_OK && is_config) {
        config = wh_config_read_folder(&c, folder, &said);
        st = judge(check, config, &said, err);
    }
    /* which also reads the configuration, and would say the same of a damaged one */
    if (st == WHIT_OK && config != WHIT_ERR_FORMAT && wh_vocab_in_folder(folder) != 0)
        st = judge(check, whit_tokenizer_open(&t, folder, &said), &said, err);
    const uint32_t tokens = t ? whit_tokenizer_describe(t)->vocabulary : 0;
    /* cppcheck-suppress uninitvar ; a config that is well has filled c */
    if (st == WHIT_OK && is_config && config == WHIT_OK && tokens > c.vocab)
        wh_lines_add(&check->notes,
                     "the vocabulary has %" PRIu32 " tokens, the model %" PRIu32
                     " rows: it cannot read them all",
                     tokens, c.vocab);
    whit_tokenizer_close(t);
    return st;
}

whit_status wh_side_check(const whit_file *file, whit_check *check, whit_error *err)
{
    if (!whit_file_is_folder(file) && !whit_file_has_index(file)) return WHIT_OK;
    return check_folder(whit_file_folder(file), check, err);
}
