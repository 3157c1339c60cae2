/* tests/test_method_resume.c - --resume: whenever a run is killed, the next one goes on to the
 * octets of one that was not; what it goes on from may be damaged, but does no harm.
 *
 * A child kills itself at the n-th word of its progress, for n = 1, 2, .. up to the end.
 * Not here: the journal itself (test_journal.c), signals from outside (cli/method.sh).
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "methods.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/bytes.h"
#include "base/crc32.h"

static scratch room;
static char partial[SCRATCH_PATH], journal[SCRATCH_PATH];

static const char *at(const char *name, char path[SCRATCH_PATH])
{
    return scratch_path(&room, name, path);
}

/* ---- runs ------------------------------------------------------------------------------------ */

typedef struct way {
    const char *method, *scheme, *out;
    int gguf, state;
    int harmed; /* its journal is damaged, too */
} way;

static const way ways[] = {
    { "gptq", "int4-g32", "out.safetensors", 0, 0, 1 },
    { "awq+gptq", "int3-g32-asym", "out.safetensors", 0, 0, 0 },
    { "smoothquant", "int8-channel-a8", "out.safetensors", 0, 0, 0 },
    { "smoothquant+gptq", "int8-channel-a8s", "out.safetensors", 0, 1, 1 },
    { "awq", "nf4-g32", "out", 0, 1, 0 },
    { "gptq", "nvfp4", "out.safetensors", 0, 1, 1 },
    { "gptq", "nvfp4", "out.safetensors", 0, 0, 0 }, /* what was found is decoded again */
    { "gptq", "q4_0", "out.gguf", 1, 0, 1 },
    { "hqq", "int4-g32-asym", "out.safetensors", 0, 0, 0 },
};
#define WAYS (sizeof ways / sizeof ways[0])

typedef struct stop {
    int at, seen; /* at the at-th call; 0: never */
    int kill;     /* 1: the process; 0: the job is cancelled */
} stop;

static int progress(void *user, const whit_progress *p)
{
    stop *s = user;
    (void)p;
    if (++s->seen != s->at) return 0;
    if (s->kill) raise(SIGKILL);
    return 1;
}

static char folder[SCRATCH_PATH], gguf[SCRATCH_PATH], states[2][SCRATCH_PATH];
static methods_text text, other_text;

static whit_status go(const way *w, const char *out, int resume, const methods_text *from, stop *s,
                      whit_error *err)
{
    char rule[96];
    const int learns = strcmp(w->method, "hqq") != 0;
    whit_method_options m = methods_of(w->method, learns && !w->state ? from : NULL);
    m.resume = resume;
    snprintf(rule, sizeof rule, "*_proj.weight=%s", w->scheme); /* small ones, too */
    const job_ask ask = { .scheme = w->scheme,
                          .rules = { w->gguf ? NULL : rule },
                          .head = w->gguf ? NULL : w->scheme,
                          .method = &m,
                          .calibration = w->state ? states[w->gguf] : NULL,
                          .job = { .threads = 1, .progress = progress, .progress_user = s } };
    job j;
    const whit_status st = job_run(&j, w->gguf ? gguf : folder, out, &ask);
    *err = j.err;
    job_close(&j);
    return st;
}

/* 1: the child was killed; 0: it came to its end. */
static int run_killed(const way *w, const char *out, int nth)
{
    int status;
    fflush(stdout);
    const pid_t child = fork();
    if (child < 0) scratch_die("fork");
    if (child == 0) {
        whit_error err;
        stop s = { nth, 0, 1 };
        _exit(go(w, out, 1, &text, &s, &err) != WHIT_OK);
    }
    if (waitpid(child, &status, 0) != child) scratch_die("waitpid");
    CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0,
          "%s %s, killed at %d: status %x", w->method, w->scheme, nth, (unsigned)status);
    return WIFSIGNALED(status);
}

/* Both are there, of the same octets; of folders the weights. */
static int same(const char *a, const char *b)
{
    char x[SCRATCH_PATH + 32], y[SCRATCH_PATH + 32];
    const char *inner = strchr(strrchr(a, '/'), '.') ? "" : "/model.safetensors";
    snprintf(x, sizeof x, "%s%s", a, inner);
    snprintf(y, sizeof y, "%s%s", b, inner);
    return access(x, F_OK) == 0 && access(y, F_OK) == 0 && job_same_file(x, y);
}

static void resume(const way *w, const char *out, const char *whole, const char *when, int nth)
{
    whit_error err = { WHIT_OK, "" };
    stop s = { 0, 0, 0 };
    CHECK(go(w, out, 1, &text, &s, &err) == WHIT_OK, "%s %s, %s %d: %s", w->method, w->scheme, when,
          nth, err.msg);
    CHECK(same(out, whole), "%s %s, %s %d: other octets", w->method, w->scheme, when, nth);
    CHECK(access(partial, F_OK) != 0, "%s %s, %s %d: OUT.partial is left", w->method, w->scheme,
          when, nth);
    scratch_remove_tree(out);
}

