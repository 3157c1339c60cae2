/* tests/test_tokenizer.c - ids against those of the reference libraries.
 *
 * Vectors: stories260K and docs-llama (data/README.md), and variants of their vocabularies with
 * other normalizers, pre-tokenizers and added tokens (data/tokenizers/make_variants.py).
 *
 *     test_tokenizer DATA [FOLDER]
 *
 * FOLDER: every folder in it that holds a vectors.json besides its vocabulary is tried, too, and
 * every NAME.gguf.inp with NAME.gguf.out and a NAME.gguf, or a folder beside it called as NAME is
 * behind "ggml-vocab-", without hyphens. So larger vocabularies can be run by hand.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
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

/* ---- vectors --------------------------------------------------------------------------------- */

/* The ids lead back to the text: where no special token is left out, and U+2581 is no space. */
static void check_decoded(const whit_tokenizer *t, const tk_case *c, const tk_ids *ids)
{
    char *text = NULL;
    size_t len = 0;
    const char *want = c->decoded ? c->decoded : c->text;
    const size_t want_len = c->decoded ? c->decoded_len : c->len;
    const int marks = strcmp(t->info.split, "default") == 0 && strstr(want, "\xe2\x96\x81") != NULL;
    if (c->special || marks) return;
    CHECK(whit_detokenize(t, ids->id, ids->count, 0, &text, &len, NULL) == WHIT_OK, "decode");
    CHECK(text && len == want_len && memcmp(text, want, len) == 0, "'%.60s' came back as '%.60s'",
          want, text ? text : "?");
    free(text);
}

/* All cases of a file; how many differ. */
static size_t check_vectors(const char *model, const char *vectors)
{
    whit_tokenizer *t = open_it(model);
    tk_cases cases = tk_load(vectors);
    size_t differ = 0;
    for (size_t i = 0; t && i < cases.count; i++) {
        const tk_case *c = &cases.list[i];
        CHECK(c->ids.there, "a case without ids");
        if (!tk_gives(t, c, &c->ids, WHIT_TOKENIZE_AROUND, model))
            differ++;
        else if (t->vocab->split != WH_PRE_NONE || !t->vocab->plain_spaces)
            check_decoded(t, c, &c->ids);
        if (c->bare.there) differ += !tk_gives(t, c, &c->bare, 0, model);
    }
    printf("%s: %zu cases, %zu differ\n", model, cases.count, differ);
    tk_free(&cases);
    whit_tokenizer_close(t);
    return t ? differ : 1;
}

static void test_vectors(const char *data)
{
    char model[SCRATCH_PATH], vectors[SCRATCH_PATH + 32];
    static const char *const stories[] = { "stories260K", "stories260K/tokenizer.json",
                                           "gguf/stories260K-q4_0.gguf" };
    snprintf(vectors, sizeof vectors, "%s/tokenizers/stories260K-vectors.json", data);
    for (size_t i = 0; i < 3; i++) {
        snprintf(model, sizeof model, "%s/%s", data, stories[i]);
        CHECK(check_vectors(model, vectors) == 0, "%s", model);
    }
    /* llama2.c knows no special tokens in a text, and U+2581 is not its space: three texts. */
    snprintf(model, sizeof model, "%s/tokenizers/tok512.bin", data);
    CHECK(check_vectors(model, vectors) == 3, "%s", model);
    snprintf(model, sizeof model, "%s/tokenizers/docs-llama", data);
    snprintf(vectors, sizeof vectors, "%s/vectors.json", model);
    CHECK(check_vectors(model, vectors) == 0, "%s", model);
}

/* ---- variants -------------------------------------------------------------------------------- */

/* The "vocab" and "merges" of a tokenizer.json, which stand next to each other. */
static char *vocabulary_of(const char *path)
{
    size_t len;
    char *text = scratch_read(path, &len);
    const char *vocab = strstr(text, "\"vocab\":"), *merges = strstr(text, "\"merges\":");
    tk_need(vocab && merges && vocab < merges, path);
    const size_t start = (size_t)(vocab - text), list = (size_t)(merges - text) + 9;
    wh_json j;
    wh_json_init(&j, text + list, len - list);
    tk_need(wh_json_skip(&j, WH_JSON_KEY), path);
    char *out = wh_strndup(vocab, list + j.pos - start);
    tk_need(out != NULL, "no memory");
    wh_json_free(&j);
    free(text);
    return out;
}

typedef struct variant {
    char *name, *base, *file, *append;
    tk_cases cases;
} variant;

