/* tests/test_model.c - running models: logits against those of another program, and against
 * themselves however the ids are fed.
 *
 *   test_model DATA          (the goldens are in DATA/../golden/model)
 *   test_model DATA write    print the lines of checksums.txt
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/whit.h>

#include <math.h>

#include "models.h"

#define TOKENS 40
#define TOLERANCE 1e-4 /* of the largest logit */

static const char *const cases[] = {
    "llama",        "llama-biases",   "llama-linear", "llama-llama3",      "llama-odd",
    "llama-yarn",   "mistral-window", "qwen2",        "qwen2-window-yarn", "qwen3",
    "qwen3-biases", "stories260K",
};
#define CASES (sizeof cases / sizeof cases[0])

static void fill_ids(uint32_t ids[TOKENS], uint32_t vocabulary, int start)
{
    for (uint32_t t = 0; t < TOKENS; t++) ids[t] = (7 * t + 3) % vocabulary;
    if (start) ids[0] = 1;
}

/* Logits of all tokens, fed in pieces of at most `piece`; freed with free(). */
static float *run(whit_model *m, const uint32_t *ids, size_t piece)
{
    const size_t vocabulary = whit_model_describe(m)->vocabulary;
    float *logits = malloc(TOKENS * vocabulary * sizeof *logits);
    whit_session *s = NULL;
    whit_error err = { WHIT_OK, "" };
    CHECK(whit_session_open(&s, m, TOKENS, &err) == WHIT_OK, "%s", err.msg);
    for (size_t t = 0; s && logits && t < TOKENS; t += piece) {
        size_t n = TOKENS - t < piece ? TOKENS - t : piece;
        whit_status st =
            whit_session_feed(s, ids + t, n, WHIT_LOGITS_ALL, logits + t * vocabulary, &err);
        CHECK(st == WHIT_OK, "%s", err.msg);
    }
    CHECK(s && whit_session_position(s) == TOKENS, "position");
    whit_session_close(s);
    return logits;
}

static uint64_t checksum(const float *x, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    const unsigned char *p = (const unsigned char *)x;
    for (size_t i = 0; i < n * sizeof *x; i++) h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

/* The largest difference, by the largest magnitude of want. */
static double distance(const float *got, const float *want, size_t n)
{
    double most = 0, scale = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - (double)want[i]);
        if (!(d <= most)) most = d;
        scale = fmax(scale, fabs((double)want[i]));
    }
    return most / scale;
}

static float *golden_logits(const char *golden, const char *name, size_t n)
{
    char path[SCRATCH_PATH];
    whit_file *file = NULL;
    whit_error err = { WHIT_OK, "" };
    float *want = malloc(n * sizeof *want);
    snprintf(path, sizeof path, "%s/%s.npy", golden, name);
    CHECK(want && whit_file_open(&file, path, &err) == WHIT_OK &&
              whit_file_tensor(file, 0)->elements == n &&
              whit_file_read_f32(file, 0, 0, n, want, &err) == WHIT_OK,
          "%s: %s", path, err.msg);
    whit_file_close(file);
    return want;
}

/* One model: near the golden, the same bits for any threads and pieces. The checksum. */
static uint64_t check_model(const char *path, const char *golden, const char *name)
{
    static const size_t pieces[] = { 1, 7, 16, 39 };
    whit_model *m = models_open(path, 1, WHIT_ACTS_F32);
    const size_t n = TOKENS * (size_t)whit_model_describe(m)->vocabulary;
    uint32_t ids[TOKENS];
    fill_ids(ids, whit_model_describe(m)->vocabulary, strcmp(name, "stories260K") == 0);
    float *got = run(m, ids, TOKENS), *want = golden_logits(golden, name, n);
    CHECK(distance(got, want, n) < TOLERANCE, "%s: %g off", path, distance(got, want, n));
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        float *again = run(m, ids, pieces[i]);
        CHECK(memcmp(got, again, n * sizeof *got) == 0, "%s in pieces of %zu", path, pieces[i]);
        free(again);
    }
    whit_model_close(m);
    for (unsigned threads = 2; threads <= 8; threads += 3) {
        m = models_open(path, threads, WHIT_ACTS_F32);
        float *again = run(m, ids, 21);
        CHECK(memcmp(got, again, n * sizeof *got) == 0, "%s with %u threads", path, threads);
        free(again);
        whit_model_close(m);
    }
    const uint64_t sum = checksum(got, n);
    free(got);
    free(want);
    return sum;
}

static void check_case(const scratch *s, const char *data, const char *golden, const char *name,
                       st_text *lines)
{
    char path[SCRATCH_PATH];
    size_t len;
    if (strcmp(name, "stories260K") == 0) {
        snprintf(path, sizeof path, "%s/stories260K", data);
        st_putf(lines, "%s %016llx\n", name, (unsigned long long)check_model(path, golden, name));
        return;
    }
    snprintf(path, sizeof path, "%s/%s.json", golden, name);
    char *config = scratch_read(path, &len);
    models_folder(s, name, config);
    const uint64_t sum = check_model(scratch_path(s, name, path), golden, name);
    st_putf(lines, "%s %016llx\n", name, (unsigned long long)sum);
    if (models_gguf(s, "m.gguf", config))
        CHECK(check_model(scratch_path(s, "m.gguf", path), golden, name) == sum,
              "%s: GGUF gives other bits than the folder", name);
    free(config);
}

static void check_sums(const char *golden, const st_text *lines)
{
    char path[SCRATCH_PATH];
    size_t len;
    snprintf(path, sizeof path, "%s/checksums.txt", golden);
    char *want = scratch_read(path, &len);
    CHECK(strcmp(want, lines->data) == 0, "golden/model/checksums.txt:\n%s-- is not\n%s", want,
          lines->data);
    free(want);
}

int main(int argc, char **argv)
{
    char golden[SCRATCH_PATH / 2];
    scratch s;
    st_text lines = { 0 };
    whit_error err;
    const char *isa;
    if (argc < 2) return 1;
    if (whit_isa(&isa, &err) != WHIT_OK) {
        printf("skip: %s\n", err.msg);
        return CHECK_SKIP;
    }
    snprintf(golden, sizeof golden, "%s/../golden/model", argv[1]);
    scratch_make(&s);
    for (size_t i = 0; i < CASES; i++) check_case(&s, argv[1], golden, cases[i], &lines);
    if (argc > 2)
        printf("%s", lines.data);
    else
        check_sums(golden, &lines);
    free(lines.data);
    scratch_remove(&s);
    return check_result();
}
