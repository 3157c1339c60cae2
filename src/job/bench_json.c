/* src/job/bench_json.c - a bench as one JSON object, schema 1 (README).
 *
 * SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <inttypes.h>

#include "job/bench.h"

static void put_text(wh_buf *b, const char *key, const char *value)
{
    wh_buf_putf(b, ",\"%s\":", key);
    if (value)
        wh_json_put_string(b, value);
    else
        wh_buf_puts(b, "null");
}

static void put_number(wh_buf *b, const char *key, double value)
{
    wh_buf_putf(b, ",\"%s\":", key);
    wh_json_put_double(b, value);
}

static void put_u64(wh_buf *b, const char *key, uint64_t value)
{
    wh_buf_putf(b, ",\"%s\":%" PRIu64, key, value);
}

static void put_flag(wh_buf *b, const char *key, int value)
{
    wh_buf_putf(b, ",\"%s\":%s", key, value ? "true" : "false");
}

/* null where there is nothing to compare with. */
static void put_ratio(wh_buf *b, const char *key, double value)
{
    if (value > 0)
        put_number(b, key, value);
    else
        wh_buf_putf(b, ",\"%s\":null", key);
}

static void put_runs(wh_buf *b, const whit_bench_row *r)
{
    put_u64(b, "bytes", r->bytes);
    put_flag(b, "cold", r->cold);
    put_text(b, "isa", r->isa);
    put_u64(b, "runs", r->runs);
    put_number(b, "us_min", r->us_min);
    put_number(b, "us_median", r->us_median);
}

static void put_product(wh_buf *b, const whit_bench_row *r)
{
    put_text(b, "type", r->type);
    put_text(b, "acts", whit_acts_name(r->acts));
    put_u64(b, "rows", r->rows);
    put_u64(b, "cols", r->cols);
    put_u64(b, "tokens", r->tokens);
    put_u64(b, "count", r->count);
    put_runs(b, r);
    put_number(b, "gbps", r->gbps);
    put_number(b, "gflops", r->gflops);
    put_number(b, "read_gbps", r->read_gbps);
    put_text(b, "peak", r->peak);
    put_number(b, "peak_gops", r->peak_gops);
    put_number(b, "pct_bw", r->pct_bw);
    put_number(b, "pct_peak", r->pct_peak);
    put_number(b, "pct_bound", r->pct_bound);
    put_text(b, "bound", r->bound);
    put_ratio(b, "over_f32", r->over_f32);
    put_ratio(b, "over_f16", r->over_f16);
    put_flag(b, "noisy", r->noisy);
    put_u64(b, "checksum", r->checksum);
}

static void put_encoding(wh_buf *b, const whit_bench_row *r)
{
    static const char *const clips[] = { NULL, "minmax", "mse", "percentile" };
    put_text(b, "type", r->type);
    put_text(b, "clip", clips[r->clip]);
    put_text(b, "search", r->search);
    put_ratio(b, "percentile", r->percentile);
    put_u64(b, "rows", r->rows);
    put_u64(b, "cols", r->cols);
    put_runs(b, r);
    put_number(b, "mweights_per_core", r->mweights);
    put_number(b, "gbps", r->gbps);
    put_number(b, "pct_bw", r->pct_bw);
    put_flag(b, "noisy", r->noisy);
    put_u64(b, "checksum", r->checksum);
}

static void put_pass(wh_buf *b, const whit_bench_row *r)
{
    put_text(b, "type", r->type);
    put_text(b, "acts", whit_acts_name(r->acts));
    put_u64(b, "tokens", r->tokens);
    put_runs(b, r);
    put_number(b, "tokens_per_second", r->tokens_per_second);
    put_number(b, "gbps", r->gbps);
    put_number(b, "gflops", r->gflops);
    put_number(b, "read_gbps", r->read_gbps);
    put_number(b, "pct_bw", r->pct_bw);
    put_number(b, "matmul_us", r->matmul_us);
    put_number(b, "matmul_gflops", r->matmul_gflops);
    put_number(b, "pct_matmul", r->pct_matmul);
    put_ratio(b, "over_f32", r->over_f32);
    put_ratio(b, "over_f16", r->over_f16);
    put_flag(b, "noisy", r->noisy);
    put_u64(b, "checksum", r->checksum);
}

