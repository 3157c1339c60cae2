/* tests/fuzz/fuzz_tokenize.c - any octets as a text, for vocabularies of all kinds.
 *
 * The first octet picks the vocabulary and the flags. A text that is UTF-8 must lead back to itself
 * where nothing is left out or normalised; in pieces between which no word can reach, it has the
 * same ids; and what is not UTF-8 is refused.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/tokenizer.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WORDS "'s|'t|'re|'ve|'m|'ll|'d"
#define LLAMA3(digits)                                                                             \
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"        \
    "\"(?i:" WORDS ")|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|" digits                             \
    "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"},"     \
    "\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\","                         \
    "\"add_prefix_space\":false,\"use_regex\":false}]}"
#define BYTELEVEL "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}"
#define DIGITS "{\"type\":\"Digits\",\"individual_digits\":true}"

static const struct {
    const char *normalizer, *pre;
    int spm, exact; /* exact: a text leads back to itself */
} kinds[] = {
    { "null", BYTELEVEL, 0, 1 },
    { "null", LLAMA3("\\\\p{N}{1,3}"), 0, 1 },
    { "{\"type\":\"NFC\"}", LLAMA3("\\\\p{N}"), 0, 0 },
    { "null", "{\"type\":\"Sequence\",\"pretokenizers\":[" DIGITS "," BYTELEVEL "]}", 0, 1 },
    { "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"\\u2581\"},"
      "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\\u2581\"}]}",
      "null", 1, 1 },
    { "null",
      "{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\",\"prepend_scheme\":\"first\","
      "\"split\":false}",
      1, 0 },
};
#define KINDS (sizeof kinds / sizeof kinds[0])

static whit_tokenizer *tokenizers[KINDS];

static void require(int truth)
{
    if (!truth) abort();
}

static void clean_up(void)
{
    for (size_t i = 0; i < KINDS; i++) whit_tokenizer_close(tokenizers[i]);
}

static void put_utf8(wh_buf *b, unsigned c)
{
    const char two[2] = { (char)(0xc0 | c >> 6), (char)(0x80 | (c & 0x3f)) };
    const char one = (char)c;
    if (c < 0x80)
        wh_buf_put(b, &one, 1);
    else
        wh_buf_put(b, two, 2);
}

/* The printable stand-ins of the octets, in their order. */
static void put_octets(wh_buf *b)
{
    unsigned next = 0x100;
    for (unsigned c = 0; c < 256; c++) {
        const int plain = (c >= 0x21 && c <= 0x7e) || (c >= 0xa1 && c != 0xad);
        wh_buf_putf(b, "\"%s", c == '"' || c == '\\' ? "\\" : "");
        put_utf8(b, plain ? c : next++);
        wh_buf_putf(b, "\":%u,", c);
    }
}

/* Octets, letters, and a chain of merges over some of them. */
static void build(size_t kind, wh_buf *b)
{
    static const char *const steps[] = { "t h", "h e", "th e", "e r", "a a", "aa aa",
                                         "i n", "e e", "in g", "a b", "b a", "ab ab" };
    static const char letters[] = "abcdefghinrst";
    const int spm = kinds[kind].spm;
    unsigned id = 256;
    wh_buf_putf(b, "{\"normalizer\":%s,\"pre_tokenizer\":%s,", kinds[kind].normalizer,
                kinds[kind].pre);
    wh_buf_puts(
        b, spm ? "\"decoder\":{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}," : "");
    wh_buf_puts(b, "\"added_tokens\":[{\"id\":900,\"content\":\"<x>\",\"special\":true,"
                   "\"lstrip\":true},{\"id\":901,\"content\":\"<x><y>\",\"rstrip\":true,"
                   "\"normalized\":true}],\"model\":{\"byte_fallback\":true,\"vocab\":{");
    if (spm)
        for (unsigned c = 0; c < 256; c++) wh_buf_putf(b, "\"<0x%02X>\":%u,", c, c);
    else
        put_octets(b);
    for (const char *p = letters; spm && *p; p++) wh_buf_putf(b, "\"%c\":%u,", *p, id++);
    if (spm)
        wh_buf_putf(b, "\"\\u2581\":%u,\"\\u2581\\u2581\":%u,\"\\u2581t\":%u,", id, id + 1, id + 2);
    id += 3;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        const char *space = strchr(steps[i], ' ');
        wh_buf_putf(b, "%s\"%.*s%s\":%u", i ? "," : "", (int)(space - steps[i]), steps[i],
                    space + 1, id++);
    }
    wh_buf_puts(b, "},\"merges\":[");
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        wh_buf_putf(b, "%s\"%s\"", i ? "," : "", steps[i]);
    wh_buf_puts(b, spm ? ",\"\\u2581 t\",\"\\u2581 \\u2581\"]}}" : "]}}");
}

