/* src/print/calib_svg.c - the channels of an input as a picture, and which of them are outliers.
 *
 * Channels go to the right, in their order; each is a line from the least to the largest value that
 * came into it, outliers in red with the number of the channel at the largest few. Channels that
 * fall on one place of the picture are drawn as one, from the least to the largest of all.
 *
 * SPDX-License-Identifier: MIT */
#include "print/calib_channels.h"

#include <math.h>
#include <stdlib.h>

#include <whit/calibrate.h>
#include "base/error.h"
#include "base/mem.h"
#include "print/draw.h"

#define WIDTH 960
#define HEIGHT 420
#define LEFT 70
#define TOP 60
#define PLOT_WIDTH 860
#define PLOT_HEIGHT 300
#define NAMED 6 /* outliers with their number */

double wh_calib_reach(const whit_calib *c, size_t index, uint64_t channel)
{
    const whit_calib_channel one = whit_calib_channel_at(c, index, channel);
    return fmax(fabs((double)one.min), fabs((double)one.max));
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double wh_calib_median(const whit_calib *c, size_t index)
{
    const size_t n = (size_t)whit_calib_at(c, index)->cols;
    double *reach = wh_calloc(n, sizeof *reach);
    if (!reach) return NAN;
    for (size_t k = 0; k < n; k++) reach[k] = wh_calib_reach(c, index, k);
    qsort(reach, n, sizeof *reach, by_value);
    const double median = (reach[(n - 1) / 2] + reach[n / 2]) / 2;
    free(reach);
    return median;
}

int wh_calib_outliers(const whit_calib *c, size_t index, double *ratio, size_t *count)
{
    const double median = wh_calib_median(c, index);
    double most = 0;
    *count = 0;
    for (uint64_t k = 0; k < whit_calib_at(c, index)->cols; k++) {
        const double reach = wh_calib_reach(c, index, k);
        most = fmax(most, reach);
        *count += reach > WH_CALIB_OUTLIER * median;
    }
    *ratio = most / median;
    return !isnan(median);
}

/* ---- the picture ----------------------------------------------------------------------------- */

typedef struct chart {
    const whit_calib *calib;
    size_t index;
    uint64_t cols;
    double low, high, median;
} chart;

static double x_of(const chart *c, double channel)
{
    return LEFT + PLOT_WIDTH * (channel + 0.5) / (double)c->cols;
}

static double y_of(const chart *c, double v)
{
    return TOP + PLOT_HEIGHT * (c->high - v) / (c->high - c->low);
}

static void put_axes(wh_buf *b, const chart *c)
{
    const double step = wh_nice_step(c->high - c->low, 7);
    const double across = fmax(wh_nice_step((double)c->cols, 9), 1);
    for (double v = ceil(c->low / step) * step; v <= c->high; v += step) {
        wh_draw_line(b, "rule", LEFT, y_of(c, v), LEFT + PLOT_WIDTH, y_of(c, v));
        wh_draw_label(b, "end", LEFT - 8, y_of(c, v) + 4, fabs(v) < step / 2 ? 0 : v);
    }
    for (double k = 0; k < (double)c->cols; k += across)
        wh_draw_label(b, "middle", x_of(c, k), TOP + PLOT_HEIGHT + 20, k);
}

/* Channels [first, end) as one line. */
static void put_channels(wh_buf *b, const chart *c, uint64_t first, uint64_t end)
{
    double low = INFINITY, high = -INFINITY;
    for (uint64_t k = first; k < end; k++) {
        const whit_calib_channel one = whit_calib_channel_at(c->calib, c->index, k);
        low = fmin(low, (double)one.min);
        high = fmax(high, (double)one.max);
    }
    const int out = fmax(-low, high) > WH_CALIB_OUTLIER * c->median;
    const double x = x_of(c, ((double)first + (double)end - 1) / 2);
    wh_draw_line(b, out ? "outlier" : "channel", x, y_of(c, high), x, y_of(c, low) + 0.5);
}

/* The numbers of the channels that reach furthest, if they are outliers. */
static void put_names(wh_buf *b, const chart *c)
{
    double below = INFINITY;
    for (int i = 0; i < NAMED; i++) {
        uint64_t best = c->cols;
        for (uint64_t k = 0; k < c->cols; k++) {
            const double reach = wh_calib_reach(c->calib, c->index, k);
            if (reach < below &&
                (best == c->cols || reach > wh_calib_reach(c->calib, c->index, best)))
                best = k;
        }
        if (best == c->cols) return;
        below = wh_calib_reach(c->calib, c->index, best);
        if (!(below > WH_CALIB_OUTLIER * c->median)) return;
        const whit_calib_channel one = whit_calib_channel_at(c->calib, c->index, best);
        const int up = (double)one.max >= below;
        wh_draw_label(b, "middle", x_of(c, (double)best),
                      up ? y_of(c, (double)one.max) - 5 : y_of(c, (double)one.min) + 14,
                      (double)best);
    }
}

static void put_title(wh_buf *b, const chart *c)
{
    const whit_calib_input *in = whit_calib_at(c->calib, c->index);
    double ratio;
    size_t outliers;
    if (!wh_calib_outliers(c->calib, c->index, &ratio, &outliers)) b->failed = 1;
    wh_buf_puts(b, "<text x=\"70\" y=\"24\" font-size=\"15\">");
    wh_draw_text(b, in->name);
    wh_buf_putf(b,
                "</text>\n<text x=\"70\" y=\"44\">range of each channel; %zu of them reach beyond "
                "%d times the median, the furthest ",
                outliers, WH_CALIB_OUTLIER);
    wh_draw_number(b, ratio);
    wh_buf_puts(b, " times</text>\n<text text-anchor=\"middle\" x=\"500\" y=\"410\">channel</text>"
                   "\n");
}

whit_status whit_calib_write_svg(const whit_calib *calib, size_t index, FILE *out, whit_error *err)
{
    static const char style[] = ".rule{stroke:#e3e3e3;stroke-width:1}"
                                ".channel{stroke:#4a78a8;stroke-width:1}"
                                ".outlier{stroke:#c8342c;stroke-width:1.6}";
    wh_buf b = { 0 };
    const whit_calib_input *in = calib ? whit_calib_at(calib, index) : NULL;
    if (!in || !out) return wh_fail(err, WHIT_ERR_ARG, "whit_calib_write_svg: no such input");
    chart c = { calib, index, in->cols, fmin(0, (double)in->min), fmax(0, (double)in->max), 0 };
    c.median = wh_calib_median(calib, index);
    if (c.high <= c.low) c.high = c.low + 1;
    wh_draw_open(&b, WIDTH, HEIGHT, style);
    put_title(&b, &c);
    put_axes(&b, &c);
    const uint64_t lines = c.cols < PLOT_WIDTH ? c.cols : PLOT_WIDTH;
    for (uint64_t i = 0; i < lines; i++)
        put_channels(&b, &c, c.cols * i / lines, c.cols * (i + 1) / lines);
    put_names(&b, &c);
    wh_buf_puts(&b, "</svg>\n");
    if (!b.failed) fwrite(b.data, 1, b.len, out);
    const whit_status st = b.failed || isnan(c.median)
                               ? wh_fail(err, WHIT_ERR_NOMEM, "no memory for the picture")
                               : WHIT_OK;
    wh_buf_free(&b);
    return st;
}
