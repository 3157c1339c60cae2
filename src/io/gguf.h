/* src/io/gguf.h - between the files that read GGUF: a cursor over the header, typed metadata.
 * SPDX-License-Identifier: MIT */
#ifndef WH_IO_GGUF_H
#define WH_IO_GGUF_H

#include "io/io.h"

#define WH_GGUF_WINDOW 32768

typedef struct wh_gguf {
    whit_file *file;
    size_t shard;
    char label[WH_SHORT];
    uint64_t at, end;  /* next octet of the file; where the header has to end at the latest */
    size_t used, have; /* octets of the window */
    wh_names keys;     /* of the metadata: index into the shard's kv */
    unsigned char window[WH_GGUF_WINDOW];
} wh_gguf;

/* At the start of the shard's file. The caller frees keys. */
void wh_gguf_begin(wh_gguf *g, whit_file *file, size_t shard);

/* WHIT_ERR_FORMAT in the words of the format: "FILE: NAME: what" (name may be NULL). */
whit_status wh_gguf_bad(const wh_gguf *g, const char *name, const char *what, whit_error *err);

/* That count items of at least `least` octets each can still be in the header, so that nothing is
 * allocated that the file could not fill. name: as for wh_gguf_bad; what: "tensors". */
whit_status wh_gguf_room_for(const wh_gguf *g, const char *name, uint64_t count, size_t least,
                             const char *what, whit_error *err);

/* The next octets. Errors: WHIT_ERR_FORMAT (the file or the header ends before), WHIT_ERR_IO. */
whit_status wh_gguf_get(wh_gguf *g, void *dst, size_t count, whit_error *err);
whit_status wh_gguf_u32(wh_gguf *g, uint32_t *out, whit_error *err);
whit_status wh_gguf_u64(wh_gguf *g, uint64_t *out, whit_error *err);

/* A string of any octets, kept as long as the file; owner: the key or NULL, for messages. */
whit_status wh_gguf_string(wh_gguf *g, const char *owner, whit_kv_string *out, whit_error *err);

/* A string that names something: UTF-8 without NUL, at most 65535 octets. */
whit_status wh_gguf_name(wh_gguf *g, const char **out, whit_error *err);

/* 1 for UTF-8 without NUL. */
int wh_gguf_is_text(const whit_kv_string *s);

/* What is stored together: so many elements in so many octets; 1 element for plain types. */
typedef struct wh_gguf_unit {
    unsigned elements, bytes;
} wh_gguf_unit;

/* gguf_type.c: sets dtype, block and type of *t, which has its name, by a number in the file.
 * Errors: WHIT_ERR_UNSUPPORTED, with the reason. */
whit_status wh_gguf_type(const wh_gguf *g, uint32_t id, whit_tensor *t, wh_gguf_unit *unit,
                         whit_error *err);
/* The number of a type: of a dtype, or of WHIT_BLOCKS by its name in the format. 0: GGUF has none.
 */
int wh_gguf_type_id(whit_dtype dtype, const char *type, uint32_t *id);
/* What is worth a word about the types of the tensors from `first` on. Errors: WHIT_ERR_NOMEM. */
whit_status wh_gguf_type_warnings(const wh_gguf *g, size_t first, whit_error *err);

/* gguf_kv.c: one key with its value, to the kv and (plain strings) the metadata of the shard. */
whit_status wh_gguf_read_kv(wh_gguf *g, whit_error *err);

/* 1 if it is a single whole number that is not negative, of any integer type. */
int wh_gguf_kv_u64(const whit_kv *kv, uint64_t *out);

#endif
