/* src/kernels/matmul.c - whit_matmul: tiling, scratch and threads around the kernels.
 *
 * Threads take ranges of panels, so each output has one owner and nothing is summed across threads.
 * Which tokens or inputs are together in a block never changes a result (kernels.h).
 *
 *   int8 activations   up to 512 tokens are quantized into blocks of 16; each thread then walks
 *                      its panels in parts that stay in the cache while all blocks pass by
 *   many of them       where there are tiles of products (many.h): each thread expands parts of its
 *                      panels, and all blocks pass by; bfloat16 activations always take this way
 *   one token          straight from the panels
 *   more, float        tokens are packed into strips as wide as the tile; the values of two panels
 *                      over about 128 inputs are decoded next to the core and meet all strips (F32,
 *                      and F16 and BF16 for no more than one strip, as they lie)
 *
 * Source of the loop order: Goto and van de Geijn 2008, Anatomy of High-Performance Matrix
 * Multiplication.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/context.h"
#include "kernels/many.h"
#include "kernels/weight.h"

#include <string.h>

#define MOST_TOKENS 512                  /* at once; more are cut into equal parts */
#define STRIP_BYTES ((size_t)16 << 20)   /* of packed float tokens, but for very long rows */
#define LEAST_TOKENS 48                  /* of those */
#define CACHED_BYTES ((size_t)384 << 10) /* of panels that all blocks of tokens pass by */
#define INPUTS 128                       /* of a decoded block, rounded down to whole steps */
#define PANELS 32                        /* whose sums are kept while the inputs pass by */
#define NEAR_BYTES ((size_t)512 << 10)   /* of packed tokens that stay near without that */

#define FEW 8192    /* activations that are sooner quantized than handed out: 2 us */
#define CHUNK 64    /* of them that lie together, of a token */
#define ALONE 32768 /* products of numbers that are not worth a thread */

typedef struct product {
    const whit_weight *w;
    const wh_kernels *kernels;
    const wh_variant *serves; /* of wh_matmul_op */
    int as_is;                /* its tiles take the weight as it lies */
    int bf16;                 /* activations */
    const float *x;
    float *y;
    size_t tokens;
    char *scratch;
} product;

static char *align64(char *p)
{
    return p + (64 - (uintptr_t)p % 64) % 64;
}

/* ---- int8 and bfloat16 activations ---- */

static size_t int_steps(const whit_weight *w)
{
    return (w->cols + w->int_step - 1) / w->int_step;
}

/* Codes of block j of tokens, of int8 with scales and sums; blocks but the last are full. */
typedef struct acts_block {
    int8_t *codes;
    float *scale;
    int32_t *sum;
    size_t tokens;
} acts_block;

static size_t int_sums(const whit_weight *w)
{
    return (w->cols + w->sum_step - 1) / w->sum_step;
}

static size_t block_bytes(const whit_weight *w, int bf16)
{
    if (bf16) return WH_TOKENS * ((w->cols + 31) / 32 * 64);
    return WH_TOKENS * ((w->cols + 63) / 64 * 64 + (int_steps(w) + int_sums(w)) * 4);
}

static acts_block block_at(const product *call, size_t j)
{
    const size_t scales = call->bf16 ? 0 : int_steps(call->w) * WH_TOKENS * 4;
    const size_t sums = call->bf16 ? 0 : int_sums(call->w) * WH_TOKENS * 4;
    char *at = call->scratch + j * block_bytes(call->w, call->bf16);
    acts_block b = { .scale = (float *)(void *)at, .sum = (int32_t *)(void *)(at + scales) };
    b.codes = (int8_t *)(at + scales + sums);
    b.tokens = call->tokens - j * WH_TOKENS < WH_TOKENS ? call->tokens - j * WH_TOKENS : WH_TOKENS;
    return b;
}

