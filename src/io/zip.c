/* src/io/zip.c - the directory of a zip archive, and that the entries are where it says.
 *
 *   entries      each a local header (PK 3 4), name, extra fields, its data, maybe a descriptor
 *   directory    each a header (PK 1 2), name, extra fields, comment
 *   zip64        a record (PK 6 6) and its locator (PK 6 7), where numbers pass 16 or 32 bits
 *   the end      a record (PK 5 6) of 22 octets, and a comment of up to 65535
 *
 * The end is looked for from the end of the file: the first record whose comment reaches exactly to
 * there. The directory ends where the records begin, with nothing between. What does not fit its
 * field is all ones there and stands in the extra field 1 of the header, 8 octets each, in the
 * order bytes, stored, offset. The data begin behind the local header, whose name and extra fields
 * have lengths of their own (PyTorch pads there).
 *
 * Of a local header the name, the method and, unless a descriptor follows the data (flag bit 3),
 * sizes and checksum must be those of the directory. Refused besides: encrypted entries, other
 * methods than 0 and 8, archives in parts; names that are there twice, are no UTF-8, or lead out
 * of a folder; entries that overlap each other or the directory (so no octet is inflated twice);
 * sizes beyond what deflated data can make (a match of 258 octets takes 2 bits).
 *
 * Not here: the data of entries (unzip.c).
 * Source: PKWARE, .ZIP File Format Specification (APPNOTE.TXT) 6.3.10.
 * SPDX-License-Identifier: MIT */
#include "io/zip.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

#define END_BYTES 22u
#define END_MOST (END_BYTES + 65535u)
#define LOCATOR_BYTES 20u
#define END64_BYTES 56u
#define HEADER_BYTES 46u
#define LOCAL_BYTES 30u
#define MOST_RATIO 1032u
#define MOST_DIRECTORY ((uint64_t)1 << 30)
#define PLACES 1024u /* to go on from, of all entries together: 32 MiB at most */
#define NEAREST ((uint64_t)1 << 20)

enum { ENCRYPTED = 1, DESCRIPTOR = 8, STORED = 0, DEFLATED = 8 };

typedef struct directory {
    wh_zip *z;
    char label[WH_SHORT];
    uint64_t at, bytes, count; /* where it is, its size, its entries */
    unsigned char *data;
    whit_error *err;
} directory;

static whit_status bad(const directory *d, const char *what)
{
    return wh_fail(d->err, WHIT_ERR_FORMAT, "%s: zip: %s; try: download it again", d->label, what);
}

static whit_status bad_entry(const directory *d, const char *name, const char *what)
{
    char shortened[WH_SHORT];
    return wh_fail(d->err, WHIT_ERR_FORMAT, "%s: %s: %s", d->label, wh_short(shortened, name),
                   what);
}

static whit_status no_memory(const directory *d)
{
    return wh_fail(d->err, WHIT_ERR_NOMEM, "%s: no memory for the directory of the archive",
                   d->label);
}

static whit_status get(const directory *d, uint64_t at, void *dst, size_t count)
{
    return wh_file_pread(d->z->shard->fd, d->z->shard->path, at, dst, count, d->err);
}

