/* src/print/method_text.h - what a method did, for people and as JSON.
 * SPDX-License-Identifier: MIT */
#ifndef WH_PRINT_METHOD_TEXT_H
#define WH_PRINT_METHOD_TEXT_H

#include "job/plan.h"
#include "print/page.h"

/* The member "method" of a tensor; nothing where no method was asked for. */
void wh_method_json(wh_buf *b, const whit_plan *plan, size_t i);
/* What goes behind the row of a tensor. */
void wh_method_row(wh_page *p, const whit_plan *plan, size_t i);
/* Lines below the table; done: it has run. */
void wh_method_lines(wh_page *p, const whit_plan *plan, int done);

#endif