static void put_subject(wh_buf *b, const whit_bench_subject *s)
{
    wh_buf_putf(b, ",\"model\":{\"architecture\":\"%s\"", s->architecture);
    put_u64(b, "layers", s->layers);
    put_u64(b, "width", s->width);
    put_u64(b, "heads", s->heads);
    put_u64(b, "kv_heads", s->kv_heads);
    put_u64(b, "head_width", s->head_width);
    put_u64(b, "ffn_width", s->ffn_width);
    put_u64(b, "vocabulary", s->vocabulary);
    put_u64(b, "weights", s->weights);
    put_text(b, "stored", *s->stored ? s->stored : NULL);
    put_u64(b, "prefill_tokens", s->prefill);
    put_u64(b, "decode_behind", s->behind);
    wh_buf_puts(b, "}");
}

static void put_walk(wh_buf *b, const whit_bench_row *r)
{
    put_text(b, "isa", r->isa);
    put_text(b, "pages", r->pages);
    put_u64(b, "bytes", r->bytes);
    put_number(b, "gbps", r->gbps);
    put_number(b, "gbps_one", r->gbps_one);
    put_number(b, "latency_ns", r->latency_ns);
    put_flag(b, "noisy", r->noisy);
}

static void put_probes(wh_buf *b, const whit_bench *bench)
{
    const whit_bench_machine *m = &bench->machine;
    const wh_probes *p = &bench->probes;
    wh_buf_puts(b, ",\"probe\":{\"read_gbps\":");
    wh_json_put_double(b, m->read_gbps);
    put_number(b, "read_gbps_high", m->read_gbps_high);
    put_number(b, "read_gbps_low", m->read_gbps_low);
    put_number(b, "read_gbps_one", m->read_gbps_one);
    put_u64(b, "read_bytes", m->probe_bytes);
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
    put_number(b, "fork_join_us", m->fork_join_us);
    wh_buf_puts(b, "}");
}

static void put_lines(wh_buf *b, const char *key, const wh_lines *l)
{
    wh_buf_putf(b, ",\"%s\":[", key);
    for (size_t i = 0; i < l->count; i++) {
        if (i) wh_buf_puts(b, ",");
        wh_json_put_string(b, l->line[i]);
    }
    wh_buf_puts(b, "]");
}

void whit_bench_write_json(const whit_bench *bench, FILE *out)
{
    static const char *const whats[] = { "matmul", "quantize", "memory", "model" };
    const whit_bench_machine *m = &bench->machine;
    const int what = (int)bench->o.what;
    wh_buf b = { 0 };
    wh_buf_putf(&b, "{\"schema\":1,\"command\":\"bench\",\"what\":\"%s\"", whats[what]);
    put_text(&b, "cpu", m->cpu);
    put_text(&b, "isa", m->isa);
    put_u64(&b, "threads", m->threads);
    put_text(&b, "pages", m->pages);
    put_flag(&b, "noisy", m->noisy);
    put_number(&b, "stolen", m->stolen);
    put_number(&b, "foreign", m->foreign);
    put_u64(&b, "rotation_bytes", m->rotation_bytes);
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
        wh_buf_puts(&b, "}");
    }
    wh_buf_puts(&b, "]");
    put_lines(&b, "left_out", &bench->left_out);
    put_lines(&b, "warnings", &bench->warnings);
    wh_buf_puts(&b, "}\n");
    if (!b.failed) fwrite(b.data, 1, b.len, out);
    wh_buf_free(&b);
}
