/* src/job/blame.h - which layer made what is not finite.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_BLAME_H
#define WH_JOB_BLAME_H

#include <whit/model.h>

#include "base/error.h"

/* Why a logit behind these tokens is not finite. The session is fed them anew. Returns
 * WHIT_ERR_NUMERIC with the layer in the message, or another error. */
whit_status wh_blame(whit_model *model, whit_session *session, const uint32_t *token, size_t count,
                     whit_error *err);

#endif
