/* src/io/torch.c - what the pickle of a PyTorch checkpoint means: storages, and tensors on them.
 *
 *   storage   an id that is kept outside: ('storage', CLASS, key, device, elements), in the old
 *             form with a part of another storage besides
 *   tensor    _rebuild_tensor_v2(storage, offset, sizes, strides, requires_grad, hooks), counted in
 *             elements; v3 has the type of the elements behind these; a parameter holds a tensor
 *
 * Only these are read, and only as values: wh_torch_globals is all of Python that there is. The
 * names of tensors are the keys that lead to them, joined by dots (items of lists by number). Where
 * all of them lie in one dict of the outermost under state_dict, model, model_state_dict or module,
 * that key is left off. Values that are no tensors (epochs, arguments) are left out, with a
 * warning, as are tensors that no key leads to.
 *
 * Tensors may share a storage, and be any strided view of it: transposed, repeated (stride 0), a
 * part. Each becomes an array of its own. Refused: strides or sizes below 0, elements outside the
 * storage, hooks, tensors that are to be conjugated or negated when they are read, repetitions of
 * few elements beyond MOST_REPEATED octets in all, and values that are shared so often that a small
 * file would take long: each visit, entry of hooks and octet of a name counts.
 *
 * Not here: the containers (torch_zip.c, torch_legacy.c); TorchScript; quantized and sparse
 * tensors, which are refused by name. Source: pytorch/pytorch, torch/serialization.py,
 * torch/_utils.py, torch/_weights_only_unpickler.py. SPDX-License-Identifier: MIT */
#include "io/torch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#define MOST_DEPTH 256u
#define MOST_KEY 64u
#define MOST_HOOKS 64u /* entries of a dict that every tensor may share */
/* What a file of any size may have; beyond that tensors and their names need octets of the file. A
 * reference to a tensor or to a key, deflated, is a thousandth of what it takes in memory. */
#define FREE_TENSORS ((uint64_t)1 << 16)
#define FREE_NAMES ((uint64_t)16 << 20) /* octets, keys that are shared each time */
#define MOST_NAMES ((uint64_t)256 << 20)
#define MOST_REPEATED ((uint64_t)256 << 20)

typedef enum meaning {
    INERT,
    STORAGE,
    UNTYPED,
    DTYPE,
    SIZE,
    TENSOR,
    TENSOR2,
    TENSOR3,
    PARAMETER,
    DICT
} meaning;

#define CLASS(name, type)                                                                          \
    {                                                                                              \
        "torch", name "Storage", WH_PICKLE_ONLY_NAMED, STORAGE, type                               \
    }
#define TYPE(name, type)                                                                           \
    {                                                                                              \
        "torch", name, WH_PICKLE_ONLY_NAMED, DTYPE, type                                           \
    }

