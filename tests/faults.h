/* tests/faults.h - calls of the library that fail when a test says so, by the linker's --wrap.
 *
 * Link with -Wl,--wrap= for each of malloc calloc realloc posix_memalign pthread_create open open64
 * pread pread64 pwrite pwrite64 fsync link rename mkdir (and, with WHIT_FAULTS_MORE, fopen
 * fopen64, with WHIT_FAULTS_RESIZE, ftruncate ftruncate64, with WHIT_FAULTS_LOOKS, flock unlink
 * realpath opendir readdir readdir64 stat stat64 lstat lstat64 fstat fstat64). For one program
 * file: it defines them. The 64 is what some C libraries call the same with large files. Calls that
 * the C library makes itself are not wrapped.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_FAULTS_H
#define WHIT_FAULTS_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include <whit/base.h>

#if !defined __GLIBC__ || __GLIBC_MINOR__ >= 33 /* before, headers made another call of it */
#define STAT_IS_A_CALL
#endif

typedef enum kind {
    MEMORY,
    THREAD,
    OPEN_EIO,
    OPEN_ENOSPC,
    OPEN_EINTR,
    READ_EIO,
    READ_EINTR,
    READ_SHORT,
    READ_END,
    WRITE_EIO,
    WRITE_ENOSPC,
    WRITE_EINTR,
    WRITE_SHORT,
    FSYNC_EIO,
    FSYNC_ENOSPC,
    FSYNC_EINTR,
    LINK_EIO,
    LINK_ENOSPC,
    RENAME_EIO,
    RENAME_ENOSPC,
    MKDIR_ENOSPC,
#ifdef WHIT_FAULTS_MORE
    FOPEN_EIO,
#endif
#ifdef WHIT_FAULTS_RESIZE
    RESIZE_EIO,
    RESIZE_ENOSPC,
    RESIZE_EINTR,
#endif
#ifdef WHIT_FAULTS_LOOKS
    LOCK_EIO,
    UNLINK_EIO,
    LIST_EIO,
    PATH_EIO,
#ifdef STAT_IS_A_CALL
    STAT_EIO,
#endif
#endif
    KINDS
} kind;

static const struct {
    const char *name, *calls;
    int error;          /* 0: a short count */
    whit_status status; /* that a job may end with; WHIT_OK: it must succeed */
} kinds[KINDS] = {
    [MEMORY] = { "ENOMEM", "malloc calloc realloc posix_memalign", ENOMEM, WHIT_ERR_NOMEM },
    [THREAD] = { "EAGAIN", "pthread_create", EAGAIN, WHIT_OK },
    [OPEN_EIO] = { "EIO", "open", EIO, WHIT_ERR_IO },
    [OPEN_ENOSPC] = { "ENOSPC", "open", ENOSPC, WHIT_ERR_IO },
    [OPEN_EINTR] = { "EINTR", "open", EINTR, WHIT_OK },
    [READ_EIO] = { "EIO", "pread", EIO, WHIT_ERR_IO },
    [READ_EINTR] = { "EINTR", "pread", EINTR, WHIT_OK },
    [READ_SHORT] = { "one byte", "pread", 0, WHIT_OK },
    [READ_END] = { "end of file", "pread", 0, WHIT_ERR_FORMAT },
    [WRITE_EIO] = { "EIO", "pwrite", EIO, WHIT_ERR_IO },
    [WRITE_ENOSPC] = { "ENOSPC", "pwrite", ENOSPC, WHIT_ERR_IO },
    [WRITE_EINTR] = { "EINTR", "pwrite", EINTR, WHIT_OK },
    [WRITE_SHORT] = { "one byte", "pwrite", 0, WHIT_OK },
    [FSYNC_EIO] = { "EIO", "fsync", EIO, WHIT_ERR_IO },
    [FSYNC_ENOSPC] = { "ENOSPC", "fsync", ENOSPC, WHIT_ERR_IO },
    [FSYNC_EINTR] = { "EINTR", "fsync", EINTR, WHIT_OK },
    [LINK_EIO] = { "EIO", "link", EIO, WHIT_ERR_IO },
    [LINK_ENOSPC] = { "ENOSPC", "link", ENOSPC, WHIT_ERR_IO },
    [RENAME_EIO] = { "EIO", "rename", EIO, WHIT_ERR_IO },
    [RENAME_ENOSPC] = { "ENOSPC", "rename", ENOSPC, WHIT_ERR_IO },
    [MKDIR_ENOSPC] = { "ENOSPC", "mkdir", ENOSPC, WHIT_ERR_IO },
#ifdef WHIT_FAULTS_MORE
    [FOPEN_EIO] = { "EIO", "fopen", EIO, WHIT_ERR_IO },
#endif
#ifdef WHIT_FAULTS_RESIZE
    [RESIZE_EIO] = { "EIO", "ftruncate", EIO, WHIT_ERR_IO },
    [RESIZE_ENOSPC] = { "ENOSPC", "ftruncate", ENOSPC, WHIT_ERR_IO },
    [RESIZE_EINTR] = { "EINTR", "ftruncate", EINTR, WHIT_OK },
#endif
#ifdef WHIT_FAULTS_LOOKS
    [LOCK_EIO] = { "EIO", "flock", EIO, WHIT_ERR_IO },
    [UNLINK_EIO] = { "EIO", "unlink", EIO, WHIT_ERR_IO },
    [LIST_EIO] = { "EIO", "opendir readdir", EIO, WHIT_ERR_IO },
    [PATH_EIO] = { "EIO", "realpath", EIO, WHIT_ERR_IO },
#ifdef STAT_IS_A_CALL
    [STAT_EIO] = { "EIO", "stat lstat fstat", EIO, WHIT_ERR_IO },
#endif
#endif
};

