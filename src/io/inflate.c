/* src/io/inflate.c - deflated data (RFC 1951), piece by piece.
 *
 *   block     1 bit: the last one; 2 bits: 0 stored, 1 fixed codes, 2 codes of its own
 *   stored    to the next octet; u16 length, u16 its complement, that many octets
 *   own       5 bits literal codes - 257, 5 bits distance codes - 1, 4 bits lengths - 4;
 *             3 bits for each length of the code that the lengths of the others are written in
 *   symbols   0..255 an octet, 256 the end of the block, 257..285 a copy: its length, extra bits,
 *             a symbol for the distance, extra bits
 *
 * Numbers come lowest bit first, codes highest bit first. A code's lengths must fill its tree;
 * only a lone distance of one bit, or none at all, may be incomplete. Refused beyond what the
 * format says are the same things as by zlib: more than 286 literal or 30 distance codes, no end
 * of block, distances beyond the start.
 *
 * Codes of up to WH_INFLATE_FAST bits are found by one look-up, the others by counting through the
 * lengths. All of the state lies in the structure, so that work can stop after any octet, be saved
 * and go on: to that end the codes of the block are read again from where it begins.
 *
 * Not here: what wraps the data (zip.c), checksums. Source: RFC 1951; the way of counting is that
 * of canonical codes (Schwartz and Kallick 1964).
 * SPDX-License-Identifier: MIT */
#include "io/inflate.h"

#include <string.h>

#include "base/bytes.h"

#define MASK (WH_INFLATE_WINDOW - 1)
#define END_OF_BLOCK 256
#define MOST_BITS 15
#define ENOUGH 48 /* bits of a literal code, its extra bits, a distance and its extra bits */

void wh_inflate_start(wh_inflate *z, uint64_t size, wh_inflate_fill *fill, void *from)
{
    memset(z, 0, sizeof *z);
    z->end = size;
    z->fill = fill;
    z->from = from;
}

static whit_status bad(wh_inflate *z, const char *problem)
{
    z->problem = problem;
    return WHIT_ERR_FORMAT;
}

/* ---- bits ------------------------------------------------------------------------------------ */

/* Hold ENOUGH bits, or all that are left. */
static whit_status refill(wh_inflate *z, whit_error *err)
{
    while (z->held < ENOUGH) {
        if (z->next == z->have) {
            const uint64_t left = z->end - z->at;
            const size_t n = left < sizeof z->input ? (size_t)left : sizeof z->input;
            if (n == 0) return WHIT_OK;
            whit_status st = z->fill(z->from, z->at, z->input, n, err);
            if (st != WHIT_OK) return st;
            z->at += n;
            z->next = 0;
            z->have = n;
        }
        if (z->have - z->next >= 8) { /* as many octets as there is room for */
            const unsigned n = (63 - z->held) / 8;
            z->bits |= (wh_load64(z->input + z->next) & (((uint64_t)1 << 8 * n) - 1)) << z->held;
            z->next += n;
            z->held += 8 * n;
        } else {
            z->bits |= (uint64_t)z->input[z->next++] << z->held;
            z->held += 8;
        }
    }
    return WHIT_OK;
}

static unsigned take(wh_inflate *z, unsigned n)
{
    const unsigned v = (unsigned)(z->bits & (((uint64_t)1 << n) - 1));
    z->bits >>= n;
    z->held -= n;
    return v;
}

/* The next n bits, n <= 16, as a number. */
static whit_status need(wh_inflate *z, unsigned n, unsigned *v, whit_error *err)
{
    if (z->held < n) {
        whit_status st = refill(z, err);
        if (st != WHIT_OK) return st;
        if (z->held < n) return bad(z, "the deflated data ends early");
    }
    *v = take(z, n);
    return WHIT_OK;
}

/* The bit of the data that comes next. */
static uint64_t position(const wh_inflate *z)
{
    return (z->at - (z->have - z->next)) * 8 - z->held;
}

