/* tests/torture_kill.c - commands of the tool killed (SIGKILL) at every call that they make to the
 * system, and at times that nobody chose.
 *
 * After the kill the output is complete, or not there: what is there in a folder without its index
 * or only model file is none. What is read is untouched. The same command again, with --resume
 * where it can, gives the very bytes of a run that nobody disturbed, and leaves nothing else.
 *
 * SPDX-License-Identifier: MIT */
#define _FILE_OFFSET_BITS 64
#define _XOPEN_SOURCE 700
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#define WHIT_FAULTS_MORE
#include "faults.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "tool_runs.h"

typedef struct victim {
    tool_command command;
    const char *last; /* what makes a folder complete; NULL: the output itself */
} victim;

#define QUANTIZE "quantize", "in/m", "-T", "2", "-q", "--scheme", "int4-g32", "-o"
#define METHOD "--method", "gptq", "--text", "in/text", "--context", "8", "--resume"

static const victim victims[] = {
    /* clang-format off */
    { { "a file", { "o.safetensors" }, 0, 1, { QUANTIZE, "o.safetensors" } }, NULL },
    { { "a folder", { "out" }, 0, 1, { QUANTIZE, "out" } }, "out/model.safetensors" },
    { { "shards", { "out" }, 0, 1, { QUANTIZE, "out", "--shard-size", "4KB" } },
      "out/model.safetensors.index.json" },
    { { "over a folder", { "out" }, 1, 1, { QUANTIZE, "out", "--force" } },
      "out/model.safetensors" },
    { { "GGUF", { "o.gguf" }, 0, 1,
        { "quantize", "in/m", "-T", "1", "-q", "--scheme", "q4_0", "-o", "o.gguf" } }, NULL },
    { { "a method, resumed", { "out" }, 0, 1, { QUANTIZE, "out", METHOD } },
      "out/model.safetensors" },
    { { "a calibration, resumed", { "c.state" }, 0, 1,
        { "calibrate", "in/m", "--text", "in/text", "--text", "in/other", "--context", "8", "--hessian",
          "-T", "1", "-q", "-o", "c.state", "--resume" } }, NULL },
    { { "decoded", { "d.safetensors" }, 0, 0,
        { "dequantize", "in/q", "-q", "-o", "d.safetensors" } }, NULL },
    /* clang-format on */
};

static tool_shared *shared;

/* Every look at the clock is an hour after the one before: what is saved now and then is saved each
 * time. */
double __real_wh_seconds(void);
double __wrap_wh_seconds(void);
double __wrap_wh_seconds(void)
{
    static atomic_int looks;
    return __real_wh_seconds() + 3600.0 * atomic_fetch_add(&looks, 1);
}

/* Runs the command: armed 0 as it is, KILLS: dies at its nth call; usec > 0: is killed then.
 * Returns the status of waitpid. */
static int run(const tool_command *c, int armed, int nth, unsigned usec)
{
    int status = 0;
    fault.nth = nth;
    const pid_t child = fork();
    if (child == 0) tool_child(c, shared, armed);
    if (child < 0) scratch_die("fork");
    if (usec > 0) {
        const struct timespec wait = { 0, (long)usec * 1000 };
        nanosleep(&wait, NULL);
        kill(child, SIGKILL);
    }
    if (waitpid(child, &status, 0) != child) scratch_die("waitpid");
    return status;
}

static int was_killed(int status)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* What is there is the whole, the old one, or cannot be taken for a model. */
static int complete_or_absent(const victim *v, uint64_t whole)
{
    const uint64_t now = tool_output(&v->command, 0);
    if (now == 0 || now == whole || (v->command.old && now == scratch_state("old", 0))) return 1;
    return v->last && access(v->last, F_OK) != 0;
}

/* No leftovers but the output. With the output complete the same command may refuse to replace it.
 */
static void check_again(const victim *v, uint64_t whole, const char *when, int at)
{
    const tool_command *c = &v->command;
    if (tool_output(c, 0) != whole || c->old) {
        const int status = run(c, 0, 0, 0);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s, %s %d: the next run: %x", c->name,
              when, at, (unsigned)status);
        if (status != 0) tool_show_errors();
    } else {
        run(c, 0, 0, 0); /* exists; what the killed run left is cleaned up all the same, or later */
    }
    CHECK(tool_output(c, 0) == whole, "%s, %s %d: the next run: other bytes", c->name, when, at);
}

static int debris(const tool_command *c)
{
    return !tool_only(c, 1);
}

typedef struct tally {
    int killed, complete, resumed;
} tally;

static void one_kill(const victim *v, uint64_t whole, int nth, unsigned usec, tally *t)
{
    const tool_command *c = &v->command;
    const char *when = usec > 0 ? "killed after us" : "killed at call";
    const int at = usec > 0 ? (int)usec : nth;
    char partial[64];
    tool_prepare(c);
    const int status = run(c, usec > 0 ? 0 : KILLS, nth, usec);
    CHECK(was_killed(status) || status == 0, "%s, %s %d: %x", c->name, when, at,
          (unsigned)status); /* two threads do not always make as many calls */
    CHECK(complete_or_absent(v, whole), "%s, %s %d: a part of the output", c->name, when, at);
    t->killed += was_killed(status);
    const int complete = tool_output(c, 0) == whole;
    t->complete += complete;
    snprintf(partial, sizeof partial, "%s.partial", c->out[0]);
    t->resumed += access(partial, F_OK) == 0;
    check_again(v, whole, when, at);
    if (!complete) CHECK(!debris(c), "%s, %s %d: debris after the next run", c->name, when, at);
}

/* A kill at the last calls leaves a lock beside a complete output: a run that replaces it cleans
 * up.
 */
static void clean(const victim *v)
{
    char name[SCRATCH_PATH];
    tool_remove(v->command.out[0]);
    snprintf(name, sizeof name, ".%s.whit-lock", v->command.out[0]);
    tool_remove(name);
}

int main(int argc, char **argv)
{
    const int points = argc > 2 ? atoi(argv[2]) : 200;
    int all = 0;
    check_rng rng = { 12 };
    scratch s;
    scratch_make(&s);
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) scratch_die("mmap");
    tool_inputs(&s);
    for (size_t i = 0; i < sizeof victims / sizeof victims[0]; i++) {
        const victim *v = &victims[i];
        tally t = { 0 };
        tool_prepare(&v->command);
        int status = run(&v->command, KILLS, 1 << 30, 0); /* counts */
        const int calls = shared->seen;
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: %x", v->command.name,
              (unsigned)status);
        if (status != 0) tool_show_errors();
        const uint64_t whole = tool_output(&v->command, 0), inputs = scratch_state("in", 0);
        const int step = 1 + calls / points;
        for (int nth = 1; nth <= calls; nth += step) one_kill(v, whole, nth, 0, &t);
        for (int k = 0; k < 20; k++)
            one_kill(v, whole, 0, 200 + (unsigned)check_below(&rng, 8000), &t);
        CHECK(scratch_state("in", 0) == inputs, "%s: the input has changed", v->command.name);
        CHECK(!strstr(v->command.name, "resumed") || t.resumed > 20,
              "%s: only %d runs were taken up again", v->command.name, t.resumed);
        printf("%-24s %4d calls: killed %4d times, %3d outputs complete, %3d taken up again\n",
               v->command.name, calls, t.killed, t.complete, t.resumed);
        all += t.killed;
        clean(v);
    }
    CHECK(all >= 200, "%d kills only", all);
    if (chdir("/") != 0) scratch_die("/");
    scratch_remove(&s);
    return check_result();
}
