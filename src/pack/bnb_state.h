/* src/pack/bnb_state.h - the text beside 4-bit codes of bitsandbytes that says what they are.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_PACK_BNB_STATE_H
#define WH_PACK_BNB_STATE_H

#include <whit/pack.h>
#include "base/buf.h"

typedef struct wh_bnb_state {
    whit_kind kind;     /* WHIT_NF4, WHIT_FP4BNB */
    uint64_t blocksize; /* codes that share a scale, at least 1 */
    whit_dtype dtype;   /* F32, F16, BF16: which the weights had */
    uint32_t rank;
    uint64_t shape[WHIT_MAX_RANK];
    int nested;
    uint64_t nested_blocksize; /* at least 1 */
    float offset;              /* nested: finite */
} wh_bnb_state;

/* Of the text; the same for every offset. */
size_t wh_bnb_state_length(const wh_bnb_state *s);
void wh_bnb_state_put(wh_buf *b, const wh_bnb_state *s);

/* err->msg says what is wrong, without a name. Errors: WHIT_ERR_FORMAT, WHIT_ERR_UNSUPPORTED
 * (another type), WHIT_ERR_NOMEM. */
whit_status wh_bnb_state_parse(wh_bnb_state *out, const char *text, size_t len, whit_error *err);

#endif
