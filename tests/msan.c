/* tests/msan.c - what a MemorySanitizer older than the C library does not see: that stat and its
 * kin fill what they are given. Linked into programs of -DWHIT_SANITIZE=memory alone.
 *
 * Source: glibc 2.33 made functions of stat, fstat, lstat and of their twins with 64 bits, which
 * were macros; LLVM 14 does not intercept them, and to say it twice changes nothing.
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <sanitizer/msan_interface.h>
#include <sys/stat.h>

_Static_assert(sizeof(off_t) == 8, "a twin has the same structure");

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): names of the linker */
int __real_stat(const char *path, struct stat *st);
int __real_fstat(int fd, struct stat *st);
int __real_lstat(const char *path, struct stat *st);
int __wrap_stat(const char *path, struct stat *st);
int __wrap_fstat(int fd, struct stat *st);
int __wrap_lstat(const char *path, struct stat *st);
int __wrap_stat64(const char *path, struct stat *st) __attribute__((alias("__wrap_stat")));
int __wrap_fstat64(int fd, struct stat *st) __attribute__((alias("__wrap_fstat")));
int __wrap_lstat64(const char *path, struct stat *st) __attribute__((alias("__wrap_lstat")));

static int known(int result, const struct stat *st)
{
    if (result == 0) __msan_unpoison(st, sizeof *st);
    return result;
}

int __wrap_stat(const char *path, struct stat *st)
{
    return known(__real_stat(path, st), st);
}

int __wrap_fstat(int fd, struct stat *st)
{
    return known(__real_fstat(fd, st), st);
}

int __wrap_lstat(const char *path, struct stat *st)
{
    return known(__real_lstat(path, st), st);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
