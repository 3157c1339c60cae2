/* tests/outsets.h - short ways to open, fill and look at output sets; for the tests of io/outset.c.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_OUTSETS_H
#define WHIT_OUTSETS_H

#include "base/file.h"
#include "check.h"
#include "io/outset.h"
#include "scratch.h"

/* What a case asks for; all names are relative to the scratch folder. */
typedef struct ask {
    const char *path;
    int folder, force;
    const char *names[4]; /* up to the first NULL; a single file has none, without a folder they
                             stand beside path */
    const char *input;    /* or NULL */
    uint64_t bytes;
} ask;

static inline size_t ask_count(const ask *a)
{
    size_t n = 0;
    while (n < 4 && a->names[n]) n++;
    return a->folder || n > 0 ? n : 1;
}

static inline whit_status ask_open(const scratch *s, const ask *a, wh_outset **set, whit_error *err)
{
    char path[SCRATCH_PATH], input[SCRATCH_PATH];
    const char *inputs[1] = { input };
    wh_outset_spec spec = { 0 };
    if (a->input) scratch_path(s, a->input, input);
    spec.path = scratch_path(s, a->path, path);
    spec.folder = a->folder;
    spec.names = a->folder || a->names[0] ? a->names : NULL;
    spec.count = ask_count(a);
    spec.force = a->force;
    spec.inputs = inputs;
    spec.inputs_count = a->input != NULL;
    spec.bytes = a->bytes;
    err->code = WHIT_OK;
    err->msg[0] = 0;
    return wh_outset_open(set, &spec, err);
}

/* Each file receives the text, so that all of a set can be told from older ones. */
static inline void ask_fill(const wh_outset *set, const ask *a, const char *text)
{
    for (size_t k = 0; k < ask_count(a); k++) {
        whit_status st = wh_file_pwrite(wh_outset_fd(set, k), wh_outset_path(set, k), 0, text,
                                        strlen(text), NULL);
        CHECK(st == WHIT_OK, "%s: write", wh_outset_path(set, k));
    }
}

/* All of it. The status of the first step that fails. */
static inline whit_status ask_run(const scratch *s, const ask *a, const char *text, whit_error *err)
{
    wh_outset *set = NULL;
    whit_status st = ask_open(s, a, &set, err);
    if (st == WHIT_OK) {
        ask_fill(set, a, text);
        st = wh_outset_commit(set, err);
    }
    wh_outset_close(set);
    return st;
}

/* 1 if the file is there and holds exactly this text. */
static inline int holds(const scratch *s, const char *name, const char *text)
{
    char path[SCRATCH_PATH];
    size_t len = 0;
    int folder;
    if (!wh_file_exists(scratch_path(s, name, path))) return 0;
    if (wh_file_is_folder(path, &folder, NULL) != WHIT_OK || folder) return 0;
    char *data = scratch_read(path, &len);
    int same = len == strlen(text) && memcmp(data, text, len) == 0;
    free(data);
    return same;
}

static inline int exists(const scratch *s, const char *name)
{
    char path[SCRATCH_PATH];
    return wh_file_exists(scratch_path(s, name, path));
}

/* How many names in a folder, and all below it, contain part. Links are not followed. */
static inline size_t count_names(const char *folder, const char *part)
{
    char inner[SCRATCH_PATH];
    size_t n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        n += strstr(e->d_name, part) != NULL;
        snprintf(inner, sizeof inner, "%.*s/%s", SCRATCH_PATH / 2, folder, e->d_name);
        struct stat st;
        if (lstat(inner, &st) == 0 && S_ISDIR(st.st_mode)) n += count_names(inner, part);
    }
    if (d) closedir(d);
    return n;
}

static inline size_t debris(const scratch *s)
{
    return count_names(s->path, ".whit-");
}

#endif
