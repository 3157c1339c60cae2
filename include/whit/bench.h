/* include/whit/bench.h - how fast this machine multiplies, quantizes and reads memory, held against
 * what the same machine can do in the same minute.
 *
 * A row holds its fastest call against two limits that are probed in the same run, before, between
 * and after: the speed at which the same threads read memory (of warm rows: a buffer as large as
 * the weight), and the peak of the instructions that the kernel uses; pct_bound is the time that
 * the nearer one asks for, as a share of the time taken. A quantized row slower than f16 is a
 * warning; with less memory (max_memory) than cold rows want there are fewer copies, and a warning.
 * A noisy row is marked, never left out.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_BENCH_H
#define WHIT_BENCH_H

#include <whit/job.h>
#include <whit/kernel.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum whit_bench_what {
    WHIT_BENCH_MATMUL = 0, /* whit_matmul, or the matrices of a model                        */
    WHIT_BENCH_QUANTIZE,   /* the encoders, from float32                                     */
    WHIT_BENCH_MEMORY,     /* reading and latency by size, from the first cache to memory    */
    WHIT_BENCH_MODEL,      /* a model's whole forward pass: a prompt at once, token by token */
    WHIT_BENCH_GPTQ        /* GPTQ of one layer, from H to codes                           */
} whit_bench_what;

/* Where the weights are when they are read. */
typedef enum whit_bench_place {
    WHIT_BENCH_AUTO = 0, /* cold up to 16 tokens, warm above                                */
    WHIT_BENCH_COLD,     /* in memory: calls rotate over copies of the weights, so that 1 GiB of
                            others is read before one is met again                          */
    WHIT_BENCH_WARM      /* wherever the last call left them: one weight again and again    */
} whit_bench_place;

typedef enum whit_bench_acts {
    WHIT_BENCH_ACTS_AUTO = 0, /* int8 where the weight's form has it, else float32           */
    WHIT_BENCH_ACTS_F32,
    WHIT_BENCH_ACTS_Q8,  /* floats are measured with float32 beside it; other forms without
                            int8 activations are left out, with a warning                  */
    WHIT_BENCH_ACTS_BF16 /* everything; WHIT_ERR_UNSUPPORTED without AMX                   */
} whit_bench_acts;

typedef struct whit_bench_options {
    size_t struct_size; /* whit_bench_options_init sets it                                   */
    whit_bench_what what;
    const char *types;  /* schemes and f32, f16, bf16, with commas; quantize also block types, each
                           with both searches. NULL: matmul "f32,f16,int8-channel,int4-g128,
                           int4-g32,nf4-g64", model the same without int4-g32, quantize a list of
                           its own with every block type, gptq "int4-g128,int3-g64,nf4-g64,
                           q4_k"                                                            */
    const char *shapes; /* rows x columns: "4096x4096,11008x4096"; NULL: "4096x4096"          */
    const char *tokens; /* matmul: "1,8,512"; NULL: "1,512", of a model "1"                  */
    const whit_source *model; /* matmul: its matrices instead of types and shapes; or NULL   */
    whit_bench_place place;
    whit_bench_acts acts;
    whit_clip clip; /* quantize; WHIT_CLIP_DEFAULT with types NULL: minmax and mse in turn     */
    double percentile;
    double seconds; /* to measure a row for, where it needs no more than that; 0: 0.7, gptq 2;
                       below 0.05 the machine's own speed is measured more briefly too      */
    int pin;        /* 1: each thread stays on a processor of its own (Linux)                */
    whit_job_options job;  /* threads: at most 256. max_memory also bounds the copies         */
    const char *path;      /* WHIT_BENCH_MODEL: the model, as for whit_model_open, whose weights
                              are measured as they are and as each of the types; or:         */
    const char *synthetic; /* "1024x8": width x layers of a Llama with made-up weights and a
                              vocabulary of 32000                                            */
} whit_bench_options;
WHIT_API void whit_bench_options_init(whit_bench_options *options);

