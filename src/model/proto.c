/* src/model/proto.c - reading protobuf's wire format.
 *
 *   field   varint: number << 3 | kind; then by kind: varint, 8 octets, length and octets, 4 octets
 *   varint  seven bits an octet, the lowest first; the eighth bit says that more follow
 *
 * Groups (kinds 3 and 4), which nobody writes any more, are malformed here. Nested messages are
 * read by beginning one on the octets of a field, so that depth is the caller's.
 *
 * Source: the encoding page of the Protocol Buffers documentation.
 * SPDX-License-Identifier: MIT */
#include "model/proto.h"

#include "base/bytes.h"

wh_proto wh_proto_begin(const void *data, size_t len)
{
    wh_proto p = { .at = data };
    p.end = p.at + len;
    return p;
}

static int varint(wh_proto *p, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && p->at < p->end; shift += 7) {
        const uint64_t octet = *p->at++;
        if (shift == 63 && octet > 1) return 0;
        v |= (octet & 0x7f) << shift;
        if (octet < 0x80) {
            *out = v;
            return 1;
        }
    }
    return 0;
}

/* So many octets, for the caller to look at; they are passed. */
static const unsigned char *take(wh_proto *p, uint64_t count)
{
    const unsigned char *data = p->at;
    if (count > (uint64_t)(p->end - p->at)) return NULL;
    p->at += count;
    return data;
}

int wh_proto_next(wh_proto *p)
{
    uint64_t key;
    if (p->at == p->end) return 0;
    if (!varint(p, &key) || key >> 3 == 0) return -1;
    p->field = key >> 3;
    p->kind = (wh_proto_kind)(key & 7);
    p->value = 0;
    p->data = NULL;
    p->len = 0;
    if (p->kind == WH_PROTO_NUMBER) return varint(p, &p->value) ? 1 : -1;
    if (p->kind == WH_PROTO_BYTES) {
        if (!varint(p, &p->value)) return -1;
        p->data = take(p, p->value);
        p->len = p->data ? (size_t)p->value : 0;
        return p->data ? 1 : -1;
    }
    if (p->kind != WH_PROTO_32 && p->kind != WH_PROTO_64) return -1;
    const unsigned char *raw = take(p, p->kind == WH_PROTO_32 ? 4 : 8);
    if (!raw) return -1;
    p->value = p->kind == WH_PROTO_32 ? wh_load32(raw) : wh_load64(raw);
    return 1;
}
