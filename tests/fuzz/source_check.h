/* tests/fuzz/source_check.h - a tensor of a source reads the same whole and in parts.
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_FUZZ_SOURCE_CHECK_H
#define WHIT_FUZZ_SOURCE_CHECK_H

#include <whit/source.h>

#include <stdlib.h>
#include <string.h>

#define SOURCE_MOST 100000 /* weights that are decoded */

/* All its values; NULL: too many. The caller frees them. */
static inline float *source_check(const whit_source *s, size_t i)
{
    const whit_source_tensor *t = whit_source_at(s, i);
    if (whit_source_find(s, t->tensor.name) != i) abort();
    if (t->tensor.elements == 0 || t->tensor.elements > SOURCE_MOST) return NULL;
    float *whole = malloc((size_t)t->tensor.elements * sizeof *whole),
          *part = malloc((size_t)t->cols * sizeof *part);
    if (!whole || !part ||
        whit_source_read_f32(s, i, 0, t->rows, 0, t->cols, whole, NULL) != WHIT_OK)
        abort();
    const uint64_t r = t->rows / 2, c = t->cols / 2 / 8 * 8;
    if (whit_source_read_f32(s, i, r, 1, c, t->cols - c, part, NULL) != WHIT_OK) abort();
    if (memcmp(part, whole + r * t->cols + c, (size_t)(t->cols - c) * sizeof *part) != 0) abort();
    free(part);
    return whole;
}

#endif
