/* tests/fuzz/fuzz_json.c - any octets to the JSON parser.
 *
 * A text that parses is written again from its tokens; what is written must parse to the same
 * tokens. Skipping the whole value must agree with reading it. As a file of Python it may have
 * words for numbers besides: what parses without them parses with them.
 *
 * SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
    if (!truth) abort();
}

/* Write the text that has the tokens of `src`. The last token: END or ERROR. */
static wh_json_token rewrite(const char *src, size_t len, int python, wh_buf *out)
{
    wh_json j;
    wh_json_token t, before = WH_JSON_OBJECT;
    uint64_t number;
    double real;
    wh_json_init(&j, src, len);
    j.python = python;
    while ((t = wh_json_next(&j)) != WH_JSON_END && t != WH_JSON_ERROR) {
        int closes = t == WH_JSON_OBJECT_END || t == WH_JSON_ARRAY_END;
        int opened = before == WH_JSON_OBJECT || before == WH_JSON_ARRAY || before == WH_JSON_KEY;
        if (!closes && !opened) wh_buf_puts(out, ",");
        if (t == WH_JSON_OBJECT || t == WH_JSON_ARRAY)
            wh_buf_puts(out, t == WH_JSON_OBJECT ? "{" : "[");
        else if (closes)
            wh_buf_puts(out, t == WH_JSON_OBJECT_END ? "}" : "]");
        else if (t == WH_JSON_KEY || t == WH_JSON_STRING)
            wh_json_put_string(out, j.text);
        else if (t == WH_JSON_NUMBER)
            wh_buf_puts(out, j.text);
        else
            wh_buf_puts(out, t == WH_JSON_TRUE ? "true" : t == WH_JSON_FALSE ? "false" : "null");
        if (t == WH_JSON_KEY) wh_buf_puts(out, ":");
        if (t == WH_JSON_KEY || t == WH_JSON_STRING || t == WH_JSON_NUMBER)
            require(strlen(j.text) == j.text_len && j.text_len <= len);
        if (t == WH_JSON_NUMBER && wh_json_u64(&j, &number)) require(j.text[0] != '-');
        if (t == WH_JSON_NUMBER && wh_json_f64(&j, &real)) require(real == real);
        require(j.pos <= len && j.depth <= WH_JSON_DEPTH);
        before = t;
    }
    require((t == WH_JSON_ERROR) == (j.problem != NULL) && !j.nomem);
    require(t == WH_JSON_ERROR || j.depth == 0);
    wh_json_free(&j);
    return t;
}

/* 1: it parses. */
static int check(const char *src, size_t size, int python)
{
    wh_buf once = { 0 }, twice = { 0 };
    wh_json j;
    wh_json_token t = rewrite(src, size, python, &once);

    wh_json_init(&j, src, size);
    j.python = python;
    int skipped = wh_json_skip(&j, wh_json_next(&j)) && wh_json_next(&j) == WH_JSON_END;
    require(skipped == (t == WH_JSON_END));
    wh_json_free(&j);

    if (t == WH_JSON_END) {
        require(rewrite(once.data, once.len, python, &twice) == WH_JSON_END);
        require(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
    }
    wh_buf_free(&once);
    wh_buf_free(&twice);
    return t == WH_JSON_END;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int strict = check((const char *)data, size, 0);
    const int python = check((const char *)data, size, 1);
    require(!strict || python);
    return 0;
}
