/* src/job/eval.h - between the files of the evaluation: ids and windows, rows of logits, sums,
 * questions, results.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_EVAL_H
#define WH_JOB_EVAL_H

#include <whit/eval.h>
#include "base/buf.h"
#include "base/lines.h"
#include "job/stream.h"
#include "model/ops.h"

#define WH_EVAL_CONTEXT 2048              /* unless the caller says; and no more than the models' */
#define WH_EVAL_TEXT ((uint64_t)1 << 30)  /* octets of a text or of questions, at most      */
#define WH_EVAL_LOGITS ((size_t)64 << 20) /* octets of logits held for a model              */
#define WH_EVAL_ROWS 256                  /* positions whose logits are held, at most       */
#define WH_EVAL_PLACES 10

/* ---- logits to numbers (eval_rows.c) ----------------------------------------------------------
 */

enum { WH_EVAL_BAD = 1, WH_EVAL_BAD_BASE };

typedef struct wh_eval_row {
    double nll, base_nll, kl;
    uint32_t top, base_top; /* only with a base */
    int bad;                /* WH_EVAL_BAD..: a logit of that one is not finite; 0: none */
} wh_eval_row;

/* n logits of one position; base: those of the base, or NULL. target < n. */
void wh_eval_row_of(const wh_ops *ops, const float *logits, const float *base, size_t n,
                    uint32_t target, wh_eval_row *out);

typedef struct wh_eval_rows {
    const wh_ops *ops;
    const float *logits, *base; /* [count][vocabulary]; base may be NULL */
    size_t vocabulary, count;
    const uint32_t *target; /* [count] */
    wh_eval_row *row;       /* [count] */
} wh_eval_rows;
/* All of them, on the threads of the context. */
void wh_eval_rows_run(whit_context *context, const wh_eval_rows *rows);

/* e^-nll */
double wh_eval_probability(double nll);

/* ---- ids and windows (eval_ids.c) -------------------------------------------------------------
 */

typedef struct wh_eval_text {
    whit_ids ids;
    size_t *begin; /* [stories + 1], in ids; without stories the whole text is one */
    size_t stories, cap;
    uint64_t octets; /* that are not UTF-8 */
} wh_eval_text;      /* zero-initialise */

/* Octets that are not UTF-8 become byte tokens. Errors: those of whit_tokenize; WHIT_ERR_FORMAT (no
 * token for an octet). */
whit_status wh_eval_tokenize(const whit_tokenizer *t, const char *text, size_t len, whit_ids *ids,
                             uint64_t *octets, whit_error *err);
/* The whole text; stories: each stretch without empty line is one, by itself. */
whit_status wh_eval_text_read(wh_eval_text *out, const whit_tokenizer *t, const char *text,
                              size_t len, int stories, whit_error *err);
/* Keep the first `most` ids. */
void wh_eval_text_cut(wh_eval_text *text, uint64_t most);
void wh_eval_text_free(wh_eval_text *text);

typedef struct wh_eval_window {
    size_t first, ids; /* of the text */
    int start;         /* 1: the start of text goes before them */
    size_t scored;     /* the first token of the window that is scored; at least 1 */
} wh_eval_window;
static inline size_t wh_eval_window_tokens(const wh_eval_window *w)
{
    return w->ids + (w->start ? 1 : 0);
}
/* The windows of a text, freed with free(). start: a start of text is put where the protocol says.
 * *count 0: the text is too short. Errors: WHIT_ERR_NOMEM. */
whit_status wh_eval_windows(const wh_eval_text *text, whit_eval_protocol protocol, size_t context,
                            int start, wh_eval_window **out, size_t *count, whit_error *err);

/* ---- sums (eval_sum.c) ------------------------------------------------------------------------
 */

enum { WH_EVAL_NLL, WH_EVAL_BASE, WH_EVAL_KL, WH_EVAL_APART, WH_EVAL_SERIES };

/* A mean and its standard error (NaN: there is none). */
typedef struct wh_eval_estimate {
    double mean, error;
    double token_error; /* were all tokens independent */
    uint64_t freedom;   /* degrees of it, behind error */
} wh_eval_estimate;

typedef struct wh_eval_spot {
    uint64_t position, window; /* of the token in the text's ids */
    wh_eval_row row;
} wh_eval_spot;

typedef struct wh_eval_tally {
    size_t windows, window;      /* how many there are, which one it is */
    uint64_t *count;             /* [windows] tokens that are scored */
    double *sum[WH_EVAL_SERIES]; /* [windows] */
    double square[WH_EVAL_SERIES];
    float *kl; /* [kls], with a base */
    size_t kls, kl_cap;
    uint64_t tokens, same;
    double kl_most, apart; /* sum of (q(t) - p(t))^2 */
    wh_eval_spot worst[WH_EVAL_PLACES];
    size_t spots;
} wh_eval_tally;

