/* src/base/pages.c - large blocks of memory, on huge pages where the system gives them.
 *
 * A kernel that reads several planes at once misses the TLB with 4 KiB pages; a file mapping cannot
 * be huge on most systems, so weights live in anonymous memory. Linux only; elsewhere ordinary
 * allocation. Sources: Linux Documentation/admin-guide/mm/transhuge.rst, proc(5).
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* MAP_ANONYMOUS, madvise */
#include "base/pages.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define HUGE_PAGE ((size_t)2 << 20)
#define BIG (4 * HUGE_PAGE)

#if defined(__linux__)
#include <sys/mman.h>

static void *map_huge(size_t bytes)
{
    if (bytes > SIZE_MAX - 2 * HUGE_PAGE) return NULL;
    const size_t size = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE, all = size + HUGE_PAGE;
    char *map = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) return NULL;
    const size_t before = (HUGE_PAGE - (uintptr_t)map % HUGE_PAGE) % HUGE_PAGE;
    const size_t after = HUGE_PAGE - before;
    if (before) munmap(map, before);
    if (after) munmap(map + before + size, after);
    (void)madvise(map + before, size, MADV_HUGEPAGE); /* a hint */
    return map + before;
}

static void forbid_huge(void *data, size_t bytes)
{
    const size_t size = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    (void)madvise(data, size, MADV_NOHUGEPAGE);
}

static void unmap_huge(void *data, size_t bytes)
{
    munmap(data, (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
}

/* The part of [from, to) that a mapping of smaps, [a, b) with `kb` on huge pages, accounts for. */
static size_t huge_part(uintptr_t from, uintptr_t to, uintptr_t a, uintptr_t b, size_t kb)
{
    const uintptr_t lo = a > from ? a : from, hi = b < to ? b : to;
    if (lo >= hi || b <= a) return 0;
    const double share = (double)(hi - lo) / (double)(b - a);
    return (size_t)((double)kb * 1024.0 * share);
}

size_t wh_pages_huge(const void *data, size_t bytes)
{
    FILE *f = fopen("/proc/self/smaps", "r");
    char line[512];
    unsigned long a = 0, b = 0;
    size_t total = 0;
    if (!f) return 0;
    while (fgets(line, sizeof line, f)) {
        unsigned long from, to, kb;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
            a = from;
            b = to;
        } else if (sscanf(line, "AnonHugePages: %lu kB", &kb) == 1) {
            total += huge_part((uintptr_t)data, (uintptr_t)data + bytes, a, b, kb);
        }
    }
    fclose(f);
    return total;
}

#else

static void *map_huge(size_t bytes)
{
    void *data = wh_alloc_aligned(bytes, 1);
    return data ? memset(data, 0, bytes) : NULL;
}

static void forbid_huge(void *data, size_t bytes)
{
    (void)data;
    (void)bytes;
}

static void unmap_huge(void *data, size_t bytes)
{
    (void)bytes;
    wh_free_aligned(data);
}

size_t wh_pages_huge(const void *data, size_t bytes)
{
    (void)data;
    (void)bytes;
    return 0;
}

#endif

void *wh_pages_alloc(size_t bytes)
{
    if (bytes >= BIG) return map_huge(bytes);
    void *data = wh_alloc_aligned(bytes, 1);
    return data ? memset(data, 0, bytes) : NULL;
}

void *wh_pages_alloc_small(size_t bytes)
{
    void *data = wh_pages_alloc(bytes);
    if (data && bytes >= BIG) forbid_huge(data, bytes); /* before the first touch */
    return data;
}

void wh_pages_free(void *data, size_t bytes)
{
    if (!data) return;
    if (bytes >= BIG)
        unmap_huge(data, bytes);
    else
        wh_free_aligned(data);
}
