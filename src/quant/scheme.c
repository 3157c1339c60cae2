/* src/quant/scheme.c - schemes: their text form, and the shapes that follow from them.
 *
 * A row for each kind, a row for each part that may follow one, a row for each sort of part in the
 * search for the nearest valid text; parser and printer hold no names of their own. The types of
 * GGUF take no parts, and their names are whit/block.h's. Not here: what a file format can hold,
 * which tensor gets which scheme, the arithmetic, the table of NF4.
 * The grammar and its defaults are this project's own; they are in README.
 *
 * SPDX-License-Identifier: MIT */
#include <whit/scheme.h>

#include "base/error.h"

#include <stdio.h>
#include <string.h>

/* The sorts of parts. A kind takes a set of them, a text holds at most one of each. */
enum { PART_GRAN = 1, PART_ASYM = 2, PART_SCALE = 4, PART_DQ = 8, PART_BLOCK = 16 };
enum {
    PART_INT = PART_GRAN | PART_ASYM | PART_SCALE,
    PART_TABLE = PART_GRAN | PART_SCALE,
    PART_NESTED = PART_TABLE | PART_DQ,
    PART_FP8 = PART_TABLE | PART_BLOCK
};

typedef struct kind_row {
    const char *name;
    whit_kind kind;
    unsigned bits, zero_code; /* 0: stores no codes */
    whit_gran gran;           /* the default, and its group */
    uint32_t group;
    unsigned takes;
    whit_dtype scale; /* of kinds without a choice; WHIT_BOOL: by granularity */
} kind_row;

/* Where two texts are equally near to what was typed, the earlier row is proposed. */
/* clang-format off */
static const kind_row kinds[] = {
    { "int4", WHIT_INT,     4,   8, WHIT_GRAN_GROUP,   128, PART_INT, WHIT_BOOL },
    { "int8", WHIT_INT,     8, 128, WHIT_GRAN_CHANNEL,   0, PART_INT, WHIT_BOOL },
    { "int2", WHIT_INT,     2,   2, WHIT_GRAN_GROUP,   128, PART_INT, WHIT_BOOL },
    { "int3", WHIT_INT,     3,   4, WHIT_GRAN_GROUP,   128, PART_INT, WHIT_BOOL },
    { "int5", WHIT_INT,     5,  16, WHIT_GRAN_GROUP,   128, PART_INT, WHIT_BOOL },
    { "int6", WHIT_INT,     6,  32, WHIT_GRAN_GROUP,   128, PART_INT, WHIT_BOOL },
    { "int7", WHIT_INT,     7,  64, WHIT_GRAN_GROUP,   128, PART_INT, WHIT_BOOL },
    { "nf4",  WHIT_NF4,     4,   7, WHIT_GRAN_GROUP,    64, PART_NESTED, WHIT_BOOL },
    { "fp4",  WHIT_FP4,     4,   0, WHIT_GRAN_GROUP,    32, PART_TABLE, WHIT_BOOL },
    { "fp4bnb",   WHIT_FP4BNB,   4, 0, WHIT_GRAN_GROUP,  64, PART_NESTED, WHIT_BOOL },
    { "fp8_e4m3", WHIT_FP8_E4M3, 8, 0, WHIT_GRAN_CHANNEL, 0, PART_FP8, WHIT_BOOL },
    { "fp8_e5m2", WHIT_FP8_E5M2, 8, 0, WHIT_GRAN_CHANNEL, 0, PART_FP8, WHIT_BOOL },
    { "mxfp4", WHIT_MXFP4,  4,   0, WHIT_GRAN_GROUP,    32, 0, WHIT_F8_E8M0 },
    { "nvfp4", WHIT_NVFP4,  4,   0, WHIT_GRAN_GROUP,    16, 0, WHIT_F8_E4M3 },
    { "f16",  WHIT_TO_F16,  0,   0, WHIT_GRAN_NONE,      0, 0, WHIT_BOOL },
    { "bf16", WHIT_TO_BF16, 0,   0, WHIT_GRAN_NONE,      0, 0, WHIT_BOOL },
    { "f32",  WHIT_TO_F32,  0,   0, WHIT_GRAN_NONE,      0, 0, WHIT_BOOL },
    { "keep", WHIT_KEEP,    0,   0, WHIT_GRAN_NONE,      0, 0, WHIT_BOOL },
};
/* clang-format on */

