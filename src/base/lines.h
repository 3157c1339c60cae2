/* src/base/lines.h - a growing list of lines: warnings, problems, notes.
 * SPDX-License-Identifier: MIT */
#ifndef WH_BASE_LINES_H
#define WH_BASE_LINES_H

#include "base/error.h"

typedef struct wh_lines {
    char **line;
    size_t count, cap;
    size_t limit; /* 0: none; beyond it lines are counted and no longer kept */
    size_t dropped;
    int failed; /* a line found no memory */
} wh_lines;     /* zero-initialise */

/* Append a formatted line, cleaned of control characters as wh_fail does. */
void wh_lines_add(wh_lines *l, const char *fmt, ...) WH_PRINTF(2, 3);
void wh_lines_copy(wh_lines *l, const wh_lines *from);    /* appends all of them */
const char *wh_lines_at(const wh_lines *l, size_t index); /* NULL outside */
void wh_lines_free(wh_lines *l);

#endif
