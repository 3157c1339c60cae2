/* src/io/outset.c - a set of output files that appears whole or not at all.
 *
 * A file that replaces nothing gets its final name as a second hard link, and loses the temporary
 * one when all are in place. That never overwrites what somebody put there meanwhile, and lets the
 * next run tell the half-placed files of a killed one from the user's: they are still the same
 * file as a temporary one. A file that replaces another is renamed, as are all on file systems
 * without hard links. While nothing was replaced, an error takes back what is in place.
 *
 * Files are on disk (fsync) before the first of them gets its name, and all other names before the
 * last one, so that even after a power failure a folder with its index is whole.
 * Not here: what is written, and reading it back.
 *
 * SPDX-License-Identifier: MIT */
#define _FILE_OFFSET_BITS 64
#define _XOPEN_SOURCE 700
#include "io/outset.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/lock.h"
#include "io/old_model.h"
#include "io/temp.h"

typedef struct out_file {
    char *final, *temp;
    int fd;     /* -1: none */
    int ours;   /* the temporary name is there, and we made it */
    int placed; /* the final name is */
} out_file;

struct wh_outset {
    char *path;   /* as given, without trailing slashes */
    char *folder; /* where the files are: path itself, or what it is in */
    char *above;  /* what path is in */
    out_file *file;
    size_t count;
    int is_folder, force;
    int created; /* open made the folder */
    int changed; /* commit has removed or replaced an old file */
    wh_lock lock;
    wh_inputs inputs;
    wh_old_model old;
};

static whit_status no_memory(const wh_outset *set, whit_error *err)
{
    char name[WH_SHORT];
    return wh_fail(err, WHIT_ERR_NOMEM, "%s: no memory for %zu files", wh_short(name, set->path),
                   set->count);
}

/* ---- open ------------------------------------------------------------------------------------ */

static whit_status check_spec(const wh_outset_spec *spec, whit_error *err)
{
    char name[WH_SHORT];
    if (!spec->path || !spec->path[0] || spec->count == 0 ||
        (!spec->names && (spec->folder || spec->count != 1)))
        return wh_fail(err, WHIT_ERR_ARG, "an output needs a name, and a single file is one");
    for (size_t k = 0; spec->names && k < spec->count; k++)
        if (!wh_path_is_plain(spec->names[k]))
            return wh_fail(err, WHIT_ERR_ARG, "\"%s\" is no plain file name",
                           wh_short(name, spec->names[k]));
    return WHIT_OK;
}

/* The names; touches no file. */
static whit_status name_files(wh_outset *set, const wh_outset_spec *spec, whit_error *err)
{
    size_t len = strlen(spec->path);
    while (len > 1 && spec->path[len - 1] == '/') len--;
    set->path = wh_strndup(spec->path, len);
    set->file = wh_calloc(spec->count, sizeof *set->file);
    if (!set->path || !set->file)
        return wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu output files", spec->count);
    set->count = spec->count;
    for (size_t k = 0; k < set->count; k++) set->file[k].fd = -1;
    set->is_folder = spec->folder;
    set->force = spec->force;
    set->above = wh_path_folder(set->path);
    set->folder = set->is_folder ? wh_strndup(set->path, len) : wh_path_folder(set->path);
    if (!set->above || !set->folder) return no_memory(set, err);
    for (size_t k = 0; k < set->count; k++) {
        out_file *f = &set->file[k];
        f->final =
            spec->names ? wh_path_join(set->folder, spec->names[k]) : wh_strndup(set->path, len);
        f->temp = f->final ? wh_temp_name(f->final) : NULL;
        if (!f->temp) return no_memory(set, err);
    }
    return WHIT_OK;
}

/* May this name become a file of ours? */
static whit_status check_place(const wh_outset *set, const char *path, whit_error *err)
{
    char name[WH_SHORT];
    struct stat st;
    whit_status status = wh_inputs_refuse(&set->inputs, path, err);
    if (status != WHIT_OK) return status;
    wh_short(name, path);
    if (lstat(path, &st) != 0) {
        if (errno == ENOENT) return WHIT_OK;
        return wh_fail(err, WHIT_ERR_IO, "%s: %s", name, strerror(errno));
    }
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return wh_fail(err, WHIT_ERR_ARG, "%s: is %s", name,
                       S_ISDIR(st.st_mode) ? "a folder, not a file; try: another name"
                                           : "no regular file; try: another name");
    if (!set->force)
        return wh_fail(err, WHIT_ERR_ARG, "%s: exists; try: --force to replace it", name);
    return WHIT_OK;
}

static whit_status check_places(const wh_outset *set, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t k = 0; st == WHIT_OK && k < set->count; k++)
        st = check_place(set, set->file[k].final, err);
    /* Beside another model ours would not be found, or half of each would. */
    for (size_t k = 0; st == WHIT_OK && k < set->old.marks; k++)
        st = check_place(set, set->old.mark[k], err);
    return st;
}

