/* tests/torture.c - every allocation and every call to the system fails in turn, in every job.
 *
 * The library's calls are replaced by the linker (faults.h). For n = 1, 2, .. a job is run with its
 * n-th call of a kind failing, until it makes fewer than n. Each attempt either succeeds, with the
 * same output as ever, or returns the status that the fault deserves; then the output is not there,
 * or what was there before (of an old folder, the message may say that only a part is). No attempt
 * changes the input, leaves a temporary file or an open descriptor. Leaks are found by a run under
 * AddressSanitizer.
 *
 * Not here: faults of unlink, stat and flock, with which a clean-up cannot be asked for; the order
 * of calls and SIGKILL (test_outset_faults.c).
 *
 * SPDX-License-Identifier: MIT */
#define _FILE_OFFSET_BITS 64
#define _XOPEN_SOURCE 700
#include "faults.h"
#include "torture_jobs.h"

/* ---- what is on disk ------------------------------------------------------------------------- */

static int lowest_descriptor(void)
{
    int fd = dup(0);
    if (fd >= 0) close(fd);
    return fd;
}

/* ---- attempts -------------------------------------------------------------------------------- */

typedef struct tally {
    int faults, fine;
    int status[16];
} tally;

static int is_folder(const operation *op)
{
    return op->out && !strchr(op->out, '.');
}

/* What is there before the job; its state. */
static uint64_t before(const place *p, const operation *op)
{
    if (!op->out) return 0;
    scratch_remove_tree(p->out);
    if (op->old && is_folder(op)) { /* one shard has a name of the new ones */
        scratch_folder(&p->s, "old");
        scratch_text(&p->s, "old/model.safetensors.index.json",
                     "{\"weight_map\":{\"a\":\"model-1.safetensors\",\"b\":\"b.safetensors\"}}");
        scratch_text(&p->s, "old/model-1.safetensors", "old");
        scratch_text(&p->s, "old/b.safetensors", "old");
    } else if (op->old) {
        scratch_text(&p->s, op->out, "old");
    }
    return scratch_state(p->out, 1);
}

static size_t hidden(const char *folder)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
        n += e->d_name[0] == '.' && strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    if (d) closedir(d);
    return n;
}

/* A failed job leaves what was there, or says what it leaves. */
static int leaves_enough(const operation *op, uint64_t now, uint64_t old, uint64_t whole,
                         const char *says)
{
    if (now == old || (now == whole && strstr(says, "complete"))) return 1;
    return op->old && is_folder(op) &&
           (strstr(says, "files are in place") || strstr(says, "is gone") ||
            strstr(says, "is complete"));
}

/* An old index that is cut short names no shards, so the one that the job does not write stays. */
static uint64_t without_stale_shard(const operation *op, const place *p, kind k, uint64_t now)
{
    char stale[SCRATCH_PATH];
    if (k != READ_END || !op->old || !is_folder(op)) return now;
    remove(scratch_path(&p->s, "old/b.safetensors", stale));
    return scratch_state(p->out, 1);
}

/* May a job end so with this fault? A recipe that is cut short is as wrong as one of its lines. */
static int deserved(kind k, whit_status st, const char *says)
{
    if (k == READ_END && st == WHIT_ERR_ARG) return strstr(says, "recipe.txt") != NULL;
    return kinds[k].status != WHIT_OK && st == kinds[k].status;
}

/* May a job that succeeds have met this fault? A file system without hard links is one. */
static int may_be_harmless(const operation *op, kind k)
{
    return kinds[k].status == WHIT_OK || k == LINK_EIO || k == LINK_ENOSPC ||
           (k == READ_END && op->old && is_folder(op));
}

