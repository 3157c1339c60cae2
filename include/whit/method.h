/* include/whit/method.h - methods that keep a layer's outputs: GPTQ, AWQ, SmoothQuant, HQQ.
 *
 * They change which codes a matrix gets, or fold scales into the layers before it; schemes and
 * output formats stay what they are. What they learn from is either texts, which are fed to the
 * model layer by layer, each layer seeing what the quantized ones before it give (dense models of
 * the Llama family); or the calibration state of the plan, of the float model in one pass (any
 * model).
 *
 * One layer is in memory, its statistics and a batch of activations; the streams of all tokens,
 * each of them beyond an eighth of the ceiling, go to a file. Biases make up for the mean of what
 * is left. A matrix that a method cannot help (too few tokens, no factor, rounding is no worse) is
 * rounded and named: in a warning, in the metadata whit.fallbacks, and under strict as an error. So
 * is one whose Hessian needed more damping than was asked for. Scales are folded into no set of
 * which a matrix keeps its GGUF blocks: it is left alone and named too. Where they are folded, a
 * calibration weighs errors by what comes in then.
 * Results are the same octets at any number of threads, on every instruction set.
 *
 * Figures (tests/interop/method_figures.py): a Llama of 8.4 M parameters that this project trained
 * on documentation, calibrated on 32640 tokens of one text, mean Kullback-Leibler divergence of the
 * next token on 20000 tokens of another in windows of 256; standard errors 1.3 to 2 %. Perplexity
 * in float: 51.68. Planted: in every norm four channels times 30, the columns behind divided by it.
 *
 *   scheme               minmax   mse      awq      gptq     awq+gptq
 *   int4-g128            0.00781  0.00548  0.00518  0.00274  0.00277
 *   int4-g64             0.00635  0.00478  0.00458  0.00237  0.00237
 *   int4-g32             0.00510  0.00392  0.00368  0.00191  0.00196
 *   nf4-g64              0.00487  0.00396  0.00372  0.00199  0.00202
 *   q4_k                          0.00269  0.00253  0.00153  0.00152
 *   int3-g64             0.0376   0.0191   0.0186   0.0104   0.0101
 *   q3_k                          0.0125   0.0117   0.0069   0.0069
 *   int2-g32             0.480    0.0875   0.0915   0.0556   0.0530
 *   q2_k                          0.0467   0.0454   0.0307   0.0312
 *   int4-g128, planted            0.0172   0.0052   0.0068   0.0028
 *   int3-g64, planted             0.0327   0.0185   0.0155   0.0103
 *
 * int8-channel-a8, planted, loses 0.0079, with SmoothQuant 0.0004, as without outliers. HQQ does
 * not reach the mse search (int4-g64-asym: 0.0048, 0.0044).
 *
 * Sources: GPTQ, Frantar et al. 2022 (arXiv:2210.17323); inputs of quantized layers, QEP: Arai and
 * Ichikawa 2025 (arXiv:2504.09629); AWQ, Lin et al. 2023 (arXiv:2306.00978); SmoothQuant, Xiao et
 * al. 2022 (arXiv:2211.10438); HQQ, Badri and Shaji 2023.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_METHOD_H
#define WHIT_METHOD_H

#include <whit/calib.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Values are ABI. They add up to chains: AWQ or SMOOTHQUANT, then GPTQ. HQQ is alone. */
enum {
    WHIT_METHOD_GPTQ = 1,        /* codes one column after the other, each making up for the errors
                                    before it                                                        */
    WHIT_METHOD_AWQ = 2,         /* columns that matter scaled up, what gives them scaled down; then
                                    clipping, unless GPTQ follows                                    */
    WHIT_METHOD_SMOOTHQUANT = 4, /* outliers of activations moved into weights */
    WHIT_METHOD_HQQ = 8 /* zero points for heavy tails; learns from nothing                */
};

typedef struct whit_method_options {
    unsigned methods;      /* WHIT_METHOD_..; 0: none, and nothing below counts      */
    const whit_feed *feed; /* [feeds] texts or ids, which outlive the plan; none: the state of the
                              plan's calibration (HQQ: nothing) */
    size_t feeds;
    uint64_t context; /* tokens of a window, 2 to 2^28; 0: what the model was made for, at most
                         2048 */
    uint64_t tokens; /* of each text only so many ids; 0: all                                     */
    double damping;  /* GPTQ: share of the mean of H's diagonal that is added to it, above 0 to 1;
                        0: 0.01. Ten times as much where H has no factor                          */
    int act_order;   /* GPTQ: largest mean square first over all columns; 0: in each group, and
                        groups by their largest                                                   */
    int static_groups; /* GPTQ: scales from the weights before any moves; act_order implies it */
    int passes;        /* GPTQ: of coordinate descent afterwards, then (but with act_order) scales
                          by least squares; -1: 3 where there are twice as many tokens as columns,
                          else 0                                                                    */
    double qep;        /* with texts: share of what the layers before have changed in the inputs
                          that the weights make up for, 0 to 1; below 0: 0.5                        */
    double alpha;      /* SMOOTHQUANT: 0 to 1; below 0: the best of 0, 0.05 .. 1 for each set, by
                          rounded products on a sample (of a state: 0.5)                            */
    int resume;        /* 1: go on at the first layer that an interrupted run of the same plan did
                          not finish, and when this one is interrupted keep OUTPUT.partial          */
} whit_method_options;

/* All at their defaults, methods 0. */
WHIT_API void whit_method_options_init(whit_method_options *options);

/* "gptq", "awq", "smoothquant", "hqq", "awq+gptq", "smoothquant+gptq"; NULL: no such chain. */
WHIT_API const char *whit_method_name(unsigned methods);
/* The other way round; 0: no such name. */
WHIT_API unsigned whit_method_parse(const char *name);

/* What a method did to a matrix. */
typedef struct whit_method_result {
    const char *name; /* of the methods; NULL: it took no part                                  */
    const char *fallback; /* why it is only rounded after all; NULL: it is not */
    double before;        /* mean square error of its outputs, rounded only, by the damped Hessian;
                             NaN: not measured */
    double after;   /* as it is                                                               */
    double damping; /* that was needed; 0: none                                               */
    double scaling; /* AWQ: exponent, SMOOTHQUANT: alpha of its input's set; NaN: not scaled  */
} whit_method_result;

#ifdef __cplusplus
}
#endif
#endif
