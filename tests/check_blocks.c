/* tests/check_blocks.c - every variant of the block encoders against the scalar one, octet by
 * octet.
 *
 * Run once per level of WHIT_ISA: the variants that the level allows are compared; without one
 * beyond scalar, and where the CPU lacks the level, the program says that it is skipped.
 *
 * SPDX-License-Identifier: MIT */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "blocks.h"
#include "pack/block_encode.h"

enum { MOST_WEIGHTS = 256, MOST_BYTES = 256, ROUNDS = 6 };

typedef struct sample {
    float x[WH_BLOCK_LANES][MOST_WEIGHTS], importance[WH_BLOCK_LANES][MOST_WEIGHTS];
    uint8_t want[WH_BLOCK_LANES][MOST_BYTES], got[WH_BLOCK_LANES][MOST_BYTES];
    float mean_square[WH_BLOCK_LANES];
} sample;

/* A different kind of weights in every lane. */
static void fill(sample *s, check_rng *r, int importance)
{
    for (size_t l = 0; l < WH_BLOCK_LANES; l++) {
        const int how = (int)check_below(r, FILLS);
        double sum = 0;
        for (size_t i = 0; i < MOST_WEIGHTS; i++) {
            const float x = fill_weight(r, how, i);
            s->x[l][i] = x;
            s->importance[l][i] = fill_importance(r, importance);
            sum += (double)x * (double)x;
        }
        s->mean_square[l] = (float)(sum / MOST_WEIGHTS);
        memset(s->want[l], 0x55, MOST_BYTES);
        memset(s->got[l], 0x55, MOST_BYTES);
    }
}

static void encode(const wh_block_ops *ops, sample *s, whit_block block, whit_search search,
                   int importance, uint8_t (*out)[MOST_BYTES])
{
    wh_block_batch b = { .block = block, .type = wh_block_type_of(block), .search = search };
    for (size_t from = 0; from < WH_BLOCK_LANES; from += ops->lanes) {
        for (size_t l = 0; l < ops->lanes; l++) {
            b.x[l] = s->x[from + l];
            b.importance[l] = importance ? s->importance[from + l] : NULL;
            b.mean_square[l] = s->mean_square[from + l];
            b.out[l] = out[from + l];
        }
        CHECK(ops->encode(&b), "%s: refuses finite weights", ops->isa);
    }
}

static void compare(const wh_block_ops *scalar, const wh_block_ops *ops, check_rng *r)
{
    static sample s; /* too large for a stack with sanitizers */
    for (int t = 1; t < WHIT_BLOCK_COUNT; t++) {
        const whit_block_info *info = whit_block_describe((whit_block)t);
        for (int round = 0; round < ROUNDS * IMPORTANCES * 2; round++) {
            const int importance = round % IMPORTANCES;
            const whit_search search =
                round / IMPORTANCES % 2 ? WHIT_SEARCH_BEST : WHIT_SEARCH_REFERENCE;
            fill(&s, r, importance);
            encode(scalar, &s, (whit_block)t, search, importance, s.want);
            encode(ops, &s, (whit_block)t, search, importance, s.got);
            for (size_t l = 0; l < WH_BLOCK_LANES; l++) {
                size_t at = 0;
                while (at < MOST_BYTES && s.want[l][at] == s.got[l][at]) at++;
                CHECK(at == MOST_BYTES,
                      "%s, %s search, %s, importance %s, lane %zu: octet %zu is %02x, "
                      "not %02x",
                      ops->isa, search == WHIT_SEARCH_BEST ? "best" : "reference", info->name,
                      importance_names[importance], l, at, s.got[l][at], s.want[l][at]);
                CHECK(s.want[l][info->bytes] == 0x55, "%s: writes beyond the block", info->name);
            }
        }
    }
}

int main(void)
{
    check_rng r = { 11 };
    size_t count, compared = 0;
    const wh_block_ops *const *ops = wh_block_variants(&count);
    uint32_t allowed;
    whit_error err = { WHIT_OK, "" };
    if (wh_cpu_allowed(wh_cpu_features(), getenv("WHIT_ISA"), &allowed, &err) != WHIT_OK) {
        printf("skip: %s\n", err.msg);
        return CHECK_SKIP;
    }
    CHECK(ops[0]->needs == 0 && ops[0]->lanes == 1, "the first variant is the scalar one");
    for (size_t v = 1; v < count; v++) {
        if (ops[v]->needs & ~allowed) continue;
        compare(ops[0], ops[v], &r);
        compared++;
    }
    if (!compared) {
        printf("skip: nothing but scalar code at this level\n");
        return CHECK_SKIP;
    }
    return check_result();
}
