/* tests/test_method_told.c - what a method could not do is named: in warnings, in the output, as an
 * error under --strict; and biases that make up for what rounding does to means.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "methods.h"

#define DIM 64
#define FFN 96
#define KV 32

static scratch room;

static const char *at(const char *name, char path[SCRATCH_PATH])
{
    return scratch_path(&room, name, path);
}

/* ---- fallbacks ------------------------------------------------------------------------------- */

typedef struct lapse {
    const char *method, *scheme, *rule, *model, *state; /* state NULL: from texts */
    const char *tensor, *why;                           /* the first that is only rounded */
    size_t count;                                       /* of such                        */
    int before; /* 1: the plan knows it, so --strict refuses that */
    int rough;  /* 1: no descent */
} lapse;

#define LAYER "model.layers.0."
#define FEW "fewer than 64 tokens came into it"
#define UNKNOWN "nothing is known of its input"
#define SCHEME "the method finds no codes of its scheme"
#define WILD "what comes into it is not finite"
#define BENT "its Hessian is not positive definite, whatever the damping"
#define DEAD "nothing but zeros came into it"
#define WORSE "rounding alone is no worse"
#define ALL_BUT_Q "*.{k,v,o,gate,up,down}_proj.weight=keep"

static const lapse lapses[] = {
    { "gptq", "int4-g32", NULL, "m", "few.state", LAYER "self_attn.q_proj.weight", FEW, 7, 0 },
    { "awq", "int4-g32", NULL, "m", "few.state", LAYER "self_attn.q_proj.weight", FEW, 7, 0 },
    { "gptq", "int4-g32", NULL, "m", "part.state", LAYER "self_attn.k_proj.weight", UNKNOWN, 6, 0 },
    { "gptq", "int4-g32", "*up_proj.weight=nf4-dq", "m", "m.state", LAYER "mlp.up_proj.weight",
      SCHEME, 1, 1 },
    { "hqq", "int4-g32-asym", "*up_proj.weight=int4-g32", "m", NULL, LAYER "mlp.up_proj.weight",
      SCHEME, 1, 1 },
    { "gptq", "int4-g32-sf32", NULL, "wild", NULL, LAYER "mlp.down_proj.weight", WILD, 1, 0 },
    { "gptq", "int4-g32", NULL, "m", "bent.state", LAYER "self_attn.q_proj.weight", BENT, 3, 0 },
    { "awq", "int4-g32", NULL, "m", "bent.state", LAYER "self_attn.q_proj.weight", BENT, 3, 0 },
    { "gptq", "int4-g32", NULL, "dead", NULL, LAYER "self_attn.q_proj.weight", DEAD, 3, 0 },
    { "awq", "int4-g32", NULL, "dead", NULL, LAYER "self_attn.q_proj.weight", DEAD, 3, 0 },
    { "awq+gptq", "int4-g32", NULL, "dead", NULL, LAYER "self_attn.q_proj.weight", DEAD, 3, 0 },
    { "smoothquant", "int4-g32", NULL, "m", "few.state", LAYER "self_attn.q_proj.weight", FEW, 7,
      0 },
    { "smoothquant", "int4-g32", NULL, "m", "part.state", LAYER "self_attn.o_proj.weight", UNKNOWN,
      4, 0 },
    { "smoothquant", "int4-g32-sf32", NULL, "wild", NULL, LAYER "mlp.down_proj.weight", WILD, 1,
      0 },
    { "smoothquant", "int8-channel-a8", NULL, "dead", NULL, LAYER "self_attn.q_proj.weight", DEAD,
      3, 0 },
    { "gptq", "int8-channel", ALL_BUT_Q, "m", "flat.state", LAYER "self_attn.q_proj.weight", WORSE,
      1, 0, 1 },
    { "gptq", "int8-channel", NULL, "grid", "m.state", LAYER "mlp.up_proj.weight", NULL, 0, 0 },
};

static size_t told(const job *j, const lapse *l)
{
    size_t n = 0;
    for (size_t i = 0; i < whit_report_count(j->report); i++) {
        const whit_report_row *row = whit_report_at(j->report, i);
        if (!row->method.fallback) continue;
        n++;
        CHECK(l->why && strcmp(row->method.fallback, l->why) == 0, "%s: %s",
              row->entry->source->tensor.name, row->method.fallback);
        CHECK(strcmp(row->method.name, l->method) == 0, "%s", row->method.name);
    }
    return n;
}

