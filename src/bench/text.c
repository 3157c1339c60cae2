/* src/bench/text.c - a bench as tables for people.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "base/buf.h"
#include "print/page.h"
#include "bench/bench.h"

static void put_size(wh_buf *b, uint64_t bytes)
{
    if (bytes < (uint64_t)1 << 20)
        wh_buf_putf(b, "%4" PRIu64 " KiB", bytes >> 10);
    else if (bytes < (uint64_t)1 << 30)
        wh_buf_putf(b, "%4" PRIu64 " MiB", bytes >> 20);
    else
        wh_buf_putf(b, "%4" PRIu64 " GiB", bytes >> 30);
}

static void put_machine(wh_buf *b, const whit_bench *bench)
{
    const whit_bench_machine *m = &bench->machine;
    const wh_probes *p = &bench->probes;
    wh_buf_putf(b, "cpu       %s, %s, %u thread%s, pages of %s\n", m->cpu, m->isa, m->threads,
                m->threads == 1 ? "" : "s", m->pages[0] == '2' ? "2 MiB" : "4 KiB");
    wh_buf_putf(b, "read      %.1f GB/s at best (one thread %.1f); usually, probe by probe, ",
                m->read_gbps, m->read_gbps_one);
    wh_buf_putf(b, "%.1f to %.1f; over %" PRIu64 " MiB\n", m->read_gbps_low, m->read_gbps_high,
                m->probe_bytes >> 20);
    for (size_t i = p->readers; i < p->count; i++)
        wh_buf_putf(b, "%s%s %.4g Gop/s%s", i == p->readers ? "peak      " : ", ",
                    p->value[i].probe->name, p->value[i].all, i + 1 == p->count ? "\n" : "");
    wh_buf_putf(b, "threads   %.2f us to hand out nothing and wait for it\n", m->fork_join_us);
    wh_buf_putf(b, "others    %.1f %% of the processors' time, %.1f %% taken by the host%s\n",
                100 * m->foreign, 100 * m->stolen, m->noisy ? ": noisy" : "");
    if (m->rotation_bytes)
        wh_buf_putf(b, "cold      the same octets again after %" PRIu64 " MiB of others\n",
                    m->rotation_bytes >> 20);
}

/* ---- products ---- */

static int same_group(const whit_bench_row *a, const whit_bench_row *b)
{
    return a->rows == b->rows && a->cols == b->cols && a->tokens == b->tokens;
}

static void put_times(wh_buf *b, double value)
{
    if (value > 0)
        wh_buf_putf(b, " %6.2fx", value);
    else
        wh_buf_puts(b, "       -");
}

static void put_shares(wh_buf *b, const whit_bench_row *r)
{
    wh_buf_putf(b, " %4s %10.1f %10.1f %6.1f %8.1f %5.0f %% %-7s", whit_acts_name(r->acts),
                r->us_min, r->us_median, r->gbps, r->gflops, r->pct_bound, r->bound);
}

#define SHARES "acts     us min     median   GB/s  GFLOP/s  of bound    "

static void put_products(wh_buf *b, const whit_bench *bench, int color)
{
    for (size_t i = 0; i < bench->count; i++) {
        const whit_bench_row *r = &bench->row[i];
        if (i == 0 || !same_group(r, r - 1))
            wh_buf_putf(b,
                        "\n%" PRIu64 "x%" PRIu64 ", %" PRIu64 " token%s, %s\n%s%-16s " SHARES
                        " over f32     f16  level%s\n",
                        r->rows, r->cols, r->tokens, r->tokens == 1 ? "" : "s",
                        r->cold ? "cold" : "warm", color ? WH_BOLD : "", "type",
                        color ? WH_PLAIN : "");
        wh_buf_putf(b, "%-16s", r->type);
        put_shares(b, r);
        put_times(b, r->over_f32);
        put_times(b, r->over_f16);
        wh_buf_putf(b, "  %s\n", r->isa);
    }
}

