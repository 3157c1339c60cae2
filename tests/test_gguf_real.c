/* tests/test_gguf_real.c - a whole quantized model: how far a Q4_0 file is from the F16 weights of
 * the same model, which lie beside it as a Hugging Face folder.
 *
 * The floats are written again under llama.cpp's names, and the rows of q and k in its order: row
 * 2j+i of a head there is row 4i+j here. The figures are those of the SQNR's definition on these
 * two files, calculated once in numpy from the formula of Q4_0.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <math.h>

#include "jobs.h"

enum { HEAD = 8 }; /* rows of a head */

/* The name in the folder for one in the GGUF file. */
static void folder_name(const char *name, char out[96])
{
    static const char *const parts[][2] = {
        { "attn_norm", "input_layernorm" },
        { "attn_q", "self_attn.q_proj" },
        { "attn_k", "self_attn.k_proj" },
        { "attn_v", "self_attn.v_proj" },
        { "attn_output", "self_attn.o_proj" },
        { "ffn_norm", "post_attention_layernorm" },
        { "ffn_gate", "mlp.gate_proj" },
        { "ffn_up", "mlp.up_proj" },
        { "ffn_down", "mlp.down_proj" },
        { "token_embd", "embed_tokens" },
        { "output_norm", "norm" },
    };
    char part[32];
    int layer = -1;
    if (sscanf(name, "blk.%d.%31[a-z_]", &layer, part) != 2) sscanf(name, "%31[a-z_]", part);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (strcmp(part, parts[i][0]) != 0) continue;
        if (layer >= 0)
            snprintf(out, 96, "model.layers.%d.%s.weight", layer, parts[i][1]);
        else
            snprintf(out, 96, "model.%s.weight", parts[i][1]);
        return;
    }
    snprintf(out, 96, "?%s", part);
}

static void write_floats(const scratch *s, const whit_source *gguf, const whit_source *folder)
{
    st_build b = { 0 };
    for (size_t i = 0; i < whit_source_count(gguf); i++) {
        const whit_source_tensor *t = whit_source_at(gguf, i);
        const size_t rows = (size_t)t->rows, cols = (size_t)t->cols;
        char name[96];
        folder_name(t->tensor.name, name);
        float *v = job_values(folder, name), *w = malloc(rows * cols * sizeof *w);
        const int turned = strstr(name, "q_proj") || strstr(name, "k_proj");
        if (!w) scratch_die(name);
        for (size_t r = 0; r < rows; r++) {
            const size_t k = r % HEAD, from = turned ? r - k + k % 2 * (HEAD / 2) + k / 2 : r;
            memcpy(w + r * cols, v + from * cols, cols * sizeof *w);
        }
        st_add2(&b, t->tensor.name, "F32", t->tensor.rank > 1 ? rows : 0, cols, w,
                rows * cols * sizeof *w);
        free(v);
        free(w);
    }
    st_write(&b, s, "floats.safetensors");
}

static void check_row(const whit_comparison *c, const char *name, double sqnr, double worst)
{
    for (size_t i = 0; i < whit_comparison_count(c); i++) {
        const whit_compare_row *r = whit_comparison_at(c, i);
        if (strcmp(r->name, name) != 0) continue;
        CHECK(r->sqnr_db == sqnr || fabs(r->sqnr_db - sqnr) < 1e-6, "%s: %.9f dB, not %.9f", name,
              r->sqnr_db, sqnr);
        CHECK(fabs(r->max_abs_error - worst) < 1e-9, "%s: %.12g", name, r->max_abs_error);
        return;
    }
    CHECK(0, "%s is missing", name);
}

int main(int argc, char **argv)
{
    scratch s;
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    whit_comparison *c = NULL;
    whit_job_options o;
    if (argc != 2) return 1;
    scratch_make(&s);
    snprintf(path, sizeof path, "%s/stories260K", argv[1]);
    whit_source *folder = job_open(path);
    snprintf(path, sizeof path, "%s/gguf/stories260K-q4_0.gguf", argv[1]);
    whit_source *gguf = job_open(path);
    write_floats(&s, gguf, folder);
    whit_source *floats = job_open(scratch_path(&s, "floats.safetensors", path));
    whit_job_options_init(&o);
    CHECK(whit_source_count(gguf) == 47 && whit_source_quantized(gguf) == 31, "all");
    CHECK(whit_compare(&c, floats, gguf, &o, &err) == WHIT_OK, "%s", err.msg);
    if (c) {
        const whit_compare_row *all = whit_comparison_total(c);
        CHECK(whit_comparison_count(c) == 47 && whit_comparison_warnings(c) == 0, "all");
        CHECK(fabs(all->sqnr_db - 22.494374674) < 1e-6, "all: %.9f dB", all->sqnr_db);
    }
    if (c) {
        check_row(c, "token_embd.weight", 21.259825478, 0.101928710938);
        check_row(c, "blk.0.attn_q.weight", 21.910765416, 0.0975952148438);
        check_row(c, "blk.3.attn_k.weight", 22.829959604, 0.069091796875);
        check_row(c, "blk.4.ffn_up.weight", 21.479395649, 0.0438232421875);
        check_row(c, "blk.2.ffn_down.weight", INFINITY, 0); /* F16 in both */
    }
    whit_comparison_free(c);
    whit_source_close(floats);
    whit_source_close(gguf);
    whit_source_close(folder);
    scratch_remove(&s);
    return check_result();
}
