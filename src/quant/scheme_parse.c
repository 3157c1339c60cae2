/* src/quant/scheme_parse.c - a scheme from its text.
 *
 * Not here: the tables and the canonical text (scheme.c), what is proposed in place of a text that
 * is none (scheme_near.c).
 *
 * SPDX-License-Identifier: MIT */
#include "quant/scheme.h"

#include "base/error.h"

#include <string.h>

#define GROUP_MIN 2
#define GROUP_MAX 65536
#define BLOCK_MAX 1024

uint32_t wh_scheme_read_group(const char *text, size_t len)
{
    uint32_t n = 0;
    if (len < 2 || len > 6 || text[0] != 'g' || text[1] == '0') return 0;
    for (size_t i = 1; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') return 0;
        n = n * 10 + (uint32_t)(text[i] - '0');
    }
    return n >= GROUP_MIN && n <= GROUP_MAX ? n : 0;
}

/* "block128x64" to 128 and 64; 0 where the text is not such a part or out of range. */
static int read_block(const char *text, size_t len, uint32_t *rows, uint32_t *cols)
{
    uint32_t side[2] = { 0, 0 };
    size_t i = 5;
    if (len < 8 || memcmp(text, "block", 5) != 0) return 0;
    for (int k = 0; k < 2; k++) {
        size_t first = i;
        while (i < len && i < first + 4 && text[i] >= '0' && text[i] <= '9')
            side[k] = side[k] * 10 + (uint32_t)(text[i++] - '0');
        if (text[first] == '0' || side[k] < 2 || side[k] > BLOCK_MAX) return 0;
        if (k == 0 && (i >= len || text[i++] != 'x')) return 0;
    }
    *rows = side[0];
    *cols = side[1];
    return i == len;
}

/* Set in *s what one part says; *sort is its sort. Returns what is wrong, or NULL. */
static const char *read_part(const char *text, size_t len, whit_scheme *s, unsigned *sort)
{
    const wh_scheme_part *row = NULL;
    *sort = WH_PART_GRAN;
    if (len == 0) return "a part is empty";
    for (const wh_scheme_part *p = wh_scheme_parts; p->name; p++)
        if (strlen(p->name) == len && memcmp(p->name, text, len) == 0) row = p;
    if (!row) {
        uint32_t group = wh_scheme_read_group(text, len);
        if (read_block(text, len, &s->block_rows, &s->group)) {
            s->gran = WHIT_GRAN_BLOCK;
            *sort = WH_PART_GRAN | WH_PART_BLOCK;
            return NULL;
        }
        if (!group && text[0] == 'g' && len > 1 && text[1] >= '0' && text[1] <= '9')
            return "a group is g2 to g65536";
        if (!group) return "unknown part";
        s->gran = WHIT_GRAN_GROUP;
        s->group = group;
        return NULL;
    }
    *sort = row->sort;
    switch (row->sort) {
    case WH_PART_GRAN:
        s->gran = (whit_gran)row->value;
        s->group = 0;
        break;
    case WH_PART_ASYM:
        s->asym = row->value;
        break;
    case WH_PART_DQ:
        s->dq = row->value;
        break;
    case WH_PART_ACTS:
        s->a8 = row->value;
        break;
    default:
        s->scale_type = (whit_dtype)row->value;
    }
    return NULL;
}

whit_block wh_scheme_block_named(const char *text, size_t len)
{
    char name[WHIT_SCHEME_TEXT];
    memcpy(name, text, len);
    name[len] = 0;
    return whit_block_parse(name);
}

whit_scheme wh_scheme_of_block(whit_block block)
{
    return (whit_scheme){ .kind = WHIT_GGUF, .scale_type = WHIT_F32, .block = block };
}

const char *wh_scheme_read(const char *text, whit_scheme *out)
{
    size_t len = strcspn(text, "-");
    const wh_scheme_kind *row = wh_scheme_kind_named(text, len);
    if (!row) {
        whit_block block = wh_scheme_block_named(text, len);
        if (block == WHIT_BLOCK_NONE) return "unknown kind";
        if (text[len] == '-') return "this kind has no such part";
        *out = wh_scheme_of_block(block);
        return NULL;
    }
    whit_scheme s = { .kind = row->kind,
                      .bits = row->bits,
                      .gran = row->gran,
                      .group = row->group,
                      .scale_type = WHIT_F32 };
    unsigned seen = 0;
    while (text[len] == '-') {
        unsigned sort;
        text += len + 1;
        len = strcspn(text, "-");
        const char *wrong = read_part(text, len, &s, &sort);
        if (wrong) return wrong;
        if ((row->takes & sort) != sort) return "this kind has no such part";
        if (seen & sort) return "two parts of one sort";
        seen |= sort;
    }
    if ((seen & WH_PART_DQ) && (seen & WH_PART_SCALE)) return "dq scales have no other type";
    if ((seen & WH_PART_DQ) && s.gran != WHIT_GRAN_GROUP) return "dq needs groups";
    if (!(seen & WH_PART_SCALE)) s.scale_type = wh_scheme_default_scale(row, &s);
    *out = s;
    return NULL;
}

whit_status whit_scheme_parse(whit_scheme *out, const char *text, whit_error *err)
{
    char lower[WHIT_SCHEME_TEXT], shown[WH_SHORT], best_text[WHIT_SCHEME_TEXT];
    const char *wrong = "longer than any scheme";
    size_t n = 0;
    *out = (whit_scheme){ .kind = WHIT_KEEP, .scale_type = WHIT_F32 };
    if (!text) return wh_fail(err, WHIT_ERR_ARG, "a scheme is missing");
    for (; text[n] && n + 1 < sizeof lower; n++) /* tolower would ask the locale */
        lower[n] = (char)(text[n] >= 'A' && text[n] <= 'Z' ? text[n] + ('a' - 'A') : text[n]);
    lower[n] = 0;
    if (!text[n]) wrong = wh_scheme_read(lower, out);
    if (!wrong) return WHIT_OK;
    if (!err) return WHIT_ERR_ARG; /* nobody would read the proposal */
    whit_scheme best = *out;
    wh_scheme_nearest(lower, &best);
    return wh_fail(err, WHIT_ERR_ARG, "scheme '%s': %s; try: %s", wh_short(shown, text), wrong,
                   whit_scheme_print(&best, best_text));
}
