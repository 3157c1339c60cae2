/* tests/test_method_fold.c - scales that are folded into a model leave it what it was.
 *
 * SmoothQuant where nothing is rounded: --scheme f32. Biases, heads that share keys and values,
 * norms of each float type, windows, tied embeddings; folders and GGUF files.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "methods.h"

#define TOLERANCE 1e-4 /* of the largest logit */

static const char *const cases[] = {
    "llama",        "llama-biases",   "llama-linear", "llama-llama3",      "llama-odd",
    "llama-yarn",   "mistral-window", "qwen2",        "qwen2-window-yarn", "qwen3",
    "qwen3-biases",
};
#define CASES (sizeof cases / sizeof cases[0])

static const char *const norms[] = { "input_layernorm", "post_attention_layernorm" };

/* Whether any value of the tensor is another one in b. */
static int differ(const whit_source *a, const whit_source *b, const char *name)
{
    const size_t i = whit_source_find(a, name);
    if (i == WHIT_NOT_FOUND) return -1;
    const uint64_t n = whit_source_at(a, i)->tensor.elements;
    float *x = job_values(a, name), *y = job_values(b, name);
    const int other = memcmp(x, y, (size_t)n * sizeof *x) != 0;
    free(x);
    free(y);
    return other;
}

/* All four sets of layer 0 were scaled: norms, v, up changed, their inputs' columns too; the norms
 * kept their type, everything else its values. */
static void check_folded(const char *in, const char *out)
{
    char name[WH_ROLE_NAME];
    whit_source *a = job_open(in), *b = job_open(out);
    for (size_t i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "model.layers.0.%s.weight", norms[i]);
        CHECK(differ(a, b, name) == 1, "%s: %s is as it was", out, name);
        const size_t x = whit_source_find(a, name), y = whit_source_find(b, name);
        CHECK(whit_source_at(a, x)->tensor.dtype == whit_source_at(b, y)->tensor.dtype,
              "%s: %s has another type", out, name);
    }
    CHECK(differ(a, b, "model.layers.0.self_attn.v_proj.weight") == 1, "%s: v", out);
    CHECK(differ(a, b, "model.layers.0.self_attn.o_proj.weight") == 1, "%s: o", out);
    CHECK(differ(a, b, "model.layers.0.mlp.up_proj.weight") == 1, "%s: up", out);
    CHECK(differ(a, b, "model.layers.0.mlp.down_proj.weight") == 1, "%s: down", out);
    CHECK(differ(a, b, "model.layers.0.self_attn.v_proj.bias") != 0, "%s: bias of v", out);
    CHECK(differ(a, b, "model.layers.0.self_attn.q_proj.bias") != 1, "%s: bias of q", out);
    CHECK(differ(a, b, "model.layers.0.self_attn.o_proj.bias") != 1, "%s: bias of o", out);
    CHECK(differ(a, b, "model.embed_tokens.weight") == 0, "%s: embeddings", out);
    CHECK(differ(a, b, "model.norm.weight") == 0, "%s: last norm", out);
    whit_source_close(a);
    whit_source_close(b);
}

/* Of the report: every linear of a layer has the exponent, nothing is a fallback. */
static void check_rows(const job *j, const char *what, double alpha)
{
    size_t scaled = 0;
    for (size_t i = 0; i < whit_report_count(j->report); i++) {
        const whit_report_row *row = whit_report_at(j->report, i);
        const whit_method_result *m = &row->method;
        if (!m->name) continue;
        scaled++;
        CHECK(strcmp(m->name, "smoothquant") == 0 && !m->fallback && m->scaling == alpha,
              "%s: %s: %s %g", what, row->entry->source->tensor.name, m->name, m->scaling);
    }
    CHECK(scaled > 0 && scaled % 7 == 0, "%s: %zu matrices scaled", what, scaled);
}

static void fold(const scratch *s, const char *in, const char *out, const methods_text *t,
                 double alpha, int rows)
{
    char to[SCRATCH_PATH];
    whit_method_options m = methods_of("smoothquant", t);
    m.alpha = alpha;
    /* small matrices would be kept without rules */
    const job_ask ask = { .scheme = "f32",
                          .rules = { "*_proj.weight=f32", "blk.*.weight=f32" },
                          .method = &m };
    job j;
    scratch_path(s, out, to);
    CHECK(job_run(&j, in, to, &ask) == WHIT_OK, "%s: %s", in, j.err.msg);
    if (j.report && rows) check_rows(&j, in, alpha);
    job_close(&j);
    const double d = methods_distance(to, in);
    CHECK(d <= TOLERANCE, "%s, alpha %g: logits are %g off", in, alpha, d);
    printf("%s alpha %g: %g\n", in, alpha, d);
}

