/* tests/test_observe.c - ranges of activations against searches written out at length.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "calib/observe.h"
#include "check.h"

enum { BINS = WH_OBSERVE_BINS };

static uint64_t values_in(const uint64_t *bin)
{
    uint64_t n = 0;
    for (size_t i = 0; i < BINS; i++) n += bin[i];
    return n;
}

/* Half-normal with some far away; how 1: uniform; 2: two values; 3: one of many bins is filled. */
static float fill(uint64_t *bin, int how, check_rng *rng)
{
    float largest = 0;
    memset(bin, 0, BINS * sizeof *bin);
    for (int i = 0; i < 20000; i++) {
        float v = fabsf(check_normal(rng)) * 100;
        if (how == 0 && i % 1000 == 0) v = 1500 + fabsf(check_f32(rng)) * 500;
        if (how == 1) v = fabsf(check_f32(rng)) * 2000;
        if (how == 2) v = i % 2 ? 64.5f : 1900.5f;
        if (how == 3) v = (float)check_below(rng, 20) * 97 + 0.5f;
        if (v >= BINS) continue;
        bin[(size_t)v]++;
        largest = fmaxf(largest, v);
    }
    return largest;
}

/* ---- entropy --------------------------------------------------------------------------------- */

/* As methods.md 2.5 says it, step by step, with arrays for P and Q. */
static double slow_divergence(const uint64_t *bin, size_t n)
{
    static double p[BINS], q[BINS];
    double sum_p = 0, sum_q = 0, kl = 0;
    for (size_t i = 0; i < n; i++) p[i] = (double)bin[i];
    for (size_t i = n; i < BINS; i++) p[n - 1] += (double)bin[i];
    for (size_t i = 0; i < n; i++) q[i] = 0;
    for (size_t j = 0; j < 128; j++) {
        const size_t from = (size_t)floor((double)(j * n) / 128.0);
        const size_t to = j == 127 ? n : (size_t)floor((double)((j + 1) * n) / 128.0);
        double sum = 0;
        int filled = 0;
        for (size_t i = from; i < to; i++) {
            sum += (double)bin[i];
            filled += bin[i] > 0;
        }
        for (size_t i = from; i < to; i++)
            if (bin[i] > 0) q[i] = sum / filled;
    }
    for (size_t i = 0; i < n; i++) {
        sum_p += p[i];
        sum_q += q[i];
    }
    for (size_t i = 0; i < n; i++) {
        if (p[i] == 0) continue;
        if (q[i] == 0 || sum_q == 0) return INFINITY;
        kl += p[i] / sum_p * log(p[i] / sum_p / (q[i] / sum_q));
    }
    return kl;
}

static void test_entropy(void)
{
    static uint64_t bin[BINS];
    check_rng rng = { 11 };
    for (int how = 0; how < 4; how++) {
        const float largest = fill(bin, how, &rng);
        const float got = wh_observe_limit(bin, 1, WHIT_INT, largest, WHIT_OBSERVER_ENTROPY);
        double least = INFINITY;
        size_t best = 0;
        for (size_t n = 128; n <= BINS; n++) {
            const double kl = slow_divergence(bin, n);
            if (kl < least - 1e-12) { /* of equals the first */
                least = kl;
                best = n;
            }
        }
        const double mine = got < largest ? slow_divergence(bin, (size_t)got) : least;
        CHECK(fabs(mine - least) < 1e-9 && (got == (float)best || got == largest),
              "%d: %g, not %zu: %g, %g", how, (double)got, best, mine, least);
    }
    memset(bin, 0, sizeof bin); /* what fits into the levels loses nothing */
    for (size_t i = 0; i < 128; i++) bin[i] = 3 + i % 5;
    CHECK(wh_observe_limit(bin, 0.5, WHIT_INT, 63.75f, WHIT_OBSERVER_ENTROPY) == 63.75f,
          "128 bins");
    bin[1000] = 1;
    CHECK(wh_observe_limit(bin, 0.5, WHIT_INT, 500.25f, WHIT_OBSERVER_ENTROPY) == 64,
          "one far away");
}

/* ---- squared error --------------------------------------------------------------------------- */

static double slow_error(const uint64_t *bin, double width, double limit)
{
    double sum = 0;
    for (size_t i = 0; i < BINS; i++) {
        const double v = ((double)i + 0.5) * width, s = limit / 127;
        double q = nearbyint(v / s);
        if (q > 127) q = 127;
        sum += (double)bin[i] * (v - q * s) * (v - q * s);
    }
    return sum;
}

static void test_squares(void)
{
    static uint64_t bin[BINS];
    check_rng rng = { 12 };
    for (int how = 0; how < 4; how++) {
        const float largest = fill(bin, how, &rng);
        const float got = wh_observe_limit(bin, 1, WHIT_INT, largest, WHIT_OBSERVER_MSE);
        double least = slow_error(bin, 1, (double)largest);
        for (size_t i = 1; i <= BINS; i++)
            if ((double)i < (double)largest) least = fmin(least, slow_error(bin, 1, (double)i));
        CHECK(slow_error(bin, 1, (double)got) <= least * (1 + 1e-12), "%d: %g has %g, not %g", how,
              (double)got, slow_error(bin, 1, (double)got), least);
        whit_calib_range r = { .limit = got };
        double power = 0;
        for (size_t i = 0; i < BINS; i++)
            power += (double)bin[i] * ((double)i + 0.5) * ((double)i + 0.5);
        wh_observe_judge(bin, 1, WHIT_INT, values_in(bin), &r);
        CHECK(fabs(r.sqnr_db - 10 * log10(power / least)) < 1e-9, "%d: %g dB", how, r.sqnr_db);
        uint64_t above = 0;
        for (size_t i = 0; i < BINS; i++) above += (float)i >= got ? bin[i] : 0;
        CHECK(r.clipped == (double)above / (double)values_in(bin), "%d: %g clipped", how,
              r.clipped);
        whit_calib_range all = { .limit = largest };
        wh_observe_judge(bin, 1, WHIT_INT, values_in(bin), &all);
        CHECK(r.sqnr_db >= all.sqnr_db, "%d: worse than minmax", how);
    }
    memset(bin, 0, sizeof bin); /* one value: its own range has no error */
    bin[63] = 7;
    CHECK(wh_observe_limit(bin, 2, WHIT_INT, 127.0f, WHIT_OBSERVER_MSE) == 127.0f, "on the grid");
}

static void test_floats(void)
{
    static uint64_t bin[BINS];
    check_rng rng = { 13 };
    const float largest = fill(bin, 0, &rng);
    whit_calib_range r = { .limit = largest };
    wh_observe_judge(bin, 1, WHIT_FP8_E4M3, values_in(bin), &r);
    CHECK(r.sqnr_db > 28 && r.sqnr_db < 36, "E4M3: %g dB",
          r.sqnr_db); /* 3 bits of mantissa: 31.5 */
    wh_observe_judge(bin, 1, WHIT_FP8_E5M2, values_in(bin), &r);
    CHECK(r.sqnr_db > 22 && r.sqnr_db < 30, "E5M2: %g dB", r.sqnr_db);
    CHECK(wh_observe_limit(bin, 1, WHIT_FP8_E4M3, largest, WHIT_OBSERVER_MSE) > 0.2f * largest,
          "floats need no clipping");
    CHECK(wh_observe_limit(bin, 1, WHIT_INT, 0, WHIT_OBSERVER_ENTROPY) == 0, "nothing came in");
}

int main(void)
{
    test_entropy();
    test_squares();
    test_floats();
    return check_result();
}
