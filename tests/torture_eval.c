/* tests/torture_eval.c - every allocation of an evaluation fails in turn, of a text and of choices,
 * with a base; and every call that reads.
 *
 * Each attempt gives the same figures or the status that the fault deserves. Leaks are found by a
 * run under AddressSanitizer. SPDX-License-Identifier: MIT */
#define _FILE_OFFSET_BITS 64
#define _XOPEN_SOURCE 700
#include "faults.h"

#include "check.h"
#include "job/eval.h"
#include "scratch.h"

static struct {
    char gguf[SCRATCH_PATH], folder[SCRATCH_PATH], text[SCRATCH_PATH], choices[SCRATCH_PATH];
} place;

static whit_status job(int choices, double *figure, whit_error *err)
{
    whit_eval *e = NULL;
    whit_eval_options o;
    whit_eval_options_init(&o);
    o.text = choices ? NULL : place.text;
    o.choices = choices ? place.choices : NULL;
    o.base = place.folder;
    o.protocol = WHIT_EVAL_STORY;
    o.job.threads = 1;
    whit_status st = whit_eval_run(&e, place.gguf, &o, err);
    if (st == WHIT_OK) *figure = choices ? e->score[1].accuracy : e->scores.kl_mean;
    whit_eval_free(e);
    return st;
}

/* 1: the fault struck. */
static int attempt(int choices, kind k, int nth, double want)
{
    whit_error err = { WHIT_OK, "" };
    double figure = 0;
    fault_arm(k, nth);
    whit_status st = job(choices, &figure, &err);
    const int struck = fault_struck();
    CHECK(st == WHIT_OK ? figure == want && (!struck || kinds[k].status == WHIT_OK)
                        : struck && st == kinds[k].status && err.code == st && *err.msg,
          "choices %d, call %d of %s, %s: %d: %s", choices, nth, kinds[k].calls, kinds[k].name,
          (int)st, err.msg);
    return struck;
}

int main(int argc, char **argv)
{
    scratch s;
    if (argc < 2) return 1;
    snprintf(place.gguf, sizeof place.gguf, "%s/gguf/stories260K-q4_0.gguf", argv[1]);
    snprintf(place.folder, sizeof place.folder, "%s/stories260K", argv[1]);
    scratch_make(&s);
    scratch_text(&s, "text", "Once upon a time.\n\nThere was a \xff dog.\n");
    scratch_text(
        &s, "choices",
        "{\"prompt\":\"a \",\"choices\":[\"b\",\"cat\"],\"answer\":0,\"tag\":\"x\"}\n"
        "{\"prompt\":\"the\",\"choices\":[\" dog\",\" d\"],\"answer\":\" d\",\"tag\":\"y\"}\n");
    scratch_path(&s, "text", place.text);
    scratch_path(&s, "choices", place.choices);
    for (int choices = 0; choices < 2; choices++) {
        double want = 0;
        whit_error err = { WHIT_OK, "" };
        CHECK(job(choices, &want, &err) == WHIT_OK, "%s", err.msg);
        for (kind k = MEMORY; k <= READ_END; k++) {
            if (k == THREAD) continue; /* one thread runs */
            int nth = 1;
            while (attempt(choices, k, nth, want)) nth++;
            printf("choices %d, %s of %s: %d\n", choices, kinds[k].name, kinds[k].calls, nth - 1);
            CHECK(nth > 20 || (k >= OPEN_EIO && k <= OPEN_EINTR), "%d faults", nth - 1);
        }
    }
    scratch_remove(&s);
    return check_result();
}
