/* tests/test_check.c - whit_check_run: silent on what quantize writes, loud on what was damaged.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include <math.h>

#include "jobs.h"

static whit_status run_check(const whit_source *src, unsigned threads, whit_check **c,
                             whit_error *err)
{
    whit_job_options o;
    whit_job_options_init(&o);
    o.threads = threads;
    return whit_check_run(c, src, &o, err);
}

/* 9 columns leave unused bits at the end of a row for every width but 8. */
static void write_source(const scratch *s)
{
    st_build b = { 0 };
    check_rng r = { 4 };
    static float w[300 * 1001];
    for (size_t i = 0; i < sizeof w / sizeof w[0]; i++) w[i] = check_normal(&r);
    for (size_t i = 0; i < 4; i++) w[i] = 0.0f; /* a group of zeros */
    st_add2(&b, "w", "F32", 6, 9, w, 6 * 9 * 4);
    st_add2(&b, "large", "F32", 300, 1001, w, sizeof w);
    st_add2(&b, "plain", "F32", 0, 9, w, 36);
    st_write(&b, s, "source.safetensors");
}

static void sound(const scratch *s)
{
    static const char *const schemes[] = { "int2-g4",      "int3-asym-g2", "int4-tensor",
                                           "int5-channel", "int6-g5-asym", "int7-tensor-asym",
                                           "int8",         "int8-g3-asym", "nf4-g4",
                                           "nf4-channel",  "f16",          "bf16",
                                           "keep" };
    char in[SCRATCH_PATH], out[SCRATCH_PATH], rule[32];
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        whit_check *c = NULL;
        whit_error err = { WHIT_OK, "" };
        snprintf(rule, sizeof rule, "{w,large}=%s", schemes[i]);
        job_quantize(scratch_path(s, "source.safetensors", in),
                     scratch_path(s, "sound.safetensors", out),
                     &(job_ask){ .rules = { rule }, .clip = WHIT_CLIP_MINMAX, .job.force = 1 });
        whit_source *src = job_open(out);
        CHECK(run_check(src, 1 + (unsigned)i % 3, &c, &err) == WHIT_OK, "%s", err.msg);
        if (c)
            CHECK(whit_check_problems(c) == 0 && whit_check_notes(c) == 0, "%s: %s", schemes[i],
                  whit_check_problems(c) ? whit_check_problem(c, 0) : whit_check_note(c, 0));
        whit_check_free(c);
        whit_source_close(src);
    }
    remove(out);
}

typedef struct damage {
    const char *scheme, *tensor, *plane;
    size_t element; /* of that many bytes, the length of `bytes` below */
    const char *bytes;
    unsigned char count;
    int problem; /* 1: one problem is to be found; -1: a note; 0: this is allowed */
} damage;

static void overwrite(const char *path, uint64_t at, const char *bytes, size_t count)
{
    FILE *f = fopen(path, "r+b");
    if (!f || fseek(f, (long)at, SEEK_SET) != 0 || fwrite(bytes, 1, count, f) != count)
        scratch_die(path);
    fclose(f);
}