const wh_pickle_global wh_torch_globals[] = {
    { "collections", "OrderedDict", WH_PICKLE_MAKES_DICT, DICT, 0 },
    { "torch._utils", "_rebuild_tensor", WH_PICKLE_CALLED, TENSOR, 0 },
    { "torch._utils", "_rebuild_tensor_v2", WH_PICKLE_CALLED, TENSOR2, 0 },
    { "torch._utils", "_rebuild_tensor_v3", WH_PICKLE_CALLED, TENSOR3, 0 },
    { "torch._utils", "_rebuild_parameter", WH_PICKLE_CALLED, PARAMETER, 0 },
    { "torch.serialization", "_get_layout", WH_PICKLE_CALLED, INERT, 0 },
    { "torch", "device", WH_PICKLE_CALLED, INERT, 0 },
    { "torch", "Size", WH_PICKLE_CALLED, SIZE, 0 },
    { "torch", "UntypedStorage", WH_PICKLE_ONLY_NAMED, UNTYPED, WHIT_U8 },
    { "torch.storage", "UntypedStorage", WH_PICKLE_ONLY_NAMED, UNTYPED, WHIT_U8 },
    CLASS("Double", WHIT_F64),
    CLASS("Float", WHIT_F32),
    CLASS("Half", WHIT_F16),
    CLASS("BFloat16", WHIT_BF16),
    CLASS("Long", WHIT_I64),
    CLASS("Int", WHIT_I32),
    CLASS("Short", WHIT_I16),
    CLASS("Char", WHIT_I8),
    CLASS("Byte", WHIT_U8),
    CLASS("Bool", WHIT_BOOL),
    CLASS("ComplexFloat", WHIT_C64),
    TYPE("float64", WHIT_F64),
    TYPE("float32", WHIT_F32),
    TYPE("float16", WHIT_F16),
    TYPE("bfloat16", WHIT_BF16),
    TYPE("int64", WHIT_I64),
    TYPE("int32", WHIT_I32),
    TYPE("int16", WHIT_I16),
    TYPE("int8", WHIT_I8),
    TYPE("uint8", WHIT_U8),
    TYPE("uint16", WHIT_U16),
    TYPE("uint32", WHIT_U32),
    TYPE("uint64", WHIT_U64),
    TYPE("bool", WHIT_BOOL),
    TYPE("complex64", WHIT_C64),
    TYPE("float8_e4m3fn", WHIT_F8_E4M3),
    TYPE("float8_e5m2", WHIT_F8_E5M2),
    TYPE("float8_e4m3fnuz", WHIT_F8_E4M3FNUZ),
    TYPE("float8_e5m2fnuz", WHIT_F8_E5M2FNUZ),
    TYPE("float8_e8m0fnu", WHIT_F8_E8M0),
};
const size_t wh_torch_global_count = sizeof wh_torch_globals / sizeof wh_torch_globals[0];

/* ---- values ---------------------------------------------------------------------------------- */

static const wh_pickle_global *global_of(const wh_pickle_node *n)
{
    return n->kind == WH_PICKLE_GLOBAL || n->kind == WH_PICKLE_CALL
               ? &wh_torch_globals[n->u.call.global]
               : NULL;
}

static int is_a(const wh_pickle_node *n, wh_pickle_kind kind, meaning w)
{
    return n && n->kind == (uint32_t)kind && global_of(n)->what == (int)w;
}

static int is_tensor(const wh_pickle_node *n)
{
    return is_a(n, WH_PICKLE_CALL, TENSOR) || is_a(n, WH_PICKLE_CALL, TENSOR2) ||
           is_a(n, WH_PICKLE_CALL, TENSOR3);
}

static int is_items(const wh_pickle_node *n)
{
    return n->kind == WH_PICKLE_TUPLE || n->kind == WH_PICKLE_LIST || n->kind == WH_PICKLE_DICT;
}

static int take_count(const wh_pickle_node *n, uint64_t *out)
{
    if (!n || n->kind != WH_PICKLE_INT || n->u.number < 0) return 0;
    *out = (uint64_t)n->u.number;
    return 1;
}

whit_status wh_torch_bad(const wh_torch *t, const char *what)
{
    return wh_fail(t->err, WHIT_ERR_FORMAT, "%s: %s", t->label, what);
}

static whit_status bad_tensor(const wh_torch *t, const char *name, const char *what)
{
    char shortened[WH_SHORT];
    return wh_fail(t->err, WHIT_ERR_FORMAT, "%s: %s: %s", t->label, wh_short(shortened, name),
                   what);
}

void wh_torch_begin(wh_torch *t, whit_file *file, size_t shard, whit_error *err)
{
    memset(t, 0, sizeof *t);
    t->file = file;
    t->shard = shard;
    t->err = err;
    wh_io_label(t->label, file->shards[shard].path);
}

void wh_torch_free(wh_torch *t)
{
    wh_pickle_free(&t->pickle);
    wh_names_free(&t->keys);
    free(t->storage);
}

/* ---- storages -------------------------------------------------------------------------------- */

