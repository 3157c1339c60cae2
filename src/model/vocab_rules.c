/* src/model/vocab_rules.c - what the components of a tokenizer.json mean for the ids.
 *
 * Two families are known. Byte-level BPE:
 *   normalizer      nothing, or NFC
 *   pre_tokenizer   ByteLevel with its own pattern; Split by a known pattern, then ByteLevel;
 *                   Digits one by one, then ByteLevel with its own pattern
 *   decoder         ByteLevel
 * SentencePiece:
 *   normalizer      Replace " " by U+2581, or nothing; Prepend U+2581, or nothing; NFC, or nothing
 *   pre_tokenizer   nothing, or Metaspace that does not split
 *   decoder         Replace, ByteFallback, Fuse, Strip of one space; or Metaspace
 * post_processor    ByteLevel (does nothing to ids), TemplateProcessing, nothing
 *
 * What is none of these is refused by its name: a part that is left out changes ids.
 * Not here: reading the JSON (parts.c), templates (template.c); what the words are
 * (token_split.c).
 *
 * Source: huggingface/tokenizers.
 * SPDX-License-Identifier: MIT */
#include "model/parts.h"

#include <string.h>

typedef struct judge {
    wh_vocab_maker *m;
    const char *where;
    int mark; /* a part that makes spaces U+2581 was there */
} judge;

static int is(const wh_part *p, const char *type)
{
    return strcmp(p->text[WH_M_TYPE], type) == 0;
}

static int is_mark(const char *text)
{
    return strcmp(text, WH_SPACE_MARK) == 0;
}

/* A bool that is true when it is not there. */
static unsigned char on_by_default(const wh_part *p, wh_member member)
{
    return !(p->seen & WH_M(member)) || (p->on & WH_M(member));
}

static whit_status refuse(const judge *g, const wh_part *p, const char *what, whit_error *err)
{
    char type[WH_SHORT];
    return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: %s %s: %s", g->m->label, g->where,
                   wh_short(type, p->text[WH_M_TYPE]), what);
}

/* That the part has no members besides these. */
static whit_status only(const judge *g, const wh_part *p, unsigned members, whit_error *err)
{
    if (!(p->seen & ~(members | WH_M(WH_M_TYPE)))) return WHIT_OK;
    return refuse(g, p, "has a member that does not belong to it", err);
}

static whit_status not_known(const judge *g, const wh_part *p, whit_error *err)
{
    return refuse(g, p, "is not known here, and without it ids would differ", err);
}

/* ---- normalizer ------------------------------------------------------------------------------ */

/* Replace of one text by another, as normalizer or decoder. */
static whit_status check_replace(const judge *g, const wh_part *p, const char *from, const char *to,
                                 whit_error *err)
{
    whit_status st = only(g, p, WH_M(WH_M_PATTERN) | WH_M(WH_M_CONTENT), err);
    if (st != WHIT_OK) return st;
    if (!p->regex && strcmp(p->text[WH_M_PATTERN], from) == 0 &&
        strcmp(p->text[WH_M_CONTENT], to) == 0)
        return WHIT_OK;
    return refuse(g, p, "replaces something else than spaces by U+2581", err);
}

static whit_status judge_normalizer(judge *g, const wh_part *p, whit_error *err)
{
    whit_status st;
    if (is(p, "NFC")) {
        g->m->v->nfc = 1;
        return only(g, p, 0, err);
    }
    if (is(p, "Replace")) {
        g->mark = 1;
        return check_replace(g, p, " ", WH_SPACE_MARK, err);
    }
    if (!is(p, "Prepend")) return not_known(g, p, err);
    st = only(g, p, WH_M(WH_M_PREPEND), err);
    if (st == WHIT_OK && (!is_mark(p->text[WH_M_PREPEND]) || g->m->v->prefix != WH_PREFIX_NEVER))
        st = refuse(g, p, "is not one U+2581", err);
    g->m->v->prefix = WH_PREFIX_PREPEND;
    return st;
}

/* ---- pre_tokenizer --------------------------------------------------------------------------- */

