/* tests/kernels/tiles.h - the tile instructions of AMX on processors that do not have them.
 *
 * The processor refuses such an instruction with a signal; its handler reads the instruction as the
 * compiler encoded it, executes it in plain C on tiles that belong to the thread, and goes on
 * behind it. So the code that is tested is the code that runs where there is AMX: its machine code.
 * What a processor would refuse (tiles that were never configured, shapes that do not fit) ends the
 * program. Linux on x86-64; elsewhere nothing is installed.
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_TESTS_TILES_H
#define WHIT_TESTS_TILES_H

#include <stddef.h>

typedef enum tiles_by {
    TILES_NONE,    /* no way to execute them here */
    TILES_TRAPPED, /* by the handler */
    TILES_REAL     /* by the processor */
} tiles_by;

/* Call once, before any thread starts. */
tiles_by tiles_open(void);

/* Trapped: instructions so far, and threads that hold tiles now. */
size_t tiles_executed(void);
size_t tiles_holders(void);

#endif
