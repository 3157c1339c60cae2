/* tests/test_sweep.c - the sweep of a plan: every row against quantizing by hand, the front by its
 * definition, samples, scales beyond their type, NaN, and the same octets for any number of
 * threads.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <math.h>

#include "job/sweep.h"
#include "jobs.h"

#define CHECK_SWEEP(j, out)                                                                        \
    CHECK(whit_sweep_run(out, (j)->plan, &(j)->err) == WHIT_OK && *(out), "%s", (j)->err.msg)

/* ---- the sample ---- */

static void test_pieces(void)
{
    static const struct {
        uint64_t rows, cols, width, per_row, taken, weights;
    } cases[] = {
        { 0, 64, 0, 0, 0, 0 },
        { 64, 0, 0, 0, 0, 0 },
        { 1, 1, 1, 1, 1, 1 },
        { 1024, 1024, 1024, 1, 1024, 1048576 }, /* just all of it */
        { 1025, 1024, 1024, 1, 1024, 1048576 },
        { 1048577, 1, 1, 1, 1048576, 1048576 },
        { 5000, 1000, 1000, 1, 1048, 1048000 },
        { 5, 262144, 262144, 1, 4, 1048576 },
        { 1, 262145, 262144, 2, 2, 262145 }, /* parts of a row, the last one short */
        { 3, 262145, 262144, 2, 4, 2 * 262144 + 2 },
        { 1, (uint64_t)1 << 40, 262144, (uint64_t)1 << 22, 4, 1048576 },
        { (uint64_t)1 << 60, 4, 4, 1, 262144, 1048576 }, /* products beyond 64 bits */
        { (uint64_t)1 << 61, 3, 3, 1, 349525, 1048575 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wh_pieces p = wh_pieces_of(cases[i].rows, cases[i].cols);
        uint64_t sum = 0, last = 0, pieces = p.rows * p.per_row;
        CHECK(p.width == cases[i].width && p.per_row == cases[i].per_row &&
                  p.taken == cases[i].taken && p.weights == cases[i].weights,
              "case %zu: width %llu, %llu a row, %llu taken, %llu weights", i,
              (unsigned long long)p.width, (unsigned long long)p.per_row,
              (unsigned long long)p.taken, (unsigned long long)p.weights);
        int ok = 1;
        for (uint64_t k = 0; k < p.taken; k++) {
            wh_rect r = wh_pieces_at(&p, k);
            uint64_t at = r.r0 * p.per_row + r.c0 / p.width;
            uint64_t gap = k > 0 ? at - last : pieces / p.taken;
            sum += r.cols;
            ok &= r.rows == 1 && r.r0 < p.rows && r.c0 + r.cols <= p.cols && r.c0 % 256 == 0;
            ok &= k > 0 ? at > last : at == 0;
            ok &= gap == pieces / p.taken || gap == pieces / p.taken + 1;
            last = at;
        }
        CHECK(ok && sum == p.weights, "case %zu: pieces", i);
    }
}

/* ---- rows ---- */

/* Of everything, by the functions for one matrix. */
static double by_hand(const job *j, const whit_scheme *scheme, whit_clip clip)
{
    whit_quant_stats sum = { 0 };
    for (size_t i = 0; i < whit_plan_count(j->plan); i++) {
        const whit_plan_entry *e = whit_plan_at(j->plan, i);
        size_t rows = (size_t)e->source->rows, n = rows * (size_t)e->source->cols;
        if (!whit_scheme_is_quantized(&e->scheme)) continue;
        float *w = job_values(j->source, e->source->tensor.name), amax = 0;
        float *scale = malloc(n * sizeof *scale);
        uint8_t *codes = malloc(n), *zero = malloc(n);
        if (!scale || !codes || !zero) scratch_die("memory");
        for (size_t k = 0; k < n; k++) amax = fmaxf(amax, fabsf(w[k]));
        whit_quant_spec spec = { .struct_size = sizeof spec,
                                 .scheme = *scheme,
                                 .clip = clip,
                                 .scale2 = whit_nvfp4_scale2(amax) };
        CHECK(whit_quantize(w, rows, n / rows, &spec, codes, scale, scheme->asym ? zero : NULL,
                            &sum, NULL) == WHIT_OK,
              "quantize");
        free(w);
        free(scale);
        free(codes);
        free(zero);
    }
    return whit_sqnr_db(sum.sum_w2, sum.sum_err2);
}

/* Octets that quantize would write for the same tensors. */
static uint64_t bytes_of(const char *in, const char *scheme)
{
    job j;
    uint64_t bytes = 0;
    job_ask ask = { .scheme = scheme };
    CHECK(job_plan(&j, in, NULL, &ask) == WHIT_OK, "%s: %s", scheme, j.err.msg);
    for (size_t i = 0; j.plan && i < whit_plan_count(j.plan); i++)
        if (whit_scheme_is_quantized(&whit_plan_at(j.plan, i)->scheme))
            bytes += whit_plan_at(j.plan, i)->bytes_out;
    job_close(&j);
    return bytes;
}

static int covers(const whit_sweep_row *a, const whit_sweep_row *b)
{
    return a->bytes_out <= b->bytes_out && a->sqnr_db >= b->sqnr_db &&
           (a->bytes_out < b->bytes_out || a->sqnr_db > b->sqnr_db);
}

static void check_front(const whit_sweep *s)
{
    for (size_t i = 0; i < whit_sweep_count(s); i++) {
        const whit_sweep_row *r = whit_sweep_at(s, i), *q = i ? whit_sweep_at(s, i - 1) : NULL;
        int best = !isnan(r->sqnr_db);
        char text[WHIT_SCHEME_TEXT];
        whit_scheme_print(&r->scheme, text);
        for (size_t k = 0; k < whit_sweep_count(s); k++) {
            const whit_sweep_row *o = whit_sweep_at(s, k);
            if (covers(o, r)) best = 0;
            if (k < i && o->bytes_out == r->bytes_out && o->sqnr_db == r->sqnr_db) best = 0;
        }
        CHECK(r->pareto == best, "%s: pareto %d", text, r->pareto);
        CHECK(!q || q->bytes_out < r->bytes_out ||
                  (q->bytes_out == r->bytes_out && !(q->sqnr_db < r->sqnr_db)),
              "%s: order", text);
        CHECK(r->bits_per_weight == 8.0 * (double)r->bytes_out / (double)s->totals.weights,
              "%s: %g bits", text, r->bits_per_weight);
    }
    CHECK(!whit_sweep_at(s, whit_sweep_count(s)), "beyond the end");
}

static const whit_sweep_row *row_of(const whit_sweep *s, const char *scheme)
{
    char text[WHIT_SCHEME_TEXT];
    for (size_t i = 0; i < whit_sweep_count(s); i++)
        if (!strcmp(whit_scheme_print(&whit_sweep_at(s, i)->scheme, text), scheme))
            return whit_sweep_at(s, i);
    CHECK(0, "no row %s", scheme);
    exit(check_result());
}

static void test_rows(const char *data)
{
    static const whit_clip clips[] = { WHIT_CLIP_DEFAULT, WHIT_CLIP_MINMAX };
    char in[SCRATCH_PATH];
    snprintf(in, sizeof in, "%s/stories260K", data);
    for (size_t c = 0; c < 2; c++) {
        job j;
        job_ask ask = { .clip = clips[c], .scheme = "int7" }; /* which is not in the sweep */
        whit_sweep *s = NULL;
        CHECK(job_plan(&j, in, NULL, &ask) == WHIT_OK, "%s", j.err.msg);
        CHECK_SWEEP(&j, &s);
        if (!s) exit(check_result());
        const whit_sweep_totals *t = whit_sweep_total(s);
        CHECK(t->tensors == 35 && t->weights == 226560 && t->sampled == t->weights && !t->in_parts,
              "%llu tensors", (unsigned long long)t->tensors);
        CHECK(whit_sweep_count(s) == 62, "%zu rows", whit_sweep_count(s));
        check_front(s);
        for (size_t i = 0; i < whit_sweep_count(s); i++) {
            const whit_sweep_row *r = whit_sweep_at(s, i);
            char text[WHIT_SCHEME_TEXT];
            double want = by_hand(&j, &r->scheme, clips[c]);
            whit_scheme_print(&r->scheme, text);
            CHECK(fabs(r->sqnr_db - want) < 1e-9, "%s: %.12g dB, not %.12g", text, r->sqnr_db,
                  want);
            CHECK(r->bytes_out == bytes_of(in, text), "%s: %llu bytes", text,
                  (unsigned long long)r->bytes_out);
        }
        row_of(s, "mxfp4"), row_of(s, "nvfp4"), row_of(s, "int4-g16-asym");
        row_of(s, "fp8_e4m3-channel");
        whit_sweep_free(s);
        job_close(&j);
    }
}

/* ---- a model with a large matrix, and one that is cut into parts ---- */

#define BIG_ROWS 1500
#define BIG_COLS 1000 /* 1048 rows of it are measured */
#define LONG_COLS 1310722

/* Rows of big are alike but for their sign, so that the sample's error is exactly the whole's. */
static void write_large(const scratch *s, float spike)
{
    st_build b = { 0 };
    check_rng rng = { 11 };
    float *big = calloc((size_t)BIG_ROWS * BIG_COLS, sizeof *big), small[64 * 64], row[40];
    float *wide = calloc(LONG_COLS, sizeof *wide);
    if (!big || !wide) scratch_die("memory");
    for (size_t c = 0; c < 40; c++) row[c] = check_normal(&rng);
    for (size_t r = 0; r < BIG_ROWS; r++) memcpy(big + r * BIG_COLS, row, sizeof row);
    for (size_t i = 0; i < 64 * 64; i++) small[i] = 3.0f * check_normal(&rng);
    for (size_t c = 0; c < 64; c++) wide[c] = wide[LONG_COLS - 1 - c] = check_normal(&rng);
    small[17] = spike;
    st_add2(&b, "big.weight", "F32", BIG_ROWS, BIG_COLS, big, sizeof *big * BIG_ROWS * BIG_COLS);
    st_add2(&b, "small.weight", "F32", 64, 64, small, sizeof small);
    st_add2(&b, "long.weight", "F32", 1, LONG_COLS, wide, sizeof *wide * LONG_COLS);
    st_write(&b, s, "large.safetensors");
    free(big);
    free(wide);
}

static void test_sample(const scratch *s)
{
    static const char *const schemes[] = { "int4-g32", "int8-channel", "nvfp4", "int3-g256" };
    char in[SCRATCH_PATH];
    job j;
    whit_sweep *sweep = NULL;
    write_large(s, 0.0f);
    job_ask ask = { .rules = { "long=keep" } };
    CHECK(job_plan(&j, scratch_path(s, "large.safetensors", in), NULL, &ask) == WHIT_OK, "%s",
          j.err.msg);
    CHECK_SWEEP(&j, &sweep);
    if (!sweep) exit(check_result());
    const whit_sweep_totals *t = whit_sweep_total(sweep);
    CHECK(t->tensors == 2 && t->weights == BIG_ROWS * BIG_COLS + 4096 &&
              t->sampled == 1048 * BIG_COLS + 4096 && t->in_parts == 0,
          "%llu sampled", (unsigned long long)t->sampled);
    check_front(sweep);
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        const whit_sweep_row *r = row_of(sweep, schemes[i]);
        double want = by_hand(&j, &r->scheme, WHIT_CLIP_DEFAULT);
        CHECK(fabs(r->sqnr_db - want) < 1e-6, "%s: %.9g dB of a sample, %.9g of all", schemes[i],
              r->sqnr_db, want);
    }
    whit_sweep_free(sweep);
    job_close(&j);

    ask = (job_ask){ .rules = { "big=keep", "small=keep" } };
    CHECK(job_plan(&j, in, NULL, &ask) == WHIT_OK, "%s", j.err.msg);
    CHECK_SWEEP(&j, &sweep);
    t = whit_sweep_total(sweep);
    CHECK(t->tensors == 1 && t->weights == LONG_COLS && t->in_parts == 1, "parts: %llu",
          (unsigned long long)t->in_parts);
    /* pieces 0, 1, 3, 4 of six */
    CHECK(t->sampled == 1048576, "%llu of the long row", (unsigned long long)t->sampled);
    check_front(sweep);
    whit_sweep_free(sweep);
    job_close(&j);
}

