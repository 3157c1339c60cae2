/* tests/test_block_best.c - the better block encoders: never a larger weighted error of a decoded
 * block than the reference's, a smaller one on average.
 *
 * SPDX-License-Identifier: MIT */
#include <whit/block.h>

#include <float.h>
#include <string.h>

#include "blocks.h"

enum { BLOCKS = 10000, AT_ONCE = 8, LONGEST = 256, MOST = AT_ONCE * LONGEST };

typedef struct total {
    double best, reference;
    size_t smaller;
} total;

static double block_error(const float *x, const float *y, const float *w, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        const double off = (double)x[i] - (double)y[i];
        sum += (w ? (double)w[i] : 1.0) * off * off;
    }
    return sum;
}

static void compare(whit_block t, const float *x, const float *w, const char *what, total *sum)
{
    const whit_block_info *info = whit_block_describe(t);
    unsigned char blocks[2][MOST * 2];
    float y[2][MOST];
    const size_t n = info->weights, cols = AT_ONCE * n;
    whit_error err = { WHIT_OK, "" };
    for (int k = 0; k < 2; k++) {
        const whit_search search = k ? WHIT_SEARCH_REFERENCE : WHIT_SEARCH_BEST;
        const whit_status st = whit_block_encode(t, search, x, 1, cols, w, blocks[k], &err);
        if (k && st == WHIT_ERR_NUMERIC) return; /* the reference's searches can overflow */
        CHECK(st == WHIT_OK, "%s, %s: %s", info->name, what, err.msg);
        CHECK(whit_block_decode(t, blocks[k], AT_ONCE, y[k], &err) == WHIT_OK, "%s", info->name);
    }
    for (size_t b = 0; b < cols; b += n) {
        const double best = block_error(x + b, y[0] + b, w ? w + b : NULL, n);
        const double reference = block_error(x + b, y[1] + b, w ? w + b : NULL, n);
        CHECK(best <= reference, "%s, %s: error %.9g, the reference's %.9g", info->name, what, best,
              reference);
        sum->best += best;
        sum->reference += reference;
        sum->smaller += best < reference;
    }
}

static void check_type(whit_block t)
{
    const whit_block_info *info = whit_block_describe(t);
    check_rng r = { (uint64_t)t };
    total sums[FILLS] = { { 0 } };
    for (int k = 0; k < BLOCKS / AT_ONCE; k++) {
        float x[MOST], w[MOST];
        char what[64];
        const int how = k % FILLS, importance = k / FILLS % IMPORTANCES;
        const double unit = k % 7 ? 1.0 : (double)(check_normal(&r) * 1e-3f); /* any range */
        for (size_t i = 0; i < MOST; i++) x[i] = fill_weight(&r, how, i) * (float)unit;
        for (size_t i = 0; i < MOST; i++) w[i] = fill_importance(&r, importance);
        snprintf(what, sizeof what, "%s, importance %s", fill_names[how],
                 importance_names[importance]);
        compare(t, x, importance ? w : NULL, what, &sums[how]);
    }
    CHECK(sums[NORMAL].best < sums[NORMAL].reference, "%s: not better", info->name);
    printf("%-7s normal weights: %.2f dB better, smaller error in %zu of %d blocks\n", info->name,
           10.0 * log10(sums[NORMAL].reference / sums[NORMAL].best), sums[NORMAL].smaller,
           BLOCKS / FILLS);
}

/* Importances whose products leave float32, weights at the ends of what F16 scales hold. */
static void check_extremes(whit_block t)
{
    static const float units[] = { 1e-30f, 1e-12f, 1e-7f, 1e4f };
    static const float scales[] = { 1e-38f, 1e-20f, 1e10f, 1e20f };
    check_rng r = { 99 };
    total sum = { 0 };
    for (size_t u = 0; u < 4; u++)
        for (size_t v = 0; v < 4; v++) {
            float x[MOST], w[MOST];
            for (size_t i = 0; i < MOST; i++) {
                x[i] = check_f32(&r) * units[u];
                w[i] = check_below(&r, 3) ? fabsf(check_f32(&r)) * scales[v] : 0.0f;
            }
            compare(t, x, w, "extremes", &sum);
        }
}

int main(void)
{
    for (int t = 1; t < WHIT_BLOCK_COUNT; t++) {
        check_type((whit_block)t);
        check_extremes((whit_block)t);
    }
    return check_result();
}
