/* src/bench/machine.c - what the machine is, what it can do at most, and what else it did.
 *
 * Probes use the threads of the context that the kernels use, and memory from the same allocator.
 * A probe's value is its best so far: what is compared with it cannot profit from a disturbance.
 * Not here: the loops (src/kernels/probe_*.c). Sources: proc(5) for /proc/stat, /proc/cpuinfo,
 * /proc/self/clear_refs and /proc/self/status.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* sched_setaffinity */
#include "bench/bench.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/pages.h"
#include "kernels/context.h"

#if defined(__linux__)
#include <sched.h>
#endif

/* Passes are about as long as a call of a kernel: only then is the best of them as free of
 * disturbances as the best of the calls. */
#define OPS_SECONDS 0.0005
#define OPS_PASSES 100 /* or as many as the time for a row has room for */
#define OPS_LEAST 5
#define OPS_TRIES 8 /* while all threads together reach less than each alone promises */
#define PIECE ((size_t)16 << 20)      /* octets of a pass, then the next ones */
#define LEAST_PIECE ((size_t)4 << 20) /* a smaller block is read many times in a pass */
#define READ_PASSES 3                 /* over the whole block, within: */
enum { LEAST_PIECES = 16, MOST_PIECES = 256 };
#define FORKS 2000

/* ---- who else is there ---- */

void wh_moment_now(wh_moment *m)
{
    char line[256] = "";
    FILE *f = fopen("/proc/stat", "r");
    if (f) {
        if (!fgets(line, sizeof line, f)) line[0] = 0;
        fclose(f);
    }
    (void)wh_cpu_times_parse(line, &m->all); /* zeros where the system does not tell */
    struct timespec t = { 0, 0 };
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    m->own = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
    m->seconds = wh_seconds();
}

int wh_peak_start(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (!f) return 0;
    const int written = fputs("5", f) >= 0; /* the peak becomes what is held now */
    return fclose(f) == 0 && written;
}

uint64_t wh_peak_bytes(void)
{
    char line[256];
    unsigned long long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    if (!f) return 0;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %llu", &kib) == 1) break;
    fclose(f);
    return (uint64_t)kib * 1024;
}

void wh_cpu_name(char *out, size_t size)
{
    char line[256];
    snprintf(out, size, "unknown");
    FILE *f = fopen("/proc/cpuinfo", "r");
    if (!f) return;
    while (fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (!colon || strncmp(line, "model name", 10) != 0) continue;
        snprintf(out, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
        break;
    }
    fclose(f);
}

#if defined(__linux__)

/* Thread t on the t-th processor that the process may use, around again when there are fewer. */
static void pin_part(void *ctx, unsigned t, unsigned threads)
{
    const cpu_set_t *allowed = ctx;
    cpu_set_t one;
    int left = (int)(t % (unsigned)CPU_COUNT(allowed));
    (void)threads;
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, allowed) && left-- == 0) CPU_SET(cpu, &one);
    (void)sched_setaffinity(0, sizeof one, &one); /* of the allowed ones: it can only succeed */
}

whit_status wh_pin(whit_context *context, wh_affinity *saved, whit_error *err)
{
    cpu_set_t allowed;
    _Static_assert(sizeof allowed <= sizeof saved->mask, "room for a set of processors");
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return wh_fail(err, WHIT_ERR_ARG, "threads cannot be pinned on this system");
    memcpy(saved->mask, &allowed, sizeof allowed);
    saved->size = sizeof allowed;
    wh_pool_run(context->pool, pin_part, &allowed);
    return WHIT_OK;
}

void wh_unpin(const wh_affinity *saved)
{
    cpu_set_t allowed;
    if (saved->size == 0) return;
    memcpy(&allowed, saved->mask, sizeof allowed);
    (void)sched_setaffinity(0, sizeof allowed, &allowed);
}

#else

whit_status wh_pin(whit_context *context, wh_affinity *saved, whit_error *err)
{
    (void)context;
    (void)saved;
    return wh_fail(err, WHIT_ERR_ARG, "threads cannot be pinned on this system");
}

