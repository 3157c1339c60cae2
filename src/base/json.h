/* src/base/json.h - pull parser and writer helpers for JSON (RFC 8259).
 *
 * The parser walks a text in memory, allocates only one buffer for decoded strings, and refuses:
 * invalid UTF-8, lone surrogates, NUL or control characters in strings, more than 64 levels, text
 * after the value; Infinity and NaN unless it is told that Python wrote the file. Duplicate keys
 * are the caller's business (base/names.h).
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_BASE_JSON_H
#define WH_BASE_JSON_H

#include "base/buf.h"
#include "base/lines.h"

#define WH_JSON_DEPTH 64

typedef enum wh_json_token {
    WH_JSON_ERROR = 0, /* j->problem says what, j->pos where; sticks                     */
    WH_JSON_OBJECT,    /* { */
    WH_JSON_OBJECT_END,
    WH_JSON_ARRAY, /* [ */
    WH_JSON_ARRAY_END,
    WH_JSON_KEY,    /* member name, in j->text                                        */
    WH_JSON_STRING, /* decoded, in j->text                                            */
    WH_JSON_NUMBER, /* its characters, in j->text                                     */
    WH_JSON_TRUE,
    WH_JSON_FALSE,
    WH_JSON_NULL,
    WH_JSON_END /* the whole text was one value and white space                   */
} wh_json_token;

typedef struct wh_json {
    const char *src; /* not NUL-terminated */
    size_t len, pos;
    const char *text;    /* of the last key, string or number: NUL-terminated, valid until the
                            next call                                                      */
    size_t text_len;     /* strings hold no NUL, so strlen(text) == text_len               */
    const char *problem; /* static text; NULL while all is well                            */
    int nomem;           /* 1 when the problem is memory                                   */
    unsigned depth;
    int python; /* set it behind wh_json_init: Infinity, -Infinity and NaN are numbers, too, as the
                   json module of Python writes them */
    /* internal */
    unsigned state;
    uint64_t is_array; /* bit d: level d is an array */
    wh_buf scratch;
} wh_json;

void wh_json_init(wh_json *j, const char *src, size_t len);
void wh_json_free(wh_json *j);
wh_json_token wh_json_next(wh_json *j);
/* After OBJECT or ARRAY: skip to behind its end. After KEY: skip the value. Else a no-op.
 * 0 on error. */
int wh_json_skip(wh_json *j, wh_json_token last);
/* The last NUMBER as an unsigned integer: digits only (no sign, point, exponent), below 2^64.
 * 1 on success. */
int wh_json_u64(const wh_json *j, uint64_t *out);
/* The last NUMBER to the nearest double, whatever the locale; beyond its range an infinity. 0 where
 * it has more than 400 characters, or is one of Python's words. */
int wh_json_f64(const wh_json *j, double *out);

/* Append text as a quoted JSON string. Valid UTF-8 passes as it is; what is not becomes U+FFFD. */
void wh_json_put_string(wh_buf *b, const char *text);
/* Append a number in the shortest of %.9g that JSON allows, whatever the locale; null unless
 * finite. */
void wh_json_put_double(wh_buf *b, double v);
/* Append a member behind another one: a comma, the key as it is, the value; text NULL: null. */
void wh_json_add_text(wh_buf *b, const char *key, const char *text);
void wh_json_add_u64(wh_buf *b, const char *key, uint64_t value);
void wh_json_add_double(wh_buf *b, const char *key, double value);
void wh_json_add_lines(wh_buf *b, const char *key, const wh_lines *lines); /* an array */

/* Length of the well-formed UTF-8 sequence (RFC 3629) that starts at p, 0 if there is none: no
 * overlong forms, no surrogates, nothing above U+10FFFF. left >= 1. */
size_t wh_utf8_sequence(const unsigned char *p, size_t left);
/* How many octets from the start of a text on are such sequences. */
size_t wh_utf8_prefix(const char *text, size_t len);
/* Append the sequence of a character, which is one (no surrogate). */
void wh_utf8_put(wh_buf *b, uint32_t c);

#endif
