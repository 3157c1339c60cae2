/* tests/test_changed.c - inputs that change while a job reads them: cut short, emptied, filled with
 * other octets, removed, replaced by another file, at each step of the job.
 *
 * Nobody can promise what comes out; but the job ends, with a result or with a line that says why
 * not, its output is complete or not there, and what is complete is sound: digests, scales and
 * codes. What was only renamed or removed is still open, and gives the same bytes as ever.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "gguf_build.h"
#include "jobs.h"
#include "torch_build.h"
#include "zip_build.h"

#include <fcntl.h>

enum { ROWS = 700, COLS = 512, TENSORS = 4 }; /* two tiles each */

typedef enum change { CUT, EMPTY, ZEROS, ONES, REMOVED, REPLACED, CHANGES } change;
static const char *const names[CHANGES] = { "cut short",  "emptied", "zeros inside",
                                            "NaN inside", "removed", "replaced" };

static const char *const inputs[] = { "plain.safetensors", "torch.pt",  "deflated.npz",
                                      "floats.gguf",       "legacy.pt", "array.npy" };
enum { INPUTS = sizeof inputs / sizeof inputs[0] };

static struct {
    const char *path, *other;
    change how;
    int left; /* steps before it happens; 0: never more */
} plot;

static void fill(const char *path, int octet)
{
    struct stat st;
    static char piece[65536];
    memset(piece, octet, sizeof piece);
    const int fd = open(path, O_WRONLY);
    if (fd < 0 || fstat(fd, &st) != 0) scratch_die(path);
    for (off_t at = 4096; at < st.st_size; at += (off_t)sizeof piece) {
        const off_t left = st.st_size - at;
        const size_t n = left < (off_t)sizeof piece ? (size_t)left : sizeof piece;
        if (pwrite(fd, piece, n, at) != (ssize_t)n) scratch_die(path);
    }
    close(fd);
}

static int change_input(void *user, const whit_progress *p)
{
    (void)user;
    (void)p;
    if (plot.left == 0 || --plot.left > 0) return 0;
    switch (plot.how) {
    case CUT:
        return truncate(plot.path, 5000);
    case EMPTY:
        return truncate(plot.path, 0);
    case ZEROS:
    case ONES:
        fill(plot.path, plot.how == ZEROS ? 0 : 0xff);
        return 0;
    case REMOVED:
        return remove(plot.path);
    default:
        return rename(plot.other, plot.path);
    }
}

/* What is there proves itself; 0: nothing is there. */
static int sound(const char *out)
{
    whit_error err = { WHIT_OK, "" };
    whit_source *src = NULL;
    whit_verification *v = NULL;
    whit_verify_options o;
    if (access(out, F_OK) != 0) return 0;
    whit_verify_options_init(&o);
    CHECK(whit_source_open(&src, out, &err) == WHIT_OK, "%s", err.msg);
    CHECK(src && whit_verify(&v, src, &o, &err) == WHIT_OK, "%s", err.msg);
    CHECK(v && whit_verification_problems(v) == 0, "%s",
          v ? whit_verification_problem(v, 0) : err.msg);
    whit_verification_free(v);
    whit_source_close(src);
    return 1;
}

static void copy(const scratch *s, const char *from, const char *to)
{
    char path[SCRATCH_PATH];
    size_t len;
    void *data = scratch_read(scratch_path(s, from, path), &len);
    scratch_write(s, to, data, len);
    free(data);
}