/* ---- what is written ---- */

enum { TEXT, COLOR, JSON, CSV, SVG, OUTPUTS };

static char *written(const whit_sweep *s, int what, size_t *len)
{
    char *text = NULL;
    FILE *f = open_memstream(&text, len);
    if (!f) scratch_die("open_memstream");
    if (what == TEXT || what == COLOR)
        whit_sweep_write_text(s, what == COLOR ? WHIT_TEXT_COLOR : 0, f);
    if (what == JSON) whit_sweep_write_json(s, f);
    if (what == CSV) CHECK(whit_sweep_write_csv(s, f, NULL) == WHIT_OK, "CSV");
    if (what == SVG) CHECK(whit_sweep_write_svg(s, f, NULL) == WHIT_OK, "SVG");
    if (fclose(f) != 0) scratch_die("open_memstream");
    return text;
}

static size_t count_of(const char *text, const char *word)
{
    size_t n = 0;
    for (; (text = strstr(text, word)) != NULL; text++) n++;
    return n;
}

static void test_threads(const scratch *s, const char *data)
{
    static const unsigned threads[] = { 1, 2, 8 };
    char model[SCRATCH_PATH], in[SCRATCH_PATH], *first[2][OUTPUTS] = { { NULL } };
    snprintf(model, sizeof model, "%s/stories260K", data);
    scratch_path(s, "large.safetensors", in);
    for (size_t m = 0; m < 2; m++)
        for (size_t t = 0; t < 3; t++) {
            job j;
            whit_sweep *sweep = NULL;
            job_ask ask = { .job.threads = threads[t] };
            CHECK(job_plan(&j, m ? in : model, NULL, &ask) == WHIT_OK, "%s", j.err.msg);
            CHECK_SWEEP(&j, &sweep);
            for (int what = 0; sweep && what < OUTPUTS; what++) {
                size_t len;
                char *text = written(sweep, what, &len);
                CHECK(strlen(text) == len && len > 1000, "output %d: %zu octets", what, len);
                if (!first[m][what]) {
                    first[m][what] = text;
                    continue;
                }
                CHECK(!strcmp(text, first[m][what]), "output %d: %u threads", what, threads[t]);
                free(text);
            }
            whit_sweep_free(sweep);
            job_close(&j);
        }
    size_t best = count_of(first[0][TEXT], "\n* ") - 1; /* one explains the mark */
    CHECK(best > 10 && count_of(first[0][JSON], "\"pareto\":true") == best &&
              count_of(first[0][CSV], ",1\n") == best &&
              count_of(first[0][SVG], "class=\"best\"") == best &&
              count_of(first[0][SVG], "class=\"lead\"") == best,
          "%zu on the front", best);
    CHECK(count_of(first[0][CSV], "\n") == 63 && count_of(first[0][SVG], "<circle") == 62 &&
              count_of(first[0][JSON], "\"scheme\":") == 62 &&
              count_of(first[0][SVG], "class=\"front\"") == 1,
          "rows");
    for (int i = 0; i < 2 * OUTPUTS; i++) free(first[i / OUTPUTS][i % OUTPUTS]);
}

