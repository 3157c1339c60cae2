/* src/io/lock.h - the lock that keeps a second run out of an output.
 * SPDX-License-Identifier: MIT */
#ifndef WH_IO_LOCK_H
#define WH_IO_LOCK_H

#include "base/error.h"

/*
 * Hold an open file against everybody else who asks with this call, without waiting, until its
 * last descriptor is closed (so a killed process holds nothing).
 *
 * 1: held, and path still is that file. 0: somebody holds it. -1: errno says why; ESTALE when path
 * has become another file, or none: open it again.
 */
int wh_hold(int fd, const char *path);

typedef struct wh_lock {
    int fd;
    char *path; /* NULL while it is not held */
} wh_lock;      /* zero-initialise */

/*
 * Take the lock of an output, a file or (folder: 1) a folder that may not exist yet; path without
 * trailing slash. The lock file ".NAME.whit-lock" stands beside the output. An existing folder
 * whose parent is not writable (a mounted disk, say) has it inside.
 * Errors: WHIT_ERR_ARG (another run holds it; something else has its name), WHIT_ERR_IO (the
 * folder is missing or not writable), WHIT_ERR_NOMEM.
 */
whit_status wh_lock_take(wh_lock *lock, const char *path, int folder, whit_error *err);

/* Removes the lock file, then lets go. Fine when nothing is held. */
void wh_lock_release(wh_lock *lock);

#endif
