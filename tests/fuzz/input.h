/* tests/fuzz/input.h - the input of a fuzz target as a file, in a folder of its own.
 *
 * The folder is made at the first input and removed when the program ends; TMPDIR on a file system
 * in memory makes a fuzzer much faster.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_FUZZ_INPUT_H
#define WHIT_FUZZ_INPUT_H

#include <whit/base.h>

#include <fcntl.h>

#include "scratch.h"

typedef struct fuzz_input {
    scratch folder;
    char path[SCRATCH_PATH];
    int fd; /* 0: not open yet */
} fuzz_input;

static fuzz_input input;

static inline void require(int truth)
{
    if (!truth) abort();
}

static inline void input_remove(void)
{
    scratch_remove(&input.folder);
}

/* The octets are the file of that name from now on. Returns 1 the first time: other files that the
 * target needs may be put into the folder then. */
static inline int input_put(const char *name, const uint8_t *data, size_t size)
{
    const int first = input.fd == 0;
    if (first) {
        scratch_make(&input.folder);
        atexit(input_remove);
        input.fd =
            open(scratch_path(&input.folder, name, input.path), O_RDWR | O_CREAT | O_EXCL, 0600);
        require(input.fd > 0);
    }
    require(ftruncate(input.fd, 0) == 0);
    require(pwrite(input.fd, data, size, 0) == (ssize_t)size);
    return first;
}

/* The input was refused: it must be for its content, in one line that holds the name. */
static inline void input_refused(whit_status st, const whit_error *err, const char *name)
{
    require(err->code == st && strstr(err->msg, name));
    require(st == WHIT_ERR_FORMAT || st == WHIT_ERR_UNSUPPORTED);
    for (const char *p = err->msg; *p; p++) require((unsigned char)*p >= ' ' && *p != 0x7f);
}

#endif