/* ---- odd values and faults ---- */

static void test_beyond(const scratch *s)
{
    char in[SCRATCH_PATH];
    size_t len;
    job j;
    whit_sweep *sweep = NULL;
    write_large(s, 1e30f);
    job_ask ask = { .rules = { "long=keep", "big=keep" } };
    CHECK(job_plan(&j, scratch_path(s, "large.safetensors", in), NULL, &ask) == WHIT_OK, "%s",
          j.err.msg);
    CHECK_SWEEP(&j, &sweep);
    if (!sweep) exit(check_result());
    CHECK(isnan(row_of(sweep, "int4-g32")->sqnr_db) && !row_of(sweep, "int4-g32")->pareto,
          "F16 cannot hold that");
    CHECK(row_of(sweep, "int8-channel")->sqnr_db > 20.0, "F32 can");
    check_front(sweep);
    char *csv = written(sweep, CSV, &len), *json = written(sweep, JSON, &len);
    char *svg = written(sweep, SVG, &len), *text = written(sweep, TEXT, &len);
    CHECK(strstr(csv, "int4-g32,4.5,,2304,0\n"), "%s", csv);
    CHECK(strstr(json, "\"sqnr_db\":null"), "%s", json);
    CHECK(count_of(svg, "<circle") < 62 && !strstr(svg, "nan") && !strstr(svg, "inf"), "%s", svg);
    CHECK(strstr(text, "- a scale is beyond its type\n"), "%s", text);
    free(csv);
    free(json);
    free(svg);
    free(text);
    whit_sweep_free(sweep);
    job_close(&j);
}