static whit_status make_folder(wh_outset *set, whit_error *err)
{
    char name[WH_SHORT];
    int folder = 1;
    whit_status st = WHIT_OK;
    wh_short(name, set->path);
    if (mkdir(set->path, 0777) == 0)
        set->created = 1;
    else if (errno != EEXIST)
        return wh_fail(err, WHIT_ERR_IO, "%s: cannot be created: %s", name, strerror(errno));
    else
        st = wh_file_is_folder(set->path, &folder, err);
    if (st != WHIT_OK || folder) return st;
    return wh_fail(err, WHIT_ERR_ARG, "%s: exists and is no folder; try: another name", name);
}

/* Leftovers of a killed run go, whatever its names were. */
static whit_status clean_up(const wh_outset *set, whit_error *err)
{
    int whole = set->is_folder && set->old.marks > 0;
    whit_status st = WHIT_OK;
    if (!whole) st = wh_file_there(set->file[set->count - 1].final, &whole, err);
    if (st == WHIT_OK && set->is_folder) st = wh_temp_sweep(set->folder, !whole, &set->inputs, err);
    if (st != WHIT_OK) return st;
    for (size_t k = 0; k < set->count && !set->is_folder; k++)
        wh_temp_clear(set->file[k].temp, whole ? NULL : set->file[k].final, &set->inputs);
    return WHIT_OK;
}

static whit_status check_space(const wh_outset *set, uint64_t need, whit_error *err)
{
    char name[WH_SHORT];
    struct statvfs fs;
    uint64_t room;
    /* A file system that does not know its size tells by the first write. */
    if (statvfs(set->folder, &fs) != 0 || fs.f_blocks == 0) return WHIT_OK;
    if (!wh_mul_u64(fs.f_bavail, fs.f_frsize ? fs.f_frsize : fs.f_bsize, &room)) return WHIT_OK;
    if (need <= room) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_IO,
                   "%s: needs %" PRIu64 " bytes, %" PRIu64 " are free there; try: free %" PRIu64
                   " bytes, or write elsewhere",
                   wh_short(name, set->path), need, room, need - room);
}

/* With the lock held. */
static whit_status prepare(wh_outset *set, const wh_outset_spec *spec, whit_error *err)
{
    whit_status st = WHIT_OK;
    if (set->is_folder) {
        st = make_folder(set, err);
        if (st == WHIT_OK)
            st = wh_old_model_find(&set->old, set->folder, spec->names, spec->count, &set->inputs,
                                   err);
    } else if (spec->names)
        st = wh_old_model_find_one(&set->old, set->path, &set->inputs, err);
    if (st == WHIT_OK) st = clean_up(set, err);
    if (st == WHIT_OK) st = check_places(set, err);
    if (st == WHIT_OK) st = check_space(set, spec->bytes, err);
    for (size_t k = 0; st == WHIT_OK && k < set->count; k++) {
        out_file *f = &set->file[k];
        st = wh_temp_create(f->temp, &set->inputs, &f->fd, err);
        f->ours = st == WHIT_OK;
    }
    return st;
}

whit_status wh_outset_open(wh_outset **out, const wh_outset_spec *spec, whit_error *err)
{
    *out = NULL;
    whit_status st = check_spec(spec, err);
    if (st != WHIT_OK) return st;
    wh_outset *set = wh_calloc(1, sizeof *set);
    if (!set) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for an output");
    st = name_files(set, spec, err);
    if (st == WHIT_OK) st = wh_inputs_take(&set->inputs, spec->inputs, spec->inputs_count, err);
    if (st == WHIT_OK) st = wh_lock_take(&set->lock, set->path, set->is_folder, err);
    if (st == WHIT_OK) st = prepare(set, spec, err);
    if (st == WHIT_OK)
        *out = set;
    else
        wh_outset_close(set);
    return st;
}

int wh_outset_fd(const wh_outset *set, size_t k)
{
    return set->file[k].fd;
}

const char *wh_outset_path(const wh_outset *set, size_t k)
{
    return set->file[k].final;
}

/* ---- commit ---------------------------------------------------------------------------------- */

static int sync_fd(int fd)
{
    int rc;
    do {
        rc = fsync(fd);
    } while (rc != 0 && errno == EINTR);
    return rc;
}

/* 0, or -1 with errno. Where folders cannot be opened or fsynced there is nothing to wait for. */
static int sync_folder(const char *path)
{
    int fd;
    do {
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) return errno == EACCES ? 0 : -1;
    int rc = sync_fd(fd), error = errno;
    close(fd);
    errno = error;
    return rc != 0 && (error == EINVAL || error == ENOTSUP) ? 0 : rc;
}

