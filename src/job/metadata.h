/* src/job/metadata.h - a value of typed metadata as text.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_METADATA_H
#define WH_JOB_METADATA_H

#include <whit/file.h>
#include "base/buf.h"

/* As JSON: a number, true, false, a string; an array as {"type":"string","count":512}. Numbers that
 * are not finite are null; a string ends at its first NUL. */
void wh_metadata_json(wh_buf *b, const whit_kv *kv);

/* For people: strings as they are where they are text, arrays as [512 string], the rest as above.
 */
void wh_metadata_text(wh_buf *b, const whit_kv *kv);

#endif
