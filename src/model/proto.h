/* src/model/proto.h - the fields of a protobuf message, one by one.
 * SPDX-License-Identifier: MIT */
#ifndef WH_MODEL_PROTO_H
#define WH_MODEL_PROTO_H

#include <stddef.h>
#include <stdint.h>

typedef enum wh_proto_kind {
    WH_PROTO_NUMBER = 0, /* value                                                      */
    WH_PROTO_64 = 1,     /* value                                                      */
    WH_PROTO_BYTES = 2,  /* data, len: a text, octets, or a message                    */
    WH_PROTO_32 = 5      /* value                                                      */
} wh_proto_kind;

typedef struct wh_proto {
    const unsigned char *at, *end;
    uint64_t field; /* its number */
    wh_proto_kind kind;
    uint64_t value;
    const unsigned char *data;
    size_t len;
} wh_proto;

/* A message of that many octets. Nothing is copied. */
wh_proto wh_proto_begin(const void *data, size_t len);
/* The next field: 1; the end: 0; malformed: -1. */
int wh_proto_next(wh_proto *p);

#endif
