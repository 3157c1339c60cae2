/* tests/fuzz/fuzz_hf.c - any octets as a folder with a quantized checkpoint.
 *
 * The input is a configuration up to the first NUL (empty: there is none), then the safetensors
 * file beside it. What opens must hold together: planes that are there, shapes that fit, rows that
 * decode to the same values whole and in parts, codes that mean them.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/quant.h>
#include <whit/source.h>
#include "mutate.h"
#include "source/codes.h"
#include "source_check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[256], model[300], config[300];

static void require(int truth)
{
    if (!truth) abort();
}

static void clean_up(void)
{
    unlink(model);
    unlink(config);
    rmdir(folder);
}

static void set_up(void)
{
    const char *root = getenv("TMPDIR"); /* a file system in memory makes it much faster */
    int n = snprintf(folder, sizeof folder, "%s/whit-fuzz-XXXXXX", root && *root ? root : "/tmp");
    require(n > 0 && n < (int)sizeof folder && mkdtemp(folder) != NULL);
    snprintf(model, sizeof model, "%s/model.safetensors", folder);
    snprintf(config, sizeof config, "%s/config.json", folder);
    atexit(clean_up);
}

static void put(const char *path, const uint8_t *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    require(fd >= 0 && write(fd, data, size) == (ssize_t)size && close(fd) == 0);
}

static void check_planes(const whit_source *s, const whit_source_tensor *t)
{
    const whit_file *f = whit_source_file(s);
    uint64_t bytes = 0, rows, cols;
    whit_tensor_matrix(&t->tensor, &rows, &cols);
    require(rows == t->rows && cols == t->cols && rows * cols == t->tensor.elements);
    require(whit_scheme_is_quantized(&t->scheme) && t->planes[0] != WHIT_NOT_FOUND);
    require(t->planes[1] != WHIT_NOT_FOUND && t->layout < WHIT_LAYOUT_COUNT);
    for (int k = 0; k < 4; k++)
        if (t->planes[k] != WHIT_NOT_FOUND) bytes += whit_file_tensor(f, t->planes[k])->bytes;
    require(bytes <= t->tensor.bytes);
}

static void check_codes(const whit_source *s, const whit_source_tensor *t, const float *values)
{
    const size_t n = (size_t)t->tensor.elements;
    uint8_t *codes = malloc(n), *zero = malloc(n);
    float *scale = malloc(n * sizeof *scale), *w = malloc(n * sizeof *w);
    whit_scheme scheme = t->scheme;
    require(codes && zero && scale && w);
    require(wh_codes_rows(whit_source_file(s), t, 0, (size_t)t->rows, codes, scale,
                          scheme.asym ? zero : NULL, NULL) == WHIT_OK);
    if (scheme.gran == WHIT_GRAN_TENSOR) scheme.gran = WHIT_GRAN_CHANNEL;
    require(whit_dequantize(codes, scale, scheme.asym ? zero : NULL, (size_t)t->rows,
                            (size_t)t->cols, &scheme, w, NULL) == WHIT_OK);
    /* bitsandbytes has a table of its own, which may differ in the last bits */
    for (size_t i = 0; i < n && t->table == WHIT_NOT_FOUND; i++)
        require(memcmp(&w[i], &values[i], sizeof *w) == 0 ||
                (w[i] != w[i] && values[i] != values[i]));
    for (size_t i = 0; i < n; i++) require(codes[i] >> scheme.bits == 0);
    free(codes);
    free(zero);
    free(scale);
    free(w);
}

static void check_tensor(const whit_source *s, size_t i)
{
    const whit_source_tensor *t = whit_source_at(s, i);
    const int native = t->layout == WHIT_LAYOUT_NATIVE;
    if (native && !whit_scheme_is_quantized(&t->scheme)) return;
    if (!native) check_planes(s, t);
    float *whole = source_check(s, i);
    if (whole && !native && !t->scattered && t->scheme.gran != WHIT_GRAN_BLOCK)
        check_codes(s, t, whole);
    free(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    whit_error err = { WHIT_OK, "" };
    whit_source *s = NULL;
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    if (!nul) return 0;
    if (!*folder) set_up();
    const size_t len = (size_t)(nul - data);
    put(model, nul + 1, size - len - 1);
    if (len > 0) put(config, data, len);
    whit_status st = whit_source_open(&s, folder, &err);
    if (len > 0) unlink(config);
    if (st != WHIT_OK) {
        require(!s && err.code == st && *err.msg);
        require(st == WHIT_ERR_FORMAT || st == WHIT_ERR_UNSUPPORTED);
        for (const char *p = err.msg; *p; p++) require((unsigned char)*p >= ' ' && *p != 0x7f);
        return 0;
    }
    for (size_t i = 0; i < whit_source_count(s); i++) check_tensor(s, i);
    whit_source_close(s);
    return 0;
}

#ifdef WHIT_FUZZER
/* The file is what is behind the configuration. */
static size_t mend(uint8_t *data, size_t size, size_t max)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    const size_t from = nul ? (size_t)(nul - data) + 1 : 0;
    return nul ? from + st_mend(data + from, size - from, max - from) : size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    return mutate_and_mend(mend, data, size, max, seed);
}
#endif
