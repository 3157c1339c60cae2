/* tests/test_generate.c - texts that a model goes on with: the pieces in which they come, where
 * they end, what is refused; on tiny models with a vocabulary of single octets.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/whit.h>

#include "base/json.h"
#include "configs.h"
#include "models.h"
#include "model/token.h"

#define FMT WHIT_ERR_FORMAT
#define TINY                                                                                       \
    "hidden_size 32\nintermediate_size 48\nnum_hidden_layers 1\nnum_attention_heads 2\n"           \
    "num_key_value_heads 1\n"
#define BOS 256
#define EOS 257

/* ---- a model --------------------------------------------------------------------------------- */

/* The character that stands for an octet in byte-level BPE, as UTF-8. */
static void put_octet(wh_buf *b, unsigned octet)
{
    unsigned c = octet, n = 256;
    for (unsigned k = 0; k <= octet; k++) {
        const int itself = (k >= 33 && k <= 126) || (k >= 161 && k <= 172) || k >= 174;
        c = itself ? k : n++;
    }
    const char utf8[] = { (char)(c < 128 ? c : 0xc0 | c >> 6), (char)(0x80 | (c & 0x3f)) };
    if (c == '"' || c == '\\') wh_buf_puts(b, "\\");
    wh_buf_put(b, utf8, c < 128 ? 1 : 2);
}

/* 256 octets, <s> and </s>; bos: <s> goes before a text. */
static void write_tokenizer(const scratch *s, const char *name, int bos)
{
    static const char added[] =
        "{\"id\":%d,\"content\":\"%s\",\"special\":true,\"single_word\":false,"
        "\"lstrip\":false,\"rstrip\":false,\"normalized\":false}";
    wh_buf b = { 0 };
    wh_buf_puts(&b, "{\"version\":\"1.0\",\"added_tokens\":[");
    wh_buf_putf(&b, added, BOS, "<s>");
    wh_buf_puts(&b, ",");
    wh_buf_putf(&b, added, EOS, "</s>");
    wh_buf_puts(&b, "],\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\","
                    "\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},"
                    "\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
                    "\"trim_offsets\":true,\"use_regex\":true},\"post_processor\":");
    wh_buf_puts(&b, !bos ? "null"
                         : "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":"
                           "\"<s>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],"
                           "\"pair\":[],\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[256],"
                           "\"tokens\":[\"<s>\"]}}}");
    wh_buf_puts(&b, ",\"model\":{\"type\":\"BPE\",\"vocab\":{");
    for (unsigned i = 0; i < 256; i++) {
        wh_buf_puts(&b, i ? ",\"" : "\"");
        put_octet(&b, i);
        wh_buf_putf(&b, "\":%u", i);
    }
    wh_buf_puts(&b, "},\"merges\":[]}}");
    if (b.failed) scratch_die("memory");
    scratch_text(s, name, b.data);
    wh_buf_free(&b);
}

typedef struct thing {
    whit_model *model;
    whit_tokenizer *tokenizer;
} thing;

/* A folder of that name; changes: to the configuration. generation: its other file, or NULL. */
static thing make(const scratch *s, const char *name, const char *changes, const char *generation,
                  int bos, unsigned threads)
{
    char text[CONFIGS_TEXT], path[SCRATCH_PATH], file[64];
    thing t = { NULL, NULL };
    whit_model_options o;
    whit_error err = { WHIT_OK, "" };
    models_folder(s, name, configs_text(text, changes));
    snprintf(file, sizeof file, "%s/tokenizer.json", name);
    write_tokenizer(s, file, bos);
    snprintf(file, sizeof file, "%s/generation_config.json", name);
    if (generation) scratch_text(s, file, generation);
    scratch_path(s, name, path);
    whit_model_options_init(&o);
    o.threads = threads;
    CHECK(whit_tokenizer_open(&t.tokenizer, path, &err) == WHIT_OK, "%s", err.msg);
    CHECK(whit_model_open(&t.model, path, &o, &err) == WHIT_OK, "%s", err.msg);
    if (!t.model || !t.tokenizer) exit(check_result());
    return t;
}

static void drop(const scratch *s, const char *name, thing *t)
{
    char path[SCRATCH_PATH];
    whit_model_close(t->model);
    whit_tokenizer_close(t->tokenizer);
    scratch_remove_tree(scratch_path(s, name, path));
}

