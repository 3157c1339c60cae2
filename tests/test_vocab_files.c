/* tests/test_vocab_files.c - vocabularies from tokenizer.model and llama2.c's tokenizer.bin: what
 * is taken over, what is refused and in which words.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "check.h"
#include "gguf_build.h"
#include "model/vocab.h"

#define FMT WHIT_ERR_FORMAT
#define UNS WHIT_ERR_UNSUPPORTED

/* ---- tokenizer.model ------------------------------------------------------------------------- */

/* Messages are short here: lengths fit one octet. */
static void put_message(st_text *t, unsigned field, const char *body, size_t len)
{
    const char head[2] = { (char)(field << 3 | 2), (char)len };
    st_put(t, head, 2);
    st_put(t, body, len);
}

static void put_piece(st_text *t, const char *text, float score, unsigned type)
{
    st_text p = { NULL, 0, 0 };
    uint32_t bits;
    memcpy(&bits, &score, sizeof bits);
    put_message(&p, 1, text, strlen(text));
    st_put(&p, "\x15", 1);
    gg_int(&p, bits, 4);
    st_put(&p, "\x18", 1);
    gg_int(&p, type, 1);
    put_message(t, 1, p.data, p.len);
    free(p.data);
}

#define TRAINER "\x18\x02"          /* BPE */
#define NORMALIZER "\x18\x01\x20\0" /* a space before, white space as it is */

static wh_vocab *read_model(const scratch *s, const st_text *t, whit_status want, const char *words)
{
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    wh_vocab *v = NULL;
    scratch_write(s, "t.model", t->data, t->len);
    whit_status st = wh_vocab_read_sentencepiece(&v, scratch_path(s, "t.model", path), &err);
    CHECK(st == want && strstr(err.msg, words), "%s: %d: %s", words, (int)st, err.msg);
    return v;
}

/* The usual pieces, then octets of a trainer_spec and a normalizer_spec. */
static wh_vocab *read_specs(const scratch *s, const char *trainer, size_t trainer_len,
                            const char *normalizer, size_t normalizer_len, whit_status want,
                            const char *words)
{
    st_text t = { NULL, 0, 0 };
    put_piece(&t, "<unk>", 0.0f, 2);
    put_piece(&t, "<s>", 0.0f, 3);
    put_piece(&t, "</s>", 0.0f, 3);
    put_piece(&t, "<0x41>", 0.0f, 6);
    put_piece(&t, "a", -1.5f, 1);
    put_piece(&t, "x y", 0.0f, 4);
    put_message(&t, 2, trainer, trainer_len);
    put_message(&t, 3, normalizer, normalizer_len);
    wh_vocab *v = read_model(s, &t, want, words);
    free(t.data);
    return v;
}
#define SPECS(s, trainer, normalizer, want, words)                                                 \
    read_specs(s, trainer, sizeof(trainer) - 1, normalizer, sizeof(normalizer) - 1, want, words)

static void test_model(void)
{
    scratch s;
    scratch_make(&s);
    wh_vocab *v = SPECS(&s, TRAINER, NORMALIZER, WHIT_OK, "");
    if (v) {
        CHECK(v->kind == WH_VOCAB_SPM && v->count == 6 && v->merges == 0, "counts");
        CHECK(v->token[4].score == -1.5f && v->token[3].type == WH_TOKEN_BYTE, "a piece");
        CHECK(v->byte_fallback && v->prefix == WH_PREFIX_PREPEND && v->strip_space, "flags");
        CHECK(v->remove_extra_whitespaces == 0 && v->add_space_prefix == 1, "flags of GGUF");
        CHECK(v->special[WH_SPECIAL_UNK] == 0 && v->special[WH_SPECIAL_BOS] == 1, "defaults");
        CHECK(v->special[WH_SPECIAL_EOS] == 2 && v->special[WH_SPECIAL_PAD] == -1, "defaults");
        CHECK(v->add_bos == 1 && v->add_eos == 0 && v->befores == 1 && v->before[0] == 1, "BOS");
        CHECK(v->addeds == 4 && v->added[3].id == 5 && !v->added[3].special, "user-defined");
        CHECK(v->added[0].special && v->added[1].special, "unknown and control");
    }
    wh_vocab_free(v);
    v = SPECS(&s, TRAINER "\xc8\x02\2\xd0\x02\1\xd8\x02\0", "", WHIT_OK, "");
    CHECK(v && v->special[WH_SPECIAL_BOS] == 2 && v->special[WH_SPECIAL_EOS] == 1, "ids");
    CHECK(v && v->special[WH_SPECIAL_PAD] == 0 && v->remove_extra_whitespaces == 1, "defaults");
    wh_vocab_free(v);
    v = SPECS(&s, TRAINER, "\x18\0", WHIT_OK, "");
    CHECK(v && v->prefix == WH_PREFIX_NEVER && v->add_space_prefix == 0, "no space before");
    wh_vocab_free(v);
    SPECS(&s, "", "", UNS, "of the kind unigram; only BPE");
    SPECS(&s, "\x18\x03", "", UNS, "of the kind word;");
    SPECS(&s, "\x18\x44", "", UNS, "of the kind ?;");
    SPECS(&s, TRAINER, "\x12\1x", UNS, "it maps characters");
    SPECS(&s, TRAINER, "\x28\0", UNS, "spaces are not put before words");
    SPECS(&s, TRAINER "\xc0\1\1", NORMALIZER, UNS, "spaces are not put before words");
    SPECS(&s, TRAINER "\x07", NORMALIZER, FMT, "or damaged");
    SPECS(&s, TRAINER, "\x18", FMT, "or damaged");
    scratch_remove(&s);
}

