/* src/job/compare.h - a comparison as text and JSON see it.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_COMPARE_H
#define WH_JOB_COMPARE_H

#include <whit/job.h>
#include "base/lines.h"

struct whit_comparison {
    whit_compare_row *row; /* [count], worst first */
    size_t count;
    whit_compare_row total;
    wh_lines warnings;
};

#endif
