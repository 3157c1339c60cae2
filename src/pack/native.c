/* src/pack/native.c - the planes of a quantized tensor in the native file.
 *
 * The native file, version 1, is a safetensors file (formats: src/io/safetensors.c). A tensor T of
 * the source, seen as a matrix rows x cols (whit_tensor_matrix), is stored in one of these forms:
 *
 *   scheme            tensors            type and shape
 *   keep              T                  as in the source, the same bytes
 *   f16 bf16 f32      T                  the source's shape in the named type
 *   all others        T.q                U8 [rows, ceil(cols * bits / 8)]
 *                     T.scale            F16, BF16 or F32 [rows, groups], [rows, 1], [1, 1]
 *                                        or [ceil(rows/R), ceil(cols/C)] for block RxC;
 *                                        mxfp4 U8, nvfp4 F8_E4M3
 *   intN-asym         T.zero as well     U8, the shape of T.scale
 *   nvfp4             T.scale2 as well   F32 [1]
 *   -a8s              T.act_scale as well  F32 [1], of the activations
 *   -dq               T.scale            U8 codes; T.scale_absmax F32 [ceil(rows*groups/256)],
 *                                        T.scale_offset F32 [1]
 *
 * T.q holds unsigned codes u, dense, least significant bit first; each row starts on an octet and
 * its last octet is filled up with zero bits. Four bits: the low nibble is the even column.
 *
 *   intN       w = scale * (u - 2^(N-1))       intN-asym  w = scale * (u - zero)
 *   nf4, fp4bnb  w = scale * table[u], the tables of src/quant/codebook.c
 *   fp4        w = scale * E2M1(u)            fp8_*      w = scale * E4M3(u), scale * E5M2(u)
 *   mxfp4      w = 2^(scale - 127) * E2M1(u)  nvfp4      w = (scale2 * scale) * E2M1(u)
 *
 * with the scale of the row's group, groups = ceil(cols / group), the last one may be short; the
 * product is taken in float32. With -dq the scale of group number i (row by row) is
 * map[T.scale[i]] * T.scale_absmax[i / 256] + T.scale_offset, the map that of src/quant/nested.c.
 * Scales are finite, not 0, and may be negative (not for 8 bits).
 *
 * __metadata__ holds, besides the source's own keys and "format" = "pt":
 *   whit.format    "1"
 *   whit.tensors   JSON: {"T": {"scheme": "int4-g64", "shape": [..], "dtype": "F16"}, ..} for every
 *                  tensor of this file that is not kept; shape and type are the source's
 *   whit.recipe    one "GLOB SCHEME" a line, first "* DEFAULT", the last match wins
 *   whit.options   options that change bytes where they are not the default, sorted
 *   whit.notes     counts of fallbacks, in fields of fixed width
 *   whit.sha256    JSON: {"T.q": "64 hexadecimal digits", ..}, SHA-256 (FIPS 180-4) of the
 *                  octets of every tensor of this file, under the names of the header; T.q and
 *                  T.scale have one each
 *   whit.version   of the program that wrote it
 *
 * The data section starts at a multiple of 64 octets. Tensors whose size is a multiple of 64 come
 * first, then of 32, 16, .. 1; equals by name.
 *
 * Worked example: T = [[-8, -7, 0, 7, 3]] (F32, 1 x 5) as int4-g4. Groups [-8 -7 0 7] and [3].
 *   scale 1 fits the first group exactly with codes -8 -7 0 7: u = 0 1 8 15. The second group holds
 *   3 alone: scale -0.375, code -8, u = 0.
 *   T.q      10 f8 00          u0 | u1 << 4, u2 | u3 << 4, u4
 *   T.scale  00 3c 00 b6       F16 1.0, F16 -0.375
 *
 * SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "pack/layout.h"

int wh_plane_make(whit_plane *p, const char *suffix, whit_dtype dtype, uint64_t rows, uint64_t cols)
{
    uint64_t n = 0;
    *p = (whit_plane){ suffix, dtype, 2, { rows, cols }, 0 };
    return wh_mul_u64(rows, cols, &n) && wh_mul_u64(n, whit_dtype_bits(dtype) / 8, &p->bytes) &&
           p->bytes <= INT64_MAX;
}

unsigned whit_native_planes(const whit_scheme *scheme, uint64_t rows, uint64_t cols,
                            whit_plane planes[WHIT_MAX_PLANES], int *overflow)
{
    uint64_t srows, scols;
    unsigned count = 0;
    if (overflow) *overflow = 0;
    if (!whit_scheme_is_quantized(scheme) || scheme->kind == WHIT_GGUF) return 0;
    whit_scheme_scales(scheme, rows, cols, &srows, &scols);
    uint64_t row_bytes = cols / 8 * scheme->bits + (cols % 8 * scheme->bits + 7) / 8;
    int ok = wh_plane_make(&planes[count++], ".q", WHIT_U8, rows, row_bytes);
    /* older readers do not know E8M0 */
    int octets = scheme->scale_type == WHIT_F8_E8M0 || scheme->dq;
    whit_dtype scale = octets ? WHIT_U8 : scheme->scale_type;
    ok &= wh_plane_make(&planes[count++], ".scale", scale, srows, scols);
    if (scheme->asym) ok &= wh_plane_make(&planes[count++], ".zero", WHIT_U8, srows, scols);
    if (scheme->kind == WHIT_NVFP4)
        planes[count++] = (whit_plane){ ".scale2", WHIT_F32, 1, { 1, 0 }, 4 };
    if (scheme->dq) {
        uint64_t n = planes[1].bytes, blocks = n / 256 + (n % 256 != 0);
        planes[count++] = (whit_plane){ ".scale_absmax", WHIT_F32, 1, { blocks, 0 }, 4 * blocks };
        planes[count++] = (whit_plane){ ".scale_offset", WHIT_F32, 1, { 1, 0 }, 4 };
    }
    if (scheme->a8 == WHIT_A8_STATIC)
        planes[count++] = (whit_plane){ ".act_scale", WHIT_F32, 1, { 1, 0 }, 4 };
    if (overflow) *overflow = !ok;
    return count;
}
