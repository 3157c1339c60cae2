/* tests/test_verify.c - digests in what quantize writes, and whit_verify: content with that, loud
 * about every octet that is another.
 *
 * The digests themselves are taken again here, from the bytes of the file and in one piece.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "gguf_build.h"
#include "jobs.h"

#include "base/json.h"
#include "base/sha256.h"

/* A matrix of several tiles, one whose rows are parts, and small ones of all kinds. */
static void write_source(const scratch *s)
{
    static float w[2 * 300 * 1001 + 2 * 300000];
    st_build b = { 0 };
    check_rng r = { 12 };
    for (size_t i = 0; i < sizeof w / sizeof w[0]; i++) w[i] = check_normal(&r);
    st_add2(&b, "tall.weight", "F32", 600, 1001, w, 600 * 1001 * 4);
    st_add2(&b, "long", "F32", 2, 300000, w + 600 * 1001, 2 * 300000 * 4);
    st_add2(&b, "vector", "F32", 0, 33, w, 33 * 4);
    st_add2(&b, "numbers", "I32", 0, 3, w, 12);
    st_add2(&b, "nothing", "F32", 0, 0, w, 0);
    st_add2(&b, "embed_tokens.weight", "F32", 64, 64, w, 64 * 64 * 4);
    st_write(&b, s, "source.safetensors");
}

/* ---- what quantize writes -------------------------------------------------------------------- */

/* Every stored tensor has the digest of its octets, and nothing else has one. */
static void check_digests(const char *path, const char *what)
{
    whit_source *src = job_open(path);
    const whit_file *f = whit_source_file(src);
    const char *text = whit_file_meta_find(f, 0, "whit.sha256");
    size_t named = 0;
    wh_json j;
    CHECK(text != NULL, "%s: no digests", what);
    if (!text) exit(check_result());
    wh_json_init(&j, text, strlen(text));
    CHECK(wh_json_next(&j) == WH_JSON_OBJECT, "%s: %.40s", what, text);
    for (; wh_json_next(&j) == WH_JSON_KEY; named++) {
        uint8_t digest[WH_SHA256_BYTES];
        char name[64], want[WH_SHA256_TEXT];
        size_t len;
        wh_sha256 sum;
        snprintf(name, sizeof name, "%s", j.text);
        unsigned char *bytes = job_bytes(src, name, &len);
        CHECK(bytes != NULL, "%s: %s is not there", what, name);
        wh_sha256_init(&sum);
        wh_sha256_add(&sum, bytes ? bytes : (unsigned char *)name, bytes ? len : 0);
        wh_sha256_end(&sum, digest);
        wh_sha256_text(digest, want);
        wh_json_next(&j);
        CHECK(strcmp(j.text, want) == 0, "%s: %s: %s, not %s", what, name, j.text, want);
        free(bytes);
    }
    CHECK(named == whit_file_count(f), "%s: %zu digests of %zu tensors", what, named,
          whit_file_count(f));
    wh_json_free(&j);
    whit_source_close(src);
}

/* What the verification at hand borrows. */
static whit_source *looked_at, *made_from;

static void done(whit_verification *v)
{
    whit_verification_free(v);
    whit_source_close(looked_at);
    whit_source_close(made_from);
}

static whit_verification *verify(const char *path, const char *against, uint64_t sample,
                                 unsigned threads, whit_status want, whit_error *err)
{
    whit_verification *v = NULL;
    looked_at = job_open(path);
    made_from = against ? job_open(against) : NULL;
    whit_verify_options o;
    whit_verify_options_init(&o);
    o.against = made_from;
    o.sample = sample;
    o.job.threads = threads;
    whit_status st = whit_verify(&v, looked_at, &o, err);
    CHECK(st == want && (st == WHIT_OK) == (v != NULL), "%s: %d: %s", path, (int)st, err->msg);
    if (!v && want == WHIT_OK) exit(check_result());
    return v;
}

/* 1: the JSON of it holds this. */
static int says(const whit_verification *v, const char *text)
{
    char *data = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&data, &len);
    whit_verification_write_json(v, f);
    fclose(f);
    const int found = strstr(data, text) != NULL;
    free(data);
    return found;
}