typedef struct part_row {
    const char *name;
    unsigned sort;
    int value; /* whit_gran, the flag, or whit_dtype */
} part_row;

static const part_row parts[] = {
    { "tensor", PART_GRAN, WHIT_GRAN_TENSOR },
    { "channel", PART_GRAN, WHIT_GRAN_CHANNEL },
    { "asym", PART_ASYM, 1 },
    { "dq", PART_DQ, 1 },
    { "sf32", PART_SCALE, WHIT_F32 },
    { "sf16", PART_SCALE, WHIT_F16 },
    { "sbf16", PART_SCALE, WHIT_BF16 },
};

#define GROUP_MIN 2
#define GROUP_MAX 65536
#define BLOCK_MAX 1024

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static const kind_row *kind_named(const char *name, size_t len)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (strlen(kinds[i].name) == len && memcmp(kinds[i].name, name, len) == 0) return &kinds[i];
    return NULL;
}

static const kind_row *kind_of(const whit_scheme *s)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (kinds[i].kind == s->kind && kinds[i].bits == s->bits) return &kinds[i];
    return NULL;
}

static whit_dtype default_scale(const kind_row *row, const whit_scheme *s)
{
    if (row->scale != WHIT_BOOL) return row->scale;
    return s->gran == WHIT_GRAN_GROUP && !s->dq ? WHIT_F16 : WHIT_F32;
}

/* "g64" to 64; 0 where the text is not such a part or the number is outside its range. */
static uint32_t read_group(const char *text, size_t len)
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
    const part_row *row = NULL;
    *sort = PART_GRAN;
    if (len == 0) return "a part is empty";
    for (size_t i = 0; i < COUNT(parts); i++)
        if (strlen(parts[i].name) == len && memcmp(parts[i].name, text, len) == 0) row = &parts[i];
    if (!row) {
        uint32_t group = read_group(text, len);
        if (read_block(text, len, &s->block_rows, &s->group)) {
            s->gran = WHIT_GRAN_BLOCK;
            *sort = PART_GRAN | PART_BLOCK;
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
    case PART_GRAN:
        s->gran = (whit_gran)row->value;
        s->group = 0;
        break;
    case PART_ASYM:
        s->asym = row->value;
        break;
    case PART_DQ:
        s->dq = row->value;
        break;
    default:
        s->scale_type = (whit_dtype)row->value;
    }
    return NULL;
}

/* A type of GGUF, the first len octets of text. */
static whit_block block_named(const char *text, size_t len)
{
    char name[WHIT_SCHEME_TEXT];
    memcpy(name, text, len);
    name[len] = 0;
    return whit_block_parse(name);
}

static whit_scheme block_scheme(whit_block block)
{
    return (whit_scheme){ .kind = WHIT_GGUF, .scale_type = WHIT_F32, .block = block };
}

/* text is in lower case, shorter than WHIT_SCHEME_TEXT. Returns what is wrong, or NULL; *out is set
 * only then. */
