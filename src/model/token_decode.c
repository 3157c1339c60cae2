/* src/model/token_decode.c - ids to text: what the tokens stand for, one behind the other.
 *
 * The space that goes before a text is dropped again: where the vocabulary puts one, a space at the
 * very start; of one that removes extra white space, the same of each token before the first text.
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "model/token.h"

whit_status whit_detokenize_next(const whit_tokenizer *tokenizer, whit_text_stream *stream,
                                 uint32_t id, const char **text, size_t *len, whit_error *err)
{
    if (!tokenizer || !stream || !text || !len)
        return wh_fail(err, WHIT_ERR_ARG, "whit_detokenize_next: no tokenizer, stream or result");
    *text = "";
    *len = 0;
    if (id >= tokenizer->vocab->count)
        return wh_fail(err, WHIT_ERR_ARG, "%s: there is no token %" PRIu32 "; the last is %" PRIu32,
                       tokenizer->info.path, id, tokenizer->vocab->count - 1);
    const wh_piece *p = &tokenizer->piece[id];
    if ((p->special && !(stream->flags & WHIT_DETOKENIZE_SPECIAL)) || p->len == 0) return WHIT_OK;
    const int drop = !stream->begun && tokenizer->vocab->strip_space && p->text[0] == ' ';
    *text = p->text + drop;
    *len = p->len - (size_t)drop;
    if (*len > 0 || tokenizer->vocab->remove_extra_whitespaces <= 0) stream->begun = 1;
    return WHIT_OK;
}

/* Whether the n ids are those that the vocabulary puts there. */
static int are(const uint32_t *ids, const uint32_t *around, size_t n)
{
    return n == 0 || memcmp(ids, around, n * sizeof *ids) == 0;
}

/* Leave out what goes around a text. */
static void take_inside(const wh_vocab *v, const uint32_t **ids, size_t *count)
{
    if (*count >= v->befores && are(*ids, v->before, v->befores)) {
        *ids += v->befores;
        *count -= v->befores;
    }
    if (*count >= v->afters && are(*ids + (*count - v->afters), v->after, v->afters))
        *count -= v->afters;
}

whit_status whit_detokenize(const whit_tokenizer *tokenizer, const uint32_t *ids, size_t count,
                            unsigned flags, char **text, size_t *len, whit_error *err)
{
    whit_text_stream stream = { flags & ~(unsigned)WHIT_DETOKENIZE_INSIDE, 0 };
    wh_buf b = { .data = NULL };
    whit_status st = WHIT_OK;
    if (!text || !len) return wh_fail(err, WHIT_ERR_ARG, "whit_detokenize: no place for the text");
    *text = NULL;
    *len = 0;
    if (!tokenizer || (!ids && count > 0))
        return wh_fail(err, WHIT_ERR_ARG, "whit_detokenize: no tokenizer or ids");
    if (flags & WHIT_DETOKENIZE_INSIDE) {
        stream.flags |= WHIT_DETOKENIZE_SPECIAL;
        if (count > 0) take_inside(tokenizer->vocab, &ids, &count);
    }
    wh_buf_put(&b, "", 0);
    for (size_t i = 0; i < count && st == WHIT_OK; i++) {
        const char *piece;
        size_t n;
        st = whit_detokenize_next(tokenizer, &stream, ids[i], &piece, &n, err);
        wh_buf_put(&b, piece, n);
    }
    if (st == WHIT_OK && b.failed)
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for the text of %zu tokens", count);
    if (st != WHIT_OK) {
        wh_buf_free(&b);
        return st;
    }
    *text = b.data;
    *len = b.len;
    return WHIT_OK;
}
