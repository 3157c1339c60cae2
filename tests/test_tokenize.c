/* tests/test_tokenize.c - what must hold for any text, and the interface of the tokenizer.
 *
 * Ids against the plain rule (all pairs looked through, no queue, no cuts); any text leads back to
 * itself; words of a megabyte; threads; what is refused.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include <pthread.h>

#include "check.h"
#include "model/token.h"
#include "tokens.h"

static whit_tokenizer *open_it(const char *path)
{
    whit_error err = { WHIT_OK, "" };
    whit_tokenizer *t = NULL;
    whit_status st = whit_tokenizer_open(&t, path, &err);
    CHECK(st == WHIT_OK, "%s", err.msg);
    return t;
}

/* ---- by the rule, slowly --------------------------------------------------------------------- */

/* Merges of the symbols at hand as the rule says it: look through all pairs, merge the lowest rank,
 * the leftmost of equals. Neither queue nor cuts nor whole words. */
static size_t merge_slowly(const whit_tokenizer *t, uint32_t *id, size_t n)
{
    for (;;) {
        size_t best = n;
        uint32_t least = WH_PAIR_NONE, made = 0, result;
        for (size_t i = 0; i + 1 < n; i++) {
            const uint32_t rank = wh_pairs_find(&t->merges, id[i], id[i + 1], &result);
            if (rank >= least) continue;
            least = rank;
            best = i;
            made = result;
        }
        if (best == n) return n;
        id[best] = made;
        memmove(id + best + 1, id + best + 2, (n - best - 2) * sizeof *id);
        n--;
    }
}

/* The ids of an ASCII text, which is one word (SPM). */
static size_t whole_slowly(const whit_tokenizer *t, const char *text, uint32_t *id)
{
    size_t n = 0;
    id[n++] = t->ascii[' ']; /* the one before the text */
    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;
        id[n++] = t->ascii[c] != WH_ID_NONE ? t->ascii[c] : t->octet[c];
    }
    return merge_slowly(t, id, n);
}

static size_t words_slowly(const whit_tokenizer *t, const char *text, uint32_t *id)
{
    wh_split s = { .text = text, .len = strlen(text), .how = t->vocab->split };
    size_t n = 0, len;
    for (size_t at = 0; (len = wh_split_next(&s)) > 0; at += len) {
        const uint32_t whole = wh_text_index_find(&t->words, text + at, len);
        size_t k = 0;
        if (t->vocab->ignore_merges && whole != WH_TEXT_NONE) {
            id[n++] = whole;
            continue;
        }
        for (; k < len; k++) id[n + k] = t->octet[(unsigned char)text[at + k]];
        n += merge_slowly(t, id + n, len);
    }
    return n;
}

/* Letters, of few kinds or many, or words that some tokens join. */
static void make_text(check_rng *r, char *text, size_t len)
{
    static const char letters[] = "eeeettaaooiinnsshhrrddlluummwwccyyffggppbbvvkk  TOIS.,'\"";
    static const char *const words[] = { " to",   " the", " of", "s",   " and",  " my",
                                         " lord", " I",   " am", " in", " KING", " RICHARD",
                                         " II",   "  ",   "e",   " c" };
    const size_t alphabet = check_below(r, 2) ? sizeof letters - 1 : 3 + check_below(r, 4);
    const int from_words = check_below(r, 3) == 0;
    size_t at = 0;
    while (at < len) {
        const char *word = words[check_below(r, sizeof words / sizeof words[0])];
        if (!from_words || strlen(word) > len - at)
            text[at++] = letters[check_below(r, alphabet)];
        else
            for (; *word; word++) text[at++] = *word;
    }
    text[len] = 0;
}

