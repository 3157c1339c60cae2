/* src/io/view.c - elements that are strided, big-endian or inflated, handed out row-major and
 * little-endian.
 *
 * Dimensions that go on into each other are taken together, those of one element dropped. A request
 * is cut into boxes: a range of one dimension, with all before it fixed and all behind it whole. A
 * box is read from the dimension of the largest stride inwards: as many slices with one read as a
 * buffer holds, where the gaps between them are no more than a page; else slice by slice. So rows
 * of a matrix that is stored transposed come as runs of the stored columns, and no element is read
 * for itself unless its neighbours are pages away.
 *
 * What it costs: jobs ask for tiles of 2^18 elements, so a matrix of R rows and C columns that is
 * stored by columns takes R * C * C / 2^18 reads once its columns are longer than a page: a quarter
 * of a million for 4096 x 4096, a part of a second from the page cache. With C above 2^16 a read is
 * a few elements; such an array gets a warning (npy.c). Inflated octets are only ever read forward
 * within a box; a tile of a transposed one inflates all that its columns lie in.
 *
 * SPDX-License-Identifier: MIT */
#include "io/view.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define BUFFER 65536u /* octets of one read; on the stack */
#define PAGE 4096u
#define BATCH 256u

/* ---- what a view is -------------------------------------------------------------------------- */

void wh_view_rows(const whit_tensor *t, uint64_t stride[WHIT_MAX_RANK])
{
    uint64_t unit = 1;
    for (uint32_t d = t->rank; d-- > 0; unit *= t->elements ? t->shape[d] : 1) stride[d] = unit;
}

void wh_view_fortran(const whit_tensor *t, uint64_t stride[WHIT_MAX_RANK])
{
    uint64_t unit = 1;
    for (uint32_t d = 0; d < t->rank; unit *= t->elements ? t->shape[d] : 1, d++) stride[d] = unit;
}

int wh_view_fits(const wh_view *v, const whit_tensor *t)
{
    const uint64_t size = whit_dtype_bits(t->dtype) / 8;
    uint64_t last = 0, part, end;
    if (t->elements == 0) return 1;
    for (uint32_t d = 0; d < t->rank; d++)
        if (!wh_mul_u64(t->shape[d] - 1, v->stride[d], &part) || !wh_add_u64(last, part, &last))
            return 0;
    return wh_add_u64(last, 1, &last) && wh_mul_u64(last, size, &end) &&
           wh_add_u64(end, v->first, &end) && end <= v->octets.bytes;
}

static int is_plain(const wh_view *v, const whit_tensor *t)
{
    uint64_t rows[WHIT_MAX_RANK];
    wh_view_rows(t, rows);
    int same = !v->octets.inflated && (!v->swapped || whit_dtype_bits(t->dtype) == 8);
    for (uint32_t d = 0; d < t->rank && t->elements > 0; d++)
        same = same && (v->stride[d] == rows[d] || t->shape[d] == 1);
    return same;
}

whit_status wh_view_put(whit_file *file, const char *name, const wh_view *v, whit_error *err)
{
    const size_t index = whit_file_find(file, name);
    void *views = file->views;
    if (is_plain(v, &file->tensors[index])) return WHIT_OK;
    const size_t had = file->view_cap;
    if (!wh_grow(&views, &file->view_cap, file->count, sizeof *file->views))
        return wh_io_no_memory(file, err);
    file->views = views;
    for (size_t i = had; i < file->view_cap; i++) file->views[i] = NULL;
    wh_view *own = wh_io_room(file, sizeof *own, 8);
    if (!own) return wh_io_no_memory(file, err);
    *own = *v;
    file->views[index] = own;
    return WHIT_OK;
}

const wh_view *wh_view_of(const whit_file *file, size_t index)
{
    return index < file->view_cap ? file->views[index] : NULL;
}

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct dimension {
    uint64_t extent, stride, place; /* elements to the next one: stored, and handed out */
} dimension;

/* A request, while it is served. */
typedef struct work {
    const wh_view *view;
    whit_dtype dtype;
    size_t size;                  /* of an element */
    dimension dim[WHIT_MAX_RANK]; /* row-major */
    unsigned dims;
    wh_octets_reader reader;
    unsigned char *octets; /* where elements go: as they are, */
    float *floats;         /* or, if not NULL, as float32 instead */
    whit_error *err;
    unsigned char raw[BUFFER];
} work;

