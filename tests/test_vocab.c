/* tests/test_vocab.c - vocabularies from tokenizer.json and the files beside it: what is taken
 * over, what is refused and in which words.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "base/json.h"
#include "check.h"
#include "model/vocab.h"
#include "scratch.h"

#define FMT WHIT_ERR_FORMAT
#define UNS WHIT_ERR_UNSUPPORTED

/* Tests begin with the sections of a small file of each family; a case replaces one of them. */
#define MARK "\\u2581"
#define REPLACE "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" MARK "\"}"
#define PREPEND "{\"type\":\"Prepend\",\"prepend\":\"" MARK "\"}"
#define SEQ(name, list) "{\"type\":\"Sequence\",\"" name "\":[" list "]}"
#define BYTELEVEL "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}"
#define VOCAB "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"<u>\":3}"
#define MERGES "\"merges\":[\"a b\"]"
#define MODEL "{\"type\":\"BPE\"," VOCAB "," MERGES "}"

enum { NORMALIZER, PRE, POST, DECODER, ADDED, MODELS, SECTIONS };
static const char *const names[SECTIONS] = { "normalizer", "pre_tokenizer", "post_processor",
                                             "decoder",    "added_tokens",  "model" };
static const char *const bytes_like[SECTIONS] = { "null", BYTELEVEL, "null", "null", "[]", MODEL };
static const char *const spm_like[SECTIONS] = { REPLACE, "null", "null", "null", "[]", MODEL };

static void write_json(const scratch *s, const char *const sections[SECTIONS], int which,
                       const char *text)
{
    wh_buf b = { .data = NULL };
    wh_buf_puts(&b, "{\"version\":\"1.0\"");
    for (int i = 0; i < SECTIONS; i++)
        wh_buf_putf(&b, ",\"%s\":%s", names[i], i == which ? text : sections[i]);
    wh_buf_puts(&b, "}");
    scratch_write(s, "tokenizer.json", b.data, b.len);
    wh_buf_free(&b);
}

static wh_vocab *read_json(const scratch *s, whit_status want, const char *words)
{
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    wh_vocab *v = (wh_vocab *)(uintptr_t)1;
    whit_status st = wh_vocab_read_json(&v, scratch_path(s, "tokenizer.json", path), &err);
    CHECK(st == want, "%s: status %d, not %d: %s", words, (int)st, (int)want, err.msg);
    CHECK(strstr(err.msg, words), "'%s' lacks '%s'", err.msg, words);
    if (st != WHIT_OK) CHECK(!v && strstr(err.msg, "tokenizer.json"), "%s", err.msg);
    return st == WHIT_OK ? v : NULL;
}

/* ---- what is refused, and what is not -------------------------------------------------------- */

#define SPLIT(regex, more)                                                                         \
    SEQ("pretokenizers",                                                                           \
        "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" regex "\"}," more "},"                     \
        "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}")
/* %s stands for its digits */
#define LLAMA3                                                                                     \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|%s| "                    \
    "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"
#define ISOLATED "\"behavior\":\"Isolated\",\"invert\":false"
#define TEMPLATE(single, tokens)                                                                   \
    "{\"type\":\"TemplateProcessing\",\"single\":[" single "],\"pair\":[],"                        \
    "\"special_tokens\":{" tokens "}}"
#define TEXT_A "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}"
#define SPECIAL_U "{\"SpecialToken\":{\"id\":\"<u>\",\"type_id\":0}}"
#define U_IS(ids) "\"<u>\":{\"id\":\"<u>\",\"ids\":" ids ",\"tokens\":[\"<u>\"]}"
#define ADD(members) "[{\"id\":4,\"content\":\"<x>\"" members "}]"

