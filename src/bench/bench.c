/* src/bench/bench.c - what every bench does: options, memory, probes before and after, verdicts.
 *
 * Not here: what is measured (matmul.c, quantize.c, memory.c,
 * forward.c, gptq.c).
 *
 * SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/thread.h"
#include "kernels/context.h"

#define MIB ((uint64_t)1 << 20)
#define LEAST_PROBE (16 * MIB) /* less is read from a cache for sure */

void whit_bench_options_init(whit_bench_options *options)
{
    *options = (whit_bench_options){ .struct_size = sizeof *options };
    whit_job_options_init(&options->job);
}

whit_bench_row *wh_bench_add(whit_bench *b)
{
    void *rows = b->row;
    const int grown = wh_grow(&rows, &b->cap, b->count + 1, sizeof *b->row);
    b->row = rows;
    if (!grown) return NULL;
    b->row[b->count] = (whit_bench_row){ .count = 1 };
    return &b->row[b->count++];
}

whit_status wh_bench_share(const whit_bench *b, uint64_t need, uint64_t least_copies,
                           uint64_t *probe, uint64_t *copies, whit_error *err)
{
    const uint64_t least = need + LEAST_PROBE + least_copies;
    whit_status st = wh_stream_fits(b->limit, least, err);
    if (st != WHIT_OK) return st;
    const uint64_t free_bytes = b->limit - need;
    *probe = WH_BENCH_ROTATION;
    *copies = 0;
    if (least_copies == 0) {
        if (*probe > free_bytes) *probe = free_bytes;
        return WHIT_OK;
    }
    if (*probe > free_bytes / 2) *probe = free_bytes / 2;
    if (*probe < LEAST_PROBE) *probe = LEAST_PROBE;
    if (free_bytes - *probe < least_copies) *probe = free_bytes - least_copies;
    *copies = free_bytes - *probe;
    return WHIT_OK;
}

whit_status wh_bench_step(whit_bench *b, const char *what, double rows, whit_error *err)
{
    uint64_t done = (uint64_t)(rows * 1000);
    if (done > b->meter.total) done = b->meter.total;
    return wh_meter_step(&b->meter, what, done > b->meter.done ? done - b->meter.done : 0, err);
}

void wh_bench_fill(float *x, size_t n, uint64_t seed)
{
    uint64_t s = seed;
    for (size_t i = 0; i < n; i++) { /* splitmix64; four uniforms of 16 bits */
        uint64_t z = s += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        z ^= z >> 31;
        const int sum =
            (int)(z & 0xffff) + (int)(z >> 16 & 0xffff) + (int)(z >> 32 & 0xffff) + (int)(z >> 48);
        x[i] = (float)(sum - 131070) * (1.0f / 37837.0f); /* 65536 / sqrt(3) */
    }
}

/* ---- the verdicts ---- */

static void judge_machine(whit_bench *b)
{
    whit_bench_machine *m = &b->machine;
    const wh_probes *p = &b->probes;
    wh_moment end;
    wh_moment_now(&end);
    const double ticks = (double)(end.all.all - b->start.all.all);
    const double share = (end.own - b->start.own) / (end.seconds - b->start.seconds);
    const double cores = (double)wh_thread_cores();
    if (ticks > 0) {
        m->stolen = (double)(end.all.stolen - b->start.all.stolen) / ticks;
        m->foreign = (double)(end.all.busy - b->start.all.busy) / ticks - share / cores;
        if (m->foreign < 0) m->foreign = 0; /* ticks are coarse */
    }
    m->read_gbps = wh_probes_read_gbps(p);
    m->read_gbps_high = p->high;
    m->read_gbps_low = p->low;
    for (size_t i = 0; i < p->readers; i++)
        if (p->value[i].one > m->read_gbps_one) m->read_gbps_one = p->value[i].one;
    m->fork_join_us = p->fork_join_us;
    m->probe_bytes = p->bytes;
    m->noisy = wh_is_noisy(p->low, p->high, m->stolen, m->foreign);
    for (size_t i = 0; i < b->count; i++) b->row[i].noisy = m->noisy;
    if (p->high - p->low > WH_BENCH_NOISE * p->high)
        wh_lines_add(&b->warnings,
                     "noisy: the reading probes of this run differ, %.1f to %.1f GB/s", p->low,
                     p->high);
    if (m->stolen + m->foreign > WH_BENCH_NOISE)
        wh_lines_add(&b->warnings,
                     "noisy: %.0f %% of the processors went to others, %.0f %% to the host",
                     100 * m->foreign, 100 * m->stolen);
}

