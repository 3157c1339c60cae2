/* tests/sqnr_table.c - README's table: what each scheme costs the bundled model.
 *
 *   sqnr_table MODEL      prints the table in Markdown
 *
 * SQNR over all quantized matrices together, in dB, for both ways to choose a range.
 * SPDX-License-Identifier: MIT */
#include <whit/whit.h>

#include <stdlib.h>

static const char *const schemes[] = { "int8-channel", "int8-channel-asym", "int6-g64",
                                       "int5-g64",     "int4-g32",          "int4-g32-asym",
                                       "int4-g64",     "int4-g64-asym",     "int4-g128",
                                       "int4-channel", "nf4-g64",           "int3-g32",
                                       "int3-g64",     "int2-g32",          "int2-g64" };

/* Quantize in memory; *sqnr over all matrices that the plan quantizes, and their bits a weight. */
static whit_status measure(const whit_source *source, const char *scheme, whit_clip clip,
                           double *sqnr, double *bits, whit_error *err)
{
    whit_quantize_options options;
    whit_plan *plan = NULL;
    whit_quant_stats sum = { 0 };
    uint64_t bytes = 0;
    whit_quantize_options_init(&options);
    options.scheme = scheme;
    whit_status st = whit_plan_make(&plan, source, &options, NULL, err);
    for (size_t i = 0; st == WHIT_OK && i < whit_plan_count(plan); i++) {
        const whit_plan_entry *e = whit_plan_at(plan, i);
        size_t rows = (size_t)e->source->rows, cols = (size_t)e->source->cols;
        if (!whit_scheme_is_quantized(&e->scheme)) continue;
        whit_quant_spec spec = { .struct_size = sizeof spec, .scheme = e->scheme, .clip = clip };
        float *w = malloc(rows * cols * sizeof *w), *scale = malloc(rows * cols * sizeof *scale);
        uint8_t *codes = malloc(rows * cols), *zero = malloc(rows * cols);
        if (!w || !scale || !codes || !zero) st = WHIT_ERR_NOMEM;
        if (st == WHIT_OK) st = whit_source_read_f32(source, i, 0, rows, 0, cols, w, err);
        if (st == WHIT_OK)
            st = whit_quantize(w, rows, cols, &spec, codes, scale, e->scheme.asym ? zero : NULL,
                               &sum, err);
        bytes += e->bytes_out;
        free(w);
        free(scale);
        free(codes);
        free(zero);
    }
    *sqnr = whit_sqnr_db(sum.sum_w2, sum.sum_err2);
    *bits = sum.weights ? 8.0 * (double)bytes / (double)sum.weights : 0.0;
    whit_plan_free(plan);
    return st;
}

int main(int argc, char **argv)
{
    whit_error err = { WHIT_OK, "" };
    whit_source *source = NULL;
    if (argc != 2) return 2;
    whit_status st = whit_source_open(&source, argv[1], &err);
    printf("| scheme | bits a weight | minmax dB | mse dB |\n|---|---|---|---|\n");
    for (size_t i = 0; st == WHIT_OK && i < sizeof schemes / sizeof schemes[0]; i++) {
        double minmax = 0, mse = 0, bits = 0;
        st = measure(source, schemes[i], WHIT_CLIP_MINMAX, &minmax, &bits, &err);
        if (st == WHIT_OK) st = measure(source, schemes[i], WHIT_CLIP_MSE, &mse, &bits, &err);
        if (st == WHIT_OK) printf("| %s | %.3f | %.2f | %.2f |\n", schemes[i], bits, minmax, mse);
    }
    if (st != WHIT_OK) fprintf(stderr, "%s\n", err.msg);
    whit_source_close(source);
    return st != WHIT_OK;
}
