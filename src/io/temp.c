/* src/io/temp.c - temporary files beside their final place, held by the run that writes them.
 *
 * One rule: a temporary file is removed only by a run that holds it. It is created, and then held;
 * a run that cleans up may come in between and take it away, which the check in wh_hold shows.
 *
 * SPDX-License-Identifier: MIT */
#define _FILE_OFFSET_BITS 64
#define _XOPEN_SOURCE 700
#include "io/temp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/lock.h"

#define SUFFIX ".whit-tmp"
#define MAX_TRIES 100 /* each failed one needs another run that acts at that very moment */

char *wh_temp_name(const char *final)
{
    const char *name = wh_path_name(final);
    size_t head = (size_t)(name - final), tail = strlen(name);
    char *temp = wh_calloc(head + tail + 1 + sizeof SUFFIX, 1);
    if (!temp) return NULL;
    memcpy(temp, final, head);
    temp[head] = '.';
    memcpy(temp + head + 1, name, tail);
    memcpy(temp + head + 1 + tail, SUFFIX, sizeof SUFFIX);
    return temp;
}

static int same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

int wh_temp_is(const char *temp, int fd)
{
    struct stat named, open_file;
    if (lstat(temp, &named) != 0) return wh_file_is_nothing(errno) ? 0 : -1;
    return fstat(fd, &open_file) == 0 ? same_file(&named, &open_file) : -1;
}

/* Remove a temporary file that nobody holds, and before it final (may be NULL) if that is the same
 * file. 1: there is none now. 0: somebody holds it. -1: errno says why, ESTALE: look again. */
static int remove_unheld(const char *temp, const char *final)
{
    struct stat left, placed;
    if (lstat(temp, &left) != 0) return errno == ENOENT ? 1 : -1;
    if (!S_ISREG(left.st_mode)) return unlink(temp) == 0 ? 1 : -1;
    int fd = open(temp, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return -1;
    int held = wh_hold(fd, temp);
    if (held == 1) {
        int same = final && lstat(final, &placed) == 0 && fstat(fd, &left) == 0 &&
                   same_file(&placed, &left);
        if ((same && unlink(final) != 0) || unlink(temp) != 0) held = -1;
    }
    int error = errno;
    close(fd);
    errno = error;
    return held;
}

/* Create and hold. 1: done. 0: try again. -1: errno. */
static int create_held(const char *temp, int *fd)
{
    *fd = open(temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (*fd < 0) return errno == EEXIST || errno == EINTR ? 0 : -1;
    int held = wh_hold(*fd, temp);
    if (held == 1) return 1;
    int error = errno;
    close(*fd);
    *fd = -1;
    errno = error;
    return held == 0 || error == ESTALE ? 0 : -1;
}

whit_status wh_temp_create(const char *temp, const wh_inputs *inputs, int *fd, whit_error *err)
{
    char name[WH_SHORT];
    *fd = -1;
    whit_status st = wh_inputs_refuse(inputs, temp, err);
    if (st != WHIT_OK) return st;
    for (int i = 0; i < MAX_TRIES; i++) {
        int done = remove_unheld(temp, NULL);
        if (done == 0) break;
        if (done == -1 && (errno == ESTALE || errno == ENOENT)) continue;
        if (done == 1) done = create_held(temp, fd);
        if (done == 1) return WHIT_OK;
        if (done == -1)
            return wh_fail(err, WHIT_ERR_IO, "%s: cannot be created: %s", wh_short(name, temp),
                           strerror(errno));
    }
    return wh_fail(err, WHIT_ERR_ARG, "%s: another run is writing it; try: wait until it ends",
                   wh_short(name, temp));
}

void wh_temp_clear(const char *temp, const char *final, const wh_inputs *inputs)
{
    if (!wh_inputs_have(inputs, temp)) (void)remove_unheld(temp, final);
}

/* The final name of a temporary one; NULL when it is none, or when there is no memory. */
static char *final_name(const char *temp)
{
    size_t len = strlen(temp), suffix = sizeof SUFFIX - 1;
    if (len < suffix + 2 || temp[0] != '.' || strcmp(temp + len - suffix, SUFFIX) != 0) return NULL;
    return wh_strndup(temp + 1, len - suffix - 1);
}

whit_status wh_temp_sweep(const char *folder, int half_placed, const wh_inputs *inputs,
                          whit_error *err)
{
    char label[WH_SHORT];
    struct dirent *entry;
    DIR *dir = opendir(folder);
    if (!dir && errno == EACCES) return WHIT_OK;
    while (dir && (errno = 0, entry = readdir(dir)) != NULL) {
        char *name = final_name(entry->d_name);
        if (!name) continue;
        char *temp = wh_path_join(folder, entry->d_name), *final = wh_path_join(folder, name);
        if (temp && final && !wh_inputs_have(inputs, temp))
            (void)remove_unheld(temp, half_placed ? final : NULL);
        free(temp);
        free(final);
        free(name);
    }
    const int error = errno;
    if (dir) closedir(dir);
    if (error == 0) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_IO, "%s: %s", wh_short(label, folder), strerror(error));
}

char *wh_temp_spill_name(const char *output)
{
    char *beside = wh_path_beside(output, ".spill");
    char *temp = beside ? wh_temp_name(beside) : NULL;
    free(beside);
    return temp;
}

whit_status wh_temp_spill(const char *output, int *fd, whit_error *err)
{
    const wh_inputs none = { NULL, 0 }; /* wh_inputs_apart has looked */
    char *temp = wh_temp_spill_name(output);
    if (!temp) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a name");
    whit_status st = wh_temp_create(temp, &none, fd, err);
    if (st == WHIT_OK) unlink(temp);
    free(temp);
    return st;
}
