/* tests/torture_commands.c - every command of the tool, with a fault in each of its allocations and
 * calls to the system.
 *
 * The tool is linked into this program, its calls replaced by the linker (faults.h). Each attempt
 * is a child process that runs one command with its n-th call of a kind failing: the first ones one
 * by one (DENSE), then at growing steps, until it makes fewer. The command either does what it
 * always does, or ends with the exit code that the fault deserves and one line that says so; then
 * no output is there. It never crashes, leaves debris, or changes what it reads. At the end a
 * table: which fault was injected where, and how often it did no harm.
 *
 * Not here: leaks (torture.c and its kin, under AddressSanitizer); a kill (torture_kill.c).
 *
 * SPDX-License-Identifier: MIT */
#define _FILE_OFFSET_BITS 64
#define _XOPEN_SOURCE 700
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#define WHIT_FAULTS_MORE
#define WHIT_FAULTS_LOOKS
#include "faults.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kernels/probe.h"
#include "tool_runs.h"

#ifdef __SANITIZE_ADDRESS__
enum { DENSE = 6 }; /* processes begin and end slowly */

/* What this process has freed is copied, page by page of its tables, into each of its children. */
const char *__asan_default_options(void) __attribute__((visibility("default")));
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=4";
}
#else
enum { DENSE = 20 };
#endif

typedef struct attempt {
    int code, struck, wrong;
    uint64_t said, made[2]; /* stdout; the outputs, 0: not there */
} attempt;

static tool_shared *shared;

static attempt try(const tool_command *c, kind k, int nth)
{
    attempt a = { 0 };
    fault.kind = k;
    fault.nth = nth;
    tool_prepare(c);
    const pid_t child = fork();
    if (child == 0) tool_child(c, shared, 1);
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) scratch_die("fork");
    a.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    a.struck = shared->seen >= nth;
    a.said = scratch_state("log/out", 0);
    for (int i = 0; i < 2 && c->out[i]; i++) a.made[i] = tool_output(c, i);
    a.wrong = a.code != 0 && !tool_one_error();
    return a;
}

/* Time flies: what bench measures for a while is over sooner. */
double __real_wh_seconds(void);
double __wrap_wh_seconds(void);
double __wrap_wh_seconds(void)
{
    return 30 * __real_wh_seconds();
}

/* How fast memory is read is nothing to a fault either: the first and the last of a block do. */
wh_probe_read_fn __wrap_wh_probe_read_scalar, __wrap_wh_probe_read_avx2,
    __wrap_wh_probe_read_avx512, __wrap_wh_probe_read_neon;

static uint64_t read_ends(const void *data, size_t bytes)
{
    const unsigned char *octet = data;
    return bytes ? (uint64_t)octet[0] + octet[bytes - 1] : 0;
}

uint64_t __wrap_wh_probe_read_scalar(const void *data, size_t bytes)
{
    return read_ends(data, bytes);
}

uint64_t __wrap_wh_probe_read_avx2(const void *data, size_t bytes)
{
    return read_ends(data, bytes);
}

uint64_t __wrap_wh_probe_read_avx512(const void *data, size_t bytes)
{
    return read_ends(data, bytes);
}

uint64_t __wrap_wh_probe_read_neon(const void *data, size_t bytes)
{
    return read_ends(data, bytes);
}

/* What could not be looked at may be met by the next call, or be debris of others; what could not
 * be removed is debris of ours. */
static int looks(kind k)
{
#ifdef STAT_IS_A_CALL
    if (k == STAT_EIO) return 1;
#endif
    return k == PATH_EIO || k == UNLINK_EIO;
}

/* May the fault come to nothing? A file system may lack hard links; inspect and verify try what a
 * file could be, and leave small files of a folder that cannot be read to who runs the model; what
 * the system does not tell of its processors is left out of a bench. */
static int excused(const tool_command *c, kind k)
{
    return k == LINK_EIO || k == LINK_ENOSPC || looks(k) || strncmp(c->name, "inspect", 7) == 0 ||
           strncmp(c->name, "verify", 6) == 0 ||
           (k == FOPEN_EIO && strncmp(c->name, "bench", 5) == 0);
}

/* May a lock or a temporary file stay? One that cannot be held or looked at may be another's. */
static int may_stay(kind k)
{
    return k == LOCK_EIO || k == LIST_EIO || looks(k);
}

/* May the command end so, when this fault struck? */
static int deserved(const tool_command *c, kind k, int code)
{
    if (kinds[k].status == WHIT_ERR_FORMAT)
        return code == 4 || code == 2 /* of a recipe */ || (code == 1 && excused(c, k));
    return kinds[k].status != WHIT_OK && code == 1;
}

