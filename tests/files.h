/* tests/files.h - opening a file of the scratch folder, or being refused it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_FILES_H
#define WHIT_FILES_H

#include <whit/file.h>

#include "check.h"
#include "scratch.h"

/* Open `name`; a failure must have that status and those words. */
static inline whit_file *files_open(const scratch *s, const char *name, whit_status want,
                                    const char *words)
{
    char path[SCRATCH_PATH];
    whit_error err = { WHIT_OK, "" };
    whit_file *f = NULL;
    whit_status st = whit_file_open(&f, scratch_path(s, name, path), &err);
    CHECK(st == want, "%s: status %d, %s", name, (int)st, err.msg);
    CHECK(strstr(err.msg, words), "%s: \"%s\" lacks \"%s\"", name, err.msg, words);
    return f;
}

#endif
