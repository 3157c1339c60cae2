/* tests/kernels/guard.c - memory between unreadable pages.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "kernels/guard.h"

#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BESIDE ((size_t)256) /* octets watched beside a block */

static char name[256];

static void crashed(int number)
{
    static const char what[] = "memory touched that must not be: ";
    ssize_t ignored = write(1, what, sizeof what - 1);
    ignored = write(1, name, strlen(name));
    ignored = write(1, "\n", 1);
    (void)ignored;
    (void)number;
    _exit(1);
}

void guard_case(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(name, sizeof name, format, ap);
    va_end(ap);
}

const char *guard_case_name(void)
{
    return name;
}

static size_t page_bytes(void)
{
    const long page = sysconf(_SC_PAGESIZE);
    return page > 0 ? (size_t)page : 4096;
}

void guard_open(guard *g, size_t bytes)
{
    const size_t page = page_bytes();
    g->bytes = (bytes + BESIDE + page - 1) / page * page;
    unsigned char *map =
        mmap(NULL, g->bytes + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map, page, PROT_NONE) != 0 ||
        mprotect(map + page + g->bytes, page, PROT_NONE) != 0) {
        perror("guard pages");
        exit(1);
    }
    g->base = map + page;
    signal(SIGSEGV, crashed);
    signal(SIGBUS, crashed);
}

void guard_close(guard *g)
{
    const size_t page = page_bytes();
    munmap(g->base - page, g->bytes + 2 * page);
}

void *guard_place(const guard *g, size_t bytes, size_t align, guard_side side)
{
    if (bytes + align > g->bytes) {
        printf("%s: a block of %zu octets has no room\n", name, bytes);
        exit(1);
    }
    unsigned char *at = g->base;
    if (side == GUARD_END) {
        const uintptr_t last = (uintptr_t)(g->base + g->bytes - bytes);
        at = g->base + g->bytes - bytes - last % align;
    }
    unsigned char *from = at > g->base + BESIDE ? at - BESIDE : g->base;
    unsigned char *to = at + bytes + BESIDE;
    if (to > g->base + g->bytes) to = g->base + g->bytes;
    memset(from, 0xff, (size_t)(to - from));
    return at;
}

void *guard_put(const guard *g, const void *data, size_t bytes, size_t align, guard_side side)
{
    return data ? memcpy(guard_place(g, bytes, align, side), data, bytes) : NULL;
}

static int untouched(const unsigned char *from, const unsigned char *to)
{
    for (; from < to; from++)
        if (*from != 0xff) return 0;
    return 1;
}

int guard_intact(const guard *g, const void *block, size_t bytes)
{
    const unsigned char *at = block, *end = g->base + g->bytes;
    const unsigned char *from = at > g->base + BESIDE ? at - BESIDE : g->base;
    const unsigned char *to = end - (at + bytes) > (ptrdiff_t)BESIDE ? at + bytes + BESIDE : end;
    return untouched(from, at) && untouched(at + bytes, to);
}
