/* tests/test_method.c - methods: the same octets however they are run, errors that are what the
 * report says and less than those of rounding, fallbacks that are named, biases that make up for
 * shifted means.
 *
 * Not here: folding (test_method_fold.c), what each scheme and format holds
 * (test_method_formats.c).
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "methods.h"

#define SPILLS 6000 /* tokens whose activations do not fit */

static scratch room;
static char stories[SCRATCH_PATH];

static const char *at(const char *name, char path[SCRATCH_PATH])
{
    return scratch_path(&room, name, path);
}

/* ---- names ----------------------------------------------------------------------------------- */

static void check_names(void)
{
    static const char *const names[] = { "gptq", "awq",      "smoothquant",
                                         "hqq",  "awq+gptq", "smoothquant+gptq" };
    unsigned seen = 0;
    for (size_t i = 0; i < 6; i++) {
        const unsigned m = whit_method_parse(names[i]);
        CHECK(m != 0 && whit_method_name(m) && strcmp(whit_method_name(m), names[i]) == 0, "%s",
              names[i]);
        seen |= m;
    }
    CHECK(seen == 15, "methods that no name has: %x", seen);
    CHECK(!whit_method_name(0) && !whit_method_name(3 | 4) && !whit_method_name(8 | 1),
          "chains that do not exist");
    CHECK(!whit_method_parse(NULL) && !whit_method_parse("") && !whit_method_parse("gptq+awq"),
          "names that do not exist");
}

/* ---- the same octets ------------------------------------------------------------------------- */

typedef struct way {
    const char *method, *scheme, *out;
    int wide; /* the model with 256 columns; else that with 64 */
    int state;
} way;

static const way ways[] = {
    { "gptq", "int4-g32", "a.safetensors", 0, 0 },
    { "gptq", "int3-g64-asym", "b.safetensors", 0, 1 },
    { "awq", "int4-g64", "c.safetensors", 0, 0 },
    { "smoothquant", "int8-a8", "d.safetensors", 0, 0 },
    { "awq+gptq", "int4-g32", "e.safetensors", 0, 0 },
    { "smoothquant+gptq", "int8-a8", "f.safetensors", 0, 1 },
    { "hqq", "int4-g64-asym", "g.safetensors", 0, 0 },
    { "gptq", "q4_k", "h.gguf", 1, 0 },
    { "gptq", "q2_k", "i.gguf", 1, 0 },
    { "awq", "q4_k", "j.gguf", 1, 1 },
};
#define WAYS (sizeof ways / sizeof ways[0])

typedef struct sources {
    char path[2][SCRATCH_PATH], state[2][SCRATCH_PATH]; /* with 64 columns, the wide one */
    methods_text text[2];
} sources;

static whit_status go(const sources *from, const way *w, const char *out, unsigned threads,
                      uint64_t memory, whit_error *err)
{
    const int learns = strcmp(w->method, "hqq") != 0;
    const whit_method_options m =
        methods_of(w->method, learns && !w->state ? &from->text[w->wide] : NULL);
    const job_ask ask = { .scheme = w->scheme,
                          .method = &m,
                          .calibration = learns && w->state ? from->state[w->wide] : NULL,
                          .job = { .threads = threads, .max_memory = memory, .force = 1 } };
    job j;
    whit_status st = job_run(&j, from->path[w->wide], out, &ask);
    *err = j.err;
    job_close(&j);
    return st;
}

/* The least ceiling that is accepted, as the refusal says it. */
static uint64_t least_memory(const sources *from, const way *w, const char *out)
{
    whit_error err = { WHIT_OK, "" };
    unsigned long long mib = 0;
    CHECK(go(from, w, out, 1, 1, &err) == WHIT_ERR_NOMEM, "%s in one octet: %s", w->method,
          err.msg);
    const char *try = strstr(err.msg, "--max-memory ");
    CHECK(try && sscanf(try, "--max-memory %lluMiB", &mib) == 1, "says not how much: %s", err.msg);
    return mib << 20;
}

static void check_way(const sources *from, const way *w)
{
    static const char *const levels[] = { "scalar", "avx2", "avxvnni", "avx512", "avx512vnni",
                                          "amx",    "neon", "dotprod", "i8mm" };
    char first[SCRATCH_PATH], again[SCRATCH_PATH], name[64];
    whit_error err = { WHIT_OK, "" };
    at(w->out, first);
    snprintf(name, sizeof name, "again-%s", w->out);
    at(name, again);
    CHECK(go(from, w, first, 1, 0, &err) == WHIT_OK, "%s %s: %s", w->method, w->scheme, err.msg);
    for (unsigned threads = 2; threads <= 5; threads += 3)
        CHECK(go(from, w, again, threads, 0, &err) == WHIT_OK && job_same_file(first, again),
              "%s %s: other octets with %u threads %s", w->method, w->scheme, threads, err.msg);
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        setenv("WHIT_ISA", levels[i], 1);
        const whit_status st = go(from, w, again, 1, 0, &err);
        unsetenv("WHIT_ISA");
        if (st == WHIT_ERR_ARG && strstr(err.msg, "lacks it")) continue;
        CHECK(st == WHIT_OK && job_same_file(first, again), "%s %s: other octets at level %s %s",
              w->method, w->scheme, levels[i], err.msg);
    }
    printf("%s %s\n", w->method, w->scheme);
}

