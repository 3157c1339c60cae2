/* src/job/left_behind.c - small files of a model folder that no output has, by name.
 *
 * They are not taken along, since nothing says that they are the model's (and code is not for a
 * converter to hand on): their names are a warning. Not here: those that are (companions.c).
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64 /* readdir and stat, where inodes and sizes have 64 bits */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/names.h"
#include "job/companions.h"

#define LEFT_LIMIT ((uint64_t)1 << 26) /* what is larger is data */
#define LEFT_SHOWN 3                   /* names in the warning */

static int is_companion(const char *name)
{
    const char *each;
    for (size_t i = 0; (each = wh_companion_name(i)) != NULL; i++)
        if (strcmp(each, name) == 0) return 1;
    return 0;
}

/* In letters of any case. */
static int starts_with(const char *name, const char *lower)
{
    while (*lower && (*name | 0x20) == *lower) name++, lower++;
    return *lower == '\0';
}

/* Whether a model may need the file, by its name: not what is for people, nor what says where the
 * weights of the source are and how they are stored. */
static int may_matter(const char *name)
{
    static const char *const ends[] = { ".py", ".json", ".txt", ".model", ".jinja", ".tiktoken" };
    static const char *const people[] = { "readme", "license", "licence", "notice", "copying" };
    static const char *const storage[] = { "quantize_config.json", "quant_config.json" };
    int matters = 0;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        matters |= wh_ends_with(name, ends[i], NULL);
    for (size_t i = 0; i < sizeof people / sizeof people[0]; i++)
        matters &= !starts_with(name, people[i]);
    for (size_t i = 0; i < sizeof storage / sizeof storage[0]; i++)
        matters &= strcmp(name, storage[i]) != 0;
    return matters && name[0] != '.' && !wh_ends_with(name, ".index.json", NULL) &&
           !is_companion(name);
}

/* 1: it is small; 0: it is not, or no file; -1: no memory. */
static int is_small(const char *folder, const char *name)
{
    struct stat s;
    char *path = wh_path_join(folder, name);
    const int small = path && stat(path, &s) == 0 && S_ISREG(s.st_mode) && s.st_size >= 0 &&
                      (uint64_t)s.st_size <= LEFT_LIMIT;
    const int made = path != NULL;
    free(path);
    return made ? small : -1;
}

/* The first of them in the order of their octets, whatever that of the folder is. */
static void name_left(const char *folder, const wh_lines *names, wh_lines *warnings)
{
    char label[WH_SHORT], name[WH_SHORT];
    wh_buf list = { 0 };
    if (names->count == 0) return;
    qsort(names->line, names->count, sizeof *names->line, wh_by_text);
    for (size_t i = 0; i < names->count && i < LEFT_SHOWN; i++)
        wh_buf_putf(&list, "%s%s", i ? ", " : "", wh_short(name, names->line[i]));
    if (names->count > LEFT_SHOWN) wh_buf_putf(&list, " and %zu more", names->count - LEFT_SHOWN);
    if (!list.failed)
        wh_lines_add(warnings, "%s: not copied: %s", wh_short(label, folder), list.data);
    warnings->failed |= list.failed;
    wh_buf_free(&list);
}

whit_status wh_tell_left(const char *folder, wh_lines *warnings, whit_error *err)
{
    char label[WH_SHORT];
    wh_lines names = { 0 };
    struct dirent *e;
    int small = 0;
    DIR *d = opendir(folder);
    if (!d) return wh_fail(err, WHIT_ERR_IO, "%s: %s", wh_short(label, folder), strerror(errno));
    while (small >= 0 && (errno = 0, e = readdir(d)) != NULL) {
        if (!may_matter(e->d_name)) continue;
        small = is_small(folder, e->d_name);
        if (small > 0) wh_lines_add(&names, "%s", e->d_name);
    }
    const int code = small >= 0 ? errno : 0;
    closedir(d);
    whit_status st = WHIT_OK;
    if (code)
        st = wh_fail(err, WHIT_ERR_IO, "%s: %s", wh_short(label, folder), strerror(code));
    else if (small < 0 || names.failed)
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for a list of files");
    if (st == WHIT_OK) name_left(folder, &names, warnings);
    wh_lines_free(&names);
    return st;
}
