/* tests/fuzz/fuzz_npy.c - any octets as a NumPy array.
 *
 * The first octet picks where a read begins and ends; the others are the file, with "\x93NUMPY" put
 * over its start so that it gets to the header. What opens must fill its file exactly, and every
 * element handed out must be the one that its index says, found here one at a time.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "io/view.h"

#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where element i of the row-major array is stored. */
static uint64_t place(const whit_tensor *t, const wh_view *v, uint64_t i)
{
    uint64_t index[WHIT_MAX_RANK] = { 0 }, at = 0;
    if (!v || t->rank < 2 || v->stride[0] != 1) return i;
    for (uint32_t d = t->rank; d-- > 0; i /= t->shape[d]) index[d] = i % t->shape[d];
    for (uint32_t d = t->rank; d-- > 0;) at = at * t->shape[d] + index[d];
    return at;
}

/* The octets [first, first + count) of the tensor, against the file's own. */
static void check_octets(const whit_file *f, const uint8_t *file, uint64_t first, size_t count)
{
    const whit_tensor *t = whit_file_tensor(f, 0);
    const wh_view *v = wh_view_of(f, 0);
    unsigned size = whit_dtype_bits(t->dtype) / 8;
    uint8_t *got = malloc(count ? count : 1);
    require(got && whit_file_read(f, 0, first, count, got, NULL) == WHIT_OK);
    for (size_t i = 0; i < count; i++) {
        uint64_t octet = (first + i) % size, at = place(t, v, (first + i) / size);
        if (v && v->swapped) octet = size - 1 - octet;
        require(got[i] == file[t->offset + at * size + octet]);
    }
    free(got);
}

/* Elements as float32, against the octets that were just proved. */
static void check_floats(const whit_file *f, uint64_t first, size_t count)
{
    const whit_tensor *t = whit_file_tensor(f, 0);
    unsigned size = whit_dtype_bits(t->dtype) / 8;
    float *got = malloc((count + 1) * sizeof *got), *want = malloc((count + 1) * sizeof *want);
    uint8_t *octets = malloc(count * size + 1);
    require(got && want && octets);
    whit_status st = whit_file_read_f32(f, 0, first, count, got, NULL);
    require(st == (whit_dtype_is_float(t->dtype) ? WHIT_OK : WHIT_ERR_ARG));
    if (st == WHIT_OK) {
        require(whit_file_read(f, 0, first * size, count * size, octets, NULL) == WHIT_OK);
        require(whit_dtype_to_f32(t->dtype, octets, count, want) == WHIT_OK);
        require(memcmp(got, want, count * sizeof *got) == 0);
    }
    free(got);
    free(want);
    free(octets);
}

static void check_array(const whit_file *f, const uint8_t *file, size_t size, unsigned pick)
{
    const whit_tensor *t = whit_file_tensor(f, 0);
    uint64_t product = 1;
    for (uint32_t d = 0; d < t->rank; d++) product *= t->shape[d];
    require(whit_file_count(f) == 1 && t->rank <= WHIT_MAX_RANK && product == t->elements);
    require(t->bytes * 8 == t->elements * whit_dtype_bits(t->dtype) && strcmp(t->name, "w") == 0);
    require(t->offset >= 10 && t->offset + t->bytes == size);
    check_octets(f, file, 0, (size_t)t->bytes);
    uint64_t from = t->bytes * (pick & 15) / 16, to = t->bytes - t->bytes * (pick >> 4) / 16;
    if (from > to) from = to;
    check_octets(f, file, from, (size_t)(to - from));
    check_floats(f, 0, (size_t)t->elements);
    check_floats(f, t->elements * (pick & 15) / 16, (size_t)(t->elements / 16));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    whit_error err = { WHIT_OK, "" };
    whit_file *f = NULL;
    if (size < 9) return 0;
    unsigned pick = data[0];
    size--;
    uint8_t *file = malloc(size);
    require(file != NULL);
    memcpy(file, data + 1, size);
    memcpy(file, "\x93NUMPY", 6);
    input_put("w.npy", file, size);

    whit_status st = whit_file_open(&f, input.path, &err);
    if (st != WHIT_OK) {
        require(!f);
        input_refused(st, &err, "w.npy");
    } else {
        check_array(f, file, size, pick);
        whit_file_close(f);
    }
    free(file);
    return 0;
}
