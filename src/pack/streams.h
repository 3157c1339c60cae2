/* src/pack/streams.h - streams of codes in words of 32 bits, in any direction.
 *
 * Checkpoints pack codes into little-endian words, the first code in the lowest bits; what differs
 * is which codes follow each other and where the next word lies. A stream is the codes of one run;
 * 32 codes of b bits fill b words, also where a code straddles two.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_PACK_STREAMS_H
#define WH_PACK_STREAMS_H

#include <stddef.h>
#include <stdint.h>

typedef struct wh_streams {
    size_t streams, count; /* streams of count codes each                                      */
    unsigned bits;
    uint8_t add;                 /* to a code when it is packed, modulo 2^bits                 */
    size_t skip;                 /* unpacking: codes at the start of each stream to pass over  */
    size_t code_step, code_next; /* from a code to the next of its stream; to the next stream  */
    size_t word_step, word_next; /* the same for words                                         */
    const uint8_t *order;        /* NULL, or which code of every eight stands in each place; to be
                                    packed, streams are whole eights then                      */
} wh_streams;

/* Unused bits of the last word of a stream become 0. */
void wh_streams_pack(const wh_streams *s, const uint8_t *codes, uint8_t *words);
void wh_streams_unpack(const wh_streams *s, const uint8_t *words, uint8_t *codes);

#endif
