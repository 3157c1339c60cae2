/* tests/test_checkpoint.c - folders in the formats of other programs: what their configuration
 * says, what is refused because no loader would take it.
 *
 * Not here: that the tensors decode to the right values (test_hf_pairs.c, interop/checkpoints.py).
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "jobs.h"

typedef struct matrix {
    const char *name;
    uint64_t rows, cols;
} matrix;

/* A model folder "NAME" of such matrices in F32, and its config.json. */
static void make(const scratch *s, const char *name, const char *config, const matrix *m, size_t n)
{
    st_build b = { 0 };
    check_rng rng = { 7 };
    char file[128];
    scratch_folder(s, name);
    for (size_t i = 0; i < n; i++) {
        const size_t count = (size_t)(m[i].rows * m[i].cols);
        float *w = malloc(count * sizeof *w);
        if (!w) scratch_die(name);
        for (size_t k = 0; k < count; k++) w[k] = check_f32(&rng);
        st_add2(&b, m[i].name, "F32", m[i].rows, m[i].cols, w, count * sizeof *w);
        free(w);
    }
    snprintf(file, sizeof file, "%s/model.safetensors", name);
    st_write(&b, s, file);
    snprintf(file, sizeof file, "%s/config.json", name);
    scratch_text(s, file, config);
}

/* That the file of an output holds the text. */
static void holds(const scratch *s, const char *name, const char *text)
{
    char path[SCRATCH_PATH];
    size_t len;
    char *all = scratch_read(scratch_path(s, name, path), &len);
    CHECK(strstr(all, text), "%s: no %s in %s", name, text, all);
    free(all);
}

#define BLOCK "model.layers.0.self_attn."

/* Floats that a loader may make a linear layer of, and tables that it will not. */
static void test_left_alone(const scratch *s)
{
    static const matrix m[] = {
        { "model.embed_tokens.weight", 64, 64 },
        { BLOCK "q_proj.weight", 64, 64 },
        { "embed_vision.embedding_projection.weight", 64, 64 },
        { "embed_out.weight", 64, 64 },
        { "lm_head.weight", 64, 64 },
        { "score.weight", 64, 64 },
        { "model.wte.weight", 64, 64 },
    };
    static const char list[] =
        "[\"lm_head\",\"embed_vision.embedding_projection\",\"embed_out\",\"score\"]";
    static const struct {
        const char *scheme, *key;
        whit_format format;
    } cases[] = {
        { "int4-g32", "\"ignore\":", WHIT_FORMAT_CT },
        { "nf4-g64", "\"llm_int8_skip_modules\":", WHIT_FORMAT_BNB },
        { "int4-g32", "\"modules_to_not_convert\":", WHIT_FORMAT_AWQ },
    };
    char in[SCRATCH_PATH], out[SCRATCH_PATH], want[256];
    make(s, "heads", "{}", m, sizeof m / sizeof m[0]);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const job_ask ask = { .scheme = cases[i].scheme,
                              .format = cases[i].format,
                              .job = { .force = 1 } };
        job_quantize(scratch_path(s, "heads", in), scratch_path(s, "left", out), &ask);
        snprintf(want, sizeof want, "%s%s", cases[i].key, list);
        holds(s, "left/config.json", want);
    }
}

int main(void)
{
    scratch s;
    scratch_make(&s);
    test_left_alone(&s);
    scratch_remove(&s);
    return check_result();
}
