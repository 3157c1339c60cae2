/* src/job/recipe.h - recipes: files of rules.
 *
 *   # comment                       a line of its own
 *   * int4-g128                     the first rule, with the glob *: the default, as --scheme
 *   model.layers.{0..3}.* int8      GLOB, blanks, SCHEME; the last line that matches wins
 *
 * Lines end in LF or CR LF; blanks are spaces and tabs. The text is UTF-8. There are no includes
 * and no escapes ([ ] is a space, [*] a star). The same text is the metadata value whit.recipe of
 * every output, so that it can be used again. To say something about every tensor, embeddings and
 * head included, write ** or another line before it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_RECIPE_H
#define WH_JOB_RECIPE_H

#include "job/rule.h"

#define WH_RECIPE_BYTES ((size_t)1 << 20)
#define WH_RECIPE_LINES ((size_t)100000)

typedef struct wh_recipe {
    char *name;                      /* of the file, for messages */
    char standard[WHIT_SCHEME_TEXT]; /* the default that it names; "" when it names none */
    wh_rule *rule;                   /* [count], in the order of the lines */
    size_t count, cap;
    size_t bytes; /* of the text */
} wh_recipe;      /* zero-initialise */

/*
 * Read a recipe: from text of len octets that came from the file `name`, or from the file itself.
 * Errors: WHIT_ERR_ARG "NAME:LINE: what is wrong; try: .." (also: too large), WHIT_ERR_NOMEM; of a
 * file also WHIT_ERR_IO, WHIT_ERR_UNSUPPORTED (no regular file). *out is empty then.
 */
whit_status wh_recipe_parse(wh_recipe *out, const char *name, const char *text, size_t len,
                            whit_error *err);
whit_status wh_recipe_read(wh_recipe *out, const char *path, whit_error *err);
void wh_recipe_free(wh_recipe *recipe);

#endif
