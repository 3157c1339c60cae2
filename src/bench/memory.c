/* src/bench/memory.c - reading and latency by the size of what is walked through, on huge and
 * on ordinary pages.
 *
 * Latency: a chain through every line of the block, one load waiting for the other. The chain is
 * the full-period sequence k -> 5k + c modulo a power of two, which jumps far too widely for a
 * prefetcher and needs no shuffling. Source: Hull and Dobell 1962, Random number generators.
 *
 * SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#include <stdlib.h>

#include "base/pages.h"
#include "kernels/context.h"

#define LINE 64
#define LEAST ((uint64_t)16 << 10)
#define HOPS ((uint64_t)1 << 19)

/* Each line holds where the next one is. */
static void link_chain(char *data, uint64_t bytes)
{
    const uint64_t lines = bytes / LINE, add = lines / 2 + lines / 8 + 1; /* odd */
    for (uint64_t k = 0; k < lines; k++)
        *(uint64_t *)(void *)(data + k * LINE) = (5 * k + add) % lines * LINE;
}

static double latency_ns(const char *data, uint64_t bytes)
{
    double best = 0;
    uint64_t at = 0;
    for (int i = 0; i < 3; i++) { /* in a large block never the same lines */
        const double start = wh_seconds();
        for (uint64_t k = 0; k < HOPS; k++) at = *(const uint64_t *)(const void *)(data + at);
        const double ns = (wh_seconds() - start) * 1e9 / (double)HOPS;
        if (i == 0 || ns < best) best = ns;
    }
    return at < bytes ? best : 0; /* always below: the walk has been used */
}

static whit_status measure(whit_bench *b, char *data, uint64_t bytes, const char *pages,
                           whit_error *err)
{
    whit_bench_row *r = wh_bench_add(b);
    if (!r) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a row");
    const wh_probe *reader = wh_probes_reader(&b->probes);
    r->op = "memory";
    r->isa = reader->isa;
    r->pages = pages;
    r->bytes = bytes;
    r->gbps = wh_read_speed(b, reader, data, (size_t)bytes, 0, NULL);
    r->gbps_one = wh_read_speed(b, reader, data, (size_t)bytes, 1, NULL);
    link_chain(data, bytes);
    r->latency_ns = latency_ns(data, bytes);
    return wh_bench_step(b, pages, (double)b->count, err);
}

static whit_status ladder(whit_bench *b, char *data, uint64_t least, uint64_t most,
                          const char *pages, whit_error *err)
{
    whit_status st = WHIT_OK;
    link_chain(data, most); /* touch all of it */
    for (uint64_t bytes = least; bytes <= most && st == WHIT_OK; bytes *= 4)
        st = measure(b, data, bytes, pages, err);
    return st;
}

whit_status wh_bench_memory(whit_bench *b, whit_error *err)
{
    uint64_t probe, copies, least = LEAST, most;
    whit_status st = wh_bench_share(b, 0, (uint64_t)16 << 20, &probe, &copies, err);
    if (st == WHIT_OK) st = wh_probes_open(b, probe, err);
    if (st != WHIT_OK) return st;
    while (least < (uint64_t)b->machine.threads * WH_PROBE_UNIT) least *= 4;
    if (copies > WH_BENCH_ROTATION) copies = WH_BENCH_ROTATION;
    for (most = least; most * 4 <= copies;) most *= 4;
    for (uint64_t n = least; n <= most; n *= 4) b->meter.total += 2000;
    char *huge = wh_pages_alloc((size_t)most), *small = NULL;
    if (!huge) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu octets", (size_t)most);
    st = wh_probes_run(b, err);
    if (st == WHIT_OK) st = ladder(b, huge, least, most, "2m", err);
    b->machine.pages = 2 * wh_pages_huge(huge, (size_t)most) > most ? "2m" : "4k";
    if (b->machine.pages[0] == '4')
        wh_lines_add(&b->warnings,
                     "the system gives no huge pages: both halves are on 4 KiB pages");
    wh_pages_free(huge, (size_t)most);
    if (st == WHIT_OK) st = wh_probes_run(b, err);
    if (st == WHIT_OK) {
        small = wh_pages_alloc_small((size_t)most);
        if (!small) st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu octets", (size_t)most);
    }
    if (st == WHIT_OK) st = ladder(b, small, least, most, "4k", err);
    wh_pages_free(small, (size_t)most);
    if (st == WHIT_OK) st = wh_probes_run(b, err);
    return st == WHIT_OK ? wh_bench_step(b, "done", (double)b->meter.total / 1000, err) : st;
}
