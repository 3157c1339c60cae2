/* src/job/companions.h - the small files beside the weights of a model folder: config, tokenizer.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_COMPANIONS_H
#define WH_JOB_COMPANIONS_H

#include <whit/source.h>
#include "base/lines.h"

/* Carried over from the source, or of its own text. */
typedef struct wh_companion {
    char *name;
    char *text; /* NULL: as in the source */
    size_t len;
} wh_companion;

typedef struct wh_companions {
    wh_companion *file;
    size_t count;
    int says_stored; /* config.json says how weights are stored */
    int turned;      /* it is of a model whose weights are inputs x outputs */
} wh_companions;     /* zero-initialise */

/* left_behind.c: a warning with the names of other small files in the folder that a model may need.
 * Errors: WHIT_ERR_IO, WHIT_ERR_NOMEM. */
whit_status wh_tell_left(const char *folder, wh_lines *warnings, whit_error *err);

/* The names that are looked for; NULL from the last one on. */
const char *wh_companion_name(size_t i);

/* Those that the folder of a source has; NULL: none. Odd config files become warnings, and the
 * names of other small files in it that a model may need. Errors: WHIT_ERR_IO, WHIT_ERR_NOMEM. */
whit_status wh_companions_find(wh_companions *c, const whit_file *file, wh_lines *warnings,
                               whit_error *err);
/* One of that name and text (copied), in place of one that would be carried over. Errors:
 * WHIT_ERR_NOMEM. */
whit_status wh_companions_put(wh_companions *c, const char *name, const char *text, size_t len,
                              whit_error *err);
/* To the file behind fd; name is what messages call it. */
whit_status wh_companion_write(const wh_companion *c, const whit_source *source, int fd,
                               const char *name, whit_error *err);
void wh_companions_free(wh_companions *c);

#endif