void wh_unpin(const wh_affinity *saved)
{
    (void)saved;
}

#endif

/* ---- reading ---- */

typedef struct read_job {
    wh_probe_read_fn *read;
    const char *data;
    size_t bytes, times;
    uint64_t digest[WH_POOL_MAX]; /* what was read has been used */
} read_job;

static void read_part(void *ctx, unsigned t, unsigned threads)
{
    read_job *job = ctx;
    size_t begin, end;
    wh_pool_split(job->bytes, WH_PROBE_UNIT, t, threads, &begin, &end);
    for (size_t i = 0; i < job->times; i++)
        job->digest[t] += job->read(job->data + begin, end - begin);
}

double wh_read_speed(whit_bench *b, const wh_probe *reader, const void *data, size_t bytes,
                     int alone, double *median)
{
    const size_t piece = bytes < PIECE ? bytes : PIECE, pieces = bytes / piece;
    read_job job = { .read = reader->read, .bytes = piece, .times = 1 + LEAST_PIECE / piece };
    double gbps[MOST_PIECES];
    size_t n = READ_PASSES * pieces;
    if (n < LEAST_PIECES) n = LEAST_PIECES;
    if (n > MOST_PIECES) n = MOST_PIECES;
    for (size_t i = 0; i < n; i++) {
        job.data = (const char *)data + i % pieces * piece;
        const double start = wh_seconds();
        if (alone)
            read_part(&job, 0, 1);
        else
            wh_pool_run(b->context->pool, read_part, &job);
        gbps[i] = (double)piece * (double)job.times / (wh_seconds() - start) * 1e-9;
    }
    const double middle = wh_median(gbps, n); /* sorts */
    if (median) *median = middle;
    return gbps[n - 1];
}

static const wh_probe_value *fastest(const wh_probes *p)
{
    const wh_probe_value *best = &p->value[0];
    for (size_t i = 1; i < p->readers; i++)
        if (p->value[i].all > best->all) best = &p->value[i];
    return best;
}

const wh_probe *wh_probes_reader(const wh_probes *p)
{
    return fastest(p)->probe;
}

double wh_probes_read_gbps(const wh_probes *p)
{
    return fastest(p)->all;
}

double wh_probes_reread(whit_bench *b, uint64_t bytes)
{
    uint64_t n = (bytes + WH_PROBE_UNIT - 1) / WH_PROBE_UNIT * WH_PROBE_UNIT;
    if (n > b->probes.bytes) n = b->probes.bytes;
    return wh_read_speed(b, wh_probes_reader(&b->probes), b->probes.buffer, (size_t)n, 0, NULL);
}

/* ---- computing ---- */

typedef struct ops_job {
    wh_probe_ops_fn *ops;
    size_t rounds;
    uint64_t digest[WH_POOL_MAX];
} ops_job;

static void ops_part(void *ctx, unsigned t, unsigned threads)
{
    ops_job *job = ctx;
    (void)threads;
    job->digest[t] = job->ops(job->rounds);
}

static double ops_seconds(whit_bench *b, ops_job *job, int alone)
{
    const double start = wh_seconds();
    if (alone)
        ops_part(job, 0, 1);
    else
        wh_pool_run(b->context->pool, ops_part, job);
    return wh_seconds() - start;
}

/* A brief bench has brief probes. */
static int ops_passes(const whit_bench *b)
{
    const double passes = b->o.seconds / OPS_SECONDS;
    return passes < OPS_LEAST ? OPS_LEAST : passes < OPS_PASSES ? (int)passes : OPS_PASSES;
}

static double ops_speed(whit_bench *b, const wh_probe *probe, int alone)
{
    const int passes = ops_passes(b);
    ops_job job = { .ops = probe->ops, .rounds = 64 };
    double seconds, best = 0;
    const unsigned threads = alone ? 1 : b->machine.threads;
    while ((seconds = ops_seconds(b, &job, alone)) < OPS_SECONDS) job.rounds *= 2;
    for (int i = 0; i < passes; i++) {
        const double gops = (double)job.rounds * probe->round_ops * threads / seconds * 1e-9;
        best = gops > best ? gops : best;
        if (i + 1 < passes) seconds = ops_seconds(b, &job, alone);
    }
    return best;
}

