/* src/base/pages.h - large blocks of memory, on huge pages where the system gives them.
 * SPDX-License-Identifier: MIT */
#ifndef WH_BASE_PAGES_H
#define WH_BASE_PAGES_H

#include <stddef.h>

/* Zeroed, 64-byte aligned; from 8 MiB on 2 MiB aligned with huge pages asked for (a hint: nothing
 * fails where it is refused). Pages are placed by the thread that first writes to them.
 * NULL: no memory. bytes 0 counts as 1. */
void *wh_pages_alloc(size_t bytes);
/* The same without huge pages, where the system lets one ask for that: to measure what they are
 * worth. */
void *wh_pages_alloc_small(size_t bytes);
void wh_pages_free(void *data, size_t bytes); /* NULL is fine; bytes as asked for */

/* How many octets of the block lie on huge pages now; 0 where the system does not tell. */
size_t wh_pages_huge(const void *data, size_t bytes);

#endif
