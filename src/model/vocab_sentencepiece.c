/* src/model/vocab_sentencepiece.c - tokenizer.model: a SentencePiece model of the kind BPE.
 *
 *   1 pieces           message, repeated: 1 piece (text), 2 score (float), 3 type (1..6)
 *   2 trainer_spec     3 model_type (1 unigram, 2 BPE, 3 word, 4 char), 24
 * treat_whitespace_as_suffix, 35 byte_fallback, 40 unk_id, 41 bos_id, 42 eos_id, 43 pad_id 3
 * normalizer_spec  1 name, 2 precompiled_charsmap, 3 add_dummy_prefix, 4 remove_extra_whitespaces,
 * 5 escape_whitespaces
 *
 * A missing field has its default: model_type 1, add_dummy_prefix, remove_extra_whitespaces and
 * escape_whitespaces true, ids 0, 1, 2 and none. A normalizer with a map of characters is refused:
 * what it does to a text is not implemented. Fields that are not named here say nothing about ids.
 *
 * Source: google/sentencepiece, src/sentencepiece_model.proto.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/bytes.h"
#include "base/file.h"
#include "model/proto.h"
#include "model/vocab_make.h"

typedef struct spec {
    uint64_t model_type, suffix;                 /* trainer_spec */
    uint64_t dummy_prefix, remove_extra, escape; /* normalizer_spec */
    int has_map;
    uint64_t id[4]; /* unk, bos, eos, pad; -1 is a number of 64 bits */
} spec;

static whit_status malformed(const wh_vocab_maker *m, whit_error *err)
{
    return wh_vocab_bad(m, NULL, "is no SentencePiece model, or damaged", err);
}

static whit_status read_piece(wh_vocab_maker *m, const wh_proto *field, whit_error *err)
{
    wh_proto p = wh_proto_begin(field->data, field->len);
    const char *text = "";
    size_t len = 0;
    float score = 0.0f;
    uint64_t type = WH_TOKEN_NORMAL;
    int more;
    while ((more = wh_proto_next(&p)) > 0) {
        if (p.field == 1 && p.kind == WH_PROTO_BYTES) {
            text = (const char *)p.data;
            len = p.len;
        }
        if (p.field == 2 && p.kind == WH_PROTO_32) score = wh_bits_f32((uint32_t)p.value);
        if (p.field == 3 && p.kind == WH_PROTO_NUMBER) type = p.value;
    }
    if (more < 0 || type < WH_TOKEN_NORMAL || type > WH_TOKEN_BYTE) return malformed(m, err);
    if (score != score) return wh_vocab_bad(m, NULL, "the score of a piece is no number", err);
    if (type == WH_TOKEN_UNUSED)
        return wh_vocab_unsupported(m, NULL, "a piece is of the type unused", err);
    /* The text ends inside the file, without NUL. */
    m->scratch.len = 0;
    wh_buf_put(&m->scratch, text, len);
    if (m->scratch.failed) return wh_vocab_no_memory(m, err);
    if (type == WH_TOKEN_BYTE) m->v->byte_fallback = 1;
    return wh_vocab_put(m, m->v->count, m->scratch.data, m->scratch.len, (wh_token_type)type, score,
                        err);
}

static int read_trainer(const wh_proto *field, spec *s)
{
    wh_proto p = wh_proto_begin(field->data, field->len);
    int more;
    while ((more = wh_proto_next(&p)) > 0) {
        if (p.kind != WH_PROTO_NUMBER) continue;
        if (p.field == 3) s->model_type = p.value;
        if (p.field == 24) s->suffix = p.value;
        if (p.field >= 40 && p.field <= 43) s->id[p.field - 40] = p.value;
    }
    return more == 0;
}

static int read_normalizer(const wh_proto *field, spec *s)
{
    wh_proto p = wh_proto_begin(field->data, field->len);
    int more;
    while ((more = wh_proto_next(&p)) > 0) {
        if (p.field == 2 && p.kind == WH_PROTO_BYTES && p.len > 0) s->has_map = 1;
        if (p.kind != WH_PROTO_NUMBER) continue;
        if (p.field == 3) s->dummy_prefix = p.value;
        if (p.field == 4) s->remove_extra = p.value;
        if (p.field == 5) s->escape = p.value;
    }
    return more == 0;
}

static whit_status judge(wh_vocab_maker *m, const spec *s, whit_error *err)
{
    static const char *const types[] = { "?", "unigram", "BPE", "word", "char" };
    static const wh_special which[4] = { WH_SPECIAL_UNK, WH_SPECIAL_BOS, WH_SPECIAL_EOS,
                                         WH_SPECIAL_PAD };
    wh_vocab *v = m->v;
    if (s->model_type != 2)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                       "%s: the SentencePiece model is of the kind %s; only BPE is read", m->label,
                       types[s->model_type < 5 ? s->model_type : 0]);
    if (s->has_map)
        return wh_vocab_unsupported(m, "normalizer_spec", "it maps characters, which is not done",
                                    err);
    if (s->suffix || !s->escape)
        return wh_vocab_unsupported(m, "normalizer_spec", "spaces are not put before words", err);
    v->pre = "default";
    v->fuse_unk = 1;
    v->prefix = s->dummy_prefix ? WH_PREFIX_PREPEND : WH_PREFIX_NEVER;
    v->strip_space = s->dummy_prefix || s->remove_extra;
    v->marks_first = 1;
    v->add_space_prefix = s->dummy_prefix != 0;
    v->remove_extra_whitespaces = s->remove_extra != 0;
    for (int i = 0; i < 4; i++) /* a default may lie on a piece that is nothing special */
        if (s->id[i] < v->count && v->token[s->id[i]].type != WH_TOKEN_NORMAL)
            m->own[which[i]] = (int64_t)s->id[i];
    v->special[WH_SPECIAL_UNK] = m->own[WH_SPECIAL_UNK];
    return v->count > 0 ? WHIT_OK : malformed(m, err);
}

static whit_status read_model(wh_vocab_maker *m, const char *data, size_t len, whit_error *err)
{
    spec s = { 1, 0, 1, 1, 1, 0, { 0, 1, 2, UINT64_MAX } };
    whit_status st = WHIT_OK;
    wh_proto p = wh_proto_begin(data, len);
    int more;
    m->v->kind = WH_VOCAB_SPM;
    while (st == WHIT_OK && (more = wh_proto_next(&p)) != 0) {
        const int message = more > 0 && p.kind == WH_PROTO_BYTES;
        if (more < 0 || (p.field <= 3 && !message)) return malformed(m, err);
        if (p.field == 1) st = read_piece(m, &p, err);
        if (p.field == 2 && !read_trainer(&p, &s)) return malformed(m, err);
        if (p.field == 3 && !read_normalizer(&p, &s)) return malformed(m, err);
    }
    return st == WHIT_OK ? judge(m, &s, err) : st;
}

whit_status wh_vocab_load_sentencepiece(wh_vocab_maker *m, const char *path, whit_error *err)
{
    char *data = NULL;
    size_t len = 0;
    whit_status st = wh_file_slurp(path, WH_VOCAB_MAX_FILE, &data, &len, err);
    wh_vocab_bound(m, len);
    if (st == WHIT_OK) st = read_model(m, data, len, err);
    free(data);
    return st;
}
