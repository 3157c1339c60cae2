/* src/print/draw.h - the pieces of SVG pictures: text, numbers, lines, steps of an axis. The same
 * octets in every locale. SPDX-License-Identifier: MIT */
#ifndef WH_PRINT_DRAW_H
#define WH_PRINT_DRAW_H

#include "base/buf.h"

/* The opening of a picture, on white. style: the rules of its classes. */
void wh_draw_open(wh_buf *b, int width, int height, const char *style);
/* Text for XML: what it does not allow becomes '?'. */
void wh_draw_text(wh_buf *b, const char *text);
/* Four digits of a number. */
void wh_draw_number(wh_buf *b, double v);
/* A coordinate (not below 0), to a tenth. */
void wh_draw_at(wh_buf *b, double v);
void wh_draw_line(wh_buf *b, const char *kind, double x1, double y1, double x2, double y2);
/* A number at a place, its start, middle or end there. */
void wh_draw_label(wh_buf *b, const char *anchor, double x, double y, double value);

/* 1, 2 or 5 times a power of ten: about `parts` of them make the range. */
double wh_nice_step(double range, double parts);

#endif