/* One attempt. 1: the fault struck. */
static int attempt(const place *p, const operation *op, kind k, int nth, uint64_t whole, tally *t)
{
    uint64_t input = scratch_state(p->in, 1), native = scratch_state(p->native, 1),
             old = before(p, op);
    size_t names = job_names(p->s.path);
    int fd = lowest_descriptor();
    whit_error err = { WHIT_OK, "" };
    fault_arm(k, nth);
    whit_status st = op->run(p, op, &err);
    int struck = fault_struck();
    const char *what = kinds[k].name;
    uint64_t now = op->out ? scratch_state(p->out, 1) : 0;
    if (st == WHIT_OK) now = without_stale_shard(op, p, k, now);
    CHECK(st == WHIT_OK || (struck && deserved(k, st, err.msg)),
          "%s, call %d of %s, %s: status %d: %s", op->name, nth, kinds[k].calls, what, (int)st,
          err.msg);
    CHECK(st == WHIT_OK || (job_one_line(&err) && err.code == st), "%s, %s: %s", op->name, what,
          err.msg);
    CHECK(st != WHIT_OK || !struck || may_be_harmless(op, k), "%s, call %d of %s, %s: ignored",
          op->name, nth, kinds[k].calls, what);
    if (st == WHIT_OK)
        CHECK(now == whole, "%s, call %d of %s, %s: another output", op->name, nth, kinds[k].calls,
              what);
    else
        CHECK(leaves_enough(op, now, old, whole, err.msg),
              "%s, call %d of %s, %s: a part of the output: %s", op->name, nth, kinds[k].calls,
              what, err.msg);
    CHECK(scratch_state(p->in, 1) == input && scratch_state(p->native, 1) == native,
          "%s, %s: the input", op->name, what);
    CHECK(job_names(p->s.path) == names + (now && !old) && hidden(p->s.path) == 0 &&
              (!is_folder(op) || hidden(p->out) == 0),
          "%s, call %d of %s, %s: debris", op->name, nth, kinds[k].calls, what);
    CHECK(lowest_descriptor() == fd, "%s, call %d of %s, %s: an open file", op->name, nth,
          kinds[k].calls, what);
    t->faults += struck;
    t->fine += struck && st == WHIT_OK;
    if (struck) t->status[(unsigned)st % 16]++;
    return struck;
}

/* Returns the state of the output. */
static uint64_t torture(place *p, const operation *op, int totals[KINDS])
{
    uint64_t whole = 0;
    whit_error err = { WHIT_OK, "" };
    if (op->out) scratch_path(&p->s, op->out, p->out);
    before(p, op);
    CHECK(op->run(p, op, &err) == WHIT_OK, "%s: %s", op->name, err.msg);
    if (op->out) whole = scratch_state(p->out, 1);
    for (int k = 0; k < KINDS; k++) {
        tally t = { 0 };
        for (int nth = 1; attempt(p, op, (kind)k, nth, whole, &t); nth++) continue;
        totals[k] += t.faults;
        if (t.faults == 0) continue;
        printf("%-24s %-12s %-36s %5d faults: %5d harmless", op->name, kinds[k].name,
               kinds[k].calls, t.faults, t.fine);
        for (int s = 1; s < 16; s++)
            if (t.status[s]) printf(", %d %s", t.status[s], whit_status_name((whit_status)s));
        printf("\n");
    }
    if (op->out) scratch_remove_tree(p->out);
    return whole;
}

int main(void)
{
    int totals[KINDS] = { 0 };
    uint64_t folder = 0;
    place p;
    scratch_make(&p.s);
    write_model(&p);
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        uint64_t whole = torture(&p, &operations[i], totals);
        if (operations[i].run != quantize || !is_folder(&operations[i])) continue;
        CHECK(!folder || whole == folder, "%s: the old model shows", operations[i].name);
        folder = whole;
    }
    for (int k = 0; k < KINDS; k++)
        CHECK(totals[k] > 0, "no fault %s of %s was injected: is it wrapped by the linker?",
              kinds[k].name, kinds[k].calls);
    scratch_remove(&p.s);
    return check_result();
}
