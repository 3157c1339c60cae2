/* src/print/page.c - what tables for people have in common: columns as wide as names and schemes,
 * styles, numbers as text.
 *
 * SPDX-License-Identifier: MIT */
#include "print/page.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/error.h"

wh_page wh_page_new(int flags)
{
    return (wh_page){ .flags = flags, .name_width = 6, .scheme_width = 16 };
}

void wh_page_style(wh_page *p, const char *code)
{
    if (p->flags & WHIT_TEXT_COLOR) wh_buf_puts(&p->text, code);
}

void wh_page_print(wh_page *p, FILE *out)
{
    wh_buf_print(&p->text, out);
}

void wh_page_name(wh_page *p, const char *name)
{
    whit_error clean;
    char text[WH_SHORT];
    wh_fail(&clean, WHIT_OK, "%s", wh_short(text, name));
    wh_buf_putf(&p->text, "%-*s", p->name_width, clean.msg);
}

void wh_page_fit(wh_page *p, const char *name)
{
    size_t n = strlen(name);
    if (n >= WH_SHORT) n = WH_SHORT - 1;
    if ((int)n > p->name_width) p->name_width = (int)n;
}

void wh_page_fit_scheme(wh_page *p, const whit_scheme *scheme)
{
    char text[WHIT_SCHEME_TEXT];
    int n = (int)strlen(whit_scheme_print(scheme, text));
    if (n > p->scheme_width) p->scheme_width = n;
}

const char *wh_shape_text(const whit_tensor *t, char buf[200])
{
    size_t n = 0;
    strcpy(buf, t->rank ? "" : "scalar");
    for (uint32_t d = 0; d < t->rank; d++)
        n += (size_t)snprintf(buf + n, 200 - n, "%s%" PRIu64, d ? "x" : "", t->shape[d]);
    return buf;
}

const char *wh_spaced(uint64_t v, char buf[32])
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%" PRIu64, v), at = 0;
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0) buf[at++] = ' ';
        buf[at++] = digits[i];
    }
    buf[at] = 0;
    return buf;
}

double wh_per_weight(uint64_t bytes, uint64_t weights)
{
    return weights ? 8.0 * (double)bytes / (double)weights : 0.0;
}

const char *wh_db_text(double db, char buf[16])
{
    if (isinf(db) && db > 0)
        snprintf(buf, 16, "exact");
    else
        snprintf(buf, 16, "%.2f", db);
    return buf;
}