static void sound(const scratch *s)
{
    static const char *const schemes[] = {
        "int4-g32",          "int4-g64-asym", "int3-tensor", "int8",
        "int8-tensor-asym",  "int5-channel",  "nf4-dq",      "nvfp4",
        "fp8_e4m3-block7x9", "mxfp4",         "f16",         "keep",
    };
    char in[SCRATCH_PATH], out[SCRATCH_PATH], other[SCRATCH_PATH];
    scratch_path(s, "source.safetensors", in);
    scratch_path(s, "sound.safetensors", out);
    scratch_path(s, "other.safetensors", other);
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        for (int fake = 0; fake < 2; fake++) {
            whit_error err = { WHIT_OK, "" };
            job_ask ask = { .scheme = schemes[i],
                            .embeddings = "int8-g32",
                            .fake_quant = fake,
                            .clip = i % 2 ? WHIT_CLIP_MINMAX : WHIT_CLIP_DEFAULT,
                            .job = { .force = 1, .threads = 3 } };
            if (fake && i % 3) continue;
            job_quantize(in, out, &ask);
            ask.job.threads = 1;
            job_quantize(in, other, &ask);
            CHECK(job_same_file(out, other), "%s: threads show", schemes[i]);
            check_digests(out, schemes[i]);
            whit_verification *v = verify(out, in, 0, 2, WHIT_OK, &err);
            CHECK(whit_verification_problems(v) == 0, "%s: %s", schemes[i],
                  whit_verification_problem(v, 0));
            CHECK(says(v, "\"wrong\":0,") && says(v, "\"of\":6,") && says(v, "\"ok\":true}\n") &&
                      !says(v, "\"identical\":false"),
                  "%s", schemes[i]);
            done(v);
        }
}

/* ---- other octets ---------------------------------------------------------------------------- */

/* One bit at a place of a file. */
static void flip(const char *path, uint64_t at)
{
    FILE *f = fopen(path, "r+b");
    if (!f || fseek(f, (long)at, SEEK_SET) != 0) scratch_die(path);
    const int c = fgetc(f);
    if (c == EOF || fseek(f, (long)at, SEEK_SET) != 0 || fputc(c ^ 1, f) == EOF) scratch_die(path);
    fclose(f);
}

/* The first, last and some octet of every stored tensor, each by itself. */
static void damaged(const scratch *s)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    scratch_path(s, "source.safetensors", in);
    scratch_path(s, "damaged.safetensors", out);
    job_quantize(in, out, &(job_ask){ .scheme = "int4-g64-asym", .job = { .force = 1 } });
    whit_source *src = job_open(out);
    const whit_file *f = whit_source_file(src);
    for (size_t i = 0; i < whit_file_count(f); i++)
        for (int where = 0; where < 3; where++) {
            const whit_tensor *t = whit_file_tensor(f, i);
            const uint64_t at = where == 0 ? 0 : where == 1 ? t->bytes / 3 : t->bytes - 1;
            char place[64];
            if (t->bytes == 0) continue;
            flip(out, t->offset + at);
            whit_verification *v = verify(out, NULL, 0, 1 + (unsigned)where, WHIT_OK, &err);
            const char *first = whit_verification_problem(v, 0);
            CHECK(first && strstr(first, t->name) == first && strstr(first, "SHA-256"), "%s: %s",
                  t->name, first ? first : "no problem");
            CHECK(says(v, "\"wrong\":1,") && says(v, "\"ok\":false}\n"), "%s", t->name);
            done(v);
            v = verify(out, in, 0, 2, WHIT_OK, &err);
            snprintf(place, sizeof place, "byte %llu is", (unsigned long long)at);
            const size_t n = whit_verification_problems(v);
            const char *last = n ? whit_verification_problem(v, n - 1) : "";
            CHECK(strstr(last, t->name) == last && strstr(last, place), "%s, %s: %s", t->name,
                  place, last);
            CHECK(says(v, "\"identical\":false"), "%s", t->name);
            done(v);
            flip(out, t->offset + at);
        }
    whit_source_close(src);
    whit_verification *v = verify(out, in, 0, 2, WHIT_OK, &err);
    CHECK(whit_verification_problems(v) == 0, "%s", whit_verification_problem(v, 0));
    done(v);
}