/* One measured thing. What has no meaning for its kind is 0, an empty text or NULL. */
typedef struct whit_bench_row {
    const char *op;  /* matmul: the operation that did most of it ("gemm_q4_q8"; see the list);
                        "quantize"; "memory"; of a model "prefill" or "decode"              */
    const char *isa; /* the level of its variant                                            */
    char type[WHIT_SCHEME_TEXT]; /* canonical                                               */
    whit_acts acts;
    whit_clip clip;
    const char *search; /* of blocks: "reference" or "best"; else NULL                      */
    double percentile;
    uint64_t rows, cols, tokens;
    uint64_t count; /* of a model: matrices of this type and shape; else 1                 */
    uint64_t bytes; /* of the weight as the kernels read it; of the input; the working set */
    uint64_t runs;  /* that were measured                                                  */
    int cold;
    double us_min, us_median; /* of a call; activations are quantized inside               */
    double gbps;      /* bytes by us_min. memory: what all threads read together             */
    double gflops;    /* 2 * rows * cols * tokens by us_min                                  */
    double mweights;  /* quantize: million weights a second and thread                       */
    double read_gbps; /* what the same threads just read at most: of memory where cold, else of
                         a buffer as large as the weight                                    */
    double peak_gops; /* what the kernel's instructions do at most on the same threads      */
    const char *peak; /* of which probe: "fma_avx512", "dpbusd_avx512vnni", ..              */
    double pct_bw, pct_peak; /* 100 * gbps / read_gbps, 100 * gflops / peak_gops             */
    double pct_bound;  /* of the time that the nearer of the two bounds asks for             */
    const char *bound; /* which one: "read" or "compute"                                    */
    double over_f32, over_f16; /* times as fast as the row of that type; 0 without one       */
    uint64_t checksum; /* of the bits of the results, below 2^53: equal results, equal sums  */
    int noisy;         /* the machine did other things meanwhile                            */
    const char *pages; /* memory: "2m" or "4k"                                              */
    double gbps_one, latency_ns; /* memory: with one thread; from one address to the next    */
    double tokens_per_second;    /* model: by us_min                                         */
    double matmul_us;     /* model: what its products take alone, one behind the other; the best */
    double matmul_gflops; /* of that                                                         */
    double pct_matmul;    /* 100 * matmul_us / us_min                                        */
    uint32_t passes;      /* gptq: of descent; with them scales are fitted again where they can */
    double factor_us, round_us; /* gptq, of us_min: H to its factor, that to codes           */
    double pass_us, refit_us;   /* each pass, the new scales; 0 without                      */
    uint64_t peak_bytes; /* gptq: the most memory of the process meanwhile, without the probes'
                            buffer; 0 where the system does not tell                        */
} whit_bench_row;

/* The machine during the run. */
typedef struct whit_bench_machine {
    char cpu[96];
    const char *isa;   /* whit_isa */
    const char *pages; /* that the weights lie on: "2m" if most of them do, else "4k"         */
    unsigned threads;
    double read_gbps; /* memory, by pieces of 16 MiB: the best one of all probes             */
    double read_gbps_high, read_gbps_low; /* the median piece of the best and of the worst of
                                             the probes before, between and after           */
    double read_gbps_one;    /* the best with one thread                                        */
    double fork_join_us;     /* handing out nothing and waiting for it               */
    double stolen, foreign;  /* shares of all processors' time: taken by the host, used by others */
    uint64_t probe_bytes;    /* that each reading probe went through                          */
    uint64_t rotation_bytes; /* least that was read before a cold weight was met again; 0: no cold
                                row */
    double token_us_min, token_us_median; /* of a model: sums over its matrices, of one token */
    int noisy; /* probes differ by more than 10 %, or stolen + foreign is above 10 %          */
} whit_bench_machine;

typedef struct whit_bench whit_bench;

/* WHIT_BENCH_MODEL: what was measured. */
typedef struct whit_bench_subject {
    const char *architecture; /* NULL: the bench is of another kind                          */
    uint32_t layers, width, heads, kv_heads, head_width, ffn_width, vocabulary;
    uint64_t weights; /* in products, the head's too                                  */
    uint32_t prefill; /* tokens at once, into an empty text; the head sees the last one */
    uint32_t behind;  /* decode is a token behind so many others                      */
    char stored[WHIT_SCHEME_TEXT]; /* how all of its matrices are stored; "": as several types */
} whit_bench_subject;