static void check_damage(const scratch *s, const damage *d, size_t number)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH], rule[40], name[32];
    whit_error err = { WHIT_OK, "" };
    snprintf(rule, sizeof rule, "{w,large}=%s", d->scheme);
    snprintf(name, sizeof name, "%s%s", d->tensor, d->plane);
    job_quantize(scratch_path(s, "source.safetensors", in),
                 scratch_path(s, "damaged.safetensors", out),
                 &(job_ask){ .rules = { rule }, .clip = WHIT_CLIP_MINMAX, .job.force = 1 });
    whit_source *src = job_open(out);
    const whit_file *f = whit_source_file(src);
    size_t i = whit_file_find(f, name);
    CHECK(i != WHIT_NOT_FOUND, "%s", name);
    if (i == WHIT_NOT_FOUND) exit(check_result());
    size_t count = (size_t)(whit_file_tensor(f, i)->bytes / d->count);
    size_t element = d->element == SIZE_MAX ? count - 1 : d->element;
    overwrite(out, whit_file_tensor(f, i)->offset + element * d->count, d->bytes, d->count);
    for (unsigned threads = 1; threads <= 3; threads += 2) {
        whit_check *c = NULL;
        CHECK(run_check(src, threads, &c, &err) == WHIT_OK && c, "case %zu: %s", number, err.msg);
        if (!c) continue;
        CHECK(whit_check_problems(c) == (size_t)(d->problem == 1), "case %zu: %zu problems: %s",
              number, whit_check_problems(c),
              whit_check_problems(c) ? whit_check_problem(c, 0) : "");
        CHECK(whit_check_notes(c) == (size_t)(d->problem == -1), "case %zu: %zu notes: %s", number,
              whit_check_notes(c), whit_check_notes(c) ? whit_check_note(c, 0) : "");
        if (d->problem == 1 && whit_check_problems(c) == 1)
            CHECK(strstr(whit_check_problem(c, 0), d->tensor), "%s", whit_check_problem(c, 0));
        CHECK(!whit_check_problem(c, 1) && !whit_check_note(c, 1), "beyond the end");
        whit_check_free(c);
    }
    whit_source_close(src);
}

static void damaged(const scratch *s)
{
    static const damage cases[] = {
        /* clang-format off */
        { "int4-g4",          "w",     ".scale", 3,        "\0\0",         2, 1 },
        { "int4-g4",          "w",     ".scale", 0,        "\0\200",       2, 1 },
        { "int4-g4",          "w",     ".scale", SIZE_MAX, "\0\174",       2, 1 }, /* infinity */
        { "int4-g4",          "w",     ".scale", 1,        "\0\374",       2, 1 },
        { "int4-g4",          "w",     ".scale", 2,        "\1\176",       2, 1 }, /* NaN */
        { "int4-g4",          "w",     ".scale", 2,        "\1\0",         2, 0 }, /* subnormal */
        { "int4-g4",          "w",     ".scale", 2,        "\0\274",       2, 0 }, /* -1 */
        { "int4-g4",          "large", ".scale", SIZE_MAX, "\0\0",         2, 1 },
        { "int4-g4-asym",     "w",     ".scale", 2,        "\0\274",       2, 1 },
        { "int8",             "w",     ".scale", 2,        "\0\0\200\277", 4, 1 }, /* -1 */
        { "int8",             "w",     ".scale", 2,        "\0\0\200\77",  4, 0 },
        { "int8",             "w",     ".scale", 5,        "\0\0\0\0",     4, 1 },
        { "int8-tensor",      "w",     ".scale", 0,        "\0\0\200\177", 4, 1 }, /* infinity */
        { "int8-tensor-sbf16", "large", ".scale", 0,       "\300\177",     2, 1 }, /* NaN */
        { "nf4-g4-sf32",      "w",     ".scale", 4,        "\0\0\300\377", 4, 1 }, /* NaN */
        { "int8",             "w",     ".q",     7,        "\0",           1, 1 }, /* -128 */
        { "int8",             "large", ".q",     SIZE_MAX, "\0",           1, 1 },
        { "int8",             "w",     ".q",     7,        "\377",         1, 0 },
        { "int8-asym",        "w",     ".q",     7,        "\0",           1, 0 },
        { "int7-g4",          "w",     ".q",     0,        "\0",           1, 0 },
        { "int3-g4",          "w",     ".q",     3,        "\10",          1, 1 }, /* 27 of 32 bits */
        { "int3-g4",          "w",     ".q",     3,        "\7",           1, 0 },
        { "int3-g4",          "w",     ".q",     SIZE_MAX, "\200",         1, 1 },
        { "int3-g4",          "w",     ".q",     4,        "\377",         1, 0 }, /* next row begins */
        { "int2-g4",          "large", ".q",     SIZE_MAX, "\4",           1, 1 },
        { "int4-tensor",      "w",     ".q",     4,        "\20",          1, 1 },
        { "nf4-g4",           "w",     ".q",     4,        "\360",         1, 1 },
        { "int5-channel",     "w",     ".q",     5,        "\40",          1, 1 },
        { "int6-channel",     "w",     ".q",     6,        "\100",         1, 1 },
        { "int7-channel",     "w",     ".q",     7,        "\200",         1, 1 },
        { "int3-g4-asym",     "w",     ".zero",  0,        "\10",          1, 1 },
        { "int3-g4-asym",     "w",     ".zero",  0,        "\7",           1, 0 },
        { "int4-asym-tensor", "w",     ".zero",  0,        "\20",          1, 1 },
        { "int7-asym",        "large", ".zero",  SIZE_MAX, "\200",         1, 1 },
        { "int8-asym",        "w",     ".zero",  0,        "\377",         1, 0 },
        { "int4",             "plain", "",       4,        "\0\0\300\177", 4, -1 },
        { "int4",             "plain", "",       8,        "\0\0\200\377", 4, -1 },
        { "keep",             "w",     "",       8,        "\0\0\200\377", 4, -1 },
        { "bf16",             "w",     "",       8,        "\200\377",     2, -1 },
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) check_damage(s, &cases[i], i);
}