static const char *read_scheme(const char *text, whit_scheme *out)
{
    size_t len = strcspn(text, "-");
    const kind_row *row = kind_named(text, len);
    if (!row) {
        whit_block block = block_named(text, len);
        if (block == WHIT_BLOCK_NONE) return "unknown kind";
        if (text[len] == '-') return "this kind has no such part";
        *out = block_scheme(block);
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
    if ((seen & PART_DQ) && (seen & PART_SCALE)) return "dq scales have no other type";
    if ((seen & PART_DQ) && s.gran != WHIT_GRAN_GROUP) return "dq needs groups";
    if (!(seen & PART_SCALE)) s.scale_type = default_scale(row, &s);
    *out = s;
    return NULL;
}

/* ---- the nearest valid text ------------------------------------------------------------------ */

/* Texts tried in place of what was not understood; "-g" stands for a valid group of the user's. */
static const struct {
    unsigned sort;
    const char *text[12];
} tries[] = {
    { PART_GRAN,
      { "", "-tensor", "-channel", "-g128", "-g64", "-g32", "-g16", "-g256", "-g65536", "-g" } },
    { PART_BLOCK, { "", "-block128x128" } },
    { PART_ASYM, { "", "-asym" } },
    { PART_DQ, { "", "-dq" } },
    { PART_SCALE, { "", "-sf32", "-sf16", "-sbf16" } },
};
#define TRIES COUNT(tries)

/* Move pick on to the next combination that row takes; 0 after the last. */
static int next_try(const kind_row *row, size_t pick[TRIES])
{
    for (size_t i = 0; i < TRIES; i++) {
        if ((row->takes & tries[i].sort) && tries[i].text[++pick[i]]) return 1;
        pick[i] = 0;
    }
    return 0;
}

/* Cost of one character for another: digits that are close in value are the likelier slip. */
static unsigned swap_cost(char a, char b)
{
    if (a == b) return 0;
    if (a < '0' || a > '9' || b < '0' || b > '9') return 20;
    return 10 + (unsigned)(a > b ? a - b : b - a);
}

/* Weighted edit distance of two texts below WHIT_SCHEME_TEXT octets. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[WHIT_SCHEME_TEXT];
    size_t nb = strlen(b);
    for (size_t j = 0; j <= nb; j++) row[j] = (unsigned)j * 20;
    for (size_t i = 0; a[i]; i++) {
        unsigned diagonal = row[0];
        row[0] += 20;
        for (size_t j = 0; j < nb; j++) {
            unsigned best = diagonal + swap_cost(a[i], b[j]);
            if (row[j] + 20 < best) best = row[j] + 20;
            if (row[j + 1] + 20 < best) best = row[j + 1] + 20;
            diagonal = row[j + 1];
            row[j + 1] = best;
        }
    }
    return row[nb];
}

/* The first part of text that is a valid group, as "-gN"; "" when there is none. */
static void own_group(const char *text, char own[8])
{
    own[0] = 0;
    for (text = strchr(text, '-'); text; text = strchr(text + 1, '-')) {
        size_t len = strcspn(text + 1, "-");
        if (!read_group(text + 1, len)) continue;
        memcpy(own, text, len + 1);
        own[len + 1] = 0;
        return;
    }
}

/* The type of GGUF whose name is nearer than `best`, into *out where there is one. */
static void nearest_block(const char *text, unsigned best, whit_scheme *out)
{
    for (int b = WHIT_BLOCK_NONE + 1; b < WHIT_BLOCK_COUNT; b++) {
        const whit_block_info *info = whit_block_describe((whit_block)b);
        unsigned cost = info->encodes ? distance(text, info->lower) : (unsigned)-1;
        if (cost >= best) continue;
        best = cost;
        *out = block_scheme((whit_block)b);
    }
}

/* Set *out to the valid scheme whose text is nearest; the kind stays where it is a known one. */
static void nearest(const char *text, whit_scheme *out)
{
    char own[8], candidate[WHIT_SCHEME_TEXT];
    unsigned best = (unsigned)-1;
    size_t len = strlen(text);
    const kind_row *only = kind_named(text, strcspn(text, "-"));
    const whit_block block = only ? WHIT_BLOCK_NONE : block_named(text, strcspn(text, "-"));
    if (block != WHIT_BLOCK_NONE) {
        *out = block_scheme(block);
        return;
    }
    own_group(text, own);
    for (size_t k = 0; k < COUNT(kinds); k++) {
        size_t pick[TRIES] = { 0 };
        if (only && only != &kinds[k]) continue;
        do {
            size_t n = strlen(kinds[k].name);
            unsigned cost = 0;
            memcpy(candidate, kinds[k].name, n + 1);
            for (size_t i = 0; i < TRIES; i++) {
                const char *part = tries[i].text[pick[i]];
                if (strcmp(part, "-g") == 0) part = own;
                memcpy(candidate + n, part, strlen(part) + 1);
                n += strlen(part);
                if (!strstr(text, part)) cost += 30; /* rather drop a part than invent one */
            }
            size_t longer = n > len ? n - len : len - n;
            if (cost + longer * 20 >= best) continue; /* no need to look */
            cost += distance(text, candidate);
            if (cost >= best) continue;
            best = cost;
            read_scheme(candidate, out);
        } while (next_try(&kinds[k], pick));
    }
    if (!only) nearest_block(text, best, out);
}

/* ---- public ---------------------------------------------------------------------------------- */

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
    if (!text[n]) wrong = read_scheme(lower, out);
    if (!wrong) return WHIT_OK;
    if (!err) return WHIT_ERR_ARG; /* nobody would read the proposal */
    whit_scheme best = *out;
    nearest(lower, &best);
    return wh_fail(err, WHIT_ERR_ARG, "scheme '%s': %s; try: %s", wh_short(shown, text), wrong,
                   whit_scheme_print(&best, best_text));
}

