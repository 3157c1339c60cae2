/* src/io/llama2c.c - checkpoints of llama2.c: models of the Llama family, float32 or int8, tensors
 * without names one behind the other.
 *
 *   version 0   7 x i32 (below), then tok_embeddings; for all layers each: attention_norm, wq, wk,
 *               wv, wo, ffn_norm, w1, w2, w3; norm; two tables of cosines and sines, [max_seq_len,
 *               head size / 2] each; output, where vocab_size is negative
 *   version 1   u32 0x616b3432, i32 1, the 7 x i32, u8 1: no output of its own; zeros up to octet
 *               256; then attention_norm, ffn_norm for all layers, norm, tok_embeddings, and for
 *               all layers each wq, wk, wv, wo, w1, w2, w3; output
 *   version 2   the same header with version 2, behind the u8 an i32 (not aligned): the group; then
 *               as float32 attention_norm, ffn_norm, norm; and tok_embeddings, .., output in the
 *               order of version 1, each matrix (of each layer) as int8 q[elements], then float32
 *               scale[elements / group]: weight i is scale[i / group] * q[i], counted through the
 *               whole matrix
 *   numbers     dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, max_seq_len
 *
 * Tensors get the names that they have in the checkpoints it is made from (layers.0.attention.
 * wq.weight; of version 2 with .q and .scale behind it), the numbers become metadata (llama2c.dim,
 * ..), from which the model can be run. The tables are no tensors: they are computed. The size of
 * the file must be exactly what the numbers make, which is checked before anything is listed.
 * Not here: what the codes mean (src/source/llama2c.c).
 *
 * Source: karpathy/llama2.c, export.py, run.c. SPDX-License-Identifier: MIT */
#include "io/llama2c.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"

#define MAGIC 0x616b3432u
#define HEAD_V0 28u
#define HEAD_V1 256u
#define SHARED_AT 36u /* of versions 1 and 2 */
#define GROUP_AT 37u  /* of version 2 */
#define MOST_GROUP 65536u

typedef enum number { DIM, HIDDEN, LAYERS, HEADS, KV_HEADS, VOCAB, CONTEXT } number;

/* Bounds that no model comes near, so that products of two fit 64 bits. */
static const uint32_t most[WH_LLAMA2C_NUMBERS] = { 1u << 20, 1u << 22, 4096,    1u << 14,
                                                   1u << 14, 1u << 26, 1u << 30 };

typedef struct header {
    unsigned version;
    uint32_t n[WH_LLAMA2C_NUMBERS];
    int shared;     /* the output matrix is that of the embeddings */
    uint32_t group; /* weights that share a scale; 0: float32 */
    uint64_t data;
} header;

static int has_magic(const unsigned char head[WH_IO_HEAD])
{
    return wh_load32(head) == MAGIC;
}

/* 0: not such a file, or with the magic number one that is not read. */
static int read_header(header *h, const unsigned char head[WH_IO_HEAD])
{
    const int magic = has_magic(head);
    const unsigned char *p = head + (magic ? 8 : 0);
    memset(h, 0, sizeof *h);
    h->version = magic ? wh_load32(head + 4) : 0;
    if (magic && h->version != 1 && h->version != 2) return 0;
    if (h->version == 2) h->group = wh_load32(head + GROUP_AT);
    for (unsigned i = 0; i < WH_LLAMA2C_NUMBERS; i++) {
        const uint32_t v = wh_load32(p + 4 * i);
        const int negative = i == VOCAB && !magic && v >> 31;
        if (i == VOCAB) h->shared = magic ? head[SHARED_AT] != 0 : !negative;
        h->n[i] = negative ? 0u - v : v;
        if (h->n[i] == 0 || h->n[i] > most[i]) return 0;
    }
    h->data = magic ? HEAD_V1 : HEAD_V0;
    return h->n[KV_HEADS] <= h->n[HEADS] && h->n[HEADS] <= h->n[DIM];
}

int wh_llama2c_probe(const unsigned char head[WH_IO_HEAD])
{
    header h;
    return has_magic(head) || read_header(&h, head);
}

/* ---- what is in the file --------------------------------------------------------------------- */

typedef enum side { ONE, WIDTH, KV_WIDTH, FFN, TOKENS, TABLE } side;

typedef struct part {
    const char *name; /* NULL: the tables, which are no tensor */
    int layers;       /* 1: one for each layer */
    side rows, cols;  /* ONE: a vector */
} part;

#define EMBEDDINGS                                                                                 \
    {                                                                                              \
        "tok_embeddings.weight", 0, TOKENS, WIDTH                                                  \
    }
#define ATTENTION_NORM                                                                             \
    {                                                                                              \
        "attention_norm.weight", 1, ONE, WIDTH                                                     \
    }
#define ATTENTION                                                                                  \
    { "attention.wq.weight", 1, WIDTH, WIDTH }, { "attention.wk.weight", 1, KV_WIDTH, WIDTH },     \
        { "attention.wv.weight", 1, KV_WIDTH, WIDTH },                                             \
    {                                                                                              \
        "attention.wo.weight", 1, WIDTH, WIDTH                                                     \
    }