static void quantize_part(void *ctx, unsigned t, unsigned threads)
{
    const product *call = ctx;
    const whit_weight *w = call->w;
    const wh_op op = call->bf16 ? WH_QACT_BF16 : WH_QACT_Q8;
    size_t begin, end;
    wh_pool_split((call->tokens + WH_TOKENS - 1) / WH_TOKENS, 1, t, threads, &begin, &end);
    for (size_t j = begin; j < end; j++) {
        const acts_block b = block_at(call, j);
        const wh_qact_args a = { .x = call->x + j * WH_TOKENS * w->cols,
                                 .stride = w->cols,
                                 .cols = w->cols,
                                 .step = w->int_step,
                                 .sum_step = w->sum_step,
                                 .whole_token = w->whole_token,
                                 .tokens = b.tokens,
                                 .codes = b.codes,
                                 .scale = b.scale,
                                 .sum = b.sum };
        call->kernels->op[op]->qact(&a);
    }
}

/* The only block, whose steps have their own scales: by inputs, whole chunks and steps. */
static void quantize_inputs(void *ctx, unsigned t, unsigned threads)
{
    const product *call = ctx;
    const whit_weight *w = call->w;
    const acts_block b = block_at(call, 0);
    size_t begin, end, whole = w->int_step;
    while (whole % CHUNK) whole *= 2;
    wh_pool_split(w->cols, whole, t, threads, &begin, &end);
    if (begin >= end) return;
    const wh_qact_args a = { .x = call->x + begin,
                             .stride = w->cols,
                             .cols = end - begin,
                             .step = w->int_step,
                             .sum_step = w->sum_step,
                             .tokens = b.tokens,
                             .codes = b.codes + begin * b.tokens,
                             .scale = b.scale + begin / w->int_step * b.tokens,
                             .sum = b.sum + begin / w->sum_step * b.tokens };
    call->kernels->op[WH_QACT_Q8]->qact(&a);
}

static void quantize(wh_pool *pool, product *call)
{
    const whit_weight *w = call->w;
    if (call->tokens > WH_TOKENS)
        wh_pool_run(pool, quantize_part, call);
    else if (call->bf16 || w->whole_token || call->tokens * w->cols < FEW)
        quantize_part(call, 0, 1); /* sooner done than handed out */
    else
        wh_pool_run(pool, quantize_inputs, call);
}

static void gemm_part(void *ctx, unsigned t, unsigned threads)
{
    const product *call = ctx;
    const whit_weight *w = call->w;
    const wh_variant *v = call->serves;
    const size_t blocks = (call->tokens + WH_TOKENS - 1) / WH_TOKENS;
    size_t begin, end, part = CACHED_BYTES / w->panel_bytes / v->panels * v->panels;
    wh_pool_split(w->panels, v->panels, t, threads, &begin, &end);
    if (part == 0) part = v->panels;
    if (blocks == 1) part = w->panels;
    for (size_t p = begin; p < end; p += part)
        for (size_t j = 0; j < blocks; j++) {
            const acts_block b = block_at(call, j);
            const wh_gemm_args a = { .w = w,
                                     .codes = b.codes,
                                     .scale = b.scale,
                                     .sum = b.sum,
                                     .tokens = b.tokens,
                                     .p0 = p,
                                     .p1 = end - p < part ? end : p + part,
                                     .y = call->y + j * WH_TOKENS * w->rows,
                                     .ldy = w->rows };
            v->gemm(&a);
        }
}

/* What the activations of the most tokens take; the threads' memory for panels follows. */
static size_t blocks_bytes(const whit_weight *w, int bf16)
{
    return MOST_TOKENS / WH_TOKENS * block_bytes(w, bf16);
}

static void many_part(void *ctx, unsigned t, unsigned threads)
{
    const product *call = ctx;
    const whit_weight *w = call->w;
    const acts_block first = block_at(call, 0);
    const wh_op decode = wh_decode_op(w->form);
    char *near = call->scratch + blocks_bytes(w, call->bf16);
    wh_many_args a = { .w = w,
                       .codes = first.codes,
                       .scale = first.scale,
                       .sum = first.sum,
                       .apart = block_bytes(w, call->bf16),
                       .tokens = call->tokens,
                       .y = call->y,
                       .ldy = w->rows,
                       .near = near + t * wh_many_near(w, call->bf16) };
    if (decode != WH_OPS) a.decode = call->kernels->op[decode];
    wh_pool_split(w->panels, call->serves->panels, t, threads, &a.p0, &a.p1);
    call->serves->many(&a);
}