static void test_model_damage(void)
{
    static const struct {
        const char *data;
        size_t len;
        whit_status want;
        const char *words;
    } cases[] = {
#define BIN(text) text, sizeof(text) - 1
        { BIN(""), UNS, "unigram" },
        { BIN("\x12\2\x18\2"), FMT, "or damaged" }, /* no pieces */
        { BIN("\n\3\n\1a\x12\2\x18\2"), WHIT_OK, "" },
        { BIN("\n\3\n\1a\n\3\n\1a"), FMT, "a: the token is there twice" },
        { BIN("\n\3\n\1\xff"), FMT, "token 0 is not UTF-8" },
        { BIN("\n\3\n\1\0"), FMT, "or holds NUL" },
        { BIN("\n\5\n\1a\x18\7"), FMT, "or damaged" }, /* a type that is not known */
        { BIN("\n\5\n\1a\x18\5"), UNS, "of the type unused" },
        { BIN("\n\10\n\1a\x15\0\0\xc0\x7f"), FMT, "is no number" },
        { BIN("\n\4\n\2a"), FMT, "or damaged" },
        { BIN("\n\x7f"), FMT, "or damaged" },
        { BIN("\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"), FMT, "or damaged" },
        { BIN("\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), FMT, "or damaged" },
        { BIN("\n"), FMT, "or damaged" },
        { BIN("\x08\1"), FMT, "or damaged" }, /* pieces that are a number */
        { BIN("\0\0"), FMT, "or damaged" },
        { BIN("\x0b"), FMT, "or damaged" }, /* a group */
        { BIN("\x2d\0\0\0\0\x39\0\0\0\0\0\0\0\0\n\3\n\1a\x12\2\x18\2"), WHIT_OK, "" },
        { BIN("\x2d\0\0"), FMT, "or damaged" },
        { BIN("\x3d\0\0\0\0\x39\0\0\0"), FMT, "or damaged" },
    };
    scratch s;
    scratch_make(&s);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        st_text t = { NULL, 0, 0 };
        st_put(&t, cases[i].data, cases[i].len);
        wh_vocab *v = read_model(&s, &t, cases[i].want, cases[i].words);
        CHECK((v != NULL) == (cases[i].want == WHIT_OK), "case %zu", i);
        wh_vocab_free(v);
        free(t.data);
    }
    scratch_remove(&s);
}

/* Tokens that files beside it add. */
static void test_model_folder(void)
{
    scratch s;
    st_text t = { NULL, 0, 0 };
    whit_error err = { WHIT_OK, "" };
    wh_vocab *v = NULL;
    scratch_make(&s);
    put_piece(&t, "<unk>", 0.0f, 2);
    put_piece(&t, "<s>", 0.0f, 3);
    put_piece(&t, "a", 0.0f, 1);
    put_message(&t, 2, TRAINER, 2);
    scratch_write(&s, "tokenizer.model", t.data, t.len);
    free(t.data);
    scratch_text(&s, "tokenizer_config.json",
                 "{\"added_tokens_decoder\":{\"2\":{\"content\":\"a\",\"special\":false,"
                 "\"rstrip\":true},\"4\":{\"content\":\"<e>\",\"special\":true}},"
                 "\"eos_token\":\"<e>\",\"add_eos_token\":true,\"add_bos_token\":false}");
    scratch_text(&s, "added_tokens.json", "{\"<e>\":4,\"new\":3}");
    CHECK(wh_vocab_in_folder(s.path) == 2, "there it is");
    CHECK(wh_vocab_read_folder(&v, s.path, &err) == WHIT_OK, "%s", err.msg);
    if (v) {
        CHECK(v->count == 5 && v->addeds == 5, "%u tokens, %zu added", (unsigned)v->count,
              v->addeds);
        CHECK(v->token[4].type == WH_TOKEN_CONTROL && v->token[3].type == WH_TOKEN_USER, "types");
        CHECK(v->added[0].id == 2 && v->added[0].rstrip, "flags");
        CHECK(v->befores == 0 && v->afters == 1 && v->after[0] == 4, "EOS behind");
        CHECK(v->special[WH_SPECIAL_EOS] == 4 && v->special[WH_SPECIAL_BOS] == 1, "ids");
    }
    wh_vocab_free(v);
    static const struct {
        const char *name, *text, *words;
    } broken[] = {
        { "added_tokens.json", "{\"x\":\"y\"}", "x: its id is no whole number" },
        { "added_tokens.json", "{\"a\":3}", "another id in the vocabulary" },
        { "tokenizer_config.json", "{\"added_tokens_decoder\":[]}", "is no object" },
        { "tokenizer_config.json", "{\"added_tokens_decoder\":{\"x\":{}}}", "id is no number" },
        { "tokenizer_config.json", "{\"added_tokens_decoder\":{\"1\":3}}", "is no object" },
        { "tokenizer_config.json", "{\"added_tokens_decoder\":{\"9\":{}}}", "no id or no content" },
        { "tokenizer_config.json", "{\"add_eos_token\":true}", "eos: it goes with each text, but" },
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        scratch_text(&s, "added_tokens.json", "{}");
        scratch_text(&s, "tokenizer_config.json", "{}");
        scratch_text(&s, broken[i].name, broken[i].text);
        CHECK(wh_vocab_read_folder(&v, s.path, &err) == FMT && strstr(err.msg, broken[i].words),
              "%s: %s", broken[i].words, err.msg);
    }
    scratch_remove(&s);
}

/* ---- llama2.c -------------------------------------------------------------------------------- */

static void put_token(st_text *t, uint32_t score, const char *text, uint32_t len)
{
    gg_int(t, score, 4);
    gg_int(t, len, 4);
    st_put(t, text, strlen(text));
}

static wh_vocab *read_bin(const scratch *s, const st_text *t, uint32_t count, whit_status want,
                          const char *words)
{
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    wh_vocab *v = NULL;
    scratch_write(s, "t.bin", t->data, t->len);
    whit_status st = wh_vocab_read_llama2c(&v, scratch_path(s, "t.bin", path), count, &err);
    CHECK(st == want && strstr(err.msg, words), "%s: %d: %s", words, (int)st, err.msg);
    return v;
}

static void test_llama2c(void)
{
    scratch s;
    st_text t = { NULL, 0, 0 };
    scratch_make(&s);
    gg_int(&t, 7, 4);
    read_bin(&s, &t, 0, FMT, "too short");
    put_token(&t, 0, "<unk>", 5);
    put_token(&t, 0, "\n<s>\n", 5);
    read_bin(&s, &t, 0, FMT, "no tokens for BOS, EOS");
    put_token(&t, 0, "\n</s>\n", 6);
    put_token(&t, 0, "<0x00>", 6);
    put_token(&t, 0xbfc00000, " a", 2); /* -1.5 */
    wh_vocab *v = read_bin(&s, &t, 0, WHIT_OK, "");
    if (v) {
        CHECK(v->count == 5 && v->addeds == 0 && v->plain_spaces, "counts");
        CHECK(!strcmp(v->token[1].text, "<s>") && !strcmp(v->token[2].text, "</s>"), "names");
        CHECK(!strcmp(v->token[4].text, "\xe2\x96\x81"
                                        "a") &&
                  v->token[4].score == -1.5f,
              "a token");
        CHECK(v->token[3].type == WH_TOKEN_BYTE && v->token[1].type == WH_TOKEN_CONTROL, "types");
        CHECK(v->special[WH_SPECIAL_EOS] == 2 && v->before[0] == 1 && v->add_bos == 1, "ids");
    }
    wh_vocab_free(v);
    wh_vocab_free(read_bin(&s, &t, 5, WHIT_OK, ""));
    read_bin(&s, &t, 4, FMT, "has more than the 4 tokens of the model; try: ");
    read_bin(&s, &t, 6, FMT, "has fewer than the 6 tokens of the model; try: ");
    for (size_t cut = 1; cut < 10; cut++) {
        const st_text part = { t.data, t.len - cut, 0 };
        read_bin(&s, &part, 0, FMT, "ends inside a token");
    }
    const size_t len = t.len;
    put_token(&t, 0x7fc00000, "x", 1);
    read_bin(&s, &t, 0, FMT, "is no number");
    t.len = len;
    put_token(&t, 0, "x", 0xffffffff);
    read_bin(&s, &t, 0, FMT, "ends inside a token");
    t.len = len;
    put_token(&t, 0, " a", 2);
    read_bin(&s, &t, 0, FMT, "the token is there twice");
    t.len = len;
    put_token(&t, 0, "\xff", 1);
    read_bin(&s, &t, 0, FMT, "not UTF-8");
    free(t.data);
    scratch_remove(&s);
}

int main(void)
{
    test_model();
    test_model_damage();
    test_model_folder();
    test_llama2c();
    return check_result();
}
