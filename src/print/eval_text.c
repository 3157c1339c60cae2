/* src/print/eval_text.c - an evaluation as a table for people.
 *
 * The text may change between versions; programs read eval_json.c's.
 *
 * SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "job/eval.h"
#include "print/page.h"

#define WIDTH 19 /* cells of a number with its error */
#define SHOWN 40 /* octets of the text before a bad position */

/* ---- texts of tokens --------------------------------------------------------------------------
 */

void wh_eval_put_line(wh_buf *b, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t left = strlen(text);
    for (size_t n; left > 0; p += n, left -= n) {
        n = wh_utf8_sequence(p, left);
        const int control = *p < 0x20 || *p == 0x7f || (n == 2 && *p == 0xc2 && p[1] < 0xa0);
        if (*p == '\n')
            wh_buf_puts(b, "\\n");
        else if (n == 0 || control)
            wh_buf_putf(b, "\\x%02x", *p);
        else
            wh_buf_put(b, p, n);
        if (n == 0 || control) n = 1;
    }
}

/* The end of a text, as many octets as are shown, from a character on. */
static const char *tail(const char *text)
{
    const size_t len = strlen(text);
    const char *p = len > SHOWN ? text + len - SHOWN : text;
    while (p > text && ((unsigned char)*p & 0xc0) == 0x80) p++;
    return p;
}

/* ---- tables -----------------------------------------------------------------------------------
 */

/* A number with its error in `width` cells. */
static void put_with_error(wh_buf *b, int width, double value, double error)
{
    char text[64];
    if (isnan(error))
        snprintf(text, sizeof text, "%.4f", value);
    else
        snprintf(text, sizeof text, "%.4f +- %.2g", value, error);
    wh_buf_putf(b, "  %-*s", width, text);
}

static void put_text_head(wh_page *p, int base)
{
    wh_page_style(p, WH_BOLD);
    wh_buf_putf(&p->text, "%-*s  %-*s", p->name_width, "", base ? WIDTH : 0, "ppl");
    if (base)
        wh_buf_putf(&p->text, " %9s %9s %9s %9s %9s %9s  %10s %8s", "kl mean", "median", "p90",
                    "p99", "p99.9", "max", "top-1 same", "rms dp");
    wh_page_style(p, WH_PLAIN);
    wh_buf_puts(&p->text, "\n");
}

static void put_ratio(wh_page *p, const whit_eval_scores *s)
{
    wh_buf_putf(&p->text, "%-*s  %.5f (%.5f to %.5f, 95 %%)\n", p->name_width, "ratio", s->ratio,
                s->ratio_low, s->ratio_high);
}

static void put_places(wh_page *p, const whit_eval *e)
{
    if (e->places == 0) return;
    wh_page_style(p, WH_BOLD);
    wh_buf_putf(&p->text, "\n%10s %9s %8s %8s  %s\n", "worst at", "kl", "p base", "p", "text");
    wh_page_style(p, WH_PLAIN);
    for (size_t i = 0; i < e->places; i++) {
        const whit_eval_place *w = &e->place[i];
        wh_buf_putf(&p->text, "%10" PRIu64 " %9.4g %8.4f %8.4f  ", w->position, w->kl, w->p_base,
                    w->p);
        wh_page_style(p, WH_DIM);
        wh_eval_put_line(&p->text, tail(w->before));
        wh_page_style(p, WH_PLAIN);
        wh_buf_puts(&p->text, "[");
        wh_eval_put_line(&p->text, w->text);
        wh_buf_puts(&p->text, "]  base [");
        wh_eval_put_line(&p->text, w->top_base);
        wh_buf_puts(&p->text, "]  now [");
        wh_eval_put_line(&p->text, w->top);
        wh_buf_puts(&p->text, "]\n");
    }
}

static void put_perplexity(wh_page *p, const whit_eval *e)
{
    static const char *const protocols[] = { "window", "chunk", "half", "story" };
    const whit_eval_scores *s = &e->scores;
    char scored[32], all[32];
    put_text_head(p, e->base != NULL);
    if (e->base) {
        wh_page_name(p, e->base);
        put_with_error(&p->text, 0, s->base_perplexity, s->base_error);
        wh_buf_puts(&p->text, "\n");
    }
    wh_page_name(p, e->path);
    put_with_error(&p->text, e->base ? WIDTH : 0, s->perplexity, s->standard_error);
    if (e->base)
        wh_buf_putf(&p->text, " %9.4g %9.4g %9.4g %9.4g %9.4g %9.4g  %10.4f %8.4f", s->kl_mean,
                    s->kl_median, s->kl_p90, s->kl_p99, s->kl_p999, s->kl_max, s->top1, s->rms_dp);
    wh_buf_puts(&p->text, "\n");
    if (e->base) put_ratio(p, s);
    put_places(p, e);
    wh_buf_putf(&p->text, "\n%s of %zu tokens, %s a start of text; windows %s, tokens scored %s\n",
                protocols[e->o.protocol], e->context, e->starts ? "with" : "without",
                wh_spaced(s->windows, all), wh_spaced(s->tokens, scored));
}

static void put_score(wh_page *p, const whit_eval_score *s, int base)
{
    wh_page_name(p, s->tag ? s->tag : "all");
    wh_buf_putf(&p->text, " %9" PRIu64 "    ", s->questions);
    put_with_error(&p->text, WIDTH, s->accuracy, s->accuracy_error);
    put_with_error(&p->text, base ? WIDTH : 0, s->accuracy_norm, s->accuracy_norm_error);
    if (base)
        wh_buf_putf(&p->text, " %9.4f %9.4f %6.0f %6.0f %6.3f", s->base_accuracy,
                    s->base_accuracy_norm, s->lost, s->gained, s->flips_p);
    wh_buf_puts(&p->text, "\n");
}

static void put_choices(wh_page *p, const whit_eval *e)
{
    wh_page_style(p, WH_BOLD);
    wh_buf_putf(&p->text, "%-*s %9s      %-*s  %-*s", p->name_width, "", "questions", WIDTH,
                "accuracy", e->base ? WIDTH : 0, "by length");
    if (e->base)
        wh_buf_putf(&p->text, " %9s %9s %6s %6s %6s", "base", "by length", "lost", "gained", "p");
    wh_page_style(p, WH_PLAIN);
    wh_buf_puts(&p->text, "\n");
    for (size_t i = 0; i < e->score_count; i++) put_score(p, &e->score[i], e->base != NULL);
}

void whit_eval_write_text(const whit_eval *eval, int flags, FILE *out)
{
    wh_page p = wh_page_new(flags);
    if (eval->score) {
        for (size_t i = 1; i < eval->score_count; i++) wh_page_fit(&p, eval->score[i].tag);
        put_choices(&p, eval);
    } else {
        wh_page_fit(&p, eval->path);
        if (eval->base) wh_page_fit(&p, eval->base);
        put_perplexity(&p, eval);
    }
    wh_page_print(&p, out);
}