/* The text of a key, NUL-terminated. 0: it is none. */
static int key_of(const wh_torch *t, const wh_pickle_node *n, char key[MOST_KEY + 1])
{
    if (!n || n->kind != WH_PICKLE_TEXT || n->count == 0 || n->count > MOST_KEY) return 0;
    memcpy(key, t->pickle.text + n->u.at, n->count);
    key[n->count] = 0;
    return strlen(key) == n->count && !strchr(key, '/');
}

/* The storage that an id names, and the part of it: elements from *first on. */
static whit_status read_storage(wh_torch *t, const wh_pickle_node *n, size_t *out, uint64_t *first,
                                uint64_t *count)
{
    const wh_pickle *p = &t->pickle;
    const wh_pickle_node *id = wh_pickle_at(p, n->u.call.value), *item[6] = { NULL };
    char key[MOST_KEY + 1];
    uint64_t end;
    if (id->kind != WH_PICKLE_TUPLE || id->count < 5 || id->count > 6)
        return wh_torch_bad(t, "an object is kept outside that is no storage");
    for (uint32_t i = 0; i < id->count; i++) item[i] = wh_pickle_item(p, id, i);
    if (!wh_pickle_is(p, item[0], "storage") || !key_of(t, item[2], key) ||
        !(is_a(item[1], WH_PICKLE_GLOBAL, STORAGE) || is_a(item[1], WH_PICKLE_GLOBAL, UNTYPED)) ||
        item[3]->kind != WH_PICKLE_TEXT || !take_count(item[4], count))
        return wh_torch_bad(t, "an object is kept outside that is no storage");
    wh_torch_storage s = { .dtype = (whit_dtype)global_of(item[1])->type,
                           .count = *count,
                           .user = SIZE_MAX };
    if (!wh_mul_u64(s.count, whit_dtype_bits(s.dtype) / 8, &s.bytes))
        return bad_tensor(t, key, "a storage of more than 2^64 bytes");
    *first = 0;
    if (item[5] && item[5]->kind != WH_PICKLE_NONE) { /* a part: its own key, offset, elements */
        if (item[5]->kind != WH_PICKLE_TUPLE || item[5]->count != 3 ||
            !take_count(wh_pickle_item(p, item[5], 1), first) ||
            !take_count(wh_pickle_item(p, item[5], 2), count) ||
            !wh_add_u64(*first, *count, &end) || end > s.count)
            return bad_tensor(t, key, "a part of a storage that is not in it");
    }
    *out = wh_names_find(&t->keys, key);
    if (*out != WH_NAMES_NONE) {
        const wh_torch_storage *had = &t->storage[*out];
        return had->dtype == s.dtype && had->count == s.count
                   ? WHIT_OK
                   : bad_tensor(t, key, "a storage of two types or sizes");
    }
    void *all = t->storage;
    s.key = wh_io_text(t->file, key, strlen(key));
    if (!s.key || !wh_grow(&all, &t->storage_cap, t->storages + 1, sizeof s))
        return wh_io_no_memory(t->file, t->err);
    t->storage = all;
    t->storage[t->storages] = s;
    *out = t->storages++;
    return wh_names_add(&t->keys, s.key, *out) < 0 ? wh_io_no_memory(t->file, t->err) : WHIT_OK;
}

whit_status wh_torch_list_storages(wh_torch *t)
{
    whit_status st = WHIT_OK;
    for (uint32_t i = 0; i < t->pickle.nodes && st == WHIT_OK; i++) {
        const wh_pickle_node *n = wh_pickle_at(&t->pickle, i);
        size_t storage;
        uint64_t first, count;
        if (n->kind == WH_PICKLE_PERSISTENT) st = read_storage(t, n, &storage, &first, &count);
    }
    return st;
}

/* ---- tensors --------------------------------------------------------------------------------- */

typedef struct found {
    whit_tensor tensor;
    wh_view view;
    size_t storage;
} found;