static int is(const unsigned char *p, unsigned char a, unsigned char b)
{
    return p[0] == 'P' && p[1] == 'K' && p[2] == a && p[3] == b;
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Where the end record is; UINT64_MAX: nowhere. tail: the last `have` octets of the file. *behind:
 * a record is there whose comment ends before the file does. */
static uint64_t find_end(const unsigned char *tail, size_t have, uint64_t file, int *behind)
{
    *behind = 0;
    for (size_t back = END_BYTES; back <= have; back++) {
        const unsigned char *p = tail + have - back;
        if (!is(p, 5, 6)) continue;
        if (wh_load16(p + 20) == back - END_BYTES) return file - back;
        *behind |= wh_load16(p + 20) < back - END_BYTES;
    }
    return UINT64_MAX;
}

/* A field of the end record against that of zip64: equal, or all ones. */
static int agrees(uint64_t field, uint64_t ones, uint64_t wide)
{
    return field == ones || field == wide;
}

/* What the zip64 record says, where its locator stands in front of the end record at `end`; *end
 * becomes the start of the record. */
static whit_status read_end64(directory *d, const unsigned char *record, uint64_t *end)
{
    unsigned char locator[LOCATOR_BYTES], r[END64_BYTES];
    const int wanted = d->count == 0xffff || d->bytes == UINT32_MAX || d->at == UINT32_MAX;
    if (*end < LOCATOR_BYTES) return wanted ? bad(d, "no zip64 record") : WHIT_OK;
    whit_status st = get(d, *end - LOCATOR_BYTES, locator, sizeof locator);
    if (st != WHIT_OK) return st;
    if (!is(locator, 6, 7)) return wanted ? bad(d, "no zip64 record") : WHIT_OK;
    const uint64_t at = wh_load64(locator + 8), before = *end - LOCATOR_BYTES;
    if (wh_load32(locator + 4) != 0 || wh_load32(locator + 16) > 1)
        return bad(d, "an archive in several parts");
    if (before < END64_BYTES || at > before - END64_BYTES)
        return bad(d, "the zip64 record is not where its locator says");
    st = get(d, at, r, sizeof r);
    if (st != WHIT_OK) return st;
    if (!is(r, 6, 6) || wh_load64(r + 4) != before - at - 12)
        return bad(d, "the zip64 record is not where its locator says");
    if (wh_load32(r + 16) != 0 || wh_load32(r + 20) != 0 || wh_load64(r + 24) != wh_load64(r + 32))
        return bad(d, "an archive in several parts");
    if (!agrees(wh_load16(record + 10), 0xffff, wh_load64(r + 32)) ||
        !agrees(wh_load32(record + 12), UINT32_MAX, wh_load64(r + 40)) ||
        !agrees(wh_load32(record + 16), UINT32_MAX, wh_load64(r + 48)))
        return bad(d, "the two records at its end contradict each other");
    d->count = wh_load64(r + 32);
    d->bytes = wh_load64(r + 40);
    d->at = wh_load64(r + 48);
    *end = at;
    return WHIT_OK;
}

static whit_status read_end(directory *d)
{
    const uint64_t file = d->z->shard->bytes;
    const size_t have = file < END_MOST ? (size_t)file : END_MOST;
    unsigned char *tail = wh_calloc(have, 1), r[END_BYTES];
    if (!tail) return no_memory(d);
    whit_status st = get(d, file - have, tail, have);
    int behind = 0;
    uint64_t end = st == WHIT_OK ? find_end(tail, have, file, &behind) : UINT64_MAX;
    if (end != UINT64_MAX) memcpy(r, tail + (have - (size_t)(file - end)), sizeof r);
    free(tail);
    if (st != WHIT_OK) return st;
    if (end == UINT64_MAX)
        return bad(d, behind ? "more octets behind its end" : "its end is missing");
    if (wh_load16(r + 4) != 0 || wh_load16(r + 6) != 0 || wh_load16(r + 8) != wh_load16(r + 10))
        return bad(d, "an archive in several parts");
    d->count = wh_load16(r + 10);
    d->bytes = wh_load32(r + 12);
    d->at = wh_load32(r + 16);
    st = read_end64(d, r, &end);
    if (st != WHIT_OK) return st;
    if (d->at > end || d->bytes != end - d->at)
        return bad(d, "its directory does not lie where its end says");
    if (d->bytes > MOST_DIRECTORY) return bad(d, "a directory of more than 1 GiB");
    return d->count > d->bytes / HEADER_BYTES
               ? bad(d, "more entries than its directory has room for")
               : WHIT_OK;
}

/* ---- entries --------------------------------------------------------------------------------- */

/* The numbers of extra field 1, for those that are all ones. 0: it is too short, or missing. */
static int read_extra(const unsigned char *p, size_t len, uint64_t *const number[3])
{
    size_t wanted = 0, at = 0;
    for (int i = 0; i < 3; i++) wanted += number[i] && *number[i] == UINT32_MAX;
    while (wanted > 0 && len - at >= 4) {
        const size_t id = wh_load16(p + at), size = wh_load16(p + at + 2);
        at += 4;
        if (size > len - at) return 0;
        if (id == 1) {
            if (size < 8 * wanted) return 0;
            for (int i = 0; i < 3; i++) {
                if (!number[i] || *number[i] != UINT32_MAX) continue;
                *number[i] = wh_load64(p + at);
                at += 8;
            }
            return 1;
        }
        at += size;
    }
    return wanted == 0;
}

/* UTF-8 without NUL. */
static int is_text(const char *name, size_t len)
{
    const unsigned char *p = (const unsigned char *)name;
    for (size_t i = 0, n; i < len; i += n)
        if (p[i] == 0 || (n = wh_utf8_sequence(p + i, len - i)) == 0) return 0;
    return 1;
}

/* It stays in its folder. */
static int is_sound_name(const char *name, size_t len)
{
    for (const char *part = name, *slash; part; part = slash ? slash + 1 : NULL) {
        if (strncmp(part, "..", 2) == 0 && (part[2] == 0 || part[2] == '/')) return 0;
        slash = strchr(part, '/');
    }
    return len > 0 && name[0] != '/' && !strchr(name, '\\');
}

/* A header of the directory; *used: its octets. p has `left` of them. */
static whit_status read_header(directory *d, const unsigned char *p, size_t left, wh_zip_entry *e,
                               char *name, size_t *used)
{
    if (left < HEADER_BYTES || !is(p, 1, 2)) return bad(d, "its directory is damaged");
    const size_t len = wh_load16(p + 28), extra = wh_load16(p + 30), comment = wh_load16(p + 32);
    *used = HEADER_BYTES + len + extra + comment;
    if (*used > left) return bad(d, "its directory is damaged");
    memcpy(name, p + HEADER_BYTES, len);
    name[len] = 0;
    const unsigned flags = wh_load16(p + 8);
    *e = (wh_zip_entry){ name,
                         wh_load32(p + 42),
                         wh_load32(p + 20),
                         wh_load32(p + 24),
                         wh_load32(p + 16),
                         wh_load16(p + 10) };
    if (!is_text(name, len)) return bad(d, "the name of an entry is not UTF-8, or has a NUL");
    if (!is_sound_name(name, len))
        return bad_entry(d, name, "a name that no entry of an archive should have");
    uint64_t *const numbers[3] = { &e->bytes, &e->stored, &e->at };
    if (!read_extra(p + HEADER_BYTES + len, extra, numbers))
        return bad_entry(d, name, "its zip64 field is damaged");
    if (flags & ENCRYPTED)
        return wh_fail(d->err, WHIT_ERR_UNSUPPORTED, "%s: %s: is encrypted", d->label, name);
    if (e->method != STORED && e->method != DEFLATED)
        return wh_fail(d->err, WHIT_ERR_UNSUPPORTED,
                       "%s: %s: compression method %u is not read; try: pack it with deflate",
                       d->label, name, e->method);
    if (e->method == STORED && e->stored != e->bytes)
        return bad_entry(d, name, "stored as it is, but with another size");
    if (e->bytes / MOST_RATIO > e->stored)
        return bad_entry(d, name, "is said to inflate to more than deflated data can");
    return WHIT_OK;
}

/* The local header against the entry; then e->at is where the data begin. */
static whit_status check_local(directory *d, wh_zip_entry *e)
{
    unsigned char local[LOCAL_BYTES], *rest = NULL;
    uint64_t end;
    if (d->at < LOCAL_BYTES || e->at > d->at - LOCAL_BYTES)
        return bad_entry(d, e->name, "begins beyond the data of the archive");
    whit_status st = get(d, e->at, local, sizeof local);
    if (st != WHIT_OK) return st;
    const size_t len = wh_load16(local + 26), extra = wh_load16(local + 28);
    if (!is(local, 3, 4)) return bad_entry(d, e->name, "no entry begins where the directory says");
    const uint64_t data = e->at + LOCAL_BYTES + len + extra;
    if (!wh_add_u64(data, e->stored, &end) || end > d->at)
        return bad_entry(d, e->name, "its data end beyond those of the archive");
    rest = wh_calloc(len + extra, 1);
    if (!rest) return no_memory(d);
    st = get(d, e->at + LOCAL_BYTES, rest, len + extra);
    const unsigned flags = wh_load16(local + 6);
    uint64_t stored = wh_load32(local + 18), bytes = wh_load32(local + 22);
    uint64_t *const numbers[3] = { &bytes, &stored, NULL };
    if (st != WHIT_OK)
        ; /* said already */
    else if (len != strlen(e->name) || memcmp(rest, e->name, len) != 0)
        st = bad_entry(d, e->name, "has another name where it begins");
    else if (wh_load16(local + 8) != e->method || (flags & ENCRYPTED))
        st = bad_entry(d, e->name, "is packed otherwise than the directory says");
    else if (!(flags & DESCRIPTOR) &&
             (!read_extra(rest + len, extra, numbers) || stored != e->stored || bytes != e->bytes ||
              wh_load32(local + 14) != e->crc))
        st = bad_entry(d, e->name, "has another size or checksum than the directory says");
    free(rest);
    e->at = data;
    return st;
}

static int by_place(const void *a, const void *b)
{
    const wh_zip_entry *const *x = a, *const *y = b;
    return ((*x)->at > (*y)->at) - ((*x)->at < (*y)->at);
}

/* Data that two entries share could be inflated again and again. */
static whit_status check_overlaps(const directory *d)
{
    const wh_zip *z = d->z;
    whit_status st = WHIT_OK;
    const wh_zip_entry **order = wh_calloc(z->count, sizeof(wh_zip_entry *));
    if (!order) return no_memory(d);
    for (size_t i = 0; i < z->count; i++) order[i] = &z->entry[i];
    qsort((void *)order, z->count, sizeof(wh_zip_entry *), by_place);
    for (size_t i = 1; i < z->count && st == WHIT_OK; i++) {
        const uint64_t header = LOCAL_BYTES + strlen(order[i]->name);
        if (order[i]->at < header ||
            order[i]->at - header < order[i - 1]->at + order[i - 1]->stored)
            st = bad_entry(d, order[i]->name, "overlaps the entry before it");
    }
    free((void *)order);
    return st;
}

static whit_status read_entries(directory *d)
{
    wh_zip *z = d->z;
    size_t at = 0, texts = 0;
    uint64_t total = 0;
    for (uint64_t i = 0; i < d->count; i++) {
        wh_zip_entry *e = &z->entry[i];
        size_t used = 0;
        whit_status st =
            read_header(d, d->data + at, (size_t)d->bytes - at, e, z->texts + texts, &used);
        if (st == WHIT_OK) st = check_local(d, e);
        if (st != WHIT_OK) return st;
        at += used;
        texts += strlen(e->name) + 1; /* at most `used` octets */
        const int added = wh_names_add(&z->names, e->name, z->count++);
        if (added < 0) return no_memory(d);
        if (!added) return bad_entry(d, e->name, "the name is there twice");
        total += e->method == DEFLATED ? e->bytes : 0; /* at most MOST_RATIO times the file */
    }
    if (at != d->bytes) return bad(d, "more in its directory than it counts");
    z->spacing = total / PLACES > NEAREST ? total / PLACES : NEAREST;
    return check_overlaps(d);
}

whit_status wh_zip_open(wh_zip *z, const wh_shard *shard, whit_error *err)
{
    directory d = { .z = z, .err = err };
    memset(z, 0, sizeof *z);
    z->shard = shard;
    wh_io_label(d.label, shard->path);
    whit_status st = read_end(&d);
    if (st != WHIT_OK) return st;
    d.data = wh_calloc(d.bytes, 1);
    z->texts = wh_calloc(d.bytes, 1);
    z->entry = wh_calloc(d.count, sizeof *z->entry);
    z->crc = wh_calloc(1, sizeof *z->crc);
    st = d.data && z->texts && z->entry && z->crc ? get(&d, d.at, d.data, (size_t)d.bytes)
                                                  : no_memory(&d);
    if (st == WHIT_OK) {
        wh_crc32_init(z->crc);
        st = read_entries(&d);
    }
    free(d.data);
    return st;
}

size_t wh_zip_find(const wh_zip *z, const char *name)
{
    return wh_names_find(&z->names, name);
}

void wh_zip_free(wh_zip *z)
{
    wh_names_free(&z->names);
    free(z->entry);
    free(z->texts);
    free(z->crc);
    memset(z, 0, sizeof *z);
}
