/* src/print/stats_svg.c - the histogram of one tensor as an SVG picture, with the grid of a scheme
 * on it.
 *
 * The values go from their smallest to their largest over bins, the fewer the fewer values. Along x
 * they stand linear, unless rows differ so much that a few outliers would squeeze all others into
 * one bin (the outlier ratio of the statistics): then as asinh(x / median of the rows' maxima),
 * which is linear around 0 and logarithmic beyond. Upwards stands the count, or its logarithm where
 * bins differ by more than LOG_FROM. The picture says which.
 *
 * The grid is the one that a group gets which holds both the smallest and the largest value, with a
 * scale that covers them: the coarsest of the tensor. Groups of smaller weights have finer ones.
 *
 * Counts are whole numbers, so the picture is the same for any number of threads.
 *
 * SPDX-License-Identifier: MIT */
#include "job/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/stream.h"
#include "print/draw.h"

#define WIDTH 960
#define HEIGHT 440
#define LEFT 70
#define TOP 70
#define BINS 290       /* at most */
#define PLOT_WIDTH 870 /* a multiple of every number of bins */
#define PLOT_HEIGHT 310
#define LOG_FROM 200
#define SQUEEZED 20.0  /* outlier ratio from which x is not linear */
#define MANY_LEVELS 40 /* from which a grid is marks below the axis, not lines */

typedef struct axis {
    double lo, hi;
    double unit; /* 0: linear, else asinh(x / unit) */
} axis;

typedef struct histogram {
    axis x;
    size_t bins;
    double edge[BINS + 1];
    uint64_t count[BINS], most, least; /* least: of the bins that hold something */
} histogram;

/* From 0 at lo to 1 at hi. */
static double place(const axis *a, double x)
{
    if (a->unit == 0.0) return (x - a->lo) / (a->hi - a->lo);
    double lo = asinh(a->lo / a->unit), hi = asinh(a->hi / a->unit);
    return (asinh(x / a->unit) - lo) / (hi - lo);
}

static double at_place(const axis *a, double t)
{
    if (a->unit == 0.0) return a->lo + t * (a->hi - a->lo);
    double lo = asinh(a->lo / a->unit), hi = asinh(a->hi / a->unit);
    return a->unit * sinh(lo + t * (hi - lo));
}

static void set_axis(histogram *h, const whit_stats_row *row)
{
    double largest = fmax(fabs(row->min), fabs(row->max));
    h->x = (axis){ row->min, row->max, 0.0 };
    if (row->outlier_ratio > SQUEEZED && isfinite(row->outlier_ratio))
        h->x.unit = largest / row->outlier_ratio;
    if (row->min == row->max) { /* one value in the middle */
        double half = largest > 0.0 ? 0.5 * largest : 1.0;
        h->x = (axis){ row->min - half, row->max + half, 0.0 };
    }
    h->bins = row->finite < 500 ? 29 : row->finite < 5000 ? 58 : row->finite < 50000 ? 145 : BINS;
    for (size_t i = 0; i < h->bins; i++) h->edge[i] = at_place(&h->x, (double)i / (double)h->bins);
    h->edge[0] = h->x.lo;
    h->edge[h->bins] = h->x.hi;
}

/* ---- counting ---- */

typedef struct count_job {
    const whit_source *source;
    size_t index;
    histogram *h;
    wh_numbering tiles;
    wh_stream stream;
} count_job;

