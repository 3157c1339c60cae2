/* src/bench/math.c - the arithmetic of the bench: statistics, roofline, rotation, noise.
 *
 * Pure, so that it is tested without a clock. Source of the roofline: Williams, Waterman, Patterson
 * 2009, "Roofline: an insightful visual performance model".
 *
 * SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double wh_median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, by_size);
    return n % 2 ? v[n / 2] : 0.5 * (v[n / 2 - 1] + v[n / 2]);
}

wh_roof wh_roof_of(double bytes, double ops, double read_gbps, double peak_gops)
{
    const double read = read_gbps > 0 ? bytes / read_gbps * 1e-3 : 0;
    const double compute = peak_gops > 0 ? ops / peak_gops * 1e-3 : 0;
    return (wh_roof){ compute > read ? compute : read, compute > read };
}

void wh_row_rates(whit_bench_row *row, unsigned act_bytes)
{
    const double rows = (double)row->rows, cols = (double)row->cols, tokens = (double)row->tokens;
    const double ops = 2 * rows * cols * tokens;
    const double all = (double)row->bytes + tokens * cols * act_bytes + 4 * tokens * rows;
    const wh_roof roof = wh_roof_of(all, ops, row->read_gbps, row->peak_gops);
    row->gbps = (double)row->bytes / row->us_min * 1e-3;
    row->gflops = ops / row->us_min * 1e-3;
    row->pct_bw = row->read_gbps > 0 ? 100 * row->gbps / row->read_gbps : 0;
    row->pct_peak = row->peak_gops > 0 ? 100 * row->gflops / row->peak_gops : 0;
    row->pct_bound = 100 * roof.us / row->us_min;
    row->bound = roof.compute ? "compute" : "read";
}

int wh_is_noisy(double low, double high, double stolen, double foreign)
{
    return high - low > WH_BENCH_NOISE * high || stolen + foreign > WH_BENCH_NOISE;
}

uint64_t wh_checksum(const void *data, size_t bytes)
{
    const unsigned char *p = data;
    uint64_t h = UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = 0; i < bytes; i += 8) {
        uint64_t word = 0;
        memcpy(&word, p + i, bytes - i < 8 ? bytes - i : 8);
        h = (h ^ word) * UINT64_C(0xbf58476d1ce4e5b9);
        h ^= h >> 29;
    }
    return h >> 11;
}

static uint64_t turn_bytes(const uint64_t *bytes, size_t n, uint64_t most, size_t *calls)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        const uint64_t times = (most + bytes[i] / 2) / bytes[i];
        calls[i] = times < 64 ? (size_t)times : 64;
        sum += calls[i] * bytes[i];
    }
    return sum;
}

uint64_t wh_rotation(const uint64_t *bytes, size_t n, uint64_t target, uint64_t limit,
                     size_t *calls, size_t *turns)
{
    uint64_t most = 0;
    size_t busiest = 1;
    for (size_t i = 0; i < n; i++) most = bytes[i] > most ? bytes[i] : most;
    uint64_t turn = turn_bytes(bytes, n, most, calls);
    if (turn > limit) { /* not even once each as often as it should: once each */
        turn = 0;
        for (size_t i = 0; i < n; i++) {
            calls[i] = 1;
            turn += bytes[i];
        }
    }
    for (size_t i = 0; i < n; i++) busiest = calls[i] > busiest ? calls[i] : busiest;
    /* cppcheck-suppress zerodiv ; there are weights, and each has octets */
    uint64_t want = (target + turn - 1) / turn, fit = limit / turn;
    if (want > fit) want = fit;
    if (want > WH_MOST_COPIES / busiest) want = WH_MOST_COPIES / busiest;
    *turns = want > 0 ? (size_t)want : 1;
    return turn * *turns;
}

int wh_cpu_times_parse(const char *text, wh_cpu_times *out)
{
    /* user nice system idle iowait irq softirq steal, ticks; guests are counted in user */
    unsigned long long v[8] = { 0 };
    *out = (wh_cpu_times){ 0 };
    const int n = sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2],
                         &v[3], &v[4], &v[5], &v[6], &v[7]);
    if (n < 4 || strncmp(text, "cpu ", 4) != 0) return 0; /* "cpu0" is one of them */
    out->busy = v[0] + v[1] + v[2] + v[5] + v[6];
    out->stolen = v[7];
    out->all = out->busy + out->stolen + v[3] + v[4];
    return 1;
}
