/* tests/fuzz/fuzz_inflate.c - any octets as deflated data.
 *
 * No more than MOST octets are made. The first two octets pick the size of pieces and a place to go
 * on from; whole, in pieces and from that place the same octets must come, or the same problem.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "io/inflate.h"

#include "input.h"

#define MOST 100000u /* octets that are made at all */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct source {
    const uint8_t *data;
    size_t size;
} source;

static whit_status fill(void *from, uint64_t at, void *dst, size_t count, whit_error *err)
{
    const source *s = from;
    (void)err;
    require(at <= s->size && count <= s->size - at && count > 0);
    memcpy(dst, s->data + at, count);
    return WHIT_OK;
}

/* Until the end, MOST octets or a problem. */
static size_t run(wh_inflate *z, uint8_t *out, size_t piece)
{
    size_t done = 0, got = 1;
    while (got > 0 && done < MOST && !z->problem) {
        size_t n = MOST - done < piece ? MOST - done : piece;
        whit_status st = wh_inflate_read(z, out + done, n, &got, NULL);
        require(got <= n && (st == WHIT_OK || (st == WHIT_ERR_FORMAT && z->problem)));
        done += got;
    }
    return done;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static wh_inflate a, b;
    static uint8_t whole[MOST], parts[MOST];
    if (size < 2) return 0;
    source s = { data + 2, size - 2 };
    wh_inflate_start(&a, s.size, fill, &s);
    const size_t n = run(&a, whole, MOST);
    wh_inflate_start(&b, s.size, fill, &s);
    const size_t m =
        run(&b, parts, data[0] + 1u); /* of the piece with the problem none is counted */
    require((m == n || a.problem) && memcmp(whole, parts, m < n ? m : n) == 0);
    require(a.problem == b.problem && wh_inflate_ended(&a) == wh_inflate_ended(&b));

    size_t got = 0, at = n * data[1] / 256;
    wh_inflate_start(&a, s.size, fill, &s);
    require(wh_inflate_read(&a, NULL, at, &got, NULL) == WHIT_OK || a.problem);
    if (a.problem) return 0;
    const wh_inflate_place p = wh_inflate_save(&a);
    wh_inflate_start(&b, s.size, fill, &s);
    require(got == at && wh_inflate_resume(&b, &p, a.window, NULL) == WHIT_OK);
    while (got > 0 && b.place.out < n)
        if (wh_inflate_read(&b, parts + b.place.out, n - (size_t)b.place.out, &got, NULL) !=
            WHIT_OK)
            break;
    require(memcmp(parts + at, whole + at, (size_t)b.place.out - at) == 0);
    return 0;
}
