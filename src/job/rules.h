/* src/job/rules.h - which scheme each tensor gets: the default, its exceptions, the user's rules.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_RULES_H
#define WH_JOB_RULES_H

#include <whit/scheme.h>
#include "base/buf.h"

typedef struct wh_rules wh_rules;

typedef struct wh_choice {
    whit_scheme scheme;
    const char *reason; /* static text; why the tensor is kept: "embedding", "output head",
                           "router", "1-dimensional", "integer", "small", ..; NULL if it is not */
    const char *rule;   /* glob text that decided (owned by the rules); NULL: built-in choice   */
    int fallback;       /* 1: a rule named it, but its scheme cannot hold such a tensor        */
} wh_choice;

/*
 * default_scheme, embeddings, head: scheme texts; the latter two may be NULL.
 * rules: "GLOB=SCHEME", split at the last '='. Errors: WHIT_ERR_ARG quoting the text.
 */
whit_status wh_rules_make(wh_rules **out, const char *default_scheme, const char *embeddings,
                          const char *head, const char *const *rules, size_t count,
                          whit_error *err);
void wh_rules_free(wh_rules *rules); /* NULL is fine */

/* Decide for one tensor and remember which rules matched. Errors: WHIT_ERR_NOMEM. */
whit_status wh_rules_choose(wh_rules *rules, const whit_tensor *tensor, wh_choice *out,
                            whit_error *err);

/* Rules that have matched no tensor so far: how many there are, and the text of the i-th. */
size_t wh_rules_unmatched(const wh_rules *rules);
const char *wh_rules_unmatched_at(const wh_rules *rules, size_t i);

/*
 * The recipe as lines "GLOB SCHEME\n": first "* DEFAULT", then the exact (escaped) names that
 * embeddings and head decided so far, then the rules, schemes in canonical form. Applied to the
 * same model it gives the same choices. Call it after all wh_rules_choose.
 */
void wh_rules_recipe(const wh_rules *rules, wh_buf *out);

#endif
