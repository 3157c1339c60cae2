/* src/print/draw.c - the pieces of SVG pictures: text, numbers, lines, steps of an axis.
 *
 * SPDX-License-Identifier: MIT */
#include "print/draw.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

void wh_draw_open(wh_buf *b, int width, int height, const char *style)
{
    wh_buf_putf(b,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                "viewBox=\"0 0 %d %d\" role=\"img\" font-family=\"sans-serif\" font-size=\"12\" "
                "fill=\"#333\">\n<style>%s</style>\n"
                "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
                width, height, width, height, style, width, height);
}

void wh_draw_text(wh_buf *b, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    for (size_t left = strlen(text), n; left > 0; left -= n, p += n) {
        n = wh_utf8_sequence(p, left);
        int noncharacter = n == 3 && p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe;
        if (n == 0) n = 1, noncharacter = 1;
        if (noncharacter || *p < ' ' || *p == 0x7f)
            wh_buf_puts(b, "?");
        else if (strchr("&<>\"'", *p))
            wh_buf_putf(b, "&#%u;", *p);
        else
            wh_buf_put(b, p, n);
    }
}

void wh_draw_number(wh_buf *b, double v)
{
    char text[32];
    snprintf(text, sizeof text, "%.3e", v);
    if (isnan(v))
        wh_buf_puts(b, "-");
    else if (isinf(v))
        wh_buf_puts(b, "infinite");
    else
        wh_json_put_double(b, strtod(text, NULL));
}

void wh_draw_at(wh_buf *b, double v)
{
    long tenths = lround(10.0 * v);
    wh_buf_putf(b, "%ld.%ld", tenths / 10, tenths % 10);
}

void wh_draw_line(wh_buf *b, const char *kind, double x1, double y1, double x2, double y2)
{
    wh_buf_putf(b, "<path class=\"%s\" d=\"M", kind);
    wh_draw_at(b, x1);
    wh_buf_puts(b, " ");
    wh_draw_at(b, y1);
    wh_buf_puts(b, "L");
    wh_draw_at(b, x2);
    wh_buf_puts(b, " ");
    wh_draw_at(b, y2);
    wh_buf_puts(b, "\"/>\n");
}

void wh_draw_label(wh_buf *b, const char *anchor, double x, double y, double value)
{
    wh_buf_putf(b, "<text text-anchor=\"%s\" x=\"", anchor);
    wh_draw_at(b, x);
    wh_buf_puts(b, "\" y=\"");
    wh_draw_at(b, y);
    wh_buf_puts(b, "\">");
    wh_draw_number(b, value);
    wh_buf_puts(b, "</text>\n");
}

double wh_nice_step(double range, double parts)
{
    double raw = range / parts, power = pow(10.0, floor(log10(raw)));
    return raw / power < 1.5   ? power
           : raw / power < 3.5 ? 2.0 * power
           : raw / power < 7.5 ? 5.0 * power
                               : 10.0 * power;
}