static void test_zeros(const scratch *s)
{
    char in[SCRATCH_PATH];
    size_t len;
    job j;
    st_build b = { 0 };
    whit_sweep *sweep = NULL;
    job_ask ask = { 0 };
    st_add2(&b, "w", "F16", 64, 64, NULL, 8192);
    st_write(&b, s, "zeros.safetensors");
    CHECK(job_plan(&j, scratch_path(s, "zeros.safetensors", in), NULL, &ask) == WHIT_OK, "%s",
          j.err.msg);
    CHECK_SWEEP(&j, &sweep);
    if (!sweep) exit(check_result());
    check_front(sweep);
    size_t best = 0;
    for (size_t i = 0; i < whit_sweep_count(sweep); i++) {
        CHECK(isinf(whit_sweep_at(sweep, i)->sqnr_db), "row %zu", i);
        best += (size_t)whit_sweep_at(sweep, i)->pareto;
    }
    CHECK(best == 1 && whit_sweep_at(sweep, 0)->pareto, "%zu on the front", best);
    char *csv = written(sweep, CSV, &len), *json = written(sweep, JSON, &len);
    char *svg = written(sweep, SVG, &len);
    CHECK(count_of(csv, ",inf,") == 62 && count_of(json, "\"exact\":true") == 62, "%s", csv);
    CHECK(count_of(svg, "<circle") == 62 && !strstr(svg, "nan") && count_of(svg, "inf") == 62, "%s",
          svg);
    free(csv);
    free(json);
    free(svg);
    whit_sweep_free(sweep);
    job_close(&j);
}

