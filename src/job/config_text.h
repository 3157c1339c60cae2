/* src/job/config_text.h - config.json of an output: the text of the source with another member that
 * says how weights are stored, or without one.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_CONFIG_TEXT_H
#define WH_JOB_CONFIG_TEXT_H

#include "base/buf.h"
#include "job/companions.h"

/* Of config.json, which is read whole. */
#define WH_CONFIG_LIMIT ((uint64_t)1 << 26)

/* 1 for a member that says how the weights are stored. */
int wh_config_says_stored(const char *key);

/* Put the text of the source's config.json with quantization_config = object, NULL: with none.
 * Errors: WHIT_ERR_FORMAT (it is no object), WHIT_ERR_IO, WHIT_ERR_NOMEM. */
whit_status wh_config_put(wh_companions *c, const whit_file *file, const wh_buf *object,
                          whit_error *err);
/* An output that is no checkpoint of another program: of plain weights it must not say that they
 * are quantized; else that it does is a warning. Errors: those of wh_config_put. */
whit_status wh_config_settle(wh_companions *c, const whit_file *file, int plain, wh_lines *warnings,
                             whit_error *err);

#endif