const char *whit_scheme_print(const whit_scheme *scheme, char buf[WHIT_SCHEME_TEXT])
{
    const kind_row *row = kind_of(scheme);
    char group[32] = "";
    const char *part[2] = { "", "" }; /* granularity without a number, scale type */
    if (!row) {
        const whit_block_info *info = whit_block_describe(scheme->block);
        snprintf(buf, WHIT_SCHEME_TEXT, "%s",
                 scheme->kind == WHIT_GGUF && info ? info->lower : "?");
        return buf;
    }
    for (size_t i = 0; i < COUNT(parts); i++) {
        if (parts[i].sort == PART_GRAN && parts[i].value == (int)scheme->gran)
            part[0] = parts[i].name;
        if (parts[i].sort == PART_SCALE && parts[i].value == (int)scheme->scale_type)
            part[1] = parts[i].name;
    }
    if (scheme->gran == WHIT_GRAN_GROUP) snprintf(group, sizeof group, "g%u", scheme->group);
    if (scheme->gran == WHIT_GRAN_BLOCK)
        snprintf(group, sizeof group, "block%ux%u", scheme->block_rows, scheme->group);
    int gran = (row->takes & PART_GRAN) && scheme->gran != WHIT_GRAN_NONE;
    int asym = (row->takes & PART_ASYM) && scheme->asym;
    int dq = (row->takes & PART_DQ) && scheme->dq;
    int scale = (row->takes & PART_SCALE) && scheme->scale_type != default_scale(row, scheme);
    snprintf(buf, WHIT_SCHEME_TEXT, "%s%s%s%s%s%s%s%s", row->name, gran ? "-" : "",
             gran ? part[0] : "", gran ? group : "", asym ? "-asym" : "", dq ? "-dq" : "",
             scale ? "-" : "", scale ? part[1] : "");
    return buf;
}

int whit_scheme_is_quantized(const whit_scheme *scheme)
{
    const kind_row *row = kind_of(scheme);
    if (scheme->kind == WHIT_GGUF) return whit_block_describe(scheme->block) != NULL;
    return row && row->bits != 0;
}

void whit_scheme_scales(const whit_scheme *scheme, uint64_t rows, uint64_t cols,
                        uint64_t *scale_rows, uint64_t *scale_cols)
{
    *scale_rows = *scale_cols = 0;
    switch (scheme->gran) {
    case WHIT_GRAN_NONE:
        break;
    case WHIT_GRAN_TENSOR:
        *scale_rows = *scale_cols = 1;
        break;
    case WHIT_GRAN_CHANNEL:
        *scale_rows = rows;
        *scale_cols = 1;
        break;
    case WHIT_GRAN_GROUP:
        if (scheme->group == 0) break;
        *scale_rows = rows;
        *scale_cols = cols / scheme->group + (cols % scheme->group != 0);
        break;
    case WHIT_GRAN_BLOCK:
        if (scheme->group == 0 || scheme->block_rows == 0) break;
        *scale_rows = rows / scheme->block_rows + (rows % scheme->block_rows != 0);
        *scale_cols = cols / scheme->group + (cols % scheme->group != 0);
        break;
    }
}

unsigned whit_scheme_zero_code(const whit_scheme *scheme)
{
    const kind_row *row = kind_of(scheme);
    return row && !scheme->asym ? row->zero_code : 0;
}