/* ---- float activations ---- */

static void gemv_part(void *ctx, unsigned t, unsigned threads)
{
    const product *call = ctx;
    const wh_variant *v = call->serves;
    wh_gemv_args a = { .w = call->w, .x = call->x, .y = call->y };
    wh_pool_split(call->w->panels, v->panels ? v->panels : 1, t, threads, &a.p0, &a.p1);
    if (a.p0 < a.p1) v->gemv(&a);
}

/* Inputs of a decoded block: whole steps, where there are steps. */
static size_t block_inputs(const whit_weight *w)
{
    return w->step && w->step < INPUTS ? INPUTS / w->step * w->step : INPUTS;
}

/* What a thread works in. */
typedef struct desk {
    float *sums;     /* [PANELS / 2][strips][panel][token][16] */
    float *value[2]; /* [block_inputs][16] */
    float *scale[2]; /* [steps of a block][16] */
} desk;

static size_t desk_bytes(const whit_weight *w, size_t tokens)
{
    const size_t steps = w->step ? block_inputs(w) / w->step + 1 : 1;
    return (PANELS * tokens + 2 * block_inputs(w) + 2 * steps) * WH_PANEL * sizeof(float) + 64;
}

static size_t strip_bytes(const whit_weight *w, size_t tokens)
{
    return tokens * w->cols * sizeof(float) + 64;
}

static desk desk_at(const product *call, unsigned t)
{
    const whit_weight *w = call->w;
    char *at = call->scratch + strip_bytes(w, call->tokens) + t * desk_bytes(w, call->tokens);
    const size_t block = block_inputs(w) * WH_PANEL;
    const size_t steps = w->step ? block_inputs(w) / w->step + 1 : 1;
    desk b;
    b.sums = (float *)(void *)align64(at);
    b.value[0] = b.sums + PANELS * call->tokens * WH_PANEL;
    b.value[1] = b.value[0] + block;
    b.scale[0] = b.value[1] + block;
    b.scale[1] = b.scale[0] + steps * WH_PANEL;
    return b;
}

/* Tokens of a strip: all about as wide, so that none is left too narrow to hide its latency. */
static size_t strip_width(const product *call)
{
    const size_t most = call->serves->tokens, strips = (call->tokens + most - 1) / most;
    return (call->tokens + strips - 1) / strips;
}

/* The strips of a block of inputs lie together: [block][strip][input][token]. */
static float *strip_at(const product *call, size_t j, size_t k0, size_t k1)
{
    return (float *)(void *)align64(call->scratch) + k0 * call->tokens + j * (k1 - k0);
}

/* Tokens [j, j + m) of one block of inputs. */
static void pack_strip(const product *call, size_t j, size_t m, size_t k0, size_t k1)
{
    const size_t cols = call->w->cols;
    float *strip = strip_at(call, j, k0, k1);
    for (size_t k = k0; k < k1; k += 16) { /* what is written stays near over all tokens */
        const size_t end = k1 - k < 16 ? k1 : k + 16;
        for (size_t i = 0; i < m; i++)
            for (size_t c = k; c < end; c++) strip[(c - k0) * m + i] = call->x[(j + i) * cols + c];
    }
}

static void pack_part(void *ctx, unsigned t, unsigned threads)
{
    const product *call = ctx;
    const size_t width = strip_width(call), cols = call->w->cols, inputs = block_inputs(call->w);
    size_t begin, end;
    wh_pool_split(call->tokens, width, t, threads, &begin, &end);
    for (size_t j = begin; j < end; j += width)
        for (size_t k = 0; k < cols; k += inputs)
            pack_strip(call, j, call->tokens - j < width ? call->tokens - j : width, k,
                       cols - k < inputs ? cols : k + inputs);
}

/* Ask for the part of a panel that is decoded next, while this one is multiplied: what the tokens
 * leave of the time is otherwise spent waiting. May lie beyond the weight, where it does no harm.
 */
