/* tests/test_eval_run.c - whole evaluations: against numpy in float64 (tests/golden/eval), the same
 * for any number of threads, and what is refused.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/whit.h>

#include <math.h>

#include "check.h"
#include "job/eval.h"
#include "scratch.h"

/* Of float32 against float64: logits agree to about 1e-5. */
#define TOLERANCE 1e-4

typedef struct place {
    const char *data;
    char folder[SCRATCH_PATH / 2], gguf[SCRATCH_PATH], text[SCRATCH_PATH], choices[SCRATCH_PATH];
    scratch s;
} place;

static void options_for(whit_eval_options *o, const place *p, int choices, unsigned threads)
{
    whit_eval_options_init(o);
    o->text = choices ? NULL : p->text;
    o->choices = choices ? p->choices : NULL;
    o->job.threads = threads;
}

static whit_eval *run(const char *path, const whit_eval_options *o)
{
    whit_eval *e = NULL;
    whit_error err = { WHIT_OK, "" };
    CHECK(whit_eval_run(&e, path, o, &err) == WHIT_OK, "%s: %s", path, err.msg);
    return e;
}

/* ---- against numpy ----------------------------------------------------------------------------
 */

static void check_worst(const whit_eval *e, const char *line)
{
    for (size_t i = 0; i < whit_eval_places(e); i++) {
        const whit_eval_place *w = whit_eval_place_at(e, i);
        char *end;
        const unsigned long long want = strtoull(line, &end, 10);
        CHECK(end > line && w->position == want, "worst %zu: at %llu, not %llu", i,
              (unsigned long long)w->position, want);
        line = end;
    }
    CHECK(whit_eval_places(e) == 10, "%zu places", whit_eval_places(e));
}

static void check_figure(const whit_eval *e, const char *protocol, const char *name, double want)
{
    const void *scores = e->score ? (const void *)e->score : &e->scores;
    const wh_eval_name *n = wh_eval_names;
    const unsigned of = e->score ? WH_EVAL_OF_CHOICES : WH_EVAL_OF_TEXT;
    while (n->name && !((n->of & of) && strcmp(n->name, name) == 0)) n++;
    CHECK(n->name != NULL, "%s is no result", name);
    if (!n->name) return;
    const double got = wh_eval_value(n, scores);
    CHECK(n->whole ? got == want : fabs(got - want) <= TOLERANCE * fabs(want),
          "%s, context %zu: %s is %.12g, not %.12g", protocol, e->context, name, got, want);
}

static whit_eval *run_case(const place *p, const char *protocol, unsigned context)
{
    static const char *const protocols[] = { "window", "chunk", "half", "story", "choices" };
    whit_eval_options o;
    int i = 0;
    while (i < 5 && strcmp(protocol, protocols[i]) != 0) i++;
    options_for(&o, p, i == 4, 1);
    o.base = p->folder;
    o.context = context;
    if (i < 4) o.protocol = (whit_eval_protocol)i;
    return run(p->gguf, &o);
}

/* Lines PROTOCOL CONTEXT NAME VALUE, those of one case together. */
static void test_golden(const place *p)
{
    char path[SCRATCH_PATH], protocol[16], name[32], now[32] = "";
    size_t len, used = 0, cases = 0;
    whit_eval *e = NULL;
    snprintf(path, sizeof path, "%s/../golden/eval/figures.txt", p->data);
    char *all = scratch_read(path, &len);
    for (char *line = strtok(all, "\n"); line; line = strtok(NULL, "\n")) {
        unsigned context;
        int at = 0;
        char key[32];
        CHECK(sscanf(line, "%15s %u %31s %n", protocol, &context, name, &at) == 3, "%s", line);
        snprintf(key, sizeof key, "%s %u", protocol, context);
        if (strcmp(key, now) != 0) {
            whit_eval_free(e);
            e = run_case(p, protocol, context);
            memcpy(now, key, sizeof now);
            cases++;
        }
        if (!e) continue;
        if (strcmp(name, "worst") == 0)
            check_worst(e, line + at);
        else
            check_figure(e, protocol, name, strtod(line + at, NULL));
        used++;
    }
    CHECK(cases == 6 && used > 110, "%zu cases, %zu figures", cases, used);
    whit_eval_free(e);
    free(all);
}

