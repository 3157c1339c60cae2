/* src/print/sweep_svg.c - a sweep as an SVG picture: bits a weight to the right, SQNR upwards.
 *
 * Every scheme is a point; the Pareto-optimal ones are joined and named. Names stand to the left of
 * their points, where nothing is better, one above the other: none covers another, and a thin line
 * leads from the name to the point. Schemes that lose nothing stand on the upper edge; those that
 * are not possible are left out.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>

#include "job/sweep.h"
#include "print/draw.h"

#define WIDTH 960
#define HEIGHT 600
#define LEFT 60
#define TOP 60
#define PLOT_WIDTH 880
#define PLOT_HEIGHT 480
#define LINE 14.0 /* from one name to the next */

typedef struct chart {
    double left, right, bottom, top; /* bits, dB */
} chart;

static double x_of(const chart *c, double bits)
{
    return LEFT + PLOT_WIDTH * (bits - c->left) / (c->right - c->left);
}

static double y_of(const chart *c, double db)
{
    return TOP + PLOT_HEIGHT * (1.0 - (fmin(db, c->top) - c->bottom) / (c->top - c->bottom));
}

/* From a bit below the fewest, so that names have room, and to multiples of 5 dB. */
static chart make_chart(const whit_sweep *s)
{
    double low = INFINITY, high = -INFINITY;
    chart c = { floor(s->row[0].bits_per_weight) - 1.0,
                ceil(s->row[WH_SWEEP_ROWS - 1].bits_per_weight), 0.0, 0.0 };
    for (size_t i = 0; i < WH_SWEEP_ROWS; i++) {
        if (!isfinite(s->row[i].sqnr_db)) continue;
        low = fmin(low, s->row[i].sqnr_db);
        high = fmax(high, s->row[i].sqnr_db);
    }
    c.left = fmax(c.left, 0.0);
    if (c.right <= c.left) c.right = c.left + 1.0;
    c.bottom = isfinite(low) ? 5.0 * floor(low / 5.0) : 0.0;
    c.top = isfinite(high) ? 5.0 * floor(high / 5.0) + 5.0 : 5.0;
    return c;
}

static void put_axes(wh_buf *b, const chart *c)
{
    double bottom = TOP + PLOT_HEIGHT;
    double across = fmax(wh_nice_step(c->right - c->left, 9.0), 1.0);
    double step = fmax(wh_nice_step(c->top - c->bottom, 9.0), 1.0);
    for (double v = c->bottom; v <= c->top; v += step) {
        wh_draw_line(b, "rule", LEFT, y_of(c, v), LEFT + PLOT_WIDTH, y_of(c, v));
        wh_draw_label(b, "end", LEFT - 6, y_of(c, v) + 4, v);
    }
    for (double v = c->left; v <= c->right; v += across) {
        wh_draw_line(b, "axis", x_of(c, v), bottom, x_of(c, v), bottom + 5);
        wh_draw_label(b, "middle", x_of(c, v), bottom + 19, v);
    }
    wh_draw_line(b, "axis", LEFT, bottom, LEFT + PLOT_WIDTH, bottom);
    wh_buf_putf(b,
                "<text text-anchor=\"middle\" x=\"%d\" y=\"%d\">bits a weight; upwards: SQNR in "
                "dB</text>\n",
                LEFT + PLOT_WIDTH / 2, HEIGHT - 18);
}

static void put_point(wh_buf *b, const chart *c, const whit_sweep_row *r)
{
    char text[WHIT_SCHEME_TEXT];
    wh_buf_putf(b, "<circle class=\"%s\" r=\"%d\" cx=\"", r->pareto ? "best" : "point",
                r->pareto ? 4 : 3);
    wh_draw_at(b, x_of(c, r->bits_per_weight));
    wh_buf_puts(b, "\" cy=\"");
    wh_draw_at(b, y_of(c, r->sqnr_db));
    wh_buf_putf(b, "\"><title>%s: ", whit_scheme_print(&r->scheme, text));
    wh_draw_number(b, r->bits_per_weight);
    wh_buf_puts(b, " bits, ");
    wh_draw_number(b, r->sqnr_db);
    wh_buf_puts(b, " dB</title></circle>\n");
}