static const struct {
    const char *const *base;
    int which;
    const char *text;
    whit_status want;
    const char *words;
} cases[] = {
    /* clang-format off */
    { bytes_like, NORMALIZER, "{\"type\":\"NFKC\"}", UNS, "normalizer NFKC" },
    { bytes_like, NORMALIZER, "{\"type\":\"NFC\"}", WHIT_OK, "" },
    { bytes_like, NORMALIZER, "{\"type\":\"NFC\",\"content\":\"x\"}", UNS, "does not belong" },
    { bytes_like, NORMALIZER, "{\"type\":\"NFC\",\"extra\":1}", UNS, "member \"extra\" is not known" },
    { bytes_like, NORMALIZER, PREPEND, UNS, "Prepend: without one that replaces spaces" },
    { bytes_like, NORMALIZER, "[]", FMT, "normalizer: is no object" },
    { bytes_like, NORMALIZER, "{}", FMT, "has no type" },
    { bytes_like, NORMALIZER, "{\"type\":\"NFC\",\"type\":\"NFC\"}", FMT, "there twice" },
    { bytes_like, NORMALIZER, "{\"type\":3}", FMT, "not of the kind" },
    { bytes_like, NORMALIZER, "{\"type\":\"Sequence\"}", FMT, "more, or less, than a list" },
    { bytes_like, NORMALIZER, "{\"type\":\"NFC\",\"normalizers\":[]}", FMT, "no Sequence" },
    { bytes_like, NORMALIZER, SEQ("normalizers", "{\"type\":\"NFC\"},{\"type\":\"Lowercase\"}"), UNS, "normalizer Lowercase" },
    { bytes_like, NORMALIZER, SEQ("normalizers", SEQ("normalizers", SEQ("normalizers", "{\"type\":\"NFC\"}"))), WHIT_OK, "" },
    { bytes_like, NORMALIZER, SEQ("normalizers", SEQ("normalizers", SEQ("normalizers", SEQ("normalizers",
      SEQ("normalizers", SEQ("normalizers", SEQ("normalizers", SEQ("normalizers", SEQ("normalizers", ""))))))))), FMT, "too many sequences" },
    { bytes_like, PRE, "null", UNS, "pre_tokenizer: there is none" },
    { bytes_like, PRE, "{\"type\":\"Whitespace\"}", UNS, "pre_tokenizer Whitespace" },
    { bytes_like, PRE, "{\"type\":\"ByteLevel\",\"use_regex\":false}", UNS, "has no pattern" },
    { bytes_like, PRE, "{\"type\":\"ByteLevel\",\"use_regex\":3}", FMT, "not of the kind" },
    { bytes_like, PRE, SPLIT("\\\\p{L}+|x", ISOLATED), UNS, "pattern is not one of GPT-2, Llama 3, Qwen 2: \\p{L}+|x" },
    { bytes_like, PRE, SPLIT("'s|'t|'re|'ve|'m|'ll|'d| ?\\\\p{L}+| ?\\\\p{N}+| ?[^\\\\s\\\\p{L}\\\\p{N}]+|\\\\s+(?!\\\\S)|\\\\s+", ISOLATED), WHIT_OK, "" },
    { bytes_like, PRE, SPLIT("'s|'t|'re|'ve|'m|'ll|'d| ?\\\\p{L}+| ?\\\\p{N}+| ?[^\\\\s\\\\p{L}\\\\p{N}]+|\\\\s+(?!\\\\S)|\\\\s+",
      "\"behavior\":\"Removed\",\"invert\":false"), UNS, "its behavior" },
    { bytes_like, PRE, SEQ("pretokenizers", "{\"type\":\"Digits\",\"individual_digits\":true}," BYTELEVEL), WHIT_OK, "" },
    { bytes_like, PRE, SEQ("pretokenizers", "{\"type\":\"Digits\",\"individual_digits\":false}," BYTELEVEL), UNS, "Digits: does not take" },
    { bytes_like, PRE, SEQ("pretokenizers", "{\"type\":\"Digits\",\"individual_digits\":true},{\"type\":\"ByteLevel\"}"), UNS, "a space before each word" },
    { bytes_like, PRE, SEQ("pretokenizers", BYTELEVEL "," BYTELEVEL "," BYTELEVEL), UNS, "ByteLevel: is not known" },
    { bytes_like, PRE, SEQ("pretokenizers", BYTELEVEL ",{\"type\":\"Punctuation\"}"), UNS, "Punctuation" },
    { spm_like, NORMALIZER, "{\"type\":\"Replace\",\"pattern\":{\"String\":\"x\"},\"content\":\"" MARK "\"}", UNS, "Replace: replaces something else" },
    { spm_like, NORMALIZER, "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" \"},\"content\":\"" MARK "\"}", UNS, "Replace: replaces something else" },
    { spm_like, NORMALIZER, "{\"type\":\"Replace\",\"pattern\":{\"Other\":\" \"},\"content\":\"x\"}", FMT, "neither a String nor a Regex" },
    { spm_like, NORMALIZER, SEQ("normalizers", "{\"type\":\"Prepend\",\"prepend\":\"x\"}," REPLACE), UNS, "is not one U+2581" },
    { spm_like, NORMALIZER, SEQ("normalizers", PREPEND "," PREPEND "," REPLACE), UNS, "is not one U+2581" },
    { spm_like, PRE, "{\"type\":\"Metaspace\",\"replacement\":\"" MARK "\",\"prepend_scheme\":\"always\"}", UNS, "Metaspace: splits at spaces" },
    { spm_like, PRE, "{\"type\":\"Metaspace\",\"replacement\":\"_\",\"split\":false}", UNS, "something else than U+2581" },
    { spm_like, PRE, "{\"type\":\"Metaspace\",\"replacement\":\"" MARK "\",\"prepend_scheme\":\"last\",\"split\":false}", UNS, "prepend_scheme that is not known" },
    { spm_like, PRE, "{\"type\":\"Metaspace\",\"replacement\":\"" MARK "\",\"add_prefix_space\":true,\"split\":false}", WHIT_OK, "" },
    { spm_like, PRE, BYTELEVEL, UNS, "pre_tokenizer ByteLevel" },
    { bytes_like, DECODER, "{\"type\":\"WordPiece\"}", UNS, "decoder WordPiece" },
    { bytes_like, DECODER, "{\"type\":\"ByteLevel\"}", WHIT_OK, "" },
    { spm_like, DECODER, "{\"type\":\"ByteLevel\"}", UNS, "decoder ByteLevel" },
    { spm_like, DECODER, "{\"type\":\"Strip\",\"content\":\" \",\"start\":2,\"stop\":0}", UNS, "Strip: strips something else" },
    { bytes_like, POST, "{\"type\":\"BertProcessing\"}", UNS, "post_processor BertProcessing" },
    { bytes_like, POST, TEMPLATE(SPECIAL_U "," TEXT_A, U_IS("[3]")), WHIT_OK, "" },
    { bytes_like, POST, TEMPLATE(SPECIAL_U "," TEXT_A, U_IS("[9]")), FMT, "an id that no token has" },
    { bytes_like, POST, TEMPLATE(SPECIAL_U "," TEXT_A, U_IS("[-1]")), FMT, "no list of whole numbers" },
    { bytes_like, POST, TEMPLATE(SPECIAL_U "," TEXT_A, ""), FMT, "not in special_tokens" },
    { bytes_like, POST, TEMPLATE(SPECIAL_U "," TEXT_A, U_IS("[3]") "," U_IS("[3]")), FMT, "special token is there twice" },
    { bytes_like, POST, TEMPLATE(SPECIAL_U, U_IS("[3]")), UNS, "single is not one text A" },
    { bytes_like, POST, TEMPLATE(TEXT_A "," TEXT_A, ""), UNS, "single is not one text A" },
    { bytes_like, POST, TEMPLATE("{\"Sequence\":{\"id\":\"B\"}}", ""), UNS, "single is not one text A" },
    { bytes_like, POST, TEMPLATE("3", ""), FMT, "a place is no object" },
    { bytes_like, POST, TEMPLATE("{\"Other\":{}}", ""), FMT, "neither a SpecialToken nor a Sequence" },
    { bytes_like, POST, "{\"type\":\"TemplateProcessing\"}", FMT, "has no single" },
    { bytes_like, ADDED, "{}", FMT, "added_tokens: is no list" },
    { bytes_like, ADDED, ADD(""), WHIT_OK, "" },
    { bytes_like, ADDED, ADD(",\"special\":null,\"lstrip\":true"), WHIT_OK, "" },
    { bytes_like, ADDED, ADD(",\"special\":1"), FMT, "neither true nor false" },
    { bytes_like, ADDED, ADD(",\"weight\":1"), UNS, "weight: no known member" },
    { bytes_like, ADDED, ADD(",\"id\":5"), FMT, "a member is there twice" },
    { bytes_like, ADDED, "[{\"id\":4}]", FMT, "has no id or no content" },
    { bytes_like, ADDED, "[{\"id\":1,\"content\":\"<x>\"}]", FMT, "id 1 is that of another token" },
    { bytes_like, ADDED, "[{\"id\":0,\"content\":\"b\"}]", FMT, "another id in the vocabulary" },
    { bytes_like, ADDED, "[{\"id\":66000,\"content\":\"<x>\"}]", FMT, "id 66000 is too high" },
    { bytes_like, ADDED, "[{\"id\":99999999,\"content\":\"<x>\"}]", FMT, "or too high" },
    { bytes_like, MODELS, "{\"type\":\"WordPiece\"," VOCAB "}", UNS, "model is WordPiece; only BPE" },
    { spm_like, MODELS, "{\"vocab\":[[\"a\",-1.0]],\"type\":\"Unigram\"}", UNS, "is Unigram; only BPE" },
    { bytes_like, MODELS, "{\"type\":\"WordLevel\"," VOCAB "}", UNS, "model is WordLevel; only BPE" },
    { bytes_like, MODELS, "{\"vocab\":[[\"a\",-1.0]],\"unk_id\":0}", UNS, "is Unigram; only BPE" },
    { bytes_like, MODELS, "{" VOCAB "}", UNS, "has no merges" },
    { bytes_like, MODELS, "{" MERGES "}", FMT, "has no vocab" },
    { bytes_like, MODELS, "{" MERGES "," VOCAB "}", WHIT_OK, "" },
    { bytes_like, MODELS, "{" VOCAB "," VOCAB "," MERGES "}", FMT, "a member is there twice" },
    { bytes_like, MODELS, "{" VOCAB ",\"merges\":[[\"a\",\"b\"]]}", WHIT_OK, "" },
    { bytes_like, MODELS, "{" VOCAB ",\"merges\":[[\"a\"]]}", FMT, "no pair" },
    { bytes_like, MODELS, "{" VOCAB ",\"merges\":[[\"a\",\"b\",\"ab\"]]}", FMT, "no pair" },
    { bytes_like, MODELS, "{" VOCAB ",\"merges\":[\"ab\"]}", FMT, "without a space" },
    { bytes_like, MODELS, "{" VOCAB ",\"merges\":[\"b a\"]}", FMT, "merge 0 (ba) makes a token that is not there" },
    { bytes_like, MODELS, "{" VOCAB ",\"merges\":[\"a z\"]}", FMT, "merge 0 (az) is of a token that is not there" },
    { bytes_like, MODELS, "{\"vocab\":{\"a\":-1},\"merges\":[]}", FMT, "a: its id is no whole number" },
    { bytes_like, MODELS, "{\"vocab\":{\"a\":0,\"a\":1},\"merges\":[]}", FMT, "a: the token is there twice" },
    { bytes_like, MODELS, "{\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}", FMT, "b: id 0 is that of another token" },
    { bytes_like, MODELS, "{\"vocab\":{\"a\":0,\"\":1,\"b\":9},\"merges\":[]}", WHIT_OK, "" },
    { bytes_like, MODELS, "{" VOCAB "," MERGES ",\"dropout\":0.1}", UNS, "dropout: is set" },
    { bytes_like, MODELS, "{" VOCAB "," MERGES ",\"dropout\":0.0,\"end_of_word_suffix\":\"\"}", WHIT_OK, "" },
    { bytes_like, MODELS, "{" VOCAB "," MERGES ",\"continuing_subword_prefix\":\"##\"}", UNS, "continuing_subword_prefix: is set" },
    { bytes_like, MODELS, "{" VOCAB "," MERGES ",\"unk_token\":\"<?>\"}", FMT, "<?>: is the unk_token, but not" },
    { bytes_like, MODELS, "{" VOCAB "," MERGES ",\"new\":1}", UNS, "member \"new\" is not known" },
    { spm_like, MODELS, "{" VOCAB "," MERGES ",\"ignore_merges\":true}", UNS, "ignore_merges" },
    { bytes_like, MODELS, "3", FMT, "model: is no object" },
    { bytes_like, MODELS, "{" VOCAB "," MERGES "},\"model\":{}", FMT, "a member is there twice" },
    { bytes_like, MODELS, "{" VOCAB "," MERGES "", FMT, "is not valid JSON" },
    /* clang-format on */
};

