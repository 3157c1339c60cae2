/* src/base/file.c - the few file calls whit makes: whole, positioned, retried, with words.
 *
 * Signals (EINTR) and short counts end here: a call either did all that was asked or is an error
 * that says at which byte. Nothing is mapped, since a mapped file that becomes shorter kills the
 * process. Not here: output that appears whole (io/outset.c).
 *
 * SPDX-License-Identifier: MIT */
#define _FILE_OFFSET_BITS 64
#ifdef __linux__
#define _GNU_SOURCE /* sync_file_range */
#else
#define _XOPEN_SOURCE 700
#endif
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* Some systems refuse a count above 2^31 - 1, and Linux stops short of it. */
#define ONE_CALL ((size_t)1 << 30)

static whit_status refuse_kind(const char *path, mode_t mode, whit_error *err)
{
    char name[WH_SHORT];
    return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: is %s", wh_short(name, path),
                   S_ISDIR(mode) ? "a folder where a file should be"
                                 : "no regular file; try: copy its data into a file first");
}

whit_status wh_file_open_read(const char *path, int *fd, uint64_t *size, whit_error *err)
{
    char name[WH_SHORT];
    struct stat st;
    int f = -1;
    *fd = -1;
    *size = 0;
    /* Looked at first: to open a pipe would wait for its writer. */
    if (stat(path, &st) != 0) goto system_error;
    if (!S_ISREG(st.st_mode)) return refuse_kind(path, st.st_mode, err);
    do {
        f = open(path, O_RDONLY | O_CLOEXEC);
    } while (f < 0 && errno == EINTR);
    if (f < 0 || fstat(f, &st) != 0) goto system_error;
    if (!S_ISREG(st.st_mode)) {
        close(f);
        return refuse_kind(path, st.st_mode, err);
    }
    *fd = f;
    *size = (uint64_t)st.st_size;
    return WHIT_OK;

system_error:
    wh_fail(err, WHIT_ERR_IO, "%s: %s", wh_short(name, path), strerror(errno));
    if (f >= 0) close(f);
    return WHIT_ERR_IO;
}

static whit_status ends_early(int fd, const char *path, uint64_t end, uint64_t seen,
                              whit_error *err)
{
    char name[WH_SHORT];
    struct stat st;
    uint64_t size = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : seen;
    return wh_fail(err, WHIT_ERR_FORMAT,
                   "%s: data ends at byte %" PRIu64 ", the file has %" PRIu64
                   "; try: download it again",
                   wh_short(name, path), end, size);
}

whit_status wh_file_pread(int fd, const char *path, uint64_t offset, void *dst, size_t count,
                          whit_error *err)
{
    char name[WH_SHORT];
    uint64_t end;
    if (!wh_add_u64(offset, count, &end)) end = UINT64_MAX;
    if (end > INT64_MAX) return ends_early(fd, path, end, 0, err); /* no file is that long */
    for (size_t done = 0; done < count;) {
        size_t want = count - done < ONE_CALL ? count - done : ONE_CALL;
        ssize_t got = pread(fd, (char *)dst + done, want, (off_t)(offset + done));
        if (got == 0) return ends_early(fd, path, end, offset + done, err);
        if (got > 0)
            done += (size_t)got;
        else if (errno != EINTR)
            return wh_fail(err, WHIT_ERR_IO, "%s: cannot read at byte %" PRIu64 ": %s",
                           wh_short(name, path), offset + done, strerror(errno));
    }
    return WHIT_OK;
}

static whit_status does_not_fit(const char *path, uint64_t offset, size_t left, int error,
                                whit_error *err)
{
    char name[WH_SHORT];
    int full = error == ENOSPC || error == EDQUOT;
    return wh_fail(err, WHIT_ERR_IO, "%s: cannot write %zu bytes at byte %" PRIu64 ": %s%s",
                   wh_short(name, path), left, offset, strerror(error),
                   full ? "; try: free space there, or write elsewhere" : "");
}

