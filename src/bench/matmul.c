/* src/bench/matmul.c - which products are measured, the memory for them, and what comes of it.
 *
 * Not here: the weights (weights.c), the clock (turns.c).
 *
 * SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/pages.h"

#define COLD_TOKENS 16                     /* WHIT_BENCH_AUTO: cold up to here */
#define SCRATCH_BYTES ((uint64_t)20 << 20) /* of the context, about */

/* ---- a set of weights that rotate together ---- */

typedef struct setting {
    uint64_t *tokens;
    size_t tokens_count;
    uint64_t most_tokens, copies;
    uint64_t huge, all; /* octets of first weights on huge pages, and at all */
    float *x, *y;
    size_t x_bytes, y_bytes;
} setting;

static int is_cold(const whit_bench *b, uint64_t tokens)
{
    return b->o.place == WHIT_BENCH_COLD ||
           (b->o.place == WHIT_BENCH_AUTO && tokens <= COLD_TOKENS);
}

static int any_cold(const whit_bench *b, const setting *s)
{
    for (size_t i = 0; i < s->tokens_count; i++)
        if (is_cold(b, s->tokens[i])) return 1;
    return 0;
}

/* What a reader must know about the weights, once. */
static void note_items(whit_bench *b, setting *s, const wh_item *item, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const whit_weight *w = item[i].copy[0];
        whit_weight_info info;
        whit_acts acts;
        char text[WHIT_SCHEME_TEXT];
        whit_weight_describe(w, &info);
        wh_type_print(&item[i].scheme, text);
        s->huge += wh_pages_huge(w->pages, w->pages_bytes);
        s->all += w->pages_bytes;
        if (info.decoded)
            wh_lines_add(&b->warnings,
                         "%s, %" PRIu64 "x%" PRIu64
                         ": no kernel multiplies its codes; decoded to float32 beforehand",
                         text, info.rows, info.cols);
        if (!wh_choose_acts(b->o.acts, &info, &acts))
            wh_lines_add(&b->warnings, "%s: left out, no kernel takes int8 activations for it",
                         text);
    }
}

static whit_status run_set(whit_bench *b, setting *s, wh_item *item, size_t n, whit_error *err)
{
    uint64_t rotation = 0;
    const int cold = any_cold(b, s);
    whit_status st = wh_items_make(b, item, n, cold, s->copies, &rotation, err);
    if (st == WHIT_OK) note_items(b, s, item, n);
    if (cold && (b->machine.rotation_bytes == 0 || rotation < b->machine.rotation_bytes))
        b->machine.rotation_bytes = rotation;
    for (size_t i = 0; i < s->tokens_count && st == WHIT_OK; i++) {
        const wh_turns turns = { (size_t)s->tokens[i], is_cold(b, s->tokens[i]), s->x, s->y };
        st = wh_bench_turns(b, item, n, &turns, err);
    }
    wh_items_free(item, n);
    return st;
}

/* ---- the whole ---- */

static void compare_rows(whit_bench *b)
{
    for (size_t i = 0; i < b->count; i++) {
        whit_bench_row *r = &b->row[i];
        for (size_t k = 0; k < b->count; k++) {
            const whit_bench_row *o = &b->row[k];
            if (o->rows != r->rows || o->cols != r->cols || o->tokens != r->tokens) continue;
            if (strcmp(o->type, "f32") == 0) r->over_f32 = o->us_min / r->us_min;
            if (strcmp(o->type, "f16") == 0) r->over_f16 = o->us_min / r->us_min;
        }
        const int plain = !strcmp(r->type, "f32") || !strcmp(r->type, "bf16");
        if (!plain && r->over_f16 > 0 && r->over_f16 < 1)
            wh_lines_add(
                &b->warnings,
                "%s is slower than f16 (%" PRIu64 "x%" PRIu64 ", %" PRIu64 " token%s): %.2fx",
                r->type, r->rows, r->cols, r->tokens, r->tokens == 1 ? "" : "s", r->over_f16);
    }
}

static whit_status finish(whit_bench *b, const setting *s, whit_error *err)
{
    size_t q8 = 0;
    whit_status st = wh_probes_run(b, err);
    if (st != WHIT_OK) return st;
    for (size_t i = 0; i < b->count; i++) {
        whit_bench_row *r = &b->row[i];
        q8 += r->acts == WHIT_ACTS_Q8;
        if (r->cold) r->read_gbps = wh_probes_read_gbps(&b->probes);
        for (size_t k = 0; k < b->probes.count; k++)
            if (b->probes.value[k].probe->name == r->peak) r->peak_gops = b->probes.value[k].all;
        wh_row_rates(r, r->acts == WHIT_ACTS_Q8 ? 1 : r->acts == WHIT_ACTS_BF16 ? 2 : 4);
        if (r->tokens != 1) continue;
        b->machine.token_us_min += b->o.model ? (double)r->count * r->us_min : 0;
        b->machine.token_us_median += b->o.model ? (double)r->count * r->us_median : 0;
    }
    if (b->o.acts == WHIT_BENCH_ACTS_Q8 && q8 == 0)
        return wh_fail(err, WHIT_ERR_ARG, "none of these types has int8 activations; try: f32");
    b->machine.pages = 2 * s->huge > s->all ? "2m" : "4k";
    if (b->machine.rotation_bytes > 0 && b->machine.rotation_bytes < WH_BENCH_ROTATION)
        wh_lines_add(&b->warnings,
                     "cold weights come round after %" PRIu64
                     " MiB, not 1 GiB: caches may have kept some; try: %s",
                     b->machine.rotation_bytes >> 20,
                     s->copies < WH_BENCH_ROTATION ? "more --max-memory"
                     : b->o.model                  ? "a larger model"
                                                   : "larger shapes");
    if (!b->o.model) compare_rows(b);
    return wh_bench_step(b, "done", (double)b->meter.total / 1000, err);
}