static int stop(void *user, const whit_progress *p)
{
    CHECK(p->done <= p->total, "%llu of %llu", (unsigned long long)p->done,
          (unsigned long long)p->total);
    *(uint64_t *)user = p->done;
    return p->done > 200000;
}

static int go_on(void *user, const whit_progress *p)
{
    *(uint64_t *)user = p->total - p->done;
    return 0;
}

static void test_faults(const scratch *s, const char *data)
{
    char in[SCRATCH_PATH], path[SCRATCH_PATH];
    uint64_t done = 0, left = 1;
    job j;
    whit_sweep *sweep = NULL;
    snprintf(in, sizeof in, "%s/stories260K", data);
    CHECK(whit_sweep_run(&sweep, NULL, NULL) == WHIT_ERR_ARG && !sweep, "no plan");
    whit_sweep_free(NULL);

    job_ask ask = { .rules = { "**=keep" } };
    CHECK(job_plan(&j, in, NULL, &ask) == WHIT_OK, "%s", j.err.msg);
    CHECK(whit_sweep_run(&sweep, j.plan, &j.err) == WHIT_ERR_ARG && !sweep &&
              strstr(j.err.msg, "quantizes nothing") && job_one_line(&j.err),
          "%s", j.err.msg);
    job_close(&j);

    ask = (job_ask){ .job = { .progress = stop, .progress_user = &done } };
    CHECK(job_plan(&j, in, NULL, &ask) == WHIT_OK, "%s", j.err.msg);
    CHECK(whit_sweep_run(&sweep, j.plan, &j.err) == WHIT_ERR_CANCELLED && !sweep && done > 200000,
          "%s", j.err.msg);
    job_close(&j);
    ask = (job_ask){ .job = { .progress = go_on, .progress_user = &left } };
    CHECK(job_plan(&j, in, NULL, &ask) == WHIT_OK, "%s", j.err.msg);
    CHECK_SWEEP(&j, &sweep);
    CHECK(left == 0, "%llu bytes are left of the progress", (unsigned long long)left);
    whit_sweep_free(sweep);
    job_close(&j);

    /* row 0, column 17 of small; found before anything is measured */
    write_large(s, NAN);
    scratch_path(s, "large.safetensors", path);
    ask = (job_ask){ .rules = { "long=keep" } };
    CHECK(job_plan(&j, path, NULL, &ask) == WHIT_OK, "%s", j.err.msg);
    CHECK(whit_sweep_run(&sweep, j.plan, &j.err) == WHIT_ERR_NUMERIC && !sweep &&
              strstr(j.err.msg, "small.weight: row 0, column 17 is NaN"),
          "%s", j.err.msg);
    job_close(&j);
}

