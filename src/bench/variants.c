/* src/bench/variants.c - which operation has a variant at which level, which one serves here, and
 * why a level has none of its own.
 *
 * A level without a variant is served by the nearest below it. The reasons go by kind of operation:
 * a level that brings no instruction of use to it needs no variant. Anything else says that none is
 * written. What only levels with tiles have says what happens without.
 *
 * SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#include <string.h>

#include "base/cpu.h"
#include "base/json.h"
#include "base/mem.h"
#include "calib/gptq_lanes.h"
#include "calib/tile64.h"
#include "pack/block_encode.h"
#include "quant/encode.h"
#include "tensor/cvt.h"
#include "print/page.h"

static const struct {
    const char *name;
    uint32_t needs;
} levels[] = {
    { "scalar", 0 },
#if defined(__aarch64__)
    { "neon", WH_ISA_NEON },
    { "dotprod", WH_ISA_DOTPROD },
    { "i8mm", WH_ISA_I8MM },
#else
    { "avx2", WH_ISA_AVX2 },
    { "avxvnni", WH_ISA_AVXVNNI },
    { "avx512", WH_ISA_AVX512 },
    { "avx512vnni", WH_ISA_AVX512VNNI },
    { "amx", WH_ISA_AMX },
#endif
};
enum { LEVELS = sizeof levels / sizeof levels[0], OPERATIONS = WH_OPS + 5 };

/* What an operation does, as far as levels differ in it. */
enum { FLOATS = 1, PRODUCTS = 2, CODES = 4, MANY = 8, BF16 = 16 };

/* Levels that have nothing for such work. The first row that fits counts. */
static const struct {
    const char *level;
    int work;
    const char *reason;
} nothing_new[] = {
    { "avxvnni", FLOATS | CODES, "adds integer products only" },
    { "avx512vnni", FLOATS | CODES, "adds integer products only" },
    { "amx", FLOATS, "tiles of bfloat16 are not exact" },
    { "amx", PRODUCTS, "its tiles take many tokens (many_)" },
    { "amx", CODES, "tiles only multiply" },
    { "dotprod", FLOATS | CODES, "adds integer products only" },
    { "i8mm", FLOATS | CODES, "adds integer products only" },
};

typedef struct operation {
    const char *name;
    int work;
    const char *isa[LEVELS + 1]; /* of its variants, NULL-terminated */
    uint32_t needs[LEVELS + 1];
} operation;

static void add_variant(operation *op, const char *isa, uint32_t needs)
{
    size_t i = 0;
    while (i < LEVELS && op->isa[i]) i++;
    if (i == LEVELS) return;
    op->isa[i] = isa;
    op->needs[i] = needs;
}

static int kernel_work(size_t index)
{
    if (index == WH_QACT_Q8) return CODES;
    if (index >= WH_GEMM_Q2_Q8 && index <= WH_GEMM_BT_Q8) return PRODUCTS;
    if (index >= WH_MANY_Q2_Q8 && index <= WH_MANY_T4_Q8) return MANY;
    return index == WH_QACT_BF16 || index == WH_MANY_BF16 ? BF16 : FLOATS;
}

static void kernel_operation(operation *op, size_t index)
{
    const wh_op_row *row = &wh_op_table()[index];
    *op = (operation){ .name = row->name };
    op->work = kernel_work(index);
    for (size_t v = 0; v < row->count; v++)
        add_variant(op, row->variants[v].isa, row->variants[v].needs);
}

static void encoders(operation *op)
{
    size_t n;
    const wh_encode_ops *const *v = wh_encode_variants(&n);
    *op = (operation){ .name = "encode", .work = CODES };
    for (size_t i = 0; i < n; i++) add_variant(op, v[i]->isa, v[i]->needs);
}

static void block_encoders(operation *op)
{
    size_t n;
    const wh_block_ops *const *v = wh_block_variants(&n);
    *op = (operation){ .name = "encode_block", .work = CODES };
    for (size_t i = 0; i < n; i++) add_variant(op, v[i]->isa, v[i]->needs);
}

static void conversions(operation *op)
{
    size_t n;
    const wh_cvt_ops *const *v = wh_cvt_variants(&n);
    *op = (operation){ .name = "cvt", .work = CODES };
    for (size_t i = 0; i < n; i++) add_variant(op, v[i]->isa, v[i]->needs);
}

static void factors(operation *op)
{
    size_t n;
    const wh_tile64 *v = wh_tile64_variants(&n);
    *op = (operation){ .name = "gptq_factor", .work = FLOATS };
    for (size_t i = 0; i < n; i++) add_variant(op, v[i].isa, v[i].needs);
}

static void lanes(operation *op)
{
    size_t n;
    const wh_gptq_lanes *const *v = wh_gptq_lanes_variants(&n);
    *op = (operation){ .name = "gptq_round", .work = CODES };
    for (size_t i = 0; i < n; i++) add_variant(op, v[i]->isa, v[i]->needs);
}

/* Which variant the level itself has; LEVELS: none. */
static size_t variant_at(const operation *op, const char *level)
{
    for (size_t i = 0; i < LEVELS && op->isa[i]; i++)
        if (strcmp(op->isa[i], level) == 0) return i;
    return LEVELS;
}