static void test_cases(void)
{
    scratch s;
    scratch_make(&s);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_json(&s, cases[i].base, cases[i].which, cases[i].text);
        wh_vocab_free(read_json(&s, cases[i].want, cases[i].words));
    }
    static const char *const texts[] = {
        "", "[]", "3", "{}", "{\"model\":null}", "{\"a\":1} x", "{\"model\":{}"
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        scratch_text(&s, "tokenizer.json", texts[i]);
        wh_vocab_free(read_json(&s, FMT, ""));
    }
    scratch_remove(&s);
}

/* Each sample against the verdict of the manifest. */
static void test_malformed(const char *data)
{
    char path[SCRATCH_PATH], verdict[16] = "";
    size_t len, count = 0;
    wh_json j;
    snprintf(path, sizeof path, "%s/tokenizers/malformed/manifest.json", data);
    char *text = scratch_read(path, &len);
    wh_json_init(&j, text, len);
    CHECK(wh_json_next(&j) == WH_JSON_OBJECT, "the manifest");
    while (wh_json_next(&j) == WH_JSON_KEY) {
        wh_vocab *v = NULL;
        snprintf(path, sizeof path, "%.800s/tokenizers/malformed/%.100s", data, j.text);
        while (wh_json_next(&j) != WH_JSON_OBJECT_END && !j.problem) {
            if (strcmp(j.text, "expect") != 0) continue;
            wh_json_next(&j);
            snprintf(verdict, sizeof verdict, "%.15s", j.text);
        }
        whit_status st = wh_vocab_read_json(&v, path, NULL);
        CHECK(strcmp(verdict, "accept") != 0 || st == WHIT_OK, "%s: %d", path, (int)st);
        CHECK(strcmp(verdict, "reject") != 0 || st == FMT || st == UNS, "%s: %d", path, (int)st);
        wh_vocab_free(v);
        count++;
    }
    CHECK(!j.problem && count == 7, "%zu samples", count);
    wh_json_free(&j);
    free(text);
}

