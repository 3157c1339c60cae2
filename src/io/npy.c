/* src/io/npy.c - NumPy arrays: the header, and data in any order and endianness.
 *
 *   octets 0..5    93 4E 55 4D 50 59 ("\x93NUMPY")
 *   octets 6, 7    version: 1.0, 2.0 or 3.0
 *   then           length of the header, u16 (version 1) or u32, little-endian
 *   the header     a Python dict literal with three keys, in any order, then spaces and a newline:
 *                  {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
 *   the rest       product(shape) elements, nothing behind them
 *
 * Read: f2 f4 f8, i1 to i8, u1 to u8, b1; '<', '>' and, for one octet, '|'. The literal is parsed
 * by the grammar above and never evaluated: all else in it is an error, and types that are pickles
 * (O), structures, text, dates or complex numbers are refused by name. Stricter than the reference:
 * keys that are there twice, octets behind the data.
 *
 * What is handed out is the row-major little-endian array, whatever is stored (view.c). A wide
 * array in Fortran order reads slowly; it gets a warning.
 *
 * Not here: archives of arrays (npz.c); writing. Source: numpy/numpy, numpy/lib/format.py, whose
 * limit on the header is kept. SPDX-License-Identifier: MIT */
#include "io/npy.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"

#define MAX_HEADER 10000u
/* From these dimensions on, Fortran order deserves a warning: see view.c. */
#define MANY_COLUMNS ((uint64_t)1 << 16)
#define LONG_COLUMN 512u
#define MANY_INFLATED ((uint64_t)1 << 21) /* each tile of 2^18 inflates nearly all */

int wh_npy_probe(const unsigned char head[WH_IO_HEAD])
{
    return memcmp(head, "\x93NUMPY", 6) == 0;
}

typedef struct header {
    const char *at; /* in the text, which ends with a NUL */
    const char *label;
    whit_tensor tensor; /* its dtype, rank and shape */
    int swapped, fortran;
    unsigned seen; /* bit i: members[i] */
} header;

static whit_status bad(const header *h, const char *what, whit_error *err)
{
    return wh_fail(err, WHIT_ERR_FORMAT, "%s: NPY header: %s", h->label, what);
}

static whit_status refuse(const header *h, const char *what, const char *type, whit_error *err)
{
    char text[WH_SHORT];
    return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: descr %s: %s", h->label, wh_short(text, type),
                   what);
}

static void skip_space(header *h)
{
    while (*h->at == ' ' || *h->at == '\t' || *h->at == '\n') h->at++;
}

/* Skips spaces, and the character if it is the next. */
static int take(header *h, char c)
{
    skip_space(h);
    if (*h->at != c) return 0;
    h->at++;
    return 1;
}

/* A quoted string of printable ASCII without backslashes, into buf. */
static int take_string(header *h, char *buf, size_t size)
{
    size_t n = 0;
    skip_space(h);
    char quote = *h->at;
    if (quote != '\'' && quote != '"') return 0;
    for (h->at++; *h->at != quote; h->at++) {
        if (*h->at < ' ' || *h->at > '~' || *h->at == '\\' || n + 1 == size) return 0;
        buf[n++] = *h->at;
    }
    h->at++;
    buf[n] = 0;
    return 1;
}

/* What is told of the kinds that are not read. */
static const struct {
    char kind;
    const char *what;
} refused[] = {
    { 'O', "pickled Python objects, which are never loaded" },
    { 'c', "complex numbers are not read" },
    { 'S', "text is no tensor" },
    { 'a', "text is no tensor" },
    { 'U', "text is no tensor" },
    { 'M', "dates are no tensor" },
    { 'm', "durations are no tensor" },
    { 'V', "opaque octets (bfloat16?); try: save it as float32" },
};

static const struct {
    char text[3];
    whit_dtype dtype;
} types[] = {
    { "f2", WHIT_F16 }, { "f4", WHIT_F32 }, { "f8", WHIT_F64 }, { "i1", WHIT_I8 },
    { "i2", WHIT_I16 }, { "i4", WHIT_I32 }, { "i8", WHIT_I64 }, { "u1", WHIT_U8 },
    { "u2", WHIT_U16 }, { "u4", WHIT_U32 }, { "u8", WHIT_U64 }, { "b1", WHIT_BOOL },
};