typedef struct walk {
    wh_torch *t;
    found *all;
    size_t count, cap;
    wh_buf name;          /* of the value at hand */
    char other[WH_SHORT]; /* the first value that is no tensor */
    size_t others;
    uint64_t budget;        /* values that may still be looked at */
    uint64_t octets;        /* of the names so far */
    unsigned nameless;      /* keys above the value at hand that cannot be in a name */
    unsigned char *reached; /* [nodes]: 1: a tensor that has a name */
} walk;

/* Sizes or strides. */
static int take_counts(const wh_torch *t, const wh_pickle_node *n, uint64_t out[WHIT_MAX_RANK],
                       uint32_t *count)
{
    const wh_pickle *p = &t->pickle;
    if (is_a(n, WH_PICKLE_CALL, SIZE)) n = wh_pickle_item(p, wh_pickle_at(p, n->u.call.value), 0);
    if (!n || n->kind != WH_PICKLE_TUPLE || n->count > WHIT_MAX_RANK) return 0;
    *count = n->count;
    for (uint32_t i = 0; i < n->count; i++)
        if (!take_count(wh_pickle_item(p, n, i), &out[i])) return 0;
    return 1;
}

/* 1: what a tensor may carry besides, because it changes nothing. */
static int is_harmless(const wh_torch *t, const wh_pickle_node *n)
{
    const wh_pickle *p = &t->pickle;
    if (!n || n->kind == WH_PICKLE_NONE) return 1;
    if (n->kind != WH_PICKLE_DICT || n->count > 2 * MOST_HOOKS) return 0;
    uint32_t cell = n->count > 0 ? n->u.items.first : WH_PICKLE_END;
    for (; cell != WH_PICKLE_END; cell = p->cell[cell].next) {
        cell = p->cell[cell].next; /* the value; dicts hold pairs */
        const wh_pickle_node *v = wh_pickle_at(p, p->cell[cell].node);
        if (v->kind != WH_PICKLE_NONE && (v->kind != WH_PICKLE_BOOL || v->u.number != 0)) return 0;
    }
    return 1;
}

/* Type, shape, and where the elements are. */
static whit_status read_tensor(walk *w, const wh_pickle_node *n, const char *name, found *f)
{
    wh_torch *t = w->t;
    const wh_pickle *p = &t->pickle;
    const wh_pickle_node *args = wh_pickle_at(p, n->u.call.value), *item[8] = { NULL };
    const int v3 = is_a(n, WH_PICKLE_CALL, TENSOR3);
    const uint32_t least = v3                                ? 7
                           : is_a(n, WH_PICKLE_CALL, TENSOR) ? 4
                                                             : 6,
                   most = least < 6 ? 4 : least + 1;
    uint64_t offset, first = 0, count = 0, bytes;
    uint32_t strides = 0;
    char label[2 * WH_SHORT + 4], shortened[WH_SHORT];
    whit_tensor *to = &f->tensor;
    if (args->count < least || args->count > most)
        return bad_tensor(t, name, "a tensor of too few or too many parts");
    for (uint32_t i = 0; i < args->count; i++) item[i] = wh_pickle_item(p, args, i);
    if (item[0]->kind != WH_PICKLE_PERSISTENT) return bad_tensor(t, name, "its storage is none");
    whit_status st = read_storage(t, item[0], &f->storage, &first, &count);
    if (st != WHIT_OK) return st;
    const wh_torch_storage *s = &t->storage[f->storage];
    to->dtype = s->dtype;
    if (v3 && !is_a(item[6], WH_PICKLE_GLOBAL, DTYPE))
        return bad_tensor(t, name, "its type is none");
    if (v3) to->dtype = (whit_dtype)global_of(item[6])->type;
    if (!take_count(item[1], &offset)) return bad_tensor(t, name, "its offset is no whole number");
    if (!take_counts(t, item[2], to->shape, &to->rank) ||
        !take_counts(t, item[3], f->view.stride, &strides) || strides != to->rank)
        return bad_tensor(t, name,
                          "its sizes and strides are not as many whole numbers, at most 8");
    if (!is_harmless(t, item[5]) || !is_harmless(t, item[v3 ? 7 : 6]))
        return bad_tensor(t, name, "has hooks, or is to be changed when it is loaded");
    snprintf(label, sizeof label, "%s: %s", t->label, wh_short(shortened, name));
    st = wh_io_measure(to, label, t->err);
    if (st != WHIT_OK) return st;
    const uint64_t size = whit_dtype_bits(to->dtype) / 8, unit = whit_dtype_bits(s->dtype) / 8;
    f->view.octets = s->octets; /* up to the end of its part */
    f->view.octets.bytes = (first + count) * unit;
    f->view.swapped = t->swapped && size > 1;
    if (to->elements == 0) return WHIT_OK; /* wherever it is */
    if (!wh_mul_u64(offset, size, &bytes) || !wh_add_u64(bytes, first * unit, &f->view.first) ||
        f->view.first > f->view.octets.bytes || !wh_view_fits(&f->view, to))
        return bad_tensor(t, name, "its elements lie outside of its storage");
    if (to->bytes <= f->view.octets.bytes) return WHIT_OK;
    if (!wh_add_u64(t->repeated, to->bytes, &t->repeated) || t->repeated > MOST_REPEATED)
        return wh_fail(t->err, WHIT_ERR_UNSUPPORTED,
                       "%s: repeats %" PRIu64 " stored bytes to %" PRIu64 "; try: save the "
                       "elements once",
                       label, f->view.octets.bytes, to->bytes);
    return WHIT_OK;
}