static void prepare(work *w, const whit_file *file, size_t index, whit_error *err)
{
    const whit_tensor *t = &file->tensors[index];
    w->view = wh_view_of(file, index);
    w->dtype = t->dtype;
    w->size = whit_dtype_bits(t->dtype) / 8;
    w->dims = 0;
    w->reader = (wh_octets_reader){ &file->shards[t->shard], &w->view->octets, NULL };
    w->octets = NULL;
    w->floats = NULL;
    w->err = err;
    for (uint32_t d = 0; d < t->rank; d++) {
        dimension *before = w->dims > 0 ? &w->dim[w->dims - 1] : NULL;
        if (t->shape[d] == 1) continue;
        if (before && before->stride == t->shape[d] * w->view->stride[d]) {
            before->extent *= t->shape[d];
            before->stride = w->view->stride[d];
        } else {
            w->dim[w->dims++] = (dimension){ t->shape[d], w->view->stride[d], 1 };
        }
    }
    if (w->dims == 0) w->dim[w->dims++] = (dimension){ 1, 1, 1 };
    for (unsigned d = w->dims - 1; d-- > 0;)
        w->dim[d].place = w->dim[d + 1].place * w->dim[d + 1].extent;
}

/* n elements, `step` apart, side by side and little-endian. What is swapped are the numbers: of a
 * complex one its two parts, each in its place. */
static void pack(const work *w, const unsigned char *src, uint64_t n, uint64_t step,
                 unsigned char *packed)
{
    const size_t size = w->size, unit = w->dtype == WHIT_C64 ? size / 2 : size;
    for (uint64_t i = 0; i < n; i++, src += step * size, packed += size)
        for (size_t k = 0; k < size; k++)
            packed[k] = src[w->view->swapped ? k / unit * unit + unit - 1 - k % unit : k];
}

/* n elements, `step` apart, to places from `at` on. */
static void put_run(work *w, const unsigned char *src, uint64_t n, uint64_t step, uint64_t at,
                    uint64_t place)
{
    unsigned char packed[BATCH * 8];
    float value[BATCH];
    const size_t size = w->size;
    for (uint64_t done = 0, m; done < n; done += m, src += m * step * size, at += m * place) {
        m = n - done < BATCH ? n - done : BATCH;
        const unsigned char *from = src;
        if (step != 1 || w->view->swapped) {
            from = packed;
            pack(w, src, m, step, packed);
        }
        if (w->floats) {
            /* cppcheck-suppress legacyUninitvar ; the next line fills it */
            float *to = place == 1 ? w->floats + at : value;
            whit_dtype_to_f32(w->dtype, from, (size_t)m, to);
            /* cppcheck-suppress uninitvar ; to is value where place is not 1 */
            for (uint64_t i = 0; place != 1 && i < m; i++) w->floats[at + i * place] = value[i];
        } else if (place == 1) {
            memcpy(w->octets + at * size, from, (size_t)m * size);
        } else {
            for (uint64_t i = 0; i < m; i++)
                memcpy(w->octets + (at + i * place) * size, from + i * size, size);
        }
    }
}

/* The elements of a box that is in raw, from its dimension k on. */
static void put_box(work *w, const dimension *box, unsigned k, uint64_t from, uint64_t at)
{
    const dimension *d = &box[k];
    if (k + 1 >= w->dims) {
        put_run(w, w->raw + from * w->size, d->extent, d->stride, at, d->place);
        return;
    }
    for (uint64_t i = 0; i < d->extent; i++)
        put_box(w, box, k + 1, from + i * d->stride, at + i * d->place);
}

/* Elements from the first to the last of a box, from dimension k on; 0: they are too many for one
 * read, or mostly gaps. */
static uint64_t span_of(const work *w, const dimension *box, unsigned k)
{
    const uint64_t most = BUFFER / w->size, gap = PAGE / w->size;
    uint64_t span = 1;
    for (unsigned d = w->dims; d-- > k;) {
        if (box[d].extent == 1 || box[d].stride == 0) continue;
        if (box[d].stride > span + gap || (most - span) / box[d].stride < box[d].extent - 1)
            return 0;
        span += (box[d].extent - 1) * box[d].stride;
    }
    return span;
}