/* ---- what is taken over ---------------------------------------------------------------------- */

static void test_byte_level(void)
{
    scratch s;
    scratch_make(&s);
    write_json(&s, bytes_like, ADDED,
               "[{\"id\":7,\"content\":\"<|x|>\"},{\"id\":1,\"content\":\"b\",\"rstrip\":true,"
               "\"special\":true},{\"id\":5,\"content\":\"<y>\",\"normalized\":true}]");
    wh_vocab *v = read_json(&s, WHIT_OK, "");
    if (v) {
        CHECK(v->kind == WH_VOCAB_BPE && v->split == WH_PRE_GPT2 && !strcmp(v->pre, "gpt-2"),
              "kind");
        CHECK(v->count == 8 && v->merges == 1 && v->addeds == 3, "counts");
        CHECK(v->merge[0].left == 0 && v->merge[0].right == 1 && v->merge[0].result == 2, "merge");
        CHECK(!v->token[4].text && v->token[4].type == WH_TOKEN_UNUSED, "a hole");
        CHECK(!v->token[6].text && v->token[6].score == 0.0f, "another");
        CHECK(v->token[7].type == WH_TOKEN_CONTROL, "looks special");
        CHECK(v->token[1].type == WH_TOKEN_CONTROL, "special");
        CHECK(v->token[5].type == WH_TOKEN_USER && v->token[0].type == WH_TOKEN_NORMAL, "others");
        CHECK(v->added[1].id == 1 && v->added[1].rstrip && !v->added[1].lstrip, "flags");
        CHECK(v->added[0].special == 0 && v->added[1].special == 1 && v->added[2].normalized, "-");
        CHECK(wh_vocab_find(v, "ab!", 2) == 2 && wh_vocab_find(v, "abc", 3) == -1, "find");
        CHECK(v->add_bos == 0 && v->add_eos == 0 && v->add_space_prefix == -1, "flags of GGUF");
        CHECK(v->special[WH_SPECIAL_BOS] == -1 && v->befores == 0, "no BOS");
    }
    wh_vocab_free(v);
    write_json(&s, bytes_like, NORMALIZER, "{\"type\":\"NFC\"}");
    v = read_json(&s, WHIT_OK, "");
    CHECK(v && v->notes.count == 1 && strstr(v->notes.line[0], "gpt-2 is the nearest"), "a note");
    wh_vocab_free(v);
    /* Names of GGUF say whether merges are ignored, and NFC. */
    static const struct {
        const char *digits;
        int nfc, ignore;
        const char *pre;
        size_t notes;
    } pres[] = {
        { "\\\\p{N}{1,3}", 0, 1, "llama-bpe", 0 }, { "\\\\p{N}{1,3}", 0, 0, "smaug-bpe", 0 },
        { "\\\\p{N}", 1, 0, "qwen2", 0 },          { "\\\\p{N}", 0, 0, "deepseek-r1-qwen", 0 },
        { "\\\\p{N}", 1, 1, "qwen2", 1 },
    };
    for (size_t i = 0; i < sizeof pres / sizeof pres[0]; i++) {
        char text[1024];
        snprintf(text, sizeof text,
                 "{\"normalizer\":%s,\"pre_tokenizer\":" SPLIT(
                     LLAMA3, ISOLATED) ",\"model\":{" VOCAB "," MERGES ",\"ignore_merges\":%s}}",
                 pres[i].nfc ? "{\"type\":\"NFC\"}" : SEQ("normalizers", ""), pres[i].digits,
                 pres[i].ignore ? "true" : "false");
        scratch_text(&s, "tokenizer.json", text);
        v = read_json(&s, WHIT_OK, "");
        CHECK(v && !strcmp(v->pre, pres[i].pre) && v->notes.count == pres[i].notes, "%s",
              pres[i].pre);
        wh_vocab_free(v);
    }
    scratch_remove(&s);
}

