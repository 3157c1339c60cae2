/* tests/fuzz/fuzz_verify.c - what a model says about how it was made, taken at its word.
 *
 * The input is the recipe, the options, the digests and the notes in the metadata of a small file,
 * with a NUL behind each; a text that is not there is not in the file. The file is verified against
 * a source of the same tensors: that ends with an account of what does not fit, or one line.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/verify.h>

#include "input.h"
#include "st_build.h"

enum { MOST_TEXT = 2048 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_model(const scratch *folder, const char *name, const char *const *value)
{
    static const char *const key[] = { "whit.recipe", "whit.options", "whit.sha256", "whit.notes" };
    st_build b = { { 0 }, { 0 }, { 0 } };
    float w[2][4 * 32];
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < 4 * 32; k++) w[i][k] = (float)(int)(k * 7 % 31) - 15.0f + (float)i;
    st_add2(&b, "l.0.up_proj.weight", "F32", 4, 32, w[0], sizeof w[0]);
    st_add2(&b, "lm_head.weight", "F32", 4, 32, w[1], sizeof w[1]);
    st_add2(&b, "norm.weight", "F32", 0, 4, w[0], 16);
    for (size_t i = 0; value && i < sizeof key / sizeof key[0]; i++)
        if (value[i]) st_meta(&b, key[i], value[i]);
    st_write(&b, folder, name);
}

static void one_line(const char *text)
{
    require(*text != 0);
    for (const char *p = text; *p; p++) require((unsigned char)*p >= ' ' && *p != 0x7f);
}

/* Text and JSON about it come to an end; nothing reads them here. */
static void check_written(const whit_source *model, const whit_verification *v)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    require(out != NULL);
    const whit_status st = whit_provenance_write_text(model, out, NULL);
    require(whit_provenance_write_json(model, out, NULL) == st);
    require(st == WHIT_OK || st == WHIT_ERR_FORMAT);
    if (v) {
        whit_verification_write_text(v, 0, out);
        whit_verification_write_json(v, out);
        for (size_t i = 0; i < whit_verification_problems(v); i++)
            one_line(whit_verification_problem(v, i));
    }
    require(fclose(out) == 0);
    free(text);
}

static void check_model(const whit_source *model, const whit_source *source)
{
    whit_error err = { WHIT_OK, "" };
    whit_verify_options o;
    whit_verification *v = NULL;
    whit_verify_options_init(&o);
    o.against = source;
    o.sample = 0;
    o.job.threads = 1;
    const whit_status st = whit_verify(&v, model, &o, &err);
    require((st == WHIT_OK) == (v != NULL));
    if (st != WHIT_OK) {
        require(st == WHIT_ERR_ARG || st == WHIT_ERR_FORMAT || st == WHIT_ERR_UNSUPPORTED ||
                st == WHIT_ERR_NUMERIC);
        one_line(err.msg);
    }
    check_written(model, v);
    whit_verification_free(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static scratch folder;
    static whit_source *source;
    static char path[SCRATCH_PATH];
    char text[MOST_TEXT + 1];
    const char *value[4] = { NULL };
    whit_source *model = NULL;
    whit_error err = { WHIT_OK, "" };
    if (size > MOST_TEXT) return 0;
    if (!source) {
        input_put("used for its folder", NULL, 0);
        folder = input.folder;
        put_model(&folder, "source.safetensors", NULL);
        scratch_path(&folder, "source.safetensors", path);
        require(whit_source_open(&source, path, &err) == WHIT_OK);
        scratch_path(&folder, "model.safetensors", path);
    }
    if (size > 0) memcpy(text, data, size);
    text[size] = 0;
    for (size_t i = 0, at = 0; i < 4 && at < size; at += strlen(text + at) + 1)
        value[i++] = text + at;
    put_model(&folder, "model.safetensors", value);
    const whit_status st = whit_source_open(&model, path, &err);
    if (st == WHIT_OK)
        check_model(model, source);
    else
        input_refused(st, &err, "model.safetensors");
    whit_source_close(model);
    return 0;
}
