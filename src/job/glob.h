/* src/job/glob.h - the globs of rules: parse once, match a name in time linear in both lengths.
 *
 *   *        any run of characters, dots included; may be empty
 *   ?        one character (one UTF-8 code point)
 *   [a-z_]   a class of ASCII characters; [!..] or [^..] its complement; ']' first stands for
 * itself {a,b}    alternatives, which may hold globs themselves and nest {0..3,28..31}   decimal
 * numbers without leading zeros: a whole run of digits of the name; may be mixed with other
 * alternatives Everything else stands for itself. There is no escape: [*] is a star.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_GLOB_H
#define WH_JOB_GLOB_H

#include "base/error.h"

typedef struct wh_glob wh_glob;

/* Errors: WHIT_ERR_ARG (unclosed brace or class, empty range, 16 levels of braces, 4096 octets:
 * the message quotes the glob and says where), WHIT_ERR_NOMEM. */
whit_status wh_glob_parse(wh_glob **out, const char *text, whit_error *err);
void wh_glob_free(wh_glob *glob); /* NULL is fine */

/* 1: the glob matches the whole name, or the name without a final ".weight"; 0: neither; -1: no
 * memory (matching needs two octets for each operation of the glob). */
int wh_glob_match(const wh_glob *glob, const char *name);

#endif