static void read_variant(wh_json *j, variant *v)
{
    memset(v, 0, sizeof *v);
    while (wh_json_next(j) == WH_JSON_KEY) {
        char **text = strcmp(j->text, "name") == 0     ? &v->name
                      : strcmp(j->text, "base") == 0   ? &v->base
                      : strcmp(j->text, "file") == 0   ? &v->file
                      : strcmp(j->text, "append") == 0 ? &v->append
                                                       : NULL;
        if (!text) {
            tk_need(strcmp(j->text, "cases") == 0, "a variant has another member");
            tk_read_cases(j, &v->cases);
            continue;
        }
        tk_need(wh_json_next(j) == WH_JSON_STRING, "a variant's text is none");
        *text = wh_strndup(j->text, j->text_len);
    }
    tk_need(!j->problem && v->name && v->cases.count > 0, "a variant is none");
}

static void write_json_variant(const scratch *s, const char *data, const variant *v)
{
    char path[SCRATCH_PATH];
    const int docs = strcmp(v->base, "docs-llama") == 0;
    snprintf(path, sizeof path, "%s/%s/tokenizer.json", data,
             docs ? "tokenizers/docs-llama" : "stories260K");
    char *vocabulary = vocabulary_of(path);
    const char *at = strrchr(v->file, '@');
    tk_need(at != NULL, v->name);
    wh_buf b = { .data = NULL };
    wh_buf_put(&b, v->file, (size_t)(at - v->file));
    wh_buf_puts(&b, vocabulary);
    wh_buf_puts(&b, at + 1);
    tk_need(!b.failed, "no memory");
    scratch_write(s, "variant", b.data, b.len);
    wh_buf_free(&b);
    free(vocabulary);
}

static void write_model_variant(const scratch *s, const char *data, const variant *v)
{
    char path[SCRATCH_PATH];
    size_t len;
    wh_buf b = { .data = NULL };
    snprintf(path, sizeof path, "%s/tokenizers/shakespeare.model", data);
    char *model = scratch_read(path, &len);
    wh_buf_put(&b, model, len);
    for (const char *p = v->append; p[0] && p[1]; p += 2) {
        const char hex[3] = { p[0], p[1], 0 };
        const char octet = (char)strtol(hex, NULL, 16);
        wh_buf_put(&b, &octet, 1);
    }
    tk_need(!b.failed, "no memory");
    scratch_write(s, "variant", b.data, b.len);
    wh_buf_free(&b);
    free(model);
}

static void check_variant(const scratch *s, const variant *v)
{
    char path[SCRATCH_PATH];
    size_t differ = 0;
    const unsigned both = WHIT_TOKENIZE_AROUND | WHIT_TOKENIZE_PLAIN;
    whit_tokenizer *t = open_it(scratch_path(s, "variant", path));
    for (size_t i = 0; t && i < v->cases.count; i++) {
        const tk_case *c = &v->cases.list[i];
        const tk_ids *plain = c->plain.there ? &c->plain : &c->ids;
        const unsigned around = v->append ? WHIT_TOKENIZE_PLAIN : both;
        int same = !c->ids.there || tk_gives(t, c, &c->ids, WHIT_TOKENIZE_AROUND, v->name);
        same = same && tk_gives(t, c, plain, around, v->name);
        differ += !same;
        /* The reference writes what is unknown, and octets that are no UTF-8, in its own way. */
        if (same && c->decoded && !strstr(c->decoded, "\xe2\x81\x87") &&
            !strstr(c->decoded, "\xef\xbf\xbd"))
            check_decoded(t, c, plain);
    }
    CHECK(t && differ == 0, "%s: %zu of %zu differ", v->name, differ, v->cases.count);
    whit_tokenizer_close(t);
}

static void free_variant(variant *v)
{
    tk_free(&v->cases);
    free(v->name);
    free(v->base);
    free(v->file);
    free(v->append);
}

/* The list at hand; how many there are. */
static size_t check_variants(const scratch *s, const char *data, wh_json *j, int json)
{
    size_t count = 0;
    tk_need(wh_json_next(j) == WH_JSON_ARRAY, "variants are no list");
    for (; wh_json_next(j) == WH_JSON_OBJECT; count++) {
        variant v;
        read_variant(j, &v);
        if (json)
            write_json_variant(s, data, &v);
        else
            write_model_variant(s, data, &v);
        check_variant(s, &v);
        free_variant(&v);
    }
    return count;
}