static whit_status add_found(walk *w, const wh_pickle_node *n)
{
    wh_torch *t = w->t;
    void *all = w->all;
    if (w->count == WH_IO_MAX_TENSORS) return wh_torch_bad(t, "more than 10000000 tensors");
    if (w->count >= FREE_TENSORS && w->count >= t->file->shards[t->shard].bytes / 16)
        return wh_torch_bad(t, "more tensors than a file of its size has");
    if (!wh_grow(&all, &w->cap, w->count + 1, sizeof *w->all))
        return wh_io_no_memory(t->file, t->err);
    w->all = all;
    found *f = &w->all[w->count];
    memset(f, 0, sizeof *f);
    f->tensor.name = wh_io_text(t->file, w->name.data, w->name.len);
    if (!f->tensor.name) return wh_io_no_memory(t->file, t->err);
    if (w->name.len == 0) return wh_torch_bad(t, "a tensor whose key is empty");
    if (!wh_io_is_name(w->name.data, w->name.len))
        return bad_tensor(t, f->tensor.name, "is no name for a tensor");
    whit_status st = read_tensor(w, n, f->tensor.name, f);
    if (st != WHIT_OK) return st;
    f->tensor.shard = (uint32_t)t->shard;
    f->tensor.offset = f->view.octets.at + (f->view.octets.inflated ? 0 : f->view.first);
    w->count++;
    wh_torch_storage *s = &t->storage[f->storage];
    if (s->user == SIZE_MAX) {
        s->user = w->count - 1;
        return WHIT_OK;
    }
    const found *had = &w->all[s->user];
    if (had->view.first != f->view.first || had->tensor.elements != f->tensor.elements)
        return WHIT_OK;
    char a[WH_SHORT], b[WH_SHORT];
    return wh_io_warn(t->file, t->err, "%s: %s: has the data of %s, each gets its own", t->label,
                      wh_short(a, f->tensor.name), wh_short(b, had->tensor.name));
}

static void note_other(walk *w)
{
    if (w->others++ == 0) wh_short(w->other, w->name.data);
}

/* Append ".KEY", ".?" for a key of another kind. 0: it is no key for a tensor. */
static int append_key(walk *w, const wh_pickle_node *key)
{
    if (w->name.len > 0) wh_buf_puts(&w->name, ".");
    if (key->kind == WH_PICKLE_TEXT)
        wh_buf_put(&w->name, w->t->pickle.text + key->u.at, key->count);
    else if (key->kind == WH_PICKLE_INT)
        wh_buf_putf(&w->name, "%" PRId64, key->u.number);
    else
        wh_buf_puts(&w->name, "?");
    return key->kind == WH_PICKLE_TEXT || key->kind == WH_PICKLE_INT;
}

