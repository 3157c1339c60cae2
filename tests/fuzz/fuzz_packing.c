/* tests/fuzz/fuzz_packing.c - any octets as codes to pack, and as tensors to unpack.
 *
 * The first octets choose layout, scheme and shape; the rest, over and over, are codes, zero points
 * and scales. What a layout takes must come back; whatever is in its tensors, codes are in range.
 *
 * SPDX-License-Identifier: MIT */
#include <whit/pack.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD 8

static const uint8_t *source;
static size_t source_len, source_at;

static void require(int truth)
{
    if (!truth) abort();
}

static void *fill(size_t n)
{
    uint8_t *p = malloc(n ? n : 1);
    require(p != NULL);
    for (size_t i = 0; i < n; i++) p[i] = source_len ? source[source_at++ % source_len] : 0xa5;
    return p;
}

static whit_packing choose(const uint8_t *d)
{
    static const whit_kind kinds[] = { WHIT_INT,    WHIT_INT,      WHIT_INT,      WHIT_NF4,
                                       WHIT_FP4BNB, WHIT_FP8_E4M3, WHIT_FP8_E5M2, WHIT_GGUF };
    static const whit_dtype types[] = { WHIT_F32, WHIT_F16, WHIT_BF16, WHIT_F8_E4M3 };
    whit_packing p = { .struct_size = sizeof p,
                       .layout = (whit_layout)(d[0] % (WHIT_LAYOUT_COUNT + 1)),
                       .rows = d[4],
                       .cols = (uint64_t)d[5] | (uint64_t)(d[6] & 1) << 8,
                       .dtype = types[d[7] & 3] };
    p.scheme.kind = kinds[d[1] & 7];
    p.scheme.bits = p.scheme.kind == WHIT_INT       ? 2u + d[2] % 7
                    : p.scheme.kind < WHIT_FP8_E4M3 ? 4
                                                    : 8;
    p.scheme.asym = p.scheme.kind == WHIT_INT && d[1] >> 3 & 1;
    p.scheme.a8 = (d[1] >> 4 & 3) % 3;
    p.scheme.dq = p.scheme.kind != WHIT_INT && d[1] >> 3 & 1;
    p.scheme.gran = (whit_gran)(d[3] % 5);
    p.scheme.group = p.scheme.gran >= WHIT_GRAN_GROUP ? 1u << d[3] / 32 : 0;
    p.scheme.block_rows = p.scheme.gran == WHIT_GRAN_BLOCK ? 1u << d[3] / 32 : 0;
    p.scheme.scale_type = types[d[2] >> 6];
    return p;
}

typedef struct planes {
    uint8_t *codes, *zero;
    float *scale;
} planes;

static planes make(const whit_packing *p, size_t scales, size_t size)
{
    planes x = { fill((size_t)(p->rows * p->cols)), fill(scales), NULL };
    uint8_t *raw = fill(scales * size);
    x.scale = malloc(scales * sizeof *x.scale);
    require(x.scale != NULL);
    whit_dtype_to_f32(p->scheme.scale_type, raw, scales, x.scale);
    free(raw);
    return x;
}

static void drop(planes *x)
{
    free(x->codes);
    free(x->zero);
    free(x->scale);
}

/* Codes below 2^bits, zero points too (and not 0: version 1 of GPTQ). */
static void clean(planes *x, const whit_packing *p, size_t scales)
{
    const unsigned mask = (1u << p->scheme.bits) - 1;
    for (size_t i = 0; i < p->rows * p->cols; i++) x->codes[i] &= (uint8_t)mask;
    for (size_t i = 0; i < scales && p->scheme.asym; i++)
        x->zero[i] = (uint8_t)(x->zero[i] & mask ? x->zero[i] & mask : 1);
}