static void test_variants(const char *data)
{
    char path[SCRATCH_PATH];
    size_t len, count = 0;
    scratch s;
    wh_json j;
    snprintf(path, sizeof path, "%s/tokenizers/variants.json", data);
    char *text = scratch_read(path, &len);
    tk_hide_nul(text);
    scratch_make(&s);
    wh_json_init(&j, text, len);
    tk_need(wh_json_next(&j) == WH_JSON_OBJECT, path);
    while (wh_json_next(&j) == WH_JSON_KEY) {
        if (strcmp(j.text, "made_with") == 0)
            wh_json_skip(&j, WH_JSON_KEY);
        else
            count += check_variants(&s, data, &j, strcmp(j.text, "json") == 0);
    }
    CHECK(!j.problem && count == 21, "%zu variants", count);
    wh_json_free(&j);
    free(text);
    scratch_remove(&s);
}

/* ---- a folder with more ---------------------------------------------------------------------- */

/* Texts between lines "__ggml_vocab_test__", and for each a line of ids. */
static void check_ggml(const char *model, const char *stem)
{
    static const char line[] = "\n__ggml_vocab_test__\n";
    char path[SCRATCH_PATH];
    size_t len, differ = 0, count = 0;
    snprintf(path, sizeof path, "%.900s.inp", stem);
    char *texts = scratch_read(path, &len);
    snprintf(path, sizeof path, "%.900s.out", stem);
    char *lists = scratch_read(path, &len), *ids = lists;
    whit_tokenizer *t = open_it(model);
    for (char *text = texts, *end; t && text; text = end, count++) {
        tk_ids want = { NULL, 0, 0, 1 };
        end = strstr(text, line);
        if (end) {
            *end = 0;
            end += sizeof line - 1;
        }
        while (*ids && *ids != '\n') {
            want.id = tk_more(want.id, &want.cap, want.count, sizeof *want.id);
            want.id[want.count++] = (uint32_t)strtoul(ids, &ids, 10);
            while (*ids == ' ') ids++;
        }
        if (*ids) ids++;
        const tk_case c = { .text = text, .len = strlen(text) };
        differ += !tk_gives(t, &c, &want, 0, model);
        free(want.id);
    }
    printf("%s: %zu cases, %zu differ\n", model, count, differ);
    CHECK(t && count > 1 && differ == 0, "%s", model);
    whit_tokenizer_close(t);
    free(texts);
    free(lists);
}

static int there(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

static void try_ggml(const char *root, const char *folder, const char *name)
{
    static const char prefix[] = "ggml-vocab-", end[] = ".gguf.inp";
    const size_t n = strlen(name), stem = n - 4;
    char path[SCRATCH_PATH], model[SCRATCH_PATH], plain[128];
    size_t k = 0;
    if (n < sizeof prefix + sizeof end || strcmp(name + n - 9, end) != 0) return;
    snprintf(path, sizeof path, "%.400s/%.*s", folder, (int)stem, name);
    for (size_t i = sizeof prefix - 1; i < stem - 5 && k < sizeof plain - 1; i++)
        if (name[i] != '-') plain[k++] = name[i];
    plain[k] = 0;
    snprintf(model, sizeof model, "%.400s/%s", root, plain);
    check_ggml(there(path) ? path : model, path);
}

/* Every folder of root that has vectors. */
static void test_folder(const char *root)
{
    struct dirent **list = NULL;
    size_t tried = 0;
    int n = scandir(root, &list, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        static const char *const names[] = { "tokenizer.json", "tokenizer.model" };
        char folder[SCRATCH_PATH], vectors[SCRATCH_PATH], model[SCRATCH_PATH];
        snprintf(folder, sizeof folder, "%.400s/%.200s", root, list[i]->d_name);
        snprintf(vectors, sizeof vectors, "%.700s/vectors.json", folder);
        for (int k = 0; k < 2 && list[i]->d_name[0] != '.' && there(vectors); k++) {
            snprintf(model, sizeof model, "%.700s/%s", folder, names[k]);
            if (!there(model)) continue;
            CHECK(check_vectors(model, vectors) == 0, "%s", model);
            tried++;
        }
        DIR *d = list[i]->d_name[0] != '.' ? opendir(folder) : NULL;
        for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
            try_ggml(root, folder, e->d_name);
        if (d) closedir(d);
        free(list[i]);
    }
    free(list);
    CHECK(tried > 0, "no folder of %s has a vocabulary and a vectors.json", root);
}

int main(int argc, char **argv)
{
    if (argc < 2) return 2;
    test_vectors(argv[1]);
    test_variants(argv[1]);
    if (argc > 2) test_folder(argv[2]);
    return check_result();
}