whit_status wh_file_pwrite(int fd, const char *path, uint64_t offset, const void *src, size_t count,
                           whit_error *err)
{
    uint64_t end;
    if (!wh_add_u64(offset, count, &end) || end > INT64_MAX)
        return does_not_fit(path, offset, count, EFBIG, err);
    for (size_t done = 0; done < count;) {
        size_t want = count - done < ONE_CALL ? count - done : ONE_CALL;
        ssize_t put = pwrite(fd, (const char *)src + done, want, (off_t)(offset + done));
        if (put > 0)
            done += (size_t)put;
        else if (put == 0 || errno != EINTR) /* 0 would repeat for ever */
            return does_not_fit(path, offset + done, count - done, put == 0 ? ENOSPC : errno, err);
    }
    return WHIT_OK;
}

whit_status wh_file_resize(int fd, const char *path, uint64_t size, whit_error *err)
{
    char name[WH_SHORT];
    int done = -1;
    if (size > INT64_MAX)
        errno = EFBIG;
    else
        do done = ftruncate(fd, (off_t)size);
        while (done != 0 && errno == EINTR);
    if (done == 0) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_IO, "%s: cannot be made %" PRIu64 " bytes long: %s",
                   wh_short(name, path), size, strerror(errno));
}

void wh_file_flush_hint(int fd, uint64_t offset, uint64_t count)
{
#ifdef __linux__
    if (offset > INT64_MAX || count > INT64_MAX - offset) return;
    (void)sync_file_range(fd, (off64_t)offset, (off64_t)count, SYNC_FILE_RANGE_WRITE);
#else
    (void)fd;
    (void)offset;
    (void)count;
#endif
}

whit_status wh_file_slurp(const char *path, uint64_t limit, char **data, size_t *len,
                          whit_error *err)
{
    char name[WH_SHORT];
    int fd = -1;
    uint64_t size = 0;
    char *text = NULL;
    *data = NULL;
    *len = 0;
    whit_status st = wh_file_open_read(path, &fd, &size, err);
    if (st != WHIT_OK) return st;
    if (size > limit) {
        st = wh_fail(err, WHIT_ERR_FORMAT,
                     "%s: has %" PRIu64 " bytes, at most %" PRIu64 " are taken from such a file",
                     wh_short(name, path), size, limit);
        goto cleanup;
    }
    text = size < SIZE_MAX ? malloc((size_t)size + 1) : NULL;
    if (!text) {
        st = wh_fail(err, WHIT_ERR_NOMEM, "%s: no memory for its %" PRIu64 " bytes",
                     wh_short(name, path), size);
        goto cleanup;
    }
    st = wh_file_pread(fd, path, 0, text, (size_t)size, err);
    if (st != WHIT_OK) goto cleanup;
    text[size] = 0;
    *data = text;
    *len = (size_t)size;
    text = NULL;
cleanup:
    free(text);
    close(fd);
    return st;
}

int wh_file_is_nothing(int error)
{
    return error == ENOENT || error == ENOTDIR || error == ELOOP || error == ENAMETOOLONG;
}

/* What a stat that returned rc says of the path. */
static whit_status looked(int rc, const char *path, whit_error *err)
{
    char name[WH_SHORT];
    const int error = errno;
    if (rc == 0 || wh_file_is_nothing(error)) return WHIT_OK;
    wh_fail(err, WHIT_ERR_IO, "%s: %s", wh_short(name, path), strerror(error));
    errno = error;
    return WHIT_ERR_IO;
}

whit_status wh_file_is_folder(const char *path, int *folder, whit_error *err)
{
    struct stat st;
    const int rc = stat(path, &st);
    *folder = rc == 0 && S_ISDIR(st.st_mode);
    return looked(rc, path, err);
}

whit_status wh_file_there(const char *path, int *there, whit_error *err)
{
    struct stat st;
    const int rc = lstat(path, &st);
    *there = rc == 0;
    return looked(rc, path, err);
}

int wh_file_exists(const char *path)
{
    int there;
    return wh_file_there(path, &there, NULL) == WHIT_OK && there;
}

int wh_file_identify(const char *path, wh_file_id *id)
{
    struct stat st;
    if (stat(path, &st) != 0) return 0;
    id->device = (uint64_t)st.st_dev;
    id->inode = (uint64_t)st.st_ino;
    return 1;
}

int wh_file_same(const char *a, const char *b)
{
    wh_file_id x, y;
    return wh_file_identify(a, &x) && wh_file_identify(b, &y) && x.device == y.device &&
           x.inode == y.inode;
}

