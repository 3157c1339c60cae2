/* src/base/file.h - the few file calls whit makes: whole, positioned, retried, with words.
 * SPDX-License-Identifier: MIT */
#ifndef WH_BASE_FILE_H
#define WH_BASE_FILE_H

#include "base/error.h"

/* Open a regular file for reading. *size is its length. Folders, devices and pipes are
 * WHIT_ERR_UNSUPPORTED, and are never opened; all else is WHIT_ERR_IO. *fd is -1 then. */
whit_status wh_file_open_read(const char *path, int *fd, uint64_t *size, whit_error *err);

/* Read exactly count octets at offset. A shorter file is WHIT_ERR_FORMAT. path is for messages.
 * Threads: any number at once on one descriptor; so too for the three below. */
whit_status wh_file_pread(int fd, const char *path, uint64_t offset, void *dst, size_t count,
                          whit_error *err);
/* Write exactly count octets at offset. WHIT_ERR_IO says how many bytes are missing, and where. */
whit_status wh_file_pwrite(int fd, const char *path, uint64_t offset, const void *src, size_t count,
                           whit_error *err);
/* Make a file exactly so long: what is behind is cut off, what is new reads as zeros. Errors:
 * WHIT_ERR_IO. */
whit_status wh_file_resize(int fd, const char *path, uint64_t size, whit_error *err);
/* Ask the system to begin writing back this range (count 0: up to the end), so that the fsync at
 * the end finds little to do. Only a hint: it cannot fail, and is nothing outside Linux. */
void wh_file_flush_hint(int fd, uint64_t offset, uint64_t count);
/* Read a whole small file. *data is NUL-terminated and freed with free(). Larger than limit:
 * WHIT_ERR_FORMAT. */
whit_status wh_file_slurp(const char *path, uint64_t limit, char **data, size_t *len,
                          whit_error *err);

/* 1: with this errno a path leads to nothing: missing, too long, through a file, a circle. */
int wh_file_is_nothing(int error);
/* *folder: the path leads to one. WHIT_ERR_IO, with errno, when the system does not say; *folder is
 * 0 then. */
whit_status wh_file_is_folder(const char *path, int *folder, whit_error *err);
/* *there: something of that name, of any kind, links that lead nowhere included. WHIT_ERR_IO, with
 * errno, when the system does not say; *there is 0 then. */
whit_status wh_file_there(const char *path, int *there, whit_error *err);
/* The same where a fault may count as "not there", because the next call on that path meets it. */
int wh_file_exists(const char *path);
int wh_file_same(const char *a, const char *b); /* same device and inode, links followed */

typedef struct wh_file_id {
    uint64_t device, inode;
} wh_file_id;
/* What the path leads to, links followed. 0, with errno, when that is nothing. */
int wh_file_identify(const char *path, wh_file_id *id);

/* Join folder and name; NULL when there is no memory. free() it. */
char *wh_path_join(const char *folder, const char *name);
/* The path, without slashes at its end, with more text behind it: a name beside an output that may
 * be a folder. NULL when there is no memory. free() it. */
char *wh_path_beside(const char *path, const char *text);
/* Folder part ("." when there is none), without trailing slash. NULL when there is no memory. */
char *wh_path_folder(const char *path);
/* Points at the last part; slashes behind it stay ("a/b/" gives "b/", "/" gives "/"). */
const char *wh_path_name(const char *path);
/* 1 for a name that cannot leave its folder: not empty, no slash, neither "." nor "..". */
int wh_path_is_plain(const char *name);

/*
 * A file found inside a model folder (R7): name must be plain, and what it resolves to must be a
 * regular file inside the folder. One exception: the layout of the Hugging Face cache, where
 * snapshots/REVISION/NAME links to ../../blobs/HASH, and REVISION/FOLDER/NAME one step further up.
 * *path is the joined path to open, freed with free(). WHIT_ERR_FORMAT when a rule is broken or
 * there is no such file, WHIT_ERR_IO when the system does not let us look; *path is NULL then.
 */
whit_status wh_file_inside(const char *folder, const char *name, char **path, whit_error *err);

#endif