static void test_spm(void)
{
    scratch s;
    scratch_make(&s);
    write_json(&s, spm_like, MODELS,
               "{\"vocab\":{\"<unk>\":0,\"<s>\":1,\"<0x41>\":2,\"a\":3,\"b\":4,\"" MARK "\":5,"
               "\"ab\":6,\"aab\":7,\"zz\":8,\"" MARK MARK
               "\":9},\"merges\":[\"a ab\",\"a b\",\"" MARK " " MARK
               "\"],\"unk_token\":\"<unk>\",\"byte_fallback\":true}");
    wh_vocab *v = read_json(&s, WHIT_OK, "");
    if (v) {
        CHECK(v->kind == WH_VOCAB_SPM && !strcmp(v->pre, "default"), "kind");
        CHECK(v->token[0].type == WH_TOKEN_UNKNOWN && v->token[2].type == WH_TOKEN_BYTE, "types");
        CHECK(v->token[7].score == 0.0f && v->token[6].score == -1.0f, "scores by merges");
        CHECK(v->token[9].score == -2.0f && v->token[8].score == -1e6f, "and without");
        CHECK(v->token[3].score == 0.0f && v->token[5].score == 0.0f, "characters");
        CHECK(v->byte_fallback == 1 && v->add_space_prefix == 0, "flags");
    }
    wh_vocab_free(v);
    write_json(&s, spm_like, ADDED, "[{\"id\":9,\"content\":\"" MARK "x" MARK "\"}]");
    v = read_json(&s, WHIT_OK, "");
    CHECK(v && !strcmp(v->token[9].text, " x ") && v->token[9].len == 3, "user-defined");
    CHECK(v && v->token[8].score == -10000.0f && !v->token[8].text, "a hole");
    wh_vocab_free(v);
    scratch_remove(&s);
}