static struct {
    int armed; /* KILLS: the nth call to the system is the last that the process makes */
    kind kind;
    int nth;
    atomic_int seen;
} fault;
enum { KILLS = 2 };

/* From now on the nth call of a kind fails .. */
static inline void fault_arm(kind k, int nth)
{
    fault.kind = k;
    fault.nth = nth;
    atomic_store(&fault.seen, 0);
    fault.armed = 1;
}

/* .. up to here; 1: it was made. */
static inline int fault_struck(void)
{
    fault.armed = 0;
    return atomic_load(&fault.seen) >= fault.nth;
}

/* 1: the fault may come when the output has its name: the folder is opened and synced last. */
static inline int fault_comes_late(kind k)
{
    return k == OPEN_EIO || k == OPEN_ENOSPC || k == FSYNC_EIO || k == FSYNC_ENOSPC;
}

/* 1: this call is to fail; errno is set. first..last are the kinds of fault of the call. */
static int strikes(kind first, kind last)
{
    if (fault.armed == KILLS) {
        if (first > THREAD && atomic_fetch_add(&fault.seen, 1) + 1 == fault.nth)
            kill(getpid(), SIGKILL);
        return 0;
    }
    if (!fault.armed || fault.kind < first || fault.kind > last) return 0;
    if (atomic_fetch_add(&fault.seen, 1) + 1 != fault.nth) return 0;
    errno = kinds[fault.kind].error;
    return 1;
}

/* A weak one may be missing in this C library; it is not called then. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *data, size_t size);
int __real_posix_memalign(void **out, size_t align, size_t size);
int __real_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *arg);
int __real_open(const char *path, int flags, mode_t mode) __attribute__((weak));
int __real_open64(const char *path, int flags, mode_t mode) __attribute__((weak));
ssize_t __real_pread(int fd, void *dst, size_t n, off_t at) __attribute__((weak));
ssize_t __real_pread64(int fd, void *dst, size_t n, off_t at) __attribute__((weak));
ssize_t __real_pwrite(int fd, const void *src, size_t n, off_t at) __attribute__((weak));
ssize_t __real_pwrite64(int fd, const void *src, size_t n, off_t at) __attribute__((weak));
int __real_link(const char *from, const char *to);
int __real_rename(const char *from, const char *to);
int __real_mkdir(const char *path, mode_t mode);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *data, size_t size);
int __wrap_posix_memalign(void **out, size_t align, size_t size);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *arg);
int __wrap_open(const char *path, int flags, mode_t mode);
int __wrap_open64(const char *path, int flags, mode_t mode);
ssize_t __wrap_pread(int fd, void *dst, size_t n, off_t at);
ssize_t __wrap_pread64(int fd, void *dst, size_t n, off_t at);
ssize_t __wrap_pwrite(int fd, const void *src, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *src, size_t n, off_t at);
int __wrap_fsync(int fd);
int __wrap_link(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_mkdir(const char *path, mode_t mode);

void *__wrap_malloc(size_t size)
{
    return strikes(MEMORY, MEMORY) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return strikes(MEMORY, MEMORY) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *data, size_t size)
{
    return strikes(MEMORY, MEMORY) ? NULL : __real_realloc(data, size);
}

int __wrap_posix_memalign(void **out, size_t align, size_t size)
{
    return strikes(MEMORY, MEMORY) ? ENOMEM : __real_posix_memalign(out, align, size);
}

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *arg)
{
    return strikes(THREAD, THREAD) ? EAGAIN : __real_pthread_create(t, a, f, arg);
}

int __wrap_open(const char *path, int flags, mode_t mode)
{
    return strikes(OPEN_EIO, OPEN_EINTR) ? -1 : __real_open(path, flags, mode);
}

int __wrap_open64(const char *path, int flags, mode_t mode)
{
    return strikes(OPEN_EIO, OPEN_EINTR) ? -1 : __real_open64(path, flags, mode);
}

/* What a struck call does: nothing, one byte, or an error. */
static ssize_t refuse(size_t *n)
{
    if (kinds[fault.kind].error != 0) return -1;
    *n = fault.kind != READ_END && *n > 0;
    return 0;
}

