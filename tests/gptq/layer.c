/* tests/gptq/layer.c - made-up layers for the tests of GPTQ.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include "gptq/layer.h"

#include <math.h>
#include <stdlib.h>

whit_context *open_context(const char *level, unsigned threads)
{
    const whit_context_options o = { sizeof o, threads, 0 };
    whit_context *c = NULL;
    if (level)
        setenv("WHIT_ISA", level, 1);
    else
        unsetenv("WHIT_ISA");
    return whit_context_open(&c, &o, NULL) == WHIT_OK ? c : NULL;
}

void *room(size_t count, size_t size)
{
    void *p = calloc(count + 1, size);
    if (!p) abort();
    return p;
}

double *h_at(const layer *l, size_t i, size_t j)
{
    const size_t a = i < j ? i : j, b = i < j ? j : i;
    return l->h + a * l->cols - a * (a - (a > 0)) / 2 + b - a;
}

layer make_layer(check_rng *rng, size_t rows, size_t cols, size_t tokens, double correlation)
{
    layer l = { rows, cols, room(rows * cols, sizeof(float)), room(cols * cols, sizeof(double)) };
    double *x = room(cols, sizeof *x), *size = room(cols, sizeof *size);
    double *common = room(cols * 4, sizeof *common);
    for (size_t i = 0; i < rows * cols; i++) l.w[i] = check_normal(rng) * 0.02f;
    for (size_t i = 0; i < cols; i++) size[i] = exp(0.4 * (double)check_normal(rng));
    for (size_t i = 0; i < 4 * cols; i++) common[i] = (double)check_normal(rng);
    for (size_t t = 0; t < tokens; t++) {
        double factor[4];
        for (size_t k = 0; k < 4; k++) factor[k] = (double)check_normal(rng);
        for (size_t i = 0; i < cols; i++) {
            double v = (double)check_normal(rng);
            for (size_t k = 0; k < 4; k++) v += correlation * common[k * cols + i] * factor[k];
            x[i] = v * size[i];
        }
        for (size_t i = 0; i < cols; i++)
            for (size_t j = i; j < cols; j++) *h_at(&l, i, j) += x[i] * x[j] / (double)tokens;
    }
    free(x);
    free(size);
    free(common);
    return l;
}

void free_layer(layer *l)
{
    free(l->w);
    free(l->h);
}
