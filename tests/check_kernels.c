/* tests/check_kernels.c - every variant of every operation of src/kernels, against [0] of its
 * table bit by bit and against sums in double within the bounds that follow from the order of sums.
 *
 * WHIT_ISA lowers what runs; without it everything that this CPU has. The tables themselves are
 * checked here, what they hold in kernels/check_*.c; what needs tiles in check_tiles.c, which has
 * them on every processor.
 * SPDX-License-Identifier: MIT */
#include "kernels/kernels.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kernels/parts.h"

static int functions(const wh_variant *v)
{
    return (v->qact != NULL) + (v->gemm != NULL) + (v->many != NULL) + (v->gemv != NULL) +
           (v->decode != NULL) + (v->tile != NULL);
}

static int right_function(const char *op, const wh_variant *v)
{
    if (strncmp(op, "qact", 4) == 0) return v->qact != NULL;
    if (strncmp(op, "gemm", 4) == 0) return v->gemm != NULL && v->panels > 0;
    if (strncmp(op, "many", 4) == 0) return v->many != NULL && v->panels > 0;
    if (strncmp(op, "gemv", 4) == 0) return v->gemv != NULL;
    if (strncmp(op, "decode", 6) == 0) return v->decode != NULL;
    return v->tile != NULL && v->tokens > 0 && (v->panels == 1 || v->panels == 2);
}

/* What needs tiles of products. */
static int only_some_levels(const char *op)
{
    return strncmp(op, "many", 4) == 0 || strcmp(op, "qact_bf16") == 0;
}

static void check_row(const wh_op_row *row, uint32_t allowed)
{
    if (only_some_levels(row->name)) {
        for (size_t v = 0; v < row->count; v++)
            CHECK(row->variants[v].needs != 0, "%s_%s needs nothing", row->name,
                  row->variants[v].isa);
    } else {
        CHECK(row->count > 0 && row->variants[0].needs == 0, "%s: [0] is for everyone", row->name);
        CHECK(strcmp(row->variants[0].isa, "scalar") == 0, "%s: [0] is %s", row->name,
              row->variants[0].isa);
    }
    for (size_t v = 0; v < row->count; v++) {
        const wh_variant *a = &row->variants[v];
        CHECK(functions(a) == 1 && right_function(row->name, a), "%s_%s", row->name, a->isa);
        if (v > 0) CHECK(a->needs != 0, "%s_%s needs nothing", row->name, a->isa);
        if (a->needs & ~allowed) printf("skipped: %s_%s\n", row->name, a->isa);
        for (size_t u = 0; u < v; u++) /* or it could never be chosen */
            CHECK((row->variants[u].needs & a->needs) != a->needs, "%s_%s hides %s", row->name,
                  a->isa, row->variants[u].isa);
    }
}

/* Under every mask the last variant that it has, or none. */
static void check_select(const wh_op_row *table)
{
    for (uint32_t mask = 0; mask < 1u << 11; mask++) {
        wh_kernels k;
        memset(&k, 0, sizeof k);
        wh_kernels_select(&k, mask);
        for (int op = 0; op < WH_OPS; op++) {
            size_t v = table[op].count;
            while (v > 0 && table[op].variants[v - 1].needs & ~mask) v--;
            CHECK(k.op[op] == (v ? &table[op].variants[v - 1] : NULL), "%s under %x",
                  table[op].name, (unsigned)mask);
        }
    }
}

int main(void)
{
    uint32_t allowed;
    whit_error err = { WHIT_OK, "" };
    const char *cap = getenv("WHIT_ISA");
    if (wh_cpu_allowed(wh_cpu_features(), cap, &allowed, &err) != WHIT_OK) {
        printf("%s\n", err.msg);
        return strstr(err.msg, "lacks") ? CHECK_SKIP : 1;
    }
    for (int op = 0; op < WH_OPS; op++) check_row(&wh_op_table()[op], allowed);
    check_select(wh_op_table());
    printf("tables: ");
    int failed = check_result();
    failed |= check_repack(allowed);
    failed |= check_qact(allowed);
    failed |= check_gemm(allowed);
    failed |= check_gemv(allowed);
    failed |= check_decode(allowed);
    failed |= check_tile(allowed);
    return failed;
}
