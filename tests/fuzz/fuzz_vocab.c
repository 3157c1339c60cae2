/* tests/fuzz/fuzz_vocab.c - any octets as a vocabulary, or as a file beside one.
 *
 * The first octet says which: a file by itself (tokenizer.json, tokenizer.model, tokenizer.bin or
 * GGUF, by content), or in a folder with a sound tokenizer.json or tokenizer.model, the file of
 * that name. What opens must hold together: ids in range, texts that find their token, ids of texts
 * that are there and lead back to octets.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/tokenizer.h>

#include "gguf_mutate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[240];

/* Two letters, their pair, and octets; in both formats. */
static const char sound_json[] =
    "{\"added_tokens\":[{\"id\":1,\"content\":\"<s>\",\"special\":true}],"
    "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\\u2581\"},"
    "\"pre_tokenizer\":null,\"post_processor\":null,\"decoder\":null,\"model\":{\"type\":\"BPE\","
    "\"vocab\":{\"<unk>\":0,\"<s>\":1,\"</s>\":2,\"a\":3,\"\\u2581\":4,\"\\u2581a\":5},"
    "\"merges\":[\"\\u2581 a\"],\"unk_token\":\"<unk>\"}}";
static const char sound_model[] = "\n\16\n\5<unk>\25\0\0\0\0\30\2" /* pieces: text, score, type */
                                  "\n\14\n\3<s>\25\0\0\0\0\30\3"
                                  "\n\15\n\4</s>\25\0\0\0\0\30\3"
                                  "\n\12\n\1a\25\0\0\200\277\30\1"
                                  "\n\14\n\3\xe2\x96\x81\25\0\0\0\300\30\1"
                                  "\n\15\n\4\xe2\x96\x81"
                                  "a\25\0\0\0\0\30\1"
                                  "\22\2\30\2\32\2 \0";

static const struct {
    const char *name;
    int json; /* the sound file beside it: tokenizer.json, or tokenizer.model */
} files[] = {
    { "vocabulary", 1 },
    { "tokenizer_config.json", 1 },
    { "special_tokens_map.json", 1 },
    { "generation_config.json", 1 },
    { "config.json", 1 },
    { "chat_template.jinja", 1 },
    { "tokenizer_config.json", 0 },
    { "added_tokens.json", 0 },
};
#define FILES (sizeof files / sizeof files[0])

static void require(int truth)
{
    if (!truth) abort();
}

static const char *path_of(const char *name, char path[320])
{
    snprintf(path, 320, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const void *data, size_t size)
{
    char path[320];
    FILE *f = fopen(path_of(name, path), "wb");
    require(f && (size == 0 || fwrite(data, 1, size, f) == size) && fclose(f) == 0);
}

static void remove_all(void)
{
    char path[320];
    for (size_t i = 0; i < FILES; i++) unlink(path_of(files[i].name, path));
    unlink(path_of("tokenizer.json", path));
    unlink(path_of("tokenizer.model", path));
}

static void clean_up(void)
{
    remove_all();
    rmdir(folder);
}

static void set_up(void)
{
    const char *root = getenv("TMPDIR"); /* a file system in memory makes it much faster */
    int n = snprintf(folder, sizeof folder, "%s/whit-fuzz-XXXXXX", root && *root ? root : "/tmp");
    require(n > 0 && n < (int)sizeof folder && mkdtemp(folder) != NULL);
    atexit(clean_up);
}

static void check_text(const whit_tokenizer *t, const char *text, size_t len, unsigned flags)
{
    whit_ids ids = { NULL, 0, 0 };
    whit_error err = { WHIT_OK, "" };
    char *back = NULL;
    size_t back_len = 0;
    whit_status st = whit_tokenize(t, text, len, flags, &ids, &err);
    require(st == WHIT_OK || st == WHIT_ERR_FORMAT);
    require(st == WHIT_OK || ids.count == 0);
    for (size_t i = 0; i < ids.count; i++)
        require(ids.id[i] < whit_tokenizer_describe(t)->vocabulary);
    st = whit_detokenize(t, ids.id, ids.count, WHIT_DETOKENIZE_SPECIAL, &back, &back_len, &err);
    require(st == WHIT_OK && back && back[back_len] == 0);
    free(back);
    whit_ids_free(&ids);
}

static void check(const whit_tokenizer *t)
{
    static const char text[] = "a  b\xe2\x96\x81 It's 123 \xc3\xa9\xcc\x81 <s></s><|x|>\n\n \t!!";
    const whit_tokenizer_info *i = whit_tokenizer_describe(t);
    const int64_t ids[] = { i->bos, i->eos, i->eot, i->unk, i->pad };
    require(i->path && i->source && i->model && i->split);
    for (size_t k = 0; k < sizeof ids / sizeof ids[0]; k++)
        require(ids[k] >= -1 && ids[k] < (int64_t)i->vocabulary);
    for (unsigned flags = 0; flags < 4; flags++) check_text(t, text, sizeof text, flags);
    for (uint32_t id = 0; id < i->vocabulary && id < 1000; id++) {
        whit_text_stream stream = { WHIT_DETOKENIZE_SPECIAL, 1 };
        const char *piece;
        size_t len;
        require(whit_detokenize_next(t, &stream, id, &piece, &len, NULL) == WHIT_OK);
        char *copy = malloc(len + 1);
        require(copy != NULL);
        if (len > 0) memcpy(copy, piece, len);
        copy[len] = 0;
        require(whit_tokenizer_find(t, copy) < (int64_t)i->vocabulary);
        free(copy);
    }
    for (size_t k = 0; whit_tokenizer_note(t, k); k++) require(*whit_tokenizer_note(t, k) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[320];
    whit_error err = { WHIT_OK, "" };
    whit_tokenizer *t = NULL;
    if (!folder[0]) set_up();
    if (size == 0) return 0;
    const size_t which = data[0] % FILES;
    remove_all();
    if (which > 0 && files[which].json)
        write_file("tokenizer.json", sound_json, sizeof sound_json - 1);
    if (which > 0 && !files[which].json)
        write_file("tokenizer.model", sound_model, sizeof sound_model - 1);
    write_file(files[which].name, data + 1, size - 1);
    whit_status st =
        whit_tokenizer_open(&t, which == 0 ? path_of(files[0].name, path) : folder, &err);
    if (st != WHIT_OK) {
        require(!t && err.code == st);
        require(st == WHIT_ERR_FORMAT || st == WHIT_ERR_UNSUPPORTED);
        for (const char *p = err.msg; *p; p++) require((unsigned char)*p >= ' ' && *p != 0x7f);
        return 0;
    }
    check(t);
    whit_tokenizer_close(t);
    return 0;
}

#ifdef WHIT_FUZZER
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    if (size == 0 || data[0] % FILES != 0) return LLVMFuzzerMutate(data, size, max);
    return 1 + gguf_mutate(data + 1, size - 1, max - 1, seed);
}
#endif