#define FFN_NORM                                                                                   \
    {                                                                                              \
        "ffn_norm.weight", 1, ONE, WIDTH                                                           \
    }
#define FEED_FORWARD                                                                               \
    { "feed_forward.w1.weight", 1, FFN, WIDTH }, { "feed_forward.w2.weight", 1, WIDTH, FFN },      \
    {                                                                                              \
        "feed_forward.w3.weight", 1, FFN, WIDTH                                                    \
    }
#define NORM                                                                                       \
    {                                                                                              \
        "norm.weight", 0, ONE, WIDTH                                                               \
    }
#define OUTPUT                                                                                     \
    {                                                                                              \
        "output.weight", 0, TOKENS, WIDTH                                                          \
    } /* the last, if it is there */

static const part parts_v0[] = {
    EMBEDDINGS, ATTENTION_NORM,          ATTENTION, FFN_NORM, FEED_FORWARD,
    NORM,       { NULL, 0, TABLE, ONE }, OUTPUT
};
static const part parts_v1[] = { ATTENTION_NORM, FFN_NORM,     NORM,  EMBEDDINGS,
                                 ATTENTION,      FEED_FORWARD, OUTPUT };

static uint64_t length_of(const header *h, side s)
{
    const uint64_t head = h->n[DIM] / h->n[HEADS];
    switch (s) {
    case WIDTH:
        return h->n[DIM];
    case KV_WIDTH:
        return head * h->n[KV_HEADS];
    case FFN:
        return h->n[HIDDEN];
    case TOKENS:
        return h->n[VOCAB];
    case TABLE:
        return 2 * (uint64_t)h->n[CONTEXT] * (head / 2);
    default:
        return 1;
    }
}

static const part *parts_of(const header *h, size_t *count)
{
    *count =
        h->version == 0 ? sizeof parts_v0 / sizeof *parts_v0 : sizeof parts_v1 / sizeof *parts_v1;
    *count -= (size_t)h->shared;
    return h->version == 0 ? parts_v0 : parts_v1;
}

static int is_codes(const header *h, const part *p)
{
    return h->group > 0 && p->rows != ONE;
}

/* Octets of the whole file; below 2^64 by the bounds: each of ten parts has at most 2^42 weights in
 * each of 2^12 layers. */
static uint64_t size_of(const header *h)
{
    size_t count;
    const part *p = parts_of(h, &count);
    uint64_t bytes = h->data;
    for (size_t i = 0; i < count; i++) {
        const uint64_t n = length_of(h, p[i].rows) * length_of(h, p[i].cols);
        const uint64_t each = is_codes(h, &p[i]) ? n + 4 * (n / h->group) : 4 * n;
        bytes += each * (p[i].layers ? h->n[LAYERS] : 1);
    }
    return bytes;
}

int wh_llama2c_is(const unsigned char head[WH_IO_HEAD], uint64_t bytes)
{
    header h;
    if (!read_header(&h, head)) return 0;
    return size_of(&h) == bytes;
}

/* ---- listing --------------------------------------------------------------------------------- */

/* A tensor of this type, whose shape is known, at *at, which moves behind it. */
static whit_status add_tensor(whit_file *file, whit_tensor *t, whit_dtype dtype, const char *name,
                              const char *suffix, uint64_t *at, whit_error *err)
{
    char full[80];
    t->dtype = dtype;
    t->elements = t->shape[0] * (t->rank == 1 ? 1 : t->shape[1]);
    t->bytes = whit_dtype_bits(dtype) / 8 * t->elements;
    t->offset = *at;
    *at += t->bytes;
    t->name = wh_io_text(file, full, (size_t)snprintf(full, sizeof full, "%s%s", name, suffix));
    return t->name ? wh_io_add_tensor(file, t, err) : wh_io_no_memory(file, err);
}

static whit_status add_part(whit_file *file, size_t shard, const header *h, const part *p,
                            uint32_t layer, uint64_t *at, whit_error *err)
{
    char name[64];
    const int vector = p->rows == ONE;
    whit_tensor t = { .rank = vector ? 1 : 2, .shard = (uint32_t)shard };
    t.shape[0] = length_of(h, vector ? p->cols : p->rows);
    if (!vector) t.shape[1] = length_of(h, p->cols);
    if (p->layers)
        snprintf(name, sizeof name, "layers.%" PRIu32 ".%s", layer, p->name);
    else
        snprintf(name, sizeof name, "%s", p->name);
    if (!is_codes(h, p)) return add_tensor(file, &t, WHIT_F32, name, "", at, err);
    whit_status st = add_tensor(file, &t, WHIT_I8, name, WH_LLAMA2C_CODES, at, err);
    t = (whit_tensor){ .rank = 1, .shape = { t.elements / h->group }, .shard = (uint32_t)shard };
    return st == WHIT_OK ? add_tensor(file, &t, WHIT_F32, name, WH_LLAMA2C_SCALES, at, err) : st;
}