static whit_status seek(wh_inflate *z, uint64_t bit, whit_error *err)
{
    unsigned skipped;
    z->at = bit / 8;
    z->next = z->have = 0;
    z->bits = z->held = 0;
    return need(z, (unsigned)(bit % 8), &skipped, err);
}

/* ---- codes ----------------------------------------------------------------------------------- */

static unsigned reversed(unsigned code, unsigned bits)
{
    unsigned r = 0;
    for (; bits > 0; bits--, code >>= 1) r = r << 1 | (code & 1);
    return r;
}

/* From the lengths of n symbols; 0: unused. lone: one code of one bit is enough. */
static int make_code(wh_inflate_code *c, const uint8_t *length, unsigned n, int lone)
{
    uint16_t start[MOST_BITS + 2] = { 0 }, code[MOST_BITS + 2] = { 0 };
    int left = 1;
    memset(c, 0, sizeof *c);
    for (unsigned i = 0; i < n; i++) c->count[length[i]]++;
    const unsigned unused = c->count[0];
    c->count[0] = 0;
    for (unsigned k = 1; k <= MOST_BITS; k++) {
        left = 2 * left - c->count[k];
        if (left < 0) return 0;
        start[k + 1] = (uint16_t)(start[k] + c->count[k]);
        code[k + 1] = (uint16_t)((code[k] + c->count[k]) << 1);
    }
    if (left > 0 && !(lone && (unused == n || (c->count[1] == 1 && unused == n - 1)))) return 0;
    for (unsigned i = 0; i < n; i++) {
        const unsigned bits = length[i];
        if (bits == 0) continue;
        c->symbol[start[bits]++] = (uint16_t)i;
        const unsigned own = code[bits]++;
        if (bits > WH_INFLATE_FAST) continue;
        for (unsigned at = reversed(own, bits); at < 1u << WH_INFLATE_FAST; at += 1u << bits)
            c->fast[at] = (uint16_t)(i << 4 | bits);
    }
    return 1;
}

/* The next symbol, of a code that the look-up does not know; -1: there is none. */
static int decode_long(wh_inflate *z, const wh_inflate_code *c)
{
    int code = 0, first = 0, index = 0;
    uint64_t bits = z->bits;
    for (unsigned k = 1; k <= MOST_BITS && k <= z->held; k++, bits >>= 1) {
        code |= (int)(bits & 1);
        if (code - first < c->count[k]) {
            take(z, k);
            return c->symbol[index + code - first];
        }
        index += c->count[k];
        first = (first + c->count[k]) << 1;
        code <<= 1;
    }
    return -1;
}

static int decode(wh_inflate *z, const wh_inflate_code *c)
{
    const unsigned hit = c->fast[z->bits & ((1u << WH_INFLATE_FAST) - 1)];
    if (hit == 0 || (hit & 15) > z->held) return decode_long(z, c);
    take(z, hit & 15);
    return (int)(hit >> 4);
}

/* Why decode found nothing. */
static whit_status no_symbol(wh_inflate *z)
{
    return bad(z,
               z->held < MOST_BITS ? "the deflated data ends early" : "a code that is not defined");
}