/* What a matrix has beside its rows: what is taken comes back. */
static void check_rest(const whit_packing *p, void *const *image, size_t scales, uint64_t groups)
{
    const size_t cols = (size_t)p->cols, blocks = (scales + 255) / 256;
    uint32_t *g_idx = fill(cols * sizeof *g_idx), *g_back = fill(cols * sizeof *g_back);
    float *absmax = fill(blocks * sizeof *absmax), *absmax_back = fill(blocks * sizeof *absmax);
    float *single = fill(2 * sizeof *single), offset = 0;
    for (size_t i = 0; i < cols; i++) g_idx[i] %= (uint32_t)groups + (g_idx[i] >> 31);
    const whit_packing_rest rest = { g_idx, absmax, single[0], single[1] };
    const whit_status st = whit_pack_rest(p, &rest, image, NULL);
    require(st == WHIT_OK || st == WHIT_ERR_ARG);
    if (st == WHIT_OK) {
        const void *const *tensors = (const void *const *)image;
        require(whit_unpack_rest(p, tensors, g_back, absmax_back, &offset, NULL) == WHIT_OK);
        if (p->layout == WHIT_LAYOUT_GPTQ || p->layout == WHIT_LAYOUT_GPTQ_V2)
            require(memcmp(g_idx, g_back, cols * sizeof *g_idx) == 0);
        if (p->layout == WHIT_LAYOUT_BNB4 && p->scheme.dq)
            require(memcmp(absmax, absmax_back, blocks * sizeof *absmax) == 0 &&
                    offset == single[0]);
    }
    free(single);
    free(absmax_back);
    free(absmax);
    free(g_back);
    free(g_idx);
}

static void check(const whit_packing *p, const whit_plane *plane, unsigned count)
{
    void *image[WHIT_MAX_PACKED] = { 0 };
    const void *const *tensors = (const void *const *)image;
    uint64_t srows, groups;
    whit_scheme_scales(&p->scheme, p->rows, p->cols, &srows, &groups);
    const size_t scales = (size_t)(srows * groups),
                 size = whit_dtype_bits(p->scheme.scale_type) / 8;
    const size_t rows = (size_t)p->rows, n = rows * (size_t)p->cols;
    planes x = make(p, scales, size), y = make(p, scales, size);
    clean(&x, p, scales);
    for (unsigned k = 0; k < count; k++) image[k] = fill((size_t)plane[k].bytes);
    /* whatever is there */
    require(whit_unpack_rows(p, 0, rows, tensors, y.codes, y.scale, y.zero, NULL) == WHIT_OK);
    for (size_t i = 0; i < n; i++) require(y.codes[i] >> p->scheme.bits == 0);
    for (size_t i = 0; i < scales && p->scheme.asym; i++) require(y.zero[i] >> p->scheme.bits == 0);
    whit_unpack_rest(p, tensors, NULL, NULL, NULL, NULL);
    /* there and back; a largest magnitude beyond F32 is none */
    whit_status st = whit_pack_rows(p, 0, rows, x.codes, x.scale, x.zero, image, NULL);
    require(st == WHIT_OK || (st == WHIT_ERR_UNSUPPORTED && p->layout == WHIT_LAYOUT_BNB8));
    require(whit_unpack_rows(p, 0, rows, tensors, y.codes, y.scale, y.zero, NULL) == WHIT_OK);
    require(st != WHIT_OK || memcmp(x.codes, y.codes, n) == 0);
    for (size_t i = 0; i < scales && st == WHIT_OK; i++) {
        if (p->scheme.asym || p->scheme.dq) require(x.zero[i] == y.zero[i]);
        if (p->scheme.dq || p->layout == WHIT_LAYOUT_BNB8) continue;
        require(x.scale[i] == y.scale[i] || (x.scale[i] != x.scale[i] && y.scale[i] != y.scale[i]));
    }
    check_rest(p, image, scales, groups);
    for (unsigned k = 0; k < count; k++) free(image[k]);
    drop(&x);
    drop(&y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    whit_plane plane[WHIT_MAX_PACKED];
    unsigned count;
    whit_error err = { WHIT_OK, "" };
    if (size < HEAD) return 0;
    source = data + HEAD;
    source_len = size - HEAD;
    source_at = 0;
    const whit_packing p = choose(data);
    whit_status st = whit_packing_planes(&p, plane, &count, &err);
    if (st == WHIT_OK) {
        require(count > 0 && count <= WHIT_MAX_PACKED && whit_packing_unit(&p) > 0);
        check(&p, plane, count);
    } else {
        require((st == WHIT_ERR_ARG || st == WHIT_ERR_UNSUPPORTED) && *err.msg && count == 0);
        for (const char *c = err.msg; *c; c++) require((unsigned char)*c >= ' ' && *c != 0x7f);
    }
    return 0;
}