static void check_metadata(const char *out, const lapse *l)
{
    whit_source *s = job_open(out);
    const char *text = whit_file_meta_find(whit_source_file(s), 0, "whit.fallbacks");
    char want[512];
    snprintf(want, sizeof want, "\"%s\":\"%s\"", l->tensor, l->why ? l->why : "");
    CHECK(l->why ? text && strstr(text, want) && *text == '{' && text[strlen(text) - 1] == '}'
                 : !text,
          "%s %s: whit.fallbacks is %s", l->method, l->scheme, text ? text : "missing");
    whit_source_close(s);
}

/* The values are those of rounding. */
static void check_rounded(const char *in, const char *out, const lapse *l, const job_ask *with)
{
    char plain[SCRATCH_PATH];
    job_ask ask = *with;
    ask.method = NULL;
    job_quantize(in, at("plain.safetensors", plain), &ask);
    whit_source *a = job_open(out), *b = job_open(plain);
    const uint64_t n = whit_source_at(a, whit_source_find(a, l->tensor))->tensor.elements;
    float *x = job_values(a, l->tensor), *y = job_values(b, l->tensor);
    CHECK(memcmp(x, y, (size_t)n * sizeof *x) == 0, "%s %s: %s is not as rounded", l->method,
          l->scheme, l->tensor);
    free(x);
    free(y);
    whit_source_close(a);
    whit_source_close(b);
}

static void check_lapse(const lapse *l, const methods_text *text)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH], state[SCRATCH_PATH], line[512];
    const int learns = strcmp(l->method, "hqq") != 0;
    whit_method_options m = methods_of(l->method, learns && !l->state ? text : NULL);
    if (l->rough) m.passes = 0;
    job_ask ask = { .scheme = l->scheme,
                    .rules = { l->rule },
                    .method = &m,
                    .calibration = l->state ? at(l->state, state) : NULL,
                    .job = { .force = 1, .threads = 1 } };
    job j;
    at(l->model, in);
    at("out.safetensors", out);
    CHECK(job_run(&j, in, out, &ask) == WHIT_OK, "%s %s: %s", l->method, l->scheme, j.err.msg);
    if (!j.report) exit(check_result());
    CHECK(told(&j, l) == l->count, "%s %s: %zu fallbacks, not %zu", l->method, l->scheme,
          told(&j, l), l->count);
    snprintf(line, sizeof line, "%s: rounded only: %s", l->tensor, l->why ? l->why : "");
    size_t times = 0;
    for (size_t i = 0; i < whit_plan_warnings(j.plan); i++)
        times += strcmp(whit_plan_warning(j.plan, i), line) == 0;
    CHECK(times == (l->count > 0), "%s %s: '%s' is said %zu times", l->method, l->scheme, line,
          times);
    job_close(&j);
    check_metadata(out, l);
    if (l->why && l->state) check_rounded(in, out, l, &ask);
    remove(out);
    ask.job.strict = 1;
    const whit_status st = job_plan(&j, in, out, &ask);
    CHECK(st == (l->why && l->before ? WHIT_ERR_BAR : WHIT_OK), "strict plan: %s", j.err.msg);
    if (st == WHIT_OK) j.status = whit_plan_run(j.plan, &j.report, &j.err);
    CHECK(j.status == (l->why ? WHIT_ERR_BAR : WHIT_OK), "%s %s, strict: %d %s", l->method,
          l->scheme, (int)j.status, j.err.msg);
    CHECK(!l->why || (strstr(j.err.msg, l->tensor) && strstr(j.err.msg, l->why)), "%s", j.err.msg);
    CHECK(!l->why || access(out, F_OK) != 0, "strict, and an output is there");
    job_close(&j);
    remove(out);
}

/* A model like m, with one tensor changed by fn. */
typedef struct change {
    st_build b;
    const char *name;
    void (*fn)(float *w, uint64_t rows, uint64_t cols);
} change;

static void add_changed(void *to, const wh_model_config *c, const char *name, wh_role role,
                        uint64_t rows, uint64_t cols, float *data)
{
    change *x = to;
    if (strstr(name, x->name)) x->fn(data, rows, cols);
    models_add_st(&x->b, c, name, role, rows, cols, data);
}

static void folder_changed(const char *name, const char *config, const char *tensor,
                           void (*fn)(float *w, uint64_t rows, uint64_t cols))
{
    char file[64];
    change x = { .name = tensor, .fn = fn };
    wh_model_config c;
    whit_error err = { WHIT_OK, "" };
    if (wh_config_parse(&c, name, config, strlen(config), &err) != WHIT_OK) scratch_die(err.msg);
    models_tensors(&c, add_changed, &x);
    scratch_folder(&room, name);
    snprintf(file, sizeof file, "%s/model.safetensors", name);
    st_write(&x.b, &room, file);
    snprintf(file, sizeof file, "%s/config.json", name);
    scratch_text(&room, file, config);
}