static whit_status add_numbers(whit_file *file, size_t shard, const header *h, whit_error *err)
{
    static const char *const keys[WH_LLAMA2C_NUMBERS] = WH_LLAMA2C_KEYS;
    whit_status st = WHIT_OK;
    for (int i = 0; i < WH_LLAMA2C_NUMBERS && st == WHIT_OK; i++) {
        char text[16];
        int n = snprintf(text, sizeof text, "%" PRIu32, h->n[i]);
        const char *own = wh_io_text(file, text, (size_t)n);
        st = own ? wh_io_add_meta(file, shard, keys[i], own, err) : wh_io_no_memory(file, err);
    }
    return st;
}

/* Of versions 1 and 2: the header ends with zeros, so another format that begins alike shows. */
static whit_status check_zeros(const wh_shard *s, const header *h, const char *label,
                               whit_error *err)
{
    unsigned char rest[HEAD_V1];
    const size_t first = h->version == 2 ? GROUP_AT + 4 : SHARED_AT + 1;
    if (s->bytes < sizeof rest) return WHIT_OK; /* its size says so */
    whit_status st = wh_file_pread(s->fd, s->path, 0, rest, sizeof rest, err);
    for (size_t i = first; i < sizeof rest && st == WHIT_OK; i++)
        if (rest[i] != 0 || rest[SHARED_AT] > 1)
            st = wh_fail(err, WHIT_ERR_FORMAT, "%s: llama2.c: its header does not end with zeros",
                         label);
    return st;
}

/* Groups of weights: as many as schemes have, and whole ones in every matrix. */
static whit_status check_group(const header *h, const char *label, whit_error *err)
{
    size_t count;
    const part *p = parts_of(h, &count);
    if (h->version != 2) return WHIT_OK;
    if (h->group < 2 || h->group > MOST_GROUP)
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: llama2.c: groups of %" PRId32 " weights", label,
                       (int32_t)h->group);
    for (size_t i = 0; i < count; i++)
        if (is_codes(h, &p[i]) && length_of(h, p[i].rows) * length_of(h, p[i].cols) % h->group != 0)
            return wh_fail(err, WHIT_ERR_FORMAT,
                           "%s: llama2.c: groups of %" PRIu32 " weights do not divide %s", label,
                           h->group, p[i].name);
    return WHIT_OK;
}

static whit_status check_header(const wh_shard *s, const header *h, whit_error *err)
{
    char label[WH_SHORT];
    const uint64_t want = size_of(h);
    wh_io_label(label, s->path);
    whit_status st = check_group(h, label, err);
    if (st != WHIT_OK) return st;
    if (h->n[DIM] % h->n[HEADS] != 0 || h->n[DIM] / h->n[HEADS] % 2 != 0)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: llama2.c: %" PRIu32 " heads do not divide a width of %" PRIu32
                       " into even parts",
                       label, h->n[HEADS], h->n[DIM]);
    if (h->n[HEADS] % h->n[KV_HEADS] != 0)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: llama2.c: %" PRIu32 " heads for keys do not divide %" PRIu32, label,
                       h->n[KV_HEADS], h->n[HEADS]);
    if (want != s->bytes)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: llama2.c: by its header it has %" PRIu64 " bytes, the file has %" PRIu64
                       "; try: download it again",
                       label, want, s->bytes);
    return h->version > 0 ? check_zeros(s, h, label, err) : WHIT_OK;
}

/* Why read_header fails. */
static whit_status refuse_header(const wh_shard *s, const header *h,
                                 const unsigned char head[WH_IO_HEAD], whit_error *err)
{
    char label[WH_SHORT];
    wh_io_label(label, s->path);
    if (!has_magic(head)) /* its numbers were right when it was opened */
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: changes while it is read", label);
    if (h->version != 1 && h->version != 2)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                       "%s: llama2.c: version %u is not read; try: export it as version 1", label,
                       h->version);
    return wh_fail(err, WHIT_ERR_FORMAT, "%s: llama2.c: the numbers in its header are of no model",
                   label);
}

whit_status wh_llama2c_list(whit_file *file, size_t shard, whit_error *err)
{
    const wh_shard *s = &file->shards[shard];
    unsigned char head[WH_IO_HEAD] = { 0 };
    const size_t first = file->count;
    header h;
    size_t count;
    whit_status st = wh_file_pread(s->fd, s->path, 0, head,
                                   s->bytes < sizeof head ? (size_t)s->bytes : sizeof head, err);
    if (st != WHIT_OK) return st;
    if (!read_header(&h, head)) return refuse_header(s, &h, head, err);
    st = check_header(s, &h, err);
    const part *p = parts_of(&h, &count);
    uint64_t at = h.data;
    for (size_t i = 0; i < count && st == WHIT_OK; i++) {
        if (!p[i].name) at += 4 * length_of(&h, p[i].rows);
        for (uint32_t l = 0; p[i].name && st == WHIT_OK && l < (p[i].layers ? h.n[LAYERS] : 1); l++)
            st = add_part(file, shard, &h, &p[i], l, &at, err);
    }
    if (st == WHIT_OK) st = wh_io_seal(file, first, err);
    return st == WHIT_OK ? add_numbers(file, shard, &h, err) : st;
}
