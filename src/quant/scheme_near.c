/* src/quant/scheme_near.c - the valid text of a scheme that is nearest to what was typed: every
 * combination of kinds and parts by a weighted edit distance.
 *
 * SPDX-License-Identifier: MIT */
#include "quant/scheme.h"

#include <string.h>

/* Texts tried in place of what was not understood; "-g" stands for a valid group of the user's. */
static const struct {
    unsigned sort;
    const char *text[12];
} tries[] = {
    { WH_PART_GRAN,
      { "", "-tensor", "-channel", "-g128", "-g64", "-g32", "-g16", "-g256", "-g65536", "-g" } },
    { WH_PART_BLOCK, { "", "-block128x128" } },
    { WH_PART_ASYM, { "", "-asym" } },
    { WH_PART_DQ, { "", "-dq" } },
    { WH_PART_SCALE, { "", "-sf32", "-sf16", "-sbf16" } },
};
enum { TRIES = sizeof tries / sizeof tries[0] };

/* Move pick on to the next combination that row takes; 0 after the last. */
static int next_try(const wh_scheme_kind *row, size_t pick[TRIES])
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
        if (!wh_scheme_read_group(text + 1, len)) continue;
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
        *out = wh_scheme_of_block((whit_block)b);
    }
}

void wh_scheme_nearest(const char *text, whit_scheme *out)
{
    char own[8], candidate[WHIT_SCHEME_TEXT];
    unsigned best = (unsigned)-1;
    size_t len = strlen(text);
    const wh_scheme_kind *only = wh_scheme_kind_named(text, strcspn(text, "-"));
    const whit_block block =
        only ? WHIT_BLOCK_NONE : wh_scheme_block_named(text, strcspn(text, "-"));
    if (block != WHIT_BLOCK_NONE) {
        *out = wh_scheme_of_block(block);
        return;
    }
    own_group(text, own);
    for (const wh_scheme_kind *k = wh_scheme_kinds; k->name; k++) {
        size_t pick[TRIES] = { 0 };
        if (only && only != k) continue;
        do {
            size_t n = strlen(k->name);
            unsigned cost = 0;
            memcpy(candidate, k->name, n + 1);
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
            wh_scheme_read(candidate, out);
        } while (next_try(k, pick));
    }
    if (!only) nearest_block(text, best, out);
}
