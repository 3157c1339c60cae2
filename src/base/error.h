/* src/base/error.h - filling a whit_error.
 * SPDX-License-Identifier: MIT */
#ifndef WH_BASE_ERROR_H
#define WH_BASE_ERROR_H

#include <whit/base.h>

#if defined(__GNUC__) || defined(__clang__)
#define WH_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define WH_PRINTF(fmt, args)
#endif

/* Fill *err (NULL is fine) and return code. Control characters in the text become '?', so that
 * names from a hostile file cannot break the line or the terminal. */
whit_status wh_fail(whit_error *err, whit_status code, const char *fmt, ...) WH_PRINTF(3, 4);
#ifdef __clang_analyzer__ /* which sees one file at a time, and would go on as if all were well */
#define wh_fail(err, code, ...) ((void)wh_fail(err, code, __VA_ARGS__), code)
#endif

/* Put "prefix: " before the message that err holds (NULL err is fine), and return code. */
whit_status wh_prefix(whit_error *err, whit_status code, const char *prefix);

#define WH_SHORT 72
/* A name of at most WH_SHORT - 1 octets: long ones lose their middle to "...". Returns buf. */
const char *wh_short(char buf[WH_SHORT], const char *name);

#endif