/* Products with gate pass the range of float. */
static void make_wild(float *w, uint64_t rows, uint64_t cols)
{
    for (uint64_t i = 0; i < rows * cols; i++) w[i] *= 0x1p105f;
}

static void make_dead(float *w, uint64_t rows, uint64_t cols)
{
    memset(w, 0, (size_t)(rows * cols) * sizeof *w);
}

/* Values that int8 per channel holds as they are. */
static void make_grid(float *w, uint64_t rows, uint64_t cols)
{
    for (uint64_t i = 0; i < rows * cols; i++)
        w[i] = i % cols == 0 ? 127.0f / 1024 : floorf(w[i] * 127) / 1024;
}

/* A state that knows only the input of q: normal values, or flat: one channel at a time, so that H
 * is the same number along its diagonal and columns cannot make up for each other. */
static void make_part(const char *out, int flat)
{
    static const char head[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (128, 64), }";
    static unsigned char file[128 + 128 * DIM * 4];
    static float x[128 * DIM];
    char path[SCRATCH_PATH];
    whit_calibrate_options o;
    whit_error err = { WHIT_OK, "" };
    check_rng rng = { 4 };
    for (size_t i = 0; i < 128 * DIM; i++)
        x[i] = flat ? (float)(i % DIM == i / DIM % DIM) : check_normal(&rng);
    memset(file, ' ', 128);
    memcpy(file, "\x93NUMPY\1\0\x76\0", 10);
    memcpy(file + 10, head, sizeof head - 1);
    file[127] = '\n';
    memcpy(file + 128, x, sizeof x);
    scratch_write(&room, "x.npy", file, sizeof file);
    const whit_feed dump = { .kind = WHIT_FEED_ACTIVATIONS,
                             .path = at("x.npy", path),
                             .input = LAYER "self_attn.q_proj.weight" };
    whit_calibrate_options_init(&o);
    o.feed = &dump;
    o.feeds = 1;
    o.hessian = 1;
    CHECK(whit_calibrate(NULL, NULL, &o, out, &err) == WHIT_OK, "%s", err.msg);
}

/* A copy of a state whose H of q has one value of another size. */
static void make_bent(const char *from, const char *out, double value)
{
    size_t len, first = 0, n = 0;
    unsigned char *file = scratch_read(from, &len);
    for (int i = 7; i >= 0; i--) n = n << 8 | file[i];
    const char *entry = strstr((char *)file + 8, "\"" LAYER "self_attn.q_proj.weight.hessian\"");
    const char *offsets = entry ? strstr(entry, "data_offsets\":[") : NULL;
    if (!offsets || sscanf(offsets + 15, "%zu", &first) != 1) scratch_die("no Hessian of q");
    memcpy(file + 8 + n + first + 8, &value, sizeof value); /* row 0, column 1 */
    scratch_write(&room, out, file, len);
    free(file);
}

/* A state that is no state is an error, not a fallback. */
static void check_broken(const char *in)
{
    char state[SCRATCH_PATH], out[SCRATCH_PATH];
    const whit_method_options m = methods_of("gptq", NULL);
    const job_ask ask = { .scheme = "int4-g32",
                          .method = &m,
                          .calibration = at("broken.state", state) };
    job j;
    CHECK(job_run(&j, in, at("no.safetensors", out), &ask) == WHIT_ERR_FORMAT &&
              strstr(j.err.msg, "broken.state") && job_one_line(&j.err),
          "%s", j.err.msg);
    CHECK(access(out, F_OK) != 0, "an output is there");
    job_close(&j);
}

/* A scale beyond its type is an error that names the matrix, whichever of its input it is. */
static void check_too_large(const methods_text *text)
{
    static const char *const methods[] = { "gptq", "awq", "awq+gptq" };
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        const whit_method_options m = methods_of(methods[i], text);
        job j;
        job_run(&j, at("wild", in), at("no.safetensors", out),
                &(job_ask){ .scheme = "int4-g32", .method = &m });
        CHECK(j.status == WHIT_ERR_NUMERIC &&
                  strstr(j.err.msg, "wild: " LAYER "mlp.up_proj.weight: ") &&
                  strstr(j.err.msg, "a scale is too large for F16; try: -sf32"),
              "%s: %s", methods[i], j.err.msg);
        job_close(&j);
    }
}

