/* tests/test_kernel_bits.c - a result of whit_matmul depends on nothing but the weight and the
 * token: not on the tokens beside it, the threads, or other calls at the same time. No call takes
 * memory. SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/whit.h>

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

#include "kernel_make.h"

/* ---- counted memory, where the linker can replace the calls ---- */

static atomic_size_t taken;

#ifdef WHIT_LINKER_WRAPS
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
int __real_posix_memalign(void **out, size_t align, size_t size);
void *__real_mmap(void *at, size_t size, int protection, int flags, int file, long offset);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
int __wrap_posix_memalign(void **out, size_t align, size_t size);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int file, long offset);

void *__wrap_malloc(size_t size)
{
    atomic_fetch_add(&taken, 1);
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    atomic_fetch_add(&taken, 1);
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    atomic_fetch_add(&taken, 1);
    return __real_realloc(old, size);
}

int __wrap_posix_memalign(void **out, size_t align, size_t size)
{
    atomic_fetch_add(&taken, 1);
    return __real_posix_memalign(out, align, size);
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int file, long offset)
{
    atomic_fetch_add(&taken, 1);
    return __real_mmap(at, size, protection, flags, file, offset);
}
#endif

/* ---- the same bits ---- */

static const struct {
    const char *scheme;
    whit_acts acts;
} kinds[] = {
    { "int4-g32", WHIT_ACTS_F32 },      { "int4-g32", WHIT_ACTS_Q8 },
    { "int4-g160-asym", WHIT_ACTS_Q8 }, { "int4-channel", WHIT_ACTS_F32 },
    { "int8-channel", WHIT_ACTS_Q8 },   { "int8-g64-asym", WHIT_ACTS_F32 },
    { "int8-g64-asym", WHIT_ACTS_Q8 },  { "nf4-g64", WHIT_ACTS_F32 },
    { "f32", WHIT_ACTS_F32 },           { "f16", WHIT_ACTS_F32 },
    { "bf16", WHIT_ACTS_F32 },          { "int4-g128", WHIT_ACTS_Q8 },
    { "int2-g64", WHIT_ACTS_Q8 },       { "int3-g32-asym", WHIT_ACTS_Q8 },
    { "int3-g96", WHIT_ACTS_F32 },      { "int5-g64", WHIT_ACTS_Q8 },
    { "int6-channel", WHIT_ACTS_Q8 },   { "int6-g128", WHIT_ACTS_F32 },
    { "q4_0", WHIT_ACTS_F32 },          { "q4_1", WHIT_ACTS_Q8 },
    { "q2_k", WHIT_ACTS_Q8 },           { "q3_k", WHIT_ACTS_Q8 },
    { "q4_k", WHIT_ACTS_Q8 },           { "q4_k", WHIT_ACTS_F32 },
    { "q5_k", WHIT_ACTS_Q8 },           { "q6_k", WHIT_ACTS_Q8 },
    { "q6_k", WHIT_ACTS_F32 },          { "q8_0", WHIT_ACTS_F32 },
    { "nf4-g64", WHIT_ACTS_Q8 },        { "fp4-g32", WHIT_ACTS_Q8 },
    { "mxfp4", WHIT_ACTS_F32 },         { "nvfp4", WHIT_ACTS_Q8 },
    { "fp8_e4m3-g64", WHIT_ACTS_F32 },  { "fp8_e5m2", WHIT_ACTS_F32 },
    { "iq4_nl", WHIT_ACTS_Q8 },         { "iq4_nl", WHIT_ACTS_F32 },
    { "iq4_xs", WHIT_ACTS_Q8 },         { "iq4_xs", WHIT_ACTS_F32 },
    { "tq1_0", WHIT_ACTS_Q8 },          { "tq2_0", WHIT_ACTS_F32 },
    { "gguf:mxfp4", WHIT_ACTS_Q8 },     { "gguf:mxfp4", WHIT_ACTS_F32 },
};

enum { MOST = 513, WIDEST = 512 /* columns, rounded up to whole blocks */ };