static void check_case(const scratch *s, const char *golden, const char *name)
{
    static const whit_dtype types[] = { WHIT_F32, WHIT_F16, WHIT_BF16 };
    char path[SCRATCH_PATH], out[SCRATCH_PATH];
    size_t len;
    methods_text t;
    methods_ids(&t, 200, 48, 5);
    snprintf(path, sizeof path, "%.900s/%s.json", golden, name);
    char *config = scratch_read(path, &len);
    for (size_t i = 0; i < 3; i++) {
        char in[64], to[80];
        snprintf(in, sizeof in, "%s-%s", name, whit_dtype_name(types[i]));
        snprintf(to, sizeof to, "%s-folded", in);
        methods_folder(s, in, config, WHIT_F16, types[i]); /* F32 would be kept */
        fold(s, scratch_path(s, in, path), to, &t, 0.5, 1);
        check_folded(path, scratch_path(s, to, out));
    }
    if (models_gguf_of(s, "m.gguf", config,
                       models_add_gguf_half)) { /* rows of q and k in another order */
        fold(s, scratch_path(s, "m.gguf", path), "m-folded.gguf", &t, 0.5, 1);
        remove(scratch_path(s, "m-folded.gguf", out));
    }
    free(config);
    methods_free(&t);
}

/* ---- heads that share keys and values -------------------------------------------------------- */

#define HEADS 4
#define KV_HEADS 2
#define HEAD 16
#define WIDTH (HEADS * HEAD)
#define OUT "model.layers.0.self_attn.o_proj.weight"

/* The largest magnitudes of column c: of what comes into it, of its weights. */
static void column(const whit_calib *state, const float *w, size_t c, double *act, double *weight)
{
    const whit_calib_channel ch = whit_calib_channel_at(state, whit_calib_find(state, OUT), c);
    *act = fmax(fabs(ch.min), fabs(ch.max));
    *weight = 0;
    for (size_t r = 0; r < WIDTH; r++) *weight = fmax(*weight, fabs((double)w[r * WIDTH + c]));
}

/* t of a column of the output projection is that of the largest magnitudes over its kv head. */
static void check_shared(const whit_calib *state, const float *was, const float *is)
{
    const size_t rep = HEADS / KV_HEADS;
    for (size_t c = 0; c < WIDTH; c++) {
        double act = 0, weight = 0, a, w;
        for (size_t k = 0; k < rep; k++) {
            column(state, was, (c / HEAD / rep * rep + k) * HEAD + c % HEAD, &a, &w);
            act = fmax(act, a);
            weight = fmax(weight, w);
        }
        const double t = sqrt(act / weight);
        for (size_t r = 0; r < WIDTH; r++)
            CHECK(fabs((double)is[r * WIDTH + c] - t * (double)was[r * WIDTH + c]) <=
                      1e-6 * t * weight,
                  "column %zu: %g of %g, t is %g", c, (double)is[r * WIDTH + c],
                  (double)was[r * WIDTH + c], t);
    }
}

static void check_heads(const scratch *s)
{
    char config[1024], in[SCRATCH_PATH], out[SCRATCH_PATH], path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    whit_calib *state = NULL;
    methods_text t;
    methods_ids(&t, 200, 48, 8);
    methods_folder(s, "shared", methods_config(config, "llama", WIDTH, 96, HEAD, 48), WHIT_F16,
                   WHIT_F32);
    methods_state(scratch_path(s, "shared", in), &t, 0, scratch_path(s, "shared.state", path));
    whit_method_options m = methods_of("smoothquant", NULL);
    m.alpha = 0.5;
    const job_ask ask = {
        .scheme = "f32", .rules = { "*_proj.weight=f32" }, .method = &m, .calibration = path
    };
    job_quantize(in, scratch_path(s, "shared.safetensors", out), &ask);
    CHECK(whit_calib_open(&state, path, &err) == WHIT_OK, "%s", err.msg);
    whit_source *a = job_open(in), *b = job_open(out);
    float *was = job_values(a, OUT), *is = job_values(b, OUT);
    check_shared(state, was, is);
    free(was);
    free(is);
    whit_source_close(a);
    whit_source_close(b);
    whit_calib_close(state);
    methods_free(&t);
}