static void fetch_next(const whit_weight *w, size_t p, size_t k1)
{
    const size_t each = wh_input_bytes(w->form);
    const uintptr_t line = (uintptr_t)(w->data + p * w->panel_bytes) + k1 * each;
    for (size_t i = 0; i < block_inputs(w) * each; i += 64)
        __builtin_prefetch((const void *)(line + i));
}

/* Values and scales of panel p over the block of inputs [k0, k1). */
static void load_block(const product *call, const desk *b, wh_tile_args *tile, size_t i, size_t p,
                       size_t k0, size_t k1)
{
    const whit_weight *w = call->w;
    if (call->as_is) {
        tile->value[i] = w->data + p * w->panel_bytes + k0 * wh_input_bytes(w->form);
        return;
    }
    fetch_next(w, p, k1);
    const wh_decode_args a = { .w = w, .p = p, .k0 = k0, .k1 = k1, .out = b->value[i] };
    call->kernels->op[wh_decode_op(w->form)]->decode(&a);
    tile->value[i] = b->value[i];
    if (!w->scale || wh_form_is_block(w->form)) return;
    for (size_t k = k0, s = 0; k < k1; k += w->step, s++)
        for (size_t r = 0; r < WH_PANEL; r++)
            b->scale[i][s * WH_PANEL + r] =
                wh_weight_scale(w, (p * w->groups + k / w->group) * WH_PANEL + r);
    tile->scale[i] = b->scale[i];
}

/* Two panels (or one) over one block of inputs, times every strip. */
static void multiply_block(const product *call, wh_tile_args *tile, float *sums, size_t k0)
{
    const wh_variant *v = call->serves;
    const size_t width = strip_width(call);
    for (size_t j = 0; j < call->tokens; j += width) {
        tile->tokens = call->tokens - j < width ? call->tokens - j : width;
        tile->x = strip_at(call, j, k0, k0 + tile->n);
        tile->sums = sums + j * tile->panels * WH_PANEL;
        v->tile(tile);
    }
}

/* The finished sums of `panels` panels from p on. */
static void store_sums(const product *call, const float *sums, size_t p, size_t panels)
{
    const size_t width = strip_width(call), rows = call->w->rows;
    for (size_t j = 0; j < call->tokens; j += width) {
        const size_t m = call->tokens - j < width ? call->tokens - j : width;
        for (size_t i = 0; i < panels; i++) {
            const size_t r0 = (p + i) * WH_PANEL, n = rows - r0 < WH_PANEL ? rows - r0 : WH_PANEL;
            for (size_t k = 0; k < m; k++)
                memcpy(call->y + (j + k) * rows + r0, sums + (j * panels + i * m + k) * WH_PANEL,
                       n * sizeof(float));
        }
    }
}

static void tiles_part(void *ctx, unsigned t, unsigned threads)
{
    const product *call = ctx;
    const whit_weight *w = call->w;
    const size_t two = call->serves->panels, inputs = block_inputs(w);
    /* few tokens are read again for every two panels, so that the weights pass by in one line */
    const size_t most = call->tokens * w->cols * sizeof(float) <= NEAR_BYTES ? two : PANELS;
    const desk b = desk_at(call, t);
    size_t begin, end;
    wh_pool_split(w->panels, two, t, threads, &begin, &end);
    for (size_t p0 = begin; p0 < end; p0 += most) {
        const size_t p1 = end - p0 < most ? end : p0 + most;
        memset(b.sums, 0, (p1 - p0) * call->tokens * WH_PANEL * sizeof(float));
        for (size_t k0 = 0; k0 < w->cols; k0 += inputs) {
            const size_t k1 = w->cols - k0 < inputs ? w->cols : k0 + inputs;
            for (size_t p = p0; p < p1; p += two) {
                wh_tile_args tile = { .panels = p1 - p < two ? p1 - p : two,
                                      .n = k1 - k0,
                                      .step = w->step };
                for (size_t i = 0; i < tile.panels; i++)
                    load_block(call, &b, &tile, i, p + i, k0, k1);
                multiply_block(call, &tile, b.sums + (p - p0) * call->tokens * WH_PANEL, k0);
            }
        }
        for (size_t p = p0; p < p1; p += two)
            store_sums(call, b.sums + (p - p0) * call->tokens * WH_PANEL, p,
                       p1 - p < two ? p1 - p : two);
    }
}