static void nothing(void *ctx, unsigned t, unsigned threads)
{
    (void)ctx;
    (void)t;
    (void)threads;
}

/* The median: the least is what two threads do that happen to be in step. */
static double fork_join(whit_bench *b)
{
    double us[FORKS];
    for (size_t i = 0; i < FORKS; i++) {
        const double start = wh_seconds();
        wh_pool_run(b->context->pool, nothing, NULL);
        us[i] = (wh_seconds() - start) * 1e6;
    }
    return wh_median(us, FORKS);
}

/* ---- the probes of a run ---- */

static void touch_part(void *ctx, unsigned t, unsigned threads)
{
    const wh_probes *p = ctx;
    size_t begin, end;
    wh_pool_split(p->bytes, WH_PROBE_UNIT, t, threads, &begin, &end);
    memset(p->buffer + begin, 0x5a, end - begin); /* memory of its own behind every page */
}

whit_status wh_probes_open(whit_bench *b, uint64_t bytes, whit_error *err)
{
    wh_probes *p = &b->probes;
    uint32_t allowed;
    size_t n;
    const wh_probe *table = wh_probe_table(&n);
    whit_status st = wh_isa_allowed(&allowed, err);
    if (st != WHIT_OK) return st;
    p->bytes = (size_t)bytes / WH_PROBE_UNIT * WH_PROBE_UNIT;
    p->buffer = wh_pages_alloc(p->bytes);
    if (!p->buffer)
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu octets to read", p->bytes);
    wh_pool_run(b->context->pool, touch_part, p);
    for (size_t i = 0; i < n; i++) { /* plain C only where there is nothing else */
        if (table[i].kind != WH_PROBE_READ || (table[i].needs & ~allowed)) continue;
        if (p->count == 1 && p->value[0].probe->needs == 0) p->count = 0;
        wh_probes_want(p, &table[i]);
    }
    p->readers = p->count;
    return WHIT_OK;
}

void wh_probes_close(wh_probes *p)
{
    wh_pages_free(p->buffer, p->bytes);
    p->buffer = NULL;
}

size_t wh_probes_want(wh_probes *p, const wh_probe *probe)
{
    size_t i = 0;
    while (i < p->count && p->value[i].probe != probe) i++;
    if (i == p->count && p->count < WH_PROBES)
        p->value[p->count++] = (wh_probe_value){ probe, 0, 0 };
    return i;
}

static void raise_to(double *best, double value)
{
    if (value > *best) *best = value;
}

whit_status wh_probes_run(whit_bench *b, whit_error *err)
{
    wh_probes *p = &b->probes;
    const double threads = (double)b->machine.threads;
    double read = 0, middle;
    for (size_t i = 0; i < p->count; i++) {
        wh_probe_value *v = &p->value[i];
        whit_status st = wh_meter_step(&b->meter, "probes", 0, err);
        if (st != WHIT_OK) return st;
        if (v->probe->read) {
            const double all = wh_read_speed(b, v->probe, p->buffer, p->bytes, 0, &middle);
            raise_to(&v->all, all);
            raise_to(&read, middle);
            raise_to(&v->one, wh_read_speed(b, v->probe, p->buffer, p->bytes, 1, NULL));
        } else {
            raise_to(&v->one, ops_speed(b, v->probe, 1));
            for (int k = 0; k < OPS_TRIES && (k == 0 || v->all < 0.9 * v->one * threads); k++)
                raise_to(&v->all, ops_speed(b, v->probe, 0));
        }
        raise_to(&v->all, v->one); /* what one thread can do all can, when they are let */
    }
    const double us = fork_join(b);
    if (p->fork_join_us == 0 || us < p->fork_join_us) p->fork_join_us = us;
    raise_to(&p->high, read);
    if (p->low == 0 || read < p->low) p->low = read;
    return WHIT_OK;
}
