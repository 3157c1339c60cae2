/* src/bench/bench.h - what the files of the bench share: its state, its arithmetic, its parts.
 * SPDX-License-Identifier: MIT */
#ifndef WH_BENCH_BENCH_H
#define WH_BENCH_BENCH_H

#include <whit/bench.h>
#include <whit/model.h>
#include "base/lines.h"
#include "kernels/probe.h"
#include "kernels/weight.h"
#include "job/stream.h"
#include "model/config.h"

#define WH_BENCH_ROTATION ((uint64_t)1 << 30) /* octets between two uses of a cold weight */
#define WH_BENCH_NOISE 0.10
#define WH_BENCH_SECONDS 0.7
#define WH_BENCH_GPTQ_SECONDS 2.0
#define WH_BENCH_DROPPED 2 /* first calls of a row */

/* ---- arithmetic (math.c); pure ---- */

/* Sorts v; the mean of the middle two of an even count. n is at least 1. */
double wh_median(double *v, size_t n);

/* What bounds a product from below. `bytes` is all that must be read or written once. */
typedef struct wh_roof {
    double us;
    int compute; /* 1: the operations ask for more time than the bytes */
} wh_roof;
wh_roof wh_roof_of(double bytes, double ops, double read_gbps, double peak_gops);

/* gbps, gflops and the shares of read_gbps, peak_gops and the roof, from us_min and the sizes;
 * act_bytes: octets of an input of a token as the kernel reads it. */
void wh_row_rates(whit_bench_row *row, unsigned act_bytes);

/* low, high: the worst and best reading probe; stolen and foreign as shares. */
int wh_is_noisy(double low, double high, double stolen, double foreign);

/* An order-dependent digest below 2^53, which every JSON reader holds exactly. */
uint64_t wh_checksum(const void *data, size_t bytes);

/* How often each of n weights is called in a turn, so that all read about as many octets, and how
 * many turns the rotation has: `turns` turns are `target` octets or more, or as much as `limit`
 * octets hold, and no weight has more than WH_MOST_COPIES copies. Returns the octets of the
 * rotation. n is at least 1, limit at least one copy of each. */
#define WH_MOST_COPIES 1024
uint64_t wh_rotation(const uint64_t *bytes, size_t n, uint64_t target, uint64_t limit,
                     size_t *calls, size_t *turns);

/* Processor time of the whole machine: the first line of /proc/stat. 0: it is none. */
typedef struct wh_cpu_times {
    uint64_t busy, stolen, all; /* ticks; busy is without stolen */
} wh_cpu_times;
int wh_cpu_times_parse(const char *text, wh_cpu_times *out);

/* ---- the machine (machine.c) ---- */

typedef struct wh_probe_value {
    const wh_probe *probe;
    double one, all; /* GB/s or Gop/s with one thread and with all: the best so far */
} wh_probe_value;

enum { WH_PROBES = 32 };

typedef struct wh_probes {
    char *buffer; /* [bytes] for reading */
    size_t bytes;
    wh_probe_value value[WH_PROBES]; /* the readers first, then what rows asked for */
    size_t count, readers;
    double high, low; /* of the probes' middle pieces with all threads */
    double fork_join_us;
} wh_probes;

/* The state of the processors at some time. */
typedef struct wh_moment {
    wh_cpu_times all;
    double own, seconds; /* processor time of this process, the clock */
} wh_moment;
void wh_moment_now(wh_moment *m);

struct whit_bench {
    whit_bench_options o; /* texts and source are borrowed while it runs */
    whit_bench_row *row;
    size_t count, cap;
    wh_lines warnings, left_out;
    whit_bench_machine machine;
    whit_bench_subject subject;
    wh_probes probes;
    whit_context *context; /* while it runs */
    wh_meter meter;        /* in thousandths of a row */
    wh_moment start;
    uint64_t limit; /* octets of memory */
};

/* Buffer and readers. Errors: WHIT_ERR_NOMEM. */
whit_status wh_probes_open(whit_bench *b, uint64_t bytes, whit_error *err);
void wh_probes_close(wh_probes *p);
/* Have this probe measured from now on; returns where its value is. */
size_t wh_probes_want(wh_probes *p, const wh_probe *probe);
/* Measure all of them once more. */
whit_status wh_probes_run(whit_bench *b, whit_error *err);
/* GB/s of reading so many octets of the buffer again and again with all threads. */
double wh_probes_reread(whit_bench *b, uint64_t bytes);
/* Read [data, data + bytes) in pieces, again and again, with the threads of the context or the
 * caller alone: GB/s of the best piece, and of the middle one (may be NULL). */
double wh_read_speed(whit_bench *b, const wh_probe *reader, const void *data, size_t bytes,
                     int alone, double *median);
const wh_probe *wh_probes_reader(const wh_probes *p); /* the fastest so far */
double wh_probes_read_gbps(const wh_probes *p);       /* with all threads, of that one */

void wh_cpu_name(char *out, size_t size);
/* From now on wh_peak_bytes is the most memory that this process holds at once, in octets. 0: the
 * system does not tell. */
int wh_peak_start(void);
uint64_t wh_peak_bytes(void);
/* Keep each thread of the context on a processor of its own; *saved is the caller's set before.
 * Errors: WHIT_ERR_ARG where the system cannot. */
typedef struct wh_affinity {
    unsigned char mask[1024];
    size_t size; /* 0: nothing to put back */
} wh_affinity;
whit_status wh_pin(whit_context *context, wh_affinity *saved, whit_error *err);
void wh_unpin(const wh_affinity *saved);

