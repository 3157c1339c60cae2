/* tests/test_ids.c - what goes around a text, put there and left out again; lists of ids as text.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/tokenizer.h>

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "scratch.h"

static whit_tokenizer *open_it(const char *path)
{
    whit_tokenizer *t = NULL;
    whit_error err = { WHIT_OK, "" };
    CHECK(whit_tokenizer_open(&t, path, &err) == WHIT_OK, "%s", err.msg);
    return t;
}

/* What goes around a text, before it only, and left out on the way back. */
static void test_around(const char *path, const uint32_t *before, size_t befores)
{
    static const char *const texts[] = { "", "Once upon a time", "  two", "a <b>", "\n" };
    whit_error err = { WHIT_OK, "" };
    whit_tokenizer *t = open_it(path);
    for (size_t i = 0; t && i < sizeof texts / sizeof texts[0]; i++) {
        whit_ids ids = { NULL, 0, 0 };
        char *text = NULL;
        size_t len = strlen(texts[i]), back = 0;
        CHECK(whit_tokenize(t, texts[i], len, WHIT_TOKENIZE_BEFORE, &ids, &err) == WHIT_OK &&
                  ids.count >= befores && memcmp(ids.id, before, befores * sizeof *before) == 0,
              "%s: %s", path, err.msg);
        for (int with = 1; with >= 0; with--) { /* they may be missing, too */
            const size_t skip = with ? 0 : befores;
            CHECK(whit_detokenize(t, ids.id + skip, ids.count - skip, WHIT_DETOKENIZE_INSIDE, &text,
                                  &back, &err) == WHIT_OK &&
                      back == len && memcmp(text, texts[i], len) == 0,
                  "%s: '%s' came back as '%s' %s", path, texts[i], text ? text : "", err.msg);
            free(text);
        }
        whit_ids_free(&ids);
    }
    whit_tokenizer_close(t);
}