/* ---- the same bits ----------------------------------------------------------------------------
 */

static void test_threads(const place *p)
{
    for (int choices = 0; choices < 2; choices++) {
        whit_eval_options o;
        options_for(&o, p, choices, 1);
        o.base = p->folder;
        o.context = 300;
        whit_eval *one = run(p->gguf, &o);
        for (unsigned threads = 2; threads <= 7; threads += 5) {
            o.job.threads = threads;
            whit_eval *e = run(p->gguf, &o);
            if (!one || !e) continue;
            CHECK(memcmp(&one->scores, &e->scores, sizeof e->scores) == 0, "%u threads", threads);
            CHECK(one->places == e->places && one->score_count == e->score_count, "results");
            for (size_t i = 0; i < e->places; i++)
                CHECK(memcmp(&one->place[i].kl, &e->place[i].kl, sizeof(double)) == 0 &&
                          strcmp(one->place[i].before, e->place[i].before) == 0,
                      "%u threads: place %zu", threads, i);
            for (size_t i = 0; i < e->score_count; i++)
                CHECK(memcmp(&one->score[i].questions, &e->score[i].questions,
                             sizeof *e->score - offsetof(whit_eval_score, questions)) == 0,
                      "%u threads: score %zu", threads, i);
            whit_eval_free(e);
        }
        whit_eval_free(one);
    }
}

/* The model as its own base. */
static void test_itself(const place *p)
{
    whit_eval_options o;
    options_for(&o, p, 0, 1);
    o.base = p->folder;
    o.tokens = 700;
    whit_eval *e = run(p->folder, &o);
    const whit_eval_scores *s = e ? whit_eval_total(e) : NULL;
    if (s) {
        CHECK(s->kl_mean == 0 && s->kl_max == 0 && s->top1 == 1 && s->rms_dp == 0, "%g",
              s->kl_mean);
        CHECK(s->ratio == 1 && s->ratio_low == 1 && s->ratio_high == 1 &&
                  s->perplexity == s->base_perplexity,
              "%g", s->ratio);
        CHECK(s->text_tokens == 700 && s->windows == 1 && s->tokens == 511, "%d windows",
              (int)s->windows);
        CHECK(s->standard_error == s->token_error, "one window");
    }
    whit_eval_free(e);
    options_for(&o, p, 0, 1);
    o.acts = WHIT_ACTS_Q8;
    e = run(p->folder, &o); /* floats have no int8 activations: said, not silently so */
    CHECK(e && whit_eval_warnings(e) == 1 && strstr(whit_eval_warning(e, 0), "int8 activations"),
          "warning");
    whit_eval_free(e);
}

/* ---- what is refused --------------------------------------------------------------------------
 */

static void refused(const char *path, const whit_eval_options *o, whit_status st, const char *says)
{
    whit_eval *e = NULL;
    whit_error err = { WHIT_OK, "" };
    whit_status got = whit_eval_run(&e, path, o, &err);
    CHECK(got == st && !e && strstr(err.msg, says), "%d: %s (want %d: %s)", (int)got, err.msg,
          (int)st, says);
    whit_eval_free(e);
}

static void copy(const place *p, const char *from, const char *to)
{
    char path[SCRATCH_PATH];
    size_t len;
    snprintf(path, sizeof path, "%s/%s", p->folder, from);
    void *data = scratch_read(path, &len);
    scratch_write(&p->s, to, data, len);
    free(data);
}