/* ---- a folder -------------------------------------------------------------------------------- */

static wh_vocab *read_folder(const scratch *s, whit_status want, const char *words)
{
    whit_error err = { WHIT_OK, "" };
    wh_vocab *v = NULL;
    whit_status st = wh_vocab_read_folder(&v, s->path, &err);
    CHECK(st == want && strstr(err.msg, words), "%s: %d: %s", words, (int)st, err.msg);
    return v;
}

static void test_folder(void)
{
    scratch s;
    scratch_make(&s);
    CHECK(!wh_vocab_in_folder(s.path) && !read_folder(&s, FMT, "has neither a tokenizer.json"),
          "-");
    write_json(&s, bytes_like, POST, TEMPLATE(SPECIAL_U "," TEXT_A, U_IS("[3]")));
    CHECK(wh_vocab_in_folder(s.path) == 1, "there it is");
    wh_vocab *v = read_folder(&s, WHIT_OK, "");
    CHECK(v && v->special[WH_SPECIAL_BOS] == 3 && v->add_bos == 1 && v->befores == 1, "template");
    wh_vocab_free(v);

    scratch_text(&s, "tokenizer_config.json",
                 "{\"bos_token\":{\"content\":\"<u>\",\"special\":true},\"eos_token\":\"b\","
                 "\"pad_token\":\"none\",\"sep_token\":null,\"add_bos_token\":false,"
                 "\"chat_template\":[{\"name\":\"default\",\"template\":\"{{ d }}\"},"
                 "{\"template\":\"t\",\"name\":\"tool\"}]}");
    scratch_text(&s, "special_tokens_map.json", "{\"eos_token\":\"a\",\"mask_token\":\"a\"}");
    scratch_text(&s, "generation_config.json", "{\"eos_token_id\":[2,1],\"pad_token_id\":2}");
    scratch_text(&s, "config.json", "{\"pad_token_id\":1,\"sep_token_id\":77,\"x\":{\"y\":[]}}");
    v = read_folder(&s, WHIT_OK, "");
    if (v) {
        CHECK(v->special[WH_SPECIAL_BOS] == 3 && v->special[WH_SPECIAL_EOS] == 1, "texts go first");
        CHECK(v->special[WH_SPECIAL_MASK] == 0 && v->special[WH_SPECIAL_PAD] == 2, "then ids");
        CHECK(v->special[WH_SPECIAL_SEP] == -1, "no such id");
        CHECK(v->add_bos == 1 && v->before[0] == 3, "the template counts");
        CHECK(v->chat_template && !strcmp(v->chat_template, "{{ d }}"), "the default template");
        CHECK(v->notes.count == 4, "%zu notes", v->notes.count);
        for (size_t i = 0; i < v->notes.count; i++) printf("note: %s\n", v->notes.line[i]);
    }
    wh_vocab_free(v);
    scratch_text(&s, "chat_template.jinja", "{% t %}");
    v = read_folder(&s, WHIT_OK, "");
    CHECK(v && !strcmp(v->chat_template, "{% t %}"), "a file of its own goes first");
    wh_vocab_free(v);

    scratch_text(&s, "chat_template.jinja", "\xff");
    CHECK(!read_folder(&s, FMT, "chat_template.jinja: is not UTF-8"), "a broken template");
    scratch_text(&s, "chat_template.jinja", "");
    static const struct {
        const char *name, *text, *words;
    } broken[] = {
        { "config.json", "[]", "config.json: is no object" },
        { "config.json", "{\"eos_token_id\":{}}", "config.json: eos_token_id: is no number" },
        { "config.json", "{\"eos_token_id\":[[2]]}", "eos_token_id: is no number" },
        { "config.json", "{} {}", "is not valid JSON" },
        { "tokenizer_config.json", "{\"bos_token\":3}", "bos: is no text" },
        { "tokenizer_config.json", "{\"bos_token\":{\"content\":3}}", "its content is no text" },
        { "tokenizer_config.json", "{\"add_bos_token\":3}", "neither true nor false" },
        { "tokenizer_config.json", "{\"chat_template\":3}", "chat_template: is no text" },
        { "tokenizer_config.json", "{\"chat_template\":[3]}", "no list of templates" },
        { "tokenizer_config.json", "{\"chat_template\":[{\"name\":\"x\"}]}", "is no template" },
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        scratch_text(&s, broken[i].name, broken[i].text);
        CHECK(!read_folder(&s, FMT, broken[i].words), "%s", broken[i].text);
        scratch_text(&s, broken[i].name, "{}");
    }
    scratch_remove(&s);

    scratch_make(&s); /* a name that leads out */
    scratch_link(&s, "/etc/hosts", "tokenizer.json");
    CHECK(!read_folder(&s, FMT, "leads out of the folder"), "a link");
    scratch_remove(&s);
}

int main(int argc, char **argv)
{
    if (argc < 2) return 2;
    test_cases();
    test_malformed(argv[1]);
    test_byte_level();
    test_spm();
    test_folder();
    return check_result();
}
