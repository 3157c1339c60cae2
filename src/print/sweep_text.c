/* src/print/sweep_text.c - a sweep as a table for people, as CSV and as JSON.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <math.h>

#include "base/json.h"
#include "job/sweep.h"
#include "print/page.h"

/* ---- table ---- */

static void put_bits_and_db(wh_buf *b, const whit_sweep_row *r)
{
    wh_buf_putf(b, "%8.3f ", r->bits_per_weight);
    if (isnan(r->sqnr_db))
        wh_buf_puts(b, "       -");
    else if (isinf(r->sqnr_db))
        wh_buf_puts(b, "   exact");
    else
        wh_buf_putf(b, "%8.2f", r->sqnr_db);
}

void whit_sweep_write_text(const whit_sweep *sweep, int flags, FILE *out)
{
    const whit_sweep_totals *t = &sweep->totals;
    wh_buf b = { 0 };
    int color = flags & WHIT_TEXT_COLOR, beyond = 0;
    wh_buf_putf(&b, "sweep     %" PRIu64 " tensor%s of %" PRIu64 " weights", t->tensors,
                t->tensors == 1 ? "" : "s", t->weights);
    if (t->sampled < t->weights)
        wh_buf_putf(&b, ", %" PRIu64 " of them measured: rows at equal distances", t->sampled);
    wh_buf_puts(&b, "\n");
    if (t->in_parts)
        wh_buf_putf(&b,
                    "parts     %" PRIu64 " tensor%s with rows of more than %" PRIu64
                    " columns: measured in parts, so channel is a little too good\n",
                    t->in_parts, t->in_parts == 1 ? " is" : "s are", WH_TILE_ELEMENTS);
    wh_buf_putf(&b, "\n%s  %-18s     bits  SQNR dB           bytes%s\n", color ? WH_BOLD : "",
                "scheme", color ? WH_PLAIN : "");
    for (size_t i = 0; i < WH_SWEEP_ROWS; i++) {
        const whit_sweep_row *r = &sweep->row[i];
        char text[WHIT_SCHEME_TEXT];
        int bold = color && r->pareto;
        wh_buf_putf(&b, "%s%c %-18s ", bold ? WH_BOLD : "", r->pareto ? '*' : ' ',
                    whit_scheme_print(&r->scheme, text));
        put_bits_and_db(&b, r);
        wh_buf_putf(&b, " %15" PRIu64 "%s\n", r->bytes_out, bold ? WH_PLAIN : "");
        beyond |= isnan(r->sqnr_db) != 0;
    }
    wh_buf_puts(&b, "\n* no other has as few bits and as high an SQNR\n");
    if (beyond) wh_buf_puts(&b, "- a scale is beyond its type\n");
    wh_buf_print(&b, out);
}

/* ---- CSV and JSON ---- */

whit_status whit_sweep_write_csv(const whit_sweep *sweep, FILE *out, whit_error *err)
{
    wh_buf b = { 0 };
    whit_status st = WHIT_OK;
    wh_buf_puts(&b, "scheme,bits_per_weight,sqnr_db,bytes,pareto\n");
    for (size_t i = 0; i < WH_SWEEP_ROWS; i++) {
        const whit_sweep_row *r = &sweep->row[i];
        char text[WHIT_SCHEME_TEXT];
        wh_buf_putf(&b, "%s,", whit_scheme_print(&r->scheme, text));
        wh_json_put_double(&b, r->bits_per_weight);
        wh_buf_puts(&b, ",");
        if (isinf(r->sqnr_db))
            wh_buf_puts(&b, "inf");
        else if (!isnan(r->sqnr_db))
            wh_json_put_double(&b, r->sqnr_db);
        wh_buf_putf(&b, ",%" PRIu64 ",%d\n", r->bytes_out, r->pareto);
    }
    if (b.failed)
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for a table");
    else
        fwrite(b.data, 1, b.len, out);
    wh_buf_free(&b);
    return st;
}

void whit_sweep_write_json(const whit_sweep *sweep, FILE *out)
{
    const whit_sweep_totals *t = &sweep->totals;
    wh_buf b = { 0 };
    wh_buf_puts(&b, "{\"schema\":1,\"command\":\"plan\",\"input\":");
    wh_json_put_string(&b, whit_file_path(whit_source_file(sweep->plan->source)));
    wh_buf_putf(&b,
                ",\"sweep\":{\"tensors\":%" PRIu64 ",\"weights\":%" PRIu64 ",\"sampled\":%" PRIu64
                ",\"in_parts\":%" PRIu64 ",\"rows\":[",
                t->tensors, t->weights, t->sampled, t->in_parts);
    for (size_t i = 0; i < WH_SWEEP_ROWS; i++) {
        const whit_sweep_row *r = &sweep->row[i];
        char text[WHIT_SCHEME_TEXT];
        wh_buf_putf(&b, "%s{\"scheme\":\"%s\",\"bits_per_weight\":", i ? "," : "",
                    whit_scheme_print(&r->scheme, text));
        wh_json_put_double(&b, r->bits_per_weight);
        wh_buf_puts(&b, ",\"sqnr_db\":");
        wh_json_put_double(&b, r->sqnr_db);
        wh_buf_putf(&b, ",\"bytes\":%" PRIu64 ",\"exact\":%s,\"pareto\":%s}", r->bytes_out,
                    isinf(r->sqnr_db) ? "true" : "false", r->pareto ? "true" : "false");
    }
    wh_buf_puts(&b, "]}}\n");
    wh_buf_print(&b, out);
}