/* The sample: how many, and that a difference elsewhere is not found by it alone. */
static void sampled(const scratch *s)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH], half[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    scratch_path(s, "source.safetensors", in);
    scratch_path(s, "sampled.safetensors", out);
    job_quantize(in, out, &(job_ask){ .job = { .force = 1 } });
    for (uint64_t n = 1; n <= 8; n++) {
        char text[64];
        whit_verification *v = verify(out, in, n, 1, WHIT_OK, &err);
        size_t rows = 0;
        char *data = NULL;
        size_t len = 0;
        FILE *f = open_memstream(&data, &len);
        whit_verification_write_json(v, f);
        fclose(f);
        for (const char *c = data; (c = strstr(c, "\"identical\":true")) != NULL; c++) rows++;
        CHECK(rows == (n < 6 ? n : 6), "%zu of a sample of %d", rows, (int)n);
        free(data);
        f = open_memstream(&data, &len);
        whit_verification_write_text(v, 0, f);
        fclose(f);
        snprintf(text, sizeof text, "against   %zu of 6 tensors made again, %zu with", rows, rows);
        CHECK(strstr(data, text), "%s", data);
        free(data);
        done(v);
    }
    st_build b = { 0 };
    st_add2(&b, "vector", "F32", 0, 33, NULL, 33 * 4);
    st_add2(&b, "tall.weight", "F32", 2, 1001, NULL, 2 * 1001 * 4);
    st_add2(&b, "more", "F32", 0, 4, NULL, 16);
    st_write(&b, s, "half.safetensors");
    whit_verification *v =
        verify(out, scratch_path(s, "half.safetensors", half), 0, 1, WHIT_OK, &err);
    static const char *const wanted[] = { "tall.weight.q: has another shape", "more: is missing",
                                          "numbers: the source does not give it",
                                          "vector: byte 0 is" };
    for (size_t k = 0; k < 4; k++) {
        int found = 0;
        for (size_t i = 0; i < whit_verification_problems(v); i++)
            found |= strstr(whit_verification_problem(v, i), wanted[k]) != NULL;
        CHECK(found, "not said: %s", wanted[k]);
    }
    done(v);
}

/* ---- digests that are none ------------------------------------------------------------------- */

#define HASH                                                                                       \
    "8a851ff82ee7048ad09ec3847f1ddf44944104d2cbd17ef4e3db22c6785a0d45" /* of 0, 1, .., 7           \
                                                                        */

static void lies(const scratch *s)
{
    static const struct {
        const char *text, *problem; /* NULL: none */
    } cases[] = {
        { "{\"a\":\"" HASH "\",\"b\":\"" HASH "\"}", NULL },
        { " {\"b\" : \"" HASH "\" , \"a\" : \"" HASH "\"} ", NULL },
        { "{\"a\":\"" HASH "\"}", "b: has no digest, others have" },
        { "{}", "a: has no digest, others have" },
        { "", "is no JSON object of digests" },
        { "[]", "is no JSON object of digests" },
        { "{\"a\":\"" HASH "\",\"b\":\"" HASH "\"} x", "is no JSON object of digests" },
        { "{\"a\":\"" HASH "\"", "is no JSON object of digests" },
        { "{\"a\":\"" HASH "\",\"b\":\"" HASH "\",\"c\":\"" HASH "\"}", "c: there is no such" },
        { "{\"a\":\"" HASH "\",\"b\":\"" HASH "\",\"a\":\"" HASH "\"}", "a: is named twice" },
        { "{\"a\":\"" HASH "\",\"b\":\"" HASH "0\"}", "b: no SHA-256" },
        { "{\"a\":\"" HASH "\",\"b\":12}", "b: no SHA-256" },
        { "{\"a\":\"" HASH "\",\"b\":{}}", "b: no SHA-256" },
        { "{\"a\":\"8A851FF82EE7048AD09EC3847F1DDF44944104D2CBD17EF4E3DB22C6785A0D45\"}",
          "a: no SHA-256" },
        { "{\"a\":\"" HASH "\",\"b\":\"fa851ff82ee7048ad09ec3847f1ddf44944104d2cbd17ef4e3db22c678"
          "5a0d45\"}",
          "b: its SHA-256 is " HASH },
    };
    static const unsigned char eight[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        st_build b = { 0 };
        st_meta(&b, "whit.sha256", cases[i].text);
        st_add2(&b, "a", "U8", 0, 8, eight, 8);
        st_add2(&b, "b", "U8", 0, 8, eight, 8);
        st_write(&b, s, "lies.safetensors");
        whit_verification *v =
            verify(scratch_path(s, "lies.safetensors", path), NULL, 0, 1, WHIT_OK, &err);
        const char *first = whit_verification_problem(v, 0);
        CHECK(cases[i].problem ? first && strstr(first, cases[i].problem) : !first, "%s: %s",
              cases[i].text, first ? first : "no problem");
        done(v);
        /* and printed, what is malformed is refused */
        whit_source *src = job_open(path);
        const int wrong = cases[i].problem && !strstr(cases[i].problem, "its SHA");
        FILE *null = fopen("/dev/null", "w");
        CHECK(whit_provenance_write_text(src, null, &err) == (wrong ? WHIT_ERR_FORMAT : WHIT_OK) &&
                  whit_provenance_write_json(src, null, &err) ==
                      (wrong ? WHIT_ERR_FORMAT : WHIT_OK),
              "%s: %s", cases[i].text, err.msg);
        fclose(null);
        whit_source_close(src);
    }
}