static void test_slowly(const char *data)
{
    static const char *const models[] = { "stories260K", "tokenizers/tok512.bin",
                                          "tokenizers/shakespeare.model", "tokenizers/docs-llama" };
    char path[SCRATCH_PATH], text[512];
    uint32_t want[sizeof text + 1];
    for (size_t m = 0; m < 4; m++) {
        check_rng r = { 7 + m };
        snprintf(path, sizeof path, "%s/%s", data, models[m]);
        whit_tokenizer *t = open_it(path);
        for (int i = 0; t && i < 3000; i++) {
            whit_ids got = { NULL, 0, 0 };
            make_text(&r, text, 1 + check_below(&r, sizeof text - 1));
            const size_t n = t->vocab->kind == WH_VOCAB_SPM ? whole_slowly(t, text, want)
                                                            : words_slowly(t, text, want);
            CHECK(whit_tokenize(t, text, strlen(text), 0, &got, NULL) == WHIT_OK, "%s", text);
            CHECK(got.count == n && memcmp(got.id, want, n * sizeof *want) == 0, "%s: '%s'",
                  models[m], text);
            whit_ids_free(&got);
        }
        whit_tokenizer_close(t);
    }
}

/* A token that its own text does not lead to: "b c" goes before "a b". */
static void test_not_whole(void)
{
    static const char *const flags[] = { "false", "true" };
    char path[SCRATCH_PATH], json[512];
    scratch s;
    scratch_make(&s);
    for (int ignore = 0; ignore < 2; ignore++) {
        whit_ids ids = { NULL, 0, 0 };
        snprintf(
            json, sizeof json,
            "{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},\"model\":{"
            "\"vocab\":{\"a\":0,\"b\":1,\"c\":2,\"ab\":3,\"bc\":4,\"abc\":5},\"merges\":["
            "\"b c\",\"a b\",\"ab c\"],\"ignore_merges\":%s}}",
            flags[ignore]);
        scratch_text(&s, "t.json", json);
        whit_tokenizer *t = open_it(scratch_path(&s, "t.json", path));
        if (!t) break;
        CHECK(whit_tokenize(t, "abc", 3, 0, &ids, NULL) == WHIT_OK, "-");
        CHECK(ignore ? ids.count == 1 && ids.id[0] == 5
                     : ids.count == 2 && ids.id[0] == 0 && ids.id[1] == 4,
              "ignore_merges %s: %zu ids", flags[ignore], ids.count);
        whit_error err = { WHIT_OK, "" };
        const size_t before = ids.count;
        CHECK(whit_tokenize(t, "ab d", 4, 0, &ids, &err) == WHIT_ERR_FORMAT, "an octet without");
        CHECK(strstr(err.msg, "no token for a part of") && ids.count == before, "%s", err.msg);
        whit_ids_free(&ids);
        whit_tokenizer_close(t);
    }
    scratch_remove(&s);
}

/* ---- any text -------------------------------------------------------------------------------- */

static size_t put_utf8(char *p, uint32_t c)
{
    const size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[5] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    for (size_t i = n - 1; i > 0; i--, c >>= 6) p[i] = (char)(0x80 | (c & 0x3f));
    p[0] = (char)(lead[n] | c);
    return n;
}

static size_t any_text(check_rng *r, char *text, size_t chars)
{
    size_t len = 0;
    for (size_t i = 0; i < chars; i++) {
        static const uint32_t below[] = { 0x80, 0x80, 0x80, 0x300, 0x3000, 0x110000 };
        uint32_t c = (uint32_t)check_below(r, below[check_below(r, 6)]);
        if ((c >= 0xd800 && c < 0xe000) || c == 0x2581) c = ' ';
        len += put_utf8(text + len, c);
    }
    return len;
}