/* One job; returns whether the input still had steps to change at. */
static int attempt(const scratch *s, const char *input, change how, int step, unsigned threads,
                   const char *whole)
{
    char in[SCRATCH_PATH], out[SCRATCH_PATH], other[SCRATCH_PATH];
    job j;
    const job_ask ask = { .scheme = "int4-g64",
                          .rules = { "t1=nvfp4", "t2=int8-tensor" },
                          .job = { .threads = threads, .progress = change_input } };
    copy(s, input, "input");
    copy(s, "another", "other");
    plot.path = scratch_path(s, "input", in);
    plot.other = scratch_path(s, "other", other);
    plot.how = how;
    plot.left = step;
    const whit_status st = job_run(&j, in, scratch_path(s, "out.safetensors", out), &ask);
    const int struck = plot.left == 0;
    CHECK(st == WHIT_OK || st == WHIT_ERR_FORMAT || st == WHIT_ERR_NUMERIC || st == WHIT_ERR_IO,
          "%s, %s at step %d: %d: %s", input, names[how], step, (int)st, j.err.msg);
    CHECK(st == WHIT_OK || job_one_line(&j.err), "%s", j.err.msg);
    CHECK(sound(out) == (st == WHIT_OK), "%s, %s at step %d: %s", input, names[how], step,
          st == WHIT_OK ? "no output" : "an output");
    if (how >= REMOVED)
        CHECK(st == WHIT_OK && job_same_file(out, whole), "%s, %s at step %d: %s", input,
              names[how], step, j.err.msg);
    if (struck && (how == CUT || how == EMPTY) && step == 1 && threads == 1)
        CHECK(st == WHIT_ERR_FORMAT, "%s, %s at once: %d", input, names[how], (int)st);
    job_close(&j);
    remove(out);
    remove(in);
    remove(other);
    CHECK(job_names(s->path) == INPUTS + 2, "%s, %s at step %d: debris", input, names[how], step);
    return struck;
}

static void write_inputs(const scratch *s)
{
    static float w[ROWS * COLS];
    static const uint64_t shape[2] = { ROWS, COLS }, stride[2] = { COLS, 1 },
                          ne[2] = { COLS, ROWS };
    static const char *const tensors[TENSORS] = { "t0", "t1", "t2", "t3" };
    st_build plain = { 0 }, other = { 0 };
    tb_build torch = { 0 };
    zb_build npz = { 0 };
    gg_build gguf = { 0 };
    check_rng r = { 9 };
    for (int t = 0; t < TENSORS; t++) {
        char name[16];
        st_text array = { 0 };
        for (size_t i = 0; i < ROWS * COLS; i++) w[i] = check_normal(&r);
        st_add2(&plain, tensors[t], "F32", ROWS, COLS, w, sizeof w);
        if (t == 0) st_add2(&other, "t0", "F32", ROWS, COLS, w, sizeof w);
        const size_t storage = tb_add(&torch, "Float", w, ROWS * COLS, sizeof w);
        tb_tensor(&torch, tensors[t], storage, 0, 2, shape, stride);
        gg_floats(&gguf, tensors[t], 2, ne, w, sizeof w);
        st_putf(&array, "%cNUMPY%c%c%c%c%-117s\n", 0x93, 1, 0, 118, 0,
                "{'descr': '<f4', 'fortran_order': False, 'shape': (700, 512)}");
        st_put(&array, w, sizeof w);
        snprintf(name, sizeof name, "%s.npy", tensors[t]);
        zb_add(&npz, name, array.data, array.len, 8);
        if (t == 0) scratch_write(s, "array.npy", array.data, array.len);
        free(array.data);
    }
    st_write(&plain, s, "plain.safetensors");
    st_write(&other, s, "another");
    tb_write_zip(&torch, s, "torch.pt", 0);
    tb_write_old(&torch, s, "legacy.pt");
    gg_write(&gguf, s, "floats.gguf");
    zb_write(&npz, s, "deflated.npz");
    tb_free(&torch);
}

int main(void)
{
    scratch s;
    int struck = 0;
    scratch_make(&s);
    write_inputs(&s);
    for (size_t i = 0; i < INPUTS; i++) {
        char in[SCRATCH_PATH], whole[SCRATCH_PATH];
        plot.left = 0;
        copy(&s, inputs[i], "input"); /* of NPY the tensor is called as the file */
        job_quantize(scratch_path(&s, "input", in), scratch_path(&s, "whole.safetensors", whole),
                     &(job_ask){ .scheme = "int4-g64",
                                 .rules = { "t1=nvfp4", "t2=int8-tensor" },
                                 .job = { .force = 1 } });
        for (change how = CUT; how < CHANGES; how++)
            for (int step = 1; attempt(&s, inputs[i], how, step, 1 + (unsigned)step % 2, whole);
                 step += 3)
                struck++;
    }
    CHECK(struck > 50, "%d changes only", struck);
    scratch_remove(&s);
    return check_result();
}