static whit_status judge_metaspace(const judge *g, const wh_part *p, wh_space_before *prefix,
                                   whit_error *err)
{
    const char *scheme = p->text[WH_M_PREPEND_SCHEME];
    whit_status st = only(g, p,
                          WH_M(WH_M_REPLACEMENT) | WH_M(WH_M_PREPEND_SCHEME) | WH_M(WH_M_SPLIT) |
                              WH_M(WH_M_ADD_PREFIX_SPACE) | WH_M(WH_M_STR_REP),
                          err);
    if (st != WHIT_OK) return st;
    if (!is_mark(p->text[WH_M_REPLACEMENT]))
        return refuse(g, p, "replaces spaces by something else than U+2581", err);
    if (!(p->seen & WH_M(WH_M_PREPEND_SCHEME))) /* files before the schemes had a flag */
        scheme = on_by_default(p, WH_M_ADD_PREFIX_SPACE) ? "always" : "never";
    if (strcmp(scheme, "always") == 0)
        *prefix = WH_PREFIX_ALWAYS;
    else if (strcmp(scheme, "first") == 0)
        *prefix = WH_PREFIX_FIRST;
    else if (strcmp(scheme, "never") == 0)
        *prefix = WH_PREFIX_NEVER;
    else
        return refuse(g, p, "has a prepend_scheme that is not known", err);
    return WHIT_OK;
}

static whit_status judge_split(const judge *g, const wh_part *p, whit_error *err)
{
    const char *behavior = p->text[WH_M_BEHAVIOR];
    const int invert = (p->on & WH_M(WH_M_INVERT)) != 0;
    whit_status st = only(g, p, WH_M(WH_M_PATTERN) | WH_M(WH_M_BEHAVIOR) | WH_M(WH_M_INVERT), err);
    if (st != WHIT_OK) return st;
    g->m->v->split = p->regex ? wh_pre_of_pattern(p->text[WH_M_PATTERN]) : WH_PRE_NONE;
    if (g->m->v->split == WH_PRE_NONE)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                       "%s: %s Split: pattern is not one of GPT-2, Llama 3, Qwen 2: %.80s",
                       g->m->label, g->where, p->text[WH_M_PATTERN]);
    /* The patterns match everything, so there is nothing between matches to be removed. */
    if (strcmp(behavior, "Isolated") == 0 && !invert) return WHIT_OK;
    if (strcmp(behavior, "Removed") == 0 && invert) return WHIT_OK;
    return refuse(g, p, "its behavior is not to isolate the matches", err);
}

static whit_status judge_bytelevel(const judge *g, const wh_part *p, int *own, whit_error *err)
{
    g->m->v->prefix_space = on_by_default(p, WH_M_ADD_PREFIX_SPACE);
    *own = on_by_default(p, WH_M_USE_REGEX);
    return only(g, p, WH_M(WH_M_ADD_PREFIX_SPACE) | WH_M(WH_M_TRIM_OFFSETS) | WH_M(WH_M_USE_REGEX),
                err);
}

/* Byte-level: ByteLevel alone, or behind a Split or Digits. */
static whit_status judge_words(const judge *g, const wh_parts *parts, whit_error *err)
{
    const wh_part *first = &parts->part[0], *last = &parts->part[parts->count - 1];
    wh_vocab *v = g->m->v;
    whit_status st = WHIT_OK;
    int own = 0;
    v->kind = WH_VOCAB_BPE;
    if (parts->count > 2) return not_known(g, &parts->part[1], err);
    if (!is(last, "ByteLevel")) return not_known(g, is(first, "ByteLevel") ? last : first, err);
    st = judge_bytelevel(g, last, &own, err);
    if (st != WHIT_OK) return st;
    if (parts->count == 1) {
        v->split = WH_PRE_GPT2;
        return own ? WHIT_OK : refuse(g, last, "has no pattern, and none is before it", err);
    }
    if (v->prefix_space) return refuse(g, last, "puts a space before each word", err);
    if (is(first, "Split")) {
        st = judge_split(g, first, err);
        return st == WHIT_OK && own ? refuse(g, last, "splits again, behind a Split", err) : st;
    }
    if (!is(first, "Digits")) return not_known(g, first, err);
    v->split = WH_PRE_SMOLLM;
    st = only(g, first, WH_M(WH_M_INDIVIDUAL_DIGITS), err);
    if (st == WHIT_OK && !(own && (first->on & WH_M(WH_M_INDIVIDUAL_DIGITS))))
        st = refuse(g, first, "does not take digits one by one, before the pattern of GPT-2", err);
    return st;
}