static void test_arounds(const scratch *s, const char *data)
{
    static const uint32_t one[] = { 1 }, bos[] = { 4094 };
    static const char text[] =
        "{\"added_tokens\":[{\"id\":3,\"content\":\"<s>\",\"special\":true,\"single_word\":false,"
        "\"lstrip\":false,\"rstrip\":false,\"normalized\":false},{\"id\":4,\"content\":\"</s>\","
        "\"special\":true,\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
        "\"normalized\":false}],\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\","
        "\"add_prefix_space\":false,\"use_regex\":true},\"decoder\":{\"type\":\"ByteLevel\"},"
        "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":"
        "\"<s>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"SpecialToken\":{"
        "\"id\":\"</s>\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":{\"<s>\":{\"id\":\"<s>\","
        "\"ids\":[3],\"tokens\":[\"<s>\"]},\"</s>\":{\"id\":\"</s>\",\"ids\":[4],\"tokens\":["
        "\"</s>\"]}}},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},"
        "\"merges\":[\"a b\"]}}";
    static const struct {
        unsigned flags;
        size_t count;
        uint32_t ids[4];
    } cases[] = { { 0, 1, { 2 } },
                  { WHIT_TOKENIZE_BEFORE, 2, { 3, 2 } },
                  { WHIT_TOKENIZE_AROUND, 3, { 3, 2, 4 } },
                  { WHIT_TOKENIZE_AROUND | WHIT_TOKENIZE_BEFORE, 3, { 3, 2, 4 } } };
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    snprintf(path, sizeof path, "%s/stories260K/model.safetensors", data);
    test_around(path, one, 1);
    snprintf(path, sizeof path, "%s/tokenizers/docs-llama", data);
    test_around(path, bos, 1);

    scratch_text(s, "around.json", text);
    whit_tokenizer *t = open_it(scratch_path(s, "around.json", path));
    for (size_t i = 0; t && i < sizeof cases / sizeof cases[0]; i++) {
        whit_ids ids = { NULL, 0, 0 };
        char *back = NULL;
        size_t len;
        CHECK(whit_tokenize(t, "ab", 2, cases[i].flags, &ids, &err) == WHIT_OK &&
                  ids.count == cases[i].count &&
                  memcmp(ids.id, cases[i].ids, ids.count * sizeof *ids.id) == 0,
              "flags %u: %zu ids %s", cases[i].flags, ids.count, err.msg);
        CHECK(whit_detokenize(t, ids.id, ids.count, WHIT_DETOKENIZE_INSIDE, &back, &len, &err) ==
                      WHIT_OK &&
                  strcmp(back, "ab") == 0,
              "flags %u: '%s'", cases[i].flags, back ? back : "");
        free(back);
        whit_ids_free(&ids);
    }
    const uint32_t inside[] = { 3, 3, 2, 4, 4 };
    char *back = NULL;
    size_t len;
    CHECK(t &&
              whit_detokenize(t, inside, 5, WHIT_DETOKENIZE_INSIDE, &back, &len, &err) == WHIT_OK &&
              strcmp(back, "<s>ab</s>") == 0,
          "'%s'", back ? back : "");
    free(back);
    whit_tokenizer_close(t);
}

/* ---- ids as text ---- */

static const struct {
    const char *text;
    size_t count; /* NONE: refused */
    uint32_t ids[4];
    const char *words;
} lists[] = {
    { "", 0, { 0 }, NULL },
    { " \n\t", 0, { 0 }, NULL },
    { "1 2\n30,4", 4, { 1, 2, 30, 4 }, NULL },
    { "007,\r\n 8 ,", 2, { 7, 8 }, NULL },
    { "4294967294", 1, { 4294967294u }, NULL },
    { "4294967295", SIZE_MAX, { 0 }, "too large" },
    { "99999999999999999999999999", SIZE_MAX, { 0 }, "too large" },
    { "1 -2", SIZE_MAX, { 0 }, "at byte 2 " },
    { "12x", SIZE_MAX, { 0 }, "at byte 2 " },
    { "1.5", SIZE_MAX, { 0 }, "at byte 1 " },
    { "1 2]", SIZE_MAX, { 0 }, "at byte 3 " },
    { "[]", 0, { 0 }, NULL },
    { " [1, 2,3]\n", 3, { 1, 2, 3 }, NULL },
    { "{\"schema\":1,\"ids\":[5,6]}", 2, { 5, 6 }, NULL },
    { "{\"ids\":[5],\"more\":{\"ids\":[6]}}", 1, { 5 }, NULL },
    { "{\"ids\":[5],\"ids\":[6]}", SIZE_MAX, { 0 }, "twice" },
    { "{\"schema\":1}", SIZE_MAX, { 0 }, "without a member" },
    { "{\"ids\":5}", SIZE_MAX, { 0 }, "not a list" },
    { "[1,\"2\"]", SIZE_MAX, { 0 }, "not a list" },
    { "[1,2.5]", SIZE_MAX, { 0 }, "not a list" },
    { "[1,-2]", SIZE_MAX, { 0 }, "not a list" },
    { "[1,[2]]", SIZE_MAX, { 0 }, "not a list" },
    { "[1,4294967295]", SIZE_MAX, { 0 }, "too large" },
    { "[1,2", SIZE_MAX, { 0 }, "not a list" },
    { "[1] 2", SIZE_MAX, { 0 }, "not a list" },
    { "{\"ids\":[1]", SIZE_MAX, { 0 }, "not a list" },
};

static void test_lists(void)
{
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        whit_ids ids = { NULL, 0, 0 };
        whit_error err = { WHIT_OK, "" };
        CHECK(whit_ids_read(&ids, "77", 2, &err) == WHIT_OK && ids.count == 1, "%s", err.msg);
        whit_status st = whit_ids_read(&ids, lists[i].text, strlen(lists[i].text), &err);
        if (lists[i].count == SIZE_MAX)
            CHECK(st == WHIT_ERR_FORMAT && strstr(err.msg, lists[i].words) && ids.count == 1,
                  "'%s': %d %s", lists[i].text, (int)st, err.msg);
        else
            CHECK(st == WHIT_OK && ids.count == 1 + lists[i].count && ids.id[0] == 77 &&
                      memcmp(ids.id + 1, lists[i].ids, lists[i].count * sizeof *ids.id) == 0,
                  "'%s': %zu ids %s", lists[i].text, ids.count, err.msg);
        whit_ids_free(&ids);
    }
    whit_error err;
    CHECK(whit_ids_read(NULL, "1", 1, &err) == WHIT_ERR_ARG, "null");
}

int main(int argc, char **argv)
{
    scratch s;
    if (argc < 2) return 2;
    scratch_make(&s);
    test_arounds(&s, argv[1]);
    test_lists();
    scratch_remove(&s);
    return check_result();
}