/* A copy of the model, with 2-octet value number `at` of a tensor replaced. */
static const char *damaged(const place *p, const char *name, const char *tensor, size_t at,
                           uint16_t value, char path[SCRATCH_PATH])
{
    static const char *const files[] = { "config.json", "tokenizer.json", "tokenizer_config.json" };
    char to[256];
    size_t len;
    scratch_folder(&p->s, name);
    for (size_t i = 0; i < 3; i++) {
        snprintf(to, sizeof to, "%s/%s", name, files[i]);
        copy(p, files[i], to);
    }
    snprintf(path, SCRATCH_PATH, "%s/model.safetensors", p->folder);
    unsigned char *data = scratch_read(path, &len);
    size_t head = (size_t)data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16;
    unsigned char *end = data + 8 + head;
    const unsigned char keep = *end;
    *end = 0;
    const char *found = strstr((char *)data + 8, tensor);
    const char *offsets = found ? strstr(found, "data_offsets\":[") : NULL;
    const size_t begin = offsets ? (size_t)strtoull(offsets + 15, NULL, 10) : 0;
    *end = keep;
    CHECK(offsets != NULL, "no tensor %s", tensor);
    end[begin + 2 * at] = (unsigned char)value;
    end[begin + 2 * at + 1] = (unsigned char)(value >> 8);
    snprintf(to, sizeof to, "%s/model.safetensors", name);
    scratch_write(&p->s, to, data, len);
    free(data);
    return scratch_path(&p->s, name, path);
}

/* A text that the model goes on with says the same. */
static void generation_refused(const char *path, const char *says)
{
    whit_model *model = NULL;
    whit_tokenizer *t = NULL;
    whit_error err = { WHIT_OK, "" };
    whit_status st = whit_model_open(&model, path, NULL, &err);
    if (st == WHIT_OK) st = whit_tokenizer_open(&t, path, &err);
    CHECK(st == WHIT_OK, "%s", err.msg);
    if (st == WHIT_OK) st = whit_generate(model, t, "Once upon", 9, NULL, NULL, &err);
    CHECK(st == WHIT_ERR_NUMERIC && strstr(err.msg, says), "%d: %s (want %s)", (int)st, err.msg,
          says);
    whit_tokenizer_close(t);
    whit_model_close(model);
}

static void test_not_finite(const place *p)
{
    static const struct {
        const char *name, *tensor, *says;
        uint16_t value;
    } rows[] = {
        { "nan-down", "model.layers.3.mlp.down_proj.weight",
          "layer 3 gives what is not finite, behind the input of model.layers.3.mlp.down_proj",
          0x7e00 },
        { "nan-q", "model.layers.1.self_attn.q_proj.weight", "layer 1 gives what is not finite",
          0x7e00 },
        { "inf-up", "model.layers.0.mlp.up_proj.weight", "layer 0 gives what is not finite",
          0x7c00 },
        { "nan-norm", "model.layers.2.post_attention_layernorm.weight",
          "layer 2 gives what is not finite", 0x7e00 },
        { "nan-first", "model.layers.0.input_layernorm.weight", "layer 0 gets what is not finite",
          0xfe00 },
    };
    char path[SCRATCH_PATH];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        whit_eval_options o;
        options_for(&o, p, (int)(i % 2), 1);
        damaged(p, rows[i].name, rows[i].tensor, 5, rows[i].value, path);
        refused(path, &o, WHIT_ERR_NUMERIC, rows[i].says);
        generation_refused(path, rows[i].says);
        o.base = path;
        refused(p->folder, &o, WHIT_ERR_NUMERIC, rows[i].says);
    }
    /* row 300 of the embeddings is also that of the head: its logit is NaN before its token comes
     */
    whit_eval_options o;
    options_for(&o, p, 0, 1);
    damaged(p, "nan-head", "model.embed_tokens.weight", 300 * 64, 0x7e00, path);
    refused(path, &o, WHIT_ERR_NUMERIC, "the output head");
    generation_refused(path, "the output head");
}