/* A NaN in a row of the sample is named by its place in the tensor; --nonfinite goes on. */
static void test_place(const scratch *s)
{
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    whit_source *source = NULL;
    whit_plan *plan = NULL;
    whit_sweep *sweep = NULL;
    whit_quantize_options o;
    st_build b = { 0 };
    float *w = calloc((size_t)BIG_ROWS * BIG_COLS, sizeof *w);
    if (!w) scratch_die("memory");
    w[(size_t)1498 * BIG_COLS + 999] = INFINITY; /* the sample's last row: 1047 * 1500 / 1048 */
    w[3] = 1.0f;
    st_add2(&b, "w", "F32", BIG_ROWS, BIG_COLS, w, sizeof *w * BIG_ROWS * BIG_COLS);
    st_write(&b, s, "place.safetensors");
    free(w);
    whit_quantize_options_init(&o);
    CHECK(whit_source_open(&source, scratch_path(s, "place.safetensors", path), &err) == WHIT_OK,
          "%s", err.msg);
    CHECK(whit_plan_make(&plan, source, &o, NULL, &err) == WHIT_OK, "%s", err.msg);
    CHECK(whit_sweep_run(&sweep, plan, &err) == WHIT_ERR_NUMERIC && !sweep &&
              strstr(err.msg, "w: row 1498, column 999 is infinite"),
          "%s", err.msg);
    whit_plan_free(plan);
    o.nonfinite = WHIT_NONFINITE_ZERO;
    CHECK(whit_plan_make(&plan, source, &o, NULL, &err) == WHIT_OK, "%s", err.msg);
    CHECK(whit_sweep_run(&sweep, plan, &err) == WHIT_OK && sweep, "%s", err.msg);
    CHECK(sweep && isfinite(row_of(sweep, "mxfp4")->sqnr_db) == 0, "1 is on every grid");
    whit_sweep_free(sweep);
    whit_plan_free(plan);
    CHECK(truncate(path, 100000) == 0, "truncate");
    CHECK(whit_plan_make(&plan, source, &o, NULL, &err) == WHIT_OK, "%s", err.msg);
    CHECK(whit_sweep_run(&sweep, plan, &err) == WHIT_ERR_FORMAT && !sweep, "%s", err.msg);
    whit_plan_free(plan);
    whit_source_close(source);
}

int main(int argc, char **argv)
{
    scratch s;
    if (argc != 2) {
        printf("usage: %s FOLDER (tests/data)\n", argv[0]);
        return 1;
    }
    scratch_make(&s);
    test_pieces();
    test_rows(argv[1]);
    test_sample(&s);
    test_threads(&s, argv[1]);
    test_beyond(&s);
    test_zeros(&s);
    test_faults(&s, argv[1]);
    test_place(&s);
    scratch_remove(&s);
    return check_result();
}
