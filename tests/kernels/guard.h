/* tests/kernels/guard.h - memory between unreadable pages, and the name of the case at work.
 *
 * A block is placed flush against one of the two pages; the octets next to it on its other side,
 * and the block itself until it is written, are all 0xff: a NaN to whoever reads them by mistake,
 * a canary to whoever writes there. What cannot be mapped ends the program.
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_TESTS_GUARD_H
#define WHIT_TESTS_GUARD_H

#include <stddef.h>

typedef struct guard {
    unsigned char *base; /* between the pages */
    size_t bytes;
} guard;

typedef enum guard_side {
    GUARD_END,   /* the block ends where the page begins, as far as its alignment allows */
    GUARD_START, /* the block begins where the page ends */
    GUARD_SIDES
} guard_side;

void guard_open(guard *g, size_t bytes);
void guard_close(guard *g);
void *guard_place(const guard *g, size_t bytes, size_t align, guard_side side);
/* guard_place with a copy of the octets; NULL for NULL. */
void *guard_put(const guard *g, const void *data, size_t bytes, size_t align, guard_side side);
/* Whether the octets next to the block are still as guard_place left them. */
int guard_intact(const guard *g, const void *block, size_t bytes);

/* What is printed when the program touches memory that it must not. */
void guard_case(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *guard_case_name(void);

#endif