/* The ceiling that the refusal of one octet names, in MiB. */
static unsigned long long named(const char *in, const job_ask *ask)
{
    job_ask tight = *ask;
    unsigned long long mib = 0;
    job j;
    tight.job.max_memory = 1;
    const whit_status st = job_plan(&j, in, NULL, &tight);
    const char *try = strstr(j.err.msg, "--max-memory ");
    CHECK(st == WHIT_ERR_NOMEM && try && sscanf(try, "--max-memory %lluMiB", &mib) == 1, "%s",
          j.err.msg);
    job_close(&j);
    return mib;
}

/* Ceilings know of a head that is solved, and of matrices that are only scaled. */
static void check_ceilings(const scratch *s)
{
    char config[1024], in[SCRATCH_PATH], state[SCRATCH_PATH];
    methods_text t;
    methods_ids(&t, 40, 64, 4);
    methods_folder(s, "head", methods_config(config, "llama", 64, 96, 16, 40000), WHIT_BF16,
                   WHIT_F32);
    const whit_method_options gptq = methods_of("gptq", &t);
    job_ask ask = { .scheme = "int4-g32", .method = &gptq };
    scratch_path(s, "head", in);
    const unsigned long long without = named(in, &ask);
    ask.head = "int4-g32";
    CHECK(named(in, &ask) >= 39 && without < 39, "%llu MiB without a head, %llu with one", without,
          named(in, &ask)); /* 2560000 weights of 16 octets */

    const whit_method_options awq = methods_of("awq", &t);
    ask.method = &awq;
    const unsigned long long grouped = named(in, &ask);
    ask.head = "int4-tensor";
    CHECK(named(in, &ask) >= grouped + 17, "%llu MiB of groups, %llu of one", grouped,
          named(in, &ask)); /* 8 octets more, 1 less */

    methods_folder(s, "broad", methods_config(config, "llama", 512, 1024, 128, 64), WHIT_BF16,
                   WHIT_F32);
    methods_state(scratch_path(s, "broad", in), &t, 0, scratch_path(s, "broad.state", state));
    const whit_method_options smooth = methods_of("smoothquant", NULL);
    ask = (job_ask){ .scheme = "int8-channel", .method = &smooth, .calibration = state };
    const unsigned long long scaled = named(in, &ask);
    ask.method = NULL;
    CHECK(scaled >= 12 + named(in, &ask), "%llu MiB to scale, %llu without", scaled,
          named(in, &ask)); /* 512 x 1024 x 24, and squares of columns */
    methods_free(&t);
}

/* Activations that spill to files give what those in memory give. */
static void check_spill(const sources *from)
{
    const way w = { "gptq", "int4-g32", "spill.safetensors", 0, 0 };
    char first[SCRATCH_PATH], again[SCRATCH_PATH];
    sources many = *from;
    whit_error err = { WHIT_OK, "" };
    methods_ids(&many.text[0], SPILLS, 64, 9);
    at(w.out, first);
    at("again.safetensors", again);
    const uint64_t least = least_memory(&many, &w, first);
    CHECK(least / 8 < SPILLS * 64 * sizeof(float), "%llu octets hold all: nothing spills",
          (unsigned long long)least);
    CHECK(go(&many, &w, first, 2, 0, &err) == WHIT_OK, "%s", err.msg);
    CHECK(go(&many, &w, again, 2, least, &err) == WHIT_OK && job_same_file(first, again),
          "spilled, it has other octets: %s", err.msg);
    methods_free(&many.text[0]);
}

static void make_sources(sources *s)
{
    char config[1024];
    memset(s, 0, sizeof *s);
    methods_ids(&s->text[0], 160, 64, 1);
    methods_ids(&s->text[1], 160, 64, 2);
    models_folder(&room, "narrow", methods_config(config, "qwen2", 64, 96, 16, 64));
    at("narrow", s->path[0]);
    if (!models_gguf(&room, "wide.gguf", methods_config(config, "llama", 256, 64, 16, 64)))
        scratch_die("wide.gguf");
    at("wide.gguf", s->path[1]);
    methods_state(s->path[0], &s->text[0], 1, at("narrow.state", s->state[0]));
    methods_state(s->path[1], &s->text[1], 1, at("wide.state", s->state[1]));
}