/* Everything that can fail and needs no change to find out. */
static whit_status check_ready(const wh_outset *set, whit_error *err)
{
    char name[WH_SHORT];
    for (size_t k = 0; k < set->count; k++) {
        const out_file *f = &set->file[k];
        if (sync_fd(f->fd) != 0)
            return wh_fail(err, WHIT_ERR_IO, "%s: cannot be brought to disk: %s; try: %s",
                           wh_short(name, f->final), strerror(errno),
                           errno == ENOSPC || errno == EDQUOT ? "free space there"
                                                              : "another disk");
        const int is = wh_temp_is(f->temp, f->fd);
        if (is < 0)
            return wh_fail(err, WHIT_ERR_IO, "%s: %s", wh_short(name, f->temp), strerror(errno));
        if (!is)
            return wh_fail(err, WHIT_ERR_IO, "%s: another program moved or replaced it; try: again",
                           wh_short(name, f->temp));
    }
    return check_places(set, err);
}

/* 0, or -1 with errno. */
static int place(wh_outset *set, out_file *f)
{
    int existed;
    if (wh_file_there(f->final, &existed, NULL) != WHIT_OK) return -1;
    if (!existed || !set->force) {
        f->placed = link(f->temp, f->final) == 0;
        if (f->placed) return 0;
        if (errno == EEXIST) return -1;
    }
    if (rename(f->temp, f->final) != 0) return -1;
    f->placed = 1;
    f->ours = 0;
    set->changed |= existed;
    return 0;
}

static int place_all(wh_outset *set)
{
    size_t last = set->count - 1;
    for (size_t k = 0; k < last; k++)
        if (place(set, &set->file[k]) != 0) return -1;
    if (last > 0 && sync_folder(set->folder) != 0) return -1;
    return place(set, &set->file[last]);
}

/* Half-way: take back what replaced nothing, else say what is where. */
static whit_status give_up(wh_outset *set, int error, whit_error *err)
{
    char name[WH_SHORT], first[WH_SHORT], last[WH_SHORT];
    size_t done = 0;
    for (size_t k = set->count; !set->changed && k-- > 0;)
        if (set->file[k].placed) set->file[k].placed = unlink(set->file[k].final) != 0;
    while (done < set->count && set->file[done].placed) done++;
    wh_short(name, set->path);
    if (done == 0)
        return wh_fail(err, error == EEXIST ? WHIT_ERR_ARG : WHIT_ERR_IO,
                       "%s: cannot be put in place: %s; %s", name, strerror(error),
                       set->changed ? "the old index or model file is gone"
                                    : "nothing was changed");
    return wh_fail(err, WHIT_ERR_IO, "%s: only %zu of %zu files are in place: %s; from %s to %s",
                   name, done, set->count, strerror(error),
                   wh_short(first, wh_path_name(set->file[0].final)),
                   wh_short(last, wh_path_name(set->file[done - 1].final)));
}

static void drop_temps(wh_outset *set)
{
    for (size_t k = 0; k < set->count; k++) {
        out_file *f = &set->file[k];
        if (f->ours && wh_temp_is(f->temp, f->fd) == 1) unlink(f->temp);
        f->ours = 0;
    }
}

static whit_status finish(const wh_outset *set, whit_error *err)
{
    char name[WH_SHORT];
    int rc = sync_folder(set->folder);
    if (rc == 0 && set->created) rc = sync_folder(set->above);
    if (rc != 0)
        return wh_fail(err, WHIT_ERR_IO, "%s: is complete, but its folder cannot be synced: %s",
                       wh_short(name, set->path), strerror(errno));
    whit_status st = wh_old_model_remove_shards(&set->old, &set->inputs, err);
    return st == WHIT_OK ? st : wh_prefix(err, st, "the output is complete, but an old file stays");
}

whit_status wh_outset_commit(wh_outset *set, whit_error *err)
{
    whit_status st = check_ready(set, err);
    if (st != WHIT_OK) return st;
    st = wh_old_model_unmark(&set->old, &set->inputs, err);
    if (st != WHIT_OK) return st;
    set->changed = set->old.marks > 0;
    /* On disk too, or a power failure could bring the old index back over new shards. */
    if (set->changed && sync_folder(set->folder) != 0) return give_up(set, errno, err);
    if (place_all(set) != 0) return give_up(set, errno, err);
    drop_temps(set);
    return finish(set, err);
}

void wh_outset_close(wh_outset *set)
{
    if (!set) return;
    drop_temps(set);
    for (size_t k = 0; k < set->count; k++) {
        if (set->file[k].fd >= 0) close(set->file[k].fd);
        free(set->file[k].final);
        free(set->file[k].temp);
    }
    if (set->created) rmdir(set->path); /* fails, as it should, when files are in place */
    wh_lock_release(&set->lock);
    wh_old_model_free(&set->old);
    wh_inputs_free(&set->inputs);
    free(set->file);
    free(set->above);
    free(set->folder);
    free(set->path);
    free(set);
}
