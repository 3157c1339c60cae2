/* tests/torture_method.c - every allocation and every call to the system of a method fails in turn:
 * of GPTQ from ids that can be taken up again, of AWQ into GGUF, of SmoothQuant and GPTQ from a
 * state, of HQQ; and of going on from what an interrupted run left.
 *
 * Of hundreds of calls the later ones in growing steps. Each attempt gives the same octets or the
 * status that the fault deserves, and then no output and nothing else but what --resume keeps.
 * Leaks are found by a run under AddressSanitizer. SPDX-License-Identifier: MIT */
#define _FILE_OFFSET_BITS 64
#define _XOPEN_SOURCE 700
#define WHIT_FAULTS_RESIZE
#include "faults.h"

#include "methods.h"

enum { GPTQ, AWQ, CHAIN, HQQ, AGAIN, JOBS };

static const struct {
    const char *name, *method, *scheme, *out;
    int gguf, state, resume;
} jobs[JOBS] = {
    [GPTQ] = { "gptq", "gptq", "int4-g32", "a.safetensors", 0, 0, 1 },
    [AWQ] = { "awq", "awq", "q4_0", "b.gguf", 1, 0, 0 },
    [CHAIN] = { "chain", "smoothquant+gptq", "int8-channel-a8s", "c.safetensors", 0, 1, 0 },
    [HQQ] = { "hqq", "hqq", "int4-g32-asym", "d.safetensors", 0, 0, 0 },
    [AGAIN] = { "again", "gptq", "int4-g32", "a.safetensors", 0, 0, 1 },
};

static scratch room;
static methods_text text;
static char folder[SCRATCH_PATH], gguf[SCRATCH_PATH], state[SCRATCH_PATH];
static unsigned char *kept; /* the journal of a run that was stopped */
static size_t kept_len;

static int stop(void *user, const whit_progress *p)
{
    (void)p;
    return ++*(int *)user == 11; /* in the second layer */
}

static whit_status work(int which, const char *out, int *stops, whit_error *err)
{
    char rule[64];
    const int learns = which != HQQ && !jobs[which].state;
    whit_method_options m = methods_of(jobs[which].method, learns ? &text : NULL);
    m.resume = jobs[which].resume;
    snprintf(rule, sizeof rule, "*_proj.weight=%s", jobs[which].scheme);
    const job_ask ask = {
        .scheme = jobs[which].scheme,
        .rules = { jobs[which].gguf ? NULL : rule },
        .method = &m,
        .calibration = jobs[which].state ? state : NULL,
        .job = { .threads = 1, .progress = stops ? stop : NULL, .progress_user = stops }
    };
    job j;
    const whit_status st = job_run(&j, jobs[which].gguf ? gguf : folder, out, &ask);
    *err = j.err;
    job_close(&j);
    return st;
}

static void put_kept(int which)
{
    if (which != AGAIN) return;
    scratch_folder(&room, "a.safetensors.partial");
    scratch_write(&room, "a.safetensors.partial/solutions", kept, kept_len);
}

/* May a job end so with this fault? A state that is cut short is none. */
static int deserved(kind k, whit_status st, const whit_error *err)
{
    if (k == READ_END && st == WHIT_ERR_ARG) return strstr(err->msg, "--calibration STATE") != NULL;
    return st == kinds[k].status && err->code == st && job_one_line(err);
}

/* 1: the fault struck. */
static int attempt(int which, const char *out, const char *want, kind k, int nth)
{
    char partial[SCRATCH_PATH + 16];
    whit_error err = { WHIT_OK, "" };
    snprintf(partial, sizeof partial, "%s.partial", out);
    put_kept(which);
    const size_t names = job_names(room.path) - (which == AGAIN);
    fault_arm(k, nth);
    const whit_status st = work(which, out, NULL, &err);
    const int struck = fault_struck();
    CHECK(st == WHIT_OK ? job_same_file(out, want) : struck && deserved(k, st, &err),
          "%s, call %d of %s, %s: %d: %s", jobs[which].name, nth, kinds[k].calls, kinds[k].name,
          (int)st, err.msg);
    CHECK(st == WHIT_OK || access(out, F_OK) != 0 ||
              (fault_comes_late(k) && job_same_file(out, want)),
          "%s, call %d of %s, %s: an output is there", jobs[which].name, nth, kinds[k].calls,
          kinds[k].name);
    const int left = (access(out, F_OK) == 0) + (access(partial, F_OK) == 0);
    CHECK(job_names(room.path) == names + (size_t)left &&
              (jobs[which].resume || access(partial, F_OK) != 0),
          "%s, call %d of %s, %s: debris", jobs[which].name, nth, kinds[k].calls, kinds[k].name);
    remove(out);
    scratch_remove_tree(partial);
    return struck;
}

static void torture(int which)
{
    char out[SCRATCH_PATH], want[SCRATCH_PATH], name[64];
    whit_error err = { WHIT_OK, "" };
    int calls = 0;
    snprintf(name, sizeof name, "want-%s", jobs[which].out);
    scratch_path(&room, jobs[which].out, out);
    scratch_path(&room, name, want);
    if (which != AGAIN)
        CHECK(work(which, want, NULL, &err) == WHIT_OK, "%s: %s", jobs[which].name, err.msg);
    for (kind k = MEMORY; k < KINDS; k++) {
        int nth = 1, step = 1;
        if (k == THREAD) continue; /* one runs */
        for (; attempt(which, out, want, k, nth); nth += step) step = nth > 40 ? 1 + nth / 20 : 1;
        calls += nth > 1;
        printf("%s, %s of %s: to %d\n", jobs[which].name, kinds[k].name, kinds[k].calls, nth - 1);
    }
    CHECK(calls >= KINDS - (jobs[which].resume ? 3 : 7), "%s: only %d kinds of calls",
          jobs[which].name, calls);
}

/* What a run that is stopped in its second layer keeps. */
static void keep(void)
{
    char out[SCRATCH_PATH], path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    int stops = 0;
    scratch_path(&room, jobs[GPTQ].out, out);
    CHECK(work(GPTQ, out, &stops, &err) == WHIT_ERR_CANCELLED, "%s", err.msg);
    kept = scratch_read(scratch_path(&room, "a.safetensors.partial/solutions", path), &kept_len);
    scratch_remove_tree(scratch_path(&room, "a.safetensors.partial", path));
}

int main(int argc, char **argv)
{
    char path[SCRATCH_PATH];
    size_t len;
    if (argc < 2) return 1;
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    scratch_make(&room);
    snprintf(path, sizeof path, "%.900s/../golden/model/qwen2.json", argv[1]);
    char *config = scratch_read(path, &len);
    models_folder(&room, "model", config);
    if (!models_gguf(&room, "model.gguf", config)) scratch_die("model.gguf");
    free(config);
    scratch_path(&room, "model", folder);
    scratch_path(&room, "model.gguf", gguf);
    methods_ids(&text, 70, 48, 1);
    methods_state(folder, &text, 1, scratch_path(&room, "state", state));
    keep();
    for (int which = 0; which < JOBS; which++) torture(which);
    methods_free(&text);
    free(kept);
    scratch_remove(&room);
    return check_result();
}