/* Row j of a product of many tokens is the product of token j alone. */
static void test_tokens(whit_context *context)
{
    enum { ROWS = 33, COLS = 323 };
    static const size_t more[] = { 31, 32, 33, 64, 65, 512, MOST };
    float *x = kernel_tokens(MOST * WIDEST);
    float *alone = kernel_need(MOST * ROWS, sizeof *alone),
          *y = kernel_need(MOST * ROWS + 1, sizeof *y);
    for (size_t k = 0; k < COUNT(kinds); k++) {
        const size_t cols = kernel_cols(kinds[k].scheme, COLS);
        whit_weight *w = kernel_weight(context, kinds[k].scheme, ROWS, cols);
        const float finite = x[5 * cols + 7];
        x[5 * cols + 7] = INFINITY; /* of one token: the others know nothing of it */
        for (size_t j = 0; j < MOST; j++)
            kernel_multiply(context, w, kinds[k].acts, x + j * cols, 1, alone + j * ROWS);
        for (size_t i = 0; i < 17 + COUNT(more); i++) {
            const size_t tokens = i < 17 ? i + 1 : more[i - 17];
            const size_t first = tokens < 100 ? 6 + i : 0; /* the odd one only in the long ones */
            y[tokens * ROWS] = 12345.0f;
            kernel_multiply(context, w, kinds[k].acts, x + first * cols, tokens, y);
            size_t wrong = 0;
            for (size_t j = 0; j < tokens; j++)
                wrong += first + j != 5 &&
                         memcmp(y + j * ROWS, alone + (first + j) * ROWS, ROWS * sizeof *y) != 0;
            CHECK(wrong == 0, "%s, acts %d: %zu of %zu tokens differ", kinds[k].scheme,
                  (int)kinds[k].acts, wrong, tokens);
            CHECK(y[tokens * ROWS] == 12345.0f, "%s: beyond y", kinds[k].scheme);
        }
        x[5 * cols + 7] = finite;
        whit_weight_free(w);
    }
    free(x);
    free(alone);
    free(y);
}

static void test_threads(void)
{
    enum { ROWS = 535, COLS = 160, TOKENS = 40 };
    static const unsigned threads[] = { 1, 2, 3, 7 };
    static const size_t tokens[] = { 1, 8, 17, TOKENS };
    float *x = kernel_tokens(TOKENS * WIDEST);
    float *want = kernel_need(TOKENS * ROWS, sizeof *want),
          *y = kernel_need(TOKENS * ROWS, sizeof *y);
    for (size_t k = 0; k < COUNT(kinds); k++)
        for (size_t m = 0; m < COUNT(tokens); m++)
            for (size_t t = 0; t < COUNT(threads); t++) {
                whit_context *context = kernel_context(threads[t], 0);
                whit_weight *w = kernel_weight(context, kinds[k].scheme, ROWS,
                                               kernel_cols(kinds[k].scheme, COLS));
                kernel_multiply(context, w, kinds[k].acts, x, tokens[m], t ? y : want);
                CHECK(t == 0 || memcmp(y, want, tokens[m] * ROWS * sizeof *y) == 0,
                      "%s, acts %d, %zu tokens: other bits at %u threads", kinds[k].scheme,
                      (int)kinds[k].acts, tokens[m], threads[t]);
                whit_weight_free(w);
                whit_context_close(context);
            }
    free(x);
    free(want);
    free(y);
}

/* A NaN or an infinity in a token: every output of it is one, no output of another. */
static void test_not_finite(whit_context *context)
{
    enum { ROWS = 33, COLS = 100, TOKENS = 18 };
    static const float odd[] = { NAN, INFINITY, -INFINITY };
    float *y = kernel_need(TOKENS * ROWS, sizeof *y);
    for (size_t k = 0; k < COUNT(kinds); k++)
        for (size_t o = 0; o < COUNT(odd); o++) {
            const size_t cols = kernel_cols(kinds[k].scheme, COLS);
            whit_weight *w = kernel_weight(context, kinds[k].scheme, ROWS, cols);
            float *x = kernel_tokens(TOKENS * cols);
            size_t wrong = 0;
            x[3 * cols + 99] = odd[o];
            x[17 * cols] = odd[o];
            kernel_multiply(context, w, kinds[k].acts, x, TOKENS, y);
            for (size_t i = 0; i < TOKENS * ROWS; i++) {
                const int hit = i / ROWS == 3 || i / ROWS == 17;
                const int must_be_nan = hit && (o == 0 || kinds[k].acts == WHIT_ACTS_Q8);
                const int ok = must_be_nan ? isnan(y[i]) : hit ? !isfinite(y[i]) : isfinite(y[i]);
                wrong += !ok;
            }
            CHECK(wrong == 0, "%s, acts %d, %f: %zu outputs", kinds[k].scheme, (int)kinds[k].acts,
                  (double)odd[o], wrong);
            free(x);
            whit_weight_free(w);
        }
    free(y);
}

/* ---- many callers, no memory ---- */

typedef struct caller {
    whit_context *context;
    const whit_weight *w;
    whit_acts acts;
    const float *x;
    size_t tokens;
    float *y, *want;
    size_t bytes, wrong;
} caller;

