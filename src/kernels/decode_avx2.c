/* src/kernels/decode_avx2.c - values of a block of a panel as float32, AVX2.
 *
 * Once per block of inputs and many tokens. Groups begin and end with a line, the row need not. The
 * forms are those of float_avx2.h.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/float.h"
#include "kernels/float_avx2.h"

/* ---- codes ---- */

/* What turns codes into values, for both halves. */
typedef struct operands {
    __m256 a[2], b[2];
} operands;

/* The first n inputs of a line. */
static WH_INLINE void decode_line(float *out, const uint8_t *data, size_t n, const operands *o,
                                  wh_value_avx2 *value, unsigned inputs)
{
    WH_UNROLL
    for (unsigned h = 0; h < 2; h++) {
        const __m256i line = _mm256_load_si256((const __m256i *)(const void *)data + h);
        WH_UNROLL
        for (unsigned i = 0; i < inputs; i++)
            if (i < n)
                _mm256_store_ps(out + i * WH_PANEL + h * WH_HALF, value(line, i, o->a[h], o->b[h]));
    }
}

/* zeros: the operands are the zero points. */
static WH_INLINE void codes(const wh_decode_args *a, operands o, int zeros, wh_value_avx2 *value,
                            unsigned inputs)
{
    const whit_weight *w = a->w;
    const uint8_t *data = w->data + a->p * w->panel_bytes;
    float *out = a->out;
    for (size_t k = a->k0; k < a->k1;) {
        const size_t g = k / w->group, left = w->group - k % w->group;
        const size_t last = a->k1 - k < left ? a->k1 : k + left;
        const size_t at = (a->p * w->groups + g) * WH_PANEL;
        if (zeros) {
            o.a[0] = wh_zero_avx2(w, at);
            o.a[1] = wh_zero_avx2(w, at + WH_HALF);
        }
        while (k < last) {
            const uint8_t *line = data + k / inputs * 64;
            const size_t n = last - k < inputs ? last - k : inputs;
            if (n == inputs)
                decode_line(out, line, inputs, &o, value, inputs);
            else
                decode_line(out, line, n, &o, value, inputs);
            k += n;
            out += n * WH_PANEL;
        }
    }
}

void wh_decode_q4_avx2(const wh_decode_args *a)
{
    const __m256 none = _mm256_setzero_ps();
    codes(a, (operands){ { none, none }, { none, none } }, 1, wh_nibble_avx2, 8);
}

void wh_decode_q8_avx2(const wh_decode_args *a)
{
    const __m256 none = _mm256_setzero_ps();
    codes(a, (operands){ { none, none }, { none, none } }, 1, wh_octet_avx2, 4);
}

void wh_decode_t4_avx2(const wh_decode_args *a)
{
    const __m256 low = _mm256_loadu_ps(a->w->table), high = _mm256_loadu_ps(a->w->table + 8);
    codes(a, (operands){ { low, low }, { high, high } }, 0, wh_entry_avx2, 8);
}

/* ---- floats ---- */

static WH_INLINE void floats(const wh_decode_args *a, wh_column_avx2 *column)
{
    const uint8_t *data = a->w->data + a->p * a->w->panel_bytes;
    for (size_t k = a->k0; k < a->k1; k++) {
        float *out = a->out + (k - a->k0) * WH_PANEL;
        _mm256_store_ps(out, column(data, k, 0));
        _mm256_store_ps(out + WH_HALF, column(data, k, 1));
    }
}

void wh_decode_f16_avx2(const wh_decode_args *a)
{
    floats(a, wh_f16_avx2);
}

void wh_decode_bf16_avx2(const wh_decode_args *a)
{
    floats(a, wh_bf16_avx2);
}
