/* src/source/hf_fp8.c - checkpoints of quant_method fp8 in blocks, as DeepSeek-V3 and Qwen3-FP8
 * are.
 *
 *   P.weight             F8_E4M3 [rows, cols]
 *   P.weight_scale_inv   F32 (F16, BF16) [ceil(rows / R), ceil(cols / C)]
 *
 * R x C is weight_block_size of the configuration, 128 x 128 where nothing says it. Whatever its
 * name says, a weight is its code times the scale. Codes and scales are fetched as those of
 * compressed-tensors are (hf_ctensors.c).
 *
 * Not read, and refused by hf.c: experts in one stack, one scale a tensor (P.weight_scale), which
 * this method may have besides; scales in 8 bits. Scales of activations stay tensors of their own.
 *
 * Source: deepseek-ai/DeepSeek-V3, inference/kernel.py (weight_dequant); huggingface/transformers,
 * src/transformers/integrations/finegrained_fp8.py.
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "base/mem.h"
#include "source/hf.h"

static whit_status find_block(wh_hf *h)
{
    const int64_t *said = h->config->weight_block;
    uint32_t block[2] = { 128, 128 };
    for (int k = 0; k < 2 && (said[0] != 0 || said[1] != 0); k++) {
        if (said[k] < 2 || said[k] > 1024)
            return wh_hf_unread(h,
                                "weight_block_size [%" PRId64 ", %" PRId64
                                "]; blocks of 2 to 1024 rows and columns are read",
                                said[0], said[1]);
        block[k] = (uint32_t)said[k];
    }
    h->t->scheme.block_rows = block[0];
    h->t->scheme.group = block[1];
    return WHIT_OK;
}

static whit_status read_layer(wh_hf *h, size_t scale, int *taken)
{
    const size_t index = wh_hf_part(h, ".weight");
    const whit_tensor *codes = whit_file_tensor(h->file, index);
    const whit_tensor *t = whit_file_tensor(h->file, scale);
    whit_scheme *s = &h->t->scheme;
    if (!codes || codes->rank != 2 || codes->elements == 0 || codes->dtype != WHIT_F8_E4M3)
        return WHIT_OK; /* weights that are no such codes */
    *taken = 1;
    if (!wh_hf_is_scale(t))
        return wh_hf_unread(h, "weight_scale_inv is %s; only F32, F16 and BF16 are read",
                            whit_tensor_type(t));
    *s = (whit_scheme){
        .kind = WHIT_FP8_E4M3, .bits = 8, .gran = WHIT_GRAN_BLOCK, .scale_type = t->dtype
    };
    h->t->layout = WHIT_LAYOUT_CT_FLOAT;
    whit_status st = find_block(h);
    if (st == WHIT_OK)
        st = wh_hf_take(h, index, 0, codes->dtype, 2, codes->shape[0], codes->shape[1]);
    if (st == WHIT_OK)
        st = wh_hf_take(h, scale, 1, t->dtype, 2, wh_ceil_div(codes->shape[0], s->block_rows),
                        wh_ceil_div(codes->shape[1], s->group));
    if (st == WHIT_OK) wh_hf_matrix(h, s->scale_type, codes->shape[0], codes->shape[1]);
    return st;
}

const wh_hf_format wh_hf_fp8 = { "fp8", WH_HF_FP8, ".weight_scale_inv", 1, read_layer };