/* Memory, probes, activations; sets of `per_set` items. */
static whit_status prepare(whit_bench *b, setting *s, const wh_item *item, size_t count,
                           size_t per_set, whit_error *err)
{
    uint64_t making = 0, copies = 0, in = 0, out = 0, probe;
    for (size_t i = 0; i < count; i += per_set) {
        uint64_t sum = 0;
        for (size_t k = i; k < i + per_set; k++) {
            const uint64_t m = wh_item_making(&item[k]);
            making = m > making ? m : making;
            in = item[k].cols > in ? item[k].cols : in;
            out = item[k].rows > out ? item[k].rows : out;
            sum += wh_weight_bytes(&item[k].scheme, item[k].rows, item[k].cols);
        }
        copies = sum > copies ? sum : copies;
    }
    const uint64_t need = making + s->most_tokens * (in + out) * 4 + SCRATCH_BYTES;
    whit_status st = wh_bench_share(b, need, copies, &probe, &s->copies, err);
    if (st == WHIT_OK) st = wh_probes_open(b, probe, err);
    if (st != WHIT_OK) return st;
    s->x_bytes = (size_t)(s->most_tokens * in) * sizeof *s->x;
    s->y_bytes = (size_t)(s->most_tokens * out) * sizeof *s->y;
    s->x = wh_pages_alloc(s->x_bytes);
    s->y = wh_pages_alloc(s->y_bytes);
    if (!s->x || !s->y) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for activations");
    wh_bench_fill(s->x, s->x_bytes / sizeof *s->x, 2);
    b->meter.total = count * s->tokens_count * 1000;
    return WHIT_OK;
}

whit_status wh_type_fits(const whit_scheme *type, uint64_t cols, whit_error *err)
{
    char name[WHIT_SCHEME_TEXT];
    const whit_block_info *info = whit_block_describe(type->block);
    if (type->kind != WHIT_GGUF || cols % info->weights == 0) return WHIT_OK;
    wh_type_print(type, name);
    return wh_fail(err, WHIT_ERR_ARG,
                   "'%s' has blocks of %u weights, which %" PRIu64
                   " columns are no multiple of; try: another --shape or --type",
                   name, info->weights, cols);
}

/* Every type with every shape, or the matrices of the model: sets of *per_set items. */
static whit_status make_items(whit_bench *b, wh_item **out, size_t *count, size_t *per_set,
                              whit_error *err)
{
    static const char standard[] = "f32,f16,int8-channel,int4-g128,int4-g32,nf4-g64";
    whit_scheme *types = NULL;
    wh_sides *shapes = NULL;
    size_t n = 0, m = 0;
    if (b->o.model) {
        whit_status st = wh_model_items(b, out, count, err);
        *per_set = *count;
        return st;
    }
    whit_status st = wh_list_types(b->o.types ? b->o.types : standard, &types, &n, err);
    if (st == WHIT_OK)
        st = wh_list_shapes(b->o.shapes ? b->o.shapes : "4096x4096", &shapes, &m, err);
    for (size_t i = 0; st == WHIT_OK && i < n * m; i++)
        st = wh_type_fits(&types[i % n], shapes[i / n].cols, err);
    wh_item *item = st == WHIT_OK ? wh_calloc(n * m, sizeof *item) : NULL;
    if (st == WHIT_OK && !item) st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu rows", n * m);
    for (size_t i = 0; st == WHIT_OK && i < n * m; i++)
        item[i] = (wh_item){ .scheme = types[i % n],
                             .rows = shapes[i / n].rows,
                             .cols = shapes[i / n].cols,
                             .count = 1,
                             .index = WHIT_NOT_FOUND };
    free(types);
    free(shapes);
    *out = item;
    *count = n * m;
    *per_set = n;
    return st;
}

whit_status wh_bench_matmul(whit_bench *b, whit_error *err)
{
    setting s = { 0 };
    wh_item *item = NULL;
    size_t count = 0, per_set = 1;
    const char *tokens = b->o.tokens ? b->o.tokens : b->o.model ? "1" : "1,512";
    whit_status st = wh_list_tokens(tokens, &s.tokens, &s.tokens_count, err);
    if (st == WHIT_OK) st = make_items(b, &item, &count, &per_set, err);
    for (size_t i = 0; i < s.tokens_count; i++)
        s.most_tokens = s.tokens[i] > s.most_tokens ? s.tokens[i] : s.most_tokens;
    if (st == WHIT_OK) st = prepare(b, &s, item, count, per_set, err);
    for (size_t i = 0; i < count && st == WHIT_OK; i += per_set)
        st = run_set(b, &s, item + i, per_set, err);
    if (st == WHIT_OK) st = finish(b, &s, err);
    wh_pages_free(s.x, s.x_bytes);
    wh_pages_free(s.y, s.y_bytes);
    free(item);
    free(s.tokens);
    return st;
}
