/* src/print/stats_text.c - a row of the statistics: columns of the table, JSON object.
 *
 * SPDX-License-Identifier: MIT */
#include "job/stats.h"

#include <inttypes.h>
#include <math.h>

#include "base/json.h"

/* Columns of numbers that may not exist. */
static void put_column(wh_buf *b, int width, int digits, double value)
{
    if (isnan(value))
        wh_buf_putf(b, " %*s", width, "-");
    else
        wh_buf_putf(b, " %*.*g", width, digits, value);
}

void wh_stats_columns(wh_buf *b, const whit_stats_row *row)
{
    if (!row) {
        wh_buf_putf(b, " %11s %11s %11s %11s %9s %11s %7s %7s %8s\n", "min", "max", "mean", "std",
                    "kurtosis", "zeros", "nan", "inf", "outlier");
        return;
    }
    if (!row->known) {
        wh_buf_putf(b, " %11s\n", whit_tensor_type(&row->source->tensor));
        return;
    }
    put_column(b, 11, 5, row->min);
    put_column(b, 11, 5, row->max);
    put_column(b, 11, 4, row->mean);
    put_column(b, 11, 5, row->std);
    put_column(b, 9, 5, row->kurtosis);
    wh_buf_putf(b, " %11" PRIu64 " %7" PRIu64 " %7" PRIu64, row->zeros, row->nan, row->inf);
    put_column(b, 8, 4, row->outlier_ratio);
    wh_buf_puts(b, "\n");
}

void wh_stats_json(wh_buf *b, const whit_stats_row *row)
{
    const struct {
        const char *key;
        double value;
    } real[] = {
        { "{\"min\":", row->min },           { ",\"max\":", row->max },
        { ",\"mean\":", row->mean },         { ",\"std\":", row->std },
        { ",\"kurtosis\":", row->kurtosis }, { ",\"outlier_ratio\":", row->outlier_ratio },
    };
    if (!row->known) {
        wh_buf_puts(b, "null");
        return;
    }
    for (size_t i = 0; i < sizeof real / sizeof real[0]; i++) {
        wh_buf_puts(b, real[i].key);
        wh_json_put_double(b, real[i].value);
    }
    wh_buf_putf(b, ",\"zeros\":%" PRIu64 ",\"nan\":%" PRIu64 ",\"inf\":%" PRIu64 "}", row->zeros,
                row->nan, row->inf);
}