/* In GGUF a key may have any type. */
static void no_text(const scratch *s)
{
    static const uint64_t eight = 8;
    static const float values[8] = { 1 };
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    for (int type = 0; type < 3; type++) {
        gg_build b = { 0 };
        if (type == 0) gg_number(&b, "whit.sha256", GG_U64, 8, 8);
        if (type == 1) gg_array(&b, "whit.sha256", GG_U8, 0);
        if (type == 2) gg_string(&b, "whit.sha256", "{\"a\":\"" HASH "\"}\0", 73);
        gg_floats(&b, "a", 1, &eight, values, sizeof values);
        gg_write(&b, s, "lies.gguf");
        whit_verification *v =
            verify(scratch_path(s, "lies.gguf", path), NULL, 0, 1, WHIT_OK, &err);
        const char *first = whit_verification_problem(v, 0);
        CHECK(first && strstr(first, "is no JSON object of digests"), "type %d: %s", type,
              first ? first : "no problem");
        done(v);
    }
}

/* What the file says of its making, and cannot be done again. */
static void not_again(const scratch *s)
{
    static const struct {
        const char *key, *value, *says;
    } cases[] = {
        { "whit.other", "", "says nothing of how it was made" },
        { "whit.recipe", "int4", "no line of a recipe" },
        { "whit.recipe", "w int4\n", "does not begin with the default" },
        { "whit.recipe", "* int99\n", "int99" },
        { "whit.options", "method=gptq", "method=gptq" },
        { "whit.options", "clip=percentile:x", "clip=percentile:x" },
        { "whit.options", "clip=percentile:99x", "clip=percentile:99x" },
        { "whit.options", "clip=percentile:200", "above 0 and at most 100" },
        { "whit.options", "observer=best", "observer=best" },
        { "whit.calibration", HASH, "try: --calibration FILE" },
    };
    char path[SCRATCH_PATH], in[SCRATCH_PATH];
    scratch_path(s, "source.safetensors", in);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        whit_error err = { WHIT_OK, "" };
        st_build b = { 0 };
        st_meta(&b, cases[i].key, cases[i].value);
        if (strcmp(cases[i].key, "whit.recipe") != 0 && i > 0)
            st_meta(&b, "whit.recipe", "* int4-g64\n");
        st_add2(&b, "vector", "F32", 0, 33, NULL, 33 * 4);
        st_write(&b, s, "again.safetensors");
        done(verify(scratch_path(s, "again.safetensors", path), in, 0, 1, WHIT_ERR_ARG, &err));
        CHECK(strstr(err.msg, cases[i].says) && job_one_line(&err), "%s=%s: %s", cases[i].key,
              cases[i].value, err.msg);
    }
}

int main(void)
{
    scratch s;
    scratch_make(&s);
    write_source(&s);
    sound(&s);
    damaged(&s);
    sampled(&s);
    lies(&s);
    no_text(&s);
    not_again(&s);
    scratch_remove(&s);
    return check_result();
}
