/* src/io/zip.h - zip archives: what is in them, and the octets of an entry.
 *
 * Opening an archive checks its directory against the local headers; wh_zip_take reads an entry
 * through once and checks it against its checksum. After that any part of it can be read, by any
 * number of threads.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_IO_ZIP_H
#define WH_IO_ZIP_H

#include "base/crc32.h"
#include "io/io.h"

typedef struct wh_zip_entry {
    const char *name;       /* UTF-8, without NUL; no absolute path, no ".." */
    uint64_t at;            /* where its stored octets begin in the file */
    uint64_t stored, bytes; /* as they are in the file, and inflated */
    uint32_t crc;
    uint16_t method; /* 0 stored, 8 deflated */
} wh_zip_entry;

typedef struct wh_zip {
    const wh_shard *shard;
    wh_zip_entry *entry; /* in the order of the directory */
    size_t count;
    wh_names names; /* to index */
    char *texts;
    uint64_t spacing; /* of the places that inflating can go on from */
    wh_crc32 *crc;
} wh_zip;

/* The directory of the shard's file. z is to be freed, also after an error. */
whit_status wh_zip_open(wh_zip *z, const wh_shard *shard, whit_error *err);
void wh_zip_free(wh_zip *z);
/* Index of the entry with that name, or WH_NAMES_NONE. */
size_t wh_zip_find(const wh_zip *z, const char *name);

/* ---- octets of an entry ---------------------------------------------------------------------- */

/* An entry that was read through, or any part of a file. It lives as long as the whit_file. */
typedef struct wh_octets {
    uint64_t at;                        /* where its stored octets begin in the file of the shard */
    uint64_t bytes;                     /* that can be read */
    const struct wh_inflated *inflated; /* NULL: what is stored is what is read */
} wh_octets;

/* Read entry i through and check it. Errors: WHIT_ERR_FORMAT (another size or checksum than the
 * directory says, or deflated data that is none), those of reading, WHIT_ERR_NOMEM. */
whit_status wh_zip_take(const wh_zip *z, whit_file *file, size_t i, wh_octets *out,
                        whit_error *err);

/* Any parts of the same octets, one after the other; going forward costs least. */
typedef struct wh_octets_reader {
    const wh_shard *shard;
    const wh_octets *octets;
    struct wh_inflate_reader *inflate; /* made when it is first needed */
} wh_octets_reader;

/* r is to be closed, also after an error; zero it before. Errors: WHIT_ERR_IO, WHIT_ERR_FORMAT (the
 * file is another than it was), WHIT_ERR_NOMEM. */
whit_status wh_octets_read(wh_octets_reader *r, uint64_t at, void *dst, size_t count,
                           whit_error *err);
void wh_octets_close(wh_octets_reader *r);

#endif