static void test_refused(const place *p)
{
    whit_eval_options o;
    char path[SCRATCH_PATH], text[SCRATCH_PATH], vocabulary[SCRATCH_PATH];
    options_for(&o, p, 0, 1);
    o.choices = p->choices;
    refused(p->folder, &o, WHIT_ERR_ARG, "one of text and choices");
    o.text = o.choices = NULL;
    refused(p->folder, &o, WHIT_ERR_ARG, "one of text and choices");
    options_for(&o, p, 0, 1);
    o.struct_size = 8;
    refused(p->folder, &o, WHIT_ERR_ARG, "struct_size");
    options_for(&o, p, 0, 1);
    refused("", &o, WHIT_ERR_ARG, "no path");
    refused("no-such-model", &o, WHIT_ERR_IO, "no-such-model");
    o.protocol = (whit_eval_protocol)4;
    refused(p->folder, &o, WHIT_ERR_ARG, "no such protocol");
    options_for(&o, p, 0, 1);
    o.context = 1;
    refused(p->folder, &o, WHIT_ERR_ARG, "a context of 1 tokens; try: 2 to");
    o.context = 2;
    o.protocol = WHIT_EVAL_HALF;
    refused(p->folder, &o, WHIT_ERR_ARG, "try: 3 to");
    o.context = ((uint64_t)1 << 28) + 1;
    refused(p->folder, &o, WHIT_ERR_ARG, "try: 3 to 268435456");
    options_for(&o, p, 0, 1);
    o.tokens = 510;
    refused(p->folder, &o, WHIT_ERR_FORMAT, "510 tokens do not fill one window of 512");
    o.text = scratch_path(&p->s, "no-such-text", text);
    refused(p->folder, &o, WHIT_ERR_IO, "no-such-text");
    scratch_text(&p->s, "empty", "");
    o.text = scratch_path(&p->s, "empty", text);
    for (int i = 0; i < 4; i++) {
        o.protocol = (whit_eval_protocol)i;
        refused(p->folder, &o, WHIT_ERR_FORMAT, "0 tokens do not fill one window");
    }
    options_for(&o, p, 0, 1);
    o.job.max_memory = 100000;
    refused(p->folder, &o, WHIT_ERR_NOMEM, "try: --max-memory");

    /* another vocabulary: as many logits, other ids */
    damaged(p, "other", "model.norm.weight", 0, 0x3c00, path);
    scratch_path(&p->s, "other/tokenizer.json", vocabulary);
    size_t len;
    char *json = scratch_read(vocabulary, &len), *merge = strstr(json, "\"merges\":");
    CHECK(merge != NULL, "no merges");
    if (merge) {
        char *first = strchr(merge, '[') + 1, *end = strchr(first, ',') + 1;
        if (*first == '[') end = strstr(first, "],") + 2; /* merges as pairs */
        memset(first, ' ', (size_t)(end - first));        /* the first merge is gone */
        scratch_write(&p->s, "other/tokenizer.json", json, len);
        options_for(&o, p, 0, 1);
        o.base = path;
        refused(p->folder, &o, WHIT_ERR_FORMAT, "other ids for the text");
        options_for(&o, p, 1, 1);
        o.base = path;
        refused(p->folder, &o, WHIT_ERR_FORMAT, "other ids for line 1");
    }
    free(json);
}

static int stop(void *user, const whit_progress *progress)
{
    int *left = user;
    CHECK(progress->done <= progress->total, "done beyond the total");
    return --*left == 0;
}

static void test_cancelled(const place *p)
{
    for (int choices = 0; choices < 2; choices++)
        for (int left = 1; left < 4; left++) {
            whit_eval_options o;
            int steps = left;
            options_for(&o, p, choices, 1);
            o.job.progress = stop;
            o.job.progress_user = &steps;
            refused(p->gguf, &o, WHIT_ERR_CANCELLED, "interrupted");
        }
}

/* ---- choices ----------------------------------------------------------------------------------
 */

