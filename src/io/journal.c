/* src/io/journal.c - a file of records that grows, and that a killed run leaves whole up to what
 * was committed last.
 *
 * SPDX-License-Identifier: MIT */
#define _FILE_OFFSET_BITS 64
#define _XOPEN_SOURCE 700
#include "io/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "io/temp.h"

#define MAGIC "whitlog1"
#define HEADER (8 + WH_JOURNAL_PLAN)
#define RECORD 16

static whit_status system_error(const wh_journal *j, whit_error *err)
{
    char name[WH_SHORT];
    return wh_fail(err, WHIT_ERR_IO, "%s: %s", wh_short(name, j->path ? j->path : "a spill file"),
                   strerror(errno));
}

static const char *label(const wh_journal *j)
{
    return j->path ? j->path : "a spill file";
}

/* ---- taking up ------------------------------------------------------------------------------- */

typedef struct scan {
    wh_journal *j;
    uint64_t size;
    uint8_t *piece;
} scan;

enum { PIECE = 1 << 16 };

/* Add octets [at, at + len) to the sum. */
static whit_status sum_octets(scan *s, uint64_t at, uint64_t len, whit_error *err)
{
    whit_status st = WHIT_OK;
    while (len > 0 && st == WHIT_OK) {
        const size_t n = len < PIECE ? (size_t)len : PIECE;
        st = wh_file_pread(s->j->fd, s->j->path, at, s->piece, n, err);
        if (st == WHIT_OK) s->j->sum = wh_crc32_add(&s->j->crc, s->j->sum, s->piece, n);
        at += n;
        len -= n;
    }
    return st;
}

typedef struct record {
    uint32_t kind, key;
    uint64_t len;
} record;

static record parse(const uint8_t *p)
{
    return (record){ wh_load32(p), wh_load32(p + 4), wh_load64(p + 8) };
}

/* Where the last good commit ends. */
static whit_status find_end(scan *s, uint64_t *end, whit_error *err)
{
    uint8_t head[RECORD], sum[4];
    whit_status st = WHIT_OK;
    *end = HEADER;
    s->j->sum = 0;
    for (uint64_t at = HEADER; st == WHIT_OK && s->size - at >= RECORD;) {
        st = wh_file_pread(s->j->fd, s->j->path, at, head, RECORD, err);
        const record r = parse(head);
        if (st != WHIT_OK || r.len > s->size - at - RECORD ||
            (r.kind == 0 && (r.len != 4 || r.key != 0)))
            break;
        if (r.kind == 0) {
            st = wh_file_pread(s->j->fd, s->j->path, at + RECORD, sum, 4, err);
            if (st != WHIT_OK || wh_load32(sum) != s->j->sum) break;
            *end = at + RECORD + 4;
            s->j->sum = 0;
        } else
            st = sum_octets(s, at, RECORD + r.len, err);
        at += RECORD + r.len;
    }
    return st;
}

static whit_status tell(scan *s, uint64_t end, wh_journal_fn *fn, void *ctx, whit_error *err)
{
    uint8_t head[RECORD];
    whit_status st = WHIT_OK;
    for (uint64_t at = HEADER; at < end && st == WHIT_OK;) {
        st = wh_file_pread(s->j->fd, s->j->path, at, head, RECORD, err);
        if (st != WHIT_OK) break;
        const record r = parse(head);
        st = fn(ctx, r.kind, r.key, at + RECORD, r.len, err);
        at += RECORD + r.len;
    }
    return st;
}

static whit_status begin(wh_journal *j, const char plan[WH_JOURNAL_PLAN], whit_error *err)
{
    uint8_t head[HEADER];
    memcpy(head, MAGIC, 8);
    memcpy(head + 8, plan, WH_JOURNAL_PLAN);
    whit_status st = wh_file_resize(j->fd, j->path, 0, err);
    j->end = HEADER;
    return st == WHIT_OK ? wh_file_pwrite(j->fd, j->path, 0, head, HEADER, err) : st;
}

