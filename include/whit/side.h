/* include/whit/side.h - the small files of a model, each by itself: is it sound, and can a model
 * with it be run?
 *
 * config.json and tokenizer.json. An index of shards is opened as a model (whit/source.h).
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_SIDE_H
#define WHIT_SIDE_H

#include <stdio.h>

#include <whit/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct whit_side whit_side;

/*
 * Read a small file, as whit_model_open or whit_tokenizer_open would in its folder. What it is goes
 * by the names of its members, never by its own.
 *
 *   out  NULL with WHIT_OK: it is something else, or is not there; ask whit_source_open
 *
 * Errors: WHIT_ERR_FORMAT (malformed, or contradicts itself), WHIT_ERR_UNSUPPORTED (an
 * architecture, a kind of tokenizer or a part of one that is not known, by name), WHIT_ERR_IO (it
 * is there and cannot be read), WHIT_ERR_NOMEM.
 */
WHIT_API whit_status whit_side_open(whit_side **out, const char *path, whit_error *err);
WHIT_API void whit_side_close(whit_side *side); /* NULL is fine */

/* "config.json" or "tokenizer.json": what it is. */
WHIT_API const char *whit_side_format(const whit_side *side);

/* For people, and one JSON object with the members of whit_source_write_json, tensors empty.
 * checked: say that it is sound, which it is. Errors on out are left to the caller's ferror. */
WHIT_API void whit_side_write_text(const whit_side *side, int checked, FILE *out);
WHIT_API void whit_side_write_json(const whit_side *side, int checked, FILE *out);

#ifdef __cplusplus
}
#endif
#endif
