/* src/base/error.c - filling a whit_error, names of status codes, the version.
 *
 * SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A text that was cut short loses a code point of which only a part is left. */
static void drop_half_character(char *text)
{
    size_t len = strlen(text), back = 1;
    while (back < 4 && back < len && ((unsigned char)text[len - back] & 0xc0) == 0x80) back++;
    unsigned char lead = len ? (unsigned char)text[len - back] : 0;
    size_t want = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (want > back) text[len - back] = 0;
}

/* One printable line: a name from a hostile file must not move the cursor or fake a second line.
 * Control characters are those of ASCII and, as c2 80 .. c2 9f, those of Unicode's C1. */
static void clean_line(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p; p++) {
        int c1 = *p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f;
        if (*p < 0x20 || *p == 0x7f || c1) *p = '?';
        if (c1) *++p = '?';
    }
}

whit_status(wh_fail)(whit_error *err, whit_status code, const char *fmt, ...)
{
    if (!err) return code;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(err->msg, sizeof err->msg, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof err->msg) drop_half_character(err->msg);
    clean_line(err->msg);
    err->code = code;
    return code;
}

whit_status wh_prefix(whit_error *err, whit_status code, const char *prefix)
{
    if (!err) return code;
    char old[sizeof err->msg];
    char name[WH_SHORT];
    memcpy(old, err->msg, sizeof old);
    old[sizeof old - 1] = 0;
    return wh_fail(err, code, "%s: %s", wh_short(name, prefix), old);
}

const char *wh_short(char buf[WH_SHORT], const char *name)
{
    size_t len = strlen(name);
    if (len < WH_SHORT) {
        memcpy(buf, name, len + 1);
        return buf;
    }
    size_t tail = (WH_SHORT - 4) / 2, head = WH_SHORT - 4 - tail;
    /* Cut at code points, so that the line stays valid UTF-8. */
    while (head > 0 && ((unsigned char)name[head] & 0xc0) == 0x80) head--;
    while (tail > 0 && ((unsigned char)name[len - tail] & 0xc0) == 0x80) tail--;
    snprintf(buf, WH_SHORT, "%.*s...%s", (int)head, name, name + len - tail);
    return buf;
}

const char *whit_version(void)
{
    return WHIT_VERSION_STRING;
}

const char *whit_status_name(whit_status status)
{
    static const char *const names[] = { "ok",          "argument", "memory", "io",       "format",
                                         "unsupported", "numeric",  "bar",    "cancelled" };
    size_t i = (size_t)status;
    return i < sizeof names / sizeof names[0] ? names[i] : "unknown";
}