static whit_status visit(walk *w, uint32_t node, unsigned depth);

static whit_status visit_items(walk *w, const wh_pickle_node *n, unsigned depth)
{
    const wh_pickle *p = &w->t->pickle;
    const size_t len = w->name.len;
    const uint64_t file = w->t->file->shards[w->t->shard].bytes;
    uint32_t cell = n->count > 0 ? n->u.items.first : WH_PICKLE_END;
    wh_pickle_node number = { .kind = WH_PICKLE_INT };
    whit_status st = WHIT_OK;
    for (; cell != WH_PICKLE_END && st == WHIT_OK; cell = p->cell[cell].next) {
        const wh_pickle_node *key = &number;
        if (n->kind == WH_PICKLE_DICT) {
            key = wh_pickle_at(p, p->cell[cell].node);
            cell = p->cell[cell].next;
        }
        const unsigned no_name = append_key(w, key) ? 0 : 1;
        if (w->name.failed) return wh_io_no_memory(w->t->file, w->t->err);
        if (w->name.len > WH_IO_MAX_STRING) return wh_torch_bad(w->t, "a name of more than 16 MiB");
        w->octets += w->name.len;
        if (w->octets > FREE_NAMES && (w->octets > file || w->octets > MOST_NAMES))
            return wh_torch_bad(w->t, "longer names than a file of its size has");
        w->nameless += no_name;
        st = visit(w, p->cell[cell].node, depth + 1);
        w->nameless -= no_name;
        number.u.number++;
        w->name.len = len;
        w->name.data[len] = 0;
    }
    return st;
}

static whit_status visit(walk *w, uint32_t node, unsigned depth)
{
    const wh_pickle *p = &w->t->pickle;
    const wh_pickle_node *n = wh_pickle_at(p, node);
    if (depth > MOST_DEPTH) return wh_torch_bad(w->t, "its values are nested more than 256 deep");
    if (w->budget-- == 0) return wh_torch_bad(w->t, "its values are shared too often");
    for (int i = 0; is_a(n, WH_PICKLE_CALL, PARAMETER) && i < 8; i++) {
        const wh_pickle_node *args = wh_pickle_at(p, n->u.call.value);
        if (args->count != 3 || !is_harmless(w->t, wh_pickle_item(p, args, 2)))
            return bad_tensor(w->t, w->name.data ? w->name.data : "", "a parameter with hooks");
        node = p->cell[args->u.items.first].node;
        n = wh_pickle_at(p, node);
    }
    if (is_items(n)) return visit_items(w, n, depth);
    if (!is_tensor(n)) {
        note_other(w);
        return WHIT_OK;
    }
    w->reached[node] = 1;
    return w->nameless == 0
               ? add_found(w, n)
               : wh_torch_bad(w->t, "a tensor in a dict whose key is neither text nor a number");
}

static const char *const wrappers[] = { "state_dict", "model", "model_state_dict", "module" };

/* 1: a name of what lies in a dict of the root under this key. */
static int lies_in(const char *name, const char *key)
{
    const size_t len = strlen(key);
    return strncmp(name, key, len) == 0 && name[len] == '.' && name[len + 1];
}

/* How many tensors lie in the dict under a key that may wrap the state; *beside: one that does not.
 */
static size_t count_inside(const walk *w, const char *key, const char **beside)
{
    const wh_pickle *p = &w->t->pickle;
    const wh_pickle_node *wrapped = wh_pickle_find(p, wh_pickle_at(p, p->root), key);
    size_t inside = 0;
    if (!wrapped || wrapped->kind != WH_PICKLE_DICT || wrapped->count == 0) return 0;
    for (size_t i = 0; i < w->count; i++) {
        const char *name = w->all[i].tensor.name;
        if (lies_in(name, key))
            inside++;
        else
            *beside = name;
    }
    return inside;
}