static void explain(whit_bench_entry *e, const operation *op, size_t level)
{
    const char *below = "none", *why = "none is written";
    for (size_t k = 0; k < level; k++)
        if (variant_at(op, levels[k].name) != LEVELS) below = levels[k].name;
    for (size_t i = sizeof nothing_new / sizeof nothing_new[0]; i-- > 0;)
        if (strcmp(nothing_new[i].level, levels[level].name) == 0 && nothing_new[i].work & op->work)
            why = nothing_new[i].reason;
    e->state = WHIT_BENCH_NONE;
    if (op->work == BF16)
        snprintf(e->reason, sizeof e->reason, "has no tiles; bf16 activations are refused");
    else if (op->work == MANY)
        snprintf(e->reason, sizeof e->reason, "has no tiles; gemm serves");
    else
        snprintf(e->reason, sizeof e->reason, "%s; %s serves", why, below);
}

static void fill(whit_bench_entry *e, const operation *op, uint32_t allowed)
{
    size_t serves = LEVELS; /* none: the levels with tiles may all be barred */
    for (size_t i = 0; i < LEVELS && op->isa[i]; i++)
        if (!(op->needs[i] & ~allowed)) serves = i;
    for (size_t k = 0; k < LEVELS; k++) {
        const size_t v = variant_at(op, levels[k].name);
        e[k] = (whit_bench_entry){ .op = op->name, .isa = levels[k].name };
        if (v == LEVELS)
            explain(&e[k], op, k);
        else if (op->needs[v] & ~allowed)
            e[k].state = WHIT_BENCH_BARRED;
        else
            e[k].state = v == serves ? WHIT_BENCH_SERVES : WHIT_BENCH_IDLE;
    }
}

/* The operations that are not in the table of the kernels. */
static void (*const others[OPERATIONS - WH_OPS])(operation *) = { encoders, block_encoders,
                                                                  conversions, factors, lanes };

whit_status whit_bench_list(whit_bench_entry **entries, size_t *count, whit_error *err)
{
    uint32_t allowed;
    *entries = NULL;
    *count = 0;
    whit_status st = wh_isa_allowed(&allowed, err);
    if (st != WHIT_OK) return st;
    whit_bench_entry *e = wh_calloc(OPERATIONS * LEVELS, sizeof *e);
    if (!e) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a list");
    for (size_t i = 0; i < OPERATIONS; i++) {
        operation op;
        if (i < WH_OPS)
            kernel_operation(&op, i);
        else
            others[i - WH_OPS](&op);
        fill(e + i * LEVELS, &op, allowed);
    }
    *entries = e;
    *count = OPERATIONS * LEVELS;
    return WHIT_OK;
}

/* ---- text and JSON ---- */

/* The reason of entry i, and the operations that it holds for at that level. */
static void put_reason(wh_buf *b, const whit_bench_entry *e, size_t count, size_t i)
{
    size_t column = 12 + strlen(e[i].reason);
    wh_buf_putf(b, "%-10s %s:", e[i].isa, e[i].reason);
    for (size_t k = i; k < count; k += LEVELS) {
        if (strcmp(e[k].reason, e[i].reason) != 0) continue;
        column += 1 + strlen(e[k].op);
        wh_buf_putf(b, "%s%s", column > 100 ? "\n           " : " ", e[k].op);
        if (column > 100) column = 11 + strlen(e[k].op);
    }
    wh_buf_puts(b, "\n");
}

/* By level; each reason once. */
static void put_reasons(wh_buf *b, const whit_bench_entry *e, size_t count)
{
    for (size_t level = 0; level < LEVELS; level++)
        for (size_t i = level; i < count; i += LEVELS) {
            int said = e[i].state != WHIT_BENCH_NONE;
            for (size_t k = level; k < i && !said; k += LEVELS)
                said = strcmp(e[k].reason, e[i].reason) == 0;
            if (!said) put_reason(b, e, count, i);
        }
}

void whit_bench_list_text(const whit_bench_entry *entries, size_t count, int flags, FILE *out)
{
    static const char *const shown[] = { "serves", "yes", "barred", "-" };
    wh_buf b = { 0 };
    const int color = flags & WHIT_TEXT_COLOR;
    wh_buf_putf(&b, "%s%-12s", color ? WH_BOLD : "", "operation");
    for (size_t k = 0; k < LEVELS; k++) wh_buf_putf(&b, " %-10s", levels[k].name);
    wh_buf_puts(&b, color ? WH_PLAIN "\n" : "\n");
    for (size_t i = 0; i < count; i++) {
        const int bold = color && entries[i].state == WHIT_BENCH_SERVES;
        if (i % LEVELS == 0) wh_buf_putf(&b, "%-12s", entries[i].op);
        wh_buf_putf(&b, " %s%-10s%s", bold ? WH_BOLD : "", shown[entries[i].state],
                    bold ? WH_PLAIN : "");
        if (i % LEVELS == LEVELS - 1) wh_buf_puts(&b, "\n");
    }
    wh_buf_puts(&b,
                "\nserves: runs here; yes: a faster one does; barred: this CPU or WHIT_ISA does "
                "not allow it\n\n");
    put_reasons(&b, entries, count);
    wh_buf_print(&b, out);
}

void whit_bench_list_json(const whit_bench_entry *entries, size_t count, FILE *out)
{
    static const char *const shown[] = { "serves", "idle", "barred", "none" };
    wh_buf b = { 0 };
    wh_buf_puts(&b, "{\"schema\":1,\"command\":\"bench\",\"list\":[");
    for (size_t i = 0; i < count; i++) {
        wh_buf_putf(&b,
                    "%s{\"op\":\"%s\",\"isa\":\"%s\",\"state\":\"%s\",\"reason\":", i ? "," : "",
                    entries[i].op, entries[i].isa, shown[entries[i].state]);
        if (entries[i].reason[0])
            wh_json_put_string(&b, entries[i].reason);
        else
            wh_buf_puts(&b, "null");
        wh_buf_puts(&b, "}");
    }
    wh_buf_puts(&b, "]}\n");
    wh_buf_print(&b, out);
}
