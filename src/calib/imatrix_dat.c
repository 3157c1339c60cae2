/* src/calib/imatrix_dat.c - the old form of an importance matrix (.dat).
 *
 *   i32 entries, at least 1
 *   entries x  i32 len, name; i32 calls; i32 n, f32 [n]
 *   nothing, or  i32 chunks; i32 len, name of the text
 *
 * Numbers are little-endian. The values are means of squares times `calls`; where that is not
 * above 0 they stand for themselves. There is no magic: what does not add up is no such file.
 *
 * Source: ggml-org/llama.cpp, tools/imatrix/imatrix.cpp (before it wrote GGUF) and
 * tools/quantize/quantize.cpp.
 * SPDX-License-Identifier: MIT */
#include "calib/imatrix.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"

#define LEAST_ENTRY (4 + 1 + 4 + 4 + 4)
#define MAX_NAME 65535 /* as for GGUF */

typedef struct dat {
    whit_imatrix *m;
    int fd;
    uint64_t at, bytes; /* read so far, of the file */
    whit_error *err;
} dat;

static whit_status bad(const dat *d, const char *what)
{
    return wh_fail(d->err, WHIT_ERR_FORMAT, "%s: no importance matrix, or a damaged one: %s",
                   d->m->label, what);
}

static whit_status get(dat *d, void *dst, uint64_t count)
{
    if (count > d->bytes - d->at) return bad(d, "it ends early");
    whit_status st = wh_file_pread(d->fd, d->m->path, d->at, dst, (size_t)count, d->err);
    d->at += count;
    return st;
}

static whit_status get_i32(dat *d, int32_t *out)
{
    unsigned char raw[4];
    whit_status st = get(d, raw, sizeof raw);
    if (st == WHIT_OK) *out = (int32_t)wh_load32(raw);
    return st;
}

/* A text of at least `least` octets behind its length; freed by the caller. */
static whit_status get_text(dat *d, int32_t least, char **text, size_t *len)
{
    int32_t n;
    *text = NULL;
    *len = 0;
    whit_status st = get_i32(d, &n);
    if (st != WHIT_OK) return st;
    if (n < least || n > MAX_NAME) return bad(d, "a name has no length that a name can have");
    *text = wh_calloc((size_t)n + 1, 1);
    if (!*text) return wh_imatrix_no_memory(d->m, d->err);
    *len = (size_t)n;
    return get(d, *text, (uint64_t)n);
}

static whit_status read_values(dat *d, const char *name, size_t len)
{
    int32_t calls, n;
    float *v = NULL;
    whit_status st = get_i32(d, &calls);
    if (st == WHIT_OK) st = get_i32(d, &n);
    if (st != WHIT_OK) return st;
    if (n < 1) return bad(d, "an entry without values");
    if ((uint64_t)n > (d->bytes - d->at) / 4) return bad(d, "it ends early");
    st = wh_imatrix_add(d->m, name, len, (uint64_t)n, &v, d->err);
    if (st == WHIT_OK) st = get(d, v, (uint64_t)n * 4);
    for (size_t i = 0; i < (size_t)n && st == WHIT_OK; i++) {
        v[i] = wh_bits_f32(wh_load32(v + i));
        if (calls > 0) v[i] /= (float)calls;
    }
    return st;
}

static whit_status read_entry(dat *d)
{
    char *name = NULL;
    size_t len;
    whit_status st = get_text(d, 1, &name, &len);
    if (st == WHIT_OK) st = read_values(d, name, len);
    free(name);
    return st;
}

static whit_status read_trailer(dat *d)
{
    int32_t chunks;
    char *text = NULL;
    size_t len;
    if (d->at == d->bytes) return WHIT_OK;
    whit_status st = get_i32(d, &chunks);
    if (st == WHIT_OK) st = get_text(d, 0, &text, &len);
    if (st == WHIT_OK && d->at != d->bytes) st = bad(d, "bytes behind its end");
    if (st != WHIT_OK) {
        free(text);
        return st;
    }
    d->m->info.chunks = chunks > 0 ? (uint64_t)chunks : 0;
    free(d->m->dataset);
    d->m->dataset = text;
    return WHIT_OK;
}

whit_status wh_imatrix_read_dat(whit_imatrix *m, int fd, uint64_t bytes, whit_error *err)
{
    dat d = { .m = m, .fd = fd, .bytes = bytes, .err = err };
    int32_t entries;
    m->info.format = "imatrix .dat";
    whit_status st = get_i32(&d, &entries);
    if (st != WHIT_OK) return st;
    if (entries < 1 || (uint64_t)entries > (bytes - d.at) / LEAST_ENTRY)
        return bad(&d, "it cannot hold as many entries as it says");
    for (int32_t i = 0; i < entries && st == WHIT_OK; i++) st = read_entry(&d);
    return st == WHIT_OK ? read_trailer(&d) : st;
}
