/* src/job/match.c - work that is compared with a file instead of written to one.
 *
 * Not here: which work (verify_against.c).
 *
 * SPDX-License-Identifier: MIT */
#include "job/match.h"

#include <inttypes.h>
#include <string.h>

static const wh_out_entry *entry_of(const wh_match *m, wh_spot spot)
{
    return &m->layout->file[spot.file].entry[spot.entry];
}

whit_status wh_match_tensor(const wh_match *m, wh_spot spot, whit_error *err)
{
    const wh_out_entry *e = entry_of(m, spot);
    const size_t i = whit_file_find(m->file, e->name);
    const whit_tensor *t = i == WHIT_NOT_FOUND ? NULL : whit_file_tensor(m->file, i);
    char name[WH_SHORT];
    wh_short(name, e->name);
    if (!t) return wh_fail(err, WHIT_ERR_BAR, "%s: is missing", name);
    if (t->dtype != e->dtype || (e->type && t->type && strcmp(e->type, t->type) != 0))
        return wh_fail(err, WHIT_ERR_BAR, "%s: is %s, the source gives %s", name,
                       whit_tensor_type(t), e->type ? e->type : whit_dtype_name(e->dtype));
    if (t->bytes != e->bytes || t->rank != e->rank ||
        memcmp(t->shape, e->shape, e->rank * sizeof *e->shape) != 0)
        return wh_fail(err, WHIT_ERR_BAR, "%s: has another shape than the source gives", name);
    return WHIT_OK;
}

whit_status wh_match_bytes(const wh_match *m, wh_spot spot, uint64_t offset, const void *data,
                           size_t len, whit_error *err)
{
    const wh_out_entry *e = entry_of(m, spot);
    const size_t index = whit_file_find(m->file, e->name);
    const uint8_t *made = data;
    uint8_t there[16384];
    char name[WH_SHORT];
    if (index == WHIT_NOT_FOUND || whit_file_tensor(m->file, index)->bytes != e->bytes)
        return wh_match_tensor(m, spot, err);
    for (size_t at = 0; at < len; at += sizeof there) {
        const size_t n = len - at < sizeof there ? len - at : sizeof there;
        whit_status st = whit_file_read(m->file, index, offset + at, n, there, err);
        if (st != WHIT_OK) return st;
        if (memcmp(there, made + at, n) == 0) continue;
        size_t k = 0;
        while (there[k] == made[at + k]) k++;
        return wh_fail(err, WHIT_ERR_BAR, "%s: byte %" PRIu64 " is %02x, the source gives %02x",
                       wh_short(name, e->name), offset + at + k, there[k], made[at + k]);
    }
    return WHIT_OK;
}