/* Any text leads back to itself, in one go and id by id. */
static void test_round_trips(const char *data)
{
    static const char *const models[] = { "stories260K", "tokenizers/tok512.bin",
                                          "tokenizers/shakespeare.model", "tokenizers/docs-llama" };
    char path[SCRATCH_PATH], text[4 * 200], streamed[4 * 200 + 1];
    for (size_t m = 0; m < 4; m++) {
        check_rng r = { 70 + m };
        snprintf(path, sizeof path, "%s/%s", data, models[m]);
        whit_tokenizer *t = open_it(path);
        for (int i = 0; t && i < 2000; i++) {
            whit_ids ids = { NULL, 0, 0 };
            whit_text_stream stream = { 0, 0 };
            char *back = NULL;
            size_t back_len = 0, at = 0;
            const size_t len = any_text(&r, text, check_below(&r, 200));
            whit_status st =
                whit_tokenize(t, text, len, WHIT_TOKENIZE_PLAIN | WHIT_TOKENIZE_AROUND, &ids, NULL);
            CHECK(st == WHIT_OK, "%s: text %d", models[m], i);
            CHECK(ids.count > 0 && ids.id[0] == (uint32_t)t->info.bos, "BOS is first");
            CHECK(whit_detokenize(t, ids.id, ids.count, 0, &back, &back_len, NULL) == WHIT_OK, "-");
            CHECK(back_len == len && memcmp(back, text, len) == 0, "%s: text %d", models[m], i);
            for (size_t k = 0; k < ids.count; k++) {
                const char *piece;
                size_t n;
                st = whit_detokenize_next(t, &stream, ids.id[k], &piece, &n, NULL);
                if (st != WHIT_OK || n > sizeof streamed - at) break;
                memcpy(streamed + at, piece, n);
                at += n;
            }
            CHECK(at == len && memcmp(streamed, text, len) == 0, "%s: stream %d", models[m], i);
            free(back);
            whit_ids_free(&ids);
        }
        whit_tokenizer_close(t);
    }
}

/* Where extra white space is removed, so are the spaces of tokens before the first text. */
static void test_leading_spaces(const char *data)
{
    char path[SCRATCH_PATH], *text = NULL;
    size_t len = 0, model_len;
    scratch s;
    scratch_make(&s);
    snprintf(path, sizeof path, "%s/tokenizers/shakespeare.model", data);
    char *model = scratch_read(path, &model_len);
    char *more = realloc(model, model_len + 4);
    if (!more) return;
    memcpy(more + model_len, "\x1a\x02\x20", 3);
    for (char remove = 0; remove < 2; remove++) {
        more[model_len + 3] = remove;
        scratch_write(&s, "t.model", more, model_len + 4);
        whit_tokenizer *t = open_it(scratch_path(&s, "t.model", path));
        if (!t) break;
        const uint32_t space = t->ascii[' '], a = t->ascii['a'],
                       ids[4] = { space, space, a, space };
        CHECK(whit_detokenize(t, ids, 4, 0, &text, &len, NULL) == WHIT_OK, "decode");
        CHECK(text && strcmp(text, remove ? "a " : " a ") == 0, "'%s'", text ? text : "?");
        free(text);
        whit_tokenizer_close(t);
    }
    free(more);
    scratch_remove(&s);
}

/* A word of a megabyte takes n log n. */
static void test_long_words(const char *data)
{
    static const char *const models[] = { "stories260K", "tokenizers/docs-llama" };
    static const char *const parts[] = { "a", "thethe", "\xf0\x9f\x98\x80", " ", "\n", "ab" };
    const size_t len = 1 << 20;
    char path[SCRATCH_PATH], *text = malloc(len);
    for (size_t m = 0; text && m < 2; m++) {
        snprintf(path, sizeof path, "%s/%s", data, models[m]);
        whit_tokenizer *t = open_it(path);
        for (size_t k = 0; t && k < sizeof parts / sizeof parts[0]; k++) {
            const size_t n = strlen(parts[k]), used = len / n * n;
            whit_ids ids = { NULL, 0, 0 };
            char *back = NULL;
            size_t back_len = 0;
            for (size_t i = 0; i < used; i++) text[i] = parts[k][i % n];
            CHECK(whit_tokenize(t, text, used, 0, &ids, NULL) == WHIT_OK, "%s", parts[k]);
            CHECK(whit_detokenize(t, ids.id, ids.count, 0, &back, &back_len, NULL) == WHIT_OK, "-");
            CHECK(back_len == used && memcmp(back, text, used) == 0, "%s", parts[k]);
            free(back);
            whit_ids_free(&ids);
        }
        whit_tokenizer_close(t);
    }
    free(text);
}