char *wh_path_join(const char *folder, const char *name)
{
    size_t head = strlen(folder), tail = strlen(name);
    int slash = head > 0 && folder[head - 1] != '/';
    char *path = malloc(head + tail + 2);
    if (!path) return NULL;
    memcpy(path, folder, head);
    if (slash) path[head++] = '/';
    memcpy(path + head, name, tail + 1);
    return path;
}

char *wh_path_beside(const char *path, const char *text)
{
    size_t len = strlen(path);
    const size_t more = strlen(text);
    while (len > 1 && path[len - 1] == '/') len--;
    char *name = wh_calloc(len + more + 1, 1);
    if (!name) return NULL;
    memcpy(name, path, len);
    memcpy(name + len, text, more);
    return name;
}

char *wh_path_folder(const char *path)
{
    size_t len = (size_t)(wh_path_name(path) - path);
    if (len == 0) return wh_strndup(path[0] == '/' ? "/" : ".", 1);
    while (len > 1 && path[len - 1] == '/') len--;
    return wh_strndup(path, len);
}

const char *wh_path_name(const char *path)
{
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/') end--;
    if (end == 0) return path; /* only slashes, or nothing */
    while (end > 0 && path[end - 1] != '/') end--;
    return path + end;
}

int wh_path_is_plain(const char *name)
{
    return name[0] && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* Both resolved. */
static int is_below(const char *path, const char *folder)
{
    size_t len = strcmp(folder, "/") == 0 ? 0 : strlen(folder);
    return strncmp(path, folder, len) == 0 && path[len] == '/';
}

/* Hugging Face cache: folder is HUB/snapshots/REVISION or below it, path HUB/blobs/HASH. Both
 * resolved. */
static int is_cached_blob(const char *path, const char *folder)
{
    static const char snapshots[] = "/snapshots/", blobs[] = "/blobs/";
    const size_t middle = sizeof blobs - 1;
    for (const char *at = strstr(folder, snapshots); at; at = strstr(at + 1, snapshots)) {
        const size_t hub = (size_t)(at - folder);
        if (strncmp(path, folder, hub) == 0 && strncmp(path + hub, blobs, middle) == 0 &&
            !strchr(path + hub + middle, '/'))
            return 1;
    }
    return 0;
}

static whit_status check_inside(const char *folder, const char *joined, const char *name,
                                whit_error *err)
{
    char in[WH_SHORT], what[WH_SHORT];
    struct stat st;
    whit_status status = WHIT_OK;
    char *real = NULL, *root = NULL;
    wh_short(in, folder);
    wh_short(what, name);
    root = realpath(folder, NULL);
    if (!root) return wh_fail(err, WHIT_ERR_IO, "%s: %s", in, strerror(errno));
    real = realpath(joined, NULL);
    if (!real && errno == ENOENT)
        status =
            wh_fail(err, WHIT_ERR_FORMAT, "%s: %s: is missing; try: download it again", in, what);
    else if (!real) /* a link can bring about these; the rest is the system's */
        status =
            wh_fail(err,
                    errno == ELOOP || errno == ENAMETOOLONG || errno == EACCES ? WHIT_ERR_FORMAT
                                                                               : WHIT_ERR_IO,
                    "%s: %s: %s", in, what, strerror(errno));
    else if (!is_below(real, root) && !is_cached_blob(real, root))
        status = wh_fail(err, WHIT_ERR_FORMAT,
                         "%s: %s: is a link that leads out of the folder; try: copy the file there",
                         in, what);
    else if (stat(real, &st) != 0)
        status = wh_fail(err, WHIT_ERR_IO, "%s: %s: %s", in, what, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        status = wh_fail(err, WHIT_ERR_FORMAT, "%s: %s: is no regular file", in, what);
    free(real);
    free(root);
    return status;
}

whit_status wh_file_inside(const char *folder, const char *name, char **path, whit_error *err)
{
    char in[WH_SHORT], what[WH_SHORT];
    *path = NULL;
    if (!wh_path_is_plain(name))
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: \"%s\" is no plain file name",
                       wh_short(in, folder), wh_short(what, name));
    char *joined = wh_path_join(folder, name);
    if (!joined) return wh_fail(err, WHIT_ERR_NOMEM, "%s: no memory", wh_short(in, folder));
    whit_status st = check_inside(folder, joined, name, err);
    if (st == WHIT_OK)
        *path = joined;
    else
        free(joined);
    return st;
}