static whit_status read_descr(header *h, whit_error *err)
{
    char text[64];
    skip_space(h);
    if (*h->at == '[' || *h->at == '(' || *h->at == '{')
        return refuse(h, "structured types are not read; try: save each field by itself", "[..]",
                      err);
    if (!take_string(h, text, sizeof text)) return bad(h, "descr is no plain string", err);
    if (!text[0] || !strchr("<>|=", text[0]))
        return bad(h, "descr does not begin with '<', '>' or '|'", err);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (text[1] == refused[i].kind) return refuse(h, refused[i].what, text, err);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(text + 1, types[i].text) != 0) continue;
        int octet = whit_dtype_bits(types[i].dtype) == 8;
        if (!octet && text[0] != '<' && text[0] != '>')
            return refuse(h, "its byte order is not said", text, err);
        h->tensor.dtype = types[i].dtype;
        if (!octet && text[0] == '>') h->swapped = 1;
        return WHIT_OK;
    }
    return refuse(h, "this type is not read", text, err);
}

static whit_status read_order(header *h, whit_error *err)
{
    skip_space(h);
    int yes = strncmp(h->at, "True", 4) == 0;
    if (!yes && strncmp(h->at, "False", 5) != 0)
        return bad(h, "fortran_order is neither True nor False", err);
    h->at += yes ? 4 : 5;
    h->fortran = yes;
    return WHIT_OK;
}

/* Digits without a leading zero, and the L of Python 2. */
static int take_number(header *h, uint64_t *out)
{
    const char *start = h->at;
    uint64_t n = 0;
    for (; *h->at >= '0' && *h->at <= '9'; h->at++)
        if (!wh_mul_u64(n, 10, &n) || !wh_add_u64(n, (uint64_t)(*h->at - '0'), &n)) return 0;
    if (h->at == start || (*start == '0' && h->at != start + 1)) return 0;
    if (*h->at == 'L') h->at++;
    *out = n;
    return 1;
}

/* (), (3,), (2, 3): one element needs the comma, the last of more may have it. */
static whit_status read_shape(header *h, whit_error *err)
{
    whit_tensor *t = &h->tensor;
    int comma = 1;
    if (!take(h, '(')) return bad(h, "shape is no tuple", err);
    while (!take(h, ')')) {
        uint64_t n;
        if (!comma) return bad(h, "shape is no tuple", err);
        skip_space(h);
        if (*h->at == '-') return bad(h, "shape has a negative dimension", err);
        if (!take_number(h, &n))
            return bad(h, "shape holds something else than whole numbers below 2^64", err);
        if (t->rank == WHIT_MAX_RANK)
            return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: more than %d dimensions", h->label,
                           WHIT_MAX_RANK);
        t->shape[t->rank++] = n;
        comma = take(h, ',');
    }
    return t->rank == 1 && !comma ? bad(h, "shape is no tuple", err) : WHIT_OK;
}

static const struct {
    const char *name, *missing;
    whit_status (*read)(header *h, whit_error *err);
} members[] = {
    { "descr", "no descr", read_descr },
    { "fortran_order", "no fortran_order", read_order },
    { "shape", "no shape", read_shape },
};
#define MEMBERS (sizeof members / sizeof members[0])

static whit_status read_dict(header *h, whit_error *err)
{
    char key[64];
    int comma = 1;
    if (!take(h, '{')) return bad(h, "no dictionary", err);
    while (!take(h, '}')) {
        size_t i = 0;
        if (!comma) return bad(h, "no comma between two keys", err);
        if (!take_string(h, key, sizeof key)) return bad(h, "a key is no plain string", err);
        while (i < MEMBERS && strcmp(members[i].name, key) != 0) i++;
        if (i == MEMBERS) return bad(h, "a key that is not descr, fortran_order or shape", err);
        if (h->seen >> i & 1) return bad(h, "a key is there twice", err);
        h->seen |= 1u << i;
        if (!take(h, ':')) return bad(h, "no colon behind a key", err);
        whit_status st = members[i].read(h, err);
        if (st != WHIT_OK) return st;
        comma = take(h, ',');
    }
    for (size_t i = 0; i < MEMBERS; i++)
        if (!(h->seen >> i & 1)) return bad(h, members[i].missing, err);
    skip_space(h);
    return *h->at ? bad(h, "something behind the dictionary", err) : WHIT_OK;
}

