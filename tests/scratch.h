/* tests/scratch.h - a temporary folder for a test, and files in it.
 *
 * What cannot be made ends the test program with a message: nothing is tested then.
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_SCRATCH_H
#define WHIT_SCRATCH_H

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#define SCRATCH_PATH 1024

typedef struct scratch {
    char path[SCRATCH_PATH / 4];
} scratch;

_Noreturn static inline void scratch_die(const char *what)
{
    perror(what);
    exit(1);
}

static inline void scratch_make(scratch *s)
{
    const char *root = getenv("TMPDIR");
    int n = snprintf(s->path, sizeof s->path, "%s/whit-test-XXXXXX", root && *root ? root : "/tmp");
    if (n < 0 || (size_t)n >= sizeof s->path || !mkdtemp(s->path)) scratch_die(s->path);
}

/* The path of a name in it. Returns buf. */
static inline const char *scratch_path(const scratch *s, const char *name, char buf[SCRATCH_PATH])
{
    snprintf(buf, SCRATCH_PATH, "%s/%s", s->path, name);
    return buf;
}

static inline void scratch_folder(const scratch *s, const char *name)
{
    char path[SCRATCH_PATH];
    if (mkdir(scratch_path(s, name, path), 0700) != 0) scratch_die(path);
}

static inline void scratch_link(const scratch *s, const char *target, const char *name)
{
    char path[SCRATCH_PATH];
    if (symlink(target, scratch_path(s, name, path)) != 0) scratch_die(path);
}

static inline void scratch_write(const scratch *s, const char *name, const void *data, size_t len)
{
    char path[SCRATCH_PATH];
    FILE *f = fopen(scratch_path(s, name, path), "wb");
    if (!f || (len > 0 && fwrite(data, 1, len, f) != len) || fclose(f) != 0) scratch_die(path);
}

static inline void scratch_text(const scratch *s, const char *name, const char *text)
{
    scratch_write(s, name, text, strlen(text));
}

/* A safetensors file: the length of the header, the header, the data. */
static inline void scratch_safetensors(const scratch *s, const char *name, const char *header,
                                       const void *data, size_t len)
{
    size_t n = strlen(header);
    unsigned char *all = malloc(8 + n + len);
    if (!all) scratch_die(name);
    for (int i = 0; i < 8; i++) all[i] = (unsigned char)((uint64_t)n >> 8 * i);
    memcpy(all + 8, header, n);
    if (len > 0) memcpy(all + 8 + n, data, len);
    scratch_write(s, name, all, 8 + n + len);
    free(all);
}

/* A whole file, freed with free(). */
static inline void *scratch_read(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    long end;
    if (!f || fseek(f, 0, SEEK_END) != 0 || (end = ftell(f)) < 0) scratch_die(path);
    unsigned char *data = malloc((size_t)end + 1);
    rewind(f);
    if (!data || fread(data, 1, (size_t)end, f) != (size_t)end) scratch_die(path);
    fclose(f);
    data[end] = 0;
    *len = (size_t)end;
    return data;
}

/* Names and contents of a file or folder as one number; 0: it is not there. Order does not count,
 * nor what is hidden in a folder unless it is asked for. */
static inline uint64_t scratch_state(const char *path, int hidden)
{
    const uint64_t prime = 1099511628211u; /* FNV-1a */
    uint64_t h = 14695981039346656037u;
    struct stat st;
    if (lstat(path, &st) != 0) return 0;
    if (S_ISDIR(st.st_mode)) {
        DIR *d = opendir(path);
        for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
            char inner[SCRATCH_PATH];
            uint64_t one = 14695981039346656037u;
            if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
            if (e->d_name[0] == '.' && !hidden) continue;
            for (const char *c = e->d_name; *c; c++) one = (one ^ (unsigned char)*c) * prime;
            snprintf(inner, sizeof inner, "%.*s/%s", SCRATCH_PATH / 2, path, e->d_name);
            one = (one ^ scratch_state(inner, hidden)) * 0x9e3779b97f4a7c15u;
            h += one ^ one >> 29;
        }
        if (d) closedir(d);
        return h | 1;
    }
    size_t len;
    unsigned char *data = scratch_read(path, &len);
    for (size_t i = 0; i < len; i++) h = (h ^ data[i]) * prime;
    free(data);
    return h | 1;
}

static inline void scratch_remove_tree(const char *path)
{
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        DIR *d = opendir(path);
        struct dirent *e;
        char inner[SCRATCH_PATH];
        while (d && (e = readdir(d)) != NULL) {
            if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
            snprintf(inner, sizeof inner, "%.*s/%s", SCRATCH_PATH / 2, path, e->d_name);
            scratch_remove_tree(inner);
        }
        if (d) closedir(d);
    }
    remove(path);
}

static inline void scratch_remove(scratch *s)
{
    scratch_remove_tree(s->path);
    s->path[0] = 0;
}

#endif
