/* tests/test_words.c - how text becomes words, sentence by sentence of the patterns; kinds of
 * characters; NFC.
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "model/token.h"
#include "model/unicode.h"

static const struct {
    wh_pre how;
    const char *words; /* with | between them */
} cases[] = {
    { WH_PRE_GPT2, "Hello| world|!| It|'s| 12345| o|'|clock| don|'t|'|REVE" },
    { WH_PRE_GPT2, "a|  | b|   " },
    { WH_PRE_GPT2, "a| |\n|b|\n\n" }, /* of a run the last one is left, unless it ends the text */
    { WH_PRE_GPT2, "  | x|\n|y" },
    { WH_PRE_GPT2, "\t|x|\t| y" },
    { WH_PRE_GPT2, "'s|'t|'re|'ve|'m|'ll|'d|'|r|''|S" },
    { WH_PRE_GPT2, "1|a|2| \xc2\xb2|x| \xc2\xbd" },
    { WH_PRE_GPT2, "!'|s| '|t" },
    { WH_PRE_GPT2, "\xc3\xa9t\xc3\xa9| e|\xcc\x81|x" }, /* a mark is no letter */
    { WH_PRE_GPT2, "\xe4\xb8\xad\xe6\x96\x87|\xe3\x80\x82| \xed\x95\x9c" },
    { WH_PRE_GPT2, "\xe3\x80\x80|a|\xc2\xa0|\xc2\xa0|b" },
    { WH_PRE_LLAMA3, "Hello| world|!| It|'s| |123|45|'RE|ve|'Ll" },
    { WH_PRE_LLAMA3, "a|  | b|   " },
    { WH_PRE_LLAMA3, "a| \n|b|\n\n" },
    { WH_PRE_LLAMA3, "a|\n \r\n| | x| \n" },
    { WH_PRE_LLAMA3, "\tx|\t| y|.z|...\n\n| !!\r\n|q" },
    { WH_PRE_LLAMA3, "'\xc5\xbf|x|'S|'\xc3\xa9t" }, /* long s is an s */
    { WH_PRE_LLAMA3, "123|4|a|(|12|)| |1" },
    { WH_PRE_LLAMA3, "\xc2\xa0x|\xe2\x80\x8dx| \xe2\x80\x8d|1" },
    { WH_PRE_QWEN2, "a| |1|2|3|b|'LL| \n|x" },
    { WH_PRE_SMOLLM, "ab|1|2|cd| |3| e|  |4|'s" },
    { WH_PRE_SMOLLM, "a|   |5|  | b|\n|\xc2\xb2" }, /* a digit ends the text: all white space */
    { WH_PRE_NONE, "all of it, one word" },
};

static void test_splits(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[128];
        size_t len = 0, n;
        const char *word = cases[i].words;
        for (const char *p = word; *p; p++)
            if (*p != '|') text[len++] = *p;
        char *exact = malloc(len ? len : 1); /* ends where the text ends, for sanitizers */
        CHECK(exact, "no memory");
        if (!exact) return;
        memcpy(exact, text, len);
        wh_split s = { .text = exact, .len = len, .how = cases[i].how };
        for (size_t at = 0; (n = wh_split_next(&s)) > 0; at += n) {
            const size_t want = strcspn(word, "|");
            CHECK(n == want && memcmp(exact + at, word, n) == 0, "%s: word '%.*s', not '%.*s'",
                  cases[i].words, (int)n, exact + at, (int)want, word);
            word += want + (word[want] != 0);
        }
        CHECK(*word == 0 && s.at == len, "%s: ends at %zu", cases[i].words, s.at);
        free(exact);
    }
}

/* Words are nowhere empty, and together they are the text. */
static void test_any_split(void)
{
    check_rng r = { 3 };
    static const char *const parts[] = {
        "a",        "'",        "s",  "1", " ", "\n", "\r", ".", "\xc3\xa9", "\t", "\xe3\x80\x80",
        "\xcc\x81", "\xc2\xb2", "ll", "R", "E"
    };
    for (int i = 0; i < 20000; i++) {
        char text[128];
        size_t len = 0, sum = 0, n;
        const size_t count = 1 + check_below(&r, 20);
        for (size_t k = 0; k < count; k++) {
            const char *part = parts[check_below(&r, sizeof parts / sizeof parts[0])];
            memcpy(text + len, part, strlen(part));
            len += strlen(part);
        }
        wh_split s = { .text = text,
                       .len = len,
                       .how = (wh_pre)(WH_PRE_GPT2 + (int)check_below(&r, 4)) };
        while ((n = wh_split_next(&s)) > 0) sum += n;
        CHECK(sum == len, "%zu of %zu octets", sum, len);
    }
}