static void *call_often(void *arg)
{
    caller *c = arg;
    for (int i = 0; i < 60; i++) {
        memset(c->y, 0, c->bytes);
        c->wrong += whit_matmul(c->context, c->w, c->acts, c->x, c->tokens, c->y, NULL) != WHIT_OK;
        c->wrong += memcmp(c->y, c->want, c->bytes) != 0;
    }
    return NULL;
}

/* Weights come and go meanwhile, larger ones too, so that the scratch grows under the others. */
static void *prepare_often(void *arg)
{
    whit_context *context = arg;
    for (size_t i = 1; i <= 12; i++)
        whit_weight_free(kernel_weight(context, i % 2 ? "int8-channel" : "f16", 17, 96 * i * i));
    return NULL;
}

static void test_callers(void)
{
    enum { ROWS = 70, COLS = 192, CALLERS = 3, TOKENS = 20 };
    static const size_t tokens[CALLERS] = { 1, TOKENS, 7 };
    whit_context *context = kernel_context(2, 50);
    float *x = kernel_tokens(TOKENS * COLS);
    whit_weight *w[CALLERS];
    caller callers[CALLERS];
    pthread_t thread[CALLERS + 1];
    for (size_t i = 0; i < CALLERS; i++) {
        w[i] = kernel_weight(context, kinds[i + 1].scheme, ROWS, COLS);
        callers[i] = (caller){ context, w[i], kinds[i + 1].acts, x, tokens[i] };
        callers[i].bytes = tokens[i] * ROWS * sizeof(float);
        callers[i].y = kernel_need(tokens[i] * ROWS, sizeof(float));
        callers[i].want = kernel_need(tokens[i] * ROWS, sizeof(float));
        kernel_multiply(context, w[i], callers[i].acts, x, tokens[i], callers[i].want);
    }
    for (size_t i = 0; i <= CALLERS; i++)
        if (pthread_create(&thread[i], NULL, i < CALLERS ? call_often : prepare_often,
                           i < CALLERS ? (void *)&callers[i] : (void *)context) != 0)
            scratch_die("pthread_create");
    for (size_t i = 0; i <= CALLERS; i++) pthread_join(thread[i], NULL);
    for (size_t i = 0; i < CALLERS; i++) {
        CHECK(callers[i].wrong == 0, "caller %zu: %zu calls", i, callers[i].wrong);
        free(callers[i].y);
        free(callers[i].want);
        whit_weight_free(w[i]);
    }
    free(x);
    whit_context_close(context);
}

static void test_no_memory(whit_context *context)
{
    enum { ROWS = 50, COLS = 320, TOKENS = 600 };
    static const size_t tokens[] = { 1, 3, 16, 17, TOKENS };
    float *x = kernel_tokens(TOKENS * WIDEST), *y = kernel_need(TOKENS * ROWS, sizeof *y);
    for (size_t k = 0; k < COUNT(kinds); k++) {
        whit_weight *w =
            kernel_weight(context, kinds[k].scheme, ROWS, kernel_cols(kinds[k].scheme, COLS));
        for (size_t m = 0; m < COUNT(tokens); m++) {
            const size_t before = atomic_load(&taken);
            whit_matmul(context, w, kinds[k].acts, x, tokens[m], y, NULL);
            CHECK(atomic_load(&taken) == before, "%s, %zu tokens: memory was taken",
                  kinds[k].scheme, tokens[m]);
        }
        whit_weight_free(w);
    }
    float *h = kernel_need((size_t)COLS * COLS, sizeof *h);
    whit_syrk(context, x, 100, COLS, h, NULL); /* takes the scratch for so many columns */
    const size_t before = atomic_load(&taken);
    whit_syrk(context, x, TOKENS, COLS, h, NULL);
    CHECK(atomic_load(&taken) == before, "syrk: memory was taken");
    free(h);
#ifdef WHIT_LINKER_WRAPS
    CHECK(atomic_load(&taken) > 0, "the counting does not work");
#endif
    free(x);
    free(y);
}

int main(void)
{
    whit_error err = { WHIT_OK, "" };
    const char *name = NULL;
    if (whit_isa(&name, &err) != WHIT_OK) { /* a level that this CPU lacks */
        printf("%s\n", err.msg);
        return strstr(err.msg, "lacks") ? CHECK_SKIP : 1;
    }
    whit_context *context = kernel_context(2, 0);
    test_tokens(context);
    test_not_finite(context);
    test_no_memory(context);
    whit_context_close(context);
    test_threads();
    test_callers();
    return check_result();
}
