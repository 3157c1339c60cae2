/* src/job/digests.h - SHA-256 of every tensor that a job writes, taken while it is written.
 *
 * A digest is a sum in order, and tiles are made by many threads: each takes its turn, tile by
 * tile, with the octets that it has just made. What comes in another way, or in another order (rows
 * in parts, a run that goes on where another stopped), is read back at the end.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_DIGESTS_H
#define WH_JOB_DIGESTS_H

#include "job/stream.h"
#include "job/target.h"

#define WH_DIGESTS_KEY "whit.sha256"

typedef struct wh_digests wh_digests;

/* For all tensors of the layout, which is borrowed, and workers that begin with tile 0. NULL: no
 * memory. */
wh_digests *wh_digests_make(const wh_layout *layout, unsigned workers);
void wh_digests_free(wh_digests *d); /* NULL is fine */

/* A worker has made octets of its tile, which stay where they are until it takes its turn. */
void wh_digests_note(wh_digests *d, unsigned worker, wh_spot spot, uint64_t offset,
                     const void *data, size_t len);
/* Wait for the tiles below, then add what the worker noted, which it forgets. Every tile has its
 * turn, also one without notes. */
void wh_digests_turn(wh_digests *d, unsigned worker, uint64_t tile);
/* A tile has failed: nobody waits any more, and no digest is worth anything. */
void wh_digests_stop(wh_digests *d);
/* At once: a tensor that is nobody else's now. */
void wh_digests_add(wh_digests *d, wh_spot spot, uint64_t offset, const void *data, size_t len);

/* All data is written: read back what is missing, with the workers' buffers for tiles of so many
 * elements, and put the digests into the metadata. Errors: WHIT_ERR_IO, WHIT_ERR_FORMAT,
 * WHIT_ERR_NOMEM. */
whit_status wh_digests_finish(wh_digests *d, wh_target *target, const wh_outset *set,
                              const wh_worker *workers, unsigned threads, uint64_t elements,
                              whit_error *err);

/* The metadata value of a file: {"NAME":"64 hexadecimal digits",..} in the order in which tensors
 * were added; d NULL: zeros. Its length does not depend on the digests. */
void wh_digests_text(const wh_digests *d, const wh_layout *layout, size_t file, wh_buf *out);

#endif
