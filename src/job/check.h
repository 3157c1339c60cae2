/* src/job/check.h - the findings of a check as text and JSON see them.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_CHECK_H
#define WH_JOB_CHECK_H

#include <whit/job.h>
#include "base/lines.h"

struct whit_check {
    wh_lines problems, notes;
};

#endif