/* SentencePiece: nothing, or one Metaspace. */
static whit_status judge_marks(const judge *g, const wh_parts *parts, whit_error *err)
{
    wh_vocab *v = g->m->v;
    wh_space_before prefix = WH_PREFIX_NEVER;
    v->kind = WH_VOCAB_SPM;
    v->marks_first = 1;
    if (parts->count == 0) return WHIT_OK;
    if (parts->count > 1) return not_known(g, &parts->part[1], err);
    if (!is(parts->part, "Metaspace")) return not_known(g, parts->part, err);
    whit_status st = judge_metaspace(g, parts->part, &prefix, err);
    if (st == WHIT_OK && on_by_default(parts->part, WH_M_SPLIT))
        st = refuse(g, parts->part, "splits at spaces (split is not false)", err);
    if (v->prefix == WH_PREFIX_PREPEND) return st; /* then each text begins with the mark already */
    v->prefix = prefix;
    v->marks_first = g->mark && prefix == WH_PREFIX_NEVER;
    return st;
}

static whit_status judge_pre_tokenizer(const judge *g, const wh_parts *parts, whit_error *err)
{
    for (size_t i = 0; i < parts->count; i++)
        if (is(&parts->part[i], "Metaspace")) return judge_marks(g, parts, err);
    if (g->mark) return judge_marks(g, parts, err);
    if (g->m->v->prefix != WH_PREFIX_NEVER)
        return wh_vocab_unsupported(g->m, "normalizer Prepend", "without one that replaces spaces",
                                    err);
    if (parts->count > 0) return judge_words(g, parts, err);
    return wh_vocab_unsupported(g->m, "pre_tokenizer",
                                "there is none, and no normalizer that marks spaces", err);
}

/* ---- decoder --------------------------------------------------------------------------------- */

static whit_status judge_decoder(const judge *g, const wh_part *p, whit_error *err)
{
    wh_vocab *v = g->m->v;
    wh_space_before prefix = WH_PREFIX_NEVER;
    int own;
    const unsigned char prefix_space = v->prefix_space; /* the decoder's says nothing */
    if (v->kind == WH_VOCAB_BPE) {
        whit_status st =
            is(p, "ByteLevel") ? judge_bytelevel(g, p, &own, err) : not_known(g, p, err);
        v->prefix_space = prefix_space;
        return st;
    }
    if (is(p, "Replace")) return check_replace(g, p, WH_SPACE_MARK, " ", err);
    if (is(p, "ByteFallback") || is(p, "Fuse")) return only(g, p, 0, err);
    if (is(p, "Metaspace")) {
        whit_status st = judge_metaspace(g, p, &prefix, err);
        v->strip_space = prefix != WH_PREFIX_NEVER;
        return st;
    }
    if (!is(p, "Strip")) return not_known(g, p, err);
    if (strcmp(p->text[WH_M_CONTENT], " ") != 0 || p->number[WH_M_START] > 1 ||
        p->number[WH_M_STOP] > 0)
        return refuse(g, p, "strips something else than one space at the start", err);
    v->strip_space = p->number[WH_M_START] == 1;
    return only(g, p, WH_M(WH_M_CONTENT) | WH_M(WH_M_START) | WH_M(WH_M_STOP), err);
}

whit_status wh_rules_words(wh_vocab_maker *m, const wh_rules *rules, whit_error *err)
{
    judge g = { m, "normalizer", 0 };
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < rules->normalizer.count && st == WHIT_OK; i++)
        st = judge_normalizer(&g, &rules->normalizer.part[i], err);
    g.where = "pre_tokenizer";
    if (st == WHIT_OK) st = judge_pre_tokenizer(&g, &rules->pre_tokenizer, err);
    g.where = "decoder";
    for (size_t i = 0; i < rules->decoder.count && st == WHIT_OK; i++)
        st = judge_decoder(&g, &rules->decoder.part[i], err);
    return st;
}

/* ---- post_processor -------------------------------------------------------------------------- */

whit_status wh_rules_around(wh_vocab_maker *m, const wh_rules *rules, whit_error *err)
{
    const judge g = { m, "post_processor", 0 };
    const wh_part *template = NULL;
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < rules->post_processor.count && st == WHIT_OK; i++) {
        const wh_part *p = &rules->post_processor.part[i];
        if (is(p, "ByteLevel")) /* moves offsets only */
            st = only(&g, p,
                      WH_M(WH_M_ADD_PREFIX_SPACE) | WH_M(WH_M_TRIM_OFFSETS) | WH_M(WH_M_USE_REGEX),
                      err);
        else if (!is(p, "TemplateProcessing"))
            st = not_known(&g, p, err);
        else if (template)
            st = refuse(&g, p, "is there twice", err);
        else
            template = p;
    }
    if (st != WHIT_OK || !template) return st;
    st = only(&g, template, WH_M(WH_M_SINGLE) | WH_M(WH_M_PAIR) | WH_M(WH_M_SPECIAL_TOKENS), err);
    return st == WHIT_OK ? wh_template_read(m, template, err) : st;
}