/* Nor does a megabyte of added tokens that swallow what is behind them take longer: as the
 * tokenizers library has it, each of them counts, or with lstrip the first. */
static void test_long_strips(void)
{
    static const char *const lstrip[] = { "false", "true" };
    const size_t len = 1 << 20;
    char path[SCRATCH_PATH], json[512], *text = malloc(len);
    scratch s;
    scratch_make(&s);
    for (int i = 0; text && i < 2; i++) {
        whit_ids ids = { NULL, 0, 0 };
        snprintf(
            json, sizeof json,
            "{\"pre_tokenizer\":{\"type\":\"ByteLevel\"},\"added_tokens\":[{\"id\":1,\"content\":"
            "\" \",\"lstrip\":%s,\"rstrip\":true}],\"model\":{\"vocab\":{\"a\":0},\"merges\":[]}}",
            lstrip[i]);
        scratch_text(&s, "t.json", json);
        whit_tokenizer *t = open_it(scratch_path(&s, "t.json", path));
        if (!t) break;
        memset(text, ' ', len);
        CHECK(whit_tokenize(t, text, len, 0, &ids, NULL) == WHIT_OK, "-");
        CHECK(ids.count == (i ? 1 : len), "lstrip %s: %zu ids", lstrip[i], ids.count);
        whit_ids_free(&ids);
        whit_tokenizer_close(t);
    }
    free(text);
    scratch_remove(&s);
}

/* ---- the interface --------------------------------------------------------------------------- */

static void test_info(const char *data)
{
    char path[SCRATCH_PATH];
    snprintf(path, sizeof path, "%s/tokenizers/docs-llama", data);
    whit_tokenizer *t = open_it(path);
    if (!t) return;
    const whit_tokenizer_info *i = whit_tokenizer_describe(t);
    CHECK(strcmp(i->path, path) == 0 && strcmp(i->source, "tokenizer.json") == 0, "%s", i->source);
    CHECK(strcmp(i->model, "byte-level BPE") == 0 && strcmp(i->split, "llama-bpe") == 0, "%s %s",
          i->model, i->split);
    CHECK(i->vocabulary == 4096 && i->bos == 4094 && i->eos == 4095, "ids");
    CHECK(i->eot == -1 && i->unk == -1 && i->pad == -1, "ids that are not there");
    CHECK(i->adds_bos == 1 && i->adds_eos == 0 && !i->chat_template, "what goes around");
    CHECK(!whit_tokenizer_note(t, 0), "%s", whit_tokenizer_note(t, 0));
    CHECK(whit_tokenizer_find(t, "<|eos|>") == 4095 && whit_tokenizer_find(t, "?!?") == -1, "find");
    whit_tokenizer_close(t);
    whit_tokenizer_close(NULL);

    static const struct {
        const char *name, *source;
    } others[] = { { "gguf/stories260K-q4_0.gguf", "gguf" },
                   { NULL, "gguf" }, /* a folder with the one above */
                   { "stories260K", "tokenizer.json" },
                   { "tokenizers/tok512.bin", "llama2.c" },
                   { "tokenizers/shakespeare.model", "tokenizer.model" } };
    for (size_t k = 0; k < sizeof others / sizeof others[0]; k++) {
        scratch s;
        scratch_make(&s);
        snprintf(path, sizeof path, "%s/%s", data,
                 others[k].name ? others[k].name : others[0].name);
        size_t len = 0;
        void *octets = others[k].name ? NULL : scratch_read(path, &len);
        if (octets) scratch_write(&s, "model.gguf", octets, len);
        free(octets);
        t = open_it(others[k].name ? path : s.path);
        scratch_remove(&s);
        if (!t) continue;
        i = whit_tokenizer_describe(t);
        CHECK(strcmp(i->source, others[k].source) == 0, "%s: %s", path, i->source);
        CHECK(strcmp(i->model, "SentencePiece BPE") == 0, "%s", i->model);
        CHECK(strcmp(i->split, "default") == 0, "%s", i->split);
        CHECK(i->bos == 1 && i->eos == 2 && i->unk == 0 && i->adds_bos == 1, "%s", path);
        whit_tokenizer_close(t);
    }
}