static void test_kinds(void)
{
    static const struct {
        uint32_t c;
        wh_unicode_kind kind;
    } kinds[] = {
        { 'a', WH_UNICODE_LETTER },      { '_', WH_UNICODE_WORD },
        { '0', WH_UNICODE_NUMBER_WORD }, { ' ', WH_UNICODE_SPACE },
        { '!', WH_UNICODE_OTHER },       { 0, WH_UNICODE_OTHER },
        { 0x85, WH_UNICODE_SPACE },      { 0xb2, WH_UNICODE_NUMBER },
        { 0xaa, WH_UNICODE_LETTER },     { 0x300, WH_UNICODE_WORD },
        { 0x2028, WH_UNICODE_SPACE },    { 0x200b, WH_UNICODE_OTHER },
        { 0x200d, WH_UNICODE_WORD },     { 0x2160, WH_UNICODE_NUMBER_WORD },
        { 0x24b6, WH_UNICODE_WORD },     { 0x4e2d, WH_UNICODE_LETTER },
        { 0xac00, WH_UNICODE_LETTER },   { 0x3000, WH_UNICODE_SPACE },
        { 0x180e, WH_UNICODE_OTHER },    { 0x1d7ce, WH_UNICODE_NUMBER_WORD },
        { 0x1f600, WH_UNICODE_OTHER },   { 0x10ffff, WH_UNICODE_OTHER },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        CHECK(wh_unicode_kind_of(kinds[i].c) == kinds[i].kind, "U+%04x: %d", (unsigned)kinds[i].c,
              (int)wh_unicode_kind_of(kinds[i].c));
}

static void check_nfc(const char *text, const char *want)
{
    wh_buf b = { .data = NULL };
    wh_nfc_put(&b, text, strlen(text));
    CHECK(!b.failed && b.len == strlen(want) && memcmp(b.data ? b.data : "", want, b.len) == 0,
          "'%s' became '%s'", text, b.data ? b.data : "");
    CHECK(!wh_nfc_is_easy(text, strlen(text)) || strcmp(text, want) == 0, "easy: '%s'", text);
    wh_buf_free(&b);
}

static void test_nfc(void)
{
    check_nfc("", "");
    check_nfc("plain", "plain");
    check_nfc("e\xcc\x81", "\xc3\xa9");
    check_nfc("xe\xcc\x81y", "x\xc3\xa9y");
    check_nfc("\xc3\xa9", "\xc3\xa9");
    check_nfc("\xcc\x81"
              "e",
              "\xcc\x81"
              "e");                                         /* a mark at the start */
    check_nfc("q\xcc\x87\xcc\xa3", "q\xcc\xa3\xcc\x87");    /* order of marks */
    check_nfc("d\xcc\x87\xcc\xa3", "\xe1\xb8\x8d\xcc\x87"); /* and then composition */
    check_nfc("a\xcc\x81\xcc\x81", "\xc3\xa1\xcc\x81");     /* the second is blocked */
    check_nfc("a\xcd\xa3\xcc\x81", "a\xcd\xa3\xcc\x81");    /* by one that does not join, too */
    check_nfc("\xe2\x84\xab", "\xc3\x85");                  /* angstrom: a singleton */
    check_nfc("\xe0\xa5\x98", "\xe0\xa4\x95\xe0\xa4\xbc");  /* excluded from composition */
    check_nfc("\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "\xed\x95\x9c"); /* Hangul */
    check_nfc("\xed\x95\x98\xe1\x86\xab", "\xed\x95\x9c");
    check_nfc("\xed\x95\x9c\xe1\x86\xab", "\xed\x95\x9c\xe1\x86\xab"); /* it has a tail */
    check_nfc("\xf0\x9d\x85\x9e", "\xf0\x9d\x85\x97\xf0\x9d\x85\xa5");
    check_nfc("\xe0\xa7\x87\xe0\xa6\xbe", "\xe0\xa7\x8b"); /* two starters */
}

/* What composes leads back to itself through its parts, alone and behind others. */
static void test_all_compositions(void)
{
    for (size_t i = 0; i < wh_unicode_composing_count; i++) {
        const uint32_t *pair = wh_unicode_parts + (size_t)wh_unicode_composing[i] * 3;
        wh_buf parts = { .data = NULL }, whole = { .data = NULL };
        for (int k = 0; k < 3; k++) {
            const uint32_t c = pair[k];
            wh_buf *b = k == 0 ? &whole : &parts;
            if (c < 0x80)
                wh_buf_putf(b, "%c", (int)c);
            else if (c < 0x800)
                wh_buf_putf(b, "%c%c", (int)(0xc0 | c >> 6), (int)(0x80 | (c & 0x3f)));
            else if (c < 0x10000)
                wh_buf_putf(b, "%c%c%c", (int)(0xe0 | c >> 12), (int)(0x80 | (c >> 6 & 0x3f)),
                            (int)(0x80 | (c & 0x3f)));
            else
                wh_buf_putf(b, "%c%c%c%c", (int)(0xf0 | c >> 18), (int)(0x80 | (c >> 12 & 0x3f)),
                            (int)(0x80 | (c >> 6 & 0x3f)), (int)(0x80 | (c & 0x3f)));
        }
        check_nfc(parts.data, whole.data);
        check_nfc(whole.data, whole.data);
        wh_buf_free(&parts);
        wh_buf_free(&whole);
    }
}

int main(void)
{
    test_splits();
    test_any_split();
    test_kinds();
    test_nfc();
    test_all_compositions();
    return check_result();
}