static void put_front(wh_buf *b, const chart *c, const whit_sweep_row *const *best, size_t count)
{
    wh_buf_puts(b, "<path class=\"front\" d=\"");
    for (size_t i = 0; i < count; i++) {
        wh_buf_puts(b, i ? "L" : "M");
        wh_draw_at(b, x_of(c, best[i]->bits_per_weight));
        wh_buf_puts(b, " ");
        wh_draw_at(b, y_of(c, best[i]->sqnr_db));
    }
    wh_buf_puts(b, "\"/>\n");
}

/* Heights of the names: each at its point, or as far above as the one before it asks for; where
 * that leaves the picture, all are moved down again. */
static void place_names(const chart *c, const whit_sweep_row *const *best, size_t count, double *y)
{
    double gap = fmin(LINE, (double)PLOT_HEIGHT / (double)(count ? count : 1));
    for (size_t i = 0; i < count; i++) {
        y[i] = y_of(c, best[i]->sqnr_db);
        if (i > 0) y[i] = fmin(y[i], y[i - 1] - gap);
    }
    for (size_t i = count; i > 0; i--) {
        double least = i == count ? TOP : y[i] + gap;
        y[i - 1] = fmax(y[i - 1], least);
    }
}

static void put_names(wh_buf *b, const chart *c, const whit_sweep_row *const *best, size_t count)
{
    double y[WH_SWEEP_ROWS];
    place_names(c, best, count, y);
    for (size_t i = 0; i < count; i++) {
        char text[WHIT_SCHEME_TEXT];
        double x = x_of(c, best[i]->bits_per_weight);
        wh_draw_line(b, "lead", x - 14, y[i], x, y_of(c, best[i]->sqnr_db));
        wh_buf_puts(b, "<text text-anchor=\"end\" x=\"");
        wh_draw_at(b, x - 17);
        wh_buf_puts(b, "\" y=\"");
        wh_draw_at(b, y[i] + 4);
        wh_buf_putf(b, "\">%s</text>\n", whit_scheme_print(&best[i]->scheme, text));
    }
}

static void put_head(wh_buf *b, const whit_sweep *s)
{
    char name[WH_SHORT];
    const whit_sweep_totals *t = &s->totals;
    wh_draw_open(b, WIDTH, HEIGHT,
                 ".axis{stroke:#333}.rule{stroke:#ddd}.lead{stroke:#bbb}.point{fill:#4c78a8}"
                 ".best{fill:#e4572e}.front{stroke:#e4572e;fill:none}");
    wh_buf_putf(b, "<text x=\"%d\" y=\"24\" font-size=\"16\">", LEFT);
    wh_draw_text(b, wh_short(name, whit_file_path(whit_source_file(s->plan->source))));
    wh_buf_putf(b, "</text>\n<text x=\"%d\" y=\"43\">%llu tensors of %llu weights", LEFT,
                (unsigned long long)t->tensors, (unsigned long long)t->weights);
    if (t->sampled < t->weights)
        wh_buf_putf(b, ", %llu of them measured", (unsigned long long)t->sampled);
    wh_buf_puts(b, "; named: the Pareto front</text>\n");
}

whit_status whit_sweep_write_svg(const whit_sweep *sweep, FILE *out, whit_error *err)
{
    const whit_sweep_row *best[WH_SWEEP_ROWS];
    size_t count = 0;
    wh_buf b = { 0 };
    whit_status st = WHIT_OK;
    chart c = make_chart(sweep);
    for (size_t i = 0; i < WH_SWEEP_ROWS; i++)
        if (sweep->row[i].pareto) best[count++] = &sweep->row[i];
    put_head(&b, sweep);
    put_axes(&b, &c);
    if (count > 0) put_front(&b, &c, best, count);
    put_names(&b, &c, best, count);
    for (size_t i = 0; i < WH_SWEEP_ROWS; i++)
        if (!isnan(sweep->row[i].sqnr_db)) put_point(&b, &c, &sweep->row[i]);
    wh_buf_puts(&b, "</svg>\n");
    if (b.failed)
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for a picture");
    else
        fwrite(b.data, 1, b.len, out);
    wh_buf_free(&b);
    return st;
}