/* ---- the call ---- */

/* Tokens at once with float activations, for rows of such a length. */
static size_t float_tokens(const whit_weight *w)
{
    const size_t fit = STRIP_BYTES / sizeof(float) / w->cols;
    return fit < LEAST_TOKENS ? LEAST_TOKENS : fit < MOST_TOKENS ? fit : MOST_TOKENS;
}

/* Scratch for the most tokens with such activations, if there is a kernel for them. */
static size_t many_bytes(const whit_weight *w, whit_acts acts, unsigned threads)
{
    const int bf16 = acts == WHIT_ACTS_BF16;
    const wh_op op = wh_matmul_op(&w->context->kernels, w, acts, MOST_TOKENS);
    if (op == WH_OPS) return 0;
    const int many = w->context->kernels.op[op]->many != NULL;
    return blocks_bytes(w, bf16) + (many ? threads * wh_many_near(w, bf16) : 0);
}

size_t wh_matmul_scratch(const whit_weight *w, unsigned threads)
{
    const size_t most = float_tokens(w);
    const size_t tiles = strip_bytes(w, most) + threads * desk_bytes(w, most);
    const size_t q8 = many_bytes(w, WHIT_ACTS_Q8, threads);
    const size_t bf16 = many_bytes(w, WHIT_ACTS_BF16, threads);
    const size_t blocks = q8 > bf16 ? q8 : bf16;
    return tiles > blocks ? tiles : blocks;
}

/* What is sooner done than handed out is done by the caller: where the processors are busy, another
 * thread may let it wait for a thousand times as long. */
static void run(wh_pool *pool, wh_pool_fn *part, product *call)
{
    const double work = (double)call->w->rows * (double)call->w->cols * (double)call->tokens;
    if (work <= ALONE)
        part(call, 0, 1);
    else
        wh_pool_run(pool, part, call);
}

static void multiply(wh_pool *pool, product *call)
{
    if (call->serves->gemm || call->serves->many) {
        quantize(pool, call);
        run(pool, call->serves->many ? many_part : gemm_part, call);
    } else if (call->serves->gemv) {
        run(pool, gemv_part, call);
    } else {
        run(pool, pack_part, call);
        run(pool, tiles_part, call);
    }
}

whit_status whit_matmul(whit_context *context, const whit_weight *weight, whit_acts acts,
                        const float *x, size_t tokens, float *y, whit_error *err)
{
    if (!context || !weight || (tokens > 0 && (!x || !y)))
        return wh_fail(err, WHIT_ERR_ARG, "whit_matmul: context, weight, x or y is null");
    if (weight->context != context)
        return wh_fail(err, WHIT_ERR_ARG, "whit_matmul: the weight is of another context");
    whit_status st = wh_acts_served(context, acts, err);
    if (st != WHIT_OK) return st;
    if (acts == WHIT_ACTS_Q8 && wh_gemm_op(weight->form) == WH_OPS)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                       "whit_matmul: this weight has no kernel for int8 activations");
    const size_t most = acts == WHIT_ACTS_F32 ? float_tokens(weight) : MOST_TOKENS;
    const size_t parts = (tokens + most - 1) / most;
    pthread_mutex_lock(&context->lock);
    for (size_t i = 0, done = 0; i < parts; i++) {
        product part = { .w = weight,
                         .kernels = &context->kernels,
                         .x = x + done * weight->cols,
                         .y = y + done * weight->rows,
                         .tokens = (tokens - done) / (parts - i),
                         .scratch = context->scratch,
                         .bf16 = acts == WHIT_ACTS_BF16 };
        const wh_op op = wh_matmul_op(part.kernels, weight, acts, part.tokens);
        part.serves = part.kernels->op[op];
        part.as_is = weight->form == WH_FORM_F32 || op == WH_TILE_F16 || op == WH_TILE_BF16;
        multiply(context->pool, &part);
        done += part.tokens;
    }
    pthread_mutex_unlock(&context->lock);
    return WHIT_OK;
}
