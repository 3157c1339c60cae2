/* src/tensor/tensor.c - shapes: the matrix that a tensor is to a quantizer; the name of its type.
 *
 * SPDX-License-Identifier: MIT */
#include "tensor/tensor.h"

#include <string.h>

#include "base/mem.h"

/* 1 if one of the dot-separated parts of name says that experts are stacked: "experts", or in GGUF
 * "ffn_gate_exps", "ffn_up_chexps", .. */
static int is_stack(const char *name)
{
    static const char whole[] = "experts", end[] = "exps";
    for (const char *p = name; *p; p += *p == '.') {
        const size_t n = strcspn(p, ".");
        if (n == sizeof whole - 1 && memcmp(p, whole, n) == 0) return 1;
        if (n >= sizeof end - 1 && memcmp(p + n - (sizeof end - 1), end, sizeof end - 1) == 0)
            return 1;
        p += n;
    }
    return 0;
}

void whit_tensor_matrix(const whit_tensor *tensor, uint64_t *rows, uint64_t *cols)
{
    uint32_t lead = tensor->rank >= 2; /* how many dimensions make the rows */
    if (tensor->rank == 3 && is_stack(tensor->name)) lead = 2;
    uint64_t r = 1, c = 1;
    /* Readers check the product of a shape; where it is 0, that of the others may be anything. */
    for (uint32_t d = 0; d < tensor->rank; d++) {
        uint64_t *side = d < lead ? &r : &c;
        if (!wh_mul_u64(*side, tensor->shape[d], side)) *side = UINT64_MAX;
    }
    *rows = r;
    *cols = c;
}

int wh_tensor_product(const whit_tensor *t, uint64_t *product, int *empty)
{
    *product = 1;
    *empty = 0;
    for (uint32_t d = 0; d < t->rank; d++) {
        if (t->shape[d] == 0)
            *empty = 1;
        else if (!wh_mul_u64(*product, t->shape[d], product))
            return 0;
    }
    return 1;
}

const char *whit_tensor_type(const whit_tensor *tensor)
{
    return tensor->type ? tensor->type : whit_dtype_name(tensor->dtype);
}
