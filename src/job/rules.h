/* src/job/rules.h - which scheme each tensor gets: the default, its exceptions, the user's rules.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_RULES_H
#define WH_JOB_RULES_H

#include "base/buf.h"
#include "job/recipe.h"

typedef struct wh_rules wh_rules;

typedef struct wh_choice {
    whit_scheme scheme;
    const char *reason; /* static text; why the tensor is kept: "embedding", "output head",
                           "router", "1-dimensional", "integer", "small", ..; NULL if it is not */
    const char *rule;   /* glob text that decided (owned by the rules); NULL: built-in choice   */
    int fallback;       /* 1: a rule named it, but its scheme cannot hold such a tensor        */
} wh_choice;

/*
 * default_scheme, embeddings, head: scheme texts; the latter two may be NULL. A default that is a
 * mix (mix.h) keeps everything unless wh_rules_begin_with says otherwise.
 * rules: "GLOB=SCHEME", split at the last '='. Errors: WHIT_ERR_ARG quoting the text.
 */
whit_status wh_rules_make(wh_rules **out, const char *default_scheme, const char *embeddings,
                          const char *head, const char *const *rules, size_t count,
                          whit_error *err);
void wh_rules_free(wh_rules *rules); /* NULL is fine */

/* Add the lines of a recipe (not its default, which wh_rules_make is given); *recipe is empty
 * afterwards. They rank below embeddings, head and rules. Before the first choice. */
void wh_rules_take(wh_rules *rules, wh_recipe *recipe);

/* Decide for one tensor and remember which rules matched. Errors: WHIT_ERR_NOMEM. */
whit_status wh_rules_choose(wh_rules *rules, const whit_tensor *tensor, wh_choice *out,
                            whit_error *err);

/* What a name says about a tensor, by its last part before ".weight". */
typedef enum wh_name_sort { WH_NAME_OTHER, WH_NAME_EMBEDDING, WH_NAME_HEAD } wh_name_sort;
wh_name_sort wh_rules_name_sort(const char *name);

/* Who has a say about a tensor, in the order in which they are asked. */
typedef enum wh_voter {
    WH_VOTE_EXCEPTION, /* built in: not quantized by default */
    WH_VOTE_DEFAULT,
    WH_VOTE_RECIPE,
    WH_VOTE_EMBEDDINGS,
    WH_VOTE_HEAD,
    WH_VOTE_RULE
} wh_voter;

typedef struct wh_vote {
    wh_voter by;
    wh_rule *rule; /* of the rules; NULL unless by is RECIPE or RULE */
    whit_scheme scheme;
    const char *reason; /* for a scheme that is keep */
} wh_vote;

typedef void wh_vote_fn(void *ctx, const wh_vote *vote);

/* The first vote, of the built-in choice, may be another one in some formats: it is changed by
 * `begin`, which knows the tensor by its name. Before the first choice. */
typedef void wh_begin_fn(void *ctx, const whit_tensor *tensor, wh_vote *first);
void wh_rules_begin_with(wh_rules *rules, wh_begin_fn *begin, void *ctx);

/* Everything that is said about a tensor, in order: the last one is what wh_rules_choose goes by.
 * There is at least one. Errors: WHIT_ERR_NOMEM. */
whit_status wh_rules_ask(wh_rules *rules, const whit_tensor *tensor, wh_vote_fn *say, void *ctx,
                         whit_error *err);

/* The lines that wh_rules_take gave it, with what has matched so far. */
const wh_recipe *wh_rules_lines(const wh_rules *rules);

/* Rules (not lines of the recipe) that have matched no tensor so far: how many there are, and the
 * text of the i-th. */
size_t wh_rules_unmatched(const wh_rules *rules);
const char *wh_rules_unmatched_at(const wh_rules *rules, size_t i);
/* 1 if a scheme for them was given, and so far there was no such tensor. */
int wh_rules_embeddings_unmatched(const wh_rules *rules);
int wh_rules_head_unmatched(const wh_rules *rules);

/*
 * The recipe as lines "GLOB SCHEME\n": first "* DEFAULT", then the exact (escaped) names that
 * embeddings and head decided so far, then the rules, schemes in canonical form; the lines of a
 * recipe that was read come before those. Of lines with the same glob only the last is written.
 * Read again for the same model, with or without the same options, it gives the same choices and is
 * written as the same text. Call it after all wh_rules_choose.
 */
void wh_rules_recipe(const wh_rules *rules, wh_buf *out);

#endif