ssize_t __wrap_pread(int fd, void *dst, size_t n, off_t at)
{
    if (strikes(READ_EIO, READ_END) && refuse(&n) != 0) return -1;
    return __real_pread(fd, dst, n, at);
}

ssize_t __wrap_pread64(int fd, void *dst, size_t n, off_t at)
{
    if (strikes(READ_EIO, READ_END) && refuse(&n) != 0) return -1;
    return __real_pread64(fd, dst, n, at);
}

ssize_t __wrap_pwrite(int fd, const void *src, size_t n, off_t at)
{
    if (strikes(WRITE_EIO, WRITE_SHORT) && refuse(&n) != 0) return -1;
    return __real_pwrite(fd, src, n, at);
}

ssize_t __wrap_pwrite64(int fd, const void *src, size_t n, off_t at)
{
    if (strikes(WRITE_EIO, WRITE_SHORT) && refuse(&n) != 0) return -1;
    return __real_pwrite64(fd, src, n, at);
}

/* The disk is not waited for: thousands of attempts would take minutes. */
int __wrap_fsync(int fd)
{
    (void)fd;
    return strikes(FSYNC_EIO, FSYNC_EINTR) ? -1 : 0;
}

int __wrap_link(const char *from, const char *to)
{
    return strikes(LINK_EIO, LINK_ENOSPC) ? -1 : __real_link(from, to);
}

int __wrap_rename(const char *from, const char *to)
{
    return strikes(RENAME_EIO, RENAME_ENOSPC) ? -1 : __real_rename(from, to);
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    return strikes(MKDIR_ENOSPC, MKDIR_ENOSPC) ? -1 : __real_mkdir(path, mode);
}

#ifdef WHIT_FAULTS_RESIZE
int __real_ftruncate(int fd, off_t size) __attribute__((weak));
int __real_ftruncate64(int fd, off_t size) __attribute__((weak));
int __wrap_ftruncate(int fd, off_t size);
int __wrap_ftruncate64(int fd, off_t size);

int __wrap_ftruncate(int fd, off_t size)
{
    return strikes(RESIZE_EIO, RESIZE_EINTR) ? -1 : __real_ftruncate(fd, size);
}

int __wrap_ftruncate64(int fd, off_t size)
{
    return strikes(RESIZE_EIO, RESIZE_EINTR) ? -1 : __real_ftruncate64(fd, size);
}
#endif

#ifdef WHIT_FAULTS_MORE
#include <stdio.h>

FILE *__real_fopen(const char *path, const char *mode) __attribute__((weak));
FILE *__real_fopen64(const char *path, const char *mode) __attribute__((weak));
FILE *__wrap_fopen(const char *path, const char *mode);
FILE *__wrap_fopen64(const char *path, const char *mode);

FILE *__wrap_fopen(const char *path, const char *mode)
{
    return strikes(FOPEN_EIO, FOPEN_EIO) ? NULL : __real_fopen(path, mode);
}

FILE *__wrap_fopen64(const char *path, const char *mode)
{
    return strikes(FOPEN_EIO, FOPEN_EIO) ? NULL : __real_fopen64(path, mode);
}
#endif

#ifdef WHIT_FAULTS_LOOKS
#include <dirent.h>
#include <sys/stat.h>

/* One call: it fails, or is made. What it fills in has one layout under both names. */
#define WRAP_LOOK(result, failed, kind, name, parameters, ...)                                     \
    result __real_##name parameters __attribute__((weak));                                         \
    result __wrap_##name parameters;                                                               \
    result __wrap_##name parameters                                                                \
    {                                                                                              \
        return strikes(kind, kind) ? failed : __real_##name(__VA_ARGS__);                          \
    }

WRAP_LOOK(int, -1, LOCK_EIO, flock, (int fd, int how), fd, how)
WRAP_LOOK(int, -1, UNLINK_EIO, unlink, (const char *path), path)
WRAP_LOOK(char *, NULL, PATH_EIO, realpath, (const char *path, char *to), path, to)
WRAP_LOOK(DIR *, NULL, LIST_EIO, opendir, (const char *path), path)
WRAP_LOOK(struct dirent *, NULL, LIST_EIO, readdir, (DIR * d), d)
WRAP_LOOK(struct dirent *, NULL, LIST_EIO, readdir64, (DIR * d), d)
#ifdef STAT_IS_A_CALL
WRAP_LOOK(int, -1, STAT_EIO, stat, (const char *path, struct stat *st), path, st)
WRAP_LOOK(int, -1, STAT_EIO, stat64, (const char *path, struct stat *st), path, st)
WRAP_LOOK(int, -1, STAT_EIO, lstat, (const char *path, struct stat *st), path, st)
WRAP_LOOK(int, -1, STAT_EIO, lstat64, (const char *path, struct stat *st), path, st)
WRAP_LOOK(int, -1, STAT_EIO, fstat, (int fd, struct stat *st), fd, st)
WRAP_LOOK(int, -1, STAT_EIO, fstat64, (int fd, struct stat *st), fd, st)
#endif
#endif

#endif
