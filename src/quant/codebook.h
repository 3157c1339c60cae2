/* src/quant/codebook.h - tables of the 16-entry codes.
 * SPDX-License-Identifier: MIT */
#ifndef WH_QUANT_CODEBOOK_H
#define WH_QUANT_CODEBOOK_H

typedef struct wh_codebook {
    float value[16];     /* ascending */
    float threshold[15]; /* code = how many thresholds x / scale is above; equal: the lower code */
    unsigned zero;       /* code whose value is 0 */
} wh_codebook;

extern const wh_codebook wh_codebook_nf4;

#endif
