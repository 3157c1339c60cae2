/* tests/fuzz/fuzz_calib.c - any octets as a calibration state.
 *
 * What opens must hold together: inputs by name, counts that add up, percentiles that rise, means
 * within the range of their channel, merging, mixing and comparing with itself possible.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/calib.h>

#include <math.h>

#include "calib/state.h"
#include "input.h"
#include "mutate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_input(const whit_calib *c, size_t i)
{
    const whit_calib_input *in = whit_calib_at(c, i);
    double width, last = 0;
    uint64_t sum = in->zeros;
    require(in->cols > 0 && in->tokens > 0 && in->linears_count > 0 && in->min <= in->max);
    require(whit_calib_find(c, in->linears[0]) == i);
    require(i == 0 || strcmp(whit_calib_at(c, i - 1)->name, in->name) < 0);
    const uint64_t *bin = whit_calib_bins(c, i, &width);
    for (size_t k = 0; k < 2048; k++) sum += bin[k];
    require(width > 0 && (whit_calib_describe(c)->is_final || sum == in->values));
    for (int k = 1; k <= 100; k++) {
        const double p = (double)whit_calib_percentile(c, i, k);
        require(p >= last);
        last = p;
    }
    for (uint64_t k = 0; k < in->cols; k++) {
        const whit_calib_channel one = whit_calib_channel_at(c, i, k);
        require(isfinite(one.mean) && isfinite(one.mean_abs) && isfinite(one.mean_square));
        require(one.mean_square >= 0 && one.mean_abs >= 0 && one.min <= one.max);
    }
    if (!whit_calib_describe(c)->has_hessian || in->cols > 64) return;
    double *h = malloc((size_t)(in->cols * in->cols) * sizeof *h);
    whit_error err = { WHIT_OK, "" };
    require(h != NULL);
    const whit_status st = whit_calib_hessian(c, i, h, &err);
    require(st == WHIT_OK || st == WHIT_ERR_FORMAT);
    free(h);
}

static void check_pair(const whit_calib *c)
{
    whit_calib *twice = wh_calib_new("twice");
    whit_calib_difference *d = NULL;
    size_t count = 0;
    require(twice && whit_calib_compare(c, c, &d, &count, NULL) == WHIT_OK);
    require(count == whit_calib_describe(c)->inputs);
    free(d);
    whit_status st = wh_calib_merge(twice, c, NULL);
    if (st == WHIT_OK) st = wh_calib_merge(twice, c, NULL);
    require(st == WHIT_OK || st == WHIT_ERR_FORMAT || st == WHIT_ERR_NUMERIC);
    require(st != WHIT_OK || wh_calib_settle(twice, NULL) == WHIT_OK);
    whit_calib_close(twice);
}

/* What is mixed holds together as what was read does. */
static void check_mixture(whit_calib *c)
{
    whit_calib *mixed = wh_calib_new("mixed"), *const from[] = { c, c };
    const double weight[] = { 1, 1e-3 };
    require(mixed != NULL);
    const whit_status st = wh_calib_mix(mixed, from, weight, 2, NULL);
    require(st == WHIT_OK || st == WHIT_ERR_FORMAT || st == WHIT_ERR_NUMERIC);
    if (st == WHIT_OK) {
        require(wh_calib_settle(mixed, NULL) == WHIT_OK);
        const size_t inputs = whit_calib_describe(mixed)->inputs;
        require(inputs == whit_calib_describe(c)->inputs);
        for (size_t i = 0; i < inputs; i++) {
            const whit_calib_input *in = whit_calib_at(mixed, i);
            require(strcmp(in->name, whit_calib_at(c, i)->name) == 0);
            const double factor = wh_calib_mix_factor(from, weight, 2, 0, in->name);
            require(isfinite(factor) && factor > 0);
            check_input(mixed, i);
        }
    }
    whit_calib_close(mixed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    whit_error err = { WHIT_OK, "" };
    whit_calib *c = NULL;
    input_put("any.state", data, size);
    const whit_status st = whit_calib_open(&c, input.path, &err);
    if (st != WHIT_OK) {
        require(!c);
        input_refused(st, &err, "any.state");
        return 0;
    }
    const whit_calib_info *info = whit_calib_describe(c);
    require(info->inputs > 0 && info->sources > 0 && !whit_calib_at(c, info->inputs));
    require(whit_calib_probe(input.path));
    for (size_t i = 0; i < info->inputs; i++) check_input(c, i);
    const whit_status whole = whit_calib_check(c, NULL);
    require(whole == WHIT_OK || whole == WHIT_ERR_FORMAT);
    check_pair(c);
    check_mixture(c);
    whit_calib_close(c);
    return 0;
}

#ifdef WHIT_FUZZER
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    return mutate_and_mend(st_mend, data, size, max, seed);
}
#endif