static void check_lapses(const char *config, const methods_text *text)
{
    char model[SCRATCH_PATH], path[SCRATCH_PATH];
    methods_text few;
    methods_ids(&few, 40, 64, 3);
    at("m", model);
    methods_state(model, &few, 1, at("few.state", path));
    make_part(at("part.state", path), 0);
    make_part(at("flat.state", path), 1);
    make_bent(at("m.state", path), "bent.state", 1e12);
    make_bent(path, "broken.state", NAN);
    check_broken(model);
    folder_changed("wild", config, "up_proj", make_wild);
    folder_changed("dead", config, "input_layernorm", make_dead);
    folder_changed("grid", config, "_proj.weight", make_grid);
    for (size_t i = 0; i < sizeof lapses / sizeof lapses[0]; i++) check_lapse(&lapses[i], text);
    check_too_large(text);
    methods_free(&few);
}

/* ---- biases ---------------------------------------------------------------------------------- */

/* The largest mean error of an output of b, by what came into a: norms of b may be scaled ones.
 * With the biases of each, or without. */
static double mean_error(const whit_calib *state, const whit_source *a, const whit_source *b,
                         const char *linear, int biases)
{
    char weight[80], bias[80];
    snprintf(weight, sizeof weight, LAYER "self_attn.%s_proj.weight", linear);
    snprintf(bias, sizeof bias, LAYER "self_attn.%s_proj.bias", linear);
    const size_t in = whit_calib_find(state, weight);
    const size_t rows = (size_t)whit_source_at(a, whit_source_find(a, weight))->rows;
    float *x = job_values(a, weight), *y = job_values(b, weight);
    float *c = job_values(a, bias), *d = job_values(b, bias);
    float *m = job_values(a, LAYER "input_layernorm.weight");
    float *n = job_values(b, LAYER "input_layernorm.weight");
    double most = 0;
    for (size_t r = 0; r < rows; r++) {
        double e = biases ? (double)c[r] - (double)d[r] : 0;
        for (size_t k = 0; k < DIM; k++)
            e += ((double)x[r * DIM + k] - (double)y[r * DIM + k] * (double)n[k] / (double)m[k]) *
                 whit_calib_channel_at(state, in, k).mean;
        most = fmax(most, fabs(e));
    }
    free(x);
    free(y);
    free(c);
    free(d);
    free(m);
    free(n);
    return most;
}

static void check_biases(const char *config, whit_dtype type, const methods_text *text)
{
    static const struct {
        const char *method, *scheme;
        size_t linears; /* of which q, k, v are looked at: rows of v are scaled, too */
    } ways[] = {
        { "gptq", "int3-g32", 3 },
        { "gptq", "nvfp4", 3 },
        { "awq", "int3-g32", 2 },
        { "awq+gptq", "int3-g32", 2 },
    };
    static const char *const linears[] = { "q", "k", "v" };
    const double ulp = type == WHIT_F32 ? 1e-6 : 1e-3; /* biases of 1/4 at most, in their type */
    char in[SCRATCH_PATH], out[SCRATCH_PATH], path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    whit_calib *state = NULL;
    methods_folder(&room, "biased", config, WHIT_F32, type);
    methods_state(at("biased", in), text, 1, at("biased.state", path));
    CHECK(whit_calib_open(&state, path, &err) == WHIT_OK, "%s", err.msg);
    whit_source *a = job_open(in);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        const whit_method_options m = methods_of(ways[i].method, NULL);
        const job_ask ask = { .scheme = ways[i].scheme, .calibration = path, .method = &m };
        job_quantize(in, at("out.safetensors", out), &ask);
        whit_source *b = job_open(out);
        for (size_t k = 0; k < ways[i].linears; k++) {
            const double is = mean_error(state, a, b, linears[k], 1);
            const double was = mean_error(state, a, b, linears[k], 0);
            CHECK(is <= ulp && was > 4 * ulp, "%s, %s of %s, %s: mean error %g, was %g",
                  whit_dtype_name(type), ways[i].method, linears[k], ways[i].scheme, is, was);
        }
        whit_source_close(b);
        remove(out);
    }
    whit_source_close(a);
    whit_calib_close(state);
    scratch_remove_tree(in);
    remove(path);
}

int main(void)
{
    char config[1024], path[SCRATCH_PATH], state[SCRATCH_PATH];
    methods_text text;
    scratch_make(&room);
    methods_config(config, "qwen2", DIM, FFN, 16, 64);
    models_folder(&room, "m", config);
    methods_ids(&text, 200, 64, 1);
    methods_state(at("m", path), &text, 1, at("m.state", state));
    check_lapses(config, &text);
    check_biases(config, WHIT_F32, &text);
    check_biases(config, WHIT_BF16, &text);
    methods_free(&text);
    scratch_remove(&room);
    return check_result();
}
