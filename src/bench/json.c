/* src/bench/json.c - a bench as one JSON object, schema 1 (whit/bench.h).
 *
 * SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <inttypes.h>

#include "bench/bench.h"

static void put_flag(wh_buf *b, const char *key, int value)
{
    wh_buf_putf(b, ",\"%s\":%s", key, value ? "true" : "false");
}

/* null where there is nothing to compare with. */
static void put_ratio(wh_buf *b, const char *key, double value)
{
    if (value > 0)
        wh_json_add_double(b, key, value);
    else
        wh_buf_putf(b, ",\"%s\":null", key);
}

static void put_runs(wh_buf *b, const whit_bench_row *r)
{
    wh_json_add_u64(b, "bytes", r->bytes);
    put_flag(b, "cold", r->cold);
    wh_json_add_text(b, "isa", r->isa);
    wh_json_add_u64(b, "runs", r->runs);
    wh_json_add_double(b, "us_min", r->us_min);
    wh_json_add_double(b, "us_median", r->us_median);
}

static void put_product(wh_buf *b, const whit_bench_row *r)
{
    wh_json_add_text(b, "type", r->type);
    wh_json_add_text(b, "acts", whit_acts_name(r->acts));
    wh_json_add_u64(b, "rows", r->rows);
    wh_json_add_u64(b, "cols", r->cols);
    wh_json_add_u64(b, "tokens", r->tokens);
    wh_json_add_u64(b, "count", r->count);
    put_runs(b, r);
    wh_json_add_double(b, "gbps", r->gbps);
    wh_json_add_double(b, "gflops", r->gflops);
    wh_json_add_double(b, "read_gbps", r->read_gbps);
    wh_json_add_text(b, "peak", r->peak);
    wh_json_add_double(b, "peak_gops", r->peak_gops);
    wh_json_add_double(b, "pct_bw", r->pct_bw);
    wh_json_add_double(b, "pct_peak", r->pct_peak);
    wh_json_add_double(b, "pct_bound", r->pct_bound);
    wh_json_add_text(b, "bound", r->bound);
    put_ratio(b, "over_f32", r->over_f32);
    put_ratio(b, "over_f16", r->over_f16);
    put_flag(b, "noisy", r->noisy);
    wh_json_add_u64(b, "checksum", r->checksum);
}

static void put_encoding(wh_buf *b, const whit_bench_row *r)
{
    static const char *const clips[] = { NULL, "minmax", "mse", "percentile" };
    wh_json_add_text(b, "type", r->type);
    wh_json_add_text(b, "clip", clips[r->clip]);
    wh_json_add_text(b, "search", r->search);
    put_ratio(b, "percentile", r->percentile);
    wh_json_add_u64(b, "rows", r->rows);
    wh_json_add_u64(b, "cols", r->cols);
    put_runs(b, r);
    wh_json_add_double(b, "mweights_per_core", r->mweights);
    wh_json_add_double(b, "gbps", r->gbps);
    wh_json_add_double(b, "pct_bw", r->pct_bw);
    put_flag(b, "noisy", r->noisy);
    wh_json_add_u64(b, "checksum", r->checksum);
}

static void put_pass(wh_buf *b, const whit_bench_row *r)
{
    wh_json_add_text(b, "type", r->type);
    wh_json_add_text(b, "acts", whit_acts_name(r->acts));
    wh_json_add_u64(b, "tokens", r->tokens);
    put_runs(b, r);
    wh_json_add_double(b, "tokens_per_second", r->tokens_per_second);
    wh_json_add_double(b, "gbps", r->gbps);
    wh_json_add_double(b, "gflops", r->gflops);
    wh_json_add_double(b, "read_gbps", r->read_gbps);
    wh_json_add_double(b, "pct_bw", r->pct_bw);
    wh_json_add_double(b, "matmul_us", r->matmul_us);
    wh_json_add_double(b, "matmul_gflops", r->matmul_gflops);
    wh_json_add_double(b, "pct_matmul", r->pct_matmul);
    put_ratio(b, "over_f32", r->over_f32);
    put_ratio(b, "over_f16", r->over_f16);
    put_flag(b, "noisy", r->noisy);
    wh_json_add_u64(b, "checksum", r->checksum);
}

static void put_layer(wh_buf *b, const whit_bench_row *r)
{
    wh_json_add_text(b, "type", r->type);
    wh_json_add_u64(b, "rows", r->rows);
    wh_json_add_u64(b, "cols", r->cols);
    wh_json_add_u64(b, "passes", r->passes);
    wh_json_add_u64(b, "bytes", r->bytes);
    wh_json_add_text(b, "isa", r->isa);
    wh_json_add_u64(b, "runs", r->runs);
    wh_json_add_double(b, "us_min", r->us_min);
    wh_json_add_double(b, "us_median", r->us_median);
    wh_json_add_double(b, "factor_us", r->factor_us);
    wh_json_add_double(b, "round_us", r->round_us);
    put_ratio(b, "pass_us", r->pass_us);
    put_ratio(b, "refit_us", r->refit_us);
    wh_json_add_double(b, "gflops", r->gflops);
    wh_json_add_text(b, "peak", r->peak);
    wh_json_add_double(b, "peak_gops", r->peak_gops);
    wh_json_add_double(b, "pct_peak", r->pct_peak);
    if (r->peak_bytes)
        wh_json_add_u64(b, "peak_bytes", r->peak_bytes);
    else
        wh_json_add_text(b, "peak_bytes", NULL);
    put_flag(b, "noisy", r->noisy);
    wh_json_add_u64(b, "checksum", r->checksum);
}