static void test_arguments(const char *data)
{
    char path[SCRATCH_PATH], *text = (char *)(uintptr_t)1;
    whit_error err = { WHIT_OK, "" };
    whit_tokenizer *t = (whit_tokenizer *)(uintptr_t)1;
    whit_ids ids = { NULL, 0, 0 };
    whit_text_stream stream = { 0, 0 };
    const char *piece;
    size_t len = 1;
    CHECK(whit_tokenizer_open(NULL, "x", &err) == WHIT_ERR_ARG, "no place");
    CHECK(whit_tokenizer_open(&t, "", &err) == WHIT_ERR_ARG && !t, "no path");
    CHECK(whit_tokenizer_open(&t, "/nowhere/at-all", &err) == WHIT_ERR_IO && !t, "%s", err.msg);
    snprintf(path, sizeof path, "%s/models/two.npy", data);
    CHECK(whit_tokenizer_open(&t, path, &err) == WHIT_ERR_UNSUPPORTED && !t, "%s", err.msg);
    CHECK(strstr(err.msg, "try: the model's folder"), "%s", err.msg);
    snprintf(path, sizeof path, "%s/models", data);
    CHECK(whit_tokenizer_open(&t, path, NULL) != WHIT_OK && !t, "a folder without one");
    snprintf(path, sizeof path, "%s/models/mnist.safetensors", data);
    CHECK(whit_tokenizer_open(&t, path, &err) == WHIT_ERR_FORMAT &&
              strstr(err.msg, "/models: has no"),
          "%s", err.msg);
    snprintf(path, sizeof path, "%s/tokenizers/docs-llama", data);
    t = open_it(path);
    if (!t) return;

    CHECK(whit_tokenize(NULL, "a", 1, 0, &ids, &err) == WHIT_ERR_ARG, "no tokenizer");
    CHECK(whit_tokenize(t, NULL, 1, 0, &ids, &err) == WHIT_ERR_ARG, "no text");
    CHECK(whit_tokenize(t, "a", 1, 0, NULL, &err) == WHIT_ERR_ARG, "no ids");
    CHECK(whit_tokenize(t, "a", 1, 8, &ids, &err) == WHIT_ERR_ARG, "flags");
    CHECK(whit_tokenize(t, NULL, 0, 0, &ids, &err) == WHIT_OK && ids.count == 0, "nothing");
    CHECK(whit_tokenize(t, "Hi", 2, WHIT_TOKENIZE_AROUND, &ids, &err) == WHIT_OK, "%s", err.msg);
    const size_t before = ids.count;
    CHECK(before > 1 && ids.id[0] == 4094, "BOS");
    CHECK(whit_tokenize(t, "ab\xc3(", 4, 0, &ids, &err) == WHIT_ERR_ARG, "not UTF-8");
    CHECK(strstr(err.msg, "at byte 2; try: ") && ids.count == before, "%s", err.msg);
    CHECK(whit_tokenize(t, "\xed\xa0\x80", 3, 0, &ids, &err) == WHIT_ERR_ARG, "a surrogate");
    CHECK(whit_tokenize(t, "a\0b", 3, 0, &ids, &err) == WHIT_OK && ids.count == before + 3, "NUL");
    CHECK(whit_tokenize(t, "<|eos|>", 7, 0, &ids, &err) == WHIT_OK, "%s", err.msg);
    CHECK(ids.id[ids.count - 1] == 4095, "a special token in a text");

    CHECK(whit_detokenize(t, ids.id, ids.count, 0, &text, &len, &err) == WHIT_OK, "%s", err.msg);
    CHECK(text && len == 5 && memcmp(text, "Hia\0b", 6) == 0, "%zu", len);
    free(text);
    CHECK(whit_detokenize(t, ids.id, ids.count, WHIT_DETOKENIZE_SPECIAL, &text, &len, &err) ==
              WHIT_OK,
          "%s", err.msg);
    CHECK(text && len == 19 && memcmp(text, "<|bos|>Hia\0b<|eos|>", 20) == 0, "%zu", len);
    free(text);
    CHECK(whit_detokenize(t, NULL, 0, 0, &text, &len, &err) == WHIT_OK && len == 0 && text &&
              !*text,
          "no ids");
    free(text);
    ids.id[0] = 4096;
    CHECK(whit_detokenize(t, ids.id, 1, 0, &text, &len, &err) == WHIT_ERR_ARG && !text,
          "no such id");
    CHECK(strstr(err.msg, "no token 4096; the last is 4095"), "%s", err.msg);
    CHECK(whit_detokenize(t, NULL, 1, 0, &text, &len, &err) == WHIT_ERR_ARG, "no list");
    CHECK(whit_detokenize(t, ids.id, 1, 0, NULL, &len, &err) == WHIT_ERR_ARG, "no place");
    CHECK(whit_detokenize_next(t, NULL, 1, &piece, &len, &err) == WHIT_ERR_ARG, "no stream");
    CHECK(whit_detokenize_next(t, &stream, 4094, &piece, &len, &err) == WHIT_OK && len == 0, "BOS");
    whit_ids_free(&ids);
    whit_tokenizer_close(t);
}