/* The key of the outermost dict that all names begin with, and that only wraps them: its length
 * with the dot; else 0. Where such a dict has company, moments of an optimizer say, that is told.
 */
static whit_status unwrap(const walk *w, size_t *skip)
{
    const wh_torch *t = w->t;
    char shortened[WH_SHORT];
    *skip = 0;
    for (size_t k = 0; k < sizeof wrappers / sizeof wrappers[0]; k++) {
        const char *beside = NULL;
        const size_t inside = count_inside(w, wrappers[k], &beside);
        if (inside == 0) continue;
        if (beside)
            return wh_io_warn(t->file, t->err,
                              "%s: %zu tensor%s beside those of its %s, as %s, read as weights; "
                              "try: save the %s alone",
                              t->label, w->count - inside, w->count - inside > 1 ? "s" : "",
                              wrappers[k], wh_short(shortened, beside), wrappers[k]);
        *skip = strlen(wrappers[k]) + 1;
        break;
    }
    return WHIT_OK;
}

static whit_status warn_left_out(const walk *w)
{
    const wh_torch *t = w->t;
    size_t nameless = 0;
    whit_status st = WHIT_OK;
    for (uint32_t i = 0; i < t->pickle.nodes; i++)
        nameless += is_tensor(wh_pickle_at(&t->pickle, i)) && !w->reached[i];
    if (w->others > 0)
        st = wh_io_warn(t->file, t->err, "%s: %s%s: no tensor%s, and left out", t->label, w->other,
                        w->others > 1 ? ", .." : "", w->others > 1 ? "s" : "");
    if (st == WHIT_OK && nameless > 0)
        st = wh_io_warn(t->file, t->err, "%s: %zu tensors that no key leads to are left out",
                        t->label, nameless);
    return st;
}

/* A tensor alone has the name of its file. */
static int name_alone(walk *w)
{
    const char *name = wh_path_name(w->t->file->shards[w->t->shard].path);
    const char *dot = strrchr(name, '.');
    if (!is_tensor(wh_pickle_at(&w->t->pickle, w->t->pickle.root)) &&
        !is_a(wh_pickle_at(&w->t->pickle, w->t->pickle.root), WH_PICKLE_CALL, PARAMETER))
        wh_buf_puts(&w->name, "");
    else
        wh_buf_put(&w->name, name, dot && dot > name ? (size_t)(dot - name) : strlen(name));
    return !w->name.failed;
}

static whit_status list_found(walk *w)
{
    wh_torch *t = w->t;
    const size_t first = t->file->count;
    size_t skip;
    if (w->count == 0) return wh_torch_bad(t, "holds no tensors");
    whit_status st = unwrap(w, &skip);
    for (size_t i = 0; i < w->count && st == WHIT_OK; i++) {
        w->all[i].tensor.name += skip;
        st = wh_io_add_tensor(t->file, &w->all[i].tensor, t->err);
    }
    if (st == WHIT_OK) st = wh_io_seal(t->file, first, t->err);
    for (size_t i = 0; i < w->count && st == WHIT_OK; i++)
        st = wh_view_put(t->file, w->all[i].tensor.name, &w->all[i].view, t->err);
    return st == WHIT_OK ? warn_left_out(w) : st;
}

whit_status wh_torch_list_tensors(wh_torch *t)
{
    walk w = { .t = t, .budget = (uint64_t)t->pickle.nodes + t->pickle.cells + 1 };
    whit_status st = WHIT_OK;
    w.reached = wh_calloc(t->pickle.nodes, 1);
    if (!w.reached || !name_alone(&w)) st = wh_io_no_memory(t->file, t->err);
    if (st == WHIT_OK) st = visit(&w, t->pickle.root, 0);
    if (st == WHIT_OK) st = list_found(&w);
    wh_buf_free(&w.name);
    free(w.reached);
    free(w.all);
    return st;
}