static whit_status check_options(const whit_bench_options *o, whit_error *err)
{
    if (o->struct_size != sizeof *o)
        return wh_fail(err, WHIT_ERR_ARG, "whit_bench_run: struct_size not set");
    if (!(o->seconds >= 0) || o->seconds > 3600)
        return wh_fail(err, WHIT_ERR_ARG, "seconds for a row: 0 to 3600");
    if (o->model && (o->types || o->shapes))
        return wh_fail(err, WHIT_ERR_ARG, "types and shapes are those of the model");
    if (o->what == WHIT_BENCH_MODEL && !o->path == !o->synthetic)
        return wh_fail(err, WHIT_ERR_ARG, "a model, or the sizes of a synthetic one: just one");
    return WHIT_OK;
}

static whit_status open_bench(whit_bench *b, wh_affinity *saved, whit_error *err)
{
    const whit_context_options c = { sizeof c, b->o.job.threads, -1 };
    whit_status st = whit_context_open(&b->context, &c, err);
    if (st == WHIT_OK) st = whit_isa(&b->machine.isa, err);
    if (st == WHIT_OK && b->o.acts == WHIT_BENCH_ACTS_BF16)
        st = wh_acts_served(b->context, WHIT_ACTS_BF16, err);
    if (st != WHIT_OK) return st;
    b->machine.threads = whit_context_threads(b->context);
    b->machine.pages = "4k";
    wh_cpu_name(b->machine.cpu, sizeof b->machine.cpu);
    b->limit = wh_stream_limit(&b->o.job);
    wh_meter_start(&b->meter, &b->o.job, 0);
    wh_moment_now(&b->start);
    return b->o.pin ? wh_pin(b->context, saved, err) : WHIT_OK;
}

whit_status whit_bench_run(whit_bench **out, const whit_bench_options *options, whit_error *err)
{
    wh_affinity saved = { .size = 0 };
    if (!out || !options) return wh_fail(err, WHIT_ERR_ARG, "whit_bench_run: null");
    *out = NULL;
    whit_status st = check_options(options, err);
    if (st != WHIT_OK) return st;
    whit_bench *b = wh_calloc(1, sizeof *b);
    if (!b) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a bench");
    b->o = *options;
    if (b->o.seconds == 0)
        b->o.seconds = b->o.what == WHIT_BENCH_GPTQ ? WH_BENCH_GPTQ_SECONDS : WH_BENCH_SECONDS;

    st = open_bench(b, &saved, err);
    if (st == WHIT_OK && b->o.what == WHIT_BENCH_MATMUL) st = wh_bench_matmul(b, err);
    if (st == WHIT_OK && b->o.what == WHIT_BENCH_QUANTIZE) st = wh_bench_quantize(b, err);
    if (st == WHIT_OK && b->o.what == WHIT_BENCH_MEMORY) st = wh_bench_memory(b, err);
    if (st == WHIT_OK && b->o.what == WHIT_BENCH_MODEL) st = wh_bench_forward(b, err);
    if (st == WHIT_OK && b->o.what == WHIT_BENCH_GPTQ) st = wh_bench_gptq(b, err);
    if (st == WHIT_OK) judge_machine(b);
    if (st == WHIT_OK && b->warnings.failed)
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for warnings");
    wh_unpin(&saved);
    wh_probes_close(&b->probes);
    whit_context_close(b->context);
    b->context = NULL;
    if (st != WHIT_OK) {
        whit_bench_free(b);
        return st;
    }
    *out = b;
    return WHIT_OK;
}

void whit_bench_free(whit_bench *bench)
{
    if (!bench) return;
    wh_lines_free(&bench->warnings);
    wh_lines_free(&bench->left_out);
    free(bench->row);
    free(bench);
}

size_t whit_bench_count(const whit_bench *bench)
{
    return bench->count;
}

const whit_bench_row *whit_bench_at(const whit_bench *bench, size_t index)
{
    return index < bench->count ? &bench->row[index] : NULL;
}

const whit_bench_subject *whit_bench_of(const whit_bench *bench)
{
    return &bench->subject;
}

const whit_bench_machine *whit_bench_on(const whit_bench *bench)
{
    return &bench->machine;
}

size_t whit_bench_warnings(const whit_bench *bench)
{
    return bench->warnings.count;
}

const char *whit_bench_warning(const whit_bench *bench, size_t index)
{
    return wh_lines_at(&bench->warnings, index);
}

size_t whit_bench_left_out(const whit_bench *bench)
{
    return bench->left_out.count;
}

const char *whit_bench_left_out_at(const whit_bench *bench, size_t index)
{
    return wh_lines_at(&bench->left_out, index);
}
