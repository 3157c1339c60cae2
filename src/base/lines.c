/* src/base/lines.c - a growing list of lines.
 *
 * SPDX-License-Identifier: MIT */
#include "base/lines.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void wh_lines_add(wh_lines *l, const char *fmt, ...)
{
    if (l->limit != 0 && l->count >= l->limit) {
        l->dropped++;
        return;
    }
    whit_error text;
    char small[sizeof text.msg];
    va_list args;
    va_start(args, fmt);
    vsnprintf(small, sizeof small, fmt, args);
    va_end(args);
    wh_fail(&text, WHIT_OK, "%s", small);
    void *lines = l->line;
    int grown = wh_grow(&lines, &l->cap, l->count + 1, sizeof *l->line);
    l->line = lines;
    char *copy = grown ? wh_strndup(text.msg, strlen(text.msg)) : NULL;
    if (copy)
        l->line[l->count++] = copy;
    else
        l->failed = 1;
}

void wh_lines_copy(wh_lines *l, const wh_lines *from)
{
    for (size_t i = 0; i < from->count; i++) wh_lines_add(l, "%s", from->line[i]);
    l->dropped += from->dropped;
    l->failed |= from->failed;
}

const char *wh_lines_at(const wh_lines *l, size_t index)
{
    return index < l->count ? l->line[index] : NULL;
}

void wh_lines_free(wh_lines *l)
{
    for (size_t i = 0; i < l->count; i++) free(l->line[i]);
    free(l->line);
    memset(l, 0, sizeof *l);
}