/* Killed once, then taken up; killed again and again, each time a little later. */
static void check_way(const way *w, int step)
{
    char out[SCRATCH_PATH], whole[SCRATCH_PATH], name[64];
    whit_error err = { WHIT_OK, "" };
    stop never = { 0, 0, 0 };
    int nth = 1, kept = 0, most = 0;
    snprintf(name, sizeof name, "whole-%s", w->out);
    at(name, whole);
    at(w->out, out);
    snprintf(name, sizeof name, "%s.partial", w->out);
    at(name, partial);
    snprintf(name, sizeof name, "%s.partial/solutions", w->out);
    at(name, journal);
    CHECK(go(w, whole, 0, &text, &never, &err) == WHIT_OK, "%s %s: %s", w->method, w->scheme,
          err.msg);
    for (; run_killed(w, out, nth); nth += step) {
        kept += access(journal, F_OK) == 0;
        CHECK(!same(out, whole), "%s, killed at %d: an output is there", w->method, nth);
        resume(w, out, whole, "killed at", nth);
    }
    CHECK(nth > 14 && kept == (nth - 1) / step, "%s: killed before %d, %d journals", w->method, nth,
          kept);
    scratch_remove_tree(out);
    for (int later = 5; run_killed(w, out, later); later += 3) most++;
    CHECK(most > 2 && same(out, whole) && access(partial, F_OK) != 0,
          "%s: killed %d times, other octets", w->method, most);
    printf("%s %s: killed at %d words, then %d times in a row\n", w->method, w->scheme, kept, most);
    scratch_remove_tree(out);
    scratch_remove_tree(whole);
}

/* ---- cancelled ------------------------------------------------------------------------------- */

