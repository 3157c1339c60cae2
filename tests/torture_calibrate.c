/* tests/torture_calibrate.c - every allocation and every call to the system of a calibration fails
 * in turn: of a run with Hessians that saves what it has after each piece, of activations, of
 * merging.
 *
 * Of hundreds of calls the later ones in growing steps. Each attempt gives the same octets or the
 * status that the fault deserves, and then no output and nothing else but what --resume keeps.
 * Leaks are found by a run under AddressSanitizer. SPDX-License-Identifier: MIT */
#define _FILE_OFFSET_BITS 64
#define _XOPEN_SOURCE 700
#include "faults.h"

#include <whit/whit.h>

#include "check.h"
#include "jobs.h"
#include "scratch.h"

enum { RUN, DUMPS, MERGE, JOBS };
static const char *const names[JOBS] = { "run", "activations", "merge" };

static scratch room;
static struct {
    char folder[SCRATCH_PATH], text[SCRATCH_PATH], npy[SCRATCH_PATH], out[SCRATCH_PATH],
        want[JOBS][SCRATCH_PATH], partial[SCRATCH_PATH], state[SCRATCH_PATH];
} place;

static whit_status work(int which, const char *out, whit_error *err)
{
    const whit_merge_part part[2] = { { place.want[RUN], 0 }, { place.want[RUN], 0 } };
    const whit_feed text = { .kind = WHIT_FEED_TEXT, .path = place.text };
    const whit_feed dump = { .kind = WHIT_FEED_ACTIVATIONS, .path = place.npy, .input = "w" };
    whit_calibrate_options o;
    whit_calibrate_options_init(&o);
    o.feed = which == RUN ? &text : &dump;
    o.feeds = 1;
    o.context = 8;
    o.hessian = 1;
    o.resume = which == RUN;
    o.save_every = 1e-9;
    o.job.threads = 1;
    if (which == MERGE) return whit_calibrate_merge(part, 2, out, &o.job, err);
    return whit_calibrate(NULL, which == RUN ? place.folder : NULL, &o, out, err);
}

/* 1: the fault struck. */
static int attempt(int which, kind k, int nth)
{
    whit_error err = { WHIT_OK, "" };
    fault_arm(k, nth);
    const whit_status st = work(which, place.out, &err);
    const int struck = fault_struck();
    CHECK(st == WHIT_OK ? job_same_file(place.out, place.want[which])
                        : struck && st == kinds[k].status && err.code == st && *err.msg,
          "%s, call %d of %s, %s: %d: %s", names[which], nth, kinds[k].calls, kinds[k].name,
          (int)st, err.msg);
    CHECK(st == WHIT_OK || access(place.out, F_OK) != 0 ||
              (fault_comes_late(k) && job_same_file(place.out, place.want[which])),
          "%s, call %d of %s, %s: an output is there", names[which], nth, kinds[k].calls,
          kinds[k].name);
    remove(place.out);
    remove(place.state);
    rmdir(place.partial);
    return struck;
}

static void put_npy(void)
{
    unsigned char file[128 + 40 * 6 * 4];
    memset(file, ' ', sizeof file);
    memcpy(file, "\x93NUMPY\1\0\x76\0", 10);
    const char text[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (40, 6), }";
    memcpy(file + 10, text, sizeof text - 1);
    file[127] = '\n';
    memset(file + 128, 0x3f, sizeof file - 128);
    scratch_write(&room, "x.npy", file, sizeof file);
}

int main(int argc, char **argv)
{
    if (argc < 2) return 1;
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    snprintf(place.folder, sizeof place.folder, "%s/stories260K", argv[1]);
    scratch_make(&room);
    scratch_text(&room, "text", "Once upon a \xff dog.");
    put_npy();
    scratch_path(&room, "text", place.text);
    scratch_path(&room, "x.npy", place.npy);
    scratch_path(&room, "out", place.out);
    scratch_path(&room, "out.partial", place.partial);
    scratch_path(&room, "out.partial/state.safetensors", place.state);
    for (int which = 0; which < JOBS; which++) {
        whit_error err = { WHIT_OK, "" };
        scratch_path(&room, names[which], place.want[which]);
        CHECK(work(which, place.want[which], &err) == WHIT_OK, "%s", err.msg);
        for (kind k = MEMORY; k < KINDS; k++) {
            if (k == THREAD) continue; /* one runs */
            if (which != RUN && (k >= RENAME_EIO && k <= MKDIR_ENOSPC)) continue;
            int nth = 1, step = 1;
            for (; attempt(which, k, nth); nth += step) step = nth > 60 ? 1 + nth / 30 : 1;
            printf("%s, %s of %s: to %d\n", names[which], kinds[k].name, kinds[k].calls, nth - 1);
            CHECK(nth > 1, "%s: no call of %s", names[which], kinds[k].calls);
        }
    }
    scratch_remove(&room);
    return check_result();
}
