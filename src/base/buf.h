/* src/base/buf.h - a growing octet buffer; failure to grow sticks and is asked for once.
 * SPDX-License-Identifier: MIT */
#ifndef WH_BASE_BUF_H
#define WH_BASE_BUF_H

#include <stdio.h>

#include "base/error.h"

typedef struct wh_buf {
    char *data; /* NUL-terminated whenever not NULL */
    size_t len, cap;
    int failed; /* an append found no memory; len is then what was there before */
} wh_buf;       /* zero-initialise; wh_buf_free at the end */

void wh_buf_put(wh_buf *b, const void *data, size_t len);
void wh_buf_puts(wh_buf *b, const char *text);
void wh_buf_putf(wh_buf *b, const char *fmt, ...) WH_PRINTF(2, 3);
void wh_buf_free(wh_buf *b); /* also resets it for another use */
/* Write all of it to a stream that is open for writing only, and free it. Where an append had found
 * no memory nothing is written, and ferror(out) is true. */
void wh_buf_print(wh_buf *b, FILE *out);

#endif