static void check_cancelled(const way *w)
{
    char out[SCRATCH_PATH], whole[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    stop s = { 9, 0, 0 }, never = { 0, 0, 0 };
    at("out.safetensors", out);
    at("whole.safetensors", whole);
    at("out.safetensors.partial", partial);
    at("out.safetensors.partial/solutions", journal);
    const size_t names = job_names(room.path);
    CHECK(go(w, out, 0, &text, &s, &err) == WHIT_ERR_CANCELLED && job_names(room.path) == names,
          "cancelled without --resume, something is left: %s", err.msg);
    s = (stop){ 9, 0, 0 };
    CHECK(go(w, out, 1, &text, &s, &err) == WHIT_ERR_CANCELLED && access(journal, F_OK) == 0 &&
              job_names(room.path) == names + 1,
          "cancelled with --resume, nothing is kept: %s", err.msg);
    CHECK(go(w, out, 1, &other_text, &never, &err) == WHIT_ERR_ARG &&
              strstr(err.msg, "another plan; try: ") && access(journal, F_OK) == 0,
          "of another text: %s", err.msg);
    way changed = *w;
    changed.scheme = "int4-g16";
    CHECK(go(&changed, out, 1, &text, &never, &err) == WHIT_ERR_ARG &&
              strstr(err.msg, "another plan"),
          "of another scheme: %s", err.msg);
    changed = *w;
    changed.method = "awq+gptq";
    CHECK(go(&changed, out, 1, &text, &never, &err) == WHIT_ERR_ARG &&
              strstr(err.msg, "another plan"),
          "of another method: %s", err.msg);
    CHECK(go(w, whole, 0, &text, &never, &err) == WHIT_OK, "%s", err.msg);
    resume(w, out, whole, "cancelled at", 9);
    s = (stop){ 9, 0, 0 };
    CHECK(go(w, out, 1, &text, &s, &err) == WHIT_ERR_CANCELLED, "%s", err.msg);
    CHECK(go(w, out, 0, &text, &never, &err) == WHIT_OK && same(out, whole) &&
              access(partial, F_OK) != 0,
          "a run without --resume leaves what an earlier one kept: %s", err.msg);
    remove(out);
    remove(whole);
}

/* A small file that changes what the model computes makes another plan. */
static void check_small_files(const way *w)
{
    static const char *const names[] = { "model/config.json", "model/tokenizer_config.json",
                                         "model/added_tokens.json" };
    char out[SCRATCH_PATH], path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    at("out.safetensors", out);
    at("out.safetensors.partial/solutions", journal);
    for (int i = 0; i < 3; i++) {
        stop s = { 9, 0, 0 }, never = { 0, 0, 0 };
        size_t len = 0;
        const int there = access(at(names[i], path), F_OK) == 0;
        char *old = there ? scratch_read(path, &len) : NULL;
        CHECK(go(w, out, 1, &text, &s, &err) == WHIT_ERR_CANCELLED, "%s", err.msg);
        FILE *f = fopen(path, "a");
        if (!f || fputs(there ? " " : "{}", f) < 0 || fclose(f) != 0) scratch_die(path);
        CHECK(go(w, out, 1, &text, &never, &err) == WHIT_ERR_ARG &&
                  strstr(err.msg, "another plan") && access(journal, F_OK) == 0,
              "of another %s: %s", names[i], err.msg);
        if (there)
            scratch_write(&room, names[i], old, len);
        else
            remove(path);
        free(old);
        CHECK(go(w, out, 1, &text, &never, &err) == WHIT_OK, "as it was: %s", err.msg);
        remove(out);
    }
}

/* ---- damaged --------------------------------------------------------------------------------- */

#define HEADER 72
#define RECORD 16

/* Commits are given the sums of what is there. */
static void sum_again(unsigned char *file, size_t len)
{
    wh_crc32 crc;
    uint32_t sum = 0;
    wh_crc32_init(&crc);
    for (size_t p = HEADER; p + RECORD <= len;) {
        const uint64_t n = wh_load64(file + p + 8);
        if (n > len - p - RECORD) return;
        if (wh_load32(file + p) == 0) {
            wh_store32(file + p + RECORD, sum);
            sum = 0;
        } else
            sum = wh_crc32_add(&crc, sum, file + p, (size_t)(RECORD + n));
        p += RECORD + (size_t)n;
    }
}

typedef enum harm { HARM_ONES, HARM_KEY, HARM_KIND, HARM_SHORT, HARMS } harm;

/* The record at p; what is behind it moves up where it becomes shorter. Returns the new length. */
static size_t do_harm(unsigned char *file, size_t len, size_t p, harm how)
{
    const size_t n = (size_t)wh_load64(file + p + 8);
    switch (how) {
    case HARM_ONES:
        memset(file + p + RECORD, 0xff, n);
        return len;
    case HARM_KEY:
        wh_store32(file + p + 4, 0x7fffffff);
        return len;
    case HARM_KIND:
        wh_store32(file + p, wh_load32(file + p) % 10 + 1);
        return len;
    default:
        wh_store64(file + p + 8, n / 2);
        memmove(file + p + RECORD + n / 2, file + p + RECORD + n, len - p - RECORD - n);
        return len - (n - n / 2);
    }
}

/* Every record of a journal harmed in turn, with sums that are right: refused, or gone on from. */
static void check_harmed(const way *w)
{
    char out[SCRATCH_PATH], name[64];
    size_t len, records = 0, refused = 0;
    whit_error err = { WHIT_OK, "" };
    at(w->out, out);
    snprintf(name, sizeof name, "%s.partial", w->out);
    at(name, partial);
    snprintf(name, sizeof name, "%s.partial/solutions", w->out);
    at(name, journal);
    CHECK(run_killed(w, out, 8), "%s: is done before", w->method);
    unsigned char *whole = scratch_read(journal, &len), *file = malloc(len);
    if (!file) scratch_die("a copy");
    for (size_t p = HEADER; p + RECORD <= len; p += RECORD + (size_t)wh_load64(whole + p + 8)) {
        if (wh_load64(whole + p + 8) > len - p - RECORD) break;
        if (wh_load32(whole + p) == 0) continue;
        records++;
        for (harm how = HARM_ONES; how < HARMS; how++) {
            stop s = { 0, 0, 0 };
            memcpy(file, whole, len);
            const size_t now = do_harm(file, len, p, how);
            sum_again(file, now);
            mkdir(partial, 0700);
            scratch_write(&room, name, file, now);
            const whit_status st = go(w, out, 1, &text, &s, &err);
            CHECK(st == WHIT_OK || (job_one_line(&err) && access(out, F_OK) != 0),
                  "%s, record %zu, harm %d: %s", w->method, records, (int)how, err.msg);
            refused += st != WHIT_OK;
            scratch_remove_tree(out);
        }
    }
    CHECK(records >= 8 && refused >= records, "%s: %zu records, %zu refused", w->method, records,
          refused);
    printf("%s %s: %zu records harmed, %zu times refused\n", w->method, w->scheme, records,
           refused);
    free(file);
    free(whole);
    scratch_remove_tree(partial);
}

int main(int argc, char **argv)
{
    char path[SCRATCH_PATH];
    size_t len;
    if (argc < 2) return 1;
    scratch_make(&room);
    snprintf(path, sizeof path, "%.900s/../golden/model/qwen2.json", argv[1]);
    char *config = scratch_read(path, &len);
    models_folder(&room, "model", config);
    if (!models_gguf(&room, "model.gguf", config)) scratch_die("model.gguf");
    methods_ids(&text, 130, 48, 1);
    methods_ids(&other_text, 130, 48, 2);
    methods_state(at("model", folder), &text, 1, at("a.state", states[0]));
    methods_state(at("model.gguf", gguf), &text, 1, at("b.state", states[1]));
    for (size_t i = 0; i < WAYS; i++) check_way(&ways[i], i < 2 ? 1 : 4);
    check_cancelled(&ways[0]);
    check_small_files(&ways[0]);
    for (size_t i = 0; i < WAYS; i++)
        if (ways[i].harmed) check_harmed(&ways[i]);
    methods_free(&text);
    methods_free(&other_text);
    free(config);
    scratch_remove(&room);
    return check_result();
}