/* ---- threads --------------------------------------------------------------------------------- */

typedef struct thread_work {
    const whit_tokenizer *t;
    const tk_cases *cases;
    size_t differ;
} thread_work;

static void *tokenize_all(void *arg)
{
    thread_work *w = arg;
    for (int round = 0; round < 5; round++)
        for (size_t i = 0; i < w->cases->count; i++) {
            const tk_case *c = &w->cases->list[i];
            w->differ += !tk_gives(w->t, c, &c->ids, WHIT_TOKENIZE_AROUND, "thread");
        }
    return NULL;
}

static void test_threads(const char *data)
{
    enum { THREADS = 4 };
    char path[SCRATCH_PATH];
    pthread_t thread[THREADS];
    thread_work work[THREADS];
    snprintf(path, sizeof path, "%s/stories260K", data);
    whit_tokenizer *t = open_it(path);
    snprintf(path, sizeof path, "%s/tokenizers/stories260K-vectors.json", data);
    tk_cases cases = tk_load(path);
    for (int i = 0; t && i < THREADS; i++) {
        work[i] = (thread_work){ t, &cases, 0 };
        CHECK(pthread_create(&thread[i], NULL, tokenize_all, &work[i]) == 0, "a thread");
    }
    for (int i = 0; t && i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        CHECK(work[i].differ == 0, "thread %d: %zu differ", i, work[i].differ);
    }
    tk_free(&cases);
    whit_tokenizer_close(t);
}

int main(int argc, char **argv)
{
    if (argc < 2) return 2;
    test_slowly(argv[1]);
    test_not_whole();
    test_round_trips(argv[1]);
    test_leading_spaces(argv[1]);
    test_long_words(argv[1]);
    test_long_strips();
    test_info(argv[1]);
    test_arguments(argv[1]);
    test_threads(argv[1]);
    return check_result();
}