/* The box's elements: its dimensions by falling stride, all before k of one element. It begins at
 * stored element `from`, and goes to places from `at` on. */
static whit_status read_box(work *w, dimension *box, unsigned k, uint64_t from, uint64_t at)
{
    while (k + 1 < w->dims && box[k].extent == 1) k++;
    uint64_t span = span_of(w, box, k);
    if (span > 0) {
        whit_status st = wh_octets_read(&w->reader, w->view->first + from * w->size, w->raw,
                                        (size_t)span * w->size, w->err);
        if (st == WHIT_OK) put_box(w, box, k, 0, at);
        return st;
    }
    const dimension whole = box[k];
    uint64_t slices = 1;
    if (k + 1 == w->dims || span_of(w, box, k + 1) > 0) { /* as many as fit */
        const uint64_t inner = k + 1 == w->dims ? 1 : span_of(w, box, k + 1);
        if (whole.stride <= inner + PAGE / w->size)
            slices += (BUFFER / w->size - inner) / whole.stride;
    }
    whit_status st = WHIT_OK;
    for (uint64_t i = 0, n; i < whole.extent && st == WHIT_OK; i += n) {
        n = whole.extent - i < slices ? whole.extent - i : slices;
        box[k].extent = n;
        st = read_box(w, box, k, from + i * whole.stride, at + i * whole.place);
    }
    box[k] = whole;
    return st;
}

/* By falling stride; equal ones stay as they are. */
static void sort_dimensions(dimension *box, unsigned n)
{
    for (unsigned i = 1; i < n; i++) {
        const dimension one = box[i];
        unsigned k = i;
        for (; k > 0 && box[k - 1].stride < one.stride; k--) box[k] = box[k - 1];
        box[k] = one;
    }
}

/* Elements [first, first + count), counted row-major, box by box. */
static whit_status read_elements(work *w, uint64_t first, uint64_t count)
{
    whit_status st = WHIT_OK;
    for (uint64_t done = 0, n; done < count && st == WHIT_OK; done += n) {
        dimension box[WHIT_MAX_RANK] = { { 0, 0, 0 } };
        uint64_t rest = first + done, from = 0;
        unsigned d = 0; /* the first dimension that the box has a range of */
        while (d + 1 < w->dims && (rest % w->dim[d].place != 0 || count - done < w->dim[d].place))
            d++;
        for (unsigned i = 0; i < w->dims; i++) {
            const uint64_t index = rest / w->dim[i].place;
            box[i] = w->dim[i];
            from += index * w->dim[i].stride;
            rest %= w->dim[i].place;
            if (i < d) box[i].extent = 1;
            if (i != d) continue;
            const uint64_t left = (count - done) / box[d].place;
            box[d].extent = left < box[d].extent - index ? left : box[d].extent - index;
        }
        n = box[d].extent * box[d].place;
        sort_dimensions(box, w->dims);
        st = read_box(w, box, 0, from, done);
    }
    return st;
}

whit_status wh_view_read_f32(const whit_file *file, size_t index, uint64_t first, size_t count,
                             float *dst, whit_error *err)
{
    work w;
    prepare(&w, file, index, err);
    w.floats = dst;
    whit_status st = read_elements(&w, first, count);
    wh_octets_close(&w.reader);
    return st;
}

whit_status wh_view_read(const whit_file *file, size_t index, uint64_t first, size_t count,
                         void *dst, whit_error *err)
{
    work w;
    whit_status st = WHIT_OK;
    prepare(&w, file, index, err);
    for (size_t done = 0, n; done < count && st == WHIT_OK; done += n) {
        unsigned char *to = (unsigned char *)dst + done, cut[8];
        const uint64_t element = (first + done) / w.size;
        const size_t skip = (size_t)((first + done) % w.size), left = count - done;
        const int part = skip > 0 || left < w.size; /* of an element */
        const size_t elements = part ? 1 : left / w.size;
        w.octets = part ? cut : to;
        st = read_elements(&w, element, elements);
        n = part ? w.size - skip : elements * w.size;
        if (n > left) n = left;
        if (st == WHIT_OK && part) memcpy(to, cut + skip, n);
    }
    wh_octets_close(&w.reader);
    return st;
}
