/* src/io/lock.c - the lock that keeps a second run out of an output.
 *
 * flock and not fcntl: its locks belong to the open file, so that two threads of one process
 * exclude each other too. Whoever releases removes the file while holding it. Another run may have
 * opened it just before, and would then hold a file that nobody finds: hence the look, after each
 * successful flock, whether the path still is that file.
 *
 * SPDX-License-Identifier: MIT */
#define _FILE_OFFSET_BITS 64
#define _XOPEN_SOURCE 700
#define _DARWIN_C_SOURCE /* there flock hides without it */
#include "io/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"

#define MAX_TRIES 100 /* each failed one needs another run that releases at that very moment */

int wh_hold(int fd, const char *path)
{
    struct stat held, named;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0)
        if (errno != EINTR) return errno == EWOULDBLOCK ? 0 : -1;
    if (fstat(fd, &held) != 0) return -1;
    if (lstat(path, &named) == 0 && held.st_dev == named.st_dev && held.st_ino == named.st_ino)
        return 1;
    errno = ESTALE;
    return -1;
}

static char *lock_in(const char *folder, const char *name)
{
    wh_buf text = { 0 };
    wh_buf_putf(&text, "%s/.%s.whit-lock", strcmp(folder, "/") == 0 ? "" : folder,
                strcmp(name, "/") == 0 ? "" : name);
    if (text.failed) errno = ENOMEM;
    return text.data;
}

/* Where the lock goes, through resolved folders: two ways to write one output meet at one lock.
 * NULL with errno on failure. */
static char *lock_path(const char *path, int folder)
{
    int exists = 0;
    if (folder && wh_file_is_folder(path, &exists, NULL) != WHIT_OK) return NULL;
    char *parent = NULL, *result = NULL;
    char *real = exists ? realpath(path, NULL) : NULL;
    if (exists && !real) return NULL;
    parent = wh_path_folder(exists ? real : path);
    if (parent && exists) {
        int beside = strcmp(real, "/") != 0 && access(parent, W_OK | X_OK) == 0;
        result = lock_in(beside ? parent : real, wh_path_name(real));
    } else if (parent) {
        real = realpath(parent, NULL);
        if (real) result = lock_in(real, wh_path_name(path));
    }
    int error = errno;
    free(parent);
    free(real);
    errno = error;
    return result;
}

/* The lock file, empty, as a lock of ours always is. */
static whit_status open_lock(const char *lock_file, const char *path, int *fd, whit_error *err)
{
    char name[WH_SHORT], lock[WH_SHORT];
    struct stat st;
    do {
        *fd = open(lock_file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    } while (*fd < 0 && errno == EINTR);
    if (*fd < 0 || fstat(*fd, &st) != 0)
        return wh_fail(err, WHIT_ERR_IO, "%s: cannot be written: %s (%s)", wh_short(name, path),
                       strerror(errno), wh_short(lock, lock_file));
    if (S_ISREG(st.st_mode) && st.st_size == 0) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_ARG, "%s: %s is in the way and no lock of whit; try: move it",
                   wh_short(name, path), wh_short(lock, lock_file));
}

whit_status wh_lock_take(wh_lock *lock, const char *path, int folder, whit_error *err)
{
    char name[WH_SHORT];
    whit_status st = WHIT_OK;
    int fd = -1, held = -1;
    wh_short(name, path);
    char *lock_file = lock_path(path, folder);
    if (!lock_file && errno == ENOMEM) return wh_fail(err, WHIT_ERR_NOMEM, "%s: no memory", name);
    if (!lock_file)
        return wh_fail(err, WHIT_ERR_IO, "%s: its folder: %s; try: create it first", name,
                       strerror(errno));
    for (int i = 0; i < MAX_TRIES; i++) {
        st = open_lock(lock_file, path, &fd, err);
        if (st != WHIT_OK) goto cleanup;
        held = wh_hold(fd, lock_file);
        if (held >= 0 || errno != ESTALE) break;
        close(fd);
        fd = -1;
    }
    if (held == 1) {
        lock->fd = fd;
        lock->path = lock_file;
        return WHIT_OK;
    }
    if (held == 0 || errno == ESTALE)
        st = wh_fail(err, WHIT_ERR_ARG, "%s: another run is writing it; try: wait until it ends",
                     name);
    else
        st = wh_fail(err, WHIT_ERR_IO, "%s: cannot be locked: %s; try: another file system", name,
                     strerror(errno));
cleanup:
    if (fd >= 0) close(fd);
    free(lock_file);
    return st;
}

void wh_lock_release(wh_lock *lock)
{
    if (!lock->path) return;
    unlink(lock->path);
    close(lock->fd);
    free(lock->path);
    lock->path = NULL;
}