/* Sums of the rows with so many tokens. */
static void put_sum(wh_buf *b, const whit_bench *bench, uint64_t tokens)
{
    double least = 0, median = 0, bytes = 0;
    for (size_t i = 0; i < bench->count; i++) {
        const whit_bench_row *r = &bench->row[i];
        if (r->tokens != tokens) continue;
        least += (double)r->count * r->us_min;
        median += (double)r->count * r->us_median;
        bytes += (double)r->count * (double)r->bytes;
    }
    wh_buf_putf(b,
                "all %.2f MB, %" PRIu64 " token%s: %.3f ms (median %.3f), %.1f tokens a second in "
                "products alone\n",
                bytes * 1e-6, tokens, tokens == 1 ? "" : "s", least * 1e-3, median * 1e-3,
                (double)tokens * 1e6 / least);
}

static void put_model(wh_buf *b, const whit_bench *bench, int color)
{
    for (size_t i = 0; i < bench->count; i++) {
        const whit_bench_row *r = &bench->row[i];
        char shape[48];
        if (i == 0 || r->tokens != r[-1].tokens)
            wh_buf_putf(b, "\n%" PRIu64 " token%s, %s\n%s%5s %-14s %-16s " SHARES " level%s\n",
                        r->tokens, r->tokens == 1 ? "" : "s", r->cold ? "cold" : "warm",
                        color ? WH_BOLD : "", "count", "shape", "type", color ? WH_PLAIN : "");
        snprintf(shape, sizeof shape, "%" PRIu64 "x%" PRIu64, r->rows, r->cols);
        wh_buf_putf(b, "%5" PRIu64 " %-14s %-16s", r->count, shape, r->type);
        put_shares(b, r);
        wh_buf_putf(b, "  %s\n", r->isa);
        if (i + 1 == bench->count || r[1].tokens != r->tokens) put_sum(b, bench, r->tokens);
    }
    if (bench->left_out.count) wh_buf_puts(b, "\nleft out\n");
    for (size_t i = 0; i < bench->left_out.count; i++)
        wh_buf_putf(b, "  %s\n", bench->left_out.line[i]);
}

/* ---- whole models ---- */

static void put_subject(wh_buf *b, const whit_bench_subject *s)
{
    wh_buf_putf(b,
                "model     %s, %" PRIu32 " layers of width %" PRIu32 ", %" PRIu32
                " heads of %" PRIu32 " (%" PRIu32 " for keys and values), feed-forward %" PRIu32
                ", %" PRIu32 " tokens; %.3f M weights in products\n",
                s->architecture, s->layers, s->width, s->heads, s->head_width, s->kv_heads,
                s->ffn_width, s->vocabulary, (double)s->weights * 1e-6);
}

/* Rows come in pairs: first all of the prompt, then all of the single token. */
static void put_passes(wh_buf *b, const whit_bench *bench, int color)
{
    put_subject(b, &bench->subject);
    for (size_t half = 0; half < 2; half++) {
        if (half == 0)
            wh_buf_putf(b, "\nprefill: %" PRIu32 " tokens into an empty text\n",
                        bench->subject.prefill);
        else
            wh_buf_putf(b, "\ndecode: a token behind %" PRIu32 " others\n", bench->subject.behind);
        wh_buf_putf(b,
                    "%s%-16s acts  tokens/s     ms min     median   GB/s of read  GFLOP/s of matmul"
                    "  over f32     f16%s\n",
                    color ? WH_BOLD : "", "type", color ? WH_PLAIN : "");
        for (size_t i = half; i < bench->count; i += 2) {
            const whit_bench_row *r = &bench->row[i];
            wh_buf_putf(b, "%-16s %4s %9.1f %10.3f %10.3f %6.1f %5.0f %% %8.1f    %5.0f %% ",
                        r->type, whit_acts_name(r->acts), r->tokens_per_second, r->us_min * 1e-3,
                        r->us_median * 1e-3, r->gbps, r->pct_bw, r->gflops, r->pct_matmul);
            put_times(b, r->over_f32);
            put_times(b, r->over_f16);
            wh_buf_puts(b, "\n");
        }
    }
}

/* ---- encoders, memory ---- */