/* Each output is complete, or as it was before; of an old folder the message may say what is. */
static int complete_or_absent(const tool_command *c, kind k, const attempt *whole, const attempt *a)
{
    int ok = 1;
    if (k == READ_END && excused(c, k)) return 1; /* a report of what is wrong is one */
    for (int i = 0; i < 2; i++)
        ok &= a->made[i] == whole->made[i] ||
              a->made[i] == (c->old && i == 0 ? scratch_state("old", 0) : 0) ||
              (may_stay(k) && a->made[i] == scratch_state("none", 0));
    return ok || (c->old && tool_says_what_is_there());
}

/* What stays is taken away by the next run. */
static int is_clean(const tool_command *c, kind k, const attempt *whole, const attempt *a)
{
    if (tool_only(c, a->code == 0 || a->made[0] || a->made[1])) return 1;
    if (!may_stay(k)) return 0;
    if (a->made[0] == whole->made[0] || (a->made[1] && a->made[1] == whole->made[1]))
        tool_prepare(c);
    tool_run(c);
    return tool_output(c, 0) == whole->made[0] && tool_only(c, 1);
}

/* 1: the fault struck, and nothing came of it. */
static int check(const tool_command *c, kind k, int nth, const attempt *whole, const attempt *a)
{
    char where[160];
    snprintf(where, sizeof where, "%s, call %d of %s, %s", c->name, nth, kinds[k].calls,
             kinds[k].name);
    CHECK(a->code == 0 || (a->struck && deserved(c, k, a->code)), "%s: exit %d", where, a->code);
    CHECK(!a->wrong, "%s: not one line of error", where);
    if (a->wrong) tool_show_errors();
    if (a->code == 0)
        CHECK((c->timed || a->said == whole->said) && a->made[0] == whole->made[0] &&
                  a->made[1] == whole->made[1],
              "%s: other results", where);
    else
        CHECK(complete_or_absent(c, k, whole, a), "%s: a part of an output", where);
    CHECK(is_clean(c, k, whole, a), "%s: debris", where);
    CHECK(a->code != 0 || !a->struck || kinds[k].status == WHIT_OK || excused(c, k), "%s: ignored",
          where);
    return a->struck && a->code == 0;
}

static void torture(const tool_command *c, int totals[KINDS], int harmful[KINDS])
{
    const attempt whole = try(c, KINDS, 1);
    const uint64_t inputs = scratch_state("in", 0);
    CHECK(whole.code == 0 && (!c->out[0] || whole.made[0]), "%s: exit %d", c->name, whole.code);
    if (whole.code != 0) tool_show_errors();
    for (kind k = 0; k < KINDS; k++) {
        int tried = 0, harmless = 0;
        for (int nth = 1, step = 1;; nth += step) {
            const attempt a = try(c, k, nth);
            harmless += check(c, k, nth, &whole, &a);
            if (!a.struck) break;
            tried++;
            step = nth < DENSE ? 1 : 1 + nth / (DENSE / 2);
        }
        totals[k] += tried;
        harmful[k] += tried - harmless;
        if (tried > 0)
            printf("%-30s %-12s %-36s %4d faults, %4d harmless\n", c->name, kinds[k].name,
                   kinds[k].calls, tried, harmless);
    }
    CHECK(scratch_state("in", 0) == inputs, "%s: the input has changed", c->name);
    for (size_t i = 0; i < 2 && c->out[i]; i++) tool_remove(c->out[i]);
}

int main(void)
{
    int totals[KINDS] = { 0 }, harmful[KINDS] = { 0 };
    scratch s;
    scratch_make(&s);
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) scratch_die("mmap");
    tool_inputs(&s);
    scratch_folder(&s, "none");
    for (const tool_command *c = tool_commands; c->name; c++) torture(c, totals, harmful);
    for (kind k = 0; k < KINDS; k++) {
        printf("%-12s of %-36s %5d\n", kinds[k].name, kinds[k].calls, totals[k]);
        CHECK(totals[k] > 0, "no fault %s of %s was injected: is it wrapped by the linker?",
              kinds[k].name, kinds[k].calls);
        CHECK(kinds[k].status == WHIT_OK || k == LINK_EIO || k == LINK_ENOSPC || k == UNLINK_EIO ||
                  harmful[k] > 0,
              "every fault %s of %s came to nothing", kinds[k].name, kinds[k].calls);
    }
    if (chdir("/") != 0) scratch_die("/");
    scratch_remove(&s);
    return check_result();
}
