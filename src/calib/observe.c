/* src/calib/observe.c - the range of activations that 8 bits are to cover, from a state.
 *
 *   minmax      the largest magnitude
 *   percentile  the magnitude that so many percent do not exceed
 *   mse         of the edges of the 2048 bins and the largest magnitude the one whose codes have
 * the least squared error, bins counting as their middle; of equals the largest entropy     of the
 * edges from number 128 on the one that loses the least information when what is below becomes 128
 * levels: the least sum of P log(P / Q), where P is the histogram up to the edge with all that is
 * beyond in its last bin, and Q the histogram up to it, in 128 stretches, each spread evenly over
 * its bins that are not empty. An edge with a bin that P fills and Q does not is no candidate; of
 * equals the first
 *
 * Zeros are in no bin: every range has them exactly.
 * Source: Migacz 2017, 8-bit inference with TensorRT (GTC), for the entropy.
 * SPDX-License-Identifier: MIT */
#include "calib/observe.h"

#include <math.h>
#include <string.h>

#include <whit/tensor.h>

#include "base/elementary.h"
#include "calib/state.h"

enum { BINS = WH_OBSERVE_BINS, LEVELS = 128 };

float wh_observe_top(whit_kind kind)
{
    return kind == WHIT_INT ? 127.0f : kind == WHIT_FP8_E5M2 ? 57344.0f : 448.0f;
}

/* The value that stands for v when s is the scale; both in double, codes as the runner has them. */
static double decoded(whit_kind kind, double v, double s)
{
    const double top = (double)wh_observe_top(kind), q = v / s < top ? v / s : top;
    if (kind == WHIT_INT) return s * rint(q);
    const whit_dtype type = kind == WHIT_FP8_E5M2 ? WHIT_F8_E5M2 : WHIT_F8_E4M3;
    const float near = (float)q;
    uint8_t octet;
    float out;
    whit_dtype_from_f32(type, &near, 1, &octet);
    whit_dtype_to_f32(type, &octet, 1, &out);
    return s * (double)out;
}

static double squared_error(const uint64_t bin[BINS], double width, whit_kind kind, double limit)
{
    const double s = limit / (double)wh_observe_top(kind);
    double sum = 0;
    for (size_t i = 0; i < BINS; i++) {
        if (bin[i] == 0) continue;
        const double v = ((double)i + 0.5) * width, off = v - decoded(kind, v, s);
        sum += (double)bin[i] * off * off;
    }
    return sum;
}

static double least_squares(const uint64_t bin[BINS], double width, whit_kind kind, double largest)
{
    double best = largest, least = squared_error(bin, width, kind, largest);
    for (size_t i = BINS; i > 0; i--) {
        const double limit = (double)i * width;
        if (limit >= largest) continue;
        const double error = squared_error(bin, width, kind, limit);
        if (error < least) {
            least = error;
            best = limit;
        }
    }
    return best;
}

/* The divergence of the first n bins; infinite where it is no candidate. */
static double divergence(const uint64_t bin[BINS], size_t n, double all, double beyond)
{
    const double within = all - beyond;
    double sum = 0;
    if (!(within > 0)) return INFINITY;
    for (size_t j = 0; j < LEVELS; j++) {
        const size_t from = j * n / LEVELS, to = (j + 1) * n / LEVELS;
        double mass = 0, filled = 0;
        for (size_t i = from; i < to; i++) {
            mass += (double)bin[i];
            filled += bin[i] != 0;
        }
        const double q = filled > 0 ? mass / filled / within : 0;
        for (size_t i = from; i < to; i++) {
            const double p = ((double)bin[i] + (i + 1 == n ? beyond : 0)) / all;
            if (!(p > 0)) continue;
            if (bin[i] == 0) return INFINITY;
            sum += p * (wh_log(p) - wh_log(q));
        }
    }
    return sum;
}

static double least_divergence(const uint64_t bin[BINS], double width)
{
    double all = 0, below = 0, least = INFINITY;
    size_t best = BINS;
    for (size_t i = 0; i < BINS; i++) all += (double)bin[i];
    for (size_t n = 0; n < BINS; n++) {
        below += (double)bin[n];
        if (n + 1 < LEVELS) continue;
        const double d = divergence(bin, n + 1, all, all - below);
        if (d < least) {
            least = d;
            best = n + 1;
        }
    }
    return (double)best * width;
}

float wh_observe_limit(const uint64_t bin[BINS], double width, whit_kind kind, float largest,
                       whit_observer how)
{
    double limit = (double)largest;
    if (!(largest > 0)) return 0;
    if (how == WHIT_OBSERVER_MSE) limit = least_squares(bin, width, kind, limit);
    if (how == WHIT_OBSERVER_ENTROPY) limit = least_divergence(bin, width);
    return (float)limit < largest ? (float)limit : largest;
}

void wh_observe_judge(const uint64_t bin[BINS], double width, whit_kind kind, uint64_t values,
                      whit_calib_range *range)
{
    double power = 0, above = 0;
    const double limit = (double)range->limit;
    for (size_t i = 0; i < BINS; i++) {
        const double v = ((double)i + 0.5) * width;
        power += (double)bin[i] * v * v;
        if ((double)i * width >= limit) above += (double)bin[i];
    }
    const double error = limit > 0 ? squared_error(bin, width, kind, limit) : 0;
    range->clipped = values ? above / (double)values : 0;
    range->sqnr_db = error > 0 ? 10 * wh_log(power / error) * 0x1.bcb7b1526e50ep-2 : INFINITY;
}

whit_status whit_calib_observe(const whit_calib *calib, size_t index, whit_observer how,
                               double percent, whit_kind kind, whit_calib_range *out,
                               whit_error *err)
{
    if (!calib || !out || index >= calib->info.inputs)
        return wh_fail(err, WHIT_ERR_ARG, "whit_calib_observe: no such input, or no place");
    if ((int)how < WHIT_OBSERVER_MINMAX || how > WHIT_OBSERVER_MSE ||
        (how == WHIT_OBSERVER_PERCENTILE && !(percent > 0 && percent <= 100)))
        return wh_fail(err, WHIT_ERR_ARG, "whit_calib_observe: no such observer or percentile");
    if (kind != WHIT_INT && kind != WHIT_FP8_E4M3 && kind != WHIT_FP8_E5M2)
        return wh_fail(err, WHIT_ERR_ARG, "whit_calib_observe: activations become int8 or fp8");
    const whit_calib_input *in = &calib->input[index].told;
    const float largest = fmaxf(fabsf(in->min), fabsf(in->max));
    double width;
    const uint64_t *bin = whit_calib_bins(calib, index, &width);
    *out = (whit_calib_range){ .limit = how == WHIT_OBSERVER_PERCENTILE
                                            ? whit_calib_percentile(calib, index, percent)
                                            : wh_observe_limit(bin, width, kind, largest, how) };
    if (out->limit > largest) out->limit = largest; /* the edge of a bin */
    if (!(out->limit > 0)) out->limit = largest;    /* the percentile is among zeros */
    out->scale = out->limit / wh_observe_top(kind);
    if (!(out->scale > 0)) out->scale = 1; /* nothing but zeros came in, or as good as nothing */
    wh_observe_judge(bin, width, kind, in->values, out);
    return WHIT_OK;
}