static void fixed_codes(wh_inflate *z)
{
    uint8_t length[288];
    for (unsigned i = 0; i < 288; i++) length[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    make_code(&z->literals, length, 288, 0);
    memset(length, 5, 32);
    make_code(&z->distances, length, 32, 0);
}

/* The lengths of n codes, written in z->distances. */
static whit_status read_lengths(wh_inflate *z, uint8_t *length, unsigned n, whit_error *err)
{
    static const uint8_t extra[] = { 2, 3, 7 }, least[] = { 3, 3, 11 };
    for (unsigned i = 0; i < n;) {
        unsigned more;
        whit_status st = refill(z, err);
        if (st != WHIT_OK) return st;
        const int s = decode(z, &z->distances);
        if (s < 0) return no_symbol(z);
        if (s < 16) {
            length[i++] = (uint8_t)s;
            continue;
        }
        if (s == 16 && i == 0) return bad(z, "a repeated length without one before it");
        const uint8_t same = s == 16 ? length[i - 1] : 0;
        st = need(z, extra[s - 16], &more, err);
        if (st != WHIT_OK) return st;
        more += least[s - 16];
        if (more > n - i) return bad(z, "more lengths than codes");
        for (; more > 0; more--) length[i++] = same;
    }
    return WHIT_OK;
}

static whit_status own_codes(wh_inflate *z, whit_error *err)
{
    static const uint8_t order[] = { 16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                     11, 4,  12, 3, 13, 2, 14, 1, 15 };
    uint8_t length[286 + 30] = { 0 };
    unsigned literals, distances, lengths, v;
    whit_status st = need(z, 5, &literals, err);
    if (st == WHIT_OK) st = need(z, 5, &distances, err);
    if (st == WHIT_OK) st = need(z, 4, &lengths, err);
    if (st != WHIT_OK) return st;
    literals += 257;
    distances += 1;
    if (literals > 286 || distances > 30) return bad(z, "too many codes");
    for (unsigned i = 0; i < lengths + 4; i++) {
        st = need(z, 3, &v, err);
        if (st != WHIT_OK) return st;
        length[order[i]] = (uint8_t)v;
    }
    if (!make_code(&z->distances, length, 19, 0)) return bad(z, "lengths that make no code");
    memset(length, 0, sizeof length);
    st = read_lengths(z, length, literals + distances, err);
    if (st != WHIT_OK) return st;
    if (length[END_OF_BLOCK] == 0) return bad(z, "a block without an end");
    if (!make_code(&z->literals, length, literals, 1) ||
        !make_code(&z->distances, length + literals, distances, 1))
        return bad(z, "lengths that make no code");
    return WHIT_OK;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static whit_status stored_head(wh_inflate *z, whit_error *err)
{
    unsigned skipped, length, complement;
    whit_status st = need(z, z->held % 8, &skipped, err); /* octets are whole in what is held */
    if (st == WHIT_OK) st = need(z, 16, &length, err);
    if (st == WHIT_OK) st = need(z, 16, &complement, err);
    if (st != WHIT_OK) return st;
    if (length != (complement ^ 0xffff)) return bad(z, "a stored block of a length in doubt");
    z->place.stored = length;
    return WHIT_OK;
}

static whit_status block_head(wh_inflate *z, whit_error *err)
{
    unsigned v;
    z->place.block = position(z);
    whit_status st = need(z, 3, &v, err);
    if (st != WHIT_OK) return st;
    z->place.last = v & 1;
    z->place.kind = v >> 1 == 0 ? WH_INFLATE_STORED : WH_INFLATE_CODES;
    if (v >> 1 == 0) return stored_head(z, err);
    if (v >> 1 == 2) return own_codes(z, err);
    if (v >> 1 == 3) return bad(z, "a block of an unknown kind");
    fixed_codes(z);
    return WHIT_OK;
}

static void end_block(wh_inflate *z)
{
    z->place.kind = z->place.last ? WH_INFLATE_END : WH_INFLATE_HEAD;
}

static whit_status stored(wh_inflate *z, uint64_t until, whit_error *err)
{
    wh_inflate_place *p = &z->place;
    for (; p->stored > 0 && p->out < until; p->stored--) {
        unsigned v;
        whit_status st = need(z, 8, &v, err);
        if (st != WHIT_OK) return st;
        z->window[p->out++ & MASK] = (unsigned char)v;
    }
    if (p->stored == 0) end_block(z);
    return WHIT_OK;
}

/* Length and distance of the copy that literal symbol s begins; both are held. */
static whit_status copy_head(wh_inflate *z, unsigned s)
{
    wh_inflate_place *p = &z->place;
    unsigned extra = s < 8 ? 0 : s / 4 - 1;
    if (s > 28) return bad(z, "a code that is not defined");
    if (s == 28) {
        p->length = 258;
        extra = 0;
    } else {
        p->length = s < 8 ? s + 3 : ((4 + s % 4) << extra) + 3;
    }
    if (extra > z->held) return no_symbol(z);
    p->length += take(z, extra);
    const int d = decode(z, &z->distances);
    if (d < 0) return no_symbol(z);
    if (d > 29) return bad(z, "a code that is not defined");
    extra = d < 4 ? 0 : (unsigned)d / 2 - 1;
    if (extra > z->held) return no_symbol(z);
    p->distance = d < 4 ? (unsigned)d + 1 : ((2 + (unsigned)d % 2) << extra) + 1 + take(z, extra);
    return p->distance > p->out ? bad(z, "a copy from before the start") : WHIT_OK;
}

static whit_status coded(wh_inflate *z, uint64_t until, whit_error *err)
{
    wh_inflate_place *p = &z->place;
    while (p->out < until) {
        for (; p->length > 0 && p->out < until; p->length--, p->out++)
            z->window[p->out & MASK] = z->window[(p->out - p->distance) & MASK];
        if (p->out == until) return WHIT_OK;
        whit_status st = z->held < ENOUGH ? refill(z, err) : WHIT_OK;
        if (st != WHIT_OK) return st;
        const int s = decode(z, &z->literals);
        if (s < 0) return no_symbol(z);
        if (s < END_OF_BLOCK) {
            z->window[p->out++ & MASK] = (unsigned char)s;
        } else if (s == END_OF_BLOCK) {
            end_block(z);
            return WHIT_OK;
        } else {
            st = copy_head(z, (unsigned)s - END_OF_BLOCK - 1);
            if (st != WHIT_OK) return st;
        }
    }
    return WHIT_OK;
}

/* Up to `until`, at most the window further, or the end. */
static whit_status produce(wh_inflate *z, uint64_t until, whit_error *err)
{
    wh_inflate_place *p = &z->place;
    whit_status st = WHIT_OK;
    while (st == WHIT_OK && p->kind != WH_INFLATE_END) {
        if (p->kind == WH_INFLATE_HEAD)
            st = block_head(z, err);
        else if (p->out == until && p->kind == WH_INFLATE_CODES)
            break;
        else if (p->kind == WH_INFLATE_CODES)
            st = coded(z, until, err);
        else if (p->out == until && p->stored > 0)
            break;
        else
            st = stored(z, until, err);
    }
    return st;
}

whit_status wh_inflate_read(wh_inflate *z, void *dst, size_t count, size_t *got, whit_error *err)
{
    unsigned char *to = dst;
    *got = 0;
    while (*got < count && z->place.kind != WH_INFLATE_END) {
        const uint64_t from = z->place.out;
        const size_t at = from & MASK, room = WH_INFLATE_WINDOW - at;
        const size_t n = count - *got < room ? count - *got : room; /* the window does not wrap */
        if (z->problem) return WHIT_ERR_FORMAT;
        whit_status st = produce(z, from + n, err);
        if (st != WHIT_OK) return st;
        const size_t made = (size_t)(z->place.out - from);
        if (to) memcpy(to + *got, z->window + at, made);
        *got += made;
    }
    return WHIT_OK;
}

int wh_inflate_ended(const wh_inflate *z)
{
    return z->place.kind == WH_INFLATE_END && (position(z) + 7) / 8 == z->end;
}

wh_inflate_place wh_inflate_save(const wh_inflate *z)
{
    wh_inflate_place p = z->place;
    p.bit = position(z);
    return p;
}

whit_status wh_inflate_resume(wh_inflate *z, const wh_inflate_place *place, const void *window,
                              whit_error *err)
{
    whit_status st = WHIT_OK;
    z->problem = NULL;
    if (place->kind == WH_INFLATE_CODES) {
        st = seek(z, place->block, err);
        if (st == WHIT_OK) st = block_head(z, err);
    }
    if (st == WHIT_OK) st = seek(z, place->bit, err);
    z->place = *place;
    if (window != z->window) memcpy(z->window, window, sizeof z->window);
    return st;
}
