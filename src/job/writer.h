/* src/job/writer.h - one writer at a time for the workers of a job, who hand over what is ready.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_WRITER_H
#define WH_JOB_WRITER_H

#include "job/stream.h"

typedef struct wh_writer wh_writer;

/* For `count` workers on tiles of up to `elements`. NULL: no memory. */
wh_writer *wh_writer_make(unsigned count, uint64_t elements);
void wh_writer_free(wh_writer *writer);
/* Octets for each worker. */
uint64_t wh_writer_bytes(uint64_t elements);

/* The worker begins a tile. Errors: what has failed at a lower one. */
whit_status wh_writer_begin(wh_writer *writer, unsigned worker, uint64_t tile, whit_error *err);
/* To be written: part of the out, scale_out or zero of the worker, which stay as they are until the
 * tile is sent. Name and descriptor live longer than the writer. Errors: of a write. */
whit_status wh_writer_add(wh_writer *writer, unsigned worker, int fd, const char *name,
                          uint64_t offset, const void *data, size_t len, whit_error *err);
/* The worker has the tile ready: it is written now, or its buffers go to who is writing and it gets
 * others. When all have returned, everything is written. Errors: of this tile's write, where it was
 * done here. */
whit_status wh_writer_send(wh_writer *writer, unsigned number, wh_worker *worker, whit_error *err);

/* A tile has failed in another way; the lowest one counts. Returns st. */
whit_status wh_writer_fail(wh_writer *writer, uint64_t tile, whit_status st, const whit_error *err);
/* What has failed, once all threads are done. */
whit_status wh_writer_status(const wh_writer *writer, whit_error *err);

#endif