/* tokens: how many will be scored in all. Errors: WHIT_ERR_NOMEM. */
whit_status wh_eval_tally_open(wh_eval_tally *t, size_t windows, uint64_t tokens, int base,
                               whit_error *err);
void wh_eval_tally_close(wh_eval_tally *t);
/* The next token, of the window t->window, at `position` of the ids. */
void wh_eval_tally_add(wh_eval_tally *t, const wh_eval_row *row, uint64_t position);
wh_eval_estimate wh_eval_tally_estimate(const wh_eval_tally *t, int series);
/* The figures; sorts t->kl. */
void wh_eval_tally_scores(wh_eval_tally *t, whit_eval_scores *out);

double wh_eval_quantile(const float *sorted, size_t n, double p);
/* Student's t that 97.5 % are below, within 1e-4. freedom 0: NaN. */
double wh_eval_student(uint64_t freedom);
/* Of n coins: the chance of so few heads, or of so few tails. */
double wh_eval_coins(uint64_t heads, uint64_t tails);

/* ---- questions (eval_choices.c) ---------------------------------------------------------------
 */

typedef struct wh_eval_question {
    char *prompt, *tag; /* tag NULL: none */
    char **choice;      /* [choices] */
    size_t choices, cap, answer;
    uint64_t line;
} wh_eval_question;

typedef struct wh_eval_questions {
    wh_eval_question *question;
    size_t count, cap;
} wh_eval_questions; /* zero-initialise */

/* label is for messages. Errors: WHIT_ERR_FORMAT naming the line, WHIT_ERR_NOMEM. */
whit_status wh_eval_questions_read(wh_eval_questions *out, const char *label, const char *text,
                                   size_t len, whit_error *err);
void wh_eval_questions_free(wh_eval_questions *q);

/* ---- the run (eval.c) -------------------------------------------------------------------------
 */

typedef struct wh_eval_side {
    const char *path;
    whit_model *model;
    whit_tokenizer *tokenizer;
    whit_session *session;
    float *logits; /* [rows][vocabulary] */
} wh_eval_side;

struct whit_eval {
    whit_eval_options o;       /* texts are borrowed while it runs */
    char *path, *base, *input; /* as given; base may be NULL; the text or the questions */
    wh_eval_side side[2];      /* model, base; open while it runs */
    size_t sides, rows;
    wh_eval_row *row; /* [rows] */
    size_t context, vocabulary;
    int64_t start; /* id of the start of a text; -1: none */
    int starts;    /* 1: the tokenizer puts it before a text */
    const char *isa;
    unsigned threads;
    wh_meter meter;      /* in tokens, of choices in questions */
    double began, ended; /* when the first token was fed; when all was done */
    uint64_t fed;        /* tokens, by both */
    wh_lines warnings;
    whit_eval_scores scores;
    whit_eval_place place[WH_EVAL_PLACES];
    char *place_text[WH_EVAL_PLACES][4];
    size_t places;
    whit_eval_score *score; /* [scores_count] */
    char **tag;             /* [scores_count] */
    size_t score_count;
};

/* Feed the tokens behind those that the sessions have, and make rows of all whose logits predict
 * token[scored] or a later one: `take` gets them in order, i the index of the predicted token.
 * Errors: WHIT_ERR_NUMERIC, WHIT_ERR_CANCELLED, those of whit_session_feed. */
typedef void wh_eval_take(void *ctx, size_t i, const wh_eval_row *row);
whit_status wh_eval_feed(whit_eval *e, const uint32_t *token, size_t count, size_t scored,
                         const char *what, wh_eval_take *take, void *ctx, whit_error *err);

whit_status wh_eval_run_text(whit_eval *e, const char *text, size_t len, whit_error *err);
whit_status wh_eval_run_choices(whit_eval *e, const wh_eval_questions *questions, whit_error *err);

/* ---- names of results (eval_names.c) ----------------------------------------------------------
 */

/* Of texts, of choices; with a base only. */
enum { WH_EVAL_OF_TEXT = 1, WH_EVAL_OF_CHOICES = 2, WH_EVAL_OF_BASE = 4 };

typedef struct wh_eval_name {
    const char *name; /* "kl.mean": member mean of kl */
    size_t at;        /* in whit_eval_scores or whit_eval_score */
    int whole;        /* 1: uint64_t, else double */
    unsigned of;
} wh_eval_name;
extern const wh_eval_name wh_eval_names[]; /* in the order of the JSON; ends with a NULL */

/* The value of that name in whit_eval_scores or whit_eval_score. */
double wh_eval_value(const wh_eval_name *name, const void *scores);

/* print/eval_text.c: a token's text as one line, control characters and what is not UTF-8 written
 * out. */
void wh_eval_put_line(wh_buf *b, const char *text);

#endif