static size_t bin_of(const histogram *h, double x)
{
    size_t lo = 0, hi = h->bins; /* edge[lo] <= x, and x < edge[hi] or hi == bins */
    while (hi - lo > 1) {
        size_t mid = (lo + hi) / 2;
        if (h->edge[mid] <= x)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

static whit_status tile_work(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    count_job *j = ctx;
    wh_rect r = wh_tiling_at(&j->tiles.tiling[0], tile);
    const float *w = j->stream.workers[worker].w;
    uint64_t *found = wh_stream_slot(&j->stream, worker);
    memset(found, 0, BINS * sizeof *found);
    whit_status st = whit_source_read_f32(j->source, j->index, r.r0, r.rows, r.c0, r.cols,
                                          j->stream.workers[worker].w, err);
    for (size_t i = 0; st == WHIT_OK && i < (size_t)(r.rows * r.cols); i++)
        if (isfinite(w[i])) found[bin_of(j->h, (double)w[i])]++;
    return st;
}

static whit_status tile_commit(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    count_job *j = ctx;
    const whit_tensor *tensor = &whit_source_at(j->source, j->index)->tensor;
    const uint64_t *found = wh_stream_slot(&j->stream, worker);
    for (size_t i = 0; i < BINS; i++) j->h->count[i] += found[i];
    return wh_meter_step(&j->stream.meter, tensor->name,
                         wh_numbering_share(&j->tiles, 0, tile, tensor->bytes), err);
}

static whit_status count_values(histogram *h, const whit_source *source, size_t index,
                                const whit_job_options *options, whit_error *err)
{
    const whit_source_tensor *t = whit_source_at(source, index);
    count_job j = { .source = source, .index = index, .h = h };
    if (!wh_numbering_init(&j.tiles, 1)) {
        wh_numbering_free(&j.tiles);
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a histogram");
    }
    j.tiles.tiling[0] = wh_tiling_make(t->rows, t->cols, 1);
    wh_numbering_finish(&j.tiles);
    whit_status st = wh_stream_open(&j.stream, options, &j.tiles, (uint64_t)8 << 20, err);
    const wh_pass pass = { .tiles = &j.tiles,
                           .reads = t->tensor.bytes,
                           .slot_bytes = BINS * sizeof h->count[0],
                           .work = tile_work,
                           .commit = tile_commit,
                           .ctx = &j };
    if (st == WHIT_OK) st = wh_stream_pass(&j.stream, &pass, err);
    for (size_t i = 0; i < BINS; i++) {
        if (h->count[i] > h->most) h->most = h->count[i];
        if (h->count[i] > 0 && (h->least == 0 || h->count[i] < h->least)) h->least = h->count[i];
    }
    wh_numbering_free(&j.tiles);
    return st;
}

/* ---- drawing ---- */

static double x_of(const histogram *h, double value)
{
    return LEFT + PLOT_WIDTH * place(&h->x, value);
}

static int is_log(const histogram *h)
{
    return h->most / LOG_FROM > h->least;
}

/* A bin with one value has a height on the logarithmic axis, too. */
static double y_of(const histogram *h, double count)
{
    double t = count / (double)h->most;
    if (is_log(h)) t = count > 0.0 ? log10(2.0 * count) / log10(2.0 * (double)h->most) : 0.0;
    return TOP + PLOT_HEIGHT * (1.0 - t);
}

static void put_bars(wh_buf *b, const histogram *h)
{
    wh_buf_putf(b, "<path class=\"bar\" d=\"M%d %d", LEFT, TOP + PLOT_HEIGHT);
    for (size_t i = 0; i < h->bins; i++) {
        wh_buf_puts(b, "V");
        wh_draw_at(b, y_of(h, (double)h->count[i]));
        wh_buf_putf(b, "H%zu", LEFT + (i + 1) * (PLOT_WIDTH / h->bins));
    }
    wh_buf_putf(b, "V%dZ\"/>\n", TOP + PLOT_HEIGHT);
}

static void put_x_tick(wh_buf *b, const histogram *h, double value)
{
    double x = x_of(h, value), y = TOP + PLOT_HEIGHT;
    wh_draw_line(b, "axis", x, y, x, y + 5);
    wh_draw_label(b, "middle", x, y + 19, value);
}

/* Linear: a nice step. Else 0 and powers of ten from the unit on, as far apart as labels need. */
static void put_x_axis(wh_buf *b, const histogram *h)
{
    const axis *a = &h->x;
    if (a->unit == 0.0) {
        double step = wh_nice_step(a->hi - a->lo, 8.0);
        for (double k = ceil(a->lo / step); k * step <= a->hi; k++)
            put_x_tick(b, h, k * step + 0.0);
        return;
    }
    if (a->lo <= 0.0 && a->hi >= 0.0) put_x_tick(b, h, 0.0);
    for (int side = -1; side <= 1; side += 2) {
        double last = x_of(h, 0.0), end = side < 0 ? -a->lo : a->hi;
        for (double v = pow(10.0, floor(log10(a->unit))); v <= end; v *= 10.0) {
            double x = x_of(h, side * v);
            if (fabs(x - last) < 50.0 || side * v < a->lo || side * v > a->hi) continue;
            put_x_tick(b, h, side * v);
            last = x;
        }
    }
}

static void put_y_axis(wh_buf *b, const histogram *h)
{
    double most = (double)h->most, step = is_log(h) ? 1.0 : fmax(wh_nice_step(most, 5.0), 1.0);
    for (double v = step; v <= most; v = is_log(h) ? 10.0 * v : v + step) {
        wh_draw_line(b, "rule", LEFT, y_of(h, v), LEFT + PLOT_WIDTH, y_of(h, v));
        wh_draw_label(b, "end", LEFT - 6, y_of(h, v) + 4, v);
    }
    wh_draw_line(b, "axis", LEFT, TOP + PLOT_HEIGHT, LEFT + PLOT_WIDTH, TOP + PLOT_HEIGHT);
}

/* The levels of the scheme for one group that holds the smallest and the largest value. */
static whit_status put_grid(wh_buf *b, const histogram *h, const whit_stats_row *row,
                            const whit_scheme *scheme, whit_error *err)
{
    const float ends[2] = { (float)row->min, (float)row->max };
    whit_quant_spec spec = {
        .struct_size = sizeof spec, .scheme = *scheme, .clip = WHIT_CLIP_MINMAX, .positive_scale = 1
    };
    uint8_t codes[2], zero[2];
    float scale[2], level;
    spec.scale2 = whit_nvfp4_scale2(fmaxf(fabsf(ends[0]), fabsf(ends[1])));
    char text[WHIT_SCHEME_TEXT];
    if (!whit_scheme_is_quantized(scheme) || scheme->kind == WHIT_GGUF)
        return wh_fail(err, WHIT_ERR_ARG, "%s has no grid to draw; try: int4-g128",
                       whit_scheme_print(scheme, text));
    whit_status st =
        whit_quantize(ends, 1, 2, &spec, codes, scale, scheme->asym ? zero : NULL, NULL, err);
    if (scheme->kind == WHIT_NVFP4) scale[0] *= spec.scale2;
    unsigned levels = 1u << scheme->bits;
    for (unsigned code = 0; code < levels && st == WHIT_OK; code++) {
        codes[0] = (uint8_t)code;
        st = whit_dequantize(codes, scale, scheme->asym ? zero : NULL, 1, 1, scheme, &level, err);
        double x = st == WHIT_OK && isfinite(level) ? x_of(h, (double)level) : -1.0;
        if (x < LEFT - 0.5 || x > LEFT + PLOT_WIDTH + 0.5) continue;
        double bottom = TOP + PLOT_HEIGHT;
        if (levels > MANY_LEVELS)
            wh_draw_line(b, "grid", x, bottom + 24, x, bottom + 32);
        else
            wh_draw_line(b, "grid", x, TOP, x, bottom + 5);
    }
    return st;
}

static void put_head(wh_buf *b, const whit_stats_row *row, const whit_scheme *scheme)
{
    char name[WH_SHORT], text[WHIT_SCHEME_TEXT];
    wh_draw_open(b, WIDTH, HEIGHT,
                 ".bar{fill:#4c78a8}.grid{stroke:#e4572e;opacity:.8}"
                 ".axis{stroke:#333}.rule{stroke:#ddd}");
    wh_buf_putf(b, "<text x=\"%d\" y=\"24\" font-size=\"16\">", LEFT);
    wh_draw_text(b, wh_short(name, row->source->tensor.name));
    wh_buf_putf(b, "</text>\n<text x=\"%d\" y=\"43\">mean ", LEFT);
    wh_draw_number(b, row->mean);
    wh_buf_puts(b, ", deviation ");
    wh_draw_number(b, row->std);
    wh_buf_puts(b, ", kurtosis ");
    wh_draw_number(b, row->kurtosis);
    wh_buf_puts(b, ", outlier ratio ");
    wh_draw_number(b, row->outlier_ratio);
    wh_buf_putf(b, ", %llu zeros, %llu NaN, %llu infinite</text>\n", (unsigned long long)row->zeros,
                (unsigned long long)row->nan, (unsigned long long)row->inf);
    if (!scheme) return;
    wh_buf_putf(b,
                "<text x=\"%d\" y=\"60\" fill=\"#e4572e\">grid of %s from the smallest to the "
                "largest value%s</text>\n",
                LEFT, whit_scheme_print(scheme, text),
                scheme->gran == WHIT_GRAN_TENSOR ? "" : "; parts of smaller ones have finer grids");
}

static whit_status draw(wh_buf *b, const histogram *h, const whit_stats_row *row,
                        const whit_scheme *scheme, whit_error *err)
{
    whit_status st = WHIT_OK;
    put_head(b, row, scheme);
    put_y_axis(b, h);
    put_bars(b, h);
    put_x_axis(b, h);
    if (scheme) st = put_grid(b, h, row, scheme, err);
    wh_buf_putf(b,
                "<text text-anchor=\"middle\" x=\"%d\" y=\"%d\">value%s; upwards: %s of %zu bins"
                "</text>\n</svg>\n",
                LEFT + PLOT_WIDTH / 2, HEIGHT - 14, h->x.unit > 0.0 ? " (asinh axis)" : "",
                is_log(h) ? "counts (logarithmic)" : "counts", h->bins);
    return st;
}

whit_status whit_stats_write_svg(const whit_stats *stats, size_t index, const whit_scheme *scheme,
                                 const whit_job_options *options, FILE *out, whit_error *err)
{
    const whit_stats_row *row = stats ? whit_stats_at(stats, index) : NULL;
    char name[WH_SHORT];
    wh_buf b = { 0 };
    if (!row || !out || !options || options->struct_size != sizeof *options)
        return wh_fail(err, WHIT_ERR_ARG, "whit_stats_write_svg: argument missing");
    if (row->finite == 0)
        return wh_fail(err, WHIT_ERR_ARG, "%s: has no finite values to draw",
                       wh_short(name, row->source->tensor.name));
    histogram *h = wh_calloc(1, sizeof *h);
    if (!h) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a histogram");
    set_axis(h, row);
    whit_status st = count_values(h, stats->source, index, options, err);
    if (st == WHIT_OK) st = draw(&b, h, row, scheme, err);
    if (st == WHIT_OK && b.failed) st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for a picture");
    if (st == WHIT_OK) fwrite(b.data, 1, b.len, out);
    wh_buf_free(&b);
    free(h);
    return st;
}