/* ---- errors ---------------------------------------------------------------------------------- */

/* From a state, what the report says of each matrix is what its H gives; rounding's share too. */
static void check_loss(const char *state_path, const char *method, const char *scheme)
{
    char out[SCRATCH_PATH], plain[SCRATCH_PATH];
    const whit_method_options m = methods_of(method, NULL);
    const job_ask round = { .scheme = scheme, .job = { .force = 1 } };
    const job_ask ask = {
        .scheme = scheme, .method = &m, .calibration = state_path, .job = { .force = 1 }
    };
    whit_error err = { WHIT_OK, "" };
    whit_calib *state = NULL;
    job j;
    size_t solved = 0;
    double sum_before = 0, sum_after = 0;
    CHECK(whit_calib_open(&state, state_path, &err) == WHIT_OK, "%s", err.msg);
    job_quantize(stories, at("plain.safetensors", plain), &round);
    CHECK(job_run(&j, stories, at("solved.safetensors", out), &ask) == WHIT_OK, "%s", j.err.msg);
    whit_source *a = job_open(stories), *b = job_open(out), *c = job_open(plain);
    for (size_t i = 0; i < whit_report_count(j.report); i++) {
        const whit_report_row *row = whit_report_at(j.report, i);
        const char *name = row->entry->source->tensor.name;
        const whit_method_result *r = &row->method;
        if (!r->name) continue;
        solved++;
        CHECK(!r->fallback && r->damping >= 0.01 && isnan(r->scaling), "%s: %s", name,
              r->fallback ? r->fallback : "damping, scaling");
        CHECK(r->after < r->before, "%s %s, %s: %g, rounded %g", method, scheme, name, r->after,
              r->before);
        const double before = methods_loss(state, a, c, name, r->damping);
        const double after = methods_loss(state, a, b, name, r->damping);
        CHECK(methods_near(r->before, before), "%s: rounded %g, not %g", name, r->before, before);
        CHECK(methods_near(r->after, after), "%s: %g, not %g", name, r->after, after);
        CHECK(methods_loss(state, a, b, name, 0) < methods_loss(state, a, c, name, 0),
              "%s %s, %s: worse undamped", method, scheme, name);
        sum_before += r->before;
        sum_after += r->after;
    }
    CHECK(solved == 35, "%zu matrices, not 35", solved);
    printf("%s %s: %.3f of rounding's error\n", method, scheme, sum_after / sum_before);
    whit_source_close(a);
    whit_source_close(b);
    whit_source_close(c);
    whit_calib_close(state);
    job_close(&j);
}

/* From texts, with the errors of the layers before. */
static void check_layers(const methods_text *text, const char *scheme)
{
    const whit_method_options m = methods_of("gptq", text);
    const job_ask ask = { .scheme = scheme, .method = &m, .job = { .force = 1 } };
    char out[SCRATCH_PATH];
    size_t solved = 0;
    job j;
    CHECK(job_run(&j, stories, at("layers.safetensors", out), &ask) == WHIT_OK, "%s", j.err.msg);
    for (size_t i = 0; j.report && i < whit_report_count(j.report); i++) {
        const whit_method_result *r = &whit_report_at(j.report, i)->method;
        if (!r->name) continue;
        solved++;
        CHECK(!r->fallback && r->after < r->before, "%s: %g, rounded %g",
              whit_report_at(j.report, i)->entry->source->tensor.name, r->after, r->before);
    }
    CHECK(solved == 35, "%zu matrices", solved);
    job_close(&j);
}

int main(int argc, char **argv)
{
    sources s;
    methods_text text;
    char state[SCRATCH_PATH];
    if (argc < 2) return 1;
    unsetenv("WHIT_ISA");
    snprintf(stories, sizeof stories, "%.900s/stories260K", argv[1]);
    scratch_make(&room);
    check_names();
    make_sources(&s);
    for (size_t i = 0; i < WAYS; i++) check_way(&s, &ways[i]);
    check_ceilings(&room);
    check_spill(&s);
    methods_ids(&text, 300, 512, 1);
    methods_state(stories, &text, 1, at("stories.state", state));
    check_loss(state, "gptq", "int4-g32");
    check_loss(state, "gptq", "int3-g64");
    check_loss(state, "gptq", "int2-g32-asym");
    check_loss(state, "gptq", "nf4-g64");
    check_layers(&text, "int4-g32");
    check_layers(&text, "int2-g32");
    methods_free(&text);
    methods_free(&s.text[0]);
    methods_free(&s.text[1]);
    scratch_remove(&room);
    return check_result();
}
