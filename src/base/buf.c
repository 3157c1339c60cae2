/* src/base/buf.c - a growing octet buffer.
 *
 * SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static int reserve(wh_buf *b, size_t more)
{
    if (b->failed) return 0;
    void *data = b->data;
    if (more > SIZE_MAX - b->len - 1 || !wh_grow(&data, &b->cap, b->len + more + 1, 1)) {
        b->failed = 1;
        return 0;
    }
    b->data = data;
    return 1;
}

void wh_buf_put(wh_buf *b, const void *data, size_t len)
{
    if (!reserve(b, len)) return;
    if (len > 0) memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = 0;
}

void wh_buf_puts(wh_buf *b, const char *text)
{
    wh_buf_put(b, text, strlen(text));
}

void wh_buf_putf(wh_buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int need = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (need < 0 || !reserve(b, (size_t)need)) {
        b->failed = 1;
        return;
    }
    va_start(args, fmt);
    vsnprintf(b->data + b->len, (size_t)need + 1, fmt, args);
    va_end(args);
    b->len += (size_t)need;
}

void wh_buf_free(wh_buf *b)
{
    free(b->data);
    memset(b, 0, sizeof *b);
}

void wh_buf_print(wh_buf *b, FILE *out)
{
    if (b->failed)
        (void)fgetc(out); /* not to be had from this stream: the only way to its error indicator */
    else
        fwrite(b->data ? b->data : "", 1, b->len, out);
    wh_buf_free(b);
}
