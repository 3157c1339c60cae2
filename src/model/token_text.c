/* src/model/token_text.c - how a text is made ready for its words: the spaces.
 *
 * SentencePiece vocabularies write U+2581 for a space and may put one before a text. Here it is the
 * other way round: U+2581 in a text becomes a space, as the tables have it. llama2.c's know no
 * U+2581; there it stays what it is.
 *
 * Source: huggingface/tokenizers, normalizers/prepend.rs and
 * pre_tokenizers/{metaspace,byte_level}.rs; google/sentencepiece, src/normalizer.cc (extra white
 * space). SPDX-License-Identifier: MIT */
#include <string.h>

#include "model/token.h"
#include "model/vocab_make.h"

/* The next U+2581 in the text, or its end. */
static const char *find_mark(const char *text, const char *end)
{
    for (const char *p = text; (size_t)(end - text) >= WH_SPACE_MARK_LEN; text = p + 1) {
        p = memchr(text, 0xe2, (size_t)(end - text));
        if (!p || (size_t)(end - p) < WH_SPACE_MARK_LEN) break;
        if (memcmp(p, WH_SPACE_MARK, WH_SPACE_MARK_LEN) == 0) return p;
    }
    return end;
}

static void put_marks_as_spaces(wh_buf *b, const char *text, size_t len)
{
    const char *end = text + len;
    while (text < end) {
        const char *mark = find_mark(text, end);
        wh_buf_put(b, text, (size_t)(mark - text));
        if (mark == end) break;
        wh_buf_put(b, " ", 1);
        text = mark + WH_SPACE_MARK_LEN;
    }
}

/* One space for each run of them, none at the ends. */
static void put_trimmed(wh_buf *b, const char *text, size_t len)
{
    int first = 1;
    for (size_t at = 0, word = 0;; at = word) {
        while (at < len && text[at] == ' ') at++;
        if (at == len) break;
        for (word = at; word < len && text[word] != ' ';) word++;
        if (!first) wh_buf_put(b, " ", 1);
        put_marks_as_spaces(b, text + at, word - at);
        first = 0;
    }
}

static int begins_with_space(const char *text, size_t len)
{
    if (len > 0 && text[0] == ' ') return 1;
    return len >= WH_SPACE_MARK_LEN && memcmp(text, WH_SPACE_MARK, WH_SPACE_MARK_LEN) == 0;
}

/* Whether a space goes before the text, which is not empty. */
static int wants_space(const wh_vocab *v, const char *text, size_t len, int at_start)
{
    if (v->kind == WH_VOCAB_BPE) return v->prefix_space && text[0] != ' ';
    switch (v->prefix) {
    case WH_PREFIX_PREPEND:
        return 1;
    case WH_PREFIX_ALWAYS:
        return !begins_with_space(text, len);
    case WH_PREFIX_FIRST:
        return at_start && !begins_with_space(text, len);
    case WH_PREFIX_NEVER:
        break;
    }
    return 0;
}

void wh_text_put_spaces(const wh_vocab *v, wh_buf *b, const char *text, size_t len, int at_start)
{
    const size_t before = b->len;
    const int trim = v->kind == WH_VOCAB_SPM && v->remove_extra_whitespaces > 0;
    while (trim && len > 0 && text[0] == ' ') {
        text++;
        len--;
    }
    if (len == 0) return;
    if (wants_space(v, text, len, at_start)) wh_buf_put(b, " ", 1);
    if (trim)
        put_trimmed(b, text, len);
    else if (v->kind == WH_VOCAB_SPM && !v->plain_spaces)
        put_marks_as_spaces(b, text, len);
    else
        wh_buf_put(b, text, len);
    while (trim && b->len > before && b->data[b->len - 1] == ' ') b->len--; /* once U+2581 */
}
