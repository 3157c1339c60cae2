/* src/io/journal.h - a file of records that grows, and that a killed run leaves whole up to what
 * was committed last.
 *
 * Octets, little-endian: "whitlog1", 64 octets that name the plan; then records: u32 kind, u32 key,
 * u64 length, data. Kind 0 commits everything before it: its data are the u32 CRC-32 of all octets
 * since the commit before. What follows the last good commit is cut off when the file is taken up.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_IO_JOURNAL_H
#define WH_IO_JOURNAL_H

#include "base/crc32.h"
#include "base/error.h"

#define WH_JOURNAL_PLAN 64 /* octets */

typedef struct wh_journal {
    int fd;
    char *path, *folder; /* NULL: the file has no name */
    uint64_t end;
    uint32_t sum;
    wh_crc32 crc;
} wh_journal; /* zero-initialise, with fd -1 */

/* Told of each committed record when a file is taken up: where its data are. */
typedef whit_status wh_journal_fn(void *ctx, uint32_t kind, uint32_t key, uint64_t offset,
                                  uint64_t len, whit_error *err);

/*
 * Open OUTPUT.partial/NAME and take up what is committed there, or begin it; the caller holds the
 * output's lock. Errors: WHIT_ERR_ARG (of another plan), WHIT_ERR_FORMAT (not a journal),
 * WHIT_ERR_IO, WHIT_ERR_NOMEM, those of fn. Close it then, too.
 */
whit_status wh_journal_open(wh_journal *j, const char *output, const char *name,
                            const char plan[WH_JOURNAL_PLAN], wh_journal_fn *fn, void *ctx,
                            whit_error *err);
/* The same without a name: nothing of it is left behind. */
whit_status wh_journal_open_spill(wh_journal *j, const char *output, whit_error *err);

/* Append a record of kind 1 or above; *offset (may be NULL): where its data are. */
whit_status wh_journal_add(wh_journal *j, uint32_t kind, uint32_t key, const void *data,
                           uint64_t len, uint64_t *offset, whit_error *err);
/* What was added is on the disk, and counts. */
whit_status wh_journal_commit(wh_journal *j, whit_error *err);
whit_status wh_journal_read(const wh_journal *j, uint64_t offset, void *data, uint64_t len,
                            whit_error *err);

void wh_journal_close(wh_journal *j);
/* Remove OUTPUT.partial/NAME and the folder, if it is empty then: after success, or what an earlier
 * run left. No journal is open there. */
void wh_journal_remove(const char *output, const char *name);

#endif