static void check_stories(const scratch *s, const char *data)
{
    char path[SCRATCH_PATH], out[SCRATCH_PATH];
    methods_text t;
    methods_ids(&t, 300, 512, 6);
    snprintf(path, sizeof path, "%s/stories260K", data);
    fold(s, path, "stories", &t, 0.5, 1);
    check_folded(path, scratch_path(s, "stories", out));
    fold(s, path, "stories.gguf", &t, 0.7, 1);
    fold(s, path, "stories-auto", &t, -1, 0);
    methods_free(&t);
}

/* ---- what counts once factors are in -------------------------------------------------------- */

typedef struct weighed {
    const char *scheme, *rule, *ending;
    const char *names[3];
} weighed;

/* Of the values of some matrices, the share that is another one in b. */
static double share_off(const weighed *c, const char *a, const char *b)
{
    size_t off = 0, all = 0;
    whit_source *x = job_open(a), *y = job_open(b);
    for (size_t i = 0; i < 3; i++) {
        float *v = job_values(x, c->names[i]), *w = job_values(y, c->names[i]);
        const size_t at = whit_source_find(x, c->names[i]);
        const size_t n = (size_t)whit_source_at(x, at)->tensor.elements;
        for (size_t k = 0; k < n; k++) off += v[k] != w[k];
        all += n;
        free(v);
        free(w);
    }
    whit_source_close(x);
    whit_source_close(y);
    return (double)off / (double)all;
}

/* in, and the folded model, under their calibrations. */
static void weigh(const scratch *s, const weighed *c, const char *const model[2],
                  const char *const state[2])
{
    char name[64], out[3][SCRATCH_PATH];
    const whit_method_options m = methods_of("smoothquant", NULL);
    for (int i = 0; i < 3; i++) {
        const job_ask ask = { .scheme = c->scheme,
                              .rules = { c->rule },
                              .method = i == 0 ? &m : NULL,
                              .calibration = i < 2 ? state[i] : NULL };
        snprintf(name, sizeof name, "weighed-%d.%s", i, c->ending);
        job_quantize(model[i > 0], scratch_path(s, name, out[i]), &ask);
    }
    const double off = share_off(c, out[0], out[1]), unlike = share_off(c, out[0], out[2]);
    /* norms were folded in their own type: what comes in is known to 1e-3 */
    CHECK(off < 0.03 && unlike > 0.3, "%s: %g of the values are others, %g if nothing is weighed",
          c->scheme, off, unlike);
    printf("%s: %g others, %g if nothing is weighed\n", c->scheme, off, unlike);
}

/* Errors are weighed by what comes into the folded matrix: as if the folded model had been
 * calibrated, which is not as if nothing were known. */
static void check_weighed(const scratch *s, const char *data)
{
    static const weighed outputs[] = {
        { "int4-g32",
          "*_proj.weight=int4-g32",
          "safetensors",
          { "model.layers.1.self_attn.q_proj.weight", "model.layers.1.self_attn.o_proj.weight",
            "model.layers.1.mlp.down_proj.weight" } },
        { "q4_0",
          "blk.*=q4_0",
          "gguf",
          { "blk.1.attn_q.weight", "blk.1.attn_output.weight", "blk.1.ffn_down.weight" } },
    };
    char in[SCRATCH_PATH], folded[SCRATCH_PATH], state[SCRATCH_PATH], again[SCRATCH_PATH];
    methods_text t;
    methods_ids(&t, 300, 512, 9);
    const whit_method_options m = methods_of("smoothquant", NULL);
    snprintf(in, sizeof in, "%s/stories260K", data);
    methods_state(in, &t, 0, scratch_path(s, "in.state", state));
    const job_ask ask = {
        .scheme = "f32", .rules = { "*_proj.weight=f32" }, .method = &m, .calibration = state
    };
    job_quantize(in, scratch_path(s, "weighed-f32", folded), &ask);
    methods_state(folded, &t, 0, scratch_path(s, "folded.state", again));
    for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++)
        weigh(s, &outputs[i], (const char *const[]){ in, folded },
              (const char *const[]){ state, again });
    methods_free(&t);
}

int main(int argc, char **argv)
{
    char golden[SCRATCH_PATH];
    scratch s;
    if (argc < 2) return 1;
    scratch_make(&s);
    snprintf(golden, sizeof golden, "%s/../golden/model", argv[1]);
    for (size_t i = 0; i < CASES; i++) check_case(&s, golden, cases[i]);
    check_heads(&s);
    check_stories(&s, argv[1]);
    check_weighed(&s, argv[1]);
    scratch_remove(&s);
    return check_result();
}
