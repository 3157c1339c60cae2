/* src/io/outset.h - a set of output files that appears whole or not at all.
 *
 * A set is one file, a folder with several, or several files side by side in a folder that is none
 * of our business. Every file is written under a temporary name beside its place
 * (".NAME.whit-tmp"), fsynced and renamed; several one by one, the last of the list (the index, or
 * the only model file) last, so that the set is complete when that is there.
 * A lock file beside the output (".OUT.whit-lock", held by an fcntl or flock lock, so a killed
 * run leaves it open) keeps a second run out; the next run removes what a killed one left.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_IO_OUTSET_H
#define WH_IO_OUTSET_H

#include "base/error.h"

typedef struct wh_outset wh_outset;

typedef struct wh_outset_spec {
    const char *path;          /* the file, or the folder (a trailing slash is fine); of files side
                                  by side the name that stands for all, which need not be one   */
    int folder;                /* 1: a folder; it is created if missing (its parent is not)      */
    const char *const *names;  /* [count] plain names inside the folder; without one, beside path;
                                  for a single file NULL                                         */
    size_t count;              /* for a single file 1                                            */
    int force;                 /* replace files that exist                                       */
    const char *const *inputs; /* [inputs_count] paths of the files being read: none of them may
                                  be replaced (compared by device and inode, links followed)    */
    size_t inputs_count;
    uint64_t bytes; /* what will be written: compared with the free space                     */
} wh_outset_spec;

/*
 * Take the lock, check that nothing is in the way, remove leftovers of a killed run, create the
 * folder if needed and every temporary file (empty).
 * Errors: WHIT_ERR_ARG (exists and no force; is the input, even with force; locked by another run;
 * a folder where a file should be or the reverse); WHIT_ERR_IO (not writable; not enough space:
 * names what is needed and what is there). Nothing is left behind on error.
 */
whit_status wh_outset_open(wh_outset **out, const wh_outset_spec *spec, whit_error *err);

/* The descriptor and (for messages) final path of file k, until commit. */
int wh_outset_fd(const wh_outset *set, size_t k);
const char *wh_outset_path(const wh_outset *set, size_t k);

/*
 * fsync everything, then make it appear. With force in a folder: the old index
 * (model.safetensors.index.json) or only model file (model.safetensors) goes first, right before
 * the renames; at the end the .safetensors shards that an old index named (plain names only) and
 * this set did not write are removed. Of files side by side, a file of the name that stands for all
 * goes first.
 * On error before the first rename nothing has changed; the set must still be closed.
 */
whit_status wh_outset_commit(wh_outset *set, whit_error *err);

/* Without commit: removes every temporary file, and the folder if open created it. Releases and
 * removes the lock. NULL is fine. */
void wh_outset_close(wh_outset *set);

#endif
