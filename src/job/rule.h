/* src/job/rule.h - one rule: a glob and the scheme of the tensors it matches.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_RULE_H
#define WH_JOB_RULE_H

#include <whit/scheme.h>
#include "job/glob.h"

typedef struct wh_rule {
    char *text; /* GLOB, as the user wrote it */
    wh_glob *glob;
    whit_scheme scheme;
    size_t line;  /* in its recipe, from 1; 0: it came with the command */
    size_t first; /* line of the recipe that has the same glob already; 0: none */
    int matched;  /* some tensor, even if a later rule decided */
} wh_rule;

/* From the first len octets of glob and the text of a scheme. The glob must fit into a line of a
 * recipe. Errors: WHIT_ERR_ARG, WHIT_ERR_NOMEM; *out must then still be freed. */
whit_status wh_rule_make(wh_rule *out, const char *glob, size_t len, const char *scheme,
                         whit_error *err);
void wh_rule_free(wh_rule *rule);

#endif