static void put_encoders(wh_buf *b, const whit_bench *bench, int color)
{
    static const char *const clips[] = { "", "minmax", "mse", "percentile" };
    for (size_t i = 0; i < bench->count; i++) {
        const whit_bench_row *r = &bench->row[i];
        if (i == 0 || !same_group(r, r - 1))
            wh_buf_putf(b,
                        "\n%" PRIu64 "x%" PRIu64 " from f32\n%s%-16s %-11s     us min     median  "
                        "Mweights/s core   GB/s  of read  level%s\n",
                        r->rows, r->cols, color ? WH_BOLD : "", "type", "clip/search",
                        color ? WH_PLAIN : "");
        wh_buf_putf(b, "%-16s %-11s %10.0f %10.0f %16.1f %6.2f %6.1f %%  %s\n", r->type,
                    r->search ? r->search : clips[r->clip], r->us_min, r->us_median, r->mweights,
                    r->gbps, r->pct_bw, r->isa);
    }
}

static void put_part(wh_buf *b, double us)
{
    if (us > 0)
        wh_buf_putf(b, " %8.3f", us * 1e-6);
    else
        wh_buf_puts(b, "        -");
}

static void put_layers(wh_buf *b, const whit_bench *bench, int color)
{
    for (size_t i = 0; i < bench->count; i++) {
        const whit_bench_row *r = &bench->row[i];
        if (i == 0 || !same_group(r, r - 1))
            wh_buf_putf(b,
                        "\n%" PRIu64 "x%" PRIu64
                        ", from H to codes, seconds\n%s%-16s passes      min"
                        "   median   factor    codes   a pass   scales  GFLOP/s of peak  peak MiB  "
                        "level%s\n",
                        r->rows, r->cols, color ? WH_BOLD : "", "type", color ? WH_PLAIN : "");
        wh_buf_putf(b, "%-16s %6" PRIu32, r->type, r->passes);
        put_part(b, r->us_min);
        put_part(b, r->us_median);
        put_part(b, r->factor_us);
        put_part(b, r->round_us);
        put_part(b, r->pass_us);
        put_part(b, r->refit_us);
        wh_buf_putf(b, " %8.1f %5.0f %%", r->gflops, r->pct_peak);
        if (r->peak_bytes)
            wh_buf_putf(b, " %9" PRIu64, (r->peak_bytes + (1 << 20) - 1) >> 20);
        else
            wh_buf_puts(b, "         -");
        wh_buf_putf(b, "  %s\n", r->isa);
    }
}

/* Rows of huge pages come first, then as many of ordinary ones. */
static void put_ladder(wh_buf *b, const whit_bench *bench, int color)
{
    const size_t n = bench->count / 2;
    wh_buf_putf(b,
                "\n%s             2 MiB pages                4 KiB pages\n"
                "    size    GB/s  1 thread      ns      GB/s  1 thread      ns  gained GB/s%s\n",
                color ? WH_BOLD : "", color ? WH_PLAIN : "");
    for (size_t i = 0; i < n; i++) {
        const whit_bench_row *h = &bench->row[i], *s = &bench->row[n + i];
        put_size(b, h->bytes);
        wh_buf_putf(b, " %7.1f %9.1f %7.1f   %7.1f %9.1f %7.1f  %9.1f %%\n", h->gbps, h->gbps_one,
                    h->latency_ns, s->gbps, s->gbps_one, s->latency_ns,
                    100 * (h->gbps / s->gbps - 1));
    }
}

void whit_bench_write_text(const whit_bench *bench, int flags, FILE *out)
{
    wh_buf b = { 0 };
    const int color = flags & WHIT_TEXT_COLOR;
    put_machine(&b, bench);
    if (bench->o.what == WHIT_BENCH_QUANTIZE)
        put_encoders(&b, bench, color);
    else if (bench->o.what == WHIT_BENCH_MEMORY)
        put_ladder(&b, bench, color);
    else if (bench->o.what == WHIT_BENCH_GPTQ)
        put_layers(&b, bench, color);
    else if (bench->o.what == WHIT_BENCH_MODEL)
        put_passes(&b, bench, color);
    else if (bench->o.model)
        put_model(&b, bench, color);
    else
        put_products(&b, bench, color);
    wh_buf_print(&b, out);
}