static void put_subject(wh_buf *b, const whit_bench_subject *s)
{
    wh_buf_putf(b, ",\"model\":{\"architecture\":\"%s\"", s->architecture);
    wh_json_add_u64(b, "layers", s->layers);
    wh_json_add_u64(b, "width", s->width);
    wh_json_add_u64(b, "heads", s->heads);
    wh_json_add_u64(b, "kv_heads", s->kv_heads);
    wh_json_add_u64(b, "head_width", s->head_width);
    wh_json_add_u64(b, "ffn_width", s->ffn_width);
    wh_json_add_u64(b, "vocabulary", s->vocabulary);
    wh_json_add_u64(b, "weights", s->weights);
    wh_json_add_text(b, "stored", *s->stored ? s->stored : NULL);
    wh_json_add_u64(b, "prefill_tokens", s->prefill);
    wh_json_add_u64(b, "decode_behind", s->behind);
    wh_buf_puts(b, "}");
}

static void put_walk(wh_buf *b, const whit_bench_row *r)
{
    wh_json_add_text(b, "isa", r->isa);
    wh_json_add_text(b, "pages", r->pages);
    wh_json_add_u64(b, "bytes", r->bytes);
    wh_json_add_double(b, "gbps", r->gbps);
    wh_json_add_double(b, "gbps_one", r->gbps_one);
    wh_json_add_double(b, "latency_ns", r->latency_ns);
    put_flag(b, "noisy", r->noisy);
}

static void put_probes(wh_buf *b, const whit_bench *bench)
{
    const whit_bench_machine *m = &bench->machine;
    const wh_probes *p = &bench->probes;
    wh_buf_puts(b, ",\"probe\":{\"read_gbps\":");
    wh_json_put_double(b, m->read_gbps);
    wh_json_add_double(b, "read_gbps_high", m->read_gbps_high);
    wh_json_add_double(b, "read_gbps_low", m->read_gbps_low);
    wh_json_add_double(b, "read_gbps_one", m->read_gbps_one);
    wh_json_add_u64(b, "read_bytes", m->probe_bytes);
    for (int one = 0; one < 2; one++) {
        const char *separator = "";
        wh_buf_puts(b, one ? ",\"peak_one\":{" : ",\"peak\":{");
        for (size_t i = 0; i < p->count; i++) { /* GB/s of each reader, Gop/s of the others */
            wh_buf_putf(b, "%s\"%s\":", separator, p->value[i].probe->name);
            wh_json_put_double(b, one ? p->value[i].one : p->value[i].all);
            separator = ",";
        }
        wh_buf_puts(b, "}");
    }
    wh_json_add_double(b, "fork_join_us", m->fork_join_us);
    wh_buf_puts(b, "}");
}

void whit_bench_write_json(const whit_bench *bench, FILE *out)
{
    static const char *const whats[] = { "matmul", "quantize", "memory", "model", "gptq" };
    const whit_bench_machine *m = &bench->machine;
    const int what = (int)bench->o.what;
    wh_buf b = { 0 };
    wh_buf_putf(&b, "{\"schema\":1,\"command\":\"bench\",\"what\":\"%s\"", whats[what]);
    wh_json_add_text(&b, "cpu", m->cpu);
    wh_json_add_text(&b, "isa", m->isa);
    wh_json_add_u64(&b, "threads", m->threads);
    wh_json_add_text(&b, "pages", m->pages);
    put_flag(&b, "noisy", m->noisy);
    wh_json_add_double(&b, "stolen", m->stolen);
    wh_json_add_double(&b, "foreign", m->foreign);
    wh_json_add_u64(&b, "rotation_bytes", m->rotation_bytes);
    put_ratio(&b, "token_us_min", m->token_us_min);
    put_ratio(&b, "token_us_median", m->token_us_median);
    if (bench->subject.architecture) put_subject(&b, &bench->subject);
    put_probes(&b, bench);
    wh_buf_puts(&b, ",\"results\":[");
    for (size_t i = 0; i < bench->count; i++) {
        const whit_bench_row *r = &bench->row[i];
        wh_buf_putf(&b, "%s{\"op\":\"%s\"", i ? "," : "", r->op);
        if (what == WHIT_BENCH_MATMUL) put_product(&b, r);
        if (what == WHIT_BENCH_QUANTIZE) put_encoding(&b, r);
        if (what == WHIT_BENCH_MEMORY) put_walk(&b, r);
        if (what == WHIT_BENCH_MODEL) put_pass(&b, r);
        if (what == WHIT_BENCH_GPTQ) put_layer(&b, r);
        wh_buf_puts(&b, "}");
    }
    wh_buf_puts(&b, "]");
    wh_json_add_lines(&b, "left_out", &bench->left_out);
    wh_json_add_lines(&b, "warnings", &bench->warnings);
    wh_buf_puts(&b, "}\n");
    wh_buf_print(&b, out);
}