/* Checkpoints of other programs, where a code may be any octet: sound as they are, and with a scale
 * that is infinite not. */
static void checkpoints(const scratch *s, const char *data)
{
    static const char *const folders[] = { "awq",         "bnb-4",     "bnb-dq",   "bnb-int8",
                                           "ct-actorder", "ct-packed", "ct-plain", "fp8",
                                           "gptq-3",      "gptq-4-act" };
    char path[SCRATCH_PATH];
    for (size_t i = 0; i <= sizeof folders / sizeof folders[0]; i++) {
        whit_error err = { WHIT_OK, "" };
        whit_check *c = NULL;
        const int broken = i == sizeof folders / sizeof folders[0];
        snprintf(path, sizeof path, "%s/hf/%s/model.safetensors", data,
                 broken ? "awq-bare" : folders[i]);
        if (broken) {
            size_t len;
            void *bytes = scratch_read(path, &len);
            scratch_write(s, "awq.safetensors", bytes, len);
            free(bytes);
            whit_source *whole = job_open(scratch_path(s, "awq.safetensors", path));
            const whit_file *f = whit_source_file(whole);
            for (size_t k = 0; k < whit_file_count(f); k++)
                if (strstr(whit_file_tensor(f, k)->name, ".scales"))
                    overwrite(path, whit_file_tensor(f, k)->offset, "\0\174", 2);
            whit_source_close(whole);
        }
        whit_source *src = job_open(path);
        CHECK(run_check(src, 2, &c, &err) == WHIT_OK && c, "%s: %s", path, err.msg);
        const char *first = c ? whit_check_problem(c, 0) : NULL;
        CHECK(c && (broken ? first && strstr(first, "decoded values that are not finite") : !first),
              "%s: %s", path, first ? first : "no problem");
        whit_check_free(c);
        whit_source_close(src);
    }
}

/* A file that becomes shorter while it is open is an error, not a finding; so is no source. */
static void errors(const scratch *s)
{
    char out[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    whit_check *c = NULL;
    whit_job_options o;
    size_t len;
    whit_source *src = job_open(scratch_path(s, "damaged.safetensors", out));
    free(scratch_read(out, &len));
    CHECK(truncate(out, (off_t)len - 1) == 0, "truncate");
    CHECK(run_check(src, 2, &c, &err) == WHIT_ERR_FORMAT && !c && job_one_line(&err), "%s",
          err.msg);
    whit_job_options_init(&o);
    CHECK(whit_check_run(&c, NULL, &o, &err) == WHIT_ERR_ARG && !c, "no source");
    CHECK(whit_check_run(&c, src, NULL, &err) == WHIT_ERR_ARG && !c, "no options");
    o.max_memory = 1;
    CHECK(whit_check_run(&c, src, &o, &err) == WHIT_ERR_NOMEM && !c, "%s", err.msg);
    whit_check_free(NULL);
    whit_source_close(src);
}

int main(int argc, char **argv)
{
    scratch s;
    if (argc < 2) return 1;
    scratch_make(&s);
    write_source(&s);
    sound(&s);
    damaged(&s);
    checkpoints(&s, argv[1]);
    errors(&s);
    scratch_remove(&s);
    return check_result();
}
