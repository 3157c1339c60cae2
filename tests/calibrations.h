/* tests/calibrations.h - whole calibrations in a test: of three texts, or of activations that were
 * dumped.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_CALIBRATIONS_H
#define WHIT_CALIBRATIONS_H

#include <whit/whit.h>

#include "check.h"
#include "jobs.h"
#include "scratch.h"

typedef struct place {
    const char *data;
    char folder[SCRATCH_PATH / 2], gguf[SCRATCH_PATH];
    char text[3][SCRATCH_PATH];
    scratch s;
} place;

static place *here;

static inline const char *at(const char *name)
{
    static char path[8][SCRATCH_PATH];
    static int next;
    next = (next + 1) % 8;
    return scratch_path(&here->s, name, path[next]);
}

/* ---- running --------------------------------------------------------------------------------- */

/* Texts by number, as "021". */
static inline whit_status run_texts(const char *which, const char *output,
                                    void (*change)(whit_calibrate_options *o), whit_error *err)
{
    whit_feed feed[8] = { { WHIT_FEED_TEXT } };
    whit_calibrate_options o;
    whit_calibrate_options_init(&o);
    o.feed = feed;
    for (; which[o.feeds]; o.feeds++)
        feed[o.feeds] =
            (whit_feed){ .kind = WHIT_FEED_TEXT, .path = here->text[which[o.feeds] - '0'] };
    o.context = 100;
    o.job.threads = 1;
    o.job.force = 1;
    if (change) change(&o);
    return whit_calibrate(NULL, here->folder, &o, output, err);
}

static inline void made(const char *which, const char *output,
                        void (*change)(whit_calibrate_options *o))
{
    whit_error err = { WHIT_OK, "" };
    CHECK(run_texts(which, output, change, &err) == WHIT_OK, "%s: %s", which, err.msg);
}

static inline void merged(const char *output, const char *a, const char *b, const char *c)
{
    const whit_merge_part part[3] = { { a, 0 }, { b, 0 }, { c, 0 } };
    whit_job_options o;
    whit_error err = { WHIT_OK, "" };
    whit_job_options_init(&o);
    o.force = 1;
    CHECK(whit_calibrate_merge(part, c ? 3 : 2, output, &o, &err) == WHIT_OK, "%s", err.msg);
}

static inline void same(const char *a, const char *b, const char *what)
{
    CHECK(job_same_file(a, b), "%s: the bytes differ", what);
}

static inline void threads(whit_calibrate_options *o)
{
    o->job.threads = 3;
}

/* NumPy's format: float32 [rows, cols]. */
static inline void put_npy(const char *name, const float *x, size_t rows, size_t cols)
{
    char head[128];
    memset(head, ' ', sizeof head);
    memcpy(head, "\x93NUMPY\1\0\x76\0", 10);
    const int n =
        snprintf(head + 10, sizeof head - 10,
                 "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %zu), }", rows, cols);
    head[10 + n] = ' ';
    head[127] = '\n';
    FILE *f = fopen(at(name), "wb");
    fwrite(head, 1, sizeof head, f);
    fwrite(x, sizeof *x, rows * cols, f);
    fclose(f);
}

static inline whit_status run_dumps(const whit_feed *feed, size_t n, const char *out,
                                    whit_error *err)
{
    whit_calibrate_options o;
    whit_calibrate_options_init(&o);
    o.feed = feed;
    o.feeds = n;
    o.hessian = 1;
    o.job.threads = 2;
    o.job.force = 1;
    return whit_calibrate(NULL, NULL, &o, out, err);
}

/* Three texts of the model in the test data, whose folder is the program's argument. */
static inline void place_open(place *p, const char *data)
{
    static const char *const names[3] = { "t0", "t1", "t2" };
    char path[SCRATCH_PATH];
    size_t len;
    *p = (place){ .data = data };
    here = p;
    snprintf(p->folder, sizeof p->folder, "%s/stories260K", data);
    snprintf(path, sizeof path, "%s/eval/stories.txt", data);
    char *text = scratch_read(path, &len);
    scratch_make(&p->s);
    scratch_write(&p->s, "t0", text, 1500);
    scratch_write(&p->s, "t1", text + 1500, 700);
    scratch_write(&p->s, "t2", "A dog.", 6);
    for (int i = 0; i < 3; i++) scratch_path(&p->s, names[i], p->text[i]);
    free(text);
}

#endif