static void set_up(void)
{
    const char *root = getenv("TMPDIR");
    for (size_t i = 0; i < KINDS; i++) {
        char path[288];
        wh_buf b = { .data = NULL };
        whit_error err = { WHIT_OK, "" };
        snprintf(path, sizeof path, "%s/whit-fuzz-XXXXXX", root && *root ? root : "/tmp");
        int fd = mkstemp(path);
        build(i, &b);
        require(fd >= 0 && !b.failed && write(fd, b.data, b.len) == (ssize_t)b.len);
        whit_status st = whit_tokenizer_open(&tokenizers[i], path, &err);
        if (st != WHIT_OK) puts(err.msg);
        require(st == WHIT_OK);
        close(fd);
        unlink(path);
        wh_buf_free(&b);
    }
    atexit(clean_up);
}

static int is_utf8(const uint8_t *p, size_t len)
{
    for (size_t i = 0, n; i < len; i += n) {
        n = wh_utf8_sequence(p + i, len - i);
        if (n == 0) return 0;
    }
    return 1;
}

static int holds(const char *text, size_t len, const char *what)
{
    const size_t n = strlen(what);
    for (size_t i = 0; i + n <= len; i++)
        if (memcmp(text + i, what, n) == 0) return 1;
    return 0;
}

/* The ids lead back to the text. */
static void check_back(const whit_tokenizer *t, const whit_ids *ids, const char *text, size_t len)
{
    char *back = NULL;
    size_t back_len = 0;
    require(whit_detokenize(t, ids->id, ids->count, WHIT_DETOKENIZE_SPECIAL, &back, &back_len,
                            NULL) == WHIT_OK);
    require(back_len == len && memcmp(back, text, len) == 0);
    free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    whit_ids ids = { NULL, 0, 0 }, again = { NULL, 0, 0 };
    whit_error err = { WHIT_OK, "" };
    if (!tokenizers[0]) set_up();
    if (size == 0) return 0;
    const size_t kind = data[0] % KINDS, len = size - 1;
    const unsigned flags = data[0] / KINDS % 2 ? WHIT_TOKENIZE_PLAIN : 0;
    const whit_tokenizer *t = tokenizers[kind];
    const char *text = (const char *)data + 1;
    whit_status st = whit_tokenize(t, text, len, flags, &ids, &err);
    require((st == WHIT_OK) == is_utf8(data + 1, len));
    require(st == WHIT_OK || (st == WHIT_ERR_ARG && ids.count == 0));
    if (st != WHIT_OK) return 0;
    require(ids.count <= 3 * len + 2);
    for (size_t i = 0; i < ids.count; i++) require(ids.id[i] < 902);
    const int marks = kinds[kind].spm && holds(text, len, "\xe2\x96\x81");
    if (kinds[kind].exact && !marks && !holds(text, len, "<x>")) check_back(t, &ids, text, len);
    require(whit_tokenize(t, text, len, flags, &again, &err) == WHIT_OK);
    require(again.count == ids.count &&
            (ids.count == 0 || memcmp(ids.id, again.id, ids.count * sizeof *ids.id) == 0));
    whit_ids_free(&ids);
    whit_ids_free(&again);
    return 0;
}