/* Where the header's text starts, and its length. */
static whit_status read_preamble(const header *h, wh_octets_reader *r, uint64_t *start,
                                 uint32_t *len, whit_error *err)
{
    unsigned char pre[12] = { 0 };
    const uint64_t bytes = r->octets->bytes;
    if (bytes < 10) return bad(h, "the file ends before it; try: download it again", err);
    whit_status st = wh_octets_read(r, 0, pre, bytes < sizeof pre ? 10 : sizeof pre, err);
    if (st != WHIT_OK) return st;
    if (memcmp(pre, "\x93NUMPY", 6) != 0) return bad(h, "there is none", err);
    if (pre[6] < 1 || pre[6] > 3 || pre[7] != 0)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: NPY version %u.%u is not known", h->label,
                       pre[6], pre[7]);
    *start = pre[6] == 1 ? 10 : 12;
    *len = pre[6] == 1 ? wh_load16(pre + 8) : wh_load32(pre + 8);
    if (*start + *len > bytes)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: NPY header ends at byte %" PRIu64 ", the file has %" PRIu64
                       "; try: download it again",
                       h->label, *start + *len, bytes);
    if (*len > MAX_HEADER)
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: NPY header of %" PRIu32 " bytes, the limit is %u",
                       h->label, *len, MAX_HEADER);
    return WHIT_OK;
}

static whit_status read_header(header *h, wh_octets_reader *r, uint64_t *data, whit_error *err)
{
    char text[MAX_HEADER + 1];
    uint64_t start = 0;
    uint32_t len = 0;
    whit_status st = read_preamble(h, r, &start, &len, err);
    if (st == WHIT_OK) st = wh_octets_read(r, start, text, len, err);
    if (st != WHIT_OK) return st;
    text[len] = 0;
    if (strlen(text) != len) return bad(h, "a NUL in it", err);
    h->at = text;
    *data = start + len;
    return read_dict(h, err);
}

whit_status wh_npy_parse(const wh_shard *shard, const wh_octets *octets, const char *label,
                         whit_tensor *t, wh_view *v, whit_error *err)
{
    wh_octets_reader r = { shard, octets, NULL };
    header h = { .label = label };
    *v = (wh_view){ .octets = *octets };
    whit_status st = read_header(&h, &r, &v->first, err);
    wh_octets_close(&r);
    if (st != WHIT_OK) return st;
    *t = h.tensor;
    st = wh_io_measure(t, label, err);
    if (st != WHIT_OK) return st;
    st = wh_io_fills(t, v->first, octets->bytes, label, err);
    if (st != WHIT_OK) return st;
    v->swapped = h.swapped;
    h.fortran ? wh_view_fortran(t, v->stride) : wh_view_rows(t, v->stride);
    return WHIT_OK;
}

whit_status wh_npy_put(whit_file *file, const whit_tensor *t, const wh_view *v, const char *label,
                       whit_error *err)
{
    whit_status st = wh_view_put(file, t->name, v, err);
    if (st != WHIT_OK || t->rank < 2 || t->elements == 0 || v->stride[0] != 1) return st;
    const uint64_t rows = t->shape[0];
    if (v->octets.inflated && t->elements >= MANY_INFLATED)
        return wh_io_warn(file, err,
                          "%s: deflated in Fortran order, which reads slowly; try: numpy.savez, or "
                          "C order",
                          label);
    if (rows < LONG_COLUMN || t->elements / rows < MANY_COLUMNS) return WHIT_OK;
    return wh_io_warn(file, err,
                      "%s: wide and in Fortran order, which reads slowly; try: save it in C order",
                      label);
}

whit_status wh_npy_list(whit_file *file, size_t shard, whit_error *err)
{
    const wh_shard *s = &file->shards[shard];
    const wh_octets all = { 0, s->bytes, NULL };
    char label[WH_SHORT];
    whit_tensor t;
    wh_view v;
    wh_io_label(label, s->path);
    whit_status st = wh_npy_parse(s, &all, label, &t, &v, err);
    if (st == WHIT_OK) st = wh_raw_add(file, shard, &t, v.first, ".npy", err);
    return st == WHIT_OK ? wh_npy_put(file, &t, &v, label, err) : st;
}