/* ---- what comes ------------------------------------------------------------------------------ */

#define MOST 2048

typedef struct heard {
    whit_ids ids;
    char text[MOST * 4];
    size_t len, end[MOST], pieces; /* where each piece ends */
    size_t stop;                   /* after so many pieces; 0: never */
    size_t asked, refuse;          /* progress; refused from this question on, 0: never */
} heard;

static int hear(void *user, uint32_t id, const char *text, size_t len)
{
    heard *h = user;
    if (h->len + len > sizeof h->text || h->pieces == MOST) scratch_die("too much text");
    if (len > 0) memcpy(h->text + h->len, text, len);
    h->len += len;
    h->end[h->pieces++] = h->len;
    if (!wh_ids_add(&h->ids, id)) scratch_die("memory");
    return h->stop && h->pieces == h->stop;
}

static int ask(void *user, const whit_progress *progress)
{
    heard *h = user;
    CHECK(progress->done < progress->total && progress->done % 256 == 0, "progress");
    return ++h->asked == h->refuse;
}

static whit_status go(const thing *t, const char *prompt, const whit_generate_options *options,
                      heard *h, whit_generated *out, whit_error *err)
{
    whit_generate_options o = *options;
    whit_ids_free(&h->ids);
    h->len = h->pieces = h->asked = 0;
    o.text = hear;
    o.progress = ask;
    o.user = h;
    return whit_generate(t->model, t->tokenizer, prompt, strlen(prompt), &o, out, err);
}

/* ---- whole characters ------------------------------------------------------------------------ */

/* No piece ends inside a character of the whole text. */
static size_t check_characters(const heard *h)
{
    size_t at = 0, piece = 0, wide = 0;
    while (at < h->len) {
        size_t n = wh_utf8_sequence((const unsigned char *)h->text + at, h->len - at);
        wide += n > 1;
        if (n == 0) n = 1;
        for (; piece < h->pieces && h->end[piece] < at + n; piece++)
            CHECK(h->end[piece] <= at, "a piece ends at %zu, inside the character from %zu",
                  h->end[piece], at);
        at += n;
    }
    return wide;
}

/* Any octets at all, wildly drawn: the pieces are the text of the tokens, and hold whole
 * characters. */
static void test_pieces(const scratch *s)
{
    static heard h;
    size_t wide = 0;
    whit_generate_options o;
    whit_generate_options_init(&o);
    o.tokens = 1500;
    o.sampling.temperature = 1000;
    thing t = make(s, "m", TINY "vocab_size 256\nmax_position_embeddings 2000", NULL, 0, 1);
    for (o.sampling.seed = 0; o.sampling.seed < 3; o.sampling.seed++) {
        whit_generated g;
        whit_error err = { WHIT_OK, "" };
        char *text = NULL;
        size_t len = 0;
        CHECK(go(&t, "a", &o, &h, &g, &err) == WHIT_OK, "%s", err.msg);
        CHECK(g.tokens == 1500 && g.fed == 1499 && g.prompt_tokens == 1 &&
                  g.ending == WHIT_ENDING_TOKENS,
              "%zu tokens", g.tokens);
        CHECK(h.pieces == 1500 || h.pieces == 1501, "%zu pieces", h.pieces);
        CHECK(whit_detokenize(t.tokenizer, h.ids.id, 1500, 0, &text, &len, &err) == WHIT_OK &&
                  len == h.len && memcmp(text, h.text, len) == 0,
              "the pieces are another text: %s", err.msg);
        wide += check_characters(&h);
        free(text);
    }
    CHECK(wide > 20, "%zu characters of several octets only", wide);
    whit_ids_free(&h.ids);
    drop(s, "m", &t);
}

/* ---- where it ends --------------------------------------------------------------------------- */

