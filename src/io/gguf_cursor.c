/* src/io/gguf_cursor.c - reading the header of a GGUF file from front to back.
 *
 * The header does not say how long it is, so it is read through a window, and every length in it
 * is compared with what the file, and the limit on headers, still have before it is believed.
 * Strings are a 64-bit length and that many octets, without a terminator.
 *
 * Not here: what the header says (gguf.c, gguf_kv.c).
 * SPDX-License-Identifier: MIT */
#include "io/gguf.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

#define MAX_HEADER 100000000u /* as for safetensors; real ones have a few MB of tokens */
#define MAX_NAME 65535u       /* that of the specification for keys */

void wh_gguf_begin(wh_gguf *g, whit_file *file, size_t shard)
{
    const wh_shard *s = &file->shards[shard];
    g->file = file;
    g->shard = shard;
    wh_io_label(g->label, s->path);
    g->at = 0;
    g->end = s->bytes < MAX_HEADER ? s->bytes : MAX_HEADER;
    g->used = g->have = 0;
    memset(&g->keys, 0, sizeof g->keys);
}

whit_status wh_gguf_bad(const wh_gguf *g, const char *name, const char *what, whit_error *err)
{
    char shortened[WH_SHORT];
    if (!name) return wh_fail(err, WHIT_ERR_FORMAT, "%s: GGUF header: %s", g->label, what);
    return wh_fail(err, WHIT_ERR_FORMAT, "%s: %s: %s", g->label, wh_short(shortened, name), what);
}

static whit_status ends_early(const wh_gguf *g, uint64_t need, whit_error *err)
{
    const uint64_t bytes = g->file->shards[g->shard].bytes;
    uint64_t end;
    if (!wh_add_u64(g->at, need, &end)) end = UINT64_MAX;
    if (end <= bytes)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: GGUF header of more than %u bytes", g->label,
                       MAX_HEADER);
    return wh_fail(err, WHIT_ERR_FORMAT,
                   "%s: GGUF header goes on to byte %" PRIu64 ", the file has %" PRIu64
                   "; try: download it again",
                   g->label, end, bytes);
}

whit_status wh_gguf_room_for(const wh_gguf *g, const char *name, uint64_t count, size_t least,
                             const char *what, whit_error *err)
{
    char shortened[WH_SHORT];
    if (count <= (g->end - g->at) / least) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_FORMAT,
                   "%s: %s: %" PRIu64 " %s cannot be in the %" PRIu64
                   " bytes that follow; try: download it again",
                   g->label, name ? wh_short(shortened, name) : "GGUF header", count, what,
                   g->end - g->at);
}

whit_status wh_gguf_get(wh_gguf *g, void *dst, size_t count, whit_error *err)
{
    const wh_shard *s = &g->file->shards[g->shard];
    unsigned char *to = dst;
    if (count > g->end - g->at) return ends_early(g, count, err);
    while (count > 0) {
        whit_status st = WHIT_OK;
        size_t n = g->have - g->used;
        if (n > count) n = count;
        if (n > 0) {
            memcpy(to, g->window + g->used, n);
            g->used += n;
        } else if (count >= WH_GGUF_WINDOW) {
            n = count;
            st = wh_file_pread(s->fd, s->path, g->at, to, n, err);
        } else {
            uint64_t left = g->end - g->at;
            g->have = left < WH_GGUF_WINDOW ? (size_t)left : WH_GGUF_WINDOW;
            g->used = 0;
            st = wh_file_pread(s->fd, s->path, g->at, g->window, g->have, err);
        }
        if (st != WHIT_OK) return st;
        to += n;
        count -= n;
        g->at += n;
    }
    return WHIT_OK;
}

whit_status wh_gguf_u32(wh_gguf *g, uint32_t *out, whit_error *err)
{
    unsigned char raw[4] = { 0 };
    whit_status st = wh_gguf_get(g, raw, sizeof raw, err);
    *out = wh_load32(raw);
    return st;
}

whit_status wh_gguf_u64(wh_gguf *g, uint64_t *out, whit_error *err)
{
    unsigned char raw[8] = { 0 };
    whit_status st = wh_gguf_get(g, raw, sizeof raw, err);
    *out = wh_load64(raw);
    return st;
}

whit_status wh_gguf_string(wh_gguf *g, const char *owner, whit_kv_string *out, whit_error *err)
{
    uint64_t len;
    *out = (whit_kv_string){ "", 0 };
    whit_status st = wh_gguf_u64(g, &len, err);
    if (st != WHIT_OK) return st;
    if (len > WH_IO_MAX_STRING) return wh_gguf_bad(g, owner, "a string of more than 16 MiB", err);
    if (len > g->end - g->at) return ends_early(g, len, err);
    char *text = wh_io_room(g->file, (size_t)len + 1, 1);
    if (!text) return wh_io_no_memory(g->file, err);
    st = wh_gguf_get(g, text, (size_t)len, err);
    text[len] = 0;
    *out = (whit_kv_string){ text, (size_t)len };
    return st;
}

int wh_gguf_is_text(const whit_kv_string *s)
{
    const unsigned char *p = (const unsigned char *)s->text;
    for (size_t i = 0, n; i < s->len; i += n) {
        n = wh_utf8_sequence(p + i, s->len - i);
        if (n == 0 || p[i] == 0) return 0;
    }
    return 1;
}

whit_status wh_gguf_name(wh_gguf *g, const char **out, whit_error *err)
{
    whit_kv_string s;
    *out = NULL;
    whit_status st = wh_gguf_string(g, NULL, &s, err);
    if (st != WHIT_OK) return st;
    if (s.len > MAX_NAME) return wh_gguf_bad(g, s.text, "a name of more than 65535 bytes", err);
    if (!wh_gguf_is_text(&s))
        return wh_gguf_bad(g, NULL, "a name that is not UTF-8, or holds NUL", err);
    *out = s.text;
    return WHIT_OK;
}