static void test_choices(const place *p)
{
    whit_eval_options o;
    char path[SCRATCH_PATH];
    options_for(&o, p, 1, 1);
    whit_eval *e = run(p->folder, &o);
    if (e) {
        uint64_t sum = 0;
        CHECK(!whit_eval_total(e) && whit_eval_score_count(e) == 6, "%zu scores",
              whit_eval_score_count(e));
        for (size_t i = 1; i < whit_eval_score_count(e); i++)
            sum += whit_eval_score_at(e, i)->questions;
        CHECK(whit_eval_score_at(e, 0)->questions == 40 && sum == 40, "tags");
        CHECK(!whit_eval_score_at(e, 0)->tag &&
                  strcmp(whit_eval_score_at(e, 1)->tag, "phrase") == 0,
              "names of tags");
        CHECK(isnan(whit_eval_score_at(e, 0)->lost) && !whit_eval_score_at(e, 6), "no base");
    }
    whit_eval_free(e);

    /* spaces between prompt and choice go to the choice, wherever they stand */
    scratch_text(&p->s, "spaces",
                 "{\"prompt\":\"Once upon a \",\"choices\":[\"time\",\"dog\"],\"answer\":0}\n"
                 "{\"prompt\":\"Once upon a\",\"choices\":[\" time\",\" dog\"],\"answer\":0}\n"
                 "{\"prompt\":\"\",\"choices\":[\"Once\",\"xyz\"],\"answer\":\"Once\"}\n");
    o.choices = scratch_path(&p->s, "spaces", path);
    e = run(p->folder, &o);
    CHECK(e && e->score[0].accuracy == 1 && e->score_count == 1, "spaces");
    whit_eval_free(e);

    /* too long a prompt loses its beginning, too long a choice is refused */
    scratch_text(&p->s, "long",
                 "{\"prompt\":\"There was a dog who was brown and a cat who was black. Once upon "
                 "a\",\"choices\":[\" time\",\" dog\"],\"answer\":0}\n");
    o.choices = scratch_path(&p->s, "long", path);
    o.context = 8;
    e = run(p->folder, &o);
    CHECK(e && e->score[0].truncated == 1 && whit_eval_warnings(e) == 1 &&
              strstr(whit_eval_warning(e, 0), "lost their beginning to the context: 1"),
          "truncated");
    whit_eval_free(e);
    o.context = 2;
    scratch_text(&p->s, "long", "{\"prompt\":\"a\",\"choices\":[\"zzzzzz\",\"b\"],\"answer\":0}\n");
    refused(p->folder, &o, WHIT_ERR_FORMAT, "line 1: choice 0 alone exceeds the context of 2");
}

/* A text in which no octet is UTF-8, and one beyond ASCII. */
static void test_octets(const place *p)
{
    whit_eval_options o;
    char path[SCRATCH_PATH], text[2048];
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)(i % 2 ? 0x80 | (i & 63) : 0xff);
    scratch_write(&p->s, "octets", text, sizeof text);
    options_for(&o, p, 0, 1);
    o.text = scratch_path(&p->s, "octets", path);
    whit_eval *e = run(p->folder, &o);
    CHECK(e && e->scores.text_tokens == 2048 && isfinite(e->scores.perplexity) &&
              whit_eval_warnings(e) == 1 &&
              strstr(whit_eval_warning(e, 0), "taken as byte tokens: 2048"),
          "octets");
    whit_eval_free(e);
    o.base = p->gguf;
    e = run(p->folder, &o);
    CHECK(e && whit_eval_places(e) == 10 && *whit_eval_place_at(e, 0)->text, "with a base");
    whit_eval_free(e);
}

int main(int argc, char **argv)
{
    place p;
    if (argc < 2) return 1;
    p.data = argv[1];
    snprintf(p.folder, sizeof p.folder, "%s/stories260K", p.data);
    snprintf(p.gguf, sizeof p.gguf, "%s/gguf/stories260K-q4_0.gguf", p.data);
    snprintf(p.text, sizeof p.text, "%s/eval/stories.txt", p.data);
    snprintf(p.choices, sizeof p.choices, "%s/eval/stories-choices.jsonl", p.data);
    scratch_make(&p.s);
    test_golden(&p);
    test_threads(&p);
    test_itself(&p);
    test_not_finite(&p);
    test_refused(&p);
    test_cancelled(&p);
    test_choices(&p);
    test_octets(&p);
    scratch_remove(&p.s);
    return check_result();
}