static void test_context(const scratch *s)
{
    static const struct {
        const char *prompt;
        size_t tokens, want;
        whit_ending ending;
    } cases[] = {
        { "1234567890", 100, 7, WHIT_ENDING_CONTEXT },
        { "1234567890", 7, 7, WHIT_ENDING_TOKENS },
        { "1234567890", 8, 7, WHIT_ENDING_CONTEXT },
        { "1234567890123456", 100, 1, WHIT_ENDING_CONTEXT },
        { "1234567890", 0, 0, WHIT_ENDING_TOKENS },
    };
    static heard h;
    whit_generate_options o;
    whit_generated g;
    whit_error err = { WHIT_OK, "" };
    whit_generate_options_init(&o);
    thing t = make(s, "m", TINY "vocab_size 256\nmax_position_embeddings 16", NULL, 0, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        o.tokens = cases[i].tokens;
        CHECK(go(&t, cases[i].prompt, &o, &h, &g, &err) == WHIT_OK, "%s", err.msg);
        CHECK(g.tokens == cases[i].want && g.ending == cases[i].ending, "case %zu: %zu tokens", i,
              g.tokens);
    }
    CHECK(go(&t, "12345678901234567", &o, &h, &g, &err) == WHIT_ERR_ARG && h.asked == 0 &&
              strstr(err.msg, "the prompt has 17 tokens, the model was made for 16 positions"),
          "%s", err.msg);
    CHECK(go(&t, "", &o, &h, &g, &err) == WHIT_ERR_ARG && strstr(err.msg, "empty"), "%s", err.msg);
    CHECK(go(&t, "\xff", &o, &h, &g, &err) == WHIT_ERR_ARG && strstr(err.msg, "UTF-8"), "%s",
          err.msg);
    o.sampling.temperature = -1;
    CHECK(go(&t, "a", &o, &h, &g, &err) == WHIT_ERR_ARG && strstr(err.msg, "temperature"), "%s",
          err.msg);
    o.struct_size = 1;
    CHECK(go(&t, "a", &o, &h, &g, &err) == WHIT_ERR_ARG, "struct_size");
    CHECK(whit_generate(t.model, t.tokenizer, NULL, 1, NULL, NULL, &err) == WHIT_ERR_ARG, "null");
    whit_ids_free(&h.ids);
    drop(s, "m", &t);
}

/* Every end that is drawn ends it, and is not told. */
static void test_endings(const scratch *s)
{
    static const struct {
        const char *changes, *generation;
        uint32_t from, to; /* ids of which the first that is drawn ends it */
    } cases[] = {
        { "eos_token_id 5", "{\"eos_token_id\": [0,1,2,3,4]}", 0, 5 },
        { "eos_token_id [9, 10]", NULL, 9, 10 },
        { "bos_token_id 7\neos_token_id 8", NULL, 7, 8 },
        { "", NULL, EOS, EOS }, /* of the vocabulary */
    };
    static heard h;
    whit_generate_options o;
    whit_generate_options_init(&o);
    o.sampling.temperature = 1000;
    o.tokens = 1900;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char changes[512];
        snprintf(changes, sizeof changes, TINY "vocab_size 258\nmax_position_embeddings 2000\n%s",
                 cases[i].changes);
        thing t = make(s, "m", changes, cases[i].generation, 0, 1);
        size_t ended = 0;
        for (o.sampling.seed = 0; o.sampling.seed < 6; o.sampling.seed++) {
            whit_generated g;
            whit_error err = { WHIT_OK, "" };
            CHECK(go(&t, "a", &o, &h, &g, &err) == WHIT_OK, "%s", err.msg);
            for (size_t k = 0; k < g.tokens; k++)
                CHECK(h.ids.id[k] < cases[i].from || h.ids.id[k] > cases[i].to,
                      "case %zu: %u was told", i, (unsigned)h.ids.id[k]);
            if (g.ending != WHIT_ENDING_TOKEN) continue;
            CHECK((g.ending_id >= cases[i].from && g.ending_id <= cases[i].to) ||
                      g.ending_id == BOS, /* the vocabulary's */
                  "case %zu: ended by %u", i, (unsigned)g.ending_id);
            ended++;
        }
        CHECK(ended >= 3, "case %zu: %zu of 6 ended", i, ended);
        drop(s, "m", &t);
    }
    whit_ids_free(&h.ids);
}

