/* src/job/eval_names.c - the names of results, as JSON and bars have them; and the bars.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "job/eval.h"

#define T WH_EVAL_OF_TEXT
#define C WH_EVAL_OF_CHOICES
#define B WH_EVAL_OF_BASE
#define TEXT(member) offsetof(whit_eval_scores, member)
#define CHOICE(member) offsetof(whit_eval_score, member)

/* clang-format off */
const wh_eval_name wh_eval_names[] = {
    { "perplexity", TEXT(perplexity), 0, T },
    { "stderr", TEXT(standard_error), 0, T },
    { "stderr_tokens", TEXT(token_error), 0, T },
    { "nll", TEXT(nll), 0, T },
    { "tokens", TEXT(tokens), 1, T },
    { "windows", TEXT(windows), 1, T },
    { "text_tokens", TEXT(text_tokens), 1, T },
    { "base.perplexity", TEXT(base_perplexity), 0, T | B },
    { "base.stderr", TEXT(base_error), 0, T | B },
    { "base.nll", TEXT(base_nll), 0, T | B },
    { "kl.mean", TEXT(kl_mean), 0, T | B },
    { "kl.stderr", TEXT(kl_error), 0, T | B },
    { "kl.median", TEXT(kl_median), 0, T | B },
    { "kl.p90", TEXT(kl_p90), 0, T | B },
    { "kl.p99", TEXT(kl_p99), 0, T | B },
    { "kl.p999", TEXT(kl_p999), 0, T | B },
    { "kl.max", TEXT(kl_max), 0, T | B },
    { "top1", TEXT(top1), 0, T | B },
    { "rms_dp", TEXT(rms_dp), 0, T | B },
    { "ratio.value", TEXT(ratio), 0, T | B },
    { "ratio.low", TEXT(ratio_low), 0, T | B },
    { "ratio.high", TEXT(ratio_high), 0, T | B },
    { "questions", CHOICE(questions), 1, C },
    { "truncated", CHOICE(truncated), 1, C },
    { "accuracy", CHOICE(accuracy), 0, C },
    { "accuracy_stderr", CHOICE(accuracy_error), 0, C },
    { "accuracy_norm", CHOICE(accuracy_norm), 0, C },
    { "accuracy_norm_stderr", CHOICE(accuracy_norm_error), 0, C },
    { "base.accuracy", CHOICE(base_accuracy), 0, C | B },
    { "base.accuracy_norm", CHOICE(base_accuracy_norm), 0, C | B },
    { "flips.lost", CHOICE(lost), 0, C | B },
    { "flips.gained", CHOICE(gained), 0, C | B },
    { "flips.changed", CHOICE(changed), 0, C | B },
    { "flips.p", CHOICE(flips_p), 0, C | B },
    { NULL, 0, 0, 0 },
};
/* clang-format on */

double wh_eval_value(const wh_eval_name *name, const void *scores)
{
    const char *at = (const char *)scores + name->at;
    uint64_t whole;
    double value;
    if (name->whole) {
        memcpy(&whole, at, sizeof whole);
        return (double)whole;
    }
    memcpy(&value, at, sizeof value);
    return value;
}

/* ---- bars -------------------------------------------------------------------------------------
 */

enum { LESS, LESS_SAME, MORE, MORE_SAME };

typedef struct bar {
    const char *text; /* as it was given: [len] */
    size_t len;
    const wh_eval_name *name;
    int op;
    double limit;
} bar;

static whit_status bad_bar(const bar *b, const char *what, whit_error *err)
{
    return wh_fail(err, WHIT_ERR_ARG, "'%.*s' %s", (int)(b->len < 60 ? b->len : 60), b->text, what);
}

/* The row of a name of texts or of choices. */
static const wh_eval_name *find(const char *name, size_t len, unsigned of)
{
    for (const wh_eval_name *n = wh_eval_names; n->name; n++)
        if ((n->of & of) && strlen(n->name) == len && memcmp(n->name, name, len) == 0) return n;
    return NULL;
}

