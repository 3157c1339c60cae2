/* src/print/page.h - a text for people in the making: a table whose columns are as wide as its
 * names and schemes, styles, numbers. SPDX-License-Identifier: MIT */
#ifndef WH_PRINT_PAGE_H
#define WH_PRINT_PAGE_H

#include <whit/job.h>

#include "base/buf.h"

#define WH_BOLD "\x1b[1m"
#define WH_DIM "\x1b[2m"
#define WH_RED "\x1b[31m"
#define WH_PLAIN "\x1b[0m"

typedef struct wh_page {
    wh_buf text;
    int flags; /* WHIT_TEXT_.. */
    int name_width, scheme_width;
} wh_page;

wh_page wh_page_new(int flags);
/* One of the styles, where the text is coloured. */
void wh_page_style(wh_page *p, const char *code);

/* The columns are at least as wide as this name (a long one loses its middle), this scheme. */
void wh_page_fit(wh_page *p, const char *name);
void wh_page_fit_scheme(wh_page *p, const whit_scheme *scheme);
/* The name in its column. Control characters other than newline and our own escapes cannot occur
 * in a page, since names go through here. */
void wh_page_name(wh_page *p, const char *name);

/* Print and forget. */
void wh_page_print(wh_page *p, FILE *out);

const char *wh_shape_text(const whit_tensor *t, char buf[200]); /* 32x64, scalar */
const char *wh_spaced(uint64_t v, char buf[32]);                /* 1234567 -> 1 234 567 */
const char *wh_db_text(double db, char buf[16]);                /* 21.40, exact */
double wh_per_weight(uint64_t bytes, uint64_t weights);         /* bits; 0 without weights */

#endif