static void test_stopped(const scratch *s)
{
    static heard h;
    whit_generate_options o;
    whit_generated g;
    whit_error err = { WHIT_OK, "" };
    char prompt[601];
    memset(prompt, 'x', sizeof prompt - 1);
    prompt[sizeof prompt - 1] = 0;
    whit_generate_options_init(&o);
    thing t = make(s, "m", TINY "vocab_size 258\nmax_position_embeddings 2000", NULL, 1, 1);
    h.stop = 5;
    CHECK(go(&t, "a", &o, &h, &g, &err) == WHIT_ERR_CANCELLED, "%s", err.msg);
    CHECK(g.tokens == 5 && h.pieces == 5 && g.prompt_tokens == 2, "%zu tokens", g.tokens);
    h.stop = 0;
    h.refuse = 3;
    CHECK(go(&t, prompt, &o, &h, &g, &err) == WHIT_ERR_CANCELLED && h.asked == 3 && h.pieces == 0,
          "%zu questions", h.asked);
    CHECK(g.prompt_tokens == 601 && g.tokens == 0, "%zu tokens", g.prompt_tokens);
    h.refuse = 0;
    CHECK(go(&t, prompt, &o, &h, &g, &err) == WHIT_OK && h.asked == 3, "%zu questions", h.asked);
    whit_ids_free(&h.ids);
    drop(s, "m", &t);
}

/* ---- vocabularies and models of other sizes -------------------------------------------------- */

static void test_rows(const scratch *s)
{
    static heard h;
    whit_generate_options o;
    whit_generated g;
    whit_error err = { WHIT_OK, "" };
    whit_generate_options_init(&o);
    thing t = make(s, "few", TINY "vocab_size 100", NULL, 0, 1);
    CHECK(go(&t, "abc", &o, &h, &g, &err) == WHIT_OK, "%s", err.msg);
    CHECK(go(&t, "abcd\xc3\xa4", &o, &h, &g, &err) == FMT &&
              strstr(err.msg, "token 100 of the vocabulary, but the model has 100 rows"),
          "%s", err.msg);
    drop(s, "few", &t);

    o.sampling.temperature = 1000;
    o.tokens = 400;
    t = make(s, "many", TINY "vocab_size 4000\neos_token_id 3999", NULL, 0, 1);
    CHECK(go(&t, "abc", &o, &h, &g, &err) == WHIT_OK && g.tokens > 0, "%s", err.msg);
    for (size_t i = 0; i < h.ids.count; i++)
        CHECK(h.ids.id[i] < 258, "token %u is none", (unsigned)h.ids.id[i]);
    whit_ids_free(&h.ids);
    drop(s, "many", &t);
}

/* The model's start of a text is what an empty prompt begins with; and the vocabulary's, where it
 * has one, not twice. */
static void test_empty(const scratch *s)
{
    static heard a, b;
    whit_generate_options o;
    whit_generated g;
    whit_error err = { WHIT_OK, "" };
    whit_generate_options_init(&o);
    o.tokens = 20;
    for (int bos = 0; bos < 2; bos++) {
        thing t = make(s, "m", TINY "vocab_size 258\nbos_token_id 256", NULL, bos, 1);
        CHECK(go(&t, "", &o, bos ? &b : &a, &g, &err) == WHIT_OK && g.prompt_tokens == 1, "%s",
              err.msg);
        drop(s, "m", &t);
    }
    CHECK(a.len == b.len && memcmp(a.text, b.text, a.len) == 0, "two starts");
    whit_ids_free(&a.ids);
    whit_ids_free(&b.ids);
}

static void test_threads(const scratch *s)
{
    static heard a, b;
    whit_generate_options o;
    whit_generated g;
    whit_error err = { WHIT_OK, "" };
    whit_generate_options_init(&o);
    o.tokens = 60;
    o.sampling.temperature = 2;
    o.sampling.top_p = 0.9;
    for (unsigned threads = 1; threads <= 5; threads += 2) {
        thing t = make(s, "m", TINY "vocab_size 256", NULL, 0, threads);
        CHECK(go(&t, "a", &o, threads == 1 ? &a : &b, &g, &err) == WHIT_OK, "%s", err.msg);
        drop(s, "m", &t);
        CHECK(threads == 1 || (a.len == b.len && memcmp(a.text, b.text, a.len) == 0),
              "another text with %u threads", threads);
    }
    CHECK(a.ids.count >= 60, "%zu tokens", a.ids.count);
    whit_ids_free(&a.ids);
    whit_ids_free(&b.ids);
}

int main(void)
{
    scratch s;
    scratch_make(&s);
    test_pieces(&s);
    test_context(&s);
    test_endings(&s);
    test_stopped(&s);
    test_rows(&s);
    test_empty(&s);
    test_threads(&s);
    scratch_remove(&s);
    return check_result();
}