/*
 * Measure. Takes about as many times `seconds` as there are rows, and the first calls.
 *
 * Rows of one shape take turns (A B C A B C ..), those with few bytes several times; the first two
 * calls of each are dropped. Nothing that was measured is left out. Of a model every tensor of two
 * dimensions or more counts but what the built-in selection of whit_plan_make takes for an
 * embedding; without an output head the largest embedding is that.
 *
 * A whole model (WHIT_BENCH_MODEL) has two rows for each type: 512 tokens at once into an empty
 * text, and one token behind 255 others, each fewer where its context ends sooner. All its linears
 * are of that type, the head too; a model of a file has rows for its own types before, named
 * "own" where there are several. The same products alone are measured beside, in turns. One type is
 * in memory at a time.
 *
 * GPTQ (WHIT_BENCH_GPTQ) has two rows for each type: codes by feedback alone, and with three passes
 * of descent and new scales behind, which are told apart by runs with and without. H is made up, of
 * columns that resemble their neighbours. gflops counts cols^3 / 3 for the factor, rows * cols^2
 * for the codes, and twice that for each pass and for new scales; pct_peak is its share of the
 * fused multiply-adds of float32. Scales are found on the way and count as nothing.
 *
 * Errors: WHIT_ERR_ARG (a text of the options, which is quoted; threads; pinning where the system
 * cannot), WHIT_ERR_NOMEM (also: max_memory too small, the message names the smallest that works),
 * WHIT_ERR_NUMERIC (two calls gave different bits), WHIT_ERR_CANCELLED, those of whit_weight_load.
 */
WHIT_API whit_status whit_bench_run(whit_bench **out, const whit_bench_options *options,
                                    whit_error *err);
WHIT_API void whit_bench_free(whit_bench *bench); /* NULL is fine */
WHIT_API size_t whit_bench_count(const whit_bench *bench);
WHIT_API const whit_bench_row *whit_bench_at(const whit_bench *bench, size_t index);
WHIT_API const whit_bench_machine *whit_bench_on(const whit_bench *bench);
WHIT_API const whit_bench_subject *whit_bench_of(const whit_bench *bench);
/* What a reader must know: a quantized row slower than f16, too few copies, disturbances. */
WHIT_API size_t whit_bench_warnings(const whit_bench *bench);
WHIT_API const char *whit_bench_warning(const whit_bench *bench, size_t index);
/* Of a model: tensors that were left out, each with the reason. */
WHIT_API size_t whit_bench_left_out(const whit_bench *bench);
WHIT_API const char *whit_bench_left_out_at(const whit_bench *bench, size_t index);

/*
 * A table for people, one JSON object:
 *   {"schema","command","what","cpu","isa","threads","pages","noisy",
 *    "probe":{"read_gbps","peak":{..},..},
 *    "results":[{"op","type","acts","rows","cols","tokens","cold","isa","us_min","us_median","gbps",
 *                "gflops","pct_bw","pct_peak","bound","noisy","checksum",..}]}
 * Numbers are always present but for over_f32, over_f16 and the model's token_us_min,
 * token_us_median, which are null where there is nothing to compare or sum. Errors on out are left
 * to the caller's ferror.
 */
WHIT_API void whit_bench_write_text(const whit_bench *bench, int flags, FILE *out);
WHIT_API void whit_bench_write_json(const whit_bench *bench, FILE *out);

/* ---- what there is --------------------------------------------------------------------------- */

typedef enum whit_bench_state {
    WHIT_BENCH_SERVES = 0, /* runs in this process                                           */
    WHIT_BENCH_IDLE,       /* would run; a faster one does                                   */
    WHIT_BENCH_BARRED,     /* written; this CPU lacks the level, or WHIT_ISA forbids it      */
    WHIT_BENCH_NONE        /* not written, `reason` says why and what runs instead           */
} whit_bench_state;

typedef struct whit_bench_entry {
    const char *op, *isa;
    whit_bench_state state;
    char reason[96]; /* empty unless state is WHIT_BENCH_NONE                                */
} whit_bench_entry;

/* Every operation at every level of this build's architecture, by operation, then by level.
 * *entries is freed with free(). Errors: WHIT_ERR_ARG (WHIT_ISA), WHIT_ERR_NOMEM. */
WHIT_API whit_status whit_bench_list(whit_bench_entry **entries, size_t *count, whit_error *err);
WHIT_API void whit_bench_list_text(const whit_bench_entry *entries, size_t count, int flags,
                                   FILE *out);
WHIT_API void whit_bench_list_json(const whit_bench_entry *entries, size_t count, FILE *out);

#ifdef __cplusplus
}
#endif
#endif
