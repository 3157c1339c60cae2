/* src/print/compare_text.c - a comparison as a table for people.
 *
 * The text may change between versions; programs read json.c's.
 *
 * SPDX-License-Identifier: MIT */
#include "job/compare.h"
#include "print/page.h"

static void compare_line(wh_page *p, const whit_compare_row *r, const char *scheme)
{
    char db[16];
    wh_page_name(p, r->name);
    if (r->differs) {
        wh_page_style(p, WH_RED);
        wh_buf_putf(&p->text, "  %-*s the bytes differ\n", p->scheme_width, scheme);
        wh_page_style(p, WH_PLAIN);
        return;
    }
    wh_buf_putf(&p->text, "  %-*s %8s %8.5f %10.3g %6.1f%%\n", p->scheme_width, scheme,
                wh_db_text(r->sqnr_db, db), r->cosine, r->max_abs_error, 100.0 * r->share);
}

void whit_comparison_write_text(const whit_comparison *comparison, size_t top, int flags, FILE *out)
{
    wh_page p = wh_page_new(flags);
    size_t n = top && top < comparison->count ? top : comparison->count;
    for (size_t i = 0; i < n; i++) {
        wh_page_fit(&p, comparison->row[i].name);
        wh_page_fit_scheme(&p, &comparison->row[i].scheme);
    }
    wh_page_style(&p, WH_BOLD);
    wh_buf_putf(&p.text, "%-*s  %-*s %8s %8s %10s %7s\n", p.name_width, "tensor", p.scheme_width,
                "scheme", "sqnr dB", "cosine", "max|e|", "share");
    wh_page_style(&p, WH_PLAIN);
    for (size_t i = 0; i < n; i++) {
        char scheme[WHIT_SCHEME_TEXT];
        compare_line(&p, &comparison->row[i],
                     whit_scheme_print(&comparison->row[i].scheme, scheme));
    }
    char all[32];
    whit_compare_row total = comparison->total;
    snprintf(all, sizeof all, "all %zu", comparison->count);
    total.name = all;
    total.differs = 0;
    compare_line(&p, &total, "");
    wh_page_print(&p, out);
}