/* A number as JSON has it, whatever the locale; behind it spaces at most. */
static int read_limit(const char *p, const char *end, double *out)
{
    wh_json j;
    wh_json_init(&j, p, (size_t)(end - p));
    const int ok = wh_json_next(&j) == WH_JSON_NUMBER && wh_json_f64(&j, out) && isfinite(*out) &&
                   wh_json_next(&j) == WH_JSON_END;
    wh_json_free(&j);
    return ok;
}

/* One condition; of: which results there are. */
static whit_status read_bar(bar *b, unsigned of, whit_error *err)
{
    const char *p = b->text, *end = b->text + b->len;
    while (p < end && *p == ' ') p++;
    const char *name = p;
    while (p < end && !memchr(" <>=", *p, 4)) p++;
    const size_t len = (size_t)(p - name);
    while (p < end && *p == ' ') p++;
    if (len == 0 || p == end || (*p != '<' && *p != '>'))
        return bad_bar(b, "is no condition such as kl.mean>0.02", err);
    b->op = *p++ == '<' ? LESS : MORE;
    if (p < end && *p == '=') {
        b->op++;
        p++;
    }
    if (!read_limit(p, end, &b->limit)) return bad_bar(b, "does not end with a number", err);
    b->name = find(name, len, of & (WH_EVAL_OF_TEXT | WH_EVAL_OF_CHOICES));
    if (!b->name && find(name, len, WH_EVAL_OF_TEXT))
        return bad_bar(b, "is about a text; try: accuracy, accuracy_norm, flips.lost", err);
    if (!b->name && find(name, len, WH_EVAL_OF_CHOICES))
        return bad_bar(b, "is about choices; try: perplexity, kl.mean, top1", err);
    if (!b->name)
        return bad_bar(b,
                       "names no result; try: perplexity, kl.mean, kl.p99, top1, ratio.value, "
                       "accuracy, flips.lost",
                       err);
    if ((b->name->of & WH_EVAL_OF_BASE) && !(of & WH_EVAL_OF_BASE))
        return bad_bar(b, "compares with a base; try: --base MODEL with it", err);
    return WHIT_OK;
}

static int is_met(const bar *b, double value)
{
    switch (b->op) {
    case LESS:
        return value < b->limit;
    case LESS_SAME:
        return value <= b->limit;
    case MORE:
        return value > b->limit;
    default:
        return value >= b->limit;
    }
}

/* Every condition is read before one is judged. eval NULL: none is. */
static whit_status walk(const char *text, unsigned of, const whit_eval *eval, whit_error *err)
{
    whit_status met = WHIT_OK;
    if (!text) return wh_fail(err, WHIT_ERR_ARG, "whit_eval_bar: no text");
    for (const char *p = text;; p++) {
        bar b = { .text = p, .len = strcspn(p, ",") };
        whit_status st = read_bar(&b, of, err);
        if (st != WHIT_OK) return st;
        if (eval && met == WHIT_OK) {
            const void *scores = eval->score ? (const void *)eval->score : &eval->scores;
            const double value = wh_eval_value(b.name, scores);
            if (isnan(value))
                met = wh_fail(err, WHIT_ERR_BAR, "%s does not exist here, and the bar is %.*s",
                              b.name->name, (int)b.len, b.text);
            else if (is_met(&b, value))
                met = wh_fail(err, WHIT_ERR_BAR, "%s is %.6g, and the bar is %.*s", b.name->name,
                              value, (int)b.len, b.text);
        }
        p += b.len;
        if (*p == '\0') return met;
    }
}

whit_status whit_eval_bar_check(const char *text, const whit_eval_options *options, whit_error *err)
{
    if (!options || options->struct_size != sizeof *options)
        return wh_fail(err, WHIT_ERR_ARG, "whit_eval_bar_check: no options");
    return walk(text,
                (options->choices ? WH_EVAL_OF_CHOICES : WH_EVAL_OF_TEXT) |
                    (options->base ? WH_EVAL_OF_BASE : 0u),
                NULL, err);
}

whit_status whit_eval_bar_hold(const char *text, const whit_eval *eval, whit_error *err)
{
    return walk(text,
                (eval->score ? WH_EVAL_OF_CHOICES : WH_EVAL_OF_TEXT) |
                    (eval->base ? WH_EVAL_OF_BASE : 0u),
                eval, err);
}