/* ---- lists (parse.c): texts with commas ---- */

typedef struct wh_sides {
    uint64_t rows, cols;
} wh_sides;
/* Freed with free(). Errors: WHIT_ERR_ARG quoting the part that is wrong, WHIT_ERR_NOMEM. */
/* Schemes; "gguf:mxfp4" and the like are the types of GGUF whose names are also kinds of ours. */
whit_status wh_list_types(const char *text, whit_scheme **out, size_t *count, whit_error *err);
const char *wh_type_print(const whit_scheme *type, char buf[WHIT_SCHEME_TEXT]);
whit_status wh_list_shapes(const char *text, wh_sides **out, size_t *count, whit_error *err);
whit_status wh_list_tokens(const char *text, uint64_t **out, size_t *count, whit_error *err);

/* ---- the run (bench.c) ---- */

/* A new row, zeroed; NULL: no memory. Pointers to rows are valid until the next one. */
whit_bench_row *wh_bench_add(whit_bench *b);
/* Memory for `need` octets besides what may shrink: a probe buffer and copies of weights, at least
 * `least_copies` octets of them (0: none, then *copies is 0). Shares what max_memory leaves.
 * Errors: WHIT_ERR_NOMEM naming the smallest max_memory. */
whit_status wh_bench_share(const whit_bench *b, uint64_t need, uint64_t least_copies,
                           uint64_t *probe, uint64_t *copies, whit_error *err);
/* Tell how far it is, in rows. */
whit_status wh_bench_step(whit_bench *b, const char *what, double rows, whit_error *err);
/* Seeded normal-like values with a deviation of about 1. */
void wh_bench_fill(float *x, size_t n, uint64_t seed);

whit_status wh_bench_matmul(whit_bench *b, whit_error *err);
whit_status wh_bench_quantize(whit_bench *b, whit_error *err);
whit_status wh_bench_memory(whit_bench *b, whit_error *err);
whit_status wh_bench_forward(whit_bench *b, whit_error *err);
whit_status wh_bench_gptq(whit_bench *b, whit_error *err);

/* ---- weights (weights.c) ---- */

/* A weight to measure: made here, or a tensor of a model. */
typedef struct wh_item {
    whit_scheme scheme;
    uint64_t rows, cols, count;
    size_t index;   /* in the model; WHIT_NOT_FOUND: made here */
    uint64_t bytes; /* of the form, about; exact once it is made */
    whit_weight **copy;
    size_t copies, next;
    size_t calls; /* in a turn */
} wh_item;

/* Octets needed besides while one of them is made. */
uint64_t wh_item_making(const wh_item *item);
/* One of each, then copies: as many as `limit` octets hold where they are to be cold. *rotation is
 * what was reached, 0 without. */
whit_status wh_items_make(whit_bench *b, wh_item *item, size_t n, int cold, uint64_t limit,
                          uint64_t *rotation, whit_error *err);
void wh_items_free(wh_item *item, size_t n);
/* One from float32 w [rows][cols]. */
whit_status wh_item_make(whit_bench *b, const wh_item *item, const float *w, whit_weight **out,
                         whit_error *err);

/* ---- timing (turns.c) ---- */

/* Which activations a form gets; 0: it has none of the asked-for kind. */
int wh_choose_acts(whit_bench_acts asked, const whit_weight_info *info, whit_acts *acts);

typedef struct wh_turns {
    size_t tokens;
    int cold;
    const float *x; /* [tokens][cols of the widest item] */
    float *y;       /* [tokens][rows of the tallest]     */
} wh_turns;
/* Probe, then measure the items against each other: a row for each that has such activations. */
whit_status wh_bench_turns(whit_bench *b, wh_item *item, size_t n, const wh_turns *turns,
                           whit_error *err);

/* ---- models (model.c) ---- */

/* The matrices of a model by type and shape Freed with free(). */
whit_status wh_model_items(whit_bench *b, wh_item **out, size_t *count, whit_error *err);
/* What a tensor is held from: its scheme, or that of its plain type. */
whit_scheme wh_stored_scheme(const whit_source_tensor *t);
/* That a matrix of so many columns can be of the type. Errors: WHIT_ERR_ARG. */
whit_status wh_type_fits(const whit_scheme *type, uint64_t cols, whit_error *err);

/* ---- whole models (retype.c) ---- */

/* The configuration of the model that the options name, and what is told of it. *bytes: of its
 * weights as they are, at most; 0 of a synthetic one. Errors: those of whit_source_open;
 * WHIT_ERR_FORMAT, WHIT_ERR_UNSUPPORTED (its configuration), WHIT_ERR_ARG (no such synthetic one).
 */
whit_status wh_subject_config(whit_bench *b, wh_model_config *c, uint64_t *bytes, whit_error *err);
/* Itself; a synthetic one has no linears yet. */
whit_status wh_subject_open(whit_bench *b, const wh_model_config *c, whit_model **out,
                            whit_error *err);
/* Octets of all its linears as one type; *making: besides, while one is made. */
uint64_t wh_retyped_bytes(const wh_model_config *c, const whit_scheme *type, uint64_t *making);
/* That all its linears can be of the type. Errors: WHIT_ERR_ARG. */
whit_status wh_retype_fits(const wh_model_config *c, const whit_scheme *type, whit_error *err);
/* Make all its linears of the type. */
whit_status wh_retype(whit_bench *b, whit_model *m, const whit_scheme *type, whit_error *err);

#endif
