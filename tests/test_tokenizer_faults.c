/* tests/test_tokenizer_faults.c - every allocation, open and read fails in turn, while vocabularies
 * are opened and texts tokenized. Each attempt does the same as ever, or returns the status that
 * the fault deserves. Leaks are found by a run under AddressSanitizer.
 *
 * SPDX-License-Identifier: MIT */
#define _FILE_OFFSET_BITS 64
#define _XOPEN_SOURCE 700
#include <whit/tokenizer.h>

#include "check.h"
#include "faults.h"
#include "scratch.h"

static const char text[] = "Once upon a time, <s> there was caf\x65\xcc\x81 n\xc2\xb0 123!";

/* Small vocabularies of both families, with everything that a file may have. */
static const char byte_level[] =
    "{\"added_tokens\":[{\"id\":9,\"content\":\"<s>\",\"special\":true,\"normalized\":true}],"
    "\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":{\"type\":\"ByteLevel\","
    "\"add_prefix_space\":true},\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":["
    "{\"SpecialToken\":{\"id\":\"<s>\"}},{\"Sequence\":{\"id\":\"A\"}}],\"special_tokens\":{"
    "\"<s>\":{\"ids\":[9]}}},\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"merges\":["
    "[\"a\",\"b\"]],\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"unk_token\":\"a\",\"fuse_unk\":true}}";
static const char config[] =
    "{\"bos_token\":\"<s>\",\"eos_token\":{\"content\":\"none\"},\"chat_template\":[{\"name\":"
    "\"default\",\"template\":\"x\"},{\"name\":\"y\",\"template\":\"z\"}]}";
static const char decoder[] =
    "{\"added_tokens_decoder\":{\"900\":{\"content\":\"<new>\",\"special\":true}}}";

/* Open, encode, decode; the ids of the text as a number. */
static whit_status run(const char *path, uint64_t *sum, whit_error *err)
{
    whit_tokenizer *t = NULL;
    whit_ids ids = { NULL, 0, 0 };
    char *back = NULL;
    size_t len = 0;
    whit_status st = whit_tokenizer_open(&t, path, err);
    if (st == WHIT_OK)
        st = whit_tokenize(t, text, sizeof text - 1, WHIT_TOKENIZE_AROUND, &ids, err);
    if (st == WHIT_OK) st = whit_detokenize(t, ids.id, ids.count, 0, &back, &len, err);
    *sum = len;
    for (size_t i = 0; st == WHIT_OK && i < ids.count; i++) *sum = *sum * 31 + ids.id[i];
    free(back);
    whit_ids_free(&ids);
    whit_tokenizer_close(t);
    return st;
}

static int fail_each(const char *path, kind which, uint64_t sum)
{
    int faults = 0;
    for (int n = 1;; n++) {
        whit_error err = { WHIT_OK, "" };
        uint64_t now = 0;
        fault_arm(which, n);
        whit_status st = run(path, &now, &err);
        const int struck = fault_struck();
        CHECK(struck || st == WHIT_OK, "%s: %s", path, err.msg);
        CHECK(st != WHIT_OK || now == sum, "%s: %s %d changes the ids", path, kinds[which].name, n);
        CHECK(st == WHIT_OK || st == kinds[which].status || which == OPEN_EIO || which == READ_EIO,
              "%s: %s %d: status %d: %s", path, kinds[which].name, n, (int)st, err.msg);
        CHECK(st == WHIT_OK || (err.code == st && err.msg[0]), "words");
        if (!struck) break;
        faults++;
    }
    return faults;
}

static void test_model(const char *path)
{
    static const kind which[] = { MEMORY,     OPEN_EIO,   OPEN_EINTR, READ_EIO,
                                  READ_EINTR, READ_SHORT, READ_END };
    uint64_t sum = 0;
    whit_error err = { WHIT_OK, "" };
    whit_status st = run(path, &sum, &err);
    CHECK(st == WHIT_OK, "%s", err.msg);
    for (size_t i = 0; st == WHIT_OK && i < sizeof which / sizeof which[0]; i++)
        printf("%s: %s: %d faults\n", path, kinds[which[i]].name, fail_each(path, which[i], sum));
}

int main(int argc, char **argv)
{
    static const char *const names[] = { "tokenizers/tok512.bin", "gguf/stories260K-q4_0.gguf",
                                         "stories260K" };
    char path[SCRATCH_PATH];
    scratch s;
    size_t len;
    if (argc < 2) return 2;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", argv[1], names[i]);
        test_model(path);
    }
    scratch_make(&s);
    scratch_text(&s, "tokenizer.json", byte_level);
    scratch_text(&s, "tokenizer_config.json", config);
    scratch_text(&s, "chat_template.jinja", "{{ x }}");
    test_model(s.path);
    scratch_remove(&s);
    scratch_make(&s);
    snprintf(path, sizeof path, "%s/tokenizers/shakespeare.model", argv[1]);
    void *model = scratch_read(path, &len);
    scratch_write(&s, "tokenizer.model", model, len);
    free(model);
    scratch_text(&s, "tokenizer_config.json", decoder);
    scratch_text(&s, "added_tokens.json", "{\"<more>\":901}");
    test_model(s.path);
    scratch_remove(&s);
    return check_result();
}
