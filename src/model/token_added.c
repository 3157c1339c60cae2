/* src/model/token_added.c - finding added tokens in a text: the leftmost, of those at one place the
 * longest.
 *
 * lstrip and rstrip swallow the white space on that side; single_word wants no word character next
 * to it. A match that does not count is passed over whole. The next one is looked for behind the
 * text of a match itself, so that white space which rstrip swallowed can be one, too.
 *
 * Source: huggingface/tokenizers, tokenizer/added_vocabulary.rs.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/token.h"
#include "model/unicode.h"

void wh_tree_free(wh_tree *tree)
{
    wh_pairs_free(&tree->edge);
    free(tree->added);
    memset(tree, 0, sizeof *tree);
}

/* A new node; 0: no memory (the root is made first). */
static int add_node(wh_tree *tree)
{
    void *added = tree->added;
    if (!wh_grow(&added, &tree->cap, tree->nodes + 1, sizeof *tree->added)) return 0;
    tree->added = added;
    tree->added[tree->nodes++] = WH_ID_NONE;
    return 1;
}

static void note_start(wh_tree *tree, const unsigned char *p, size_t len)
{
    for (unsigned second = 0; second < 256; second++) {
        const unsigned bit = p[0] * 256u + second;
        if (len == 1 || p[1] == second) tree->start[bit / 64] |= (uint64_t)1 << bit % 64;
    }
}

int wh_tree_put(wh_tree *tree, const char *text, size_t len, uint32_t added)
{
    const unsigned char *p = (const unsigned char *)text;
    uint32_t node = 0, unused;
    if (tree->nodes == 0 && !add_node(tree)) return 0;
    for (size_t i = 0; i < len; i++) {
        uint32_t below = wh_pairs_find(&tree->edge, node, p[i], &unused);
        if (below == WH_PAIR_NONE) {
            below = (uint32_t)tree->nodes; /* fewer than octets of the file */
            if (!add_node(tree) || wh_pairs_add(&tree->edge, node, p[i], below, 0) < 0) return 0;
        }
        node = below;
    }
    if (tree->added[node] == WH_ID_NONE) tree->added[node] = added;
    note_start(tree, p, len);
    return 1;
}

/* The longest added token at `at`, its octets in *len; WH_ID_NONE: none. */
static uint32_t longest(const wh_tree *tree, const unsigned char *text, size_t end, size_t at,
                        size_t *len)
{
    uint32_t node = 0, found = WH_ID_NONE, unused;
    for (size_t i = at; i < end; i++) {
        node = wh_pairs_find(&tree->edge, node, text[i], &unused);
        if (node == WH_PAIR_NONE) break;
        if (tree->added[node] == WH_ID_NONE) continue;
        found = tree->added[node];
        *len = i + 1 - at;
    }
    return found;
}

static int is_word(uint32_t c)
{
    const wh_unicode_kind kind = wh_unicode_kind_of(c);
    return kind == WH_UNICODE_LETTER || kind == WH_UNICODE_NUMBER_WORD || kind == WH_UNICODE_WORD;
}

/* The start of the character that ends before `at`, which is not 0. */
static size_t back(const char *text, size_t at)
{
    do at--;
    while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80);
    return at;
}

static int stands_alone(const char *text, size_t len, size_t begin, size_t end)
{
    size_t n;
    if (begin > 0 && is_word(wh_utf8_read(text + back(text, begin), &n))) return 0;
    return end == len || !is_word(wh_utf8_read(text + end, &n));
}

/* White space that a match swallows. A space that stands for U+2581 is none. */
static int is_space(const char *p, int marked, size_t *n)
{
    const uint32_t c = wh_utf8_read(p, n);
    return wh_unicode_kind_of(c) == WH_UNICODE_SPACE && !(marked && c == ' ');
}

/* The white space around a match that belongs to it; not before `floor`. */
static void strip(const wh_added *a, const char *text, size_t len, size_t floor, int marked,
                  wh_match *m)
{
    size_t n;
    while (a->lstrip && m->begin > floor) {
        const size_t at = back(text, m->begin);
        if (!is_space(text + at, marked, &n)) break;
        m->begin = at;
    }
    if (a->lstrip && m->begin < floor) m->begin = floor;
    if (a->rstrip && m->end < m->reach) m->end = m->reach; /* not again and again */
    while (a->rstrip && m->end < len) {
        if (!is_space(text + m->end, marked, &n)) break;
        m->end += n;
    }
    if (a->rstrip) m->reach = m->end;
}

/* The next place from `at` on where some added token may begin; len: none. */
static size_t next_start(const wh_tree *tree, const unsigned char *text, size_t len, size_t at)
{
    for (; at < len; at++) {
        const unsigned bit = text[at] * 256u + (at + 1 < len ? text[at + 1] : 0u);
        if (tree->start[bit / 64] >> bit % 64 & 1) break;
    }
    return at;
}

int wh_tree_find(const whit_tokenizer *t, const wh_tree *tree, const char *text, size_t len,
                 int plain, wh_match *m)
{
    const unsigned char *p = (const unsigned char *)text;
    const size_t floor = m->end;
    const int marked = tree == &t->normal && t->vocab->marks_first;
    size_t n = 0;
    if (tree->nodes == 0) return 0;
    for (size_t at = next_start(tree, p, len, m->resume); at < len;
         at = next_start(tree, p, len, at)) {
        const uint32_t which = longest(tree, p, len, at, &n);
        if (which == WH_ID_NONE) {
            at++;
            continue;
        }
        const wh_added *a = &t->vocab->added[which];
        *m = (wh_match){ at, at + n, at + n, m->reach, a->id };
        at += n;
        if (plain && a->special) continue;
        if (a->single_word && !stands_alone(text, len, m->begin, m->end)) continue;
        strip(a, text, len, floor, marked, m);
        return 1;
    }
    return 0;
}