static whit_status take_up(wh_journal *j, uint64_t size, const char plan[WH_JOURNAL_PLAN],
                           wh_journal_fn *fn, void *ctx, whit_error *err)
{
    uint8_t head[HEADER];
    char name[WH_SHORT];
    scan s = { j, size, NULL };
    whit_status st = wh_file_pread(j->fd, j->path, 0, head, HEADER, err);
    if (st != WHIT_OK) return st;
    wh_short(name, j->folder);
    if (memcmp(head, MAGIC, 8) != 0)
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: holds no interrupted run; try: another output",
                       name);
    if (memcmp(head + 8, plan, WH_JOURNAL_PLAN) != 0)
        return wh_fail(err, WHIT_ERR_ARG,
                       "%s: of a run with another plan; try: the same command as then, or without "
                       "--resume",
                       name);
    s.piece = wh_calloc(PIECE, 1);
    if (!s.piece) return wh_fail(err, WHIT_ERR_NOMEM, "no memory to go on");
    st = find_end(&s, &j->end, err);
    if (st == WHIT_OK) st = tell(&s, j->end, fn, ctx, err);
    if (st == WHIT_OK) st = wh_file_resize(j->fd, j->path, j->end, err);
    j->sum = 0;
    free(s.piece);
    return st;
}

static whit_status open_file(wh_journal *j, uint64_t *size, whit_error *err)
{
    struct stat st;
    if (mkdir(j->folder, 0777) != 0 && errno != EEXIST) return system_error(j, err);
    do {
        j->fd = open(j->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    } while (j->fd < 0 && errno == EINTR);
    if (j->fd < 0 || fstat(j->fd, &st) != 0) return system_error(j, err);
    if (!S_ISREG(st.st_mode)) return wh_fail(err, WHIT_ERR_IO, "%s: is no regular file", label(j));
    *size = (uint64_t)st.st_size;
    return WHIT_OK;
}

whit_status wh_journal_open(wh_journal *j, const char *output, const char *name,
                            const char plan[WH_JOURNAL_PLAN], wh_journal_fn *fn, void *ctx,
                            whit_error *err)
{
    uint64_t size = 0;
    *j = (wh_journal){ .fd = -1 };
    wh_crc32_init(&j->crc);
    j->folder = wh_path_beside(output, ".partial");
    if (j->folder) j->path = wh_path_join(j->folder, name);
    if (!j->path) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a name");
    whit_status st = open_file(j, &size, err);
    if (st != WHIT_OK) return st;
    /* killed before the first octets were there: as if it were not */
    return size < HEADER ? begin(j, plan, err) : take_up(j, size, plan, fn, ctx, err);
}

whit_status wh_journal_open_spill(wh_journal *j, const char *output, whit_error *err)
{
    *j = (wh_journal){ .fd = -1 };
    wh_crc32_init(&j->crc);
    return wh_temp_spill(output, &j->fd, err);
}

/* ---- growing --------------------------------------------------------------------------------- */

static whit_status append(wh_journal *j, const void *data, uint64_t len, whit_error *err)
{
    whit_status st = wh_file_pwrite(j->fd, label(j), j->end, data, (size_t)len, err);
    if (st != WHIT_OK) return st;
    j->end += len;
    if (j->path) j->sum = wh_crc32_add(&j->crc, j->sum, data, (size_t)len);
    return WHIT_OK;
}

whit_status wh_journal_add(wh_journal *j, uint32_t kind, uint32_t key, const void *data,
                           uint64_t len, uint64_t *offset, whit_error *err)
{
    uint8_t head[RECORD];
    wh_store32(head, kind);
    wh_store32(head + 4, key);
    wh_store64(head + 8, len);
    whit_status st = append(j, head, RECORD, err);
    if (offset) *offset = j->end;
    return st == WHIT_OK ? append(j, data, len, err) : st;
}

whit_status wh_journal_commit(wh_journal *j, whit_error *err)
{
    uint8_t sum[4];
    if (!j->path) return WHIT_OK; /* nobody will ever read it again */
    wh_store32(sum, j->sum);
    whit_status st = wh_journal_add(j, 0, 0, sum, 4, NULL, err);
    j->sum = 0;
    int rc;
    do {
        rc = fsync(j->fd);
    } while (rc != 0 && errno == EINTR);
    return st == WHIT_OK && rc != 0 ? system_error(j, err) : st;
}

whit_status wh_journal_read(const wh_journal *j, uint64_t offset, void *data, uint64_t len,
                            whit_error *err)
{
    return wh_file_pread(j->fd, label(j), offset, data, (size_t)len, err);
}

void wh_journal_close(wh_journal *j)
{
    if (j->fd >= 0) close(j->fd);
    free(j->path);
    free(j->folder);
    *j = (wh_journal){ .fd = -1 };
}

void wh_journal_remove(const char *output, const char *name)
{
    char *folder = wh_path_beside(output, ".partial");
    char *path = folder ? wh_path_join(folder, name) : NULL;
    if (path && unlink(path) == 0) rmdir(folder);
    free(path);
    free(folder);
}
